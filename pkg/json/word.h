/* SPDX-License-Identifier: Apache-2.0
 *
 * Text, eight bytes at a time: what split.c and write.c look for in it is
 * rare. Only the files of this folder include this.
 *
 *      word_load(p)  -->  word_find(w, '"') | word_find(w, '\\')  -->  word_first: which byte, 0 to 7
 *
 * The masks have the highest bit of each byte that is meant. Behind the first one
 * there may be bits too many, so they tell whether there is one and which is the
 * first; where several are put together, the same.
 */
#pragma once

#include <endian.h>
#include <string.h>

#include "base/macros.h"

#define WORD_ONES UINT64_C(0x0101010101010101)
#define WORD_HIGH (WORD_ONES << 7)

/* The first byte in memory is the lowest one. */
static inline uint64_t word_load(const void *p)
{
        uint64_t w;

        memcpy(&w, p, sizeof(w));
        return le64toh(w);
}

/* Bytes below N, which is 128 at the most: subtracting it borrows from the bit above. */
static inline uint64_t word_below(uint64_t w, unsigned char n)
{
        return (w - WORD_ONES * n) & ~w & WORD_HIGH;
}

static inline uint64_t word_find(uint64_t w, unsigned char c)
{
        return word_below(w ^ (WORD_ONES * c), 1);
}

static inline size_t word_first(uint64_t mask)
{
        return (size_t)__builtin_ctzll(mask) / 8;
}
