/* SPDX-License-Identifier: Apache-2.0
 *
 * Of a status whose reply was lost nobody knows whether it was taken, or will be.
 */
#include "desk.h"

static const char *wanted; /* the phase of the box */

static void want_phase(const struct view *view, struct plan *plan)
{
        (void)view;
        plan_status(plan, arena_printf(plan->arena, "{\"phase\":\"%s\"}", wanted));
}

static void bring_phase(struct desk *d, const char *version, const char *phase)
{
        char status[64];

        snprintf(status, sizeof(status), "{\"phase\":\"%s\"}", phase);
        bring(d, &box_kind, .name = "web", .uid = "u-web", .color = "red", .version = version,
              .status = status);
}

/* The box is empty, and that it is full was written, to which no answer came. */
static void begin_in_doubt(struct desk *d)
{
        begin(d);
        bring_phase(d, "11", "Empty");
        want(d, want_phase);
        wanted = "Full";
        turn(d);
        ck_assert_uint_eq(d->n_calls, 1);
        lose(d, 0);
}

static void pass_seconds(struct desk *d, int n)
{
        while (n-- > 0)
                pass(d, USEC_SEC);
}

START_TEST(what_is_taken_late_is_noticed_and_mended)
{
        struct desk d;

        begin_in_doubt(&d);
        wanted = "Empty"; /* as it stands in the cache */
        pass_seconds(&d, 5);
        ck_assert_uint_eq(d.n_calls, 1);
        bring_phase(&d, "12", "Full"); /* which wakes nobody */
        turn(&d);
        ck_assert_uint_eq(d.n_calls, 1);
        pass_seconds(&d, 20);
        ck_assert_uint_eq(d.n_calls, 2);
        ck_body(&d, 1, "Empty");
        answer(&d, 1, 200,
               "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u-web\",\"resourceVersion\":"
               "\"13\"},\"spec\":{\"color\":\"red\"},\"status\":{\"phase\":\"Empty\"}}");
        /* And once more, on top of that. */
        bring_phase(&d, "14", "Full");
        pass_seconds(&d, 60);
        ck_assert_uint_eq(d.n_calls, 3);
        ck_body(&d, 2, "Empty");
        refuse(&d, 2, 404, "NotFound", "it is gone");
        end(&d);
}
END_TEST

START_TEST(what_was_taken_is_not_written_again)
{
        size_t looks;
        struct desk d;

        begin_in_doubt(&d);
        bring_phase(&d, "12", "Full");
        pass_seconds(&d, 300);
        ck_assert_uint_eq(d.n_calls, 1);
        /* And in the end it is left alone. */
        looks = desk_state.n_boxes;
        ck_assert_uint_le(looks, 12);
        pass_seconds(&d, 600);
        ck_assert_uint_eq(desk_state.n_boxes, looks);
        ck_assert_uint_eq(d.m.queue.items.count, 0);
        end(&d);
}
END_TEST

START_TEST(a_server_that_failed_leaves_it_open_and_one_that_refused_does_not)
{
        static const struct {
                int status;
                const char *reason;
                bool open;
        } cases[] = {
                { 500, "InternalError", true },
                { 504, "Timeout", true },
                { 429, "TooManyRequests", false },
                { 403, "Forbidden", false },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                size_t looks;
                struct desk d;

                begin(&d);
                bring_phase(&d, "11", "Empty");
                want(&d, want_phase);
                wanted = "Full";
                turn(&d);
                refuse(&d, 0, cases[i].status, cases[i].reason, "no");
                wanted = "Empty";
                pass(&d, QUEUE_BACKOFF_MAX); /* it is tried again, and all is well */
                turn(&d);
                looks = desk_state.n_boxes;
                pass(&d, 2 * USEC_MINUTE);
                turn(&d);
                ck_assert_int_eq(desk_state.n_boxes > looks, cases[i].open);
                ck_assert_uint_eq(d.n_calls, 1);
                end(&d);
        }
}
END_TEST

static const TTest *const tests[] = {
        what_is_taken_late_is_noticed_and_mended,
        what_was_taken_is_not_written_again,
        a_server_that_failed_leaves_it_open_and_one_that_refused_does_not,
};
TEST_MAIN("manager/errand_status", tests)
