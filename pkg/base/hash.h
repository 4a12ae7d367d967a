/* SPDX-License-Identifier: Apache-2.0
 *
 * 64-bit hashes for tables and for telling whether content changed. Equal
 * input gives an equal hash in every process and on every machine, so a hash
 * may be stored. Not for secrets, and not a defence against forged input.
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
