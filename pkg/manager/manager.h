/* SPDX-License-Identifier: Apache-2.0
 *
 * The manager turns what the watches bring into reconciles, and plans into
 * requests.
 *
 *      watch event --> cache --changed--> queue --> reconcile --> plan --> requests
 *                        ^                                                   |
 *                        +----------------- replies ------------------------+
 *
 * One resource is worked on once at a time; many resources at once. What was
 * applied is remembered in the cache, so that at the fixed point a reconcile
 * costs no request. Three rules keep it safe at any moment of dying:
 *
 * - A child is made by an apply that fails if the name is taken (see
 *   task.c), and changed by an apply that names the child's UID: nothing that
 *   is not ours is ever adopted, overwritten or made anew by accident.
 * - A reconcile never acts on a cache that has not seen its own writes: each
 *   reply is put into the cache before the resource's next reconcile.
 * - No request starts unless manager_allow was given and not taken back.
 */
#pragma once

#include "base/list.h"
#include "manager/controller.h"
#include "manager/event.h"
#include "manager/references.h"
#include "manager/transport.h"
#include "queue/queue.h"

#define MANAGER_CONTROLLERS_MAX 16
#define MANAGER_ACTIVE_MAX 32 /* resources that are worked on at once; more cost memory and win nothing */
/* No resource is begun while so many requests are on their way: more keep no API server
 * busier. With those of one more resource and EVENTS_IN_FLIGHT_MAX they stay below the
 * 100 that go onto one connection. */
#define MANAGER_REQUESTS_MAX 28
/* What they may take together before another one is begun; their requests and replies
 * take as much again. A single one takes a few KiB mostly, and 16 MiB at the most. */
#define MANAGER_ACTIVE_BYTES ((size_t)16 * 1024 * 1024)
/* Requests at once for ConfigMaps and Secrets of any size: each may be more than a MiB,
 * and is held several times over while it is read or copied. */
#define MANAGER_BULKY_MAX 8
#define MANAGER_MISSED_RETRY USEC_SEC
/* Of resources that claim the same word (cache_kind.claims) one is worked on at a time, or
 * each would act before it can know what the other is about to be given. */
#define MANAGER_RIVAL_PAUSE (50 * USEC_MSEC)
#define MANAGER_RESYNC_MIN (8 * USEC_HOUR)
#define MANAGER_RESYNC_SPREAD (8 * USEC_HOUR)

/* For metrics; see operator's registration of them. */
struct manager_hooks {
        void (*reconciled)(const struct controller *c, const char *result, usec_t elapsed, void *arg);
        /* A key was taken from the queue, in which it was ready for so long. */
        void (*taken)(usec_t waited, void *arg);
        /* Of the cache: as of cache_change_fn. */
        void (*changed)(const struct object *old_object, const struct object *new_object, void *arg);
        void *arg;
};

/* What a controller may do, in all namespaces, or in one of those that are watched: each
 * has its own, since one kind that cannot be listed must not stop the others, nor one
 * namespace another. */
enum gate_state {
        GATE_OPEN,
        GATE_CLOSED,  /* its caches are not full yet */
        GATE_BLOCKED, /* and cannot become so: it only says why, in the status of its resources */
};

struct gate {
        enum gate_state state;
        struct error why; /* of GATE_BLOCKED */
};

struct manager {
        struct transport *transport;
        struct cache cache;
        struct queue queue;
        const struct controller *controllers[MANAGER_CONTROLLERS_MAX];
        size_t n_controllers;
        struct gate gates[MANAGER_CONTROLLERS_MAX]; /* of all namespaces; or: */
        struct gate *own_gates;                     /* of each of these, of each controller */
        const struct str *namespaces;
        size_t n_namespaces;
        /* Why the children of KIND in NAMESPACE cannot be listed, so that nobody knows which
         * there are; NULL: nothing is known of that. Absent: it is so of none. */
        const char *(*refused)(const struct cache_kind *kind, struct str namespace, void *arg);
        void *refused_arg;
        struct references references;
        struct list tasks; /* active */
        struct list bulky; /* errands that wait for a place */
        size_t n_errands;  /* under way, or waiting */
        size_t n_bulky;    /* places that are taken */
        struct events events;
        bool allowed;
        bool missed; /* a wake-up was lost for want of memory: all are to be enqueued */
        struct manager_hooks hooks;
        uint64_t n_reconciles; /* makes reconcile IDs */
        struct rand rand;
        struct str instance; /* who reports events: the pod's name */
        struct str image;    /* of this program, for the views; absent: not known */
};

void manager_init(struct manager *m, struct transport *transport, struct str instance, uint64_t seed);
/* Cancels what is under way. */
void manager_release(struct manager *m);

/* 0 or -E2BIG. */
int manager_add(struct manager *m, const struct controller *controller) _must_check_;

/* May requests be started? Not before the caches are full, nor while another
 * replica leads. Taking it back cancels nothing that is on its way already. */
void manager_allow(struct manager *m, bool allowed);

/* Only these namespaces are watched: each gets gates of its own. After the last
 * manager_add. They must outlive the manager. 0 or -ENOMEM. */
int manager_set_namespaces(struct manager *m, const struct str *namespaces, size_t n) _must_check_;

/* Opens or shuts one controller, which is open to begin with, in one namespace or in
 * all (absent). When it opens or is blocked, all its resources there are put into the
 * queue. */
void manager_set_gate(struct manager *m, size_t controller, struct str namespace, enum gate_state state,
                      const struct error *why);
const struct gate *manager_gate(const struct manager *m, size_t controller, struct str namespace);

/* The watch of an announced kind brings an object's metadata (see cache_announce): whoever reads
 * the object looks again. 0, -ENOMEM, or -EBADMSG for what is not an object. */
int manager_announce(struct manager *m, const struct cache_kind *kind, yyjson_val *json, bool gone)
        _must_check_;

/* Puts all resources of all controllers into the queue. */
int manager_enqueue_all(struct manager *m) _must_check_;

/* Starts what may start. Returns when to call again at the latest (the
 * transport's time), or USEC_NEVER: a change of the cache or a reply makes it
 * due as well, so call it once after each turn of the loop. */
usec_t manager_pump(struct manager *m);

/* Nothing ready, nothing under way. */
bool manager_idle(const struct manager *m);
