/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/task.h"

#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "json/read.h"
#include "manager/event.h"

#define TASK_ARENA_CAP ((size_t)8 * 1024 * 1024)
/* A failure that may pass by itself is reported once it has come so often. */
#define TRANSIENT_FAILURES_SHOWN 3

struct task {
        struct list link;
        struct manager *manager;
        struct queue_item *item;
        const struct controller *controller;
        struct arena arena;
        struct str uid; /* of the resource */
        struct list requests;
        struct failure failure; /* a permanent one, if any; of these the first in the plan's order */
        size_t failure_place;
        usec_t retry_after;
        usec_t started;
        usec_t wake;
        bool starting; /* replies cannot come yet, so the task may not end */
        char id[24];
};

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

/* What is remembered of a failed attempt until the next: behind it, its strings. */
struct note {
        struct failure failure;
};

static void send_effect(struct task *t, const struct effect *e);

/* --- failures -------------------------------------------------------------------- */

/* Is a failure at PLACE to be told rather than the one that is known? Not by
 * which reply came first: the status would change with each attempt. */
static bool outweighs(const struct task *t, bool permanent, size_t place)
{
        if (!t->failure.reason.data || t->failure.permanent != permanent)
                return !t->failure.reason.data || permanent;
        return place < t->failure_place;
}

static void fail(struct task *t, size_t place, bool permanent, struct str reason, struct str message)
{
        if (!outweighs(t, permanent, place))
                return;
        t->failure_place = place;
        t->failure = (struct failure){
                .reason = arena_str(&t->arena, reason),
                .message = arena_str(&t->arena, message),
                .permanent = permanent,
        };
        /* Out of memory for the text: fail all the same. */
        if (!t->failure.reason.data)
                t->failure.reason = STR("OutOfMemory");
}

static void fail_memory(struct task *t)
{
        fail(t, 0, false, STR("OutOfMemory"), STR("the operator is out of memory; it tries again"));
}

static void keep_note(struct task *t)
{
        const struct failure *f = &t->failure;
        struct note *note = mem_zalloc(sizeof(*note) + f->reason.len + f->message.len);
        char *text;

        mem_freep(&t->item->note);
        if (!note)
                return;
        text = (char *)(note + 1);
        memcpy(text, f->reason.data, f->reason.len);
        if (f->message.len)
                memcpy(text + f->reason.len, f->message.data, f->message.len);
        note->failure = (struct failure){
                .reason = str_n(text, f->reason.len),
                .message = str_n(text + f->reason.len, f->message.len),
                .permanent = f->permanent,
        };
        t->item->note = note;
}

static struct failure noted_failure(const struct queue_item *item)
{
        const struct note *note = item->note;

        if (!note || (!note->failure.permanent && item->failures < TRANSIENT_FAILURES_SHOWN))
                return (struct failure){ 0 };
        return note->failure;
}

/* --- the end ----------------------------------------------------------------------- */

static void task_free(struct task *t)
{
        list_remove(&t->link);
        arena_release(&t->arena);
        mem_free(t);
}

static void log_failure(const struct task *t)
{
        log_at(t->failure.permanent && t->item->failures == 0 ? LOG_ERROR : LOG_WARN, "reconcile failed",
               LOG_CSTR("reconcileID", t->id), LOG_CSTR("controller", t->controller->name),
               LOG_STR("namespace", t->item->key.namespace), LOG_STR("name", t->item->key.name),
               LOG_STR("reason", t->failure.reason), LOG_STR("error", t->failure.message),
               LOG_INT("failures", t->item->failures + 1));
}

static void finish(struct task *t)
{
        struct manager *m = t->manager;
        usec_t now = m->transport->now(m->transport);
        const char *result = "success";
        bool had_note = t->item->note != NULL;

        /* After the failure was reported, one more reconcile takes the report back. */
        if (t->failure.reason.data) {
                result = "error";
                log_failure(t);
                keep_note(t);
        } else {
                if (had_note)
                        t->wake = now;
                if (t->wake != USEC_NEVER && queue_add_at(&m->queue, &t->item->key, t->wake) < 0) {
                        fail_memory(t);
                        result = "error";
                }
        }
        if (m->hooks.reconciled)
                m->hooks.reconciled(t->controller, result, now - t->started, m->hooks.arg);
        if (t->failure.reason.data)
                queue_done_failed(&m->queue, t->item, now, t->retry_after);
        else
                queue_done(&m->queue, t->item, now);
        task_free(t);
}

static void finish_if_done(struct task *t)
{
        if (!t->starting && list_empty(&t->requests))
                finish(t);
}

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
                fail(q->task, q->effect->place, false, STR("NotLeading"),
                     STR("another replica of the operator leads now"));
        else
                fail_memory(q->task);
        request_free(q);
}

static struct request *request_new(struct task *t, const struct effect *e)
{
        struct request *q = mem_new(struct request);

        if (!q) {
                fail_memory(t);
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
                fail_memory(q->task);
                request_free(q);
                return;
        }
        start_call(q, &call);
}

static void conflict(struct task *t, const struct effect *e, struct kube_owner owner)
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
                fail(t, e->place, false, STR("WaitingForRemoval"), message);
                return;
        }
        if (owner.name.data)
                message = arena_printf(
                        &t->arena,
                        "%.*s \"%.*s\" exists already and belongs to %.*s \"%.*s\"; it is left as it "
                        "is: rename this resource, or remove that object",
                        STR_FMT(e->kind->api.kind), STR_FMT(e->name), STR_FMT(owner.kind),
                        STR_FMT(owner.name));
        else
                message = arena_printf(
                        &t->arena,
                        "%.*s \"%.*s\" exists already and was not made by Keelson; it is left as it "
                        "is: rename this resource, or remove that object",
                        STR_FMT(e->kind->api.kind), STR_FMT(e->name));
        fail(t, e->place, true, STR("NameConflict"), message);
}

static void apply_child(struct task *t, const struct effect *e)
{
        const struct object *child = cache_get(&t->manager->cache, e->kind, t->item->key.namespace, e->name);
        struct request *q;

        if (child && !str_eq(child->owner.uid, t->uid)) {
                conflict(t, e, child->owner);
                return;
        }
        if (child && child->deleting)
                return; /* its end wakes us */
        if (child && cache_as_desired(child, e->desired)) {
                cache_note_desired(&t->manager->cache, child, e->desired);
                return;
        }
        q = request_new(t, e);
        if (!q)
                return;
        /* Applied before, wanted unchanged, and yet not so: somebody else's doing. */
        q->repairing = child && child->applied_desired == e->desired;
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
                _cleanup_(buf_release) struct buf held = BUF_INIT(TASK_ARENA_CAP);
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
                fail_memory(t);
                request_free(q);
                return;
        }
        start_call(q, &call);
}

static void tell(struct task *t, bool warning, struct str reason, struct str message)
{
        const struct object *self =
                cache_get(&t->manager->cache, t->controller->kind, t->item->key.namespace, t->item->key.name);

        if (self && t->manager->allowed)
                event_send(t->manager, self, warning, reason, message);
}

static void send_effect(struct task *t, const struct effect *e)
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
                tell(t, e->warning, e->reason, e->message);
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
                tell(t, false, STR("Deleted"),
                     arena_printf(&t->arena, "Deleted %.*s %.*s", STR_FMT(e->kind->api.kind),
                                  STR_FMT(e->name)));
        } else if (q->creating) {
                log_done(q, "created");
                tell(t, false, STR("Created"),
                     arena_printf(&t->arena, "Created %.*s %.*s", STR_FMT(e->kind->api.kind),
                                  STR_FMT(e->name)));
        } else if (q->repairing) {
                log_done(q, "repaired");
                tell(t, true, STR("DriftRepaired"),
                     arena_printf(&t->arena,
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
                fail_memory(t);
                return false;
        }
        if (!str_eq(meta.owner.uid, t->uid)) {
                conflict(t, q->effect, meta.owner);
                return false;
        }
        if (meta.deleting) {
                /* We do not see it, so its end will not wake us. */
                fail(t, q->effect->place, false, STR("WaitingForRemoval"),
                     arena_printf(&t->arena, "%.*s \"%.*s\" is being deleted; it is made again after that",
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
                fail(t, e->place, true, str_c(kube_reason_name(reply->reason)), message);
                return;
        default:
                break;
        }
        fail(t, e->place, false, STR("Retrying"), message);
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
                        finish_if_done(t);
                        return;
                }
        } else if (found) {
                if (e->type != EFFECT_STATUS)
                        report_done(q);
                if (e->type != EFFECT_DELETE && take_object(q, reply->body) < 0)
                        fail_memory(t);
        } else if (q->creating && !q->looking && reply->reason == KUBE_CONFLICT) {
                look_at_holder(q);
                finish_if_done(t);
                return;
        } else if (reply->reason == KUBE_NOT_FOUND && e->type != EFFECT_APPLY) {
                /* Deleted already; or the resource itself is gone and needs no status. */
        } else {
                on_refusal(q, reply);
        }
        request_free(q);
        finish_if_done(t);
}

/* --- the beginning ------------------------------------------------------------------------ */

static int reconcile(struct task *t, const struct object *self, struct plan *plan)
{
        struct manager *m = t->manager;
        struct view view = {
                .self = self,
                .cache = &m->cache,
                .failure = noted_failure(t->item),
                .now = t->started,
                .wall = m->transport->wall(m->transport),
        };
        int r = t->controller->reconcile(&view, plan);

        if (r == 0 && (plan->error || t->arena.failed))
                r = plan->error ? plan->error : -ENOMEM;
        return r;
}

void task_start(struct manager *m, struct queue_item *item)
{
        const struct controller *controller = m->controllers[item->key.controller];
        usec_t now = m->transport->now(m->transport);
        const struct object *self =
                cache_get(&m->cache, controller->kind, item->key.namespace, item->key.name);
        struct task *t;
        struct plan plan;

        if (!self) {
                queue_done(&m->queue, item, now);
                return;
        }
        t = mem_new(struct task);
        if (!t) {
                queue_done_failed(&m->queue, item, now, 0);
                return;
        }
        t->manager = m;
        t->item = item;
        t->controller = controller;
        t->started = now;
        t->starting = true;
        snprintf(t->id, sizeof(t->id), "%llx", (unsigned long long)++m->n_reconciles);
        arena_init(&t->arena, TASK_ARENA_CAP);
        list_init(&t->requests);
        list_add_tail(&m->tasks, &t->link);
        t->uid = arena_str(&t->arena, self->uid);

        plan_init(&plan, &t->arena);
        if (!t->uid.data || reconcile(t, self, &plan) < 0) {
                fail_memory(t);
        } else {
                t->wake = plan.wake;
                list_for_each (link, &plan.effects)
                        send_effect(t, container_of(link, struct effect, link));
        }
        t->starting = false;
        finish_if_done(t);
}

void tasks_cancel(struct manager *m)
{
        list_for_each_safe (link, &m->tasks) {
                struct task *t = container_of(link, struct task, link);

                list_for_each_safe (request, &t->requests) {
                        struct request *q = container_of(request, struct request, link);

                        if (q->handle)
                                m->transport->cancel(m->transport, q->handle);
                        request_free(q);
                }
                task_free(t);
        }
        events_cancel(m);
}
