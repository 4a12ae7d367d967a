/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/lines.h"

#include <errno.h>
#include <stdio.h>

#include "harness.h"
#include "json/read.h"
#include "yaml/yaml.h"

struct question {
        const char *path;
        unsigned line;
};

static const struct question *questions;
static size_t n_questions;

static int ask(yyjson_doc *doc, const struct yaml_lines *lines, void *arg _unused_,
               struct error *err _unused_)
{
        yyjson_val *root = yyjson_doc_get_root(doc);

        for (size_t i = 0; i < n_questions; i++) {
                unsigned line = yaml_line(lines, root, root, str_c(questions[i].path));

                ck_assert_msg(line == questions[i].line, "%s is on line %u", questions[i].path, line);
        }
        /* Every value has one, and none comes before the one in front of it. */
        ck_assert_uint_eq(lines->n, doc->val_read);
        yyjson_doc_free(doc);
        return 0;
}

static void check(const char *text, const struct question *all, size_t n)
{
        struct error err = ERROR_INIT;

        questions = all;
        n_questions = n;
        ck_assert_msg(yaml_parse_all(str_c(text), ask, NULL, &err) == 0, "%s", err.message);
}

static const char sample[] = "kind: App\n" /* 1 */
                             "spec:\n"
                             "  image: x\n"
                             "  env:\n"
                             "    - name: A\n" /* 5 */
                             "      value: 1\n"
                             "\n"
                             "    - {name: B,\n"
                             "       value: 2}\n"
                             "  limits:\n" /* 10 */
                             "    a: 1\n"
                             "    a.b/c: 2\n"
                             "  text: |\n"
                             "    one\n"
                             "    two\n" /* 15 */
                             "  behind: x\n";

START_TEST(a_field_is_where_its_key_stands)
{
        static const struct question all[] = {
                { "", 1 },
                { "kind", 1 },
                { "spec", 2 },
                { "spec.image", 3 },
                { "spec.env", 4 },
                { "spec.env[0]", 5 },
                { "spec.env[0].name", 5 },
                { "spec.env[0].value", 6 },
                { "spec.env[1]", 8 },
                { "spec.env[1].value", 9 },
                { "spec.limits.a", 11 },
                { "spec.limits.a.b/c", 12 },
                { "spec.text", 13 },
                { "spec.behind", 16 },
        };

        check(sample, all, ARRAY_SIZE(all));
}
END_TEST

START_TEST(what_is_not_there_is_where_it_would_be)
{
        static const struct question all[] = {
                { "metadata.name", 1 },
                { "spec.port", 2 },
                { "spec.env[7].name", 4 },
                { "spec.env[1].nam", 8 },
                { "spec.env[x]", 4 },
                { "spec.env[", 4 },
                { "spec.env[0].name.x", 5 },
                { "spec.limits.a.b/d", 11 },
                { "spec..", 2 },
                { "spec.imag", 2 },
                { "specs", 1 },
                { "[0]", 1 },
                { "spec.env.name", 4 },
                { "spec.env[-1]", 4 },
        };

        check(sample, all, ARRAY_SIZE(all));
}
END_TEST

START_TEST(an_alias_is_where_it_stands)
{
        static const struct question all[] = {
                { "a", 1 },   { "a.x", 2 },    { "a.y[1]", 5 }, { "b", 6 },
                { "b.x", 6 }, { "b.y[1]", 6 }, { "c", 7 },      { "d", 9 },
        };

        check("a: &a\n  x: 1\n  y:\n  - 1\n  - 2\nb: *a\nc:\n\nd: 1\n", all, ARRAY_SIZE(all));
}
END_TEST

START_TEST(json_has_lines_as_well)
{
        static const struct question all[] = { { "a", 2 }, { "a.b", 3 }, { "a.c[1]", 5 }, { "d", 7 } };

        check("{\n  \"a\": {\n    \"b\": 1,\n    \"c\": [1,\n 2]\n  },\n  \"d\": null\n}\n", all,
              ARRAY_SIZE(all));
}
END_TEST

/* Each document begins anew. */
START_TEST(a_second_document_has_its_own)
{
        static const struct question all[] = { { "b", 6 }, { "b.c", 7 } };

        check("---\n# nothing\n---\n# more\n\nb:\n  c: 1\n", all, ARRAY_SIZE(all));
}
END_TEST

static int add_some(void *arg _unused_)
{
        struct yaml_lines lines = { 0 };
        int r = 0;

        for (unsigned i = 0; i < 10 && r == 0; i++)
                r = yaml_lines_add(&lines, i, 100);
        ck_assert(r < 0 || (lines.n == 1000 && lines.of[999] == 9 && lines.of[100] == 1));
        yaml_lines_release(&lines);
        return r;
}

START_TEST(survives_a_lack_of_memory)
{
        torture(add_some, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        a_field_is_where_its_key_stands, what_is_not_there_is_where_it_would_be, an_alias_is_where_it_stands,
        json_has_lines_as_well,          a_second_document_has_its_own,          survives_a_lack_of_memory,
};
TEST_MAIN("yaml/lines", tests)
