/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "controller/redis/redis.h"

#define WAKE_MAX (24 * USEC_HOUR)

/* Something else is deleted or asked for only where what was decided before stands: the Secret is
 * what remembers it. */
static int carry_out(const struct view *view, const struct redis_decision *decision, struct plan *plan)
{
        for (size_t i = 0; i < decision->n_events; i++)
                plan_event_at_once(plan, decision->events[i].warning, decision->events[i].reason,
                                   decision->events[i].message);
        if (!decision->evict || decision->evict->deleting || view_pending(view, plan))
                return plan->error;
        plan_delete(plan, decision->evict);
        plan_event_at_once(plan, false, STR("Replacing"),
                           arena_printf(plan->arena, "replacing %.*s, whose %s",
                                        STR_FMT(decision->evict->name),
                                        decision->volume ? "claim was deleted" : "template has changed"));
        return plan->error;
}

static void wake_for_certificates(const struct view *view, usec_t at, struct plan *plan)
{
        plan_wake(plan, view->now + MIN(MAX(at - view->wall, USEC_MINUTE), WAKE_MAX));
}

/* A Redis that can be carried out: its children, and what is so. */
static int bring_about(const struct view *view, const struct redis_settings *settings, struct plan *plan)
{
        struct redis_secrets secrets;
        struct redis_situation *now = arena_new(plan->arena, struct redis_situation);
        struct redis_decision *decision = arena_new(plan->arena, struct redis_decision);
        struct redis_outlook outlook = { .settings = settings, .now = now, .decision = decision };
        struct str pod, revision;
        usec_t certificates;
        int r;

        if (!now || !decision)
                return -ENOMEM;
        r = redis_pod_spec(view, settings, plan->arena, &pod, &revision);
        if (r < 0)
                return r;
        r = redis_read_secrets(view, plan, &secrets);
        if (r < 0)
                return r;
        redis_observe(view, settings, revision, secrets.told.version, plan->arena, now);
        redis_observe_volumes(view, settings, plan, now);
        if (!secrets.known)
                return view->failure.reason.data ? redis_report(view, &outlook, plan) : 0;
        r = redis_decide(view, settings, now, &secrets, plan->arena, decision);
        if (r < 0)
                return r;
        if (decision->paused)
                return redis_report(view, &outlook, plan);
        r = redis_certify(view, plan->arena, &secrets, &certificates);
        if (r == 0)
                r = redis_plan_secrets(view, settings, &secrets, &decision->intent, plan);
        if (r == 0)
                r = redis_grow(view, settings, now, decision, plan);
        if (r == 0)
                r = redis_plan_children(view, settings, now, decision, pod, revision, plan);
        if (r == 0)
                r = carry_out(view, decision, plan);
        if (r < 0)
                return r;
        wake_for_certificates(view, certificates, plan);
        if (decision->wake != USEC_NEVER)
                plan_wake(plan, decision->wake);
        return redis_report(view, &outlook, plan);
}

int redis_reconcile(const struct view *view, struct plan *plan)
{
        const struct redis *self = view->self->state;
        struct redis_outlook outlook = { 0 };
        struct redis_settings *settings;
        struct problems problems;
        int r;

        if (view->self->deleting)
                return 0; /* owner references let the garbage collector clean up; volumes stay */
        if (!self->spec || view->report_only)
                return redis_report(view, &outlook, plan);
        settings = arena_new(plan->arena, struct redis_settings);
        if (!settings)
                return -ENOMEM;
        r = redis_settle(view, plan->arena, settings, &problems);
        if (r == -EINVAL) {
                outlook.problems = &problems;
                return redis_report(view, &outlook, plan); /* what runs goes on */
        }
        if (r < 0)
                return r;
        return bring_about(view, settings, plan);
}
