/* SPDX-License-Identifier: Apache-2.0
 *
 * The figures of the three profiles: what an App gets that does not say it
 * itself. Built-in figures lie under those of the Environment, and those under
 * what the App says:
 *
 *      profile_figures(spec, tier)            built-in, then the Environment's overrides
 *      profile_overlay(figures, App's own)    then what the App says
 *
 * Without an Environment the figures are those of development: small, one pod,
 * limits set.
 */
#pragma once

#include "base/arena.h"
#include "schema/schema.h"

struct environment_spec;

enum profile_tier { PROFILE_BACKEND, PROFILE_FRONTEND, PROFILE_WORKER };

#define PROFILE_TARGET_CPU 70 /* percent of the request, where nobody says a target */
#define PROFILE_COOLDOWN "5m"

struct profile_figures {
        struct str profile, tier;           /* "production", "backend" */
        struct schema_map requests, limits; /* quantities as people write them: see quantity_stored */
        bool scales;
        int64_t replicas; /* where it does not scale */
        /* Where it does. They are there in either case, for an App that scales on its own account. */
        int64_t min_replicas, max_replicas;
        int64_t target_cpu, target_memory; /* percent of the requests; 0: does not count */
        struct str cooldown;               /* a duration */
};

/* The tier of that name. The absent string is that of an App that says none:
 * backend if somebody connects to it, else worker. */
enum profile_tier profile_tier_of(struct str name, bool has_port);

/* SPEC may be NULL: there is no Environment. The result borrows from SPEC and
 * from the arena. 0 or -ENOMEM. */
int profile_figures(const struct environment_spec *spec, enum profile_tier tier, struct arena *a,
                    struct profile_figures *ret) _must_check_;

/* Lays other requests and limits over those in F, resource by resource. A
 * request above the limit would be refused by the API server, so where only
 * one of the two is said, the one below it gives way: a larger request lifts
 * the limit to it, a smaller limit lowers the request. Where both are said
 * they stay as they are. 0 or -ENOMEM. */
int profile_overlay(struct profile_figures *f, const struct schema_map *requests,
                    const struct schema_map *limits, struct arena *a) _must_check_;

/* LOWER with what UPPER says instead or besides, as a new map. 0 or -ENOMEM. */
int profile_merge(const struct schema_map *lower, const struct schema_map *upper, struct arena *a,
                  struct schema_map *ret) _must_check_;
