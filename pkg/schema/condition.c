/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/condition.h"

/* Bounds as in the API's own type, k8s.io/apimachinery meta/v1 Condition. */
static const struct str statuses[] = { STR_INIT("True"), STR_INIT("False"), STR_INIT("Unknown") };

static const struct schema_field fields[] = {
        { .name = STR_INIT("type"),
          .type = SCHEMA_STRING,
          .offset = offsetof(struct schema_condition, type),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true,
          .max_length = 316 },
        { .name = STR_INIT("status"),
          .type = SCHEMA_STRING,
          .offset = offsetof(struct schema_condition, status),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true,
          .values = statuses,
          .n_values = ARRAY_SIZE(statuses) },
        { .name = STR_INIT("observedGeneration"),
          .type = SCHEMA_INT,
          .offset = offsetof(struct schema_condition, observed_generation),
          .has_offset = offsetof(struct schema_condition, has_observed_generation),
          .minimum = 0,
          .maximum = INT64_MAX },
        { .name = STR_INIT("lastTransitionTime"),
          .type = SCHEMA_STRING,
          .offset = offsetof(struct schema_condition, last_transition_time),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true },
        { .name = STR_INIT("reason"),
          .type = SCHEMA_STRING,
          .offset = offsetof(struct schema_condition, reason),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true,
          .min_length = 1,
          .max_length = 1024 },
        { .name = STR_INIT("message"),
          .type = SCHEMA_STRING,
          .offset = offsetof(struct schema_condition, message),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true,
          .max_length = 32768 },
};

const struct schema schema_condition_schema = {
        .name = "Condition",
        .size = sizeof(struct schema_condition),
        .fields = fields,
        .n_fields = ARRAY_SIZE(fields),
};

const struct schema_condition *schema_condition_find(const struct schema_conditions *list, struct str type)
{
        for (size_t i = 0; i < list->n; i++)
                if (str_eq(list->items[i].type, type))
                        return &list->items[i];
        return NULL;
}
