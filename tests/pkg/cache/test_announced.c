/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects that are read on demand, and of which a watch tells that they have changed.
 */
#include "box.h"

static const struct cache_kind notice_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("notices"), STR_INIT("Notice"), true },
        .schema = &box_schema,
        .on_demand = true,
        .announced = true,
};

#define T0 USEC_HOUR

static void answer(struct fixture *f, const char *name, const char *version)
{
        struct spec s = { .name = name, .version = version, .color = "red" };

        if (version)
                ck_assert_int_eq(put_kind(f, &notice_kind, CACHE_FROM_REPLY, &s), 0);
        ck_assert_int_eq(
                cache_note_read(&f->cache, &notice_kind, STR("shop"), str_c(name), version != NULL, T0), 0);
}

/* Is whoever reads it to be woken? */
static bool announce(struct fixture *f, const char *name, const char *version, bool gone)
{
        struct kube_meta meta = { .namespace = STR("shop"), .name = str_c(name), .version = str_c(version) };
        bool news;

        ck_assert_int_eq(cache_announce(&f->cache, &notice_kind, &meta, gone, &news), 0);
        return news;
}

static const struct object *notice(const struct fixture *f, const char *name)
{
        return cache_get(&f->cache, &notice_kind, STR("shop"), str_c(name));
}

static bool is_read(const struct fixture *f, const char *name)
{
        return cache_read_at(&f->cache, &notice_kind, STR("shop"), str_c(name)) != 0;
}

static bool is_outdated(const struct fixture *f, const char *name)
{
        return cache_is_outdated(&f->cache, notice(f, name));
}

START_TEST(a_newer_one_is_to_be_read_and_the_old_one_counts_until_then)
{
        struct fixture f;

        setup(&f);
        answer(&f, "a", "10");
        ck_assert(!announce(&f, "a", "9", false)); /* it trails */
        ck_assert(!announce(&f, "a", "10", false));
        ck_assert(!is_outdated(&f, "a"));
        ck_assert(announce(&f, "a", "12", false));
        ck_assert(is_outdated(&f, "a") && is_read(&f, "a"));
        check_changes(&f, 1, 0, 0);
        answer(&f, "a", "12");
        ck_assert(!is_outdated(&f, "a"));
        check_changes(&f, 1, 1, 0);
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

/* The answer was given before the last change. */
START_TEST(an_answer_that_is_older_than_what_was_told_is_not_enough)
{
        struct fixture f;

        setup(&f);
        answer(&f, "a", "10");
        ck_assert(announce(&f, "a", "11", false));
        ck_assert(announce(&f, "a", "12", false));
        answer(&f, "a", "11");
        ck_assert(is_outdated(&f, "a"));
        answer(&f, "a", "13");
        ck_assert(!is_outdated(&f, "a"));
        ck_assert(!announce(&f, "a", "13", false));
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

START_TEST(what_nobody_asked_for_is_nobodys_affair)
{
        struct fixture f;

        setup(&f);
        ck_assert(!announce(&f, "a", "10", false));
        ck_assert(!announce(&f, "a", "11", true));
        check_changes(&f, 0, 0, 0);
        ck_assert_uint_eq(f.cache.by_key.count, 0);
        ck_assert_uint_eq(f.cache.readings.count, 0);
        /* An answer is no old news because the watch has gone on. */
        answer(&f, "b", "5");
        ck_assert_ptr_nonnull(notice(&f, "b"));
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

START_TEST(what_was_not_there_and_comes_is_to_be_read)
{
        struct fixture f;

        setup(&f);
        answer(&f, "a", NULL);
        ck_assert(!announce(&f, "a", "9", true));
        ck_assert(is_read(&f, "a"));
        ck_assert(announce(&f, "a", "10", false));
        ck_assert(!is_read(&f, "a"));
        answer(&f, "a", "10");
        ck_assert(is_read(&f, "a") && !is_outdated(&f, "a"));
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

/* It may only have lost the label by which it is watched, so that it is gone is no fact. */
START_TEST(what_may_be_gone_is_dropped_and_not_known_to_be_absent)
{
        struct fixture f;

        setup(&f);
        answer(&f, "a", "10");
        ck_assert(!announce(&f, "a", "9", true));
        ck_assert_ptr_nonnull(notice(&f, "a"));
        ck_assert(!announce(&f, "a", "11", true));
        ck_assert_ptr_null(notice(&f, "a"));
        check_changes(&f, 1, 0, 1);
        ck_assert(!is_read(&f, "a"));
        /* It was asked for before it went. */
        answer(&f, "a", "10");
        ck_assert(is_outdated(&f, "a"));
        answer(&f, "a", NULL);
        ck_assert_ptr_null(notice(&f, "a"));
        ck_assert(is_read(&f, "a"));
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

static void list_of(struct fixture *f, const char *name, const char *version, const char *list_version)
{
        cache_list_begin(&f->cache, &notice_kind, STR_NULL);
        if (name)
                (void)announce(f, name, version, false);
        ck_assert_int_eq(cache_list_end(&f->cache, &notice_kind, STR_NULL, str_c(list_version)), 0);
}

START_TEST(a_list_tells_what_was_missed)
{
        struct fixture f;

        setup(&f);
        answer(&f, "kept", "10");
        answer(&f, "lost", "11");
        answer(&f, "newer", "30");
        list_of(&f, "kept", "10", "20");
        ck_assert(is_read(&f, "kept") && !is_outdated(&f, "kept"));
        ck_assert_ptr_null(notice(&f, "lost"));
        ck_assert(!is_read(&f, "lost"));
        ck_assert_ptr_nonnull(notice(&f, "newer"));
        list_of(&f, "kept", "21", "31");
        ck_assert(is_outdated(&f, "kept"));
        ck_assert_ptr_null(notice(&f, "newer"));
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

static int tell(void *arg)
{
        yyjson_doc *doc = make(&(struct spec){ .name = "a", .version = "10", .color = "red" });
        struct kube_meta meta = { .namespace = STR("shop"), .name = STR("a"), .version = STR("11") };
        struct cache cache;
        bool news;
        int r;

        (void)arg;
        cache_init(&cache, STR("keelson"), NULL, NULL);
        r = cache_put(&cache, &notice_kind, yyjson_doc_get_root(doc), CACHE_FROM_REPLY);
        if (r == 0)
                r = cache_note_read(&cache, &notice_kind, STR("shop"), STR("a"), true, T0);
        if (r == 0)
                r = cache_announce(&cache, &notice_kind, &meta, false, &news);
        if (r == 0)
                r = cache_announce(&cache, &notice_kind, &meta, true, &news);
        cache_release(&cache);
        yyjson_doc_free(doc);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(tell, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        a_newer_one_is_to_be_read_and_the_old_one_counts_until_then,
        an_answer_that_is_older_than_what_was_told_is_not_enough,
        what_nobody_asked_for_is_nobodys_affair,
        what_was_not_there_and_comes_is_to_be_read,
        what_may_be_gone_is_dropped_and_not_known_to_be_absent,
        a_list_tells_what_was_missed,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("cache/announced", tests)
