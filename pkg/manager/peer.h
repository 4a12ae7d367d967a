/* SPDX-License-Identifier: Apache-2.0
 *
 * A peer: what works beside the controllers while this replica leads, and is none,
 * for it does what a reconcile may not. The keeper of certificates is one: keys are
 * random, and a controller is a function of what it sees.
 *
 *      start --> lead(true) --> lead(false) --> lead(true) … --> stop
 *
 * It is embedded by its owner, who makes it before the operator starts and outlives
 * it. It may log. What goes wrong while it leads is its own to mend: a peer never
 * ends the operator, and /readyz does not ask for it.
 */
#pragma once

#include "kube/client.h"
#include "manager/manager.h"
#include "manager/metrics.h"
#include "manager/transport.h"

/* All of it outlives the peer. */
struct peer_config {
        struct manager *manager;     /* for events: event_send_about */
        struct kube_client *client;  /* for watches */
        struct transport *transport; /* for calls; it refuses writes where we do not lead */
        struct metrics *metrics;     /* the registry, for families of its own */
        struct str namespace;        /* the operator's own: where its Lease is */
        uint64_t seed;               /* of jitter */
};

struct peer {
        /* 0, or a negative errno with *err; then stop is not called. Nothing is asked
         * of the API server yet. */
        int (*start)(struct peer *p, const struct peer_config *config, struct error *err);
        /* True: begin. False: start nothing more, and call off what is under way. Never
         * the same twice in a row; false is where it starts. */
        void (*lead)(struct peer *p, bool leading);
        /* It no longer leads; release everything. */
        void (*stop)(struct peer *p);
};
