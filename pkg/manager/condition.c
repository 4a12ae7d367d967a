/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/condition.h"

#include <assert.h>

void condition_begin(struct condition_set *set, struct arena *arena, const struct schema_conditions *before,
                     int64_t generation, usec_t wall)
{
        *set = (struct condition_set){
                .arena = arena,
                .before = before,
                .generation = generation,
                .wall = wall,
        };
}

static struct str status_name(enum condition_status status)
{
        switch (status) {
        case CONDITION_TRUE:
                return STR("True");
        case CONDITION_FALSE:
                return STR("False");
        case CONDITION_UNKNOWN:
                break;
        }
        return STR("Unknown");
}

void condition_put(struct condition_set *set, struct str type, enum condition_status status,
                   struct str reason, struct str message)
{
        const struct schema_condition *before = set->before ? schema_condition_find(set->before, type) : NULL;
        struct schema_condition *c;
        char now[CLOCK_RFC3339_MAX];

        assert(set->n < CONDITIONS_MAX);
        c = &set->items[set->n++];
        *c = (struct schema_condition){
                .type = type,
                .status = status_name(status),
                .reason = reason,
                .message = str_empty(message) ? reason : message,
                .observed_generation = set->generation,
                .has_observed_generation = true,
        };
        if (before && str_eq(before->status, c->status) && before->last_transition_time.data)
                c->last_transition_time = before->last_transition_time;
        else
                c->last_transition_time =
                        arena_str(set->arena, str_n(now, clock_format(set->wall, false, now)));
}

void condition_put_if(struct condition_set *set, struct str type, bool is, struct str reason,
                      struct str message, struct str otherwise)
{
        if (is)
                condition_put(set, type, CONDITION_TRUE, reason, message);
        else
                condition_put(set, type, CONDITION_FALSE, STR("AsExpected"), otherwise);
}

bool condition_turned(const struct schema_conditions *before, struct str type, struct str reason)
{
        const struct schema_condition *c = before ? schema_condition_find(before, type) : NULL;

        return !c || !str_eq(c->reason, reason);
}
