/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/yaml.h"

#include <errno.h>

#include "base/buf.h"
#include "harness.h"

/* TEXT becomes JSON, byte for byte. */
static void check_json(const char *text, const char *json)
{
        struct error err = ERROR_INIT;
        yyjson_doc *doc = NULL;
        char *out;
        int r = yaml_parse(str_c(text), &doc, &err);

        ck_assert_msg(r == 0, "%s: %s", text, err.message);
        out = yyjson_write(doc, 0, NULL);
        ck_assert_str_eq(out, json);
        free(out);
        yyjson_doc_free(doc);
}

static void check_fails(const char *text, int code, const char *message)
{
        struct error err = ERROR_INIT;
        yyjson_doc *doc = (yyjson_doc *)-1;
        int r = yaml_parse(str_c(text), &doc, &err);

        ck_assert_msg(r == code, "%s: %d", text, r);
        ck_assert_int_eq(err.code, code);
        ck_assert_msg(strstr(err.message, message) != NULL, "\"%s\" lacks \"%s\"", err.message, message);
        ck_assert_ptr_eq(doc, (yyjson_doc *)-1);
}

START_TEST(test_plain)
{
        check_json("a: 1\nb: [x, 'y', \"z\", 2.5, true, null, ~]\nc:\n- d: {}\n  e: []\n",
                   "{\"a\":1,\"b\":[\"x\",\"y\",\"z\",2.5,true,null,null],\"c\":[{\"d\":{},\"e\":[]}]}");
        check_json("on: yes\n\"true\": 'true'\n8080: -5\n", "{\"on\":true,\"true\":\"true\",\"8080\":-5}");
        check_json("script: |\n  a\n  b\nfolded: >-\n  c\n  d\n",
                   "{\"script\":\"a\\nb\\n\",\"folded\":\"c d\"}");
        check_json("{\"json\": [1, {\"is\": \"yaml\"}]}", "{\"json\":[1,{\"is\":\"yaml\"}]}");
        check_json("just text", "\"just text\"");
        check_json("mode: 0644", "{\"mode\":420}");
        check_json("k: \"nul\\0 \\u00e9\"", "{\"k\":\"nul\\u0000 é\"}");
        check_json("a: !!str 5\nb: !!int 5\nd: !!map {}\n", "{\"a\":\"5\",\"b\":5,\"d\":{}}");
}
END_TEST

START_TEST(test_empty)
{
        check_json("", "null");
        check_json("# only a comment\n", "null");
        check_json("---\n", "null");
        check_json("---\n---\na: 1\n---\n# nothing\n", "{\"a\":1}");
        check_json("''", "\"\"");
}
END_TEST

START_TEST(test_aliases)
{
        check_json("a: &x {p: [1, 2]}\nb: *x\nc: [*x, &x 5, *x]\n",
                   "{\"a\":{\"p\":[1,2]},\"b\":{\"p\":[1,2]},\"c\":[{\"p\":[1,2]},5,5]}");
        check_json("&k key: 1\nb: *k\n", "{\"key\":1,\"b\":\"key\"}");
        check_fails("a: *nobody", -EINVAL, "line 1: the alias *nobody has no anchor");
        check_fails("a: 1\nb: &b\n  c: *b\n", -EINVAL, "line 3: the alias *b stands inside");
        check_fails("a: &a 1\n---\nb: *a\n", -EINVAL, "the alias *a has no anchor");
}
END_TEST

START_TEST(test_refused)
{
        check_fails("a: 1\nb: 2\na: 3\n", -EINVAL, "line 3: the key \"a\" stands here twice");
        check_fails("1: x\n'1': y\n", -EINVAL, "line 2: the key \"1\" stands here twice");
        check_fails("a: 1\n---\nb: 2\n", -EINVAL, "line 2: a second document");
        check_fails("? [a]\n: b\n", -EINVAL, "line 1: a key must be a plain word");
        check_fails("x: &x a\n*x : b\n", -EINVAL, "line 2: a key must be a plain word");
        check_fails("b: {x: 1}\nc:\n  <<: {x: 1}\n", -EINVAL, "line 3: merge keys");
        check_fails("a: .inf\n", -EINVAL, "line 1: .inf is not a number");
        check_fails("a: !secret 5\n", -EINVAL, "line 1: the tag !secret does not fit");
        check_fails("a: !!int x\n", -EINVAL, "does not fit");
        check_fails("a: !mine {}\n", -EINVAL, "line 1: the tag !mine is not supported");
        check_fails("a: b: c\n", -EINVAL, "line 1: ");
        check_fails("a: [1, 2\n", -EINVAL, "line 2: ");
        check_fails("a:\n\t- b\n", -EINVAL, "line 2: ");
        check_fails("a: \xff\xfe\n", -EINVAL, "line 1: ");
        check_fails("a: 'open\n", -EINVAL, "line ");
        check_fails("a: 1\n...\n]\n", -EINVAL, "line 3: ");
}
END_TEST

START_TEST(test_depth)
{
        struct buf text = BUF_INIT(64 * 1024);
        struct error err = ERROR_INIT;
        yyjson_doc *doc;

        for (int i = 0; i < YAML_DEPTH_MAX; i++)
                buf_add_c(&text, "[");
        for (int i = 0; i < YAML_DEPTH_MAX; i++)
                buf_add_c(&text, "]");
        ck_assert_int_eq(yaml_parse(buf_str(&text), &doc, &err), 0);
        yyjson_doc_free(doc);

        buf_clear(&text);
        for (int i = 0; i < 900; i++)
                buf_add_c(&text, "[");
        ck_assert_int_eq(yaml_parse(buf_str(&text), &doc, &err), -EMSGSIZE);
        ck_assert_str_eq(err.message, "line 1: nested too deeply");

        /* A ladder of aliases, each a level deeper than the one before. */
        buf_clear(&text);
        buf_add_c(&text, "a0: &a0 [x]\n");
        for (int i = 1; i < 80; i++)
                buf_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
        ck_assert_int_eq(yaml_parse(buf_str(&text), &doc, &err), -EMSGSIZE);
        ck_assert_ptr_nonnull(strstr(err.message, "nested too deeply"));
        buf_release(&text);
}
END_TEST

/* Nine levels of nine aliases each would be a billion values. */
START_TEST(test_billion)
{
        struct buf text = BUF_INIT(64 * 1024);
        struct error err = ERROR_INIT;
        yyjson_doc *doc;

        buf_add_c(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for (int i = 1; i < 10; i++) {
                buf_printf(&text, "a%d: &a%d [", i, i);
                for (int k = 0; k < 9; k++)
                        buf_printf(&text, "*a%d,", i - 1);
                buf_add_c(&text, "]\n");
        }
        ck_assert_int_eq(yaml_parse(buf_str(&text), &doc, &err), -EMSGSIZE);
        ck_assert_ptr_nonnull(strstr(err.message, "more than 1000000 values"));
        buf_release(&text);
}
END_TEST

START_TEST(test_bytes_cap)
{
        struct error err = ERROR_INIT;
        yyjson_doc *doc;

        ck_assert_int_eq(yaml_parse(str_n("", YAML_BYTES_MAX + 1), &doc, &err), -EMSGSIZE);
        ck_assert_ptr_nonnull(strstr(err.message, "larger than 16777216 bytes"));
}
END_TEST

/* --- several documents --- */

struct seen {
        struct buf out;
        int stop_at;
        int n;
};

static int see(yyjson_doc *doc, const struct yaml_lines *lines, void *arg, struct error *err)
{
        struct seen *s = arg;
        char *json = yyjson_write(doc, 0, NULL);

        buf_printf(&s->out, "%u:%s ", lines->first, json);
        free(json);
        yyjson_doc_free(doc);
        if (++s->n == s->stop_at)
                return error_set(err, -ECANCELED, "enough");
        return 0;
}

START_TEST(test_all)
{
        struct seen s = { .out = BUF_INIT(4096) };
        struct error err = ERROR_INIT;

        ck_assert_int_eq(yaml_parse_all(STR("a: 1\n---\n---\n- 2\n...\n---\nb\n"), see, &s, &err), 0);
        ck_str_eq(buf_str(&s.out), "1:{\"a\":1} 3:[2] 6:\"b\" ");
        buf_clear(&s.out);
        s.n = 0;
        s.stop_at = 1;
        ck_assert_int_eq(yaml_parse_all(STR("a: 1\n---\nb: 1\n"), see, &s, &err), -ECANCELED);
        ck_str_eq(buf_str(&s.out), "1:{\"a\":1} ");
        ck_assert_str_eq(err.message, "enough");
        buf_release(&s.out);
}
END_TEST

static int parse_under_torture(void *arg _unused_)
{
        struct error err = ERROR_INIT;
        yyjson_doc *doc = NULL;
        int r = yaml_parse(STR("a: &x [1, {b: c}]\nd: *x\ne: -1.5\nf: true\n"), &doc, &err);

        if (r == 0)
                yyjson_doc_free(doc);
        else
                ck_assert_str_eq(err.message, "out of memory");
        return r;
}

static int parse_nothing_under_torture(void *arg _unused_)
{
        yyjson_doc *doc = NULL;
        int r = yaml_parse(STR(""), &doc, NULL);

        if (r == 0)
                yyjson_doc_free(doc);
        return r;
}

START_TEST(test_torture)
{
        torture(parse_under_torture, NULL, 0);
        torture(parse_nothing_under_torture, NULL, 0);
}
END_TEST

static const TTest *const tests[] = { test_plain,   test_empty,     test_aliases, test_refused, test_depth,
                                      test_billion, test_bytes_cap, test_all,     test_torture };

TEST_MAIN("yaml/yaml", tests)
