/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/owners.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

struct shared_owner {
        struct map_node node;
        struct kube_owner owner;
        uint32_t refs;
        char text[];
};

static const struct kube_owner nobody;

void owners_init(struct owners *owners)
{
        map_init(&owners->map);
}

void owners_release(struct owners *owners)
{
        map_for_each (n, &owners->map)
                mem_free(container_of(n, struct shared_owner, node));
        map_release(&owners->map);
}

static uint64_t hash_of(const struct kube_owner *o)
{
        return hash_local_str(hash_local_str(hash_local_str(HASH_INIT, o->uid), o->name), o->kind);
}

static bool equal(struct str a, struct str b)
{
        return !a.data == !b.data && str_eq(a, b);
}

static struct shared_owner *find(const struct owners *owners, const struct kube_owner *o, uint64_t hash)
{
        for (struct map_node *n = map_first(&owners->map, hash); n; n = map_next(n)) {
                struct shared_owner *s = container_of(n, struct shared_owner, node);

                if (equal(s->owner.uid, o->uid) && equal(s->owner.name, o->name) &&
                    equal(s->owner.kind, o->kind))
                        return s;
        }
        return NULL;
}

static struct str put(char **at, struct str s)
{
        struct str copy = { s.data ? *at : NULL, s.len };

        if (s.len)
                memcpy(*at, s.data, s.len);
        *at += s.len;
        return copy;
}

const struct kube_owner *owners_ref(struct owners *owners, const struct kube_owner *owner)
{
        uint64_t hash = hash_of(owner);
        struct shared_owner *s;
        char *at;

        if (!owner->kind.data && !owner->name.data && !owner->uid.data)
                return &nobody;
        s = find(owners, owner, hash);
        if (s) {
                s->refs++;
                return &s->owner;
        }
        s = mem_alloc(sizeof(*s) + owner->kind.len + owner->name.len + owner->uid.len);
        if (!s)
                return NULL;
        at = s->text;
        s->owner.kind = put(&at, owner->kind);
        s->owner.name = put(&at, owner->name);
        s->owner.uid = put(&at, owner->uid);
        s->refs = 1;
        if (map_insert(&owners->map, &s->node, hash) < 0) {
                mem_free(s);
                return NULL;
        }
        return &s->owner;
}

void owners_unref(struct owners *owners, const struct kube_owner *owner)
{
        struct shared_owner *s;

        if (owner == &nobody)
                return;
        s = (struct shared_owner *)(void *)((char *)(uintptr_t)owner - offsetof(struct shared_owner, owner));
        if (--s->refs > 0)
                return;
        map_remove(&owners->map, &s->node);
        mem_free(s);
}
