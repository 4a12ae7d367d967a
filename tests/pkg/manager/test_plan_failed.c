/* SPDX-License-Identifier: Apache-2.0
 *
 * Reconciles that come to no plan: what is said of it, and how often it is tried.
 */
#include "desk.h"

#include <errno.h>

static int plan_error; /* what becomes of each plan */

static void want_report(struct plan *plan, const char *told)
{
        plan_status(plan, arena_printf(plan->arena, "{\"color\":\"%s\"}", told));
        plan_event(plan, true, STR("Told"), STR("it went wrong"));
        plan_apply(plan, &part_kind, STR("web"),
                   STR("{\"kind\":\"Part\",\"metadata\":{\"name\":\"web\"},\"spec\":{}}"));
}

static void come_to_nothing(const struct view *view, struct plan *plan)
{
        if (view->report_only)
                want_report(plan, desk_state.reason);
        else
                plan->error = plan_error;
}

/* More than the arena of a reconcile takes. */
static void ask_for_too_much(const struct view *view, struct plan *plan)
{
        if (view->report_only)
                want_report(plan, desk_state.reason);
        else
                ck_assert_ptr_null(arena_alloc(plan->arena, (size_t)1 << 30));
}

static void check_told(struct desk *d, const char *reason)
{
        char expected[64];

        snprintf(expected, sizeof(expected), "{\"color\":\"%s\"}", reason);
        ck_assert_str_eq(desk_state.reason, reason);
        ck_assert_uint_eq(d->n_calls, 2);
        ck_assert_int_eq(d->calls[0].call.type, CALL_APPLY_STATUS);
        ck_body(d, 0, expected);
        ck_assert_int_eq(d->calls[1].call.type, CALL_CREATE);
        ck_body(d, 1, "\"Told\"");
}

/* The replies; the watch would bring the status, so the box has it. */
static void take_report(struct desk *d)
{
        answer(d, 1, 201, "{}");
        refuse(d, 0, 404, "NotFound", "never mind");
}

static void check_permanent(script_fn *script, int error, const char *reason, const char *part)
{
        struct desk d;

        begin(&d);
        plan_error = error;
        want(&d, script);
        turn(&d);
        check_told(&d, reason);
        ck_assert(desk_state.failure.permanent);
        ck_assert_ptr_nonnull(strstr(desk_state.message, part));
        take_report(&d);
        end(&d);
}

START_TEST(what_no_retry_mends_is_told_at_once)
{
        check_permanent(come_to_nothing, -E2BIG, "TooLarge", "make its spec smaller");
        check_permanent(come_to_nothing, -EMSGSIZE, "TooLarge", "make its spec smaller");
        check_permanent(ask_for_too_much, 0, "TooLarge", "make its spec smaller");
        check_permanent(come_to_nothing, -EINVAL, "Internal", "Invalid argument");
}
END_TEST

START_TEST(want_of_memory_is_told_when_it_does_not_pass)
{
        struct desk d;

        begin(&d);
        plan_error = -ENOMEM;
        want(&d, come_to_nothing);
        for (int i = 0; i < 2; i++)
                pass(&d, QUEUE_BACKOFF_MAX);
        ck_assert_uint_eq(d.n_calls, 0);
        pass(&d, QUEUE_BACKOFF_MAX);
        check_told(&d, "OutOfMemory");
        ck_assert(!desk_state.failure.permanent);
        take_report(&d);
        end(&d);
}
END_TEST

static void fail_silently(const struct view *view, struct plan *plan)
{
        if (!view->report_only)
                plan->error = plan_error;
}

START_TEST(it_is_tried_ever_less_often_and_goes_on_once_a_plan_can_be_made)
{
        size_t before;
        struct desk d;

        begin(&d);
        plan_error = -E2BIG;
        want(&d, fail_silently);
        turn(&d);
        for (int i = 0; i < 600; i++)
                pass(&d, USEC_SEC);
        before = desk_state.n_boxes;
        for (int i = 0; i < 600; i++)
                pass(&d, USEC_SEC);
        /* Half a minute to a minute between; each looks twice. */
        ck_assert_uint_le(desk_state.n_boxes - before, 2 * 20);
        ck_assert_uint_ge(desk_state.n_boxes - before, 2 * 9);
        plan_error = 0;
        pass(&d, QUEUE_BACKOFF_MAX);
        ck_assert_str_eq(desk_state.reason, "");
        ck_assert(manager_idle(&d.m));
        end(&d);
}
END_TEST

static const TTest *const tests[] = {
        what_no_retry_mends_is_told_at_once,
        want_of_memory_is_told_when_it_does_not_pass,
        it_is_tried_ever_less_often_and_goes_on_once_a_plan_can_be_made,
};
TEST_MAIN("manager/plan_failed", tests)
