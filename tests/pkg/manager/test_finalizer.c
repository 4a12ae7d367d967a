/* SPDX-License-Identifier: Apache-2.0 */
#include "story.h"

/* The App's controller, as if it had something to clear up before the App goes. */

#define OURS "keelson.dev/probe"
#define OTHERS "example.com/other"

static struct {
        bool busy;          /* there is still something to clear up */
        unsigned n_cleared; /* how often it was asked to, being deleted */
} probe;

static struct cache_kind kind;
static struct controller controller;
static const struct controller *const list[] = { &controller };

static int reconcile(const struct view *view, struct plan *plan)
{
        if (!view->self->deleting)
                return app_reconcile(view, plan);
        probe.n_cleared++;
        if (probe.busy)
                plan_wake(plan, view->now + USEC_SEC);
        else
                plan_release(plan, view->self);
        return 0;
}

static void user_applies_held(struct world *w, const char *app)
{
        sim_api_apply(&w->api, &kind.api, app, "kubectl");
}

static void begin_held(struct world *w)
{
        probe = (typeof(probe)){ 0 };
        kind = app_kind;
        kind.finalizer = STR(OURS);
        controller = app_controller;
        controller.kind = &kind;
        controller.reconcile = reconcile;
        log_setup(LOG_ERROR + 1, LOG_TEXT);
        world_init(w, list, ARRAY_SIZE(list), 1);
        actors_enter(w);
        user_applies_held(w, APP(PLAIN));
}

static yyjson_mut_val *held(const struct world *w)
{
        return sim_api_get(&w->api, &kind.api, NS, NAME);
}

static size_t n_finalizers(const struct world *w)
{
        return yyjson_mut_arr_size(yyjson_mut_ptr_get(held(w), "/metadata/finalizers"));
}

static bool has_finalizer(const struct world *w, const char *name)
{
        yyjson_mut_arr_iter it =
                yyjson_mut_arr_iter_with(yyjson_mut_ptr_get(held(w), "/metadata/finalizers"));
        yyjson_mut_val *one;

        while ((one = yyjson_mut_arr_iter_next(&it)))
                if (yyjson_mut_equals_str(one, name))
                        return true;
        return false;
}

START_TEST(it_is_there_before_any_child)
{
        struct world w;

        begin_held(&w);
        w.crash_after = 1;
        world_start(&w);
        while (w.n_crashes == 0)
                world_run(&w, USEC_MSEC);
        ck_assert(has_finalizer(&w, OURS));
        ck_assert_uint_eq(w.api.n_created, 1); /* the App itself */
        world_run(&w, USEC_MINUTE);
        ck_assert(exists(&w, &app_deployment_kind));
        ck_assert_uint_eq(n_finalizers(&w), 1);
        ck_assert_uint_eq(w.n_calls[CALL_GET], 0);
        ck_assert_uint_eq(w.n_calls[CALL_PATCH], 0);
        end(&w);
}
END_TEST

START_TEST(the_resource_waits_until_it_is_let_go)
{
        struct world w;

        begin_held(&w);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        probe.busy = true;
        sim_api_delete(&w.api, &kind.api, NS, NAME);
        world_run(&w, USEC_MINUTE);
        ck_assert_ptr_nonnull(held(&w));
        ck_assert_uint_gt(probe.n_cleared, 10);
        probe.busy = false;
        world_run(&w, USEC_MINUTE);
        ck_assert_ptr_null(held(&w));
        ck_assert(!exists(&w, &app_deployment_kind)); /* the garbage collector's work */
        ck_assert(manager_idle(&w.op[0].manager));
        end(&w);
}
END_TEST

START_TEST(those_of_others_stay)
{
        unsigned n;
        struct world w;

        begin_held(&w);
        user_applies_held(&w,
                          "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\",\"metadata\":{"
                          "\"namespace\":\"" NS "\",\"name\":\"" NAME "\",\"finalizers\":[\"" OTHERS "\"]},"
                          "\"spec\":{" PLAIN "}}");
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(n_finalizers(&w), 2);
        sim_api_delete(&w.api, &kind.api, NS, NAME);
        world_run(&w, USEC_MINUTE);
        ck_assert(has_finalizer(&w, OTHERS));
        ck_assert_uint_eq(n_finalizers(&w), 1);
        n = probe.n_cleared;
        ck_assert_int_eq(manager_enqueue_all(&w.op[0].manager), 0);
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(probe.n_cleared, n); /* it was let go: no more is asked */
        sim_api_patch(&w.api, &kind.api, NS, NAME, "{\"metadata\":{\"finalizers\":null}}", "other");
        world_run(&w, USEC_MINUTE);
        ck_assert_ptr_null(held(&w));
        end(&w);
}
END_TEST

START_TEST(it_is_put_back)
{
        struct world w;

        begin_held(&w);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        sim_api_patch(&w.api, &kind.api, NS, NAME, "{\"metadata\":{\"finalizers\":null}}", "kubectl");
        ck_assert_uint_eq(n_finalizers(&w), 0);
        world_run(&w, USEC_MINUTE);
        ck_assert(has_finalizer(&w, OURS));
        end(&w);
}
END_TEST

/* As kubectl get -o yaml | kubectl apply does it. */
START_TEST(it_goes_though_somebody_else_has_applied_it_too)
{
        struct world w;

        begin_held(&w);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        user_applies_held(&w, "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\",\"metadata\":{"
                              "\"namespace\":\"" NS "\",\"name\":\"" NAME "\",\"finalizers\":[\"" OURS "\"]},"
                              "\"spec\":{" PLAIN "}}");
        world_run(&w, USEC_MINUTE);
        sim_api_delete(&w.api, &kind.api, NS, NAME);
        world_run(&w, USEC_MINUTE);
        ck_assert_ptr_null(held(&w));
        end(&w);
}
END_TEST

START_TEST(one_that_was_never_held_just_goes)
{
        struct world w;

        begin_held(&w);
        user_applies_held(&w,
                          "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\",\"metadata\":{"
                          "\"namespace\":\"" NS "\",\"name\":\"" NAME "\",\"finalizers\":[\"" OTHERS "\"]},"
                          "\"spec\":{" PLAIN "}}");
        sim_api_delete(&w.api, &kind.api, NS, NAME);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(probe.n_cleared, 0);
        ck_assert_uint_eq(all_calls(&w), 0);
        end(&w);
}
END_TEST

/* --- faults ------------------------------------------------------------------------------ */

static void check_goes(struct world *w)
{
        world_run(w, 2 * USEC_MINUTE);
        ck_assert_msg(!held(w), "it is still there");
        end(w);
}

static void begin_deletion(struct world *w)
{
        begin_held(w);
        world_start(w);
        world_run(w, USEC_MINUTE);
        sim_api_delete(&w->api, &kind.api, NS, NAME);
}

START_TEST(any_message_of_its_end_may_be_lost)
{
        static const enum call_type types[] = { CALL_GET, CALL_PATCH };
        static const enum world_fate fates[] = { WORLD_LOSE_REQUEST, WORLD_LOSE_REPLY, WORLD_NO_MEMORY };

        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                for (size_t k = 0; k < ARRAY_SIZE(fates); k++) {
                        struct world w;

                        begin_deletion(&w);
                        world_rule(&w, (struct world_rule){ .fate = fates[k],
                                                            .type = types[i],
                                                            .kind = &kind.api,
                                                            .times = 1 });
                        check_goes(&w);
                }
}
END_TEST

START_TEST(a_change_in_between_is_no_end)
{
        struct world w;

        begin_deletion(&w);
        world_rule(&w, (struct world_rule){ .fate = WORLD_REFUSE,
                                            .type = CALL_PATCH,
                                            .kind = &kind.api,
                                            .times = 3,
                                            .status = 409,
                                            .reason = "Conflict",
                                            .message = "the object has been modified" });
        check_goes(&w);
}
END_TEST

START_TEST(it_may_die_after_any_request)
{
        for (uint64_t at = 1; at <= 2; at++) {
                struct world w;

                begin_deletion(&w);
                w.crash_after = at;
                world_run(&w, USEC_MINUTE);
                ck_assert_uint_eq(w.n_crashes, 1);
                check_goes(&w);
        }
}
END_TEST

static int live_and_go(void *arg)
{
        struct world w;

        (void)arg;
        begin_deletion(&w);
        world_run(&w, 2 * USEC_MINUTE);
        ck_assert_msg(!held(&w), "it is still there");
        world_release(&w);
        return 0;
}

START_TEST(any_one_allocation_may_fail)
{
        torture(live_and_go, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        it_is_there_before_any_child,
        the_resource_waits_until_it_is_let_go,
        those_of_others_stay,
        it_is_put_back,
        it_goes_though_somebody_else_has_applied_it_too,
        one_that_was_never_held_just_goes,
        any_message_of_its_end_may_be_lost,
        a_change_in_between_is_no_end,
        it_may_die_after_any_request,
        any_one_allocation_may_fail,
};

TEST_MAIN("manager/finalizer", tests)
