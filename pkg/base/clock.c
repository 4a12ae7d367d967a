/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <time.h>

static usec_t read_clock(clockid_t id)
{
        struct timespec ts;

        clock_gettime(id, &ts);
        return (usec_t)ts.tv_sec * USEC_SEC + ts.tv_nsec / 1000;
}

usec_t clock_now(void)
{
        return read_clock(CLOCK_BOOTTIME);
}

usec_t clock_wall(void)
{
        return read_clock(CLOCK_REALTIME);
}

/* 0000-01-01T00:00:00Z and the microsecond before 10000-01-01T00:00:00Z. */
#define WALL_MIN (INT64_C(-62167219200) * USEC_SEC)
#define WALL_MAX (INT64_C(253402300800) * USEC_SEC - 1)

/* N digits and what stands behind them. By hand: an object has a dozen time stamps
 * and a log one in each line. */
static void put(char **at, int value, size_t n, char behind)
{
        char *to = *at;

        for (size_t i = n; i > 0; i--) {
                to[i - 1] = (char)('0' + value % 10);
                value /= 10;
        }
        to[n] = behind;
        *at += n + 1;
}

size_t clock_format(usec_t wall, bool micro, char out[CLOCK_RFC3339_MAX])
{
        char *at = out;
        time_t sec;
        usec_t rest;
        struct tm tm;

        wall = MIN(MAX(wall, WALL_MIN), WALL_MAX);
        sec = (time_t)(wall / USEC_SEC);
        rest = wall % USEC_SEC;
        if (rest < 0) { /* before 1970: the second that began before it */
                sec--;
                rest += USEC_SEC;
        }
        gmtime_r(&sec, &tm);
        put(&at, tm.tm_year + 1900, 4, '-');
        put(&at, tm.tm_mon + 1, 2, '-');
        put(&at, tm.tm_mday, 2, 'T');
        put(&at, tm.tm_hour, 2, ':');
        put(&at, tm.tm_min, 2, ':');
        put(&at, tm.tm_sec, 2, micro ? '.' : 'Z');
        if (micro)
                put(&at, (int)rest, 6, 'Z');
        *at = '\0';
        return (size_t)(at - out);
}

/* Reads exactly N digits at the head of S. */
static int take_digits(struct str *s, size_t n, int *ret)
{
        int value = 0;

        if (s->len < n)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                if (s->data[i] < '0' || s->data[i] > '9')
                        return -EINVAL;
                value = value * 10 + (s->data[i] - '0');
        }
        *s = str_n(s->data + n, s->len - n);
        *ret = value;
        return 0;
}

static int take_char(struct str *s, char c)
{
        if (s->len == 0 || s->data[0] != c)
                return -EINVAL;
        *s = str_n(s->data + 1, s->len - 1);
        return 0;
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* ".123456789" to microseconds; an absent fraction is 0. */
static usec_t take_fraction(struct str *s)
{
        usec_t usec = 0, unit = USEC_SEC / 10;

        if (take_char(s, '.') < 0)
                return 0;
        while (s->len && is_digit(s->data[0])) {
                usec += (s->data[0] - '0') * unit;
                unit /= 10;
                *s = str_n(s->data + 1, s->len - 1);
        }
        return usec;
}

/* "Z" or "+02:00". */
static int take_offset(struct str *s, usec_t *ret)
{
        int hours, minutes;
        char sign;

        *ret = 0;
        if (take_char(s, 'Z') == 0 || take_char(s, 'z') == 0)
                return 0;
        if (s->len == 0 || (s->data[0] != '+' && s->data[0] != '-'))
                return -EINVAL;
        sign = s->data[0];
        take_char(s, sign);
        if (take_digits(s, 2, &hours) < 0 || take_char(s, ':') < 0 || take_digits(s, 2, &minutes) < 0 ||
            hours > 23 || minutes > 59)
                return -EINVAL;
        *ret = (hours * USEC_HOUR + minutes * USEC_MINUTE) * (sign == '-' ? -1 : 1);
        return 0;
}

static int days_in(int year, int month)
{
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

        return days[month - 1] + (month == 2 && leap);
}

/* "2006-01-02" */
static int take_date(struct str *s, struct tm *tm)
{
        int year, month, day;

        if (take_digits(s, 4, &year) < 0 || take_char(s, '-') < 0 || take_digits(s, 2, &month) < 0 ||
            take_char(s, '-') < 0 || take_digits(s, 2, &day) < 0)
                return -EINVAL;
        if (month < 1 || month > 12 || day < 1 || day > days_in(year, month))
                return -EINVAL;
        tm->tm_year = year - 1900;
        tm->tm_mon = month - 1;
        tm->tm_mday = day;
        return 0;
}

/* "15:04:05" */
static int take_time(struct str *s, struct tm *tm)
{
        if (take_digits(s, 2, &tm->tm_hour) < 0 || take_char(s, ':') < 0 ||
            take_digits(s, 2, &tm->tm_min) < 0 || take_char(s, ':') < 0 || take_digits(s, 2, &tm->tm_sec) < 0)
                return -EINVAL;
        return tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60 ? -EINVAL : 0;
}

int clock_parse(struct str s, usec_t *ret_wall)
{
        usec_t fraction, offset;
        struct tm tm = { 0 };

        if (take_date(&s, &tm) < 0)
                return -EINVAL;
        if (take_char(&s, 'T') < 0 && take_char(&s, 't') < 0)
                return -EINVAL;
        if (take_time(&s, &tm) < 0)
                return -EINVAL;
        if (s.len && s.data[0] == '.' && (s.len == 1 || !is_digit(s.data[1])))
                return -EINVAL;
        fraction = take_fraction(&s);
        if (take_offset(&s, &offset) < 0 || s.len)
                return -EINVAL;
        *ret_wall = (usec_t)timegm(&tm) * USEC_SEC + fraction - offset;
        return 0;
}

static int take_unit(struct str *s, usec_t *ret_nanosec)
{
        static const struct {
                struct str name;
                usec_t nanosec;
        } units[] = {
                { STR_INIT("ns"), 1 },
                { STR_INIT("us"), 1000 },
                { STR_INIT("\xc2\xb5s"), 1000 }, /* U+00B5, the micro sign, which Go writes */
                { STR_INIT("\xce\xbcs"), 1000 }, /* U+03BC, the Greek letter */
                { STR_INIT("ms"), 1000 * USEC_MSEC },
                { STR_INIT("s"), 1000 * USEC_SEC },
                { STR_INIT("m"), 1000 * USEC_MINUTE },
                { STR_INIT("h"), 1000 * USEC_HOUR },
        };

        for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
                /* "ms" stands before "m" in the table, so the longer name wins. */
                if (str_starts(*s, units[i].name)) {
                        *s = str_n(s->data + units[i].name.len, s->len - units[i].name.len);
                        *ret_nanosec = units[i].nanosec;
                        return 0;
                }
        }
        return -EINVAL;
}

/* The digits before and behind the point of "1.5s", each as its own number: the
 * whole, and FRACTION / SCALE. Digits that no longer count are passed over. */
struct decimal {
        uint64_t whole, fraction, scale;
};

static int take_decimal(struct str *s, struct decimal *ret)
{
        struct decimal d = { .scale = 1 };
        bool digits = false, overflow = false;

        for (; s->len && is_digit(s->data[0]); digits = true) {
                overflow |= __builtin_mul_overflow(d.whole, 10, &d.whole);
                overflow |= __builtin_add_overflow(d.whole, (uint64_t)(s->data[0] - '0'), &d.whole);
                *s = str_n(s->data + 1, s->len - 1);
        }
        if (take_char(s, '.') == 0) {
                for (; s->len && is_digit(s->data[0]); digits = true) {
                        if (d.scale < UINT64_C(1000000000000000)) {
                                d.fraction = d.fraction * 10 + (uint64_t)(s->data[0] - '0');
                                d.scale *= 10;
                        }
                        *s = str_n(s->data + 1, s->len - 1);
                }
        }
        if (!digits)
                return -EINVAL;
        if (overflow)
                d.whole = UINT64_MAX; /* past any duration in any unit; the sum will see it */
        *ret = d;
        return 0;
}

int duration_parse(struct str s, usec_t *ret)
{
        /* Nanoseconds; 128 bits hold any 64-bit number of hours. */
        const __int128 limit = (__int128)INT64_MAX * 1000 + 999;
        __int128 total = 0;
        bool negative = take_char(&s, '-') == 0, too_long = false;

        if (!negative)
                (void)take_char(&s, '+');
        if (str_eq(s, STR("0"))) {
                *ret = 0;
                return 0;
        }
        if (str_empty(s))
                return -EINVAL;
        while (s.len) {
                struct decimal d;
                usec_t unit;

                if (take_decimal(&s, &d) < 0 || take_unit(&s, &unit) < 0)
                        return -EINVAL;
                total += (__int128)d.whole * unit + (__int128)d.fraction * unit / d.scale;
                too_long |= total > limit;
                total = MIN(total, limit);
        }
        if (too_long)
                return -ERANGE;
        *ret = (usec_t)(total / 1000) * (negative ? -1 : 1);
        return 0;
}
