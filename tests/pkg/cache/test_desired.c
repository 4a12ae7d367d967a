/* SPDX-License-Identifier: Apache-2.0 */
#include "box.h"

#include "kube/owned.h"

/* --- desired state ------------------------------------------------------------------------ */

static uint64_t desired_color(const char *color)
{
        char json[128];
        yyjson_doc *doc;
        uint64_t h;
        int n;

        n = snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"web\"},\"spec\":{\"color\":\"%s\"}}",
                     color);
        doc = yyjson_read(json, (size_t)n, 0);
        h = kube_desired_hash(yyjson_doc_get_root(doc), STR_NULL);
        yyjson_doc_free(doc);
        return h;
}

static void applied(struct fixture *f, const struct spec *s, uint64_t desired)
{
        yyjson_doc *doc = make(s);

        ck_assert_int_eq(cache_put_applied(&f->cache, &box_kind, yyjson_doc_get_root(doc), desired), 0);
        yyjson_doc_free(doc);
}

#define put_applied(f, desired, ...) applied((f), &(struct spec){ .ours = true, __VA_ARGS__ }, (desired))

START_TEST(what_holds_our_values_is_as_desired)
{
        struct fixture f;

        setup(&f);
        put(&f, .version = "10", .color = "red", .ours = true);
        ck_assert(cache_as_desired(get(&f, "web"), desired_color("red"), desired_color("red")));
        ck_assert(!cache_as_desired(get(&f, "web"), desired_color("blue"), desired_color("blue")));
        put(&f, .version = "11", .color = "blue", .ours = true); /* drift */
        ck_assert(!cache_as_desired(get(&f, "web"), desired_color("red"), desired_color("red")));
        cache_release(&f.cache);
}
END_TEST

START_TEST(what_is_not_ours_is_never_as_desired)
{
        struct fixture f;

        setup(&f);
        put(&f, .color = "red");
        ck_assert_uint_eq(get(&f, "web")->owned, 0);
        ck_assert(!cache_as_desired(get(&f, "web"), desired_color("red"), desired_color("red")));
        ck_assert(!cache_as_desired(get(&f, "web"), 0, 0));
        cache_release(&f.cache);
}
END_TEST

START_TEST(a_server_may_write_a_value_in_its_own_way)
{
        struct fixture f;

        setup(&f);
        put_applied(&f, desired_color("RED"), .version = "10", .color = "red");
        ck_assert(cache_as_desired(get(&f, "web"), desired_color("RED"), desired_color("RED")));
        /* Others' changes of other fields make no difference. */
        put(&f, .version = "11", .color = "red", .ours = true, .status = "{\"phase\":\"Full\"}");
        ck_assert(cache_as_desired(get(&f, "web"), desired_color("RED"), desired_color("RED")));
        put(&f, .version = "12", .color = "green", .ours = true);
        ck_assert(!cache_as_desired(get(&f, "web"), desired_color("RED"), desired_color("RED")));
        put_applied(&f, desired_color("RED"), .version = "13", .color = "red");
        ck_assert(cache_as_desired(get(&f, "web"), desired_color("RED"), desired_color("RED")));
        cache_release(&f.cache);
}
END_TEST

START_TEST(an_apply_that_changed_nothing_is_remembered_too)
{
        struct fixture f;

        setup(&f);
        put(&f, .version = "10", .color = "red", .ours = true);
        ck_assert(!cache_as_desired(get(&f, "web"), desired_color("RED"), desired_color("RED")));
        put_applied(&f, desired_color("RED"), .version = "10", .color = "red");
        ck_assert(cache_as_desired(get(&f, "web"), desired_color("RED"), desired_color("RED")));
        check_changes(&f, 1, 0, 0);
        cache_release(&f.cache);
}
END_TEST

START_TEST(drift_that_overtakes_the_reply_is_not_taken_for_what_was_applied)
{
        struct fixture f;

        setup(&f);
        put(&f, .version = "10", .color = "blue", .ours = true);
        /* We apply red (11), somebody makes it green (12), and the watch tells
         * of both before our reply is here. */
        put(&f, .version = "11", .color = "red", .ours = true);
        put(&f, .version = "12", .color = "green", .ours = true);
        put_applied(&f, desired_color("red"), .version = "11", .color = "red");
        ck_str_eq(box(&f, "web")->spec->color, "green");
        ck_assert(!cache_as_desired(get(&f, "web"), desired_color("red"), desired_color("red")));
        ck_assert_uint_eq(get(&f, "web")->applied_desired, desired_color("red")); /* so it is drift */
        cache_release(&f.cache);
}
END_TEST

START_TEST(what_was_applied_to_an_older_object_of_the_name_does_not_count)
{
        struct fixture f;

        setup(&f);
        put_applied(&f, desired_color("RED"), .uid = "old", .version = "10", .color = "red");
        put(&f, .uid = "new", .version = "20", .color = "red", .ours = true);
        ck_assert(!cache_as_desired(get(&f, "web"), desired_color("RED"), desired_color("RED")));
        ck_assert_uint_eq(get(&f, "web")->applied_desired, 0);
        /* Nor does a reply about the old one that comes late. */
        put_applied(&f, desired_color("RED"), .uid = "old", .version = "11", .color = "red");
        ck_assert_uint_eq(get(&f, "web")->applied_desired, 0);
        cache_release(&f.cache);
}
END_TEST

START_TEST(a_reply_about_what_is_gone_is_no_harm)
{
        struct fixture f;

        setup(&f);
        put(&f, .version = "10");
        gone(&f, .version = "12");
        put_applied(&f, 1, .version = "11", .color = "red");
        ck_assert_ptr_null(get(&f, "web"));
        cache_release(&f.cache);
}
END_TEST

START_TEST(what_stood_as_desired_is_remembered_as_ours)
{
        struct fixture f;

        setup(&f);
        put(&f, .version = "10", .color = "red", .ours = true);
        cache_note_desired(&f.cache, get(&f, "web"), desired_color("red"));
        put(&f, .version = "11", .color = "green", .ours = true);
        ck_assert(!cache_as_desired(get(&f, "web"), desired_color("red"), desired_color("red")));
        ck_assert_uint_eq(get(&f, "web")->applied_desired, desired_color("red"));
        cache_release(&f.cache);
}
END_TEST

/* --- a field that others set as well ------------------------------------------------------- */

/* An autoscaler sets the size. */
static const struct cache_kind scaled_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("scaled"), STR_INIT("Scaled"), true },
        .schema = &box_schema,
        .shared = STR_INIT("spec.size"),
};

static const struct object *put_scaled(struct fixture *f, const char *version, const char *color, int size)
{
        static const char owned[] = ",\"managedFields\":[{\"manager\":\"keelson\",\"operation\":\"Apply\","
                                    "\"fieldsV1\":{\"f:spec\":{\"f:color\":{},\"f:size\":{}}}}]";
        char spec[128];

        snprintf(spec, sizeof(spec), "{\"color\":\"%s\",\"size\":%d}", color, size);
        ck_assert_int_eq(put_kind(f, &scaled_kind, CACHE_FROM_WATCH,
                                  &(struct spec){ .version = version, .spec = spec, .meta = owned }),
                         0);
        return cache_get(&f->cache, &scaled_kind, STR("shop"), STR("web"));
}

START_TEST(a_shared_field_is_no_drift)
{
        uint64_t red = desired_color("red");
        const struct object *o;
        struct fixture f;

        setup(&f);
        o = put_scaled(&f, "10", "red", 3);
        ck_assert(cache_as_desired(o, red, 1));
        o = put_scaled(&f, "11", "red", 7);
        ck_assert(cache_as_desired(o, red, 1));
        o = put_scaled(&f, "12", "blue", 7);
        ck_assert(!cache_as_desired(o, red, 1));
        cache_release(&f.cache);
}
END_TEST

/* Where the server writes our values in its own way, what was applied is known by
 * the hash with the shared field: another value of it is another wish. */
START_TEST(another_value_of_a_shared_field_is_to_be_applied)
{
        const struct object *o;
        struct fixture f;

        setup(&f);
        o = put_scaled(&f, "10", "red", 3);
        cache_note_desired(&f.cache, o, 33);
        ck_assert(cache_as_desired(o, desired_color("RED"), 33));
        ck_assert(!cache_as_desired(o, desired_color("RED"), 34));
        cache_release(&f.cache);
}
END_TEST

/* --- repairs ------------------------------------------------------------------------------- */

START_TEST(the_first_repairs_are_made_at_once_and_the_next_ever_later)
{
        usec_t now = USEC_HOUR, pause, last = 0;
        struct fixture f;

        setup(&f);
        put(&f, .version = "10", .color = "red", .ours = true);
        for (int i = 0; i < 3; i++) {
                ck_assert_int_eq(cache_repair_due(get(&f, "web")), 0);
                cache_note_repair(&f.cache, get(&f, "web"), now);
        }
        for (int i = 0; i < 20; i++) {
                pause = cache_repair_due(get(&f, "web")) - now;
                ck_assert_int_ge(pause, USEC_SEC);
                ck_assert_int_le(pause, 5 * USEC_MINUTE);
                ck_assert(pause > last || pause == 5 * USEC_MINUTE);
                last = pause;
                now += pause;
                cache_note_repair(&f.cache, get(&f, "web"), now);
        }
        ck_assert_int_eq(last, 5 * USEC_MINUTE);
        cache_release(&f.cache);
}
END_TEST

START_TEST(repairs_are_forgotten_in_time_and_not_by_a_change)
{
        usec_t now = USEC_HOUR;
        struct fixture f;

        setup(&f);
        put(&f, .version = "10", .color = "red", .ours = true);
        for (int i = 0; i < 5; i++)
                cache_note_repair(&f.cache, get(&f, "web"), now);
        put(&f, .version = "11", .color = "blue", .ours = true);
        ck_assert_int_gt(cache_repair_due(get(&f, "web")), now);
        now += 11 * USEC_MINUTE;
        cache_note_repair(&f.cache, get(&f, "web"), now);
        ck_assert_int_eq(cache_repair_due(get(&f, "web")), 0);
        /* Another object of the name begins anew. */
        for (int i = 0; i < 5; i++)
                cache_note_repair(&f.cache, get(&f, "web"), now);
        put(&f, .uid = "uid-2", .version = "12", .color = "red", .ours = true);
        ck_assert_int_eq(cache_repair_due(get(&f, "web")), 0);
        cache_release(&f.cache);
}
END_TEST

/* --- lists that are set as a whole ------------------------------------------------------- */

START_TEST(lists_are_reset_once_for_each_version)
{
        const struct object *o;
        struct fixture f;

        setup(&f);
        put(&f, .version = "10", .color = "red", .ours = true);
        o = get(&f, "web");
        ck_assert(cache_note_reset(&f.cache, o));
        ck_assert(!cache_note_reset(&f.cache, o));
        put(&f, .version = "10", .color = "red", .ours = true); /* nothing new */
        ck_assert(!cache_note_reset(&f.cache, get(&f, "web")));
        put(&f, .version = "11", .color = "blue", .ours = true);
        ck_assert(cache_note_reset(&f.cache, get(&f, "web")));
        cache_release(&f.cache);
}
END_TEST

/* --- deletions ----------------------------------------------------------------------------- */

START_TEST(what_we_deleted_is_on_its_way_out)
{
        struct fixture f;

        setup(&f);
        put(&f, .uid = "uid-1", .version = "10", .color = "red");
        cache_note_deleting(&f.cache, &box_kind, STR("shop"), STR("web"), STR("uid-0"));
        ck_assert(!get(&f, "web")->deleting);
        cache_note_deleting(&f.cache, &box_kind, STR("shop"), STR("gone"), STR("uid-1"));
        cache_note_deleting(&f.cache, &box_kind, STR("shop"), STR("web"), STR("uid-1"));
        ck_assert(get(&f, "web")->deleting);
        check_changes(&f, 1, 0, 0);
        cache_release(&f.cache);
}
END_TEST

static const TTest *const tests[] = {
        what_holds_our_values_is_as_desired,
        what_is_not_ours_is_never_as_desired,
        a_server_may_write_a_value_in_its_own_way,
        an_apply_that_changed_nothing_is_remembered_too,
        drift_that_overtakes_the_reply_is_not_taken_for_what_was_applied,
        what_was_applied_to_an_older_object_of_the_name_does_not_count,
        a_reply_about_what_is_gone_is_no_harm,
        what_stood_as_desired_is_remembered_as_ours,
        a_shared_field_is_no_drift,
        another_value_of_a_shared_field_is_to_be_applied,
        the_first_repairs_are_made_at_once_and_the_next_ever_later,
        repairs_are_forgotten_in_time_and_not_by_a_change,
        lists_are_reset_once_for_each_version,
        what_we_deleted_is_on_its_way_out,
};
TEST_MAIN("cache/desired", tests)
