/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/data.h"
#include "failover/loop.h"
#include "harness.h"

static struct data_tree tree;

static struct data_ref write_to(struct data_ref ref, int n)
{
        while (n--)
                data_append(&tree, &ref)->client = 1;
        return ref;
}

START_TEST(what_goes_on_is_a_prefix)
{
        struct data_ref a, b;

        data_init(&tree);
        a = write_to((struct data_ref){ 0 }, 5);
        b = write_to(a, 3);
        ck_assert_int_eq(a.branch, b.branch);
        ck_assert(data_is_prefix(&tree, a, b));
        ck_assert(!data_is_prefix(&tree, b, a));
        ck_assert_uint_eq(data_common(&tree, a, b), 5);
        data_release(&tree);
}
END_TEST

START_TEST(what_went_on_from_less_has_diverged)
{
        struct data_ref a, behind, other, third;

        data_init(&tree);
        a = write_to((struct data_ref){ 0 }, 6);
        behind = (struct data_ref){ a.branch, 4 };
        other = write_to(behind, 2);
        ck_assert_int_ne(a.branch, other.branch);
        ck_assert(data_is_prefix(&tree, behind, a));
        ck_assert(data_is_prefix(&tree, behind, other));
        ck_assert(!data_is_prefix(&tree, a, other)); /* though it is as long */
        ck_assert_uint_eq(data_common(&tree, a, other), 4);
        third = write_to((struct data_ref){ other.branch, 4 }, 1); /* where the branch has none of its own */
        ck_assert_uint_eq(data_common(&tree, third, other), 4);
        ck_assert_uint_eq(data_common(&tree, third, a), 4);
        ck_assert_ptr_eq(data_at(&tree, other, 3), data_at(&tree, a, 3));
        ck_assert_ptr_ne(data_at(&tree, other, 4), data_at(&tree, a, 4));
        data_release(&tree);
}
END_TEST

START_TEST(two_beginnings_have_nothing_in_common)
{
        struct data_ref a, b;

        data_init(&tree);
        a = write_to((struct data_ref){ 0 }, 3);
        b = write_to((struct data_ref){ 0 }, 3);
        ck_assert_uint_eq(data_common(&tree, a, b), 0);
        ck_assert(data_is_prefix(&tree, (struct data_ref){ 0 }, a));
        data_release(&tree);
}
END_TEST

START_TEST(turns_come_by_time_and_then_in_their_order)
{
        static const usec_t at[] = { 50, 10, 30, 10, 30, 10 };
        static const int64_t expected[] = { 1, 3, 5, 2, 4, 0 };
        struct loop loop;

        loop_init(&loop);
        for (size_t i = 0; i < ARRAY_SIZE(at); i++)
                loop_at(&loop, loop.now + at[i], NULL)->a = (int64_t)i;
        for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
                struct turn *t = loop_next(&loop);

                ck_assert_int_eq(t->a, expected[i]);
                ck_assert_int_eq(loop.now, t->at);
                loop_give_back(&loop, t);
        }
        ck_assert_int_eq(loop_due(&loop), USEC_NEVER);
        loop_release(&loop);
}
END_TEST

static const TTest *const tests[] = {
        what_goes_on_is_a_prefix,
        what_went_on_from_less_has_diverged,
        two_beginnings_have_nothing_in_common,
        turns_come_by_time_and_then_in_their_order,
};
TEST_MAIN("sim/failover/data", tests)
