/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "controller/app/status.h"
#include "controller/environment/environment.h"

static const struct schema_field app_fields[] = {
        { .name = STR_INIT("spec"),
          .type = SCHEMA_OBJECT,
          .offset = offsetof(struct app, spec),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true,
          .object = &app_spec_schema },
        { .name = STR_INIT("status"),
          .type = SCHEMA_OBJECT,
          .offset = offsetof(struct app, status),
          .has_offset = SCHEMA_NO_OFFSET,
          .object = &app_status_schema },
};

static const struct schema app_schema = {
        .name = "App",
        .size = sizeof(struct app),
        .fields = app_fields,
        .n_fields = ARRAY_SIZE(app_fields),
};

const struct cache_kind app_kind = {
        .api = { .group = STR_INIT("keelson.dev"),
                 .version = STR_INIT("v1alpha1"),
                 .plural = STR_INIT("apps"),
                 .kind = STR_INIT("App"),
                 .namespaced = true },
        .schema = &app_schema,
        .tallied = true, /* for the Environment */
        .claims = app_claims,
};

/* The message of a condition that is as it should be names the ReplicaSet: no two
 * Deployments would have equal conditions, which are half a kilobyte, and nobody
 * reads it. */
static int derive_deployment(yyjson_val *json, struct arena *a, void *ret)
{
        struct deployment_state *state = ret, *whole;
        struct deployment_state_status *status;
        struct error err = ERROR_INIT;
        void *object;
        int r = schema_decode(&deployment_state_schema, json, STR(""), SCHEMA_BORROW, a, &object, &err);

        if (r < 0)
                return r == -ENOMEM ? r : 0;
        whole = object;
        *state = *whole;
        status = state->status;
        for (size_t i = 0; status && i < status->conditions.n; i++)
                if (str_eq(status->conditions.items[i].status, STR("True")) &&
                    !str_eq(status->conditions.items[i].type, STR("ReplicaFailure")))
                        status->conditions.items[i].message = STR_NULL;
        return 0;
}

const struct cache_kind app_deployment_kind = {
        .api = { .group = STR_INIT("apps"),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("deployments"),
                 .kind = STR_INIT("Deployment"),
                 .namespaced = true },
        .schema = &deployment_state_schema,
        .derive = derive_deployment,
        .label_selector = COMMON_OURS,
        .shared = STR_INIT("spec.replicas"),
};

const struct cache_kind app_horizontalpodautoscaler_kind = {
        .api = { .group = STR_INIT("autoscaling"),
                 .version = STR_INIT("v2"),
                 .plural = STR_INIT("horizontalpodautoscalers"),
                 .kind = STR_INIT("HorizontalPodAutoscaler"),
                 .namespaced = true },
        .schema = &plain_state_schema,
        .label_selector = COMMON_OURS,
};

/* Apps wait for none, and are told where one that they name is not there. */
const struct cache_kind app_redis_kind = {
        .api = { .group = STR_INIT("keelson.dev"),
                 .version = STR_INIT("v1alpha1"),
                 .plural = STR_INIT("redis"),
                 .kind = STR_INIT("Redis"),
                 .namespaced = true },
        .schema = &redis_state_schema,
        .optional = true,
        .steady = true,
};

static const struct cache_kind *const children[] = {
        &common_serviceaccount_kind, &common_networkpolicy_kind,
        &app_deployment_kind,        &common_poddisruptionbudget_kind,
        &common_service_kind,        &app_horizontalpodautoscaler_kind,
        &app_httproute_kind,         &app_ingress_kind,
        &app_configmap_kind,         &app_secret_kind,
        &app_revision_kind,          &app_revision_data_kind,
};

/* What it reads by name. */
static size_t references(const struct object *self, struct arena *a, struct reference list[REFERENCES_MAX])
{
        const struct app *app = self->state;
        size_t n;

        if (!app->spec)
                return 0;
        n = app_config_references(app->spec, a, list);
        if (app->spec->hosts.n)
                list[n++] = (struct reference){ &app_certificate_kind, app_certificate_name(self->name, a) };
        return n;
}

static const struct observed observed[] = {
        { &environment_kind, OBSERVED_BY_NAMESPACE },
        { &app_redis_kind, OBSERVED_BY_NAMESPACE },
        { &app_pod_kind, OBSERVED_BY_OWNER, .dispensable = true },
        { &app_configmap_source_kind, OBSERVED_BY_REFERENCE },
        { &app_secret_source_kind, OBSERVED_BY_REFERENCE },
        { &app_certificate_kind, OBSERVED_BY_REFERENCE },
        { &app_ingressclass_kind, OBSERVED_BY_NAMESPACE, .dispensable = true },
};

const struct controller app_controller = {
        .name = "app",
        .kind = &app_kind,
        .children = children,
        .n_children = ARRAY_SIZE(children),
        .observed = observed,
        .n_observed = ARRAY_SIZE(observed),
        .references = references,
        .reconcile = app_reconcile,
};
