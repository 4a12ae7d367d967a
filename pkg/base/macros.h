/* SPDX-License-Identifier: Apache-2.0
 *
 * The few macros that all code may use. None of them hides control flow.
 */
#pragma once

#include <assert.h> /* static_assert */
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* clang-format off */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
/* clang-format on */

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Calls FN with the variable's address when the variable leaves its scope:
 *         _cleanup_(buf_release) struct buf out = BUF_INIT(64 * 1024);
 */
#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _must_check_ __attribute__((warn_unused_result))
#define _unused_ __attribute__((unused))
/* For a large variable that is written before it is read. A release sets all others to zero
 * first, which then is most of what a small function does. */
#define _uninitialized_ __attribute__((uninitialized))
