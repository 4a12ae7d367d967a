/* SPDX-License-Identifier: Apache-2.0
 *
 * Flags, which claim the colours that they have, and kites, which claim them too.
 */
#include "harness.h"

#include <errno.h>
#include <stdio.h>

#include "cache/cache.h"
#include "cache/claims.h"
#include "json/read.h"

struct flag {
        struct {
                struct str *items;
                size_t n;
        } colors;
};

static const struct schema_field color_field = { .type = SCHEMA_STRING };
static const struct schema_field flag_fields[] = {
        { .name = STR_INIT("colors"),
          .type = SCHEMA_LIST,
          .offset = offsetof(struct flag, colors),
          .has_offset = SCHEMA_NO_OFFSET,
          .element = &color_field },
};
static const struct schema flag_schema = { "Flag", sizeof(struct flag), flag_fields, 1 };
static const struct schema nothing_schema = { "Nothing", sizeof(bool), NULL, 0 };

/* Decoded by hand: what stands in a status is none of this test's business. */
static int derive(yyjson_val *json, struct arena *a, void *ret)
{
        yyjson_val *list = yyjson_obj_get(json, "colors"), *one;
        struct flag *flag = ret;
        size_t i, n;

        if (yyjson_arr_size(list) == 0)
                return 0;
        flag->colors.items = arena_new_n(a, struct str, yyjson_arr_size(list));
        if (!flag->colors.items)
                return -ENOMEM;
        yyjson_arr_foreach (list, i, n, one)
                flag->colors.items[flag->colors.n++] = json_val_str(one);
        return 0;
}

static size_t colors(const void *state, struct str list[CACHE_CLAIMS_MAX])
{
        const struct flag *flag = state;
        size_t n = MIN(flag->colors.n, (size_t)CACHE_CLAIMS_MAX);

        for (size_t i = 0; i < n; i++)
                list[i] = flag->colors.items[i];
        return n;
}

#define API(plural, kind)                                                                                    \
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT(plural), STR_INIT(kind), true }

static const struct cache_kind flag_kind = {
        API("flags", "Flag"), .schema = &flag_schema, .derive = derive, .claims = colors, .tallied = true,
};
/* Found by their owners as well: both stand at the end of the block. */
static const struct cache_kind kite_kind = {
        API("kites", "Kite"), .schema = &flag_schema, .derive = derive, .claims = colors, .by_owner = true,
};
static const struct cache_kind unclaiming_kind = { API("poles", "Pole"), .schema = &flag_schema,
                                                   .derive = derive };
static const struct cache_kind plain_kind = { API("stones", "Stone"), .schema = &nothing_schema };

/* REST is more of the object, behind its metadata, and META more of that. */
static int try_put(struct cache *c, const struct cache_kind *kind, const char *place, const char *name,
                   int version, const char *meta, const char *rest)
{
        char json[4096];
        yyjson_doc *doc;
        int n, r;

        n = snprintf(json, sizeof(json),
                     "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"u-%s-%s\","
                     "\"resourceVersion\":\"%d\"%s},%s}",
                     place, name, place, name, version, meta, rest);
        /* From malloc: only the cache's own memory is made to fail. */
        doc = yyjson_read(json, (size_t)n, 0);
        ck_assert_msg(doc, "%s", json);
        r = cache_put(c, kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH);
        yyjson_doc_free(doc);
        return r;
}

static void put(struct cache *c, const struct cache_kind *kind, const char *name, int version,
                const char *rest)
{
        ck_assert_int_eq(try_put(c, kind, "shop", name, version, "", rest), 0);
}

#define MADE(when) ",\"creationTimestamp\":\"" when "\""

static void gone(struct cache *c, const struct cache_kind *kind, const char *name, int version)
{
        char json[256];
        yyjson_doc *doc;
        int n = snprintf(json, sizeof(json),
                         "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"%s\",\"uid\":\"u-shop-%s\","
                         "\"resourceVersion\":\"%d\"}}",
                         name, name, version);

        doc = yyjson_read(json, (size_t)n, 0);
        ck_assert_int_eq(cache_delete(c, kind, yyjson_doc_get_root(doc)), 0);
        yyjson_doc_free(doc);
}

static const struct object *get(const struct cache *c, const char *name)
{
        const struct object *o = cache_get(c, &flag_kind, STR("shop"), str_c(name));

        ck_assert_ptr_nonnull(o);
        return o;
}

/* The letters of those that claim it, sorted. */
static const char *claiming(const struct cache *c, const struct cache_kind *kind, const char *word)
{
        static char names[128];
        const struct object *o = NULL;
        size_t n = 0;

        while ((o = cache_claiming(c, kind, str_c(word), o))) {
                size_t at = n;

                ck_assert_uint_lt(n, sizeof(names) - 2);
                for (; at > 0 && names[at - 1] > o->name.data[0]; at--)
                        names[at] = names[at - 1];
                names[at] = o->name.data[0];
                n++;
        }
        names[n] = '\0';
        return names;
}

START_TEST(who_claims_a_word_is_found_by_it)
{
        struct cache c;

        cache_init(&c, STR("keelson"), NULL, NULL);
        ck_assert_str_eq(claiming(&c, NULL, "red"), "");
        put(&c, &flag_kind, "a", 1, "\"colors\":[\"red\",\"blue\"]");
        put(&c, &flag_kind, "b", 2, "\"colors\":[\"blue\"]");
        put(&c, &kite_kind, "k", 3, "\"colors\":[\"blue\",\"green\"]");
        put(&c, &unclaiming_kind, "p", 4, "\"colors\":[\"blue\"]");
        put(&c, &plain_kind, "s", 5, "\"colors\":[\"blue\"]");
        put(&c, &flag_kind, "n", 6, "\"colors\":[]");
        ck_assert_str_eq(claiming(&c, NULL, "red"), "a");
        ck_assert_str_eq(claiming(&c, NULL, "blue"), "abk");
        ck_assert_str_eq(claiming(&c, &flag_kind, "blue"), "ab");
        ck_assert_str_eq(claiming(&c, &kite_kind, "blue"), "k");
        ck_assert_str_eq(claiming(&c, &flag_kind, "green"), "");
        ck_assert_str_eq(claiming(&c, NULL, "blu"), "");
        ck_assert_str_eq(claiming(&c, NULL, ""), "");
        cache_release(&c);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

START_TEST(words_go_and_come_with_the_object)
{
        struct cache c;

        cache_init(&c, STR("keelson"), NULL, NULL);
        put(&c, &flag_kind, "a", 1, "\"colors\":[\"red\",\"blue\"]");
        put(&c, &flag_kind, "a", 2, "\"colors\":[\"blue\",\"white\"]");
        ck_assert_str_eq(claiming(&c, NULL, "red"), "");
        ck_assert_str_eq(claiming(&c, NULL, "blue"), "a");
        ck_assert_str_eq(claiming(&c, NULL, "white"), "a");
        put(&c, &flag_kind, "a", 3, "\"other\":1");
        ck_assert_str_eq(claiming(&c, NULL, "blue"), "");
        put(&c, &flag_kind, "a", 4, "\"colors\":[\"red\"]");
        gone(&c, &flag_kind, "a", 5);
        ck_assert_str_eq(claiming(&c, NULL, "red"), "");
        ck_assert_uint_eq(c.by_claim.count, 0);
        cache_release(&c);
}
END_TEST

/* A word that stands twice in an object would lead in a circle. */
START_TEST(letters_are_large_or_small_and_a_word_counts_once)
{
        struct str list[CACHE_CLAIMS_MAX];
        struct cache c;

        cache_init(&c, STR("keelson"), NULL, NULL);
        put(&c, &flag_kind, "a", 1, "\"colors\":[\"Red\",\"red\",\"RED\",\"blue\",\"red\"]");
        put(&c, &flag_kind, "b", 2, "\"colors\":[\"rED\"]");
        ck_assert_str_eq(claiming(&c, NULL, "red"), "ab");
        ck_assert_str_eq(claiming(&c, NULL, "ReD"), "ab");
        ck_assert_uint_eq(object_claims(get(&c, "a"), list), 2);
        ck_str_eq(list[0], "Red");
        ck_str_eq(list[1], "blue");
        ck_assert_uint_eq(c.by_claim.count, 3);
        cache_release(&c);
}
END_TEST

START_TEST(what_claims_nothing_costs_nothing)
{
        uint32_t bytes;
        struct cache c;

        cache_init(&c, STR("keelson"), NULL, NULL);
        put(&c, &flag_kind, "a", 1, "\"colors\":[]");
        put(&c, &unclaiming_kind, "a", 2, "\"colors\":[]");
        ck_assert_uint_eq(get(&c, "a")->bytes, cache_iterate(&c, &unclaiming_kind, NULL)->bytes);
        ck_assert_ptr_null(c.by_claim.buckets);
        put(&c, &flag_kind, "a", 3, "\"colors\":[\"red\"]");
        put(&c, &unclaiming_kind, "a", 4, "\"colors\":[\"red\"]");
        bytes = cache_iterate(&c, &unclaiming_kind, NULL)->bytes;
        /* But for what aligns it. */
        ck_assert_uint_le(get(&c, "a")->bytes, bytes + 7 + sizeof(struct claims) + sizeof(struct claim));
        cache_release(&c);
}
END_TEST

START_TEST(no_more_words_are_followed_than_there_is_room_for)
{
        char json[2048] = "\"colors\":[\"first\"";
        size_t len = strlen(json);
        struct cache c;

        for (int i = 0; i < CACHE_CLAIMS_MAX; i++)
                len += (size_t)snprintf(json + len, sizeof(json) - len, ",\"c%d\"", i);
        snprintf(json + len, sizeof(json) - len, "]");
        cache_init(&c, STR("keelson"), NULL, NULL);
        put(&c, &flag_kind, "a", 1, json);
        ck_assert_str_eq(claiming(&c, NULL, "first"), "a");
        ck_assert_str_eq(claiming(&c, NULL, "c30"), "a");
        ck_assert_str_eq(claiming(&c, NULL, "c31"), "");
        cache_release(&c);
}
END_TEST

#define RED "\"colors\":[\"red\"]"

static const struct object *made(struct cache *c, const char *place, const char *name, const char *meta)
{
        static int version;

        ck_assert_int_eq(try_put(c, &flag_kind, place, name, ++version, meta, RED), 0);
        return cache_get(c, &flag_kind, str_c(place), str_c(name));
}

/* In this order, and in no other. */
START_TEST(the_older_comes_first_then_the_namespace_then_the_name)
{
        const struct object *all[6];
        struct cache c;

        cache_init(&c, STR("keelson"), NULL, NULL);
        all[0] = made(&c, "z", "z", MADE("2026-01-01T00:00:00Z"));
        all[1] = made(&c, "a", "b", MADE("2026-01-01T00:00:01Z"));
        all[2] = made(&c, "a", "c", MADE("2026-01-01T00:00:01Z"));
        all[3] = made(&c, "b", "a", MADE("2026-01-01T01:00:01+01:00")); /* the same second */
        all[4] = made(&c, "a", "a", "");
        all[5] = made(&c, "a", "d", MADE("yesterday"));
        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                for (size_t j = 0; j < ARRAY_SIZE(all); j++)
                        ck_assert_msg(object_claims_before(all[i], all[j]) == (i < j), "%zu and %zu", i, j);
        cache_release(&c);
}
END_TEST

/* What A was, and what it becomes: is that news to the others? */
static const struct news {
        const char *meta, *rest;
        bool same;
} news[] = {
        { "", "\"colors\":[\"red\",\"blue\"]", true },
        { "", "\"colors\":[\"RED\",\"blue\"],\"more\":1", true },
        { "", "\"colors\":[\"red\"]", false },
        { "", "\"colors\":[\"red\",\"white\"]", false },
        { "", "\"colors\":[]", false },
        { ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"", "\"colors\":[\"red\",\"blue\"]", false },
        { MADE("2026-01-01T00:00:00Z"), "\"colors\":[\"red\",\"blue\"]", false },
        { ",\"ownerReferences\":[{\"kind\":\"Ship\",\"name\":\"s\",\"uid\":\"u\",\"controller\":true}]",
          "\"colors\":[\"red\",\"blue\"]", false },
};

START_TEST(only_news_are_a_change)
{
        const struct object *before, *after;
        struct cache old_cache, c;

        for (size_t i = 0; i < ARRAY_SIZE(news); i++) {
                cache_init(&old_cache, STR("keelson"), NULL, NULL);
                cache_init(&c, STR("keelson"), NULL, NULL);
                put(&old_cache, &flag_kind, "a", 1, news[0].rest);
                before = get(&old_cache, "a");
                ck_assert_int_eq(try_put(&c, &flag_kind, "shop", "a", 2, news[i].meta, news[i].rest), 0);
                after = get(&c, "a");
                ck_assert_msg(object_claims_equal(before, after) == news[i].same, "case %zu", i);
                ck_assert(!object_claims_equal(before, NULL));
                ck_assert(object_claims_equal(NULL, after) == (strstr(news[i].rest, "[]") != NULL));
                ck_assert(object_claims_equal(NULL, NULL));
                cache_release(&old_cache);
                cache_release(&c);
        }
}
END_TEST

static int claim_and_let_go(void *arg)
{
        struct cache c;
        size_t n = 0;
        int r;

        (void)arg;
        cache_init(&c, STR("keelson"), NULL, NULL);
        r = try_put(&c, &kite_kind, "shop", "k", 1, "", "\"colors\":[\"red\",\"blue\"]");
        if (r == 0)
                r = try_put(&c, &flag_kind, "shop", "a", 2, "", "\"colors\":[\"red\",\"blue\",\"white\"]");
        if (r == 0)
                r = try_put(&c, &flag_kind, "shop", "a", 3, "", "\"colors\":[\"green\",\"red\"]");
        /* Whatever failed, the index is of what is there. */
        for (const struct cache_kind *const *kind =
                     (const struct cache_kind *[]){ &flag_kind, &kite_kind, NULL };
             *kind; kind++)
                for (const struct object *o = NULL; (o = cache_iterate(&c, *kind, o));) {
                        struct str list[CACHE_CLAIMS_MAX];

                        n += object_claims(o, list);
                }
        ck_assert_uint_eq(c.by_claim.count, n);
        cache_release(&c);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(claim_and_let_go, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        who_claims_a_word_is_found_by_it,
        words_go_and_come_with_the_object,
        letters_are_large_or_small_and_a_word_counts_once,
        what_claims_nothing_costs_nothing,
        no_more_words_are_followed_than_there_is_room_for,
        the_older_comes_first_then_the_namespace_then_the_name,
        only_news_are_a_change,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("cache/claims", tests)
