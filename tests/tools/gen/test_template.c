/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that keelson-gen made of templates/, run.
 */
#include <errno.h>

#include "harness.h"
#include "json/read.h"
#include "templates.gen.h"

#define OUT_MAX ((size_t)64 * 1024)

/* What was rendered, which must be JSON. */
static void check(struct buf *out, int r, const char *expected)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct error err = ERROR_INIT;

        ck_assert_int_eq(r, 0);
        ck_str_eq(buf_str(out), expected);
        ck_assert_msg(json_parse(buf_str(out), &doc, &err) == 0, "%s", err.message);
        buf_clear(out);
}

START_TEST(renders_text)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        struct t_config_map_params p = {
                .name = STR("shop"),
                .namespace = STR("prod"),
                .key = STR("k\"ey"),
                .value = STR("line 1\nline 2"),
        };

        check(&out, t_render_config_map(&out, &p),
              "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"shop-config\",\"namespace\":\"prod\"},"
              "\"data\":{\"plain\":\"a \\\"quoted\\\" line\\nand another: {}, []\",\"k\\\"ey\":\"line 1\\nline 2\","
              "\"joined\":\"shop.prod.svc\",\"dollars\":\"${name} costs $5 and $$, $(NAME) too\",\"number\":\"8080\"}}");
        p.hint = STR("");
        p.value = STR("");
        check(&out, t_render_config_map(&out, &p),
              "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"shop-config\",\"namespace\":\"prod\"},"
              "\"data\":{\"plain\":\"a \\\"quoted\\\" line\\nand another: {}, []\",\"k\\\"ey\":\"\","
              "\"joined\":\"shop.prod.svc\",\"dollars\":\"${name} costs $5 and $$, $(NAME) too\",\"optional\":\"\","
              "\"number\":\"8080\"}}");
        p.other = STR("b");
        p.hint = STR("a");
        ck_assert_int_eq(t_render_config_map(&out, &p), 0);
        ck_assert(str_ends(buf_str(&out), STR("\"optional\":\"a\",\"both\":\"a/b\",\"number\":\"8080\"}}")));
}
END_TEST

START_TEST(leaves_out_what_is_absent)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        struct t_pod_params p = { .labels = STR("{\"a\":\"b\"}") };

        check(&out, t_render_pod(&out, &p),
              "{\"kind\":\"Pod\",\"ints\":[1,-2,1.5,true,null,null],\"paused\":false,\"labels\":{\"a\":\"b\"},"
              "\"loose\":{},\"list\":[],\"middle\":[\"sure\"],\"only\":{},"
              "\"containers\":[{\"name\":\"app\"},{\"name\":\"last\"}],\"empty\":{},\"none\":[]}");
        p.has_replicas = true;
        p.replicas = -7;
        p.has_maybe = true;
        p.maybe = true;
        p.paused = true;
        p.ports = STR("[1]");
        p.hint = STR("h");
        p.has_port = true;
        p.port = 80;
        p.sidecar = true;
        p.sidecar_name = STR("s");
        check(&out, t_render_pod(&out, &p),
              "{\"kind\":\"Pod\",\"ints\":[1,-2,1.5,true,null,null],\"replicas\":-7,\"paused\":true,\"maybe\":true,"
              "\"labels\":{\"a\":\"b\"},\"ports\":[1],\"loose\":{\"first\":-7,\"second\":\"h\",\"third\":[1]},"
              "\"list\":[\"h\",-7],\"middle\":[\"h\",\"sure\",\"h\"],\"lifecycle\":{},\"only\":{\"inner\":{}},"
              "\"containers\":[{\"name\":\"app\"},{\"name\":\"s\",\"port\":80},{\"name\":\"last\"}],"
              "\"empty\":{},\"none\":[]}");
        p.paused = false;
        p.live_path = STR("/live");
        p.sidecar = false;
        p.ports = STR_NULL;
        p.hint = STR_NULL;
        check(&out, t_render_pod(&out, &p),
              "{\"kind\":\"Pod\",\"ints\":[1,-2,1.5,true,null,null],\"replicas\":-7,\"paused\":false,\"maybe\":true,"
              "\"labels\":{\"a\":\"b\"},\"loose\":{\"first\":-7},\"list\":[-7],\"middle\":[\"sure\"],"
              "\"lifecycle\":{\"preStop\":{\"path\":\"/live\"}},\"only\":{\"inner\":{}},"
              "\"containers\":[{\"name\":\"app\"},{\"name\":\"last\"}],\"empty\":{},\"none\":[]}");
}
END_TEST

START_TEST(refuses_what_must_not_be_absent)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        struct t_config_map_params map = { .name = STR("n"), .namespace = STR("n"), .key = STR("k") };
        struct t_pod_params pod = { .has_port = true };

        ck_assert_int_eq(t_render_config_map(&out, &map), -EINVAL);
        ck_assert_int_eq(t_render_pod(&out, &pod), -EINVAL); /* no labels */
        pod.labels = STR("{}");
        ck_assert_int_eq(t_render_pod(&out, &pod), -EINVAL); /* no live_path, which has_port makes needed */
        pod.paused = true;
        ck_assert_int_eq(t_render_pod(&out, &pod), 0);
        pod.sidecar = true;
        ck_assert_int_eq(t_render_pod(&out, &pod), -EINVAL);
}
END_TEST

START_TEST(keeps_the_buffers_error)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(10);
        struct t_fixed_params p = { 0 };

        ck_assert_int_eq(t_render_fixed(&out, &p), -EMSGSIZE);
}
END_TEST

static int render_once(void *arg _unused_)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        struct t_pod_params p = { .labels = STR("{}"), .hint = STR("h") };

        return t_render_pod(&out, &p);
}

START_TEST(survives_a_lack_of_memory)
{
        torture(render_once, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        renders_text,
        leaves_out_what_is_absent,
        refuses_what_must_not_be_absent,
        keeps_the_buffers_error,
        survives_a_lack_of_memory,
};

TEST_MAIN("gen/template", tests)
