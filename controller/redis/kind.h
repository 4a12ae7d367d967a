/* SPDX-License-Identifier: Apache-2.0
 *
 * The Redis's kind alone, for controllers that only look whether one is there.
 */
#pragma once

#include "cache/cache.h"

extern const struct cache_kind redis_kind;
