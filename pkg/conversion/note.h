/* SPDX-License-Identifier: Apache-2.0
 *
 * What one version of an object says and another cannot: a note of the difference
 * between the object as it WAS expected to come back and as it IS.
 *
 *      {"in": {"spec": {"in": {
 *              "port":  {"was": 80, "is": 8080},       another value
 *              "owner": {"is": "ann"},                 not there without the note
 *              "drain": {"was": {}},                   there without the note
 *              "env":   {"order": ["B", "A"],          a list map: its order,
 *                        "in": {"B": …}}               and its items by key
 *      }}}}
 *
 * A part of it holds only where what comes back still is as it was expected: what
 * somebody has edited in the other version is not touched.
 *
 * Trees are sorted (tree.h), those that are returned too.
 */
#pragma once

#include "conversion/convert.h"

/* What ORIGINAL, of VERSION, has that BACK has not; NULL if nothing, or for a lack of memory. */
yyjson_mut_val *note_make(struct conversion *c, const struct conversion_version *version,
                          yyjson_mut_val *back, yyjson_mut_val *original);

/* BACK, an object of VERSION, as NOTE says it is; both are used up. Whatever NOTE holds, it may
 * come from anyone. */
yyjson_mut_val *note_apply(struct conversion *c, const struct conversion_version *version,
                           yyjson_mut_val *back, yyjson_mut_val *note);
