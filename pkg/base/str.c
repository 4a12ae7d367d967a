/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <errno.h>

int str_cmp(struct str a, struct str b)
{
        size_t n = MIN(a.len, b.len);
        int c = n ? memcmp(a.data, b.data, n) : 0;

        if (c)
                return c;
        return (a.len > b.len) - (a.len < b.len);
}

bool str_is_one_of(struct str s, const struct str *list, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (str_eq(s, list[i]))
                        return true;
        return false;
}

bool str_starts(struct str s, struct str prefix)
{
        return s.len >= prefix.len && str_eq(str_n(s.data, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
        return s.len >= suffix.len &&
               (suffix.len == 0 || str_eq(str_n(s.data + (s.len - suffix.len), suffix.len), suffix));
}

ptrdiff_t str_index(struct str s, char c)
{
        const char *at = s.len ? memchr(s.data, c, s.len) : NULL;

        return at ? at - s.data : -1;
}

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
        while (s.len && is_space(s.data[0])) {
                s.data++;
                s.len--;
        }
        while (s.len && is_space(s.data[s.len - 1]))
                s.len--;
        return s;
}

bool str_cut(struct str s, char sep, struct str *ret_head, struct str *ret_tail)
{
        ptrdiff_t at = str_index(s, sep);

        if (at < 0) {
                *ret_head = s;
                *ret_tail = STR_NULL;
                return false;
        }
        *ret_head = str_n(s.data, (size_t)at);
        *ret_tail = str_n(s.data + at + 1, s.len - (size_t)at - 1);
        return true;
}

struct str str_head(struct str s, size_t max)
{
        if (s.len <= max)
                return s;
        s.len = max;
        while (s.len && ((unsigned char)s.data[s.len] & 0xc0) == 0x80)
                s.len--;
        return s;
}

/* Where the bytes behind the first one, which decides nearly all, must lie:
 * the Unicode Standard's table of well-formed UTF-8 byte sequences. */
size_t str_utf8(struct str s)
{
        const unsigned char *p = (const unsigned char *)s.data;
        unsigned char low = 0x80, high = 0xbf; /* of the second byte */
        size_t n;

        if (s.len == 0)
                return 0;
        if (p[0] < 0x80)
                return 1;
        if (p[0] < 0xc2 || p[0] > 0xf4)
                return 0;
        n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
        if (p[0] == 0xe0)
                low = 0xa0;
        else if (p[0] == 0xed)
                high = 0x9f;
        else if (p[0] == 0xf0)
                low = 0x90;
        else if (p[0] == 0xf4)
                high = 0x8f;
        if (s.len < n || p[1] < low || p[1] > high)
                return 0;
        for (size_t i = 2; i < n; i++)
                if (p[i] < 0x80 || p[i] > 0xbf)
                        return 0;
        return n;
}

int str_to_int64(struct str s, int64_t *ret)
{
        bool negative = s.len && s.data[0] == '-';
        size_t i = negative;
        bool overflow = false;
        int64_t n = 0;

        if (i == s.len)
                return -EINVAL;
        for (; i < s.len; i++) {
                int digit = s.data[i] - '0';

                if (digit < 0 || digit > 9)
                        return -EINVAL;
                /* Counts downwards, since the negative range is the larger one. */
                overflow |= __builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, digit, &n);
        }
        if (!negative)
                overflow |= __builtin_sub_overflow((int64_t)0, n, &n);
        if (overflow)
                return -ERANGE;
        *ret = n;
        return 0;
}

struct str str_int(int64_t n, char out[STR_INT_MAX])
{
        uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
        size_t at = STR_INT_MAX;

        do {
                out[--at] = (char)('0' + left % 10);
                left /= 10;
        } while (left);
        if (n < 0)
                out[--at] = '-';
        return str_n(out + at, STR_INT_MAX - at);
}

int str_version_cmp(struct str a, struct str b)
{
        if (a.len != b.len)
                return a.len < b.len ? -1 : 1;
        return str_cmp(a, b);
}
