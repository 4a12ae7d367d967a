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
        usec_t reach; /* write outage, p50 and worst; 0: none is to be reached */
};
extern const struct failover_case failover_cases[];
extern const size_t failover_n_cases;

/* What came of a run that went well. */
void cases_report(const struct failover_case *c, const struct sim *s, bool figures);
