/* SPDX-License-Identifier: Apache-2.0 */
#include "story.h"

/* --- the plain way ------------------------------------------------------------------------ */

START_TEST(it_converges_from_nothing)
{
        struct world w;

        begin_converged(&w);
        ck_assert(exists(&w, &common_service_kind));
        ck_str_eq(image(&w), "registry.example/web:1");
        ck_str_eq(sim_api_str(&w.api, &app_deployment_kind.api, NS, NAME, "/metadata/ownerReferences/0/name"),
                  NAME);
        ck_assert_uint_eq(count_events(&w, "Created"), 1);
        ck_assert_uint_eq(count_events(&w, "Ready"), 1);
        ck_assert_uint_eq(count_events(&w, "DriftRepaired"), 0);
        ck_assert_uint_eq(w.n_calls[CALL_APPLY], OBJECTS); /* one for each child */
        ck_assert_uint_eq(w.n_calls[CALL_GET], 0);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(it_carries_a_change_through)
{
        struct world w;

        begin_converged(&w);
        user_applies(&w, APP("\"image\":\"registry.example/web:2\",\"replicas\":3"));
        world_run(&w, USEC_MINUTE);
        ck_str_eq(image(&w), "registry.example/web:2");
        ck_assert_int_eq(sim_api_int(&w.api, &app_deployment_kind.api, NS, NAME, "/spec/replicas"), 3);
        /* Without a port there is no Service, and what is applied no more is gone. */
        ck_assert(!exists(&w, &common_service_kind));
        ck_assert_uint_eq(count_events(&w, "Deleted"), 1);
        ck_assert_ptr_null(sim_api_str(&w.api, &app_deployment_kind.api, NS, NAME,
                                       "/spec/template/spec/containers/0/env/0/name")
                                   .data);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_restart_at_rest_writes_nothing)
{
        uint64_t changes, writes;
        struct world w;

        begin_converged(&w);
        changes = w.api.n_changes;
        writes = world_writes(&w);
        world_crash(&w);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(w.api.n_changes, changes);
        ck_assert_uint_eq(world_writes(&w), writes);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_deleted_child_comes_back)
{
        struct world w;

        begin_converged(&w);
        sim_api_delete(&w.api, &common_service_kind.api, NS, NAME);
        world_run(&w, USEC_SEC);
        ck_assert(exists(&w, &common_service_kind));
        ck_assert_uint_eq(count_events(&w, "Created"), 1); /* of the beginning */
        ck_assert_uint_eq(count_events(&w, "DriftRepaired"), 1);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_child_that_was_not_wanted_for_a_while_is_made_and_not_repaired)
{
        struct world w;

        begin_converged(&w);
        user_applies(&w, APP("\"image\":\"registry.example/web:1\",\"replicas\":2"));
        world_run(&w, USEC_MINUTE);
        ck_assert(!exists(&w, &common_service_kind));
        user_applies(&w, APP(PLAIN));
        world_run(&w, USEC_MINUTE);
        ck_assert(exists(&w, &common_service_kind));
        ck_assert_uint_eq(count_events(&w, "Created"), 2);
        ck_assert_uint_eq(count_events(&w, "DriftRepaired"), 0);
        check_rest(&w);
        end(&w);
}
END_TEST

/* Its deletion takes until it is wanted again. */
START_TEST(nor_is_one_that_we_have_deleted_ourselves)
{
        struct world w;

        begin_converged(&w);
        sim_api_patch(&w.api, &common_service_kind.api, NS, NAME,
                      "{\"metadata\":{\"finalizers\":[\"test/hold\"]}}", "load-balancer");
        user_applies(&w, APP("\"image\":\"registry.example/web:1\",\"replicas\":2"));
        world_run(&w, USEC_MINUTE);
        user_applies(&w, APP(PLAIN));
        world_run(&w, USEC_MINUTE);
        sim_api_patch(&w.api, &common_service_kind.api, NS, NAME, "{\"metadata\":{\"finalizers\":null}}",
                      "load-balancer");
        world_run(&w, USEC_MINUTE);
        ck_assert(exists(&w, &common_service_kind));
        ck_assert_uint_eq(count_events(&w, "DriftRepaired"), 0);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(that_somebody_deleted_a_child_is_known_until_it_is_back)
{
        struct world w;

        begin_converged(&w);
        world_rule(&w, overloaded(6, 0));
        sim_api_delete(&w.api, &common_service_kind.api, NS, NAME);
        world_run(&w, USEC_MINUTE);
        ck_assert(exists(&w, &common_service_kind));
        ck_assert_uint_eq(count_events(&w, "DriftRepaired"), 1);
        ck_assert_uint_eq(count_events(&w, "Created"), 1);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(resource_versions_may_be_longer_than_any_integer)
{
        struct world w;

        log_setup(LOG_ERROR + 1, LOG_TEXT);
        world_init(&w, controllers, ARRAY_SIZE(controllers), 1);
        w.api.version_prefix = "1000000000000000000000000000000000000";
        actors_enter(&w);
        user_applies(&w, APP(PLAIN));
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(equal_seeds_give_equal_runs)
{
        struct world w[2];

        for (size_t i = 0; i < 2; i++) {
                begin(&w[i], 42);
                world_start(&w[i]);
                world_run(&w[i], USEC_MINUTE);
        }
        ck_assert_uint_eq(w[0].api.n_changes, w[1].api.n_changes);
        ck_assert_int_eq(w[0].last_call, w[1].last_call);
        world_release(&w[0]);
        end(&w[1]);
}
END_TEST

/* --- drift ---------------------------------------------------------------------------------- */

START_TEST(drift_is_repaired_and_told)
{
        struct world w;

        begin_converged(&w);
        sim_api_patch(&w.api, &app_deployment_kind.api, NS, NAME, OTHER_IMAGE, "kubectl-edit");
        ck_str_eq(image(&w), "evil");
        world_run(&w, USEC_MINUTE);
        ck_str_eq(image(&w), "registry.example/web:1");
        ck_assert_uint_eq(count_events(&w, "DriftRepaired"), 1);
        check_rest(&w);
        end(&w);
}
END_TEST

/* Or a status that comes out differently each time would keep its resource awake. */
START_TEST(a_change_of_the_status_alone_wakes_nobody)
{
        uint64_t before;
        struct world w;

        begin_converged(&w);
        before = w.op[0].manager.n_reconciles;
        sim_api_patch(&w.api, &app_kind.api, NS, NAME, "{\"status\":{\"replicas\":77}}", "other");
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(w.op[0].manager.n_reconciles, before);
        end(&w);
}
END_TEST

/* Somebody who undoes each of our repairs a second later. */
START_TEST(a_fight_over_a_field_is_damped_and_told)
{
        uint64_t writes;
        struct world w;

        begin_converged(&w);
        writes = w.n_calls[CALL_APPLY];
        for (int i = 0; i < 600; i++) {
                sim_api_patch(&w.api, &app_deployment_kind.api, NS, NAME, OTHER_IMAGE, "other-controller");
                world_run(&w, USEC_SEC);
        }
        /* Three at once, then after 1, 2, 4 … seconds: ten minutes hold twelve, and some slack. */
        ck_assert_uint_le(w.n_calls[CALL_APPLY] - writes, 15);
        ck_assert_uint_ge(w.n_calls[CALL_APPLY] - writes, 5);
        check_condition(&w, "Reconciling", "True", "DriftRepeated");
        /* The other one gives up: ours wins, and all is well again. */
        world_run(&w, 12 * USEC_MINUTE);
        ck_str_eq(image(&w), "registry.example/web:1");
        check_condition(&w, "Ready", "True", "Ready");
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_field_that_was_taken_away_is_put_back)
{
        struct world w;

        begin_converged(&w);
        sim_api_patch(&w.api, &app_deployment_kind.api, NS, NAME, "{\"spec\":{\"replicas\":null}}",
                      "kubectl-edit");
        world_run(&w, USEC_MINUTE);
        ck_assert_int_eq(sim_api_int(&w.api, &app_deployment_kind.api, NS, NAME, "/spec/replicas"), 2);
        ck_assert_uint_eq(count_events(&w, "DriftRepaired"), 1);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(what_others_set_beside_ours_is_theirs)
{
        uint64_t writes;
        struct world w;

        begin_converged(&w);
        writes = w.n_calls[CALL_APPLY];
        sim_api_patch(&w.api, &app_deployment_kind.api, NS, NAME,
                      "{\"metadata\":{\"annotations\":{\"team\":\"blue\"}}}", "kubectl-annotate");
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(w.n_calls[CALL_APPLY], writes);
        ck_str_eq(sim_api_str(&w.api, &app_deployment_kind.api, NS, NAME, "/metadata/annotations/team"),
                  "blue");
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(drift_after_a_restart_is_told_as_well)
{
        struct world w;

        begin_converged(&w);
        world_crash(&w);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        sim_api_patch(&w.api, &app_deployment_kind.api, NS, NAME, OTHER_IMAGE, "kubectl-edit");
        world_run(&w, USEC_MINUTE);
        ck_str_eq(image(&w), "registry.example/web:1");
        ck_assert_uint_eq(count_events(&w, "DriftRepaired"), 1);
        check_rest(&w);
        end(&w);
}
END_TEST

static void drift_at_once(struct world *w, void *arg)
{
        (void)arg;
        if (exists(w, &app_deployment_kind))
                sim_api_patch(&w->api, &app_deployment_kind.api, NS, NAME, OTHER_IMAGE, "kubectl-edit");
        else
                world_after(w, USEC_MSEC, drift_at_once, NULL);
}

START_TEST(drift_that_overtakes_our_reply_is_repaired)
{
        struct world w;

        begin(&w, 3);
        w.latency = 400 * USEC_MSEC;
        w.watch_lag = USEC_MSEC;
        world_start(&w);
        world_after(&w, 0, drift_at_once, NULL);
        world_run(&w, USEC_MINUTE);
        ck_str_eq(image(&w), "registry.example/web:1");
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_label_taken_from_our_child_is_put_back)
{
        struct str uid;
        char before[64];
        struct world w;

        begin_converged(&w);
        uid = sim_api_str(&w.api, &app_deployment_kind.api, NS, NAME, "/metadata/uid");
        snprintf(before, sizeof(before), "%.*s", STR_FMT(uid));
        sim_api_patch(&w.api, &app_deployment_kind.api, NS, NAME,
                      "{\"metadata\":{\"labels\":{\"app.kubernetes.io/managed-by\":null}}}", "kubectl-label");
        world_run(&w, USEC_MINUTE);
        ck_str_eq(sim_api_str(&w.api, &app_deployment_kind.api, NS, NAME,
                              "/metadata/labels/app.kubernetes.io~1managed-by"),
                  "keelson");
        ck_str_eq(sim_api_str(&w.api, &app_deployment_kind.api, NS, NAME, "/metadata/uid"), before);
        ck_assert_uint_eq(count_events(&w, "NameConflict"), 0);
        check_rest(&w);
        end(&w);
}
END_TEST

/* --- leading ----------------------------------------------------------------------------------------- */

START_TEST(nothing_is_started_without_leave)
{
        uint64_t calls;
        struct world w;

        begin(&w, 1);
        world_start(&w);
        w.op[0].barred = true;
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(all_calls(&w), 0);
        ck_assert_int_eq(manager_pump(&w.op[0].manager), USEC_NEVER);
        w.op[0].barred = false;
        world_run(&w, 15 * USEC_MSEC); /* in the middle of it */
        calls = all_calls(&w);
        ck_assert_uint_gt(calls, 0);
        w.op[0].barred = true;
        world_run(&w, USEC_HOUR);
        ck_assert_uint_eq(all_calls(&w), calls);
        ck_assert_uint_eq(w.op[0].manager.queue.n_active, 0);
        w.op[0].barred = false;
        world_run(&w, USEC_MINUTE);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_request_that_would_follow_another_is_not_started_without_leave)
{
        struct world w;

        begin(&w, 1);
        make_foreign(&w, "");
        world_start(&w);
        run_to_first_call(&w);
        ck_assert_uint_eq(w.n_calls[CALL_APPLY], CHILDREN);
        w.op[0].barred = true;
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(w.n_calls[CALL_GET], 0); /* whose is it? */
        end(&w);
}
END_TEST

START_TEST(a_lease_that_is_lost_at_the_last_moment_stops_writes)
{
        struct world w;

        begin(&w, 1);
        w.may_write = false;
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(w.n_served, 0);
        w.may_write = true;
        world_run(&w, USEC_MINUTE);
        check_rest(&w);
        end(&w);
}
END_TEST

/* --- what a controller asks for -------------------------------------------------------------------------- */

/* A controller that counts, and does what the test says on top of the App's. */
static struct {
        int n_called;
        int result;      /* from the second call on: of the reconcile */
        size_t n_events; /* more of them */
        bool step;       /* tells of a step that is taken with the first children */
        usec_t wake;     /* after so much time; 0: not */
        bool rush;       /* asks to come again at once, each time */
} probe;

static int probe_reconcile(const struct view *view, struct plan *plan)
{
        int r = app_reconcile(view, plan);

        probe.n_called += !view->report_only; /* which fails likewise */
        for (size_t i = 0; i < probe.n_events; i++)
                plan_event(plan, false, STR("Probe"), arena_printf(plan->arena, "number %zu", i));
        if (probe.step && !list_empty(&plan->effects))
                plan_event_at_once(plan, false, STR("Step"), STR("children are made"));
        probe.step = false;
        if (probe.wake || probe.rush)
                plan_wake(plan, view->now + probe.wake);
        return r < 0 ? r : probe.result;
}

static void begin_probe(struct world *w)
{
        static struct controller controller;
        static const struct controller *const list[] = { &controller };

        probe = (typeof(probe)){ 0 };
        controller = app_controller;
        controller.reconcile = probe_reconcile;
        log_setup(LOG_ERROR + 1, LOG_TEXT);
        world_init(w, list, 1, 1);
        actors_enter(w);
        user_applies(w, APP(PLAIN));
}

START_TEST(nothing_is_done_of_a_plan_that_failed)
{
        struct world w;

        begin_probe(&w);
        probe.result = -ENOSPC;
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(all_calls(&w), 0);
        ck_assert_int_gt(probe.n_called, 5);
        ck_assert_int_lt(probe.n_called, 15); /* less and less often */
        probe.result = 0;
        world_run(&w, 2 * USEC_MINUTE);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_plan_past_its_cap_is_no_plan)
{
        struct world w;

        begin_probe(&w);
        probe.n_events = PLAN_EFFECTS_MAX;
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(all_calls(&w), 0);
        probe.n_events = 0;
        world_run(&w, 2 * USEC_MINUTE);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_wake_up_comes_when_it_was_asked_for)
{
        struct world w;
        int n;

        begin_probe(&w);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        n = probe.n_called;
        probe.wake = 10 * USEC_MINUTE;
        ck_assert_int_eq(manager_enqueue_all(&w.op[0].manager), 0);
        world_run(&w, 10 * USEC_MINUTE - 1);
        ck_assert_int_eq(probe.n_called, n + 1);
        world_run(&w, 1);
        ck_assert_int_eq(probe.n_called, n + 2);
        end(&w);
}
END_TEST

START_TEST(events_are_dropped_while_too_many_are_on_their_way)
{
        struct world w;
        uint64_t before;

        begin_probe(&w);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        before = w.n_calls[CALL_CREATE];
        probe.n_events = 2 * EVENTS_IN_FLIGHT_MAX;
        ck_assert_int_eq(manager_enqueue_all(&w.op[0].manager), 0);
        while (w.n_calls[CALL_CREATE] == before)
                world_run(&w, USEC_MSEC);
        ck_assert_uint_eq(w.n_calls[CALL_CREATE] - before, EVENTS_IN_FLIGHT_MAX);
        end(&w); /* and those on their way are forgotten */
}
END_TEST

/* --- reports --------------------------------------------------------------------- */

/* The autoscaler is made when the Deployment is there. */
START_TEST(children_made_one_after_the_other_are_told_at_once)
{
        struct world w;

        begin(&w, 1);
        user_applies(
                &w, APP("\"image\":\"registry.example/web:1\",\"port\":8080,"
                        "\"resources\":{\"requests\":{\"cpu\":\"50m\"}},"
                        "\"autoscaling\":{\"minReplicas\":2,\"maxReplicas\":4,\"targetCPUUtilization\":70}"));
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        ck_assert(exists(&w, &app_horizontalpodautoscaler_kind));
        ck_assert_uint_eq(count_events(&w, "Created"), 1);
        end(&w);
}
END_TEST

START_TEST(a_report_waits_for_what_it_is_about)
{
        struct world w;

        begin(&w, 1);
        world_start(&w);
        while (w.n_calls[CALL_APPLY_STATUS] == 0)
                world_run(&w, USEC_MSEC);
        ck_assert(exists(&w, &app_deployment_kind));
        ck_assert_uint_eq(w.n_calls[CALL_APPLY], CHILDREN);
        end(&w);
}
END_TEST

/* The next reconcile does not know of it any more. */
START_TEST(a_step_is_told_while_it_is_taken)
{
        struct world w;

        begin_probe(&w);
        probe.step = true;
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(count_events(&w, "Step"), 1);
        ck_assert_uint_eq(count_events(&w, "Ready"), 1);
        end(&w);
}
END_TEST

/* Events expire; who looks for a cause the next day has the log. */
START_TEST(events_are_in_the_log_too)
{
        FILE *file = tmpfile();
        int real_stderr = dup(STDERR_FILENO);
        char line[4096];
        bool found = false;
        struct world w;

        ck_assert_ptr_nonnull(file);
        begin(&w, 1);
        ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
        log_setup(LOG_INFO, LOG_JSON);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        ck_assert_int_ge(dup2(real_stderr, STDERR_FILENO), 0);
        close(real_stderr);
        rewind(file);
        while (fgets(line, sizeof(line), file))
                found |= strstr(line, "\"msg\":\"event\"") && strstr(line, "\"name\":\"" NAME "\"") &&
                         strstr(line, "\"reason\":\"Ready\"");
        fclose(file);
        ck_assert(found);
        end(&w);
}
END_TEST

/* --- many at once ---------------------------------------------------------------------------------------------- */

START_TEST(a_hundred_resources_converge_in_bad_weather)
{
        struct world w;

        begin(&w, 9);
        for (int i = 0; i < 99; i++) {
                char app[512];

                snprintf(
                        app, sizeof(app),
                        "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\",\"metadata\":{\"namespace\":\"n%d\","
                        "\"name\":\"a%d\"},\"spec\":{\"image\":\"x\",\"port\":80}}",
                        i % 3, i);
                user_applies(&w, app);
        }
        w.latency = 300 * USEC_MSEC;
        w.watch_lag = USEC_SEC;
        world_rule(&w, (struct world_rule){ .fate = WORLD_LOSE_REPLY, .any_type = true, .times = 50 });
        world_rule(&w, (struct world_rule){ .fate = WORLD_LOSE_REQUEST, .any_type = true, .times = 50 });
        world_rule(&w, overloaded(50, 2));
        world_start(&w);
        world_run(&w, 10 * USEC_MINUTE);
        ck_assert_uint_eq(sim_api_count(&w.api, &app_deployment_kind.api), 100);
        ck_assert_uint_eq(sim_api_count(&w.api, &common_service_kind.api), 100);
        ck_assert(manager_idle(&w.op[0].manager));
        ck_assert_uint_eq(w.op[0].manager.queue.items.count, 0);
        ck_assert_uint_eq(w.api.n_created, 100 * (1 + OBJECTS) + sim_api_count(&w.api, &kube_event_kind));
        end(&w);
}
END_TEST

/* As one would that waits for a field of the status which the API server drops. */
START_TEST(who_always_asks_to_come_again_at_once_does_so_less_and_less)
{
        struct world w;

        begin_probe(&w);
        probe.rush = true;
        world_start(&w);
        world_run(&w, 10 * USEC_MINUTE);
        ck_assert_int_gt(probe.n_called, 15);
        ck_assert_int_lt(probe.n_called, 50);
        probe.rush = false;
        world_run(&w, 2 * USEC_MINUTE);
        check_rest(&w);
        end(&w);
}
END_TEST

static const TTest *const tests[] = {
        it_converges_from_nothing,
        it_carries_a_change_through,
        a_restart_at_rest_writes_nothing,
        a_deleted_child_comes_back,
        a_child_that_was_not_wanted_for_a_while_is_made_and_not_repaired,
        nor_is_one_that_we_have_deleted_ourselves,
        that_somebody_deleted_a_child_is_known_until_it_is_back,
        resource_versions_may_be_longer_than_any_integer,
        equal_seeds_give_equal_runs,
        drift_is_repaired_and_told,
        a_change_of_the_status_alone_wakes_nobody,
        a_fight_over_a_field_is_damped_and_told,
        a_field_that_was_taken_away_is_put_back,
        what_others_set_beside_ours_is_theirs,
        drift_after_a_restart_is_told_as_well,
        drift_that_overtakes_our_reply_is_repaired,
        a_label_taken_from_our_child_is_put_back,
        nothing_is_started_without_leave,
        a_request_that_would_follow_another_is_not_started_without_leave,
        a_lease_that_is_lost_at_the_last_moment_stops_writes,
        nothing_is_done_of_a_plan_that_failed,
        a_plan_past_its_cap_is_no_plan,
        a_wake_up_comes_when_it_was_asked_for,
        who_always_asks_to_come_again_at_once_does_so_less_and_less,
        events_are_dropped_while_too_many_are_on_their_way,
        events_are_in_the_log_too,
        children_made_one_after_the_other_are_told_at_once,
        a_report_waits_for_what_it_is_about,
        a_step_is_told_while_it_is_taken,
        a_hundred_resources_converge_in_bad_weather,
};
TEST_MAIN("manager/manager", tests)
