/* SPDX-License-Identifier: Apache-2.0 */
#include "story.h"

/* --- what is lost ---------------------------------------------------------------------------------- */

START_TEST(a_create_whose_reply_is_lost_makes_one_object)
{
        /* Both ways: the watch tells of it before the retry, or long after. */
        static const usec_t lags[] = { USEC_MSEC, 20 * USEC_SEC };

        for (size_t i = 0; i < ARRAY_SIZE(lags); i++) {
                struct world w;

                begin(&w, 1);
                w.watch_lag = lags[i];
                world_rule(&w, (struct world_rule){ .fate = WORLD_LOSE_REPLY,
                                                    .type = CALL_APPLY,
                                                    .kind = &app_deployment_kind.api,
                                                    .times = 1 });
                world_start(&w);
                world_run(&w, 5 * USEC_MINUTE);
                check_rest(&w);
                ck_assert_uint_eq(count_events(&w, "NameConflict"), 0);
                /* The App, its children, and events: no object was made twice. */
                ck_assert_uint_eq(w.api.n_created, 1 + OBJECTS + sim_api_count(&w.api, &kube_event_kind));
                end(&w);
        }
}
END_TEST

START_TEST(any_one_message_may_be_lost)
{
        static const enum world_fate fates[] = { WORLD_LOSE_REQUEST, WORLD_LOSE_REPLY };
        static const enum call_type types[] = { CALL_APPLY, CALL_APPLY_STATUS, CALL_CREATE };
        struct world w;
        char *expected;

        begin_converged(&w);
        expected = sim_api_dump(&w.api, &kube_event_kind);
        end(&w);
        for (size_t i = 0; i < ARRAY_SIZE(fates); i++)
                for (size_t j = 0; j < ARRAY_SIZE(types); j++)
                        for (int times = 1; times < 8; times++) {
                                char *state;

                                begin(&w, 1);
                                world_rule(&w, (struct world_rule){
                                                       .fate = fates[i], .type = types[j], .times = times });
                                world_start(&w);
                                world_run(&w, 5 * USEC_MINUTE);
                                state = sim_api_dump(&w.api, &kube_event_kind);
                                check_same_state(state, expected, "lost messages:", (uint64_t)times);
                                free(state);
                                check_rest(&w);
                                end(&w);
                        }
        free(expected);
}
END_TEST

/* --- dying ---------------------------------------------------------------------------------------------- */

/* A story with creations, an update, a deletion and drift, in which the
 * operator may die after its N-th request. */
static char *live_through(uint64_t crash_after, uint64_t *ret_served)
{
        struct world w;
        char *state;

        begin(&w, 1);
        w.crash_after = crash_after;
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        user_applies(&w, APP("\"image\":\"registry.example/web:2\",\"replicas\":3"));
        world_run(&w, USEC_MINUTE);
        sim_api_patch(&w.api, &app_deployment_kind.api, NS, NAME, OTHER_IMAGE, "kubectl-edit");
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(w.n_crashes, crash_after ? 1 : 0);
        *ret_served = w.n_served;
        state = sim_api_dump(&w.api, &kube_event_kind);
        /* The App, its children, events: nothing was made twice. */
        ck_assert_uint_eq(w.api.n_created, 1 + OBJECTS + 1 + sim_api_count(&w.api, &kube_event_kind));
        check_rest(&w);
        end(&w);
        return state;
}

START_TEST(it_may_die_after_any_request)
{
        uint64_t requests, served;
        char *expected = live_through(0, &requests);

        ck_assert_uint_gt(requests, 10);
        for (uint64_t n = 1; n < requests; n++) {
                char *state = live_through(n, &served);

                check_same_state(state, expected, "it died after request", n);
                free(state);
        }
        free(expected);
}
END_TEST

/* --- stale watches ------------------------------------------------------------------------------------------ */

START_TEST(a_watch_that_lags_causes_no_write_twice)
{
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world w;

                begin(&w, seed);
                w.watch_lag = 3 * USEC_SEC;
                world_start(&w);
                world_run(&w, 2 * USEC_MINUTE);
                ck_assert_uint_eq(w.n_calls[CALL_APPLY], OBJECTS);
                ck_assert_uint_eq(w.n_calls[CALL_GET], 0);
                user_applies(&w, APP("\"image\":\"registry.example/web:2\",\"port\":8080,\"replicas\":3"));
                world_run(&w, 2 * USEC_MINUTE);
                /* The Deployment once more, and the record of its revision. */
                ck_assert_uint_eq(w.n_calls[CALL_APPLY], OBJECTS + 2);
                check_rest(&w);
                end(&w);
        }
}
END_TEST

static void relist_now(struct world *w, void *arg)
{
        (void)arg;
        world_relist(w);
}

START_TEST(a_watch_may_start_over_at_any_time)
{
        for (usec_t at = 0; at < 100 * USEC_MSEC; at += 5 * USEC_MSEC) {
                struct world w;

                begin(&w, 1);
                w.watch_lag = 500 * USEC_MSEC;
                world_start(&w);
                world_after(&w, at, relist_now, NULL);
                world_run(&w, USEC_MINUTE);
                ck_assert_uint_eq(w.n_calls[CALL_APPLY], OBJECTS);
                check_rest(&w);
                end(&w);
        }
}
END_TEST

/* --- without memory ---------------------------------------------------------------------------------------------- */

static size_t count_changes(const struct world *w, const struct kube_kind *kind)
{
        size_t n = 0;

        for (size_t i = 0; i < w->api.n_log; i++)
                n += w->api.log[i].kind == kind;
        return n;
}

static int converge(void *arg)
{
        struct world w;

        (void)arg;
        begin_converged(&w);
        check_condition(&w, "Ready", "True", "Ready");
        /* Nothing was written that had to be mended. */
        ck_assert_int_eq(sim_api_int(&w.api, &app_deployment_kind.api, NS, NAME, "/metadata/generation"), 1);
        ck_assert_uint_eq(count_changes(&w, &common_service_kind.api), 1);
        world_release(&w);
        return 0;
}

START_TEST(any_one_allocation_may_fail)
{
        torture(converge, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        a_create_whose_reply_is_lost_makes_one_object,
        any_one_message_may_be_lost,
        it_may_die_after_any_request,
        a_watch_that_lags_causes_no_write_twice,
        a_watch_may_start_over_at_any_time,
        any_one_allocation_may_fail,
};
TEST_MAIN("manager/crash", tests)
