/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/problem.h"

#include <errno.h>

#include "widget.h"

START_TEST(nothing_is_wrong_until_something_is)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct problems p;

        problems_init(&p, &a);
        ck_assert_int_eq(problems_result(&p), 0);
        ck_assert_ptr_null(problems_text(&p).data);
        problem_add(&p, STR("spec.port"), "is %d; take another", 22);
        problem_add(&p, STR_NULL, "there is too much of it");
        ck_assert_int_eq(problems_result(&p), -EINVAL);
        ck_str_eq(problems_text(&p), "spec.port: is 22; take another; there is too much of it");
        arena_release(&a);
}
END_TEST

START_TEST(of_very_many_the_rest_is_counted)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct str text, end = STR("x: no; and 3 more");
        struct problems p;

        problems_init(&p, &a);
        for (int i = 0; i < PROBLEMS_MAX + 3; i++)
                problem_add(&p, STR("x"), "no");
        ck_assert_uint_eq(p.n, PROBLEMS_MAX);
        text = problems_text(&p);
        ck_assert_uint_gt(text.len, end.len);
        ck_str_eq(str_n(text.data + text.len - end.len, end.len), "x: no; and 3 more");
        arena_release(&a);
}
END_TEST

/* F27: what somebody wrote does not move a terminal's cursor, nor begin a line of a log. */
START_TEST(no_control_character_comes_through)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct problems p;

        problems_init(&p, &a);
        problem_add(&p, STR("spec.a\nb"), "is \"%s\", \xc3\xa9",
                    "\x1b[2J\r\x7f\xc2\x9b"
                    "1m\xc2\xa0\xc2");
        ck_str_eq(p.all[0].path, "spec.a?b");
        ck_str_eq(p.all[0].message, "is \"?[2J????1m\xc2\xa0\xc2\", \xc3\xa9");
        arena_release(&a);
}
END_TEST

static int add_and_tell(void *arg _unused_)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct problems p;
        int r;

        problems_init(&p, &a);
        problem_add(&p, STR("x\n"), "no\n");
        (void)problems_text(&p);
        r = problems_result(&p);
        arena_release(&a);
        return r == -EINVAL ? 0 : r;
}

START_TEST(without_memory_it_says_so)
{
        torture(add_and_tell, NULL, 0);
}
END_TEST

START_TEST(those_of_another_list_are_told_as_well)
{
        struct arena a = ARENA_INIT(64 * 1024);
        struct problems p, more;

        problems_init(&p, &a);
        problems_init(&more, &a);
        problem_add(&p, STR("a"), "is wrong");
        for (int i = 0; i < PROBLEMS_MAX + 2; i++)
                problem_add(&more, STR("b"), "100%% of %d", i);
        problems_add_all(&p, &more);
        ck_assert_uint_eq(p.n, PROBLEMS_MAX);
        ck_assert_uint_eq(p.more, 3);
        ck_str_eq(p.all[1].message, "100% of 0");
        arena_release(&a);
}
END_TEST

static const TTest *const tests[] = {
        nothing_is_wrong_until_something_is,    of_very_many_the_rest_is_counted,
        no_control_character_comes_through,     without_memory_it_says_so,
        those_of_another_list_are_told_as_well,
};
TEST_MAIN("schema/problem", tests)
