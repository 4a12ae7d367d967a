/* SPDX-License-Identifier: Apache-2.0 */
#include "keys.h"

START_TEST(backoff_doubles_with_jitter_up_to_a_cap)
{
        usec_t expected = QUEUE_BACKOFF_FIRST, now = 0;
        bool capped = false, jitter = false;
        struct queue q;

        queue_init(&q, 7);
        add(&q, "a", 0);
        for (unsigned failures = 1; failures <= 40; failures++) {
                struct queue_item *item = get(&q, now, "a");
                usec_t delay = delay_after_failure(&q, item, now, 0);

                ck_assert_uint_eq(item->failures, failures);
                ck_assert_int_le(delay, expected);
                ck_assert_int_gt(delay, expected / 2);
                jitter = jitter || delay < expected;
                capped = capped || expected == QUEUE_BACKOFF_MAX;
                get_nothing(&q, now + delay - 1);
                now += delay;
                expected = MIN(expected * 2, QUEUE_BACKOFF_MAX);
        }
        ck_assert(jitter);
        ck_assert(capped);
        ck_assert_uint_eq(q.retries, 40);
        queue_release(&q);
}
END_TEST

START_TEST(keys_that_fail_together_come_back_apart)
{
        usec_t delays[8];
        int same = 0;
        struct queue q;

        queue_init(&q, 3);
        for (size_t i = 0; i < ARRAY_SIZE(delays); i++) {
                char name[] = { (char)('a' + i), '\0' };

                add(&q, name, 0);
        }
        for (size_t i = 0; i < ARRAY_SIZE(delays); i++) {
                struct queue_item *item = queue_get(&q, 0);

                queue_done_failed(&q, item, 0, 0);
                delays[i] = item->delay.due;
        }
        for (size_t i = 0; i < ARRAY_SIZE(delays); i++)
                for (size_t j = 0; j < i; j++)
                        same += delays[i] == delays[j];
        ck_assert_int_eq(same, 0);
        queue_release(&q);
}
END_TEST

START_TEST(a_server_that_asks_for_more_time_gets_it)
{
        struct queue q;

        queue_init(&q, 1);
        add(&q, "a", 0);
        ck_assert_int_eq(delay_after_failure(&q, get(&q, 0, "a"), 0, 7 * USEC_SEC), 7 * USEC_SEC);
        ck_assert_int_le(delay_after_failure(&q, get(&q, 7 * USEC_SEC, "a"), 7 * USEC_SEC, -1),
                         2 * QUEUE_BACKOFF_FIRST);
        queue_release(&q);
}
END_TEST

START_TEST(success_forgets_the_failures)
{
        struct queue_item *item;
        usec_t now = 0;
        struct queue q;

        queue_init(&q, 1);
        add(&q, "a", 0);
        for (int i = 0; i < 10; i++)
                now += delay_after_failure(&q, get(&q, now, "a"), now, 0);
        queue_done(&q, get(&q, now, "a"), now);
        ck_assert_uint_eq(q.items.count, 0);
        add(&q, "a", now);
        item = get(&q, now, "a");
        ck_assert_uint_eq(item->failures, 0);
        ck_assert_int_le(delay_after_failure(&q, item, now, 0), QUEUE_BACKOFF_FIRST);
        queue_release(&q);
}
END_TEST

/* A key that has failed so often that it waits for minutes, active again. */
static struct queue_item *fail_often(struct queue *q, usec_t *now)
{
        add(q, "a", 0);
        for (int i = 0; i < 15; i++)
                *now += delay_after_failure(q, get(q, *now, "a"), *now, 0);
        return get(q, *now, "a");
}

START_TEST(what_is_added_while_a_failing_key_is_active_waits_only_a_moment)
{
        struct queue_item *item;
        usec_t delay, now = 0;
        struct queue q;

        queue_init(&q, 1);
        item = fail_often(&q, &now);
        add(&q, "a", now);
        add_at(&q, "a", now + 1);
        delay = delay_after_failure(&q, item, now, 0);
        ck_assert_int_gt(delay, QUEUE_BACKOFF_FIRST / 2);
        ck_assert_int_le(delay, QUEUE_BACKOFF_FIRST);
        get_nothing(&q, now + delay - 1);
        now += delay;
        item = get(&q, now, "a");
        /* Nothing came this time: it waits as long as it must by now. */
        ck_assert_int_gt(delay_after_failure(&q, item, now, 0), QUEUE_BACKOFF_MAX / 4);
        queue_release(&q);
}
END_TEST

START_TEST(a_server_that_asks_for_more_time_gets_it_whatever_is_added)
{
        struct queue_item *item;
        usec_t now = 0;
        struct queue q;

        queue_init(&q, 1);
        item = fail_often(&q, &now);
        add(&q, "a", now);
        ck_assert_int_eq(delay_after_failure(&q, item, now, USEC_MINUTE), USEC_MINUTE);
        queue_release(&q);
}
END_TEST

START_TEST(a_change_ends_the_wait_of_a_failing_key)
{
        struct queue q;

        queue_init(&q, 1);
        add(&q, "a", 0);
        queue_done_failed(&q, get(&q, 0, "a"), 0, 0);
        add(&q, "a", 5);
        queue_done(&q, get(&q, 5, "a"), 5);
        queue_release(&q);
}
END_TEST

START_TEST(a_change_does_not_end_a_pause_that_was_asked_for)
{
        struct queue q;

        queue_init(&q, 1);
        add(&q, "a", 0);
        queue_done_failed(&q, get(&q, 0, "a"), 0, USEC_MINUTE);
        add(&q, "a", 5);
        ck_assert_ptr_null(queue_get(&q, USEC_MINUTE - 1));
        queue_done(&q, get(&q, USEC_MINUTE, "a"), USEC_MINUTE);
        /* After it went well nothing is left of the pause. */
        add(&q, "a", USEC_MINUTE);
        queue_done(&q, get(&q, USEC_MINUTE, "a"), USEC_MINUTE);
        queue_release(&q);
}
END_TEST

START_TEST(a_pause_that_is_asked_for_is_bounded)
{
        struct queue q;

        queue_init(&q, 1);
        add(&q, "a", 0);
        queue_done_failed(&q, get(&q, 0, "a"), 0, 24 * USEC_HOUR);
        queue_done(&q, get(&q, QUEUE_PAUSE_MAX, "a"), QUEUE_PAUSE_MAX);
        queue_release(&q);
}
END_TEST

START_TEST(a_note_lives_until_success)
{
        struct queue_item *item;
        struct queue q;

        queue_init(&q, 1);
        add(&q, "a", 0);
        item = get(&q, 0, "a");
        item->note = mem_strndup("why", 3);
        queue_done_failed(&q, item, 0, 0);
        item = get(&q, USEC_SEC, "a");
        ck_assert_str_eq(item->note, "why");
        add(&q, "a", USEC_SEC);
        queue_done(&q, item, USEC_SEC);
        item = get(&q, USEC_SEC, "a");
        ck_assert_ptr_null(item->note);
        item->note = mem_strndup("freed with the queue", 20);
        queue_release(&q);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

START_TEST(a_busy_key_does_not_starve_the_others)
{
        struct queue_item *item;
        struct queue q;

        queue_init(&q, 1);
        add(&q, "busy", 0);
        add(&q, "b", 0);
        add(&q, "c", 0);
        item = get(&q, 0, "busy");
        add(&q, "busy", 0);
        queue_done(&q, item, 1); /* ready again, but behind the others */
        get(&q, 1, "b");
        get(&q, 1, "c");
        get(&q, 1, "busy");
        queue_release(&q);
}
END_TEST

#define FINE_KEYS 100
#define STEP USEC_MSEC /* that one key is worked on */

/* An hour of one worker, with changes to each of FINE_KEYS every second, and N_BAD
 * keys that always fail. The longest that a fine key was ready; *ret_tries is
 * how often the bad ones were tried. */
static usec_t longest_wait(int n_bad, int *ret_tries)
{
        struct queue_item *item;
        struct queue q;
        usec_t longest = 0, now = 0;

        *ret_tries = 0;
        queue_init(&q, 1);
        for (int i = 0; i < n_bad; i++) {
                char name[16];

                snprintf(name, sizeof(name), "bad%d", i);
                add(&q, name, 0);
        }
        for (usec_t second = 0; second < USEC_HOUR; second += USEC_SEC) {
                now = MAX(now, second);
                for (int i = 0; i < FINE_KEYS; i++) {
                        char name[16];

                        snprintf(name, sizeof(name), "fine%d", i);
                        add(&q, name, now);
                }
                while ((item = queue_get(&q, now))) {
                        bool bad = str_starts(item->key.name, STR("bad"));

                        if (!bad)
                                longest = MAX(longest, now - item->ready_since);
                        *ret_tries += bad;
                        now += STEP;
                        if (bad)
                                queue_done_failed(&q, item, now, 0);
                        else
                                queue_done(&q, item, now);
                }
        }
        queue_release(&q);
        return longest;
}

/* F12: of one that always fails the others feel the one attempt that is made
 * now and then, and no more. */
START_TEST(a_poisoned_key_does_not_slow_the_others)
{
        int tries;
        usec_t alone = longest_wait(0, &tries);

        ck_assert_int_eq(tries, 0);
        ck_assert_int_eq(alone, (FINE_KEYS - 1) * STEP);
        ck_assert_int_le(longest_wait(1, &tries), alone + STEP);
        /* Ten in its first minute, then one or two in each. */
        ck_assert_int_gt(tries, 60);
        ck_assert_int_lt(tries, 10 + 2 * 60);
}
END_TEST

/* --- without memory ------------------------------------------------------------------ */

START_TEST(a_failing_key_without_memory_for_its_delay_is_retried_at_once)
{
        struct queue_item *item;
        struct queue q;

        queue_init(&q, 1);
        add(&q, "a", 0);
        item = get(&q, 0, "a");
        mem_fail_after(1);
        queue_done_failed(&q, item, 0, 0);
        mem_fail_after(0);
        get(&q, 0, "a");
        queue_release(&q);
}
END_TEST

static const TTest *const tests[] = {
        backoff_doubles_with_jitter_up_to_a_cap,
        keys_that_fail_together_come_back_apart,
        a_server_that_asks_for_more_time_gets_it,
        success_forgets_the_failures,
        what_is_added_while_a_failing_key_is_active_waits_only_a_moment,
        a_server_that_asks_for_more_time_gets_it_whatever_is_added,
        a_change_ends_the_wait_of_a_failing_key,
        a_change_does_not_end_a_pause_that_was_asked_for,
        a_pause_that_is_asked_for_is_bounded,
        a_note_lives_until_success,
        a_busy_key_does_not_starve_the_others,
        a_poisoned_key_does_not_slow_the_others,
        a_failing_key_without_memory_for_its_delay_is_retried_at_once,
};
TEST_MAIN("queue/failures", tests)
