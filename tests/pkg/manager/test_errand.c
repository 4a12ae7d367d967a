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

static const TTest *const tests[] = {
        an_answer_that_is_no_object_is_told_as_such,
        also_of_the_holder_of_a_name,
        and_of_what_is_to_be_copied,
        a_request_that_cannot_be_sent_is_told_with_the_reason,
};
TEST_MAIN("manager/errand", tests)
