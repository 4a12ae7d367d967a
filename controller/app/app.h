/* SPDX-License-Identifier: Apache-2.0
 *
 * The App controller: an App becomes a Deployment and all that belongs to
 * running it. What happens when an App changes is told by reconcile.c, from
 * top to bottom.
 *
 *      App ----------.--> app_validate --> problems
 *      Environment --+--> app_settle ----> settings --> app_plan_children
 *      built-in -----'                |             `-> app_report
 *      other Apps' hosts --> app_settle_hosts
 */
#pragma once

#include <netinet/in.h>

#include "admission/judge.h"
#include "app_observed.gen.h"
#include "app_types.gen.h"
#include "controller/app/kind.h"
#include "controller/common/kinds.h"
#include "manager/controller.h"
#include "schema/problem.h"

/* The object as the cache keeps it: its two halves, as crds/app.yaml says. */
struct app {
        struct app_spec *spec;
        struct app_status *status;
};

extern const struct cache_kind app_certificate_kind;
extern const struct cache_kind app_deployment_kind;
extern const struct cache_kind app_horizontalpodautoscaler_kind;
extern const struct cache_kind app_httproute_kind;
extern const struct cache_kind app_ingress_kind;
extern const struct cache_kind app_redis_kind; /* whether one is there, and whom it lets in */
extern const struct cache_kind app_ingressclass_kind;

extern const struct controller app_controller;

/* What an App should become. Pure: reads the view, fills the plan. */
int app_reconcile(const struct view *view, struct plan *plan) _must_check_;

/* --- what is wrong with it (validate.c) ------------------------------------------ */

/* Adds to PROBLEMS what cannot work although the schema lets it through, as far as
 * the App alone tells. */
void app_validate(const struct app_spec *spec, struct problems *problems);

/* A target at PATH is of no use: pods request nothing of RESOURCE. */
void app_tell_no_request(struct str path, struct str resource, struct problems *problems);

/* Of AF_INET, its first 4 bytes, or AF_INET6; without leading zeros. Is TEXT an address? */
bool app_read_address(struct str text, int family, struct in6_addr *ret) _must_check_;

/* Adds to WARNINGS what works and is unwise, or can hardly work (warn.c). */
void app_warn(const struct app_spec *spec, struct problems *warnings);

extern const struct admission_kind app_admission;

/* --- connections (connect.c) ----------------------------------------------------- */

#define APP_REDIS_MAX 8 /* of access.to, in one App */

struct app_settings;

/* A Redis that the App connects to, and where access.to names it first. */
struct app_redis_use {
        struct str name;
        size_t place;
};

/* Each once, in the order of access.to: how many. */
size_t app_redis_of(const struct app_spec *spec, struct app_redis_use list[APP_REDIS_MAX]);

/* Puts what pods need for it into the settings' envFrom and configFiles. 0 or -ENOMEM. */
int app_connect(const struct view *view, struct arena *a, struct app_settings *settings) _must_check_;

/* --- settings (settle.c) ------------------------------------------------------- */

/* How hosts are to be served, as the Environment says. Absent: it does not. */
struct app_routing {
        struct str gateway_name, gateway_namespace, gateway_section;
        struct str ingress_class;
        struct str issuer;               /* of cert-manager */
        bool cluster_issuer;             /* a ClusterIssuer, else an Issuer */
        bool redirect;                   /* from HTTP to HTTPS */
        struct str controller_namespace; /* where the pods of the ingress controller or Gateway run */
};

/* Why a host that the spec names is not served (hosts.c). */
enum app_host_state {
        HOST_OF_ANOTHER,     /* an older App claims it */
        HOST_IN_STRAY_ROUTE, /* a route that no App controls has it: a person must delete that */
        HOST_IN_ROUTE,       /* another App's route has it and will give it up */
};

#define APP_HOSTS_MAX 16 /* spec.hosts.maxItems in crds/app.yaml */

struct app_contested {
        struct str host;
        size_t index; /* in spec.hosts */
        enum app_host_state state;
        const struct object *by; /* that App, or that route */
        struct str why;          /* and what to do */
};

#define APP_EFFECTIVE_MAX 96 /* more than all resources of App, Environment and profile together */

/* The App with everything filled in: built-in < Environment < App. It lives in
 * the arena of the reconcile and borrows from the view. */
struct app_settings {
        /* Of replicas and autoscaling exactly one is there, and autoscaling has
         * its bounds, its cooldown and at least one target. */
        struct app_spec spec;
        struct str profile; /* "production/backend" */
        /* Of spec.envFrom the first, and of spec.configFiles those from n_own_files on, are what
         * app_connect has put there. */
        size_t n_connected, n_own_files;
        struct problem missing; /* a Redis that is not there; without a path: all are */
        struct app_routing routing;
        /* Those of the spec's hosts that others have. After app_settle_hosts spec.hosts
         * has the rest, which is what is served. */
        struct app_contested *contested;
        size_t n_contested;
        /* The figures and where they come from, for the status. */
        struct app_status_effective effective[APP_EFFECTIVE_MAX];
        size_t n_effective;
};

/* 0; -EINVAL with *problems, which no retry mends; -ENOMEM. */
int app_settle(const struct view *view, struct arena *a, struct app_settings *ret, struct problems *problems)
        _must_check_;

/* Takes out of the settings' hosts those that others have. 0 or -ENOMEM. */
int app_settle_hosts(const struct view *view, struct arena *a, struct app_settings *settings) _must_check_;

/* The one to be told of first, or NULL: all hosts are served. */
const struct app_contested *app_worst_contested(const struct app_settings *settings);

/* The hosts of an App: cache_kind.claims. */
size_t app_claims(const void *state, struct str list[CACHE_CLAIMS_MAX]);

/* A duration of the spec in whole seconds, rounded up; one that cannot be read is 0. */
int64_t app_seconds(struct str duration);

/* --- children (children.c) ----------------------------------------------------- */

/* A Secret or ConfigMap that pods use, and the name it has for them. */
struct app_config_ref {
        bool secret;
        struct str name; /* as the spec says */
        struct str copy; /* as the pods say; absent: they use the original */
        struct str hash; /* of its content */
};

/* What the pods are made of. It may be of an older revision than all else:
 * only image, port, env, envFrom, configFiles, configReload, resources,
 * healthCheck and drain are read of the spec. */
struct app_pods {
        const struct app_spec *spec;
        struct str annotations;               /* of the pods: a JSON object, or absent */
        const struct app_config_ref *configs; /* a reference that is not in here keeps its name */
        size_t n_configs;
        struct str helper_image; /* of the sidecar that signals the program; absent: not known */
        struct str helper;       /* rendered (app_pod_spec); absent: there is none */
        struct str pod_spec;     /* rendered (app_pod_spec), as JSON */
        struct str revision;     /* what the revision is called */
};

/* Renders the children and puts them into the plan; deletes those that are no
 * longer wanted. PODS is NULL if nothing can be said about them now: then the
 * Deployment stays as it is. */
int app_plan_children(const struct view *view, const struct app_settings *settings,
                      const struct app_pods *pods, struct plan *plan) _must_check_;

/* How many pods the Deployment is to have now: the spec's number, or what the
 * autoscaler has made of it. */
int64_t app_replicas(const struct view *view, const struct app_settings *settings);

/* Are hosts served by an HTTPRoute? Else by an Ingress. */
bool app_uses_httproute(const struct view *view, const struct app_settings *settings);

/* --- status (status.h; fields.c, routing.c) ------------------------------------ */

/* What the status says of the settings (fields.c): profile, effective,
 * desiredReplicas, url, routing and access. */
void app_put_figures(const struct view *view, const struct app_settings *settings, struct plan *plan,
                     struct app_status *status);

/* How the hosts are served, and what of it nothing carries out (routing.c): url and
 * routing. Reads the certificate's Secret. */
void app_put_routing(const struct view *view, const struct app_settings *settings, struct plan *plan,
                     struct app_status *status);

/* The Secret that the certificate of the App called NAME is in. */
struct str app_certificate_name(struct str name, struct arena *a);
