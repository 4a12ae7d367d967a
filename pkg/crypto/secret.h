/* SPDX-License-Identifier: Apache-2.0
 *
 * struct secret: a text that must not stay behind in memory, such as a private
 * key in PEM. It owns its bytes and overwrites them before it gives them back.
 *
 *      data ---> | - - - - - B E G I N ... | NUL      len does not count the NUL
 *
 * The zero value is the absent secret. What is copied out of one (into an arena,
 * into a request) is out of its hands.
 */
#pragma once

#include "base/str.h"

#define SECRET_MAX ((size_t)64 * 1024) /* bytes of one */

struct secret {
        char *data;
        size_t len;
};

/* A copy of VALUE in the place of what S held; the absent string makes it absent.
 * 0, -ENOMEM, or -EMSGSIZE past SECRET_MAX; then S holds what it held. VALUE must
 * not lie in S. */
int secret_set(struct secret *s, struct str value) _must_check_;

/* Overwrites and frees; S is absent then. */
void secret_release(struct secret *s);

/* Borrowed: until S is set or released. */
static inline struct str secret_str(const struct secret *s)
{
        return str_n(s->data, s->len);
}
