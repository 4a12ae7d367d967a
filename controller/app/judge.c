/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "controller/app/status.h"

int64_t app_wanted_replicas(const struct deployment_state *d)
{
        return d->spec && d->spec->has_replicas ? d->spec->replicas : 1;
}

void app_deployment_condition(const struct deployment_state *d, struct str type, struct str *ret_reason,
                              struct str *ret_message)
{
        *ret_reason = *ret_message = STR_NULL;
        for (size_t i = 0; d->status && i < d->status->conditions.n; i++) {
                if (!str_eq(d->status->conditions.items[i].type, type))
                        continue;
                *ret_reason = d->status->conditions.items[i].reason;
                *ret_message = d->status->conditions.items[i].message;
                return;
        }
}

static struct app_verdict stalled(struct str reason, struct str message)
{
        return (struct app_verdict){ .phase = APP_STALLED, .reason = reason, .message = message };
}

static struct app_verdict reconciling(struct str reason, struct str message)
{
        return (struct app_verdict){ .phase = APP_RECONCILING, .reason = reason, .message = message };
}

static struct str with_path(const struct problem *p, struct arena *a)
{
        return arena_printf(a, "%.*s: %.*s", STR_FMT(p->path), STR_FMT(p->message));
}

/* --- a rollout that does not come to its end ------------------------------------------ */

/* The wanted revision has failed and the last good one is on its way; HOW_FAR. */
static struct app_verdict going_back(const struct app_revision *r, struct str how_far, struct arena *a)
{
        return reconciling(STR("RollingBack"),
                           arena_printf(a, "revision %.*s failed and is taken back: %.*s; %.*s",
                                        STR_FMT(r->wanted), STR_FMT(r->failed->message), STR_FMT(how_far)));
}

/* The Deployment was changed, and what its status says is of before. */
static struct app_verdict judge_unseen(const struct app_revision *r, struct arena *a)
{
        static const struct str waiting = STR_INIT("waiting for the Deployment controller to see the change");

        return r->rolled_back ? going_back(r, waiting, a) : reconciling(STR("RolloutInProgress"), waiting);
}

/* It has failed, for REASON and MESSAGE. There may be a revision to go back to. */
static struct app_verdict give_up(const struct app_outlook *o, struct str reason, struct str message,
                                  struct arena *a)
{
        const struct app_revision *r = o->revision;
        struct app_verdict v;

        /* Known to have failed and still there: what is kept to go back to cannot be read. */
        if (r->rolled_back || r->failed || !r->good || !o->settings->spec.strategy->auto_rollback)
                return stalled(reason, message);
        v = reconciling(STR("RollingBack"), arena_printf(a, "revision %.*s failed and is taken back: %.*s",
                                                         STR_FMT(r->wanted), STR_FMT(message)));
        v.failed = true;
        v.failed_reason = reason;
        v.failed_message = message;
        return v;
}

static struct str progress(const struct deployment_state *d, const struct app_cause *cause, struct arena *a)
{
        const struct deployment_state_status *s = d->status;

        return arena_printf(a, "%lld of %lld replicas are updated, %lld are available%s%.*s",
                            (long long)s->updated_replicas, (long long)app_wanted_replicas(d),
                            (long long)s->available_replicas, cause->reason.data ? "; " : "",
                            STR_FMT(cause->message));
}

/* The word of the deadline is another revision's while none of the new pods is there: a
 * ReplicaSet that is used again counts from its first pod on, and the Deployment says
 * until then what it said before. Where no pod can be made it is said beside it. */
static bool is_of_another(const struct deployment_state *d)
{
        struct str reason, message;

        app_deployment_condition(d, STR("ReplicaFailure"), &reason, &message);
        return d->status->updated_replicas == 0 && !reason.data;
}

/* A Deployment that goes back may still have the word of the deadline that was
 * missed before. The way back has as long again. */
static bool is_late(const struct view *view, const struct app_outlook *o, const struct deployment_state *d,
                    struct str reason, struct plan *plan)
{
        usec_t failed, left;

        if (!str_eq(reason, STR("ProgressDeadlineExceeded")) || is_of_another(d))
                return false;
        if (!o->revision->rolled_back || clock_parse(o->revision->failed->time, &failed) < 0)
                return true;
        left = app_seconds(o->settings->spec.strategy->progress_deadline) * USEC_SEC;
        if (view->wall - failed >= left)
                return true;
        plan_wake(plan, view->now + MIN(left, left - (view->wall - failed)));
        return false;
}

static struct app_verdict judge_incomplete(const struct view *view, const struct app_outlook *o,
                                           const struct deployment_state *d, struct plan *plan)
{
        const struct deployment_state_status *s = d->status;
        struct app_cause cause = app_find_cause(view, o->revision->hash, plan);
        bool replacing = s->updated_replicas < app_wanted_replicas(d) || s->replicas > s->updated_replicas;
        struct str reason, message, why_none;
        bool late;

        app_deployment_condition(d, STR("Progressing"), &reason, &message);
        late = is_late(view, o, d, reason, plan);
        /* Pods that cannot even be made: a quota, a pod security level. */
        app_deployment_condition(d, STR("ReplicaFailure"), &reason, &why_none);
        if (reason.data)
                return late ? give_up(o, STR("ReplicaFailure"), why_none, plan->arena)
                            : reconciling(STR("ReplicaFailure"), why_none);
        if (cause.decisive)
                return give_up(o, cause.reason, cause.message, plan->arena);
        if (late)
                return give_up(o, STR("ProgressDeadlineExceeded"),
                               cause.reason.data ? cause.message : message, plan->arena);
        if (o->revision->rolled_back)
                return going_back(o->revision, progress(d, &cause, plan->arena), plan->arena);
        return reconciling(replacing ? STR("RolloutInProgress") : STR("ReplicasNotReady"),
                           progress(d, &cause, plan->arena));
}

/* --- one that does ---------------------------------------------------------------------- */

/* All pods run as wanted, and some of the hosts are not served. */
static struct app_verdict judge_contested(const struct app_settings *settings,
                                          const struct app_contested *worst, struct arena *a)
{
        struct str message = worst->why;

        if (settings->n_contested > 1)
                message = arena_printf(a, "%.*s (%zu hosts are not served; status.routing names them)",
                                       STR_FMT(message), settings->n_contested);
        if (worst->state == HOST_IN_ROUTE)
                return reconciling(STR("WaitingForHost"), message);
        return stalled(STR("HostConflict"), message);
}

static struct app_verdict judge_complete(const struct app_outlook *o, const struct deployment_state *d,
                                         struct arena *a)
{
        const struct app_contested *contested = app_worst_contested(o->settings);
        const struct app_revision *r = o->revision;
        struct app_verdict v;

        if (r->rolled_back) {
                v = stalled(
                        STR("RolledBack"),
                        arena_printf(a,
                                     "revision %.*s failed: %.*s; revision %.*s with image %.*s runs again; "
                                     "change the spec to try once more",
                                     STR_FMT(r->wanted), STR_FMT(r->failed->message), STR_FMT(r->hash),
                                     STR_FMT(r->pods.spec->image)));
        } else if (contested) {
                v = judge_contested(o->settings, contested, a);
        } else {
                v = (struct app_verdict){ .phase = APP_READY, .reason = STR("Ready") };
                v.message =
                        arena_printf(a, "%lld of %lld replicas are ready",
                                     (long long)d->status->ready_replicas, (long long)app_wanted_replicas(d));
        }
        v.complete = true;
        return v;
}

/* How far a rollout is that the Deployment controller knows of. */
static struct app_verdict judge_rollout(const struct view *view, const struct app_outlook *o,
                                        const struct deployment_state *d, struct plan *plan)
{
        const struct deployment_state_status *s = d->status;
        int64_t wanted = app_wanted_replicas(d);

        if (s->updated_replicas < wanted || s->replicas > s->updated_replicas ||
            s->available_replicas < wanted)
                return judge_incomplete(view, o, d, plan);
        if (s->replicas > wanted)
                return reconciling(STR("ScalingDown"),
                                   arena_printf(plan->arena, "%lld replicas run, %lld are wanted",
                                                (long long)s->replicas, (long long)wanted));
        return judge_complete(o, d, plan->arena);
}

/* --- the whole ---------------------------------------------------------------------------- */

/* The last attempt was not carried out. */
static struct app_verdict judge_failure(const struct view *view, const struct app_spec *spec, struct arena *a)
{
        const struct failure *f = &view->failure;

        if (str_eq(f->reason, STR("TooLarge")))
                return stalled(f->reason, app_tell_size(spec, f->message, a));
        return f->permanent ? stalled(f->reason, f->message) : reconciling(f->reason, f->message);
}

struct app_verdict app_judge(const struct view *view, const struct app_outlook *o, struct plan *plan)
{
        const struct object *self = view->self;
        const struct app *app = self->state;
        const struct object *deployment = view_child(view, &app_deployment_kind, self->name);
        const struct deployment_state *state = deployment ? deployment->state : NULL;
        const struct effect *pending = view_pending(view, plan);

        if (!app->spec)
                return stalled(STR("InvalidSpec"), str_c(object_invalid(self)));
        if (o->problems)
                return stalled(STR("InvalidSpec"), problems_text(o->problems));
        if (view->failure.reason.data)
                return judge_failure(view, app->spec, plan->arena);
        if (o->config->phase == APP_CONFIG_WRONG)
                return stalled(o->config->reason, with_path(&o->config->problem, plan->arena));
        if (pending)
                return reconciling(STR("Applying"),
                                   arena_printf(plan->arena, "the %.*s is being brought to the spec",
                                                STR_FMT(pending->kind->api.kind)));
        if (!o->revision->ready)
                return reconciling(STR("ReadingConfig"),
                                   STR("what the spec refers to is being read; what runs goes on"));
        if (!state || !state->status || state->status->observed_generation < deployment->generation)
                return judge_unseen(o->revision, plan->arena);
        return judge_rollout(view, o, state, plan);
}
