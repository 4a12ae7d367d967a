/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/seen.h"

#include <errno.h>

#include "base/hash.h"

#define ARENA_MAX ((size_t)256 * 1024 * 1024)

struct one {
        struct map_node node;
        struct str kind, namespace, name;
        struct str file;
        unsigned line;
};

void seen_init(struct seen *seen)
{
        map_init(&seen->map);
        seen->arena = (struct arena)ARENA_INIT(ARENA_MAX);
}

void seen_release(struct seen *seen)
{
        map_release(&seen->map);
        arena_release(&seen->arena);
}

static const struct one *find(const struct seen *seen, uint64_t hash, const struct one *like)
{
        for (struct map_node *n = map_first(&seen->map, hash); n; n = map_next(n)) {
                const struct one *one = container_of(n, struct one, node);

                if (str_eq(one->kind, like->kind) && str_eq(one->namespace, like->namespace) &&
                    str_eq(one->name, like->name))
                        return one;
        }
        return NULL;
}

int seen_add(struct seen *seen, struct str kind, struct str namespace, struct str name,
             const struct seen_place *place, struct seen_place *ret)
{
        uint64_t hash = hash_str(hash_str(hash_str(HASH_INIT, kind), namespace), name);
        struct one *one = arena_new(&seen->arena, struct one);
        const struct one *before;

        if (!one)
                return -ENOMEM;
        *one = (struct one){
                .kind = arena_str(&seen->arena, kind),
                .namespace = arena_str(&seen->arena, namespace.data ? namespace : STR("")),
                .name = arena_str(&seen->arena, name),
                .file = arena_str(&seen->arena, str_c(place->file)),
                .line = place->line,
        };
        if (!one->kind.data || !one->namespace.data || !one->name.data || !one->file.data)
                return -ENOMEM;
        before = find(seen, hash, one);
        if (!before)
                return map_insert(&seen->map, &one->node, hash);
        /* The same file may be named twice. */
        if (before->line == place->line && str_eq(before->file, one->file))
                return 0;
        *ret = (struct seen_place){ .file = before->file.data, .line = before->line };
        return 1;
}
