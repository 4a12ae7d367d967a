/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "harness.h"

#include <errno.h>

#include "base/hash.h"
#include "base/rand.h"

struct thing {
        unsigned key;
        unsigned seen;
        struct map_node node;
};

static uint64_t hash_of(unsigned key)
{
        return hash_add(HASH_INIT, key);
}

static struct thing *find(const struct map *m, unsigned key)
{
        for (struct map_node *n = map_first(m, hash_of(key)); n; n = map_next(n)) {
                struct thing *t = container_of(n, struct thing, node);

                if (t->key == key)
                        return t;
        }
        return NULL;
}

START_TEST(empty)
{
        struct map m;

        map_init(&m);
        ck_assert_ptr_null(map_first(&m, 0));
        ck_assert_ptr_null(map_iterate(&m, NULL));
        map_for_each (it, &m)
                ck_abort_msg("a node in an empty map");
        map_release(&m);
        map_release(&m);
}
END_TEST

START_TEST(find_what_was_put_in)
{
        static struct thing things[5000];
        struct map m;

        map_init(&m);
        for (unsigned i = 0; i < ARRAY_SIZE(things); i++) {
                things[i].key = i;
                ck_assert_int_eq(map_insert(&m, &things[i].node, hash_of(i)), 0);
                ck_assert_uint_eq(m.count, i + 1);
        }
        ck_assert_uint_ge(m.n_buckets, m.count);
        for (unsigned i = 0; i < ARRAY_SIZE(things); i++)
                ck_assert_ptr_eq(find(&m, i), &things[i]);
        ck_assert_ptr_null(find(&m, 5000));

        for (unsigned i = 0; i < ARRAY_SIZE(things); i += 2)
                map_remove(&m, &things[i].node);
        ck_assert_uint_eq(m.count, 2500);
        for (unsigned i = 0; i < ARRAY_SIZE(things); i++)
                ck_assert_ptr_eq(find(&m, i), i % 2 ? &things[i] : NULL);
        map_release(&m);
}
END_TEST

START_TEST(equal_hashes_live_side_by_side)
{
        struct thing a = { .key = 1 }, b = { .key = 2 }, c = { .key = 3 };
        struct map m;
        unsigned sum = 0;

        map_init(&m);
        ck_assert_int_eq(map_insert(&m, &a.node, 7), 0);
        ck_assert_int_eq(map_insert(&m, &b.node, 7), 0);
        ck_assert_int_eq(map_insert(&m, &c.node, 7 + 16), 0); /* the same bucket, another hash */
        for (struct map_node *n = map_first(&m, 7); n; n = map_next(n))
                sum += container_of(n, struct thing, node)->key;
        ck_assert_uint_eq(sum, 3);
        map_remove(&m, &a.node);
        ck_assert_ptr_eq(map_first(&m, 7), &b.node);
        ck_assert_ptr_null(map_next(&b.node));
        ck_assert_ptr_eq(map_first(&m, 23), &c.node);
        map_release(&m);
}
END_TEST

START_TEST(walking_sees_each_once_and_may_remove)
{
        static struct thing things[777];
        struct map m;
        size_t n = 0;

        map_init(&m);
        for (unsigned i = 0; i < ARRAY_SIZE(things); i++) {
                things[i].key = i;
                ck_assert_int_eq(map_insert(&m, &things[i].node, hash_of(i)), 0);
        }
        map_for_each (it, &m) {
                struct thing *t = container_of(it, struct thing, node);

                ck_assert_uint_eq(t->seen++, 0);
                n++;
                if (t->key % 3)
                        map_remove(&m, it);
        }
        ck_assert_uint_eq(n, ARRAY_SIZE(things));
        ck_assert_uint_eq(m.count, ARRAY_SIZE(things) / 3);
        map_for_each (it, &m)
                map_remove(&m, it);
        ck_assert_uint_eq(m.count, 0);
        ck_assert_ptr_null(map_iterate(&m, NULL));
        map_release(&m);
}
END_TEST

/* Against the plainest model there is: an array of what is in. */
START_TEST(agrees_with_a_model)
{
        static struct thing things[300];
        bool in[ARRAY_SIZE(things)] = { false };
        struct rand r = { 2024 };
        size_t count = 0;
        struct map m;

        map_init(&m);
        for (int step = 0; step < 20000; step++) {
                unsigned i = (unsigned)rand_below(&r, ARRAY_SIZE(things));

                things[i].key = i;
                /* Few hashes, so that chains get long. */
                if (!in[i])
                        ck_assert_int_eq(map_insert(&m, &things[i].node, hash_of(i) & 0xf0f), 0);
                else
                        map_remove(&m, &things[i].node);
                count += in[i] ? (size_t)-1 : 1;
                in[i] = !in[i];
                ck_assert_uint_eq(m.count, count);
                if (step % 100 == 0) {
                        size_t seen = 0;

                        map_for_each (it, &m) {
                                ck_assert(in[container_of(it, struct thing, node)->key]);
                                seen++;
                        }
                        ck_assert_uint_eq(seen, count);
                }
        }
        map_release(&m);
}
END_TEST

START_TEST(a_failed_growth_only_costs_speed)
{
        static struct thing things[100];
        struct map m;

        map_init(&m);
        mem_fail_after(1);
        ck_assert_int_eq(map_insert(&m, &things[0].node, 0), -ENOMEM);
        mem_fail_after(0);
        ck_assert_uint_eq(m.count, 0);
        for (unsigned i = 0; i < 16; i++) {
                things[i].key = i;
                ck_assert_int_eq(map_insert(&m, &things[i].node, hash_of(i)), 0);
        }
        for (unsigned i = 16; i < ARRAY_SIZE(things); i++) {
                things[i].key = i;
                mem_fail_after(1);
                ck_assert_int_eq(map_insert(&m, &things[i].node, hash_of(i)), 0);
                mem_fail_after(0);
        }
        ck_assert_uint_eq(m.n_buckets, 16);
        for (unsigned i = 0; i < ARRAY_SIZE(things); i++)
                ck_assert_ptr_eq(find(&m, i), &things[i]);
        map_release(&m);
}
END_TEST

static int use_map(void *arg)
{
        static struct thing things[200];
        struct map m;
        int r = 0;

        (void)arg;
        map_init(&m);
        for (unsigned i = 0; i < ARRAY_SIZE(things) && r == 0; i++)
                r = map_insert(&m, &things[i].node, hash_of(i));
        map_release(&m);
        return r;
}

START_TEST(survives_any_failed_allocation)
{
        torture(use_map, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        empty,
        find_what_was_put_in,
        equal_hashes_live_side_by_side,
        walking_sees_each_once_and_may_remove,
        agrees_with_a_model,
        a_failed_growth_only_costs_speed,
        survives_any_failed_allocation,
};
TEST_MAIN("base/map", tests)
