/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/key.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "crypto/openssl.h"

#define CURVE "prime256v1" /* OpenSSL's name of P-256 */

int key_make(struct key *ret, struct error *err)
{
        EVP_PKEY *pkey = EVP_EC_gen(CURVE);

        if (!pkey)
                return crypto_error(err, -EIO, "cannot make a key");
        *ret = (struct key){ pkey };
        return 0;
}

static bool on_curve(const EVP_PKEY *pkey)
{
        char group[sizeof(CURVE)];

        return EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) &&
               str_eq_c(STR(CURVE), group);
}

static int parse_once(struct str pem, struct key *ret, struct error *err)
{
        BIO *bio = crypto_open(pem);
        EVP_PKEY *pkey;

        if (!bio)
                return crypto_error(err, -ENOMEM, "cannot read the private key");
        pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, crypto_no_password);
        BIO_free(bio);
        if (!pkey)
                return crypto_error(err, -EINVAL, "the text is not an unencrypted PEM private key");
        if (!on_curve(pkey)) {
                EVP_PKEY_free(pkey);
                return crypto_error(err, -EINVAL, "the private key is not one on the curve P-256");
        }
        *ret = (struct key){ pkey };
        return 0;
}

int key_parse(struct str pem, struct key *ret, struct error *err)
{
        int r;

        if (pem.len > SECRET_MAX)
                return error_set(err, -EINVAL, "the private key is longer than %zu bytes", SECRET_MAX);
        r = parse_once(pem, ret, err);
        if (r == -EINVAL)
                r = parse_once(pem, ret, err); /* see CRYPTO_TWICE */
        return r;
}

int key_write(const struct key *key, struct secret *ret_pem)
{
        BIO *bio = BIO_new(BIO_s_mem()); /* overwrites what it frees */
        char *data = NULL;
        int r;

        if (!bio)
                return crypto_error(NULL, -ENOMEM, "");
        if (!PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL)) {
                r = crypto_error(NULL, -EIO, "");
        } else {
                const long n = BIO_get_mem_data(bio, &data);

                r = secret_set(ret_pem, str_n(data, (size_t)n));
        }
        BIO_free(bio);
        return r;
}

void key_release(struct key *key)
{
        EVP_PKEY_free(key->pkey); /* which overwrites the private part */
        *key = (struct key){ 0 };
}
