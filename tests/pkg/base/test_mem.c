/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "base/mem.h"

START_TEST(nothing_is_still_a_pointer)
{
        void *a = mem_alloc(0), *b = mem_zalloc(0), *c = mem_realloc(NULL, 0);

        ck_assert_ptr_nonnull(a);
        ck_assert_ptr_nonnull(b);
        ck_assert_ptr_nonnull(c);
        c = mem_realloc(c, 0);
        ck_assert_ptr_nonnull(c);
        mem_free(a);
        mem_free(b);
        mem_free(c);
        mem_free(NULL);
}
END_TEST

START_TEST(zeroed)
{
        struct error *e = mem_new(struct error);
        static const struct error zero;

        ck_assert_ptr_nonnull(e);
        ck_assert_mem_eq(e, &zero, sizeof(zero));
        mem_free(e);
}
END_TEST

START_TEST(resizing_keeps_the_bytes)
{
        char *p = mem_realloc(NULL, 4), *q;

        ck_assert_ptr_nonnull(p);
        memcpy(p, "abc", 4);
        q = mem_realloc(p, 100000);
        ck_assert_ptr_nonnull(q);
        ck_assert_str_eq(q, "abc");
        mem_fail_after(1);
        ck_assert_ptr_null(mem_realloc(q, 200000));
        mem_fail_after(0);
        ck_assert_str_eq(q, "abc");
        mem_free(q);
}
END_TEST

START_TEST(strndup_copies_n_bytes)
{
        char *a = mem_strndup("abcdef", 3), *b = mem_strndup(NULL, 0), *c = mem_strndup("x\0y", 3);

        ck_assert_str_eq(a, "abc");
        ck_assert_str_eq(b, "");
        ck_assert_mem_eq(c, "x\0y", 4);
        mem_free(a);
        mem_free(b);
        mem_free(c);
}
END_TEST

START_TEST(sizes_past_all_memory_fail)
{
        ck_assert_ptr_null(mem_strndup("a", SIZE_MAX));
        ck_assert_ptr_null(mem_zalloc_n(SIZE_MAX / 2, 4));
}
END_TEST

START_TEST(cleanup_frees_and_forgets)
{
        uint64_t live = mem_live();
        {
                _cleanup_(mem_freep) char *p = mem_alloc(10);
                _cleanup_(mem_freep) char *none = NULL;

                ck_assert_ptr_nonnull(p);
                ck_assert_ptr_null(none);
                ck_assert_uint_eq(mem_live(), live + 1);
                mem_freep(&p);
                ck_assert_ptr_null(p);
        }
        ck_assert_uint_eq(mem_live(), live);
}
END_TEST

START_TEST(exactly_the_nth_fails)
{
        for (uint64_t n = 1; n <= 5; n++) {
                void *p[5];

                mem_fail_after(n);
                p[0] = mem_alloc(1);
                p[1] = mem_zalloc(1);
                p[2] = mem_realloc(NULL, 1);
                p[3] = mem_strndup("a", 1);
                p[4] = mem_zalloc_n(1, 1);
                mem_fail_after(0);
                for (uint64_t i = 0; i < 5; i++) {
                        ck_assert_int_eq(p[i] == NULL, i + 1 == n);
                        mem_free(p[i]);
                }
        }
        mem_free(mem_alloc(1));
}
END_TEST

START_TEST(counts)
{
        uint64_t count = mem_count(), live = mem_live();
        char *p = mem_alloc(1), *q;

        ck_assert_uint_eq(mem_count(), count + 1);
        ck_assert_uint_eq(mem_live(), live + 1);
        q = mem_realloc(p, 100);
        ck_assert_ptr_nonnull(q);
        ck_assert_uint_eq(mem_count(), count + 2);
        ck_assert_uint_eq(mem_live(), live + 1);
        mem_free(NULL);
        ck_assert_uint_eq(mem_live(), live + 1);
        mem_free(q);
        ck_assert_uint_eq(mem_live(), live);
        mem_fail_after(1);
        ck_assert_ptr_null(mem_alloc(1));
        ck_assert_uint_eq(mem_live(), live);
        ck_assert_uint_eq(mem_count(), count + 3);
}
END_TEST

static int take_three(void *arg)
{
        int *runs = arg;
        void *p[3];
        int r = 0;

        (*runs)++;
        for (size_t i = 0; i < 3; i++) {
                p[i] = mem_alloc(8);
                r = p[i] ? r : -12;
        }
        for (size_t i = 0; i < 3; i++)
                mem_free(p[i]);
        return r;
}

/* The torture itself: one run for each allocation, and one without a failure. */
START_TEST(torture_visits_every_allocation)
{
        int runs = 0;

        torture(take_three, &runs, 0);
        ck_assert_int_eq(runs, 4);
}
END_TEST

static const TTest *const tests[] = {
        nothing_is_still_a_pointer,      zeroed,
        resizing_keeps_the_bytes,        strndup_copies_n_bytes,
        sizes_past_all_memory_fail,      cleanup_frees_and_forgets,
        exactly_the_nth_fails,           counts,
        torture_visits_every_allocation,
};
TEST_MAIN("base/mem", tests)
