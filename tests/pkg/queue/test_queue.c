/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

START_TEST(a_key_is_in_it_once)
{
        struct queue q;

        queue_init(&q, 1);
        add(&q, "a", 0);
        add(&q, "a", 0);
        add(&q, "a", 0);
        ck_assert_uint_eq(q.n_ready, 1);
        ck_assert_uint_eq(q.adds, 3);
        queue_done(&q, get(&q, 0, "a"), 0);
        get_nothing(&q, 0);
        ck_assert_uint_eq(q.n_ready, 0);
        ck_assert_uint_eq(q.n_active, 0);
        ck_assert_uint_eq(q.items.count, 0); /* nothing is remembered of it */
        queue_release(&q);
}
END_TEST

START_TEST(keys_differ_in_each_of_their_parts)
{
        const struct queue_key
                keys
                        [] = {
                                { 0, STR("ab"), STR("c") }, { 0, STR("a"), STR("bc") },
                                { 1, STR("a"), STR("bc") }, { 0, STR_NULL, STR("abc") },
                                { 0, STR(""), STR("abc") }, /* the absent namespace is the empty one */
                        };
        struct queue q;

        queue_init(&q, 1);
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                ck_assert_int_eq(queue_add(&q, &keys[i], 0), 0);
        ck_assert_uint_eq(q.n_ready, 4);
        for (size_t i = 0; i < 4; i++) {
                struct queue_item *item = queue_get(&q, 0);

                ck_assert_uint_eq(item->key.controller, keys[i].controller);
                ck_assert(str_eq(item->key.namespace, keys[i].namespace));
                ck_assert(str_eq(item->key.name, keys[i].name));
        }
        queue_release(&q);
}
END_TEST

START_TEST(its_strings_are_its_own)
{
        char name[] = "web";
        struct queue q;

        queue_init(&q, 1);
        add(&q, name, 0);
        name[0] = 'x';
        get(&q, 0, "web");
        queue_release(&q);
}
END_TEST

START_TEST(one_at_a_time_and_what_comes_meanwhile_is_done_after)
{
        struct queue_item *item;
        struct queue q;

        queue_init(&q, 1);
        add(&q, "a", 0);
        item = get(&q, 0, "a");
        add(&q, "a", 1);
        add(&q, "a", 2);
        get_nothing(&q, 3);
        ck_assert_int_eq(queue_next(&q, 3), USEC_NEVER);
        queue_done(&q, item, 4);
        item = get(&q, 4, "a");
        ck_assert_int_eq(item->ready_since, 4);
        queue_done(&q, item, 5);
        get_nothing(&q, 6);
        queue_release(&q);
}
END_TEST

START_TEST(a_delay_waits_and_the_earlier_wins)
{
        struct queue q;

        queue_init(&q, 1);
        add_at(&q, "a", 500);
        add_at(&q, "a", 300);
        add_at(&q, "a", 400);
        ck_assert_int_eq(queue_next(&q, 0), 300);
        get_nothing(&q, 299);
        queue_done(&q, get(&q, 300, "a"), 300);
        get_nothing(&q, 10000); /* it was one wake-up, not three */
        ck_assert_int_eq(queue_next(&q, 10000), USEC_NEVER);
        ck_assert_uint_eq(q.items.count, 0);
        queue_release(&q);
}
END_TEST

START_TEST(a_delay_does_not_hold_up_a_plain_add)
{
        struct queue q;

        queue_init(&q, 1);
        add_at(&q, "a", 500);
        add(&q, "a", 10);
        ck_assert_int_eq(queue_next(&q, 10), 10);
        queue_done(&q, get(&q, 10, "a"), 20);
        /* The wake-up that was asked for still comes. */
        ck_assert_int_eq(queue_next(&q, 20), 500);
        get_nothing(&q, 499);
        queue_done(&q, get(&q, 500, "a"), 500);
        ck_assert_uint_eq(q.items.count, 0);
        queue_release(&q);
}
END_TEST

START_TEST(a_delay_that_ends_while_active_comes_back)
{
        struct queue_item *item;
        struct queue q;

        queue_init(&q, 1);
        add(&q, "a", 0);
        item = get(&q, 0, "a");
        add_at(&q, "a", 100);
        get_nothing(&q, 200);
        queue_done(&q, item, 200);
        queue_done(&q, get(&q, 200, "a"), 200);
        get_nothing(&q, 10000);
        queue_release(&q);
}
END_TEST

START_TEST(a_delay_that_was_asked_for_while_active_stays)
{
        struct queue_item *item;
        struct queue q;

        queue_init(&q, 1);
        add(&q, "a", 0);
        item = get(&q, 0, "a");
        add_at(&q, "a", 100);
        queue_done(&q, item, 50);
        ck_assert_int_eq(queue_next(&q, 50), 100);
        get(&q, 100, "a");
        queue_release(&q);
}
END_TEST

START_TEST(wake_ups_come_in_the_order_of_their_times)
{
        struct queue q;

        queue_init(&q, 1);
        add_at(&q, "c", 30);
        add_at(&q, "a", 10);
        add_at(&q, "b", 20);
        get(&q, 100, "a");
        get(&q, 100, "b");
        get(&q, 100, "c");
        queue_release(&q);
}
END_TEST

START_TEST(next_says_when_to_ask_again)
{
        struct queue q;

        queue_init(&q, 1);
        ck_assert_int_eq(queue_next(&q, 5), USEC_NEVER);
        add_at(&q, "a", 100);
        ck_assert_int_eq(queue_next(&q, 5), 100);
        add(&q, "b", 6);
        ck_assert_int_eq(queue_next(&q, 7), 7);
        get(&q, 7, "b");
        ck_assert_int_eq(queue_next(&q, 7), 100);
        queue_release(&q);
}
END_TEST

/* --- without memory ------------------------------------------------------------------ */

START_TEST(what_is_put_back_comes_as_if_it_had_not_been_taken)
{
        struct queue_key a = key("a");
        struct queue_item *item;
        struct queue q;

        queue_init(&q, 1);
        ck_assert_int_eq(queue_add(&q, &a, 0), 0);
        queue_done_failed(&q, queue_get(&q, 0), 0, 0);
        item = queue_get(&q, USEC_MINUTE);
        ck_assert_uint_eq(item->failures, 1);
        ck_assert_int_eq(queue_put_back(&q, item, USEC_MINUTE, USEC_MINUTE + 50), 0);
        ck_assert_uint_eq(q.n_active + q.n_ready, 0);
        ck_assert_ptr_null(queue_get(&q, USEC_MINUTE + 49));
        ck_assert_int_eq(queue_next(&q, USEC_MINUTE), USEC_MINUTE + 50);
        ck_assert_ptr_eq(queue_get(&q, USEC_MINUTE + 50), item);
        ck_assert_uint_eq(item->failures, 1);
        /* What is due or added before that comes then. */
        ck_assert_int_eq(queue_add_at(&q, &a, USEC_MINUTE + 60), 0);
        ck_assert_int_eq(queue_put_back(&q, item, USEC_MINUTE + 50, USEC_MINUTE + 100), 0);
        ck_assert_ptr_eq(queue_get(&q, USEC_MINUTE + 60), item);
        ck_assert_int_eq(queue_put_back(&q, item, USEC_MINUTE + 60, USEC_MINUTE + 100), 0);
        ck_assert_int_eq(queue_add(&q, &a, USEC_MINUTE + 70), 0);
        ck_assert_ptr_eq(queue_get(&q, USEC_MINUTE + 70), item);
        queue_done(&q, item, USEC_MINUTE + 70);
        queue_release(&q);
}
END_TEST

static int put_back(void *arg)
{
        struct queue_key a = key("a");
        struct queue_item *item;
        struct queue q;
        int r;

        (void)arg;
        queue_init(&q, 1);
        r = queue_add(&q, &a, 0);
        item = r == 0 ? queue_get(&q, 0) : NULL;
        if (item)
                r = queue_put_back(&q, item, 0, 10);
        ck_assert_uint_eq(q.n_active, 0);
        ck_assert_uint_eq(q.items.count, q.waiting.n);
        queue_release(&q);
        return r;
}

START_TEST(it_is_put_back_or_forgotten)
{
        torture(put_back, NULL, 0);
}
END_TEST

static int use_everything(void *arg)
{
        struct queue q;
        int r = 0, got = 0;

        (void)arg;
        queue_init(&q, 1);
        for (char c = 'a'; c <= 'z' && r == 0; c++) {
                char name[] = { c, '\0' };
                struct queue_key k = key(name);

                r = c % 2 ? queue_add(&q, &k, 0) : queue_add_at(&q, &k, 10);
        }
        /* What was taken in is there all the same, and a failure loses none. */
        for (struct queue_item *item; (item = queue_get(&q, 10)); got++)
                queue_done_failed(&q, item, 10, USEC_MINUTE);
        ck_assert(r < 0 || got >= 26);
        ck_assert_uint_eq(q.n_ready, 0);
        ck_assert_uint_eq(q.items.count, q.waiting.n);
        queue_release(&q);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(use_everything, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        a_key_is_in_it_once,
        keys_differ_in_each_of_their_parts,
        its_strings_are_its_own,
        one_at_a_time_and_what_comes_meanwhile_is_done_after,
        a_delay_waits_and_the_earlier_wins,
        a_delay_does_not_hold_up_a_plain_add,
        a_delay_that_ends_while_active_comes_back,
        a_delay_that_was_asked_for_while_active_stays,
        wake_ups_come_in_the_order_of_their_times,
        next_says_when_to_ask_again,
        what_is_put_back_comes_as_if_it_had_not_been_taken,
        it_is_put_back_or_forgotten,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("queue/queue", tests)
