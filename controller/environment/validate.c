/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with an Environment, whatever else there is. Its schema has let it
 * through. Where a rule of the CRD (CEL) says the same, it does so for those who have
 * no webhook, and this does for those who have no API server.
 */
#include "controller/environment/environment.h"
#include "controller/environment/rules.h"
#include "kube/quantity.h"

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
        if (r)
                check_container_resources(field(p, i, "resources"), &r->requests, &r->limits, p);
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

/* --- what can hardly work ----------------------------------------------------------------- */

/* Of each pod the limit is no less than the request, so the quota's request is never reached. */
static void warn_unreachable(const struct schema_map *hard, struct str request, struct str limit,
                             struct problems *w)
{
        struct str a = schema_map_get(hard, request), b = schema_map_get(hard, limit);

        if (quantity_exceeds(a, b))
                problem_add(
                        w, arena_printf(w->arena, "spec.quota.hard.%.*s", STR_FMT(request)),
                        "%.*s is more than %.*s, which is %.*s, so the pods never get there; lower it, or "
                        "raise %.*s",
                        STR_SHOWN(a), STR_FMT(limit), STR_SHOWN(b), STR_FMT(limit));
}

static void warn_quota(const struct environment_spec_quota *quota, struct problems *w)
{
        static const struct str pods[] = { STR_INIT("pods"), STR_INIT("count/pods") };
        struct quantity q;

        if (!quota)
                return;
        warn_memory(STR("spec.quota.hard"), &quota->hard, w);
        warn_unreachable(&quota->hard, STR("requests.cpu"), STR("limits.cpu"), w);
        warn_unreachable(&quota->hard, STR("cpu"), STR("limits.cpu"), w);
        warn_unreachable(&quota->hard, STR("requests.memory"), STR("limits.memory"), w);
        warn_unreachable(&quota->hard, STR("memory"), STR("limits.memory"), w);
        for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
                struct str most = schema_map_get(&quota->hard, pods[i]);

                if (most.data && quantity_parse(most, &q) == 0 && q.nanos == 0)
                        problem_add(w, arena_printf(w->arena, "spec.quota.hard.%.*s", STR_FMT(pods[i])),
                                    "lets no pod start in the namespace; raise it, or leave it out");
        }
}

void environment_warn(const struct environment_spec *spec, struct problems *warnings)
{
        warn_quota(spec->quota, warnings);
        if (spec->limit_range) {
                warn_memory(STR("spec.limitRange.default"), &spec->limit_range->default_, warnings);
                warn_memory(STR("spec.limitRange.defaultRequest"), &spec->limit_range->default_request,
                            warnings);
                warn_memory(STR("spec.limitRange.max"), &spec->limit_range->max, warnings);
        }
        for (size_t i = 0; i < spec->overrides.n; i++) {
                const struct environment_spec_overrides_resources *r = spec->overrides.items[i].resources;

                if (!r)
                        continue;
                warn_memory(field(warnings, i, "resources.requests"), &r->requests, warnings);
                warn_memory(field(warnings, i, "resources.limits"), &r->limits, warnings);
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
                     struct problems *warnings)
{
        const struct environment *env = object;

        environment_validate(env->spec, problems);
        environment_warn(env->spec, warnings);
}

const struct admission_kind environment_admission = {
        .kind = &environment_kind,
        .validate = validate,
        .validate_name = validate_name,
};
