/* SPDX-License-Identifier: Apache-2.0
 *
 * How the hosts are served, as far as the cluster tells. A setting that nothing carries
 * out is named, and why; what cannot be known (is the controller of that class alive?) is
 * believed.
 *
 *      Ingress ----> its class is there? ----.
 *      HTTPRoute --> its Gateway took it? ---+--> hosts --> url http://HOST
 *      Ingress ----> certificate is there? --+--> tls ----> url https://HOST
 */
#include <assert.h>

#include "controller/app/app.h"

/* A certificate stays where it is for months; one that is missing may come any moment. */
#define CERTIFICATE_READ_AGE (30 * USEC_MINUTE)

#define GAPS_MAX (4 + APP_HOSTS_MAX) /* hosts, gateway, tls, redirectToHTTPS, hosts[N] */

static_assert(GAPS_MAX <= 64, "as crds/app.yaml has it: status.routing.notEnforced.maxItems");

struct routing {
        const struct view *view;
        const struct app_settings *settings;
        struct plan *plan;
        struct arena *a;
        bool by_route;
        struct str unserved;  /* why nobody serves the hosts; absent: somebody does */
        struct str untrusted; /* why they have no certificate; absent: they have */
        struct app_status_routing_not_enforced *gaps;
        size_t n_gaps;
};

struct str app_certificate_name(struct str name, struct arena *a)
{
        return arena_join(a, name, STR("-tls"));
}

/* --- what there is -------------------------------------------------------------------- */

/* Of the Ingress, which may have got the default class as it was made. */
static struct str class_of(const struct routing *r)
{
        const struct object *ingress = view_child(r->view, &app_ingress_kind, r->view->self->name);
        struct str class = r->settings->routing.ingress_class;

        return class.data || !ingress ? class : ((const struct route_state *)ingress->state)->class;
}

static struct str no_class(const struct routing *r)
{
        struct str class = class_of(r);

        if (!view_served(r->view, &app_ingressclass_kind))
                return STR_NULL; /* nobody knows */
        if (!class.data)
                return STR(
                        "the Environment names no ingressClassName and the cluster had no default IngressClass "
                        "when the Ingress was made, so most ingress controllers pass it over: name one");
        if (view_lookup(r->view, &app_ingressclass_kind, class))
                return STR_NULL;
        return arena_printf(
                r->a,
                "the cluster has no IngressClass %.*s, so no ingress controller serves them: install "
                "one, or name another in the Environment's spec.routing.ingressClassName",
                STR_FMT(class));
}

static struct str not_accepted(const struct routing *r)
{
        const struct object *route = view_child(r->view, &app_httproute_kind, r->view->self->name);
        const struct route_state *state = route ? route->state : NULL;

        if (state && state->accepted)
                return STR_NULL;
        if (state && state->refusal.data)
                return arena_printf(r->a, "the Gateway %.*s does not accept the HTTPRoute: %.*s",
                                    STR_FMT(r->settings->routing.gateway_name), STR_FMT(state->refusal));
        return arena_printf(r->a,
                            "no Gateway %.*s has accepted the HTTPRoute: is it there, and its controller?",
                            STR_FMT(r->settings->routing.gateway_name));
}

/* False: it is not known yet. */
static bool find_certificate(struct routing *r)
{
        struct str name = app_certificate_name(r->view->self->name, r->a);
        const struct object *secret = view_lookup(r->view, &app_certificate_kind, name);
        bool issued = secret && ((const struct certificate_state *)secret->state)->issued;

        switch (view_read(r->view, r->plan, &app_certificate_kind, name,
                          issued ? CERTIFICATE_READ_AGE : VIEW_READ_AGE, &secret)) {
        case READING_UNKNOWN:
                return false;
        case READING_ABSENT:
                r->untrusted =
                        arena_printf(r->a,
                                     "the Secret %.*s is not there: cert-manager makes it, where it is "
                                     "installed and has that issuer; see its Certificate %.*s",
                                     STR_FMT(name), STR_FMT(name));
                break;
        case READING_PRESENT:
                if (!issued)
                        r->untrusted = arena_printf(r->a,
                                                    "the Secret %.*s has no tls.crt and tls.key: see "
                                                    "cert-manager's Certificate %.*s",
                                                    STR_FMT(name), STR_FMT(name));
                break;
        }
        return true;
}

/* False: it is not known yet. */
static bool look(struct routing *r)
{
        r->by_route = app_uses_httproute(r->view, r->settings);
        r->unserved = r->by_route ? not_accepted(r) : no_class(r);
        if (r->by_route)
                r->untrusted = STR(
                        "an HTTPRoute has no certificates: the Gateway's listener needs one for these hosts");
        else if (!r->settings->routing.issuer.data)
                r->untrusted = STR("the Environment names no certificateIssuer");
        else
                return find_certificate(r);
        return true;
}

/* --- what is told of it ------------------------------------------------------------------ */

static void add_gap(struct routing *r, struct str setting, struct str reason)
{
        if (r->n_gaps < GAPS_MAX)
                r->gaps[r->n_gaps++] = (struct app_status_routing_not_enforced){ setting, reason };
}

static void add_gaps(struct routing *r)
{
        const struct app_routing *routing = &r->settings->routing;
        bool wants_tls = routing->issuer.data;

        if (r->unserved.data)
                add_gap(r, STR("hosts"), r->unserved);
        if (!r->by_route && routing->gateway_name.data)
                add_gap(r, STR("gateway"),
                        STR("the cluster has no HTTPRoutes: install the Gateway API, version 1"));
        if (r->untrusted.data && (wants_tls || !r->by_route))
                add_gap(r, STR("tls"), r->untrusted);
        if (wants_tls && routing->redirect)
                add_gap(r, STR("redirectToHTTPS"),
                        r->by_route ? STR("left to the Gateway: attach a redirect to its HTTP listener")
                                    : STR("an Ingress cannot say it: the ingress controller decides"));
}

/* What the spec says and others have. */
static void add_contested(struct routing *r)
{
        for (size_t i = 0; i < r->settings->n_contested; i++)
                add_gap(r, arena_printf(r->a, "hosts[%zu]", r->settings->contested[i].index),
                        r->settings->contested[i].why);
}

static void put_routing(struct routing *r, struct app_status *status)
{
        static const struct str enforced[] = { STR_INIT("hosts"), STR_INIT("tls") };
        struct app_status_routing *routing = arena_new(r->a, struct app_status_routing);

        r->gaps = arena_new_n(r->a, struct app_status_routing_not_enforced, GAPS_MAX);
        if (!routing || !r->gaps)
                return;
        routing->kind = STR("None");
        if (r->settings->spec.hosts.n) {
                add_gaps(r);
                routing->kind = r->by_route ? STR("HTTPRoute") : STR("Ingress");
                routing->enforced.items = (struct str *)(uintptr_t)enforced;
                routing->enforced.n = r->unserved.data ? 0 : r->untrusted.data ? 1 : 2;
        }
        add_contested(r);
        routing->not_enforced.items = r->gaps;
        routing->not_enforced.n = r->n_gaps;
        status->routing = routing;
}

/* At the first host that is one, or inside the cluster. */
static struct str url_of(const struct routing *r)
{
        const struct app_spec *spec = &r->settings->spec;
        const struct object *self = r->view->self;
        char digits[STR_INT_MAX];

        if (!spec->has_port)
                return STR_NULL;
        for (size_t i = 0; i < spec->hosts.n && !r->unserved.data; i++)
                if (!str_starts(spec->hosts.items[i], STR("*")))
                        return arena_join(r->a, r->untrusted.data ? STR("http://") : STR("https://"),
                                          spec->hosts.items[i]);
        return arena_join(r->a, STR("http://"), self->name, STR("."), self->namespace, STR(".svc:"),
                          str_int(spec->port, digits));
}

void app_put_routing(const struct view *view, const struct app_settings *settings, struct plan *plan,
                     struct app_status *status)
{
        const struct app_status *before = ((const struct app *)view->self->state)->status;
        struct routing r = { .view = view, .settings = settings, .plan = plan, .a = plan->arena };

        if (settings->spec.hosts.n && !look(&r)) {
                status->url = before ? before->url : STR_NULL;
                status->routing = before ? before->routing : NULL;
                return;
        }
        status->url = url_of(&r);
        if (settings->spec.hosts.n + settings->n_contested > 0)
                put_routing(&r, status);
}
