/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with an Environment, whatever else there is. Its schema has let it
 * through. Where a rule of the CRD (CEL) says the same, it does so for those who have
 * no webhook, and this does for those who have no API server.
 */
#include "controller/environment/environment.h"
#include "controller/environment/rules.h"

/* --- the namespace as a whole ----------------------------------------------------------- */

static void check_quota(const struct environment_spec_quota *quota, struct problems *p)
{
        if (quota)
                check_quota_amounts(STR("spec.quota.hard"), &quota->hard, p);
}

static void check_limit_range(const struct environment_spec_limit_range *range, struct problems *p)
{
        static const struct str default_ = STR_INIT("spec.limitRange.default"),
                                request = STR_INIT("spec.limitRange.defaultRequest"),
                                max = STR_INIT("spec.limitRange.max");

        if (!range)
                return;
        check_resource_amounts(default_, &range->default_, p);
        check_resource_amounts(request, &range->default_request, p);
        check_resource_amounts(max, &range->max, p);
        check_not_above(request, &range->default_request, "default", &range->default_, p);
        check_not_above(default_, &range->default_, "max", &range->max, p);
        check_not_above(request, &range->default_request, "max", &range->max, p);
        check_same(request, &range->default_request, "the default", &range->default_, false, p);
}

/* --- a tier ------------------------------------------------------------------------------- */

static struct str field(const struct problems *p, size_t i, const char *name)
{
        return arena_printf(p->arena, "spec.overrides[%zu].%s", i, name);
}

static void check_size(const struct environment_spec_overrides *o, size_t i, struct problems *p)
{
        const struct environment_spec_overrides_autoscaling *scaling = o->autoscaling;

        if (!scaling)
                return;
        if (o->has_replicas)
                problem_add(p, field(p, i, "replicas"), "excludes autoscaling; leave one of them out");
        if (scaling->has_min_replicas && scaling->has_max_replicas)
                check_replicas(field(p, i, "autoscaling.minReplicas"), scaling->min_replicas,
                               scaling->max_replicas, p);
        check_duration(field(p, i, "autoscaling.scaleDownCooldown"), scaling->scale_down_cooldown, 0,
                       USEC_HOUR, "0s and 1h", p);
}

static void check_override(const struct environment_spec_overrides *o, size_t i, struct problems *p)
{
        const struct environment_spec_overrides_resources *r = o->resources;

        check_size(o, i, p);
        if (!r)
                return;
        check_resource_amounts(field(p, i, "resources.requests"), &r->requests, p);
        check_resource_amounts(field(p, i, "resources.limits"), &r->limits, p);
        check_not_above(field(p, i, "resources.requests"), &r->requests, "the limit", &r->limits, p);
        check_same(field(p, i, "resources.requests"), &r->requests, "the limit", &r->limits, true, p);
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
