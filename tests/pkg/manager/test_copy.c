/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies of letters: to a kind that is read on demand, and to one that is watched.
 */
#include "desk.h"

#define LETTER(version, rest)                                                                                \
        "{\"kind\":\"Letter\",\"metadata\":{\"namespace\":\"shop\",\"name\":\"a\",\"uid\":\"u-a\","          \
        "\"resourceVersion\":\"" version "\",\"annotations\":{\"x\":\"not copied\"}}" rest "}"
#define CONTENTS                                                                                             \
        ",\"type\":\"Opaque\",\"data\":{\"P\":\"MQ==\"},\"binaryData\":{\"B\":\"AA==\"},\"immutable\":null"
#define OWNER(name, uid)                                                                                     \
        ",\"ownerReferences\":[{\"kind\":\"Box\",\"name\":\"" name "\",\"uid\":\"" uid                       \
        "\",\"controller\":true}]"
#define COPY(version, owner)                                                                                 \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-a-1\",\"uid\":\"u-copy\",\"resourceVersion\":" \
        "\"" version "\"" owner "}}"
#define OURS OWNER("web", "u-web")

static const struct cache_kind *kind;

static void copy_a(const struct view *view, struct plan *plan)
{
        const struct object *source = NULL;

        if (view_read(view, plan, &letter_kind, STR("a"), VIEW_READ_AGE, &source) == READING_PRESENT)
                plan_copy(plan, kind, STR("web-a-1"),
                          STR("{\"kind\":\"Copy\",\"metadata\":{\"name\":\"web-a-1\"},\"immutable\":true}"),
                          source);
}

/* The letter is read; the copy is not yet there. */
static void begin_copying(struct desk *d, const struct cache_kind *to)
{
        begin(d);
        kind = to;
        desk_state.references[0] = (struct reference){ &letter_kind, STR("a") };
        desk_state.n_references = 1;
        want(d, copy_a);
        turn(d);
        answer(d, 0, 200, LETTER("10", CONTENTS));
        ck_assert_uint_eq(d->n_calls, 2);
}

static const struct object *copy_of(struct desk *d)
{
        return cache_get(&d->m.cache, kind, STR("shop"), STR("web-a-1"));
}

START_TEST(a_copy_is_looked_for_and_made_of_what_the_source_holds)
{
        struct desk d;

        begin_copying(&d, &copy_kind);
        ck_call(&d, 1, CALL_GET, "copies", "web-a-1");
        answer_not_found(&d, 1);
        ck_call(&d, 2, CALL_GET, "letters", "a");
        answer(&d, 2, 200, LETTER("10", CONTENTS));
        ck_call(&d, 3, CALL_APPLY, "copies", "web-a-1");
        /* The version that no object has: it fails if the name is taken. */
        ck_str_eq(d.calls[3].call.body,
                  "{\"kind\":\"Copy\",\"metadata\":{\"resourceVersion\":\"1\",\"name\":\"web-a-1\"},"
                  "\"immutable\":true,\"type\":\"Opaque\",\"data\":{\"P\":\"MQ==\"},\"binaryData\":{\"B\":"
                  "\"AA==\"}}");
        answer(&d, 3, 201, COPY("11", OURS));
        ck_assert_ptr_nonnull(copy_of(&d));
        ck_assert_uint_eq(d.n_calls, 4); /* it is quiet: no event */
        /* It is there, and that is all there is to it. */
        ck_assert_int_eq(manager_enqueue_all(&d.m), 0);
        turn(&d);
        ck_assert_uint_eq(d.n_calls, 4);
        ck_assert(manager_idle(&d.m));
        end(&d);
}
END_TEST

START_TEST(what_is_there_is_looked_at_now_and_then)
{
        struct desk d;

        begin_copying(&d, &copy_kind);
        answer(&d, 1, 200, COPY("9", OURS));
        ck_assert_uint_eq(d.n_calls, 2);
        ck_assert_ptr_nonnull(copy_of(&d));
        pass(&d, VIEW_READ_AGE);
        ck_assert_uint_eq(d.n_calls, 4); /* the source, and the copy */
        answer(&d, 2, 200, LETTER("10", CONTENTS));
        ck_call(&d, 3, CALL_GET, "copies", "web-a-1");
        answer_not_found(&d, 3); /* somebody deleted it */
        answer(&d, 4, 200, LETTER("10", CONTENTS));
        ck_call(&d, 5, CALL_APPLY, "copies", "web-a-1");
        answer(&d, 5, 201, COPY("20", OURS));
        ck_str_eq(object_version(copy_of(&d)), "20");
        end(&d);
}
END_TEST

START_TEST(a_kind_that_is_watched_needs_no_look)
{
        struct desk d;

        begin_copying(&d, &part_kind);
        ck_call(&d, 1, CALL_GET, "letters", "a");
        answer(&d, 1, 200, LETTER("10", CONTENTS));
        ck_call(&d, 2, CALL_APPLY, "parts", "web-a-1");
        answer(&d, 2, 201, COPY("11", OURS));
        ck_assert_ptr_nonnull(copy_of(&d));
        ck_assert_uint_eq(d.n_calls, 4);
        ck_body(&d, 3, "Created Part web-a-1");
        answer(&d, 3, 201, "{}");
        end(&d);
}
END_TEST

START_TEST(nothing_is_copied_but_the_contents)
{
        struct desk d;

        begin_copying(&d, &part_kind);
        answer(&d, 1, 200, LETTER("10", ",\"data\":null,\"spec\":{\"color\":\"red\"},\"status\":{}"));
        ck_str_eq(d.calls[2].call.body,
                  "{\"kind\":\"Copy\",\"metadata\":{\"resourceVersion\":\"1\",\"name\":\"web-a-1\"},"
                  "\"immutable\":true}");
        answer(&d, 2, 201, COPY("11", OURS));
        answer(&d, 3, 201, "{}");
        end(&d);
}
END_TEST

/* --- the source changes meanwhile ------------------------------------------------------------ */

/* The name says what is in it, so it must be that. */
START_TEST(another_version_of_the_source_is_not_copied)
{
        struct desk d;

        begin_copying(&d, &part_kind);
        answer(&d, 1, 200, LETTER("12", ",\"spec\":{\"color\":\"blue\"}"));
        ck_assert_ptr_null(copy_of(&d));
        ck_str_eq(object_version(cache_get(&d.m.cache, &letter_kind, STR("shop"), STR("a"))), "12");
        /* The next plan is about that. */
        pass(&d, QUEUE_BACKOFF_MAX);
        ck_call(&d, 2, CALL_GET, "letters", "a");
        answer(&d, 2, 200, LETTER("12", ",\"spec\":{\"color\":\"blue\"}"));
        for (size_t i = 3; i < d.n_calls; i++) {
                if (d.calls[i].call.type == CALL_GET)
                        answer(&d, i, 200, LETTER("12", ",\"spec\":{\"color\":\"blue\"}"));
                else
                        answer(&d, i, 201, COPY("13", OURS));
        }
        ck_assert_ptr_nonnull(copy_of(&d));
        end(&d);
}
END_TEST

START_TEST(a_source_that_goes_meanwhile_is_known_to_be_gone)
{
        struct desk d;
        size_t boxes;

        begin_copying(&d, &part_kind);
        boxes = desk_state.n_boxes;
        answer_not_found(&d, 1);
        ck_assert_ptr_null(cache_get(&d.m.cache, &letter_kind, STR("shop"), STR("a")));
        ck_assert_int_ne(cache_read_at(&d.m.cache, &letter_kind, STR("shop"), STR("a")), 0);
        pass(&d, QUEUE_BACKOFF_MAX);
        ck_assert_uint_gt(desk_state.n_boxes, boxes);
        ck_assert_ptr_null(copy_of(&d));
        for (size_t i = 2; i < d.n_calls; i++)
                answer_not_found(&d, i);
        end(&d);
}
END_TEST

/* --- a name that is taken -------------------------------------------------------------------- */

static void check_conflict(struct desk *d, const char *message)
{
        size_t n = d->n_calls;

        pass(d, QUEUE_BACKOFF_MAX);
        ck_assert_str_eq(desk_state.reason, "NameConflict");
        ck_assert(desk_state.failure.permanent);
        ck_assert_msg(strstr(desk_state.message, message), "%s", desk_state.message);
        for (size_t i = n; i < d->n_calls; i++)
                ck_assert_int_eq(d->calls[i].call.type, CALL_GET); /* it writes nothing */
        for (size_t i = n; i < d->n_calls; i++)
                answer_not_found(d, i);
}

START_TEST(a_foreign_object_of_the_name_is_left_alone)
{
        struct desk d;

        begin_copying(&d, &copy_kind);
        answer(&d, 1, 200, COPY("9", ""));
        ck_assert_uint_eq(d.n_calls, 2);
        ck_assert_ptr_null(copy_of(&d));
        check_conflict(&d, "exists already and was not made by Keelson");
        end(&d);

        begin_copying(&d, &copy_kind);
        answer(&d, 1, 200, COPY("9", OWNER("jobs", "u-jobs")));
        check_conflict(&d, "belongs to Box \"jobs\"");
        end(&d);
}
END_TEST

START_TEST(one_that_is_made_meanwhile_is_looked_at)
{
        struct desk d;

        begin_copying(&d, &copy_kind);
        answer_not_found(&d, 1);
        answer(&d, 2, 200, LETTER("10", CONTENTS));
        refuse(&d, 3, 409, "Conflict", "it exists");
        ck_call(&d, 4, CALL_GET, "copies", "web-a-1");
        /* It is our own: the reply to an earlier try was lost. */
        answer(&d, 4, 200, COPY("11", OURS));
        ck_assert_ptr_nonnull(copy_of(&d));
        ck_assert_uint_eq(d.n_calls, 5);
        ck_assert_ptr_null(desk_state.failure.reason.data);
        end(&d);

        begin_copying(&d, &copy_kind);
        answer_not_found(&d, 1);
        answer(&d, 2, 200, LETTER("10", CONTENTS));
        refuse(&d, 3, 409, "Conflict", "it exists");
        answer(&d, 4, 200, COPY("11", ""));
        ck_assert_ptr_null(copy_of(&d));
        check_conflict(&d, "was not made by Keelson");
        end(&d);
}
END_TEST

START_TEST(a_watched_one_that_is_foreign_is_left_alone)
{
        struct desk d;

        begin(&d);
        bring(&d, &part_kind, .name = "web-a-1", .uid = "u-f", .version = "5");
        kind = &part_kind;
        desk_state.references[0] = (struct reference){ &letter_kind, STR("a") };
        desk_state.n_references = 1;
        want(&d, copy_a);
        turn(&d);
        answer(&d, 0, 200, LETTER("10", CONTENTS));
        ck_assert_uint_eq(d.n_calls, 1);
        check_conflict(&d, "was not made by Keelson");
        end(&d);
}
END_TEST

/* --- the end of the resource ------------------------------------------------------------------- */

START_TEST(copies_are_forgotten_with_their_resource)
{
        yyjson_doc *doc = make(&(struct spec){ .name = "web", .uid = "u-web", .version = "99" });
        struct desk d;

        begin_copying(&d, &copy_kind);
        answer(&d, 1, 200, COPY("9", OURS));
        ck_assert_uint_eq(d.m.cache.readings.count, 2);
        ck_assert_int_eq(cache_delete(&d.m.cache, &box_kind, yyjson_doc_get_root(doc)), 0);
        yyjson_doc_free(doc);
        turn(&d);
        ck_assert_uint_eq(d.m.cache.readings.count, 0);
        ck_assert_uint_eq(d.m.cache.by_key.count, 0);
        end(&d);
}
END_TEST

/* --- without memory ----------------------------------------------------------------------- */

static const char *reply_to(const struct call *call, bool copied)
{
        if (call->type == CALL_APPLY)
                return COPY("11", OURS);
        if (str_eq(call->kind->plural, STR("letters")))
                return LETTER("10", CONTENTS);
        return copied ? COPY("11", OURS) : NULL;
}

/* Whatever fails, it comes to the copy, and to one only. */
static int copy_once(void *arg)
{
        struct desk d = { .base = { desk_start, desk_cancel, desk_now, desk_now }, .now = USEC_HOUR };
        yyjson_doc *doc = make(&(struct spec){ .name = "web", .uid = "u-web", .color = "red" });
        bool failed, copied = false;

        (void)arg;
        manager_init(&d.m, &d.base, STR("op0"), 1);
        failed = manager_add(&d.m, &box_controller) < 0;
        manager_allow(&d.m, true);
        failed |= cache_put(&d.m.cache, &box_kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH) < 0;
        yyjson_doc_free(doc);
        for (size_t rounds = 0; !failed && !copy_of(&d); rounds++) {
                ck_assert_uint_lt(rounds, 10);
                turn(&d);
                for (size_t i = 0; i < d.n_calls; i++) {
                        const char *body = d.calls[i].open ? reply_to(&d.calls[i].call, copied) : NULL;

                        if (!d.calls[i].open)
                                continue;
                        copied |= d.calls[i].call.type == CALL_APPLY;
                        if (body)
                                answer(&d, i, 200, body);
                        else
                                answer_not_found(&d, i);
                }
                d.now += QUEUE_BACKOFF_MAX;
        }
        manager_allow(&d.m, false);
        end(&d);
        return failed ? -ENOMEM : 0;
}

START_TEST(it_survives_the_lack_of_memory)
{
        log_setup(LOG_ERROR + 1, LOG_TEXT);
        kind = &copy_kind;
        desk_state = (typeof(desk_state)){ .script = copy_a,
                                           .references = { { &letter_kind, STR("a") } },
                                           .n_references = 1 };
        torture(copy_once, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        a_copy_is_looked_for_and_made_of_what_the_source_holds,
        what_is_there_is_looked_at_now_and_then,
        a_kind_that_is_watched_needs_no_look,
        nothing_is_copied_but_the_contents,
        another_version_of_the_source_is_not_copied,
        a_source_that_goes_meanwhile_is_known_to_be_gone,
        a_foreign_object_of_the_name_is_left_alone,
        one_that_is_made_meanwhile_is_looked_at,
        a_watched_one_that_is_foreign_is_left_alone,
        copies_are_forgotten_with_their_resource,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("manager/copy", tests)
