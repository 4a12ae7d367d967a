/* SPDX-License-Identifier: Apache-2.0
 *
 * Allocation. All of Keelson's own memory comes from here, so that tests can
 * make any single allocation fail (mem_fail_after) and see that the code
 * around it gives a clean error and leaks nothing.
 *
 * Every function returns NULL when memory is out; callers turn that into
 * -ENOMEM. The counters are plain numbers: a program with several threads may
 * allocate in all of them, but must not trust what the counters say.
 */
#pragma once

#include "base/macros.h"

/* Uninitialised memory of N bytes (N may be 0); free with mem_free. */
void *mem_alloc(size_t n) _must_check_;

/* N zeroed bytes. */
void *mem_zalloc(size_t n) _must_check_;

/* N zeroed pieces of SIZE bytes in a row; an overflow counts as failure. */
void *mem_zalloc_n(size_t n, size_t size) _must_check_;

/* Resizes P (may be NULL) to N bytes. On failure P stays valid and owned by the caller. */
void *mem_realloc(void *p, size_t n) _must_check_;

/* A NUL-terminated copy of the first N bytes of S. */
char *mem_strndup(const char *s, size_t n) _must_check_;

/* Frees P; NULL is fine. */
void mem_free(void *p);

/* For _cleanup_(mem_freep) on any pointer variable. */
void mem_freep(void *pp);

/* After a burst: gives free memory back to the system, as far as the allocator
 * would keep it. It looks at all pieces of the heap: not often. */
void mem_trim(void);

#define mem_new(type) ((type *)mem_zalloc(sizeof(type)))
#define mem_new_n(type, n) ((type *)mem_zalloc_n((n), sizeof(type)))

/* Test hook: the N-th allocation from now fails (1 is the next one); 0 turns it off. */
void mem_fail_after(uint64_t n);

/* Test hook: how many allocations were asked for since the program began. */
uint64_t mem_count(void);

/* Test hook: how many pieces are in use now. */
uint64_t mem_live(void);
