/* SPDX-License-Identifier: Apache-2.0
 *
 * How many objects there are of a kind in a namespace. For the kinds that ask
 * for it (cache_kind.tallied), so that who counts them need not walk through
 * everything that the cache holds.
 *
 *      (kind, namespace) --> n        no entry: none
 */
#pragma once

#include "base/map.h"
#include "base/str.h"

struct cache_kind;

struct tally {
        struct map map;
};

void tally_init(struct tally *t);
void tally_release(struct tally *t);

/* One more. 0 or -ENOMEM. */
int tally_add(struct tally *t, const struct cache_kind *kind, struct str namespace) _must_check_;

/* One less of those that were added. */
void tally_remove(struct tally *t, const struct cache_kind *kind, struct str namespace);

size_t tally_get(const struct tally *t, const struct cache_kind *kind, struct str namespace);
