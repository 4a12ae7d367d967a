/* SPDX-License-Identifier: Apache-2.0
 *
 * The other programs of a cluster, as far as the operator can tell that they
 * are there: the API server's defaults, the Deployment controller, and the
 * garbage collector. They act a second after they had cause to.
 */
#pragma once

#include "sim/world.h"

/* Plays all of them in W from now on. */
void actors_enter(struct world *w);

/* Only the defaults: nobody rolls anything out. */
void actors_defaults(struct world *w);
