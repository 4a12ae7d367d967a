/* SPDX-License-Identifier: Apache-2.0
 *
 * How one effect of a plan is carried out: nothing if it is so already, else a
 * request to the API server, whose reply goes into the cache.
 * Internal to the manager.
 *
 *      apply --> in the cache?  --no---> create-only apply --409--> get: whose is it?
 *                   |                                                  |        |
 *                   +--yes--> as desired? --no--> apply to its UID <--ours    another's: NameConflict
 */
#pragma once

#include "manager/task.h"

/* Starts what is to be done, if anything; failures are told to the task. */
void effect_start(struct task *t, struct effect *e);

/* Drops all requests of the task without another word. */
void effects_cancel(struct task *t);
