/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>

#include "base/buf.h"

START_TEST(appends_of_each_kind)
{
        struct buf b = BUF_INIT(1000);

        ck_assert_int_eq(buf_add(&b, "ab\0c", 4), 0);
        ck_assert_int_eq(buf_add_str(&b, STR("-str")), 0);
        ck_assert_int_eq(buf_add_str(&b, STR_NULL), 0);
        ck_assert_int_eq(buf_add_c(&b, "-c"), 0);
        ck_assert_int_eq(buf_add_char(&b, '!'), 0);
        ck_assert_int_eq(buf_add_int(&b, INT64_MIN), 0);
        ck_assert_int_eq(buf_add_int(&b, INT64_MAX), 0);
        ck_assert_int_eq(buf_printf(&b, "%s=%d", "n", 5), 0);
        ck_assert_uint_eq(b.len, 4 + 4 + 2 + 1 + 20 + 19 + 3);
        ck_assert_mem_eq(b.data, "ab\0c-str-c!-92233720368547758089223372036854775807n=5", b.len + 1);
        ck_assert_int_eq(buf_error(&b), 0);
        buf_release(&b);
}
END_TEST

START_TEST(empty_buffer_is_an_empty_string)
{
        struct buf b = BUF_INIT(10);

        ck_assert_ptr_nonnull(buf_str(&b).data);
        ck_assert_uint_eq(buf_str(&b).len, 0);
        buf_clear(&b);
        ck_assert_int_eq(buf_add(&b, NULL, 0), 0);
        ck_assert_str_eq(b.data, "");
        buf_release(&b);
        buf_release(&b);
}
END_TEST

START_TEST(cap_holds_to_the_byte_and_sticks)
{
        struct buf b;

        buf_init(&b, 4);
        ck_assert_int_eq(buf_add_c(&b, "1234"), 0);
        ck_assert_int_eq(buf_add_char(&b, '5'), -EMSGSIZE);
        ck_assert_int_eq(buf_add(&b, NULL, 0), -EMSGSIZE);
        ck_assert_int_eq(buf_printf(&b, "%s", ""), -EMSGSIZE);
        ck_assert_ptr_null(buf_reserve(&b, 0));
        ck_str_eq(buf_str(&b), "1234");
        ck_assert_int_eq(buf_error(&b), -EMSGSIZE);

        buf_clear(&b);
        ck_assert_int_eq(buf_error(&b), 0);
        ck_str_eq(buf_str(&b), "");
        ck_assert_int_eq(buf_add_c(&b, "12345"), -EMSGSIZE);
        ck_str_eq(buf_str(&b), "");
        buf_release(&b);
        ck_assert_int_eq(buf_error(&b), 0);
        ck_assert_uint_eq(b.cap, 4);
}
END_TEST

START_TEST(cap_of_zero_takes_nothing)
{
        struct buf b = BUF_INIT(0);

        ck_assert_int_eq(buf_add(&b, "", 0), 0);
        ck_assert_int_eq(buf_add_char(&b, 'x'), -EMSGSIZE);
        buf_release(&b);
}
END_TEST

START_TEST(boundless_cap_does_not_wrap)
{
        struct buf b = BUF_INIT(SIZE_MAX);

        ck_assert_int_eq(buf_add_c(&b, "a"), 0);
        ck_str_eq(buf_str(&b), "a");
        for (size_t less = 0; less < 8; less++) {
                ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX - less));
                ck_assert_int_ne(buf_error(&b), 0);
                buf_clear(&b);
        }
        buf_release(&b);
}
END_TEST

START_TEST(growth_is_geometric)
{
        struct buf b = BUF_INIT((size_t)1 << 20);
        uint64_t before = mem_count();
        size_t bad = 0;

        for (size_t i = 0; i < (size_t)1 << 20; i++)
                bad += buf_add_char(&b, (char)('a' + i % 26)) != 0;
        ck_assert_uint_eq(bad, 0);
        ck_assert_uint_lt(mem_count() - before, 20);
        ck_assert_uint_le(b.size, b.cap + 1);
        for (size_t i = 0; i < b.len; i++)
                bad += b.data[i] != (char)('a' + i % 26);
        ck_assert_uint_eq(bad, 0);
        ck_assert_int_eq(buf_add_char(&b, 'x'), -EMSGSIZE);
        buf_release(&b);
}
END_TEST

START_TEST(reserve_and_commit)
{
        struct buf b = BUF_INIT(100);
        char *to = buf_reserve(&b, 100);

        ck_assert_ptr_nonnull(to);
        ck_assert_str_eq(b.data, "");
        memset(to, 'r', 100);
        buf_commit(&b, 60);
        ck_assert_uint_eq(b.len, 60);
        ck_assert_uint_eq(strlen(b.data), 60);
        ck_assert_ptr_nonnull(buf_reserve(&b, 40));
        ck_assert_ptr_null(buf_reserve(&b, 41));
        buf_release(&b);
}
END_TEST

START_TEST(long_printf)
{
        struct buf b = BUF_INIT(10000);

        ck_assert_int_eq(buf_printf(&b, "%0*d", 9999, 7), 0);
        ck_assert_uint_eq(b.len, 9999);
        ck_assert_int_eq(b.data[9998], '7');
        ck_assert_int_eq(buf_printf(&b, "%d", 12), -EMSGSIZE);
        ck_assert_uint_eq(b.len, 9999);
        buf_release(&b);
}
END_TEST

START_TEST(a_failed_growth_keeps_the_bytes)
{
        struct buf b = BUF_INIT(10000);

        buf_add_c(&b, "kept");
        mem_fail_after(1);
        ck_assert_int_eq(buf_printf(&b, "%0*d", 5000, 7), -ENOMEM);
        mem_fail_after(0);
        ck_assert_int_eq(buf_add_char(&b, 'x'), -ENOMEM);
        ck_str_eq(buf_str(&b), "kept");
        buf_clear(&b);
        ck_assert_int_eq(buf_add_c(&b, "again"), 0);
        ck_str_eq(buf_str(&b), "again");
        buf_release(&b);
}
END_TEST

static int use_buf(void *arg)
{
        _cleanup_(buf_release) struct buf b = BUF_INIT(100000);

        (void)arg;
        buf_add_c(&b, "head");
        buf_printf(&b, "%0*d", 500, 1);
        for (int i = 0; i < 10000; i++)
                buf_add_int(&b, i);
        return buf_error(&b);
}

START_TEST(survives_any_failed_allocation)
{
        torture(use_buf, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        appends_of_each_kind,
        empty_buffer_is_an_empty_string,
        cap_holds_to_the_byte_and_sticks,
        cap_of_zero_takes_nothing,
        boundless_cap_does_not_wrap,
        growth_is_geometric,
        reserve_and_commit,
        long_printf,
        a_failed_growth_keeps_the_bytes,
        survives_any_failed_allocation,
};
TEST_MAIN("base/buf", tests)
