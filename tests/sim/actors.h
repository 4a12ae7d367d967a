/* SPDX-License-Identifier: Apache-2.0
 *
 * The other programs of a cluster, as far as the operator can tell them by what
 * they write: defaults, the Deployment controller, the autoscaler and the
 * garbage collector. They act a second after they had cause to.
 */
#pragma once

#include "sim/world.h"

/* In an image's name: its rollout fails at its deadline, or takes half a minute. */
#define ACTORS_BAD "bad"
#define ACTORS_SLOW "slow"

/* Plays all of them in W from now on. */
void actors_enter(struct world *w);

/* Only the defaults: nobody rolls anything out. */
void actors_defaults(struct world *w);
