/* SPDX-License-Identifier: Apache-2.0
 *
 * The work queue: which resources to reconcile next. Pure; time is passed in.
 *
 *      queue_add ----------------------> READY ---queue_get---> ACTIVE
 *      queue_add_at --> WAITING --due--^   ^                       |
 *                                          +--- added meanwhile ---+---> idle
 *                                               queue_done
 *
 * - A key is in the queue once, however often it is added (dedupe), and is
 *   worked on once at a time: what is added while it is active comes back when
 *   it is done.
 * - Ready keys are served in the order in which they became ready, so none starves.
 * - A failing key waits longer each time, with jitter, up to a cap; success
 *   forgets the failures. What is added while it waits ends the wait; what was
 *   added while it failed shortens the wait to that of a first failure. Nothing
 *   but time ends a pause that a server has asked for.
 */
#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rand.h"
#include "base/str.h"

#define QUEUE_BACKOFF_FIRST (100 * USEC_MSEC)
/* No longer, since what ends a failure (a foreign object removed, a right
 * granted, a quota raised) often does not wake us. */
#define QUEUE_BACKOFF_MAX USEC_MINUTE
/* What a server may ask for with Retry-After, at the most. */
#define QUEUE_PAUSE_MAX (5 * USEC_MINUTE)

/* What a key names: a resource of one controller. */
struct queue_key {
        unsigned controller; /* its index in the manager */
        struct str namespace;
        struct str name;
};

enum queue_state { QUEUE_IDLE, QUEUE_READY, QUEUE_ACTIVE };

struct queue_item {
        struct map_node node;
        struct list link;       /* in the ready list */
        struct heap_node delay; /* in the heap of waiting ones; a ready or active item may wait as well */
        struct queue_key key;   /* owns its strings */
        enum queue_state state;
        bool again;        /* added while active */
        unsigned failures; /* in a row */
        unsigned rushes;   /* of whoever works on it: how often in a row it asked to come again at once */
        uint32_t lost;     /* likewise: of which kinds of children one has vanished, by their place */
        usec_t doubt; /* of whoever works on it: since when it is open which of its writes holds; 0: it is not */
        usec_t not_before; /* the end of a pause that a server asked for */
        usec_t ready_since;
        void *note;   /* of whoever works on it, about its failures; mem_free'd with the item */
        char *unsaid; /* likewise, what is still to be told of attempts that went well */
};

struct queue {
        struct map items;
        struct list ready;
        struct heap waiting;
        struct rand rand;
        size_t n_ready, n_active;
        uint64_t adds, retries;
};

void queue_init(struct queue *q, uint64_t seed);
void queue_release(struct queue *q);

/* As soon as possible. 0 or -ENOMEM. */
int queue_add(struct queue *q, const struct queue_key *key, usec_t now) _must_check_;

/* The item of a key that is in the queue, active or remembered, or NULL. */
struct queue_item *queue_find(const struct queue *q, const struct queue_key *key);

/* At DUE, or at an earlier time that was asked for before. 0 or -ENOMEM. */
int queue_add_at(struct queue *q, const struct queue_key *key, usec_t due) _must_check_;

/* The next ready item, now active, or NULL. */
struct queue_item *queue_get(struct queue *q, usec_t now);

/* The work on an active item ended: well (failures are forgotten), or badly (it
 * comes again after a backoff, not before AT_LEAST from now). The item may be
 * freed by this. */
void queue_done(struct queue *q, struct queue_item *item, usec_t now);
void queue_done_failed(struct queue *q, struct queue_item *item, usec_t now, usec_t at_least);

/* It cannot be worked on now: back from active as if it had not been taken, until DUE at the
 * latest. 0, or -ENOMEM and nobody will call for it. The item may be freed by that. */
int queue_put_back(struct queue *q, struct queue_item *item, usec_t now, usec_t due) _must_check_;

/* When queue_get may have something that it has not now: NOW if an item is
 * ready, the nearest due time, or USEC_NEVER. */
usec_t queue_next(const struct queue *q, usec_t now);
