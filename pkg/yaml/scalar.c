/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static bool is_one_of(struct str s, const char *a, const char *b, const char *c)
{
        return str_eq_c(s, a) || str_eq_c(s, b) || str_eq_c(s, c);
}

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

static int read_integer(struct str s, uint64_t *ret)
{
        if (str_starts(s, STR("0x")))
                return read_natural(skip(s, 2), 16, ret);
        if (str_starts(s, STR("0o")))
                return read_natural(skip(s, 2), 8, ret);
        if (s.len > 1 && s.data[0] == '0' && read_natural(s, 8, ret) == 0)
                return 0;
        return read_natural(s, 10, ret);
}

static int resolve_number(struct str text, struct str body, bool negative, struct yaml_scalar *ret)
{
        uint64_t n;
        int r = read_integer(body, &n);

        if (r == 0 && !negative) {
                *ret = (struct yaml_scalar){ .type = YAML_SCALAR_UINT, .natural = n };
                return 0;
        }
        if (r == 0 && n <= (uint64_t)1 << 63) {
                *ret = (struct yaml_scalar){ .type = YAML_SCALAR_INT, .integer = (int64_t)(0 - n) };
                return 0;
        }
        if (!is_float(body)) {
                *ret = (struct yaml_scalar){ .type = YAML_SCALAR_STRING };
                return r == -ERANGE ? r : 0;
        }
        *ret = (struct yaml_scalar){ .type = YAML_SCALAR_REAL, .real = strtod(text.data, NULL) };
        return isfinite(ret->real) ? 0 : -ERANGE;
}

int yaml_scalar_resolve(struct str text, struct yaml_scalar *ret)
{
        struct yaml_scalar s = { .type = YAML_SCALAR_STRING };
        struct str body = text;
        bool negative = text.len && text.data[0] == '-';
        int r = 0;

        if (text.len && (negative || text.data[0] == '+'))
                body = skip(text, 1);
        if (text.len == 0 || str_eq_c(text, "~") || is_one_of(text, "null", "Null", "NULL"))
                s.type = YAML_SCALAR_NULL;
        else if (is_one_of(text, "true", "True", "TRUE"))
                s = (struct yaml_scalar){ .type = YAML_SCALAR_BOOL, .boolean = true };
        else if (is_one_of(text, "false", "False", "FALSE"))
                s.type = YAML_SCALAR_BOOL;
        else if (is_one_of(body, ".inf", ".Inf", ".INF") || is_one_of(text, ".nan", ".NaN", ".NAN"))
                r = -ERANGE;
        else if (body.len && (digits(body) > 0 || body.data[0] == '.'))
                r = resolve_number(text, body, negative, &s);
        if (r == 0)
                *ret = s;
        return r;
}
