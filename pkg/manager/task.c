/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/task.h"

#include <errno.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/effect.h"
#include "manager/event.h"

/* etcd takes 1.5 MiB. Of an App as large as that there are a Deployment and a
 * revision, and of each several forms on the way from the spec to the request. */
#define TASK_ARENA_CAP ((size_t)16 * 1024 * 1024)
/* A failure that may pass by itself is reported once it has come so often. */
#define TRANSIENT_FAILURES_SHOWN 3
/* Of what is over in half a minute; past that, as for all else, pauses grow. */
#define SOON_PAUSE (2 * USEC_SEC)
#define SOON_TRIES 30
/* An API server gives a request up after a minute. */
#define DOUBT_LASTS (2 * USEC_MINUTE)
#define DOUBT_LOOK_FIRST USEC_SEC
#define RUSHES_AT_ONCE 10
#define RUSH_PAUSE_FIRST USEC_SEC
#define RUSH_PAUSE_MAX USEC_MINUTE

/* What is remembered of a failed attempt until the next: behind it, its strings. */
struct note {
        struct failure failure;
};

/* --- failures -------------------------------------------------------------------- */

/* Is a failure at PLACE to be told rather than the one that is known? Not by
 * which reply came first: the status would change with each attempt. */
static bool outweighs(const struct task *t, bool permanent, size_t place)
{
        if (!t->failure.reason.data || t->failure.permanent != permanent)
                return !t->failure.reason.data || permanent;
        return place < t->failure_place;
}

void task_fail(struct task *t, const struct effect *e, bool permanent, struct str reason, struct str message)
{
        size_t place = e ? e->place : 0;

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

static void fail_size(struct task *t)
{
        task_fail(t, NULL, true, STR("TooLarge"),
                  STR("what is to be made of this resource is larger than the operator handles; make its "
                      "spec smaller"));
}

void task_fail_memory(struct task *t)
{
        if (t->arena.full) {
                fail_size(t);
                return;
        }
        task_fail(t, NULL, false, STR("OutOfMemory"), STR("the operator is out of memory; it tries again"));
}

void task_tell(struct task *t, bool warning, struct str reason, struct str message)
{
        const struct object *self =
                cache_get(&t->manager->cache, t->controller->kind, t->item->key.namespace, t->item->key.name);

        if (!self || !t->manager->allowed)
                return;
        log_at(warning ? LOG_WARN : LOG_INFO, "event", LOG_CSTR("reconcileID", t->id),
               LOG_CSTR("controller", t->controller->name), LOG_STR("namespace", self->namespace),
               LOG_STR("name", self->name), LOG_STR("reason", reason), LOG_STR("note", message));
        event_send(t->manager, self, warning, reason, message);
}

void task_note_created(struct task *t, const struct effect *e)
{
        t->created = arena_join(&t->arena, t->created, t->created.data ? STR(", ") : STR(""),
                                e->kind->api.kind, STR(" "), e->name);
}

bool task_take_lost(struct task *t, const struct effect *e)
{
        for (size_t i = 0; i < t->controller->n_children; i++) {
                uint32_t bit = t->controller->children[i] == e->kind ? UINT32_C(1) << i : 0;

                if (t->lost & bit) {
                        t->lost &= ~bit;
                        return true;
                }
        }
        return false;
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

/* A controller that writes something down first and acts on it next asks to come
 * again at once. If what it writes is not taken (an older CRD drops a field that
 * it does not know) it would ask for ever; then there is a growing pause. */
static usec_t wake_time(struct task *t, usec_t now)
{
        usec_t pause = RUSH_PAUSE_FIRST;

        if (t->wake > now) {
                t->item->rushes = 0;
                return t->wake;
        }
        if (t->item->rushes++ < RUSHES_AT_ONCE)
                return t->wake;
        for (unsigned i = RUSHES_AT_ONCE + 1; i < t->item->rushes && pause < RUSH_PAUSE_MAX; i++)
                pause *= 2;
        return now + MIN(pause, RUSH_PAUSE_MAX);
}

void task_doubt(struct task *t)
{
        t->item->doubt = t->manager->transport->now(t->manager->transport);
}

/* A write of the status whose reply was lost may stand there any moment, on top of
 * what was written since, and nobody is woken by it. When to look next, at growing
 * intervals, or USEC_NEVER. */
static usec_t doubt_time(struct queue_item *item, usec_t now)
{
        if (!item->doubt)
                return USEC_NEVER;
        if (now - item->doubt < DOUBT_LASTS)
                return now + MAX(now - item->doubt, DOUBT_LOOK_FIRST);
        item->doubt = 0;
        return USEC_NEVER;
}

/* One event for all children, although some are made when others are there. */
static void tell_created(struct task *t)
{
        if (!t->created.data)
                return;
        if (t->unreported && !t->failure.reason.data)
                t->item->unsaid = mem_strndup(t->created.data, t->created.len);
        if (!t->item->unsaid)
                task_tell(t, false, STR("Created"),
                          arena_printf(&t->arena, "Created %.*s", STR_FMT(t->created)));
}

static void recall_created(struct task *t)
{
        t->created = arena_str(&t->arena, str_c(t->item->unsaid));
        mem_freep(&t->item->unsaid);
}

/* After a backoff. But where another answer is a matter of seconds, a backoff that has
 * grown meanwhile would outlast the cause. */
static void try_again(struct task *t, usec_t now)
{
        struct queue *q = &t->manager->queue;
        bool soon = t->soon && !t->failure.permanent && t->item->failures < SOON_TRIES;

        if (soon)
                t->retry_after = MAX(t->retry_after, SOON_PAUSE);
        queue_done_failed(q, t->item, now, t->retry_after);
        /* It has a time already, so this only brings it forward and takes no memory. */
        if (soon && queue_add_at(q, &t->item->key, now + t->retry_after) < 0)
                log_info("retry is not brought forward", LOG_CSTR("reconcileID", t->id));
}

static void finish(struct task *t)
{
        struct manager *m = t->manager;
        usec_t now = m->transport->now(m->transport);
        const char *result = "success";
        bool had_note = t->item->note != NULL;

        tell_created(t);
        /* After the failure was reported, one more reconcile takes the report back. */
        if (t->failure.reason.data) {
                result = "error";
                t->item->lost |= t->lost;
                log_failure(t);
                keep_note(t);
        } else {
                if (had_note || t->unreported)
                        t->wake = now;
                t->wake = MIN(t->wake, doubt_time(t->item, now));
                if (t->wake != USEC_NEVER && queue_add_at(&m->queue, &t->item->key, wake_time(t, now)) < 0) {
                        task_fail_memory(t);
                        result = "error";
                }
        }
        if (m->hooks.reconciled)
                m->hooks.reconciled(t->controller, result, now - t->started, m->hooks.arg);
        if (t->failure.reason.data)
                try_again(t, now);
        else
                queue_done(&m->queue, t->item, now);
        task_free(t);
}

void task_finish_if_done(struct task *t)
{
        if (!t->starting && list_empty(&t->requests))
                finish(t);
}

/* --- the beginning ------------------------------------------------------------------------ */

static int set_references(struct task *t, const struct object *self)
{
        const struct controller *c = t->controller;
        struct reference list[REFERENCES_MAX];
        size_t n;

        if (!c->references)
                return 0;
        n = c->references(self, &t->arena, list);
        if (t->arena.failed)
                return -ENOMEM;
        return references_set(&t->manager->references, &t->item->key, list, n);
}

/* The resource is gone, and with it what was asked for on its behalf. */
static void forget_resource(struct manager *m, const struct controller *c, const struct queue_key *key)
{
        const struct object *o;

        if (references_set(&m->references, key, NULL, 0) < 0)
                return; /* never: nothing is made */
        for (size_t i = 0; i < c->n_children; i++) {
                const struct cache_kind *kind = c->children[i];

                while (kind->on_demand && (o = cache_owned(&m->cache, kind, key->namespace, key->name, NULL)))
                        cache_forget(&m->cache, kind, o->namespace, o->name);
        }
}

/* What is to be said of the last attempt. */
static struct failure failure_of(const struct task *t)
{
        const struct queue_key *key = &t->item->key;
        const struct error *why = &manager_gate(t->manager, key->controller, key->namespace)->why;

        if (!t->blocked)
                return noted_failure(t->item);
        return (struct failure){
                .reason = why->code == -EACCES ? STR("Forbidden") : STR("CannotWatch"),
                .message = str_c(why->message),
                .permanent = true,
        };
}

/* What its controller made would stay behind if the resource went before its time. */
static bool must_hold(const struct object *self)
{
        return self->kind->finalizer.data && !self->deleting && !self->finalized;
}

static struct view view_of(const struct task *t, const struct object *self)
{
        struct manager *m = t->manager;

        return (struct view){
                .self = self,
                .cache = &m->cache,
                .failure = failure_of(t),
                .now = t->started,
                .wall = m->transport->wall(m->transport),
                .image = m->image,
        };
}

/* getrandom gives 256 bytes at once, or nothing; before the kernel has any it waits. */
static int fill_random(struct view *view)
{
        return getrandom(view->random, sizeof(view->random), 0) == sizeof(view->random) ? 0 : -EIO;
}

static int reconcile(struct task *t, const struct object *self, struct plan *plan)
{
        struct view view = view_of(t, self);
        int r = set_references(t, self);

        if (r == 0)
                r = fill_random(&view);
        if (r < 0)
                return r;
        if (must_hold(self)) {
                plan_hold(plan, self);
                plan_wake(plan, t->started);
                return plan->error;
        }
        r = t->controller->reconcile(&view, plan);
        /* Whatever else went wrong then is a consequence. */
        if (t->arena.failed)
                return t->arena.full ? -EMSGSIZE : -ENOMEM;
        return r < 0 ? r : plan->error;
}

static bool is_report(const struct effect *e)
{
        return e->type == EFFECT_STATUS || (e->type == EFFECT_EVENT && !e->at_once);
}

static void carry_out_report(struct task *t, const struct plan *plan)
{
        list_for_each (link, &plan->effects)
                if (is_report(container_of(link, struct effect, link)))
                        effect_start(t, container_of(link, struct effect, link));
}

/* What is to be done goes first. While some of it is on its way the report is
 * left to the next reconcile, which knows what has come of it: said now and said
 * again a moment later, it would be two writes. Where the last attempt failed
 * nobody knows when that will be, so then it is said at once.
 *
 * While a controller is blocked its caches tell nothing, so nothing follows from
 * them but what it says. */
static void carry_out(struct task *t, const struct plan *plan)
{
        list_for_each (link, &plan->effects) {
                struct effect *e = container_of(link, struct effect, link);

                if (!is_report(e) && !t->blocked)
                        effect_start(t, e);
        }
        t->unreported = !list_empty(&t->requests) && t->item->failures == 0;
        if (!t->unreported)
                carry_out_report(t, plan);
}

/* What the resource claims is remembered: while its requests are under way it may claim
 * something else. */
static int keep_claims(struct task *t, const struct object *self)
{
        struct str words[CACHE_CLAIMS_MAX];
        size_t n = object_claims(self, words);

        t->n_claims = 0;
        t->claims = n ? arena_new_n(&t->arena, struct str, n) : NULL;
        if (n && !t->claims)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                t->claims[i] = arena_str(&t->arena, words[i]);
        t->n_claims = n;
        return t->arena.failed ? -ENOMEM : 0;
}

static int begin_arena(struct task *t, const struct object *self)
{
        char uid[UUID_TEXT];

        arena_release(&t->arena);
        arena_init(&t->arena, TASK_ARENA_CAP);
        t->uid = arena_str(&t->arena, object_uid(self, uid));
        return t->uid.data ? keep_claims(t, self) : -ENOMEM;
}

/* Memory is out, or the resource is past one of our caps, or we are wrong. */
static void fail_plan(struct task *t, int r)
{
        if (r == -ENOMEM)
                task_fail_memory(t);
        else if (r == -EMSGSIZE || r == -E2BIG)
                fail_size(t);
        else
                task_fail(t, NULL, true, STR("Internal"),
                          arena_printf(&t->arena,
                                       "no plan could be made: %s; that is a mistake in Keelson: report it, "
                                       "with the resource",
                                       strerror(-r)));
}

/* There is nothing to carry out, so why is told at once: the attempts that follow
 * come no further than this one. If that fails as well the log has it. */
static void report_failed_plan(struct task *t, const struct object *self)
{
        struct view view = view_of(t, self);
        struct plan plan;

        if (!t->failure.permanent && t->item->failures + 1 < TRANSIENT_FAILURES_SHOWN)
                return;
        view.failure = t->failure;
        view.report_only = true;
        plan_init(&plan, &t->arena);
        if (t->controller->reconcile(&view, &plan) == 0 && plan.error == 0 && !t->arena.failed)
                carry_out_report(t, &plan);
}

/* Makes a plan and starts with it. */
static void start_plan(struct task *t, const struct object *self)
{
        struct plan plan;
        int r;

        plan_init(&plan, &t->arena);
        r = begin_arena(t, self);
        if (r == 0)
                r = reconcile(t, self, &plan);
        if (r == 0) {
                t->wake = plan.wake;
                recall_created(t);
                carry_out(t, &plan);
                return;
        }
        /* What is in the arena is of no use, and the report needs room. */
        if (begin_arena(t, self) < 0)
                r = -ENOMEM;
        recall_created(t);
        fail_plan(t, r);
        report_failed_plan(t, self);
}

static bool has_rival(const struct manager *m, const struct object *self)
{
        struct str words[CACHE_CLAIMS_MAX];
        size_t n = object_claims(self, words);

        if (n == 0)
                return false;
        list_for_each (link, &m->tasks) {
                const struct task *t = container_of(link, struct task, link);

                if (claims_meet(words, n, t->claims, t->n_claims))
                        return true;
        }
        return false;
}

void task_start(struct manager *m, struct queue_item *item)
{
        const struct controller *controller = m->controllers[item->key.controller];
        const struct gate *gate = manager_gate(m, item->key.controller, item->key.namespace);
        usec_t now = m->transport->now(m->transport);
        const struct object *self =
                cache_get(&m->cache, controller->kind, item->key.namespace, item->key.name);
        struct task *t;

        if (!self)
                forget_resource(m, controller, &item->key);
        else if (self->deleting && controller->kind->finalizer.data && !self->finalized)
                self = NULL; /* let go; others' finalizers hold it */
        /* When the gate opens all come again. */
        if (!self || gate->state == GATE_CLOSED) {
                queue_done(&m->queue, item, now);
                return;
        }
        if (has_rival(m, self)) {
                m->missed |= queue_put_back(&m->queue, item, now, now + MANAGER_RIVAL_PAUSE) < 0;
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
        t->lost = item->lost;
        item->lost = 0;
        t->starting = true;
        t->blocked = gate->state == GATE_BLOCKED;
        snprintf(t->id, sizeof(t->id), "%llx", (unsigned long long)++m->n_reconciles);
        t->wake = USEC_NEVER;
        arena_init(&t->arena, TASK_ARENA_CAP);
        list_init(&t->requests);
        list_add_tail(&m->tasks, &t->link);
        start_plan(t, self);
        t->starting = false;
        task_finish_if_done(t);
}

size_t tasks_bytes(const struct manager *m)
{
        size_t sum = 0;

        list_for_each (link, &m->tasks)
                sum += container_of(link, struct task, link)->arena.taken;
        return sum;
}

void tasks_cancel(struct manager *m)
{
        list_for_each_safe (link, &m->tasks) {
                struct task *t = container_of(link, struct task, link);

                effects_cancel(t);
                task_free(t);
        }
        events_release(m);
}
