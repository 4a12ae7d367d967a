/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/nearest.h"

#include "widget.h"

START_TEST(finds_what_was_meant)
{
        static const char *const cases[][2] = {
                { "nmae", "name" },
                { "Count", "count" },
                { "teir", "tier" },
                { "healthcheck", "healthCheck" },
                { "healthChecks", "healthCheck" },
                { "podIP", "podIPs" },
                { "targetCpuUtilisation", "targetCPUUtilization" },
                { "replicas", NULL },
                { "q", NULL },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct str near = schema_nearest_field(&widget_set_spec_schema, str_c(cases[i][0]));

                ck_str_eq(near, cases[i][1]);
                ck_assert_int_eq(near.data != NULL, cases[i][1] != NULL);
        }
}
END_TEST

START_TEST(does_not_guess_at_long_names)
{
        char name[100];

        memset(name, 'a', sizeof(name));
        ck_assert_ptr_null(schema_nearest_field(&widget_set_spec_schema, str_n(name, sizeof(name))).data);
        ck_assert_ptr_null(schema_nearest_field(&widget_set_spec_schema, STR("")).data);
}
END_TEST

static const TTest *const tests[] = { finds_what_was_meant, does_not_guess_at_long_names };

TEST_MAIN("schema/nearest", tests)
