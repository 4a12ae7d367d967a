/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of packed objects that are equal are kept once. A thousand resources
 * have the same limits, health checks and environment, and their conditions the
 * same words; what differs are names, images and times.
 *
 *      object A: | spec | image | env *---. |      pool
 *                                          `--->  | part: refs 2 | the list, its strings |
 *      object B: | spec | image | env *----'
 *
 * Which parts are shared is a matter of their place in the schema, so that whoever
 * walks over an object knows without looking them up: under a half of the root
 * ("spec", "status") every object, list and map, as a whole; but of a list whose
 * members have a time (conditions) each string, since the list differs by it.
 *
 *      schema_share(root, draft, pool)         the draft now points into the pool
 *      schema_pack_shared(root, draft, block)  and so does its copy, which has the references
 *      …
 *      schema_unshare(root, copy, pool)        before the copy is freed
 */
#pragma once

#include "base/map.h"
#include "schema/schema.h"

struct schema_pool {
        struct map parts;
        size_t bytes; /* of all parts */
};

void schema_pool_init(struct schema_pool *pool);
/* All references must have been given back. */
void schema_pool_release(struct schema_pool *pool);

/* Replaces the parts of OBJECT by those of the pool and takes a reference of
 * each. 0, or -ENOMEM: then none is held and OBJECT is of no more use. */
int schema_share(const struct schema *root, void *object, struct schema_pool *pool) _must_check_;
void schema_unshare(const struct schema *root, const void *object, struct schema_pool *pool);

/* As without sharing, of an object whose parts are shared: they are not copied. */
size_t schema_packed_size_shared(const struct schema *root, const void *object);
void schema_pack_shared(const struct schema *root, const void *object, void *to);

/* A string by itself; S must not be empty. What it returns has the same length,
 * or is NULL where there is no memory. */
const char *schema_pool_str(struct schema_pool *pool, struct str s) _must_check_;
void schema_pool_unref_str(struct schema_pool *pool, const char *shared);
