/* SPDX-License-Identifier: Apache-2.0
 *
 * The patterns of a CRD, which the API server matches with RE2, matched with the C
 * library's regular expressions. keelson-gen refuses what the two do not read
 * alike.
 */
#pragma once

#include "base/str.h"

#define SCHEMA_PATTERNS_MAX 64 /* that are kept compiled, for the rest of the program's life */

/* Does TEXT match PATTERN, which is one of a table's and lives as long as the
 * program? 1 or 0; -ENOMEM. A NUL matches nothing; what the C library cannot
 * compile matches. Past SCHEMA_PATTERNS_MAX a pattern is compiled each time. */
int schema_match(struct str pattern, struct str text) _must_check_;

/* What PATTERN asks for, for people: "must be letters, digits and _, …"; absent where
 * nobody has put it into words yet. */
struct str schema_pattern_words(struct str pattern);
