/* SPDX-License-Identifier: Apache-2.0
 *
 * Private keys for ECDSA on P-256 (secp256r1): one kind, which every client of TLS
 * knows, small, and quick to make. As a text they are PKCS#8 in PEM
 * ("BEGIN PRIVATE KEY", RFC 5958), not encrypted.
 *
 * Randomness is OpenSSL's own, seeded by the kernel.
 */
#pragma once

#include "base/error.h"
#include "crypto/secret.h"

struct evp_pkey_st; /* OpenSSL's EVP_PKEY */

struct key {
        struct evp_pkey_st *pkey;
};

/* A new one. 0, -ENOMEM, or -EIO where OpenSSL makes none. */
int key_make(struct key *ret, struct error *err) _must_check_;

/* Reads the first private key of PEM, which is at most SECRET_MAX long. 0, -ENOMEM,
 * or -EINVAL: no key, an encrypted one, or one of another kind. */
int key_parse(struct str pem, struct key *ret, struct error *err) _must_check_;

/* Its text, in the place of what RET_PEM held. 0, -ENOMEM or -EIO. */
int key_write(const struct key *key, struct secret *ret_pem) _must_check_;

/* Overwrites and frees; fine for the zero value. */
void key_release(struct key *key);
