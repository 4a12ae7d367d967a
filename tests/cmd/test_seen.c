/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/seen.h"

#include "harness.h"

static int add(struct seen *seen, const char *namespace, const char *name, const char *file, unsigned line,
               struct seen_place *ret)
{
        const struct seen_place place = { .file = file, .line = line };

        return seen_add(seen, STR("App"), str_c(namespace), str_c(name), &place, ret);
}

START_TEST(what_comes_again_is_noticed)
{
        struct seen_place first = { 0 };
        struct seen seen;

        seen_init(&seen);
        ck_assert_int_eq(add(&seen, "a", "shop", "x.yaml", 1, &first), 0);
        ck_assert_int_eq(add(&seen, "b", "shop", "x.yaml", 5, &first), 0);
        ck_assert_int_eq(add(&seen, NULL, "shop", "x.yaml", 9, &first), 0);
        ck_assert_int_eq(add(&seen, "a", "shops", "x.yaml", 13, &first), 0);
        ck_assert_ptr_null(first.file);
        /* The very same is no other. */
        ck_assert_int_eq(add(&seen, "a", "shop", "x.yaml", 1, &first), 0);
        ck_assert_int_eq(add(&seen, "a", "shop", "y.yaml", 1, &first), 1);
        ck_assert_str_eq(first.file, "x.yaml");
        ck_assert_uint_eq(first.line, 1);
        ck_assert_int_eq(add(&seen, NULL, "shop", "x.yaml", 30, &first), 1);
        ck_assert_uint_eq(first.line, 9);
        seen_release(&seen);
}
END_TEST

static int add_two(void *arg _unused_)
{
        struct seen_place first;
        struct seen seen;
        int r;

        seen_init(&seen);
        r = add(&seen, "a", "shop", "x.yaml", 1, &first);
        if (r == 0)
                r = add(&seen, "a", "shop", "x.yaml", 7, &first);
        seen_release(&seen);
        return r < 0 ? r : 0;
}

START_TEST(any_allocation_may_fail)
{
        torture(add_two, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        what_comes_again_is_noticed,
        any_allocation_may_fail,
};
TEST_MAIN("cmd/seen", tests)
