/* SPDX-License-Identifier: Apache-2.0
 *
 * Which children an App has. What they look like is in templates/; what goes
 * into their blanks, where it is more than a word, in pods.c, network.c and
 * routes.c.
 */
#include "controller/app/children.h"

struct child_meta app_child_meta(const struct view *view, struct arena *a)
{
        return child_meta_of(view, "app", a);
}

/* --- those whose blanks are words ----------------------------------------------- */

static int render_service(const struct child_meta *c, const struct app_spec *spec, struct buf *out)
{
        struct app_service_params params = {
                CHILD_META(c),
                .port = spec->port,
        };

        return app_render_service(out, &params);
}

static int render_serviceaccount(const struct child_meta *c, struct buf *out)
{
        struct app_serviceaccount_params params = { CHILD_META(c) };

        return app_render_serviceaccount(out, &params);
}

static int render_budget(const struct child_meta *c, struct buf *out)
{
        struct app_poddisruptionbudget_params params = { CHILD_META(c) };

        return app_render_poddisruptionbudget(out, &params);
}

static int render_autoscaler(const struct child_meta *c, const struct app_spec_autoscaling *scaling,
                             struct buf *out)
{
        struct app_horizontalpodautoscaler_params params = {
                CHILD_META(c),
                .min = scaling->min_replicas,
                .max = scaling->max_replicas,
                .cpu = scaling->target_cpu_utilization,
                .has_cpu = scaling->has_target_cpu_utilization,
                .memory = scaling->target_memory_utilization,
                .has_memory = scaling->has_target_memory_utilization,
                .cooldown_seconds = app_seconds(scaling->scale_down_cooldown),
        };

        return app_render_horizontalpodautoscaler(out, &params);
}

/* --- the plan ------------------------------------------------------------------ */

struct planning {
        const struct view *view;
        const struct app_settings *settings;
        const struct app_pods *pods;
        struct plan *plan;
        struct child_meta common;
        struct buf json; /* of the child under way */
};

/* Puts the child whose rendering ended in R into the plan, and empties the
 * buffer for the next. */
static int apply_with(struct planning *p, const struct cache_kind *kind, int r,
                      const struct apply_options *options)
{
        if (r < 0)
                return r;
        plan_apply_with(p->plan, kind, p->common.name, buf_str(&p->json), options);
        buf_clear(&p->json);
        return p->plan->error;
}

static int apply(struct planning *p, const struct cache_kind *kind, int r)
{
        static const struct apply_options plain = { 0 };

        return apply_with(p, kind, r, &plain);
}

/* No longer wanted, if it is there and ours. */
static int drop(struct planning *p, const struct cache_kind *kind)
{
        const struct object *child = view_child(p->view, kind, p->common.name);

        if (child && !child->deleting)
                plan_delete(p->plan, child);
        return p->plan->error;
}

/* How many the Deployment has; -1 if it is not there. */
static int64_t live_replicas(const struct view *view)
{
        const struct object *child = view_child(view, &app_deployment_kind, view->self->name);
        const struct deployment_state *state = child ? child->state : NULL;

        if (!state)
                return -1;
        return state->spec && state->spec->has_replicas ? state->spec->replicas : 0;
}

int64_t app_replicas(const struct view *view, const struct app_settings *settings)
{
        const struct app_spec_autoscaling *scaling = settings->spec.autoscaling;
        int64_t live;

        if (!scaling)
                return settings->spec.replicas;
        /* The autoscaler leaves a Deployment of no pods alone. */
        live = live_replicas(view);
        return live > 0 ? live : scaling->min_replicas;
}

static int plan_serviceaccount(struct planning *p)
{
        return apply(p, &common_serviceaccount_kind, render_serviceaccount(&p->common, &p->json));
}

/* Before the pods, so that none of them runs without. */
static int plan_networkpolicy(struct planning *p)
{
        return apply(p, &common_networkpolicy_kind,
                     app_child_networkpolicy(&p->common, p->settings, p->plan->arena, &p->json));
}

/* With an autoscaler the number of pods is its to say: what we write is what
 * stands there, and only if it still does. */
static int plan_deployment(struct planning *p)
{
        int64_t replicas = app_replicas(p->view, p->settings);
        int64_t live = live_replicas(p->view);
        struct apply_options options = {
                .changed = live >= 0 && live != replicas,
                .versioned = p->settings->spec.autoscaling && live == replicas,
        };

        if (!p->pods)
                return 0;
        return apply_with(
                p, &app_deployment_kind,
                app_child_deployment(&p->common, p->settings, p->pods, replicas, p->plan->arena, &p->json),
                &options);
}

static int plan_budget(struct planning *p)
{
        return apply(p, &common_poddisruptionbudget_kind, render_budget(&p->common, &p->json));
}

static int plan_service(struct planning *p)
{
        static const struct apply_options ours_alone = { .exclusive = true };

        if (!p->settings->spec.has_port)
                return drop(p, &common_service_kind);
        return apply_with(p, &common_service_kind, render_service(&p->common, &p->settings->spec, &p->json),
                          &ours_alone);
}

/* An autoscaler goes by the Deployment's name, so there must not be one where
 * somebody else has a Deployment of that name: it would scale that. */
static int plan_autoscaler(struct planning *p)
{
        const struct app_spec_autoscaling *scaling = p->settings->spec.autoscaling;

        if (!scaling || !view_child(p->view, &app_deployment_kind, p->common.name))
                return drop(p, &app_horizontalpodautoscaler_kind);
        return apply(p, &app_horizontalpodautoscaler_kind, render_autoscaler(&p->common, scaling, &p->json));
}

static int plan_httproute(struct planning *p)
{
        if (p->settings->spec.hosts.n == 0 || !app_uses_httproute(p->view, p->settings))
                return drop(p, &app_httproute_kind);
        return apply(p, &app_httproute_kind,
                     app_child_httproute(&p->common, p->settings, p->plan->arena, &p->json));
}

static int plan_ingress(struct planning *p)
{
        if (p->settings->spec.hosts.n == 0 || app_uses_httproute(p->view, p->settings))
                return drop(p, &app_ingress_kind);
        return apply(p, &app_ingress_kind,
                     app_child_ingress(&p->common, p->settings, p->plan->arena, &p->json));
}

int app_plan_children(const struct view *view, const struct app_settings *settings,
                      const struct app_pods *pods, struct plan *plan)
{
        static int (*const children[])(struct planning *) = {
                plan_serviceaccount, plan_networkpolicy, plan_deployment, plan_budget,
                plan_service,        plan_autoscaler,    plan_httproute,  plan_ingress,
        };
        struct planning p = {
                .view = view,
                .settings = settings,
                .pods = pods,
                .plan = plan,
                .common = app_child_meta(view, plan->arena),
                .json = BUF_INIT(CHILD_BYTES_MAX),
        };
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(children) && r == 0; i++)
                r = children[i](&p);
        buf_release(&p.json);
        return r;
}
