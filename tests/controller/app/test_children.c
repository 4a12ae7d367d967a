/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/app/children.h"
#include "golden.h"
#include "reconciled.h"

/* --- children --------------------------------------------------------------------------- */

/* All that an App can say, in a namespace that says how hosts are served. */
static const char everything[] =
        APP("shop", "3",
            "\"spec\":{\"tier\":\"backend\",\"image\":\"registry.example/shop:1.8.2\",\"port\":8080,"
            "\"env\":[{\"name\":\"LOG_LEVEL\",\"value\":\"info\"}],"
            "\"envFrom\":[{\"secretRef\":{\"name\":\"shop-db-app\"}},"
            "{\"configMapRef\":{\"name\":\"shop-settings\"},\"prefix\":\"SHOP_\"}],"
            "\"configFiles\":[{\"configMapRef\":{\"name\":\"shop-config\"},\"mountPath\":\"/etc/shop\"},"
            "{\"secretRef\":{\"name\":\"shop-keys\"},\"mountPath\":\"/etc/keys\","
            "\"items\":[{\"key\":\"tls.key\",\"path\":\"private/tls.key\"}]}],\"configReload\":\"None\","
            "\"resources\":{\"requests\":{\"memory\":\"1.5Gi\"}},"
            "\"autoscaling\":{\"minReplicas\":3,\"targetCPUUtilization\":65,\"targetMemoryUtilization\":80,"
            "\"scaleDownCooldown\":\"90s\"},"
            "\"drain\":{\"delay\":\"10s\",\"timeout\":\"1m\"},"
            "\"strategy\":{\"progressDeadline\":\"5m\"},\"revisionHistoryLimit\":3,"
            "\"hosts\":[\"shop.example.com\",\"*.shop.example.com\"],"
            "\"access\":{\"from\":[{\"app\":\"web\"}],\"to\":[{\"app\":\"pay\"},{\"postgres\":\"shop\"},"
            "{\"redis\":\"sessions\"},{\"host\":\"api.stripe.com\"},{\"cidr\":\"10.20.0.0/16\"}]}}");

static const char sessions[] =
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"sessions\",\"uid\":\"u-redis\","
        "\"resourceVersion\":\"4\"},\"spec\":{\"access\":{\"from\":[{\"app\":\"shop\"}]}}}";

#define WITH_INGRESS                                                                                         \
        "\"ingressClassName\":\"nginx\",\"ingressNamespace\":\"ingress\",\"certificateIssuer\":{"            \
        "\"kind\":\"ClusterIssuer\",\"name\":\"letsencrypt\"}"
#define WITH_GATEWAY                                                                                         \
        "\"gateway\":{\"name\":\"public\",\"namespace\":\"edge\",\"sectionName\":\"https\"},"                \
        "\"certificateIssuer\":{\"name\":\"letsencrypt\"}"

/* A child that is ours. */
#define CHILD(name, rest)                                                                                    \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"" name                                             \
        "\",\"uid\":\"u-child\",\"resourceVersion\":\"12\",\"ownerReferences\":[{\"kind\":\"App\","          \
        "\"name\":\"" name "\",\"uid\":\"u-app\",\"controller\":true}]}" rest "}"

struct golden {
        const char *file, *app, *environment;
        bool httproutes;
};

static const struct golden goldens[] = {
        { "full", full_app, NULL, false },
        { "worker", worker, NULL, false },
        { "ingress", everything, PRODUCTION(WITH_INGRESS), true },
        { "httproute", everything, PRODUCTION(WITH_GATEWAY), true },
};

START_TEST(children_are_rendered_as_the_golden_files_say)
{
        for (size_t i = 0; i < ARRAY_SIZE(goldens); i++) {
                struct fixture f;
                char *text, path[256];

                snprintf(path, sizeof(path), GOLDEN_DIR "/%s.txt", goldens[i].file);
                begin(&f, goldens[i].app);
                if (goldens[i].environment) {
                        put(&f, &environment_kind, goldens[i].environment);
                        put(&f, &app_deployment_kind, CHILD("shop", ",\"spec\":{\"replicas\":3}"));
                        put(&f, &app_redis_kind, sessions);
                }
                if (goldens[i].httproutes)
                        serve_httproutes(&f);
                ck_assert_int_eq(cache_note_read(&f.cache, &app_certificate_kind, STR("shop"),
                                                 STR("shop-tls"), false, 1),
                                 0);
                ck_assert_int_eq(reconcile(&f), 0);
                text = plan_text(&f);
                check_golden(path, text);
                free(text);
                end(&f);
        }
}
END_TEST

/* A port that somebody adds to the Service under our port's name is in our way; a
 * container that an injector adds to the pods is not. */
START_TEST(only_the_ports_of_the_service_are_ours_alone)
{
        struct fixture f;

        begin(&f, full_app);
        ck_assert_int_eq(reconcile(&f), 0);
        list_for_each (link, &f.plan.effects) {
                const struct effect *e = container_of(link, struct effect, link);

                ck_assert_int_eq(e->options.exclusive, e->kind == &common_service_kind);
        }
        end(&f);
}
END_TEST

START_TEST(all_children_are_ours_and_belong_to_the_app)
{
        static const struct cache_kind *const kinds[] = {
                &common_serviceaccount_kind,      &common_networkpolicy_kind, &app_deployment_kind,
                &common_poddisruptionbudget_kind, &common_service_kind,
        };
        struct fixture f;

        begin(&f, full_app);
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_uint_eq(count_effects(&f, EFFECT_APPLY), 5);
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                yyjson_val *c = child(&f, kinds[i]);

                ck_str_eq(str_at(c, "/metadata/name"), "web");
                ck_str_eq(str_at(c, "/metadata/namespace"), "shop");
                ck_assert(str_eq(str_at(c, "/kind"), kinds[i]->api.kind));
                ck_str_eq(str_at(c, "/metadata/labels/app.kubernetes.io~1managed-by"), "keelson");
                ck_str_eq(str_at(c, "/metadata/ownerReferences/0/uid"), "u-app");
                ck_assert(
                        json_get_bool(json_get_path(c, "/metadata/ownerReferences/0"), "controller", false));
        }
        end(&f);
}
END_TEST

START_TEST(a_port_means_a_service_and_probes)
{
        yyjson_val *c;
        struct fixture f;

        begin(&f, full_app);
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_int_eq(int_at(child(&f, &common_service_kind), "/spec/ports/0/port"), 8080);
        c = container(&f);
        ck_assert_int_eq(int_at(c, "/ports/0/containerPort"), 8080);
        ck_str_eq(str_at(c, "/livenessProbe/httpGet/path"), "/live");
        ck_str_eq(str_at(c, "/startupProbe/httpGet/path"), "/live");
        ck_str_eq(str_at(c, "/readinessProbe/httpGet/path"), "/ready");
        ck_assert_int_eq(int_at(c, "/startupProbe/failureThreshold"), 90);
        ck_str_eq(str_at(status(&f), "/url"), "http://web.shop.svc:8080");
        end(&f);
}
END_TEST

START_TEST(a_worker_has_neither)
{
        yyjson_val *c;
        struct fixture f;

        begin(&f, worker);
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_ptr_null(find_effect(&f, EFFECT_APPLY, &common_service_kind));
        ck_assert_uint_eq(count_effects(&f, EFFECT_DELETE), 0);
        c = container(&f);
        ck_str_eq(str_at(c, "/image"), "w:1");
        ck_assert_ptr_null(yyjson_obj_get(c, "ports"));
        ck_assert_ptr_null(yyjson_obj_get(c, "livenessProbe"));
        ck_assert_ptr_null(yyjson_obj_get(c, "readinessProbe"));
        ck_assert_ptr_null(yyjson_obj_get(c, "startupProbe"));
        ck_assert_ptr_null(yyjson_obj_get(c, "lifecycle"));
        ck_assert_ptr_null(yyjson_obj_get(c, "env"));
        ck_str_eq(str_at(c, "/resources/limits/memory"), "2Gi"); /* there are limits always */
        ck_assert_ptr_null(json_get_path(status(&f), "/url"));
        ck_assert_int_eq(int_at(child(&f, &app_deployment_kind), "/spec/replicas"), 1); /* the default */
        end(&f);
}
END_TEST

#define SERVICE(owner)                                                                                            \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"worker\",\"uid\":\"u-svc\",\"resourceVersion\":\"12\"," \
        "\"ownerReferences\":[{\"kind\":\"App\",\"name\":\"worker\",\"uid\":\"" owner                             \
        "\",\"controller\":true}]}}"

START_TEST(a_service_that_is_no_longer_wanted_is_deleted)
{
        const struct effect *e;
        struct fixture f;

        begin(&f, worker);
        put(&f, &common_service_kind, SERVICE("u-app"));
        ck_assert_int_eq(reconcile(&f), 0);
        e = find_effect(&f, EFFECT_DELETE, &common_service_kind);
        ck_assert_ptr_nonnull(e);
        ck_str_eq(e->name, "worker");
        ck_str_eq(e->uid, "u-svc");
        ck_str_eq(e->version, "12");
        end(&f);
}
END_TEST

START_TEST(a_service_of_somebody_else_is_not)
{
        struct fixture f;

        begin(&f, worker);
        put(&f, &common_service_kind, SERVICE("u-another"));
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_uint_eq(count_effects(&f, EFFECT_DELETE), 0);
        end(&f);
}
END_TEST

START_TEST(autoscaling_comes_and_goes)
{
        static const char scaled[] = APP("web", "1",
                                         "\"spec\":{\"image\":\"x\",\"autoscaling\":{\"minReplicas\":2,"
                                         "\"maxReplicas\":5,\"targetMemoryUtilization\":75}}");
        yyjson_val *hpa;
        struct fixture f;

        /* It goes by a name, which may still be another's. */
        begin(&f, scaled);
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_ptr_null(find_effect(&f, EFFECT_APPLY, &app_horizontalpodautoscaler_kind));
        put(&f, &app_horizontalpodautoscaler_kind, CHILD("web", ""));
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_ptr_nonnull(find_effect(&f, EFFECT_DELETE, &app_horizontalpodautoscaler_kind));
        end(&f);

        begin(&f, scaled);
        put(&f, &app_deployment_kind, CHILD("web", ",\"spec\":{\"replicas\":2}"));
        ck_assert_int_eq(reconcile(&f), 0);
        hpa = child(&f, &app_horizontalpodautoscaler_kind);
        ck_str_eq(str_at(hpa, "/spec/scaleTargetRef/name"), "web");
        ck_assert_int_eq(int_at(hpa, "/spec/minReplicas"), 2);
        ck_assert_int_eq(int_at(hpa, "/spec/maxReplicas"), 5);
        ck_assert_uint_eq(yyjson_arr_size(json_get_path(hpa, "/spec/metrics")), 1);
        ck_str_eq(str_at(hpa, "/spec/metrics/0/resource/name"), "memory");
        ck_assert_int_eq(int_at(hpa, "/spec/metrics/0/resource/target/averageUtilization"), 75);
        ck_assert_int_eq(int_at(hpa, "/spec/behavior/scaleDown/stabilizationWindowSeconds"), 300);
        end(&f);

        begin(&f, APP("web", "2", "\"spec\":{\"image\":\"x\",\"replicas\":2}"));
        put(&f, &app_horizontalpodautoscaler_kind, CHILD("web", ""));
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_ptr_null(find_effect(&f, EFFECT_APPLY, &app_horizontalpodautoscaler_kind));
        ck_assert_ptr_nonnull(find_effect(&f, EFFECT_DELETE, &app_horizontalpodautoscaler_kind));
        end(&f);
}
END_TEST

#define FIXED "\"replicas\":3"
#define SCALED "\"autoscaling\":{\"minReplicas\":2,\"maxReplicas\":5}"

/* LIVE -1: there is no Deployment yet. */
struct replicas_case {
        const char *spec;
        int live;
        int64_t rendered;
        bool changed, versioned;
};

/* clang-format off */
static const struct replicas_case replicas_cases[] = {
        { FIXED, -1, 3, false, false },
        { FIXED, 3, 3, false, false },
        { FIXED, 7, 3, true, false },
        { SCALED, -1, 2, false, false },
        { SCALED, 2, 2, false, true },
        { SCALED, 4, 4, false, true },
        { SCALED, 9, 9, false, true }, /* the autoscaler's to mend */
        { SCALED, 1, 1, false, true },
        { SCALED, 0, 2, true, false }, /* which an autoscaler leaves alone for ever */
};
/* clang-format on */

START_TEST(the_number_of_pods_is_the_autoscalers_while_there_is_one)
{
        for (size_t i = 0; i < ARRAY_SIZE(replicas_cases); i++) {
                const struct replicas_case *c = &replicas_cases[i];
                const struct effect *e;
                char text[1024];
                struct fixture f;

                snprintf(text, sizeof(text), APP("web", "1", "\"spec\":{\"image\":\"x\",%s}"), c->spec);
                begin(&f, text);
                snprintf(text, sizeof(text), CHILD("web", ",\"spec\":{\"replicas\":%d}"), c->live);
                if (c->live >= 0)
                        put(&f, &app_deployment_kind, text);
                ck_assert_int_eq(reconcile(&f), 0);
                ck_assert_int_eq(int_at(child(&f, &app_deployment_kind), "/spec/replicas"), c->rendered);
                e = find_effect(&f, EFFECT_APPLY, &app_deployment_kind);
                ck_assert_msg(e->options.changed == c->changed && e->options.versioned == c->versioned,
                              "case %zu", i);
                ck_assert_int_eq(int_at(status(&f), "/desiredReplicas"), c->rendered);
                end(&f);
        }
}
END_TEST

START_TEST(secrets_and_config_maps_keep_their_names_or_have_those_of_their_copies)
{
        static const struct app_config_ref copies[] = {
                { true, STR_INIT("same"), STR_INIT("same-1a2b") },
                { false, STR_INIT("files"), STR_INIT("files-3c4d") },
        };
        struct app_settings settings;
        struct problems problems;
        struct app_pods pods = { .spec = &settings.spec,
                                 .annotations = STR("{\"a\":\"b\"}"),
                                 .configs = copies,
                                 .n_configs = ARRAY_SIZE(copies) };
        struct child_meta common;
        yyjson_val *d, *c;
        struct fixture f;

        begin(&f, APP("web", "1",
                      "\"spec\":{\"image\":\"x\",\"envFrom\":[{\"secretRef\":{\"name\":\"same\"}},"
                      "{\"configMapRef\":{\"name\":\"same\"},\"prefix\":\"P_\"}],\"configFiles\":["
                      "{\"configMapRef\":{\"name\":\"files\"},\"mountPath\":\"/etc/a\"},"
                      "{\"secretRef\":{\"name\":\"files\"},\"mountPath\":\"/etc/b\"}]}"));
        ck_assert_int_eq(reconcile(&f), 0);
        plan_init(&f.plan, &f.arena);
        ck_assert_int_eq(app_settle(&f.view, &f.arena, &settings, &problems), 0);
        common = app_child_meta(&f.view, &f.arena);
        ck_assert_int_eq(app_pod_spec(&common, &pods, &f.arena), 0);
        pods.revision = STR("r1");
        ck_assert_int_eq(app_plan_children(&f.view, &settings, &pods, &f.plan), 0);
        d = child(&f, &app_deployment_kind);
        ck_str_eq(str_at(d, "/spec/template/metadata/annotations/a"), "b");
        ck_str_eq(str_at(json_get_path(d, "/spec/template/metadata/labels"), "/keelson.dev~1revision"), "r1");
        ck_str_eq(str_at(d, "/spec/template/spec/volumes/0/name"), "tmp");
        ck_str_eq(str_at(d, "/spec/template/spec/volumes/1/configMap/name"), "files-3c4d");
        ck_str_eq(str_at(d, "/spec/template/spec/volumes/2/secret/secretName"), "files");
        c = json_get_path(d, "/spec/template/spec/containers/0");
        ck_str_eq(str_at(c, "/envFrom/0/secretRef/name"), "same-1a2b");
        ck_str_eq(str_at(c, "/envFrom/1/configMapRef/name"), "same");
        ck_str_eq(str_at(c, "/envFrom/1/prefix"), "P_");
        ck_str_eq(str_at(c, "/volumeMounts/1/mountPath"), "/etc/a");
        ck_assert(json_get_bool(json_get_path(c, "/volumeMounts/1"), "readOnly", false));
        end(&f);
}
END_TEST

START_TEST(a_drain_is_a_pause_and_a_grace)
{
        static const struct {
                const char *spec;
                int64_t pause, grace; /* 0: none */
        } cases[] = {
                { "\"port\":80", 5, 40 },
                { "\"port\":80,\"drain\":{\"delay\":\"0s\",\"timeout\":\"10s\"}", 0, 15 },
                { "\"port\":80,\"drain\":{\"delay\":\"1m\",\"timeout\":\"1h\"}", 0, 0 },
                { "\"port\":80,\"drain\":{\"delay\":\"1m\",\"timeout\":\"9m\"}", 60, 605 },
                { "\"drain\":{\"delay\":\"1m\",\"timeout\":\"20s\"}", 0, 25 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char app[512];
                struct fixture f;
                yyjson_val *d;

                snprintf(app, sizeof(app), APP("web", "1", "\"spec\":{\"image\":\"x\",%s}"), cases[i].spec);
                begin(&f, app);
                ck_assert_int_eq(reconcile(&f), 0);
                if (cases[i].grace == 0) {
                        ck_assert_uint_eq(count_effects(&f, EFFECT_APPLY), 0);
                        end(&f);
                        continue;
                }
                d = json_get_path(child(&f, &app_deployment_kind), "/spec/template/spec");
                ck_assert_int_eq(int_at(d, "/terminationGracePeriodSeconds"), cases[i].grace);
                if (cases[i].pause)
                        ck_assert_int_eq(int_at(d, "/containers/0/lifecycle/preStop/sleep/seconds"),
                                         cases[i].pause);
                else
                        ck_assert_ptr_null(json_get_path(d, "/containers/0/lifecycle"));
                end(&f);
        }
}
END_TEST

START_TEST(quantities_are_written_as_the_server_writes_them)
{
        yyjson_val *r;
        struct fixture f;

        begin(&f,
              APP("web", "1",
                  "\"spec\":{\"image\":\"x\",\"resources\":{\"requests\":{\"cpu\":\"1000m\",\"memory\":\"1024Mi\"},"
                  "\"limits\":{\"cpu\":2,\"memory\":\"1.5Gi\",\"example.com/gpu\":\"1\"}}}"));
        ck_assert_int_eq(reconcile(&f), 0);
        r = yyjson_obj_get(container(&f), "resources");
        ck_str_eq(str_at(r, "/requests/cpu"), "1");
        ck_str_eq(str_at(r, "/requests/memory"), "1Gi");
        ck_str_eq(str_at(r, "/limits/cpu"), "2");
        ck_str_eq(str_at(r, "/limits/memory"), "1536Mi");
        ck_str_eq(str_at(r, "/limits/example.com~1gpu"), "1");
        end(&f);
}
END_TEST

START_TEST(what_a_user_writes_stays_a_value)
{
        static const char *const values[] = {
                "plain",
                "with \"quotes\" and \\ backslash",
                "two\nlines\tand a tab",
                "h\303\251llo \346\227\245\346\234\254 \360\237\232\242",
                "\"}],\"image\":\"evil",
                "\"metadata\":{\"uid\":\"evil\"}",
                "$(OTHER) ${name} {{ .Values }} %s %n",
                "\001\037",
                "<script>&amp;",
        };
        _cleanup_(buf_release) struct buf app = BUF_INIT(64 * 1024);
        struct json_writer w;
        struct fixture f;
        yyjson_val *c;

        buf_add_c(&app,
                  "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u-app\","
                  "\"resourceVersion\":\"7\"},\"spec\":{\"port\":80,\"image\":\"i\\\",\\\"x\\\":\\\"y\","
                  "\"healthCheck\":{\"livePath\":\"/a\\\"b\"},\"env\":");
        json_writer_init(&w, &app);
        json_array(&w);
        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                char name[] = { 'V', (char)('0' + i), 0 };

                json_object(&w);
                json_put_cstr(&w, "name", name);
                json_put_cstr(&w, "value", values[i]);
                json_end(&w);
        }
        json_end(&w);
        buf_add_c(&app, "}}");
        ck_assert_int_eq(buf_error(&app), 0);

        begin(&f, app.data);
        ck_assert_int_eq(reconcile(&f), 0);
        c = container(&f);
        ck_str_eq(str_at(c, "/image"), "i\",\"x\":\"y");
        ck_str_eq(str_at(c, "/livenessProbe/httpGet/path"), "/a\"b");
        ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(c, "env")), ARRAY_SIZE(values));
        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                yyjson_val *item = yyjson_arr_get(yyjson_obj_get(c, "env"), i);

                ck_assert_uint_eq(yyjson_obj_size(item), 2);
                ck_str_eq(json_get_str(item, "value"), values[i]);
        }
        end(&f);
}
END_TEST

/* As large as etcd lets an App be. */
START_TEST(a_very_large_environment_is_rendered)
{
        _cleanup_(buf_release) struct buf app = BUF_INIT(4 * 1024 * 1024);
        static char value[32 * 1024];
        struct fixture f;

        memset(value, 'x', sizeof(value));
        buf_add_c(&app, "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u-app\","
                        "\"resourceVersion\":\"7\"},\"spec\":{\"image\":\"x\",\"env\":[");
        for (int i = 0; i < 45; i++)
                buf_printf(&app, "%s{\"name\":\"V%d\",\"value\":\"%.*s\"}", i ? "," : "", i,
                           (int)sizeof(value), value);
        buf_add_c(&app, "]}}");
        ck_assert_int_eq(buf_error(&app), 0);
        begin(&f, app.data);
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_uint_le(f.arena.taken, 8 * 1024 * 1024 - 2 * app.len); /* leaves room in a task's arena */
        ck_assert_uint_eq(yyjson_arr_size(yyjson_obj_get(container(&f), "env")), 45);
        end(&f);
}
END_TEST

START_TEST(an_app_that_is_being_deleted_is_left_to_the_garbage_collector)
{
        struct fixture f;

        begin(&f,
              "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"u\",\"resourceVersion\":\"7\","
              "\"deletionTimestamp\":\"" EARLIER "\"},\"spec\":{\"image\":\"x\"}}");
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_uint_eq(f.plan.n_effects, 0);
        end(&f);
}
END_TEST

START_TEST(equal_views_give_equal_plans)
{
        char *text[2];

        for (size_t i = 0; i < 2; i++) {
                struct fixture f;

                begin(&f, full_app);
                ck_assert_int_eq(reconcile(&f), 0);
                text[i] = plan_text(&f);
                end(&f);
        }
        ck_assert_int_eq(strcmp(text[0], text[1]), 0);
        free(text[0]);
        free(text[1]);
}
END_TEST

START_TEST(each_child_survives_the_lack_of_memory)
{
        static const char *const routings[] = { PRODUCTION(WITH_INGRESS), PRODUCTION(WITH_GATEWAY) };

        for (size_t i = 0; i < ARRAY_SIZE(routings); i++) {
                struct fixture f;

                begin(&f, everything);
                put(&f, &environment_kind, routings[i]);
                serve_httproutes(&f);
                ck_assert_int_eq(reconcile(&f), 0);
                torture(reconcile_once, &f, 0);
                end(&f);
        }
}
END_TEST

static const TTest *const tests[] = {
        children_are_rendered_as_the_golden_files_say,
        only_the_ports_of_the_service_are_ours_alone,
        all_children_are_ours_and_belong_to_the_app,
        a_port_means_a_service_and_probes,
        a_worker_has_neither,
        a_service_that_is_no_longer_wanted_is_deleted,
        a_service_of_somebody_else_is_not,
        autoscaling_comes_and_goes,
        the_number_of_pods_is_the_autoscalers_while_there_is_one,
        secrets_and_config_maps_keep_their_names_or_have_those_of_their_copies,
        a_drain_is_a_pause_and_a_grace,
        quantities_are_written_as_the_server_writes_them,
        what_a_user_writes_stays_a_value,
        a_very_large_environment_is_rendered,
        an_app_that_is_being_deleted_is_left_to_the_garbage_collector,
        equal_views_give_equal_plans,
        each_child_survives_the_lack_of_memory,
};
TEST_MAIN("app/children", tests)
