/* SPDX-License-Identifier: Apache-2.0
 *
 * What a controller, or a kind, may do whose caches tell nothing.
 */
#include "desk.h"

#include <errno.h>

static const char *const why_refused = "may not list parts: grant it";

/* Of each kind of effect one. */
static void want_all(const struct view *view, struct plan *plan)
{
        struct {
                struct object o;
                char uid_and_version[2];
        } child = { { .kind = &part_kind, .name = STR("old"), .uid_len = 1, .version_len = 1 }, "u1" };

        (void)view;
        plan_apply(plan, &part_kind, STR("web"),
                   STR("{\"kind\":\"Part\",\"metadata\":{\"name\":\"web\"},\"spec\":{}}"));
        plan_delete(plan, &child.o);
        plan_read(plan, &letter_kind, STR("a"));
        plan_status(plan, STR("{\"phase\":\"Full\"}"));
        plan_event(plan, false, STR("Turned"), STR("it turned"));
}

static size_t count_calls(const struct desk *d, enum call_type type)
{
        size_t n = 0;

        for (size_t i = 0; i < d->n_calls; i++)
                n += d->calls[i].call.type == type;
        return n;
}

static struct error error_of(int code, const char *message)
{
        struct error err = ERROR_INIT;

        err.code = code;
        snprintf(err.message, sizeof(err.message), "%s", message);
        return err;
}

/* --- of a controller ---------------------------------------------------------------------- */

START_TEST(behind_a_closed_gate_nothing_is_looked_at)
{
        struct desk d;

        begin(&d);
        want(&d, want_all);
        manager_set_gate(&d.m, 0, STR_NULL, GATE_CLOSED, NULL);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 0);
        ck_assert_uint_eq(d.n_calls, 0);
        ck_assert(manager_idle(&d.m));
        /* Closing it again opens nothing. */
        manager_set_gate(&d.m, 0, STR_NULL, GATE_CLOSED, NULL);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 0);
        /* When it opens, all come, those too that were passed over. */
        want(&d, NULL);
        manager_set_gate(&d.m, 0, STR_NULL, GATE_OPEN, NULL);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 1);
        manager_set_gate(&d.m, 0, STR_NULL, GATE_OPEN, NULL);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 1);
        end(&d);
}
END_TEST

START_TEST(one_gate_is_nobody_elses)
{
        struct desk d;

        begin(&d);
        bring(&d, &crate_kind, .name = "c", .uid = "u-c");
        manager_set_gate(&d.m, 0, STR_NULL, GATE_CLOSED, NULL);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 0);
        ck_assert_uint_eq(desk_state.n_crates, 1);
        manager_set_gate(&d.m, 0, STR_NULL, GATE_OPEN, NULL);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 1);
        ck_assert_uint_eq(desk_state.n_crates, 1);
        end(&d);
}
END_TEST

START_TEST(what_belongs_to_no_namespace_concerns_all)
{
        struct desk d;

        begin(&d);
        bring(&d, &crate_kind, .namespace = "mill", .name = "c", .uid = "u-c");
        bring(&d, &crate_kind, .namespace = "shop", .name = "d", .uid = "u-d");
        turn(&d);
        ck_assert_uint_eq(desk_state.n_crates, 2);
        bring(&d, &class_kind, .namespace = "", .name = "first", .uid = "u-class");
        turn(&d);
        ck_assert_uint_eq(desk_state.n_crates, 4);
        ck_assert_uint_eq(desk_state.n_boxes, 1);
        end(&d);
}
END_TEST

START_TEST(one_namespace_is_no_other)
{
        static const struct str namespaces[] = { STR_INIT("shop"), STR_INIT("mill") };
        struct error why = error_of(-EACCES, "may not list letters: grant it");
        struct desk d;

        begin(&d);
        bring(&d, &box_kind, .namespace = "mill", .name = "web", .uid = "u-mill");
        mem_fail_after(1);
        ck_assert_int_eq(manager_set_namespaces(&d.m, namespaces, 2), -ENOMEM);
        mem_fail_after(0);
        ck_assert_int_eq(manager_set_namespaces(&d.m, namespaces, 2), 0);
        manager_set_gate(&d.m, 0, STR("shop"), GATE_CLOSED, NULL);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 1); /* that of the mill */
        manager_set_gate(&d.m, 0, STR("mill"), GATE_BLOCKED, &why);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 2);
        ck_assert_str_eq(desk_state.reason, "Forbidden");
        manager_set_gate(&d.m, 0, STR("shop"), GATE_OPEN, NULL);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 3);
        ck_assert_str_eq(desk_state.reason, "");
        ck_assert_int_eq(manager_gate(&d.m, 0, STR("mill"))->state, GATE_BLOCKED);
        end(&d);
}
END_TEST

START_TEST(who_is_blocked_says_why_and_does_nothing_else)
{
        struct error why = error_of(-EACCES, "may not list letters: grant it");
        struct desk d;

        begin(&d);
        want(&d, want_all);
        manager_set_gate(&d.m, 0, STR_NULL, GATE_BLOCKED, &why);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 1);
        ck_assert_str_eq(desk_state.reason, "Forbidden");
        ck_assert_str_eq(desk_state.message, why.message);
        ck_assert(desk_state.failure.permanent);
        ck_assert_uint_eq(d.n_calls, 2);
        ck_assert_uint_eq(count_calls(&d, CALL_APPLY_STATUS), 1);
        ck_assert_uint_eq(count_calls(&d, CALL_CREATE), 1);
        for (size_t i = 0; i < 2; i++)
                answer(&d, i, 200, "{}");
        end(&d);
}
END_TEST

START_TEST(another_reason_is_told_and_the_same_is_not)
{
        struct error why = error_of(-EACCES, "may not list letters"), other = error_of(-EIO, "no answer");
        struct desk d;

        begin(&d);
        manager_set_gate(&d.m, 0, STR_NULL, GATE_BLOCKED, &why);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 1);
        manager_set_gate(&d.m, 0, STR_NULL, GATE_BLOCKED, &why);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 1);
        manager_set_gate(&d.m, 0, STR_NULL, GATE_BLOCKED, &other);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 2);
        ck_assert_str_eq(desk_state.reason, "CannotWatch");
        ck_assert_str_eq(desk_state.message, "no answer");
        /* And when it is over that is gone. */
        manager_set_gate(&d.m, 0, STR_NULL, GATE_OPEN, NULL);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 3);
        ck_assert_str_eq(desk_state.reason, "");
        end(&d);
}
END_TEST

/* --- of all ----------------------------------------------------------------------------------- */

START_TEST(without_leave_nothing_begins)
{
        struct desk d;

        begin(&d);
        want(&d, want_all);
        manager_allow(&d.m, false);
        ck_assert_int_eq(manager_pump(&d.m), USEC_NEVER);
        ck_assert_uint_eq(desk_state.n_boxes, 0);
        manager_allow(&d.m, true);
        turn(&d);
        ck_assert_uint_eq(desk_state.n_boxes, 1);
        end(&d);
}
END_TEST

START_TEST(a_transport_that_may_not_write_is_no_fault_of_the_resource)
{
        struct desk d;

        begin(&d);
        want(&d, want_all);
        d.refusal = -EPERM;
        for (int i = 0; i < 5; i++)
                pass(&d, QUEUE_BACKOFF_MAX);
        ck_assert_str_eq(desk_state.reason, "NotLeading");
        ck_assert(!desk_state.failure.permanent);
        ck_assert_uint_eq(d.n_calls, 0);
        end(&d);
}
END_TEST

/* --- of a kind -------------------------------------------------------------------------------- */

static const char *refuse_parts(const struct cache_kind *kind, struct str namespace, void *arg)
{
        (void)arg;
        return kind == &part_kind && str_eq(namespace, STR("shop")) ? why_refused : NULL;
}

START_TEST(children_of_a_kind_that_may_not_be_listed_are_left_alone)
{
        struct desk d;

        begin(&d);
        want(&d, want_all);
        d.m.refused = refuse_parts;
        turn(&d);
        /* The rest is done, and it is told. */
        ck_assert_uint_eq(count_calls(&d, CALL_GET), 1);
        answer_not_found(&d, 0);
        pass(&d, QUEUE_BACKOFF_MAX);
        ck_assert_uint_eq(count_calls(&d, CALL_APPLY_STATUS), 1);
        ck_assert_uint_eq(count_calls(&d, CALL_CREATE), 1);
        ck_assert_uint_eq(count_calls(&d, CALL_APPLY), 0);
        ck_assert_uint_eq(count_calls(&d, CALL_DELETE), 0);
        ck_assert_str_eq(desk_state.reason, "Forbidden");
        ck_assert_str_eq(desk_state.message, why_refused);
        ck_assert(desk_state.failure.permanent);
        /* The right comes: so do the children. */
        d.m.refused = NULL;
        for (size_t i = 1; i < d.n_calls; i++)
                answer(&d, i, 200, "{}");
        pass(&d, QUEUE_BACKOFF_MAX);
        ck_assert_uint_eq(count_calls(&d, CALL_APPLY), 1);
        end(&d);
}
END_TEST

/* --- of many at once -------------------------------------------------------------------- */

#define BOXES 20

static void bring_boxes(struct desk *d, int n)
{
        for (int i = 0; i < n; i++) {
                char name[16], uid[16];

                snprintf(name, sizeof(name), "box-%d", i);
                snprintf(uid, sizeof(uid), "u-%d", i);
                bring(d, &box_kind, .name = name, .uid = uid);
        }
}

/* Refuses each call in its turn. Returns how many were on their way at once, at most. */
static size_t refuse_all(struct desk *d)
{
        size_t most = 0;

        for (size_t i = 0; i < d->n_calls; i++) {
                most = MAX(most, d->n_calls - i);
                refuse(d, i, 422, "Invalid", "no");
        }
        return most;
}

static void want_three(const struct view *view, struct plan *plan)
{
        (void)view;
        plan_apply(plan, &part_kind, STR("a"), STR("{\"kind\":\"Part\",\"metadata\":{\"name\":\"a\"}}"));
        plan_apply(plan, &part_kind, STR("b"), STR("{\"kind\":\"Part\",\"metadata\":{\"name\":\"b\"}}"));
        plan_apply(plan, &part_kind, STR("c"), STR("{\"kind\":\"Part\",\"metadata\":{\"name\":\"c\"}}"));
}

START_TEST(few_requests_are_on_their_way_at_once)
{
        size_t most;
        struct desk d;

        begin_empty(&d);
        want(&d, want_three);
        bring_boxes(&d, BOXES);
        ck_assert_int_eq(manager_pump(&d.m), USEC_NEVER); /* a reply is what it waits for */
        ck_assert_uint_ge(d.n_calls, MANAGER_REQUESTS_MAX);
        most = refuse_all(&d);
        ck_assert_uint_le(most, MANAGER_REQUESTS_MAX + 2);
        ck_assert_uint_eq(d.n_calls, 3 * BOXES); /* and none is forgotten */
        end(&d);
}
END_TEST

#define LARGE ((size_t)3 * 1024 * 1024)

static void want_much(const struct view *view, struct plan *plan)
{
        void *much = arena_alloc(plan->arena, LARGE);

        ck_assert_ptr_nonnull(much);
        (void)view;
        plan_apply(plan, &part_kind, STR("part"),
                   STR("{\"kind\":\"Part\",\"metadata\":{\"name\":\"part\"}}"));
}

/* Or a few dozen of them would be more than the operator's memory, and at its
 * next start once more. */
START_TEST(large_ones_wait_for_each_other)
{
        size_t most;
        struct desk d;

        begin_empty(&d);
        want(&d, want_much);
        bring_boxes(&d, BOXES);
        ck_assert_int_eq(manager_pump(&d.m), USEC_NEVER); /* a reply is what it waits for */
        ck_assert_uint_gt(d.n_calls, 1);
        most = refuse_all(&d);
        ck_assert_uint_le(most, MANAGER_ACTIVE_BYTES / LARGE + 1);
        ck_assert_uint_eq(d.n_calls, BOXES); /* and none is forgotten */
        end(&d);
}
END_TEST

static const TTest *const tests[] = {
        behind_a_closed_gate_nothing_is_looked_at,
        one_gate_is_nobody_elses,
        what_belongs_to_no_namespace_concerns_all,
        one_namespace_is_no_other,
        who_is_blocked_says_why_and_does_nothing_else,
        another_reason_is_told_and_the_same_is_not,
        without_leave_nothing_begins,
        a_transport_that_may_not_write_is_no_fault_of_the_resource,
        children_of_a_kind_that_may_not_be_listed_are_left_alone,
        few_requests_are_on_their_way_at_once,
        large_ones_wait_for_each_other,
};
TEST_MAIN("manager/gate", tests)
