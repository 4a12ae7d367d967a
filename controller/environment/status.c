/* SPDX-License-Identifier: Apache-2.0
 *
 * What an Environment's status says, judged from what is observed and nothing
 * else:
 *
 *      Stalled          something must be changed by a person before this goes on
 *      Reconciling      on the way, and it will go on by itself
 *      Ready            the quota and the limit range stand as the spec says
 *      QuotaAvailable   there is something left of each resource of the quota
 *
 * There is no Available: an Environment serves nobody.
 */
#include <errno.h>
#include <stdlib.h>

#include "controller/environment/environment.h"
#include "kube/quantity.h"
#include "manager/condition.h"

#define QUOTA_MAX 64     /* as the CRD says */
#define SHORTAGES_MAX 8U /* that are named in a message */

enum phase { STALLED, RECONCILING, READY };

struct verdict {
        enum phase phase;
        struct str reason, message;
};

struct usage {
        enum condition_status available;
        struct str reason, message;
};

/* --- the quota --------------------------------------------------------------------- */

static int by_resource(const void *a, const void *b)
{
        const struct environment_status_quota *x = a, *y = b;

        return str_cmp(x->resource, y->resource);
}

/* As the quota's own status has it; nothing until that is there. */
static int take_usage(const struct object *quota, struct environment_status *status, struct arena *a)
{
        const struct quota_state *state = quota ? quota->state : NULL;
        const struct quota_state_status *s = state ? state->status : NULL;
        size_t n = s ? MIN(s->hard.n, QUOTA_MAX) : 0;

        if (n == 0)
                return 0;
        status->quota.items = arena_new_n(a, struct environment_status_quota, n);
        if (!status->quota.items)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                struct str used = schema_map_get(&s->used, s->hard.items[i].key);

                status->quota.items[i] = (struct environment_status_quota){
                        .resource = s->hard.items[i].key,
                        .used = used.data ? used : STR("0"),
                        .hard = s->hard.items[i].value,
                };
        }
        status->quota.n = n;
        qsort(status->quota.items, n, sizeof(*status->quota.items), by_resource);
        return 0;
}

/* How much is left: <0, 0 or >0. A quota of 0 forbids the resource, and is used
 * up only if there is some of it all the same. */
static int left(const struct environment_status_quota *q)
{
        struct quantity used, hard;

        if (quantity_parse(q->used, &used) < 0 || quantity_parse(q->hard, &hard) < 0)
                return 1;
        if (used.nanos == hard.nanos)
                return hard.nanos == 0;
        return used.nanos < hard.nanos ? 1 : -1;
}

/* The resources of which that much is left, each with its figures. */
static struct str list_short(const struct environment_status *status, bool exceeded, struct arena *a)
{
        struct str text = STR_NULL;
        size_t n = 0;

        for (size_t i = 0; i < status->quota.n; i++) {
                const struct environment_status_quota *q = &status->quota.items[i];
                int rest = left(q);

                if (exceeded ? rest >= 0 : rest != 0)
                        continue;
                if (n++ < SHORTAGES_MAX)
                        text = arena_printf(a, "%.*s%s%.*s (%.*s of %.*s)", STR_FMT(text), n > 1 ? ", " : "",
                                            STR_FMT(q->resource), STR_FMT(q->used), STR_FMT(q->hard));
        }
        return n > SHORTAGES_MAX ? arena_printf(a, "%.*s and %zu more", STR_FMT(text), n - SHORTAGES_MAX)
                                 : text;
}

static struct usage judge_usage(const struct environment_spec *spec, const struct environment_status *status,
                                struct arena *a)
{
        struct str text;

        if (!spec || !spec->quota || spec->quota->hard.n == 0)
                return (struct usage){ CONDITION_TRUE, STR("NoQuota"), STR("spec.quota sets no bounds") };
        if (status->quota.n == 0)
                return (struct usage){ CONDITION_UNKNOWN, STR("NotCounted"),
                                       STR("Kubernetes has not counted yet what the namespace uses") };
        text = list_short(status, true, a);
        if (text.data)
                return (struct usage){ CONDITION_FALSE, STR("QuotaExceeded"),
                                       arena_printf(a,
                                                    "more is used than the quota allows, which stops nothing "
                                                    "that runs and lets nothing new start: %.*s",
                                                    STR_FMT(text)) };
        text = list_short(status, false, a);
        if (text.data)
                return (struct usage){ CONDITION_FALSE, STR("QuotaExhausted"),
                                       arena_printf(a, "nothing is left of %.*s; raise spec.quota.hard",
                                                    STR_FMT(text)) };
        return (struct usage){ CONDITION_TRUE, STR("WithinQuota"),
                               STR("something is left of every resource of the quota") };
}

/* --- the verdict ----------------------------------------------------------------------- */

/* What is said of other kinds, "rename this resource", is no help here. Whose it is
 * may be anything: also that of an Environment which was deleted with --cascade=orphan. */
static struct verdict judge_conflict(const struct effect *pending, struct arena *a)
{
        bool quota = pending->kind == &environment_quota_kind;

        return (struct verdict){
                STALLED, STR("NameConflict"),
                arena_printf(
                        a,
                        "%.*s \"%.*s\" exists already and is not this Environment's; it is left as it is: "
                        "remove it, or take %s out of the spec",
                        STR_FMT(pending->kind->api.kind), STR_FMT(pending->name),
                        quota ? "spec.quota" : "spec.limitRange")
        };
}

static struct verdict judge(const struct view *view, const struct plan *plan, struct str problem,
                            struct str too_small)
{
        const struct object *self = view->self;
        const struct environment *env = self->state;
        const struct effect *pending = view_pending(view, plan);

        if (!env->spec)
                return (struct verdict){ STALLED, STR("InvalidSpec"), str_c(object_invalid(self)) };
        if (problem.data)
                return (struct verdict){ STALLED, STR("InvalidSpec"), problem };
        if (pending && str_eq(view->failure.reason, STR("NameConflict")))
                return judge_conflict(pending, plan->arena);
        if (view->failure.reason.data)
                return (struct verdict){ view->failure.permanent ? STALLED : RECONCILING,
                                         view->failure.reason, view->failure.message };
        if (pending)
                return (struct verdict){ RECONCILING, STR("Applying"),
                                         arena_printf(plan->arena, "the %.*s is being brought to the spec",
                                                      STR_FMT(pending->kind->api.kind)) };
        return (struct verdict){ READY, STR("Ready"),
                                 arena_printf(plan->arena, "Apps and Redis get the figures of %.*s%s%.*s",
                                              STR_FMT(env->spec->profile), too_small.data ? "; but " : "",
                                              STR_FMT(too_small)) };
}

static void put_conditions(struct condition_set *set, const struct verdict *v, const struct usage *usage)
{
        condition_put(set, STR("Ready"), v->phase == READY ? CONDITION_TRUE : CONDITION_FALSE, v->reason,
                      v->message);
        condition_put(set, STR("QuotaAvailable"), usage->available, usage->reason, usage->message);
        condition_put_if(set, STR("Reconciling"), v->phase == RECONCILING, v->reason, v->message,
                         CONDITION_NOT_RECONCILING);
        condition_put_if(set, STR("Stalled"), v->phase == STALLED, v->reason, v->message,
                         CONDITION_NOT_STALLED);
}

/* --- events ---------------------------------------------------------------------------------- */

/* Events where something turned, not while it stays. */
static void tell(const struct view *view, struct plan *plan, const struct verdict *v,
                 const struct usage *usage, struct str too_small)
{
        const struct environment *env = view->self->state;
        const struct environment_status *before = env->status;
        const struct schema_conditions *held = before ? &before->conditions : NULL;

        if (condition_turned(held, STR("Ready"), v->reason)) {
                if (v->phase == STALLED || view->report_only)
                        plan_event(plan, true, v->reason, v->message);
                else if (v->phase == READY)
                        plan_event(plan, false, v->reason, v->message);
        }
        if (usage->available == CONDITION_FALSE &&
            condition_turned(held, STR("QuotaAvailable"), usage->reason))
                plan_event(plan, true, usage->reason, usage->message);
        if (too_small.data && (!before || before->observed_generation != view->self->generation))
                plan_event(plan, true, STR("QuotaTooSmall"), too_small);
}

int environment_report(const struct view *view, struct str problem, struct plan *plan)
{
        const struct environment *env = view->self->state;
        const struct environment_status *before = env->status;
        const struct object *quota = view_child(view, &environment_quota_kind, view->self->name);
        struct str too_small = env->spec ? environment_too_small(env->spec, plan->arena) : STR_NULL;
        struct verdict verdict = judge(view, plan, problem, too_small);
        struct environment_status status = { .observed_generation = view->self->generation,
                                             .has_observed_generation = true,
                                             .apps = (int64_t)cache_count(view->cache, &app_kind,
                                                                          view->self->namespace),
                                             .has_apps = true };
        struct condition_set set;
        struct usage usage;
        int r = take_usage(quota, &status, plan->arena);

        if (r < 0)
                return r;
        usage = judge_usage(env->spec, &status, plan->arena);
        condition_begin(&set, plan->arena, before ? &before->conditions : NULL, view->self->generation,
                        view->wall);
        put_conditions(&set, &verdict, &usage);
        status.conditions.items = set.items;
        status.conditions.n = set.n;

        plan_status_of(plan, &environment_status_schema, &status, before);
        tell(view, plan, &verdict, &usage, too_small);
        return plan->error;
}
