/* SPDX-License-Identifier: Apache-2.0
 *
 * Made by keelson-gen from widget.yaml: change that, not this.
 */
#include "widget.gen.h"

static const struct schema_field widget_set_spec_env_fields[] = {
        { .name = STR_INIT("name"),
          .offset = offsetof(struct widget_set_spec_env, name),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true,
          .type = SCHEMA_STRING,
          .max_length = 63,
          .pattern = STR_INIT("^(a|b)+$") },
        { .name = STR_INIT("from"),
          .offset = offsetof(struct widget_set_spec_env, from),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_STRING,
          .default_text = STR_INIT("here") },
        { .name = STR_INIT("order"),
          .offset = offsetof(struct widget_set_spec_env, order),
          .has_offset = offsetof(struct widget_set_spec_env, has_order),
          .type = SCHEMA_INT,
          SCHEMA_NO_BOUNDS },
};

static const struct schema widget_set_spec_env_schema = {
        .name = "spec.env[]",
        .size = sizeof(struct widget_set_spec_env),
        .fields = widget_set_spec_env_fields,
        .n_fields = ARRAY_SIZE(widget_set_spec_env_fields),
};

static const struct schema_field widget_set_spec_health_check_nested_fields[] = {
        { .name = STR_INIT("deep"),
          .offset = offsetof(struct widget_set_spec_health_check_nested, deep),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_STRING,
          .default_text = STR_INIT("down") },
};

static const struct schema widget_set_spec_health_check_nested_schema = {
        .name = "spec.healthCheck.nested",
        .size = sizeof(struct widget_set_spec_health_check_nested),
        .fields = widget_set_spec_health_check_nested_fields,
        .n_fields = ARRAY_SIZE(widget_set_spec_health_check_nested_fields),
};

static const struct schema_field widget_set_spec_health_check_fields[] = {
        { .name = STR_INIT("livePath"),
          .offset = offsetof(struct widget_set_spec_health_check, live_path),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_STRING,
          .default_text = STR_INIT("/live") },
        { .name = STR_INIT("retries"),
          .offset = offsetof(struct widget_set_spec_health_check, retries),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_INT,
          SCHEMA_NO_BOUNDS,
          .default_text = STR_INIT("2") },
        { .name = STR_INIT("nested"),
          .offset = offsetof(struct widget_set_spec_health_check, nested),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_OBJECT,
          .object = &widget_set_spec_health_check_nested_schema },
};

static const struct schema widget_set_spec_health_check_schema = {
        .name = "spec.healthCheck",
        .size = sizeof(struct widget_set_spec_health_check),
        .fields = widget_set_spec_health_check_fields,
        .n_fields = ARRAY_SIZE(widget_set_spec_health_check_fields),
};

static const struct schema_field widget_set_spec_storage_zones_element = {
        .type = SCHEMA_STRING,
};

static const struct schema_field widget_set_spec_storage_fields[] = {
        { .name = STR_INIT("size"),
          .offset = offsetof(struct widget_set_spec_storage, size),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true,
          .type = SCHEMA_STRING },
        { .name = STR_INIT("zones"),
          .offset = offsetof(struct widget_set_spec_storage, zones),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_LIST,
          .element = &widget_set_spec_storage_zones_element },
};

static const struct schema widget_set_spec_storage_schema = {
        .name = "spec.storage",
        .size = sizeof(struct widget_set_spec_storage),
        .fields = widget_set_spec_storage_fields,
        .n_fields = ARRAY_SIZE(widget_set_spec_storage_fields),
};

static const struct schema widget_set_spec_nothing_schema = {
        .name = "spec.nothing",
        .size = sizeof(struct widget_set_spec_nothing),
};

static const struct str widget_set_spec_tier_values[] = {
        STR_INIT("backend"),
        STR_INIT("frontend"),
        STR_INIT("worker"),
};

static const struct schema_field widget_set_spec_pod_ips_element = {
        .type = SCHEMA_STRING,
        .max_length = 15,
};

static const struct schema_field widget_set_spec_labels_element = {
        .type = SCHEMA_STRING,
        .max_length = 5,
};

static const struct schema_field widget_set_spec_limits_element = {
        .type = SCHEMA_QUANTITY,
};

static const struct schema_field widget_set_spec_numbers_element = {
        .type = SCHEMA_INT,
        .minimum = 0,
        .maximum = INT64_MAX,
};

static const struct schema_field widget_set_spec_flags_element = {
        .type = SCHEMA_BOOL,
};

static const struct str widget_set_spec_modes_values[] = {
        STR_INIT("Fast"),
        STR_INIT("Safe"),
};

static const struct schema_field widget_set_spec_modes_element = {
        .type = SCHEMA_STRING,
        .values = widget_set_spec_modes_values,
        .n_values = ARRAY_SIZE(widget_set_spec_modes_values),
};

static const struct schema_field widget_set_spec_env_element = {
        .type = SCHEMA_OBJECT,
        .object = &widget_set_spec_env_schema,
};

static const struct schema_field widget_set_spec_fields[] = {
        { .name = STR_INIT("name"),
          .offset = offsetof(struct widget_set_spec, name),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true,
          .type = SCHEMA_STRING,
          .min_length = 2,
          .max_length = 10 },
        { .name = STR_INIT("size"),
          .offset = offsetof(struct widget_set_spec, size),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true,
          .type = SCHEMA_INT,
          .minimum = -5,
          .maximum = 100 },
        { .name = STR_INIT("count"),
          .offset = offsetof(struct widget_set_spec, count),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_INT,
          .minimum = -2147483648,
          .maximum = 2147483647,
          .default_text = STR_INIT("3") },
        { .name = STR_INIT("big"),
          .offset = offsetof(struct widget_set_spec, big),
          .has_offset = offsetof(struct widget_set_spec, has_big),
          .type = SCHEMA_INT,
          SCHEMA_NO_BOUNDS },
        { .name = STR_INIT("enabled"),
          .offset = offsetof(struct widget_set_spec, enabled),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_BOOL,
          .default_text = STR_INIT("true") },
        { .name = STR_INIT("debug"),
          .offset = offsetof(struct widget_set_spec, debug),
          .has_offset = offsetof(struct widget_set_spec, has_debug),
          .type = SCHEMA_BOOL },
        { .name = STR_INIT("tier"),
          .offset = offsetof(struct widget_set_spec, tier),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_STRING,
          .values = widget_set_spec_tier_values,
          .n_values = ARRAY_SIZE(widget_set_spec_tier_values),
          .default_text = STR_INIT("backend") },
        { .name = STR_INIT("targetCPUUtilization"),
          .offset = offsetof(struct widget_set_spec, target_cpu_utilization),
          .has_offset = offsetof(struct widget_set_spec, has_target_cpu_utilization),
          .type = SCHEMA_INT,
          .minimum = 1,
          .maximum = INT64_MAX },
        { .name = STR_INIT("podIPs"),
          .offset = offsetof(struct widget_set_spec, pod_ips),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_LIST,
          .element = &widget_set_spec_pod_ips_element,
          .max_length = 3 },
        { .name = STR_INIT("s3"),
          .offset = offsetof(struct widget_set_spec, s3),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_STRING },
        { .name = STR_INIT("default"),
          .offset = offsetof(struct widget_set_spec, default_),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_STRING,
          .default_text = STR_INIT("a \"quoted\"\011text, \\ and ä") },
        { .name = STR_INIT("port"),
          .offset = offsetof(struct widget_set_spec, port),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_INT_OR_STRING },
        { .name = STR_INIT("memory"),
          .offset = offsetof(struct widget_set_spec, memory),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_QUANTITY,
          .default_text = STR_INIT("64Mi") },
        { .name = STR_INIT("timeout"),
          .offset = offsetof(struct widget_set_spec, timeout),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_STRING,
          .default_text = STR_INIT("30s") },
        { .name = STR_INIT("labels"),
          .offset = offsetof(struct widget_set_spec, labels),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_MAP,
          .element = &widget_set_spec_labels_element,
          .max_length = 2 },
        { .name = STR_INIT("limits"),
          .offset = offsetof(struct widget_set_spec, limits),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_MAP,
          .element = &widget_set_spec_limits_element,
          .default_text = STR_INIT("{\"cpu\":1}") },
        { .name = STR_INIT("anything"),
          .offset = offsetof(struct widget_set_spec, anything),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_RAW },
        { .name = STR_INIT("numbers"),
          .offset = offsetof(struct widget_set_spec, numbers),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_LIST,
          .element = &widget_set_spec_numbers_element,
          .min_length = 1,
          .default_text = STR_INIT("[1,2]") },
        { .name = STR_INIT("flags"),
          .offset = offsetof(struct widget_set_spec, flags),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_LIST,
          .element = &widget_set_spec_flags_element },
        { .name = STR_INIT("modes"),
          .offset = offsetof(struct widget_set_spec, modes),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_LIST,
          .element = &widget_set_spec_modes_element,
          .key = STR_INIT("") },
        { .name = STR_INIT("env"),
          .offset = offsetof(struct widget_set_spec, env),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_LIST,
          .element = &widget_set_spec_env_element,
          .max_length = 3 },
        { .name = STR_INIT("healthCheck"),
          .offset = offsetof(struct widget_set_spec, health_check),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_OBJECT,
          .object = &widget_set_spec_health_check_schema,
          .default_text = STR_INIT("{}") },
        { .name = STR_INIT("storage"),
          .offset = offsetof(struct widget_set_spec, storage),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_OBJECT,
          .object = &widget_set_spec_storage_schema,
          .default_text = STR_INIT("{\"size\":\"1Gi\",\"zones\":[\"a\",\"b\"]}") },
        { .name = STR_INIT("nothing"),
          .offset = offsetof(struct widget_set_spec, nothing),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_OBJECT,
          .object = &widget_set_spec_nothing_schema },
};

const struct schema widget_set_spec_schema = {
        .name = "spec",
        .size = sizeof(struct widget_set_spec),
        .fields = widget_set_spec_fields,
        .n_fields = ARRAY_SIZE(widget_set_spec_fields),
};

static const struct schema_field widget_set_status_conditions_element = {
        .type = SCHEMA_OBJECT,
        .object = &schema_condition_schema,
};

static const struct schema_field widget_set_status_fields[] = {
        { .name = STR_INIT("observedGeneration"),
          .offset = offsetof(struct widget_set_status, observed_generation),
          .has_offset = offsetof(struct widget_set_status, has_observed_generation),
          .type = SCHEMA_INT,
          SCHEMA_NO_BOUNDS },
        { .name = STR_INIT("conditions"),
          .offset = offsetof(struct widget_set_status, conditions),
          .has_offset = SCHEMA_NO_OFFSET,
          .type = SCHEMA_LIST,
          .element = &widget_set_status_conditions_element,
          .key = STR_INIT("type") },
        { .name = STR_INIT("ready"),
          .offset = offsetof(struct widget_set_status, ready),
          .has_offset = offsetof(struct widget_set_status, has_ready),
          .type = SCHEMA_BOOL },
};

const struct schema widget_set_status_schema = {
        .name = "status",
        .size = sizeof(struct widget_set_status),
        .fields = widget_set_status_fields,
        .n_fields = ARRAY_SIZE(widget_set_status_fields),
};
