/* SPDX-License-Identifier: Apache-2.0
 *
 * When each object of a kind that is read on demand was asked for last, be it
 * that it was not there; and of kinds that are announced, which of them are out of date.
 */
#include <errno.h>

#include "base/mem.h"
#include "cache/object.h"

/* How often all are looked at, to see which have not been renewed. */
#define EXPIRY_PERIOD (CACHE_READING_AGE_MAX / 8)

/* Behind it, its strings. */
struct reading {
        struct map_node node;
        const struct cache_kind *kind;
        struct str namespace, name;
        usec_t at;
        char *told; /* the version that the watch has told of, while it is not held; else NULL */
};

static void reading_free(struct reading *r)
{
        mem_free(r->told);
        mem_free(r);
}

/* O is what is held of it, or NULL. */
static bool is_outdated(const struct reading *r, const struct object *o)
{
        return r->told && (!o || str_version_cmp(object_version(o), str_c(r->told)) < 0);
}

/* Only the newest counts: a watch goes forward. */
static int note_told(struct reading *r, struct str version)
{
        char *copy = mem_strndup(version.data, version.len);

        if (!copy)
                return -ENOMEM;
        mem_free(r->told);
        r->told = copy;
        return 0;
}

static struct reading *find_reading(const struct cache *c, const struct cache_kind *kind,
                                    struct str namespace, struct str name)
{
        uint64_t hash = cache_hash_key(kind, namespace, name);

        for (struct map_node *n = map_first(&c->readings, hash); n; n = map_next(n)) {
                struct reading *r = container_of(n, struct reading, node);

                if (r->kind == kind && str_eq(r->name, name) && str_eq(r->namespace, namespace))
                        return r;
        }
        return NULL;
}

static struct reading *add_reading(struct cache *c, const struct cache_kind *kind, struct str namespace,
                                   struct str name)
{
        struct reading *r = mem_zalloc(sizeof(*r) + namespace.len + name.len);
        char *at;

        if (!r)
                return NULL;
        at = (char *)(r + 1);
        r->kind = kind;
        r->namespace = str_store(&at, namespace);
        r->name = str_store(&at, name);
        if (map_insert(&c->readings, &r->node, cache_hash_key(kind, namespace, name)) < 0)
                mem_freep(&r);
        return r;
}

int cache_note_read(struct cache *c, const struct cache_kind *kind, struct str namespace, struct str name,
                    bool found, usec_t now)
{
        struct reading *r = find_reading(c, kind, namespace, name);
        struct object *o = cache_find(c, kind, namespace, name);

        if (!r)
                r = add_reading(c, kind, namespace, name);
        if (!r)
                return -ENOMEM;
        r->at = now;
        /* An answer may be older than what was told since it was asked for. */
        if (!found || !is_outdated(r, o))
                mem_freep(&r->told);
        c->readings_due = MIN(c->readings_due, now + CACHE_READING_AGE_MAX);
        if (!found && o)
                cache_drop(c, o);
        return 0;
}

usec_t cache_read_at(const struct cache *c, const struct cache_kind *kind, struct str namespace,
                     struct str name)
{
        const struct reading *r = find_reading(c, kind, namespace, name);

        return r && !(r->told && !cache_find(c, kind, namespace, name)) ? r->at : 0;
}

bool cache_is_outdated(const struct cache *c, const struct object *o)
{
        const struct reading *r = find_reading(c, o->kind, o->namespace, o->name);

        return r && is_outdated(r, o);
}

int readings_lose(struct cache *c, struct object *o, struct str version)
{
        struct reading *reading = find_reading(c, o->kind, o->namespace, o->name);
        int r = reading ? note_told(reading, version) : 0;

        if (r == 0)
                cache_drop(c, o);
        return r;
}

/* What nobody has asked for is nobody's affair. */
int cache_announce(struct cache *c, const struct cache_kind *kind, const struct kube_meta *meta, bool gone,
                   bool *ret_news)
{
        struct reading *reading = find_reading(c, kind, meta->namespace, meta->name);
        struct object *o = cache_find(c, kind, meta->namespace, meta->name);
        int newer = o ? str_version_cmp(meta->version, object_version(o)) : 1;

        *ret_news = false;
        if (newer < 0 || !reading)
                return 0;
        if (gone)
                return o ? readings_lose(c, o, meta->version) : 0;
        if (o)
                o->seen = true;
        if (newer == 0)
                return 0;
        *ret_news = true;
        return note_told(reading, meta->version);
}

void cache_forget(struct cache *c, const struct cache_kind *kind, struct str namespace, struct str name)
{
        struct reading *r = find_reading(c, kind, namespace, name);
        struct object *o = cache_find(c, kind, namespace, name);

        /* The name may be a part of the object. */
        if (r) {
                map_remove(&c->readings, &r->node);
                reading_free(r);
        }
        if (o)
                cache_drop(c, o);
}

static void free_reading(struct cache *c, struct reading *r)
{
        struct object *o = cache_find(c, r->kind, r->namespace, r->name);

        map_remove(&c->readings, &r->node);
        reading_free(r);
        if (o)
                cache_drop(c, o);
}

void cache_expire(struct cache *c, usec_t now)
{
        usec_t due = USEC_NEVER;

        if (now < c->readings_due)
                return;
        map_for_each (n, &c->readings) {
                struct reading *r = container_of(n, struct reading, node);

                if (r->at + CACHE_READING_AGE_MAX <= now)
                        free_reading(c, r);
                else
                        due = MIN(due, r->at + CACHE_READING_AGE_MAX);
        }
        c->readings_due = MAX(due, now + EXPIRY_PERIOD);
}

void readings_clear(struct cache *c)
{
        map_for_each (n, &c->readings) {
                map_remove(&c->readings, n);
                reading_free(container_of(n, struct reading, node));
        }
}
