/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "crypto/key.h"

START_TEST(a_text_and_back)
{
        struct secret text = { 0 }, again = { 0 };
        struct key key, other, third;

        ck_assert_int_eq(key_make(&key, NULL), 0);
        ck_assert_int_eq(key_write(&key, &text), 0);
        ck_assert(str_starts(secret_str(&text), STR("-----BEGIN PRIVATE KEY-----\n")));
        ck_assert(str_ends(secret_str(&text), STR("-----END PRIVATE KEY-----\n")));
        ck_assert_int_eq(key_parse(secret_str(&text), &other, NULL), 0);
        ck_assert_int_eq(EVP_PKEY_eq(key.pkey, other.pkey), 1);
        ck_assert_int_eq(key_write(&other, &again), 0);
        ck_assert(str_eq(secret_str(&text), secret_str(&again)));

        ck_assert_int_eq(key_make(&third, NULL), 0);
        ck_assert_int_eq(EVP_PKEY_eq(key.pkey, third.pkey), 0);

        key_release(&key);
        key_release(&other);
        key_release(&third);
        key_release(&third);
        secret_release(&text);
        secret_release(&again);
}
END_TEST

static void check_refused(struct str pem, const char *why)
{
        struct error err = ERROR_INIT;
        struct key key;

        ck_assert_int_eq(key_parse(pem, &key, &err), -EINVAL);
        ck_assert_msg(strstr(err.message, why), "%s", err.message);
}

/* Refuses PKEY, written with PASSWORD or without. */
static void check_kind(EVP_PKEY *pkey, const char *password, const char *why)
{
        const EVP_CIPHER *cipher = password ? EVP_aes_128_cbc() : NULL;
        BIO *bio = BIO_new(BIO_s_mem());
        char *data;
        long n;

        ck_assert_ptr_nonnull(pkey);
        ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, pkey, cipher, password,
                                                       password ? (int)strlen(password) : 0, NULL, NULL),
                         1);
        n = BIO_get_mem_data(bio, &data);
        check_refused(str_n(data, (size_t)n), why);
        BIO_free(bio);
        EVP_PKEY_free(pkey);
}

START_TEST(refuses_what_is_no_such_key)
{
        static char long_text[SECRET_MAX + 1];
        struct secret text = { 0 };
        struct key key;

        check_refused(STR_NULL, "not an unencrypted PEM private key");
        check_refused(STR("garbage"), "not an unencrypted PEM private key");
        check_refused(STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
                      "not an unencrypted PEM private key");
        check_refused(str_n(long_text, sizeof(long_text)), "longer than 65536 bytes");

        ck_assert_int_eq(key_make(&key, NULL), 0);
        ck_assert_int_eq(key_write(&key, &text), 0);
        check_refused(str_n(text.data, text.len / 2), "not an unencrypted PEM private key");
        secret_release(&text);
        key_release(&key);

        check_kind(EVP_EC_gen("P-256"), "secret", "not an unencrypted PEM private key");
        check_kind(EVP_EC_gen("P-384"), NULL, "not one on the curve P-256");
        check_kind(EVP_RSA_gen(1024), NULL, "not one on the curve P-256");
        check_kind(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, "not one on the curve P-256");
}
END_TEST

static int make_and_write(void *arg _unused_)
{
        struct secret text = { 0 };
        struct key key = { 0 };
        int r = key_make(&key, NULL);

        if (r == 0)
                r = key_write(&key, &text);
        secret_release(&text);
        key_release(&key);
        return r;
}

/* Of our own allocations: OpenSSL 3.0's encoders lose memory when memory is out. */
START_TEST(survives_every_failed_allocation)
{
        torture(make_and_write, NULL, 0);
}
END_TEST

static const TTest *const tests[] = { a_text_and_back, refuses_what_is_no_such_key,
                                      survives_every_failed_allocation };
TEST_MAIN("crypto/key", tests)
