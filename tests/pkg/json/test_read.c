/* SPDX-License-Identifier: Apache-2.0 */
#include "json/read.h"

#include <errno.h>

#include "base/buf.h"
#include "harness.h"

START_TEST(picks_values)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct str text =
                STR("{\"metadata\":{\"name\":\"shop\",\"labels\":{\"a.b/c\":\"x\"}},"
                    "\"n\":-3,\"big\":18446744073709551615,\"on\":true,\"nul\":\"a\\u0000b\",\"e\":\"\"}");
        yyjson_val *root, *meta;

        ck_assert_int_eq(json_parse(text, &doc, NULL), 0);
        root = yyjson_doc_get_root(doc);
        meta = json_get_path(root, "/metadata");
        ck_str_eq(json_get_str(meta, "name"), "shop");
        ck_str_eq(json_val_str(json_get_path(root, "/metadata/labels/a.b~1c")), "x");
        ck_assert_int_eq(json_get_int(root, "n", 7), -3);
        ck_assert_int_eq(json_get_int(root, "big", 7), 7);
        ck_assert_int_eq(json_get_int(root, "on", 7), 7);
        ck_assert_int_eq(json_get_int(root, "none", 7), 7);
        ck_assert(json_get_bool(root, "on", false));
        ck_assert(json_get_bool(root, "n", true));
        ck_assert_uint_eq(json_get_str(root, "nul").len, 3);
        ck_assert_ptr_nonnull(json_get_str(root, "e").data);
        ck_assert_ptr_null(json_get_str(root, "n").data);
        /* What is not there gives what is not there, however far one goes on. */
        ck_assert_ptr_null(json_get_path(root, "/metadata/none/deeper"));
        ck_assert_ptr_null(json_get_str(json_get_path(root, "/none"), "name").data);
        ck_assert_int_eq(json_get_int(NULL, "n", 5), 5);
        ck_assert(!json_get_bool(NULL, "n", false));
}
END_TEST

START_TEST(says_where_it_is_wrong)
{
        yyjson_doc *doc = NULL;
        struct error err;

        ck_assert_int_eq(json_parse(STR("{\n  \"a\": 1,\n  b\n}"), &doc, &err), -EINVAL);
        ck_assert_msg(str_starts(str_c(err.message), STR("line 3, column 3: not JSON: ")), "%s", err.message);
        ck_assert_int_eq(json_parse(STR("{} {}"), &doc, &err), -EINVAL);
        ck_assert_int_eq(json_parse(STR(""), &doc, &err), -EINVAL);
        ck_assert_int_eq(json_parse(STR_NULL, &doc, NULL), -EINVAL);
        ck_assert_ptr_null(doc);
}
END_TEST

static int parse_nested(int depth, yyjson_doc **ret)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(64 * 1024);

        buf_add_c(&text, "[[1,{}],");
        for (int i = 1; i < depth; i++)
                buf_add_c(&text, i % 2 ? "{\"k\":" : "[[],");
        buf_add_c(&text, "0");
        for (int i = depth - 1; i > 0; i--)
                buf_add_c(&text, i % 2 ? "}" : "]");
        buf_add_c(&text, "]");
        ck_assert_int_eq(buf_error(&text), 0);
        return json_parse(buf_str(&text), ret, NULL);
}

START_TEST(caps_the_depth)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        ck_assert_int_eq(parse_nested(JSON_READ_DEPTH_MAX, &doc), 0);
        json_docp_free(&doc);
        ck_assert_int_eq(parse_nested(JSON_READ_DEPTH_MAX + 1, &doc), -EINVAL);
        ck_assert_ptr_null(doc);
}
END_TEST

static int parse_once(void *arg _unused_)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct error err;

        return json_parse(STR("{\"a\":[1,2,{\"b\":\"c\"}]}"), &doc, &err);
}

START_TEST(survives_a_lack_of_memory)
{
        torture(parse_once, NULL, 0);
}
END_TEST

#define IN_PLACE_MAX ((size_t)64 * 1024)

static int parse_in_place(const char *text, struct arena *a, yyjson_doc **ret, struct error *err)
{
        static char room[IN_PLACE_MAX];
        struct str s = str_c(text);

        ck_assert_uint_le(s.len + JSON_READ_PADDING, sizeof(room));
        memset(room, '1', sizeof(room)); /* whatever was there before */
        memcpy(room, s.data, s.len);
        return json_parse_in_place(room, s.len, a, ret, err);
}

START_TEST(reads_where_the_text_stands)
{
        struct arena a = ARENA_INIT(IN_PLACE_MAX);
        struct error err = ERROR_INIT;
        char nested[2 * JSON_READ_DEPTH_MAX + 3] = "";
        yyjson_doc *doc = NULL;

        ck_assert_int_eq(parse_in_place("{\"a\":\"b\\nc\",\"n\":12}", &a, &doc, &err), 0);
        ck_str_eq(json_get_str(yyjson_doc_get_root(doc), "a"), "b\nc");
        ck_assert_int_eq(json_get_int(yyjson_doc_get_root(doc), "n", 0), 12);
        ck_assert_int_eq(parse_in_place("12", &a, &doc, &err), 0);
        ck_assert_int_eq(yyjson_get_int(yyjson_doc_get_root(doc)), 12);

        ck_assert_int_eq(parse_in_place("", &a, &doc, &err), -EINVAL);
        ck_assert_int_eq(parse_in_place("[1,x]", &a, &doc, &err), -EINVAL);
        ck_assert_msg(str_starts(str_c(err.message), STR("byte 4: not JSON: ")), "%s", err.message);
        memset(nested, '[', JSON_READ_DEPTH_MAX + 1);
        memset(nested + JSON_READ_DEPTH_MAX + 1, ']', JSON_READ_DEPTH_MAX + 1);
        ck_assert_int_eq(parse_in_place(nested, &a, &doc, &err), -EINVAL);
        ck_assert_ptr_nonnull(strstr(err.message, "within each other"));
        arena_release(&a);
}
END_TEST

START_TEST(in_place_the_arena_is_the_bound)
{
        static char many[IN_PLACE_MAX - 64];
        struct arena a = ARENA_INIT(IN_PLACE_MAX);
        struct error err = ERROR_INIT;
        yyjson_doc *doc;

        for (size_t i = 0; i + 1 < sizeof(many); i++)
                many[i] = i % 2 ? ',' : '1';
        many[0] = '[';
        many[sizeof(many) - 2] = ']';
        ck_assert_int_eq(parse_in_place(many, &a, &doc, &err), -EMSGSIZE);
        arena_release(&a);
}
END_TEST

static int parse_in_place_once(void *arg)
{
        struct arena a = ARENA_INIT(16 * IN_PLACE_MAX);
        yyjson_doc *doc;
        int r = parse_in_place(arg, &a, &doc, NULL);

        arena_release(&a);
        return r;
}

START_TEST(in_place_survives_a_lack_of_memory)
{
        static char text[8000] = "[1";

        for (size_t i = 2; i + 3 < sizeof(text); i += 2)
                memcpy(text + i, ",1", 3);
        memcpy(text + sizeof(text) - 2, "]", 2);
        torture(parse_in_place_once, text, 0);
}
END_TEST

START_TEST(picks_members_that_are_there_once)
{
        static const char *const names[] = { "a", "b", "c" };
        yyjson_val *found[ARRAY_SIZE(names)] = { NULL };
        struct arena a = ARENA_INIT(16 * IN_PLACE_MAX);
        struct error err = ERROR_INIT;
        yyjson_doc *doc;

        ck_assert_int_eq(json_parse_arena(STR("{\"x\":0,\"b\":null,\"c\":3,\"x\":1}"), &a, &doc, &err), 0);
        ck_assert_int_eq(json_pick(yyjson_doc_get_root(doc), "it", names, ARRAY_SIZE(names), found, &err), 0);
        ck_assert_ptr_null(found[0]);
        ck_assert_ptr_null(found[1]);
        ck_assert_int_eq(yyjson_get_int(found[2]), 3);

        ck_assert_int_eq(json_pick(found[2], "it", names, ARRAY_SIZE(names), found, &err), -EINVAL);
        ck_assert_str_eq(err.message, "it must be an object");
        memset(found, 0, sizeof(found));
        ck_assert_int_eq(json_parse_arena(STR("{\"b\":null,\"b\":1}"), &a, &doc, &err), 0);
        ck_assert_int_eq(json_pick(yyjson_doc_get_root(doc), "it", names, ARRAY_SIZE(names), found, &err),
                         -EINVAL);
        ck_assert_str_eq(err.message, "it has \"b\" twice");
        arena_release(&a);
}
END_TEST

static int parse_arena_once(void *arg)
{
        struct arena a = ARENA_INIT(16 * IN_PLACE_MAX);
        yyjson_doc *doc;
        int r = json_parse_arena(str_c(arg), &a, &doc, NULL);

        arena_release(&a);
        return r;
}

START_TEST(a_copy_is_the_arenas_too)
{
        static char text[] = "{\"a\":[1,2,\"three\"]}";
        struct arena tiny = ARENA_INIT(16);
        struct error err = ERROR_INIT;
        yyjson_doc *doc;

        torture(parse_arena_once, text, 0);
        ck_assert_int_eq(json_parse_arena(str_c(text), &tiny, &doc, &err), -EMSGSIZE);
        arena_release(&tiny);
}
END_TEST

START_TEST(what_is_whole_is_an_integer)
{
        static const struct {
                const char *text;
                bool whole;
                int64_t n;
        } cases[] = {
                { "0", true, 0 },
                { "-7", true, -7 },
                { "9223372036854775807", true, INT64_MAX },
                { "-9223372036854775808", true, INT64_MIN },
                { "9223372036854775808", false, 0 },
                { "3.0", true, 3 },
                { "-0.0", true, 0 },
                { "1e3", true, 1000 },
                { "9007199254740991.0", true, 9007199254740991 },
                { "9007199254740992.0", false, 0 },
                { "1e30", false, 0 },
                { "-1e300", false, 0 },
                { "1.5", false, 0 },
                { "\"3\"", false, 0 },
                { "null", false, 0 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                yyjson_doc *doc;
                int64_t n = 0;

                ck_assert_int_eq(json_parse(str_c(cases[i].text), &doc, NULL), 0);
                ck_assert_msg(json_val_whole(yyjson_doc_get_root(doc), &n) == cases[i].whole, "%s",
                              cases[i].text);
                ck_assert_int_eq(n, cases[i].n);
                yyjson_doc_free(doc);
        }
        ck_assert(!json_val_whole(NULL, &(int64_t){ 0 }));
}
END_TEST

static const TTest *const tests[] = {
        picks_values,
        says_where_it_is_wrong,
        caps_the_depth,
        survives_a_lack_of_memory,
        reads_where_the_text_stands,
        in_place_the_arena_is_the_bound,
        in_place_survives_a_lack_of_memory,
        picks_members_that_are_there_once,
        a_copy_is_the_arenas_too,
        what_is_whole_is_an_integer,
};

TEST_MAIN("json/read", tests)
