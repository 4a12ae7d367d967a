/* SPDX-License-Identifier: Apache-2.0
 *
 * Pseudo-random numbers for jitter and for the simulator: the same seed gives
 * the same numbers everywhere (splitmix64's counter, stirred by hash_mix).
 * Never for secrets.
 */
#pragma once

#include "base/hash.h"

struct rand {
        uint64_t state;
};

static inline uint64_t rand_next(struct rand *r)
{
        return hash_mix(r->state += HASH_INIT);
}

/* 0 <= n < BOUND; BOUND must not be 0. */
static inline uint64_t rand_below(struct rand *r, uint64_t bound)
{
        return (uint64_t)(((unsigned __int128)rand_next(r) * bound) >> 64);
}
