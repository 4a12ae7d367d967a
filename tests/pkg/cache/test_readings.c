/* SPDX-License-Identifier: Apache-2.0 */
#include "box.h"

/* Never listed: each is asked for by its name. */
static const struct cache_kind letter_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("letters"), STR_INIT("Letter"), true },
        .schema = &box_schema,
        .on_demand = true,
        .by_owner = true,
};

#define T0 USEC_HOUR

static void note(struct fixture *f, const char *name, bool found, usec_t now)
{
        ck_assert_int_eq(cache_note_read(&f->cache, &letter_kind, STR("shop"), str_c(name), found, now), 0);
}

static usec_t read_at(const struct fixture *f, const char *name)
{
        return cache_read_at(&f->cache, &letter_kind, STR("shop"), str_c(name));
}

static void read_letter(struct fixture *f, const char *name, const char *version, usec_t now)
{
        struct spec s = { .name = name, .version = version, .color = "red" };

        ck_assert_int_eq(put_kind(f, &letter_kind, CACHE_FROM_REPLY, &s), 0);
        note(f, name, true, now);
}

static const struct object *letter(const struct fixture *f, const char *name)
{
        return cache_get(&f->cache, &letter_kind, STR("shop"), str_c(name));
}

START_TEST(what_was_never_asked_for_was_read_at_no_time)
{
        struct fixture f;

        setup(&f);
        ck_assert_int_eq(read_at(&f, "a"), 0);
        read_letter(&f, "a", "10", T0);
        ck_assert_int_eq(read_at(&f, "a"), T0);
        ck_assert_int_eq(read_at(&f, "b"), 0);
        ck_assert_int_eq(cache_read_at(&f.cache, &letter_kind, STR("other"), STR("a")), 0);
        ck_assert_int_eq(cache_read_at(&f.cache, &box_kind, STR("shop"), STR("a")), 0);
        ck_assert_ptr_nonnull(letter(&f, "a"));
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

START_TEST(what_is_not_there_is_known_as_well)
{
        struct fixture f;

        setup(&f);
        note(&f, "a", false, T0);
        ck_assert_int_eq(read_at(&f, "a"), T0);
        ck_assert_ptr_null(letter(&f, "a"));
        check_changes(&f, 0, 0, 0);
        read_letter(&f, "a", "10", T0 + 1);
        ck_assert_int_eq(read_at(&f, "a"), T0 + 1);
        check_changes(&f, 1, 0, 0);
        /* It was there, and is not any more. */
        note(&f, "a", false, T0 + 2);
        ck_assert_ptr_null(letter(&f, "a"));
        ck_assert_int_eq(read_at(&f, "a"), T0 + 2);
        check_changes(&f, 1, 0, 1);
        ck_assert_uint_eq(f.cache.readings.count, 1);
        cache_release(&f.cache);
}
END_TEST

START_TEST(what_is_forgotten_was_never_read)
{
        struct fixture f;

        setup(&f);
        read_letter(&f, "a", "10", T0);
        note(&f, "absent", false, T0);
        /* By a name that goes with the object. */
        cache_forget(&f.cache, &letter_kind, letter(&f, "a")->namespace, letter(&f, "a")->name);
        cache_forget(&f.cache, &letter_kind, STR("shop"), STR("absent"));
        cache_forget(&f.cache, &letter_kind, STR("shop"), STR("unknown"));
        ck_assert_int_eq(read_at(&f, "a"), 0);
        ck_assert_ptr_null(letter(&f, "a"));
        check_changes(&f, 1, 0, 1);
        ck_assert_uint_eq(f.cache.readings.count, 0);
        cache_release(&f.cache);
}
END_TEST

/* --- age ---------------------------------------------------------------------------------- */

START_TEST(what_is_not_asked_for_any_more_is_forgotten_after_a_time)
{
        struct fixture f;

        setup(&f);
        read_letter(&f, "a", "10", T0);
        note(&f, "absent", false, T0);
        read_letter(&f, "used", "11", T0);
        note(&f, "missed", false, T0);
        cache_expire(&f.cache, T0 + CACHE_READING_AGE_MAX - 1);
        ck_assert_uint_eq(f.cache.readings.count, 4);
        read_letter(&f, "used", "11", T0 + USEC_MINUTE);
        note(&f, "missed", false, T0 + USEC_MINUTE);
        cache_expire(&f.cache, T0 + CACHE_READING_AGE_MAX);
        ck_assert_int_eq(read_at(&f, "a"), 0);
        ck_assert_ptr_null(letter(&f, "a"));
        ck_assert_int_eq(read_at(&f, "absent"), 0);
        ck_assert_int_eq(read_at(&f, "missed"), T0 + USEC_MINUTE);
        ck_assert_ptr_nonnull(letter(&f, "used"));
        check_changes(&f, 2, 0, 1); /* whom it concerns is told */
        ck_assert_str_eq(f.last, "a");
        cache_expire(&f.cache, T0 + 2 * CACHE_READING_AGE_MAX);
        ck_assert_uint_eq(f.cache.readings.count, 0);
        ck_assert_uint_eq(f.cache.by_key.count, 0);
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

/* Names come and go for as long as it runs, such as those of copies. */
START_TEST(names_do_not_pile_up)
{
        struct fixture f;
        char name[32];

        setup(&f);
        for (int i = 0; i < 10000; i++) {
                usec_t now = T0 + i * USEC_MINUTE;

                snprintf(name, sizeof(name), "n%d", i);
                note(&f, name, false, now);
                read_letter(&f, "used", "10", now);
                cache_expire(&f.cache, now);
                /* It is not looked at each time. */
                ck_assert_uint_le(f.cache.readings.count, 1 + 60 + 60 / 8 + 1);
                ck_assert_int_eq(read_at(&f, name), now);
        }
        check_changes(&f, 1, 0, 0);
        cache_release(&f.cache);
}
END_TEST

START_TEST(a_watched_kind_does_not_age)
{
        struct fixture f;

        setup(&f);
        put(&f, .name = "a");
        cache_expire(&f.cache, 1000 * USEC_HOUR);
        ck_assert_ptr_nonnull(get(&f, "a"));
        cache_release(&f.cache);
}
END_TEST

/* --- a server that is set back --------------------------------------------------------------- */

START_TEST(after_a_reset_all_is_read_anew)
{
        struct fixture f;

        setup(&f);
        put(&f, .name = "watched", .version = "5");
        put_crate(&f, .name = "other", .version = "6");
        read_letter(&f, "a", "10", T0);
        note(&f, "absent", false, T0);
        cache_reset(&f.cache, &box_kind, STR_NULL);
        ck_assert_ptr_null(letter(&f, "a"));
        ck_assert_int_eq(read_at(&f, "a"), 0);
        ck_assert_int_eq(read_at(&f, "absent"), 0);
        ck_assert_uint_eq(f.cache.by_key.count, 1); /* the crate */
        cache_expire(&f.cache, T0 + CACHE_READING_AGE_MAX);
        read_letter(&f, "a", "3", T0); /* older than before, and believed */
        ck_str_eq(object_version(letter(&f, "a")), "3");
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

/* --- without memory ------------------------------------------------------------------------ */

static int use(void *arg)
{
        struct cache cache;
        int r;

        (void)arg;
        cache_init(&cache, STR("keelson"), NULL, NULL);
        r = cache_note_read(&cache, &letter_kind, STR("shop"), STR("a"), false, T0);
        ck_assert_int_eq(cache_read_at(&cache, &letter_kind, STR("shop"), STR("a")), r == 0 ? T0 : 0);
        cache_expire(&cache, 3 * T0);
        ck_assert_uint_eq(cache.readings.count, 0);
        if (r == 0)
                r = cache_note_read(&cache, &letter_kind, STR("shop"), STR("a"), true, 4 * T0);
        cache_forget(&cache, &letter_kind, STR("shop"), STR("a"));
        if (r == 0)
                r = cache_note_read(&cache, &letter_kind, STR("shop"), STR("b"), true, 4 * T0);
        cache_reset(&cache, &letter_kind, STR_NULL);
        cache_release(&cache);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(use, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        what_was_never_asked_for_was_read_at_no_time,
        what_is_not_there_is_known_as_well,
        what_is_forgotten_was_never_read,
        what_is_not_asked_for_any_more_is_forgotten_after_a_time,
        names_do_not_pile_up,
        a_watched_kind_does_not_age,
        after_a_reset_all_is_read_anew,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("cache/readings", tests)
