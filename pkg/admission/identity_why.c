/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/identity_why.h"

#include <errno.h>

/* Shorter ones are refused by some who speak TLS, and by more each year. */
#define RSA_BITS_MIN 2048

static bool has(struct str text, const char *part)
{
        return text.data && memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static bool is_blank(struct str text)
{
        for (size_t i = 0; i < text.len; i++)
                if (!strchr(" \t\r\n", text.data[i]))
                        return false;
        return true;
}

/* As "BEGIN PRIVATE KEY", or in the older forms "BEGIN EC PRIVATE KEY" and the like. */
static bool has_key(struct str text)
{
        return has(text, "PRIVATE KEY-----");
}

static bool has_certificate(struct str text)
{
        return has(text, "-----BEGIN CERTIFICATE-----");
}

/* In PKCS #8 and in the older way (RFC 1421). */
static bool is_encrypted(struct str key)
{
        return has(key, "-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(key, "Proc-Type: 4,ENCRYPTED");
}

/* Without GnuTLS's full stop: it stands inside of a sentence. */
static struct str reason(int code)
{
        struct str s = str_c(gnutls_strerror(code));

        if (s.len && s.data[s.len - 1] == '.')
                s.len--;
        return s;
}

int identity_try_certificate(struct str text)
{
        gnutls_datum_t datum = { (unsigned char *)(uintptr_t)text.data, (unsigned)text.len };
        gnutls_x509_crt_t *list;
        unsigned n;
        int r = gnutls_x509_crt_list_import2(&list, &n, &datum, GNUTLS_X509_FMT_PEM, 0);

        if (r < 0)
                return r;
        for (unsigned i = 0; i < n; i++)
                gnutls_x509_crt_deinit(list[i]);
        gnutls_free(list);
        return 0;
}

const char *identity_option(const struct identity_files *files, const char *own)
{
        return files->option ? files->option : own;
}

static int blame_certificate(const struct identity_files *files, struct str text, int code, struct error *err)
{
        const char *option = identity_option(files, "--tls-cert"), *path = files->certificate;

        if (is_blank(text))
                return error_set(err, -EINVAL, "%s: %s is empty; put the certificate there (PEM)", option,
                                 path);
        if (!has_certificate(text) && has_key(text))
                return error_set(err, -EINVAL,
                                 "%s: %s has no \"-----BEGIN CERTIFICATE-----\" but a key; that is for %s",
                                 option, path, files->option ? files->key : "--tls-key");
        if (!has_certificate(text))
                return error_set(
                        err, -EINVAL,
                        "%s: %s has no \"-----BEGIN CERTIFICATE-----\"; the certificate must be there in PEM",
                        option, path);
        return error_set(err, -EINVAL, "%s: a certificate in %s cannot be read (%.*s); write the file anew",
                         option, path, STR_FMT(reason(code)));
}

static int blame_key(const struct identity_files *files, struct str text, int code, struct error *err)
{
        const char *option = identity_option(files, "--tls-key"), *path = files->key;

        if (is_blank(text))
                return error_set(err, -EINVAL, "%s: %s is empty; put the certificate's key there (PEM)",
                                 option, path);
        if (is_encrypted(text))
                return error_set(err, -EINVAL,
                                 "%s: the key in %s is encrypted, and nobody is here to be asked for the "
                                 "password; write it without one: openssl pkey -in %s -out FILE",
                                 option, path, path);
        if (!has_key(text) && has_certificate(text))
                return error_set(
                        err, -EINVAL,
                        "%s: %s has no \"-----BEGIN PRIVATE KEY-----\" but a certificate; that is for %s",
                        option, path, files->option ? files->certificate : "--tls-cert");
        if (!has_key(text))
                return error_set(
                        err, -EINVAL,
                        "%s: %s has no \"-----BEGIN PRIVATE KEY-----\"; the certificate's key must be there in PEM",
                        option, path);
        return error_set(err, -EINVAL,
                         "%s: the key in %s cannot be read (%.*s); make it one of ECDSA on P-256, or of RSA",
                         option, path, STR_FMT(reason(code)));
}

int identity_why(const struct identity_files *files, struct str certificate, struct str key, int code,
                 struct error *err)
{
        int r = identity_try_certificate(certificate);

        if (code == GNUTLS_E_MEMORY_ERROR || r == GNUTLS_E_MEMORY_ERROR)
                return error_set(err, -ENOMEM, "out of memory");
        if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
                return error_set(err, -EINVAL, "%s: %s does not belong to the certificate in %s",
                                 identity_option(files, "--tls-key"), files->key, files->certificate);
        return r < 0 ? blame_certificate(files, certificate, r, err) : blame_key(files, key, code, err);
}

/* Go's TLS, which API servers have, looks for names in no other place. */
static bool has_names(gnutls_x509_crt_t leaf)
{
        size_t len = 0;

        return gnutls_x509_crt_get_subject_alt_name(leaf, 0, NULL, &len, NULL) !=
               GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
}

static bool is_signed_well(gnutls_x509_crt_t leaf)
{
        int algorithm = gnutls_x509_crt_get_signature_algorithm(leaf);

        return algorithm >= 0 &&
               gnutls_sign_is_secure2((gnutls_sign_algorithm_t)algorithm, GNUTLS_SIGN_FLAG_SECURE_FOR_CERTS);
}

const char *identity_weakness(gnutls_x509_crt_t leaf)
{
        unsigned bits = 0;
        int algorithm = gnutls_x509_crt_get_pk_algorithm(leaf, &bits);

        if (algorithm == GNUTLS_PK_RSA && bits < RSA_BITS_MIN)
                return "its RSA key is too short: use ECDSA on P-256, or RSA with 2048 bits";
        if (algorithm == GNUTLS_PK_DSA)
                return "its key is one of DSA: use ECDSA on P-256, or RSA with 2048 bits";
        if (!is_signed_well(leaf))
                return "it is signed with a hash that is broken: have it signed with SHA-256";
        if (!has_names(leaf))
                return "it has no subjectAltName: put the Service's name there, SERVICE.NAMESPACE.svc";
        return NULL;
}
