/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <errno.h>

#include "base/mem.h"

#define BUCKETS_MIN ((size_t)16)

void map_init(struct map *m)
{
        *m = (struct map){ 0 };
}

void map_release(struct map *m)
{
        mem_free(m->buckets);
        map_init(m);
}

static struct map_node **bucket_of(const struct map *m, uint64_t hash)
{
        return &m->buckets[hash & (m->n_buckets - 1)];
}

static int grow(struct map *m)
{
        struct map bigger = { .n_buckets = MAX(m->n_buckets * 2, BUCKETS_MIN), .count = m->count };
        struct map_node *next;

        bigger.buckets = mem_zalloc(bigger.n_buckets * sizeof(struct map_node *));
        if (!bigger.buckets)
                return -ENOMEM;
        for (size_t i = 0; i < m->n_buckets; i++) {
                for (struct map_node *n = m->buckets[i]; n; n = next) {
                        struct map_node **to = bucket_of(&bigger, n->hash);

                        next = n->next;
                        n->next = *to;
                        *to = n;
                }
        }
        mem_free(m->buckets);
        *m = bigger;
        return 0;
}

int map_insert(struct map *m, struct map_node *node, uint64_t hash)
{
        struct map_node **to;

        if (m->count >= m->n_buckets && grow(m) < 0 && m->n_buckets == 0)
                return -ENOMEM;
        to = bucket_of(m, hash);
        node->hash = hash;
        node->next = *to;
        *to = node;
        m->count++;
        return 0;
}

void map_remove(struct map *m, struct map_node *node)
{
        struct map_node **at = bucket_of(m, node->hash);

        while (*at != node)
                at = &(*at)->next;
        *at = node->next;
        node->next = NULL;
        m->count--;
}

static struct map_node *skip_to(struct map_node *n, uint64_t hash)
{
        while (n && n->hash != hash)
                n = n->next;
        return n;
}

struct map_node *map_first(const struct map *m, uint64_t hash)
{
        return m->n_buckets ? skip_to(*bucket_of(m, hash), hash) : NULL;
}

struct map_node *map_next(const struct map_node *node)
{
        return skip_to(node->next, node->hash);
}

struct map_node *map_iterate(const struct map *m, const struct map_node *after)
{
        size_t i = 0;

        if (after) {
                if (after->next)
                        return after->next;
                i = (after->hash & (m->n_buckets - 1)) + 1;
        }
        for (; i < m->n_buckets; i++)
                if (m->buckets[i])
                        return m->buckets[i];
        return NULL;
}
