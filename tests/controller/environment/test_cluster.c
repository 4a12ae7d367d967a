/* SPDX-License-Identifier: Apache-2.0
 *
 * An Environment beside Apps, in a simulated cluster.
 */
#include "harness.h"

#include "base/log.h"
#include "controller/app/app.h"
#include "controller/environment/environment.h"
#include "manager/event.h"
#include "sim/actors.h"
#include "sim/world.h"

#define NS "shop"
#define META(name) "\"metadata\":{\"namespace\":\"" NS "\",\"name\":\"" name "\"}"
#define ENVIRONMENT(spec)                                                                                    \
        "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"Environment\"," META("default") ",\"spec\":"    \
                                                                                             "{" spec "}}"
#define QUOTA "\"quota\":{\"hard\":{\"pods\":40,\"requests.cpu\":\"8000m\"}}"
#define LIMITS "\"limitRange\":{\"max\":{\"cpu\":\"2\"}}"
#define FULL ENVIRONMENT("\"profile\":\"production\"," QUOTA "," LIMITS)
#define APP(name)                                                                                            \
        "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\"," META(                                   \
                name) ",\"spec\":{"                                                                          \
                      "\"image\":\"i:1\",\"replicas\":1}}"

static const struct controller *const controllers[] = { &app_controller, &environment_controller };

static void environment_is(struct world *w, const char *json)
{
        sim_api_apply(&w->api, &environment_kind.api, json, "kubectl");
}

static void begin(struct world *w)
{
        log_setup(getenv("KEELSON_TEST_LOG") ? LOG_DEBUG : LOG_ERROR + 1, LOG_TEXT);
        world_init(w, controllers, ARRAY_SIZE(controllers), 1);
        actors_enter(w);
        environment_is(w, FULL);
        sim_api_apply(&w->api, &app_kind.api, APP("web"), "kubectl");
        world_start(w);
        world_run(w, USEC_MINUTE);
}

static void end(struct world *w)
{
        world_release(w);
        ck_assert_uint_eq(mem_live(), 0);
}

static bool has(const struct world *w, const struct cache_kind *kind)
{
        return sim_api_get(&w->api, &kind->api, NS, "default") != NULL;
}

static struct str said(const struct world *w, const char *pointer)
{
        return sim_api_str(&w->api, &environment_kind.api, NS, "default", pointer);
}

static int64_t apps(const struct world *w)
{
        return sim_api_int(&w->api, &environment_kind.api, NS, "default", "/status/apps");
}

/* Ready is the first condition. Whatever is looked at again, nothing is written. */
static void check_rest(struct world *w)
{
        uint64_t writes, changes;

        ck_str_eq(said(w, "/status/conditions/0/reason"), "Ready");
        ck_str_eq(said(w, "/status/conditions/0/status"), "True");
        writes = world_writes(w);
        changes = w->api.n_changes;
        ck_assert_int_eq(manager_enqueue_all(&w->op[0].manager), 0);
        world_run(w, USEC_HOUR);
        ck_assert_uint_eq(world_writes(w), writes);
        ck_assert_uint_eq(w->api.n_changes, changes);
}

START_TEST(it_becomes_a_quota_and_a_limit_range)
{
        struct world w;

        begin(&w);
        ck_str_eq(sim_api_str(&w.api, &environment_quota_kind.api, NS, "default", "/spec/hard/requests.cpu"),
                  "8");
        ck_str_eq(sim_api_str(&w.api, &environment_limits_kind.api, NS, "default",
                              "/spec/limits/0/defaultRequest/cpu"),
                  "2");
        ck_str_eq(sim_api_str(&w.api, &environment_quota_kind.api, NS, "default",
                              "/metadata/ownerReferences/0/kind"),
                  "Environment");
        ck_assert_int_eq(apps(&w), 1);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(what_the_spec_leaves_out_goes)
{
        struct world w;

        begin(&w);
        environment_is(&w, ENVIRONMENT("\"profile\":\"production\"," QUOTA));
        world_run(&w, USEC_MINUTE);
        ck_assert(has(&w, &environment_quota_kind));
        ck_assert(!has(&w, &environment_limits_kind));
        check_rest(&w);
        environment_is(&w, ENVIRONMENT("\"profile\":\"staging\""));
        world_run(&w, USEC_MINUTE);
        ck_assert(!has(&w, &environment_quota_kind));
        check_rest(&w);
        environment_is(&w, FULL);
        world_run(&w, USEC_MINUTE);
        ck_assert(has(&w, &environment_quota_kind) && has(&w, &environment_limits_kind));
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(drift_is_repaired)
{
        struct world w;

        begin(&w);
        sim_api_patch(&w.api, &environment_quota_kind.api, NS, "default",
                      "{\"spec\":{\"hard\":{\"pods\":\"4000\"}}}", "kubectl-edit");
        sim_api_delete(&w.api, &environment_limits_kind.api, NS, "default");
        world_run(&w, USEC_MINUTE);
        ck_str_eq(sim_api_str(&w.api, &environment_quota_kind.api, NS, "default", "/spec/hard/pods"), "40");
        ck_assert(has(&w, &environment_limits_kind));
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(apps_that_come_and_go_are_counted)
{
        struct world w;

        begin(&w);
        sim_api_apply(&w.api, &app_kind.api, APP("api"), "kubectl");
        world_run(&w, USEC_MINUTE);
        ck_assert_int_eq(apps(&w), 2);
        check_rest(&w);
        sim_api_delete(&w.api, &app_kind.api, NS, "web");
        sim_api_delete(&w.api, &app_kind.api, NS, "api");
        world_run(&w, USEC_MINUTE);
        ck_assert_int_eq(apps(&w), 0);
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(the_quota_s_own_count_is_taken_over)
{
        struct world w;

        begin(&w);
        ck_str_eq(said(&w, "/status/conditions/1/reason"), "NotCounted");
        sim_api_patch(&w.api, &environment_quota_kind.api, NS, "default",
                      "{\"status\":{\"hard\":{\"pods\":\"40\"},\"used\":{\"pods\":\"40\"}}}",
                      "kube-controller-manager");
        world_run(&w, USEC_MINUTE);
        ck_str_eq(said(&w, "/status/quota/0/used"), "40");
        ck_str_eq(said(&w, "/status/conditions/1/type"), "QuotaAvailable");
        ck_str_eq(said(&w, "/status/conditions/1/reason"), "QuotaExhausted");
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(a_foreign_quota_of_the_name_is_left_alone)
{
        static const char foreign[] = "{\"apiVersion\":\"v1\",\"kind\":\"ResourceQuota\"," META(
                "default") ",\"spec\":{\"hard\":{\"pods\":\"3\"}}}";
        struct world w;

        log_setup(LOG_ERROR + 1, LOG_TEXT);
        world_init(&w, controllers, ARRAY_SIZE(controllers), 1);
        actors_enter(&w);
        sim_api_apply(&w.api, &environment_quota_kind.api, foreign, "helm");
        environment_is(&w, FULL);
        world_start(&w);
        world_run(&w, USEC_MINUTE);
        ck_str_eq(sim_api_str(&w.api, &environment_quota_kind.api, NS, "default", "/spec/hard/pods"), "3");
        ck_str_eq(said(&w, "/status/conditions/0/reason"), "NameConflict");
        ck_assert(has(&w, &environment_limits_kind)); /* what can be done is done */
        sim_api_delete(&w.api, &environment_quota_kind.api, NS, "default");
        world_run(&w, 5 * USEC_MINUTE);
        ck_str_eq(sim_api_str(&w.api, &environment_quota_kind.api, NS, "default", "/spec/hard/pods"), "40");
        check_rest(&w);
        end(&w);
}
END_TEST

START_TEST(apps_stay_when_it_goes)
{
        struct world w;

        begin(&w);
        sim_api_delete(&w.api, &environment_kind.api, NS, "default");
        sim_api_collect(&w.api);
        world_run(&w, USEC_MINUTE);
        ck_assert(!has(&w, &environment_quota_kind));
        ck_assert(!has(&w, &environment_limits_kind));
        ck_assert_ptr_nonnull(sim_api_get(&w.api, &app_kind.api, NS, "web"));
        ck_assert_ptr_nonnull(sim_api_get(&w.api, &app_deployment_kind.api, NS, "web"));
        end(&w);
}
END_TEST

/* Whichever write is the last that it lives to see, the next life ends the same. */
START_TEST(it_may_die_after_any_write)
{
        for (uint64_t n = 1;; n++) {
                struct world w;
                bool crashed;

                log_setup(LOG_ERROR + 1, LOG_TEXT);
                world_init(&w, controllers, ARRAY_SIZE(controllers), n);
                actors_enter(&w);
                environment_is(&w, FULL);
                sim_api_apply(&w.api, &app_kind.api, APP("web"), "kubectl");
                w.crash_after = n;
                world_start(&w);
                world_run(&w, 5 * USEC_MINUTE);
                crashed = w.n_crashes > 0;
                ck_assert(has(&w, &environment_quota_kind) && has(&w, &environment_limits_kind));
                ck_assert_int_eq(apps(&w), 1);
                check_rest(&w);
                end(&w);
                if (!crashed) {
                        ck_assert_uint_gt(n, 4); /* it did die: quota, limits, status, status */
                        return;
                }
        }
}
END_TEST

static const TTest *const tests[] = {
        it_becomes_a_quota_and_a_limit_range,
        what_the_spec_leaves_out_goes,
        drift_is_repaired,
        apps_that_come_and_go_are_counted,
        the_quota_s_own_count_is_taken_over,
        a_foreign_quota_of_the_name_is_left_alone,
        apps_stay_when_it_goes,
        it_may_die_after_any_write,
};
TEST_MAIN("environment/cluster", tests)
