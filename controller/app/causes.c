/* SPDX-License-Identifier: Apache-2.0
 *
 * Why pods are not ready: what `kubectl describe pod` would be looked at for.
 */
#include <errno.h>

#include "base/clock.h"
#include "controller/app/status.h"

/* An image that could not be pulled for so long, after several tries, is taken
 * for one that cannot be pulled; a registry may stumble for a moment. */
#define PULL_PATIENCE USEC_MINUTE
/* The pauses between restarts grow: 10, 20, 40 s. */
#define CRASHES_DECISIVE 3
/* A program that has run for so long has begun well: what was before does not count.
 * The kubelet sees it likewise, and begins with short pauses again. */
#define STEADY_AFTER (10 * USEC_MINUTE)
#define DETAIL_MAX ((size_t)512)

typedef struct pod_state_status_container_statuses container_status;

static bool is_ready(const void *state)
{
        const struct pod_state *pod = state;

        for (size_t i = 0; pod->status && i < pod->status->conditions.n; i++)
                if (str_eq(pod->status->conditions.items[i].type, STR("Ready")))
                        return str_eq(pod->status->conditions.items[i].status, STR("True"));
        return false;
}

static bool is_interesting(const void *state)
{
        return !is_ready(state);
}

const struct cache_kind app_pod_kind = {
        .api = { .group = STR_INIT(""),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("pods"),
                 .kind = STR_INIT("Pod"),
                 .namespaced = true },
        .schema = &pod_state_schema,
        .label_selector = STR_INIT("app.kubernetes.io/managed-by=keelson,app.kubernetes.io/name=app"),
        .by_owner = true,
        .owner_label = STR_INIT("app.kubernetes.io/instance"),
        .owner_kind = STR_INIT("App"),
        .keep = is_interesting,
};

/* --- one pod --------------------------------------------------------------------- */

static struct str label(const struct pod_state *pod, struct str key)
{
        return pod->metadata ? schema_map_get(&pod->metadata->labels, key) : STR_NULL;
}

static struct str short_of(struct str detail)
{
        return str_n(detail.data, MIN(detail.len, DETAIL_MAX));
}

static bool is_one_of(struct str s, const char *const *words)
{
        for (; *words; words++)
                if (str_eq_c(s, *words))
                        return true;
        return false;
}

/* Was it so long ago? If not, it is looked at again when it was. */
static bool is_past(const struct view *view, struct str time, usec_t age, struct plan *plan)
{
        usec_t then;

        if (clock_parse(time, &then) < 0)
                return false;
        if (view->wall - then >= age)
                return true;
        plan_wake(plan, view->now + MIN(age, age - (view->wall - then)));
        return false;
}

/* Has the pod been there for so long? */
static bool is_old(const struct view *view, const struct pod_state *pod, usec_t age, struct plan *plan)
{
        return pod->metadata && is_past(view, pod->metadata->creation_timestamp, age, plan);
}

/* What is known of one container: the program's, or that of the helper, which comes
 * before it (configReload Signal). */
struct container {
        struct str helper; /* its name; absent: it is the program's */
        struct str waiting, message;
        int64_t restarts;   /* in the pod's whole life */
        struct str running; /* since when */
        bool ended;
        struct str began, finished; /* the run that ended last */
        int64_t exit_code;
        struct str exit_reason;
        bool refused;            /* the node could not begin it at all */
        struct str refused_text; /* why */
};

typedef struct pod_state_status_init_container_statuses helper_status;

/* The attempt that ended with REASON: did the node fail to begin it? The last one counts. */
static void note_refusal(struct container *c, struct str reason, struct str message)
{
        static const char *const reasons[] = { "StartError", "ContainerCannotRun", NULL };

        c->refused = is_one_of(reason, reasons);
        c->refused_text = message.data ? message : reason;
}

static struct container container_of_program(const container_status *c)
{
        struct container ret = { .restarts = c->restart_count };

        if (c->state && c->state->waiting) {
                ret.waiting = c->state->waiting->reason;
                ret.message = c->state->waiting->message;
        }
        if (c->state && c->state->running)
                ret.running = c->state->running->started_at;
        if (c->last_state && c->last_state->terminated) {
                ret.ended = true;
                ret.began = c->last_state->terminated->started_at;
                ret.finished = c->last_state->terminated->finished_at;
                ret.exit_code = c->last_state->terminated->exit_code;
                ret.exit_reason = c->last_state->terminated->reason;
                note_refusal(&ret, ret.exit_reason, c->last_state->terminated->message);
        }
        if (c->state && c->state->terminated)
                note_refusal(&ret, c->state->terminated->reason, c->state->terminated->message);
        return ret;
}

static struct container container_of_helper(const helper_status *c)
{
        struct container ret = { .helper = c->name, .restarts = c->restart_count };

        if (c->state && c->state->waiting) {
                ret.waiting = c->state->waiting->reason;
                ret.message = c->state->waiting->message;
        }
        if (c->state && c->state->running)
                ret.running = c->state->running->started_at;
        if (c->last_state && c->last_state->terminated) {
                ret.ended = true;
                ret.began = c->last_state->terminated->started_at;
                ret.finished = c->last_state->terminated->finished_at;
                ret.exit_code = c->last_state->terminated->exit_code;
                ret.exit_reason = c->last_state->terminated->reason;
                note_refusal(&ret, ret.exit_reason, c->last_state->terminated->message);
        }
        if (c->state && c->state->terminated)
                note_refusal(&ret, c->state->terminated->reason, c->state->terminated->message);
        return ret;
}

static void cannot_start(const struct view *view, const struct object *o, struct str why, struct plan *plan,
                         struct app_cause *ret)
{
        ret->reason = STR("ContainerCannotStart");
        ret->message = arena_printf(plan->arena, "pod %.*s: the container cannot start: %.*s",
                                    STR_FMT(o->name), STR_FMT(why));
        ret->decisive = is_old(view, o->state, PULL_PATIENCE, plan);
}

static bool find_waiting(const struct view *view, const struct object *o, const struct container *c,
                         struct plan *plan, struct app_cause *ret)
{
        static const char *const pulls[] = { "ErrImagePull",     "ImagePullBackOff",    "ErrImageNeverPull",
                                             "InvalidImageName", "RegistryUnavailable", NULL };
        static const char *const configs[] = { "CreateContainerConfigError", "CreateContainerError", NULL };
        struct str why = short_of(c->message.data ? c->message : c->waiting);

        if (!c->waiting.data)
                return false;
        if (is_one_of(c->waiting, pulls)) {
                ret->reason = STR("ImagePullFailed");
                ret->message = arena_printf(plan->arena, "pod %.*s: the image cannot be pulled: %.*s",
                                            STR_FMT(o->name), STR_FMT(why));
                ret->decisive = str_eq(c->waiting, STR("InvalidImageName")) ||
                                is_old(view, o->state, PULL_PATIENCE, plan);
                return true;
        }
        if (is_one_of(c->waiting, configs)) {
                cannot_start(view, o, why, plan, ret);
                return true;
        }
        return false;
}

/* The node has the program and its settings, and cannot begin it: a command that is not
 * there, say. Between its attempts it waits, as between restarts of a program that ended;
 * but there is nothing in the log of one that never began. */
static bool find_refusal(const struct view *view, const struct object *o, const struct container *c,
                         struct plan *plan, struct app_cause *ret)
{
        struct str why = c->message.data ? c->message : c->waiting;

        if (c->running.data || (!c->refused && !str_eq(c->waiting, STR("RunContainerError"))))
                return false;
        /* Not what it waits for: that changes from one look to the next. */
        if (c->refused)
                why = c->refused_text;
        cannot_start(view, o, short_of(why), plan, ret);
        return true;
}

/* Did it end soon after it began? One that could not even begin did so in 1970. What
 * is not known counts as so. */
static bool was_short(const struct container *c, const struct pod_state *pod)
{
        usec_t made, began, finished;

        if (clock_parse(c->began, &began) < 0 || clock_parse(c->finished, &finished) < 0)
                return true;
        if (pod->metadata && clock_parse(pod->metadata->creation_timestamp, &made) == 0 && began < made)
                return true;
        return finished - began < STEADY_AFTER;
}

/* The count of restarts says nothing of when they were, so a program that ends once in
 * a while is told from one that ends again and again by how long it ran. */
static bool find_crash(const struct view *view, const struct object *o, const struct container *c,
                       struct plan *plan, struct app_cause *ret)
{
        bool helps = c->helper.data != NULL;

        if (c->restarts < 1 || !c->ended || c->refused || is_past(view, c->running, STEADY_AFTER, plan))
                return false;
        ret->reason = STR("CrashLoop");
        ret->message =
                arena_printf(plan->arena,
                             "pod %.*s: the %s ended with exit code %lld (%.*s) and was restarted %lld "
                             "times; see kubectl logs --previous %.*s%s%.*s",
                             STR_FMT(o->name), helps ? "helper" : "program", (long long)c->exit_code,
                             STR_FMT(c->exit_reason), (long long)c->restarts, STR_FMT(o->name),
                             helps ? " -c " : "", STR_FMT(c->helper));
        ret->decisive = c->restarts >= CRASHES_DECISIVE && was_short(c, o->state);
        return true;
}

static bool find_trouble(const struct view *view, const struct object *o, const struct container *c,
                         struct plan *plan, struct app_cause *ret)
{
        return find_waiting(view, o, c, plan, ret) || find_refusal(view, o, c, plan, ret) ||
               find_crash(view, o, c, plan, ret);
}

static bool find_unscheduled(const struct object *o, const struct pod_state *pod, struct plan *plan,
                             struct app_cause *ret)
{
        for (size_t i = 0; pod->status && i < pod->status->conditions.n; i++) {
                const struct pod_state_status_conditions *c = &pod->status->conditions.items[i];

                if (!str_eq(c->type, STR("PodScheduled")) || !str_eq(c->status, STR("False")))
                        continue;
                ret->reason = STR("Unschedulable");
                ret->message = arena_printf(plan->arena, "pod %.*s finds no node: %.*s", STR_FMT(o->name),
                                            STR_FMT(short_of(c->message)));
                return true;
        }
        return false;
}

static struct app_cause cause_of(const struct view *view, const struct object *o, struct plan *plan)
{
        const struct pod_state *pod = o->state;
        const struct pod_state_status *s = pod->status;
        struct app_cause cause = { 0 };

        if (find_unscheduled(o, pod, plan, &cause) || !s)
                return cause;
        for (size_t i = 0; i < s->init_container_statuses.n; i++) {
                struct container c = container_of_helper(&s->init_container_statuses.items[i]);

                if (find_trouble(view, o, &c, plan, &cause))
                        return cause;
        }
        for (size_t i = 0; i < s->container_statuses.n; i++) {
                struct container c = container_of_program(&s->container_statuses.items[i]);

                if (find_trouble(view, o, &c, plan, &cause))
                        return cause;
                if (!s->container_statuses.items[i].ready && str_eq(s->phase, STR("Running"))) {
                        cause.reason = STR("NotReady");
                        cause.message = arena_printf(
                                plan->arena,
                                "pod %.*s runs, but its health check does not say that it is ready",
                                STR_FMT(o->name));
                }
        }
        return cause;
}

/* --- all of them ------------------------------------------------------------------- */

/* A decisive one first, then any over none; of equals the first by name, lest
 * the message change from one look to the next. */
static bool outweighs(const struct app_cause *a, struct str a_pod, const struct app_cause *b,
                      struct str b_pod)
{
        if (a->decisive != b->decisive)
                return a->decisive;
        if (!a->reason.data || !b->reason.data)
                return a->reason.data != NULL;
        return str_cmp(a_pod, b_pod) < 0;
}

struct app_cause app_find_cause(const struct view *view, struct str revision, struct plan *plan)
{
        const struct object *self = view->self, *o = NULL;
        struct app_cause best = { 0 };
        struct str best_pod = STR_NULL;

        while ((o = cache_owned(view->cache, &app_pod_kind, self->namespace, self->name, o))) {
                struct app_cause cause;

                if (o->deleting || !str_eq(label(o->state, STR("keelson.dev/revision")), revision))
                        continue;
                cause = cause_of(view, o, plan);
                if (!outweighs(&cause, o->name, &best, best_pod))
                        continue;
                best = cause;
                best_pod = o->name;
        }
        return best;
}
