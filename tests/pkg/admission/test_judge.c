/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/judge.h"

#include <errno.h>

#include "json/read.h"
#include "pkg/cache/box.h"

/* --- boxes at admission ----------------------------------------------------------------- */

static void validate_name(struct str name, struct problems *p)
{
        if (!str_starts(name, STR("box")))
                problem_add(p, STR("metadata.name"), "must begin with box");
}

static void validate(const void *object, const void *old_object, struct problems *p,
                     struct problems *warnings)
{
        const struct box *box = object, *old = old_object;

        if (box->spec->size == 13)
                problem_add(p, STR("spec.size"), "is unlucky");
        if (old && old->spec && old->spec->size > box->spec->size)
                problem_add(p, STR("spec.size"), "only grows");
        if (str_eq(box->spec->color, STR("red")))
                problem_add(warnings, STR("spec.color"), "is hard on the eyes");
}

static const struct admission_kind boxes = { .kind = &box_kind,
                                             .validate = validate,
                                             .validate_name = validate_name };

struct verdict {
        struct arena arena;
        struct problems problems, warnings;
        yyjson_doc *object, *old_object;
        int result;
};

/* OLD_OBJECT may be NULL. */
static void judge(struct verdict *v, const char *object, const char *old_object, enum admission_flags flags)
{
        *v = (struct verdict){ .arena = ARENA_INIT(1024 * 1024) };
        problems_init(&v->problems, &v->arena);
        problems_init(&v->warnings, &v->arena);
        ck_assert_int_eq(json_parse(str_c(object), &v->object, NULL), 0);
        if (old_object)
                ck_assert_int_eq(json_parse(str_c(old_object), &v->old_object, NULL), 0);
        v->result = admission_judge(&boxes, yyjson_doc_get_root(v->object),
                                    v->old_object ? yyjson_doc_get_root(v->old_object) : NULL, flags,
                                    &v->problems, &v->warnings);
}

static void release(struct verdict *v)
{
        yyjson_doc_free(v->object);
        yyjson_doc_free(v->old_object);
        arena_release(&v->arena);
}

#define BOX(spec)                                                                                             \
        "{\"apiVersion\":\"test.example/v1\",\"kind\":\"Box\",\"metadata\":{\"name\":\"box\"},\"spec\":" spec \
        "}"

START_TEST(what_is_fine_is_let_through)
{
        static const char *const objects[] = {
                BOX("{\"color\":\"blue\"}"),
                BOX("{\"color\":\"blue\",\"size\":3},\"status\":{\"phase\":\"Full\"}"),
                /* Its status is not the writer's. */
                BOX("{\"color\":\"blue\"},\"status\":{\"phase\":7,\"more\":1}"),
        };

        for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
                struct verdict v;

                judge(&v, objects[i], NULL, ADMISSION_OFFLINE);
                ck_assert_msg(v.result == 0, "%s: %.*s", objects[i], STR_FMT(problems_text(&v.problems)));
                ck_assert_uint_eq(v.warnings.n, 0);
                release(&v);
        }
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
        static const struct {
                const char *object, *text;
        } cases[] = {
                { "[]", "must be an object" },
                { BOX("null"), "spec: is required" },
                { "{\"metadata\":{\"name\":\"box\"}}", "spec: is required" },
                { BOX("{}"), "spec.color: is required" },
                { BOX("{\"color\":\"blue\",\"colour\":1}"),
                  "spec.colour: is not a known field; did you mean \"color\"?" },
                { BOX("{\"color\":\"blue\",\"size\":-1}"), "spec.size: must be at least 0 (is -1)" },
                { BOX("{\"color\":\"blue\",\"size\":13}"), "spec.size: is unlucky" },
                { BOX("{\"color\":\"blue\"},\"size\":1"), "size: belongs under spec; move it there" },
                { BOX("{\"color\":\"blue\"},\"specs\":1"), "specs: is not a known field; take it out" },
                { "{\"metadata\":{},\"spec\":{\"color\":\"blue\"}}", "metadata.name: is required" },
                { "{\"spec\":{\"color\":\"blue\"}}", "metadata.name: is required" },
                { "{\"metadata\":{\"name\":\"crate\"},\"spec\":{\"color\":\"blue\"}}",
                  "metadata.name: must begin with box" },
                { "{\"metadata\":{\"name\":\"crate\"},\"spec\":{\"color\":7}}",
                  "metadata.name: must begin with box; spec.color: must be a string (is an integer)" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct verdict v;

                judge(&v, cases[i].object, NULL, ADMISSION_OFFLINE);
                ck_assert_msg(v.result == -EINVAL, "%s: is let through", cases[i].object);
                ck_str_eq(problems_text(&v.problems), cases[i].text);
                release(&v);
        }
}
END_TEST

/* At admission the API server has seen to the name. */
START_TEST(a_name_is_checked_where_nobody_has)
{
        struct verdict v;

        judge(&v, "{\"metadata\":{\"name\":\"crate\"},\"spec\":{\"color\":\"blue\"}}", NULL, 0);
        ck_assert_int_eq(v.result, 0);
        release(&v);
        judge(&v, "{\"metadata\":{\"generateName\":\"crate-\"},\"spec\":{\"color\":\"blue\"}}", NULL,
              ADMISSION_OFFLINE);
        ck_assert_int_eq(v.result, 0);
        release(&v);
}
END_TEST

START_TEST(a_change_is_compared_with_what_was)
{
        struct verdict v;

        judge(&v, BOX("{\"color\":\"blue\",\"size\":2}"), BOX("{\"color\":\"blue\",\"size\":3}"), 0);
        ck_assert_int_eq(v.result, -EINVAL);
        ck_str_eq(problems_text(&v.problems), "spec.size: only grows");
        release(&v);
        judge(&v, BOX("{\"color\":\"blue\",\"size\":4}"), BOX("{\"color\":\"blue\",\"size\":3}"), 0);
        ck_assert_int_eq(v.result, 0);
        release(&v);
        /* An older operator may have let through what this one would not: it can be mended. */
        judge(&v, BOX("{\"color\":\"blue\",\"size\":4}"), BOX("{\"size\":\"many\"}"), 0);
        ck_assert_int_eq(v.result, 0);
        release(&v);
}
END_TEST

START_TEST(what_is_unwise_is_a_warning)
{
        struct verdict v;

        judge(&v, BOX("{\"color\":\"red\"}"), NULL, 0);
        ck_assert_int_eq(v.result, 0);
        ck_str_eq(problems_text(&v.warnings), "spec.color: is hard on the eyes");
        release(&v);
}
END_TEST

static int judge_once(void *arg)
{
        struct verdict *v = arg;
        struct arena a = ARENA_INIT(1024 * 1024);
        struct problems problems, warnings;
        int r;

        problems_init(&problems, &a);
        problems_init(&warnings, &a);
        r = admission_judge(&boxes, yyjson_doc_get_root(v->object), NULL, ADMISSION_OFFLINE, &problems,
                            &warnings);
        arena_release(&a);
        return r == -EINVAL ? 0 : r;
}

START_TEST(any_allocation_may_fail)
{
        static const char *const objects[] = { BOX("{\"color\":\"red\"}"), BOX("{\"color\":7}"),
                                               BOX("{\"color\":\"blue\"},\"size\":1") };

        for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
                struct verdict v;

                judge(&v, objects[i], NULL, ADMISSION_OFFLINE);
                torture(judge_once, &v, 0);
                release(&v);
        }
}
END_TEST

static const TTest *const tests[] = {
        what_is_fine_is_let_through,        what_is_wrong_is_named,      a_name_is_checked_where_nobody_has,
        a_change_is_compared_with_what_was, what_is_unwise_is_a_warning, any_allocation_may_fail,
};
TEST_MAIN("admission/judge", tests)
