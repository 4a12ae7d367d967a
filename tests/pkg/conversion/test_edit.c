/* SPDX-License-Identifier: Apache-2.0 */
#include "conversion/edit.h"

#include <errno.h>

#include "trees.h"

static struct trees t;

#define check(before, after, ...)                                                                            \
        do {                                                                                                 \
                yyjson_mut_val *v;                                                                           \
                trees_init(&t);                                                                              \
                v = trees_make(&t, before);                                                                  \
                __VA_ARGS__;                                                                                 \
                trees_is(&t, v, after);                                                                      \
                trees_release(&t);                                                                           \
        } while (0)

START_TEST(objects_are_found_and_made)
{
        check("{'a':1}", "{'a':1,'b':{}}", edit_make_object(&t.c, v, "b"));
        check("{'a':1}", "{'a':1}", ck_assert_ptr_null(edit_make_object(&t.c, v, "a")));
        check("{'a':{}}", "{'a':{}}", ck_assert_ptr_eq(edit_make_object(&t.c, v, "a"), edit_object(v, "a")));
        check("[]", "[]", ck_assert_ptr_null(edit_object(v, "a")));
        ck_assert_ptr_null(edit_object(NULL, "a"));
        check("{'a':{}}", "{}", edit_drop_empty(v, "a"));
        check("{'a':{'b':1},'c':[]}", "{'a':{'b':1},'c':[]}", edit_drop_empty(v, "a");
              edit_drop_empty(v, "c"); edit_drop_empty(v, "d"); edit_drop_empty(NULL, "d"));
}
END_TEST

START_TEST(members_are_renamed_and_moved)
{
        check("{'a':1,'b':2}", "{'b':2,'c':1}", edit_rename(&t.c, v, "a", "c"));
        check("{'a':1,'b':2}", "{'a':1,'b':2}", edit_rename(&t.c, v, "a", "b")); /* taken */
        check("{'a':null,'b':null}", "{'a':null,'b':null}", edit_rename(&t.c, v, "a", "b"));
        check("{'a':1}", "{'a':1}", edit_rename(&t.c, v, "x", "y"));
        check("{'a':1,'b':{}}", "{'b':{'c':1}}", edit_move(&t.c, v, "a", edit_object(v, "b"), "c"));
        check("{'a':1}", "{'a':1}", edit_move(&t.c, v, "a", NULL, "c"));
        check("{'a':1,'b':[]}", "{'a':1,'b':[]}", edit_move(&t.c, v, "a", yyjson_mut_obj_get(v, "b"), "c"));
        edit_rename(&t.c, NULL, "a", "b");
}
END_TEST

START_TEST(what_is_absent_gets_its_default)
{
        check("{}", "{'a':'10m'}", edit_default(&t.c, v, "a", "10m"));
        check("{'a':null}", "{'a':null}", edit_default(&t.c, v, "a", "10m"));
        check("[]", "[]", edit_default(&t.c, v, "a", "10m"));
        edit_default(&t.c, NULL, "a", "10m");
}
END_TEST

START_TEST(a_list_becomes_a_map_and_back)
{
        check("{'l':[{'name':'b','x':1},{'name':'a'}]}", "{'l':{'b':{'x':1},'a':{}}}",
              edit_list_to_map(&t.c, v, "l", "name"));
        check("{'l':[]}", "{'l':{}}", edit_list_to_map(&t.c, v, "l", "name"));
        check("{'l':{'a':{},'b':{'x':1}}}", "{'l':[{'name':'a'},{'x':1,'name':'b'}]}",
              edit_map_to_list(&t.c, v, "l", "name"));
        check("{'l':{}}", "{'l':[]}", edit_map_to_list(&t.c, v, "l", "name"));
}
END_TEST

START_TEST(what_does_not_fit_stays)
{
        static const char *const lists[] = { "{'l':[{'name':'a'},{'name':'a'}]}",
                                             "{'l':[{'name':1}]}",
                                             "{'l':[{}]}",
                                             "{'l':[1]}",
                                             "{'l':1}",
                                             "{'x':[]}",
                                             "{'l':{'a':1}}" };
        static const char *const maps[] = { "{'l':{'a':1}}", "{'l':{'a':{'name':'b'}}}", "{'l':null}", "{}",
                                            "{'l':[{'name':'a'}]}" };

        for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
                check(lists[i], lists[i], edit_list_to_map(&t.c, v, "l", "name"));
        for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
                check(maps[i], maps[i], edit_map_to_list(&t.c, v, "l", "name"));
}
END_TEST

/* A thousand times as long must not take a million times as long: this is seconds, or hours. */
START_TEST(a_long_list_is_no_problem)
{
        yyjson_mut_val *list, *v;

        trees_init(&t);
        t.arena.cap = (size_t)512 * 1024 * 1024;
        v = yyjson_mut_obj(t.c.doc);
        list = yyjson_mut_obj_add_arr(t.c.doc, v, "l");
        for (int i = 0; i < 300000; i++)
                yyjson_mut_obj_add_val(
                        t.c.doc, yyjson_mut_arr_add_obj(t.c.doc, list), "name",
                        yyjson_mut_strcpy(t.c.doc, arena_printf(&t.arena, "%d", i * 7 % 300000).data));
        edit_list_to_map(&t.c, v, "l", "name");
        ck_assert_int_eq(tree_sort(v, &t.arena, &t.err), 0);
        edit_map_to_list(&t.c, v, "l", "name");
        ck_assert_uint_eq(yyjson_mut_arr_size(yyjson_mut_obj_get(v, "l")), 300000);
        ck_assert(!t.arena.failed);
        trees_release(&t);
}
END_TEST

static int edit_once(void *arg _unused_)
{
        yyjson_mut_val *v;
        int r;

        trees_init(&t);
        v = trees_make(&t, "{'a':1,'l':[{'name':'b','x':1},{'name':'a'}]}");
        edit_move(&t.c, v, "a", edit_make_object(&t.c, v, "o"), "b");
        edit_list_to_map(&t.c, v, "l", "name");
        edit_map_to_list(&t.c, v, "l", "name");
        edit_default(&t.c, v, "d", "1");
        r = t.arena.failed ? -ENOMEM : 0;
        trees_release(&t);
        return r;
}

START_TEST(f13_without_memory)
{
        torture(edit_once, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        objects_are_found_and_made,
        members_are_renamed_and_moved,
        what_is_absent_gets_its_default,
        a_list_becomes_a_map_and_back,
        what_does_not_fit_stays,
        a_long_list_is_no_problem,
        f13_without_memory,
};
TEST_MAIN("conversion/edit", tests)
