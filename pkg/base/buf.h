/* SPDX-License-Identifier: Apache-2.0
 *
 * struct buf: bytes that grow, up to a cap named where the buffer is declared.
 *
 *      data ---> | used ............ | free ...... |
 *                0                  len          size        size <= cap
 *
 * A failed append (no memory, or past the cap) is sticky: later appends do
 * nothing and buf_error tells which it was, so a writer may look once at its
 * end. The bytes are always followed by a NUL that len does not count.
 */
#pragma once

#include "base/str.h"

struct buf {
        char *data;
        size_t len;
        size_t size;
        size_t cap;
        int error; /* 0, -ENOMEM, -EMSGSIZE, or -EINVAL from a format that cannot be */
};

/* clang-format off */
#define BUF_INIT(cap_bytes) { .cap = (cap_bytes) }
/* clang-format on */

void buf_init(struct buf *b, size_t cap);
void buf_release(struct buf *b);

/* Empties it and takes the error back; keeps the memory. */
void buf_clear(struct buf *b);

/* Appends return 0 or the sticky error; most callers look only at the end. What
 * they append must not lie in the buffer itself, which may move. */
int buf_add(struct buf *b, const void *data, size_t n);
int buf_add_str(struct buf *b, struct str s);
int buf_add_c(struct buf *b, const char *s);
int buf_add_char(struct buf *b, char c);
int buf_add_int(struct buf *b, int64_t n);
int buf_printf(struct buf *b, const char *format, ...) _printf_(2, 3);

/* Makes room for N more bytes and returns where they go, or NULL; what was
 * written there counts after buf_commit, which puts the NUL behind it. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

static inline struct str buf_str(const struct buf *b)
{
        return str_n(b->data ? b->data : "", b->len);
}

static inline int buf_error(const struct buf *b)
{
        return b->error;
}
