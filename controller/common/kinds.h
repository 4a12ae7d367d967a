/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds of children that several controllers make, and of which only their being
 * there counts. Each is watched once, whoever makes it.
 */
#pragma once

#include "cache/cache.h"
#include "common_observed.gen.h"

/* What all children carry, and what the cache selects on. */
#define COMMON_OURS STR_INIT("app.kubernetes.io/managed-by=keelson")

extern const struct cache_kind common_networkpolicy_kind;
extern const struct cache_kind common_poddisruptionbudget_kind;
extern const struct cache_kind common_service_kind;
extern const struct cache_kind common_serviceaccount_kind;
