/* SPDX-License-Identifier: Apache-2.0 */
#include "widget.h"

#include <errno.h>

#include "schema/share.h"

#define OUT_MAX ((size_t)64 * 1024)
#define STATUS                                                                                               \
        "{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\",\"observedGeneration\":1,"                \
        "\"lastTransitionTime\":\"2006-01-02T15:04:05Z\",\"reason\":\"No\",\"message\":\"\"}],"              \
        "\"ready\":true}"
#define FULL "{\"spec\":" WIDGET_FULL ",\"status\":" STATUS "}"

/* A root with its halves, as the cache has them. */
struct widget {
        struct widget_set_spec *spec;
        struct widget_set_status *status;
};

static const struct schema_field widget_fields[] = {
        { .name = STR_INIT("spec"),
          .type = SCHEMA_OBJECT,
          .offset = offsetof(struct widget, spec),
          .has_offset = SCHEMA_NO_OFFSET,
          .object = &widget_set_spec_schema },
        { .name = STR_INIT("status"),
          .type = SCHEMA_OBJECT,
          .offset = offsetof(struct widget, status),
          .has_offset = SCHEMA_NO_OFFSET,
          .object = &widget_set_status_schema },
};
static const struct schema widget_schema = { .name = "widget",
                                             .size = sizeof(struct widget),
                                             .fields = widget_fields,
                                             .n_fields = ARRAY_SIZE(widget_fields) };
static const struct schema *const root = &widget_schema;

/* What TEXT says, packed into a block of just the size that was promised, its
 * parts in the pool; all that it was made of is gone. NULL without memory. */
static void *pack(struct schema_pool *pool, const char *text)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct error err = ERROR_INIT;
        void *object, *copy = NULL;
        int r = widget_decode_as(root, text, 0, &a, &object, &err);

        ck_assert_msg(r == 0 || r == -ENOMEM, "%s: %s", err.path, err.message);
        if (r == 0 && schema_share(root, object, pool) == 0) {
                copy = mem_alloc(schema_packed_size_shared(root, object));
                if (copy)
                        schema_pack_shared(root, object, copy);
                else
                        schema_unshare(root, object, pool);
        }
        arena_release(&a);
        return copy;
}

static void drop(struct schema_pool *pool, void *copy)
{
        schema_unshare(root, copy, pool);
        mem_free(copy);
}

static void check(const void *object, const char *expected)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        struct json_writer w;

        json_writer_init(&w, &out);
        schema_encode(root, object, &w);
        ck_str_eq(buf_str(&out), expected);
}

START_TEST(a_copy_is_whole)
{
        struct schema_pool pool;
        void *copy;

        schema_pool_init(&pool);
        copy = pack(&pool, FULL);
        ck_assert_ptr_nonnull(copy);
        check(copy, FULL);
        drop(&pool, copy);
        ck_assert_uint_eq(pool.parts.count, 0);
        ck_assert_uint_eq(pool.bytes, 0);
        schema_pool_release(&pool);
}
END_TEST

START_TEST(equal_parts_are_kept_once)
{
        struct schema_pool pool;
        void *a, *b;
        size_t parts, bytes;

        schema_pool_init(&pool);
        a = pack(&pool, FULL);
        parts = pool.parts.count;
        bytes = pool.bytes;
        ck_assert_uint_gt(parts, 0);
        b = pack(&pool, FULL);
        ck_assert_uint_eq(pool.parts.count, parts);
        ck_assert_uint_eq(pool.bytes, bytes);
        drop(&pool, a);
        ck_assert_uint_eq(pool.parts.count, parts);
        check(b, FULL);
        drop(&pool, b);
        ck_assert_uint_eq(pool.parts.count, 0);
        schema_pool_release(&pool);
}
END_TEST

/* Each differs from the first in one thing only, and is another part. */
START_TEST(what_differs_is_not_shared)
{
        static const char *const specs[] = {
                "\"labels\":{\"a\":\"b\",\"c\":\"d\"}",
                "\"labels\":{\"a\":\"b\",\"c\":\"\"}",
                "\"labels\":{\"a\":\"b\"}",
                "\"labels\":{\"a\":\"bc\",\"\":\"d\"}",
                "\"env\":[{\"name\":\"a\",\"from\":\"there\",\"order\":1}]",
                "\"env\":[{\"name\":\"a\",\"from\":\"there\",\"order\":2}]",
                "\"env\":[{\"name\":\"a\",\"from\":\"there\"}]",
                "\"env\":[{\"name\":\"a\",\"from\":\"here\"}]",
                "\"numbers\":[3,0]",
                "\"numbers\":[0,3]",
                "\"flags\":[true,false]",
                "\"flags\":[true,true]",
                "\"podIPs\":[\"10.0.0.1\",\"10.0.0.2\"]",
                "\"podIPs\":[\"10.0.0.11\",\"0.0.0.2\"]",
                "\"healthCheck\":{\"livePath\":\"/l\",\"retries\":0,\"nested\":{\"deep\":\"up\"}}",
                "\"healthCheck\":{\"livePath\":\"/l\",\"retries\":0,\"nested\":{\"deep\":\"down\"}}",
                "\"healthCheck\":{\"livePath\":\"/l\",\"retries\":1,\"nested\":{\"deep\":\"up\"}}",
                "\"healthCheck\":{\"livePath\":\"/l\",\"retries\":1}",
        };
        void *copies[ARRAY_SIZE(specs)];
        char text[512], again[OUT_MAX];
        struct schema_pool pool;
        size_t before = 0;

        schema_pool_init(&pool);
        for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
                snprintf(text, sizeof(text), "{\"spec\":{\"name\":\"ab\",\"size\":0,%s}}", specs[i]);
                copies[i] = pack(&pool, text);
                ck_assert_msg(pool.parts.count > before, "%s was taken for another", specs[i]);
                before = pool.parts.count;
        }
        for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
                _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
                struct json_writer w;

                json_writer_init(&w, &out);
                schema_encode(root, copies[i], &w);
                snprintf(again, sizeof(again), "%.*s", STR_FMT(buf_str(&out)));
                ck_assert_msg(strstr(again, specs[i]) != NULL, "%s became %s", specs[i], again);
                drop(&pool, copies[i]);
        }
        ck_assert_uint_eq(pool.parts.count, 0);
        schema_pool_release(&pool);
}
END_TEST

START_TEST(absent_and_empty_stay_apart)
{
        struct schema_pool pool;
        struct widget *w;

        schema_pool_init(&pool);
        w = pack(&pool, "{\"spec\":{\"name\":\"ab\",\"size\":1,\"s3\":\"\",\"podIPs\":[],\"labels\":{}}}");
        ck_assert(w->spec->s3.data && w->spec->s3.len == 0);
        ck_assert(w->spec->pod_ips.items && w->spec->pod_ips.n == 0);
        ck_assert(w->spec->labels.items && w->spec->labels.n == 0);
        ck_assert(!w->spec->flags.items && !w->spec->nothing && !w->status);
        drop(&pool, w);
        schema_pool_release(&pool);
}
END_TEST

/* The times of conditions differ, their words do not. */
START_TEST(conditions_share_their_words)
{
        struct schema_pool pool;
        void *a, *b;
        size_t parts;

        schema_pool_init(&pool);
        a = pack(&pool, "{\"status\":" STATUS "}");
        parts = pool.parts.count;
        ck_assert_uint_eq(parts, 4); /* type, status, time, reason; an empty message needs none */
        b = pack(&pool,
                 "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\",\"reason\":\"No\","
                 "\"lastTransitionTime\":\"2007-01-02T15:04:05Z\",\"message\":\"\"}]}}");
        ck_assert_uint_eq(pool.parts.count, parts + 1);
        drop(&pool, a);
        drop(&pool, b);
        ck_assert_uint_eq(pool.parts.count, 0);
        schema_pool_release(&pool);
}
END_TEST

START_TEST(a_string_by_itself)
{
        struct schema_pool pool;
        const char *a, *b;

        schema_pool_init(&pool);
        a = schema_pool_str(&pool, STR("shop"));
        b = schema_pool_str(&pool, STR("shop"));
        ck_assert_ptr_eq(a, b);
        ck_assert_ptr_ne(a, schema_pool_str(&pool, STR("shops")));
        ck_assert_int_eq(memcmp(a, "shop", 4), 0);
        schema_pool_unref_str(&pool, a);
        ck_assert_uint_eq(pool.parts.count, 2);
        schema_pool_unref_str(&pool, b);
        ck_assert_uint_eq(pool.parts.count, 1);
        schema_pool_release(&pool); /* and with it the one that is left */
}
END_TEST

static int share_and_drop(void *arg)
{
        struct schema_pool pool;
        void *copy;
        int r = 0;

        (void)arg;
        schema_pool_init(&pool);
        copy = pack(&pool, FULL);
        if (copy)
                drop(&pool, copy);
        else
                r = -ENOMEM;
        ck_assert_uint_eq(pool.parts.count, 0);
        schema_pool_release(&pool);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(share_and_drop, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        a_copy_is_whole,
        equal_parts_are_kept_once,
        what_differs_is_not_shared,
        absent_and_empty_stay_apart,
        conditions_share_their_words,
        a_string_by_itself,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("schema/share", tests)
