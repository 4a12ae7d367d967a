/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h" /* first: it must stand by itself */

#include "harness.h"

struct item {
        int value;
        struct list link;
};

#define N 10

static struct item items[N];
static struct list head;

static void fill(void)
{
        list_init(&head);
        for (int i = 0; i < N; i++) {
                items[i].value = i;
                list_add_tail(&head, &items[i].link);
        }
}

/* The list holds exactly these, read in both directions. */
static void check(size_t n, const int *values)
{
        struct list *back = head.prev;
        size_t i = 0;

        list_for_each (it, &head) {
                ck_assert_uint_lt(i, n);
                ck_assert_int_eq(container_of(it, struct item, link)->value, values[i]);
                i++;
        }
        ck_assert_uint_eq(i, n);
        while (i-- > 0) {
                ck_assert_int_eq(container_of(back, struct item, link)->value, values[i]);
                back = back->prev;
        }
        ck_assert_ptr_eq(back, &head);
}

START_TEST(empty)
{
        list_init(&head);
        ck_assert(list_empty(&head));
        ck_assert_ptr_null(list_first(&head));
        check(0, NULL);
        list_for_each_safe (it, &head)
                ck_abort_msg("an item on an empty list");
}
END_TEST

START_TEST(order)
{
        fill();
        ck_assert(!list_empty(&head));
        ck_assert_ptr_eq(list_first(&head), &items[0].link);
        check(N, (int[]){ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 });

        list_init(&head);
        for (int i = 0; i < 4; i++)
                list_add_head(&head, &items[i].link);
        check(4, (int[]){ 3, 2, 1, 0 });
}
END_TEST

START_TEST(removal)
{
        fill();
        list_remove(&items[0].link);
        list_remove(&items[5].link);
        list_remove(&items[9].link);
        check(7, (int[]){ 1, 2, 3, 4, 6, 7, 8 });
        ck_assert(list_empty(&items[5].link));
        list_remove(&items[5].link);
        check(7, (int[]){ 1, 2, 3, 4, 6, 7, 8 });
        list_add_tail(&head, &items[5].link);
        check(8, (int[]){ 1, 2, 3, 4, 6, 7, 8, 5 });
}
END_TEST

START_TEST(removal_while_walking)
{
        fill();
        list_for_each_safe (it, &head) {
                if (container_of(it, struct item, link)->value % 2 == 0)
                        list_remove(it);
        }
        check(5, (int[]){ 1, 3, 5, 7, 9 });
        list_for_each_safe (it, &head)
                list_remove(it);
        ck_assert(list_empty(&head));
}
END_TEST

static const TTest *const tests[] = { empty, order, removal, removal_while_walking };
TEST_MAIN("base/list", tests)
