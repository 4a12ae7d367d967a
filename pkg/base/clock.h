/* SPDX-License-Identifier: Apache-2.0
 *
 * Time. Durations and deadlines are microseconds in a usec_t.
 *
 * clock_now is for every decision: it only rises, counts suspend, and does not
 * follow the wall clock when an administrator or NTP moves it. clock_wall is
 * only for time stamps that people and other programs read. Pure code takes
 * time as an argument and calls neither.
 */
#pragma once

#include "base/arena.h"

typedef int64_t usec_t;

#define USEC_MSEC INT64_C(1000)
#define USEC_SEC (1000 * USEC_MSEC)
#define USEC_MINUTE (60 * USEC_SEC)
#define USEC_HOUR (60 * USEC_MINUTE)
#define USEC_NEVER INT64_MAX

usec_t clock_now(void);  /* CLOCK_BOOTTIME */
usec_t clock_wall(void); /* since 1970-01-01 UTC */

#define CLOCK_RFC3339_MAX 32

/* Writes WALL as RFC 3339 in UTC: seconds ("2006-01-02T15:04:05Z", metav1.Time)
 * or, with MICRO, six more digits (metav1.MicroTime). Returns the length. A time
 * outside the years 0000 to 9999, which the format has no room for, becomes the
 * nearest inside. */
size_t clock_format(usec_t wall, bool micro, char out[CLOCK_RFC3339_MAX]);

/* Reads RFC 3339 with Z or a numeric offset; digits of a fraction past the
 * sixth are ignored, a leap second is the second after it. 0 or -EINVAL. */
int clock_parse(struct str s, usec_t *ret_wall) _must_check_;

/* Reads a duration as Kubernetes reads and writes it (Go's time.ParseDuration):
 * "1h30m", "500ms", "1.5s", "-2m", "7\u00b5s", "0". Nanoseconds are rounded
 * towards zero. 0, -EINVAL, or -ERANGE past 290,000 years. */
int duration_parse(struct str s, usec_t *ret) _must_check_;
