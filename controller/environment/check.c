/* SPDX-License-Identifier: Apache-2.0
 *
 * What the schema lets through and no App could carry out: its patterns do not
 * count. Quota and limit range are left to the API server, which they go to.
 */
#include <errno.h>

#include "controller/environment/environment.h"
#include "controller/environment/profile.h"

/* The first wrong quantity of MAP, which stands at PATH, with what is wrong; or absent. */
static struct str check(const struct schema_map *map, struct str path, struct arena *a)
{
        for (size_t i = 0; i < map->n; i++) {
                struct str problem = profile_quantity_problem(map->items[i].value, a);

                if (problem.data)
                        return arena_printf(a, "%.*s.%.*s: %.*s", STR_FMT(path), STR_FMT(map->items[i].key),
                                            STR_FMT(problem));
        }
        return STR_NULL;
}

static struct str check_override(const struct environment_spec *spec, size_t i, struct arena *a)
{
        const struct environment_spec_overrides *o = &spec->overrides.items[i];
        struct str problem;

        if (!o->resources)
                return STR_NULL;
        problem = check(&o->resources->requests, arena_printf(a, "spec.overrides[%zu].resources.requests", i),
                        a);
        return problem.data ? problem
                            : check(&o->resources->limits,
                                    arena_printf(a, "spec.overrides[%zu].resources.limits", i), a);
}

int environment_check(const struct environment_spec *spec, struct arena *a, struct str *ret_problem)
{
        struct str problem = STR_NULL;

        for (size_t i = 0; i < spec->overrides.n && !problem.data; i++)
                problem = check_override(spec, i, a);
        if (a->failed)
                return -ENOMEM;
        *ret_problem = problem;
        return problem.data ? -EINVAL : 0;
}
