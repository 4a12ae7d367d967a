/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>

#include "http/client.h"

/* clang-format off */
#define HEADER(n, v) { STR_INIT(n), STR_INIT(v) }
/* clang-format on */

static const struct http_header some[] = { HEADER("Authorization", "Bearer x"), HEADER("Accept", "a/b"),
                                           HEADER("X-Empty", "") };

static struct header_list *get(struct header_cache *cache, const struct http_header *headers, size_t n)
{
        struct header_list *list;

        ck_assert_int_eq(header_cache_get(cache, headers, n, &list), 0);
        return list;
}

START_TEST(lines_are_as_libcurl_wants_them)
{
        struct header_cache cache;
        struct header_list *list;
        struct curl_slist *line;

        header_cache_init(&cache);
        list = get(&cache, some, 3);
        line = list->lines;
        ck_assert_str_eq(line->data, "Authorization: Bearer x");
        ck_assert_str_eq(line->next->data, "Accept: a/b");
        ck_assert_str_eq(line->next->next->data, "X-Empty;");
        ck_assert_str_eq(line->next->next->next->data, "Expect:");
        ck_assert_ptr_null(line->next->next->next->next);
        header_list_unref(list);
        header_cache_release(&cache);
}
END_TEST

START_TEST(the_same_headers_are_the_same_list)
{
        struct http_header other = HEADER("Authorization", "Bearer y");
        struct header_cache cache;
        struct header_list *a, *b, *c, *d, *e, *f;

        header_cache_init(&cache);
        a = get(&cache, some, 3);
        b = get(&cache, some, 3);
        c = get(&cache, some, 2);
        d = get(&cache, &other, 1);
        ck_assert_ptr_eq(a, b);
        ck_assert_ptr_ne(a, c);
        ck_assert_ptr_ne(a, d);
        ck_assert_uint_eq(a->refs, 3); /* a, b and the cache */
        e = get(&cache, NULL, 0);
        f = get(&cache, NULL, 0);
        ck_assert_ptr_eq(e, f);
        header_list_unref(e);
        header_list_unref(f);
        header_list_unref(a);
        header_list_unref(b);
        header_list_unref(c);
        header_list_unref(d);
        header_cache_release(&cache);
}
END_TEST

START_TEST(a_list_outlives_its_place_in_the_cache)
{
        struct header_cache cache;
        struct header_list *first;
        char value[16];

        header_cache_init(&cache);
        first = get(&cache, some, 3);
        for (int i = 0; i < 2 * HEADER_CACHE_MAX; i++) {
                struct http_header h = { STR("X-Number"), STR_NULL };

                snprintf(value, sizeof(value), "%d", i);
                h.value = str_c(value);
                header_list_unref(get(&cache, &h, 1));
                ck_assert_uint_le(cache.n, HEADER_CACHE_MAX);
        }
        ck_assert_uint_eq(first->refs, 1);
        ck_assert_str_eq(first->lines->data, "Authorization: Bearer x");
        header_list_unref(first);
        header_cache_release(&cache);
}
END_TEST

START_TEST(a_header_cannot_break_out_of_its_line)
{
        static const struct http_header bad[] = {
                HEADER("X", "a\r\nHost: evil"),
                HEADER("X", "a\nb"),
                HEADER("X", "a\0b"),
                HEADER("X: y", "a"),
                HEADER("", "a"),
                HEADER("X\n", "a"),
                HEADER("X Y", "a"),
        };
        static struct http_header many[HEADERS_MAX + 1];
        struct header_cache cache;
        struct header_list *list;

        header_cache_init(&cache);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ck_assert_int_eq(header_cache_get(&cache, &bad[i], 1, &list), -EINVAL);
        for (size_t i = 0; i < ARRAY_SIZE(many); i++)
                many[i] = some[0];
        ck_assert_int_eq(header_cache_get(&cache, many, ARRAY_SIZE(many), &list), -EINVAL);
        header_list_unref(get(&cache, many, HEADERS_MAX));
        header_cache_release(&cache);
}
END_TEST

static int get_some(void *arg)
{
        struct header_cache cache;
        struct header_list *list;
        int r;

        (void)arg;
        header_cache_init(&cache);
        r = header_cache_get(&cache, some, 3, &list);
        if (r == 0)
                header_list_unref(list);
        header_cache_release(&cache);
        return r;
}

START_TEST(they_survive_the_lack_of_memory)
{
        torture(get_some, NULL, 0);
}
END_TEST

START_TEST(retry_after_is_seconds_or_a_date)
{
        const usec_t wall = 784111777 * USEC_SEC; /* Sun, 06 Nov 1994 08:49:37 GMT */
        static const struct {
                struct str value;
                usec_t wait;
        } cases[] = {
                { STR_INIT("7"), 7 * USEC_SEC },
                { STR_INIT(" 120 "), 120 * USEC_SEC },
                { STR_INIT("0"), 0 },
                { STR_INIT("99999999999999"), 24 * USEC_HOUR },
                { STR_INIT("-1"), -1 },
                { STR_INIT(""), -1 },
                { STR_INIT("soon"), -1 },
                { STR_INIT("1.5"), -1 },
                { STR_INIT("Sun, 06 Nov 1994 08:50:07 GMT"), 30 * USEC_SEC },
                { STR_INIT("Sunday, 06-Nov-94 08:50:07 GMT"), 30 * USEC_SEC },
                { STR_INIT("Sun Nov  6 08:50:07 1994"), 30 * USEC_SEC },
                { STR_INIT("Sun, 06 Nov 1994 08:00:00 GMT"), 0 },
                { STR_INIT("Sun, 06 Nov 2094 08:00:00 GMT"), 24 * USEC_HOUR },
                { STR_INIT("Sun, 06 Nov 1994 08:49:37 GMT and a text that is longer than any date is"), -1 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                ck_assert_msg(parse_retry_after(cases[i].value, wall) == cases[i].wait, "%s: %lld",
                              cases[i].value.data, (long long)parse_retry_after(cases[i].value, wall));
}
END_TEST

static const TTest *const tests[] = {
        lines_are_as_libcurl_wants_them,        the_same_headers_are_the_same_list,
        a_list_outlives_its_place_in_the_cache, a_header_cannot_break_out_of_its_line,
        they_survive_the_lack_of_memory,        retry_after_is_seconds_or_a_date,
};
TEST_MAIN("http/headers", tests)
