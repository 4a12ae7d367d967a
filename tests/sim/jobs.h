/* SPDX-License-Identifier: Apache-2.0
 *
 * Many jobs, in as many processes as there are cores: one that fails, or is
 * killed by a sanitizer, ends its process, and another one goes on behind it.
 *
 *      parent -- fork --> worker 0: jobs 0, n, 2n, …   its job stands in shared memory
 *             `- fork --> worker 1: jobs 1, n+1, …
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define JOBS_WORKERS_MAX 64
#define JOBS_WHY_MAX 256

struct job_list {
        const char *what; /* "seeds" */
        uint64_t n;
        void (*run)(uint64_t job);
        /* The arguments that repeat one. */
        void (*repeat)(uint64_t job, char out[128]);
};

struct job_settings {
        unsigned workers;
        uint64_t stop_after; /* so many failures; 0: never */
        bool silent;         /* nothing is said of the failures */
};

struct job_result {
        uint64_t n_failed;
        uint64_t first; /* of the failed */
        char why[JOBS_WHY_MAX];
};

/* Prints each failure with the command that repeats it, and how far it is. */
void jobs_run(const struct job_list *list, const struct job_settings *s, struct job_result *ret);

/* In a worker: why it is about to fail. */
void jobs_fails(const char *why);
