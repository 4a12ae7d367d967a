/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/environment/environment.h"

#define OURS STR_INIT("app.kubernetes.io/managed-by=keelson")

static const struct schema_field environment_fields[] = {
        { .name = STR_INIT("spec"),
          .type = SCHEMA_OBJECT,
          .offset = offsetof(struct environment, spec),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true,
          .object = &environment_spec_schema },
        { .name = STR_INIT("status"),
          .type = SCHEMA_OBJECT,
          .offset = offsetof(struct environment, status),
          .has_offset = SCHEMA_NO_OFFSET,
          .object = &environment_status_schema },
};

static const struct schema environment_schema = {
        .name = "Environment",
        .size = sizeof(struct environment),
        .fields = environment_fields,
        .n_fields = ARRAY_SIZE(environment_fields),
};

const struct cache_kind environment_kind = {
        .api = { .group = STR_INIT("keelson.dev"),
                 .version = STR_INIT("v1alpha1"),
                 .plural = STR_INIT("environments"),
                 .kind = STR_INIT("Environment"),
                 .namespaced = true },
        .schema = &environment_schema,
};

const struct cache_kind environment_quota_kind = {
        .api = { .group = STR_INIT(""),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("resourcequotas"),
                 .kind = STR_INIT("ResourceQuota"),
                 .namespaced = true },
        .schema = &quota_state_schema,
        .label_selector = OURS,
};

const struct cache_kind environment_limits_kind = {
        .api = { .group = STR_INIT(""),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("limitranges"),
                 .kind = STR_INIT("LimitRange"),
                 .namespaced = true },
        .schema = &limits_state_schema,
        .label_selector = OURS,
};

static const struct cache_kind *const children[] = {
        &environment_quota_kind,
        &environment_limits_kind,
};

/* How many there are is told. */
static const struct observed observed[] = {
        { .kind = &app_kind, .by = OBSERVED_BY_NAME, .name = STR_INIT("default") },
};

const struct controller environment_controller = {
        .name = "environment",
        .kind = &environment_kind,
        .children = children,
        .n_children = ARRAY_SIZE(children),
        .observed = observed,
        .n_observed = ARRAY_SIZE(observed),
        .reconcile = environment_reconcile,
};
