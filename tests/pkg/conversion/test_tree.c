/* SPDX-License-Identifier: Apache-2.0 */
#include "conversion/tree.h"

#include <errno.h>

#include "trees.h"

START_TEST(members_are_sorted_however_deep)
{
        struct trees t;
        yyjson_mut_val *v;

        trees_init(&t);
        v = trees_make(&t, "{'b':[{'z':1,'y':{'d':null,'c':true}}],'aa':1,'a':2,'':0}");
        ck_assert_int_eq(tree_sort(v, &t.arena, &t.err), 0);
        trees_is(&t, v, "{'':0,'a':2,'aa':1,'b':[{'y':{'c':true,'d':null},'z':1}]}");
        ck_assert_int_eq(tree_sort(yyjson_mut_null(t.c.doc), &t.arena, &t.err), 0);
        trees_release(&t);
}
END_TEST

START_TEST(a_member_twice_is_told_with_its_path)
{
        struct trees t;

        trees_init(&t);
        ck_assert_int_eq(
                tree_sort(trees_make(&t, "{'spec':{'list':[1,[{'b':1,'a':2,'b':3}]]}}"), &t.arena, &t.err),
                -EINVAL);
        ck_assert_str_eq(t.err.path, "spec.list[1][0].b");
        ck_assert_str_eq(t.err.message, "is there twice; take one of them out");
        ck_assert_int_eq(tree_sort(trees_make(&t, "{'a':1,'a':1}"), &t.arena, NULL), -EINVAL);
        ck_assert_int_eq(tree_sort(trees_make(&t, "{'b':{'a':1,'a':1}}"), &t.arena, NULL), -EINVAL);
        trees_release(&t);
}
END_TEST

START_TEST(a_path_is_cut_where_it_is_too_long)
{
        struct trees t;
        char text[2048];

        trees_init(&t);
        snprintf(text, sizeof(text), "{'%0900d':{'a':1,'a':1}}", 7);
        ck_assert_int_eq(tree_sort(trees_make(&t, text), &t.arena, &t.err), -EINVAL);
        ck_assert_uint_lt(strlen(t.err.path), sizeof(t.err.path));
        ck_assert_uint_gt(strlen(t.err.path), 200);
        trees_release(&t);
}
END_TEST

START_TEST(same_is_what_is_written_alike)
{
        static const char *const all[] = { "1",       "-1",      "1.0",           "'1'",       "''",
                                           "null",    "true",    "false",         "[]",        "{}",
                                           "[1]",     "[1,2]",   "[2,1]",         "{'a':1}",   "[[]]",
                                           "{'a':2}", "{'b':1}", "{'a':1,'b':1}", "'\\u00e4'", "{'a':[{}]}" };
        struct trees t;

        trees_init(&t);
        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                for (size_t k = 0; k < ARRAY_SIZE(all); k++)
                        ck_assert_msg(tree_same(trees_make(&t, all[i]), trees_make(&t, all[k])) == (i == k),
                                      "%s and %s", all[i], all[k]);
        ck_assert(tree_same(trees_make(&t, "'\\u00e4\\/'"), trees_make(&t, "'\xc3\xa4/'")));
        ck_assert(tree_same(NULL, NULL));
        ck_assert(!tree_same(NULL, trees_make(&t, "null")));
        trees_release(&t);
}
END_TEST

START_TEST(a_copy_has_nothing_in_common)
{
        struct trees t;
        yyjson_mut_val *v, *copy;

        trees_init(&t);
        v = trees_make(&t, "{'a':[1,-2,0.5,'x',null,true,{'b':{}}]}");
        copy = tree_copy(t.c.doc, v);
        yyjson_mut_arr_clear(yyjson_mut_obj_get(v, "a"));
        trees_is(&t, copy, "{'a':[1,-2,0.5,'x',null,true,{'b':{}}]}");
        trees_is(&t, v, "{'a':[]}");
        ck_assert_ptr_null(tree_copy(t.c.doc, NULL));
        ck_assert_ptr_null(tree_of(t.c.doc, NULL));
        trees_release(&t);
}
END_TEST

static int sort_once(void *arg)
{
        struct trees t;
        yyjson_mut_val *v;
        int r;

        trees_init(&t);
        v = trees_make(&t, arg);
        r = tree_sort(tree_copy(t.c.doc, v), &t.arena, &t.err);
        if (t.arena.failed)
                r = -ENOMEM;
        trees_release(&t);
        return r;
}

START_TEST(f13_without_memory)
{
        static char text[] = "{'z':{'y':[1,2,3,{'b':1,'a':2}]},'a':{'c':1,'b':1,'a':1}}";

        torture(sort_once, text, 0);
}
END_TEST

static const TTest *const tests[] = {
        members_are_sorted_however_deep,    a_member_twice_is_told_with_its_path,
        a_path_is_cut_where_it_is_too_long, same_is_what_is_written_alike,
        a_copy_has_nothing_in_common,       f13_without_memory,
};
TEST_MAIN("conversion/tree", tests)
