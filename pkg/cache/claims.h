/* SPDX-License-Identifier: Apache-2.0
 *
 * The index of cache_claiming: which objects claim a word. Only the files of this
 * folder include this.
 *
 *      | struct object | … | state | created, word, word, … | owner's node |
 *                              ^                |     |
 *                              '----------------'     '--> cache.by_claim, by the word's hash
 *
 * A claim knows no more than where it lies in the block and of which word it is: the rest is
 * found from there. An object that claims nothing takes no memory for it, whatever its kind.
 */
#pragma once

#include "cache/cache.h"

struct claim {
        struct map_node node;
        uint32_t at;    /* where it lies in the object's block, */
        uint32_t place; /* and of which of the object's words it is */
};

/* In the block of an object that claims something. */
struct claims {
        usec_t created; /* USEC_NEVER: not known */
        struct claim items[];
};

/* What an object of that state takes for its claims: 0, or a multiple of eight. */
size_t claims_size(const struct cache_kind *kind, const void *state);

/* Fills them in, in an object whose state is packed. CREATED as the server says. */
void claims_init(struct object *o, struct str created);

/* Into and out of the index. 0, or -ENOMEM and nothing of O is in it. */
int claims_link(struct cache *c, struct object *o) _must_check_;
void claims_unlink(struct cache *c, struct object *o);
