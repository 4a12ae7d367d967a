/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>

#include "base/mem.h"

#define BLOCK_MIN ((size_t)4096 - 64)
#define BLOCK_MAX ((size_t)256 * 1024)
#define BLOCK_HUGE ((size_t)PTRDIFF_MAX / 2) /* past all memory; sums below cannot wrap */

struct arena_block {
        struct arena_block *next;
        size_t size; /* of data */
        size_t used;
        alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *a, size_t cap)
{
        *a = (struct arena)ARENA_INIT(cap);
}

static void free_blocks(struct arena *a, struct arena_block *keep)
{
        struct arena_block *next;

        for (struct arena_block *b = a->head; b; b = next) {
                next = b->next;
                if (b != keep)
                        mem_free(b);
        }
}

void arena_release(struct arena *a)
{
        free_blocks(a, NULL);
        a->head = NULL;
        a->taken = 0;
        a->failed = a->full = false;
}

void arena_clear(struct arena *a)
{
        struct arena_block *keep = a->head && a->head->size <= BLOCK_MAX ? a->head : NULL;

        free_blocks(a, keep);
        a->head = keep;
        a->failed = a->full = false;
        a->taken = 0;
        if (keep) {
                keep->next = NULL;
                keep->used = 0;
                a->taken = keep->size;
        }
}

/* Blocks double up to BLOCK_MAX, so that a large arena costs few of them. */
static struct arena_block *add_block(struct arena *a, size_t need)
{
        size_t size = a->head ? MIN(a->head->size * 2, BLOCK_MAX) : BLOCK_MIN;
        struct arena_block *b;

        size = MAX(size, need);
        if (a->taken > a->cap || need > a->cap - a->taken || size > BLOCK_HUGE) {
                a->full = true;
                return NULL;
        }
        size = MIN(size, a->cap - a->taken);
        b = mem_alloc(sizeof(*b) + size);
        if (!b)
                return NULL;
        b->next = a->head;
        b->size = size;
        b->used = 0;
        a->head = b;
        a->taken += size;
        return b;
}

static size_t round_up(size_t n)
{
        return (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

void *arena_alloc(struct arena *a, size_t n)
{
        struct arena_block *b = a->head;
        void *piece;

        if (n > SIZE_MAX - alignof(max_align_t))
                goto fail;
        n = round_up(n);
        if (!b || n > b->size - b->used) {
                b = add_block(a, n);
                if (!b)
                        goto fail;
        }
        piece = b->data + b->used;
        b->used += n;
        return memset(piece, 0, n);
fail:
        a->failed = true;
        return NULL;
}

void *arena_alloc_n(struct arena *a, size_t n, size_t size)
{
        size_t total;

        if (__builtin_mul_overflow(n, size, &total)) {
                a->failed = true;
                return NULL;
        }
        return arena_alloc(a, total);
}

struct str arena_str(struct arena *a, struct str s)
{
        char *copy;

        if (!s.data)
                return STR_NULL;
        copy = arena_alloc(a, s.len + 1);
        if (!copy)
                return STR_NULL;
        memcpy(copy, s.data, s.len);
        return str_n(copy, s.len);
}

struct str arena_buf(struct arena *a, const struct buf *text)
{
        if (buf_error(text) == 0)
                return arena_str(a, buf_str(text));
        a->failed = true;
        a->full |= buf_error(text) == -EMSGSIZE;
        return STR_NULL;
}

struct str arena_join_n(struct arena *a, const struct str *parts, size_t n)
{
        size_t len = 0;
        char *out, *at;

        for (size_t i = 0; i < n; i++)
                len += parts[i].len;
        out = at = arena_alloc(a, len + 1);
        if (!out)
                return STR_NULL;
        for (size_t i = 0; i < n; i++)
                (void)str_store(&at, parts[i]);
        return str_n(out, len);
}

struct str arena_hex(struct arena *a, const unsigned char *bytes, size_t n)
{
        static const char digits[] = "0123456789abcdef";
        char *out = arena_alloc(a, 2 * n + 1);

        if (!out)
                return STR_NULL;
        for (size_t i = 0; i < n; i++) {
                out[2 * i] = digits[bytes[i] >> 4];
                out[2 * i + 1] = digits[bytes[i] & 15];
        }
        out[2 * n] = '\0';
        return str_n(out, 2 * n);
}

/* It is written to the rest of the block, which mostly has room for it: to find
 * out the length first takes as long as the writing. */
struct str arena_vprintf(struct arena *a, const char *format, va_list args)
{
        struct arena_block *b = a->head;
        size_t room = b ? b->size - b->used : 0;
        char *out = b ? (char *)b->data + b->used : NULL;
        va_list again;
        int n;

        va_copy(again, args);
        n = vsnprintf(out, room, format, again);
        va_end(again);
        if (n < 0) {
                a->failed = true;
                return STR_NULL;
        }
        if ((size_t)n < room && round_up((size_t)n + 1) <= room) {
                b->used += round_up((size_t)n + 1);
                return str_n(out, (size_t)n);
        }
        out = arena_alloc(a, (size_t)n + 1);
        if (!out)
                return STR_NULL;
        vsnprintf(out, (size_t)n + 1, format, args);
        return str_n(out, (size_t)n);
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
        struct str s;
        va_list args;

        va_start(args, format);
        s = arena_vprintf(a, format, args);
        va_end(args);
        return s;
}
