/* SPDX-License-Identifier: Apache-2.0
 *
 * Virtual time: what is to happen, in its order. Turns of the same time happen
 * in the order in which they were planned, so that equal seeds give equal runs.
 *
 *      heap of turns by (at, number) --> loop_next: now = at, take it, do it
 */
#pragma once

#include "base/clock.h"
#include "failover/failover.h"

#define LOOP_TURNS_MAX 65536

struct sim;

/* What a turn is about. Whoever does it finds out whether that still exists:
 * POD is a slot, LIFE a number that is given once (of an agent, a process, a
 * connection). */
struct turn {
        usec_t at;
        uint64_t number;
        void (*fn)(struct sim *s, struct turn *t);
        int pod;
        uint64_t life, id;
        int64_t a, b;
        union {
                struct failover_event event;
                struct failover_effect effect;
                struct failover_server look;
        };
        struct turn *free; /* the next one to be used again */
};

struct loop {
        usec_t now;
        uint64_t numbers;
        struct turn **heap;
        size_t n, size, n_made;
        struct turn *free;
};

void loop_init(struct loop *l);
void loop_release(struct loop *l);

/* A turn at AT, at the earliest now; its payload is not set. */
struct turn *loop_at(struct loop *l, usec_t at, void (*fn)(struct sim *s, struct turn *t));

/* When the next one is; USEC_NEVER: there is none. */
static inline usec_t loop_due(const struct loop *l)
{
        return l->n ? l->heap[0]->at : USEC_NEVER;
}

/* Takes the next one out and moves time on; give it back when it is done. */
struct turn *loop_next(struct loop *l);
void loop_give_back(struct loop *l, struct turn *t);
