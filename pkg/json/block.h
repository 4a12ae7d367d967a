/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON, 64 bytes at a time, for split.c: where in them the bytes stand that
 * matter to it. Bit N is byte N.
 *
 *      bytes      {  "  a  "  :  [  "  }  "  ]
 *      quotes     .  1  .  1  .  .  1  .  1  .
 *      brackets   1  .  .  .  .  1  .  1  .  1
 *      in_string  .  1  1  .  .  .  1  1  .  .     from the quote on, without the last one
 *
 * x86-64 has SSE2 always. The other way to read a block gives the same with
 * numbers of eight bytes; it is compiled everywhere, and tested.
 */
#pragma once

#include <stdbool.h>

#include "json/word.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BLOCK_BYTES 64

struct block {
        uint64_t quotes, backslashes, brackets;
};

/* The high bit of just those bytes of W that are C. */
static inline uint64_t block_bytes_equal(uint64_t w, unsigned char c)
{
        uint64_t differ = w ^ (WORD_ONES * c);

        return ~(((differ & ~WORD_HIGH) + ~WORD_HIGH) | differ) & WORD_HIGH;
}

/* The high bits of eight bytes, side by side: the multiplication moves each to
 * its place in the highest byte. */
static inline uint64_t block_gather(uint64_t high)
{
        return ((high >> 7) * UINT64_C(0x0102040810204080)) >> 56;
}

static inline struct block block_read_words(const char *p)
{
        struct block b = { 0 };

        for (unsigned i = 0; i < BLOCK_BYTES; i += 8) {
                uint64_t w = word_load(p + i), folded = w | (WORD_ONES * 0x20);

                b.quotes |= block_gather(block_bytes_equal(w, '"')) << i;
                b.backslashes |= block_gather(block_bytes_equal(w, '\\')) << i;
                b.brackets |= block_gather(block_bytes_equal(folded, '{') | block_bytes_equal(folded, '}'))
                              << i;
        }
        return b;
}

#ifdef __SSE2__
static inline uint64_t block_mask(__m128i bytes)
{
        return (uint64_t)(unsigned)_mm_movemask_epi8(bytes);
}

static inline uint64_t block_find(const __m128i bytes[4], char c)
{
        const __m128i wanted = _mm_set1_epi8(c);

        return block_mask(_mm_cmpeq_epi8(bytes[0], wanted)) |
               block_mask(_mm_cmpeq_epi8(bytes[1], wanted)) << 16 |
               block_mask(_mm_cmpeq_epi8(bytes[2], wanted)) << 32 |
               block_mask(_mm_cmpeq_epi8(bytes[3], wanted)) << 48;
}

/* Without a loop, which -O2 would leave one. */
static inline struct block block_read(const char *p)
{
        const __m128i *from = (const __m128i *)(const void *)p;
        const __m128i bit = _mm_set1_epi8(0x20);
        const __m128i v[4] = { _mm_loadu_si128(from), _mm_loadu_si128(from + 1), _mm_loadu_si128(from + 2),
                               _mm_loadu_si128(from + 3) };
        /* [ and ] differ from { and } in this bit only. */
        const __m128i folded[4] = { _mm_or_si128(v[0], bit), _mm_or_si128(v[1], bit), _mm_or_si128(v[2], bit),
                                    _mm_or_si128(v[3], bit) };

        return (struct block){ .quotes = block_find(v, '"'),
                               .backslashes = block_find(v, '\\'),
                               .brackets = block_find(folded, '{') | block_find(folded, '}') };
}
#else
static inline struct block block_read(const char *p)
{
        return block_read_words(p);
}
#endif

/* Takes the quotes out that are escaped. *ESCAPED is whether the first byte is, and
 * then whether that of the next block is. */
static inline void block_unescape(struct block *b, bool *escaped)
{
        uint64_t left = b->backslashes, first = *escaped;

        *escaped = false;
        b->quotes &= ~first;
        left &= ~first;
        while (left) {
                uint64_t one = left & -left, next = one << 1;

                *escaped = next == 0;
                b->quotes &= ~next;
                left &= ~(one | next);
        }
}

/* The bytes in strings, by the quotes that are not escaped; INSIDE: it begins in one. */
static inline uint64_t block_in_string(uint64_t quotes, bool inside)
{
        quotes ^= quotes << 1;
        quotes ^= quotes << 2;
        quotes ^= quotes << 4;
        quotes ^= quotes << 8;
        quotes ^= quotes << 16;
        quotes ^= quotes << 32;
        return inside ? ~quotes : quotes;
}
