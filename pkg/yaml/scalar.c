/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define NUMBER_MAX 128 /* characters; what is longer is none */

static const struct str nulls[] = { STR_INIT("~"), STR_INIT("null"), STR_INIT("Null"), STR_INIT("NULL") };
static const struct str trues[] = { STR_INIT("true"), STR_INIT("True"), STR_INIT("TRUE"), STR_INIT("y"),
                                    STR_INIT("Y"),    STR_INIT("yes"),  STR_INIT("Yes"),  STR_INIT("YES"),
                                    STR_INIT("on"),   STR_INIT("On"),   STR_INIT("ON") };
static const struct str falses[] = { STR_INIT("false"), STR_INIT("False"), STR_INIT("FALSE"), STR_INIT("n"),
                                     STR_INIT("N"),     STR_INIT("no"),    STR_INIT("No"),    STR_INIT("NO"),
                                     STR_INIT("off"),   STR_INIT("Off"),   STR_INIT("OFF") };
static const struct str infinities[] = { STR_INIT(".inf"), STR_INIT(".Inf"), STR_INIT(".INF") };
static const struct str not_numbers[] = { STR_INIT(".nan"), STR_INIT(".NaN"), STR_INIT(".NAN") };

/* The number of leading characters of S that are decimal digits. */
static size_t digits(struct str s)
{
        size_t n = 0;

        while (n < s.len && s.data[n] >= '0' && s.data[n] <= '9')
                n++;
        return n;
}

static struct str skip(struct str s, size_t n)
{
        return str_n(s.data + n, s.len - n);
}

/* -?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)? or \.[0-9]+…, without its sign. */
static bool is_float(struct str s)
{
        size_t whole = digits(s), fraction = 0;

        s = skip(s, whole);
        if (s.len && s.data[0] == '.') {
                fraction = digits(skip(s, 1));
                s = skip(s, 1 + fraction);
        }
        if (whole + fraction == 0)
                return false;
        if (s.len && (s.data[0] == 'e' || s.data[0] == 'E')) {
                s = skip(s, 1);
                if (s.len && (s.data[0] == '+' || s.data[0] == '-'))
                        s = skip(s, 1);
                return s.len > 0 && digits(s) == s.len;
        }
        return s.len == 0;
}

static int digit_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return 16;
}

/* All of S in BASE: 0, -EINVAL, or -ERANGE past 64 bits. */
static int read_natural(struct str s, unsigned base, uint64_t *ret)
{
        uint64_t n = 0;
        bool over = false;

        if (s.len == 0)
                return -EINVAL;
        for (size_t i = 0; i < s.len; i++) {
                unsigned d = (unsigned)digit_value(s.data[i]);

                if (d >= base)
                        return -EINVAL;
                over |= __builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, d, &n);
        }
        if (over)
                return -ERANGE;
        *ret = n;
        return 0;
}

/* 0x1f, 0b101, 0o17, 017: as Go reads a literal. */
static int read_integer(struct str s, uint64_t *ret)
{
        char letter = s.len > 2 && s.data[0] == '0' ? (char)(s.data[1] | 0x20) : '\0';

        if (letter == 'x')
                return read_natural(skip(s, 2), 16, ret);
        if (letter == 'b')
                return read_natural(skip(s, 2), 2, ret);
        if (letter == 'o')
                return read_natural(skip(s, 2), 8, ret);
        if (s.len > 1 && s.data[0] == '0' && read_natural(s, 8, ret) == 0)
                return 0;
        return read_natural(s, 10, ret);
}

static void resolve_number(struct str text, struct str body, bool negative, struct yaml_scalar *ret)
{
        struct yaml_scalar s = { .type = YAML_SCALAR_STRING };
        uint64_t n;
        int r = read_integer(body, &n);

        if (r == 0 && !negative)
                s = (struct yaml_scalar){ .type = YAML_SCALAR_UINT, .natural = n };
        else if (r == 0 && n <= (uint64_t)1 << 63)
                s = (struct yaml_scalar){ .type = YAML_SCALAR_INT, .integer = (int64_t)(0 - n) };
        else if (is_float(body))
                s = (struct yaml_scalar){ .type = YAML_SCALAR_REAL, .real = strtod(text.data, NULL) };
        if (s.type == YAML_SCALAR_REAL && !isfinite(s.real))
                s.type = YAML_SCALAR_STRING;
        *ret = s;
}

/* TEXT begins like a number, maybe with its sign. 1_000 is 1000; not so .5_0. */
static void resolve_digits(struct str text, struct yaml_scalar *ret)
{
        char plain[NUMBER_MAX + 1];
        struct str number = { plain, 0 }, body;
        bool negative = text.data[0] == '-', keep = text.data[0] == '.';

        if (text.len > NUMBER_MAX)
                return;
        for (size_t i = 0; i < text.len; i++)
                if (keep || text.data[i] != '_')
                        plain[number.len++] = text.data[i];
        plain[number.len] = '\0';
        body = negative || text.data[0] == '+' ? skip(number, 1) : number;
        if (body.len && (digits(body) > 0 || body.data[0] == '.'))
                resolve_number(number, body, negative, ret);
}

int yaml_scalar_resolve(struct str text, struct yaml_scalar *ret)
{
        struct yaml_scalar s = { .type = YAML_SCALAR_STRING };
        bool sign = text.len && (text.data[0] == '-' || text.data[0] == '+');

        if (str_is_one_of(sign ? skip(text, 1) : text, infinities, ARRAY_SIZE(infinities)) ||
            str_is_one_of(text, not_numbers, ARRAY_SIZE(not_numbers)))
                return -ERANGE;
        if (text.len == 0 || str_is_one_of(text, nulls, ARRAY_SIZE(nulls)))
                s.type = YAML_SCALAR_NULL;
        else if (str_is_one_of(text, trues, ARRAY_SIZE(trues)))
                s = (struct yaml_scalar){ .type = YAML_SCALAR_BOOL, .boolean = true };
        else if (str_is_one_of(text, falses, ARRAY_SIZE(falses)))
                s.type = YAML_SCALAR_BOOL;
        else if (sign || text.data[0] == '.' || digits(text) > 0)
                resolve_digits(text, &s);
        *ret = s;
        return 0;
}

static bool is_letter(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

bool yaml_is_plain(struct str text)
{
        char copy[NUMBER_MAX + 1];
        struct yaml_scalar scalar;

        if (text.len == 0 || text.len > NUMBER_MAX ||
            !(is_letter(text.data[0]) || is_digit(text.data[0]) || text.data[0] == '/'))
                return false;
        for (size_t i = 0; i < text.len; i++) {
                char c = text.data[i];

                /* 1:30 is ninety to some. */
                if (c == ':' ? i + 1 == text.len || is_digit(text.data[0])
                             : !is_letter(c) && !is_digit(c) && str_index(STR("/._-@+"), c) < 0)
                        return false;
        }
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        return yaml_scalar_resolve(str_n(copy, text.len), &scalar) == 0 && scalar.type == YAML_SCALAR_STRING;
}
