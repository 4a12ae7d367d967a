/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates and keys of a client, parsed once. libcurl takes PEM blobs, too,
 * but copies them for every request and parses them again for every connection,
 * and says what is wrong with them only when a request fails; so this gives it
 * ready OpenSSL objects, through its SSL context callback. The direct engine takes
 * them as one context for all its connections.
 */
#pragma once

#include <curl/curl.h>
#include <openssl/ssl.h>

#include "http/http.h"

/* Counted, since clients may share it. */
struct http_tls {
        unsigned refs;
        X509_STORE *roots; /* NULL: the system's */
        X509 *cert;
        STACK_OF(X509) *chain; /* what stands behind cert in its PEM */
        EVP_PKEY *key;
        char *server_name; /* NULL: the host of the URL */
        bool verify;
        SSL_CTX *context; /* of http_tls_context; NULL until then */
};

/* 0, -ENOMEM, or -EINVAL with what is wrong. */
int http_tls_new(const struct http_config *config, struct http_tls **ret, struct error *err) _must_check_;
struct http_tls *http_tls_ref(struct http_tls *tls);
void http_tls_unref(struct http_tls *tls); /* NULL is fine */

/* Sets EASY to use TLS, which must outlive it. */
CURLcode http_tls_apply(const struct http_tls *tls, CURL *easy);

/* The context for connections of our own, with ALPN for HTTP/2 and HTTP/1.1: lives as long as
 * TLS. 0 or -ENOMEM. */
int http_tls_context(struct http_tls *tls, SSL_CTX **ret) _must_check_;
