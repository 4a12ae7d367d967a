/* SPDX-License-Identifier: Apache-2.0
 *
 * The small HTTP server for metrics and health: libmicrohttpd without threads,
 * on the event loop.
 *
 *      loop --- epoll descriptor of MHD ---> MHD_run --> route --> handler fills the reply
 *           --- timer (MHD_get_timeout) -------^
 *
 *      static const struct server_route routes[] = {
 *              { "/metrics", server_serve_metrics, metrics },
 *              { "/livez", server_serve_health, &live },
 *              { "/readyz", server_serve_health, &ready },
 *              { "/debug/state", write_state, manager, .loopback_only = true },
 *      };
 *
 * Answers GET and HEAD on these very paths; 404 elsewhere, 405 for the rest.
 * There is no TLS and no authentication: nothing that is served here may be a
 * secret, and what would help an attacker is for loopback_only.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "loop/loop.h"

#define SERVER_CONNECTIONS_MAX 32
#define SERVER_CONNECTIONS_PER_PEER_MAX 16
#define SERVER_CONNECTION_MEMORY ((size_t)8 * 1024) /* also the longest request line with its headers */
#define SERVER_CONNECTION_TIMEOUT 10                /* seconds without progress */
#define SERVER_ROUTES_MAX 16
#define SERVER_BODY_MAX ((size_t)4 * 1024 * 1024)

struct server;

struct server_request {
        struct str path;
        bool verbose; /* "?verbose", with any value or none */
};

struct server_reply {
        unsigned status;          /* 200 */
        const char *content_type; /* "text/plain; charset=utf-8"; must be static */
        struct buf body;          /* an error in it turns the reply into a 500 */
};

/* Called in the loop's thread; must not free the server. */
typedef void server_fn(const struct server_request *request, struct server_reply *reply, void *arg);

struct server_route {
        const char *path;
        server_fn *fn;
        void *arg;
        bool loopback_only; /* 403 for every peer but this machine (or pod: kubectl port-forward) */
};

/* LISTEN: see http/listen.h. ROUTES are copied, not what they point at. On failure
 * a negative errno with *err saying what to do about it. */
int server_new(struct loop *l, struct str listen, const struct server_route *routes, size_t n_routes,
               struct server **ret, struct error *err) _must_check_;
void server_free(struct server *s);
void server_freep(struct server **s);

/* The port it listens on. */
uint16_t server_port(const struct server *s);

/* --- handlers ---------------------------------------------------------- */

/* ARG is a struct metrics. */
server_fn server_serve_metrics;

/* 0 if all is well; else anything negative, with why->message as one line a
 * person can act on: "Forbidden: cannot list applications.keelson.dev". */
typedef int health_fn(void *arg, struct error *why);

struct health_check {
        const char *name; /* "applications list" */
        health_fn *fn;
        void *arg;
};

struct health {
        const char *name; /* "readyz" */
        const struct health_check *checks;
        size_t n_checks;
};

/* ARG is a struct health. 200 "ok", or 503 and one line for each failing check,
 * "applications list: Forbidden: …"; with ?verbose all checks, in the format of
 * kube-apiserver: "[+]ping ok", "[-]applications list failed: …". */
server_fn server_serve_health;
