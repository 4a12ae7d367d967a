/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/tally.h"

#include <assert.h>
#include <errno.h>

#include "base/hash.h"
#include "base/mem.h"
#include "cache/cache.h"

/* Behind it, its namespace. */
struct count {
        struct map_node node;
        const struct cache_kind *kind;
        struct str namespace;
        size_t n;
};

static uint64_t hash_of(const struct cache_kind *kind, struct str namespace)
{
        return hash_local_str(hash_local_str(HASH_INIT, kind->api.plural), namespace);
}

static struct count *find(const struct tally *t, const struct cache_kind *kind, struct str namespace)
{
        for (struct map_node *n = map_first(&t->map, hash_of(kind, namespace)); n; n = map_next(n)) {
                struct count *c = container_of(n, struct count, node);

                if (c->kind == kind && str_eq(c->namespace, namespace))
                        return c;
        }
        return NULL;
}

void tally_init(struct tally *t)
{
        map_init(&t->map);
}

void tally_release(struct tally *t)
{
        map_for_each (n, &t->map)
                mem_free(container_of(n, struct count, node));
        map_release(&t->map);
}

int tally_add(struct tally *t, const struct cache_kind *kind, struct str namespace)
{
        struct count *c = find(t, kind, namespace);

        if (c) {
                c->n++;
                return 0;
        }
        c = mem_zalloc(sizeof(*c) + namespace.len);
        if (!c)
                return -ENOMEM;
        *c = (struct count){ .kind = kind, .namespace = str_n((char *)(c + 1), namespace.len), .n = 1 };
        if (namespace.len)
                memcpy(c + 1, namespace.data, namespace.len);
        if (map_insert(&t->map, &c->node, hash_of(kind, namespace)) < 0) {
                mem_free(c);
                return -ENOMEM;
        }
        return 0;
}

void tally_remove(struct tally *t, const struct cache_kind *kind, struct str namespace)
{
        struct count *c = find(t, kind, namespace);

        assert(c);
        if (--c->n)
                return;
        map_remove(&t->map, &c->node);
        mem_free(c);
}

size_t tally_get(const struct tally *t, const struct cache_kind *kind, struct str namespace)
{
        const struct count *c = find(t, kind, namespace);

        return c ? c->n : 0;
}
