/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/quantity.h"

#include <errno.h>
#include <stdio.h>

#define NANO ((__int128)1000 * 1000 * 1000)
#define NANOS_MAX (NANO * NANO * NANO * NANO * 100) /* 10^29 units: fits 127 bits with some room */
#define TENS_MAX 38
#define DIGITS_MAX 19      /* as 2^63-1 has, which the API server writes itself for more than that */
#define KEPT_DIGITS_MAX 18 /* apimachinery reads so many into an int64 */

/* The parts of a text: [+-] whole [. fraction] suffix. */
struct parts {
        struct str whole; /* without leading zeros */
        struct str fraction;
        enum quantity_format format;
        int exponent; /* of ten, or of two where the format is binary */
        bool negative;
};

struct suffix {
        struct str text;
        enum quantity_format format;
        int exponent;
};

static const struct suffix suffixes[] = {
        { STR_INIT("n"), QUANTITY_DECIMAL, -9 }, { STR_INIT("u"), QUANTITY_DECIMAL, -6 },
        { STR_INIT("m"), QUANTITY_DECIMAL, -3 }, { STR_INIT(""), QUANTITY_DECIMAL, 0 },
        { STR_INIT("k"), QUANTITY_DECIMAL, 3 },  { STR_INIT("M"), QUANTITY_DECIMAL, 6 },
        { STR_INIT("G"), QUANTITY_DECIMAL, 9 },  { STR_INIT("T"), QUANTITY_DECIMAL, 12 },
        { STR_INIT("P"), QUANTITY_DECIMAL, 15 }, { STR_INIT("E"), QUANTITY_DECIMAL, 18 },
        { STR_INIT("Ki"), QUANTITY_BINARY, 10 }, { STR_INIT("Mi"), QUANTITY_BINARY, 20 },
        { STR_INIT("Gi"), QUANTITY_BINARY, 30 }, { STR_INIT("Ti"), QUANTITY_BINARY, 40 },
        { STR_INIT("Pi"), QUANTITY_BINARY, 50 }, { STR_INIT("Ei"), QUANTITY_BINARY, 60 },
};

static struct str take_digits(struct str *s)
{
        size_t n = 0;
        struct str taken;

        while (n < s->len && s->data[n] >= '0' && s->data[n] <= '9')
                n++;
        taken = str_n(s->data, n);
        if (n) /* an absent one has no data to count from */
                *s = str_n(s->data + n, s->len - n);
        return taken;
}

static int parse_suffix(struct str s, struct parts *p)
{
        int64_t exponent;

        for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
                if (str_eq(s, suffixes[i].text)) {
                        p->format = suffixes[i].format;
                        p->exponent = suffixes[i].exponent;
                        return 0;
                }
        }
        if (s.len < 2 || (s.data[0] != 'e' && s.data[0] != 'E'))
                return -EINVAL;
        s = str_n(s.data + 1, s.len - 1);
        if (s.len > 1 && s.data[0] == '+' && s.data[1] != '-')
                s = str_n(s.data + 1, s.len - 1);
        if (str_to_int64(s, &exponent) < 0)
                return -EINVAL;
        if (exponent < -1000 || exponent > 1000)
                return -ERANGE;
        p->format = QUANTITY_EXPONENT;
        p->exponent = (int)exponent;
        return 0;
}

static int split(struct str text, struct parts *p)
{
        size_t digits;

        *p = (struct parts){ 0 };
        if (text.len && (text.data[0] == '-' || text.data[0] == '+')) {
                p->negative = text.data[0] == '-';
                text = str_n(text.data + 1, text.len - 1);
        }
        p->whole = take_digits(&text);
        digits = p->whole.len;
        if (text.len && text.data[0] == '.') {
                text = str_n(text.data + 1, text.len - 1);
                p->fraction = take_digits(&text);
                digits += p->fraction.len;
        }
        if (digits == 0)
                return -EINVAL;
        while (p->whole.len && p->whole.data[0] == '0')
                p->whole = str_n(p->whole.data + 1, p->whole.len - 1);
        return parse_suffix(text, p);
}

static void add_digits(__int128 *n, struct str digits)
{
        for (size_t i = 0; i < digits.len; i++)
                *n = *n * 10 + (digits.data[i] - '0');
}

static __int128 ten_to(int n)
{
        __int128 power = 1;

        while (n-- > 0)
                power *= 10;
        return power;
}

static __int128 divide_up(__int128 n, __int128 by)
{
        return n / by + (n % by != 0);
}

/* N * 10^EXPONENT, rounded up; 0, or -ERANGE past MOST. */
static int scale_by_ten(__int128 *n, int exponent, __int128 most)
{
        __int128 by;

        if (*n == 0)
                return 0;
        if (exponent > TENS_MAX)
                return -ERANGE;
        if (exponent <= 0) {
                *n = divide_up(*n, ten_to(MIN(-exponent, TENS_MAX)));
                return *n > most ? -ERANGE : 0;
        }
        by = ten_to(exponent);
        if (*n > most / by)
                return -ERANGE;
        *n *= by;
        return 0;
}

int quantity_parse(struct str text, struct quantity *ret)
{
        const __int128 binary_most = INT64_MAX * NANO;
        struct parts p;
        __int128 n = 0;
        int places, r = split(text, &p);

        if (r < 0)
                return r;
        if (p.whole.len + p.fraction.len > DIGITS_MAX)
                return -ERANGE;
        places = (int)p.fraction.len;
        add_digits(&n, p.whole);
        add_digits(&n, p.fraction);
        if (p.format != QUANTITY_BINARY) {
                r = scale_by_ten(&n, p.exponent + 9 - places, NANOS_MAX);
                if (r < 0)
                        return r;
        } else {
                n <<= p.exponent; /* 19 digits and 60 bits: fits */
                if (scale_by_ten(&n, 9 - places, binary_most) < 0)
                        n = binary_most;
        }
        ret->nanos = p.negative ? -n : n;
        /* As apimachinery does "to avoid rounding and hopefully confusion". */
        ret->format = p.format == QUANTITY_BINARY && n < NANO ? QUANTITY_DECIMAL : p.format;
        return 0;
}

/* --- writing ------------------------------------------------------------ */

static size_t write_number(__int128 n, struct str suffix, char out[QUANTITY_TEXT_MAX])
{
        char digits[QUANTITY_TEXT_MAX];
        size_t at = sizeof(digits), len;
        bool negative = n < 0;

        if (negative)
                n = -n;
        do {
                digits[--at] = (char)('0' + (int)(n % 10));
                n /= 10;
        } while (n);
        if (negative)
                digits[--at] = '-';
        len = sizeof(digits) - at;
        memcpy(out, digits + at, len);
        memcpy(out + len, suffix.data, suffix.len);
        len += suffix.len;
        out[len] = '\0';
        return len;
}

static struct str suffix_of(enum quantity_format format, int exponent)
{
        for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
                if (suffixes[i].format == format && suffixes[i].exponent == exponent)
                        return suffixes[i].text;
        return STR_NULL;
}

static size_t format_decimal(__int128 nanos, enum quantity_format format, char out[QUANTITY_TEXT_MAX])
{
        struct str suffix = STR("");
        char exponential[8];
        int exponent = -9;

        while (nanos % 1000 == 0) {
                nanos /= 1000;
                exponent += 3;
        }
        if (format == QUANTITY_DECIMAL)
                suffix = suffix_of(QUANTITY_DECIMAL, exponent);
        if (exponent != 0 && !suffix.len) { /* asked for, or no letter is large enough */
                int n = snprintf(exponential, sizeof(exponential), "e%d", exponent);

                suffix = str_n(exponential, (size_t)n);
        }
        return write_number(nanos, suffix, out);
}

size_t quantity_format(const struct quantity *q, char out[QUANTITY_TEXT_MAX])
{
        __int128 n = q->nanos, magnitude = n < 0 ? -n : n;
        int exponent = 0;

        if (n == 0)
                return write_number(0, STR(""), out);
        if (q->format != QUANTITY_BINARY)
                return format_decimal(n, q->format, out);
        if (magnitude < 1024 * NANO || n % NANO != 0)
                return format_decimal(n, QUANTITY_DECIMAL, out);
        n /= NANO;
        while (n % 1024 == 0) {
                n /= 1024;
                exponent += 10;
        }
        /* With no 1024 in it, it has no binary suffix: the server writes a bare "64000" for 62.5Ki, takes
         * that for decimal when it reads it back, and says "64k" from then on. */
        if (exponent == 0)
                return format_decimal(q->nanos, QUANTITY_DECIMAL, out);
        return write_number(n, suffix_of(QUANTITY_BINARY, exponent), out);
}

/* Do whole and fraction, written as one number, end in 000? */
static bool ends_in_thousands(const struct parts *p)
{
        size_t n = p->whole.len + p->fraction.len;

        for (size_t i = n; i > 0 && i > n - MIN(n, (size_t)3); i--) {
                char c = i > p->whole.len ? p->fraction.data[i - 1 - p->whole.len] : p->whole.data[i - 1];

                if (c != '0')
                        return false;
        }
        return n >= 3;
}

/* What ParseQuantity takes for canonical already and so keeps as it was
 * written. It is a guess of its own, which "1.500" and "+5" pass. */
static bool is_kept(struct str text)
{
        struct parts p;
        int64_t value;
        int scale;

        if (split(text, &p) < 0)
                return false;
        if (p.format == QUANTITY_BINARY) {
                int precision = 14 - (int)MAX(p.whole.len, (size_t)1) - p.exponent * 3 / 10;

                return precision >= 0 && p.fraction.len == 0 && str_to_int64(p.whole, &value) == 0 &&
                       (value & 7) != 0;
        }
        scale = p.exponent - (int)p.fraction.len;
        return p.whole.len > 0 && p.whole.len + p.fraction.len <= KEPT_DIGITS_MAX && scale >= -9 &&
               scale % 3 == 0 && !ends_in_thousands(&p);
}

struct str quantity_stored(struct str text, struct arena *a)
{
        char canonical[QUANTITY_TEXT_MAX];
        struct quantity q;

        if (quantity_parse(text, &q) < 0 || is_kept(text))
                return text;
        return arena_str(a, str_n(canonical, quantity_format(&q, canonical)));
}

bool quantity_exceeds(struct str a, struct str b)
{
        struct quantity qa, qb;

        return quantity_parse(a, &qa) == 0 && quantity_parse(b, &qb) == 0 && qa.nanos > qb.nanos;
}
