/* SPDX-License-Identifier: Apache-2.0
 *
 * An arena: memory that is taken piece by piece and given back all at once.
 *
 *      head --> [ block | used......free ] --> [ block | used ] --> NULL
 *
 * Everything that one reconcile or one request makes lives in one arena and
 * dies with it; what must survive is copied out by name. Pieces are zeroed and
 * aligned for any type.
 *
 * Running out (of memory, or past the cap) is sticky: the piece comes back as
 * NULL and arena->failed stays set, so that code which builds many small
 * things may look once at its end. The string functions pass an absent string
 * through and give one back on failure.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#include "base/buf.h"

struct arena_block;

struct arena {
        struct arena_block *head;
        size_t taken; /* bytes in all blocks */
        size_t cap;   /* bytes in all blocks, at the most */
        bool failed;
        bool full; /* it failed for the cap, which no memory mends */
};

/* clang-format off */
#define ARENA_INIT(cap_bytes) { .cap = (cap_bytes) }
/* clang-format on */

void arena_init(struct arena *a, size_t cap);

/* Gives all memory back. */
void arena_release(struct arena *a);

/* Forgets all pieces but keeps one block for the next use, unless it is a huge
 * one: a single large object must not be paid for ever after. */
void arena_clear(struct arena *a);

void *arena_alloc(struct arena *a, size_t n) _must_check_;

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_new_n(a, type, n) ((type *)arena_alloc_n((a), (n), sizeof(type)))

/* N pieces of SIZE bytes in a row; an overflow counts as failure. */
void *arena_alloc_n(struct arena *a, size_t n, size_t size) _must_check_;

/* A copy of S, NUL-terminated behind its length for the benefit of C APIs. */
struct str arena_str(struct arena *a, struct str s);

/* The text of a buffer; if that has an error, it counts as if the arena itself had
 * run out, of memory or past its cap. */
struct str arena_buf(struct arena *a, const struct buf *text);

/* All of these, one behind the other: arena_join(a, STR("a"), b). In a hot path it
 * is written instead of arena_printf, of which it takes a fifth of the time. */
#define arena_join(a, ...)                                                                                   \
        arena_join_n((a), (const struct str[]){ __VA_ARGS__ },                                               \
                     sizeof((const struct str[]){ __VA_ARGS__ }) / sizeof(struct str))
struct str arena_join_n(struct arena *a, const struct str *parts, size_t n);

/* Two small hexadecimal digits for each of N bytes. */
struct str arena_hex(struct arena *a, const unsigned char *bytes, size_t n);

struct str arena_printf(struct arena *a, const char *format, ...) _printf_(2, 3);
struct str arena_vprintf(struct arena *a, const char *format, va_list args) _printf_(2, 0);
