/* SPDX-License-Identifier: Apache-2.0
 *
 * The App's kind alone, for controllers that only count or watch Apps.
 */
#pragma once

#include "cache/cache.h"

extern const struct cache_kind app_kind;
