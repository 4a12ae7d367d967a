/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/openssl.h"
#include "crypto/take.h"

static int read_time(const ASN1_TIME *t, usec_t *ret)
{
        struct tm tm;

        if (!ASN1_TIME_to_tm(t, &tm))
                return -EINVAL;
        *ret = (usec_t)timegm(&tm) * USEC_SEC;
        return 0;
}

/* How many DNS names: 0, or -ENOMEM, or -EINVAL where they cannot be read. */
static int count_names(X509 *x509, size_t *ret, struct error *err)
{
        GENERAL_NAMES *names;
        int found;
        size_t n = 0;

        ERR_clear_error();
        names = X509_get_ext_d2i(x509, NID_subject_alt_name, &found, NULL);
        if (!names && found != -1)
                return crypto_error(err, -EINVAL, "cannot read the alternative names of the certificate");
        for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
                n += sk_GENERAL_NAME_value(names, i)->type == GEN_DNS;
        GENERAL_NAMES_free(names);
        *ret = n;
        return 0;
}

static int look_at(X509 *x509, struct certificate *ret, struct error *err)
{
        struct certificate c = { .x509 = x509 };
        int r;

        /* The flags are known once something has asked for them. */
        ERR_clear_error();
        if (!X509_check_purpose(x509, -1, 0) || (X509_get_extension_flags(x509) & EXFLAG_INVALID))
                return crypto_error(err, -EINVAL, "the certificate has a broken extension");
        if (read_time(X509_get0_notBefore(x509), &c.not_before) < 0 ||
            read_time(X509_get0_notAfter(x509), &c.not_after) < 0)
                return crypto_error(err, -EINVAL, "the certificate has a time that is none");
        r = count_names(x509, &c.n_names, err);
        if (r < 0)
                return r;
        c.ca = X509_check_ca(x509) == 1; /* other results are guesses about old certificates */
        c.serves = X509_check_purpose(x509, X509_PURPOSE_SSL_SERVER, 0) == 1;
        *ret = c;
        return 0;
}

int certificate_take(struct x509_st *x509, struct certificate *ret, struct error *err)
{
        const int r = look_at(x509, ret, err);

        if (r < 0)
                X509_free(x509);
        return r;
}

static int read_once(struct str *pem, struct certificate *ret, struct error *err)
{
        BIO *bio = crypto_open(*pem);
        char *rest = NULL;
        unsigned long why;
        X509 *x509;
        long n;
        int r;

        if (!bio)
                return crypto_error(err, -ENOMEM, "cannot read the certificate");
        ERR_clear_error();
        x509 = PEM_read_bio_X509(bio, NULL, NULL, crypto_no_password);
        n = BIO_get_mem_data(bio, &rest);
        BIO_free(bio);
        if (!x509) {
                why = ERR_peek_last_error();
                if (ERR_GET_LIB(why) != ERR_LIB_PEM || ERR_GET_REASON(why) != PEM_R_NO_START_LINE)
                        return crypto_error(err, -EINVAL, "cannot read the certificate");
                ERR_clear_error(); /* the end of the text */
                return 0;
        }
        r = certificate_take(x509, ret, err);
        if (r < 0)
                return r;
        *pem = str_n(pem->data + pem->len - (size_t)n, (size_t)n);
        return 1;
}

int certificate_read(struct str *pem, struct certificate *ret, struct error *err)
{
        int r;

        if (pem->len > CERTIFICATE_TEXT_MAX)
                return error_set(err, -EINVAL, "the text is longer than %zu bytes", CERTIFICATE_TEXT_MAX);
        r = read_once(pem, ret, err);
        if (r == -EINVAL)
                r = read_once(pem, ret, err); /* see CRYPTO_TWICE */
        return r;
}

int certificate_parse(struct str pem, struct certificate *ret, struct error *err)
{
        struct certificate c, other;
        int r = certificate_read(&pem, &c, err);

        if (r < 0)
                return r;
        if (r == 0)
                return error_set(err, -EINVAL, "the text has no PEM certificate");
        r = certificate_read(&pem, &other, err);
        if (r == 0) {
                *ret = c;
                return 0;
        }
        certificate_release(&c);
        if (r < 0)
                return r;
        certificate_release(&other);
        return error_set(err, -EINVAL, "the text has more than one PEM certificate");
}

void certificate_release(struct certificate *c)
{
        X509_free(c->x509);
        *c = (struct certificate){ 0 };
}

int certificate_write(const struct certificate *c, struct buf *out)
{
        BIO *bio = BIO_new(BIO_s_mem());
        char *data = NULL;
        int r;

        if (!bio)
                return crypto_error(NULL, -ENOMEM, "");
        if (!PEM_write_bio_X509(bio, c->x509)) {
                r = crypto_error(NULL, -EIO, "");
        } else {
                const long n = BIO_get_mem_data(bio, &data);

                r = buf_add(out, data, (size_t)n);
        }
        BIO_free(bio);
        return r;
}

/* "No" may also mean that there was no memory to look: then -ENOMEM. */
static int answer(bool yes)
{
        const int why = crypto_error(NULL, 0, "");

        return yes ? 1 : why;
}

static bool has_name(const struct certificate *c, struct str name)
{
        return X509_check_host(c->x509, name.data, name.len,
                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                               NULL) == 1;
}

int certificate_has_name(const struct certificate *c, struct str name)
{
        /* A length of 0 would mean a C string. */
        return str_empty(name) ? 0 : answer(CRYPTO_TWICE(has_name(c, name)));
}

int certificate_has_key(const struct certificate *c, const struct key *key)
{
        return answer(CRYPTO_TWICE(X509_check_private_key(c->x509, key->pkey) == 1));
}

static bool signed_by(const struct certificate *c, const struct certificate *ca)
{
        EVP_PKEY *key = X509_get0_pubkey(ca->x509);

        return ca->ca && key && X509_check_issued(ca->x509, c->x509) == X509_V_OK &&
               X509_verify(c->x509, key) == 1;
}

int certificate_signed_by(const struct certificate *c, const struct certificate *ca)
{
        return answer(CRYPTO_TWICE(signed_by(c, ca)));
}

bool certificate_same(const struct certificate *a, const struct certificate *b)
{
        return X509_cmp(a->x509, b->x509) == 0;
}
