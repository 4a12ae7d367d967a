/* SPDX-License-Identifier: Apache-2.0
 *
 * What an App's status says, judged from what is observed and nothing else:
 *
 *      Stalled      something must be changed by a person before this goes on
 *      Reconciling  on the way, and it will go on by itself
 *      Ready        the spec is what runs
 *      Available    requests are answered, be it by an older revision
 */
#include <errno.h>

#include "controller/app/app.h"
#include "manager/condition.h"

#define STATUS_BYTES_MAX ((size_t)64 * 1024)

enum phase { STALLED, RECONCILING, READY };

struct verdict {
        enum phase phase;
        struct str reason, message;
};

static int64_t wanted_replicas(const struct deployment_state *d)
{
        return d->spec && d->spec->has_replicas ? d->spec->replicas : 1;
}

/* Absent where the Deployment has no such condition. */
static void deployment_condition(const struct deployment_state *d, struct str type, struct str *ret_reason,
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

/* How far a rollout is that the Deployment controller knows of. */
static struct verdict judge_rollout(const struct deployment_state *d, struct arena *a)
{
        const struct deployment_state_status *s = d->status;
        int64_t wanted = wanted_replicas(d);
        struct str reason, message;

        if (s->updated_replicas < wanted || s->replicas > s->updated_replicas ||
            s->available_replicas < wanted) {
                /* Pods that cannot even be made: a quota, a pod security level. */
                deployment_condition(d, STR("ReplicaFailure"), &reason, &message);
                if (reason.data)
                        return (struct verdict){ RECONCILING, STR("ReplicaFailure"), message };
                deployment_condition(d, STR("Progressing"), &reason, &message);
                if (str_eq(reason, STR("ProgressDeadlineExceeded")))
                        return (struct verdict){ STALLED, STR("ProgressDeadlineExceeded"), message };
                return (struct verdict){
                        RECONCILING,
                        s->updated_replicas < wanted || s->replicas > s->updated_replicas
                                ? STR("RolloutInProgress")
                                : STR("ReplicasNotReady"),
                        arena_printf(a, "%lld of %lld replicas are updated, %lld are available",
                                     (long long)s->updated_replicas, (long long)wanted,
                                     (long long)s->available_replicas),
                };
        }
        if (s->replicas > wanted)
                return (struct verdict){ RECONCILING, STR("ScalingDown"),
                                         arena_printf(a, "%lld replicas run, %lld are wanted",
                                                      (long long)s->replicas, (long long)wanted) };
        return (struct verdict){
                READY,
                STR("Ready"),
                arena_printf(a, "%lld of %lld replicas are ready", (long long)s->ready_replicas,
                             (long long)wanted),
        };
}

static struct verdict judge(const struct view *view, const struct app_problem *problem,
                            const struct plan *plan, const struct object *deployment)
{
        const struct object *self = view->self;
        const struct app *app = self->state;
        const struct effect *pending = view_pending(view, plan);
        const struct deployment_state *state = deployment ? deployment->state : NULL;

        if (!app->spec)
                return (struct verdict){ STALLED, STR("InvalidSpec"), self->invalid };
        if (problem)
                return (struct verdict){ STALLED, STR("InvalidSpec"),
                                         arena_printf(plan->arena, "%.*s: %.*s", STR_FMT(problem->path),
                                                      STR_FMT(problem->message)) };
        if (view->failure.reason.data)
                return (struct verdict){ view->failure.permanent ? STALLED : RECONCILING,
                                         view->failure.reason, view->failure.message };
        if (pending)
                return (struct verdict){ RECONCILING, STR("Applying"),
                                         arena_printf(plan->arena, "the %.*s is being brought to the spec",
                                                      STR_FMT(pending->kind->api.kind)) };
        if (!state || !state->status || state->status->observed_generation < deployment->generation)
                return (struct verdict){ RECONCILING, STR("RolloutInProgress"),
                                         STR("waiting for the Deployment controller to see the change") };
        return judge_rollout(state, plan->arena);
}

static void put_available(struct condition_set *set, const struct deployment_state *state)
{
        struct str reason, message;

        if (!state || !state->status) {
                condition_put(set, STR("Available"), CONDITION_FALSE, STR("NoReplicas"),
                              STR("no replica is running yet"));
                return;
        }
        if (wanted_replicas(state) == 0) {
                condition_put(set, STR("Available"), CONDITION_FALSE, STR("ScaledToZero"),
                              STR("spec.replicas is 0"));
                return;
        }
        /* The Deployment's own condition asks for all replicas, for it may do without none. */
        if (state->status->available_replicas > 0) {
                condition_put(set, STR("Available"), CONDITION_TRUE, STR("MinimumReplicasAvailable"),
                              STR("at least one replica answers"));
                return;
        }
        deployment_condition(state, STR("Available"), &reason, &message);
        condition_put(set, STR("Available"), CONDITION_FALSE, STR("MinimumReplicasUnavailable"),
                      message.data ? message : STR("no replica is available yet"));
}

static void put_conditions(struct condition_set *set, const struct verdict *v,
                           const struct deployment_state *state)
{
        static const struct str none = STR_INIT("");

        condition_put(set, STR("Ready"), v->phase == READY ? CONDITION_TRUE : CONDITION_FALSE, v->reason,
                      v->message);
        put_available(set, state);
        condition_put(set, STR("Reconciling"), v->phase == RECONCILING ? CONDITION_TRUE : CONDITION_FALSE,
                      v->phase == RECONCILING ? v->reason : STR("AsExpected"),
                      v->phase == RECONCILING ? v->message : none);
        condition_put(set, STR("Stalled"), v->phase == STALLED ? CONDITION_TRUE : CONDITION_FALSE,
                      v->phase == STALLED ? v->reason : STR("AsExpected"),
                      v->phase == STALLED ? v->message : none);
}

/* An event where the verdict turned, not while it stays. */
static void tell(const struct view *view, struct plan *plan, const struct app_status *before,
                 const struct verdict *v)
{
        const struct app *app = view->self->state;
        const struct schema_condition *ready =
                before ? schema_condition_find(&before->conditions, STR("Ready")) : NULL;

        if (ready && str_eq(ready->reason, v->reason))
                return;
        if (v->phase == STALLED)
                plan_event(plan, true, v->reason, v->message);
        else if (v->phase == READY)
                plan_event(plan, false, v->reason, v->message);
        else if (str_eq(v->reason, STR("RolloutInProgress")) && before && before->image.data &&
                 !str_eq(before->image, app->spec->image))
                plan_event(plan, false, STR("RolloutStarted"),
                           arena_printf(plan->arena, "rolling out %.*s, from %.*s", STR_FMT(app->spec->image),
                                        STR_FMT(before->image)));
}

/* The image that all pods run: known when the spec is what runs, and then until all run the next. */
static struct str running_image(const struct app *app, const struct verdict *v)
{
        if (v->phase == READY)
                return app->spec->image;
        return app->status ? app->status->image : STR_NULL;
}

static void fill_counts(const struct view *view, const struct deployment_state *state,
                        struct app_status *status, struct arena *a)
{
        const struct deployment_state_status *s = state ? state->status : NULL;

        status->replicas = s ? s->replicas : 0;
        status->ready_replicas = s ? s->ready_replicas : 0;
        status->updated_replicas = s ? s->updated_replicas : 0;
        status->selector = arena_printf(a, "app.kubernetes.io/name=app,app.kubernetes.io/instance=%.*s",
                                        STR_FMT(view->self->name));
        status->has_replicas = status->has_ready_replicas = status->has_updated_replicas = true;
}

/* Without settings the figures stay as they were. */
static void keep_figures(const struct app_status *before, struct app_status *status)
{
        if (!before)
                return;
        status->profile = before->profile;
        status->effective = before->effective;
        status->desired_replicas = before->desired_replicas;
        status->has_desired_replicas = before->has_desired_replicas;
        status->url = before->url;
        status->routing = before->routing;
        status->access = before->access;
}

int app_report(const struct view *view, const struct app_settings *settings,
               const struct app_problem *problem, struct plan *plan)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(STATUS_BYTES_MAX);
        const struct app *app = view->self->state;
        const struct app_status *before = app->status;
        const struct object *deployment = view_child(view, &app_deployment_kind, view->self->name);
        const struct deployment_state *state = deployment ? deployment->state : NULL;
        struct verdict verdict = judge(view, problem, plan, deployment);
        struct app_status status = { .observed_generation = view->self->generation,
                                     .has_observed_generation = true };
        struct condition_set set;
        struct json_writer w;

        condition_begin(&set, plan->arena, before ? &before->conditions : NULL, view->self->generation,
                        view->wall);
        put_conditions(&set, &verdict, state);
        status.conditions.items = set.items;
        status.conditions.n = set.n;
        status.image = running_image(app, &verdict);
        fill_counts(view, state, &status, plan->arena);
        if (settings)
                app_put_figures(view, settings, plan->arena, &status);
        else
                keep_figures(before, &status);

        json_writer_init(&w, &json);
        schema_encode(&app_status_schema, &status, &w);
        if (buf_error(&json) < 0)
                return buf_error(&json);
        plan_status(plan, buf_str(&json));
        tell(view, plan, before, &verdict);
        return plan->error;
}
