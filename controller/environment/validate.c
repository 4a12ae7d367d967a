/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with an Environment, whatever else there is. Its schema has let it
 * through. Where a rule of the CRD (CEL) says the same, it does so for those who have
 * no webhook, and this does for those who have no API server.
 */
#include "controller/environment/environment.h"
#include "controller/environment/profile.h"
#include "kube/quantity.h"
#include "schema/pattern.h"

#define COOLDOWN_MAX USEC_HOUR

static void check_quantities(struct str path, const struct schema_map *map, struct problems *p)
{
        for (size_t i = 0; i < map->n; i++)
                profile_check_quantity(
                        arena_printf(p->arena, "%.*s.%.*s", STR_FMT(path), STR_FMT(map->items[i].key)),
                        map->items[i].value, p);
}

/* LESS at PATH must not be more than MORE, resource by resource. */
static void check_order(struct str path, const struct schema_map *less, const char *name,
                        const struct schema_map *more, struct problems *p)
{
        for (size_t i = 0; i < less->n; i++) {
                const struct schema_pair *one = &less->items[i];
                struct str bound = schema_map_get(more, one->key);

                if (quantity_exceeds(one->value, bound))
                        problem_add(p, arena_printf(p->arena, "%.*s.%.*s", STR_FMT(path), STR_FMT(one->key)),
                                    "%.*s is more than %s, which is %.*s; lower it, or raise %s",
                                    STR_FMT(one->value), name, STR_FMT(bound), name);
        }
}

/* --- the namespace as a whole ----------------------------------------------------------- */

/* One that a quota may name (Kubernetes docs, "Resource Quotas"). */
static bool is_quota_resource(struct str name)
{
        static const struct str known[] = {
                STR_INIT("cpu"),
                STR_INIT("memory"),
                STR_INIT("ephemeral-storage"),
                STR_INIT("requests.cpu"),
                STR_INIT("requests.memory"),
                STR_INIT("requests.storage"),
                STR_INIT("requests.ephemeral-storage"),
                STR_INIT("limits.cpu"),
                STR_INIT("limits.memory"),
                STR_INIT("limits.ephemeral-storage"),
                STR_INIT("pods"),
                STR_INIT("services"),
                STR_INIT("services.nodeports"),
                STR_INIT("services.loadbalancers"),
                STR_INIT("persistentvolumeclaims"),
                STR_INIT("configmaps"),
                STR_INIT("secrets"),
                STR_INIT("replicationcontrollers"),
                STR_INIT("resourcequotas"),
        };

        for (size_t i = 0; i < ARRAY_SIZE(known); i++)
                if (str_eq(name, known[i]))
                        return true;
        return schema_matches(STR("^(requests[.])?hugepages-[0-9A-Za-z]+$"), name) ||
               schema_matches(STR("^[a-z0-9][-a-z0-9.]*/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"), name);
}

static void check_quota(const struct environment_spec_quota *quota, struct problems *p)
{
        if (!quota)
                return;
        for (size_t i = 0; i < quota->hard.n; i++) {
                struct str name = quota->hard.items[i].key;

                if (!is_quota_resource(name))
                        problem_add(p, arena_printf(p->arena, "spec.quota.hard.%.*s", STR_FMT(name)),
                                    "is no resource that a quota knows; name one such as requests.cpu, "
                                    "limits.memory, requests.storage, pods, persistentvolumeclaims or "
                                    "count/deployments.apps");
        }
        check_quantities(STR("spec.quota.hard"), &quota->hard, p);
}

static void check_limit_range(const struct environment_spec_limit_range *range, struct problems *p)
{
        static const struct str default_ = STR_INIT("spec.limitRange.default"),
                                request = STR_INIT("spec.limitRange.defaultRequest"),
                                max = STR_INIT("spec.limitRange.max");

        if (!range)
                return;
        check_quantities(default_, &range->default_, p);
        check_quantities(request, &range->default_request, p);
        check_quantities(max, &range->max, p);
        check_order(request, &range->default_request, "default", &range->default_, p);
        check_order(default_, &range->default_, "max", &range->max, p);
        check_order(request, &range->default_request, "max", &range->max, p);
}

/* --- a tier ------------------------------------------------------------------------------- */

static struct str field(const struct problems *p, size_t i, const char *name)
{
        return arena_printf(p->arena, "spec.overrides[%zu].%s", i, name);
}

static void check_size(const struct environment_spec_overrides *o, size_t i, struct problems *p)
{
        const struct environment_spec_overrides_autoscaling *scaling = o->autoscaling;
        usec_t t;

        if (!scaling)
                return;
        if (o->has_replicas)
                problem_add(p, field(p, i, "replicas"), "excludes autoscaling; leave one of them out");
        if (scaling->has_min_replicas && scaling->has_max_replicas &&
            scaling->min_replicas > scaling->max_replicas)
                problem_add(p, field(p, i, "autoscaling.minReplicas"),
                            "%lld is more than maxReplicas, which is %lld; lower it, or raise maxReplicas",
                            (long long)scaling->min_replicas, (long long)scaling->max_replicas);
        if (scaling->scale_down_cooldown.data &&
            (duration_parse(scaling->scale_down_cooldown, &t) < 0 || t < 0 || t > COOLDOWN_MAX))
                problem_add(p, field(p, i, "autoscaling.scaleDownCooldown"),
                            "\"%.*s\" must be a duration between 0s and 1h",
                            STR_FMT(scaling->scale_down_cooldown));
}

static void check_override(const struct environment_spec_overrides *o, size_t i, struct problems *p)
{
        const struct environment_spec_overrides_resources *r = o->resources;

        check_size(o, i, p);
        if (!r)
                return;
        check_quantities(field(p, i, "resources.requests"), &r->requests, p);
        check_quantities(field(p, i, "resources.limits"), &r->limits, p);
        check_order(field(p, i, "resources.requests"), &r->requests, "the limit", &r->limits, p);
}

static void check_routing(const struct environment_spec_routing *routing, struct problems *p)
{
        if (routing && routing->gateway && routing->ingress_class_name.data)
                problem_add(p, STR("spec.routing.ingressClassName"),
                            "excludes gateway; leave one of them out");
}

void environment_validate(const struct environment_spec *spec, struct problems *p)
{
        check_quota(spec->quota, p);
        check_limit_range(spec->limit_range, p);
        for (size_t i = 0; i < spec->overrides.n; i++)
                check_override(&spec->overrides.items[i], i, p);
        check_routing(spec->routing, p);
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
