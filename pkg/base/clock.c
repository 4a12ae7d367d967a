/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
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

size_t clock_format(usec_t wall, bool micro, char out[CLOCK_RFC3339_MAX])
{
        time_t sec = (time_t)(wall / USEC_SEC);
        struct tm tm;
        size_t n;

        if (wall < 0 || !gmtime_r(&sec, &tm)) {
                sec = 0;
                gmtime_r(&sec, &tm);
        }
        n = strftime(out, CLOCK_RFC3339_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
        if (micro)
                n += (size_t)snprintf(out + n, CLOCK_RFC3339_MAX - n, ".%06d", (int)(wall % USEC_SEC));
        n += (size_t)snprintf(out + n, CLOCK_RFC3339_MAX - n, "Z");
        return n;
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

/* ".123456789" to microseconds; an absent fraction is 0. */
static int take_fraction(struct str *s, usec_t *ret)
{
        usec_t usec = 0, unit = USEC_SEC / 10;

        *ret = 0;
        if (take_char(s, '.') < 0)
                return 0;
        if (s->len == 0 || s->data[0] < '0' || s->data[0] > '9')
                return -EINVAL;
        while (s->len && s->data[0] >= '0' && s->data[0] <= '9') {
                usec += (s->data[0] - '0') * unit;
                unit /= 10;
                *s = str_n(s->data + 1, s->len - 1);
        }
        *ret = usec;
        return 0;
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

int clock_parse(struct str s, usec_t *ret_wall)
{
        usec_t fraction, offset;
        struct tm tm = { 0 };
        int year, month;

        if (take_digits(&s, 4, &year) < 0 || take_char(&s, '-') < 0 || take_digits(&s, 2, &month) < 0 ||
            take_char(&s, '-') < 0 || take_digits(&s, 2, &tm.tm_mday) < 0)
                return -EINVAL;
        if (take_char(&s, 'T') < 0 && take_char(&s, 't') < 0)
                return -EINVAL;
        if (take_digits(&s, 2, &tm.tm_hour) < 0 || take_char(&s, ':') < 0 ||
            take_digits(&s, 2, &tm.tm_min) < 0 || take_char(&s, ':') < 0 ||
            take_digits(&s, 2, &tm.tm_sec) < 0 || take_fraction(&s, &fraction) < 0 ||
            take_offset(&s, &offset) < 0 || s.len)
                return -EINVAL;
        if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
            tm.tm_min > 59 || tm.tm_sec > 60)
                return -EINVAL;
        tm.tm_year = year - 1900;
        tm.tm_mon = month - 1;
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

int duration_parse(struct str s, usec_t *ret)
{
        usec_t total = 0;
        bool negative;

        if (str_eq(s, STR("0"))) {
                *ret = 0;
                return 0;
        }
        negative = take_char(&s, '-') == 0;
        if (str_empty(s))
                return -EINVAL;
        while (s.len) {
                usec_t whole = 0, fraction, unit, part;
                bool digits = false;

                for (; s.len && s.data[0] >= '0' && s.data[0] <= '9'; digits = true) {
                        if (__builtin_mul_overflow(whole, 10, &whole) ||
                            __builtin_add_overflow(whole, s.data[0] - '0', &whole))
                                return -ERANGE;
                        s = str_n(s.data + 1, s.len - 1);
                }
                if (!digits || take_fraction(&s, &fraction) < 0 || take_unit(&s, &unit) < 0)
                        return -EINVAL;
                if (unit < 1000)
                        part = whole / 1000; /* nanoseconds, rounded down */
                else if (__builtin_mul_overflow(whole, unit / 1000, &part))
                        return -ERANGE;
                part += (usec_t)((__int128)fraction * unit / (1000 * USEC_SEC));
                if (__builtin_add_overflow(total, part, &total))
                        return -ERANGE;
        }
        *ret = negative ? -total : total;
        return 0;
}
