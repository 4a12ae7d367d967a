/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "base/heap.h"
#include "base/rand.h"

#define N ((size_t)200)

static bool is_heap(const struct heap *h)
{
        for (size_t i = 0; i < h->n; i++)
                if (h->nodes[i]->index != i || (i > 0 && h->nodes[(i - 1) / 2]->due > h->nodes[i]->due))
                        return false;
        return true;
}

static void init_nodes(struct heap_node *nodes)
{
        for (size_t i = 0; i < N; i++)
                heap_node_init(&nodes[i]);
}

static usec_t nearest(const struct heap_node *nodes)
{
        usec_t due = USEC_NEVER;

        for (size_t i = 0; i < N; i++)
                if (heap_contains(&nodes[i]))
                        due = MIN(due, nodes[i].due);
        return due;
}

static size_t count_in(const struct heap_node *nodes)
{
        size_t n = 0;

        for (size_t i = 0; i < N; i++)
                n += heap_contains(&nodes[i]);
        return n;
}

START_TEST(an_empty_heap_has_no_top)
{
        struct heap h;
        struct heap_node node;

        heap_init(&h);
        heap_node_init(&node);
        ck_assert_ptr_null(heap_top(&h));
        ck_assert(!heap_contains(&node));
        heap_remove(&h, &node); /* fine if it is not in */
        ck_assert_uint_eq(h.n, 0);
        heap_release(&h);
}
END_TEST

START_TEST(it_gives_them_by_time)
{
        static const usec_t dues[] = { 50, 10, 40, 10, 30, 20 };
        struct heap_node nodes[ARRAY_SIZE(dues)];
        usec_t before = 0;
        struct heap h;

        heap_init(&h);
        for (size_t i = 0; i < ARRAY_SIZE(dues); i++) {
                heap_node_init(&nodes[i]);
                ck_assert_int_eq(heap_set(&h, &nodes[i], dues[i]), 0);
        }
        for (size_t i = 0; i < ARRAY_SIZE(dues); i++) {
                struct heap_node *top = heap_top(&h);

                ck_assert_int_ge(top->due, before);
                before = top->due;
                heap_remove(&h, top);
                ck_assert(!heap_contains(top));
        }
        ck_assert_int_eq(before, 50);
        ck_assert_ptr_null(heap_top(&h));
        heap_release(&h);
}
END_TEST

START_TEST(the_top_is_the_nearest_whatever_was_done)
{
        struct rand rand = { .state = 1 };
        struct heap_node nodes[N];
        struct heap h;

        heap_init(&h);
        init_nodes(nodes);
        for (int step = 0; step < 20000; step++) {
                struct heap_node *node = &nodes[rand_below(&rand, N)];
                usec_t due = (usec_t)rand_below(&rand, 1000);

                if (rand_below(&rand, 3)) {
                        ck_assert_int_eq(heap_set(&h, node, due), 0);
                        ck_assert(heap_contains(node));
                        ck_assert_int_eq(node->due, due);
                } else {
                        heap_remove(&h, node);
                        ck_assert(!heap_contains(node));
                }
                ck_assert_uint_eq(h.n, count_in(nodes));
                ck_assert(is_heap(&h));
                if (h.n)
                        ck_assert_int_eq(heap_top(&h)->due, nearest(nodes));
                else
                        ck_assert_ptr_null(heap_top(&h));
        }
        heap_release(&h);
}
END_TEST

START_TEST(moving_and_setting_after_a_removal_need_no_memory)
{
        struct heap_node nodes[N];
        struct heap h;

        heap_init(&h);
        init_nodes(nodes);
        for (size_t i = 0; i < N; i++) {
                ck_assert_int_eq(heap_set(&h, &nodes[i], (usec_t)i), 0);
                mem_fail_after(1);
                ck_assert_int_eq(heap_set(&h, &nodes[i], 0), 0);
                heap_remove(&h, &nodes[i]);
                ck_assert_int_eq(heap_set(&h, &nodes[i], (usec_t)(N - i)), 0);
                mem_fail_after(0);
                ck_assert(is_heap(&h));
        }
        heap_release(&h);
}
END_TEST

static int set_many(void *arg)
{
        struct heap_node nodes[N];
        struct heap h;
        int r = 0;

        (void)arg;
        heap_init(&h);
        init_nodes(nodes);
        for (size_t i = 0; i < N && r == 0; i++) {
                r = heap_set(&h, &nodes[i], (usec_t)(N - i));
                ck_assert(heap_contains(&nodes[i]) == (r == 0));
        }
        ck_assert(is_heap(&h));
        heap_release(&h);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(set_many, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        an_empty_heap_has_no_top,
        it_gives_them_by_time,
        the_top_is_the_nearest_whatever_was_done,
        moving_and_setting_after_a_removal_need_no_memory,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("base/heap", tests)
