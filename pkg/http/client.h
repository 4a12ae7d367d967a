/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share. A client and what hangs on it:
 *
 *      http_client ---- parked:    requests that ended, to be used again
 *           |    \----- starting:  accepted by http_start, not yet with an engine
 *           |     \---- cancelled: to be taken back from their engine
 *           |
 *           +-- conns: connections of the direct engine (conn.h), each with its requests
 *           |
 *           +-- pool -- libcurl's pool for new requests: one multi handle with its connections
 *           +-- pools - all of them: that one, and those retired that still have requests
 *                         |
 *                         +-- requests: in flight
 *                         +-- settings: the configuration they were made under (counted)
 *
 * Two engines carry requests. The direct one (direct.c, conn.c, h2.c) speaks HTTP/2
 * over TLS itself, and so does all that an operator sends to an API server: libcurl
 * takes a URL apart and puts it together again, prints headers and looks at every
 * transfer of a connection for each request, which is half of what a request costs.
 * libcurl (curl.c, pool.c) has what is rare and long: proxies, plain http, servers
 * that speak HTTP/1.1 only, odd URLs. A request goes to the direct engine where that
 * takes it; one whose server turns out to speak HTTP/1.1 starts anew with libcurl.
 *
 * A pool or a connection retires when the configuration changes, or when it is
 * suspected dead: what is in flight ends on it, and nothing new begins.
 *
 * User code runs inside the callbacks of both libcurl and nghttp2, which refuse most
 * calls from there. So starting only queues (a deferred call does the rest) and
 * cancelling only marks; client_unpin does the rest once they have returned.
 */
#pragma once

#include "base/list.h"
#include "http/headers.h"
#include "http/http.h"
#include "http/tls.h"

#define HTTP_URL_MAX ((size_t)16 * 1024)
#define HTTP_METHOD_MAX 16
#define HTTP_BODY_DEFAULT_MAX ((size_t)8 * 1024 * 1024)
/* Requests kept for the next one, at the most, and after a quiet moment. */
#define HTTP_PARKED_MAX 96
#define HTTP_PARKED_IDLE 1
#define HTTP_TRIM_AFTER (5 * USEC_SEC)
/* So many parked ones at that moment tell of a burst: they were in flight together. */
#define HTTP_BURST 8
/* A parked request keeps buffers up to this size. */
#define HTTP_KEEP_BUFFER ((size_t)16 * 1024)
/* How often a request is sent at the most, if servers say that they have not looked at it. */
#define HTTP_ATTEMPTS_MAX 5
/* A peer that takes no bytes for so long, or does not answer a keepalive probe,
 * is dead. Otherwise a request on the connection to a machine that has vanished
 * would wait for a quarter of an hour. */
#define HTTP_DEAD_PEER_MS 20000
#define HTTP_KEEPALIVE_IDLE_S 20
#define HTTP_KEEPALIVE_INTERVAL_S 5

struct h2;
struct http_pool;
struct inflater;
struct transfer;

struct http_settings {
        unsigned refs;
        struct http_tls *tls;
        char *proxy; /* NULL: libcurl looks into the environment; "": none */
        char *user_agent;
        long connect_timeout_ms;
        long max_connections;
        /* The direct engine is used. Not any more once the server has chosen HTTP/1.1. */
        bool direct;
        /* "https://10.0.0.1:6443", the one server that it talks to: that of the first request
         * for it. The others, of which an API client has none, are libcurl's. */
        char *origin;
};

struct http_client {
        struct loop *loop;
        struct http_settings *settings;
        struct list conns;
        struct http_pool *pool; /* for new requests; NULL until needed */
        struct list pools;
        struct list starting, cancelled, parked;
        size_t n_parked;
        struct loop_defer turn; /* starts what waits and sends what is ready */
        struct loop_timer trim;
        struct header_cache headers;
        unsigned pins;   /* calls on the stack that need the client to stay */
        bool curl_is_up; /* libcurl is initialised, on our account */
        bool freed;      /* by the user, while pinned */
};

enum request_state { REQUEST_PARKED, REQUEST_STARTING, REQUEST_IN_FLIGHT, REQUEST_CANCELLED, REQUEST_ENDING };

struct http_request {
        struct http_client *client;
        struct http_settings *settings;
        struct list link; /* in the list that state names */
        enum request_state state;
        const struct http_engine *engine; /* while in flight, or cancelled in flight */

        char method[HTTP_METHOD_MAX + 1];
        struct buf url;
        struct header_list *headers;
        bool sends_body; /* be it an empty one */
        struct buf out;  /* the body to send */
        struct http_handlers handlers;

        struct loop_timer watchdog; /* for both timeouts; moved only when it fires */
        usec_t started, heard;
        usec_t timeout, idle_timeout;

        int status;
        bool body_begun;
        usec_t retry_after;
        char content_type[128];
        struct buf in; /* the body that is collected */
        int failure;   /* why we ended it; a negative errno */

        struct transfer *curl; /* libcurl's part; NULL until it is needed */

        /* The direct engine's part. */
        struct h2 *h2;
        int32_t stream; /* 0: not sent yet, or ended */
        size_t out_sent;
        size_t header_bytes; /* received */
        unsigned attempts;
        bool ended; /* the answer is complete */
        struct inflater *inflater;
};

/* --- the engines ------------------------------------------------------------ */

struct http_engine {
        /* Takes R, which is on no list. 0, or a negative errno and R is as it was. It may
         * also have ended R. */
        int (*add)(struct http_request *r) _must_check_;
        /* Takes R, which is on no list, out again. Not from inside the engine. */
        void (*remove)(struct http_request *r);
        /* R has heard nothing for too long. If nobody on its connection has, the next
         * request had better take a new one: a stream that times out leaves its
         * connection as it was, even if the server behind it has vanished. */
        void (*suspect)(struct http_request *r);
        /* All that was added in this turn may leave. */
        void (*kick)(struct http_client *c);
        /* Cancels what is in flight. */
        void (*cancel_all)(struct http_client *c);
        /* Frees what retired and has no requests any more, or all there is. */
        void (*sweep)(struct http_client *c, bool all);
};

extern const struct http_engine curl_engine;   /* pool.c */
extern const struct http_engine direct_engine; /* direct.c */

/* Whether the direct engine can carry R. */
bool direct_takes(const struct http_request *r);

/* --- http.c: the client --------------------------------------------------- */

void settings_unref(struct http_settings *s);
/* Between these two the client stays, whatever callbacks do. */
void client_pin(struct http_client *c);
/* Does what had to wait for the engines to return; C may be gone afterwards. */
void client_unpin(struct http_client *c);
/* The deferred call: what waits in c->starting or in an engine goes on in this turn. */
void client_wake(struct http_client *c);

/* --- request.c: one request -------------------------------------------------- */

struct http_request *request_new(struct http_client *c) _must_check_;
void request_free(struct http_request *r);
int request_prepare(struct http_request *r, const struct http_call *call,
                    const struct http_handlers *handlers, struct error *err) _must_check_;
/* Back to the parked ones, or freed. It must be out of its engine. */
void request_recycle(struct http_request *r);
/* Takes R, whose server has not looked at it, back to be sent anew. It is off its engine's hands. */
void request_restart(struct http_request *r);
/* Ends R: well; or, where r->failure or CODE is not 0, with that; or with WHY, if there is one.
 * The client must be pinned; R is gone. */
void request_finish(struct http_request *r, int code, const struct error *why);

/* What an engine does when an answer, its headers and its body come. After the last two, which
 * call the user, R may be in flight no more. */
void request_begin_answer(struct http_request *r, int status);
void request_take_header(struct http_request *r, struct str name, struct str value);
void request_end_headers(struct http_request *r);
/* 0, or what is now r->failure. */
int request_take_body(struct http_request *r, struct str data) _must_check_;

/* The two ends of "https://10.0.0.1:6443" in a URL, and what is left of it for a message: a name
 * and a password before the host are nobody's business, nor is what a path may hold. */
struct str url_origin(struct str url);
struct str url_public_origin(struct str url);

/* --- curl.c: libcurl's part of a request --------------------------------------- */

void transfer_free(struct transfer *t); /* NULL is fine */

/* --- failure.c: what to tell the user ---------------------------------------- */

/* What our own callbacks and timers ended: r->failure. */
void failure_ours(const struct http_request *r, struct error *err);
/* A certificate that did not verify: WHY is of OpenSSL, DETAIL what is said where that is X509_V_OK. */
int failure_certificate(struct str origin, const struct http_tls *tls, long why, const char *detail,
                        struct error *err);

/* --- headers.c ---------------------------------------------------------------- */

/* Microseconds from Retry-After (RFC 9110, 10.2.3), WALL being the time now; -1 if it is none. */
usec_t parse_retry_after(struct str value, usec_t wall);
