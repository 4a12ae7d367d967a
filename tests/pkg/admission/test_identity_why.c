/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/identity_why.h"

#include <errno.h>
#include <openssl/pem.h>

#include "harness.h"
#include "pki.h"

static const struct identity_files files = { .certificate = "tls.crt", .key = "tls.key" };
static const struct pki_wish usual = { .name = "webhook", .alt_names = "DNS:localhost" };

/* --- what cannot be used ----------------------------------------------------------------- */

/* As it is done (identity.c). */
static int use(const char *certificate, const char *key)
{
        gnutls_datum_t c = { (unsigned char *)(uintptr_t)certificate, (unsigned)strlen(certificate) };
        gnutls_datum_t k = { (unsigned char *)(uintptr_t)key, (unsigned)strlen(key) };
        gnutls_certificate_credentials_t to;
        int r = identity_try_certificate(str_c(certificate));

        if (r < 0)
                return r;
        ck_assert_int_eq(gnutls_certificate_allocate_credentials(&to), 0);
        r = gnutls_certificate_set_x509_key_mem(to, &c, &k, GNUTLS_X509_FMT_PEM);
        gnutls_certificate_free_credentials(to);
        return r;
}

static void must_say(const char *certificate, const char *key, const char *says)
{
        struct error err = ERROR_INIT;
        int r = use(certificate, key);

        ck_assert_int_lt(r, 0);
        ck_assert_int_eq(identity_why(&files, str_c(certificate), str_c(key), r, &err), -EINVAL);
        ck_assert_msg(str_starts(str_c(err.message), str_c(says)), "%s", err.message);
}

START_TEST(a_file_that_is_something_else)
{
        struct pki_cert c = pki_make(&usual), other = pki_make(&usual);

        must_say("", c.key_pem, "--tls-cert: tls.crt is empty; put the certificate there (PEM)");
        must_say(" \n", c.key_pem, "--tls-cert: tls.crt is empty");
        must_say(
                "certificate", c.key_pem,
                "--tls-cert: tls.crt has no \"-----BEGIN CERTIFICATE-----\"; the certificate must be there in PEM");
        must_say(
                c.key_pem, c.cert_pem,
                "--tls-cert: tls.crt has no \"-----BEGIN CERTIFICATE-----\" but a key; that is for --tls-key");
        must_say(c.cert_pem, "", "--tls-key: tls.key is empty; put the certificate's key there (PEM)");
        must_say(c.cert_pem, "\n", "--tls-key: tls.key is empty");
        must_say(
                c.cert_pem, "key",
                "--tls-key: tls.key has no \"-----BEGIN PRIVATE KEY-----\"; the certificate's key must be there in PEM");
        must_say(
                c.cert_pem, c.cert_pem,
                "--tls-key: tls.key has no \"-----BEGIN PRIVATE KEY-----\" but a certificate; that is for --tls-cert");
        must_say(c.cert_pem, other.key_pem,
                 "--tls-key: tls.key does not belong to the certificate in tls.crt");
        pki_release(&c);
        pki_release(&other);
}
END_TEST

/* An agent has one option for the folder of all three. */
START_TEST(the_option_that_is_there_is_named)
{
        const struct identity_files folder = { .certificate = "tls.crt",
                                               .key = "tls.key",
                                               .option = "--tls" };
        struct pki_cert c = pki_make(&usual);
        struct error err = ERROR_INIT;

        ck_assert_int_eq(identity_why(&folder, str_c(c.cert_pem), STR(""), use(c.cert_pem, ""), &err),
                         -EINVAL);
        ck_assert_str_eq(err.message, "--tls: tls.key is empty; put the certificate's key there (PEM)");
        ck_assert_int_eq(
                identity_why(&folder, str_c(c.key_pem), str_c(c.key_pem), use(c.key_pem, c.key_pem), &err),
                -EINVAL);
        ck_assert_str_eq(
                err.message,
                "--tls: tls.crt has no \"-----BEGIN CERTIFICATE-----\" but a key; that is for tls.key");
        pki_release(&c);
}
END_TEST

START_TEST(a_file_that_is_broken)
{
        struct pki_cert c = pki_make(&usual);

        memset(c.cert_pem + strlen(c.cert_pem) / 2, '!', 8);
        must_say(c.cert_pem, c.key_pem, "--tls-cert: a certificate in tls.crt cannot be read (");
        pki_release(&c);
        c = pki_make(&usual);
        memset(c.key_pem + strlen(c.key_pem) / 2, '!', 8);
        must_say(c.cert_pem, c.key_pem, "--tls-key: the key in tls.key cannot be read (");
        pki_release(&c);
}
END_TEST

static char *text_of(BIO *bio)
{
        char *data;
        long n = BIO_get_mem_data(bio, &data);
        char *text = strndup(data, (size_t)n);

        ck_assert_ptr_nonnull(text);
        BIO_free(bio);
        return text;
}

START_TEST(a_key_that_is_encrypted)
{
        static const char says[] =
                "--tls-key: the key in tls.key is encrypted, and nobody is here to be asked for "
                "the password; write it without one: openssl pkey -in tls.key -out FILE";
        struct pki_cert c = pki_make(&usual);
        BIO *bio = BIO_new(BIO_s_mem());
        char *text;

        ck_assert_int_eq(
                PEM_write_bio_PKCS8PrivateKey(bio, c.key, EVP_aes_256_cbc(), "secret", 6, NULL, NULL), 1);
        text = text_of(bio);
        must_say(c.cert_pem, text, says);
        free(text);
        bio = BIO_new(BIO_s_mem());
        ck_assert_int_eq(PEM_write_bio_PrivateKey_traditional(bio, c.key, EVP_aes_256_cbc(),
                                                              (const unsigned char *)"secret", 6, NULL, NULL),
                         1);
        text = text_of(bio);
        must_say(c.cert_pem, text, says);
        free(text);
        pki_release(&c);
}
END_TEST

START_TEST(a_lack_of_memory_is_no_fault_of_the_files)
{
        struct error err = ERROR_INIT;

        ck_assert_int_eq(identity_why(&files, STR(""), STR(""), GNUTLS_E_MEMORY_ERROR, &err), -ENOMEM);
}
END_TEST

/* --- what is weak -------------------------------------------------------------------------- */

static void must_weigh(const struct pki_wish *wish, const char *says)
{
        struct pki_cert c = pki_make(wish);
        gnutls_datum_t pem = { (unsigned char *)c.cert_pem, (unsigned)strlen(c.cert_pem) };
        gnutls_x509_crt_t leaf;
        const char *said;

        ck_assert_int_eq(gnutls_x509_crt_init(&leaf), 0);
        ck_assert_int_eq(gnutls_x509_crt_import(leaf, &pem, GNUTLS_X509_FMT_PEM), 0);
        said = identity_weakness(leaf);
        if (says)
                ck_assert_msg(said && strstr(said, says), "%s", said ? said : "nothing");
        else
                ck_assert_msg(!said, "%s", said);
        gnutls_x509_crt_deinit(leaf);
        pki_release(&c);
}

START_TEST(what_api_servers_may_refuse)
{
        struct pki_wish wish = usual;

        must_weigh(&wish, NULL);
        wish.rsa_bits = 2048;
        must_weigh(&wish, NULL);
        wish.rsa_bits = 1024;
        must_weigh(&wish, "its RSA key is too short: use ECDSA on P-256, or RSA with 2048 bits");
        wish = usual;
        wish.sha1 = true;
        must_weigh(&wish, "it is signed with a hash that is broken");
        wish = usual;
        wish.alt_names = NULL;
        must_weigh(&wish, "it has no subjectAltName");
        wish.alt_names = "IP:127.0.0.1";
        must_weigh(&wish, NULL);
}
END_TEST

static const TTest *const tests[] = {
        a_file_that_is_something_else, the_option_that_is_there_is_named,         a_file_that_is_broken,
        a_key_that_is_encrypted,       a_lack_of_memory_is_no_fault_of_the_files, what_api_servers_may_refuse,
};
TEST_MAIN("admission/identity_why", tests)
