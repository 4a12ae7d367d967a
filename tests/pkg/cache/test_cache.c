/* SPDX-License-Identifier: Apache-2.0 */
#include "box.h"

#include "base/rand.h"

/* --- objects ---------------------------------------------------------------------------- */

START_TEST(an_object_is_kept_as_its_kind_says)
{
        const struct object *o;
        struct fixture f;

        setup(&f);
        ck_assert_ptr_null(get(&f, "web"));
        put(&f, .color = "red", .status = "{\"phase\":\"Full\",\"other\":{}}",
            .meta = ",\"generation\":7,\"ownerReferences\":[{\"kind\":\"Other\",\"name\":\"x\",\"uid\":\"y\"},"
                    "{\"kind\":\"App\",\"name\":\"shop\",\"uid\":\"u-9\",\"controller\":true}]");
        o = get(&f, "web");
        ck_assert_ptr_nonnull(o);
        ck_assert_ptr_eq(o->kind, &box_kind);
        ck_str_eq(o->namespace, "shop");
        ck_str_eq(o->name, "web");
        ck_assert(object_has_uid(o, STR("uid-1")));
        ck_str_eq(object_version(o), "10");
        ck_assert_int_eq(o->generation, 7);
        ck_assert(!o->deleting);
        ck_str_eq(o->owner->kind, "App");
        ck_str_eq(o->owner->name, "shop");
        ck_str_eq(o->owner->uid, "u-9");
        ck_assert_ptr_null(object_invalid(o));
        ck_str_eq(box(&f, "web")->spec->color, "red");
        ck_assert_int_eq(box(&f, "web")->spec->size, 3);
        ck_str_eq(box(&f, "web")->status->phase, "Full");
        check_changes(&f, 1, 0, 0);
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

START_TEST(halves_may_be_absent)
{
        struct fixture f;

        setup(&f);
        put(&f, .version = "10");
        ck_assert_ptr_null(box(&f, "web")->spec);
        ck_assert_ptr_null(box(&f, "web")->status);
        put(&f, .version = "11", .spec = "null", .status = "{}",
            .meta = ",\"deletionTimestamp\":\"2024-01-01T00:00:00Z\"");
        ck_assert_ptr_null(box(&f, "web")->spec);
        ck_assert_ptr_nonnull(box(&f, "web")->status);
        ck_assert(get(&f, "web")->deleting);
        ck_assert_ptr_null(get(&f, "web")->owner->name.data);
        cache_release(&f.cache);
}
END_TEST

START_TEST(kind_namespace_and_name_tell_objects_apart)
{
        struct fixture f;

        setup(&f);
        put(&f, .namespace = "a", .name = "bc", .color = "1");
        put(&f, .namespace = "ab", .name = "c", .color = "2");
        put_crate(&f, .namespace = "a", .name = "bc", .color = "3");
        ck_assert_uint_eq(f.cache.by_key.count, 3);
        ck_assert_ptr_null(cache_get(&f.cache, &crate_kind, STR("ab"), STR("c")));
        ck_assert_ptr_ne(cache_get(&f.cache, &crate_kind, STR("a"), STR("bc")),
                         cache_get(&f.cache, &box_kind, STR("a"), STR("bc")));
        cache_release(&f.cache);
}
END_TEST

START_TEST(what_is_no_object_is_refused)
{
        yyjson_doc *doc = yyjson_read("{\"metadata\":{}}", 15, 0);
        char much[UINT8_MAX + 2];
        struct fixture f;

        memset(much, '1', sizeof(much) - 1);
        much[sizeof(much) - 1] = '\0';
        setup(&f);
        ck_assert_int_eq(cache_put(&f.cache, &box_kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH),
                         -EBADMSG);
        ck_assert_int_eq(cache_put(&f.cache, &box_kind, NULL, CACHE_FROM_REPLY), -EBADMSG);
        ck_assert_int_eq(put_kind(&f, &box_kind, CACHE_FROM_WATCH, &(struct spec){ .uid = much }), -EBADMSG);
        ck_assert_int_eq(put_kind(&f, &box_kind, CACHE_FROM_WATCH, &(struct spec){ .version = much }),
                         -EBADMSG);
        ck_assert_int_eq(cache_delete(&f.cache, &box_kind, yyjson_doc_get_root(doc)), -EBADMSG);
        ck_assert_uint_eq(f.cache.by_key.count, 0);
        yyjson_doc_free(doc);
        cache_release(&f.cache);
}
END_TEST

START_TEST(each_object_of_a_kind_comes_once)
{
        bool seen[20] = { false };
        const struct object *o = NULL;
        struct fixture f;
        size_t n = 0;

        setup(&f);
        for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
                char name[] = { (char)('a' + i), '\0' };

                put(&f, .name = name);
                put_crate(&f, .name = name);
        }
        for (; (o = cache_iterate(&f.cache, &box_kind, o)); n++) {
                ck_assert_ptr_eq(o->kind, &box_kind);
                ck_assert(!seen[o->name.data[0] - 'a']);
                seen[o->name.data[0] - 'a'] = true;
        }
        ck_assert_uint_eq(n, ARRAY_SIZE(seen));
        cache_release(&f.cache);
}
END_TEST

/* --- time ------------------------------------------------------------------------------- */

START_TEST(a_newer_version_replaces_and_an_older_one_is_passed_over)
{
        struct fixture f;

        setup(&f);
        put(&f, .version = "9", .color = "red");
        put(&f, .version = "10", .color = "blue"); /* by its value, not by its first digit */
        ck_str_eq(box(&f, "web")->spec->color, "blue");
        put(&f, .version = "9", .color = "old");
        put(&f, .version = "10", .color = "same");
        put_reply(&f, .version = "8", .color = "older");
        ck_str_eq(box(&f, "web")->spec->color, "blue");
        ck_str_eq(object_version(get(&f, "web")), "10");
        check_changes(&f, 1, 1, 0);
        cache_release(&f.cache);
}
END_TEST

START_TEST(versions_are_longer_than_any_integer)
{
        struct fixture f;

        setup(&f);
        put(&f, .version = "9999999999999999999999999999999999999998", .color = "1");
        put(&f, .version = "9999999999999999999999999999999999999999", .color = "2");
        put(&f, .version = "9999999999999999999999999999999999999997", .color = "3");
        ck_str_eq(box(&f, "web")->spec->color, "2");
        put(&f, .version = "10000000000000000000000000000000000000000", .color = "4");
        ck_str_eq(box(&f, "web")->spec->color, "4");
        ck_str_eq(object_version(get(&f, "web")), "10000000000000000000000000000000000000000");
        gone(&f, .version = "9999999999999999999999999999999999999999");
        ck_assert_ptr_nonnull(get(&f, "web"));
        gone(&f, .version = "10000000000000000000000000000000000000001");
        ck_assert_ptr_null(get(&f, "web"));
        cache_release(&f.cache);
}
END_TEST

START_TEST(another_object_may_take_the_name)
{
        struct fixture f;

        setup(&f);
        put(&f, .uid = "old", .version = "10", .color = "red");
        put(&f, .uid = "new", .version = "20", .color = "blue");
        ck_assert(object_has_uid(get(&f, "web"), STR("new")));
        check_changes(&f, 1, 1, 0);
        /* The deletion of the first comes late. */
        gone(&f, .uid = "old", .version = "15");
        ck_assert(object_has_uid(get(&f, "web"), STR("new")));
        check_changes(&f, 1, 1, 0);
        cache_release(&f.cache);
}
END_TEST

static bool has_uid(const struct object *o, const char *uid)
{
        char text[UUID_TEXT];

        return str_eq(object_uid(o, text), str_c(uid)) && object_has_uid(o, str_c(uid));
}

START_TEST(a_uid_is_the_same_text_however_it_is_kept)
{
        static const char *const uids[] = {
                "01234567-89ab-cdef-f0e1-d2c3b4a59687",
                "01234567-89AB-CDEF-F0E1-D2C3B4A59687",
                "01234567-89ab-cdef-f0e1-d2c3b4a59688",
                "0123456789abcdef", /* as long as a UUID in bytes */
                "uid-1",
                "",
        };
        struct fixture f;

        for (size_t i = 0; i < ARRAY_SIZE(uids); i++) {
                setup(&f);
                put(&f, .version = "10", .uid = uids[i], .color = "red");
                ck_assert_msg(has_uid(get(&f, "web"), uids[i]), "%s", uids[i]);
                for (size_t j = 0; j < ARRAY_SIZE(uids); j++)
                        ck_assert_msg(has_uid(get(&f, "web"), uids[j]) == (i == j), "%s, %s", uids[i],
                                      uids[j]);
                ck_str_eq(object_version(get(&f, "web")), "10");
                /* Ours to take over for another version, and for no other object. */
                cache_note_desired(&f.cache, get(&f, "web"), 7);
                put(&f, .version = "11", .uid = uids[i], .color = "red");
                ck_assert_uint_eq(get(&f, "web")->applied_desired, 7);
                put(&f, .version = "12", .uid = uids[(i + 1) % ARRAY_SIZE(uids)], .color = "red");
                ck_assert_uint_eq(get(&f, "web")->applied_desired, 0);
                cache_release(&f.cache);
        }
}
END_TEST

START_TEST(a_generation_that_none_has_is_the_nearest_one)
{
        struct fixture f;

        setup(&f);
        put(&f, .version = "10", .color = "red", .meta = ",\"generation\":4294967296");
        ck_assert_uint_eq(get(&f, "web")->generation, UINT32_MAX);
        put(&f, .version = "11", .color = "red", .meta = ",\"generation\":-1");
        ck_assert_uint_eq(get(&f, "web")->generation, 0);
        cache_release(&f.cache);
}
END_TEST

START_TEST(a_deletion_takes_the_object_away)
{
        struct fixture f;

        setup(&f);
        put(&f, .version = "10");
        gone(&f, .version = "11");
        ck_assert_ptr_null(get(&f, "web"));
        check_changes(&f, 1, 0, 1);
        ck_assert_str_eq(f.last, "web");
        gone(&f, .version = "11"); /* of what is not there */
        check_changes(&f, 1, 0, 1);
        cache_release(&f.cache);
}
END_TEST

START_TEST(a_reply_that_the_watch_has_passed_brings_no_ghost)
{
        struct fixture f;

        setup(&f);
        /* We made it (12), somebody deleted it (13), and the watch was faster. */
        put(&f, .name = "other", .version = "5");
        put(&f, .version = "12");
        gone(&f, .version = "13");
        put_reply(&f, .version = "12");
        ck_assert_ptr_null(get(&f, "web"));
        /* What is newer than the watch is news. */
        put_reply(&f, .version = "14");
        ck_assert_ptr_nonnull(get(&f, "web"));
        cache_release(&f.cache);
}
END_TEST

START_TEST(a_list_counts_as_a_watch_that_has_come_so_far)
{
        struct fixture f;

        setup(&f);
        cache_list_begin(&f.cache, &box_kind, STR_NULL);
        list_end(&f, STR_NULL, "50");
        put_reply(&f, .version = "50");
        ck_assert_ptr_null(get(&f, "web"));
        put_reply(&f, .version = "51");
        ck_assert_ptr_nonnull(get(&f, "web"));
        /* Of this kind, that is. */
        ck_assert_int_eq(put_kind(&f, &crate_kind, CACHE_FROM_REPLY, &(struct spec){ .version = "3" }), 0);
        ck_assert_uint_eq(cache_total(&f.cache, &crate_kind)->objects, 1);
        cache_release(&f.cache);
}
END_TEST

/* --- lists -------------------------------------------------------------------------------- */

START_TEST(a_list_drops_what_it_did_not_bring)
{
        struct fixture f;

        setup(&f);
        put(&f, .name = "gone", .version = "10");
        put(&f, .name = "stays", .version = "11");
        put_crate(&f, .name = "another-kind", .version = "12");
        cache_list_begin(&f.cache, &box_kind, STR_NULL);
        put(&f, .name = "stays", .version = "11");
        put(&f, .name = "new", .version = "15");
        put_reply(&f, .name = "newer-than-the-list", .version = "21");
        list_end(&f, STR_NULL, "20");
        ck_assert_ptr_null(get(&f, "gone"));
        ck_assert_ptr_nonnull(get(&f, "stays"));
        ck_assert_ptr_nonnull(get(&f, "new"));
        ck_assert_ptr_nonnull(get(&f, "newer-than-the-list"));
        ck_assert_uint_eq(f.cache.by_key.count, 4);
        check_changes(&f, 5, 0, 1);
        ck_assert_str_eq(f.last, "gone");
        cache_release(&f.cache);
}
END_TEST

/* There was nothing when the first one began. */
START_TEST(a_list_drops_what_one_brought_that_broke_off)
{
        struct fixture f;

        setup(&f);
        cache_list_begin(&f.cache, &box_kind, STR_NULL);
        put(&f, .name = "gone", .version = "10");
        put(&f, .name = "stays", .version = "11");
        cache_list_begin(&f.cache, &box_kind, STR_NULL);
        put(&f, .name = "stays", .version = "11");
        list_end(&f, STR_NULL, "20");
        ck_assert_ptr_null(get(&f, "gone"));
        ck_assert_ptr_nonnull(get(&f, "stays"));
        cache_release(&f.cache);
}
END_TEST

START_TEST(a_list_does_not_drop_what_was_written_after_it_was_taken)
{
        struct fixture f;

        setup(&f);
        put_reply(&f, .name = "made", .version = "30"); /* before the list began */
        cache_list_begin(&f.cache, &box_kind, STR_NULL);
        list_end(&f, STR_NULL, "20"); /* from a server that lags */
        ck_assert_ptr_nonnull(get(&f, "made"));
        /* The next list is newer and has it not. */
        cache_list_begin(&f.cache, &box_kind, STR_NULL);
        list_end(&f, STR_NULL, "31");
        ck_assert_ptr_null(get(&f, "made"));
        cache_release(&f.cache);
}
END_TEST

START_TEST(a_list_of_one_namespace_leaves_the_others_alone)
{
        struct fixture f;

        setup(&f);
        put(&f, .namespace = "a", .name = "x", .version = "10");
        put(&f, .namespace = "b", .name = "x", .version = "11");
        cache_list_begin(&f.cache, &box_kind, STR("a"));
        list_end(&f, STR("a"), "20");
        ck_assert_ptr_null(cache_get(&f.cache, &box_kind, STR("a"), STR("x")));
        ck_assert_ptr_nonnull(cache_get(&f.cache, &box_kind, STR("b"), STR("x")));
        cache_release(&f.cache);
}
END_TEST

/* What was held is newer than what there is, and must not be in its way. */
START_TEST(a_server_that_is_set_back_is_believed)
{
        struct fixture f;

        setup(&f);
        put(&f, .namespace = "a", .name = "x", .version = "10");
        put(&f, .namespace = "a", .name = "y", .version = "11");
        put(&f, .namespace = "b", .name = "x", .version = "12");
        cache_list_begin(&f.cache, &box_kind, STR("a"));
        put(&f, .namespace = "a", .name = "x", .version = "10");
        put(&f, .namespace = "a", .name = "y", .version = "11");
        list_end(&f, STR("a"), "20");
        cache_reset(&f.cache, &box_kind, STR("a"));
        ck_assert_ptr_null(cache_get(&f.cache, &box_kind, STR("a"), STR("x")));
        ck_assert_ptr_nonnull(cache_get(&f.cache, &box_kind, STR("b"), STR("x")));
        check_changes(&f, 3, 0, 2);
        cache_list_begin(&f.cache, &box_kind, STR("a"));
        put(&f, .namespace = "a", .name = "x", .version = "4");
        list_end(&f, STR("a"), "5");
        ck_str_eq(object_version(cache_get(&f.cache, &box_kind, STR("a"), STR("x"))), "4");
        ck_str_eq(str_c(cache_total(&f.cache, &box_kind)->version), "5");
        ck_assert_uint_eq(cache_total(&f.cache, &box_kind)->objects, 2);
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

/* --- what does not fit -------------------------------------------------------------------- */

START_TEST(an_invalid_spec_keeps_the_status_and_says_why)
{
        struct fixture f;

        setup(&f);
        put(&f, .version = "10", .spec = "{\"color\":\"red\",\"size\":500}",
            .status = "{\"phase\":\"Full\"}");
        ck_assert_ptr_null(box(&f, "web")->spec);
        ck_str_eq(box(&f, "web")->status->phase, "Full");
        ck_assert_msg(str_starts(str_c(object_invalid(get(&f, "web"))), STR("spec.size: ")), "%s",
                      object_invalid(get(&f, "web")));
        /* Mended, it is taken as a whole again. */
        put(&f, .version = "11", .color = "red", .status = "{\"phase\":\"Full\"}");
        ck_assert_ptr_null(object_invalid(get(&f, "web")));
        ck_assert_int_eq(box(&f, "web")->spec->size, 3);
        cache_release(&f.cache);
}
END_TEST

START_TEST(an_invalid_status_keeps_the_spec)
{
        struct fixture f;

        setup(&f);
        put(&f, .color = "red", .status = "{\"phase\":7}");
        ck_assert_ptr_null(box(&f, "web")->status);
        ck_str_eq(box(&f, "web")->spec->color, "red");
        ck_assert_msg(str_starts(str_c(object_invalid(get(&f, "web"))), STR("status.phase: ")), "%s",
                      object_invalid(get(&f, "web")));
        cache_release(&f.cache);
}
END_TEST

START_TEST(the_first_of_two_mistakes_is_told)
{
        struct fixture f;

        setup(&f);
        put(&f, .spec = "{}", .status = "{\"phase\":7}");
        ck_assert_msg(str_starts(str_c(object_invalid(get(&f, "web"))), STR("spec")), "%s",
                      object_invalid(get(&f, "web")));
        cache_release(&f.cache);
}
END_TEST

/* --- accounts --------------------------------------------------------------------------- */

START_TEST(totals_are_those_of_the_objects_at_any_time)
{
        struct rand rand = { .state = 5 };
        struct fixture f;
        char version[32];

        setup(&f);
        ck_assert_ptr_null(cache_total(&f.cache, &box_kind));
        for (unsigned i = 100; i < 2000; i++) {
                char name[] = { (char)('a' + rand_below(&rand, 20)), '\0' };
                const struct object *o = NULL;
                size_t n = 0, bytes = 0;

                snprintf(version, sizeof(version), "%u", i - (unsigned)rand_below(&rand, 3));
                if (rand_below(&rand, 3))
                        put(&f, .name = name, .version = version,
                            .color = i % 7 ? "red" : "a much longer colour");
                else
                        gone(&f, .name = name, .version = version);
                while ((o = cache_iterate(&f.cache, &box_kind, o))) {
                        n++;
                        bytes += o->bytes;
                }
                ck_assert_uint_eq(cache_total(&f.cache, &box_kind)->objects, n);
                ck_assert_uint_eq(cache_total(&f.cache, &box_kind)->bytes, bytes);
                ck_assert_uint_eq(f.cache.by_key.count, n);
                ck_assert_uint_eq(cache_count(&f.cache, &box_kind, STR("shop")), n);
                ck_assert_uint_eq(cache_count(&f.cache, &box_kind, STR("other")), 0);
        }
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

/* --- without memory ------------------------------------------------------------------------ */

static int use_everything(void *arg)
{
        static const struct spec first = { .version = "10", .color = "red", .spec = "{\"size\":1}" };
        static const struct spec second = { .version = "11", .color = "blue", .ours = true };
        yyjson_doc *a = make(&first), *b = make(&second);
        struct fixture f;
        int r;

        (void)arg;
        setup(&f);
        r = cache_put(&f.cache, &box_kind, yyjson_doc_get_root(a), CACHE_FROM_WATCH);
        if (r == 0)
                r = cache_put_applied(&f.cache, &box_kind, yyjson_doc_get_root(b), 7);
        if (r == 0)
                ck_assert(cache_as_desired(get(&f, "web"), 7, 7));
        if (r == 0)
                r = cache_delete(&f.cache, &box_kind, yyjson_doc_get_root(b));
        cache_list_begin(&f.cache, &box_kind, STR_NULL);
        if (r == 0)
                r = cache_list_end(&f.cache, &box_kind, STR_NULL, STR("99"));
        /* Whatever failed, the accounts are right. */
        if (cache_total(&f.cache, &box_kind))
                ck_assert_uint_eq(cache_total(&f.cache, &box_kind)->objects, f.cache.by_key.count);
        cache_release(&f.cache);
        yyjson_doc_free(a);
        yyjson_doc_free(b);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(use_everything, NULL, 0);
}
END_TEST

START_TEST(a_failed_put_leaves_the_old_object)
{
        yyjson_doc *doc = make(&(struct spec){ .version = "11", .color = "blue" });
        struct fixture f;

        setup(&f);
        put(&f, .version = "10", .color = "red");
        mem_fail_after(1);
        ck_assert_int_eq(cache_put(&f.cache, &box_kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH), -ENOMEM);
        mem_fail_after(0);
        ck_str_eq(box(&f, "web")->spec->color, "red");
        ck_assert_int_eq(cache_put(&f.cache, &box_kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH), 0);
        ck_str_eq(box(&f, "web")->spec->color, "blue");
        yyjson_doc_free(doc);
        cache_release(&f.cache);
}
END_TEST

static const TTest *const tests[] = {
        an_object_is_kept_as_its_kind_says,
        halves_may_be_absent,
        kind_namespace_and_name_tell_objects_apart,
        what_is_no_object_is_refused,
        each_object_of_a_kind_comes_once,
        a_newer_version_replaces_and_an_older_one_is_passed_over,
        versions_are_longer_than_any_integer,
        another_object_may_take_the_name,
        a_uid_is_the_same_text_however_it_is_kept,
        a_generation_that_none_has_is_the_nearest_one,
        a_deletion_takes_the_object_away,
        a_reply_that_the_watch_has_passed_brings_no_ghost,
        a_list_counts_as_a_watch_that_has_come_so_far,
        a_list_drops_what_it_did_not_bring,
        a_list_drops_what_one_brought_that_broke_off,
        a_list_does_not_drop_what_was_written_after_it_was_taken,
        a_list_of_one_namespace_leaves_the_others_alone,
        an_invalid_spec_keeps_the_status_and_says_why,
        an_invalid_status_keeps_the_spec,
        the_first_of_two_mistakes_is_told,
        a_server_that_is_set_back_is_believed,
        totals_are_those_of_the_objects_at_any_time,
        it_survives_the_lack_of_memory,
        a_failed_put_leaves_the_old_object,
};
TEST_MAIN("cache/cache", tests)
