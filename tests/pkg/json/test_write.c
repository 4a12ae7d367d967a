/* SPDX-License-Identifier: Apache-2.0 */
#include "json/write.h"

#include <errno.h>

#include "harness.h"
#include "json/read.h"

#define OUT_MAX ((size_t)64 * 1024)

START_TEST(nests_objects_and_arrays)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        struct json_writer w;

        json_writer_init(&w, &out);
        json_object(&w);
        json_put_cstr(&w, "name", "shop");
        json_key(&w, "ports");
        json_array(&w);
        json_int(&w, 80);
        json_array(&w);
        json_end(&w);
        json_object(&w);
        json_end(&w);
        json_null(&w);
        json_end(&w);
        json_put_int(&w, "low", INT64_MIN);
        json_put_bool(&w, "on", true);
        json_put_bool(&w, "off", false);
        json_put_raw(&w, "raw", STR("[1,2]"));
        json_put_str(&w, "absent", STR_NULL);
        json_put_str(&w, "empty", STR(""));
        json_key_str(&w, STR("a\"b"));
        json_cstr(&w, NULL);
        json_end(&w);
        ck_assert_int_eq(buf_error(&out), 0);
        ck_str_eq(buf_str(&out), "{\"name\":\"shop\",\"ports\":[80,[],{},null],\"low\":-9223372036854775808,"
                                 "\"on\":true,\"off\":false,\"raw\":[1,2],\"absent\":null,\"empty\":\"\","
                                 "\"a\\\"b\":null}");
}
END_TEST

START_TEST(quotes_every_byte)
{
        static const struct {
                struct str in;
                const char *out;
        } cases[] = {
                { STR_INIT(""), "\"\"" },
                { STR_INIT("plain / text"), "\"plain / text\"" },
                { STR_INIT("\"\\"), "\"\\\"\\\\\"" },
                { STR_INIT("\n\r\t\b\x01\x1f\x7f"), "\"\\n\\r\\t\\u0008\\u0001\\u001f\x7f\"" },
                { STR_INIT("nul\0here"), "\"nul\\u0000here\"" },
                /* Every length of UTF-8, lowest and highest, is kept. */
                { STR_INIT("\xc2\x80\xdf\xbf"), "\"\xc2\x80\xdf\xbf\"" },
                { STR_INIT("\xe0\xa0\x80\xef\xbf\xbf\xed\x9f\xbf"),
                  "\"\xe0\xa0\x80\xef\xbf\xbf\xed\x9f\xbf\"" },
                { STR_INIT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"" },
                /* A stray continuation, a short sequence, overlong ones, a surrogate, past the end. */
                { STR_INIT("a\x80z"), "\"a\xef\xbf\xbdz\"" },
                { STR_INIT("a\xc3"), "\"a\xef\xbf\xbd\"" },
                { STR_INIT("\xc3z"), "\"\xef\xbf\xbdz\"" },
                { STR_INIT("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
                { STR_INIT("\xe0\x9f\xbf"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
                { STR_INIT("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
                { STR_INIT("\xf4\x90\x80\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
                { STR_INIT("\xf0\x8f\xbf\xbf"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
                { STR_INIT("\xff"), "\"\xef\xbf\xbd\"" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);

                json_quote(&out, cases[i].in);
                ck_str_eq(buf_str(&out), cases[i].out);
        }
}
END_TEST

/* Text is looked at in words, so the place of a byte may not matter. */
START_TEST(quotes_a_byte_wherever_it_stands)
{
        for (int c = 0; c < 0x80; c++) {
                for (size_t at = 0; at < 20; at++) {
                        _cleanup_(buf_release) struct buf one = BUF_INIT(OUT_MAX), out = BUF_INIT(OUT_MAX),
                                                          expected = BUF_INIT(OUT_MAX);
                        char byte = (char)c, text[20];

                        memset(text, '~', sizeof(text));
                        text[at] = byte;
                        json_quote(&out, str_n(text, sizeof(text)));
                        json_escape(&one, str_n(&byte, 1));
                        buf_add_char(&expected, '"');
                        buf_add(&expected, "~~~~~~~~~~~~~~~~~~~", at);
                        buf_add_str(&expected, buf_str(&one));
                        buf_add(&expected, "~~~~~~~~~~~~~~~~~~~", 19 - at);
                        buf_add_char(&expected, '"');
                        ck_str_eq(buf_str(&out), expected.data);
                }
        }
}
END_TEST

START_TEST(escapes_without_quotes)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);

        json_escape(&out, STR("a\"b"));
        json_escape(&out, STR_NULL);
        ck_str_eq(buf_str(&out), "a\\\"b");
}
END_TEST

START_TEST(keeps_to_its_depth)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        struct json_writer w;

        json_writer_init(&w, &out);
        for (int i = 0; i < JSON_DEPTH_MAX; i++) {
                if (i % 3)
                        json_array(&w);
                else
                        json_object(&w), json_key(&w, "k");
        }
        for (int i = 0; i < JSON_DEPTH_MAX; i++)
                json_end(&w);
        json_end(&w); /* one too many does nothing */
        ck_assert_int_eq(buf_error(&out), 0);
        ck_assert(str_starts(buf_str(&out), STR("{\"k\":[[{\"k\":[[")));
        ck_assert(str_ends(buf_str(&out), STR("]]}]]}")));

        buf_clear(&out);
        json_writer_init(&w, &out);
        for (int i = 0; i <= JSON_DEPTH_MAX; i++)
                json_array(&w);
        ck_assert_int_eq(buf_error(&out), -EMSGSIZE);
        for (int i = 0; i <= JSON_DEPTH_MAX; i++)
                json_end(&w);
        ck_assert_int_eq(buf_error(&out), -EMSGSIZE);
}
END_TEST

START_TEST(writes_values_that_were_read)
{
        static const char text[] = "{\"a\":[1,-2.5,null,true],\"b\":{\"\303\266\":\"x\\ny\"},\"c\":\"\"}";
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct json_writer w;
        yyjson_val *root;

        ck_assert_int_eq(json_parse(str_c(text), &doc, NULL), 0);
        root = yyjson_doc_get_root(doc);
        json_writer_init(&w, &out);
        json_array(&w);
        json_val(&w, root);
        json_val(&w, json_get_path(root, "/a/0"));
        json_end(&w);
        ck_assert_int_eq(buf_error(&out), 0);
        ck_assert(str_starts(buf_str(&out), STR("[")));
        ck_str_eq(str_n(out.data + 1, sizeof(text) - 1), text);
        ck_str_eq(str_n(out.data + sizeof(text), out.len - sizeof(text)), ",1]");
}
END_TEST

static int write_much(void *arg)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        struct json_writer w;

        json_writer_init(&w, &out);
        json_array(&w);
        for (int i = 0; i < 200; i++)
                json_cstr(&w, "a \"quoted\" text of some length");
        json_val(&w, arg);
        json_end(&w);
        return buf_error(&out);
}

START_TEST(survives_a_lack_of_memory)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        ck_assert_int_eq(json_parse(STR("{\"a\":[1,2]}"), &doc, NULL), 0);
        torture(write_much, yyjson_doc_get_root(doc), 0);
}
END_TEST

static const TTest *const tests[] = {
        nests_objects_and_arrays,  quotes_every_byte,  quotes_a_byte_wherever_it_stands,
        escapes_without_quotes,    keeps_to_its_depth, writes_values_that_were_read,
        survives_a_lack_of_memory,
};

TEST_MAIN("json/write", tests)
