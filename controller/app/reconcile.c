/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "controller/app/app.h"

/* An App that can be carried out: its children, and what is so. */
static int carry_out(const struct view *view, const struct app_settings *settings, struct plan *plan)
{
        struct app_pods pods = { .spec = &settings->spec };
        int r;

        r = app_plan_children(view, settings, &pods, plan);
        if (r < 0)
                return r;
        return app_report(view, settings, NULL, plan);
}

int app_reconcile(const struct view *view, struct plan *plan)
{
        const struct app *app = view->self->state;
        struct app_settings *settings;
        struct app_problem problem;
        int r;

        if (view->self->deleting)
                return 0; /* owner references let the garbage collector clean up */
        if (!app->spec)
                return app_report(view, NULL, NULL, plan);
        settings = arena_new(plan->arena, struct app_settings);
        if (!settings)
                return -ENOMEM;
        r = app_settle(view, plan->arena, settings, &problem);
        if (r == -EINVAL)
                return app_report(view, NULL, &problem, plan); /* what runs goes on */
        if (r < 0)
                return r;
        return carry_out(view, settings, plan);
}
