/* SPDX-License-Identifier: Apache-2.0
 *
 * struct str: a string that carries its length and borrows its bytes.
 *
 *      data ---> | s | h | o | p | ...      not NUL-terminated in general
 *      len  = 4
 *
 * It is two words; pass it by value. It never owns: what it points into (an
 * arena, a buffer, a literal, a JSON document) must outlive it. The zero value
 * is the absent string; an empty string has len 0 and data not NULL.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"

struct str {
        const char *data;
        size_t len;
};

/* A str of a string literal; STR_INIT where an initialiser must be constant. */
/* clang-format off */
#define STR_INIT(lit) { "" lit "", sizeof(lit) - 1 }
/* clang-format on */
#define STR(lit) ((struct str)STR_INIT(lit))
#define STR_NULL ((struct str){ NULL, 0 })

/* For printf's "%.*s": printf("%.*s", STR_FMT(s)). */
#define STR_FMT(s) (int)(s).len, (s).data ? (s).data : ""

static inline struct str str_n(const char *data, size_t len)
{
        return (struct str){ data, len };
}

/* A str of a C string; NULL gives the absent string. */
static inline struct str str_c(const char *s)
{
        return (struct str){ s, s ? strlen(s) : 0 };
}

static inline bool str_empty(struct str s)
{
        return s.len == 0;
}

/* Copies S to *AT, which moves behind it; an absent string stays absent. For the
 * strings of a structure that stand behind it in the same block. */
static inline struct str str_store(char **at, struct str s)
{
        char *start = *at;

        if (!s.data)
                return STR_NULL;
        memcpy(start, s.data, s.len);
        *at += s.len;
        return str_n(start, s.len);
}

/* Equal bytes; the absent string equals the empty one. */
static inline bool str_eq(struct str a, struct str b)
{
        return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool str_eq_c(struct str a, const char *b)
{
        return str_eq(a, str_c(b));
}

/* Byte order, a prefix first: <0, 0, >0. */
int str_cmp(struct str a, struct str b);

/* Is it in that list of N? */
bool str_is_one_of(struct str s, const struct str *list, size_t n);

bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* The position of the first byte C, or -1. */
ptrdiff_t str_index(struct str s, char c);

/* Without white space (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str s);

/* Cuts S at the first SEP: *ret_head is what stands before, *ret_tail what
 * stands behind. Without SEP, head is all of S, tail is absent, and the result
 * is false. */
bool str_cut(struct str s, char sep, struct str *ret_head, struct str *ret_tail);

/* The first MAX bytes of S at the most: whole characters, if it is UTF-8. */
struct str str_head(struct str s, size_t max);

/* For printf's "%.*s": the beginning of what somebody wrote and may be of any length. */
#define STR_SHOWN_MAX ((size_t)64)
#define STR_SHOWN(s) STR_FMT(str_head((s), STR_SHOWN_MAX))

/* The length, 1 to 4, of the UTF-8 character at the head of S; 0 if what stands
 * there is none (RFC 3629: no overlong form, no surrogate) or S is empty. */
size_t str_utf8(struct str s);

/* Reads a whole decimal number, with an optional leading minus. 0, or -EINVAL
 * (not a number, or something behind it) or -ERANGE; *ret only on success. */
int str_to_int64(struct str s, int64_t *ret) _must_check_;

/* N in decimal, in OUT, at the end of which it stands. */
#define STR_INT_MAX 20
struct str str_int(int64_t n, char out[STR_INT_MAX]);

/* Compares two resourceVersions: opaque decimal strings of any length, so by
 * length first and then by bytes, never as an integer (Kubernetes API
 * concepts, "Resource versions"). The absent one is before all others. */
int str_version_cmp(struct str a, struct str b);
