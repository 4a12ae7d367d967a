/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "base/rand.h"

START_TEST(a_seed_is_a_sequence)
{
        struct rand a = { 1 }, b = { 1 }, c = { 2 };
        size_t differ = 0;

        for (int i = 0; i < 1000; i++) {
                uint64_t n = rand_next(&a);

                ck_assert_uint_eq(n, rand_next(&b));
                differ += n != rand_next(&c);
        }
        ck_assert_uint_eq(differ, 1000);
}
END_TEST

/* A simulator's seed in a bug report must mean the same years later. */
START_TEST(pinned_values)
{
        struct rand r = { 42 };

        ck_assert_uint_eq(rand_next(&r), UINT64_C(0x2d1c8760f8047fc7));
        ck_assert_uint_eq(rand_next(&r), UINT64_C(0x077fb59b63a77004));
}
END_TEST

START_TEST(below_stays_below_and_reaches_all)
{
        struct rand r = { 7 };
        size_t seen[6] = { 0 };

        for (int i = 0; i < 6000; i++) {
                uint64_t n = rand_below(&r, 6);

                ck_assert_uint_lt(n, 6);
                seen[n]++;
        }
        for (size_t i = 0; i < 6; i++) {
                ck_assert_uint_gt(seen[i], 850);
                ck_assert_uint_lt(seen[i], 1150);
        }
        for (int i = 0; i < 100; i++) {
                ck_assert_uint_eq(rand_below(&r, 1), 0);
                ck_assert_uint_lt(rand_below(&r, UINT64_MAX), UINT64_MAX);
        }
}
END_TEST

static const TTest *const tests[] = { a_seed_is_a_sequence, pinned_values,
                                      below_stays_below_and_reaches_all };
TEST_MAIN("base/rand", tests)
