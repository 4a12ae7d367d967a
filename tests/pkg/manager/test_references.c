/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>

#include "base/rand.h"
#include "manager/references.h"

static const struct cache_kind letter_kind = { .api = { .plural = STR_INIT("letters") } };
static const struct cache_kind map_kind = { .api = { .plural = STR_INIT("maps") } };

static struct {
        char dropped[512], named[512];
} seen;

static void note_dropped(const struct cache_kind *kind, struct str namespace, struct str name, void *arg)
{
        size_t at = strlen(seen.dropped);

        (void)arg;
        snprintf(seen.dropped + at, sizeof(seen.dropped) - at, "%.*s %.*s/%.*s;", STR_FMT(kind->api.plural),
                 STR_FMT(namespace), STR_FMT(name));
}

static void note_named(const struct queue_key *key, void *arg)
{
        size_t at = strlen(seen.named);

        (void)arg;
        snprintf(seen.named + at, sizeof(seen.named) - at, "%u %.*s/%.*s;", key->controller,
                 STR_FMT(key->namespace), STR_FMT(key->name));
}

static struct queue_key key_of(const char *name)
{
        return (struct queue_key){ 0, STR("shop"), str_c(name) };
}

/* NAMES are letters, in one row: "ab" is two. */
static int set(struct references *r, const char *resource, const char *names)
{
        struct reference list[REFERENCES_MAX];
        struct queue_key key = key_of(resource);
        size_t n = strlen(names);

        for (size_t i = 0; i < n; i++)
                list[i] = (struct reference){ &letter_kind, str_n(names + i, 1) };
        return references_set(r, &key, list, n);
}

static const char *who(const struct references *r, const struct cache_kind *kind, const char *name)
{
        seen.named[0] = '\0';
        references_each(r, kind, STR("shop"), str_c(name), note_named, NULL);
        return seen.named;
}

static void begin(struct references *r)
{
        memset(&seen, 0, sizeof(seen));
        references_init(r, note_dropped, NULL);
}

static void end(struct references *r)
{
        seen.dropped[0] = '\0';
        references_release(r);
        ck_assert_str_eq(seen.dropped, ""); /* it says nothing any more */
        ck_assert_uint_eq(mem_live(), 0);
}

START_TEST(an_object_finds_who_refers_to_it)
{
        struct references r;

        begin(&r);
        ck_assert_str_eq(who(&r, &letter_kind, "a"), "");
        ck_assert_int_eq(set(&r, "web", "ab"), 0);
        ck_assert_int_eq(set(&r, "jobs", "bc"), 0);
        ck_assert_str_eq(who(&r, &letter_kind, "a"), "0 shop/web;");
        ck_assert_str_eq(who(&r, &letter_kind, "b"), "0 shop/web;0 shop/jobs;");
        ck_assert_str_eq(who(&r, &letter_kind, "c"), "0 shop/jobs;");
        ck_assert_str_eq(who(&r, &map_kind, "a"), "");
        seen.named[0] = '\0';
        references_each(&r, &letter_kind, STR("other"), STR("a"), note_named, NULL);
        ck_assert_str_eq(seen.named, "");
        end(&r);
}
END_TEST

START_TEST(kinds_namespaces_and_controllers_are_told_apart)
{
        struct reference letter = { &letter_kind, STR("a") }, map = { &map_kind, STR("a") };
        struct queue_key web = { 0, STR("shop"), STR("web") }, other = { 0, STR("other"), STR("web") },
                         second = { 1, STR("shop"), STR("web") };
        struct references r;

        begin(&r);
        ck_assert_int_eq(references_set(&r, &web, &letter, 1), 0);
        ck_assert_int_eq(references_set(&r, &other, &letter, 1), 0);
        ck_assert_int_eq(references_set(&r, &second, &map, 1), 0);
        ck_assert_str_eq(who(&r, &letter_kind, "a"), "0 shop/web;");
        ck_assert_str_eq(who(&r, &map_kind, "a"), "1 shop/web;");
        ck_assert_int_eq(references_set(&r, &other, NULL, 0), 0);
        ck_assert_str_eq(seen.dropped, "letters other/a;");
        end(&r);
}
END_TEST

START_TEST(what_nobody_refers_to_any_more_is_told)
{
        struct references r;

        begin(&r);
        ck_assert_int_eq(set(&r, "web", "ab"), 0);
        ck_assert_int_eq(set(&r, "jobs", "b"), 0);
        ck_assert_int_eq(set(&r, "web", "bc"), 0); /* b stays, throughout */
        ck_assert_str_eq(seen.dropped, "letters shop/a;");
        ck_assert_int_eq(set(&r, "web", ""), 0);
        ck_assert_str_eq(seen.dropped, "letters shop/a;letters shop/c;");
        ck_assert_int_eq(set(&r, "jobs", ""), 0);
        ck_assert_str_eq(seen.dropped, "letters shop/a;letters shop/c;letters shop/b;");
        ck_assert_uint_eq(r.resources.count + r.targets.count, 0);
        end(&r);
}
END_TEST

START_TEST(who_refers_to_nothing_takes_no_memory)
{
        struct references r;
        uint64_t before;

        begin(&r);
        before = mem_count();
        ck_assert_int_eq(set(&r, "web", ""), 0);
        ck_assert_uint_eq(mem_count(), before);
        ck_assert_uint_eq(r.resources.count, 0);
        /* Nor does the same again. */
        ck_assert_int_eq(set(&r, "web", "ab"), 0);
        before = mem_count();
        ck_assert_int_eq(set(&r, "web", "ab"), 0);
        ck_assert_uint_eq(mem_count(), before);
        ck_assert_str_eq(seen.dropped, "");
        end(&r);
}
END_TEST

START_TEST(an_object_may_be_named_twice)
{
        struct references r;

        begin(&r);
        ck_assert_int_eq(set(&r, "web", "aa"), 0);
        ck_assert_str_eq(who(&r, &letter_kind, "a"), "0 shop/web;0 shop/web;");
        ck_assert_int_eq(set(&r, "web", "a"), 0);
        ck_assert_str_eq(seen.dropped, "");
        ck_assert_str_eq(who(&r, &letter_kind, "a"), "0 shop/web;");
        ck_assert_int_eq(set(&r, "web", "b"), 0);
        ck_assert_str_eq(seen.dropped, "letters shop/a;");
        end(&r);
}
END_TEST

/* Against a table of who refers to what. */
START_TEST(the_index_is_right_at_any_time)
{
        static bool refers[20][26];
        struct rand rand = { .state = 3 };
        struct references r;

        begin(&r);
        for (int i = 0; i < 5000; i++) {
                char names[27], resource[8], letter[2] = { 0 };
                int who_sets = (int)rand_below(&rand, 20), n = 0, asked = (int)rand_below(&rand, 26),
                    expected = 0, got = 0;

                for (int j = 0; j < 26; j++) {
                        refers[who_sets][j] = rand_below(&rand, 8) == 0;
                        if (refers[who_sets][j])
                                names[n++] = (char)('a' + j);
                }
                names[n] = '\0';
                snprintf(resource, sizeof(resource), "r%d", who_sets);
                seen.dropped[0] = '\0';
                ck_assert_int_eq(set(&r, resource, names), 0);
                for (int j = 0; j < 20; j++)
                        expected += refers[j][asked];
                letter[0] = (char)('a' + asked);
                for (const char *at = who(&r, &letter_kind, letter); *at; at++)
                        got += *at == ';';
                ck_assert_int_eq(got, expected);
        }
        end(&r);
}
END_TEST

/* Without memory it refers to nothing, and nothing is left of what it referred to. */
static int use(void *arg)
{
        struct references r;
        int result;

        (void)arg;
        begin(&r);
        result = set(&r, "web", "abc");
        if (result == 0)
                result = set(&r, "jobs", "cd");
        if (result == 0)
                result = set(&r, "web", "cdef");
        if (result < 0)
                ck_assert(!strstr(who(&r, &letter_kind, "e"), "web"));
        for (struct map_node *n = map_iterate(&r.targets, NULL); n; n = map_iterate(&r.targets, n))
                ck_assert_uint_gt(r.resources.count, 0);
        references_release(&r);
        return result;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(use, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        an_object_finds_who_refers_to_it,       kinds_namespaces_and_controllers_are_told_apart,
        what_nobody_refers_to_any_more_is_told, who_refers_to_nothing_takes_no_memory,
        an_object_may_be_named_twice,           the_index_is_right_at_any_time,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("manager/references", tests)
