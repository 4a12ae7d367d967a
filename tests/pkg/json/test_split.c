/* SPDX-License-Identifier: Apache-2.0 */
#include "json/split.h"

#include <errno.h>

#include "base/rand.h"
#include "harness.h"

#define VALUE_MAX ((size_t)1024)

/* Collects what the splitter gives, one line each; the envelope after a "=". */
static int collect(struct str value, bool envelope, void *arg)
{
        struct buf *out = arg;

        if (envelope)
                buf_add_char(out, '=');
        buf_add_str(out, value);
        return buf_add_char(out, '\n');
}

/* Feeds TEXT in pieces of CHUNK bytes. */
static int split(enum json_split_mode mode, struct str text, size_t chunk, size_t max, struct buf *out)
{
        struct json_split s;
        int r = 0;

        json_split_init(&s, mode, max);
        for (size_t at = 0; at < text.len && r == 0; at += chunk)
                r = json_split_feed(&s, str_n(text.data + at, MIN(chunk, text.len - at)), collect, out);
        if (r == 0)
                r = json_split_finish(&s);
        else
                ck_assert_int_eq(json_split_finish(&s), r);
        json_split_release(&s);
        return r;
}

/* The result and the values must not depend on how the text is cut. */
static void check(enum json_split_mode mode, struct str text, size_t max, int result, const char *values)
{
        for (size_t chunk = 1; chunk <= text.len; chunk++) {
                _cleanup_(buf_release) struct buf out = BUF_INIT(64 * 1024);
                int r = split(mode, text, chunk, max, &out);

                ck_assert_msg(r == result, "%.*s in pieces of %zu: %d, not %d", STR_FMT(text), chunk, r,
                              result);
                ck_str_eq(buf_str(&out), values);
        }
}

START_TEST(cuts_a_watch)
{
        check(JSON_SPLIT_VALUES, STR("{\"type\":\"ADDED\",\"object\":{\"a\":[1,{}]}}\n{\"b\":2}\r\n \t{}{}"),
              VALUE_MAX, 0, "{\"type\":\"ADDED\",\"object\":{\"a\":[1,{}]}}\n{\"b\":2}\n{}\n{}\n");
        check(JSON_SPLIT_VALUES, STR(" \n"), VALUE_MAX, 0, "");
        /* Brackets and quotes in strings mean nothing. */
        check(JSON_SPLIT_VALUES,
              STR("{\"a\":\"}]{[\\\"}\\\\\",\"b\":\"\\\\\\\"\"}{\"long enough for a word\":\"\\\\\"}"),
              VALUE_MAX, 0,
              "{\"a\":\"}]{[\\\"}\\\\\",\"b\":\"\\\\\\\"\"}\n{\"long enough for a word\":\"\\\\\"}\n");
        check(JSON_SPLIT_VALUES, STR("{\"\xc3\xa4\xf0\x9f\x98\x80\":\"\x80\xa2\xdc\xa2\xdc\"}"), VALUE_MAX, 0,
              "{\"\xc3\xa4\xf0\x9f\x98\x80\":\"\x80\xa2\xdc\xa2\xdc\"}\n");
}
END_TEST

START_TEST(cuts_a_list)
{
        check(JSON_SPLIT_LIST,
              STR("{\"kind\":\"PodList\",\"items\":[{\"a\":1},{\"b\":[{}]}],\"metadata\":{\"c\":\"x\"}}\n"),
              VALUE_MAX, 0,
              "{\"a\":1}\n{\"b\":[{}]}\n={\"kind\":\"PodList\",\"items\":[],\"metadata\":{\"c\":\"x\"}}\n");
        check(JSON_SPLIT_LIST, STR(" { \"items\" : [ {} , {\"x\":\"]\"} ] } "), VALUE_MAX, 0,
              "{}\n{\"x\":\"]\"}\n={ \"items\" : [] }\n");
        check(JSON_SPLIT_LIST, STR("{\"items\":[]}"), VALUE_MAX, 0, "={\"items\":[]}\n");
        check(JSON_SPLIT_LIST, STR("{\"items\":null}"), VALUE_MAX, 0, "={\"items\":null}\n");
        check(JSON_SPLIT_LIST, STR("{}"), VALUE_MAX, 0, "={}\n");
        /* Only the member of the outermost object counts, and only as a key. */
        check(JSON_SPLIT_LIST,
              STR("{\"m\":{\"items\":[{}]},\"n\":[{\"items\":[1]}],\"x\":\"items\",\"y\":[2],\"items\":[{\"items\":[{}]}]}"),
              VALUE_MAX, 0,
              "{\"items\":[{}]}\n={\"m\":{\"items\":[{}]},\"n\":[{\"items\":[1]}],\"x\":\"items\",\"y\":[2],\"items\":[]}\n");
        check(JSON_SPLIT_LIST, STR("{\"items2\":[{}],\"item\":[{}],\"\\\"items\":[{}]}"), VALUE_MAX, 0,
              "={\"items2\":[{}],\"item\":[{}],\"\\\"items\":[{}]}\n");
        /* A continuation of the chunked list stands before or after the items. */
        check(JSON_SPLIT_LIST, STR("{\"metadata\":{\"continue\":\"c\"},\"items\":[{}]}"), VALUE_MAX, 0,
              "{}\n={\"metadata\":{\"continue\":\"c\"},\"items\":[]}\n");
}
END_TEST

START_TEST(refuses_what_cannot_be_json)
{
        static const char *const bad_values[] = { "}",   "]",  "[",   "1",    "\"a\"",     "null",
                                                  ",{}", "{]", "{[}", "{[}]", "{\"a\":[1}" };
        static const char *const bad_lists[] = {
                "[{}]",
                "1",
                "}",
                "{]",
                "{[}",
                "{\"items\":[1]}",
                "{\"items\":[[]]}",
                "{\"items\":[{\\}]}",
                "{\"items\":[\"a\"]}",
                "{\"items\":[null]}",
                "{\"items\":[,{}]}",
                "{\"items\":[}",
                "{\"items\":[\"",
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad_values); i++)
                check(JSON_SPLIT_VALUES, str_c(bad_values[i]), VALUE_MAX, -EBADMSG, "");
        for (size_t i = 0; i < ARRAY_SIZE(bad_lists); i++)
                check(JSON_SPLIT_LIST, str_c(bad_lists[i]), VALUE_MAX, -EBADMSG, "");
        check(JSON_SPLIT_VALUES, STR("{}x{}"), VALUE_MAX, -EBADMSG, "{}\n");
        check(JSON_SPLIT_LIST, STR("{\"items\":[{},]}"), VALUE_MAX, -EBADMSG, "{}\n");
        check(JSON_SPLIT_LIST, STR("{\"items\":[{}{}]}"), VALUE_MAX, -EBADMSG, "{}\n");
        check(JSON_SPLIT_LIST, STR("{\"items\":[{},,{}]}"), VALUE_MAX, -EBADMSG, "{}\n");
        check(JSON_SPLIT_LIST, STR("{\"items\":[]}{}"), VALUE_MAX, -EBADMSG, "={\"items\":[]}\n");
}
END_TEST

/* Text of what matters to the splitter, mostly; often closed as it was opened. */
static size_t make_text(struct rand *rand, char *out, size_t max)
{
        static const char alphabet[] = "{}[]\"\"\"\\:,a1 \xc3\xbb\xdb\x7b";
        char open[16];
        size_t depth = 0, len = 0;

        out[len++] = '{';
        open[depth++] = '}';
        while (len < max && depth > 0) {
                char c = alphabet[rand_below(rand, sizeof(alphabet) - 1)];

                if (c == '"') {
                        size_t n = (size_t)rand_below(rand, 90);

                        out[len++] = '"';
                        while (n-- && len < max)
                                out[len++] = rand_below(rand, 15) ? 'f' : "\\\\\\\"{]"[rand_below(rand, 6)];
                        if (len < max)
                                out[len++] = '"';
                } else if ((c == '{' || c == '[') && depth < sizeof(open)) {
                        out[len++] = c;
                        open[depth++] = c == '{' ? '}' : ']';
                } else if (c == '}' || c == ']') {
                        out[len++] = rand_below(rand, 50) ? open[--depth] : c;
                } else {
                        out[len++] = c;
                }
        }
        return len;
}

/* Long values are read in blocks, short pieces byte by byte. */
START_TEST(blocks_change_nothing)
{
        struct rand rand = { .state = 1 };
        size_t good = 0;

        for (unsigned i = 0; i < 4000; i++) {
                _cleanup_(buf_release) struct buf whole = BUF_INIT(8192), cut = BUF_INIT(8192);
                enum json_split_mode mode = i % 4 ? JSON_SPLIT_VALUES : JSON_SPLIT_LIST;
                char text[1024] = "{\"items\":[";
                size_t head = mode == JSON_SPLIT_LIST ? strlen(text) : 0;
                size_t len = head + make_text(&rand, text + head, sizeof(text) - head);
                int r = split(mode, str_n(text, len), len, VALUE_MAX, &whole);

                ck_assert_int_eq(split(mode, str_n(text, len), 1, VALUE_MAX, &cut), r);
                ck_assert(str_eq(buf_str(&whole), buf_str(&cut)));
                buf_clear(&cut);
                ck_assert_int_eq(split(mode, str_n(text, len), 100, VALUE_MAX, &cut), r);
                ck_assert(str_eq(buf_str(&whole), buf_str(&cut)));
                good += r == 0;
        }
        ck_assert_uint_gt(good, 400);
}
END_TEST

/* A backslash, a quote, a bracket, and the end of the value, at each place of a block. */
START_TEST(blocks_meet_their_ends)
{
        for (size_t n = 0; n < 200; n++) {
                char text[512], expected[520];
                int len = snprintf(text, sizeof(text), "{\"%0*d\":\"\\\\\\\"}]\",\"b\":[{}]}", (int)n + 1, 0);

                snprintf(expected, sizeof(expected), "%s\n{}\n", text);
                memcpy(text + len, "{}", 3);
                for (size_t chunk = 60; chunk < 140; chunk++) {
                        _cleanup_(buf_release) struct buf out = BUF_INIT(4096);

                        ck_assert_int_eq(split(JSON_SPLIT_VALUES, str_c(text), chunk, VALUE_MAX, &out), 0);
                        ck_str_eq(buf_str(&out), expected);
                }
        }
}
END_TEST

START_TEST(notices_a_cut_stream)
{
        struct str list = STR("{\"items\":[{\"a\":\"b\\\"\"}],\"m\":{}}"), value = STR("{\"a\":[\"b\\\"\"]}");
        struct json_split s;

        for (size_t n = 0; n < list.len; n++) {
                _cleanup_(buf_release) struct buf out = BUF_INIT(1024);

                ck_assert_int_eq(split(JSON_SPLIT_LIST, str_n(list.data, n), 3, VALUE_MAX, &out), -EBADMSG);
        }
        for (size_t n = 1; n < value.len; n++) {
                _cleanup_(buf_release) struct buf out = BUF_INIT(1024);

                ck_assert_int_eq(split(JSON_SPLIT_VALUES, str_n(value.data, n), 3, VALUE_MAX, &out),
                                 -EBADMSG);
                ck_assert_uint_eq(out.len, 0);
        }
        json_split_init(&s, JSON_SPLIT_VALUES, VALUE_MAX);
        ck_assert_int_eq(json_split_finish(&s), 0);
        ck_assert_int_eq(json_split_feed(&s, STR_NULL, collect, NULL), 0);
        json_split_release(&s);
}
END_TEST

START_TEST(caps_values_and_depth)
{
        _cleanup_(buf_release) struct buf deep = BUF_INIT(4096);

        check(JSON_SPLIT_VALUES, STR("{\"a\":12}{}"), 8, 0, "{\"a\":12}\n{}\n");
        check(JSON_SPLIT_VALUES, STR("{}{\"a\":123}"), 8, -EMSGSIZE, "{}\n");
        /* The size is what fails, though a wrong bracket follows. */
        check(JSON_SPLIT_VALUES, STR("{\"a\":123]"), 8, -EMSGSIZE, "");
        check(JSON_SPLIT_LIST, STR("{\"items\":[{\"a\":\"0123456789\"}]}"), 12, -EMSGSIZE, "");
        check(JSON_SPLIT_LIST, STR("{\"items\":[{\"a\":1},{\"a\":2}]}"), 12, 0,
              "{\"a\":1}\n{\"a\":2}\n={\"items\":[]}\n");
        check(JSON_SPLIT_LIST, STR("{\"items\":[{\"a\":1}]}"), 11, -EMSGSIZE, "{\"a\":1}\n");
        check(JSON_SPLIT_LIST, STR("{\"i\":{\"aaaaaaaaa\":{}}}"), 12, -EMSGSIZE, "");

        buf_add_char(&deep, '{');
        for (unsigned i = 0; i < JSON_SPLIT_DEPTH_MAX; i++)
                buf_add_char(&deep, '[');
        check(JSON_SPLIT_VALUES, buf_str(&deep), VALUE_MAX, -EBADMSG, "");
        check(JSON_SPLIT_LIST, buf_str(&deep), VALUE_MAX, -EBADMSG, "");
}
END_TEST

static int stop(struct str value _unused_, bool envelope _unused_, void *arg)
{
        ++*(int *)arg;
        return -ECANCELED;
}

START_TEST(stops_when_told)
{
        struct json_split s;
        int calls = 0;

        json_split_init(&s, JSON_SPLIT_VALUES, VALUE_MAX);
        ck_assert_int_eq(json_split_feed(&s, STR("{}{}"), stop, &calls), -ECANCELED);
        ck_assert_int_eq(calls, 1);
        ck_assert_int_eq(json_split_feed(&s, STR("{}"), stop, &calls), -ECANCELED);
        ck_assert_int_eq(calls, 1);
        json_split_clear(&s, JSON_SPLIT_LIST);
        ck_assert_int_eq(json_split_feed(&s, STR("{}"), stop, &calls), -ECANCELED);
        ck_assert_int_eq(calls, 2);
        json_split_release(&s);
}
END_TEST

START_TEST(forgets_when_cleared)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(1024);
        struct json_split s;

        json_split_init(&s, JSON_SPLIT_LIST, VALUE_MAX);
        ck_assert_int_eq(json_split_feed(&s, STR("{\"items\":[{\"half\":\"\\"), collect, &out), 0);
        json_split_clear(&s, JSON_SPLIT_VALUES);
        ck_assert_int_eq(json_split_feed(&s, STR("{\"whole\":1}"), collect, &out), 0);
        ck_assert_int_eq(json_split_finish(&s), 0);
        ck_str_eq(buf_str(&out), "{\"whole\":1}\n");
        json_split_release(&s);
}
END_TEST

static int split_both(void *arg _unused_)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(1024);
        struct str list = STR("{\"kind\":\"L\",\"items\":[{\"a\":\"b\"},{\"c\":[{}]}],\"metadata\":{}}");
        int r = split(JSON_SPLIT_LIST, list, 5, VALUE_MAX, &out);

        return r < 0 ? r : split(JSON_SPLIT_VALUES, list, 7, VALUE_MAX, &out);
}

START_TEST(survives_a_lack_of_memory)
{
        torture(split_both, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        cuts_a_watch,
        cuts_a_list,
        refuses_what_cannot_be_json,
        blocks_change_nothing,
        blocks_meet_their_ends,
        notices_a_cut_stream,
        caps_values_and_depth,
        stops_when_told,
        forgets_when_cleared,
        survives_a_lack_of_memory,
};

TEST_MAIN("json/split", tests)
