/* SPDX-License-Identifier: Apache-2.0
 *
 * What several kinds say, and what may be wrong with it: quantities, durations, bounds of
 * autoscaling. One code, so that the same mistake is told in the same words wherever it
 * stands.
 *
 * Each adds to PROBLEMS what is wrong. PATH is that of the field and outlives them.
 */
#pragma once

#include "base/clock.h"
#include "schema/problem.h"
#include "schema/schema.h"

/* Is it a quantity, and one that a pod could have? */
void check_quantity(struct str path, struct str text, struct problems *problems);

/* The same for all of a map, whose keys must be resources that a container may have. */
void check_resource_amounts(struct str path, const struct schema_map *map, struct problems *problems);

/* The same for those that a quota may name. */
void check_quota_amounts(struct str path, const struct schema_map *map, struct problems *problems);

/* What is requested in LESS, at PATH, of a resource that cannot be overcommitted must be
 * what MORE, known as NAME, has of it. BOTH: it must have it. */
void check_same(struct str path, const struct schema_map *less, const char *name,
                const struct schema_map *more, bool both, struct problems *problems);

/* No request in LESS, at PATH, may be above its bound in MORE, which people know as NAME. */
void check_not_above(struct str path, const struct schema_map *less, const char *name,
                     const struct schema_map *more, struct problems *problems);

/* All of these of a container's resources, at PATH: amounts, and requests beside limits. */
void check_container_resources(struct str path, const struct schema_map *requests,
                               const struct schema_map *limits, struct problems *problems);

/* Is it a duration between those two, which BOUNDS names ("1s and 1h")? The absent string is fine. */
void check_duration(struct str path, struct str text, usec_t least, usec_t most, const char *bounds,
                    struct problems *problems);

/* Warns of memory of which there is too little for any program, most often for want of a unit:
 * for each resource of a container or of a quota in MAP. */
void warn_memory(struct str path, const struct schema_map *map, struct problems *warnings);

/* minReplicas and maxReplicas, where both are said. PATH is that of minReplicas. */
void check_replicas(struct str path, int64_t least, int64_t most, struct problems *problems);
