/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/issue.h"

#include <errno.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "crypto/openssl.h"
#include "crypto/take.h"

#define SERIAL_BYTES 16
#define LABEL_MAX 63                   /* bytes between two dots (RFC 1035) */
#define TIME_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z, the last that can be written */

/* --- the wish ------------------------------------------------------------------------ */

static bool is_label(struct str label)
{
        if (label.len == 0 || label.len > LABEL_MAX || label.data[0] == '-' ||
            label.data[label.len - 1] == '-')
                return false;
        for (size_t i = 0; i < label.len; i++) {
                const char c = label.data[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
                        return false;
        }
        return true;
}

static bool is_dns_name(struct str name)
{
        struct str label, rest = name;
        bool more;

        if (name.len > CERTIFICATE_NAME_MAX)
                return false;
        if (str_starts(rest, STR("*.")))
                rest = str_n(rest.data + 2, rest.len - 2);
        do {
                more = str_cut(rest, '.', &label, &rest);
                if (!is_label(label))
                        return false;
        } while (more);
        return true;
}

static int check_wish(const struct certificate_wish *wish, struct error *err)
{
        if (str_empty(wish->common_name) || wish->common_name.len > CERTIFICATE_COMMON_NAME_MAX)
                return error_set_at(err, -EINVAL, STR("common_name"), "must have 1 to %d characters",
                                    CERTIFICATE_COMMON_NAME_MAX);
        if (wish->n_names > CERTIFICATE_NAMES_MAX)
                return error_set_at(err, -EINVAL, STR("names"), "must not be more than %d",
                                    CERTIFICATE_NAMES_MAX);
        for (size_t i = 0; i < wish->n_names; i++)
                if (!is_dns_name(wish->names[i]))
                        return error_set_at(err, -EINVAL, STR("names"),
                                            "\"%.*s\" is not a DNS name in lower case",
                                            STR_FMT(wish->names[i]));
        if (wish->not_before < 0 || wish->not_after / USEC_SEC > TIME_MAX)
                return error_set_at(err, -EINVAL, STR("not_before, not_after"),
                                    "must lie in the years 1970 to 9999");
        if (wish->not_after <= wish->not_before)
                return error_set_at(err, -EINVAL, STR("not_after"), "must lie behind not_before");
        return 0;
}

/* --- the parts of a certificate -------------------------------------------------------- */

static bool set_serial(X509 *x509)
{
        unsigned char bytes[SERIAL_BYTES];
        BIGNUM *n;
        bool ok;

        if (RAND_bytes(bytes, sizeof(bytes)) != 1)
                return false;
        n = BN_bin2bn(bytes, sizeof(bytes), NULL);
        ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x509));
        BN_free(n);
        return ok;
}

static bool set_subject(X509 *x509, struct str common_name)
{
        return X509_NAME_add_entry_by_NID(X509_get_subject_name(x509), NID_commonName, MBSTRING_UTF8,
                                          (const unsigned char *)common_name.data, (int)common_name.len, -1,
                                          0) == 1;
}

static bool set_times(X509 *x509, const struct certificate_wish *wish)
{
        return ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)(wish->not_before / USEC_SEC)) &&
               ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)(wish->not_after / USEC_SEC));
}

/* VALUE in the notation of x509v3_config(5): constants of ours only, for it is a
 * language with which a name could say other things, too. */
static bool add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
        X509_EXTENSION *ext;
        X509V3_CTX ctx;
        bool ok;

        X509V3_set_ctx(&ctx, issuer, x509, NULL, NULL, 0);
        ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
        ok = ext && X509_add_ext(x509, ext, -1) == 1;
        X509_EXTENSION_free(ext);
        return ok;
}

static bool add_name(GENERAL_NAMES *list, struct str name)
{
        GENERAL_NAME *entry = GENERAL_NAME_new();
        ASN1_IA5STRING *text = ASN1_IA5STRING_new();

        if (!entry || !text || !ASN1_STRING_set(text, name.data, (int)name.len)) {
                ASN1_IA5STRING_free(text);
                GENERAL_NAME_free(entry);
                return false;
        }
        GENERAL_NAME_set0_value(entry, GEN_DNS, text);
        if (!sk_GENERAL_NAME_push(list, entry)) {
                GENERAL_NAME_free(entry);
                return false;
        }
        return true;
}

static bool add_names(X509 *x509, const struct certificate_wish *wish)
{
        GENERAL_NAMES *list = GENERAL_NAMES_new();
        bool ok = list;

        for (size_t i = 0; ok && i < wish->n_names; i++)
                ok = add_name(list, wish->names[i]);
        ok = ok && X509_add1_ext_i2d(x509, NID_subject_alt_name, list, 0, X509V3_ADD_DEFAULT) == 1;
        GENERAL_NAMES_free(list);
        return ok;
}

static bool fill_ca(X509 *x509, const struct key *key)
{
        return X509_set_issuer_name(x509, X509_get_subject_name(x509)) &&
               add_extension(x509, x509, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
               add_extension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign") &&
               add_extension(x509, x509, NID_subject_key_identifier, "hash") &&
               X509_sign(x509, key->pkey, EVP_sha256()) > 0;
}

static bool fill_serving(X509 *x509, const struct certificate_wish *wish, const struct certificate *ca,
                         const struct key *ca_key)
{
        return X509_set_issuer_name(x509, X509_get_subject_name(ca->x509)) &&
               add_extension(x509, ca->x509, NID_basic_constraints, "critical,CA:FALSE") &&
               add_extension(x509, ca->x509, NID_key_usage, "critical,digitalSignature") &&
               add_extension(x509, ca->x509, NID_ext_key_usage,
                             wish->client ? "serverAuth,clientAuth" : "serverAuth") &&
               add_extension(x509, ca->x509, NID_subject_key_identifier, "hash") &&
               add_extension(x509, ca->x509, NID_authority_key_identifier, "keyid:always") &&
               add_names(x509, wish) && X509_sign(x509, ca_key->pkey, EVP_sha256()) > 0;
}

/* --- the whole ----------------------------------------------------------------------- */

/* CA absent: one that signs itself. */
static int make(const struct certificate_wish *wish, const struct key *key, const struct certificate *ca,
                const struct key *ca_key, struct certificate *ret, struct error *err)
{
        X509 *x509 = X509_new();
        bool ok;

        ok = x509 && X509_set_version(x509, X509_VERSION_3) && set_serial(x509) &&
             set_subject(x509, wish->common_name) && set_times(x509, wish) &&
             X509_set_pubkey(x509, key->pkey);
        ok = ok && (ca ? fill_serving(x509, wish, ca, ca_key) : fill_ca(x509, key));
        if (ok) {
                const int r = certificate_take(x509, ret, err);

                return r == -EINVAL ? -EIO : r; /* OpenSSL does not know its own work again */
        }
        X509_free(x509);
        return crypto_error(err, -EIO, "cannot make a certificate");
}

int certificate_make_ca(const struct certificate_wish *wish, const struct key *key, struct certificate *ret,
                        struct error *err)
{
        int r = check_wish(wish, err);

        if (r < 0)
                return r;
        if (wish->n_names)
                return error_set_at(err, -EINVAL, STR("names"), "must be absent: a CA serves nobody");
        return make(wish, key, NULL, NULL, ret, err);
}

int certificate_issue(const struct certificate_wish *wish, const struct key *key,
                      const struct certificate *ca, const struct key *ca_key, struct certificate *ret,
                      struct error *err)
{
        int r = check_wish(wish, err);

        if (r < 0)
                return r;
        if (wish->n_names == 0)
                return error_set_at(err, -EINVAL, STR("names"),
                                    "must be given: clients look at nothing else");
        r = certificate_has_key(ca, ca_key);
        if (r < 0)
                return error_set(err, r, "no memory for a certificate");
        if (!ca->ca || !r)
                return error_set(err, -EINVAL,
                                 "the certificate that is to sign is no CA, or the key is not its own");
        return make(wish, key, ca, ca_key, ret, err);
}
