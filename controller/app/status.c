/* SPDX-License-Identifier: Apache-2.0
 *
 * What an App's status says: the verdict of judge.c as conditions, and figures.
 */
#include <errno.h>

#include "controller/app/status.h"
#include "manager/condition.h"

static void put_available(struct condition_set *set, const struct deployment_state *state)
{
        struct str reason, message;

        if (!state || !state->status) {
                condition_put(set, STR("Available"), CONDITION_FALSE, STR("NoReplicas"),
                              STR("no replica is running yet"));
                return;
        }
        if (app_wanted_replicas(state) == 0) {
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
        app_deployment_condition(state, STR("Available"), &reason, &message);
        condition_put(set, STR("Available"), CONDITION_FALSE, STR("MinimumReplicasUnavailable"),
                      str_empty(message) ? STR("no replica is available yet") : message);
}

static void put_conditions(struct condition_set *set, const struct app_verdict *v,
                           const struct deployment_state *state)
{
        condition_put(set, STR("Ready"), v->phase == APP_READY ? CONDITION_TRUE : CONDITION_FALSE, v->reason,
                      v->message);
        put_available(set, state);
        condition_put_if(set, STR("Reconciling"), v->phase == APP_RECONCILING, v->reason, v->message,
                         CONDITION_NOT_RECONCILING);
        condition_put_if(set, STR("Stalled"), v->phase == APP_STALLED, v->reason, v->message,
                         CONDITION_NOT_STALLED);
}

/* With its revision: an event of the same words would be counted as that of the rollout before. */
static void tell_ready(const struct app_revision *r, const struct app_verdict *v, struct plan *plan)
{
        plan_event(plan, false, v->reason,
                   arena_printf(plan->arena, "%.*s: revision %.*s, image %.*s", STR_FMT(v->message),
                                STR_FMT(r->hash), STR_FMT(r->pods.spec->image)));
}

/* An event where the verdict turned, not while it stays. */
static void tell(const struct view *view, const struct app_outlook *o, const struct app_status *before,
                 const struct app_verdict *v, struct plan *plan)
{
        const struct app *app = view->self->state;

        if (!condition_turned(before ? &before->conditions : NULL, STR("Ready"), v->reason))
                return;
        if (v->phase == APP_STALLED)
                plan_event(plan, true, v->reason, v->message);
        else if (v->phase == APP_READY)
                tell_ready(o->revision, v, plan);
        else if (v->failed || view->report_only)
                plan_event(plan, true, v->reason, v->message);
        else if (str_eq(v->reason, STR("RolloutInProgress")) && before && before->image.data &&
                 !str_eq(before->image, app->spec->image))
                plan_event(plan, false, STR("RolloutStarted"),
                           arena_printf(plan->arena, "rolling out %.*s, from %.*s", STR_FMT(app->spec->image),
                                        STR_FMT(before->image)));
}

/* What all pods run: known when a rollout is complete, and then until the next is. */
static void fill_running(const struct app *app, const struct app_outlook *o, const struct app_verdict *v,
                         struct app_status *status)
{
        if (v->complete) {
                status->image = o->revision->pods.spec->image;
                status->revision = o->revision->hash;
        } else if (app->status) {
                status->image = app->status->image;
                status->revision = app->status->revision;
        }
}

/* The failure of a revision holds for as long as the spec asks for it. */
static void fill_failed(const struct view *view, const struct app_outlook *o, const struct app_verdict *v,
                        struct app_status *status, struct plan *plan)
{
        const struct app *app = view->self->state;
        struct app_status_failed_revision *failed;
        char stamp[CLOCK_RFC3339_MAX];

        if (!o->revision || !o->revision->wanted.data)
                status->failed_revision = app->status ? app->status->failed_revision : NULL;
        else
                status->failed_revision = (struct app_status_failed_revision *)(uintptr_t)o->revision->failed;
        if (!v->failed)
                return;
        failed = arena_new(plan->arena, struct app_status_failed_revision);
        if (!failed)
                return;
        clock_format(view->wall, false, stamp);
        failed->name = o->revision->wanted;
        failed->reason = v->failed_reason;
        failed->message = v->failed_message;
        failed->time = arena_str(plan->arena, str_c(stamp));
        status->failed_revision = failed;
        plan_wake(plan, view->now); /* the status is written first; a change of it alone does not wake us */
}

/* Which helper the pods have: they keep it. */
static int fill_reload(const struct app *app, const struct app_outlook *o, struct app_status *status,
                       struct arena *a)
{
        if (!o->revision || !o->revision->hash.data || o->config->crowded) {
                status->reload = app->status ? app->status->reload : NULL;
                return 0;
        }
        if (!o->revision->pods.helper.data)
                return 0;
        status->reload = arena_new(a, struct app_status_reload);
        if (!status->reload)
                return -ENOMEM;
        status->reload->image = o->revision->pods.helper_image;
        status->reload->revision = o->revision->hash;
        return 0;
}

/* No copy can be made before others are gone. */
static int make_room(const struct view *view, const struct app_outlook *o, struct app_status *status,
                     struct plan *plan)
{
        int r = app_revision_trim(view, o->settings, plan);

        return r < 0 ? r : app_drop_copies(view, o->revision, o->config, false, plan, status);
}

static int fill_config(const struct view *view, const struct app_outlook *o, const struct app_verdict *v,
                       struct app_status *status, struct plan *plan)
{
        const struct app *app = view->self->state;
        const struct app_config *c = o->config;
        struct app_status_config *list;

        if (!c || c->phase != APP_CONFIG_READY || !o->revision->wanted.data) {
                if (app->status) {
                        status->config = app->status->config;
                        status->copies = app->status->copies;
                }
                return c && c->crowded ? make_room(view, o, status, plan) : 0;
        }
        list = arena_new_n(plan->arena, struct app_status_config, c->n + 1);
        if (!list)
                return -ENOMEM;
        for (size_t i = 0; i < c->n; i++)
                list[i] = (struct app_status_config){
                        .kind = c->refs[i].secret ? STR("Secret") : STR("ConfigMap"),
                        .name = c->refs[i].name,
                        .hash = c->refs[i].hash,
                        .reload = c->refs[i].copy.data ? STR("Rollout") : STR("Signal"),
                };
        status->config.items = list;
        status->config.n = c->n;
        return app_drop_copies(view, o->revision, c, v->complete, plan, status);
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

int app_report(const struct view *view, const struct app_outlook *o, struct plan *plan)
{
        const struct app *app = view->self->state;
        const struct app_status *before = app->status;
        const struct object *deployment = view_child(view, &app_deployment_kind, view->self->name);
        const struct deployment_state *state = deployment ? deployment->state : NULL;
        struct app_verdict verdict = app_judge(view, o, plan);
        struct app_status status = { .observed_generation = view->self->generation,
                                     .has_observed_generation = true };
        struct condition_set set;
        int r;

        if (verdict.complete && !o->revision->rolled_back) {
                r = app_revision_keep(view, o->settings, o->revision, plan);
                if (r < 0)
                        return r;
        }
        condition_begin(&set, plan->arena, before ? &before->conditions : NULL, view->self->generation,
                        view->wall);
        put_conditions(&set, &verdict, state);
        status.conditions.items = set.items;
        status.conditions.n = set.n;
        fill_running(app, o, &verdict, &status);
        fill_failed(view, o, &verdict, &status, plan);
        fill_counts(view, state, &status, plan->arena);
        r = fill_config(view, o, &verdict, &status, plan);
        if (r == 0)
                r = fill_reload(app, o, &status, plan->arena);
        if (r < 0)
                return r;
        if (o->settings)
                app_put_figures(view, o->settings, plan, &status);
        else
                keep_figures(before, &status);

        plan_status_of(plan, &app_status_schema, &status, before);
        tell(view, o, before, &verdict, plan);
        return plan->error;
}
