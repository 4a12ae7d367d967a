/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong with a certificate and its key, for people: why two files cannot be
 * used, with the one that is to blame and the remedy; and of a certificate that can
 * be used, why API servers might not take it.
 */
#pragma once

#include <gnutls/x509.h>

#include "admission/identity.h"
#include "base/str.h"

/* The option to name to a user, OWN being the one that a file has for itself. */
const char *identity_option(const struct identity_files *files, const char *own);

/* 0 if each certificate of a PEM text can be read, else GnuTLS's code. To be asked first:
 * of one that cannot be read GnuTLS (3.7) leaks what it has read, where it is to be used. */
int identity_try_certificate(struct str text) _must_check_;

/* GnuTLS took the two PEM texts of FILES for no pair and said CODE. Returns -EINVAL, or
 * -ENOMEM, with *err. Nothing of the key is told. */
int identity_why(const struct identity_files *files, struct str certificate, struct str key, int code,
                 struct error *err);

/* A sentence of static storage, or NULL: nothing is wrong with it but, perhaps, its time. */
const char *identity_weakness(gnutls_x509_crt_t leaf);
