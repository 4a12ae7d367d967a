/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/log.h"
#include "json/read.h"
#include "kube/owned.h"
#include "manager/errand.h"

void effect_conflict(struct task *t, const struct effect *e, struct kube_owner owner, bool ours)
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

static void log_done(const struct errand *q, const char *what)
{
        const struct task *t = q->task;

        log_info(what, LOG_CSTR("reconcileID", t->id), LOG_CSTR("controller", t->controller->name),
                 LOG_STR("namespace", t->item->key.namespace), LOG_STR("name", t->item->key.name),
                 LOG_STR("childKind", q->effect->kind->api.kind), LOG_STR("child", q->effect->name));
}

static void report_drift(const struct errand *q, const char *what)
{
        const struct effect *e = q->effect;
        struct task *t = q->task;

        log_done(q, "repaired");
        task_tell(t, true, STR("DriftRepaired"),
                  arena_printf(&t->arena, "%.*s %.*s was %s; change the %.*s instead",
                               STR_FMT(e->kind->api.kind), STR_FMT(e->name), what,
                               STR_FMT(t->controller->kind->api.kind)));
}

static void report_done(const struct errand *q)
{
        const struct effect *e = q->effect;
        struct task *t = q->task;

        if (e->type == EFFECT_DELETE) {
                log_done(q, "deleted");
                if (!e->kind->quiet)
                        task_tell(t, false, STR("Deleted"),
                                  arena_printf(&t->arena, "Deleted %.*s %.*s", STR_FMT(e->kind->api.kind),
                                               STR_FMT(e->name)));
        } else if (q->step == ERRAND_CREATING && !e->kind->quiet && task_take_lost(t, e)) {
                report_drift(q, "deleted by somebody else and has been made again");
        } else if (q->step == ERRAND_CREATING) {
                log_done(q, "created");
                if (!e->kind->quiet)
                        task_note_created(t, e);
        } else if (q->repairing || q->reset) {
                report_drift(q, "changed by somebody else and has been set back");
        } else if (e->type == EFFECT_HOLD || e->type == EFFECT_RELEASE) {
                log_done(q, e->type == EFFECT_HOLD ? "finalizer added" : "finalizer removed");
        } else if (e->type == EFFECT_PATCH) {
                log_done(q, "patched");
        } else {
                log_done(q, "applied");
        }
}

/* Puts what came back into the cache, so that the next reconcile sees it. */
static int take_object(struct errand *q, struct str body)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        const struct effect *e = q->effect;
        struct task *t = q->task;
        const struct cache_kind *kind = e->type == EFFECT_STATUS ? t->controller->kind : e->kind;
        struct cache *cache = &t->manager->cache;
        int r;

        r = json_parse(body, &doc, NULL);
        if (r < 0)
                return r;
        if (e->type == EFFECT_APPLY)
                return cache_put_applied(cache, kind, yyjson_doc_get_root(doc), e->whole);
        r = cache_put(cache, kind, yyjson_doc_get_root(doc), CACHE_FROM_REPLY);
        if (r < 0 || !kind->on_demand)
                return r;
        return cache_note_read(cache, kind, t->item->key.namespace, e->name, true, t->started);
}

static void take_reply(struct errand *q, struct str body)
{
        int r = take_object(q, body);

        if (r < 0)
                errand_fail_reply(q, r);
}

static void note_deleted(struct task *t, const struct effect *e)
{
        /* Where there is no watch to say so, it is gone as far as we care. */
        if (e->kind->on_demand)
                cache_forget(&t->manager->cache, e->kind, t->item->key.namespace, e->name);
        else
                cache_note_deleting(&t->manager->cache, e->kind, t->item->key.namespace, e->name, e->uid);
}

/* What was asked for is known now, be it that it is not there. */
static void on_read(struct errand *q, const struct kube_reply *reply)
{
        const struct effect *e = q->effect;
        struct task *t = q->task;
        struct cache *cache = &t->manager->cache;
        struct str namespace = t->item->key.namespace;
        bool first = cache_read_at(cache, e->kind, namespace, e->name) == 0;
        int r = reply->error.code ? cache_note_read(cache, e->kind, namespace, e->name, false, t->started)
                                  : take_object(q, reply->body);

        if (r < 0)
                errand_fail_reply(q, r);
        /* A change wakes whom it concerns; that there is nothing changes nothing. */
        else if (first)
                t->wake = t->started;
}

/* The name of a child to be made is taken. Who has it? It may be our own, if
 * an earlier reply was lost, or if somebody took its label away. */
static void look_at_holder(struct errand *q)
{
        struct call call = errand_call(q, CALL_GET);

        q->taken = true;
        errand_start(q, ERRAND_LOOKING, &call);
}

/* Returns whether the request goes on. */
static bool on_holder(struct errand *q, const struct kube_reply *reply)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct task *t = q->task;
        struct kube_meta meta;

        if (!errand_read(q, reply, &doc, &meta))
                return false;
        if (!str_eq(meta.owner.uid, t->uid)) {
                bool ours;

                kube_owned_hash(yyjson_doc_get_root(doc), t->manager->cache.manager, STR_NULL, &ours);
                effect_conflict(t, q->effect, meta.owner, ours);
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
        if (q->effect->type == EFFECT_COPY) {
                take_reply(q, reply->body);
                return false;
        }
        errand_change(q, meta.uid, STR_NULL);
        return true;
}

static void on_refusal(struct errand *q, const struct kube_reply *reply)
{
        const struct effect *e = q->effect;
        struct task *t = q->task;
        struct str message =
                arena_printf(&t->arena, "%.*s: %s", STR_FMT(errand_subject(q)), reply->error.message);

        t->retry_after = MAX(t->retry_after, reply->retry_after);
        if (errand_status_is_open(q, reply))
                task_doubt(t);
        t->soon |= kube_reply_prospect(reply) == KUBE_SOON;
        if (kube_reply_prospect(reply) == KUBE_STAYS) {
                task_fail(t, e, true, str_c(kube_reason_name(reply->reason)), message);
                return;
        }
        /* Where the child is another one by now the watch will tell. */
        task_fail(t, e, false, STR("Retrying"), message);
}

static void on_changed(struct errand *q, const struct kube_reply *reply)
{
        const struct effect *e = q->effect;
        struct task *t = q->task;

        if (e->type == EFFECT_READ) {
                on_read(q, reply);
                return;
        }
        if (e->type != EFFECT_STATUS)
                report_done(q);
        if (e->type == EFFECT_DELETE)
                note_deleted(t, e);
        else
                take_reply(q, reply->body);
}

/* Returns whether the request goes on. */
static bool on_success(struct errand *q, const struct kube_reply *reply)
{
        switch (q->step) {
        case ERRAND_TRYING:
                errand_create(q, q->effect->json);
                return true;
        case ERRAND_LOOKING:
                if (q->effect->type == EFFECT_RELEASE)
                        return finalizer_on_resource(q, reply);
                return on_holder(q, reply);
        case ERRAND_FETCHING:
                return copy_on_source(q, reply);
        case ERRAND_RESETTING:
                return reset_on_done(q, reply);
        case ERRAND_CREATING:
        case ERRAND_CHANGING:
                break;
        }
        on_changed(q, reply);
        return false;
}

/* Likewise. */
static bool on_not_found(struct errand *q, const struct kube_reply *reply)
{
        const struct effect *e = q->effect;
        struct task *t = q->task;

        if (e->type == EFFECT_READ) {
                on_read(q, reply);
        } else if (e->type == EFFECT_COPY && q->step == ERRAND_LOOKING && !q->taken) {
                copy_fetch(q);
                return true;
        } else if (e->type == EFFECT_COPY && q->step == ERRAND_FETCHING) {
                copy_on_no_source(q);
        } else if (e->type == EFFECT_DELETE) {
                if (e->kind->on_demand)
                        note_deleted(t, e); /* by somebody else */
        } else if (e->type != EFFECT_STATUS && e->type != EFFECT_RELEASE) {
                on_refusal(q, reply); /* those two: the resource is gone and needs neither */
        }
        return false;
}

static bool is_name_taken(const struct errand *q, const struct kube_reply *reply)
{
        return (q->step == ERRAND_CREATING && reply->reason == KUBE_CONFLICT) ||
               (q->step == ERRAND_TRYING && reply->reason == KUBE_ALREADY_EXISTS);
}

void errand_on_reply(const struct kube_reply *reply, void *arg)
{
        struct errand *q = arg;
        struct task *t = q->task;
        bool goes_on = false;

        q->handle = NULL;
        if (reply->error.code == 0) {
                goes_on = on_success(q, reply);
        } else if (is_name_taken(q, reply)) {
                look_at_holder(q);
                goes_on = true;
        } else if (reply->reason == KUBE_NOT_FOUND) {
                goes_on = on_not_found(q, reply);
        } else if (q->effect->type == EFFECT_STATUS && errand_status_refused(q, reply)) {
                goes_on = true;
        } else {
                goes_on = reset_start(q, reply);
                if (!goes_on)
                        on_refusal(q, reply);
        }
        if (!goes_on)
                errand_free(q);
        task_finish_if_done(t);
}
