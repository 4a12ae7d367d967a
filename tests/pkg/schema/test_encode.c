/* SPDX-License-Identifier: Apache-2.0 */
#include "widget.h"

#define OUT_MAX ((size_t)64 * 1024)

static void encode(const struct schema *s, const void *object, struct buf *out)
{
        struct json_writer w;

        json_writer_init(&w, out);
        schema_encode(s, object, &w);
}

START_TEST(writes_what_it_read)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);

        encode(&widget_set_spec_schema, widget_decode(WIDGET_FULL, &a), &out);
        ck_str_eq(buf_str(&out), WIDGET_FULL);
        arena_release(&a);
}
END_TEST

START_TEST(leaves_out_what_is_absent)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        struct widget_set_status status = { 0 };
        struct widget_set_spec spec = { .name = STR("n") };

        encode(&widget_set_status_schema, &status, &out);
        ck_str_eq(buf_str(&out), "{}");
        buf_clear(&out);
        /* Numbers that have a default or are required are always there. */
        encode(&widget_set_spec_schema, &spec, &out);
        ck_str_eq(buf_str(&out), "{\"name\":\"n\",\"size\":0,\"count\":0,\"enabled\":false}");
        buf_clear(&out);
        status.has_ready = true;
        status.has_observed_generation = true;
        status.observed_generation = 3;
        encode(&widget_set_status_schema, &status, &out);
        ck_str_eq(buf_str(&out), "{\"observedGeneration\":3,\"ready\":false}");
}
END_TEST

START_TEST(writes_conditions)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        struct schema_condition condition = {
                .type = STR("Ready"),
                .status = STR("True"),
                .reason = STR("AllGood"),
                .message = STR(""),
                .last_transition_time = STR("2006-01-02T15:04:05Z"),
                .observed_generation = 2,
                .has_observed_generation = true,
        };
        struct widget_set_status status = { .conditions = { &condition, 1 } };

        encode(&widget_set_status_schema, &status, &out);
        ck_str_eq(
                buf_str(&out),
                "{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"observedGeneration\":2,"
                "\"lastTransitionTime\":\"2006-01-02T15:04:05Z\",\"reason\":\"AllGood\",\"message\":\"\"}]}");
}
END_TEST

START_TEST(quotes_only_what_is_no_number)
{
        static const char *const cases[][2] = {
                { "80", "80" },       { "-1", "-1" },
                { "0", "0" },         { "http", "\"http\"" },
                { "080", "\"080\"" }, { "-01", "\"-01\"" },
                { "25%", "\"25%\"" }, { "", "\"\"" },
                { "-", "\"-\"" },     { "99999999999999999999", "\"99999999999999999999\"" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX), expected = BUF_INIT(OUT_MAX);
                struct widget_set_spec spec = { .port = str_c(cases[i][0]), .memory = STR("5") };

                encode(&widget_set_spec_schema, &spec, &out);
                buf_printf(&expected,
                           "{\"size\":0,\"count\":0,\"enabled\":false,\"port\":%s,\"memory\":\"5\"}",
                           cases[i][1]);
                ck_assert(str_eq(buf_str(&out), buf_str(&expected)));
        }
}
END_TEST

static int encode_once(void *spec)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);

        encode(&widget_set_spec_schema, spec, &out);
        return buf_error(&out);
}

START_TEST(survives_a_lack_of_memory)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);

        torture(encode_once, widget_decode(WIDGET_FULL, &a), 0);
        arena_release(&a);
}
END_TEST

static const TTest *const tests[] = {
        writes_what_it_read,           leaves_out_what_is_absent, writes_conditions,
        quotes_only_what_is_no_number, survives_a_lack_of_memory,
};

TEST_MAIN("schema/encode", tests)
