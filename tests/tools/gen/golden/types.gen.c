/* SPDX-License-Identifier: Apache-2.0
 *
 * Made by keelson-gen from types.yaml: change that, not this.
 */
#include "types.gen.h"

static const struct schema_field deployment_state_spec_fields[] = {
        { .name = STR_INIT("replicas"),
          .offset = offsetof(struct deployment_state_spec, replicas),
          .has_offset = offsetof(struct deployment_state_spec, has_replicas),
          .type = SCHEMA_INT,
          SCHEMA_NO_BOUNDS },
};

static const struct schema deployment_state_spec_schema = {
        .name = "spec",
        .size = sizeof(struct deployment_state_spec),
        .fields = deployment_state_spec_fields,
        .n_fields = ARRAY_SIZE(deployment_state_spec_fields),
};

static const struct schema_field deployment_state_status_conditions_fields[] = {
        { .name = STR_INIT("type"),
          .offset = offsetof(struct deployment_state_status_conditions, type),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_STRING },
        { .name = STR_INIT("status"),
          .offset = offsetof(struct deployment_state_status_conditions, status),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_STRING },
};

static const struct schema deployment_state_status_conditions_schema = {
        .name = "status.conditions[]",
        .size = sizeof(struct deployment_state_status_conditions),
        .fields = deployment_state_status_conditions_fields,
        .n_fields = ARRAY_SIZE(deployment_state_status_conditions_fields),
};

static const struct schema_field deployment_state_status_conditions_element = {
        .type = SCHEMA_OBJECT,
        .object = &deployment_state_status_conditions_schema,
};

static const struct schema_field deployment_state_status_fields[] = {
        { .name = STR_INIT("readyReplicas"),
          .offset = offsetof(struct deployment_state_status, ready_replicas),
          .has_offset = offsetof(struct deployment_state_status, has_ready_replicas),
          .type = SCHEMA_INT,
          SCHEMA_NO_BOUNDS },
        { .name = STR_INIT("conditions"),
          .offset = offsetof(struct deployment_state_status, conditions),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_LIST,
          .element = &deployment_state_status_conditions_element },
};

static const struct schema deployment_state_status_schema = {
        .name = "status",
        .size = sizeof(struct deployment_state_status),
        .fields = deployment_state_status_fields,
        .n_fields = ARRAY_SIZE(deployment_state_status_fields),
};

static const struct schema_field deployment_state_fields[] = {
        { .name = STR_INIT("spec"),
          .offset = offsetof(struct deployment_state, spec),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_OBJECT,
          .object = &deployment_state_spec_schema },
        { .name = STR_INIT("status"),
          .offset = offsetof(struct deployment_state, status),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_OBJECT,
          .object = &deployment_state_status_schema },
};

const struct schema deployment_state_schema = {
        .name = "deployment_state",
        .size = sizeof(struct deployment_state),
        .fields = deployment_state_fields,
        .n_fields = ARRAY_SIZE(deployment_state_fields),
};

const struct schema plain_state_schema = {
        .name = "plain_state",
        .size = sizeof(struct plain_state),
};
