/* SPDX-License-Identifier: Apache-2.0
 *
 * How an object of the cache comes to be: read from JSON into a draft, whose
 * parts lie in the scratch arena, and from there packed into one block (see
 * cache/cache.h). Only the files of this folder include this.
 *
 *      object_draft --> draft --object_new--> object, with references into the pool
 *                                                |
 *                                           object_free
 */
#pragma once

#include "cache/cache.h"
#include "cache/claims.h"

struct draft {
        struct kube_meta meta;
        const struct cache_kind *kind;
        const struct kube_owner *owner; /* once it is shared */
        uint64_t owned;
        uint8_t uuid[UUID_BYTES];
        struct str uid;     /* as it is kept: these bytes, or text */
        struct str invalid; /* what is wrong with the state; absent: nothing */
        void *state;
};

/* The last thing in the block of an object of a kind that is found by its owner. What it
 * claims (cache/claims.h) stands before that. */
struct owned_node {
        struct map_node node;
        struct object *object;
};

static inline struct owned_node *owned_node(struct object *o)
{
        return (struct owned_node *)(void *)((char *)o + o->bytes - sizeof(struct owned_node));
}

/* The rest of a draft whose kind and metadata are known, and which is zero besides. 0,
 * -ENOMEM, or -EBADMSG for what is not an object (a UID or version of more than 255 bytes is
 * none). The draft borrows from JSON and from the scratch arena. */
int object_draft(struct cache *c, yyjson_val *json, struct draft *d) _must_check_;

/* The object of a draft, which is used up; NULL without memory. */
struct object *object_new(struct cache *c, struct draft *d) _must_check_;

/* O is in no map any more. NULL is fine. */
void object_free(struct cache *c, struct object *o);

/* --- cache.c -------------------------------------------------------------------- */

uint64_t cache_hash_key(const struct cache_kind *kind, struct str namespace, struct str name);

struct object *cache_find(const struct cache *c, const struct cache_kind *kind, struct str namespace,
                          struct str name);

/* It is gone; the change is told, and the object freed. */
void cache_drop(struct cache *c, struct object *o);

/* --- readings.c ----------------------------------------------------------------- */

/* O, of an announced kind, may be gone as of VERSION: it is dropped, and to be asked for. 0 or
 * -ENOMEM. */
int readings_lose(struct cache *c, struct object *o, struct str version) _must_check_;

/* Of the readings themselves: what they brought stays. */
void readings_clear(struct cache *c);
