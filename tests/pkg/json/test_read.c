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

static const TTest *const tests[] = { picks_values, says_where_it_is_wrong, caps_the_depth,
                                      survives_a_lack_of_memory };

TEST_MAIN("json/read", tests)
