/* SPDX-License-Identifier: Apache-2.0
 *
 * metav1.Condition, the one C type of all kinds' status.conditions: keelson-gen
 * uses it wherever a list's items have exactly these fields. All strings are
 * absent until set; lastTransitionTime is RFC 3339 with seconds.
 */
#pragma once

#include "schema/schema.h"

struct schema_condition {
        struct str type;   /* Ready, Available, … */
        struct str status; /* True, False, Unknown */
        struct str reason; /* CamelCase, stable */
        struct str message;
        struct str last_transition_time;
        int64_t observed_generation;
        bool has_observed_generation;
};

/* The C type of a status.conditions field. */
struct schema_conditions {
        struct schema_condition *items;
        size_t n;
};

extern const struct schema schema_condition_schema;

/* The condition of that type, or NULL. */
const struct schema_condition *schema_condition_find(const struct schema_conditions *list, struct str type);
