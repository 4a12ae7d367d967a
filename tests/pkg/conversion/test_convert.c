/* SPDX-License-Identifier: Apache-2.0
 *
 * With the App of tests/conversion, and with a kind of three versions that have little
 * in common.
 */
#include "conversion/convert.h"

#include <errno.h>

#include "app_v1alpha2.h"
#include "conversion/edit.h"
#include "trees.h"

/* --- a Widget ----------------------------------------------------------------------------- */

/* v1 (the hub) has a and b, v2 has only a and calls it x, v3 has b and c. */
static int v2_to_hub(struct conversion *c, yyjson_mut_val *object)
{
        edit_rename(c, edit_object(object, "spec"), "x", "a");
        if (edit_object(object, "cut")) /* a character in two */
                yyjson_mut_obj_add_str(c->doc, object, "broken", "\xc3");
        if (edit_object(object, "refuse"))
                return error_set_at(c->err, -EINVAL, STR("spec.x"), "cannot be; say something else");
        return 0;
}

static int v2_from_hub(struct conversion *c, yyjson_mut_val *object)
{
        edit_rename(c, edit_object(object, "spec"), "a", "x");
        yyjson_mut_obj_remove_key(edit_object(object, "spec"), "b");
        return 0;
}

static int v3_to_hub(struct conversion *c _unused_, yyjson_mut_val *object)
{
        yyjson_mut_obj_remove_key(edit_object(object, "spec"), "c");
        return 0;
}

static int v3_from_hub(struct conversion *c _unused_, yyjson_mut_val *object)
{
        yyjson_mut_obj_remove_key(edit_object(object, "spec"), "a");
        return 0;
}

static const struct conversion_version widget_versions[] = {
        { .name = STR_INIT("v1") },
        { .name = STR_INIT("v2"), .to_hub = v2_to_hub, .from_hub = v2_from_hub },
        { .name = STR_INIT("v3"), .to_hub = v3_to_hub, .from_hub = v3_from_hub },
};
static const struct conversion_kind widget = { STR_INIT("example.dev"), STR_INIT("Widget"), widget_versions,
                                               3 };

/* --- converting --------------------------------------------------------------------------- */

static struct trees t;
static int result;

/* Texts with ' for ". NULL if it failed. */
static const char *convert(const struct conversion_kind *kind, const char *from, const char *to,
                           const char *text)
{
        struct str got;
        char *at;

        result = conversion_convert(kind, conversion_version_find(kind, str_c(from)),
                                    conversion_version_find(kind, str_c(to)), trees_read(&t, text), &t.arena,
                                    &got, &t.err);
        if (result < 0)
                return NULL;
        at = (char *)(uintptr_t)arena_str(&t.arena, got).data;
        for (size_t i = 0; i < got.len; i++)
                if (at[i] == '"')
                        at[i] = '\'';
        return at;
}

#define WIDGET(version, meta, spec)                                                                          \
        "{'apiVersion':'example.dev/" version "','kind':'Widget','metadata':{" meta "},'spec':{" spec "}}"

START_TEST(versions_are_found_by_name)
{
        ck_assert_ptr_eq(conversion_version_find(&widget, STR("v3")), &widget_versions[2]);
        ck_assert_ptr_null(conversion_version_find(&widget, STR("v4")));
        ck_assert_ptr_null(conversion_version_find(&widget, STR_NULL));
}
END_TEST

START_TEST(what_both_have_needs_no_note)
{
        trees_init(&t);
        ck_assert_str_eq(convert(&widget, "v1", "v2", WIDGET("v1", "'name':'w'", "'a':1")),
                         WIDGET("v2", "'name':'w'", "'x':1"));
        ck_assert_str_eq(convert(&widget, "v2", "v1", WIDGET("v2", "'name':'w'", "'x':1")),
                         WIDGET("v1", "'name':'w'", "'a':1"));
        trees_release(&t);
}
END_TEST

START_TEST(what_one_lacks_is_noted_and_comes_back)
{
        const char *second =
                WIDGET("v2",
                       "'annotations':{'conversion.keelson.dev/"
                       "v1':'{\\'in\\':{\\'spec\\':{\\'in\\':{\\'b\\':{\\'is\\':2}}}}}'},'name':'w'",
                       "'x':1");
        const char *first = WIDGET("v1", "'name':'w'", "'a':1,'b':2"), *got;

        trees_init(&t);
        got = convert(&widget, "v1", "v2", first);
        ck_assert_str_eq(got, second);
        ck_assert_str_eq(convert(&widget, "v2", "v1", got), first);
        trees_release(&t);
}
END_TEST

START_TEST(other_annotations_stay)
{
        const char *first = WIDGET("v1", "'annotations':{'a':'1','z':'\xc3\xa4'},'labels':{}", "'a':1,'b':2"),
                   *got;

        trees_init(&t);
        got = convert(&widget, "v1", "v2", first);
        ck_assert_ptr_nonnull(strstr(got, "'annotations':{'a':'1','conversion.keelson.dev/v1':"));
        ck_assert_ptr_nonnull(strstr(got, ",'z':'\xc3\xa4'},'labels':{}}"));
        ck_assert_str_eq(convert(&widget, "v2", "v1", got), first);
        trees_release(&t);
}
END_TEST

START_TEST(by_way_of_the_hub_nothing_is_lost_either)
{
        const char *second = WIDGET("v2", "'name':'w'", "'x':1"), *third, *first;

        trees_init(&t);
        third = convert(&widget, "v2", "v3", second);
        ck_assert_ptr_nonnull(strstr(third, "'apiVersion':'example.dev/v3'"));
        ck_assert_ptr_nonnull(strstr(third, "'spec':{}}"));
        ck_assert_str_eq(convert(&widget, "v3", "v2", third), second);
        first = convert(&widget, "v3", "v1", third);
        ck_assert_str_eq(convert(&widget, "v1", "v2", first), second);

        /* Twice around, with what each of them alone knows. */
        third = WIDGET("v3", "'name':'w'", "'b':1,'c':2");
        second = convert(&widget, "v3", "v2", third);
        ck_assert_ptr_nonnull(strstr(second, "'spec':{}}"));
        ck_assert_ptr_nonnull(strstr(second, "conversion.keelson.dev/v1'"));
        ck_assert_ptr_nonnull(strstr(second, "conversion.keelson.dev/v3'"));
        first = convert(&widget, "v2", "v1", second);
        ck_assert_ptr_nonnull(strstr(first, "'spec':{'b':1}}"));
        ck_assert_str_eq(convert(&widget, "v1", "v3", first), third);
        ck_assert_str_eq(convert(&widget, "v2", "v3", second), third);
        trees_release(&t);
}
END_TEST

START_TEST(a_note_of_an_earlier_journey_is_none)
{
        trees_init(&t);
        /* One that speaks of v1 in an object of v1, which is then like in v2. */
        ck_assert_str_eq(convert(&widget, "v1", "v2",
                                 WIDGET("v1", "'annotations':{'conversion.keelson.dev/v1':'{\\\"in\\\":{}}'}",
                                        "'a':1")),
                         WIDGET("v2", "", "'x':1"));
        trees_release(&t);
}
END_TEST

START_TEST(a_note_that_cannot_be_read_is_none)
{
        static const char *const notes[] = { "1",      "null",
                                             "''",     "'{'",
                                             "'[[[['", "'{\\\"a\\\":1,\\\"a\\\":2}'",
                                             "{}",     "'{\\\"in\\\":{\\\"metadata\\\":{\\\"is\\\":1}}}'" };

        trees_init(&t);
        for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
                char text[512];

                snprintf(text, sizeof(text),
                         WIDGET("v2", "'annotations':{'conversion.keelson.dev/v1':%s},'name':'w'", "'x':1"),
                         notes[i]);
                ck_assert_str_eq(convert(&widget, "v2", "v1", text), WIDGET("v1", "'name':'w'", "'a':1"));
        }
        trees_release(&t);
}
END_TEST

START_TEST(what_cannot_be_is_told_with_its_field)
{
        static const struct {
                const char *text, *path, *says;
        } bad[] = {
                { "{'metadata':{},'refuse':{},'spec':{}}", "spec.x", "cannot be; say something else" },
                { "{'metadata':{},'cut':{}}", "", "does not become JSON" },
                { "{'spec':{}}", "metadata", "must be an object" },
                { "{'metadata':[]}", "metadata", "must be an object" },
                { "{'metadata':{'annotations':1}}", "metadata.annotations", "must be an object" },
                { "{'metadata':{},'spec':{'l':[{'a':1,'a':2}]}}", "spec.l[0].a", "is there twice" },
                { "{'metadata':{},'spec':{},'spec':{}}", "spec", "is there twice" },
        };

        trees_init(&t);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                t.err = (struct error)ERROR_INIT;
                ck_assert_ptr_null(convert(&widget, "v2", "v1", bad[i].text));
                ck_assert_int_eq(result, -EINVAL);
                ck_assert_str_eq(t.err.path, bad[i].path);
                ck_assert_ptr_nonnull(strstr(t.err.message, bad[i].says));
        }
        ck_assert_str_eq(convert(&widget, "v2", "v1", "{'metadata':{'annotations':null}}"),
                         "{'apiVersion':'example.dev/v1','kind':'Widget','metadata':{}}");
        trees_release(&t);
}
END_TEST

START_TEST(what_no_annotation_can_hold_is_refused)
{
        size_t n = CONVERSION_NOTE_MAX;
        char *text = malloc(n + 256);

        trees_init(&t);
        ck_assert_ptr_nonnull(text);
        snprintf(text, n + 256, WIDGET("v1", "", "'b':'%0*d'"), (int)n, 7);
        ck_assert_ptr_null(convert(&widget, "v1", "v2", text));
        ck_assert_int_eq(result, -EMSGSIZE);
        ck_assert_ptr_nonnull(strstr(t.err.message, "what other versions cannot express takes"));
        snprintf(text, n + 256, WIDGET("v1", "", "'b':'%0*d'"), (int)n - 100, 7);
        ck_assert_ptr_nonnull(convert(&widget, "v1", "v2", text));
        free(text);
        trees_release(&t);
}
END_TEST

/* The deepest that is taken comes back whole, and with one more it is refused. */
START_TEST(depth_is_bounded)
{
        char text[1024], opened[128] = "", closed[128] = "";
        const char *second;

        trees_init(&t);
        memset(opened, '[', CONVERSION_DEPTH_MAX - 2);
        memset(closed, ']', CONVERSION_DEPTH_MAX - 2);
        snprintf(text, sizeof(text), WIDGET("v1", "", "'b':%s%s"), opened, closed);
        second = convert(&widget, "v1", "v2", text);
        ck_assert_ptr_nonnull(second);
        ck_assert_str_eq(convert(&widget, "v2", "v1", second), text);
        snprintf(text, sizeof(text), WIDGET("v1", "", "'b':[%s%s]"), opened, closed);
        ck_assert_ptr_null(convert(&widget, "v1", "v2", text));
        ck_assert_int_eq(result, -EINVAL);
        ck_assert_str_eq(t.err.message, "more than 100 objects and lists within each other");
        trees_release(&t);
}
END_TEST

START_TEST(too_much_for_the_arena_is_told)
{
        trees_init(&t);
        t.arena.cap = 6000;
        ck_assert_ptr_null(
                convert(&widget, "v1", "v2",
                        WIDGET("v1", "", "'b':[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19]")));
        ck_assert_int_eq(result, -EMSGSIZE);
        ck_assert_ptr_nonnull(strstr(t.err.message, "memory"));
        trees_release(&t);
}
END_TEST

/* --- an App, edited in its other version ------------------------------------------------------ */

#define APP(version, spec)                                                                                   \
        "{'apiVersion':'keelson.dev/" version "','kind':'App','metadata':{'name':'shop'},'spec':{" spec "}}"

static const char first_app[] =
        APP("v1alpha1",
            "'env':[{'name':'B','value':'2'},{'name':'A','value':'$(B)'}],'image':'h:5000/shop:1@sha256:0',"
            "'replicas':2,'revisionHistoryLimit':3,'strategy':{'progressDeadline':'10m'},'tier':'backend'");

/* first_app in v1alpha2, with FROM replaced by TO, in v1alpha1 again. */
static const char *edited(const char *from, const char *to)
{
        const char *second = convert(&app_two_versions, "v1alpha1", "v1alpha2", first_app), *at;

        at = strstr(second, from);
        ck_assert_msg(at, "%s is not in %s", from, second);
        second = arena_printf(&t.arena, "%.*s%s%s", (int)(at - second), second, to, at + strlen(from)).data;
        second = convert(&app_two_versions, "v1alpha2", "v1alpha1", second);
        ck_assert_ptr_nonnull(second);
        return strstr(second, "'spec':");
}

START_TEST(each_difference_goes_both_ways)
{
        trees_init(&t);
        ck_assert_ptr_nonnull(strstr(convert(&app_two_versions, "v1alpha1", "v1alpha2", first_app),
                                     "'spec':{'env':{'A':{'value':'$(B)'},'B':{'value':'2'}},"
                                     "'image':{'digest':'sha256:0','repository':'h:5000/shop','tag':'1'},"
                                     "'role':'backend','scale':{'replicas':2},"
                                     "'strategy':{'progressDeadline':'10m'}}"));
        ck_assert_str_eq(convert(&app_two_versions, "v1alpha2", "v1alpha1",
                                 convert(&app_two_versions, "v1alpha1", "v1alpha2", first_app)),
                         first_app);
        trees_release(&t);
}
END_TEST

START_TEST(an_edit_wins_over_the_note)
{
        trees_init(&t);
        /* What was not touched is as it was: the order of env, and the limit. */
        ck_assert_str_eq(edited("'tag':'1'", "'tag':'2'"),
                         "'spec':{'env':[{'name':'B','value':'2'},{'name':'A','value':'$(B)'}],"
                         "'image':'h:5000/shop:2@sha256:0','replicas':2,'revisionHistoryLimit':3,"
                         "'strategy':{'progressDeadline':'10m'},'tier':'backend'}}");
        /* One more variable goes behind those that are known. */
        ck_assert_ptr_nonnull(
                strstr(edited("'A':{'value':'$(B)'},", "'A':{'value':'$(B)'},'AA':{'value':'3'},"),
                       "'env':[{'name':'B','value':'2'},{'name':'A','value':'$(B)'},"
                       "{'name':'AA','value':'3'}],"));
        /* One less takes nothing with it. */
        ck_assert_ptr_nonnull(strstr(edited("'B':{'value':'2'}", "'C':{}"),
                                     "'env':[{'name':'A','value':'$(B)'},{'name':'C'}],"));
        ck_assert_ptr_nonnull(
                strstr(edited("'scale':{'replicas':2},", ""), "'image':'h:5000/shop:1@sha256:0','rev"));
        ck_assert_ptr_nonnull(strstr(edited("'role':'backend'", "'role':'worker'"), "'tier':'worker'"));
        trees_release(&t);
}
END_TEST

START_TEST(a_default_of_its_own_is_said)
{
        trees_init(&t);
        ck_assert_str_eq(convert(&app_two_versions, "v1alpha2", "v1alpha1",
                                 APP("v1alpha2",
                                     "'image':{'repository':'shop'},'strategy':{'progressDeadline':'5m'}")),
                         APP("v1alpha1", "'image':'shop','strategy':{'progressDeadline':'5m'}"));
        ck_assert_ptr_nonnull(
                strstr(convert(&app_two_versions, "v1alpha1", "v1alpha2", APP("v1alpha1", "'strategy':{}")),
                       "'strategy':{'progressDeadline':'10m'}"));
        ck_assert_ptr_nonnull(
                strstr(convert(&app_two_versions, "v1alpha2", "v1alpha1", APP("v1alpha2", "'strategy':{}")),
                       "'strategy':{'progressDeadline':'5m'}"));
        trees_release(&t);
}
END_TEST

/* An API server converts parts of objects, too, when it works out who owns which field. */
START_TEST(parts_of_an_app_are_no_problem)
{
        static const char *const parts[] = {
                "",           "'image':{'tag':'1'}", "'env':{'A':{}}",
                "'scale':{}", "'image':{}",          "'strategy':{'type':'RollingUpdate'}"
        };

        trees_init(&t);
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                char text[256];

                snprintf(text, sizeof(text), APP("v1alpha2", "%s"), parts[i]);
                ck_assert_str_eq(convert(&app_two_versions, "v1alpha1", "v1alpha2",
                                         convert(&app_two_versions, "v1alpha2", "v1alpha1", text)),
                                 text);
        }
        trees_release(&t);
}
END_TEST

static int convert_once(void *arg)
{
        const char *second;

        trees_init(&t);
        second = trees_read(&t, arg) ? convert(&app_two_versions, "v1alpha1", "v1alpha2", arg) : NULL;
        if (second && trees_read(&t, second))
                (void)convert(&app_two_versions, "v1alpha2", "v1alpha1", second);
        if (t.arena.failed)
                result = -ENOMEM;
        trees_release(&t);
        return result;
}

START_TEST(f13_without_memory)
{
        static char text[sizeof(first_app)];

        memcpy(text, first_app, sizeof(text));
        torture(convert_once, text, 0);
}
END_TEST

static const TTest *const tests[] = {
        versions_are_found_by_name,
        what_both_have_needs_no_note,
        what_one_lacks_is_noted_and_comes_back,
        other_annotations_stay,
        by_way_of_the_hub_nothing_is_lost_either,
        a_note_of_an_earlier_journey_is_none,
        a_note_that_cannot_be_read_is_none,
        what_cannot_be_is_told_with_its_field,
        what_no_annotation_can_hold_is_refused,
        depth_is_bounded,
        too_much_for_the_arena_is_told,
        each_difference_goes_both_ways,
        an_edit_wins_over_the_note,
        a_default_of_its_own_is_said,
        parts_of_an_app_are_no_problem,
        f13_without_memory,
};
TEST_MAIN("conversion/convert", tests)
