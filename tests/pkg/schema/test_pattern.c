/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/pattern.h"

#include <errno.h>

#include "widget.h"

static const struct str name = STR_INIT("^[a-z]([-a-z0-9]*[a-z0-9])?$");
static const struct str word = STR_INIT("^[^[:space:]]+$");

START_TEST(all_of_the_text_counts)
{
        ck_assert(schema_matches(name, STR("shop-1")));
        ck_assert(!schema_matches(name, STR("shop-")));
        ck_assert(!schema_matches(name, STR("")));
        ck_assert(!schema_matches(name, STR("shop\0x")));
        ck_assert(!schema_matches(name, STR("shop\n")));
        ck_assert(schema_matches(name, str_n("shop-", 4))); /* it ends where it says */
        ck_assert(schema_matches(word, STR("registry.example/shop:1.8.2")));
        ck_assert(!schema_matches(word, STR("a b")));
        ck_assert(schema_matches(word, STR("\xc3\xa9")));
}
END_TEST

/* Offline: nobody has looked at it before. */
START_TEST(patterns_and_keys_count_offline)
{
        static const struct {
                const char *json, *path, *message;
        } cases[] = {
                { "{\"env\":[{\"name\":\"c\"}]}", "spec.env[0].name", "must match ^(a|b)+$ (is \"c\")" },
                { "{\"modes\":[\"Fast\",\"Slow\",\"Fast\"]}", "spec.modes[2]",
                  "Fast is in the list twice; take one of them out" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
                struct error err = ERROR_INIT;
                struct widget_set_spec *spec = NULL;

                (void)widget_decode_as(&widget_set_spec_schema, cases[i].json, SCHEMA_STRICT, &a, &spec,
                                       &err);
                ck_assert_str_ne(err.path, cases[i].path);
                err = (struct error)ERROR_INIT;
                ck_assert_int_eq(widget_decode_as(&widget_set_spec_schema, cases[i].json,
                                                  SCHEMA_STRICT | SCHEMA_OFFLINE, &a, &spec, &err),
                                 -EINVAL);
                ck_assert_str_eq(err.path, cases[i].path);
                ck_assert_str_eq(err.message, cases[i].message);
                arena_release(&a);
        }
}
END_TEST

static const TTest *const tests[] = {
        all_of_the_text_counts,
        patterns_and_keys_count_offline,
};
TEST_MAIN("schema/pattern", tests)
