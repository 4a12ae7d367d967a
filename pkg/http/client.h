/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share. A client and what hangs on it:
 *
 *      http_client ---- parked:   requests that ended, with their easy handles, to be used again
 *           |    \----- starting: accepted by http_start, not yet with libcurl
 *           |     \---- cancelled from inside libcurl, to be taken back when it returns
 *           |
 *           +-- pool -- the pool for new requests: one multi handle with its connections
 *           +-- pools - all of them: that one, and those retired that still have requests
 *                         |
 *                         +-- requests: in flight
 *                         +-- settings: the configuration they were made under (counted)
 *
 * A pool retires when the configuration changes, or when its connection is
 * suspected dead. libcurl gives no way to say "no new requests on this
 * connection", but a new multi handle has a pool of its own.
 *
 * libcurl refuses most calls on a multi handle from inside its own callbacks,
 * and user code runs in them. So starting only queues (a deferred call does the
 * rest) and cancelling inside libcurl only marks; client_unpin does the rest
 * once libcurl has returned.
 */
#pragma once

#include <curl/curl.h>

#include "base/list.h"
#include "http/headers.h"
#include "http/http.h"
#include "http/tls.h"

#define HTTP_URL_MAX ((size_t)16 * 1024)
#define HTTP_BODY_DEFAULT_MAX ((size_t)8 * 1024 * 1024)
/* Handles kept for the next request, at the most, and after a quiet moment. */
#define HTTP_PARKED_MAX 96
#define HTTP_PARKED_IDLE 1
#define HTTP_TRIM_AFTER (5 * USEC_SEC)
/* So many parked ones at that moment tell of a burst: they were in flight together. */
#define HTTP_BURST 8
/* A parked request keeps buffers up to this size. */
#define HTTP_KEEP_BUFFER ((size_t)16 * 1024)

struct http_settings {
        unsigned refs;
        struct http_tls *tls;
        char *proxy; /* NULL: libcurl looks into the environment */
        char *user_agent;
        long connect_timeout_ms;
        long max_connections;
};

struct http_pool {
        struct http_client *client;
        struct http_settings *settings;
        struct list link; /* in client->pools */
        CURLM *multi;
        struct loop_timer timer; /* libcurl's one timer; always set */
        struct loop_timer quiet; /* likewise: when to look again (pool.c) */
        usec_t woken;            /* when a socket had something to read */
        struct list sockets;
        struct list requests;
        usec_t heard; /* when the last byte came, from anyone */
        int broken;   /* a callback failed, the multi handle is of no more use */
};

struct http_client {
        struct loop *loop;
        struct http_settings *settings;
        struct http_pool *pool; /* for new requests; NULL until needed */
        struct list pools;
        struct list starting, cancelled, parked;
        size_t n_parked;
        struct loop_defer start;
        struct loop_timer trim;
        struct header_cache headers;
        struct buf url; /* the NUL-terminated copy that libcurl copies again */
        unsigned pins;  /* calls on the stack that need the client to stay */
        bool in_curl;
        bool freed; /* by the user, while pinned */
};

enum request_state { REQUEST_PARKED, REQUEST_STARTING, REQUEST_IN_FLIGHT, REQUEST_CANCELLED, REQUEST_ENDING };

struct http_request {
        struct http_client *client;
        struct http_pool *pool;         /* while in flight */
        struct http_settings *settings; /* what the easy handle was made with */
        struct list link;               /* in the list that state names */
        enum request_state state;
        CURL *easy;
        struct http_handlers handlers;
        struct header_list *headers;
        struct buf out; /* the body to send */
        struct buf in;  /* the body that is collected */
        bool gzip;      /* what the easy handle is set to accept */

        struct loop_timer watchdog; /* for both timeouts; moved only when it fires */
        usec_t started, heard;
        usec_t timeout, idle_timeout;

        int status;
        bool body_begun;
        usec_t retry_after;
        int failure; /* why our own callbacks ended it; a negative errno */
        char content_type[128];
        char curl_message[CURL_ERROR_SIZE];
};

/* --- http.c: the client --------------------------------------------------- */

void settings_unref(struct http_settings *s);
/* Between these two the client stays, whatever callbacks do. */
void client_pin(struct http_client *c);
/* Does what had to wait for libcurl to return; C may be gone afterwards. */
void client_unpin(struct http_client *c);

/* --- pool.c --------------------------------------------------------------- */

/* Into c->pools; 0 or -ENOMEM. */
int pool_new(struct http_client *c, struct http_settings *settings, struct http_pool **ret) _must_check_;
void pool_free(struct http_pool *p);
/* Hands R, which is on no list, to libcurl; pool_kick makes it begin. 0 or a negative errno. */
int pool_add(struct http_pool *p, struct http_request *r) _must_check_;
void pool_kick(struct http_pool *p);
void pool_remove(struct http_pool *p, struct http_request *r);

/* --- request.c: one transfer ----------------------------------------------- */

struct http_request *request_new(struct http_client *c) _must_check_;
void request_free(struct http_request *r);
int request_prepare(struct http_request *r, const struct http_call *call,
                    const struct http_handlers *handlers, struct error *err) _must_check_;
/* Back to the parked ones, or freed. It must be out of its pool. */
void request_recycle(struct http_request *r);
/* Ends R with what libcurl said, or with the error CODE where that is not 0. */
void request_finish(struct http_request *r, CURLcode said, int code);

/* --- failure.c: what to tell the user ---------------------------------------- */

/* Fills ERR from the outcome of a transfer. */
void failure_describe(const struct http_request *r, CURLcode said, struct error *err);

/* --- headers.c ---------------------------------------------------------------- */

/* Microseconds from Retry-After (RFC 9110, 10.2.3), WALL being the time now; -1 if it is none. */
usec_t parse_retry_after(struct str value, usec_t wall);
