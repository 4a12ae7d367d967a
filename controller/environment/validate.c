/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with an Environment, whatever else there is. Its schema has let it
 * through. Where a rule of the CRD (CEL) says the same, it does so for those who have
 * no webhook, and this does for those who have no API server.
 */
#include <ctype.h>

#include "controller/environment/environment.h"
#include "controller/environment/rules.h"

/* --- the namespace as a whole ----------------------------------------------------------- */

static bool is_any_of(char c, const char *others, bool upper)
{
        return islower((unsigned char)c) || isdigit((unsigned char)c) ||
               (upper && isupper((unsigned char)c)) || (c && strchr(others, c));
}

static bool is_all_of(struct str s, const char *others, bool upper)
{
        for (size_t i = 0; i < s.len; i++)
                if (!is_any_of(s.data[i], others, upper))
                        return false;
        return s.len > 0;
}

/* hugepages-2Mi, requests.hugepages-2Mi */
static bool is_huge_page(struct str name)
{
        static const struct str requests = STR_INIT("requests."), pages = STR_INIT("hugepages-");

        if (str_starts(name, requests))
                name = str_n(name.data + requests.len, name.len - requests.len);
        return str_starts(name, pages) &&
               is_all_of(str_n(name.data + pages.len, name.len - pages.len), "", true);
}

/* count/deployments.apps, requests.example.com/gpu */
static bool is_extended(struct str name)
{
        struct str domain, rest;

        return str_cut(name, '/', &domain, &rest) && is_all_of(domain, "-.", false) &&
               is_any_of(domain.data[0], "", false) && is_all_of(rest, "-_.", true) &&
               is_any_of(rest.data[0], "", true) && is_any_of(rest.data[rest.len - 1], "", true);
}

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

        return str_is_one_of(name, known, ARRAY_SIZE(known)) || is_huge_page(name) || is_extended(name);
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
        check_not_above(request, &range->default_request, "default", &range->default_, p);
        check_not_above(default_, &range->default_, "max", &range->max, p);
        check_not_above(request, &range->default_request, "max", &range->max, p);
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
        check_quantities(field(p, i, "resources.requests"), &r->requests, p);
        check_quantities(field(p, i, "resources.limits"), &r->limits, p);
        check_not_above(field(p, i, "resources.requests"), &r->requests, "the limit", &r->limits, p);
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
