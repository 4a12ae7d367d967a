/* SPDX-License-Identifier: Apache-2.0
 *
 * Promises about failover, each a case of its own, and how long writes were
 * away in it.
 */
#pragma once

#include "failover/run.h"

#define CASES_MAX 64

struct failover_case {
        const char *name;
        const char *promise; /* in a line */
        void (*fn)(struct sim *s, uint64_t seed);
        usec_t reach; /* what the outage is to be at the most; 0: nothing was said */
};
extern const struct failover_case failover_cases[];
extern const size_t failover_n_cases;

/* The middle and the worst of N runs, beside what is to be reached; it sorts them. */
void cases_print(const struct failover_case *c, usec_t *outages, size_t n);
