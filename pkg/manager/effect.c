/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/effect.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "json/read.h"
#include "json/write.h"
#include "kube/owned.h"
#include "manager/errand.h"
#include "manager/event.h"

/* Our own encoding of a status, for comparing. */
#define STATUS_BYTES_MAX ((size_t)1024 * 1024)

/* Somebody keeps undoing what we apply: not at once again. */
static bool pause_repair(struct task *t, const struct effect *e, const struct object *child)
{
        usec_t due = cache_repair_due(child);

        if (due <= t->started)
                return false;
        task_fail(
                t, e, false, STR("DriftRepeated"),
                arena_printf(&t->arena,
                             "%.*s \"%.*s\" is changed again and again by somebody else, who is named in its "
                             "metadata.managedFields; it is set back at growing intervals",
                             STR_FMT(e->kind->api.kind), STR_FMT(e->name)));
        return true;
}

static void apply_child(struct task *t, struct effect *e)
{
        const struct object *child = cache_get(&t->manager->cache, e->kind, t->item->key.namespace, e->name);
        char uid[UUID_TEXT];
        bool repairing;
        struct errand *q;

        if (child && !str_eq(child->owner->uid, t->uid)) {
                effect_conflict(t, e, *child->owner, child->owned != 0);
                return;
        }
        if (child && child->deleting)
                return; /* its end wakes us */
        if (child && effect_holds(e, child)) {
                cache_note_desired(&t->manager->cache, child, e->whole);
                return;
        }
        /* Applied before, wanted unchanged, and yet not so: somebody else's doing. */
        repairing = child && child->applied_desired == e->whole;
        if (repairing && pause_repair(t, e, child))
                return;
        q = errand_new(t, e);
        if (!q)
                return;
        q->repairing = repairing;
        if (repairing)
                cache_note_repair(&t->manager->cache, child, t->started);
        if (child)
                errand_change(q, object_uid(child, uid),
                              e->options.versioned ? object_version(child) : STR_NULL);
        else if (e->kind->optional)
                errand_try(q);
        else
                errand_create(q, e->json);
}

static void delete_child(struct task *t, const struct effect *e)
{
        const struct object *child = cache_get(&t->manager->cache, e->kind, t->item->key.namespace, e->name);
        struct errand *q;
        struct call call;

        if (!child || child->deleting)
                return; /* finalizers hold it; asking again changes nothing */
        q = errand_new(t, e);
        if (!q)
                return;
        call = errand_call(q, CALL_DELETE);
        call.uid = e->uid;
        call.version = e->version;
        call.alone = e->alone;
        errand_start(q, ERRAND_CHANGING, &call);
}

static void patch_object(struct task *t, const struct effect *e)
{
        struct errand *q = errand_new(t, e);

        if (q)
                errand_patch(q, e->json, e->uid);
}

static void read_object(struct task *t, const struct effect *e)
{
        struct errand *q = errand_new(t, e);
        struct call call;

        if (!q)
                return;
        call = errand_call(q, CALL_GET);
        errand_start(q, ERRAND_CHANGING, &call);
}

/* Is STATUS, as JSON, what the cache holds already? */
static bool same_status(const struct object *self, struct str status)
{
        const struct schema *root = self->kind->schema;

        for (size_t i = 0; i < root->n_fields; i++) {
                const struct schema_field *f = &root->fields[i];
                _cleanup_(buf_release) struct buf held = BUF_INIT(STATUS_BYTES_MAX);
                struct json_writer w;
                const void *half;

                if (!str_eq(f->name, STR("status")))
                        continue;
                memcpy(&half, (const char *)self->state + f->offset, sizeof(half));
                if (!half)
                        return false;
                json_writer_init(&w, &held);
                schema_encode(f->object, half, &w);
                return buf_error(&held) == 0 && str_eq(buf_str(&held), status);
        }
        return false;
}

static void apply_status(struct task *t, const struct effect *e)
{
        const struct object *self =
                cache_get(&t->manager->cache, t->controller->kind, t->item->key.namespace, t->item->key.name);
        struct errand *q;

        if (!self || same_status(self, e->json))
                return;
        q = errand_new(t, e);
        if (!q)
                return;
        q->status = e->json;
        errand_send_status(q);
}

/* A child of a kind that we may not list is left alone: what there is of it is not known. */
static bool is_refused(struct task *t, const struct effect *e)
{
        const struct manager *m = t->manager;
        const char *why =
                m->refused && e->kind ? m->refused(e->kind, t->item->key.namespace, m->refused_arg) : NULL;

        if (why)
                task_fail(t, e, true, STR("Forbidden"), str_c(why));
        return why != NULL;
}

void effect_start(struct task *t, struct effect *e)
{
        if (is_refused(t, e))
                return;
        switch (e->type) {
        case EFFECT_APPLY:
                apply_child(t, e);
                break;
        case EFFECT_COPY:
                copy_start(t, e);
                break;
        case EFFECT_DELETE:
                delete_child(t, e);
                break;
        case EFFECT_PATCH:
                patch_object(t, e);
                break;
        case EFFECT_READ:
                read_object(t, e);
                break;
        case EFFECT_STATUS:
                apply_status(t, e);
                break;
        case EFFECT_EVENT:
                task_tell(t, e->warning, e->reason, e->message);
                break;
        case EFFECT_HOLD:
                finalizer_hold(t, e);
                break;
        case EFFECT_RELEASE:
                finalizer_release(t, e);
                break;
        }
}

void effects_cancel(struct task *t)
{
        list_for_each_safe (link, &t->requests) {
                struct errand *q = container_of(link, struct errand, link);

                if (q->handle)
                        t->manager->transport->cancel(t->manager->transport, q->handle);
                errand_free(q);
        }
}
