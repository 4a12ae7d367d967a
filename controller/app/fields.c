/* SPDX-License-Identifier: Apache-2.0
 *
 * What the status says of the settings. Only constants and what the settings
 * hold go in: the status is kept in memory for each App.
 */
#include "controller/app/app.h"

/* Of one that is not there the condition tells. */
static bool is_let_in(const struct view *view, struct str redis)
{
        const struct object *o = view_lookup(view, &app_redis_kind, redis);
        const struct redis_state *state = o ? o->state : NULL;

        if (!state || !state->spec)
                return true;
        for (size_t i = 0; state->spec->access && i < state->spec->access->from.n; i++)
                if (str_eq(state->spec->access->from.items[i].app, view->self->name))
                        return true;
        return false;
}

/* What of a destination the policy does not do as it is said, at PATH; absent: it does. */
static struct app_status_access_not_enforced
gap_of(const struct view *view, const struct app_spec_access_to *to, size_t i, struct arena *a)
{
        /* Names are what a NetworkPolicy does not know. */
        if (to->host.data)
                return (struct app_status_access_not_enforced){
                        arena_printf(a, "access.to[%zu].host", i),
                        STR("allowed by address range only: all public addresses, at this port")
                };
        if (to->redis.data && !is_let_in(view, to->redis))
                return (struct app_status_access_not_enforced){
                        arena_printf(a, "access.to[%zu].redis", i),
                        arena_printf(a,
                                     "the Redis \"%.*s\" does not let this App in; add {app: %.*s} to its "
                                     "spec.access.from",
                                     STR_FMT(to->redis), STR_FMT(view->self->name))
                };
        return (struct app_status_access_not_enforced){ 0 };
}

static void put_access(const struct view *view, const struct app_settings *settings, struct arena *a,
                       struct app_status *status)
{
        const struct app_spec_access *access = settings->spec.access;
        struct app_status_access_not_enforced *gaps;
        size_t n = 0;

        if (!access || access->to.n == 0)
                return;
        gaps = arena_new_n(a, struct app_status_access_not_enforced, access->to.n);
        if (!gaps)
                return;
        for (size_t i = 0; i < access->to.n; i++) {
                gaps[n] = gap_of(view, &access->to.items[i], i, a);
                n += gaps[n].setting.data != NULL;
        }
        if (n == 0)
                return;
        status->access = arena_new(a, struct app_status_access);
        if (!status->access)
                return;
        status->access->not_enforced.items = gaps;
        status->access->not_enforced.n = n;
}

void app_put_figures(const struct view *view, const struct app_settings *settings, struct plan *plan,
                     struct app_status *status)
{
        status->profile = settings->profile;
        status->effective.items = (struct app_status_effective *)(uintptr_t)settings->effective;
        status->effective.n = settings->n_effective;
        status->desired_replicas = app_replicas(view, settings);
        status->has_desired_replicas = true;
        app_put_routing(view, settings, plan, status);
        put_access(view, settings, plan->arena, status);
}
