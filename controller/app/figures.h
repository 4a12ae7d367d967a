/* SPDX-License-Identifier: Apache-2.0
 *
 * What the namespace's Environment says of an App: the figures that it gets
 * unless it has its own. Each knows who said it.
 */
#pragma once

#include "controller/app/app.h"

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
        struct str profile;         /* "production/backend", or absent */
        struct app_number replicas; /* without autoscaling */
        struct app_number min, max; /* both or neither */
        struct app_number cpu_target, memory_target;
        struct app_text cooldown;
        struct app_text requests_cpu, requests_memory, limits_cpu, limits_memory;
        struct app_routing routing;
};

/* The figures for that tier in the view's namespace. */
void app_figures_of(const struct view *view, struct str tier, struct arena *a, struct app_figures *ret);
