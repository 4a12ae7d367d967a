/* SPDX-License-Identifier: Apache-2.0
 *
 * A container that uses more memory than it may is killed, started again, and
 * killed again. So that an allocation fails instead, which is an error that can
 * be told and tried again:
 *
 *      cgroup's limit ---- 9/10 ----> RLIMIT_DATA
 *
 * The rest is for what does not count as data: stacks, the program's pages, and
 * what the kernel holds for us.
 */
#pragma once

#include <stdint.h>

#include "base/macros.h"

#define MEMLIMIT_CGROUPS "/sys/fs/cgroup"

/* How many bytes the container may use, by the cgroups (version 2 or 1) mounted at
 * ROOT; 0: nothing limits it, or it cannot be told. */
uint64_t memlimit_read(const char *root);

/* Lets allocations fail before BYTES are in use, and returns from where on; 0 if it was
 * left as it is: nothing to limit (BYTES is 0), there is a stricter limit already, or
 * far more address space is taken than used, as a sanitizer does. */
uint64_t memlimit_set(uint64_t bytes);
