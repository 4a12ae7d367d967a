/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/environment/rules.h"

#include <errno.h>

#include "kube/quantity.h"

void check_quantity(struct str path, struct str text, struct problems *problems)
{
        struct quantity q;
        int r = quantity_parse(text, &q);

        if (r == -ERANGE)
                problem_add(problems, path, "%.*s is past all counting; write less", RULES_SHOWN(text));
        else if (r < 0)
                problem_add(problems, path, "must be a quantity such as 500m, 2 or 1Gi (is \"%.*s\")",
                            RULES_SHOWN(text));
        else if (q.nanos < 0)
                problem_add(problems, path, "%.*s is less than nothing; write 0 or more", RULES_SHOWN(text));
}

static struct str member(struct str path, struct str key, const struct problems *problems)
{
        return arena_printf(problems->arena, "%.*s.%.*s", STR_FMT(path), STR_FMT(key));
}

void check_quantities(struct str path, const struct schema_map *map, struct problems *problems)
{
        for (size_t i = 0; i < map->n; i++)
                check_quantity(member(path, map->items[i].key, problems), map->items[i].value, problems);
}

void check_not_above(struct str path, const struct schema_map *less, const char *name,
                     const struct schema_map *more, struct problems *problems)
{
        for (size_t i = 0; i < less->n; i++) {
                const struct schema_pair *one = &less->items[i];
                struct str bound = schema_map_get(more, one->key);

                if (quantity_exceeds(one->value, bound))
                        problem_add(problems, member(path, one->key, problems),
                                    "%.*s is more than %s, which is %.*s; lower it, or raise %s",
                                    RULES_SHOWN(one->value), name, RULES_SHOWN(bound), name);
        }
}

void check_duration(struct str path, struct str text, usec_t least, usec_t most, const char *bounds,
                    struct problems *problems)
{
        usec_t t;

        if (!text.data)
                return;
        if (duration_parse(text, &t) == -EINVAL)
                problem_add(problems, path, "must be a duration such as 30s, 5m or 1h30m (is \"%.*s\")",
                            RULES_SHOWN(text));
        else if (duration_parse(text, &t) < 0 || t < least || t > most)
                problem_add(problems, path, "\"%.*s\" must be a duration between %s", RULES_SHOWN(text),
                            bounds);
}

void check_replicas(struct str path, int64_t least, int64_t most, struct problems *problems)
{
        if (least > most)
                problem_add(problems, path,
                            "%lld is more than maxReplicas, which is %lld; lower it, or raise maxReplicas",
                            (long long)least, (long long)most);
}
