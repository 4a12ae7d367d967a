/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/condition.h"

#include "harness.h"

#define HOUR_22 ((usec_t)1136239445 * USEC_SEC) /* 2006-01-02T22:04:05Z */

static struct schema_condition held[] = {
        { .type = STR_INIT("Ready"),
          .status = STR_INIT("True"),
          .reason = STR_INIT("Ready"),
          .last_transition_time = STR_INIT("2006-01-02T15:00:00Z") },
        { .type = STR_INIT("Stalled"),
          .status = STR_INIT("False"),
          .reason = STR_INIT("AsExpected"),
          .last_transition_time = STR_INIT("2006-01-02T15:00:00Z") },
};
static const struct schema_conditions before = { held, ARRAY_SIZE(held) };

static void check(const struct schema_condition *c, const char *status, const char *reason,
                  const char *message, const char *time)
{
        ck_str_eq(c->status, status);
        ck_str_eq(c->reason, reason);
        ck_str_eq(c->message, message);
        ck_str_eq(c->last_transition_time, time);
        ck_assert_int_eq(c->observed_generation, 7);
}

START_TEST(the_time_is_that_of_the_last_change)
{
        struct arena a = ARENA_INIT(4096);
        struct condition_set set;

        condition_begin(&set, &a, &before, 7, HOUR_22);
        condition_put(&set, STR("Ready"), CONDITION_TRUE, STR("StillReady"), STR_NULL);
        condition_put_if(&set, STR("Stalled"), true, STR("Forbidden"), STR("why"), STR("all is well"));
        condition_put_if(&set, STR("Reconciling"), false, STR("Forbidden"), STR("why"), STR("all is well"));
        ck_assert_uint_eq(set.n, 3);
        check(&set.items[0], "True", "StillReady", "StillReady", "2006-01-02T15:00:00Z");
        check(&set.items[1], "True", "Forbidden", "why", "2006-01-02T22:04:05Z");
        check(&set.items[2], "False", "AsExpected", "all is well", "2006-01-02T22:04:05Z");
        arena_release(&a);
}
END_TEST

START_TEST(another_reason_is_a_turn)
{
        ck_assert(!condition_turned(&before, STR("Ready"), STR("Ready")));
        ck_assert(condition_turned(&before, STR("Ready"), STR("Applying")));
        ck_assert(condition_turned(&before, STR("Available"), STR("Ready")));
        ck_assert(condition_turned(NULL, STR("Ready"), STR("Ready")));
}
END_TEST

static const TTest *const tests[] = { the_time_is_that_of_the_last_change, another_reason_is_a_turn };
TEST_MAIN("manager/condition", tests)
