/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects that are read on demand.
 */
#include "desk.h"

#define LETTER(version, color)                                                                                \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"a\",\"uid\":\"u-a\",\"resourceVersion\":\"" version \
        "\"},\"spec\":{\"color\":\"" color "\"}}"

static enum reading_state state;
static char color[32];
static usec_t age = VIEW_READ_AGE;

static void read_a(const struct view *view, struct plan *plan)
{
        const struct object *o = NULL;
        const struct box *letter;

        color[0] = '\0';
        state = view_read(view, plan, &letter_kind, STR("a"), age, &o);
        ck_assert_int_eq(state == READING_PRESENT, o != NULL);
        if (!o)
                return;
        letter = o->state;
        snprintf(color, sizeof(color), "%.*s", STR_FMT(letter->spec->color));
}

static void begin_reading(struct desk *d)
{
        begin(d);
        age = VIEW_READ_AGE;
        desk_state.references[0] = (struct reference){ &letter_kind, STR("a") };
        desk_state.n_references = 1;
        want(d, read_a);
        turn(d);
        ck_assert_int_eq(state, READING_UNKNOWN);
        ck_assert_uint_eq(d->n_calls, 1);
        ck_call(d, 0, CALL_GET, "letters", "a");
}

START_TEST(what_comes_is_there_for_the_next_reconcile_which_is_at_once)
{
        struct desk d;

        begin_reading(&d);
        answer(&d, 0, 200, LETTER("10", "red"));
        ck_assert_int_eq(state, READING_PRESENT);
        ck_assert_str_eq(color, "red");
        ck_assert_uint_eq(desk_state.n_boxes, 2);
        ck_assert_uint_eq(d.n_calls, 1);
        ck_assert(manager_idle(&d.m));
        end(&d);
}
END_TEST

START_TEST(that_there_is_nothing_is_known_as_well)
{
        struct desk d;

        begin_reading(&d);
        answer_not_found(&d, 0);
        ck_assert_int_eq(state, READING_ABSENT);
        ck_assert_uint_eq(desk_state.n_boxes, 2);
        ck_assert_uint_eq(d.n_calls, 1);
        ck_assert_ptr_null(desk_state.failure.reason.data);
        /* A minute later it is looked for again. */
        pass(&d, VIEW_READ_AGE - 1);
        ck_assert_uint_eq(desk_state.n_boxes, 2);
        pass(&d, 1);
        ck_assert_uint_eq(desk_state.n_boxes, 3);
        ck_assert_uint_eq(d.n_calls, 2);
        answer_not_found(&d, 1);
        ck_assert_uint_eq(d.n_calls, 2);
        pass(&d, VIEW_READ_AGE);
        ck_assert_uint_eq(d.n_calls, 3);
        answer(&d, 2, 200, LETTER("10", "red"));
        ck_assert_int_eq(state, READING_PRESENT);
        end(&d);
}
END_TEST

START_TEST(while_it_is_asked_for_again_what_is_known_counts)
{
        struct desk d;

        begin_reading(&d);
        answer(&d, 0, 200, LETTER("10", "red"));
        pass(&d, VIEW_READ_AGE);
        ck_assert_uint_eq(d.n_calls, 2);
        ck_assert_int_eq(state, READING_PRESENT);
        answer(&d, 1, 200, LETTER("10", "red"));
        ck_assert_uint_eq(d.n_calls, 2);
        pass(&d, VIEW_READ_AGE);
        ck_assert_str_eq(color, "red");
        answer(&d, 2, 200, LETTER("11", "blue"));
        ck_assert_str_eq(color, "blue");
        pass(&d, VIEW_READ_AGE);
        answer_not_found(&d, 3);
        ck_assert_uint_eq(d.n_calls, 4);
        ck_assert_int_eq(state, READING_ABSENT);
        end(&d);
}
END_TEST

START_TEST(what_does_not_change_is_read_once)
{
        struct desk d;

        begin_reading(&d);
        age = USEC_NEVER;
        answer(&d, 0, 200, LETTER("10", "red"));
        ck_assert_int_eq(state, READING_PRESENT);
        for (int i = 0; i < 50; i++)
                pass(&d, USEC_MINUTE);
        ck_assert_uint_eq(d.n_calls, 1);
        ck_assert_uint_eq(desk_state.n_boxes, 2);
        /* But what is held so long is forgotten, to be read again if it is still needed. */
        pass(&d, CACHE_READING_AGE_MAX);
        ck_assert_int_eq(state, READING_UNKNOWN);
        ck_assert_uint_eq(d.n_calls, 2);
        answer(&d, 1, 200, LETTER("10", "red"));
        ck_assert_int_eq(state, READING_PRESENT);
        end(&d);
}
END_TEST

START_TEST(a_change_that_one_sees_is_told_to_all_who_refer_to_it)
{
        struct desk d;

        begin_reading(&d);
        bring(&d, &box_kind, .name = "second", .uid = "u-2", .color = "red");
        turn(&d);
        ck_assert_uint_eq(d.n_calls, 2); /* both ask */
        answer(&d, 0, 200, LETTER("10", "red"));
        answer(&d, 1, 200, LETTER("10", "red"));
        d.now += VIEW_READ_AGE / 2;
        bring(&d, &box_kind, .name = "web", .uid = "u-web", .version = "11", .meta = ",\"generation\":2");
        turn(&d);
        desk_state.n_boxes = 0;
        pass(&d, VIEW_READ_AGE / 2);
        ck_assert_uint_ge(d.n_calls, 3);
        for (size_t i = 2; i < d.n_calls; i++)
                answer(&d, i, 200, LETTER("12", "blue"));
        ck_assert_uint_ge(desk_state.n_boxes, 4); /* each asks, and each is told */
        end(&d);
}
END_TEST

/* --- what a watch tells of ------------------------------------------------------------------ */

#define NOTICE(version, color)                                                                                \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"n\",\"uid\":\"u-n\",\"resourceVersion\":\"" version \
        "\"},\"spec\":{\"color\":\"" color "\"}}"

static void read_notice(const struct view *view, struct plan *plan)
{
        const struct object *o = NULL;
        const struct box *notice;

        state = view_read(view, plan, &notice_kind, STR("n"), USEC_NEVER, &o);
        notice = o ? o->state : NULL;
        snprintf(color, sizeof(color), "%.*s", STR_FMT(notice ? notice->spec->color : STR("none")));
}

static void tell(struct desk *d, const char *version, bool gone)
{
        yyjson_doc *doc = make(&(struct spec){ .name = "n", .uid = "u-n", .version = version });

        ck_assert_int_eq(manager_announce(&d->m, &notice_kind, yyjson_doc_get_root(doc), gone), 0);
        yyjson_doc_free(doc);
        turn(d);
}

START_TEST(what_a_watch_tells_of_is_read_again_at_once)
{
        struct desk d;

        begin(&d);
        desk_state.references[0] = (struct reference){ &notice_kind, STR("n") };
        desk_state.n_references = 1;
        want(&d, read_notice);
        turn(&d);
        answer(&d, 0, 200, NOTICE("10", "red"));
        ck_assert_str_eq(color, "red");
        tell(&d, "10", false);
        ck_assert_uint_eq(d.n_calls, 1);
        tell(&d, "11", false);
        ck_assert_uint_eq(d.n_calls, 2);
        ck_assert_str_eq(color, "red"); /* until then */
        answer(&d, 1, 200, NOTICE("11", "blue"));
        ck_assert_str_eq(color, "blue");
        ck_assert_uint_eq(d.n_calls, 2);
        /* Gone, and in truth it is only not told of any more. */
        tell(&d, "12", true);
        ck_assert_int_eq(state, READING_UNKNOWN);
        ck_assert_uint_eq(d.n_calls, 3);
        answer(&d, 2, 200, NOTICE("12", "green"));
        ck_assert_str_eq(color, "green");
        /* And this time it is. */
        tell(&d, "13", true);
        ck_assert_int_eq(state, READING_UNKNOWN);
        answer_not_found(&d, 3);
        ck_assert_int_eq(state, READING_ABSENT);
        ck_assert_uint_eq(d.n_calls, 4);
        ck_assert(manager_idle(&d.m));
        end(&d);
}
END_TEST

/* --- what goes wrong ---------------------------------------------------------------------- */

START_TEST(what_may_not_be_read_is_told_and_asked_for_less_and_less)
{
        struct desk d;

        begin_reading(&d);
        refuse(&d, 0, 403, "Forbidden", "letters is forbidden");
        pass(&d, QUEUE_BACKOFF_MAX);
        ck_assert_str_eq(desk_state.reason, "Forbidden");
        ck_assert(desk_state.failure.permanent);
        ck_assert(strstr(desk_state.message, "letters is forbidden"));
        ck_assert_int_eq(state, READING_UNKNOWN);
        ck_assert_uint_eq(d.n_calls, 2);
        answer(&d, 1, 200, LETTER("10", "red"));
        ck_assert_int_eq(state, READING_PRESENT);
        ck_assert_ptr_null(desk_state.failure.reason.data);
        end(&d);
}
END_TEST

START_TEST(what_was_known_counts_while_it_cannot_be_read)
{
        struct desk d;

        begin_reading(&d);
        answer(&d, 0, 200, LETTER("10", "red"));
        pass(&d, VIEW_READ_AGE);
        refuse(&d, 1, 403, "Forbidden", "no");
        pass(&d, QUEUE_BACKOFF_MAX);
        ck_assert_int_eq(state, READING_PRESENT);
        ck_assert_str_eq(color, "red");
        ck_assert_str_eq(desk_state.reason, "Forbidden");
        answer_not_found(&d, 2);
        end(&d);
}
END_TEST

START_TEST(an_answer_that_is_no_object_is_a_failure)
{
        struct desk d;

        begin_reading(&d);
        answer(&d, 0, 200, "[]");
        ck_assert_uint_eq(d.m.cache.readings.count, 0);
        pass(&d, QUEUE_BACKOFF_MAX);
        ck_assert_uint_eq(d.n_calls, 2);
        answer_not_found(&d, 1);
        ck_assert_int_eq(state, READING_ABSENT);
        end(&d);
}
END_TEST

/* --- what is kept ------------------------------------------------------------------------- */

START_TEST(what_nobody_refers_to_is_forgotten)
{
        struct desk d;

        begin_reading(&d);
        answer(&d, 0, 200, LETTER("10", "red"));
        ck_assert_uint_eq(d.m.cache.readings.count, 1);
        desk_state.n_references = 0;
        want(&d, NULL);
        ck_assert_int_eq(manager_enqueue_all(&d.m), 0);
        turn(&d);
        ck_assert_uint_eq(d.m.cache.readings.count, 0);
        ck_assert_ptr_null(cache_iterate(&d.m.cache, &letter_kind, NULL));
        end(&d);
}
END_TEST

static void remove_box(struct desk *d)
{
        yyjson_doc *doc = make(&(struct spec){ .name = "web", .uid = "u-web", .version = "99" });

        ck_assert_int_eq(cache_delete(&d->m.cache, &box_kind, yyjson_doc_get_root(doc)), 0);
        yyjson_doc_free(doc);
}

START_TEST(nothing_is_left_of_a_resource_that_goes)
{
        struct desk d;

        begin_reading(&d);
        answer(&d, 0, 200, LETTER("10", "red"));
        remove_box(&d);
        turn(&d);
        ck_assert_uint_eq(d.m.cache.readings.count, 0);
        ck_assert_uint_eq(d.m.references.resources.count, 0);
        ck_assert_uint_eq(d.m.cache.by_key.count, 0);
        end(&d);
}
END_TEST

/* Be it while the answer is on its way. */
START_TEST(nothing_is_left_of_a_resource_that_goes_while_it_reads)
{
        static const bool found[] = { true, false };

        for (size_t i = 0; i < ARRAY_SIZE(found); i++) {
                struct desk d;

                begin_reading(&d);
                remove_box(&d);
                turn(&d);
                if (found[i])
                        answer(&d, 0, 200, LETTER("10", "red"));
                else
                        answer_not_found(&d, 0);
                ck_assert_uint_eq(d.m.cache.readings.count, 0);
                ck_assert_uint_eq(d.m.references.resources.count, 0);
                ck_assert_uint_eq(d.m.cache.by_key.count, 0);
                ck_assert_uint_eq(d.n_calls, 1);
                end(&d);
        }
}
END_TEST

START_TEST(a_manager_that_goes_cancels_what_it_asked_for)
{
        struct desk d;

        begin_reading(&d);
        ck_assert(d.calls[0].open);
        end(&d);
}
END_TEST

/* --- without memory ----------------------------------------------------------------------- */

/* The story of one reading, in which one allocation fails: the next look mends it. */
static int read_once(void *arg)
{
        struct desk d;
        bool failed;

        (void)arg;
        *(&d) = (struct desk){ .base = { desk_start, desk_cancel, desk_now, desk_now }, .now = USEC_HOUR };
        manager_init(&d.m, &d.base, STR("op0"), 1);
        failed = manager_add(&d.m, &box_controller) < 0;
        manager_allow(&d.m, true);
        {
                yyjson_doc *doc = make(&(struct spec){ .name = "web", .uid = "u-web", .color = "red" });

                failed |= cache_put(&d.m.cache, &box_kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH) < 0;
                yyjson_doc_free(doc);
        }
        state = READING_UNKNOWN;
        for (size_t i = 0; !failed && state != READING_PRESENT; i++) {
                turn(&d);
                if (d.n_calls && d.calls[d.n_calls - 1].open)
                        answer(&d, d.n_calls - 1, 200, LETTER("10", "red"));
                d.now += QUEUE_BACKOFF_MAX;
                ck_assert_uint_lt(i, 10);
        }
        end(&d);
        return failed ? -ENOMEM : 0;
}

START_TEST(it_survives_the_lack_of_memory)
{
        log_setup(LOG_ERROR + 1, LOG_TEXT);
        desk_state = (typeof(desk_state)){ .script = read_a,
                                           .references = { { &letter_kind, STR("a") } },
                                           .n_references = 1 };
        torture(read_once, NULL, 0);
}
END_TEST

/* --- many at once ----------------------------------------------------------------------- */

#define LETTERS (MANAGER_BULKY_MAX * 3)

static void want_many(const struct view *view, struct plan *plan)
{
        (void)view;
        for (int i = 0; i < LETTERS; i++)
                plan_read(plan, &letter_kind, arena_printf(plan->arena, "letter-%d", i));
}

static size_t count_open(const struct desk *d)
{
        size_t n = 0;

        for (size_t i = 0; i < d->n_calls; i++)
                n += d->calls[i].open;
        return n;
}

/* They may be of any size, and nobody can tell before they are there. */
START_TEST(a_few_are_read_at_a_time)
{
        struct desk d;

        begin(&d);
        want(&d, want_many);
        turn(&d);
        want(&d, NULL);
        for (size_t i = 0; i < LETTERS; i++) {
                char name[16];

                ck_assert_uint_eq(count_open(&d), MIN((size_t)MANAGER_BULKY_MAX, LETTERS - i));
                snprintf(name, sizeof(name), "letter-%zu", i);
                ck_call(&d, i, CALL_GET, "letters", name);
                answer_not_found(&d, i);
        }
        ck_assert_uint_eq(d.n_calls, LETTERS);
        ck_assert(manager_idle(&d.m));
        end(&d);
}
END_TEST

START_TEST(who_waits_for_a_place_is_forgotten_at_the_end)
{
        struct desk d;

        begin(&d);
        want(&d, want_many);
        turn(&d);
        ck_assert_uint_eq(d.n_calls, MANAGER_BULKY_MAX);
        end(&d);
}
END_TEST

START_TEST(who_waits_for_a_place_does_not_begin_without_leave)
{
        struct desk d;

        begin(&d);
        want(&d, want_many);
        turn(&d);
        manager_allow(&d.m, false);
        for (size_t i = 0; i < MANAGER_BULKY_MAX; i++)
                answer_not_found(&d, i);
        ck_assert_uint_eq(d.n_calls, MANAGER_BULKY_MAX);
        ck_assert(manager_idle(&d.m)); /* who stops does not wait for them */
        end(&d);
}
END_TEST

static const TTest *const tests[] = {
        what_comes_is_there_for_the_next_reconcile_which_is_at_once,
        that_there_is_nothing_is_known_as_well,
        while_it_is_asked_for_again_what_is_known_counts,
        what_does_not_change_is_read_once,
        what_a_watch_tells_of_is_read_again_at_once,
        a_change_that_one_sees_is_told_to_all_who_refer_to_it,
        what_may_not_be_read_is_told_and_asked_for_less_and_less,
        what_was_known_counts_while_it_cannot_be_read,
        an_answer_that_is_no_object_is_a_failure,
        what_nobody_refers_to_is_forgotten,
        nothing_is_left_of_a_resource_that_goes,
        nothing_is_left_of_a_resource_that_goes_while_it_reads,
        a_manager_that_goes_cancels_what_it_asked_for,
        it_survives_the_lack_of_memory,
        a_few_are_read_at_a_time,
        who_waits_for_a_place_is_forgotten_at_the_end,
        who_waits_for_a_place_does_not_begin_without_leave,
};
TEST_MAIN("manager/read", tests)
