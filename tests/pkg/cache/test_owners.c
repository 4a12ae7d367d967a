/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>

#include "base/mem.h"
#include "cache/owners.h"

static const struct kube_owner shop = { STR_INIT("App"), STR_INIT("shop"), STR_INIT("u-1") };

static const struct kube_owner *ref(struct owners *owners, struct kube_owner owner)
{
        const struct kube_owner *o = owners_ref(owners, &owner);

        ck_assert_ptr_nonnull(o);
        return o;
}

START_TEST(equal_ones_are_kept_once)
{
        struct kube_owner again = { STR_INIT("App"), STR_INIT("shop"), STR_INIT("u-2") };
        const struct kube_owner *a, *b, *c;
        struct owners owners;

        owners_init(&owners);
        a = ref(&owners, shop);
        b = ref(&owners, shop);
        c = ref(&owners, again);
        ck_assert_ptr_eq(a, b);
        ck_assert_ptr_ne(a, c);
        ck_assert_ptr_ne(a->name.data, shop.name.data);
        ck_str_eq(a->kind, "App");
        ck_str_eq(a->name, "shop");
        ck_str_eq(a->uid, "u-1");
        ck_str_eq(c->uid, "u-2");
        owners_unref(&owners, a);
        ck_str_eq(b->uid, "u-1");
        owners_unref(&owners, b);
        owners_unref(&owners, c);
        ck_assert_uint_eq(mem_live(), 1); /* the map's buckets */
        owners_release(&owners);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

/* "ab" and "c" are not "a" and "bc", nor is what is empty absent. */
START_TEST(like_ones_are_told_apart)
{
        static const struct kube_owner all[] = {
                { STR_INIT("ab"), STR_INIT("c"), STR_INIT("") },
                { STR_INIT("a"), STR_INIT("bc"), STR_INIT("") },
                { STR_INIT("a"), STR_INIT("bc"), { 0 } },
                { { 0 }, STR_INIT("bc"), STR_INIT("a") },
        };
        const struct kube_owner *kept[ARRAY_SIZE(all)];
        struct owners owners;

        owners_init(&owners);
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                kept[i] = ref(&owners, all[i]);
                for (size_t j = 0; j < i; j++)
                        ck_assert_ptr_ne(kept[i], kept[j]);
        }
        ck_assert_ptr_null(kept[2]->uid.data);
        ck_assert_ptr_nonnull(kept[1]->uid.data);
        owners_release(&owners);
}
END_TEST

START_TEST(nobody_costs_nothing)
{
        const struct kube_owner *nobody;
        struct owners owners;

        owners_init(&owners);
        nobody = ref(&owners, (struct kube_owner){ 0 });
        ck_assert_ptr_null(nobody->uid.data);
        ck_assert_uint_eq(mem_live(), 0);
        owners_unref(&owners, nobody);
        owners_release(&owners);
}
END_TEST

static int share_two(void *arg)
{
        const struct kube_owner *a, *b = NULL;
        struct owners owners;

        (void)arg;
        owners_init(&owners);
        a = owners_ref(&owners, &shop);
        if (a)
                b = owners_ref(&owners, &shop);
        if (b)
                owners_unref(&owners, b);
        if (a)
                owners_unref(&owners, a);
        owners_release(&owners);
        return b ? 0 : -ENOMEM;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(share_two, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        equal_ones_are_kept_once,
        like_ones_are_told_apart,
        nobody_costs_nothing,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("cache/owners", tests)
