/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTPRoutes and Ingresses as the cache keeps them: by the hosts that they have. They
 * claim them, so that a host is in no second route before it is out of the first. And
 * what else tells whether hosts are served: classes of Ingresses, Secrets of certificates.
 */
#include <errno.h>

#include "controller/app/app.h"
#include "json/read.h"

#define OURS STR_INIT("app.kubernetes.io/managed-by=keelson")

static size_t claims_of_route(const void *object, struct str list[CACHE_CLAIMS_MAX])
{
        const struct route_state *state = object;
        size_t n = MIN(state->hosts.n, (size_t)CACHE_CLAIMS_MAX);

        for (size_t i = 0; i < n; i++)
                list[i] = state->hosts.items[i];
        return n;
}

/* ROOM for so many. */
static int begin_hosts(struct route_state *state, size_t room, struct arena *a)
{
        state->hosts.items = room ? arena_new_n(a, struct str, room) : NULL;
        return room && !state->hosts.items ? -ENOMEM : 0;
}

static void add_host(struct route_state *state, struct str host)
{
        if (host.len)
                state->hosts.items[state->hosts.n++] = host;
}

/* By any of its parents, of which ours has one: what the Gateway says of it. */
static void note_acceptance(yyjson_val *json, struct route_state *state)
{
        yyjson_val *parents = json_get_path(json, "/status/parents"), *parent, *one;
        size_t i, j, n, m;

        yyjson_arr_foreach (parents, i, n, parent) {
                yyjson_arr_foreach (yyjson_obj_get(parent, "conditions"), j, m, one) {
                        if (!str_eq_c(json_get_str(one, "type"), "Accepted"))
                                continue;
                        state->accepted |= str_eq_c(json_get_str(one, "status"), "True");
                        state->refusal = json_get_str(one, "reason");
                }
        }
        if (state->accepted)
                state->refusal = STR_NULL;
}

static int derive_httproute(yyjson_val *json, struct arena *a, void *ret)
{
        yyjson_val *list = json_get_path(json, "/spec/hostnames"), *one;
        struct route_state *state = ret;
        size_t i, n;
        int r = begin_hosts(state, yyjson_arr_size(list), a);

        if (r < 0)
                return r;
        yyjson_arr_foreach (list, i, n, one)
                add_host(state, json_val_str(one));
        note_acceptance(json, state);
        return 0;
}

static int derive_ingress(yyjson_val *json, struct arena *a, void *ret)
{
        yyjson_val *list = json_get_path(json, "/spec/rules"), *one;
        struct route_state *state = ret;
        size_t i, n;
        int r = begin_hosts(state, yyjson_arr_size(list), a);

        if (r < 0)
                return r;
        yyjson_arr_foreach (list, i, n, one)
                add_host(state, json_get_str(one, "host"));
        state->class = json_get_str(yyjson_obj_get(json, "spec"), "ingressClassName");
        return 0;
}

const struct cache_kind app_httproute_kind = {
        .api = { .group = STR_INIT("gateway.networking.k8s.io"),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("httproutes"),
                 .kind = STR_INIT("HTTPRoute"),
                 .namespaced = true },
        .schema = &route_state_schema,
        .derive = derive_httproute,
        .claims = claims_of_route,
        .label_selector = OURS,
        .optional = true,
};

const struct cache_kind app_ingress_kind = {
        .api = { .group = STR_INIT("networking.k8s.io"),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("ingresses"),
                 .kind = STR_INIT("Ingress"),
                 .namespaced = true },
        .schema = &route_state_schema,
        .derive = derive_ingress,
        .claims = claims_of_route,
        .label_selector = OURS,
};

/* That there is one of that name, and nothing else. */
const struct cache_kind app_ingressclass_kind = {
        .api = { .group = STR_INIT("networking.k8s.io"),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("ingressclasses"),
                 .kind = STR_INIT("IngressClass") },
        .schema = &plain_state_schema,
};

static int derive_certificate(yyjson_val *json, struct arena *a _unused_, void *ret)
{
        yyjson_val *data = yyjson_obj_get(json, "data");
        struct certificate_state *state = ret;

        state->issued = json_get_str(data, "tls.crt").len && json_get_str(data, "tls.key").len;
        state->has_issued = true;
        return 0;
}

const struct cache_kind app_certificate_kind = {
        .api = { .group = STR_INIT(""),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("secrets"),
                 .kind = STR_INIT("Secret"),
                 .namespaced = true },
        .schema = &certificate_state_schema,
        .derive = derive_certificate,
        .on_demand = true,
};
