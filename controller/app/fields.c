/* SPDX-License-Identifier: Apache-2.0
 *
 * What the status says of the settings. Only constants and what the settings
 * hold go in: the status is kept in memory for each App.
 */
#include <assert.h>

#include "controller/app/app.h"

/* --- what is not enforced ------------------------------------------------------- */

struct gaps {
        struct app_status_routing_not_enforced items[3 + APP_HOSTS_MAX];
        size_t n;
};

static_assert(APP_HOSTS_MAX + 3 <= 64, "as crds/app.yaml has it: status.routing.notEnforced.maxItems");

static void add_gap(struct gaps *gaps, struct str setting, struct str reason)
{
        gaps->items[gaps->n++] = (struct app_status_routing_not_enforced){ setting, reason };
}

static struct gaps gaps_of_httproute(const struct app_routing *routing)
{
        struct gaps gaps = { 0 };

        if (routing->issuer.data) {
                add_gap(&gaps, STR("tls"),
                        STR("an HTTPRoute has no certificates: the Gateway's listener needs one for these hosts"));
                if (routing->redirect)
                        add_gap(&gaps, STR("redirectToHTTPS"),
                                STR("left to the Gateway: attach a redirect to its HTTP listener"));
        }
        return gaps;
}

static struct gaps gaps_of_ingress(const struct app_routing *routing)
{
        struct gaps gaps = { 0 };

        if (routing->gateway_name.data)
                add_gap(&gaps, STR("gateway"),
                        STR("the cluster has no HTTPRoutes: install the Gateway API, version 1"));
        if (!routing->issuer.data)
                add_gap(&gaps, STR("tls"), STR("the Environment names no certificateIssuer"));
        else if (routing->redirect)
                add_gap(&gaps, STR("redirectToHTTPS"),
                        STR("an Ingress cannot say it: the ingress controller decides"));
        return gaps;
}

/* What the spec says and others have. */
static void add_contested(struct gaps *gaps, const struct app_settings *settings, struct arena *a)
{
        for (size_t i = 0; i < settings->n_contested && i < APP_HOSTS_MAX; i++)
                add_gap(gaps, arena_printf(a, "hosts[%zu]", settings->contested[i].index),
                        settings->contested[i].why);
}

static void put_routing(const struct view *view, const struct app_settings *settings, struct arena *a,
                        struct app_status *status)
{
        static const struct str enforced[] = { STR_INIT("hosts"), STR_INIT("tls") };
        bool by_route = app_uses_httproute(view, settings);
        struct app_status_routing *routing = arena_new(a, struct app_status_routing);
        struct gaps *gaps = arena_new(a, struct gaps);

        if (!routing || !gaps)
                return;
        *gaps = (struct gaps){ 0 };
        routing->kind = STR("None");
        if (settings->spec.hosts.n > 0) {
                *gaps = by_route ? gaps_of_httproute(&settings->routing)
                                 : gaps_of_ingress(&settings->routing);
                routing->kind = by_route ? STR("HTTPRoute") : STR("Ingress");
                routing->enforced.items = (struct str *)(uintptr_t)enforced;
                routing->enforced.n = settings->routing.issuer.data && !by_route ? 2 : 1;
        }
        add_contested(gaps, settings, a);
        routing->not_enforced.items = gaps->items;
        routing->not_enforced.n = gaps->n;
        status->routing = routing;
}

/* Names are what a NetworkPolicy does not know. */
static void put_access(const struct app_settings *settings, struct arena *a, struct app_status *status)
{
        const struct app_spec_access *access = settings->spec.access;
        struct app_status_access_not_enforced *gaps;
        size_t n = 0;

        for (size_t i = 0; access && i < access->to.n; i++)
                n += access->to.items[i].host.data != NULL;
        if (n == 0)
                return;
        gaps = arena_new_n(a, struct app_status_access_not_enforced, n);
        status->access = arena_new(a, struct app_status_access);
        if (!gaps || !status->access)
                return;
        status->access->not_enforced.items = gaps;
        status->access->not_enforced.n = n;
        for (size_t i = 0; i < access->to.n; i++)
                if (access->to.items[i].host.data)
                        *gaps++ = (struct app_status_access_not_enforced){
                                arena_printf(a, "access.to[%zu].host", i),
                                STR("allowed by address range only: all public addresses, at this port")
                        };
}

/* --- the address ----------------------------------------------------------------- */

static struct str url_of(const struct view *view, const struct app_settings *settings, struct arena *a)
{
        const struct app_spec *spec = &settings->spec;
        char digits[STR_INT_MAX];

        if (!spec->has_port)
                return STR_NULL;
        if (settings->routing.issuer.data)
                for (size_t i = 0; i < spec->hosts.n; i++)
                        if (!str_starts(spec->hosts.items[i], STR("*")))
                                return arena_printf(a, "https://%.*s", STR_FMT(spec->hosts.items[i]));
        return arena_join(a, STR("http://"), view->self->name, STR("."), view->self->namespace, STR(".svc:"),
                          str_int(spec->port, digits));
}

void app_put_figures(const struct view *view, const struct app_settings *settings, struct arena *a,
                     struct app_status *status)
{
        status->profile = settings->profile;
        status->effective.items = (struct app_status_effective *)(uintptr_t)settings->effective;
        status->effective.n = settings->n_effective;
        status->desired_replicas = app_replicas(view, settings);
        status->has_desired_replicas = true;
        status->url = url_of(view, settings, a);
        if (settings->spec.hosts.n + settings->n_contested > 0)
                put_routing(view, settings, a, status);
        put_access(settings, a, status);
}
