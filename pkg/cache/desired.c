/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a child stand as it was applied, and if not, is it time to set it back?
 */
#include "cache/object.h"
#include "kube/owned.h"

#define REPAIRS_AT_ONCE 3
#define REPAIR_PAUSE_FIRST USEC_SEC
#define REPAIR_PAUSE_MAX (5 * USEC_MINUTE)
#define REPAIRS_FORGOTTEN (10 * USEC_MINUTE)

static void note_applied(struct object *o, uint64_t desired, uint64_t owned)
{
        o->applied_desired = desired;
        o->applied_owned = owned;
}

int cache_put_applied(struct cache *c, const struct cache_kind *kind, yyjson_val *json, uint64_t whole)
{
        int r = cache_put(c, kind, json, CACHE_FROM_REPLY);
        struct kube_meta meta;
        struct object *o;
        bool found;

        if (r < 0)
                return r;
        r = kube_meta_decode(json, &meta);
        if (r < 0)
                return r;
        o = cache_find(c, kind, meta.namespace, meta.name);
        /* The hash is that of the reply, not of what is held: if somebody's
         * change overtook the reply, it is drift and must be seen as such. */
        if (!o || !object_has_uid(o, meta.uid))
                return 0;
        if (str_eq(object_version(o), meta.version))
                note_applied(o, whole, o->owned);
        else
                note_applied(o, whole, kube_owned_hash(json, c->manager, kind->shared, &found));
        return 0;
}

void cache_note_desired(struct cache *c, const struct object *child, uint64_t whole)
{
        struct object *o = cache_find(c, child->kind, child->namespace, child->name);

        if (o == child)
                note_applied(o, whole, o->owned);
}

bool cache_as_desired(const struct object *child, uint64_t desired, uint64_t whole)
{
        if (child->owned == 0)
                return false;
        if (child->owned == desired)
                return true;
        return child->applied_desired == whole && child->applied_owned == child->owned;
}

usec_t cache_repair_due(const struct object *child)
{
        usec_t pause = REPAIR_PAUSE_FIRST;

        if (child->repairs < REPAIRS_AT_ONCE)
                return 0;
        for (unsigned i = REPAIRS_AT_ONCE; i < child->repairs && pause < REPAIR_PAUSE_MAX; i++)
                pause *= 2;
        return child->repaired * USEC_SEC + MIN(pause, REPAIR_PAUSE_MAX);
}

void cache_note_repair(struct cache *c, const struct object *child, usec_t now)
{
        struct object *o = cache_find(c, child->kind, child->namespace, child->name);

        if (!o)
                return;
        if (now - o->repaired * USEC_SEC > REPAIRS_FORGOTTEN)
                o->repairs = 0;
        if (o->repairs < UINT8_MAX)
                o->repairs++;
        o->repaired = (uint32_t)((now + USEC_SEC - 1) / USEC_SEC);
}

bool cache_note_reset(struct cache *c, const struct object *child)
{
        struct object *o = cache_find(c, child->kind, child->namespace, child->name);
        bool first = o == child && !o->reset;

        if (first)
                o->reset = true;
        return first;
}

void cache_note_deleting(struct cache *c, const struct cache_kind *kind, struct str namespace,
                         struct str name, struct str uid)
{
        struct object *o = cache_find(c, kind, namespace, name);

        if (o && object_has_uid(o, uid))
                o->deleting = o->dropped = true;
}
