/* SPDX-License-Identifier: Apache-2.0 */
#include "pki.h"

#include "harness.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define DAY (24 * 3600L)

static char *take_text(BIO *bio)
{
        char *data;
        long n = BIO_get_mem_data(bio, &data);
        char *copy = strndup(data, (size_t)n);

        ck_assert_ptr_nonnull(copy);
        BIO_free(bio);
        return copy;
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
        X509_EXTENSION *ext;
        X509V3_CTX ctx;

        X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
        ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
        ck_assert_ptr_nonnull(ext);
        ck_assert_int_eq(X509_add_ext(cert, ext, -1), 1);
        X509_EXTENSION_free(ext);
}

static EVP_PKEY *make_key(const struct pki_wish *wish)
{
        return wish->rsa_bits ? EVP_RSA_gen(wish->rsa_bits) : EVP_EC_gen("P-256");
}

struct pki_cert pki_make(const struct pki_wish *wish)
{
        static long serial = 1000;
        struct pki_cert c = { .cert = X509_new(), .key = make_key(wish) };
        X509 *issuer = wish->ca ? wish->ca->cert : c.cert;
        BIO *text;

        ck_assert(c.cert && c.key);
        X509_set_version(c.cert, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(c.cert), serial++);
        X509_gmtime_adj(X509_getm_notBefore(c.cert), -2 * DAY);
        X509_gmtime_adj(X509_getm_notAfter(c.cert), wish->expired ? -DAY : DAY);
        X509_set_pubkey(c.cert, c.key);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(c.cert), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)wish->name, -1, -1, 0);
        X509_set_issuer_name(c.cert, X509_get_subject_name(issuer));
        add_extension(c.cert, issuer, NID_subject_key_identifier, "hash");
        if (!wish->ca)
                add_extension(c.cert, issuer, NID_basic_constraints, "critical,CA:TRUE");
        else
                add_extension(c.cert, issuer, NID_authority_key_identifier, "keyid");
        if (wish->alt_names)
                add_extension(c.cert, issuer, NID_subject_alt_name, wish->alt_names);
        ck_assert_int_gt(
                X509_sign(c.cert, wish->ca ? wish->ca->key : c.key, wish->sha1 ? EVP_sha1() : EVP_sha256()),
                0);

        text = BIO_new(BIO_s_mem());
        ck_assert_int_eq(PEM_write_bio_X509(text, c.cert), 1);
        c.cert_pem = take_text(text);
        text = BIO_new(BIO_s_mem());
        ck_assert_int_eq(PEM_write_bio_PrivateKey(text, c.key, NULL, NULL, 0, NULL, NULL), 1);
        c.key_pem = take_text(text);
        return c;
}

void pki_release(struct pki_cert *c)
{
        X509_free(c->cert);
        EVP_PKEY_free(c->key);
        free(c->cert_pem);
        free(c->key_pem);
}
