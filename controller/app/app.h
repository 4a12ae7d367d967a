/* SPDX-License-Identifier: Apache-2.0
 *
 * The App controller: an App becomes a ServiceAccount, a Deployment and, if it
 * listens on a port, a Service. What happens when an App changes is told by
 * reconcile.c, from top to bottom.
 */
#pragma once

#include "app_observed.gen.h"
#include "app_types.gen.h"
#include "manager/controller.h"

/* The object as the cache keeps it: its two halves, as crds/app.yaml says. */
struct app {
        struct app_spec *spec;
        struct app_status *status;
};

extern const struct cache_kind app_kind;
extern const struct cache_kind app_deployment_kind;
extern const struct cache_kind app_service_kind;
extern const struct cache_kind app_serviceaccount_kind;

extern const struct controller app_controller;

/* What an App should become. Pure: reads the view, fills the plan. */
int app_reconcile(const struct view *view, struct plan *plan) _must_check_;

/* Renders the children and puts them into the plan (children.c). */
int app_plan_children(const struct view *view, const struct app_spec *spec, struct plan *plan) _must_check_;

/* Says in the status what is so, from what is observed (status.c). */
int app_report(const struct view *view, struct plan *plan) _must_check_;
