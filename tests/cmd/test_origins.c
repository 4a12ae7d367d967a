/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/origins.h"

#include <errno.h>

#include "harness.h"
#include "json/read.h"
#include "yaml/yaml.h"

#define TEXT_MAX ((size_t)1024 * 1024)

static const char written[] =
        "{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\",\"metadata\":{\"name\":\"shop\",\"labels\":{"
        "\"a\":\"yes\"}},\"spec\":{\"image\":\"x:1\",\"env\":[{\"name\":\"A\"},{\"name\":\"B\",\"value\":\"b\"}],"
        "\"hosts\":[],\"tier\":null,\"resources\":{\"limits\":{\"cpu\":2}}},\"status\":{\"url\":\"x\"}}";
static const char merged[] =
        "{\"tier\":\"backend\",\"image\":\"x:1\",\"env\":[{\"name\":\"A\",\"value\":\"\"},{\"name\":\"B\",\"value\":"
        "\"b\"}],\"hosts\":[],\"replicas\":3,\"resources\":{\"requests\":{\"cpu\":\"1\",\"example.com/gpu\":\"1\"},"
        "\"limits\":{\"cpu\":\"2\"}},\"drain\":{\"delay\":\"5s\"}}";
static const struct app_status_effective figures[] = {
        { .setting = STR_INIT("replicas"), .value = STR_INIT("3"), .from = STR_INIT("Environment") },
        { .setting = STR_INIT("resources.requests.cpu"),
          .value = STR_INIT("1"),
          .from = STR_INIT("BuiltIn") },
        { .setting = STR_INIT("resources.requests.example.com/gpu"),
          .value = STR_INIT("1"),
          .from = STR_INIT("Environment") },
};

/* As YAML, or as JSON. */
static int put(bool yaml, struct buf *out)
{
        struct arena a = ARENA_INIT(TEXT_MAX);
        yyjson_doc *object = NULL, *spec = NULL;
        struct json_writer w;
        int r = json_parse_arena(str_c(written), &a, &object, NULL);

        if (r == 0)
                r = json_parse_arena(str_c(merged), &a, &spec, NULL);
        if (r == 0) {
                const struct origins o = { yyjson_doc_get_root(object), yyjson_doc_get_root(spec), figures,
                                           ARRAY_SIZE(figures) };

                json_writer_init(&w, out);
                if (yaml)
                        origins_put_yaml(&o, &a, out);
                else
                        origins_put_json(&o, &a, &w);
                r = a.failed ? -ENOMEM : buf_error(out);
        }
        arena_release(&a);
        return r;
}

static void must_put(bool yaml, const char *expected)
{
        struct buf out = BUF_INIT(TEXT_MAX);

        ck_assert_int_eq(put(yaml, &out), 0);
        ck_assert_str_eq(out.data, expected);
        buf_release(&out);
}

START_TEST(each_value_says_where_it_comes_from)
{
        must_put(true, "apiVersion: keelson.dev/v1alpha1\n"
                       "kind: App\n"
                       "metadata:\n"
                       "  name: shop\n"
                       "  labels:\n"
                       "    a: \"yes\"\n"
                       "spec:\n"
                       "  tier: backend                          # built-in\n"
                       "  image: x:1                             # App\n"
                       "  env:                                   # App\n"
                       "    - name: A\n"
                       "      value: \"\"                          # built-in\n"
                       "    - name: B\n"
                       "      value: b\n"
                       "  hosts: []                              # App\n"
                       "  replicas: 3                            # Environment\n"
                       "  resources:\n"
                       "    requests:\n"
                       "      cpu: \"1\"                           # built-in\n"
                       "      example.com/gpu: \"1\"               # Environment\n"
                       "    limits:\n"
                       "      cpu: \"2\"                           # App\n"
                       "  drain:\n"
                       "    delay: 5s                            # built-in\n");
}
END_TEST

START_TEST(programs_are_told_the_same)
{
        must_put(false,
                 "{\"tier\":\"BuiltIn\",\"image\":\"App\",\"env\":\"App\",\"env[0].value\":\"BuiltIn\","
                 "\"hosts\":\"App\",\"replicas\":\"Environment\",\"resources.requests.cpu\":\"BuiltIn\","
                 "\"resources.requests.example.com/gpu\":\"Environment\",\"resources.limits.cpu\":\"App\","
                 "\"drain.delay\":\"BuiltIn\"}");
}
END_TEST

/* Whatever a value is, it is the same one to whoever reads the YAML. */
START_TEST(values_survive)
{
        static const char *const values[] = {
                "\"a b\"",
                "\"\"",
                "\"- a\"",
                "\"a: b\"",
                "\"a #b\"",
                "\"null\"",
                "\"0x10\"",
                "\"1e3\"",
                "\"1:30\"",
                "\"a:\"",
                "\"[a]\"",
                "\"\\\"q\\\"\\\\\"",
                "\"\\n\\t\"",
                "\"*a\"",
                "\"%a\"",
                "\"\xc3\xa9\"",
                "\"2001-01-01\"",
                "[]",
                "{}",
                "[[1,2],[]]",
                "[{\"a\":{\"b\":1}}]",
                "{\"a b\":1,\"true\":2}",
                "true",
                "-1",
                "1.5",
        };

        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                _cleanup_(json_docp_free) yyjson_doc *doc = NULL, *back = NULL;
                struct buf text = BUF_INIT(TEXT_MAX), out = BUF_INIT(TEXT_MAX);
                struct arena a = ARENA_INIT(TEXT_MAX);
                struct origins o = { 0 };
                struct error err = ERROR_INIT;

                buf_printf(&text, "{\"kind\":\"App\",\"spec\":{\"x\":%s,\"y\":[%s]}}", values[i], values[i]);
                ck_assert_int_eq(json_parse(buf_str(&text), &doc, NULL), 0);
                o.object = yyjson_doc_get_root(doc);
                o.spec = yyjson_obj_get(o.object, "spec");
                origins_put_yaml(&o, &a, &out);
                ck_assert_msg(yaml_parse(buf_str(&out), &back, &err) == 0, "%s: %s", out.data, err.message);
                ck_assert_msg(yyjson_equals(yyjson_doc_get_root(back), o.object), "%s", out.data);
                arena_release(&a);
                buf_release(&text);
                buf_release(&out);
        }
}
END_TEST

/* Names and values are as somebody wrote them. */
START_TEST(nothing_reaches_the_terminal_but_text)
{
        static const char text[] =
                "{\"kind\":\"App\",\"a\\u009b\":1,\"spec\":{\"x\":\"\\u001b[2J\\u007f\\u009b\\n\"}}";
        struct buf out = BUF_INIT(TEXT_MAX);
        struct arena a = ARENA_INIT(TEXT_MAX);
        struct origins o = { 0 };
        yyjson_doc *doc;

        ck_assert_int_eq(json_parse(str_c(text), &doc, NULL), 0);
        o.object = yyjson_doc_get_root(doc);
        o.spec = yyjson_obj_get(o.object, "spec");
        origins_put_yaml(&o, &a, &out);
        ck_assert_str_eq(
                out.data,
                "kind: App\n\"a??\": 1\nspec:\n  x: \"\\u001b[2J???\\n\"                    # App\n");
        yyjson_doc_free(doc);
        arena_release(&a);
        buf_release(&out);
}
END_TEST

static int put_once(void *yaml)
{
        struct buf out = BUF_INIT(TEXT_MAX);
        int r = put(yaml != NULL, &out);

        buf_release(&out);
        return r;
}

START_TEST(any_allocation_may_fail)
{
        torture(put_once, NULL, 0);
        torture(put_once, (void *)(uintptr_t)written, 0);
}
END_TEST

static const TTest *const tests[] = {
        each_value_says_where_it_comes_from,   programs_are_told_the_same, values_survive,
        nothing_reaches_the_terminal_but_text, any_allocation_may_fail,
};
TEST_MAIN("cmd/origins", tests)
