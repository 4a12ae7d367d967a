/* SPDX-License-Identifier: Apache-2.0 */
#include "conversion/note.h"

#include <errno.h>

#include "trees.h"

static const struct conversion_list lists[] = { { STR_INIT("spec.env"), STR_INIT("name") } };
static const struct conversion_version version = { .name = STR_INIT("v1"), .lists = lists, .n_lists = 1 };

static struct trees t;

static yyjson_mut_val *sorted(const char *text)
{
        yyjson_mut_val *v = trees_make(&t, text);

        ck_assert_int_eq(tree_sort(v, &t.arena, &t.err), 0);
        return v;
}

/* The note of what ORIGINAL has and BACK has not, which gives ORIGINAL again; and with
 * EDITED in BACK's place it gives MENDED. */
static void check(const char *back, const char *original, const char *note, const char *edited,
                  const char *mended)
{
        yyjson_mut_val *made, *got;

        trees_init(&t);
        made = note_make(&t.c, &version, sorted(back), sorted(original));
        if (note)
                trees_is(&t, made, note);
        else
                ck_assert_ptr_null(made);
        got = note_apply(&t.c, &version, sorted(back), tree_copy(t.c.doc, made));
        ck_assert(tree_same(got, sorted(original)));
        if (edited)
                trees_is(&t, note_apply(&t.c, &version, sorted(edited), made), mended);
        trees_release(&t);
}

START_TEST(what_is_the_same_needs_no_note)
{
        check("{}", "{}", NULL, NULL, NULL);
        check("{'spec':{'a':[{'b':1}],'env':[{'name':'a'}]}}",
              "{'spec':{'env':[{'name':'a'}],'a':[{'b':1}]}}", NULL, NULL, NULL);
}
END_TEST

START_TEST(a_value_holds_until_it_is_edited)
{
        check("{'spec':{'a':1,'b':1}}", "{'spec':{'a':2,'b':1}}",
              "{'in':{'spec':{'in':{'a':{'is':2,'was':1}}}}}", "{'spec':{'a':1,'b':5}}",
              "{'spec':{'a':2,'b':5}}");
        check("{'spec':{'a':1}}", "{'spec':{'a':2}}", "{'in':{'spec':{'in':{'a':{'is':2,'was':1}}}}}",
              "{'spec':{'a':3}}", "{'spec':{'a':3}}");
        check("{'spec':{'a':1}}", "{'spec':{'a':2}}", "{'in':{'spec':{'in':{'a':{'is':2,'was':1}}}}}",
              "{'spec':{}}", "{'spec':{}}");
}
END_TEST

START_TEST(what_only_one_has_comes_and_goes)
{
        check("{'spec':{}}", "{'spec':{'a':[1]}}", "{'in':{'spec':{'in':{'a':{'is':[1]}}}}}",
              "{'spec':{'b':1}}", "{'spec':{'a':[1],'b':1}}");
        check("{'spec':{}}", "{'spec':{'a':1}}", "{'in':{'spec':{'in':{'a':{'is':1}}}}}",
              "{'spec':{'a':null}}", "{'spec':{'a':null}}");
        check("{'spec':{'a':1}}", "{'spec':{}}", "{'in':{'spec':{'in':{'a':{'was':1}}}}}", "{'spec':{'a':2}}",
              "{'spec':{'a':2}}");
        /* null is a value, and not the same as nothing. */
        check("{'spec':{}}", "{'spec':{'a':null}}", "{'in':{'spec':{'in':{'a':{'is':null}}}}}", "{}", "{}");
        check("{'spec':{'a':null}}", "{'spec':{}}", "{'in':{'spec':{'in':{'a':{'was':null}}}}}", NULL, NULL);
}
END_TEST

START_TEST(with_what_it_is_in_a_note_goes)
{
        check("{'spec':{'a':{}}}", "{'spec':{'a':{'b':1}}}",
              "{'in':{'spec':{'in':{'a':{'in':{'b':{'is':1}}}}}}}", "{'spec':{}}", "{'spec':{}}");
        check("{'spec':{'a':{}}}", "{'spec':{'a':{'b':1}}}",
              "{'in':{'spec':{'in':{'a':{'in':{'b':{'is':1}}}}}}}", "{'spec':{'a':7}}", "{'spec':{'a':7}}");
}
END_TEST

START_TEST(a_plain_list_is_one_value)
{
        check("{'spec':{'a':[1,2]}}", "{'spec':{'a':[2,1]}}",
              "{'in':{'spec':{'in':{'a':{'is':[2,1],'was':[1,2]}}}}}", "{'spec':{'a':[1,2,3]}}",
              "{'spec':{'a':[1,2,3]}}");
}
END_TEST

START_TEST(a_list_map_keeps_its_order_and_each_item_its_note)
{
        const char *note =
                "{'in':{'spec':{'in':{'env':{'in':{'A':{'in':{'x':{'is':1}}}},'order':['C','A','B']}}}}}";

        check("{'spec':{'env':[{'name':'A'},{'name':'B'},{'name':'C'}]}}",
              "{'spec':{'env':[{'name':'C'},{'name':'A','x':1},{'name':'B'}]}}", note,
              /* one less, one more, one edited */
              "{'spec':{'env':[{'name':'A'},{'name':'AA'},{'name':'C','y':2}]}}",
              "{'spec':{'env':[{'name':'C','y':2},{'name':'A','x':1},{'name':'AA'}]}}");
        check("{'spec':{'env':[{'name':'A'}]}}", "{'spec':{'env':[{'name':'B'}]}}",
              "{'in':{'spec':{'in':{'env':{'in':{'A':{'was':{'name':'A'}},'B':{'is':{'name':'B'}}},'order':['B']}}}}}",
              "{'spec':{'env':[{'name':'A','v':1},{'name':'B','v':2}]}}",
              "{'spec':{'env':[{'name':'B','v':2},{'name':'A','v':1}]}}");
}
END_TEST

START_TEST(a_list_map_that_is_none_is_one_value)
{
        check("{'spec':{'env':[{'name':'A'},{'name':'A'}]}}", "{'spec':{'env':[{'name':'A'}]}}",
              "{'in':{'spec':{'in':{'env':{'is':[{'name':'A'}],'was':[{'name':'A'},{'name':'A'}]}}}}}", NULL,
              NULL);
        check("{'spec':{'env':[1]}}", "{'spec':{'env':[{}]}}",
              "{'in':{'spec':{'in':{'env':{'is':[{}],'was':[1]}}}}}", "{'spec':{'env':[{'name':'A'}]}}",
              "{'spec':{'env':[{'name':'A'}]}}");
        /* Elsewhere, and in a list, it is a plain one. */
        check("{'env':[{'name':'A'},{'name':'B'}]}", "{'env':[{'name':'B'},{'name':'A'}]}",
              "{'in':{'env':{'is':[{'name':'B'},{'name':'A'}],'was':[{'name':'A'},{'name':'B'}]}}}", NULL,
              NULL);
        check("{'xspec':{'env':[{'name':'A'}]}}", "{'xspec':{'env':[]}}",
              "{'in':{'xspec':{'in':{'env':{'is':[],'was':[{'name':'A'}]}}}}}", NULL, NULL);
        check("{'spec':{'env':[{'name':'A','spec':{'env':[]}}]}}",
              "{'spec':{'env':[{'name':'A','spec':{'env':[{'name':'B'}]}}]}}",
              "{'in':{'spec':{'in':{'env':{'in':{'A':{'in':{'spec':{'in':{'env':{'is':[{'name':'B'}],'was':[]}}}}}}}}}}}",
              NULL, NULL);
}
END_TEST

START_TEST(a_forged_note_changes_what_it_may_and_breaks_nothing)
{
        static const char *const forged[] = { "1",
                                              "null",
                                              "[]",
                                              "{}",
                                              "'in'",
                                              "{'in':1}",
                                              "{'order':1}",
                                              "{'in':null}",
                                              "{'in':{'spec':{'in':{'env':{'order':{'a':1}}}}}}",
                                              "{'in':{'spec':{'in':{'env':{'order':[1,'A','A','Z',null]}}}}}",
                                              "{'in':{'spec':{'in':{'env':{'in':[1]}}}}}",
                                              "{'in':{'spec':{'in':{'env':{'in':{'A':1,'Q':{}}}}}}}",
                                              "{'in':{'spec':{'in':{'env':{'in':{'A':{'is':3}}}}}}}",
                                              "{'is':1}",
                                              "{'was':{'spec':{'env':[{'name':'A'}]}},'is':7}",
                                              "{'was':{'spec':{'env':[{'name':'A'}]}}}" };

        trees_init(&t);
        for (size_t i = 0; i < ARRAY_SIZE(forged); i++)
                trees_is(&t,
                         note_apply(&t.c, &version, sorted("{'spec':{'env':[{'name':'A'}]}}"),
                                    sorted(forged[i])),
                         "{'spec':{'env':[{'name':'A'}]}}");
        trees_is(&t, note_apply(&t.c, &version, sorted("{}"), sorted("{'in':{'a':{'is':1}}}")), "{'a':1}");
        trees_release(&t);
}
END_TEST

static int note_once(void *arg _unused_)
{
        const char *const back = "{'spec':{'a':1,'env':[{'name':'A'},{'name':'B'}]}}";
        yyjson_mut_val *note, *got;
        int r = -ENOMEM;

        trees_init(&t);
        note = note_make(&t.c, &version, trees_make(&t, back),
                         trees_make(&t, "{'spec':{'b':1,'env':[{'name':'B'},{'name':'A','x':[1]}]}}"));
        got = note_apply(&t.c, &version, trees_make(&t, back), note);
        if (!t.arena.failed) {
                trees_is(&t, got, "{'spec':{'b':1,'env':[{'name':'B'},{'name':'A','x':[1]}]}}");
                r = 0;
        }
        trees_release(&t);
        return r;
}

START_TEST(f13_without_memory)
{
        torture(note_once, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        what_is_the_same_needs_no_note,
        a_value_holds_until_it_is_edited,
        what_only_one_has_comes_and_goes,
        with_what_it_is_in_a_note_goes,
        a_plain_list_is_one_value,
        a_list_map_keeps_its_order_and_each_item_its_note,
        a_list_map_that_is_none_is_one_value,
        a_forged_note_changes_what_it_may_and_breaks_nothing,
        f13_without_memory,
};
TEST_MAIN("conversion/note", tests)
