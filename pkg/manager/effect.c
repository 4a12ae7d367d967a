/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/effect.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "json/read.h"
#include "json/write.h"
#include "kube/owned.h"
#include "manager/event.h"

/* Our own encoding of a status, for comparing. */
#define STATUS_BYTES_MAX ((size_t)1024 * 1024)

/* One effect on its way. */
struct request {
        struct list link;
        struct task *task;
        const struct effect *effect;
        bool creating; /* fails if the name is taken */
        bool looking;  /* the name was taken: asking who has it */
        bool repairing;
        void *handle;
};

/* --- requests ------------------------------------------------------------------------ */

static void request_free(struct request *q)
{
        list_remove(&q->link);
        mem_free(q);
}

static void on_reply(const struct kube_reply *reply, void *arg);

static void start_call(struct request *q, const struct call *call)
{
        struct manager *m = q->task->manager;
        int r = m->allowed ? m->transport->start(m->transport, call, on_reply, q, &q->handle) : -EPERM;

        if (r == 0)
                return;
        if (r == -EPERM)
                task_fail(q->task, q->effect, false, STR("NotLeading"),
                          STR("this replica of the operator does not lead, or is stopping"));
        else
                task_fail_memory(q->task);
        request_free(q);
}

static struct request *request_new(struct task *t, const struct effect *e)
{
        struct request *q = mem_new(struct request);

        if (!q) {
                task_fail_memory(t);
                return NULL;
        }
        q->task = t;
        q->effect = e;
        list_add_tail(&t->requests, &q->link);
        return q;
}

/* A child's JSON with one more member at the head of its metadata. Renderers
 * write metadata as the first object inside the child. */
static struct str with_metadata(struct task *t, struct str json, const char *key, struct str value)
{
        static const char mark[] = "\"metadata\":{";
        const char *at = memmem(json.data, json.len, mark, sizeof(mark) - 1);
        size_t head;

        if (!at)
                return STR_NULL;
        head = (size_t)(at - json.data) + sizeof(mark) - 1;
        return arena_printf(&t->arena, "%.*s\"%s\":\"%.*s\",%.*s", (int)head, json.data, key, STR_FMT(value),
                            (int)(json.len - head), json.data + head);
}

static struct call child_call(const struct request *q, enum call_type type)
{
        return (struct call){
                .type = type,
                .kind = &q->effect->kind->api,
                .namespace = q->task->item->key.namespace,
                .name = q->effect->name,
        };
}

static void send_apply(struct request *q, struct str uid)
{
        struct call call = child_call(q, CALL_APPLY);

        /* An apply makes what is not there and merges into what is, whoever
         * made it. Two preconditions narrow it down to one of the two:
         * - a UID: only this very object is changed, and never made anew;
         * - a resourceVersion that no object has any more: whatever exists
         *   conflicts, and what does not exist is made. Ownership of its fields
         *   is clean, unlike after a POST. */
        q->creating = !uid.data;
        call.body = q->creating ? with_metadata(q->task, q->effect->json, "resourceVersion", STR("1"))
                                : with_metadata(q->task, q->effect->json, "uid", uid);
        if (!call.body.data) {
                task_fail_memory(q->task);
                request_free(q);
                return;
        }
        start_call(q, &call);
}

/* The name of a child is taken by an object that OWNER controls, or nobody; OURS
 * if fields in it were applied by Keelson. */
static void conflict(struct task *t, const struct effect *e, struct kube_owner owner, bool ours)
{
        const struct kube_kind *own = &t->controller->kind->api;
        struct str message;

        /* A resource was deleted and made again faster than its children went. */
        if (str_eq(owner.kind, own->kind) && str_eq(owner.name, t->item->key.name)) {
                message = arena_printf(
                        &t->arena,
                        "%.*s \"%.*s\" belongs to an earlier %.*s of this name; waiting for Kubernetes "
                        "to remove it",
                        STR_FMT(e->kind->api.kind), STR_FMT(e->name), STR_FMT(own->kind));
                task_fail(t, e, false, STR("WaitingForRemoval"), message);
                return;
        }
        if (owner.name.data)
                message = arena_printf(
                        &t->arena,
                        "%.*s \"%.*s\" exists already and belongs to %.*s \"%.*s\"; it is left as it "
                        "is: rename this resource, or remove that object",
                        STR_FMT(e->kind->api.kind), STR_FMT(e->name), STR_FMT(owner.kind),
                        STR_FMT(owner.name));
        else if (ours)
                message = arena_printf(
                        &t->arena,
                        "%.*s \"%.*s\" was made by Keelson and has lost its owner reference, as after kubectl "
                        "delete --cascade=orphan; it is left as it is: remove that object, or rename this "
                        "resource",
                        STR_FMT(e->kind->api.kind), STR_FMT(e->name));
        else
                message = arena_printf(
                        &t->arena,
                        "%.*s \"%.*s\" exists already and was not made by Keelson; it is left as it "
                        "is: rename this resource, or remove that object",
                        STR_FMT(e->kind->api.kind), STR_FMT(e->name));
        task_fail(t, e, true, STR("NameConflict"), message);
}

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

static void apply_child(struct task *t, const struct effect *e)
{
        const struct object *child = cache_get(&t->manager->cache, e->kind, t->item->key.namespace, e->name);
        bool repairing;
        struct request *q;

        if (child && !str_eq(child->owner.uid, t->uid)) {
                conflict(t, e, child->owner, child->owned != 0);
                return;
        }
        if (child && child->deleting)
                return; /* its end wakes us */
        if (child && cache_as_desired(child, e->desired)) {
                cache_note_desired(&t->manager->cache, child, e->desired);
                return;
        }
        /* Applied before, wanted unchanged, and yet not so: somebody else's doing. */
        repairing = child && child->applied_desired == e->desired;
        if (repairing && pause_repair(t, e, child))
                return;
        q = request_new(t, e);
        if (!q)
                return;
        q->repairing = repairing;
        if (repairing)
                cache_note_repair(&t->manager->cache, child, t->started);
        send_apply(q, child ? arena_str(&t->arena, child->uid) : STR_NULL);
}

static void delete_child(struct task *t, const struct effect *e)
{
        const struct object *child = cache_get(&t->manager->cache, e->kind, t->item->key.namespace, e->name);
        struct request *q;
        struct call call;

        if (!child || child->deleting)
                return; /* finalizers hold it; asking again changes nothing */
        q = request_new(t, e);
        if (!q)
                return;
        call = child_call(q, CALL_DELETE);
        call.uid = e->uid;
        call.version = e->version;
        start_call(q, &call);
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
        const struct kube_kind *kind = &t->controller->kind->api;
        const struct object *self =
                cache_get(&t->manager->cache, t->controller->kind, t->item->key.namespace, t->item->key.name);
        struct call call = { .type = CALL_APPLY_STATUS, .kind = kind };
        struct request *q;

        if (!self || same_status(self, e->json))
                return;
        q = request_new(t, e);
        if (!q)
                return;
        call.namespace = t->item->key.namespace;
        call.name = t->item->key.name;
        call.body = arena_printf(
                &t->arena,
                "{\"apiVersion\":\"%.*s/%.*s\",\"kind\":\"%.*s\",\"metadata\":{\"name\":\"%.*s\","
                "\"uid\":\"%.*s\"},\"status\":%.*s}",
                STR_FMT(kind->group), STR_FMT(kind->version), STR_FMT(kind->kind), STR_FMT(call.name),
                STR_FMT(t->uid), STR_FMT(e->json));
        if (!call.body.data) {
                task_fail_memory(t);
                request_free(q);
                return;
        }
        start_call(q, &call);
}

void effect_start(struct task *t, const struct effect *e)
{
        switch (e->type) {
        case EFFECT_APPLY:
                apply_child(t, e);
                break;
        case EFFECT_DELETE:
                delete_child(t, e);
                break;
        case EFFECT_STATUS:
                apply_status(t, e);
                break;
        case EFFECT_EVENT:
                task_tell(t, e->warning, e->reason, e->message);
                break;
        }
}

/* --- replies ---------------------------------------------------------------------------- */

static void log_done(const struct request *q, const char *what)
{
        const struct task *t = q->task;

        log_info(what, LOG_CSTR("reconcileID", t->id), LOG_CSTR("controller", t->controller->name),
                 LOG_STR("namespace", t->item->key.namespace), LOG_STR("name", t->item->key.name),
                 LOG_STR("childKind", q->effect->kind->api.kind), LOG_STR("child", q->effect->name));
}

static void report_done(const struct request *q)
{
        const struct effect *e = q->effect;
        struct task *t = q->task;

        if (e->type == EFFECT_DELETE) {
                log_done(q, "deleted");
                task_tell(t, false, STR("Deleted"),
                          arena_printf(&t->arena, "Deleted %.*s %.*s", STR_FMT(e->kind->api.kind),
                                       STR_FMT(e->name)));
        } else if (q->creating) {
                log_done(q, "created");
                task_note_created(t, e);
        } else if (q->repairing) {
                log_done(q, "repaired");
                task_tell(t, true, STR("DriftRepaired"),
                          arena_printf(
                                  &t->arena,
                                  "%.*s %.*s was changed by somebody else and has been set back; change the "
                                  "%.*s instead",
                                  STR_FMT(e->kind->api.kind), STR_FMT(e->name),
                                  STR_FMT(t->controller->kind->api.kind)));
        } else {
                log_done(q, "applied");
        }
}

/* Puts what came back into the cache, so that the next reconcile sees it. */
static int take_object(struct request *q, struct str body)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        const struct effect *e = q->effect;
        struct task *t = q->task;
        const struct cache_kind *kind = e->type == EFFECT_STATUS ? t->controller->kind : e->kind;
        int r;

        r = json_parse(body, &doc, NULL);
        if (r < 0)
                return r;
        if (e->type == EFFECT_APPLY)
                return cache_put_applied(&t->manager->cache, kind, yyjson_doc_get_root(doc), e->desired);
        return cache_put(&t->manager->cache, kind, yyjson_doc_get_root(doc), CACHE_FROM_REPLY);
}

/* The name of a child to be made is taken. Who has it? It may be our own, if
 * an earlier reply was lost, or if somebody took its label away. */
static void look_at_holder(struct request *q)
{
        struct call call = child_call(q, CALL_GET);

        q->looking = true;
        start_call(q, &call);
}

/* Returns whether the request goes on. */
static bool on_holder(struct request *q, const struct kube_reply *reply)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct task *t = q->task;
        struct kube_meta meta;

        q->looking = false;
        if (json_parse(reply->body, &doc, NULL) < 0 ||
            kube_meta_decode(yyjson_doc_get_root(doc), &meta) < 0) {
                task_fail_memory(t);
                return false;
        }
        if (!str_eq(meta.owner.uid, t->uid)) {
                bool ours;

                kube_owned_hash(yyjson_doc_get_root(doc), t->manager->cache.manager, &ours);
                conflict(t, q->effect, meta.owner, ours);
                return false;
        }
        if (meta.deleting) {
                /* We do not see it, so its end will not wake us. */
                task_fail(t, q->effect, false, STR("WaitingForRemoval"),
                          arena_printf(&t->arena,
                                       "%.*s \"%.*s\" is being deleted; it is made again after that",
                                       STR_FMT(q->effect->kind->api.kind), STR_FMT(q->effect->name)));
                return false;
        }
        send_apply(q, arena_str(&t->arena, meta.uid));
        return true;
}

static void on_refusal(struct request *q, const struct kube_reply *reply)
{
        const struct effect *e = q->effect;
        struct task *t = q->task;
        struct str what = e->type == EFFECT_STATUS ? STR("status") : e->kind->api.kind;
        struct str message = arena_printf(&t->arena, "%.*s: %s", STR_FMT(what), reply->error.message);

        t->retry_after = MAX(t->retry_after, reply->retry_after);
        switch (reply->reason) {
        case KUBE_FORBIDDEN:
        case KUBE_INVALID:
        case KUBE_BAD_REQUEST:
                /* An immutable metadata.uid means that the child is another one
                 * by now; the watch will tell. */
                if (strstr(reply->error.message, "metadata.uid") ||
                    strstr(reply->error.message, "being terminated"))
                        break;
                task_fail(t, e, true, str_c(kube_reason_name(reply->reason)), message);
                return;
        default:
                break;
        }
        task_fail(t, e, false, STR("Retrying"), message);
}

static void on_reply(const struct kube_reply *reply, void *arg)
{
        struct request *q = arg;
        const struct effect *e = q->effect;
        struct task *t = q->task;
        bool found = reply->error.code == 0;

        q->handle = NULL;
        if (found && q->looking) {
                if (on_holder(q, reply)) {
                        task_finish_if_done(t);
                        return;
                }
        } else if (found) {
                if (e->type != EFFECT_STATUS)
                        report_done(q);
                if (e->type == EFFECT_DELETE)
                        cache_note_deleting(&t->manager->cache, e->kind, t->item->key.namespace, e->name,
                                            e->uid);
                else if (take_object(q, reply->body) < 0)
                        task_fail_memory(t);
        } else if (q->creating && !q->looking && reply->reason == KUBE_CONFLICT) {
                look_at_holder(q);
                task_finish_if_done(t);
                return;
        } else if (reply->reason == KUBE_NOT_FOUND && e->type != EFFECT_APPLY) {
                /* Deleted already; or the resource itself is gone and needs no status. */
        } else {
                on_refusal(q, reply);
        }
        request_free(q);
        task_finish_if_done(t);
}

void effects_cancel(struct task *t)
{
        list_for_each_safe (link, &t->requests) {
                struct request *q = container_of(link, struct request, link);

                if (q->handle)
                        t->manager->transport->cancel(t->manager->transport, q->handle);
                request_free(q);
        }
}
