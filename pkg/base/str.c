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

bool str_starts(struct str s, struct str prefix)
{
        return s.len >= prefix.len && str_eq(str_n(s.data, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
        return s.len >= suffix.len && str_eq(str_n(s.data + (s.len - suffix.len), suffix.len), suffix);
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

int str_to_int64(struct str s, int64_t *ret)
{
        bool negative = s.len && s.data[0] == '-';
        size_t i = negative;
        int64_t n = 0;

        if (i == s.len)
                return -EINVAL;
        for (; i < s.len; i++) {
                int digit = s.data[i] - '0';

                if (digit < 0 || digit > 9)
                        return -EINVAL;
                /* Counts downwards, since the negative range is the larger one. */
                if (__builtin_mul_overflow(n, 10, &n) || __builtin_sub_overflow(n, digit, &n))
                        return -ERANGE;
        }
        if (!negative && __builtin_sub_overflow((int64_t)0, n, &n))
                return -ERANGE;
        *ret = n;
        return 0;
}

int str_version_cmp(struct str a, struct str b)
{
        if (a.len != b.len)
                return a.len < b.len ? -1 : 1;
        return str_cmp(a, b);
}
