/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "widget.h"

START_TEST(reads_every_type)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct widget_set_spec *w = widget_decode(WIDGET_FULL, &a);

        ck_str_eq(w->name, "shop");
        ck_assert_int_eq(w->size, -5);
        ck_assert_int_eq(w->count, 7);
        ck_assert(w->has_big && w->big == INT64_C(9007199254740993));
        ck_assert(!w->enabled);
        ck_assert(w->has_debug && !w->debug);
        ck_str_eq(w->tier, "worker");
        ck_assert(w->has_target_cpu_utilization && w->target_cpu_utilization == 70);
        ck_assert_uint_eq(w->pod_ips.n, 2);
        ck_str_eq(w->pod_ips.items[1], "10.0.0.2");
        ck_assert(w->s3.data && w->s3.len == 0);
        ck_str_eq(w->port, "8080");
        ck_str_eq(w->memory, "1Gi");
        ck_assert_uint_eq(w->labels.n, 2);
        ck_str_eq(w->labels.items[0].key, "a");
        ck_str_eq(w->labels.items[0].value, "b");
        ck_assert_ptr_nonnull(w->labels.items[1].value.data);
        ck_str_eq(w->limits.items[0].value, "500m");
        ck_str_eq(w->anything, "{\"x\":[1,1.5,null,{\"y\":\"\\n\"}]}");
        ck_assert_uint_eq(w->numbers.n, 2);
        ck_assert_int_eq(w->numbers.items[0], 3);
        ck_assert(w->flags.n == 2 && w->flags.items[0] && !w->flags.items[1]);
        ck_str_eq(w->modes.items[0], "Fast");
        ck_assert_uint_eq(w->env.n, 2);
        ck_str_eq(w->env.items[0].from, "there");
        ck_assert(w->env.items[0].has_order && w->env.items[0].order == 1);
        ck_assert(!w->env.items[1].has_order);
        ck_str_eq(w->health_check->nested->deep, "up");
        ck_assert_int_eq(w->health_check->retries, 0);
        ck_str_eq(w->storage->size, "2Gi");
        ck_assert(w->storage->zones.n == 0 && w->storage->zones.items);
        ck_assert_ptr_nonnull(w->nothing);
        arena_release(&a);
}
END_TEST

static void check_defaults(const struct widget_set_spec *w)
{
        ck_assert_int_eq(w->count, 3);
        ck_assert(!w->has_big && !w->has_debug && !w->has_target_cpu_utilization);
        ck_assert(w->enabled);
        ck_str_eq(w->tier, "backend");
        ck_assert_ptr_null(w->pod_ips.items);
        ck_assert_ptr_null(w->s3.data);
        ck_str_eq(w->default_, "a \"quoted\"\ttext, \\ and \xc3\xa4");
        ck_assert_ptr_null(w->port.data);
        ck_str_eq(w->memory, "64Mi");
        ck_str_eq(w->timeout, "30s");
        ck_assert_ptr_null(w->labels.items);
        ck_assert_uint_eq(w->limits.n, 1);
        ck_str_eq(w->limits.items[0].key, "cpu");
        ck_str_eq(w->limits.items[0].value, "1");
        ck_assert_ptr_null(w->anything.data);
        ck_assert(w->numbers.n == 2 && w->numbers.items[0] == 1 && w->numbers.items[1] == 2);
        /* An object is filled in if it has a default; one within it without a default stays away. */
        ck_str_eq(w->health_check->live_path, "/live");
        ck_assert_int_eq(w->health_check->retries, 2);
        ck_assert_ptr_null(w->health_check->nested);
        ck_str_eq(w->storage->size, "1Gi");
        ck_assert_uint_eq(w->storage->zones.n, 2);
        ck_str_eq(w->storage->zones.items[1], "b");
        ck_assert_ptr_null(w->nothing);
}

START_TEST(fills_in_defaults)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);

        check_defaults(widget_decode(WIDGET_LEAST, &a));
        /* A null is as good as nothing, in maps too. */
        check_defaults(
                widget_decode("{\"name\":\"ab\",\"size\":0,\"count\":null,\"big\":null,\"enabled\":null,"
                              "\"debug\":null,\"tier\":null,\"podIPs\":null,\"s3\":null,\"limits\":null,"
                              "\"anything\":null,\"numbers\":null,\"env\":null,\"healthCheck\":null,"
                              "\"storage\":null,\"nothing\":null}",
                              &a));
        ck_assert_uint_eq(
                widget_decode("{\"name\":\"ab\",\"size\":0,\"labels\":{\"a\":null,\"b\":\"c\"}}", &a)
                        ->labels.n,
                1);
        /* Defaults of what is given in part. */
        ck_str_eq(widget_decode("{\"name\":\"ab\",\"size\":0,\"healthCheck\":{\"nested\":{}}}", &a)
                          ->health_check->nested->deep,
                  "down");
        ck_str_eq(widget_decode("{\"name\":\"ab\",\"size\":0,\"env\":[{\"name\":\"a\"}]}", &a)
                          ->env.items[0]
                          .from,
                  "here");
        arena_release(&a);
}
END_TEST

START_TEST(says_what_is_wrong_and_where)
{
#define OK "\"name\":\"ab\",\"size\":0,"
        static const struct {
                const char *json, *path, *message;
        } cases[] = {
                { "[]", "spec", "must be an object (is a list)" },
                { "null", "spec", "must be an object (is null)" },
                { "{\"size\":0}", "spec.name", "is required" },
                { "{\"name\":null,\"size\":0}", "spec.name", "is required" },
                { "{\"name\":\"ab\"}", "spec.size", "is required" },
                { "{\"name\":\"a\",\"size\":0}", "spec.name", "must be at least 2 characters (is 1)" },
                { "{\"name\":\"abcdefghijk\",\"size\":0}", "spec.name",
                  "must be at most 10 characters (is 11)" },
                { "{\"name\":7,\"size\":0}", "spec.name", "must be a string (is an integer)" },
                { "{\"name\":\"ab\",\"size\":-6}", "spec.size", "must be at least -5 (is -6)" },
                { "{\"name\":\"ab\",\"size\":101}", "spec.size", "must be at most 100 (is 101)" },
                { "{\"name\":\"ab\",\"size\":18446744073709551615}", "spec.size",
                  "must be at most 100 (is 18446744073709551615)" },
                { "{\"name\":\"ab\",\"size\":1.5}", "spec.size", "must be an integer (is a fraction)" },
                { "{\"name\":\"ab\",\"size\":1e300}", "spec.size", "must be an integer (is a fraction)" },
                { "{\"name\":\"ab\",\"size\":\"1\"}", "spec.size", "must be an integer (is a string)" },
                { "{" OK "\"count\":2147483648}", "spec.count",
                  "must be at most 2147483647 (is 2147483648)" },
                { "{" OK "\"enabled\":\"true\"}", "spec.enabled", "must be true or false (is a string)" },
                { "{" OK "\"tier\":\"front\"}", "spec.tier",
                  "must be one of \"backend\", \"frontend\", \"worker\" (is \"front\")" },
                { "{" OK "\"podIPs\":{}}", "spec.podIPs", "must be a list (is an object)" },
                { "{" OK "\"podIPs\":[\"1\",\"2\",\"3\",\"4\"]}", "spec.podIPs",
                  "must have at most 3 items (has 4)" },
                { "{" OK "\"podIPs\":[\"1\",\"1234567890123456\"]}", "spec.podIPs[1]",
                  "must be at most 15 characters (is 16)" },
                { "{" OK "\"podIPs\":[null]}", "spec.podIPs[0]", "must be a string (is null)" },
                { "{" OK "\"numbers\":[]}", "spec.numbers", "must have at least 1 item (has 0)" },
                { "{" OK "\"numbers\":[1,-1]}", "spec.numbers[1]", "must be at least 0 (is -1)" },
                { "{" OK "\"flags\":[1]}", "spec.flags[0]", "must be true or false (is an integer)" },
                { "{" OK "\"modes\":[\"Fast\",\"Slow\"]}", "spec.modes[1]",
                  "must be one of \"Fast\", \"Safe\" (is \"Slow\")" },
                { "{" OK "\"port\":true}", "spec.port", "must be a string or an integer (is a boolean)" },
                { "{" OK "\"memory\":1.5}", "spec.memory", "must be a string or an integer (is a fraction)" },
                { "{" OK "\"memory\":9223372036854775808}", "spec.memory",
                  "must be a string or an integer (is a number that is too large)" },
                { "{" OK "\"labels\":[]}", "spec.labels", "must be an object (is a list)" },
                { "{" OK "\"labels\":{\"a\":\"\",\"b\":\"\",\"c\":\"\"}}", "spec.labels",
                  "must have at most 2 entries (has 3)" },
                { "{" OK "\"labels\":{\"x.y/z\":\"toolong\"}}", "spec.labels.x.y/z",
                  "must be at most 5 characters (is 7)" },
                { "{" OK "\"labels\":{\"a\":1}}", "spec.labels.a", "must be a string (is an integer)" },
                { "{" OK "\"env\":[{\"name\":\"a\"},{}]}", "spec.env[1].name", "is required" },
                { "{" OK "\"env\":[{\"name\":\"a\"},7]}", "spec.env[1]",
                  "must be an object (is an integer)" },
                { "{" OK "\"healthCheck\":{\"nested\":{\"deep\":1}}}", "spec.healthCheck.nested.deep",
                  "must be a string (is an integer)" },
                { "{" OK "\"storage\":{}}", "spec.storage.size", "is required" },
                { "{" OK "\"counts\":1}", "spec.counts", "is not a known field; did you mean \"count\"?" },
                { "{" OK "\"env\":[{\"name\":\"a\",\"fro\":\"\"}]}", "spec.env[0].fro",
                  "is not a known field; did you mean \"from\"?" },
                { "{" OK "\"somethingElse\":1}", "spec.somethingElse", "is not a known field" },
                { "{" OK "\"name\":\"cd\"}", "spec.name", "is set twice" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
                struct widget_set_spec *spec = NULL;
                struct error err = ERROR_INIT;
                int r = widget_decode_as(&widget_set_spec_schema, cases[i].json, SCHEMA_STRICT, &a, &spec,
                                         &err);

                ck_assert_msg(r == -EINVAL, "%s: %d", cases[i].json, r);
                ck_assert_int_eq(err.code, -EINVAL);
                ck_assert_str_eq(err.path, cases[i].path);
                ck_assert_str_eq(err.message, cases[i].message);
                ck_assert_ptr_null(spec);
                ck_assert_int_eq(widget_decode_as(&widget_set_spec_schema, cases[i].json, SCHEMA_STRICT, &a,
                                                  &spec, NULL),
                                 -EINVAL);
                arena_release(&a);
        }
}
END_TEST

START_TEST(is_lenient_when_not_strict)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct widget_set_spec *spec = NULL;
        struct error err = ERROR_INIT;

        ck_assert_int_eq(
                widget_decode_as(
                        &widget_set_spec_schema,
                        "{\"size\":1,\"unknown\":{},\"name\":\"ab\",\"size\":2.0,\"env\":[{\"name\":\"a\",\"b\":1}]}",
                        0, &a, &spec, &err),
                0);
        ck_assert_int_eq(spec->size, 2);
        ck_assert_uint_eq(spec->env.n, 1);
        arena_release(&a);
}
END_TEST

START_TEST(counts_characters_not_bytes)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct widget_set_spec *spec = NULL;

        /* Ten characters of two, three and four bytes. */
        ck_assert_ptr_nonnull(widget_decode(
                "{\"size\":1,\"name\":\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
                "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"}",
                &a));
        /* One character, though two bytes. */
        ck_assert_int_eq(widget_decode_as(&widget_set_spec_schema, "{\"size\":1,\"name\":\"\xc3\xa4\"}", 0,
                                          &a, &spec, NULL),
                         -EINVAL);
        arena_release(&a);
}
END_TEST

START_TEST(shortens_a_long_path)
{
        char json[1024], path[256];
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct widget_set_spec *spec = NULL;
        struct error err = ERROR_INIT;

        memset(path, 'k', sizeof(path));
        snprintf(json, sizeof(json), "{" OK "\"labels\":{\"%.*s%.*s\":\"toolong\"}}", 256, path, 256, path);
        ck_assert_int_eq(widget_decode_as(&widget_set_spec_schema, json, 0, &a, &spec, &err), -EINVAL);
        ck_assert_uint_eq(strlen(err.path), sizeof(err.path) - 1);
        arena_release(&a);
}
END_TEST

START_TEST(borrows_if_asked)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct widget_set_spec *spec;
        yyjson_val *root;

        ck_assert_int_eq(json_parse(STR(WIDGET_FULL), &doc, NULL), 0);
        root = yyjson_doc_get_root(doc);
        ck_assert_int_eq(schema_decode(&widget_set_spec_schema, root, STR(""), SCHEMA_BORROW, &a,
                                       (void **)&spec, NULL),
                         0);
        ck_assert_ptr_eq(spec->name.data, json_get_str(root, "name").data);
        ck_assert_int_eq(schema_decode(&widget_set_spec_schema, root, STR(""), 0, &a, (void **)&spec, NULL),
                         0);
        ck_assert_ptr_ne(spec->name.data, json_get_str(root, "name").data);
        /* A root without a name has paths without a dot before them. */
        json_docp_free(&doc);
        ck_assert_int_eq(json_parse(STR("{\"name\":1}"), &doc, NULL), 0);
        {
                struct error err = ERROR_INIT;

                ck_assert_int_eq(schema_decode(&widget_set_spec_schema, yyjson_doc_get_root(doc), STR(""), 0,
                                               &a, (void **)&spec, &err),
                                 -EINVAL);
                ck_assert_str_eq(err.path, "name");
                ck_assert_int_eq(schema_decode(&widget_set_spec_schema, NULL, STR("spec"), 0, &a,
                                               (void **)&spec, &err),
                                 -EINVAL);
                ck_assert_str_eq(err.path, "spec");
                ck_assert_str_eq(err.message, "is required");
        }
        arena_release(&a);
}
END_TEST

static int decode_once(void *flags)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct widget_set_spec *spec = NULL;
        struct error err = ERROR_INIT;
        int r = widget_decode_as(&widget_set_spec_schema, WIDGET_FULL, *(enum schema_flags *)flags, &a, &spec,
                                 &err);

        if (r == 0)
                r = widget_decode_as(&widget_set_spec_schema, WIDGET_LEAST, 0, &a, &spec, &err);
        ck_assert(r == 0 || err.code == r);
        arena_release(&a);
        return r;
}

START_TEST(survives_a_lack_of_memory)
{
        enum schema_flags flags = 0;

        torture(decode_once, &flags, 0);
}
END_TEST

START_TEST(says_when_the_arena_is_full)
{
        for (size_t cap = 0; cap < 4000; cap += 16) {
                struct arena a = ARENA_INIT(cap);
                struct widget_set_spec *spec = NULL;
                int r = widget_decode_as(&widget_set_spec_schema, WIDGET_FULL, 0, &a, &spec, NULL);

                ck_assert(r == -ENOMEM || (r == 0 && !a.failed));
                ck_assert_int_eq(r == 0, spec != NULL);
                arena_release(&a);
        }
}
END_TEST

/* --- all that is wrong --------------------------------------------------------------- */

/* What is wrong with TEXT, in one line. */
static struct str all_wrong(const char *text, enum schema_flags flags, struct arena *a)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct problems problems;
        void *spec;
        int r;

        problems_init(&problems, a);
        ck_assert_int_eq(json_parse(str_c(text), &doc, NULL), 0);
        r = schema_decode_all(&widget_set_spec_schema, yyjson_doc_get_root(doc), STR("spec"), flags, a, &spec,
                              &problems);
        ck_assert_int_eq(r, problems.n ? -EINVAL : 0);
        return problems_text(&problems);
}

START_TEST(all_that_is_wrong_is_told_in_its_order)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);

        ck_assert_ptr_null(all_wrong(WIDGET_FULL, SCHEMA_STRICT, &a).data);
        ck_str_eq(all_wrong("{\"tier\":\"x\",\"bogus\":1,\"name\":5,\"env\":[{\"nam\":\"a\",\"from\":1},7],"
                            "\"labels\":{\"a\":1,\"c\":true},\"flags\":[1,true,2],"
                            "\"healthCheck\":{\"retries\":\"x\",\"nested\":[]}}",
                            SCHEMA_STRICT, &a),
                  "spec.tier: must be one of \"backend\", \"frontend\", \"worker\" (is \"x\"); "
                  "spec.bogus: is not a known field; "
                  "spec.name: must be a string (is an integer); "
                  "spec.env[0].nam: is not a known field; did you mean \"name\"?; "
                  "spec.env[0].from: must be a string (is an integer); "
                  "spec.env[0].name: is required; "
                  "spec.env[1]: must be an object (is an integer); "
                  "spec.labels.a: must be a string (is an integer); "
                  "spec.labels.c: must be a string (is a boolean); "
                  "spec.flags[0]: must be true or false (is an integer); "
                  "spec.flags[2]: must be true or false (is an integer); "
                  "spec.healthCheck.retries: must be an integer (is a string); "
                  "spec.healthCheck.nested: must be an object (is a list); "
                  "spec.size: is required");
        ck_str_eq(all_wrong("{\"name\":\"ab\",\"size\":0,\"labels\":{\"a\":1,\"b\":2,\"c\":3}}", 0, &a),
                  "spec.labels: must have at most 2 entries (has 3)");
        ck_str_eq(all_wrong("[]", 0, &a), "spec: must be an object (is a list)");
        arena_release(&a);
}
END_TEST

/* Of an object of many thousand unknown fields the first are told, and how many it is. */
START_TEST(there_is_an_end_to_what_is_told)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct buf text = BUF_INIT(WIDGET_ARENA_MAX);
        struct str told;

        buf_add_c(&text, "{\"name\":\"ab\",\"size\":0");
        for (int i = 0; i < 5000; i++)
                buf_printf(&text, ",\"x%d\":1", i);
        buf_add_c(&text, "}");
        told = all_wrong(text.data, SCHEMA_STRICT, &a);
        ck_assert_msg(str_ends(told, STR("; spec.x31: is not a known field; and 4968 more")), "%.*s",
                      STR_FMT(told));
        ck_assert_msg(str_starts(told, STR("spec.x0: is not a known field; ")), "%.*s", STR_FMT(told));
        buf_release(&text);
        arena_release(&a);
}
END_TEST

/* In a list, in a map, in what a list has in it; not where a default takes its place, and not
 * where it is an error anyway. */
START_TEST(nulls_are_told)
{
        static const char text[] =
                "{\"name\":null,\"big\":null,\"count\":null,\"labels\":{\"a\":null,\"b\":\"x\"},"
                "\"env\":[{\"name\":\"a\"},{\"name\":\"b\",\"order\":null}],\"flags\":[null],"
                "\"healthCheck\":{\"nested\":null},\"bogus\":null,\"anything\":{\"x\":null}}";
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct problems warnings;
        yyjson_doc *doc;
        char paths[256] = "";

        problems_init(&warnings, &a);
        ck_assert_int_eq(json_parse(str_c(text), &doc, NULL), 0);
        schema_tell_nulls(&widget_set_spec_schema, yyjson_doc_get_root(doc), STR("spec"), &warnings);
        for (size_t i = 0; i < warnings.n; i++)
                snprintf(paths + strlen(paths), sizeof(paths) - strlen(paths), "%.*s ",
                         STR_FMT(warnings.all[i].path));
        ck_assert_str_eq(paths, "spec.big spec.labels.a spec.env[1].order spec.healthCheck.nested ");
        yyjson_doc_free(doc);
        arena_release(&a);
}
END_TEST

static int decode_all(void *arg _unused_)
{
        static const char text[] = "{\"name\":5,\"labels\":{\"a\":1},\"tier\":\"x\"}";
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        yyjson_doc *doc = NULL;
        struct problems problems;
        void *spec;
        int r = json_parse(str_c(text), &doc, NULL);

        problems_init(&problems, &a);
        if (r == 0)
                r = schema_decode_all(&widget_set_spec_schema, yyjson_doc_get_root(doc), STR("spec"), 0, &a,
                                      &spec, &problems);
        if (r == -EINVAL)
                r = problems_result(&problems);
        yyjson_doc_free(doc);
        arena_release(&a);
        return r == -EINVAL ? 0 : r;
}

START_TEST(to_tell_all_any_allocation_may_fail)
{
        torture(decode_all, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        reads_every_type,
        fills_in_defaults,
        says_what_is_wrong_and_where,
        is_lenient_when_not_strict,
        counts_characters_not_bytes,
        shortens_a_long_path,
        borrows_if_asked,
        survives_a_lack_of_memory,
        says_when_the_arena_is_full,
        all_that_is_wrong_is_told_in_its_order,
        there_is_an_end_to_what_is_told,
        nulls_are_told,
        to_tell_all_any_allocation_may_fail,
};

TEST_MAIN("schema/decode", tests)
