/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>
#include <stdalign.h>

#include "base/arena.h"

#define CAP ((size_t)1 << 20)

static bool all_zero(const void *p, size_t n)
{
        const unsigned char *b = p;

        for (size_t i = 0; i < n; i++)
                if (b[i])
                        return false;
        return true;
}

START_TEST(pieces_are_zeroed_aligned_and_apart)
{
        struct arena a = ARENA_INIT(CAP);
        unsigned char *previous = NULL;
        size_t previous_len = 0;

        for (size_t n = 1; n < 600; n++) {
                unsigned char *p = arena_alloc(&a, n);

                ck_assert_ptr_nonnull(p);
                ck_assert_uint_eq((uintptr_t)p % alignof(max_align_t), 0);
                ck_assert(all_zero(p, n));
                if (previous)
                        ck_assert(p >= previous + previous_len || p + n <= previous);
                memset(p, 0xff, n);
                previous = p;
                previous_len = n;
        }
        ck_assert(!a.failed);
        arena_release(&a);
}
END_TEST

START_TEST(memory_is_zeroed_again_after_clear)
{
        struct arena a = ARENA_INIT(CAP);
        unsigned char *p = arena_alloc(&a, 1000);

        ck_assert_ptr_nonnull(p);
        memset(p, 0xff, 1000);
        arena_clear(&a);
        p = arena_alloc(&a, 1000);
        ck_assert_ptr_nonnull(p);
        ck_assert(all_zero(p, 1000));
        arena_release(&a);
}
END_TEST

START_TEST(nothing_is_a_piece_too)
{
        struct arena a = ARENA_INIT(CAP);

        ck_assert_ptr_nonnull(arena_alloc(&a, 0));
        ck_assert_ptr_nonnull(arena_alloc_n(&a, 0, 8));
        arena_release(&a);
}
END_TEST

START_TEST(one_block_serves_many_small_pieces)
{
        struct arena a = ARENA_INIT(CAP);
        uint64_t before = mem_count();

        for (int i = 0; i < 100; i++)
                ck_assert_ptr_nonnull(arena_alloc(&a, 16));
        ck_assert_uint_eq(mem_count() - before, 1);
        arena_release(&a);
}
END_TEST

START_TEST(it_tells_want_of_room_from_want_of_memory)
{
        struct arena a = ARENA_INIT(4096);

        ck_assert_ptr_null(arena_alloc(&a, 8192));
        ck_assert(a.failed && a.full);
        arena_clear(&a);
        ck_assert(!a.failed && !a.full);
        mem_fail_after(1);
        ck_assert_ptr_null(arena_alloc(&a, 16));
        mem_fail_after(0);
        ck_assert(a.failed && !a.full);
        arena_release(&a);
        ck_assert(!a.failed && !a.full);
}
END_TEST

START_TEST(cap_holds_to_the_byte_and_failure_sticks)
{
        struct arena a;

        arena_init(&a, 8192);
        ck_assert_ptr_nonnull(arena_alloc(&a, 8192));
        ck_assert_uint_eq(a.taken, 8192);
        ck_assert(!a.failed);
        ck_assert_ptr_null(arena_alloc(&a, 1));
        ck_assert(a.failed);
        arena_clear(&a);
        ck_assert(!a.failed);
        arena_release(&a);

        arena_init(&a, 8192);
        ck_assert_ptr_null(arena_alloc(&a, 8193));
        ck_assert(a.failed);
        ck_assert_uint_eq(a.taken, 0);
        arena_release(&a);
        ck_assert(!a.failed);
}
END_TEST

START_TEST(a_failure_leaves_room_for_smaller_pieces)
{
        struct arena a = ARENA_INIT(8192);

        ck_assert_ptr_nonnull(arena_alloc(&a, 100));
        ck_assert_ptr_null(arena_alloc(&a, 9000));
        ck_assert_ptr_nonnull(arena_alloc(&a, 100));
        ck_assert(a.failed);
        arena_release(&a);
}
END_TEST

START_TEST(sizes_that_overflow_fail)
{
        struct arena a = ARENA_INIT(SIZE_MAX);

        for (size_t less = 0; less < 128; less++)
                ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX - less));
        ck_assert(a.failed);
        arena_clear(&a);
        ck_assert_ptr_null(arena_alloc_n(&a, SIZE_MAX / 2, 3));
        ck_assert(a.failed);
        ck_assert_uint_eq(a.taken, 0);
        arena_release(&a);
}
END_TEST

START_TEST(clear_keeps_one_block_and_never_a_huge_one)
{
        struct arena a = ARENA_INIT((size_t)64 << 20);
        uint64_t before;

        for (int i = 0; i < 1000; i++)
                ck_assert_ptr_nonnull(arena_alloc(&a, 1000));
        arena_clear(&a);
        ck_assert_uint_gt(a.taken, 0);
        ck_assert_uint_le(a.taken, 256 * 1024);
        before = mem_count();
        ck_assert_ptr_nonnull(arena_alloc(&a, 1000));
        ck_assert_uint_eq(mem_count(), before);

        /* One huge object in the past must not be paid for for ever. */
        ck_assert_ptr_nonnull(arena_alloc(&a, (size_t)32 << 20));
        arena_clear(&a);
        ck_assert_uint_le(a.taken, 256 * 1024);
        ck_assert_ptr_nonnull(arena_alloc(&a, (size_t)64 << 19));
        arena_release(&a);
        arena_release(&a);
        arena_clear(&a);
}
END_TEST

START_TEST(strings_are_copied_and_terminated)
{
        struct arena a = ARENA_INIT(CAP);
        char bytes[] = { 'a', '\0', 'b' };
        struct str s = arena_str(&a, str_n(bytes, 3));

        bytes[0] = 'x';
        ck_assert_uint_eq(s.len, 3);
        ck_assert_mem_eq(s.data, "a\0b", 4);
        s = arena_str(&a, STR(""));
        ck_assert_ptr_nonnull(s.data);
        ck_assert_uint_eq(s.len, 0);
        ck_assert_int_eq(s.data[0], '\0');
        ck_assert_ptr_null(arena_str(&a, STR_NULL).data);
        ck_assert(!a.failed);
        arena_release(&a);
}
END_TEST

START_TEST(printf_measures_first)
{
        struct arena a = ARENA_INIT(CAP);
        char want[5001];

        memset(want, 'w', 5000);
        want[5000] = '\0';
        ck_str_eq(arena_printf(&a, "%s-%d", "shop", 7), "shop-7");
        ck_str_eq(arena_printf(&a, "%s", want), want);
        ck_str_eq(arena_printf(&a, "%s", ""), "");
        arena_release(&a);
}
END_TEST

START_TEST(strings_are_joined)
{
        struct arena a = ARENA_INIT(64);
        struct str s = arena_join(&a, STR("app"), STR_NULL, STR("-"), str_n("shopping", 4), STR(""));

        ck_str_eq(s, "app-shop");
        ck_assert_int_eq(s.data[s.len], '\0');
        s = arena_join(&a, STR_NULL);
        ck_assert_ptr_nonnull(s.data);
        ck_assert_uint_eq(s.len, 0);
        ck_assert(!a.failed);
        ck_assert_ptr_null(arena_join(&a, STR("0123456789012345678901234567890123456789"),
                                      STR("0123456789012345678901234567890123456789"))
                                   .data);
        ck_assert(a.failed && a.full);
        arena_release(&a);
}
END_TEST

START_TEST(bytes_are_told_in_hex)
{
        static const unsigned char bytes[] = { 0x00, 0x1f, 0xa0, 0xff };
        struct arena a = ARENA_INIT(64);
        struct str s = arena_hex(&a, bytes, sizeof(bytes));

        ck_str_eq(s, "001fa0ff");
        ck_assert_int_eq(s.data[s.len], '\0');
        ck_str_eq(arena_hex(&a, bytes, 0), "");
        ck_assert_ptr_null(arena_hex(&a, (const unsigned char *)"0123456789abcdef", 16).data);
        ck_assert(a.failed && a.full);
        arena_release(&a);
}
END_TEST

START_TEST(strings_past_the_cap_are_absent)
{
        struct arena a = ARENA_INIT(64);
        char text[100];

        memset(text, 't', sizeof(text));
        ck_assert_ptr_null(arena_str(&a, str_n(text, sizeof(text))).data);
        ck_assert(a.failed);
        arena_clear(&a);
        ck_assert_ptr_null(arena_printf(&a, "%.*s", 100, text).data);
        ck_assert(a.failed);
        arena_release(&a);
}
END_TEST

START_TEST(a_buffer_gives_its_text_or_its_error)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(4);
        struct arena a = ARENA_INIT(CAP);

        ck_assert_ptr_nonnull(arena_buf(&a, &text).data);
        buf_add_c(&text, "abc");
        ck_str_eq(arena_buf(&a, &text), "abc");
        ck_assert(!a.failed);
        buf_add_c(&text, "defgh");
        ck_assert_ptr_null(arena_buf(&a, &text).data);
        ck_assert(a.failed && a.full);
        arena_clear(&a);
        buf_clear(&text);
        text.error = -ENOMEM;
        ck_assert_ptr_null(arena_buf(&a, &text).data);
        ck_assert(a.failed && !a.full);
        arena_release(&a);
}
END_TEST

static int use_arena(void *arg)
{
        struct arena a = ARENA_INIT(CAP);
        int *numbers;
        int r;

        (void)arg;
        arena_str(&a, STR("short"));
        numbers = arena_new_n(&a, int, 5000);
        if (numbers)
                numbers[4999] = 1;
        arena_printf(&a, "%0*d", 9000, 1);
        arena_join(&a, arena_printf(&a, "%0*d", 3000, 1), arena_printf(&a, "%0*d", 3000, 1));
        arena_clear(&a);
        arena_printf(&a, "%0*d", 20000, 1);
        r = a.failed ? -12 : 0;
        arena_release(&a);
        return r;
}

START_TEST(survives_any_failed_allocation)
{
        torture(use_arena, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        pieces_are_zeroed_aligned_and_apart,
        memory_is_zeroed_again_after_clear,
        nothing_is_a_piece_too,
        one_block_serves_many_small_pieces,
        it_tells_want_of_room_from_want_of_memory,
        cap_holds_to_the_byte_and_failure_sticks,
        a_failure_leaves_room_for_smaller_pieces,
        sizes_that_overflow_fail,
        clear_keeps_one_block_and_never_a_huge_one,
        strings_are_copied_and_terminated,
        printf_measures_first,
        strings_are_joined,
        bytes_are_told_in_hex,
        strings_past_the_cap_are_absent,
        a_buffer_gives_its_text_or_its_error,
        survives_any_failed_allocation,
};
TEST_MAIN("base/arena", tests)
