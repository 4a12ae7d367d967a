/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"

#define YEAR_10000 (INT64_C(253402300800) * USEC_SEC)
#define YEAR_0 (INT64_C(-62167219200) * USEC_SEC)

static void check_format(usec_t wall, const char *plain, const char *micro)
{
        char out[CLOCK_RFC3339_MAX];

        ck_assert_uint_eq(clock_format(wall, false, out), strlen(out));
        ck_assert_str_eq(out, plain);
        ck_assert_uint_eq(clock_format(wall, true, out), strlen(out));
        ck_assert_str_eq(out, micro);
}

START_TEST(formats)
{
        check_format(0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z");
        check_format(1, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000001Z");
        check_format(INT64_C(1136214245) * USEC_SEC + 123456, "2006-01-02T15:04:05Z",
                     "2006-01-02T15:04:05.123456Z");
        check_format(INT64_C(1709164800) * USEC_SEC, "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z");
}
END_TEST

START_TEST(formats_like_the_libc)
{
        for (int64_t day = -7000; day < 30000; day += 13) {
                time_t sec = (time_t)(day * 86400 + day * 7919 % 86400);
                char plain[CLOCK_RFC3339_MAX], micro[CLOCK_RFC3339_MAX];
                struct tm tm;

                gmtime_r(&sec, &tm);
                strftime(plain, sizeof(plain), "%Y-%m-%dT%H:%M:%SZ", &tm);
                strftime(micro, sizeof(micro), "%Y-%m-%dT%H:%M:%S.000907Z", &tm);
                check_format(sec * USEC_SEC + 907, plain, micro);
        }
}
END_TEST

START_TEST(formats_times_before_1970)
{
        check_format(-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999999Z");
        check_format(-USEC_SEC, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000000Z");
        /* The zero value of a time in Go, which old objects do carry. */
        check_format(INT64_C(-62135596800) * USEC_SEC, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z");
}
END_TEST

START_TEST(format_stays_within_four_digit_years)
{
        check_format(YEAR_10000 - 1, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z");
        check_format(YEAR_10000, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z");
        check_format(USEC_NEVER, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z");
        check_format(YEAR_0, "0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z");
        check_format(YEAR_0 - 1, "0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z");
        check_format(INT64_MIN, "0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z");
}
END_TEST

START_TEST(parses)
{
        static const struct {
                const char *text;
                usec_t wall;
        } cases[] = {
                { "1970-01-01T00:00:00Z", 0 },
                { "1970-01-01t00:00:00z", 0 },
                { "1970-01-01T00:00:00.000001Z", 1 },
                { "1970-01-01T00:00:00.5Z", USEC_SEC / 2 },
                { "1970-01-01T00:00:00.1234567899Z", 123456 },
                { "1970-01-01T02:00:00+02:00", 0 },
                { "1969-12-31T14:30:00-09:30", 0 },
                { "1970-01-01T00:00:00-00:00", 0 },
                { "1970-01-01T23:59:00+23:59", 0 },
                { "2006-01-02T15:04:05Z", INT64_C(1136214245) * USEC_SEC },
                { "2024-02-29T00:00:00Z", INT64_C(1709164800) * USEC_SEC },
                { "2000-02-29T00:00:00Z", INT64_C(951782400) * USEC_SEC },
                { "2016-12-31T23:59:60Z", INT64_C(1483228800) * USEC_SEC },
                { "1969-12-31T23:59:59.999999Z", -1 },
                { "0001-01-01T00:00:00Z", INT64_C(-62135596800) * USEC_SEC },
                { "0000-01-01T00:00:00Z", YEAR_0 },
                { "9999-12-31T23:59:59.999999Z", YEAR_10000 - 1 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                usec_t wall = 42;

                ck_assert_msg(clock_parse(str_c(cases[i].text), &wall) == 0, "%s", cases[i].text);
                ck_assert_msg(wall == cases[i].wall, "%s gave %lld", cases[i].text, (long long)wall);
        }
}
END_TEST

START_TEST(refuses_what_is_no_time)
{
        static const char *const cases[] = {
                "",
                "2006",
                "2006-01-02",
                "2006-01-02T15:04:05",
                "2006-01-02 15:04:05Z",
                "2006-01-02T15:04:05Zx",
                "2006-01-02T15:04:05.Z",
                "2006-01-02T15:04:05,5Z",
                "2006-01-02T15:04Z",
                "2006-1-2T15:04:05Z",
                "06-01-02T15:04:05Z",
                "2006-00-02T15:04:05Z",
                "2006-13-02T15:04:05Z",
                "2006-01-00T15:04:05Z",
                "2006-01-32T15:04:05Z",
                "2006-04-31T15:04:05Z",
                "2023-02-29T15:04:05Z",
                "2024-02-30T15:04:05Z",
                "1900-02-29T15:04:05Z",
                "2006-01-02T24:00:00Z",
                "2006-01-02T15:60:05Z",
                "2006-01-02T15:04:61Z",
                "2006-01-02T15:04:05+0200",
                "2006-01-02T15:04:05+02",
                "2006-01-02T15:04:05+24:00",
                "2006-01-02T15:04:05+02:60",
                "2006-01-02T15:04:05*02:00",
                "-006-01-02T15:04:05Z",
                "+006-01-02T15:04:05Z",
                "2006-01-02T15:04:05Z\n",
                " 2006-01-02T15:04:05Z",
        };
        usec_t wall = 42;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                ck_assert_msg(clock_parse(str_c(cases[i]), &wall) == -EINVAL, "%s", cases[i]);
        ck_assert_int_eq(clock_parse(STR_NULL, &wall), -EINVAL);
        ck_assert_int_eq(clock_parse(str_n("2006-01-02T15:04:05Z\0", 21), &wall), -EINVAL);
        ck_assert_int_eq(wall, 42);
}
END_TEST

START_TEST(parse_reads_no_byte_behind_the_end)
{
        static const char text[] = "2006-01-02T15:04:05.123456+02:00";
        size_t good = 0;

        /* An exact copy each, so that a sanitizer sees a read past its end. */
        for (size_t n = 0; n < sizeof(text); n++) {
                char *copy = malloc(n ? n : 1);
                usec_t wall;

                ck_assert_ptr_nonnull(copy);
                memcpy(copy, text, n);
                good += clock_parse(str_n(copy, n), &wall) == 0;
                free(copy);
        }
        ck_assert_uint_eq(good, 1);
}
END_TEST

START_TEST(format_and_parse_agree)
{
        usec_t wall = YEAR_0;

        /* A prime step of about 13 days through all the years. */
        for (; wall < YEAR_10000; wall += INT64_C(1122334455667)) {
                char out[CLOCK_RFC3339_MAX];
                usec_t back = 0;

                clock_format(wall, true, out);
                if (clock_parse(str_c(out), &back) < 0 || back != wall)
                        ck_abort_msg("%s", out);
        }
}
END_TEST

START_TEST(durations)
{
        static const struct {
                const char *text;
                usec_t usec;
        } cases[] = {
                { "0", 0 },
                { "+0", 0 },
                { "-0", 0 },
                { "0s", 0 },
                { "5s", 5 * USEC_SEC },
                { "+5s", 5 * USEC_SEC },
                { "-5s", -5 * USEC_SEC },
                { "1h30m", 90 * USEC_MINUTE },
                { "1h0m0s", USEC_HOUR },
                { "-1h30m", -90 * USEC_MINUTE },
                { "500ms", 500 * USEC_MSEC },
                { "1.5s", 1500 * USEC_MSEC },
                { "0.5h", 30 * USEC_MINUTE },
                { ".5s", 500 * USEC_MSEC },
                { "1.s", USEC_SEC },
                { "1m1ms", USEC_MINUTE + USEC_MSEC },
                { "7us", 7 },
                { "7\xc2\xb5s", 7 }, /* U+00B5, as Go writes it */
                { "7\xce\xbcs", 7 }, /* U+03BC */
                { "1500ns", 1 },
                { "999ns", 0 },
                { "1.000001s", USEC_SEC + 1 },
                { "1.0000019s", USEC_SEC + 1 },
                { "0.000000001h", 3 },
                { "8760h", 8760 * USEC_HOUR },
                { "00001s", USEC_SEC },
                { "2540400h10m10.000000000s", 2540400 * USEC_HOUR + 10 * USEC_MINUTE + 10 * USEC_SEC },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                usec_t usec = 42;

                ck_assert_msg(duration_parse(str_c(cases[i].text), &usec) == 0, "%s", cases[i].text);
                ck_assert_msg(usec == cases[i].usec, "%s gave %lld", cases[i].text, (long long)usec);
        }
}
END_TEST

START_TEST(refuses_what_is_no_duration)
{
        static const char *const cases[] = {
                "",      "-",     "+",   "00",   "5",    "s",      "-s",     ".s",   ".",
                "5x",    "5 s",   " 5s", "5s ",  "5S",   "5d",     "1h30",   "--5s", "+-5s",
                "5s-3s", "1..5s", "1.5", "1e3s", "0x5s", "5\xc2s", "5m\xce",
        };
        usec_t usec = 42;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                ck_assert_msg(duration_parse(str_c(cases[i]), &usec) == -EINVAL, "%s", cases[i]);
        ck_assert_int_eq(duration_parse(STR_NULL, &usec), -EINVAL);
        ck_assert_int_eq(usec, 42);
}
END_TEST

START_TEST(durations_that_do_not_fit)
{
        static const char *const cases[] = {
                "9223372036854775808us",
                "9223372036855s",
                "9223372036854.9s", /* the whole fits, the fraction no more */
                "99999999999999999999999999999999h",
                "9223372036854775807h",
                "9223372036854s1s",
                "-9223372036855s",
        };
        usec_t usec = 42;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                ck_assert_msg(duration_parse(str_c(cases[i]), &usec) == -ERANGE, "%s", cases[i]);
        ck_assert_int_eq(usec, 42);
        ck_assert_int_eq(duration_parse(STR("9223372036854775807us"), &usec), 0);
        ck_assert_int_eq(usec, INT64_MAX);
}
END_TEST

START_TEST(clocks_run)
{
        usec_t a = clock_now(), b = clock_now();

        ck_assert_int_gt(a, 0);
        ck_assert_int_ge(b, a);
        /* Later than the day this was written. */
        ck_assert_int_gt(clock_wall(), INT64_C(1735689600) * USEC_SEC);
        ck_assert_int_le(clock_wall() / USEC_SEC, time(NULL) + 1);
}
END_TEST

static const TTest *const tests[] = {
        formats,
        formats_like_the_libc,
        formats_times_before_1970,
        format_stays_within_four_digit_years,
        parses,
        refuses_what_is_no_time,
        parse_reads_no_byte_behind_the_end,
        format_and_parse_agree,
        durations,
        refuses_what_is_no_duration,
        durations_that_do_not_fit,
        clocks_run,
};
TEST_MAIN("base/clock", tests)
