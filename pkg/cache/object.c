/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/object.h"

#include <errno.h>
#include <stdalign.h>

#include "base/mem.h"
#include "kube/owned.h"

static const uint64_t no_state;

/* --- UIDs ----------------------------------------------------------------------------- */

struct str object_uid(const struct object *o, char text[UUID_TEXT])
{
        if (!o->uuid)
                return o->uid_len ? str_n((const char *)(o + 1), o->uid_len) : STR_NULL;
        uuid_unpack((const uint8_t *)(o + 1), text);
        return str_n(text, UUID_TEXT);
}

bool object_has_uid(const struct object *o, struct str uid)
{
        char text[UUID_TEXT];

        return str_eq(object_uid(o, text), uid);
}

bool object_same_uid(const struct object *a, const struct object *b)
{
        return a->uuid == b->uuid && a->uid_len == b->uid_len && memcmp(a + 1, b + 1, a->uid_len) == 0;
}

/* --- the draft ------------------------------------------------------------------------ */

static size_t aligned(size_t n)
{
        return (n + alignof(uint64_t) - 1) & ~(alignof(uint64_t) - 1);
}

/* Reads the halves of an object (spec, status) each by itself, so that a spec
 * which does not fit costs nobody the status, where that will be reported. */
static int decode_state(struct cache *c, yyjson_val *json, struct draft *d)
{
        const struct schema *root = d->kind->schema;
        struct problems problems;

        problems_init(&problems, &c->scratch);
        d->state = arena_alloc(&c->scratch, root->size);
        if (!d->state)
                return -ENOMEM;
        if (d->kind->derive)
                return d->kind->derive(json, &c->scratch, d->state);
        for (size_t i = 0; i < root->n_fields; i++) {
                const struct schema_field *f = &root->fields[i];
                yyjson_val *value = yyjson_obj_getn(json, f->name.data, f->name.len);
                void *half;
                int r;

                if (!value || yyjson_is_null(value))
                        continue;
                r = schema_decode_all(f->object, value, f->name, 0, &c->scratch, &half, &problems);
                if (r == -ENOMEM)
                        return r;
                if (r == 0)
                        memcpy((char *)d->state + f->offset, &half, sizeof(half));
        }
        d->invalid = problems_text(&problems);
        return c->scratch.failed ? -ENOMEM : 0;
}

int object_draft(struct cache *c, yyjson_val *json, struct draft *d)
{
        const struct cache_kind *kind = d->kind;
        bool found;

        d->uid = uuid_pack(d->meta.uid, d->uuid) ? str_n((const char *)d->uuid, UUID_BYTES) : d->meta.uid;
        if (d->meta.uid.len > UINT8_MAX || d->meta.version.len > UINT8_MAX)
                return -EBADMSG;
        if (kind->owner_label.data)
                d->meta.owner = (struct kube_owner){ .kind = kind->owner_kind,
                                                     .name = kube_meta_label(&d->meta, kind->owner_label) };
        d->owned = kube_owned_hash(json, c->manager, kind->shared, &found);
        if (!found)
                d->owned = 0;
        return decode_state(c, json, d);
}

/* --- what objects have in common -------------------------------------------------------- */

static void unshare_namespace(struct cache *c, struct str namespace)
{
        if (namespace.len)
                schema_pool_unref_str(&c->pool, namespace.data);
}

/* The parts that the object has in common with others: from here on the draft
 * holds references. */
static int share(struct cache *c, struct draft *d)
{
        struct kube_meta *m = &d->meta;
        const char *place = NULL;
        int r = -ENOMEM;

        if (m->namespace.len)
                place = schema_pool_str(&c->pool, m->namespace);
        if (m->namespace.len && !place)
                return r;
        m->namespace.data = place;
        d->owner = owners_ref(&c->owners, &m->owner);
        if (d->owner)
                r = schema_share(d->kind->schema, d->state, &c->pool);
        if (r == 0)
                return 0;
        unshare_namespace(c, m->namespace);
        if (d->owner)
                owners_unref(&c->owners, d->owner);
        return r;
}

static void unshare(struct cache *c, const struct draft *d)
{
        schema_unshare(d->kind->schema, d->state, &c->pool);
        unshare_namespace(c, d->meta.namespace);
        owners_unref(&c->owners, d->owner);
}

void object_free(struct cache *c, struct object *o)
{
        if (!o)
                return;
        schema_unshare(o->kind->schema, o->state, &c->pool);
        unshare_namespace(c, o->namespace);
        owners_unref(&c->owners, o->owner);
        mem_free(o);
}

/* --- the block -------------------------------------------------------------------------- */

/* A child mostly has the name of its owner. */
static bool named_as_owner(const struct draft *d)
{
        return d->meta.name.len && str_eq(d->meta.name, d->owner->name);
}

/* Of most children nothing is read but what every object has. */
static bool is_stateless(const struct schema *schema)
{
        return schema->n_fields == 0 && schema->size <= sizeof(no_state);
}

static void pack_state(const struct draft *d, struct object *o, size_t at)
{
        if (is_stateless(d->kind->schema)) {
                o->state = &no_state;
                return;
        }
        o->state = (char *)o + at;
        schema_pack_shared(d->kind->schema, d->state, (char *)o + at);
}

static struct object *pack(const struct draft *d)
{
        const struct kube_meta *m = &d->meta;
        size_t head, total, tail, n = d->invalid.data ? d->invalid.len + 1 : 0; /* with its NUL */
        struct object *o;
        char *at;

        head = sizeof(struct object) + d->uid.len + m->version.len + n;
        if (!named_as_owner(d))
                head += m->name.len;
        total = aligned(head);
        if (!is_stateless(d->kind->schema))
                total += schema_packed_size_shared(d->kind->schema, d->state);
        tail = claims_size(d->kind, d->state);
        if (d->kind->by_owner)
                tail += sizeof(struct owned_node);
        if (tail)
                total = aligned(total) + tail;
        o = total <= UINT32_MAX ? mem_zalloc(total) : NULL;
        if (!o)
                return NULL;
        o->kind = d->kind;
        o->bytes = (uint32_t)total;
        o->generation = (uint32_t)MIN(MAX(m->generation, 0), UINT32_MAX);
        o->deleting = m->deleting;
        o->finalized = d->kind->finalizer.data && kube_meta_has_finalizer(m, d->kind->finalizer);
        o->owned = d->owned;
        o->namespace = m->namespace;
        o->owner = d->owner;
        o->invalid = n > 0;
        at = (char *)(o + 1);
        o->uuid = d->uid.data == (const char *)d->uuid;
        o->uid_len = (uint8_t)d->uid.len;
        o->version_len = (uint8_t)m->version.len;
        str_store(&at, d->uid);
        str_store(&at, m->version);
        if (o->invalid) {
                str_store(&at, d->invalid);
                *at++ = '\0';
        }
        if (named_as_owner(d))
                o->name = d->owner->name;
        else
                o->name = str_store(&at, m->name);
        pack_state(d, o, aligned(head));
        claims_init(o, m->created);
        if (d->kind->by_owner)
                owned_node(o)->object = o;
        return o;
}

struct object *object_new(struct cache *c, struct draft *d)
{
        struct object *o;

        if (share(c, d) < 0)
                return NULL;
        o = pack(d);
        if (!o)
                unshare(c, d);
        return o;
}
