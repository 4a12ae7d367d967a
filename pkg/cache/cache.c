/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/cache.h"

#include <errno.h>

#include "base/hash.h"
#include "base/mem.h"
#include "cache/object.h"

/* One decoded object, before it is packed; the API server's own limit is about 3 MiB. */
#define SCRATCH_CAP ((size_t)16 * 1024 * 1024)

void cache_init(struct cache *c, struct str field_manager, cache_change_fn *changed, void *arg)
{
        *c = (struct cache){ .manager = field_manager, .changed = changed, .arg = arg };
        map_init(&c->by_key);
        map_init(&c->by_owner);
        map_init(&c->by_claim);
        tally_init(&c->tally);
        schema_pool_init(&c->pool);
        owners_init(&c->owners);
        map_init(&c->readings);
        c->readings_due = USEC_NEVER;
        arena_init(&c->scratch, SCRATCH_CAP);
}

void cache_release(struct cache *c)
{
        map_for_each (n, &c->by_key)
                mem_free(container_of(n, struct object, by_key));
        schema_pool_release(&c->pool);
        owners_release(&c->owners);
        map_release(&c->by_key);
        map_release(&c->by_owner);
        map_release(&c->by_claim);
        tally_release(&c->tally);
        readings_clear(c);
        map_release(&c->readings);
        arena_release(&c->scratch);
        for (size_t i = 0; i < c->n_totals; i++)
                mem_free(c->totals[i].version);
}

const struct cache_total *cache_total(const struct cache *c, const struct cache_kind *kind)
{
        for (size_t i = 0; i < c->n_totals; i++)
                if (c->totals[i].kind == kind)
                        return &c->totals[i];
        return NULL;
}

static struct cache_total *total_of(struct cache *c, const struct cache_kind *kind)
{
        struct cache_total *total = (struct cache_total *)cache_total(c, kind);

        if (total || c->n_totals == CACHE_KINDS_MAX)
                return total;
        c->totals[c->n_totals].kind = kind;
        return &c->totals[c->n_totals++];
}

/* Of a kind that came when all places among the totals were taken it is not known. */
static bool has_none(const struct cache *c, const struct cache_kind *kind)
{
        const struct cache_total *total = cache_total(c, kind);

        return total ? total->objects == 0 : c->n_totals < CACHE_KINDS_MAX;
}

/* Has the watch of the kind gone past VERSION? */
static bool passed(const struct cache *c, const struct cache_kind *kind, struct str version)
{
        const struct cache_total *total = cache_total(c, kind);

        return total && total->version && str_version_cmp(version, str_c(total->version)) <= 0;
}

static int note_version(struct cache *c, const struct cache_kind *kind, struct str version)
{
        struct cache_total *total = total_of(c, kind);
        char *copy;

        if (!total || passed(c, kind, version))
                return 0;
        copy = mem_strndup(version.data, version.len);
        if (!copy)
                return -ENOMEM;
        mem_free(total->version);
        total->version = copy;
        return 0;
}

/* Not by the kind's address: the order in which objects come would differ from
 * one run to the next, and a simulation could not be repeated. */
uint64_t cache_hash_key(const struct cache_kind *kind, struct str namespace, struct str name)
{
        return hash_local_str(hash_local_str(hash_local_str(HASH_INIT, kind->api.plural), namespace), name);
}

struct object *cache_find(const struct cache *c, const struct cache_kind *kind, struct str namespace,
                          struct str name)
{
        uint64_t hash = cache_hash_key(kind, namespace, name);

        for (struct map_node *n = map_first(&c->by_key, hash); n; n = map_next(n)) {
                struct object *o = container_of(n, struct object, by_key);

                if (o->kind == kind && str_eq(o->name, name) && str_eq(o->namespace, namespace))
                        return o;
        }
        return NULL;
}

const struct object *cache_get(const struct cache *c, const struct cache_kind *kind, struct str namespace,
                               struct str name)
{
        return cache_find(c, kind, namespace, name);
}

const struct object *cache_iterate(const struct cache *c, const struct cache_kind *kind,
                                   const struct object *after)
{
        struct map_node *n;

        if (has_none(c, kind))
                return NULL;
        n = map_iterate(&c->by_key, after ? &after->by_key : NULL);
        while (n && container_of(n, struct object, by_key)->kind != kind)
                n = map_iterate(&c->by_key, n);
        return n ? container_of(n, struct object, by_key) : NULL;
}

size_t cache_count(const struct cache *c, const struct cache_kind *kind, struct str namespace)
{
        return tally_get(&c->tally, kind, namespace);
}

static uint64_t hash_owner(const struct object *o)
{
        return cache_hash_key(o->kind, o->namespace, o->owner->name);
}

const struct object *cache_owned(const struct cache *c, const struct cache_kind *kind, struct str namespace,
                                 struct str owner, const struct object *after)
{
        struct map_node *n = after ? map_next(&owned_node((struct object *)(uintptr_t)after)->node)
                                   : map_first(&c->by_owner, cache_hash_key(kind, namespace, owner));

        for (; n; n = map_next(n)) {
                struct object *o = container_of(n, struct owned_node, node)->object;

                if (o->kind == kind && str_eq(o->owner->name, owner) && str_eq(o->namespace, namespace))
                        return o;
        }
        return NULL;
}

/* --- changes --------------------------------------------------------------- */

static void account(struct cache *c, const struct object *o, int sign)
{
        struct cache_total *total = total_of(c, o->kind);

        if (!total)
                return;
        total->objects += (size_t)sign;
        total->bytes += (size_t)sign * o->bytes;
}

static void unlink_object(struct cache *c, struct object *o)
{
        map_remove(&c->by_key, &o->by_key);
        if (o->kind->by_owner)
                map_remove(&c->by_owner, &owned_node(o)->node);
        claims_unlink(c, o);
        if (o->kind->tallied)
                tally_remove(&c->tally, o->kind, o->namespace);
}

/* Of each index that it stands in, or of none. */
static int link_object(struct cache *c, struct object *o)
{
        int r = map_insert(&c->by_key, &o->by_key, cache_hash_key(o->kind, o->namespace, o->name));

        if (r < 0)
                return r;
        if (o->kind->by_owner)
                r = map_insert(&c->by_owner, &owned_node(o)->node, hash_owner(o));
        if (r < 0)
                goto no_owner;
        r = claims_link(c, o);
        if (r < 0)
                goto no_claims;
        if (o->kind->tallied)
                r = tally_add(&c->tally, o->kind, o->namespace);
        if (r == 0)
                return 0;
        claims_unlink(c, o);
no_claims:
        if (o->kind->by_owner)
                map_remove(&c->by_owner, &owned_node(o)->node);
no_owner:
        map_remove(&c->by_key, &o->by_key);
        return r;
}

void cache_drop(struct cache *c, struct object *o)
{
        unlink_object(c, o);
        account(c, o, -1);
        if (c->changed)
                c->changed(CACHE_DELETED, o, NULL, c->arg);
        object_free(c, o);
}

/* NEW takes OLD's place (OLD may be NULL). */
static int replace(struct cache *c, struct object *old_object, struct object *new_object)
{
        int r;

        if (old_object && object_same_uid(old_object, new_object)) {
                new_object->applied_desired = old_object->applied_desired;
                new_object->applied_owned = old_object->applied_owned;
                new_object->repairs = old_object->repairs;
                new_object->dropped = old_object->dropped;
                new_object->repaired = old_object->repaired;
        }
        r = link_object(c, new_object);
        if (r < 0)
                return r;
        account(c, new_object, 1);
        if (old_object) {
                unlink_object(c, old_object);
                account(c, old_object, -1);
        }
        if (c->changed)
                c->changed(old_object ? CACHE_UPDATED : CACHE_ADDED, old_object, new_object, c->arg);
        object_free(c, old_object);
        return 0;
}

static int put(struct cache *c, const struct cache_kind *kind, yyjson_val *json, enum cache_source source)
{
        struct object *old_object, *new_object;
        struct draft draft = { .kind = kind };
        int r;

        r = kube_meta_decode(json, &draft.meta);
        if (r < 0)
                return r;
        old_object = cache_find(c, kind, draft.meta.namespace, draft.meta.name);
        if (old_object) {
                int newer = str_version_cmp(draft.meta.version, object_version(old_object));

                if (newer >= 0)
                        old_object->seen = true;
                if (newer <= 0)
                        return 0;
        } else if (source == CACHE_FROM_REPLY && passed(c, kind, draft.meta.version)) {
                return 0; /* the watch would have brought it: it was deleted since */
        }
        r = object_draft(c, json, &draft);
        if (r < 0)
                return r;
        if (kind->keep && !kind->keep(draft.state)) {
                if (old_object)
                        cache_drop(c, old_object);
                return 0;
        }
        new_object = object_new(c, &draft);
        if (!new_object)
                return -ENOMEM;
        new_object->seen = true;
        r = replace(c, old_object, new_object);
        if (r < 0) {
                object_free(c, new_object);
                return r;
        }
        return source == CACHE_FROM_WATCH ? note_version(c, kind, draft.meta.version) : 0;
}

int cache_put(struct cache *c, const struct cache_kind *kind, yyjson_val *json, enum cache_source source)
{
        int r = put(c, kind, json, source);

        arena_clear(&c->scratch);
        return r;
}

int cache_delete(struct cache *c, const struct cache_kind *kind, yyjson_val *json)
{
        struct kube_meta meta;
        struct object *o;
        int r;

        r = kube_meta_decode(json, &meta);
        if (r < 0)
                return r;
        o = cache_find(c, kind, meta.namespace, meta.name);
        /* The event of a deletion carries the version of the deletion. A newer
         * object of that name came after it. */
        if (o && str_version_cmp(meta.version, object_version(o)) >= 0)
                cache_drop(c, o);
        return note_version(c, kind, meta.version);
}

static bool in_scope(const struct object *o, const struct cache_kind *kind, struct str namespace)
{
        return o->kind == kind && (!namespace.data || str_eq(o->namespace, namespace));
}

/* At a start there is nothing yet: to look at all objects for each list would be a part of its
 * time that can be felt. */
void cache_list_begin(struct cache *c, const struct cache_kind *kind, struct str namespace)
{
        struct cache_total *total = total_of(c, kind);

        if (has_none(c, kind))
                return;
        if (total)
                total->relisted = true;
        map_for_each (n, &c->by_key) {
                struct object *o = container_of(n, struct object, by_key);

                if (in_scope(o, kind, namespace))
                        o->seen = false;
        }
}

static int drop_unseen(struct cache *c, const struct cache_kind *kind, struct str namespace,
                       struct str list_version)
{
        map_for_each (n, &c->by_key) {
                struct object *o = container_of(n, struct object, by_key);

                if (!in_scope(o, kind, namespace) || o->seen ||
                    str_version_cmp(object_version(o), list_version) > 0)
                        continue;
                if (!kind->announced)
                        cache_drop(c, o);
                else if (readings_lose(c, o, list_version) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int cache_list_end(struct cache *c, const struct cache_kind *kind, struct str namespace,
                   struct str list_version)
{
        const struct cache_total *total = cache_total(c, kind);
        int r = !total || total->relisted ? drop_unseen(c, kind, namespace, list_version) : 0;

        /* Of what is announced an answer is not old news for being older than that: nothing else
         * brings it. */
        return r < 0 || kind->announced ? r : note_version(c, kind, list_version);
}

/* --- as a whole --------------------------------------------------------------- */

void cache_reset(struct cache *c, const struct cache_kind *kind, struct str namespace)
{
        map_for_each (n, &c->by_key) {
                struct object *o = container_of(n, struct object, by_key);

                if (in_scope(o, kind, namespace) || o->kind->on_demand)
                        cache_drop(c, o);
        }
        readings_clear(c);
        for (size_t i = 0; i < c->n_totals; i++)
                if (c->totals[i].kind == kind || c->totals[i].kind->on_demand)
                        mem_freep(&c->totals[i].version);
}

int cache_set_served(struct cache *c, const struct cache_kind *kind, bool served)
{
        struct cache_total *total = total_of(c, kind);

        if (!total)
                return -ENOMEM;
        total->not_served = !served;
        if (served)
                return 0;
        map_for_each (n, &c->by_key) {
                struct object *o = container_of(n, struct object, by_key);

                if (o->kind == kind)
                        cache_drop(c, o);
        }
        mem_freep(&total->version);
        return 0;
}
