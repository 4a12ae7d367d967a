/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdio.h>

#include "cache/cache.h"
#include "cache/tally.h"

static const struct cache_kind apples = { .api = { .plural = STR_INIT("apples") } };
/* Of the same plural, in another group: another kind all the same. */
static const struct cache_kind others = { .api = { .group = STR_INIT("other"),
                                                   .plural = STR_INIT("apples") } };

START_TEST(it_counts_by_kind_and_namespace)
{
        struct tally t;

        tally_init(&t);
        ck_assert_uint_eq(tally_get(&t, &apples, STR("shop")), 0);
        ck_assert_int_eq(tally_add(&t, &apples, STR("shop")), 0);
        ck_assert_int_eq(tally_add(&t, &apples, STR("shop")), 0);
        ck_assert_int_eq(tally_add(&t, &apples, STR("shop2")), 0);
        ck_assert_int_eq(tally_add(&t, &others, STR("shop")), 0);
        ck_assert_int_eq(tally_add(&t, &others, STR_NULL), 0);
        ck_assert_uint_eq(tally_get(&t, &apples, STR("shop")), 2);
        ck_assert_uint_eq(tally_get(&t, &apples, STR("shop2")), 1);
        ck_assert_uint_eq(tally_get(&t, &others, STR("shop")), 1);
        ck_assert_uint_eq(tally_get(&t, &others, STR_NULL), 1);
        tally_remove(&t, &apples, STR("shop"));
        ck_assert_uint_eq(tally_get(&t, &apples, STR("shop")), 1);
        tally_remove(&t, &apples, STR("shop"));
        ck_assert_uint_eq(tally_get(&t, &apples, STR("shop")), 0);
        ck_assert_uint_eq(tally_get(&t, &others, STR("shop")), 1);
        tally_release(&t);
}
END_TEST

/* The name may come from an object that goes away. */
START_TEST(a_namespace_is_copied)
{
        char name[] = "shop";
        struct tally t;

        tally_init(&t);
        ck_assert_int_eq(tally_add(&t, &apples, str_c(name)), 0);
        name[0] = 'x';
        ck_assert_uint_eq(tally_get(&t, &apples, STR("shop")), 1);
        tally_release(&t);
}
END_TEST

START_TEST(what_has_gone_costs_nothing)
{
        int64_t before = mem_live();
        struct tally t;
        char name[32];

        tally_init(&t);
        ck_assert_int_eq(tally_add(&t, &apples, STR("first")), 0);
        for (int i = 0; i < 1000; i++) {
                snprintf(name, sizeof(name), "n%d", i);
                ck_assert_int_eq(tally_add(&t, &apples, str_c(name)), 0);
                tally_remove(&t, &apples, str_c(name));
        }
        ck_assert_uint_eq(t.map.count, 1);
        tally_release(&t);
        ck_assert_int_eq(mem_live(), before);
}
END_TEST

static int add_once(void *arg)
{
        struct tally t;
        int r;

        (void)arg;
        tally_init(&t);
        r = tally_add(&t, &apples, STR("shop"));
        ck_assert_uint_eq(tally_get(&t, &apples, STR("shop")), r == 0 ? 1 : 0);
        tally_release(&t);
        return r;
}

START_TEST(it_survives_without_memory)
{
        torture(add_once, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        it_counts_by_kind_and_namespace,
        a_namespace_is_copied,
        what_has_gone_costs_nothing,
        it_survives_without_memory,
};
TEST_MAIN("cache/tally", tests)
