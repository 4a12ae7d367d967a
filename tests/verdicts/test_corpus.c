/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong in tests/e2e/bad is told by all who judge, and in the words that each
 * file expects; what is in examples/ is fine to all, and so is what is in tests/e2e/odd,
 * though it looks wrong. tests/e2e/test_verdicts.py asks the API server, the webhook and
 * the command about the same files.
 */
#include "corpus.h"

#include "schema/pattern.h"

/* One of bad/: what is told of it, and who cannot see it. */
struct bad {
        char expected[VERDICT_MAX];
        bool unseen_by_webhook, unseen_by_operator;
};

/* "# expect: PATH: MESSAGE", once for each problem; "# unseen: webhook, operator". */
static void read_head(struct str text, struct bad *bad)
{
        static const struct str expect = STR_INIT("# expect: "), unseen = STR_INIT("# unseen: ");
        struct str line, rest = text;
        size_t len = 0;

        *bad = (struct bad){ 0 };
        while (str_cut(rest, '\n', &line, &rest) && str_starts(line, STR("#"))) {
                if (str_starts(line, unseen)) {
                        bad->unseen_by_webhook = memmem(line.data, line.len, "webhook", 7) != NULL;
                        bad->unseen_by_operator = memmem(line.data, line.len, "operator", 8) != NULL;
                }
                if (!str_starts(line, expect))
                        continue;
                len += (size_t)snprintf(bad->expected + len, VERDICT_MAX - len, "%s%.*s", len ? "; " : "",
                                        (int)(line.len - expect.len), line.data + expect.len);
                ck_assert_uint_lt(len, VERDICT_MAX);
        }
}

/* --- the corpus -------------------------------------------------------------------------- */

static void must_be(const char *file, const char *who, const char *said, const char *expected)
{
        ck_assert_msg(strcmp(said, expected) == 0, "%s: %s says:\n%s\nand is expected to say:\n%s", file, who,
                      said, expected);
}

static void is_refused_by_all(const char *file, struct str text, yyjson_val *resource)
{
        static struct bad bad;
        static char said[VERDICT_MAX];

        read_head(text, &bad);
        ck_assert_msg(*bad.expected, "%s expects nothing", file);
        if (!verdict_kind(resource))
                return; /* of a kind that nobody knows */
        verdict_offline(resource, said);
        must_be(file, "keelson validate", said, bad.expected);
        verdict_webhook(resource, said);
        must_be(file, "the webhook", said, bad.unseen_by_webhook ? "" : bad.expected);
        verdict_operator(resource, said);
        /* Of an unknown field it may see what is missing in its place. */
        if (!bad.unseen_by_operator)
                must_be(file, "the operator", said, bad.expected);
        else
                ck_assert_msg(strcmp(said, bad.expected) != 0, "%s: the operator sees it", file);
}

START_TEST(what_is_wrong_is_refused_by_all_in_the_same_words)
{
        ck_assert_uint_gt(each(BAD_DIR, STR("keelson.dev/"), is_refused_by_all), 100);
}
END_TEST

static void is_fine_to_all(const char *file, struct str text _unused_, yyjson_val *resource)
{
        static char said[VERDICT_MAX];

        verdict_offline(resource, said);
        must_be(file, "keelson validate", said, "");
        verdict_webhook(resource, said);
        must_be(file, "the webhook", said, "");
        verdict_operator(resource, said);
        must_be(file, "the operator", said, "");
}

START_TEST(what_is_fine_is_fine_to_all)
{
        ck_assert_uint_ge(each(EXAMPLES_DIR, STR("keelson.dev/"), is_fine_to_all), 4);
}
END_TEST

START_TEST(what_is_odd_is_fine_to_all_as_well)
{
        ck_assert_uint_ge(each(ODD_DIR, STR("keelson.dev/"), is_fine_to_all), 2);
}
END_TEST

/* Whoever applies one after the other into one namespace has them all. */
static char applied[64][256];
static size_t n_applied;

static void is_the_only_one(const char *file, struct str text _unused_, yyjson_val *resource)
{
        struct str kind = json_get_str(resource, "kind");
        struct str name = json_get_str(yyjson_obj_get(resource, "metadata"), "name");

        ck_assert_uint_lt(n_applied, ARRAY_SIZE(applied));
        snprintf(applied[n_applied], sizeof(applied[0]), "%.*s %.*s", STR_FMT(kind), STR_FMT(name));
        for (size_t i = 0; i < n_applied; i++)
                ck_assert_msg(strcmp(applied[i], applied[n_applied]) != 0, "%s: another has %s", file,
                              applied[i]);
        n_applied++;
}

START_TEST(no_example_overwrites_another)
{
        ck_assert_uint_ge(each(EXAMPLES_DIR, STR(""), is_the_only_one), 7);
}
END_TEST

/* --- each rule has its case ------------------------------------------------------------------- */

static struct buf heads = BUF_INIT(CORPUS_FILE_MAX * 4); /* all lines "# server: …", without indices */

static void keep_head(const char *file _unused_, struct str text, yyjson_val *resource _unused_)
{
        struct str line, rest = text;

        while (str_cut(rest, '\n', &line, &rest) && str_starts(line, STR("#"))) {
                for (size_t i = 0; i < line.len; i++)
                        if (i == 0 || line.data[i - 1] != '[' || line.data[i] < '0' || line.data[i] > '9')
                                buf_add_char(&heads, line.data[i]);
                buf_add_char(&heads, '\n');
        }
}

/* A line about PATH that ends with WHAT; EXACTLY: and says nothing else. */
static bool has_case(const char *path, struct str what, bool exactly)
{
        struct str line, rest = buf_str(&heads);
        char begin[640];

        snprintf(begin, sizeof(begin), "# server: %s: ", path);
        while (str_cut(rest, '\n', &line, &rest))
                if (str_starts(line, str_c(begin)) && str_ends(line, what) &&
                    (!exactly || line.len == strlen(begin) + what.len))
                        return true;
        return false;
}

/* Of "'a' + k + 'b'": b. */
static struct str last_words(struct str expression)
{
        struct str text = str_trim(expression);
        size_t begin;

        ck_assert(str_ends(text, STR("'")));
        text.len--;
        for (begin = text.len; begin > 0 && text.data[begin - 1] != '\'';)
                begin--;
        return str_n(text.data + begin, text.len - begin);
}

/* MESSAGE is what is said where EXPRESSION, which names the culprit, fails. */
static void must_have_a_case(const char *path, const char *message, struct str expression)
{
        struct str what = expression.data ? last_words(expression) : str_c(message);

        ck_assert_msg(has_case(path, what, !expression.data),
                      "no file of tests/e2e/bad breaks this rule of the CRD (CEL):\n%s: %.*s", path,
                      STR_FMT(what));
}

static size_t n_rules;

/* A part of the definition, at PATH: its rules, and those below it. */
static void walk_rules(yyjson_val *schema, const char *path)
{
        yyjson_val *rule, *name, *below;
        char deeper[512];
        size_t i, n;

        yyjson_arr_foreach (yyjson_obj_get(schema, "x-kubernetes-validations"), i, n, rule) {
                const char *field = yyjson_get_str(yyjson_obj_get(rule, "fieldPath"));
                const char *message = yyjson_get_str(yyjson_obj_get(rule, "message"));

                snprintf(deeper, sizeof(deeper), "%s%s", path, field ? field + !*path : "");
                ck_assert_ptr_nonnull(message);
                /* What may not change is no matter of one file. */
                if (memmem(json_get_str(rule, "rule").data, json_get_str(rule, "rule").len, "oldSelf", 7))
                        continue;
                must_have_a_case(deeper, message, json_get_str(rule, "messageExpression"));
                n_rules++;
        }
        yyjson_obj_foreach (yyjson_obj_get(schema, "properties"), i, n, name, below) {
                snprintf(deeper, sizeof(deeper), "%s%s%s", path, *path ? "." : "", yyjson_get_str(name));
                if (strcmp(deeper, "status") != 0)
                        walk_rules(below, deeper);
        }
        snprintf(deeper, sizeof(deeper), "%s[]", path);
        below = yyjson_obj_get(schema, "items");
        if (below)
                walk_rules(below, deeper);
}

static void check_definition(const char *file _unused_, struct str text _unused_, yyjson_val *crd)
{
        yyjson_val *schema = json_get_path(crd, "/spec/versions/0/schema/openAPIV3Schema");

        ck_assert_ptr_nonnull(schema);
        walk_rules(schema, "");
}

START_TEST(each_rule_of_the_definitions_has_a_case)
{
        ck_assert_uint_gt(each(BAD_DIR, STR("keelson.dev/"), keep_head), 0);
        ck_assert_uint_ge(each(CRDS_DIR, STR("apiextensions.k8s.io/"), check_definition), 2);
        ck_assert_uint_gt(n_rules, 30);
        buf_release(&heads);
}
END_TEST

/* Words of ours, one for each class of bound that a schema has. */
static const char *const classes[] = {
        "is required",
        "is not a known field",
        "did you mean",
        "must be one of",
        "must be at least 1 (is 0)",
        "must be at most 65535",
        "must be at least 1 character",
        "must be at most 512 characters",
        "must have at most 16 items",
        "must have at most 64 entries",
        "must be an object",
        "must be a list",
        "must be a string",
        "must be a string or an integer",
        "must be an integer (is a string)",
        "must be an integer (is a fraction)",
        "must be true or false",
        "is in the list twice",
        "must not have white space",
        "belongs under spec",
};

START_TEST(each_class_of_bounds_has_a_case)
{
        ck_assert_uint_gt(each(BAD_DIR, STR("keelson.dev/"), keep_head), 0);
        for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
                ck_assert_msg(memmem(heads.data, heads.len, classes[i], strlen(classes[i])) != NULL,
                              "no file of tests/e2e/bad expects: %s", classes[i]);
        buf_release(&heads);
}
END_TEST

/* --- what is refused is told in words ------------------------------------------------------- */

static void walk(const struct schema *s, const char *where);

static void walk_field(const struct schema_field *f, const char *where)
{
        char path[512];

        snprintf(path, sizeof(path), "%s.%.*s", where, STR_FMT(f->name));
        ck_assert_msg(!f->pattern.data || schema_pattern_words(f->pattern).data,
                      "%s: its pattern %.*s has no words (pkg/schema/pattern.c)", path, STR_FMT(f->pattern));
        if (f->object)
                walk(f->object, path);
        if (f->element)
                walk_field(f->element, path);
}

static void walk(const struct schema *s, const char *where)
{
        for (size_t i = 0; i < s->n_fields; i++)
                walk_field(&s->fields[i], where);
}

START_TEST(each_pattern_has_words)
{
        walk(&app_spec_schema, "app");
        walk(&environment_spec_schema, "environment");
        walk(&redis_spec_schema, "redis");
}
END_TEST

static const TTest *const tests[] = {
        what_is_wrong_is_refused_by_all_in_the_same_words,
        what_is_fine_is_fine_to_all,
        what_is_odd_is_fine_to_all_as_well,
        no_example_overwrites_another,
        each_rule_of_the_definitions_has_a_case,
        each_class_of_bounds_has_a_case,
        each_pattern_has_words,
};
TEST_MAIN("verdicts/corpus", tests)
