/* SPDX-License-Identifier: Apache-2.0
 *
 * Trees of JSON in one order: the members of each object sorted by key, as API servers
 * write them. Then two can be compared, and put together, in one walk along both.
 *
 * Strings are borrowed, by copies too. All memory is that of the document, whose
 * allocator is an arena: a lack of it is in the arena's failed, and what is returned
 * then is of no use.
 */
#pragma once

#include "base/arena.h"
#include "json/read.h"

/* A copy; NULL for NULL. */
yyjson_mut_val *tree_copy(yyjson_mut_doc *doc, yyjson_mut_val *value);

/* The same of a tree that was read. */
yyjson_mut_val *tree_of(yyjson_mut_doc *doc, yyjson_val *value);

/* Sorts VALUE and all that is in it. -EINVAL if an object has a member twice, with its
 * path in *err; -ENOMEM. */
int tree_sort(yyjson_mut_val *value, struct arena *a, struct error *err) _must_check_;

/* Are two sorted ones the same? Two numbers are if they are written alike. */
bool tree_same(yyjson_mut_val *a, yyjson_mut_val *b);

/* Are there more than MAX objects and lists within each other? */
bool tree_is_deeper(yyjson_mut_val *value, unsigned max);

/* The text of a string, or the absent string. */
struct str tree_str(yyjson_mut_val *value);
