/* SPDX-License-Identifier: Apache-2.0
 *
 * What a kind may ask of the cache beyond keeping its objects.
 */
#include "box.h"

#define OWNER(kind, name, uid)                                                                               \
        ",\"ownerReferences\":[{\"kind\":\"" kind "\",\"name\":\"" name "\",\"uid\":\"" uid                  \
        "\",\"controller\":true}]"

static int read_all(const struct fixture *f, const struct cache_kind *kind, const char *namespace,
                    const char *owner, char names[256])
{
        const struct object *o = NULL;
        int n = 0;

        names[0] = '\0';
        while ((o = cache_owned(&f->cache, kind, str_c(namespace), str_c(owner), o))) {
                size_t at = strlen(names);

                snprintf(names + at, 256 - at, "%.*s ", STR_FMT(o->name));
                n++;
        }
        return n;
}

static void put_to(struct fixture *f, const struct cache_kind *kind, const struct spec *s)
{
        ck_assert_int_eq(put_kind(f, kind, CACHE_FROM_WATCH, s), 0);
}

/* --- by their owner ----------------------------------------------------------------------- */

static const struct cache_kind part_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("parts"), STR_INIT("Part"), true },
        .schema = &box_schema,
        .by_owner = true,
        .tallied = true,
};

#define put_part(f, ...) put_to((f), &part_kind, &(struct spec){ __VA_ARGS__ })

START_TEST(objects_are_found_by_the_name_of_their_owner)
{
        char names[256];
        struct fixture f;

        setup(&f);
        put_part(&f, .name = "a", .meta = OWNER("App", "web", "u-1"));
        put_part(&f, .name = "b", .meta = OWNER("App", "web", "u-0")); /* of an older one of the name */
        put_part(&f, .name = "c", .meta = OWNER("App", "jobs", "u-2"));
        put_part(&f, .name = "d");
        put_part(&f, .namespace = "other", .name = "e", .meta = OWNER("App", "web", "u-1"));
        put(&f, .name = "f", .meta = OWNER("App", "web", "u-1"));
        ck_assert_int_eq(read_all(&f, &part_kind, "shop", "web", names), 2);
        ck_assert(strstr(names, "a ") && strstr(names, "b "));
        ck_assert_int_eq(read_all(&f, &part_kind, "shop", "jobs", names), 1);
        ck_assert_int_eq(read_all(&f, &part_kind, "other", "web", names), 1);
        ck_assert_int_eq(read_all(&f, &part_kind, "shop", "nobody", names), 0);
        ck_assert_int_eq(read_all(&f, &box_kind, "shop", "web", names), 0); /* the kind does not ask for it */
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

START_TEST(an_object_that_changes_hands_is_found_with_its_new_owner)
{
        char names[256];
        struct fixture f;

        setup(&f);
        put_part(&f, .name = "a", .version = "10", .meta = OWNER("App", "web", "u-1"));
        put_part(&f, .name = "a", .version = "11", .meta = OWNER("App", "jobs", "u-2"));
        ck_assert_int_eq(read_all(&f, &part_kind, "shop", "web", names), 0);
        ck_assert_int_eq(read_all(&f, &part_kind, "shop", "jobs", names), 1);
        put_part(&f, .name = "a", .version = "12");
        ck_assert_int_eq(read_all(&f, &part_kind, "shop", "jobs", names), 0);
        put_part(&f, .name = "a", .version = "13", .meta = OWNER("App", "web", "u-1"));
        cache_list_begin(&f.cache, &part_kind, STR_NULL);
        ck_assert_int_eq(cache_list_end(&f.cache, &part_kind, STR_NULL, STR("20")), 0);
        ck_assert_int_eq(read_all(&f, &part_kind, "shop", "web", names), 0);
        ck_assert_uint_eq(f.cache.by_owner.count, 0);
        ck_assert_uint_eq(cache_count(&f.cache, &part_kind, STR("shop")), 0);
        cache_release(&f.cache);
}
END_TEST

/* --- by a label that says who owns it -------------------------------------------------------- */

static bool is_full(const void *state)
{
        const struct box *b = state;

        return b->status && str_eq(b->status->phase, STR("Full"));
}

static const struct cache_kind pod_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("pods"), STR_INIT("Pod"), true },
        .schema = &box_schema,
        .by_owner = true,
        .owner_label = STR_INIT("instance"),
        .owner_kind = STR_INIT("App"),
        .keep = is_full,
};

#define put_pod(f, ...) put_to((f), &pod_kind, &(struct spec){ __VA_ARGS__ })
#define FULL "{\"phase\":\"Full\"}"
#define EMPTY "{\"phase\":\"Empty\"}"

START_TEST(a_label_may_say_who_the_owner_is)
{
        char names[256];
        struct fixture f;
        const struct object *o;

        setup(&f);
        put_pod(&f, .name = "a", .status = FULL,
                .meta = ",\"labels\":{\"instance\":\"web\"}" OWNER("ReplicaSet", "web-1", "u-1"));
        ck_assert_int_eq(read_all(&f, &pod_kind, "shop", "web", names), 1);
        ck_assert_int_eq(read_all(&f, &pod_kind, "shop", "web-1", names), 0);
        o = cache_get(&f.cache, &pod_kind, STR("shop"), STR("a"));
        ck_str_eq(o->owner->kind, "App");
        ck_assert_uint_eq(o->owner->uid.len, 0);
        put_pod(&f, .name = "b", .status = FULL, .meta = OWNER("ReplicaSet", "web-1", "u-1"));
        ck_assert_int_eq(read_all(&f, &pod_kind, "shop", "web", names), 1);
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

START_TEST(what_is_not_interesting_is_not_kept)
{
        struct fixture f;

        setup(&f);
        put_pod(&f, .name = "a", .version = "10", .status = EMPTY);
        check_changes(&f, 0, 0, 0);
        put_pod(&f, .name = "a", .version = "11", .status = FULL);
        check_changes(&f, 1, 0, 0);
        put_pod(&f, .name = "a", .version = "12", .status = EMPTY);
        check_changes(&f, 1, 0, 1);
        ck_assert_uint_eq(f.cache.by_key.count, 0);
        ck_assert_uint_eq(cache_total(&f.cache, &pod_kind)->objects, 0);
        /* While it is kept, what is older is passed over, be it interesting or not. */
        put_pod(&f, .name = "a", .version = "15", .status = FULL);
        put_pod(&f, .name = "a", .version = "13", .status = EMPTY);
        check_changes(&f, 2, 0, 1);
        cache_release(&f.cache);
}
END_TEST

/* --- a state that follows from the object ------------------------------------------------------ */

struct sum {
        int64_t n;
        bool has_n;
        struct str text;
};

static const struct schema_field sum_fields[] = {
        { .name = STR_INIT("n"),
          .type = SCHEMA_INT,
          .offset = offsetof(struct sum, n),
          .has_offset = offsetof(struct sum, has_n) },
        { .name = STR_INIT("text"),
          .type = SCHEMA_STRING,
          .offset = offsetof(struct sum, text),
          .has_offset = SCHEMA_NO_OFFSET },
};
static const struct schema sum_schema = { "Sum", sizeof(struct sum), sum_fields, 2 };

static int add_up(yyjson_val *json, struct arena *a, void *ret)
{
        struct sum *sum = ret;

        ck_assert(sum->n == 0 && !sum->has_n && !sum->text.data);
        sum->n = (int64_t)yyjson_obj_size(yyjson_obj_get(json, "spec"));
        sum->has_n = true;
        sum->text = arena_printf(a, "%lld fields", (long long)sum->n);
        return a->failed ? -ENOMEM : 0;
}

static const struct cache_kind derived_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("sums"), STR_INIT("Sum"), true },
        .schema = &sum_schema,
        .derive = add_up,
};

START_TEST(a_state_may_follow_from_the_object)
{
        const struct sum *sum;
        struct fixture f;

        setup(&f);
        put_to(&f, &derived_kind, &(struct spec){ .name = "a", .spec = "{\"x\":1,\"y\":2}" });
        put_to(&f, &derived_kind, &(struct spec){ .name = "b", .version = "11" });
        sum = cache_get(&f.cache, &derived_kind, STR("shop"), STR("a"))->state;
        ck_assert_int_eq(sum->n, 2);
        ck_str_eq(sum->text, "2 fields"); /* it outlives the arena that it was made in */
        sum = cache_get(&f.cache, &derived_kind, STR("shop"), STR("b"))->state;
        ck_assert_int_eq(sum->n, 0);
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

/* --- APIs that are not there, or not for us ------------------------------------------------------ */

START_TEST(without_its_api_a_kind_has_no_objects)
{
        struct fixture f;

        setup(&f);
        put(&f, .name = "a", .version = "10");
        put_crate(&f, .name = "b");
        ck_assert_ptr_nonnull(cache_total(&f.cache, &box_kind)->version);
        ck_assert_int_eq(cache_set_served(&f.cache, &box_kind, false), 0);
        check_changes(&f, 2, 0, 1);
        ck_assert(cache_total(&f.cache, &box_kind)->not_served);
        ck_assert_ptr_null(cache_total(&f.cache, &box_kind)->version);
        ck_assert_uint_eq(cache_count(&f.cache, &box_kind, STR("shop")), 0);
        ck_assert_ptr_nonnull(cache_iterate(&f.cache, &crate_kind, NULL));
        /* It is installed anew: its versions may begin before the old ones. */
        ck_assert_int_eq(cache_set_served(&f.cache, &box_kind, true), 0);
        ck_assert(!cache_total(&f.cache, &box_kind)->not_served);
        put(&f, .name = "a", .version = "4");
        ck_assert_ptr_nonnull(get(&f, "a"));
        cache_release(&f.cache);
        ck_assert_uint_eq(mem_live(), 0);
}
END_TEST

START_TEST(a_kind_that_was_never_seen_may_be_told_absent)
{
        struct fixture f;

        setup(&f);
        ck_assert_ptr_null(cache_total(&f.cache, &crate_kind));
        ck_assert_int_eq(cache_set_served(&f.cache, &crate_kind, false), 0);
        ck_assert(cache_total(&f.cache, &crate_kind)->not_served);
        cache_release(&f.cache);
}
END_TEST

/* --- without memory ------------------------------------------------------------------------ */

static int use_kind(const struct cache_kind *kind)
{
        static const struct spec first = { .version = "10",
                                           .spec = "{\"color\":\"red\"}",
                                           .status = FULL,
                                           .meta = ",\"labels\":{\"instance\":\"web\"}" OWNER("App", "web",
                                                                                              "u-1") };
        static const struct spec second = { .version = "11", .spec = "{\"color\":\"blue\"}", .status = FULL };
        yyjson_doc *a = make(&first), *b = make(&second);
        struct fixture f;
        int r;

        setup(&f);
        r = cache_put(&f.cache, kind, yyjson_doc_get_root(a), CACHE_FROM_WATCH);
        if (r == 0)
                r = cache_put(&f.cache, kind, yyjson_doc_get_root(b), CACHE_FROM_WATCH);
        ck_assert_uint_le(f.cache.by_key.count, 1);
        if (kind->by_owner)
                ck_assert_uint_eq(f.cache.by_owner.count, f.cache.by_key.count);
        if (kind->tallied)
                ck_assert_uint_eq(cache_count(&f.cache, kind, STR("shop")), f.cache.by_key.count);
        cache_release(&f.cache);
        yyjson_doc_free(a);
        yyjson_doc_free(b);
        return r;
}

static int use_all(void *arg)
{
        static const struct cache_kind *const kinds[] = { &part_kind, &pod_kind, &derived_kind };
        int r = 0;

        (void)arg;
        for (size_t i = 0; i < ARRAY_SIZE(kinds) && r == 0; i++)
                r = use_kind(kinds[i]);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(use_all, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        objects_are_found_by_the_name_of_their_owner,
        an_object_that_changes_hands_is_found_with_its_new_owner,
        a_label_may_say_who_the_owner_is,
        what_is_not_interesting_is_not_kept,
        a_state_may_follow_from_the_object,
        without_its_api_a_kind_has_no_objects,
        a_kind_that_was_never_seen_may_be_told_absent,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("cache/kinds", tests)
