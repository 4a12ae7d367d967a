/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/condition.h"

#include "widget.h"

START_TEST(finds_by_type)
{
        struct schema_condition items[] = { { .type = STR("Ready") }, { .type = STR("Stalled") } };
        struct schema_conditions list = { items, ARRAY_SIZE(items) }, none = { 0 };

        ck_assert_ptr_eq(schema_condition_find(&list, STR("Stalled")), &items[1]);
        ck_assert_ptr_null(schema_condition_find(&list, STR("Read")));
        ck_assert_ptr_null(schema_condition_find(&none, STR("Ready")));
}
END_TEST

START_TEST(checks_as_the_api_server_does)
{
#define REST "\"lastTransitionTime\":\"2006-01-02T15:04:05Z\",\"message\":\"\""
        static const struct {
                const char *json, *path;
        } cases[] = {
                { "{\"status\":\"True\",\"reason\":\"A\"," REST "}", "spec.type" },
                { "{\"type\":\"A\",\"status\":\"true\",\"reason\":\"A\"," REST "}", "spec.status" },
                { "{\"type\":\"A\",\"status\":\"True\",\"reason\":\"\"," REST "}", "spec.reason" },
                { "{\"type\":\"A\",\"status\":\"True\",\"reason\":\"A\",\"observedGeneration\":-1," REST "}",
                  "spec.observedGeneration" },
        };
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct schema_condition *c = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct error err = ERROR_INIT;

                ck_assert_int_lt(widget_decode_as(&schema_condition_schema, cases[i].json, SCHEMA_STRICT, &a,
                                                  &c, &err),
                                 0);
                ck_assert_str_eq(err.path, cases[i].path);
        }
        ck_assert_int_eq(widget_decode_as(&schema_condition_schema,
                                          "{\"type\":\"A\",\"status\":\"Unknown\",\"reason\":\"A\"," REST "}",
                                          SCHEMA_STRICT, &a, &c, NULL),
                         0);
        ck_assert(!c->has_observed_generation);
        ck_str_eq(c->last_transition_time, "2006-01-02T15:04:05Z");
        arena_release(&a);
}
END_TEST

static const TTest *const tests[] = { finds_by_type, checks_as_the_api_server_does };

TEST_MAIN("schema/condition", tests)
