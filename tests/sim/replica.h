/* SPDX-License-Identifier: Apache-2.0
 *
 * One operator process in the simulated world: what pkg/manager/operator.c
 * puts together, without its server and signals, on a loop of virtual time.
 * Internal to the world but for its fields, which tests may read.
 */
#pragma once

#include "base/heap.h"
#include "manager/election.h"
#include "manager/manager.h"
#include "manager/peer.h"
#include "manager/transport_kube.h"
#include "manager/watches.h"
#include "sim/apiserver.h"

struct world;
struct replica;

/* The simulator's own: the types are opaque to all code above them. */
struct loop {
        struct replica *replica;
        struct heap timers;
};

struct kube_client {
        struct replica *replica;
        struct kube_config config;
};

struct replica {
        struct world *world;
        unsigned number;
        char name[16]; /* "op0" */
        bool up;
        unsigned life; /* how often it was started */
        struct loop loop;
        struct kube_client client;
        struct kube_transport transport;
        struct manager manager;
        struct watches watches;
        struct election election;
        /* A test's own, or NULL: works while this replica does, with these metrics. */
        struct peer *peer;
        struct metrics *metrics;
        bool peer_started;
        bool leading;
        bool may;    /* as last told to the manager */
        bool barred; /* by a test: it may not start requests */
        /* Acts on without the Lease, as a process would whose clock has stopped. */
        bool stubborn;
        usec_t paused_until; /* stopped by its machine: nothing runs, time goes by */
};

/* False if there was no memory for it: then it is not up. */
bool replica_start(struct replica *r);
void replica_crash(struct replica *r);

bool replica_runs(const struct replica *r);

/* Runs what is due; when it wants to run next. */
usec_t replica_pump(struct replica *r);

/* --- the network, as the world runs it ------------------------------------------- */

/* After each turn: events set out (stream.c). */
void streams_step(struct world *w);
/* All of them end with "410 Gone", or are cut where they are lists. */
void streams_expire(struct world *w);
/* All watches that are open stay so, and bring nothing more. */
void streams_silence(struct world *w);
/* Frees all flights and streams. */
void net_release(struct world *w);
void streams_release(struct world *w);

/* The end of a request as kube_cancel makes it. */
struct kube_request {
        struct list link;
        struct replica *replica;
        bool is_stream;
};
void flight_cancel(struct kube_request *q);
void stream_cancel(struct kube_request *q);
