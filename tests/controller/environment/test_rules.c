/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/environment/rules.h"

#include <errno.h>

#include "harness.h"

#define LONG 4096

/* However long it is, it leaves room for the other problems. */
START_TEST(of_a_long_value_little_is_shown)
{
        static char digits[LONG], letters[LONG];
        struct schema_pair request = { STR("cpu"), str_n(digits, LONG) };
        const struct schema_map requests = { &request, 1 };
        struct arena a = ARENA_INIT(65536);
        struct problems p;

        memset(digits, '9', LONG);
        memset(letters, 'x', LONG);
        problems_init(&p, &a);
        check_resource_amounts(STR("r"), &requests, &p);
        check_quantity(STR("l"), str_n(letters, LONG), &p);
        check_duration(STR("d"), str_n(letters, LONG), 0, 1, "0s and 1us", &p);
        digits[0] = '-';
        check_quantity(STR("n"), str_n(digits, 18), &p);
        ck_assert_uint_eq(p.n, 4);
        ck_str_eq(p.all[0].path, "r.cpu");
        for (size_t i = 0; i < p.n; i++)
                ck_assert_uint_lt(p.all[i].message.len, 64 + 80);
        arena_release(&a);
}
END_TEST

static int check_all(void *arg _unused_)
{
        struct schema_pair less = { STR("cpu"), STR("2") }, more = { STR("cpu"), STR("1") };
        const struct schema_map requests = { &less, 1 }, limits = { &more, 1 };
        struct arena a = ARENA_INIT(65536);
        struct problems p;
        int r;

        problems_init(&p, &a);
        check_resource_amounts(STR("r"), &requests, &p);
        check_not_above(STR("r"), &requests, "the limit", &limits, &p);
        check_duration(STR("d"), STR("x"), 0, 1, "0s and 1us", &p);
        check_replicas(STR("m"), 2, 1, &p);
        r = problems_result(&p);
        if (r == -EINVAL)
                r = p.n == 3 ? 0 : -EINVAL;
        arena_release(&a);
        return r;
}

START_TEST(survives_a_lack_of_memory)
{
        torture(check_all, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        of_a_long_value_little_is_shown,
        survives_a_lack_of_memory,
};
TEST_MAIN("environment/rules", tests)
