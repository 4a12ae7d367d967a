/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict on one resource, from nothing but itself and what it was before. One
 * code for all who give it: the webhook at admission, the operator when it
 * reconciles, `keelson validate` before a commit.
 *
 *      JSON --schema_decode, strict--> object --kind->validate--> problems, warnings
 *
 * What needs a second object (a host that another App claims, a store that is
 * missing) is none of it: the operator sees that, and says so in a condition.
 */
#pragma once

#include "cache/cache.h"
#include "schema/problem.h"

struct admission_kind {
        const struct cache_kind *kind; /* its names, and its schema */
        /* Adds what is wrong to PROBLEMS, and to WARNINGS what works and is unwise.
         * The objects are of the type that the schema makes, their halves may be
         * absent. OLD_OBJECT is NULL for a new one; where it is not, what must not
         * change is compared. */
        void (*validate)(const void *object, const void *old_object, struct problems *problems,
                         struct problems *warnings);
        /* As in the CRD: a name that the API server would take and this kind does not.
         * Adds to PROBLEMS. NULL: any name. */
        void (*validate_name)(struct str name, struct problems *problems);
};

enum admission_flags {
        /* The API server has not looked yet: patterns, and what else it enforces by
         * the schema, are checked as well. */
        ADMISSION_OFFLINE = 1 << 0,
};

/* OBJECT and OLD_OBJECT (NULL: it is new) as JSON, whole. 0 if it is fine, -EINVAL if
 * PROBLEMS says why not, -ENOMEM. What is told lives in the arena of PROBLEMS. */
int admission_judge(const struct admission_kind *kind, yyjson_val *object, yyjson_val *old_object,
                    enum admission_flags flags, struct problems *problems, struct problems *warnings)
        _must_check_;
