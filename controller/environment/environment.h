/* SPDX-License-Identifier: Apache-2.0
 *
 * The Environment controller: what a namespace is for. An Environment becomes
 * a ResourceQuota and a LimitRange, if its spec asks for them; Apps beside it
 * read it for the figures that they do not say themselves (profile.h) and for
 * how they are reached (spec.routing).
 *
 * There is one in a namespace, by its name:
 *
 *      view_lookup(view, &environment_kind, ENVIRONMENT_NAME)
 */
#pragma once

#include "admission/judge.h"
#include "controller/app/kind.h" /* an Environment counts its Apps */
#include "environment_observed.gen.h"
#include "environment_types.gen.h"
#include "manager/controller.h"
#include "schema/problem.h"

#define ENVIRONMENT_NAME STR("default")

/* The object as the cache keeps it: its two halves, as crds/environment.yaml
 * says. The spec is NULL where it could not be read (object_invalid says why). */
struct environment {
        struct environment_spec *spec;
        struct environment_status *status;
};

extern const struct cache_kind environment_kind;
extern const struct cache_kind environment_quota_kind;
extern const struct cache_kind environment_limits_kind;

extern const struct controller environment_controller;

/* What an Environment should become. Pure: reads the view, fills the plan. */
int environment_reconcile(const struct view *view, struct plan *plan) _must_check_;

/* Adds to PROBLEMS what cannot work although the schema lets it through (validate.c). */
void environment_validate(const struct environment_spec *spec, struct problems *problems);

/* Adds to WARNINGS what is taken and can hardly work. */
void environment_warn(const struct environment_spec *spec, struct problems *warnings);

extern const struct admission_kind environment_admission;

/* Renders the children and puts them into the plan (children.c). */
int environment_plan_children(const struct view *view, const struct environment_spec *spec, struct plan *plan)
        _must_check_;

/* Says in the status what is so, from what is observed (status.c); PROBLEM: what
 * is wrong with the spec, or absent. */
int environment_report(const struct view *view, struct str problem, struct plan *plan) _must_check_;

/* Where the quota leaves no room for one App of a tier, which resources there
 * is too little of and how much would do; the absent string if all have room
 * (capacity.c). */
struct str environment_too_small(const struct environment_spec *spec, struct arena *a);
