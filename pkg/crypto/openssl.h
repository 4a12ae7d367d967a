/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this package share: OpenSSL's texts in, its errors out.
 * Nobody else includes it.
 */
#pragma once

#include <openssl/bio.h>

#include "base/error.h"

/* TEXT to read from; NULL when memory is out. Free with BIO_free. */
BIO *crypto_open(struct str text) _must_check_;

/* Something of OpenSSL failed. Empties its queue of errors, and fills ERR with
 * WHAT and its reason. -ENOMEM if memory was out, else CODE. */
int crypto_error(struct error *err, int code, const char *what);

/* For PEM texts that may be encrypted: without a password at hand, OpenSSL would ask
 * for one on the terminal. */
extern char crypto_no_password[];

/* OpenSSL does not always tell "no memory" from "no". What hangs on a "no" here is
 * whether a CA is thrown away; so it counts if it is said twice: one failed
 * allocation is not enough, and if all fail, nothing is made in its place, either. */
#define CRYPTO_TWICE(question) ((question) || (question))
