/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes the state file, and so finds out whether the volume still writes: into a
 * new file, fsync, rename, fsync of the folder. In a thread of its own, since a
 * volume that stands still holds whoever touches it; the loop never waits.
 *
 *      loop: canary_write(text) --> thread: write, fsync, rename --> loop: written(began, result)
 */
#pragma once

#include "base/error.h"
#include "loop/loop.h"

#define CANARY_BYTES_MAX 2048

struct canary;

/* RESULT is 0 or a negative errno; BEGAN is what was given to canary_write. */
typedef void canary_fn(struct canary *c, usec_t began, int result, void *arg);

/* For DIR/FILE. 0 or a negative errno. */
int canary_new(struct loop *l, const char *dir, const char *file, canary_fn *fn, void *arg,
               struct canary **ret) _must_check_;

/* A thread that the volume holds is left behind, with what it needs. */
void canary_free(struct canary *c);

/* Is one under way? Then canary_write does nothing. */
bool canary_busy(const struct canary *c);

/* Copies TEXT (at most CANARY_BYTES_MAX). 0; -EBUSY; -EMSGSIZE. */
int canary_write(struct canary *c, struct str text, usec_t began) _must_check_;
