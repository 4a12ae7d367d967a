/* SPDX-License-Identifier: Apache-2.0
 *
 * An intrusive hash map with chaining. The caller embeds a map_node, computes
 * the hash (base/hash.h) and compares keys; the map owns only its buckets.
 *
 *      buckets:  [0] -> node -> node
 *                [1] -> NULL
 *                [2] -> node              grows at one node a bucket
 *
 *      for (n = map_first(&m, hash); n; n = map_next(n)) {
 *              struct thing *t = container_of(n, struct thing, node);
 *              if (str_eq(t->name, name))
 *                      return t;
 *      }
 */
#pragma once

#include "base/macros.h"

struct map_node {
        struct map_node *next;
        uint64_t hash;
};

struct map {
        struct map_node **buckets;
        size_t n_buckets; /* 0 or a power of two */
        size_t count;
};

void map_init(struct map *m);

/* Frees the buckets, not the nodes. */
void map_release(struct map *m);

/* 0, or -ENOMEM if there was no bucket at all; a failed growth only costs speed. */
int map_insert(struct map *m, struct map_node *node, uint64_t hash) _must_check_;

/* Takes NODE out; it must be in. */
void map_remove(struct map *m, struct map_node *node);

/* The nodes of one hash, in no order. */
struct map_node *map_first(const struct map *m, uint64_t hash);
struct map_node *map_next(const struct map_node *node);

/* All nodes, in no order: start with NULL. To remove the node that was returned
 * last, ask for the next one first. */
struct map_node *map_iterate(const struct map *m, const struct map_node *after);

/* The body may remove IT; it must not insert, nor remove any other node. */
#define map_for_each(it, m)                                                                                  \
        for (struct map_node *it = map_iterate((m), NULL), *it##_next = it ? map_iterate((m), it) : NULL;    \
             it; it = it##_next, it##_next = it ? map_iterate((m), it) : NULL)
