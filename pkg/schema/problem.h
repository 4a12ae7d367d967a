/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with an object that its schema lets through: the list that a
 * kind's validator fills, and that the webhook, the operator and `keelson
 * validate` each tell in their own way.
 */
#pragma once

#include "base/arena.h"

#define PROBLEMS_MAX 32 /* that are told of one object; nobody mends more in one go */

struct problem {
        struct str path;    /* of the field: "spec.autoscaling.minReplicas"; absent: there is none */
        struct str message; /* what is wrong with it and what to do; no full stop */
};

struct problems {
        struct arena *arena; /* the texts live in it */
        struct problem all[PROBLEMS_MAX];
        size_t n;    /* in ALL */
        size_t more; /* that found no place there */
};

void problems_init(struct problems *p, struct arena *a);

/* TEXT has in it what somebody wrote, and goes to terminals and logs, where a line break
 * or an escape sequence would pass for a word of ours: each byte of a control character,
 * be it one of those that take two bytes, becomes a '?'. */
void problem_clean(char *text, size_t len);

/* PATH must outlive the list. Control characters in either become '?'. Where there is
 * no memory the arena has failed. */
void problem_add(struct problems *p, struct str path, const char *format, ...) _printf_(3, 4);

/* Adds what FROM tells, in its words, as far as there is room. */
void problems_add_all(struct problems *p, const struct problems *from);

/* 0 if nothing is wrong, -EINVAL if something is, -ENOMEM if it could not be told. */
int problems_result(const struct problems *p) _must_check_;

/* All of them in one line: "spec.port: …; spec.hosts[1]: …; and 3 more". */
struct str problems_text(const struct problems *p);
