/* SPDX-License-Identifier: Apache-2.0 */
#include "images/webapp/request.h"

#include "harness.h"

#include <errno.h>

START_TEST(routes)
{
        static const struct {
                const char *method, *path;
                enum route route;
        } cases[] = {
                { "GET", "/", ROUTE_HELLO },
                { "HEAD", "/", ROUTE_HELLO },
                { "GET", "/health/live", ROUTE_LIVE },
                { "GET", "/health/ready", ROUTE_READY },
                { "GET", "/env/APP_X", ROUTE_ENV },
                { "GET", "/burn", ROUTE_BURN },
                { "GET", "/slow", ROUTE_SLOW },
                { "GET", "/metrics", ROUTE_METRICS },
                { "GET", "/config", ROUTE_CONFIG },
                { "GET", "/config/", ROUTE_NONE },
                { "GET", "/config/color", ROUTE_SETTING },
                { "GET", "/health", ROUTE_NONE },
                { "GET", "/health/ready/", ROUTE_NONE },
                { "GET", "", ROUTE_NONE },
                { "POST", "/", ROUTE_METHOD },
                { "get", "/", ROUTE_METHOD },
                { "DELETE", "/nothing", ROUTE_METHOD },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                ck_assert_msg(route_of(str_c(cases[i].method), str_c(cases[i].path)) == cases[i].route,
                              "%s %s", cases[i].method, cases[i].path);
        for (int i = 0; i < ROUTE_N; i++)
                ck_assert_ptr_nonnull(route_name((enum route)i));
}
END_TEST

START_TEST(only_settings_of_the_app_are_shown)
{
        static const char *const refused[] = {
                "/env/",      "/env/PATH",    "/env/app_x",  "/env/APP",
                "/env/APP_x", "/env/APP_A=B", "/env/APP_/A", "/env/XAPP_A",
                "/envAPP_A",  "APP_A",        "/env//APP_A", "/env/KUBERNETES_SERVICE_HOST",
        };
        char long_path[] = "/env/APP_456789012345678901234567890123456789012345678901234567890123x";
        char name[ENV_NAME_MAX + 1] = "untouched";

        for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
                ck_assert_msg(!env_name(str_c(refused[i]), name), "%s", refused[i]);
        long_path[sizeof(long_path) - 2] = 'X';
        ck_assert_uint_eq(strlen(long_path), 5 + ENV_NAME_MAX + 1);
        ck_assert(!env_name(str_c(long_path), name));
        ck_assert(!env_name(STR("/env/APP_A\0B"), name));
        ck_assert_str_eq(name, "untouched");

        long_path[sizeof(long_path) - 2] = '\0';
        ck_assert(env_name(str_c(long_path), name));
        ck_assert_str_eq(name, long_path + 5);
        ck_assert(env_name(STR("/env/APP_COLOR_2"), name));
        ck_assert_str_eq(name, "APP_COLOR_2");
}
END_TEST

START_TEST(milliseconds_are_bounded)
{
        int64_t ms = 7;

        ck_assert_int_eq(parse_ms(STR("x"), 100, &ms), -EINVAL);
        ck_assert_int_eq(parse_ms(STR(""), 100, &ms), -EINVAL);
        ck_assert_int_eq(parse_ms(STR("-1"), 100, &ms), -EINVAL);
        ck_assert_int_eq(parse_ms(STR("-99999999999999999999"), 100, &ms), -EINVAL);
        ck_assert_int_eq(parse_ms(STR("1.5"), 100, &ms), -EINVAL);
        ck_assert_int_eq(ms, 7);
        ck_assert_int_eq(parse_ms(STR_NULL, 100, &ms), 0);
        ck_assert_int_eq(ms, 0);
        ck_assert_int_eq(parse_ms(STR("100"), 100, &ms), 0);
        ck_assert_int_eq(ms, 100);
        ck_assert_int_eq(parse_ms(STR("101"), 100, &ms), 0);
        ck_assert_int_eq(ms, 100);
        ck_assert_int_eq(parse_ms(STR("99999999999999999999"), 100, &ms), 0);
        ck_assert_int_eq(ms, 100);
}
END_TEST

static const TTest *const tests[] = { routes, only_settings_of_the_app_are_shown, milliseconds_are_bounded };
TEST_MAIN("webapp/request", tests)
