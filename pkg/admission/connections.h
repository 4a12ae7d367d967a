/* SPDX-License-Identifier: Apache-2.0
 *
 * The connections of the webhook: how long each may take for what it does, and which
 * one goes when there are too many.
 *
 *      accepted --> OPENING --> HEADERS --> BODY --> REPLY --> IDLE
 *                  (TLS too)       ^                            |
 *                                  `----------------------------'
 *
 *      phases[IDLE] <-> longest there <-> ... <-> newest      one list for each phase,
 *      phases[BODY] <-> ...                                   so the first is due first
 *
 * A phase has an end however busily its peer drips bytes. A connection that is ended
 * has its socket shut down, and is closed by MHD as any that its peer left.
 *
 * Past the cap the peer (by address) with the most connections loses the one that is
 * of the least use: the one that has waited longest without a request, else the one
 * that has been at its request the longest. Pure but for the shutdown; time is passed in.
 */
#pragma once

#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"

#define CONNECTIONS_MAX 512
#define CONNECTIONS_PEERS 1024 /* places to count peers by a hash of their address */

/* Longer than an API server keeps an idle connection (90 s), so that it is not we who
 * close one that it is just about to use. */
#define CONNECTION_IDLE_MAX (120 * USEC_SEC)
#define CONNECTION_OPENING_MAX (10 * USEC_SEC)
#define CONNECTION_HEADERS_MAX (5 * USEC_SEC)
#define CONNECTION_BODY_MAX (10 * USEC_SEC)
#define CONNECTION_REPLY_MAX (10 * USEC_SEC)

/* In the order in which they are given up. */
enum connection_phase {
        CONNECTION_OPENING, /* no request yet */
        CONNECTION_IDLE,    /* between two requests */
        CONNECTION_HEADERS,
        CONNECTION_BODY,
        CONNECTION_REPLY,
        CONNECTION_ENDED, /* shut down by us */
        CONNECTION_PHASES,
};

/* Embedded in what the server knows of a connection. */
struct connection {
        struct list link;
        enum connection_phase phase;
        usec_t due;
        int fd;
        unsigned peer;
};

struct connections {
        struct list phases[CONNECTION_PHASES];
        size_t n; /* without those that are ended */
        size_t max;
        uint64_t n_shed, n_expired; /* since the start */
        uint16_t peers[CONNECTIONS_PEERS];
};

void connections_init(struct connections *all, size_t max);

/* A new one; FD stays the caller's. Ends another, or this very one, where there are
 * too many. PEER may be NULL. */
void connection_open(struct connections *all, struct connection *c, int fd, const struct sockaddr *peer,
                     usec_t now);
void connection_enter(struct connections *all, struct connection *c, enum connection_phase phase, usec_t now);
void connection_close(struct connections *all, struct connection *c);

/* Ends what is past its time. Returns when the next one is due, or USEC_NEVER. */
usec_t connections_expire(struct connections *all, usec_t now);

/* Ends those that have no request under way. */
void connections_end_idle(struct connections *all);

/* Has one a request under way? */
bool connections_busy(const struct connections *all);
