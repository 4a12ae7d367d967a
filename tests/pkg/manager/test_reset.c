/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists that are ours alone, and what others put into them.
 */
#include "desk.h"

#define OWNED                                                                                                \
        ",\"ownerReferences\":[{\"kind\":\"Box\",\"name\":\"web\",\"uid\":\"u-web\",\"controller\":true}]"
#define OURS                                                                                                 \
        ",\"managedFields\":[{\"manager\":\"keelson\",\"operation\":\"Apply\",\"fieldsV1\":{\"f:spec\":{"    \
        "\"f:color\":{}}}}]"
#define PART(version)                                                                                        \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u-part\",\"resourceVersion\":"     \
        "\"" version "\"" OWNED OURS "},\"spec\":{\"color\":\"blue\"}}"
#define INVALID "spec.ports[1].name: Duplicate value: http"

static bool exclusive;
static size_t padding; /* so many bytes more of labels */

static void apply_part(const struct view *view, struct plan *plan)
{
        (void)view;
        plan_apply_with(
                plan, &part_kind, STR("web"),
                arena_printf(plan->arena,
                             "{\"apiVersion\":\"test.example/v1\",\"kind\":\"Part\",\"metadata\":{\"name\":"
                             "\"web\",\"labels\":{\"a\":\"b%0*d\"}},\"spec\":{\"ports\":[{\"port\":80}]}}",
                             (int)padding, 0),
                &(struct apply_options){ .exclusive = exclusive });
}

/* Our part is there, and not as it should be; the first call sets it back. */
static void begin_as(struct desk *d, bool ours_alone)
{
        begin(d);
        exclusive = ours_alone;
        bring(d, &part_kind, .name = "web", .uid = "u-part", .version = "20", .meta = OWNED);
        want(d, apply_part);
        turn(d);
        ck_assert_uint_eq(d->n_calls, 1);
        ck_call(d, 0, CALL_APPLY, "parts", "web");
        ck_body(d, 0, "\"uid\":\"u-part\"");
}

static void begin_drifted(struct desk *d)
{
        begin_as(d, true);
}

START_TEST(where_the_server_refuses_the_merged_lists_ours_are_set_as_a_whole)
{
        struct desk d;

        begin_drifted(&d);
        refuse(&d, 0, 422, "Invalid", INVALID);
        ck_assert_uint_eq(d.n_calls, 2);
        ck_call(&d, 1, CALL_PATCH, "parts", "web");
        ck_str_eq(d.calls[1].call.body,
                  "{\"metadata\":{\"uid\":\"u-part\",\"resourceVersion\":\"20\"},\"spec\":{\"ports\":[{"
                  "\"port\":80}]}}");
        answer(&d, 1, 200, PART("21"));
        /* Applied again, it is ours as any other. */
        ck_assert_uint_eq(d.n_calls, 3);
        ck_call(&d, 2, CALL_APPLY, "parts", "web");
        ck_str_eq(d.calls[2].call.body, "{\"apiVersion\":\"test.example/v1\",\"kind\":\"Part\",\"metadata\":{"
                                        "\"uid\":\"u-part\",\"name\":\"web\",\"labels\":{\"a\":\"b0\"}},"
                                        "\"spec\":{\"ports\":[{\"port\":80}]}}");
        answer(&d, 2, 200, PART("22"));
        /* It is told as what it is. */
        ck_assert_uint_eq(d.n_calls, 4);
        ck_assert_int_eq(d.calls[3].call.type, CALL_CREATE);
        ck_body(&d, 3, "DriftRepaired");
        answer(&d, 3, 201, "{}");
        ck_assert_ptr_null(desk_state.failure.reason.data);
        end(&d);
}
END_TEST

START_TEST(who_does_not_ask_for_it_has_the_refusal)
{
        struct desk d;

        begin_as(&d, false);
        refuse(&d, 0, 422, "Invalid", INVALID);
        ck_assert_uint_eq(d.n_calls, 1);
        pass(&d, QUEUE_BACKOFF_MAX);
        ck_assert_uint_eq(d.n_calls, 2);
        refuse(&d, 1, 422, "Invalid", INVALID);
        ck_assert_str_eq(desk_state.reason, "Invalid");
        end(&d);
}
END_TEST

/* What is invalid by itself stays so: it is tried once for each state of the object. */
START_TEST(it_is_tried_once_for_each_version_of_the_object)
{
        struct desk d;
        size_t n;

        begin_drifted(&d);
        refuse(&d, 0, 422, "Invalid", INVALID);
        ck_call(&d, 1, CALL_PATCH, "parts", "web");
        refuse(&d, 1, 422, "Invalid", "spec.ports: no");
        ck_assert_uint_eq(d.n_calls, 2);
        for (n = 2; n < 5; n++) {
                pass(&d, QUEUE_BACKOFF_MAX);
                ck_assert_uint_eq(d.n_calls, n + 1);
                ck_call(&d, n, CALL_APPLY, "parts", "web");
                ck_assert_str_eq(desk_state.reason, "Invalid");
                refuse(&d, n, 422, "Invalid", INVALID);
                ck_assert_uint_eq(d.n_calls, n + 1);
        }
        ck_assert(strstr(desk_state.message, INVALID));
        /* Somebody changes it: once more. */
        bring(&d, &part_kind, .name = "web", .uid = "u-part", .version = "30", .meta = OWNED);
        turn(&d);
        pass(&d, QUEUE_BACKOFF_MAX);
        ck_call(&d, n, CALL_APPLY, "parts", "web");
        refuse(&d, n, 422, "Invalid", INVALID);
        ck_call(&d, n + 1, CALL_PATCH, "parts", "web");
        ck_body(&d, n + 1, "\"resourceVersion\":\"30\"");
        refuse(&d, n + 1, 422, "Invalid", INVALID);
        end(&d);
}
END_TEST

START_TEST(the_second_apply_is_the_last)
{
        struct desk d;

        begin_drifted(&d);
        refuse(&d, 0, 422, "Invalid", INVALID);
        answer(&d, 1, 200, PART("21"));
        ck_call(&d, 2, CALL_APPLY, "parts", "web");
        refuse(&d, 2, 422, "Invalid", INVALID);
        ck_assert_uint_eq(d.n_calls, 3);
        pass(&d, QUEUE_BACKOFF_MAX);
        ck_assert_str_eq(desk_state.reason, "Invalid");
        ck_assert_uint_eq(d.n_calls, 4);
        answer(&d, 3, 200, PART("40"));
        end(&d);
}
END_TEST

START_TEST(other_refusals_are_no_reason)
{
        static const struct {
                int status;
                const char *reason;
        } refusals[] = {
                { 400, "BadRequest" },    { 403, "Forbidden" },
                { 404, "NotFound" },      { 409, "Conflict" },
                { 500, "InternalError" }, { 503, "ServiceUnavailable" },
                { 504, "Timeout" },       { 413, "RequestEntityTooLarge" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
                struct desk d;

                begin_drifted(&d);
                refuse(&d, 0, refusals[i].status, refusals[i].reason, "no");
                ck_assert_uint_eq(d.n_calls, 1);
                end(&d);
        }
}
END_TEST

/* An object that is to be made has nobody else's items, and one that is not ours is not touched. */
START_TEST(only_what_is_there_and_ours_is_set_back)
{
        struct desk d;

        begin(&d);
        exclusive = true;
        want(&d, apply_part);
        turn(&d);
        ck_call(&d, 0, CALL_APPLY, "parts", "web");
        /* Somebody makes it meanwhile. */
        bring(&d, &part_kind, .name = "web", .uid = "u-foreign", .version = "20");
        refuse(&d, 0, 422, "Invalid", INVALID);
        ck_assert_uint_eq(d.n_calls, 1);
        end(&d);

        begin_drifted(&d);
        bring(&d, &part_kind, .name = "web", .uid = "u-foreign", .version = "30");
        refuse(&d, 0, 422, "Invalid", INVALID);
        ck_assert_uint_eq(d.n_calls, 1);
        end(&d);
}
END_TEST

START_TEST(a_change_in_between_is_no_failure)
{
        struct desk d;

        begin_drifted(&d);
        refuse(&d, 0, 422, "Invalid", INVALID);
        refuse(&d, 1, 409, "Conflict", "the object has been modified");
        ck_assert_uint_eq(d.n_calls, 2);
        bring(&d, &part_kind, .name = "web", .uid = "u-part", .version = "30", .meta = OWNED);
        pass(&d, QUEUE_BACKOFF_MAX);
        ck_assert_ptr_null(desk_state.failure.reason.data);
        ck_call(&d, 2, CALL_APPLY, "parts", "web");
        refuse(&d, 2, 422, "Invalid", INVALID);
        ck_body(&d, 3, "\"resourceVersion\":\"30\"");
        answer(&d, 3, 200, PART("31"));
        answer(&d, 4, 200, PART("32"));
        answer(&d, 5, 201, "{}");
        end(&d);
}
END_TEST

START_TEST(without_leave_nothing_follows)
{
        struct desk d;

        begin_drifted(&d);
        manager_allow(&d.m, false);
        refuse(&d, 0, 422, "Invalid", INVALID);
        ck_assert_uint_eq(d.n_calls, 1);
        end(&d);
}
END_TEST

/* The patch is answered while the N-th allocation from then on fails. Was there one? */
static bool patch_without_memory(uint64_t n)
{
        uint64_t before;
        struct desk d;

        begin_drifted(&d);
        refuse(&d, 0, 422, "Invalid", INVALID);
        before = mem_count();
        mem_fail_after(n);
        answer(&d, 1, 200, PART("21"));
        mem_fail_after(0);
        before = mem_count() - before;
        if (d.n_calls > 2 && d.calls[2].call.type == CALL_APPLY)
                ck_body(&d, 2, "\"uid\":\"u-part\"");
        end(&d);
        return before >= n;
}

/* Else it would go to whatever has that name by then. Which allocation that takes
 * follows from how full the task's arena is. */
START_TEST(without_memory_no_change_goes_out_that_does_not_say_which_object_it_is_for)
{
        for (padding = 16; padding < 4096; padding += 16)
                for (uint64_t n = 1; patch_without_memory(n);)
                        n++;
        padding = 0;
}
END_TEST

static const TTest *const tests[] = {
        where_the_server_refuses_the_merged_lists_ours_are_set_as_a_whole,
        who_does_not_ask_for_it_has_the_refusal,
        it_is_tried_once_for_each_version_of_the_object,
        the_second_apply_is_the_last,
        other_refusals_are_no_reason,
        only_what_is_there_and_ours_is_set_back,
        a_change_in_between_is_no_failure,
        without_leave_nothing_follows,
        without_memory_no_change_goes_out_that_does_not_say_which_object_it_is_for,
};
TEST_MAIN("manager/reset", tests)
