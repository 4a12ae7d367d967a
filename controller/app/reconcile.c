/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "controller/app/status.h"

static bool is_reading(const struct app_config *config, const struct app_revision *revision)
{
        return config->phase == APP_CONFIG_READING ||
               (config->phase == APP_CONFIG_READY && !revision->hash.data);
}

/* An App that can be carried out: its children, and what is so. */
static int carry_out(const struct view *view, const struct app_settings *settings, struct plan *plan)
{
        struct app_config *config = arena_new(plan->arena, struct app_config);
        struct app_revision revision;
        struct app_outlook outlook = { .settings = settings, .config = config, .revision = &revision };
        int r;

        if (!config)
                return -ENOMEM;
        r = app_config_resolve(view, settings, plan, config);
        if (r < 0)
                return r;
        r = app_revision_choose(view, settings, config, plan, &revision);
        if (r < 0)
                return r;
        r = app_config_plan(view, config, plan);
        if (r < 0)
                return r;
        /* Pods that begin before their config is there fail, and wait long to try again. */
        revision.ready = config->copied && revision.hash.data;
        r = app_plan_children(view, settings, revision.ready ? &revision.pods : NULL, plan);
        if (r < 0)
                return r;
        /* A moment later more is known: after a start, that all is as it was. */
        if (is_reading(config, &revision) && !view->failure.reason.data)
                return 0;
        return app_report(view, &outlook, plan);
}

int app_reconcile(const struct view *view, struct plan *plan)
{
        const struct app *app = view->self->state;
        struct app_outlook outlook = { 0 };
        struct app_settings *settings;
        struct problems problems;
        int r;

        if (view->self->deleting)
                return 0; /* owner references let the garbage collector clean up */
        if (!app->spec || view->report_only)
                return app_report(view, &outlook, plan);
        settings = arena_new(plan->arena, struct app_settings);
        if (!settings)
                return -ENOMEM;
        r = app_settle(view, plan->arena, settings, &problems);
        if (r == -EINVAL) {
                outlook.problems = &problems;
                return app_report(view, &outlook, plan); /* what runs goes on */
        }
        if (r == 0)
                r = app_settle_hosts(view, plan->arena, settings);
        if (r < 0)
                return r;
        return carry_out(view, settings, plan);
}
