/* SPDX-License-Identifier: Apache-2.0
 *
 * A reflector of pods against an API server that follows a script, and all that
 * its owner hears, as text: "begin LISTED:a end:10 synced ADDED:b ".
 */
#pragma once

#include "fake_api.h"
#include "harness.h"
#include "kube/reflector.h"

#define POD(name, version) "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"" version "\"}}"
#define EVENT(type, name, version) "{\"type\":\"" type "\",\"object\":" POD(name, version) "}\n"
#define BOOKMARK(version)                                                                                    \
        "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version "\"}}}\n"
#define LIST(version, items)                                                                                 \
        "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define PAGE(version, next, items)                                                                           \
        "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" version "\",\"continue\":\"" next       \
        "\"},\"items\":[" items "]}"
#define EXPIRED                                                                                              \
        "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Expired\",\"message\":\"too "              \
        "old\",\"code\":410}"

extern struct loop *loop;
extern struct fake_api fake;
extern struct kube_client *client;
extern struct reflector reflector;
extern struct buf heard;

extern int fail_objects;    /* so many on_object fail */
extern int fail_list_ends;  /* and so many on_list_end */
extern const char *stop_at; /* the name at which on_object stops the reflector, or "end" */
extern bool start_again;    /* and starts it again at once */

extern const char *listener_user; /* the client's credentials, for fake_api_client */

void open_listener(const struct reflector_config *config);
void close_listener(void);
void start(void);

/* The next step of the script. */
void will(int status, const char *body, enum fake_end end);

void wait_for(const char *text);
void wait_for_requests(size_t n);

/* The limit or the pause that the reflector has set itself is over now, however
 * quick or slow this machine is. */
void time_is_up(void);

/* What was asked, but for timeoutSeconds, which is random. */
void check_asked(const char *expected);

#define LIST_END(version)                                                                                    \
        "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version                    \
        "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n"

#define ASKED_LIST "GET /api/v1/pods?limit=500\n"
#define ASKED_WATCH(version)                                                                                 \
        "GET /api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion=" version "\n"
#define ASKED_STREAM                                                                                         \
        "GET /api/v1/pods?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&"                       \
        "resourceVersionMatch=NotOlderThan\n"
#define ASKED_STREAM_FROM(version)                                                                           \
        "GET /api/v1/pods?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&"                       \
        "resourceVersionMatch=NotOlderThan&resourceVersion=" version "\n"
