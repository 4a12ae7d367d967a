/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantities of a spec, as children have them: in the API server's own spelling ("1000m" is
 * "1"), so that what we apply is what we read back.
 */
#pragma once

#include "base/arena.h"
#include "schema/schema.h"

/* {"cpu": "1", …}; absent if MAP names nothing, or, with A failed, where memory is out. */
struct str quantities_json(const struct schema_map *map, struct arena *a);

/* {"requests": {…}, "limits": {…}} of a container, without what names nothing; absent likewise. */
struct str resources_json(const struct schema_map *requests, const struct schema_map *limits,
                          struct arena *a);
