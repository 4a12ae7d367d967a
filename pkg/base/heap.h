/* SPDX-License-Identifier: Apache-2.0
 *
 * A binary heap of things that are due at some time, the nearest on top. The
 * caller embeds a heap_node; the heap owns only its array of pointers.
 *
 *              [0] due 3
 *             /         \
 *      [1] due 5     [2] due 4       node->index is its own place
 */
#pragma once

#include "base/clock.h"

#define HEAP_NOT_IN SIZE_MAX

struct heap_node {
        usec_t due;
        size_t index; /* HEAP_NOT_IN while it is in no heap */
};

struct heap {
        struct heap_node **nodes;
        size_t n;
        size_t size;
};

void heap_init(struct heap *h);
void heap_release(struct heap *h);

static inline void heap_node_init(struct heap_node *node)
{
        node->index = HEAP_NOT_IN;
}

static inline bool heap_contains(const struct heap_node *node)
{
        return node->index != HEAP_NOT_IN;
}

/* Puts NODE in, or moves it to its new time; 0 or -ENOMEM (moving never fails,
 * nor does putting one in right after one was taken out). */
int heap_set(struct heap *h, struct heap_node *node, usec_t due) _must_check_;

/* Takes NODE out; fine if it is not in. */
void heap_remove(struct heap *h, struct heap_node *node);

/* The nearest one, or NULL. */
static inline struct heap_node *heap_top(const struct heap *h)
{
        return h->n ? h->nodes[0] : NULL;
}
