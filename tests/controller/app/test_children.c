/* SPDX-License-Identifier: Apache-2.0 */
#include "reconciled.h"

/* --- children --------------------------------------------------------------------------- */

/* All effects that have a JSON, readable. From malloc. */
static char *plan_text(const struct fixture *f)
{
        char *text = NULL;
        size_t bytes;
        FILE *out = open_memstream(&text, &bytes);

        ck_assert_ptr_nonnull(out);
        list_for_each (link, &f->plan.effects) {
                const struct effect *e = container_of(link, struct effect, link);
                yyjson_doc *doc = yyjson_read(e->json.data, e->json.len, 0);
                char *json = yyjson_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);

                if (e->type == EFFECT_APPLY || e->type == EFFECT_STATUS)
                        fprintf(out, "=== %s %.*s\n%s\n", e->type == EFFECT_APPLY ? "apply" : "status",
                                STR_FMT(e->name), json);
                free(json);
                yyjson_doc_free(doc);
        }
        fclose(out);
        return text;
}

static char *read_whole(const char *path)
{
        char *text = calloc(1, 64 * 1024);
        FILE *in = fopen(path, "r");

        if (in) {
                ck_assert_uint_lt(fread(text, 1, 64 * 1024 - 1, in), 64 * 1024 - 1);
                fclose(in);
        }
        return text;
}

static void write_whole(const char *path, const char *text)
{
        FILE *out = fopen(path, "w");

        ck_assert_msg(out, "cannot write %s", path);
        fputs(text, out);
        fclose(out);
}

static const char *line_end(const char *s)
{
        const char *end = strchr(s, '\n');

        return end ? end + 1 : s + strlen(s);
}

/* Equal, or it fails with the lines around the first that differs. With
 * KEELSON_UPDATE_GOLDEN set the golden file is written anew instead. */
static void check_golden(const char *path, const char *text)
{
        char *golden = read_whole(path);
        const char *a = golden, *b = text, *context = golden, *before = golden;

        if (getenv("KEELSON_UPDATE_GOLDEN")) {
                write_whole(path, text);
                free(golden);
                return;
        }
        while (*a && line_end(a) - a == line_end(b) - b && memcmp(a, b, (size_t)(line_end(a) - a)) == 0) {
                context = before;
                before = a;
                a = line_end(a);
                b = line_end(b);
        }
        ck_assert_msg(strcmp(a, b) == 0, "differs from %s:\n %.*s-%.*s+%.*s", path, (int)(a - context),
                      context, (int)(line_end(a) - a), a, (int)(line_end(b) - b), b);
        free(golden);
}

START_TEST(a_full_app_is_rendered_as_the_golden_file_says)
{
        struct fixture f;
        char *text;

        begin(&f, full_app);
        ck_assert_int_eq(reconcile(&f), 0);
        text = plan_text(&f);
        check_golden(GOLDEN_DIR "/full.txt", text);
        free(text);
        end(&f);
}
END_TEST

START_TEST(a_worker_is_rendered_as_the_golden_file_says)
{
        struct fixture f;
        char *text;

        begin(&f, worker);
        ck_assert_int_eq(reconcile(&f), 0);
        text = plan_text(&f);
        check_golden(GOLDEN_DIR "/worker.txt", text);
        free(text);
        end(&f);
}
END_TEST

START_TEST(all_children_are_ours_and_belong_to_the_app)
{
        static const struct cache_kind *const kinds[] = {
                &app_serviceaccount_kind,      &app_networkpolicy_kind, &app_deployment_kind,
                &app_poddisruptionbudget_kind, &app_service_kind,
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
        ck_assert_int_eq(int_at(child(&f, &app_service_kind), "/spec/ports/0/port"), 8080);
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
        ck_assert_ptr_null(find_effect(&f, EFFECT_APPLY, &app_service_kind));
        ck_assert_uint_eq(count_effects(&f, EFFECT_DELETE), 0);
        c = container(&f);
        ck_str_eq(str_at(c, "/image"), "w:1");
        ck_assert_ptr_null(yyjson_obj_get(c, "ports"));
        ck_assert_ptr_null(yyjson_obj_get(c, "livenessProbe"));
        ck_assert_ptr_null(yyjson_obj_get(c, "readinessProbe"));
        ck_assert_ptr_null(yyjson_obj_get(c, "startupProbe"));
        ck_assert_ptr_null(yyjson_obj_get(c, "lifecycle"));
        ck_assert_ptr_null(yyjson_obj_get(c, "env"));
        ck_assert_ptr_null(yyjson_obj_get(c, "resources"));
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
        put(&f, &app_service_kind, SERVICE("u-app"));
        ck_assert_int_eq(reconcile(&f), 0);
        e = find_effect(&f, EFFECT_DELETE, &app_service_kind);
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
        put(&f, &app_service_kind, SERVICE("u-another"));
        ck_assert_int_eq(reconcile(&f), 0);
        ck_assert_uint_eq(count_effects(&f, EFFECT_DELETE), 0);
        end(&f);
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

static const TTest *const tests[] = {
        a_full_app_is_rendered_as_the_golden_file_says,
        a_worker_is_rendered_as_the_golden_file_says,
        all_children_are_ours_and_belong_to_the_app,
        a_port_means_a_service_and_probes,
        a_worker_has_neither,
        a_service_that_is_no_longer_wanted_is_deleted,
        a_service_of_somebody_else_is_not,
        quantities_are_written_as_the_server_writes_them,
        what_a_user_writes_stays_a_value,
        a_very_large_environment_is_rendered,
        an_app_that_is_being_deleted_is_left_to_the_garbage_collector,
        equal_views_give_equal_plans,
};
TEST_MAIN("app/children", tests)
