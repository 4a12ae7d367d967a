/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "base/mem.h"

/* Certificates in one PEM text; a bundle of the web's roots has 150. */
#define CERTS_MAX 1000

static BIO *open_pem(struct str pem)
{
        return pem.len > INT_MAX ? NULL : BIO_new_mem_buf(pem.data, (int)pem.len);
}

/* The password that OpenSSL tries for a PEM that is encrypted. Without one it
 * would ask on the terminal. */
static char no_password[] = "";

/* All certificates of PEM, at least one, into an empty CERTS. */
static int read_certs(struct str pem, const char *what, STACK_OF(X509) *certs, struct error *err)
{
        BIO *bio = open_pem(pem);
        unsigned long why;
        X509 *cert;

        if (!bio)
                return error_set(err, -ENOMEM, "no memory for the %s", what);
        ERR_clear_error();
        while (sk_X509_num(certs) < CERTS_MAX && (cert = PEM_read_bio_X509(bio, NULL, NULL, no_password))) {
                if (!sk_X509_push(certs, cert)) {
                        X509_free(cert);
                        BIO_free(bio);
                        return error_set(err, -ENOMEM, "no memory for the %s", what);
                }
        }
        why = ERR_peek_last_error();
        ERR_clear_error();
        BIO_free(bio);
        /* The end of the text is the error "no start line"; any other is about a
         * certificate that is broken. */
        if (why && ERR_GET_REASON(why) != PEM_R_NO_START_LINE)
                return error_set(err, -EINVAL, "cannot read certificate %d of the %s: %s",
                                 sk_X509_num(certs) + 1, what, ERR_reason_error_string(why));
        if (sk_X509_num(certs) == 0)
                return error_set(err, -EINVAL, "the %s has no PEM certificate", what);
        return 0;
}

static int read_roots(struct http_tls *tls, struct str pem, struct error *err)
{
        STACK_OF(X509) *certs = sk_X509_new_null();
        int r;

        tls->roots = X509_STORE_new();
        if (!certs || !tls->roots) {
                r = error_set(err, -ENOMEM, "no memory for the CA bundle");
                goto out;
        }
        r = read_certs(pem, "CA bundle", certs, err);
        for (int i = 0; r == 0 && i < sk_X509_num(certs); i++)
                if (!X509_STORE_add_cert(tls->roots, sk_X509_value(certs, i)))
                        r = error_set(err, -ENOMEM, "no memory for the CA bundle");
        /* An intermediate CA that is given as the CA is trusted as such; Go's
         * and libcurl's own way. */
        X509_STORE_set_flags(tls->roots, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
out:
        sk_X509_pop_free(certs, X509_free);
        return r;
}

static int read_key(struct http_tls *tls, struct str pem, struct error *err)
{
        BIO *bio = open_pem(pem);

        if (!bio)
                return error_set(err, -ENOMEM, "no memory for the client key");
        tls->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, no_password);
        BIO_free(bio);
        ERR_clear_error();
        if (!tls->key)
                return error_set(err, -EINVAL, "the client key is not an unencrypted PEM private key");
        return 0;
}

static int read_identity(struct http_tls *tls, const struct http_config *config, struct error *err)
{
        int r;

        if (str_empty(config->client_cert_pem) || str_empty(config->client_key_pem))
                return error_set(err, -EINVAL,
                                 "a client certificate needs its key and a key its certificate");
        tls->chain = sk_X509_new_null();
        if (!tls->chain)
                return error_set(err, -ENOMEM, "no memory for the client certificate");
        r = read_certs(config->client_cert_pem, "client certificate", tls->chain, err);
        if (r < 0)
                return r;
        tls->cert = sk_X509_shift(tls->chain);
        r = read_key(tls, config->client_key_pem, err);
        if (r < 0)
                return r;
        if (!X509_check_private_key(tls->cert, tls->key)) {
                ERR_clear_error();
                return error_set(err, -EINVAL, "the client key does not belong to the client certificate");
        }
        return 0;
}

static int read_all(struct http_tls *tls, const struct http_config *config, struct error *err)
{
        int r = 0;

        if (config->tls_server_name.len) {
                tls->server_name = mem_strndup(config->tls_server_name.data, config->tls_server_name.len);
                if (!tls->server_name)
                        return error_set(err, -ENOMEM, "no memory for the server name");
        }
        if (config->ca_pem.data)
                r = read_roots(tls, config->ca_pem, err);
        if (r == 0 && (config->client_cert_pem.len || config->client_key_pem.len))
                r = read_identity(tls, config, err);
        return r;
}

int http_tls_new(const struct http_config *config, struct http_tls **ret, struct error *err)
{
        struct http_tls *tls = mem_new(struct http_tls);
        int r;

        if (!tls)
                return error_set(err, -ENOMEM, "no memory for an HTTP client");
        tls->refs = 1;
        tls->verify = !config->insecure_skip_verify;
        r = read_all(tls, config, err);
        if (r < 0) {
                http_tls_unref(tls);
                return r;
        }
        *ret = tls;
        return 0;
}

struct http_tls *http_tls_ref(struct http_tls *tls)
{
        tls->refs++;
        return tls;
}

void http_tls_unref(struct http_tls *tls)
{
        if (!tls || --tls->refs > 0)
                return;
        SSL_CTX_free(tls->context);
        X509_STORE_free(tls->roots);
        X509_free(tls->cert);
        sk_X509_pop_free(tls->chain, X509_free);
        EVP_PKEY_free(tls->key);
        mem_free(tls->server_name);
        mem_free(tls);
}

/* --- a context of our own ----------------------------------------------------------- */

/* Debian's bundle, which OpenSSL finds under a name of its own; but a container image may
 * have nothing else. */
#define SYSTEM_ROOTS "/etc/ssl/certs/ca-certificates.crt"

static bool openssl_finds_its_file(void)
{
        const char *file = secure_getenv(X509_get_default_cert_file_env());

        return access(file ? file : X509_get_default_cert_file(), R_OK) == 0;
}

static int use_roots(const struct http_tls *tls, SSL_CTX *ctx)
{
        if (tls->roots) {
                SSL_CTX_set1_cert_store(ctx, tls->roots);
                return 1;
        }
        if (!tls->verify)
                return 1;
        if (!openssl_finds_its_file())
                (void)SSL_CTX_load_verify_file(ctx, SYSTEM_ROOTS); /* without it nobody is trusted */
        return SSL_CTX_set_default_verify_paths(ctx);
}

static int set_up(const struct http_tls *tls, SSL_CTX *ctx)
{
        static const unsigned char protocols[] = "\2h2\10http/1.1";

        /* 34 KiB a connection that are only needed while a record is half there. */
        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
        /* One connection a server: there is rarely a second one to shorten. */
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_verify(ctx, tls->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
        return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) &&
               SSL_CTX_set_alpn_protos(ctx, protocols, sizeof(protocols) - 1) == 0 && use_roots(tls, ctx) &&
               (!tls->cert || SSL_CTX_use_cert_and_key(ctx, tls->cert, tls->key, tls->chain, 1));
}

int http_tls_context(struct http_tls *tls, SSL_CTX **ret)
{
        SSL_CTX *ctx = tls->context;

        if (!ctx) {
                ctx = SSL_CTX_new(TLS_client_method());
                if (!ctx || !set_up(tls, ctx)) {
                        SSL_CTX_free(ctx);
                        ERR_clear_error();
                        return -ENOMEM;
                }
                ERR_clear_error();
                tls->context = ctx;
        }
        *ret = ctx;
        return 0;
}

/* --- libcurl's context ---------------------------------------------------------------- */

/* libcurl always asks for the host of the URL. The name goes into the
 * ClientHello only after this callback, so there is time to put ours. */
static void set_server_name(const SSL *ssl, int where, int ret)
{
        const struct http_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

        (void)ret;
        if (where == SSL_CB_HANDSHAKE_START)
                SSL_set_tlsext_host_name((SSL *)ssl, tls->server_name);
}

static int use_server_name(const struct http_tls *tls, SSL_CTX *ctx)
{
        X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

        if (X509_VERIFY_PARAM_set1_ip_asc(param, tls->server_name))
                return 1; /* an address has no place in a ClientHello */
        ERR_clear_error();
        SSL_CTX_set_app_data(ctx, (void *)tls);
        SSL_CTX_set_info_callback(ctx, set_server_name);
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        return X509_VERIFY_PARAM_set1_host(param, tls->server_name, 0);
}

/* For every new connection. */
static CURLcode set_context(CURL *easy, void *ssl_ctx, void *arg)
{
        const struct http_tls *tls = arg;
        SSL_CTX *ctx = ssl_ctx;

        (void)easy;
        /* 34 KiB a connection that are only needed while a record is half there. */
        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
        if (tls->roots)
                SSL_CTX_set1_cert_store(ctx, tls->roots);
        if (tls->cert && !SSL_CTX_use_cert_and_key(ctx, tls->cert, tls->key, tls->chain, 1))
                return CURLE_SSL_CERTPROBLEM;
        if (tls->server_name && !use_server_name(tls, ctx))
                return CURLE_OUT_OF_MEMORY;
        return CURLE_OK;
}

CURLcode http_tls_apply(const struct http_tls *tls, CURL *easy)
{
        /* Another name than the URL's is checked with the chain (use_server_name). */
        const long verify_host = tls->verify && !tls->server_name ? 2 : 0;
        CURLcode r;

        r = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        if (r == CURLE_OK)
                r = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, (long)tls->verify);
        if (r == CURLE_OK)
                r = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify_host);
        if (r == CURLE_OK)
                r = curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_context);
        if (r == CURLE_OK)
                r = curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, (void *)tls);
        if (r != CURLE_OK || !tls->roots)
                return r;
        r = curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        if (r == CURLE_OK)
                r = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        /* libcurl's own cache of roots would take the place of our store again,
         * after the callback (fixed in libcurl 8.3). */
        if (r == CURLE_OK)
                r = curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
        return r;
}
