/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection of the direct engine, from the name of a host to its last byte:
 *
 *      RESOLVING --> CONNECTING --> SHAKING --> READY --> DEAD
 *       a name        one address    TLS and     h2.c
 *       (resolve.c)   after another  ALPN
 *
 * It takes requests from the start; they leave when it is ready. Until then one
 * deadline holds for all of it. One that fails is DEAD, its requests have ended, and
 * it is freed when the client is unpinned; so is one that retired, after its last
 * request.
 */
#pragma once

#include "http/h2.h"
#include "http/resolve.h"
#include "http/tls_io.h"

enum conn_state { CONN_RESOLVING, CONN_CONNECTING, CONN_SHAKING, CONN_READY, CONN_DEAD };

struct conn {
        struct h2 h2;
        struct http_client *client;
        struct http_settings *settings;
        struct list link; /* in client->conns */
        enum conn_state state;
        bool retired; /* no new requests */
        bool dirty;   /* there may be something to send */
        bool blocked; /* the socket takes no more for now */
        struct loop_fd fd;
        struct tls_io tls;
        char *out; /* while there is something to send */
        size_t out_len, out_sent;

        /* While connecting. */
        struct loop_timer timer;
        usec_t deadline;
        struct resolve *resolve;
        struct addresses addresses; /* of the host; looked up if there are none */
        size_t next;                /* address */
        int failed;                 /* the last address, with this errno */
        uint16_t port;
        char host[RESOLVE_HOST_MAX + 1];
};

/* Whether ORIGIN is "https://", a plain name or address, and a port at most. */
bool conn_can_reach(struct str origin);

/* Into c->conns, to SETTINGS' origin; conn_dial begins. 0 or -ENOMEM. */
int conn_new(struct http_client *c, struct http_settings *settings, struct conn **ret) _must_check_;
/* It may fail at once, which ends its requests: the client is pinned. */
void conn_dial(struct conn *k);
/* There must be no requests any more. */
void conn_free(struct conn *k);

/* Takes new requests. */
bool conn_is_open(const struct conn *k);
/* Sends what there is, if anything. The client is pinned. */
void conn_flush(struct conn *k);
