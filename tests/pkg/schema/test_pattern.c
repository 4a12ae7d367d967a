/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/pattern.h"

#include <errno.h>
#include <stdio.h>

#include "widget.h"

static const struct str name = STR_INIT("^[a-z]([-a-z0-9]*[a-z0-9])?$");
static const struct str word = STR_INIT("^[^[:space:]]+$");

START_TEST(all_of_the_text_counts)
{
        ck_assert_int_eq(schema_match(name, STR("shop-1")), 1);
        ck_assert_int_eq(schema_match(name, STR("shop-")), 0);
        ck_assert_int_eq(schema_match(name, STR("")), 0);
        ck_assert_int_eq(schema_match(name, STR("shop\0x")), 0);
        ck_assert_int_eq(schema_match(name, STR("shop\n")), 0);
        ck_assert_int_eq(schema_match(name, str_n("shop-", 4)), 1); /* it ends where it says */
        ck_assert_int_eq(schema_match(word, STR("registry.example/shop:1.8.2")), 1);
        ck_assert_int_eq(schema_match(word, STR("a b")), 0);
        ck_assert_int_eq(schema_match(word, STR("\xc3\xa9")), 1);
}
END_TEST

/* There are more patterns than are kept compiled, and each counts as much. */
START_TEST(none_is_forgotten)
{
        static char texts[SCHEMA_PATTERNS_MAX * 2][16];

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                snprintf(texts[i], sizeof(texts[i]), "^a{%zu}$", i + 1);
        for (size_t round = 0; round < 2; round++) {
                for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                        char as[ARRAY_SIZE(texts)];

                        memset(as, 'a', sizeof(as));
                        ck_assert_int_eq(schema_match(str_c(texts[i]), str_n(as, i + 1)), 1);
                        ck_assert_int_eq(schema_match(str_c(texts[i]), str_n(as, i)), 0);
                }
        }
}
END_TEST

static int match_once(void *arg _unused_)
{
        int r = schema_match(name, STR("shop"));

        return r < 0 ? r : !r;
}

START_TEST(survives_a_lack_of_memory)
{
        torture(match_once, NULL, 0);
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
        none_is_forgotten,
        survives_a_lack_of_memory,
        patterns_and_keys_count_offline,
};
TEST_MAIN("schema/pattern", tests)
