/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>

#include "queue/queue.h"

static struct queue_key key(const char *name)
{
        return (struct queue_key){ .controller = 0, .namespace = STR("shop"), .name = str_c(name) };
}

static void add(struct queue *q, const char *name, usec_t now)
{
        struct queue_key k = key(name);

        ck_assert_int_eq(queue_add(q, &k, now), 0);
}

static void add_at(struct queue *q, const char *name, usec_t due)
{
        struct queue_key k = key(name);

        ck_assert_int_eq(queue_add_at(q, &k, due), 0);
}

/* The next item must be NAME. */
static struct queue_item *get(struct queue *q, usec_t now, const char *name)
{
        struct queue_item *item = queue_get(q, now);

        ck_assert_msg(item, "nothing is ready instead of %s", name);
        ck_str_eq(item->key.name, name);
        ck_assert_int_eq(item->state, QUEUE_ACTIVE);
        return item;
}

static void get_nothing(struct queue *q, usec_t now)
{
        ck_assert_ptr_null(queue_get(q, now));
}

static usec_t delay_after_failure(struct queue *q, struct queue_item *item, usec_t now, usec_t at_least)
{
        queue_done_failed(q, item, now, at_least);
        return queue_next(q, now) - now;
}

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

/* --- against a naive model --------------------------------------------------------- */

#define KEYS 12

/* One key, as the header describes it. */
struct model {
        enum queue_state state;
        bool again;
        usec_t due; /* USEC_NEVER: does not wait */
        unsigned failures;
        uint64_t place; /* of a ready one: the lowest is next */
        struct queue_item *item;
};

static uint64_t places;

static void model_ready(struct model *m)
{
        if (m->state == QUEUE_ACTIVE)
                m->again = true;
        if (m->state != QUEUE_IDLE)
                return;
        m->state = QUEUE_READY;
        m->place = ++places;
}

/* Those that are due become ready, the earliest first. */
static void model_wake(struct model *models, usec_t now)
{
        for (;;) {
                struct model *first = NULL;

                for (size_t i = 0; i < KEYS; i++)
                        if (models[i].due <= now && (!first || models[i].due < first->due))
                                first = &models[i];
                if (!first)
                        return;
                first->due = USEC_NEVER;
                model_ready(first);
        }
}

static struct model *model_next(struct model *models)
{
        struct model *next = NULL;

        for (size_t i = 0; i < KEYS; i++)
                if (models[i].state == QUEUE_READY && (!next || models[i].place < next->place))
                        next = &models[i];
        return next;
}

static void check(const struct queue *q, const struct model *models, usec_t now)
{
        usec_t next = USEC_NEVER;
        size_t ready = 0, active = 0, known = 0;

        for (size_t i = 0; i < KEYS; i++) {
                const struct model *m = &models[i];

                ready += m->state == QUEUE_READY;
                active += m->state == QUEUE_ACTIVE;
                known += m->state != QUEUE_IDLE || m->failures || m->due != USEC_NEVER;
                next = MIN(next, m->due);
        }
        if (ready)
                next = now;
        ck_assert_uint_eq(q->n_ready, ready);
        ck_assert_uint_eq(q->n_active, active);
        ck_assert_uint_eq(q->items.count, known);
        ck_assert_int_eq(queue_next(q, now), next);
}

static void step(struct queue *q, struct model *models, struct rand *rand, usec_t now)
{
        size_t i = rand_below(rand, KEYS);
        char name[] = { (char)('a' + i), '\0' };
        struct model *m = &models[i];
        struct queue_item *item;
        usec_t due;

        switch (rand_below(rand, 5)) {
        case 0:
                add(q, name, now);
                model_ready(m);
                break;
        case 1:
                /* No two at the same time, so that there is one order. */
                due = now + (usec_t)rand_below(rand, 1000) * KEYS * 2 + (usec_t)i * 2;
                due += due & 1;
                for (size_t j = 0; j < KEYS; j++)
                        if (j != i && models[j].due == due)
                                return;
                add_at(q, name, due);
                m->due = MIN(m->due, due);
                break;
        case 2:
                model_wake(models, now);
                m = model_next(models);
                item = queue_get(q, now);
                ck_assert_int_eq(item != NULL, m != NULL);
                if (!item)
                        break;
                ck_assert_int_eq(item->key.name.data[0], (char)('a' + (m - models)));
                m->state = QUEUE_ACTIVE;
                m->again = false;
                m->item = item;
                break;
        case 3:
                if (m->state != QUEUE_ACTIVE)
                        break;
                queue_done(q, m->item, now);
                m->failures = 0;
                m->state = QUEUE_IDLE;
                if (m->again)
                        model_ready(m);
                break;
        case 4:
                if (m->state != QUEUE_ACTIVE)
                        break;
                queue_done_failed(q, m->item, now, 0);
                m->failures++;
                m->state = QUEUE_IDLE;
                m->due = m->item->delay.due;
                ck_assert_int_gt(m->due, now);
                ck_assert_int_le(m->due, now + (m->again ? QUEUE_BACKOFF_FIRST : QUEUE_BACKOFF_MAX));
                ck_assert_uint_eq(m->item->failures, m->failures);
                break;
        }
        check(q, models, now);
}

START_TEST(it_does_what_the_model_does)
{
        for (uint64_t seed = 1; seed <= 50; seed++) {
                struct model models[KEYS] = { 0 };
                struct rand rand = { .state = seed };
                struct queue q;
                usec_t now = 0;

                for (size_t i = 0; i < KEYS; i++)
                        models[i].due = USEC_NEVER;
                queue_init(&q, seed);
                for (int i = 0; i < 2000; i++) {
                        now += (usec_t)rand_below(&rand, 4) * 1000;
                        step(&q, models, &rand, now);
                }
                queue_release(&q);
                ck_assert_uint_eq(mem_live(), 0);
        }
}
END_TEST

/* --- without memory ------------------------------------------------------------------ */

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
        a_key_is_in_it_once,
        keys_differ_in_each_of_their_parts,
        its_strings_are_its_own,
        one_at_a_time_and_what_comes_meanwhile_is_done_after,
        a_delay_waits_and_the_earlier_wins,
        a_delay_does_not_hold_up_a_plain_add,
        a_delay_that_ends_while_active_comes_back,
        a_delay_that_was_asked_for_while_active_stays,
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
        wake_ups_come_in_the_order_of_their_times,
        next_says_when_to_ask_again,
        it_does_what_the_model_does,
        it_survives_the_lack_of_memory,
        a_failing_key_without_memory_for_its_delay_is_retried_at_once,
};
TEST_MAIN("queue/queue", tests)
