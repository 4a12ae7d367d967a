/* SPDX-License-Identifier: Apache-2.0
 *
 * Does the quota hold what the profile gives to a single App? If not, the first
 * App of the namespace would already miss pods, and nothing would say why.
 */
#include "controller/environment/environment.h"
#include "controller/environment/profile.h"
#include "kube/quantity.h"

/* What one pod takes of the resource that a quota calls NAME, or the absent
 * string: the profile says nothing about that. */
static struct str taken_by_pod(const struct profile_figures *f, struct str name)
{
        static const struct str requests = STR_INIT("requests."), limits = STR_INIT("limits.");

        if (str_eq(name, STR("pods")))
                return STR("1");
        if (str_starts(name, requests))
                name = str_n(name.data + requests.len, name.len - requests.len);
        else if (str_starts(name, limits))
                return schema_map_get(&f->limits, str_n(name.data + limits.len, name.len - limits.len));
        return schema_map_get(&f->requests, name); /* "cpu" is requests.cpu */
}

/* The text of PER_POD for that many pods, if it is more than HARD; else absent. */
static struct str missing(struct str per_pod, int64_t pods, struct str hard, struct arena *a)
{
        struct quantity needed, all;
        char text[QUANTITY_TEXT_MAX];
        __int128 sum;

        if (quantity_parse(per_pod, &needed) < 0 || quantity_parse(hard, &all) < 0)
                return STR_NULL;
        /* Past all bounds: one pod alone is too much. */
        if (!__builtin_mul_overflow(needed.nanos, pods, &sum))
                needed.nanos = sum;
        if (needed.nanos <= all.nanos)
                return STR_NULL;
        return arena_str(a, str_n(text, quantity_format(&needed, text)));
}

static int64_t pods_of(const struct profile_figures *f)
{
        return f->scales ? f->min_replicas : f->replicas;
}

static struct str add_tier(struct str text, const struct schema_map *hard, const struct profile_figures *f,
                           struct arena *a)
{
        int64_t pods = pods_of(f);
        int64_t most = pods ? pods + 1 : 0; /* a rollout starts the new pod before it stops the old one */
        bool first = true;

        for (size_t i = 0; i < hard->n; i++) {
                const struct schema_pair *q = &hard->items[i];
                struct str needed = missing(taken_by_pod(f, q->key), most, q->value, a);

                if (!needed.data)
                        continue;
                text = arena_printf(a, "%.*s%s%.*s %.*s (it is %.*s)", STR_FMT(text),
                                    first ? (str_empty(text) ? "" : "; ") : ", ", STR_FMT(q->key),
                                    STR_FMT(needed), STR_FMT(q->value));
                first = false;
        }
        return first ? text
                     : arena_printf(a, "%.*s for %lld pod%s of a %.*s App and one more in a rollout",
                                    STR_FMT(text), (long long)pods, pods == 1 ? "" : "s", STR_FMT(f->tier));
}

struct str environment_too_small(const struct environment_spec *spec, struct arena *a)
{
        static const enum profile_tier tiers[] = { PROFILE_BACKEND, PROFILE_FRONTEND, PROFILE_WORKER };
        struct str text = STR_NULL;

        for (size_t i = 0; spec->quota && i < ARRAY_SIZE(tiers); i++) {
                struct profile_figures figures;

                if (profile_figures(spec, tiers[i], a, &figures) < 0)
                        return STR_NULL;
                text = add_tier(text, &spec->quota->hard, &figures, a);
        }
        if (!text.data)
                return STR_NULL;
        return arena_printf(a, "spec.quota.hard needs %.*s; raise it, or lower the figures in spec.overrides",
                            STR_FMT(text));
}
