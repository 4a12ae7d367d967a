/* SPDX-License-Identifier: Apache-2.0 */
#include "widget.h"

#define OUT_MAX ((size_t)64 * 1024)

/* Packs what TEXT says, destroys everything that the copy was made of, and
 * gives the copy. The block has just the size that was promised, so that the
 * sanitizer sees a byte too many. */
static void *pack(const struct schema *s, const char *text)
{
        struct arena a = ARENA_INIT(WIDGET_ARENA_MAX);
        struct error err = ERROR_INIT;
        void *object, *copy;
        int r = widget_decode_as(s, text, 0, &a, &object, &err);

        ck_assert_msg(r == 0, "%s: %s", err.path, err.message);
        copy = mem_alloc(schema_packed_size(s, object));
        ck_assert_ptr_nonnull(copy);
        schema_pack(s, object, copy);
        ck_assert_uint_eq(schema_packed_size(s, copy), schema_packed_size(s, object));
        arena_release(&a);
        return copy;
}

static void check(const struct schema *s, const void *object, const char *expected)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(OUT_MAX);
        struct json_writer w;

        json_writer_init(&w, &out);
        schema_encode(s, object, &w);
        ck_str_eq(buf_str(&out), expected);
}

START_TEST(copies_everything)
{
        void *copy = pack(&widget_set_spec_schema, WIDGET_FULL), *again;

        check(&widget_set_spec_schema, copy, WIDGET_FULL);
        /* A copy can be copied. */
        again = mem_alloc(schema_packed_size(&widget_set_spec_schema, copy));
        ck_assert_ptr_nonnull(again);
        schema_pack(&widget_set_spec_schema, copy, again);
        mem_free(copy);
        check(&widget_set_spec_schema, again, WIDGET_FULL);
        mem_free(again);
}
END_TEST

START_TEST(keeps_absent_and_empty_apart)
{
        struct widget_set_spec *w;

        w = pack(&widget_set_spec_schema,
                 "{\"name\":\"ab\",\"size\":1,\"s3\":\"\",\"podIPs\":[],\"labels\":{}}");
        ck_assert(w->s3.data && w->s3.len == 0);
        ck_assert(w->pod_ips.items && w->pod_ips.n == 0);
        ck_assert(w->labels.items && w->labels.n == 0);
        ck_assert(!w->flags.items && !w->anything.data && !w->nothing);
        ck_str_eq(w->default_, "a \"quoted\"\ttext, \\ and \xc3\xa4");
        mem_free(w);
}
END_TEST

START_TEST(copies_conditions)
{
        const char *text =
                "{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\",\"observedGeneration\":1,"
                "\"lastTransitionTime\":\"2006-01-02T15:04:05Z\",\"reason\":\"No\",\"message\":\"m\"}],"
                "\"ready\":true}";
        void *copy = pack(&widget_set_status_schema, text);

        check(&widget_set_status_schema, copy, text);
        mem_free(copy);
}
END_TEST

START_TEST(takes_little)
{
        struct widget_set_status *w = pack(&widget_set_status_schema, "{}");

        ck_assert_uint_eq(schema_packed_size(&widget_set_status_schema, w), sizeof(*w));
        mem_free(w);
}
END_TEST

static const TTest *const tests[] = { copies_everything, keeps_absent_and_empty_apart, copies_conditions,
                                      takes_little };

TEST_MAIN("schema/pack", tests)
