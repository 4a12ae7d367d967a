/* SPDX-License-Identifier: Apache-2.0
 *
 * What somebody who mistyped a field may have meant.
 */
#pragma once

#include "schema/schema.h"

/* The field whose name is nearest to NAME, or the absent string if none is
 * near: a third of its letters may be wrong, or two swapped. */
struct str schema_nearest_field(const struct schema *s, struct str name);
