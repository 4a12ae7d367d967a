/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock of the simulator. Internal to the world.
 */
#pragma once

#include "sim/world.h"

/* From now on all clocks are W's; NULL: the real ones. */
void wrap_enter(struct world *w);

/* What the operator's machine takes for the time of day. */
usec_t world_wall(const struct world *w);
