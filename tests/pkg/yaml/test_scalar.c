/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/scalar.h"

#include <errno.h>

#include "harness.h"

static struct yaml_scalar resolve(const char *text)
{
        struct yaml_scalar s = { 0 };

        ck_assert_msg(yaml_scalar_resolve(str_c(text), &s) == 0, "%s", text);
        return s;
}

START_TEST(test_strings)
{
        static const char *const texts[] = {
                "hello", "yEs",   "nO",       "oN",         "nil",    "<<",    "1.2.3",
                "0x",    "0xZZ",  "0o9",      "1e",         ".",      "-",     "+",
                "-.",    "_1",    "12:30:45", "2006-01-02", "true ",  "tRUE",  "nUll",
                "1.e",   "e5",    "--1",      "NaN",        "1m",     "0.5Gi", "127.0.0.1",
                ".5.",   "-0x",   "0b12",     "1e400",      "-1e999", "1:30",  "0xfffffffffffffffff",
                ".5_0",  "0x1p3", "infinity", "=",
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                ck_assert_msg(resolve(texts[i]).type == YAML_SCALAR_STRING, "%s", texts[i]);
}
END_TEST

START_TEST(test_words)
{
        static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };
        static const char *const trues[] = { "true", "True", "TRUE", "y",  "Y", "yes",
                                             "Yes",  "YES",  "on",   "On", "ON" };
        static const char *const falses[] = { "false", "False", "FALSE", "n",   "N",  "no",
                                              "No",    "NO",    "off",   "Off", "OFF" };

        for (size_t i = 0; i < ARRAY_SIZE(nulls); i++)
                ck_assert_int_eq(resolve(nulls[i]).type, YAML_SCALAR_NULL);
        for (size_t i = 0; i < ARRAY_SIZE(trues); i++) {
                ck_assert_int_eq(resolve(trues[i]).type, YAML_SCALAR_BOOL);
                ck_assert(resolve(trues[i]).boolean);
                ck_assert_int_eq(resolve(falses[i]).type, YAML_SCALAR_BOOL);
                ck_assert(!resolve(falses[i]).boolean);
        }
}
END_TEST

START_TEST(test_integers)
{
        static const struct {
                const char *text;
                int64_t value;
        } cases[] = {
                { "0", 0 },
                { "42", 42 },
                { "+7", 7 },
                { "-7", -7 },
                { "0x2a", 42 },
                { "0X", -999 },
                { "1_000", 1000 },
                { "1_", 1 },
                { "1__0", 10 },
                { "0x_1", 1 },
                { "0b101", 5 },
                { "-0b11", -3 },
                { "0B1", 1 },
                { "0O7", 7 },
                { "0X1f", 31 },
                { "+0x1", 1 },
                { "0o644", 420 },
                { "0644", 420 },
                { "-010", -8 },
                { "089", 89 },
                { "00", 0 },
                { "-0", 0 },
                { "0xFf", 255 },
                { "-0x10", -16 },
                { "-9223372036854775808", INT64_MIN },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct yaml_scalar s = resolve(cases[i].text);

                if (cases[i].value == -999)
                        ck_assert_int_eq(s.type, YAML_SCALAR_STRING);
                else if (s.type == YAML_SCALAR_UINT)
                        ck_assert_int_eq((int64_t)s.natural, cases[i].value);
                else
                        ck_assert_msg(s.type == YAML_SCALAR_INT && s.integer == cases[i].value, "%s",
                                      cases[i].text);
        }
        ck_assert_uint_eq(resolve("18446744073709551615").natural, UINT64_MAX);
        ck_assert_int_eq(resolve("18446744073709551615").type, YAML_SCALAR_UINT);
}
END_TEST

START_TEST(test_reals)
{
        static const struct {
                const char *text;
                double value;
        } cases[] = {
                { "1.5", 1.5 },
                { "-0.25", -0.25 },
                { ".5", 0.5 },
                { "+.5", 0.5 },
                { "1.", 1 },
                { "1e3", 1000 },
                { "1E-2", 0.01 },
                { "2.5e+1", 25 },
                { "18446744073709551616", 18446744073709551616.0 },
                { "-9223372036854775809", -9223372036854775808.0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct yaml_scalar s = resolve(cases[i].text);

                ck_assert_msg(s.type == YAML_SCALAR_REAL, "%s", cases[i].text);
                ck_assert_msg(s.real == cases[i].value, "%s", cases[i].text);
        }
}
END_TEST

START_TEST(test_not_in_json)
{
        static const char *const texts[] = { ".inf", "-.inf", "+.INF", ".nan", ".NaN" };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                struct yaml_scalar s = { .type = YAML_SCALAR_NULL };

                ck_assert_msg(yaml_scalar_resolve(str_c(texts[i]), &s) == -ERANGE, "%s", texts[i]);
                ck_assert_int_eq(s.type, YAML_SCALAR_NULL);
        }
}
END_TEST

START_TEST(test_plain)
{
        static const char *const plain[] = { "shop",      "x:1",        "registry:5000/a/b:1.8.2",
                                             "/etc/shop", "5m",         "1Gi",
                                             "a@b",       "2001-01-01", "a_b-c+d" };
        static const char *const quoted[] = { "",     "yes",  "null", "1",   "1e3", "0x1f",    "1_000",
                                              "1:30", "a:",   "a b",  "-a",  "*a",  "a\nb",    "a#b",
                                              "[]",   ".inf", "~",    "a,b", "'a'", "\xc3\xa9" };

        for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
                ck_assert_msg(yaml_is_plain(str_c(plain[i])), "%s", plain[i]);
        for (size_t i = 0; i < ARRAY_SIZE(quoted); i++)
                ck_assert_msg(!yaml_is_plain(str_c(quoted[i])), "%s", quoted[i]);
}
END_TEST

static const TTest *const tests[] = { test_strings, test_words,       test_integers,
                                      test_reals,   test_not_in_json, test_plain };

TEST_MAIN("yaml/scalar", tests)
