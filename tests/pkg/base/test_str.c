/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "harness.h"

#include <errno.h>

START_TEST(making)
{
        static const struct str fixed = STR_INIT("fixed");

        ck_str_eq(fixed, "fixed");
        ck_assert_uint_eq(STR("a\0b").len, 3);
        ck_assert_ptr_null(str_c(NULL).data);
        ck_assert(str_empty(STR_NULL));
        ck_assert(str_empty(STR("")));
        ck_assert(!str_empty(STR("a")));
        ck_assert_ptr_nonnull(STR("").data);
}
END_TEST

START_TEST(storing)
{
        char block[8] = "........", *at = block;
        struct str a = str_store(&at, STR("ab")), none = str_store(&at, STR_NULL);
        struct str empty = str_store(&at, STR("")), c = str_store(&at, STR("c"));

        ck_assert_ptr_eq(a.data, block);
        ck_str_eq(a, "ab");
        ck_assert_ptr_null(none.data);
        ck_assert_ptr_nonnull(empty.data);
        ck_assert_uint_eq(empty.len, 0);
        ck_str_eq(c, "c");
        ck_assert_ptr_eq(at, block + 3);
        ck_str_eq(str_n(block, sizeof(block)), "abc.....");
}
END_TEST

START_TEST(equality)
{
        ck_assert(str_eq(STR("abc"), str_n("abcd", 3)));
        ck_assert(!str_eq(STR("abc"), STR("abd")));
        ck_assert(!str_eq(STR("abc"), STR("ab")));
        ck_assert(str_eq(STR("a\0b"), STR("a\0b")));
        ck_assert(!str_eq(STR("a\0b"), STR("a\0c")));
        ck_assert(str_eq(STR_NULL, STR("")));
        ck_assert(str_eq(STR_NULL, STR_NULL));
        ck_assert(str_eq_c(STR("abc"), "abc"));
        ck_assert(!str_eq_c(STR("abc"), NULL));
        ck_assert(str_eq_c(STR_NULL, NULL));
}
END_TEST

static int sign(int n)
{
        return (n > 0) - (n < 0);
}

START_TEST(order)
{
        static const struct str rising[] = {
                STR_INIT(""),   STR_INIT("\0"), STR_INIT("A"), STR_INIT("a"),    STR_INIT("a\0"),
                STR_INIT("aa"), STR_INIT("ab"), STR_INIT("b"), STR_INIT("\x7f"), STR_INIT("\xc3"),
        };

        for (size_t i = 0; i < ARRAY_SIZE(rising); i++)
                for (size_t k = 0; k < ARRAY_SIZE(rising); k++)
                        ck_assert_msg(sign(str_cmp(rising[i], rising[k])) == sign((int)i - (int)k),
                                      "%zu against %zu", i, k);
        ck_assert_int_eq(str_cmp(STR_NULL, STR("")), 0);
        ck_assert_int_lt(str_cmp(STR_NULL, STR("a")), 0);
}
END_TEST

START_TEST(membership)
{
        static const struct str list[] = { STR_INIT("a"), STR_INIT("bc") };

        ck_assert(str_is_one_of(STR("bc"), list, 2));
        ck_assert(!str_is_one_of(STR("bc"), list, 1));
        ck_assert(!str_is_one_of(STR("b"), list, 2));
        ck_assert(!str_is_one_of(STR("a"), NULL, 0));
}
END_TEST

START_TEST(heads_and_tails)
{
        ck_assert(str_starts(STR("keelson"), STR("keel")));
        ck_assert(str_starts(STR("keel"), STR("keel")));
        ck_assert(!str_starts(STR("kee"), STR("keel")));
        ck_assert(!str_starts(STR("xkeel"), STR("keel")));
        ck_assert(str_ends(STR("keelson"), STR("son")));
        ck_assert(str_ends(STR("son"), STR("son")));
        ck_assert(!str_ends(STR("on"), STR("son")));
        ck_assert(!str_ends(STR("sons"), STR("son")));
        /* All strings start and end with nothing, the absent one too. */
        ck_assert(str_starts(STR_NULL, STR("")));
        ck_assert(str_starts(STR_NULL, STR_NULL));
        ck_assert(str_starts(STR("a"), STR_NULL));
        ck_assert(str_ends(STR_NULL, STR("")));
        ck_assert(str_ends(STR_NULL, STR_NULL));
        ck_assert(str_ends(STR("a"), STR_NULL));
        ck_assert(!str_starts(STR_NULL, STR("a")));
        ck_assert(!str_ends(STR_NULL, STR("a")));
}
END_TEST

START_TEST(positions)
{
        ck_assert_int_eq(str_index(STR("abcb"), 'b'), 1);
        ck_assert_int_eq(str_index(STR("abc"), 'x'), -1);
        ck_assert_int_eq(str_index(STR("a\0b"), 'b'), 2);
        ck_assert_int_eq(str_index(STR("ab"), '\0'), -1);
        ck_assert_int_eq(str_index(STR("\xff"), '\xff'), 0);
        ck_assert_int_eq(str_index(STR(""), 'a'), -1);
        ck_assert_int_eq(str_index(STR_NULL, 'a'), -1);
}
END_TEST

START_TEST(trimming)
{
        ck_str_eq(str_trim(STR(" \t\r\n a b \n")), "a b");
        ck_str_eq(str_trim(STR("ab")), "ab");
        ck_str_eq(str_trim(STR("   ")), "");
        ck_str_eq(str_trim(STR("")), "");
        ck_str_eq(str_trim(STR("\xc2\xa0")), "\xc2\xa0"); /* a no-break space is text */
        ck_assert_ptr_null(str_trim(STR_NULL).data);
}
END_TEST

START_TEST(cutting)
{
        struct str head, tail;

        ck_assert(str_cut(STR("a=b=c"), '=', &head, &tail));
        ck_str_eq(head, "a");
        ck_str_eq(tail, "b=c");
        ck_assert(str_cut(STR("="), '=', &head, &tail));
        ck_str_eq(head, "");
        ck_str_eq(tail, "");
        ck_assert_ptr_nonnull(tail.data);
        ck_assert(!str_cut(STR("abc"), '=', &head, &tail));
        ck_str_eq(head, "abc");
        ck_assert_ptr_null(tail.data);
        ck_assert(!str_cut(STR_NULL, '=', &head, &tail));
        ck_assert_ptr_null(head.data);

        /* The usual loop, with the outputs over the input. */
        tail = STR("x,y,,z");
        for (size_t i = 0; tail.data; i++) {
                static const char *const want[] = { "x", "y", "", "z" };

                str_cut(tail, ',', &head, &tail);
                ck_assert_uint_lt(i, 4);
                ck_str_eq(head, want[i]);
        }
}
END_TEST

START_TEST(numbers)
{
        static const struct {
                const char *text;
                int64_t n;
        } good[] = {
                { "0", 0 },
                { "-0", 0 },
                { "007", 7 },
                { "42", 42 },
                { "-42", -42 },
                { "9223372036854775807", INT64_MAX },
                { "-9223372036854775808", INT64_MIN },
                { "00000000000000000000000000000001", 1 },
        };
        static const char *const bad[] = {
                "",
                "-",
                "--1",
                "+1",
                " 1",
                "1 ",
                "1x",
                "x1",
                "0x10",
                "1.0",
                "1e3",
                "\xb2",
                "99999999999999999999x",
                "-99999999999999999999-",
        };
        static const char *const big[] = {
                "9223372036854775808",
                "-9223372036854775809",
                "92233720368547758070",
                "99999999999999999999999999",
        };
        int64_t n = 17;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ck_assert_msg(str_to_int64(str_c(bad[i]), &n) == -EINVAL, "%s", bad[i]);
        for (size_t i = 0; i < ARRAY_SIZE(big); i++)
                ck_assert_msg(str_to_int64(str_c(big[i]), &n) == -ERANGE, "%s", big[i]);
        ck_assert_int_eq(str_to_int64(STR_NULL, &n), -EINVAL);
        ck_assert_int_eq(str_to_int64(str_n("1\0", 2), &n), -EINVAL);
        ck_assert_int_eq(n, 17);
        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                ck_assert_msg(str_to_int64(str_c(good[i].text), &n) == 0, "%s", good[i].text);
                ck_assert_int_eq(n, good[i].n);
        }
}
END_TEST

START_TEST(numbers_are_written)
{
        static const int64_t some[] = { 0,  1,   9,          10,        99,        100,
                                        -1, -10, 1234567890, INT64_MAX, INT64_MIN, INT64_MIN + 1 };

        for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
                char digits[STR_INT_MAX], want[32];

                snprintf(want, sizeof(want), "%lld", (long long)some[i]);
                ck_str_eq(str_int(some[i], digits), want);
        }
}
END_TEST

START_TEST(versions)
{
        static const char *const rising[] = {
                NULL,
                "0",
                "1",
                "9",
                "10",
                "99",
                "100",
                "18446744073709551615",
                "18446744073709551616",
                "99999999999999999999999999999999999999",
        };

        for (size_t i = 0; i < ARRAY_SIZE(rising); i++)
                for (size_t k = 0; k < ARRAY_SIZE(rising); k++)
                        ck_assert_int_eq(sign(str_version_cmp(str_c(rising[i]), str_c(rising[k]))),
                                         sign((int)i - (int)k));
}
END_TEST

START_TEST(utf8)
{
        static const struct {
                const char *text;
                size_t n;
        } cases[] = {
                { "a", 1 },
                { "\x7f", 1 },
                { "\xc2\x80", 2 },
                { "\xc3\xa9x", 2 },
                { "\xdf\xbf", 2 },
                { "\xe0\xa0\x80", 3 },
                { "\xe2\x82\xac", 3 },
                { "\xed\x9f\xbf", 3 },
                { "\xee\x80\x80", 3 },
                { "\xef\xbf\xbf", 3 },
                { "\xf0\x90\x80\x80", 4 },
                { "\xf4\x8f\xbf\xbf", 4 },
                { "\x80", 0 },     /* a continuation alone */
                { "\xc0\x80", 0 }, /* NUL in two bytes */
                { "\xc1\xbf", 0 },
                { "\xc3", 0 }, /* cut short */
                { "\xc3z", 0 },
                { "\xe0\x9f\xbf", 0 }, /* overlong */
                { "\xe2\x82", 0 },
                { "\xe2z\xac", 0 },
                { "\xe2\x82z", 0 },
                { "\xed\xa0\x80", 0 }, /* a surrogate */
                { "\xed\xbf\xbf", 0 },
                { "\xf0\x8f\xbf\xbf", 0 }, /* overlong */
                { "\xf0\x9f\x9a", 0 },
                { "\xf4\x90\x80\x80", 0 }, /* past U+10FFFF */
                { "\xf5\x80\x80\x80", 0 },
                { "\xff", 0 },
                { "", 0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                ck_assert_msg(str_utf8(str_c(cases[i].text)) == cases[i].n, "case %zu", i);
        ck_assert_uint_eq(str_utf8(STR_NULL), 0);
        ck_assert_uint_eq(str_utf8(STR("\0")), 1);
        ck_assert_uint_eq(str_utf8(str_n("\xc3\xa9", 1)), 0);
        ck_assert_uint_eq(str_utf8(str_n("\xe2\x82\xac", 2)), 0);
        ck_assert_uint_eq(str_utf8(str_n("\xf0\x9f\x9a\xa2", 3)), 0);
}
END_TEST

/* All 1,112,064 code points that exist are valid, by the arithmetic of RFC 3629. */
START_TEST(utf8_knows_every_code_point)
{
        size_t valid = 0;

        for (uint32_t c = 0; c < 0x120000; c++) {
                char t[4];
                size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
                uint32_t left = c;

                for (size_t i = n; i-- > 1; left >>= 6)
                        t[i] = (char)(0x80 | (left & 0x3f));
                t[0] = (char)(n == 1 ? left : (0xf00u >> n & 0xff) | left);
                valid += str_utf8(str_n(t, n)) == n;
        }
        ck_assert_uint_eq(valid, 0x110000 - 0x800);
}
END_TEST

START_TEST(a_head_has_whole_characters)
{
        struct str euro = STR("a\xe2\x82\xac"
                              "b");

        ck_str_eq(str_head(euro, 9), "a\xe2\x82\xac"
                                     "b");
        ck_str_eq(str_head(euro, 5), "a\xe2\x82\xac"
                                     "b");
        ck_str_eq(str_head(euro, 4), "a\xe2\x82\xac");
        ck_str_eq(str_head(euro, 3), "a");
        ck_str_eq(str_head(euro, 2), "a");
        ck_str_eq(str_head(euro, 0), "");
        ck_str_eq(str_head(STR("\x80\x80"), 1), "");
        ck_assert_ptr_null(str_head(STR_NULL, 3).data);
}
END_TEST

static const TTest *const tests[] = {
        making,
        membership,
        storing,
        equality,
        order,
        heads_and_tails,
        positions,
        trimming,
        cutting,
        numbers,
        numbers_are_written,
        versions,
        utf8,
        utf8_knows_every_code_point,
        a_head_has_whole_characters,
};
TEST_MAIN("base/str", tests)
