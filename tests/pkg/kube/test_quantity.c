/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/quantity.h"

#include <errno.h>

#include "harness.h"

static void check_stored(const char *text, const char *expected)
{
        struct arena a = ARENA_INIT(4096);
        struct str stored = quantity_stored(str_c(text), &a);

        ck_assert_msg(str_eq_c(stored, expected), "%s became %.*s, not %s", text, STR_FMT(stored), expected);
        arena_release(&a);
}

/* The examples in the documentation of resource.Quantity, and what an API
 * server was seen to answer. */
START_TEST(test_stored)
{
        static const char *const pairs[][2] = {
                { "1.5", "1500m" },
                { "1.5Gi", "1536Mi" },
                { "1000m", "1" },
                { "0.5", "500m" },
                { "500m", "500m" },
                { "1024Mi", "1Gi" },
                { "1Gi", "1Gi" },
                { "1000", "1k" },
                { "1024", "1024" },
                { "1024Ki", "1Mi" },
                { "100Mi", "100Mi" },
                { "0", "0" },
                { "0Mi", "0" },
                { "-0", "0" },
                { "0.000", "0" },
                { "1e3", "1e3" },
                { "1000e3", "1e6" },
                { "1E3", "1E3" },
                { "100E3", "100E3" },
                { "1.5e3", "1500" },
                { "2500000", "2500k" },
                { "0.1", "100m" },
                { "0.001", "1m" },
                { "0.0001", "100u" },
                { "0.5Mi", "512Ki" },
                { "0.5Ki", "512" },
                { "1Ki", "1Ki" },
                { "8Ki", "8Ki" },
                { "1023Ki", "1023Ki" },
                { "1.1Ki", "1126400m" },
                { "62.5Ki", "64k" }, /* 64000, which has no 1024 in it */
                { "0.1n", "1n" },
                { "-1.5", "-1500m" },
                { "12345678901234567", "12345678901234567" },
                { "9Ei", "9223372036854775807" },
                { "4096Mi", "4Gi" },
                { "123456789k", "123456789k" },
                { "1000E", "1e21" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
                check_stored(pairs[i][0], pairs[i][1]);
}
END_TEST

/* Not canonical, but the server keeps them. */
START_TEST(test_kept)
{
        static const char *const texts[] = { "1.500", "+5",    "007", "2.048k", "-999999999999999999.",
                                             "+3Ki",  "0003Mi" };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                check_stored(texts[i], texts[i]);
        check_stored("1.000", "1");
        check_stored("1.500000", "1500m");
        check_stored("0.500", "500m");
        check_stored("0008Mi", "8Mi");
}
END_TEST

START_TEST(test_refused)
{
        static const char *const texts[] = { "",     "-",  "+",    ".",     "Ki",    "1 Gi", "1gi",
                                             "1KiB", "1e", "1ex",  "1e1.5", "--1",   "1..5", "0x10",
                                             "1,5",  "e3", "1Gi ", "1e+",   "1e+-3", "NaN" };
        struct quantity q;

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                ck_assert_msg(quantity_parse(str_c(texts[i]), &q) == -EINVAL, "%s", texts[i]);
                check_stored(texts[i], texts[i]);
        }
        ck_assert_int_eq(quantity_parse(STR("1e30"), &q), -ERANGE);
        ck_assert_int_eq(quantity_parse(STR("1e99999"), &q), -ERANGE);
        ck_assert_int_eq(quantity_parse(STR("12345678901234567890"), &q), -ERANGE);
        ck_assert_int_eq(quantity_parse(STR("99999999999999999999999999999999999999999"), &q), -ERANGE);
        check_stored("1234567890123456789", "1234567890123456789");
}
END_TEST

START_TEST(test_values)
{
        static const struct {
                const char *text;
                int64_t nanos;
        } cases[] = {
                { "1500m", 1500000000 },   { "1Ki", 1024000000000 },
                { "250m", 250000000 },     { "1n", 1 },
                { "-1500m", -1500000000 }, { "0", 0 },
                { "1e-900", 1 },           { "0e900", 0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct quantity q;

                ck_assert_int_eq(quantity_parse(str_c(cases[i].text), &q), 0);
                ck_assert_msg(q.nanos == cases[i].nanos, "%s", cases[i].text);
        }
}
END_TEST

/* The largest of each kind fits the text. */
START_TEST(test_long)
{
        check_stored("999999999999999999e11", "99999999999999999900e9");
        check_stored("-999999999999999999n", "-999999999999999999n");
        check_stored("99999999999999999.9Ei", "9223372036854775807");
        /* What the server writes is read again, and is stored as it is. */
        check_stored("9223372036854775807", "9223372036854775807");
        {
                struct quantity q;

                ck_assert_int_eq(quantity_parse(STR("9223372036854775807"), &q), 0);
                ck_assert(q.nanos == (__int128)INT64_MAX * 1000000000);
                ck_assert_int_eq(quantity_parse(STR("92233720368547758070"), &q), -ERANGE);
        }
}
END_TEST

START_TEST(test_memory)
{
        struct arena a = ARENA_INIT(4096);
        struct str s;

        mem_fail_after(1);
        s = quantity_stored(STR("1000m"), &a);
        mem_fail_after(0);
        ck_assert_ptr_null(s.data);
        arena_release(&a);
}
END_TEST

static const TTest *const tests[] = { test_stored, test_kept, test_refused,
                                      test_values, test_long, test_memory };

TEST_MAIN("kube/quantity", tests)
