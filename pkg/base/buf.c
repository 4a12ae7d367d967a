/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

#define BUF_SIZE_MIN ((size_t)128)
#define BUF_SIZE_MAX ((size_t)PTRDIFF_MAX) /* malloc gives no more; sums below cannot wrap */

void buf_init(struct buf *b, size_t cap)
{
        *b = (struct buf)BUF_INIT(cap);
}

void buf_release(struct buf *b)
{
        mem_free(b->data);
        buf_init(b, b->cap);
}

void buf_clear(struct buf *b)
{
        b->len = 0;
        b->error = 0;
        if (b->data)
                b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t n)
{
        size_t cap = MIN(b->cap, BUF_SIZE_MAX - 1);
        size_t need, size;
        char *data;

        if (b->error)
                return NULL;
        if (n < b->size - b->len)
                return b->data + b->len;
        if (n > cap || b->len > cap - n) {
                b->error = -EMSGSIZE;
                return NULL;
        }
        need = b->len + n + 1;
        if (need > b->size) {
                size = MAX(b->size * 2, BUF_SIZE_MIN);
                size = MIN(MAX(size, need), cap + 1);
                data = mem_realloc(b->data, size);
                if (!data) {
                        b->error = -ENOMEM;
                        return NULL;
                }
                data[b->len] = '\0';
                b->data = data;
                b->size = size;
        }
        return b->data + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
        b->len += n;
        b->data[b->len] = '\0';
}

int buf_add(struct buf *b, const void *data, size_t n)
{
        char *to = buf_reserve(b, n);

        if (!to)
                return b->error;
        if (n)
                memcpy(to, data, n);
        buf_commit(b, n);
        return 0;
}

int buf_add_str(struct buf *b, struct str s)
{
        return buf_add(b, s.data, s.len);
}

int buf_add_c(struct buf *b, const char *s)
{
        return buf_add(b, s, strlen(s));
}

int buf_add_char(struct buf *b, char c)
{
        return buf_add(b, &c, 1);
}

int buf_add_int(struct buf *b, int64_t n)
{
        char digits[STR_INT_MAX];

        return buf_add_str(b, str_int(n, digits));
}

int buf_printf(struct buf *b, const char *format, ...)
{
        va_list args, again;
        char *to;
        int n;

        va_start(args, format);
        va_copy(again, args);
        n = vsnprintf(NULL, 0, format, again);
        va_end(again);
        to = n < 0 ? NULL : buf_reserve(b, (size_t)n);
        if (to) {
                vsnprintf(to, (size_t)n + 1, format, args);
                buf_commit(b, (size_t)n);
        } else if (!b->error) {
                b->error = -EINVAL;
        }
        va_end(args);
        return b->error;
}
