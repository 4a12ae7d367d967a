/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "base/rand.h"
#include "loop/heap.h"

#define N ((size_t)200)

static bool is_heap(const struct timer_heap *h)
{
        for (size_t i = 0; i < h->n; i++)
                if (h->items[i]->heap_index != i || (i > 0 && h->items[(i - 1) / 2]->due > h->items[i]->due))
                        return false;
        return true;
}

static usec_t nearest(const struct loop_timer *timers, const bool *in)
{
        usec_t due = USEC_NEVER;

        for (size_t i = 0; i < N; i++)
                if (in[i])
                        due = MIN(due, timers[i].due);
        return due;
}

START_TEST(the_first_is_the_nearest_whatever_was_done)
{
        struct rand rand = { .state = 1 };
        struct timer_heap h = { 0 };
        struct loop_timer timers[N] = { 0 };
        bool in[N] = { false };
        size_t n = 0;

        for (int step = 0; step < 20000; step++) {
                size_t i = rand_below(&rand, N);
                usec_t due = (usec_t)rand_below(&rand, 1000);

                if (!in[i]) {
                        timers[i].due = due;
                        ck_assert_int_eq(timer_heap_add(&h, &timers[i]), 0);
                        in[i] = true;
                        n++;
                } else if (rand_below(&rand, 2)) {
                        timer_heap_move(&h, &timers[i], due);
                } else {
                        timer_heap_remove(&h, &timers[i]);
                        in[i] = false;
                        n--;
                }
                ck_assert_uint_eq(h.n, n);
                ck_assert(is_heap(&h));
                if (n)
                        ck_assert_int_eq(timer_heap_first(&h)->due, nearest(timers, in));
                else
                        ck_assert_ptr_null(timer_heap_first(&h));
        }
        timer_heap_release(&h);
}
END_TEST

START_TEST(adding_after_a_removal_needs_no_memory)
{
        struct timer_heap h = { 0 };
        struct loop_timer timers[N] = { 0 };

        for (size_t i = 0; i < N; i++) {
                timers[i].due = (usec_t)i;
                ck_assert_int_eq(timer_heap_add(&h, &timers[i]), 0);
                timer_heap_remove(&h, &timers[i]);
                mem_fail_after(1);
                ck_assert_int_eq(timer_heap_add(&h, &timers[i]), 0);
                mem_fail_after(0);
        }
        timer_heap_release(&h);
}
END_TEST

static int add_many(void *arg)
{
        struct timer_heap h = { 0 };
        struct loop_timer timers[N] = { 0 };
        int r = 0;

        (void)arg;
        for (size_t i = 0; i < N && r == 0; i++)
                r = timer_heap_add(&h, &timers[i]);
        ck_assert(is_heap(&h));
        timer_heap_release(&h);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(add_many, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        the_first_is_the_nearest_whatever_was_done,
        adding_after_a_removal_needs_no_memory,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("loop/heap", tests)
