/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of TLS: what OpenSSL itself says to a server's certificate. It shares
 * nothing with pkg/crypto.
 */
#pragma once

#include "harness.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/clock.h"

static inline BIO *client_open(struct str pem)
{
        BIO *bio = BIO_new_mem_buf(pem.data ? pem.data : "", (int)pem.len);

        ck_assert_ptr_nonnull(bio);
        return bio;
}

/* X509_V_OK, or why a client at the time WALL that trusts BUNDLE refuses the server
 * called NAME that shows CERT. Both are PEM. */
static inline int client_verdict(struct str bundle, struct str cert, const char *name, usec_t wall)
{
        X509_STORE *roots = X509_STORE_new();
        X509_STORE_CTX *ctx = X509_STORE_CTX_new();
        X509_VERIFY_PARAM *param;
        BIO *bio = client_open(bundle);
        X509 *x509;
        int verdict;

        ck_assert(roots && ctx);
        while ((x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
                ck_assert_int_eq(X509_STORE_add_cert(roots, x509), 1);
                X509_free(x509);
        }
        BIO_free(bio);
        bio = client_open(cert);
        x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        BIO_free(bio);
        ck_assert_ptr_nonnull(x509);

        ck_assert_int_eq(X509_STORE_CTX_init(ctx, roots, x509, NULL), 1);
        param = X509_STORE_CTX_get0_param(ctx);
        X509_VERIFY_PARAM_set_time(param, (time_t)(wall / USEC_SEC));
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
        ck_assert_int_eq(X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER), 1);
        ck_assert_int_eq(X509_VERIFY_PARAM_set1_host(param, name, 0), 1);
        verdict = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
        X509_STORE_CTX_free(ctx);
        X509_STORE_free(roots);
        X509_free(x509);
        return verdict;
}
