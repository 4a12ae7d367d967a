/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with an Environment, whatever else there is: its patterns do not
 * count, so the schema lets through what no App could carry out. Quota and limit
 * range are left to the API server, which they go to.
 */
#include "controller/environment/environment.h"
#include "controller/environment/profile.h"

static void check_map(size_t i, const char *what, const struct schema_map *map, struct problems *p)
{
        for (size_t k = 0; k < map->n; k++)
                profile_check_quantity(arena_printf(p->arena, "spec.overrides[%zu].resources.%s.%.*s", i,
                                                    what, STR_FMT(map->items[k].key)),
                                       map->items[k].value, p);
}

void environment_validate(const struct environment_spec *spec, struct problems *p)
{
        for (size_t i = 0; i < spec->overrides.n; i++) {
                const struct environment_spec_overrides_resources *r = spec->overrides.items[i].resources;

                if (!r)
                        continue;
                check_map(i, "requests", &r->requests, p);
                check_map(i, "limits", &r->limits, p);
        }
}

/* --- at admission ---------------------------------------------------------------------- */

static void validate_name(struct str name, struct problems *p)
{
        if (!str_eq(name, ENVIRONMENT_NAME))
                problem_add(
                        p, STR("metadata.name"),
                        "a namespace has one Environment, and it is called default; set metadata.name to default");
}

static void validate(const void *object, const void *old_object _unused_, struct problems *problems,
                     struct problems *warnings _unused_)
{
        const struct environment *env = object;

        environment_validate(env->spec, problems);
}

const struct admission_kind environment_admission = {
        .kind = &environment_kind,
        .validate = validate,
        .validate_name = validate_name,
};
