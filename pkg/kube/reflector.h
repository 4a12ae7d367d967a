/* SPDX-License-Identifier: Apache-2.0
 *
 * Keeps up with all objects of one kind: lists them once, then watches, and
 * does so again whenever the server says that it must.
 *
 *                  on_list_begin, on_object(LISTED)…, on_list_end
 *                 .----------.                        .-----------.
 *      start ---> | listing  | ----- all is in -----> | watching  | on_object(ADDED …)
 *                 '----------' <---- 404, 410 ------- '-----------'
 *                    ^    |                             |   ^  |
 *                    |    | failed                 cut, |   |  | timeoutSeconds is over
 *                    |    v                      silent v   |  v
 *                    '-- wait ------------------------ wait +--'
 *                        0.2 s … 30 s with jitter, or what Retry-After says, 5 min at the most
 *
 * Objects are handed over one by one, straight from the stream; a list of ten
 * thousand needs the memory of the largest one. A watch goes on from the
 * resourceVersion of the last event or bookmark that was taken in whole, so an
 * event that was cut in the middle comes again. resourceVersions are passed
 * through as strings and never go back but by a new list.
 *
 * The list itself is a stream where the server has that (Kubernetes 1.34 and
 * later do), which costs it a fraction of the memory: a watch that begins with
 * all objects there are, up to a bookmark that is marked as their end, and then
 * simply goes on.
 *
 *      {"type":"ADDED", …} … {"type":"BOOKMARK", … initial-events-end} {"type":"MODIFIED", …} …
 *      `--------- listing --------------------------------------------'`-- watching ---------
 *
 * A server that answers 400 or 422 to that is asked for pages instead, at once
 * and from then on; so is one that has not sent the end within
 * REFLECTOR_STREAM_LIMIT, since some accept the question and never do. A relist
 * asks for nothing older than what was reached; if that fails, or to begin
 * with, both forms are of what etcd holds now.
 *
 * What changes while the list is under way reaches the owner as another
 * on_object(LISTED) of the same object or as DELETED; the last one counts.
 * After on_list_end the owner drops what the list did not bring. A page that
 * the server refuses for now is asked for again; a list that breaks off in the
 * middle of a page or stream never ends, and the next begins with on_list_begin
 * again.
 *
 * Versions do go back where etcd was restored from a backup. Then a watch from a
 * version of the future is silent, so one that never said a word is followed by
 * a relist; and a list that asks for no version is what etcd holds, which no
 * lagging API server can answer. If that is older than what was reached, the
 * owner is told to forget what it has (on_set_back), and it is listed once more.
 *
 * A watch that twice in a row has no memory for its next event is followed by a
 * list as well: at its begin the owner may let go of what it has.
 *
 * (Kubernetes docs, "API Concepts": efficient detection of changes, bookmarks,
 * retrieving large results in chunks, streaming lists; KEP-3157.)
 */
#pragma once

#include "base/rand.h"
#include "json/split.h"
#include "kube/client.h"

#define REFLECTOR_PAGE 500
#define REFLECTOR_OBJECT_MAX ((size_t)8 * 1024 * 1024)
#define REFLECTOR_BACKOFF_MIN (200 * USEC_MSEC)
#define REFLECTOR_BACKOFF_MAX (30 * USEC_SEC)
/* What a server may ask for with Retry-After, at the most. */
#define REFLECTOR_PAUSE_MAX (5 * USEC_MINUTE)
/* A page of a list takes at the most so long. */
#define REFLECTOR_LIST_TIMEOUT (5 * USEC_MINUTE)
/* The API server sends a bookmark about once a minute, so a watch on which
 * nothing moves for longer has lost its server. */
#define REFLECTOR_SILENCE (90 * USEC_SEC)
/* All initial events of a list that is streamed have come by then. */
#define REFLECTOR_STREAM_LIMIT (60 * USEC_SEC)
/* A watch that has stayed for so long works, even if nothing happened on it;
 * one that ends sooner without an event or a bookmark is a failure. */
#define REFLECTOR_SETTLE (5 * USEC_SEC)

enum reflector_event { REFLECTOR_LISTED, REFLECTOR_ADDED, REFLECTOR_MODIFIED, REFLECTOR_DELETED };
enum reflector_state { REFLECTOR_SYNCED, REFLECTOR_FAILING };

struct reflector;

struct reflector_handlers {
        /* A list starts. */
        void (*on_list_begin)(struct reflector *r, void *arg);
        /* The object is valid during the call. A negative errno (-ENOMEM) ends
         * the stream; the object comes again after a backoff. */
        int (*on_object)(struct reflector *r, enum reflector_event event, yyjson_val *object, void *arg);
        /* The list is complete, as of VERSION. A negative errno: it is listed again. */
        int (*on_list_end)(struct reflector *r, struct str version, void *arg);
        /* The server was set back: what was handed over may be newer than what there
         * is now, and counts no more. A list follows. Optional. */
        void (*on_set_back)(struct reflector *r, void *arg);
        /* It works (again), or it does not and why; only when that changes, or
         * the reason does. A failure of lists is over with the next list that
         * is whole; one of watches only with an event, a bookmark, or a watch
         * that stays for REFLECTOR_SETTLE, not yet with a list or with a watch
         * that is accepted, and maybe dropped at once. Optional. */
        void (*on_state)(struct reflector *r, enum reflector_state state, const struct error *err, void *arg);
        void *arg;
};

/* What is watched. The strings must outlive the reflector. */
struct reflector_config {
        const struct kube_kind *kind;
        struct str namespace;      /* absent: all */
        struct str label_selector; /* in the API's own syntax: "a=b,c" (kube/selector.h) */
        struct str field_selector;
        /* Objects come as PartialObjectMetadata: their metadata alone, whatever
         * the kind (Kubernetes docs, "API Concepts", metadata-only fetches). */
        bool metadata_only;
        uint64_t seed; /* of the jitter */
        bool paged;    /* never stream the list */
        /* 0: REFLECTOR_SILENCE, _STREAM_LIMIT, _SETTLE and _BACKOFF_MIN; tests take less. */
        usec_t silence, stream_limit, settle, backoff;
};

enum reflector_phase { REFLECTOR_STOPPED, REFLECTOR_LISTING, REFLECTOR_WATCHING, REFLECTOR_WAITING };

/* Embedded by its owner. reflector*.c alone read it. */
struct reflector {
        struct kube_client *client;
        struct reflector_config config;
        struct reflector_handlers handlers;
        enum reflector_phase phase;
        struct kube_request *request;
        struct loop_timer timer;
        struct rand rand;
        struct json_split split;
        struct buf failure;   /* the body of an answer that is not 200, its beginning */
        struct buf version;   /* the resourceVersion that we have reached; empty: list first */
        struct buf floor;     /* the one reached before this relist; empty: as of now */
        struct buf reached;   /* the highest one before this relist, whatever it asks for */
        struct buf next_page; /* the continue token; empty: the first page */
        struct buf path;
        struct error last_error;
        unsigned failures;     /* in a row */
        int status;            /* of the answer under way */
        int owner_error;       /* what a callback gave back on it */
        usec_t began;          /* the request under way */
        size_t n_events;       /* on it, behind the list */
        bool streaming;        /* it began as a list that is streamed */
        bool relist;           /* the server said so */
        bool page_ended;       /* the envelope of the page was seen */
        bool consistent;       /* the list under way asks for no version: it is what etcd holds */
        bool paged;            /* the server cannot stream lists */
        bool whole_list;       /* no pages: their token expired under way */
        bool watch_failing;    /* no watch has worked since one failed */
        bool reported, synced; /* what on_state said last */
};

/* CLIENT must outlive R, which starts stopped. */
void reflector_init(struct reflector *r, struct kube_client *client, const struct reflector_config *config,
                    const struct reflector_handlers *handlers);
/* Stops it; not from inside its own callbacks (reflector_stop may be called there). */
void reflector_release(struct reflector *r);

/* Begins with a list, in this turn of the loop or the next. 0 or -ENOMEM. */
int reflector_start(struct reflector *r) _must_check_;
/* No callback comes any more. It may be started again. */
void reflector_stop(struct reflector *r);

/* The resourceVersion that it has reached; absent before the first list. */
struct str reflector_version(const struct reflector *r);
