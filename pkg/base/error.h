/* SPDX-License-Identifier: Apache-2.0
 *
 * struct error: what went wrong, for a person. Plumbing returns a plain
 * negative errno; where a user will read the outcome (a flag, a kubeconfig, a
 * field of a resource, a refused request) a function also fills one of these.
 *
 * It has a fixed size and owns nothing, so reporting cannot fail; a text that
 * is too long ends in "..." behind its last whole character.
 */
#pragma once

#include "base/str.h"

struct error {
        int code;          /* negative errno, 0 for none */
        char path[256];    /* the field, "spec.autoscaling.minReplicas", or "" */
        char message[768]; /* what is wrong and what to do; no full stop, no newline */
};

/* clang-format off */
#define ERROR_INIT { 0 }
/* clang-format on */

/* Fills ERR (may be NULL) and returns CODE, so that a function can end with
 *         return error_set(err, -EINVAL, "cannot parse %s: ...", file);
 */
int error_set(struct error *err, int code, const char *format, ...) _printf_(3, 4);

/* The same, with the path of the field at fault. */
int error_set_at(struct error *err, int code, struct str path, const char *format, ...) _printf_(4, 5);

/* Puts a context and ": " before the message: "/etc/kubeconfig: no such file".
 * The code and the path stay. */
void error_prefix(struct error *err, const char *format, ...) _printf_(2, 3);
