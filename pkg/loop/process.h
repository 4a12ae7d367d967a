/* SPDX-License-Identifier: Apache-2.0
 *
 * The system calls behind child_start; only child.c uses it.
 */
#pragma once

#include <sys/types.h>

#include "loop/child.h"

/* Our ends of the child's pipes, non-blocking; -1 where there is none. */
struct process_pipes {
        int in, out, err;
};

/* clang-format off */
#define PROCESS_PIPES_INIT { -1, -1, -1 }
/* clang-format on */

void process_pipes_close(struct process_pipes *pipes);

/* Starts the process of CONFIG; 0 or a negative errno with nothing started.
 * On success the caller owns what *pipes holds. */
int process_start(const struct child_config *config, struct process_pipes *pipes, pid_t *ret_pid)
        _must_check_;
