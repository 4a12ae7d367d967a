/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates for tests, made on the spot. Any failure ends the test.
 */
#pragma once

#include <openssl/x509.h>

#include "base/str.h"

struct pki_cert {
        X509 *cert;
        EVP_PKEY *key;
        char *cert_pem;
        char *key_pem;
};

struct pki_wish {
        const char *name;          /* common name */
        const char *alt_names;     /* "DNS:localhost,IP:127.0.0.1", or NULL */
        const struct pki_cert *ca; /* NULL: signs itself, and is a CA */
        bool expired;
        unsigned rsa_bits; /* 0: ECDSA on P-256 */
        bool sha1;         /* instead of SHA-256 */
};

struct pki_cert pki_make(const struct pki_wish *wish);
void pki_release(struct pki_cert *c);
