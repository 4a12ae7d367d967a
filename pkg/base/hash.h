/* SPDX-License-Identifier: Apache-2.0
 *
 * 64-bit hashes for tables and for telling whether content changed. Equal
 * input gives an equal hash in every process and on every machine, so a hash
 * may be stored; but for those at the end. Not for secrets, and not a defence against forged input.
 */
#pragma once

#include "base/str.h"

#define HASH_INIT UINT64_C(0x9e3779b97f4a7c15)

/* Stirs one word so that each input bit moves half of the output bits
 * (the finaliser of MurmurHash3). */
static inline uint64_t hash_mix(uint64_t h)
{
        h ^= h >> 33;
        h *= UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 33;
        h *= UINT64_C(0xc4ceb9fe1a85ec53);
        return h ^ (h >> 33);
}

/* Order matters: hash_add(hash_add(h, a), b) differs from b before a. */
static inline uint64_t hash_add(uint64_t h, uint64_t word)
{
        return hash_mix(h ^ (word * UINT64_C(0x87c37b91114253d5))) + UINT64_C(0x52dce729);
}

/* The bytes and their number. */
uint64_t hash_bytes(uint64_t h, const void *data, size_t n);

static inline uint64_t hash_str(uint64_t h, struct str s)
{
        return hash_bytes(h, s.data, s.len);
}

/* --- within this process --------------------------------------------------------------- */

/* The same at a third of the cost, sixteen bytes to a multiplication, for hashes that no
 * other process and no other version of this program ever sees: what they are may change. */

/* Both halves of the product; the constants are two more of the digits of pi. */
static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
        __extension__ unsigned __int128 product = (unsigned __int128)a * b;

        return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
        return hash_mix(a ^ hash_mix(b));
#endif
}

static inline uint64_t hash_local_add(uint64_t h, uint64_t word)
{
        return hash_fold(h ^ UINT64_C(0x243f6a8885a308d3), word ^ UINT64_C(0x13198a2e03707344));
}

uint64_t hash_local_bytes(uint64_t h, const void *data, size_t n);

static inline uint64_t hash_local_str(uint64_t h, struct str s)
{
        return hash_local_bytes(h, s.data, s.len);
}
