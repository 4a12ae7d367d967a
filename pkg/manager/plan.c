/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/plan.h"

#include <errno.h>

#include "base/hash.h"
#include "json/read.h"
#include "kube/owned.h"

/* A status as JSON; etcd takes no larger objects. */
#define STATUS_BYTES_MAX ((size_t)1024 * 1024)

void plan_init(struct plan *p, struct arena *arena)
{
        *p = (struct plan){ .arena = arena, .wake = USEC_NEVER };
        list_init(&p->effects);
}

static struct effect *add(struct plan *p, enum effect_type type)
{
        struct effect *e = p->n_effects < PLAN_EFFECTS_MAX ? arena_new(p->arena, struct effect) : NULL;

        if (!e) {
                p->error = p->n_effects < PLAN_EFFECTS_MAX ? -ENOMEM : -E2BIG;
                return NULL;
        }
        e->type = type;
        e->place = p->n_effects++;
        list_add_tail(&p->effects, &e->link);
        return e;
}

static struct str keep(struct plan *p, struct str s)
{
        struct str copy = arena_str(p->arena, s);

        if (s.data && !copy.data)
                p->error = -ENOMEM;
        return copy;
}

static int hash_desired(struct effect *e)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        int r = json_parse(e->json, &doc, NULL);

        if (r == 0)
                e->desired = kube_desired_hash(yyjson_doc_get_root(doc), e->kind->shared);
        return r;
}

/* A child that was applied before is known again by its text. Only where its
 * text says what others have set meanwhile does it take its contents. */
static int identify(struct effect *e)
{
        int r = 0;

        if (!e->options.versioned)
                e->whole = hash_local_str(HASH_INIT, e->json);
        else if ((r = hash_desired(e)) == 0)
                e->whole = e->desired;
        return r;
}

bool effect_holds(struct effect *e, const struct object *child)
{
        if (e->options.changed)
                return false;
        if (cache_as_desired(child, e->desired, e->whole))
                return true;
        /* Not applied by this process, or somebody changed it: a closer look. */
        return !e->desired && hash_desired(e) == 0 && cache_as_desired(child, e->desired, e->whole);
}

void plan_apply_with(struct plan *p, const struct cache_kind *kind, struct str name, struct str json,
                     const struct apply_options *options)
{
        struct effect *e = add(p, EFFECT_APPLY);
        int r;

        if (!e)
                return;
        e->kind = kind;
        e->name = keep(p, name);
        e->json = keep(p, json);
        e->options = *options;
        if (p->error < 0)
                return;
        r = identify(e);
        if (r < 0)
                p->error = r;
}

void plan_apply(struct plan *p, const struct cache_kind *kind, struct str name, struct str json)
{
        plan_apply_with(p, kind, name, json, &(struct apply_options){ 0 });
}

void plan_copy(struct plan *p, const struct cache_kind *kind, struct str name, struct str json,
               const struct object *source)
{
        struct effect *e = add(p, EFFECT_COPY);

        if (!e)
                return;
        e->kind = kind;
        e->name = keep(p, name);
        e->json = keep(p, json);
        e->source_kind = source->kind;
        e->source = keep(p, source->name);
        e->version = keep(p, object_version(source));
}

void plan_read(struct plan *p, const struct cache_kind *kind, struct str name)
{
        struct effect *e = add(p, EFFECT_READ);

        if (!e)
                return;
        e->kind = kind;
        e->name = keep(p, name);
}

void plan_delete(struct plan *p, const struct object *child)
{
        struct effect *e = add(p, EFFECT_DELETE);
        char uid[UUID_TEXT];

        if (!e)
                return;
        e->kind = child->kind;
        e->name = keep(p, child->name);
        e->uid = keep(p, object_uid(child, uid));
        e->version = keep(p, object_version(child));
}

void plan_delete_alone(struct plan *p, const struct object *child)
{
        size_t before = p->n_effects;

        plan_delete(p, child);
        if (p->n_effects > before)
                container_of(p->effects.prev, struct effect, link)->alone = true;
}

void plan_patch(struct plan *p, const struct object *object, struct str json)
{
        struct effect *e = add(p, EFFECT_PATCH);
        char uid[UUID_TEXT];

        if (!e)
                return;
        e->kind = object->kind;
        e->name = keep(p, object->name);
        e->json = keep(p, json);
        e->uid = keep(p, object_uid(object, uid));
}

void plan_status(struct plan *p, struct str json)
{
        struct effect *e = add(p, EFFECT_STATUS);

        if (e)
                e->json = keep(p, json);
}

void plan_status_of(struct plan *p, const struct schema *schema, const void *status, const void *held)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(STATUS_BYTES_MAX);
        struct json_writer w;

        if (held && schema_equal(schema, status, held))
                return;
        json_writer_init(&w, &json);
        schema_encode(schema, status, &w);
        if (buf_error(&json) < 0)
                p->error = buf_error(&json);
        else
                plan_status(p, buf_str(&json));
}

static void add_event(struct plan *p, bool at_once, bool warning, struct str reason, struct str message)
{
        struct effect *e = add(p, EFFECT_EVENT);

        if (!e)
                return;
        e->at_once = at_once;
        e->warning = warning;
        e->reason = keep(p, reason);
        e->message = keep(p, message);
}

void plan_event(struct plan *p, bool warning, struct str reason, struct str message)
{
        add_event(p, false, warning, reason, message);
}

void plan_event_at_once(struct plan *p, bool warning, struct str reason, struct str message)
{
        add_event(p, true, warning, reason, message);
}

static void add_of_resource(struct plan *p, enum effect_type type, const struct object *self)
{
        struct effect *e = add(p, type);

        if (!e)
                return;
        e->kind = self->kind;
        e->name = keep(p, self->name);
}

void plan_hold(struct plan *p, const struct object *self)
{
        add_of_resource(p, EFFECT_HOLD, self);
}

void plan_release(struct plan *p, const struct object *self)
{
        add_of_resource(p, EFFECT_RELEASE, self);
}

void plan_wake(struct plan *p, usec_t when)
{
        p->wake = MIN(p->wake, when);
}
