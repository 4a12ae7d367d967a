/* SPDX-License-Identifier: Apache-2.0
 *
 * What the namespace's Environment says of an App: the figures that it gets
 * unless it has its own, and how its hosts are reached. Each figure knows
 * whether it is the built-in profile's or the Environment's own.
 */
#pragma once

#include "controller/app/app.h"
#include "controller/environment/profile.h"

/* As status.effective has them. */
#define APP_FROM_APP STR("App")
#define APP_FROM_ENVIRONMENT STR("Environment")
#define APP_FROM_BUILT_IN STR("BuiltIn")

/* FROM is absent where nobody says it. */
struct app_number {
        int64_t value;
        struct str from;
};

struct app_text {
        struct str value, from;
};

struct app_figures {
        struct str profile; /* "production/backend" */
        bool scales;
        struct app_number replicas; /* without autoscaling */
        struct app_number min, max; /* with it, be it that the App asks for it */
        struct app_number cpu_target, memory_target;
        struct app_text cooldown;
        /* The built-in profile's, and with the Environment's overrides. */
        struct profile_figures built_in, here;
        struct app_routing routing;
};

/* The figures for that App. 0 or -ENOMEM. */
int app_figures_of(const struct view *view, const struct app_spec *spec, struct arena *a,
                   struct app_figures *ret) _must_check_;
