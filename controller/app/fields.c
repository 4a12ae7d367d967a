/* SPDX-License-Identifier: Apache-2.0
 *
 * What the status says of the settings. Only constants and what the settings
 * hold go in: the status is kept in memory for each App.
 */
#include "controller/app/app.h"

/* Names are what a NetworkPolicy does not know. */
static void put_access(const struct app_settings *settings, struct arena *a, struct app_status *status)
{
        const struct app_spec_access *access = settings->spec.access;
        struct app_status_access_not_enforced *gaps;
        size_t n = 0;

        for (size_t i = 0; access && i < access->to.n; i++)
                n += access->to.items[i].host.data != NULL;
        if (n == 0)
                return;
        gaps = arena_new_n(a, struct app_status_access_not_enforced, n);
        status->access = arena_new(a, struct app_status_access);
        if (!gaps || !status->access)
                return;
        status->access->not_enforced.items = gaps;
        status->access->not_enforced.n = n;
        for (size_t i = 0; i < access->to.n; i++)
                if (access->to.items[i].host.data)
                        *gaps++ = (struct app_status_access_not_enforced){
                                arena_printf(a, "access.to[%zu].host", i),
                                STR("allowed by address range only: all public addresses, at this port")
                        };
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
        put_access(settings, plan->arena, status);
}
