/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/app/figures.h"

#include <errno.h>

#include "controller/environment/environment.h"

/* NULL: the namespace has none, or one that cannot be read. */
static const struct environment_spec *environment_of(const struct view *view)
{
        const struct object *o = view_lookup(view, &environment_kind, ENVIRONMENT_NAME);

        return o ? ((const struct environment *)o->state)->spec : NULL;
}

static struct app_number number(int64_t built_in, int64_t here)
{
        return (struct app_number){ here, here == built_in ? APP_FROM_BUILT_IN : APP_FROM_ENVIRONMENT };
}

/* 0 is that there is no such target. */
static struct app_number target(int64_t built_in, int64_t here)
{
        return here ? number(built_in, here) : (struct app_number){ 0 };
}

static struct app_routing routing_of(const struct environment_spec *spec)
{
        const struct environment_spec_routing *from = spec ? spec->routing : NULL;
        struct app_routing to = { 0 };

        if (!from)
                return to;
        if (from->gateway) {
                to.gateway_name = from->gateway->name;
                to.gateway_namespace = from->gateway->namespace;
                to.gateway_section = from->gateway->section_name;
        }
        if (from->certificate_issuer) {
                to.issuer = from->certificate_issuer->name;
                to.cluster_issuer = str_eq(from->certificate_issuer->kind, STR("ClusterIssuer"));
        }
        to.ingress_class = from->ingress_class_name;
        to.controller_namespace = from->ingress_namespace;
        to.redirect = from->redirect_to_https;
        return to;
}

int app_figures_of(const struct view *view, const struct app_spec *spec, struct arena *a,
                   struct app_figures *ret)
{
        const struct environment_spec *environment = environment_of(view);
        enum profile_tier tier = profile_tier_of(spec->tier, spec->has_port);
        struct environment_spec bare = { 0 };
        struct app_figures f = { .routing = routing_of(environment) };

        if (environment) {
                bare = *environment;
                bare.overrides.n = 0;
        }
        if (profile_figures(environment ? &bare : NULL, tier, a, &f.built_in) < 0 ||
            profile_figures(environment, tier, a, &f.here) < 0)
                return -ENOMEM;
        f.profile = arena_printf(a, "%.*s/%.*s", STR_FMT(f.here.profile), STR_FMT(f.here.tier));
        f.scales = f.here.scales;
        f.replicas = number(f.built_in.scales ? -1 : f.built_in.replicas, f.here.replicas);
        f.min = number(f.built_in.min_replicas, f.here.min_replicas);
        f.max = number(f.built_in.max_replicas, f.here.max_replicas);
        f.cpu_target = target(f.built_in.target_cpu, f.here.target_cpu);
        f.memory_target = target(f.built_in.target_memory, f.here.target_memory);
        f.cooldown = (struct app_text){ f.here.cooldown, str_eq(f.here.cooldown, f.built_in.cooldown)
                                                                 ? APP_FROM_BUILT_IN
                                                                 : APP_FROM_ENVIRONMENT };
        *ret = f;
        return 0;
}
