/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/owned.h"

#include "base/buf.h"
#include "harness.h"
#include "json/read.h"

/* The field that does not count; absent but in one test. */
static struct str without;

static uint64_t desired(const char *json)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        ck_assert_msg(json_parse(str_c(json), &doc, NULL) == 0, "%s", json);
        return kube_desired_hash(yyjson_doc_get_root(doc), without);
}

static uint64_t owned_by(const char *json, struct str manager, bool *ret_found)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        ck_assert_msg(json_parse(str_c(json), &doc, NULL) == 0, "%s", json);
        return kube_owned_hash(yyjson_doc_get_root(doc), manager, without, ret_found);
}

/* The hash of the live object whose members are BODY, and of which FIELDS is ours. */
static uint64_t live(const char *fields, const char *body)
{
        struct buf json = BUF_INIT(64 * 1024);
        uint64_t h;
        bool found;

        buf_printf(&json,
                   "{\"metadata\":{\"managedFields\":[{\"manager\":\"keelson\",\"operation\":\"Apply\","
                   "\"fieldsV1\":%s}],\"name\":\"x\"%s}",
                   fields, body);
        ck_assert_int_eq(buf_error(&json), 0);
        h = owned_by(json.data, STR("keelson"), &found);
        ck_assert(found);
        buf_release(&json);
        return h;
}

/* TEXT with its only FROM changed to TO. */
static char *edit(const char *text, const char *from, const char *to)
{
        struct buf out = BUF_INIT(64 * 1024);
        const char *at = strstr(text, from);

        ck_assert_msg(at && !strstr(at + 1, from), "%s must stand there once", from);
        buf_add(&out, text, (size_t)(at - text));
        buf_add_c(&out, to);
        buf_add_c(&out, at + strlen(from));
        ck_assert_int_eq(buf_error(&out), 0);
        return out.data;
}

/* --- a Deployment as an API server stores it -------------------------------- */

static const char deployment_desired[] =
        "{\"apiVersion\":\"apps/"
        "v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"shop\",\"namespace\":\"prod\","
        "\"labels\":{\"app.kubernetes.io/name\":\"shop\",\"keelson.dev/app\":\"shop\"},"
        "\"ownerReferences\":[{\"apiVersion\":\"keelson.dev/"
        "v1\",\"kind\":\"App\",\"name\":\"shop\",\"uid\":\"u-1\","
        "\"controller\":true,\"blockOwnerDeletion\":true}]},"
        "\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{\"keelson.dev/app\":\"shop\"}},"
        "\"template\":{\"metadata\":{\"labels\":{\"keelson.dev/app\":\"shop\"}},"
        "\"spec\":{\"containers\":[{\"name\":\"app\",\"image\":\"shop:1\","
        "\"args\":[\"--port\",\"8080\"],"
        "\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"2\"}],"
        "\"ports\":[{\"containerPort\":8080,\"name\":\"http\",\"protocol\":\"TCP\"}],"
        "\"resources\":{\"limits\":{\"memory\":\"256Mi\"},\"requests\":{\"cpu\":\"100m\"}}},"
        "{\"name\":\"proxy\",\"image\":\"proxy:2\"}],"
        "\"tolerations\":[{\"key\":\"a\",\"operator\":\"Exists\"}],"
        "\"volumes\":[{\"name\":\"tmp\",\"emptyDir\":{}}]}}}}";

static const char deployment_live[] =
        "{\"apiVersion\":\"apps/"
        "v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"shop\",\"namespace\":\"prod\","
        "\"annotations\":{\"deployment.kubernetes.io/revision\":\"1\"},"
        "\"labels\":{\"app.kubernetes.io/name\":\"shop\",\"foreign\":\"yes\",\"keelson.dev/app\":\"shop\"},"
        "\"managedFields\":[{\"manager\":\"kube-controller-manager\",\"operation\":\"Update\","
        "\"subresource\":\"status\",\"fieldsV1\":{\"f:status\":{\"f:replicas\":{}}}},"
        "{\"manager\":\"keelson\",\"operation\":\"Apply\",\"subresource\":\"status\","
        "\"fieldsV1\":{\"f:status\":{}}},"
        "{\"manager\":\"keelson\",\"operation\":\"Update\",\"fieldsV1\":{\"f:spec\":{\"f:paused\":{}}}},"
        "{\"manager\":\"keelson\",\"operation\":\"Apply\",\"apiVersion\":\"apps/"
        "v1\",\"fieldsType\":\"FieldsV1\","
        "\"fieldsV1\":{\"f:metadata\":{\"f:labels\":{\"f:app.kubernetes.io/name\":{},\"f:keelson.dev/"
        "app\":{}},"
        "\"f:ownerReferences\":{\"k:{\\\"uid\\\":\\\"u-1\\\"}\":{}}},"
        "\"f:spec\":{\"f:replicas\":{},\"f:selector\":{},\"f:template\":{\"f:metadata\":{\"f:labels\":"
        "{\"f:keelson.dev/"
        "app\":{}}},\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"app\\\"}\":{\".\":{},"
        "\"f:args\":{},\"f:env\":{\"k:{\\\"name\\\":\\\"A\\\"}\":{\".\":{},\"f:name\":{},\"f:value\":{}},"
        "\"k:{\\\"name\\\":\\\"B\\\"}\":{\".\":{},\"f:name\":{},\"f:value\":{}}},"
        "\"f:image\":{},\"f:name\":{},\"f:ports\":{\"k:{\\\"containerPort\\\":8080,\\\"protocol\\\":"
        "\\\"TCP\\\"}\":"
        "{\".\":{},\"f:containerPort\":{},\"f:name\":{},\"f:protocol\":{}}},"
        "\"f:resources\":{\"f:limits\":{\"f:memory\":{}},\"f:requests\":{\"f:cpu\":{}}}},"
        "\"k:{\\\"name\\\":\\\"proxy\\\"}\":{\".\":{},\"f:image\":{},\"f:name\":{}}},"
        "\"f:tolerations\":{},"
        "\"f:volumes\":{\"k:{\\\"name\\\":\\\"tmp\\\"}\":{\".\":{},\"f:emptyDir\":{},\"f:name\":{}}}}}}}}],"
        "\"ownerReferences\":[{\"apiVersion\":\"keelson.dev/"
        "v1\",\"blockOwnerDeletion\":true,\"controller\":true,"
        "\"kind\":\"App\",\"name\":\"shop\",\"uid\":\"u-1\"}],\"resourceVersion\":\"812\",\"uid\":\"u-2\"},"
        "\"spec\":{\"progressDeadlineSeconds\":600,\"replicas\":2,\"revisionHistoryLimit\":10,"
        "\"selector\":{\"matchLabels\":{\"keelson.dev/app\":\"shop\"}},"
        "\"strategy\":{\"type\":\"RollingUpdate\"},"
        "\"template\":{\"metadata\":{\"labels\":{\"keelson.dev/app\":\"shop\"}},"
        "\"spec\":{\"containers\":["
        "{\"image\":\"sidecar:9\",\"name\":\"injected\"},"
        "{\"args\":[\"--port\",\"8080\"],\"env\":[{\"name\":\"Z\",\"value\":\"9\"},{\"name\":\"A\",\"value\":"
        "\"1\"},"
        "{\"name\":\"B\",\"value\":\"2\"}],"
        "\"image\":\"shop:1\",\"imagePullPolicy\":\"IfNotPresent\",\"name\":\"app\","
        "\"ports\":[{\"containerPort\":9090,\"protocol\":\"TCP\"},"
        "{\"containerPort\":8080,\"name\":\"http\",\"protocol\":\"TCP\"}],"
        "\"resources\":{\"limits\":{\"memory\":\"256Mi\"},\"requests\":{\"cpu\":\"100m\",\"memory\":"
        "\"256Mi\"}}},"
        "{\"image\":\"proxy:2\",\"imagePullPolicy\":\"Always\",\"name\":\"proxy\"}],"
        "\"restartPolicy\":\"Always\",\"tolerations\":[{\"key\":\"a\",\"operator\":\"Exists\"}],"
        "\"volumes\":[{\"emptyDir\":{},\"name\":\"tmp\"}]}}},\"status\":{\"replicas\":2}}";

static void check_deployment(const char *from, const char *to, bool drifted)
{
        char *changed = edit(deployment_live, from, to);
        bool found;
        bool equal = owned_by(changed, STR("keelson"), &found) == desired(deployment_desired);

        ck_assert(found);
        ck_assert_msg(equal == !drifted, "%s -> %s", from, to);
        mem_free(changed);
}

START_TEST(test_deployment)
{
        bool found;

        ck_assert_uint_eq(owned_by(deployment_live, STR("keelson"), &found), desired(deployment_desired));
        ck_assert(found);
        ck_assert_uint_ne(owned_by(deployment_live, STR("kubectl"), &found), desired(deployment_desired));
        ck_assert(!found);
}
END_TEST

START_TEST(test_deployment_others_fields)
{
        check_deployment("\"progressDeadlineSeconds\":600", "\"progressDeadlineSeconds\":30", false);
        check_deployment("\"foreign\":\"yes\"", "\"foreign\":\"no\"", false);
        check_deployment("{\"name\":\"Z\",\"value\":\"9\"},", "", false);
        check_deployment("\"image\":\"sidecar:9\"", "\"image\":\"sidecar:10\"", false);
        check_deployment("\"cpu\":\"100m\",\"memory\":\"256Mi\"", "\"cpu\":\"100m\"", false);
        check_deployment("\"status\":{\"replicas\":2}}", "\"status\":{\"replicas\":1}}", false);
        check_deployment("\"resourceVersion\":\"812\"", "\"resourceVersion\":\"813\"", false);
        /* The order of list items that have keys is not ours. */
        check_deployment("{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"2\"}]",
                         "{\"name\":\"B\",\"value\":\"2\"},{\"name\":\"A\",\"value\":\"1\"}]", false);
}
END_TEST

START_TEST(test_deployment_drift)
{
        check_deployment("\"replicas\":2,\"revision", "\"replicas\":3,\"revision", true);
        check_deployment("\"replicas\":2,\"revision", "\"replicas\":\"2\",\"revision", true);
        check_deployment("\"replicas\":2,\"revision", "\"revision", true);
        check_deployment("\"image\":\"shop:1\"", "\"image\":\"shop:2\"", true);
        check_deployment("\"keelson.dev/app\":\"shop\"},\"managed", "\"keelson.dev/app\":\"x\"},\"managed",
                         true);
        check_deployment("\"containerPort\":8080,\"name\":\"http\",\"protocol\":\"TCP\"}],\"resources",
                         "\"containerPort\":8081,\"name\":\"http\",\"protocol\":\"TCP\"}],\"resources", true);
        check_deployment("\"emptyDir\":{},\"name\":\"tmp\"",
                         "\"emptyDir\":{\"medium\":\"Memory\"},\"name\":\"tmp\"", true);
        check_deployment("\"uid\":\"u-1\"}],\"resource", "\"uid\":\"u-7\"}],\"resource", true);
        check_deployment("\"key\":\"a\",\"operator\":\"Exists\"", "\"key\":\"b\",\"operator\":\"Exists\"",
                         true);
        /* Scalars in a list keep their order. */
        check_deployment("[\"--port\",\"8080\"]", "[\"8080\",\"--port\"]", true);
        /* A container of ours is gone. */
        check_deployment(",{\"image\":\"proxy:2\",\"imagePullPolicy\":\"Always\",\"name\":\"proxy\"}", "",
                         true);
}
END_TEST

/* Two items of one list swap their values: the sum over the items must see it. */
START_TEST(test_swap)
{
        check_deployment("{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"2\"}]",
                         "{\"name\":\"A\",\"value\":\"2\"},{\"name\":\"B\",\"value\":\"1\"}]", true);
}
END_TEST

/* --- a Service: port and protocol are the key, and protocol is the server's -- */

static const char service_fields[] =
        "{\"f:spec\":{\"f:ports\":{\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:name\":"
        "{},"
        "\"f:port\":{},\"f:targetPort\":{}},\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"UDP\\\"}\":{\".\":{},"
        "\"f:port\":{},\"f:protocol\":{}}},\"f:selector\":{}}}";

START_TEST(test_service)
{
        uint64_t want = desired("{\"metadata\":{\"name\":\"x\"},\"spec\":{\"ports\":["
                                "{\"name\":\"http\",\"port\":80,\"targetPort\":\"http\"},"
                                "{\"port\":80,\"protocol\":\"UDP\"}],\"selector\":{\"app\":\"shop\"}}}");

        ck_assert_uint_eq(
                want, live(service_fields,
                           "},\"spec\":{\"clusterIP\":\"10.0.0.1\",\"ports\":["
                           "{\"name\":\"u\",\"port\":80,\"protocol\":\"UDP\",\"targetPort\":80},"
                           "{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\",\"targetPort\":\"http\"}],"
                           "\"selector\":{\"app\":\"shop\"}}"));
        /* An atomic map is ours as a whole: one key more is drift. */
        ck_assert_uint_ne(want,
                          live(service_fields,
                               "},\"spec\":{\"ports\":["
                               "{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\",\"targetPort\":\"http\"},"
                               "{\"port\":80,\"protocol\":\"UDP\"}],"
                               "\"selector\":{\"app\":\"shop\",\"more\":\"1\"}}"));
        /* The names of the two ports swapped. */
        ck_assert_uint_ne(want,
                          live(service_fields, "},\"spec\":{\"ports\":["
                                               "{\"port\":80,\"protocol\":\"TCP\",\"targetPort\":\"http\"},"
                                               "{\"name\":\"http\",\"port\":80,\"protocol\":\"UDP\"}],"
                                               "\"selector\":{\"app\":\"shop\"}}"));
}
END_TEST

/* --- corners ------------------------------------------------------------------ */

START_TEST(test_sets)
{
        static const char fields[] = "{\"f:metadata\":{\"f:finalizers\":{\".\":{},\"v:\\\"a/b\\\"\":{},"
                                     "\"v:\\\"c/d\\\"\":{}}}}";
        uint64_t want = desired("{\"metadata\":{\"finalizers\":[\"a/b\",\"c/d\"]}}");

        ck_assert_uint_eq(want, live(fields, ",\"finalizers\":[\"other\",\"a/b\",\"x\",\"c/d\"]}"));
        ck_assert_uint_ne(want, live(fields, ",\"finalizers\":[\"other\",\"c/d\",\"x\",\"a/b\"]}"));
        ck_assert_uint_ne(want, live(fields, ",\"finalizers\":[\"a/b\"]}"));
        ck_assert_uint_ne(want, live(fields, "}"));
        ck_assert_uint_ne(want, live(fields, ",\"finalizers\":{}}"));
        ck_assert_uint_eq(desired("{\"ports\":[80,443]}"),
                          live("{\"f:ports\":{\"v:80\":{},\"v:443\":{}}}", "},\"ports\":[80,443,8080]"));
}
END_TEST

START_TEST(test_indexes)
{
        static const char fields[] = "{\"f:list\":{\"i:0\":{},\"i:2\":{}}}";

        ck_assert_uint_eq(desired("{\"list\":[\"a\",\"c\"]}"),
                          live(fields, "},\"list\":[\"a\",\"b\",\"c\"]"));
        ck_assert_uint_ne(desired("{\"list\":[\"a\",\"c\"]}"), live(fields, "},\"list\":[\"a\",\"c\"]"));
        ck_assert_uint_eq(
                desired("{\"list\":[{\"x\":1}]}"),
                live("{\"f:list\":{\"i:1\":{\"f:x\":{}}}}", "},\"list\":[{\"x\":9},{\"x\":1,\"y\":2}]"));
}
END_TEST

START_TEST(test_empty_values)
{
        const char *values[] = { "{}",    "[]",  "null",   "\"\"",         "0",    "false", "true", "1",
                                 "\"1\"", "[0]", "[null]", "{\"a\":null}", "[{}]", "[[]]",  "-1",   "0.5" };

        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                for (size_t k = 0; k < ARRAY_SIZE(values); k++) {
                        char want[64], have[64];

                        snprintf(want, sizeof(want), "{\"x\":%s}", values[i]);
                        snprintf(have, sizeof(have), "},\"x\":%s", values[k]);
                        ck_assert_msg((desired(want) == live("{\"f:x\":{}}", have)) == (i == k), "%s %s",
                                      want, have);
                }
        }
        ck_assert_uint_ne(desired("{\"x\":{}}"), live("{\"f:x\":{}}", "}"));
        ck_assert_uint_ne(desired("{\"x\":null}"), live("{\"f:x\":{}}", "}"));
        ck_assert_uint_ne(desired("{}"), live("{\"f:x\":{}}", "}"));
        /* A map that we made and that others fill. */
        ck_assert_uint_eq(desired("{\"x\":{}}"), live("{\"f:x\":{\".\":{}}}", "},\"x\":{\"a\":1}"));
        ck_assert_uint_eq(desired("{\"x\":[]}"), live("{\"f:x\":{\".\":{}}}", "},\"x\":[{\"a\":1}]"));
}
END_TEST

START_TEST(test_numbers)
{
        static const char *const equal[][2] = {
                { "1", "1.0" },
                { "0", "-0.0" },
                { "0", "-0" },
                { "-3", "-3.0" },
                { "1e3", "1000" },
                { "18446744073709551615", "18446744073709551615" },
                { "-9223372036854775808", "-9223372036854775808" },
        };
        static const char *const different[][2] = {
                { "1", "-1" },     { "1", "1.5" },
                { "0.5", "0.25" }, { "18446744073709551615", "-1" },
                { "1", "true" },   { "9223372036854775808", "-9223372036854775808" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(equal); i++) {
                char want[64], have[64];

                snprintf(want, sizeof(want), "{\"x\":%s}", equal[i][0]);
                snprintf(have, sizeof(have), "},\"x\":%s", equal[i][1]);
                ck_assert_msg(desired(want) == live("{\"f:x\":{}}", have), "%s %s", want, have);
        }
        for (size_t i = 0; i < ARRAY_SIZE(different); i++) {
                char want[64], have[64];

                snprintf(want, sizeof(want), "{\"x\":%s}", different[i][0]);
                snprintf(have, sizeof(have), "},\"x\":%s", different[i][1]);
                ck_assert_msg(desired(want) != live("{\"f:x\":{}}", have), "%s %s", want, have);
        }
}
END_TEST

START_TEST(test_identity)
{
        uint64_t nothing = desired("{}");

        ck_assert_uint_eq(nothing,
                          desired("{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"a\","
                                  "\"namespace\":\"b\",\"uid\":\"c\",\"resourceVersion\":\"5\"}}"));
        ck_assert_uint_eq(nothing, desired("{\"metadata\":{}}"));
        ck_assert_uint_ne(nothing, desired("{\"metadata\":{\"labels\":{}}}"));
        ck_assert_uint_ne(nothing, desired("{\"spec\":{\"name\":\"a\"}}"));
}
END_TEST

/* Whatever stands in fieldsV1, it only ever gives a hash. */
START_TEST(test_strange_fields)
{
        static const char *const fields[] = {
                "5",
                "null",
                "[]",
                "\"\"",
                "{\"f:\":{}}",
                "{\"f\":{}}",
                "{\"\":{}}",
                "{\"f:spec\":5}",
                "{\"f:spec\":{\"k:\":{}}}",
                "{\"f:spec\":{\"k:not json\":{}}}",
                "{\"f:spec\":{\"k:[]\":{}}}",
                "{\"f:spec\":{\"v:\":{}}}",
                "{\"f:spec\":{\"i:x\":{}}}",
                "{\"f:spec\":{\"i:-1\":{}}}",
                "{\"f:spec\":{\"z:1\":{}}}",
                "{\"f:spec\":{\"f:a\":{},\"k:{}\":{},\"v:1\":{}}}",
        };
        uint64_t want = desired("{\"spec\":[{\"a\":1}]}");

        for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
                (void)live(fields[i], "},\"spec\":{\"a\":1}");
                (void)live(fields[i], "},\"spec\":[]");
                if (strstr(fields[i], "k:") || strstr(fields[i], "v:"))
                        ck_assert_msg(live(fields[i], "},\"spec\":[{\"b\":1}]") != want, "%s", fields[i]);
        }
}
END_TEST

/* A key that does not fit the stack is missing, never a stray match. */
START_TEST(test_long_item_key)
{
        struct buf name = BUF_INIT(16 * 1024), fields = BUF_INIT(64 * 1024), body = BUF_INIT(64 * 1024);
        bool equal;

        for (int i = 0; i < 8000; i++)
                buf_add_char(&name, 'n');
        buf_printf(&fields, "{\"f:list\":{\"k:{\\\"name\\\":\\\"%s\\\"}\":{\".\":{},\"f:name\":{}}}}",
                   name.data);
        buf_printf(&body, "},\"list\":[{\"name\":\"%s\"}]", name.data);
        equal = live(fields.data, body.data) == desired("{\"list\":[]}");
        ck_assert(!equal);
        buf_release(&name);
        buf_release(&fields);
        buf_release(&body);
}
END_TEST

/* What others may set as well, an autoscaler for one, is not drift. */
START_TEST(test_without)
{
        const char *fields = "{\"f:spec\":{\"f:replicas\":{},\"f:paused\":{}}}";
        const char *fewer = "{\"f:spec\":{\"f:paused\":{}}}";
        uint64_t two, all;

        all = desired("{\"spec\":{\"replicas\":2,\"paused\":true}}");
        without = STR("spec.replicas");
        two = desired("{\"spec\":{\"replicas\":2,\"paused\":true}}");
        ck_assert(two != all);
        ck_assert(two == desired("{\"spec\":{\"replicas\":3,\"paused\":true}}"));
        ck_assert(two == desired("{\"spec\":{\"paused\":true}}"));
        ck_assert(two == live(fields, "},\"spec\":{\"replicas\":7,\"paused\":true}"));
        ck_assert(two == live(fields, "},\"spec\":{\"paused\":true}"));
        ck_assert(two == live(fewer, "},\"spec\":{\"replicas\":7,\"paused\":true}"));
        ck_assert(two != live(fields, "},\"spec\":{\"replicas\":2,\"paused\":false}"));
        ck_assert(two != desired("{\"spec\":{\"replicas\":2,\"paused\":true,\"other\":1}}"));
        /* A field further down, or another of which it is the beginning, is no such field. */
        ck_assert(desired("{\"spec\":{\"a\":{\"replicas\":1}}}") !=
                  desired("{\"spec\":{\"a\":{\"replicas\":2}}}"));
        ck_assert(desired("{\"spec\":{\"replicasX\":1}}") != desired("{\"spec\":{\"replicasX\":2}}"));
        ck_assert(desired("{\"spec\":1}") != desired("{}"));
        without = STR_NULL;
}
END_TEST

static const TTest *const tests[] = { test_deployment,       test_deployment_others_fields,
                                      test_deployment_drift, test_swap,
                                      test_service,          test_sets,
                                      test_indexes,          test_empty_values,
                                      test_numbers,          test_identity,
                                      test_strange_fields,   test_long_item_key,
                                      test_without };

TEST_MAIN("kube/owned", tests)
