/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that do not get as far as the API server, and answers that are none.
 */
#include "desk.h"

#include <errno.h>

static void want_part(const struct view *view, struct plan *plan)
{
        (void)view;
        plan_apply(plan, &part_kind, STR("web"),
                   STR("{\"kind\":\"Part\",\"metadata\":{\"name\":\"web\"},\"spec\":{}}"));
}

static void want_copy(const struct view *view, struct plan *plan)
{
        struct {
                struct object o;
                char version;
        } source = { { .kind = &letter_kind, .name = STR("a"), .version_len = 1 }, '7' };

        (void)view;
        plan_copy(plan, &copy_kind, STR("web-a"),
                  STR("{\"kind\":\"Copy\",\"metadata\":{\"name\":\"web-a\"}}"), &source.o);
}

/* Somebody between us and the API server answers what is asked with a page. */
static void answer_pages(struct desk *d, size_t from)
{
        for (size_t i = from; i < from + 16; i++) {
                if (i >= d->n_calls)
                        pass(d, QUEUE_BACKOFF_MAX);
                answer(d, i, 200, "<html>Welcome</html>");
        }
}

static void ck_told(const char *kind)
{
        char expected[128];

        snprintf(expected, sizeof(expected),
                 "%s: what the API server answered is no object; it is asked again", kind);
        ck_assert_str_eq(desk_state.reason, "Retrying");
        ck_assert_str_eq(desk_state.message, expected);
        ck_assert(!desk_state.failure.permanent);
}

START_TEST(an_answer_that_is_no_object_is_told_as_such)
{
        struct desk d;

        begin(&d);
        want(&d, want_part);
        turn(&d);
        answer_pages(&d, 0);
        ck_call(&d, 0, CALL_APPLY, "parts", "web");
        ck_told("Part");
        end(&d);
}
END_TEST

/* Nobody knows then who has the name. */
START_TEST(also_of_the_holder_of_a_name)
{
        struct desk d;

        begin(&d);
        want(&d, want_part);
        turn(&d);
        for (size_t i = 0; i < 12; i += 2) {
                refuse(&d, i, 409, "Conflict", "it exists");
                ck_call(&d, i + 1, CALL_GET, "parts", "web");
                answer(&d, i + 1, 200, "{}");
                pass(&d, QUEUE_BACKOFF_MAX);
        }
        ck_told("Part");
        end(&d);
}
END_TEST

START_TEST(and_of_what_is_to_be_copied)
{
        struct desk d;

        begin(&d);
        want(&d, want_copy);
        turn(&d);
        for (size_t i = 0; i < 12; i += 2) {
                answer_not_found(&d, i);
                ck_call(&d, i + 1, CALL_GET, "letters", "a");
                answer(&d, i + 1, 200, "[]");
                pass(&d, QUEUE_BACKOFF_MAX);
        }
        ck_told("Copy");
        end(&d);
}
END_TEST

START_TEST(a_request_that_cannot_be_sent_is_told_with_the_reason)
{
        static const struct {
                int code;
                const char *reason, *message;
        } cases[] = {
                { -EPERM, "NotLeading", "this replica of the operator does not lead, or is stopping" },
                { -ENOMEM, "OutOfMemory", "the operator is out of memory; it tries again" },
                { -EBUSY, "Retrying", "Part: the request could not be sent: Device or resource busy" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct desk d;

                begin(&d);
                want(&d, want_part);
                d.refusal = cases[i].code;
                for (int n = 0; n < 5; n++)
                        pass(&d, QUEUE_BACKOFF_MAX);
                ck_assert_str_eq(desk_state.reason, cases[i].reason);
                ck_assert_str_eq(desk_state.message, cases[i].message);
                ck_assert_uint_eq(d.n_calls, 0);
                end(&d);
        }
}
END_TEST

/* --- children whose definition may be deleted -------------------------------------------------- */

static const struct cache_kind pipe_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("pipes"), STR_INIT("Pipe"), true },
        .schema = &box_schema,
        .optional = true,
};
static const struct cache_kind *const pipe_children[] = { &pipe_kind };
static const struct controller pipe_controller = {
        .name = "pipe",
        .kind = &box_kind,
        .children = pipe_children,
        .n_children = ARRAY_SIZE(pipe_children),
        .reconcile = reconcile_box,
};

static void want_pipe(const struct view *view, struct plan *plan)
{
        (void)view;
        plan_apply(plan, &pipe_kind, STR("web"),
                   STR("{\"kind\":\"Pipe\",\"metadata\":{\"name\":\"web\"},\"spec\":{}}"));
}

/* As begin(), but the box has a pipe and nothing else. */
static void begin_pipe(struct desk *d)
{
        begin_empty(d);
        d->m.controllers[0] = &pipe_controller;
        bring(d, &box_kind, .name = "web", .uid = "u-web", .color = "red");
        want(d, want_pipe);
        turn(d);
}

#define GOING "create not allowed while custom resource definition is terminating"

START_TEST(nothing_is_made_of_a_kind_that_is_being_removed)
{
        enum { TRIES = 20 };
        struct desk d;

        begin_pipe(&d);
        for (size_t i = 0; i < TRIES; i++) {
                ck_assert_uint_eq(d.n_calls, i + 1);
                ck_call(&d, i, CALL_TRY, "pipes", "web");
                refuse(&d, i, 405, "MethodNotAllowed", GOING);
                pass(&d, 2 * USEC_SEC); /* it may be back any moment, however often that was asked */
        }
        ck_assert_str_eq(desk_state.reason, "Retrying");
        ck_assert(has_text(str_c(desk_state.message), "the definition of Pipe is being deleted"));
        ck_assert(!desk_state.failure.permanent);
        answer(&d, TRIES, 201, d.calls[TRIES].call.body.data);
        ck_call(&d, TRIES + 1, CALL_APPLY, "pipes", "web");
        ck_body(&d, TRIES + 1, "\"resourceVersion\":\"1\"");
        /* Nor then. */
        refuse(&d, TRIES + 1, 403, "Forbidden", "pipes.test.example is forbidden: " GOING);
        pass(&d, 2 * USEC_SEC);
        ck_call(&d, TRIES + 2, CALL_TRY, "pipes", "web");
        end(&d);
}
END_TEST

START_TEST(there_too_the_name_may_be_taken)
{
        struct desk d;

        begin_pipe(&d);
        refuse(&d, 0, 409, "AlreadyExists", "it exists");
        ck_call(&d, 1, CALL_GET, "pipes", "web");
        end(&d);
}
END_TEST

/* The watch tells, and what to do instead. */
START_TEST(and_the_kind_may_be_gone)
{
        struct desk d;

        begin_pipe(&d);
        answer_not_found(&d, 0);
        ck_assert_uint_eq(d.n_calls, 1);
        end(&d);
}
END_TEST

static const TTest *const tests[] = {
        an_answer_that_is_no_object_is_told_as_such,
        also_of_the_holder_of_a_name,
        and_of_what_is_to_be_copied,
        a_request_that_cannot_be_sent_is_told_with_the_reason,
        nothing_is_made_of_a_kind_that_is_being_removed,
        there_too_the_name_may_be_taken,
        and_the_kind_may_be_gone,
};
TEST_MAIN("manager/errand", tests)
