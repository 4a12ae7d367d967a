/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator's metrics: what is counted when, as the page shows it.
 */
#include "harness.h"

#include <errno.h>

#include "controller/app/app.h"
#include "controller/app/config.h"
#include "json/read.h"
#include "manager/operator_metrics.h"
#include "manager/task.h"

static struct manager m;
static struct operator_metrics om;
static usec_t now;

static usec_t get_now(struct transport *t _unused_)
{
        return now;
}

static struct transport transport = { .now = get_now, .wall = get_now };

static void on_changed(const struct object *old_object, const struct object *new_object, void *arg _unused_)
{
        operator_metrics_changed(&om, old_object, new_object);
}

static void open_all(void)
{
        now = USEC_HOUR;
        manager_init(&m, &transport, STR("pod-0"), 1);
        m.hooks.changed = on_changed;
        ck_assert_int_eq(manager_add(&m, &app_controller), 0);
        ck_assert_int_eq(operator_metrics_init(&om, &m, STR("1.2.3"), STR("https://h")), 0);
}

static void close_all(void)
{
        manager_release(&m);
        operator_metrics_release(&om);
        ck_assert_uint_eq(mem_live(), 0);
}

static bool page_has(const char *line)
{
        _cleanup_(buf_release) struct buf page = BUF_INIT(METRICS_TEXT_MAX);
        char with_ends[512];

        ck_assert_int_eq(metrics_write(om.registry, &page), 0);
        snprintf(with_ends, sizeof(with_ends), "\n%s\n", line);
        return strstr(page.data, with_ends) != NULL;
}

#define ck_page(line) ck_assert_msg(page_has(line), "not on the page: %s", (line))

static void put_app(const char *name, const char *version, const char *ready)
{
        char json[512];
        yyjson_doc *doc;

        snprintf(
                json, sizeof(json),
                "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"shop\",\"uid\":\"%s\",\"resourceVersion\":\"%s\"},"
                "\"spec\":{\"image\":\"i\"},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\",\"reason\":"
                "\"R\",\"message\":\"\",\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"},{\"type\":\"Stalled\","
                "\"status\":\"False\",\"reason\":\"R\",\"message\":\"\",\"lastTransitionTime\":"
                "\"2026-01-01T00:00:00Z\"}]}}",
                name, name, version, ready);
        ck_assert_int_eq(json_parse(str_c(json), &doc, NULL), 0);
        ck_assert_int_eq(cache_put(&m.cache, &app_kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH), 0);
        yyjson_doc_free(doc);
}

START_TEST(resources_are_counted_by_condition)
{
        open_all();
        put_app("a", "1", "False");
        put_app("b", "2", "False");
        ck_page("keelson_resources{kind=\"App\",condition=\"Ready\",status=\"False\"} 2");
        ck_page("keelson_resources{kind=\"App\",condition=\"Stalled\",status=\"False\"} 2");
        put_app("a", "3", "True");
        put_app("a", "2", "Unknown"); /* too old to count */
        ck_page("keelson_resources{kind=\"App\",condition=\"Ready\",status=\"True\"} 1");
        ck_page("keelson_resources{kind=\"App\",condition=\"Ready\",status=\"False\"} 1");
        /* What a list does not bring is gone. */
        cache_list_begin(&m.cache, &app_kind, STR_NULL);
        put_app("b", "4", "True");
        ck_assert_int_eq(cache_list_end(&m.cache, &app_kind, STR_NULL, STR("5")), 0);
        ck_page("keelson_resources{kind=\"App\",condition=\"Ready\",status=\"True\"} 1");
        ck_page("keelson_resources{kind=\"App\",condition=\"Ready\",status=\"False\"} 0");
        ck_page("keelson_resources{kind=\"App\",condition=\"Stalled\",status=\"False\"} 1");
        ck_page("keelson_cache_objects{kind=\"App\"} 1");
        close_all();
}
END_TEST

static void put_stalled(const char *version, const char *status, const char *reason)
{
        char json[512];
        yyjson_doc *doc;

        snprintf(
                json, sizeof(json),
                "{\"metadata\":{\"name\":\"a\",\"namespace\":\"shop\",\"uid\":\"a\",\"resourceVersion\":\"%s\"},"
                "\"spec\":{\"image\":\"i\"},\"status\":{\"conditions\":[{\"type\":\"Stalled\",\"status\":\"%s\","
                "\"reason\":\"%s\",\"message\":\"m\",\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}]}}",
                version, status, reason);
        ck_assert_int_eq(json_parse(str_c(json), &doc, NULL), 0);
        ck_assert_int_eq(cache_put(&m.cache, &app_kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH), 0);
        yyjson_doc_free(doc);
}

START_TEST(what_needs_somebody_is_counted_by_its_reason)
{
        open_all();
        put_stalled("1", "True", "HostConflict");
        ck_page("keelson_resources_stalled{kind=\"App\",reason=\"HostConflict\"} 1");
        put_stalled("2", "True", "NameConflict");
        ck_page("keelson_resources_stalled{kind=\"App\",reason=\"HostConflict\"} 0");
        ck_page("keelson_resources_stalled{kind=\"App\",reason=\"NameConflict\"} 1");
        put_stalled("3", "False", "AsExpected");
        ck_page("keelson_resources_stalled{kind=\"App\",reason=\"NameConflict\"} 0");
        ck_assert(!page_has("keelson_resources_stalled{kind=\"App\",reason=\"AsExpected\"} 1"));
        close_all();
}
END_TEST

static void put_configmap(const struct cache_kind *kind, const char *name)
{
        char json[200];
        yyjson_doc *doc;

        snprintf(
                json, sizeof(json),
                "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"shop\",\"uid\":\"%s\",\"resourceVersion\":\"1\"}}",
                name, name);
        ck_assert_int_eq(json_parse(str_c(json), &doc, NULL), 0);
        ck_assert_int_eq(cache_put(&m.cache, kind, yyjson_doc_get_root(doc), CACHE_FROM_REPLY), 0);
        yyjson_doc_free(doc);
}

START_TEST(objects_of_a_kind_are_counted_together)
{
        open_all();
        put_configmap(&app_configmap_kind, "copy");
        put_configmap(&app_configmap_source_kind, "settings");
        for (int i = 0; i < 2; i++)
                ck_page("keelson_cache_objects{kind=\"ConfigMap\"} 2");
        close_all();
}
END_TEST

static void observe(enum kube_verb verb, const struct kube_kind *kind, const char *subresource, int status,
                    bool missing_right)
{
        struct kube_observed seen = { .verb = verb,
                                      .kind = kind,
                                      .subresource = str_c(subresource),
                                      .method = verb == KUBE_LIST || verb == KUBE_WATCH ? "GET" : "PATCH",
                                      .status = status,
                                      .missing_right = missing_right,
                                      .elapsed = 20 * USEC_MSEC };

        operator_metrics_observed(&om, &seen);
}

static void observe_streamed_list(int status)
{
        operator_metrics_observed(&om, &(struct kube_observed){ .verb = KUBE_WATCH,
                                                                .streamed_list = true,
                                                                .kind = &app_deployment_kind.api,
                                                                .method = "GET",
                                                                .status = status,
                                                                .missing_right = status == 403 });
}

START_TEST(a_list_that_is_streamed_needs_both_rights)
{
        open_all();
        observe_streamed_list(403);
        ck_page("keelson_forbidden{verb=\"list\",resource=\"deployments.apps\"} 1");
        ck_page("keelson_forbidden{verb=\"watch\",resource=\"deployments.apps\"} 1");
        /* What was seen of one of them alone is of that one. */
        observe(KUBE_WATCH, &app_deployment_kind.api, NULL, 200, false);
        ck_page("keelson_forbidden{verb=\"list\",resource=\"deployments.apps\"} 1");
        ck_page("keelson_forbidden{verb=\"watch\",resource=\"deployments.apps\"} 0");
        observe_streamed_list(200);
        ck_page("keelson_forbidden{verb=\"list\",resource=\"deployments.apps\"} 0");
        close_all();
}
END_TEST

START_TEST(a_missing_right_is_named_until_it_is_there)
{
        open_all();
        observe(KUBE_WATCH, &app_deployment_kind.api, NULL, 403, true);
        observe(KUBE_APPLY, &common_service_kind.api, NULL, 403, true);
        observe(KUBE_MERGE_PATCH, &common_service_kind.api, NULL, 403, true);
        observe(KUBE_APPLY, &app_kind.api, "status", 403, true);
        observe(KUBE_APPLY, &app_kind.api, NULL, 403, false); /* a quota */
        ck_page("keelson_forbidden{verb=\"watch\",resource=\"deployments.apps\"} 1");
        ck_page("keelson_forbidden{verb=\"patch\",resource=\"services\"} 1");
        ck_page("keelson_forbidden{verb=\"patch\",resource=\"apps.keelson.dev/status\"} 1");
        ck_assert(!page_has("keelson_forbidden{verb=\"patch\",resource=\"apps.keelson.dev\"} 1"));
        ck_assert_uint_eq(om.n_missing, 3);
        /* Another verb, and no answer, tell nothing. */
        observe(KUBE_LIST, &app_deployment_kind.api, NULL, 200, false);
        observe(KUBE_WATCH, &app_deployment_kind.api, NULL, 0, false);
        observe(KUBE_WATCH, &app_deployment_kind.api, NULL, 401, false);
        observe(KUBE_WATCH, &app_deployment_kind.api, NULL, 503, false);
        ck_page("keelson_forbidden{verb=\"watch\",resource=\"deployments.apps\"} 1");
        observe(KUBE_WATCH, &app_deployment_kind.api, NULL, 200, false);
        ck_page("keelson_forbidden{verb=\"watch\",resource=\"deployments.apps\"} 0");
        close_all();
}
END_TEST

START_TEST(requests_are_counted_by_code_and_method)
{
        open_all();
        observe(KUBE_WATCH, &app_kind.api, NULL, 200, false);
        observe(KUBE_LIST, &app_kind.api, NULL, 200, false);
        observe(KUBE_APPLY, &app_kind.api, NULL, 409, false);
        observe(KUBE_APPLY, &app_kind.api, NULL, 0, false);
        ck_page("rest_client_requests_total{code=\"200\",method=\"GET\",host=\"https://h\"} 2");
        ck_page("rest_client_requests_total{code=\"409\",method=\"PATCH\",host=\"https://h\"} 1");
        ck_page("rest_client_requests_total{code=\"<error>\",method=\"PATCH\",host=\"https://h\"} 1");
        ck_page("rest_client_request_duration_seconds_count{verb=\"GET\",host=\"https://h\"} 2");
        close_all();
}
END_TEST

START_TEST(the_queue_is_measured)
{
        struct task old = { .started = now }, young = { 0 };

        open_all();
        old.started = now;
        young.started = now + 3 * USEC_SEC;
        ck_page("workqueue_unfinished_work_seconds{name=\"keelson\"} 0");
        list_add_tail(&m.tasks, &old.link);
        list_add_tail(&m.tasks, &young.link);
        now += 5 * USEC_SEC;
        ck_page("workqueue_unfinished_work_seconds{name=\"keelson\"} 7");
        ck_page("workqueue_longest_running_processor_seconds{name=\"keelson\"} 5");
        list_init(&m.tasks);
        operator_metrics_taken(&om, 2 * USEC_SEC);
        operator_metrics_reconciled(&om, &app_controller, "error", USEC_SEC);
        ck_page("workqueue_queue_duration_seconds_sum{name=\"keelson\"} 2");
        ck_page("workqueue_work_duration_seconds_count{name=\"keelson\"} 1");
        ck_page("controller_runtime_reconcile_errors_total{controller=\"app\"} 1");
        ck_page("controller_runtime_reconcile_total{controller=\"app\",result=\"error\"} 1");
        close_all();
}
END_TEST

/* Two namespaces of one kind are one resource. */
START_TEST(watches_are_summed_up)
{
        struct watch items[] = {
                { .kind = &app_kind, .synced = true, .lists = 1, .events = 5 },
                { .kind = &app_kind, .synced = true, .lists = 2, .failures = 1 },
                { .kind = &common_service_kind, .synced = true, .lists = 1 },
        };
        struct watches watches = { .items = items, .n = ARRAY_SIZE(items) };

        open_all();
        om.watches = &watches;
        ck_page("keelson_watch_up{resource=\"apps.keelson.dev\"} 1");
        ck_page("keelson_watch_lists_total{resource=\"apps.keelson.dev\"} 3");
        ck_page("keelson_watch_events_total{resource=\"apps.keelson.dev\"} 5");
        ck_page("keelson_watch_failures_total{resource=\"apps.keelson.dev\"} 1");
        items[1].failing = true;
        items[1].failures++;
        ck_page("keelson_watch_up{resource=\"apps.keelson.dev\"} 0");
        ck_page("keelson_watch_failures_total{resource=\"apps.keelson.dev\"} 2");
        ck_page("keelson_watch_up{resource=\"services\"} 1");
        close_all();
}
END_TEST

static int init_under_torture(void *arg _unused_)
{
        int r = operator_metrics_init(&om, &m, STR("1"), STR("https://h"));

        operator_metrics_release(&om);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(init_under_torture, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        resources_are_counted_by_condition,
        what_needs_somebody_is_counted_by_its_reason,
        objects_of_a_kind_are_counted_together,
        a_list_that_is_streamed_needs_both_rights,
        a_missing_right_is_named_until_it_is_there,
        requests_are_counted_by_code_and_method,
        the_queue_is_measured,
        watches_are_summed_up,
        it_survives_the_lack_of_memory,
};

TEST_MAIN("manager/operator_metrics", tests)
