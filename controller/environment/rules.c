/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/environment/rules.h"

#include <errno.h>

#include "controller/environment/resources.h"
#include "kube/quantity.h"

void check_quantity(struct str path, struct str text, struct problems *problems)
{
        struct quantity q;
        int r = quantity_parse(text, &q);

        if (r == -ERANGE)
                problem_add(problems, path, "%.*s is past all counting; write less", STR_SHOWN(text));
        else if (r < 0)
                problem_add(problems, path, "must be a quantity such as 500m, 2 or 1Gi (is \"%.*s\")",
                            STR_SHOWN(text));
        else if (text.data[0] == '-') /* -0 as well */
                problem_add(problems, path, "%.*s is less than nothing; write 0 or more", STR_SHOWN(text));
}

static struct str member(struct str path, struct str key, const struct problems *problems)
{
        return arena_printf(problems->arena, "%.*s.%.*s", STR_FMT(path), STR_FMT(key));
}

/* The API server counts what comes in whole numbers in thousandths, of which it has so many. */
#define WHOLE_MAX_NANOS ((__int128)INT64_MAX * 1000 * 1000)

/* One that is a quantity; NAME is what it is of. */
static void check_amount(struct str path, struct str name, struct str amount, struct problems *problems)
{
        struct quantity q;

        check_quantity(path, amount, problems);
        if (quantity_parse(amount, &q) < 0)
                return;
        if (resource_is_whole(name) && q.nanos % ((__int128)1000 * 1000 * 1000) != 0)
                problem_add(problems, path, "must be a whole number (is %.*s)", STR_SHOWN(amount));
        else if (resource_is_whole(name) && q.nanos > WHOLE_MAX_NANOS)
                problem_add(problems, path, "%.*s is past all counting; write less", STR_SHOWN(amount));
        if (!resource_is_pages(name, amount))
                problem_add(problems, path,
                            "must be so many whole pages (is %.*s); write a multiple of the size",
                            STR_SHOWN(amount));
}

void check_resource_amounts(struct str path, const struct schema_map *map, struct problems *problems)
{
        for (size_t i = 0; i < map->n; i++) {
                const struct schema_pair *one = &map->items[i];

                if (resource_is_container(one->key))
                        check_amount(member(path, one->key, problems), one->key, one->value, problems);
                else
                        problem_add(problems, path,
                                    "\"%.*s\" is no resource of a container; name cpu, memory, "
                                    "ephemeral-storage, hugepages-2Mi or one such as example.com/gpu",
                                    STR_SHOWN(one->key));
        }
}

void check_quota_amounts(struct str path, const struct schema_map *map, struct problems *problems)
{
        for (size_t i = 0; i < map->n; i++) {
                const struct schema_pair *one = &map->items[i];

                if (resource_is_quota(one->key))
                        check_amount(member(path, one->key, problems), one->key, one->value, problems);
                else
                        problem_add(problems, path,
                                    "\"%.*s\" is no resource that a quota knows; name one such as "
                                    "requests.cpu, limits.memory, requests.storage, pods, "
                                    "persistentvolumeclaims or count/deployments.apps",
                                    STR_SHOWN(one->key));
        }
}

void check_same(struct str path, const struct schema_map *less, const char *name,
                const struct schema_map *more, bool both, struct problems *problems)
{
        for (size_t i = 0; i < less->n; i++) {
                struct str key = less->items[i].key, bound = schema_map_get(more, key);
                struct quantity a, b;

                if (resource_is_overcommitted(key) || !resource_is_container(key) ||
                    quantity_parse(less->items[i].value, &a) < 0)
                        continue;
                if (bound.data ? quantity_parse(bound, &b) == 0 && a.nanos != b.nanos : both)
                        problem_add(
                                problems, member(path, key, problems),
                                "must be the same as %s of %.*s, which cannot be overcommitted; set that, and "
                                "leave this out",
                                name, STR_FMT(key));
        }
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
                                    STR_SHOWN(one->value), name, STR_SHOWN(bound), name);
        }
}

void check_container_resources(struct str path, const struct schema_map *requests,
                               const struct schema_map *limits, struct problems *problems)
{
        struct str at = member(path, STR("requests"), problems);

        check_resource_amounts(at, requests, problems);
        check_resource_amounts(member(path, STR("limits"), problems), limits, problems);
        check_not_above(at, requests, "the limit", limits, problems);
        check_same(at, requests, "the limit", limits, true, problems);
}

/* Hardly a container runtime can start anything in less. */
#define MEMORY_LEAST ((__int128)4 * 1024 * 1024)

static bool is_memory(struct str resource)
{
        return str_eq(resource, STR("memory")) || str_ends(resource, STR(".memory"));
}

static void warn_amount(struct str path, struct str amount, struct problems *w)
{
        struct quantity q;
        char unit = amount.len ? amount.data[amount.len - 1] : '\0';

        /* 0 is no mistake: for a limit it is none at all. */
        if (quantity_parse(amount, &q) < 0 || q.nanos <= 0)
                return;
        if (unit == 'm' || unit == 'u' || unit == 'n')
                problem_add(w, path, "%.*s is in fractions of a byte; write Mi for mebibytes, as in 64Mi",
                            STR_SHOWN(amount));
        else if (q.nanos < MEMORY_LEAST * 1000 * 1000 * 1000)
                problem_add(
                        w, path,
                        "%.*s is less than 4Mi, in which hardly a program starts; write it with its unit, "
                        "as in 64Mi",
                        STR_SHOWN(amount));
}

void warn_memory(struct str path, const struct schema_map *map, struct problems *warnings)
{
        for (size_t i = 0; i < map->n; i++)
                if (is_memory(map->items[i].key))
                        warn_amount(member(path, map->items[i].key, warnings), map->items[i].value, warnings);
}

void check_duration(struct str path, struct str text, usec_t least, usec_t most, const char *bounds,
                    struct problems *problems)
{
        usec_t t;

        if (!text.data)
                return;
        if (duration_parse(text, &t) == -EINVAL)
                problem_add(problems, path, "must be a duration such as 30s, 5m or 1h30m (is \"%.*s\")",
                            STR_SHOWN(text));
        else if (duration_parse(text, &t) < 0 || t < least || t > most)
                problem_add(problems, path, "\"%.*s\" must be a duration between %s", STR_SHOWN(text),
                            bounds);
}

void check_replicas(struct str path, int64_t least, int64_t most, struct problems *problems)
{
        if (least > most)
                problem_add(problems, path,
                            "%lld is more than maxReplicas, which is %lld; lower it, or raise maxReplicas",
                            (long long)least, (long long)most);
}
