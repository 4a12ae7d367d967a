/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop's timers, as a binary heap of pointers: the nearest is on top.
 *
 *                 [0] due 5
 *                /         \
 *           [1] due 9    [2] due 7        the children of i are 2i+1 and 2i+2;
 *           /       \                     timer->heap_index is i
 *      [3] due 9  [4] due 20
 *
 * Only loop.c uses it.
 */
#pragma once

#include "loop/loop.h"

struct timer_heap {
        struct loop_timer **items;
        size_t n;
        size_t size;
};

void timer_heap_release(struct timer_heap *h);

/* The nearest timer, or NULL. */
struct loop_timer *timer_heap_first(const struct timer_heap *h);

/* Adds T by its due; 0 or -ENOMEM. It never fails right after a removal. */
int timer_heap_add(struct timer_heap *h, struct loop_timer *t) _must_check_;

/* Both for a timer that is in the heap. */
void timer_heap_move(struct timer_heap *h, struct loop_timer *t, usec_t due);
void timer_heap_remove(struct timer_heap *h, struct loop_timer *t);
