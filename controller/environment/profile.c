/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/environment/profile.h"

#include <errno.h>

#include "controller/environment/environment.h"
#include "kube/quantity.h"

/* What a pod is sure to get, and how many there are. */
struct share {
        struct str cpu, memory;
        int64_t min_replicas, max_replicas; /* equal: it does not scale */
};

enum { DEVELOPMENT, STAGING, PRODUCTION, N_PROFILES };

static const struct str profile_names[N_PROFILES] = {
        STR_INIT("development"),
        STR_INIT("staging"),
        STR_INIT("production"),
};

struct tier_row {
        struct str name;
        struct share shares[N_PROFILES];
        struct str cpu_limit, memory_limit; /* of each pod, in every profile */
};

/* docs/environment.md has the same table. A worker differs from a backend only
 * in that nobody connects to it, so it gets the same. */
static const struct tier_row tiers[] = {
        [PROFILE_BACKEND] = { .name = STR_INIT("backend"),
                              .shares = { { STR_INIT("100m"), STR_INIT("256Mi"), 1, 1 },
                                          { STR_INIT("200m"), STR_INIT("512Mi"), 2, 4 },
                                          { STR_INIT("500m"), STR_INIT("1Gi"), 2, 10 } },
                              .cpu_limit = STR_INIT("1"),
                              .memory_limit = STR_INIT("2Gi") },
        [PROFILE_FRONTEND] = { .name = STR_INIT("frontend"),
                               .shares = { { STR_INIT("50m"), STR_INIT("128Mi"), 1, 1 },
                                           { STR_INIT("100m"), STR_INIT("256Mi"), 2, 3 },
                                           { STR_INIT("200m"), STR_INIT("512Mi"), 2, 8 } },
                               .cpu_limit = STR_INIT("500m"),
                               .memory_limit = STR_INIT("1Gi") },
        [PROFILE_WORKER] = { .name = STR_INIT("worker"),
                             .shares = { { STR_INIT("100m"), STR_INIT("256Mi"), 1, 1 },
                                         { STR_INIT("200m"), STR_INIT("512Mi"), 2, 4 },
                                         { STR_INIT("500m"), STR_INIT("1Gi"), 2, 10 } },
                             .cpu_limit = STR_INIT("1"),
                             .memory_limit = STR_INIT("2Gi") },
};

enum profile_tier profile_tier_of(struct str name, bool has_port)
{
        for (size_t i = 0; i < ARRAY_SIZE(tiers); i++)
                if (str_eq(name, tiers[i].name))
                        return (enum profile_tier)i;
        return has_port ? PROFILE_BACKEND : PROFILE_WORKER;
}

/* --- maps of resources ------------------------------------------------------------ */

int profile_merge(const struct schema_map *lower, const struct schema_map *upper, struct arena *a,
                  struct schema_map *ret)
{
        struct schema_map map = { .items = arena_new_n(a, struct schema_pair, lower->n + upper->n) };

        if (!map.items)
                return -ENOMEM;
        for (size_t i = 0; i < lower->n; i++) {
                const struct schema_pair *instead = schema_map_find(upper, lower->items[i].key);

                map.items[map.n++] = instead ? *instead : lower->items[i];
        }
        for (size_t i = 0; i < upper->n; i++)
                if (!schema_map_find(lower, upper->items[i].key))
                        map.items[map.n++] = upper->items[i];
        *ret = map;
        return 0;
}

/* Of each resource that SAID names and OTHER_SAID does not: where the request
 * is above the limit now, the one in OTHER becomes as SAID. */
static void give_way(const struct schema_map *said, const struct schema_map *other_said,
                     struct schema_map *other, bool said_are_requests)
{
        for (size_t i = 0; i < said->n; i++) {
                struct schema_pair *pair = schema_map_find(other, said->items[i].key);
                struct str value = said->items[i].value;

                if (!pair || schema_map_find(other_said, said->items[i].key))
                        continue;
                if (said_are_requests ? quantity_exceeds(value, pair->value)
                                      : quantity_exceeds(pair->value, value))
                        pair->value = value;
        }
}

int profile_overlay(struct profile_figures *f, const struct schema_map *requests,
                    const struct schema_map *limits, struct arena *a)
{
        struct schema_map new_requests, new_limits;

        if (profile_merge(&f->requests, requests, a, &new_requests) < 0 ||
            profile_merge(&f->limits, limits, a, &new_limits) < 0)
                return -ENOMEM;
        give_way(requests, limits, &new_limits, true);
        give_way(limits, requests, &new_requests, false);
        f->requests = new_requests;
        f->limits = new_limits;
        return 0;
}

/* --- figures ------------------------------------------------------------------------- */

static size_t profile_of(const struct environment_spec *spec)
{
        for (size_t i = 0; spec && i < N_PROFILES; i++)
                if (str_eq(spec->profile, profile_names[i]))
                        return i;
        return DEVELOPMENT;
}

static int cpu_and_memory(struct str cpu, struct str memory, struct arena *a, struct schema_map *ret)
{
        struct schema_pair *items = arena_new_n(a, struct schema_pair, 2);

        if (!items)
                return -ENOMEM;
        items[0] = (struct schema_pair){ STR("cpu"), cpu };
        items[1] = (struct schema_pair){ STR("memory"), memory };
        *ret = (struct schema_map){ items, 2 };
        return 0;
}

static int built_in(size_t profile, enum profile_tier tier, struct arena *a, struct profile_figures *ret)
{
        const struct tier_row *row = &tiers[tier];
        const struct share *share = &row->shares[profile];
        struct profile_figures f = {
                .profile = profile_names[profile],
                .tier = row->name,
                .scales = share->max_replicas > share->min_replicas,
                .replicas = share->min_replicas,
                .min_replicas = share->min_replicas,
                .max_replicas = share->max_replicas,
                .target_cpu = PROFILE_TARGET_CPU,
                .cooldown = STR(PROFILE_COOLDOWN),
        };

        if (cpu_and_memory(share->cpu, share->memory, a, &f.requests) < 0 ||
            cpu_and_memory(row->cpu_limit, row->memory_limit, a, &f.limits) < 0)
                return -ENOMEM;
        *ret = f;
        return 0;
}

/* Where only one bound is said, the profile's other one gives way to it. */
static void override_autoscaling(struct profile_figures *f,
                                 const struct environment_spec_overrides_autoscaling *s)
{
        f->scales = true;
        if (s->has_min_replicas) {
                f->min_replicas = s->min_replicas;
                f->max_replicas = MAX(f->max_replicas, s->min_replicas);
        }
        if (s->has_max_replicas) {
                f->max_replicas = s->max_replicas;
                f->min_replicas = MIN(f->min_replicas, s->max_replicas);
        }
        if (s->has_target_memory_utilization) {
                f->target_memory = s->target_memory_utilization;
                f->target_cpu = 0;
        }
        if (s->has_target_cpu_utilization)
                f->target_cpu = s->target_cpu_utilization;
        if (!str_empty(s->scale_down_cooldown))
                f->cooldown = s->scale_down_cooldown;
}

static int override(struct profile_figures *f, const struct environment_spec_overrides *o, struct arena *a)
{
        if (o->has_replicas) {
                f->scales = false;
                f->replicas = o->replicas;
        }
        if (o->autoscaling)
                override_autoscaling(f, o->autoscaling);
        return o->resources ? profile_overlay(f, &o->resources->requests, &o->resources->limits, a) : 0;
}

int profile_figures(const struct environment_spec *spec, enum profile_tier tier, struct arena *a,
                    struct profile_figures *ret)
{
        struct profile_figures f;
        int r = built_in(profile_of(spec), tier, a, &f);

        for (size_t i = 0; r == 0 && spec && i < spec->overrides.n; i++)
                if (str_eq(spec->overrides.items[i].tier, tiers[tier].name))
                        r = override(&f, &spec->overrides.items[i], a);
        if (r == 0)
                *ret = f;
        return r;
}
