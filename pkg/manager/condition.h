/* SPDX-License-Identifier: Apache-2.0
 *
 * Conditions of a resource's status (metav1.Condition; the words Ready,
 * Reconciling and Stalled are kstatus's). A controller says what is so now;
 * the time of the last transition is carried over from the old status where
 * the condition did not change.
 */
#pragma once

#include "base/clock.h"
#include "schema/condition.h"

#define CONDITIONS_MAX 16

enum condition_status { CONDITION_FALSE, CONDITION_TRUE, CONDITION_UNKNOWN };

struct condition_set {
        struct arena *arena;
        const struct schema_conditions *before; /* may be NULL */
        int64_t generation;                     /* of the spec that was judged */
        usec_t wall;
        struct schema_condition items[CONDITIONS_MAX];
        size_t n;
};

void condition_begin(struct condition_set *set, struct arena *arena, const struct schema_conditions *before,
                     int64_t generation, usec_t wall);

/* REASON is CamelCase and stable; MESSAGE is borrowed and says what is wrong
 * and what to do. Without one the reason must do, since no condition is without words. */
void condition_put(struct condition_set *set, struct str type, enum condition_status status,
                   struct str reason, struct str message);

/* True for that reason if it IS so, else False because that is as expected, and that is
 * what OTHERWISE says: for what is said of a resource only while it has it, such as Stalled. */
void condition_put_if(struct condition_set *set, struct str type, bool is, struct str reason,
                      struct str message, struct str otherwise);

/* For those two of each kind. */
#define CONDITION_NOT_RECONCILING STR("nothing is under way")
#define CONDITION_NOT_STALLED STR("nothing waits for somebody to change it")

/* Had the condition of that type another reason, or was there none? BEFORE may be NULL. */
bool condition_turned(const struct schema_conditions *before, struct str type, struct str reason);
