/* SPDX-License-Identifier: Apache-2.0
 *
 * From what went wrong to an errno and a sentence that says what to do.
 */
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>

#include "http/curl.h"

/* " through the proxy http://10.0.0.9:3128": whom a connection was really made to. */
static const char *through(const struct http_request *r, char ret[256])
{
        const char *proxy = r->settings->proxy;

        if (!proxy)
                return ", or to the proxy that the environment names";
        if (!proxy[0])
                return "";
        (void)snprintf(ret, 256, " through the proxy %.*s", STR_FMT(url_public_origin(str_c(proxy))));
        return ret;
}

static int connect_errno(const struct http_request *r)
{
        long number = 0;

        curl_easy_getinfo(r->curl->easy, CURLINFO_OS_ERRNO, &number);
        return number > 0 ? -(int)number : -ECONNREFUSED;
}

static const char *detail(const struct http_request *r, CURLcode said)
{
        return r->curl->message[0] ? r->curl->message : curl_easy_strerror(said);
}

int failure_certificate(struct str origin, const struct http_tls *tls, long why, const char *said,
                        struct error *err)
{
        const char *text = X509_verify_cert_error_string(why);

        switch (why) {
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
                return error_set(err, -EKEYREJECTED, "the certificate of %.*s is not signed by the %s: %s",
                                 STR_FMT(origin), tls->roots ? "given CA" : "system's CAs", text);
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
                return error_set(err, -EKEYREJECTED, "the certificate of %.*s is not for %s", STR_FMT(origin),
                                 tls->server_name ? tls->server_name : "that host");
        case X509_V_OK:
                return error_set(err, -EKEYREJECTED, "the certificate of %.*s is not accepted: %s",
                                 STR_FMT(origin), said);
        default:
                return error_set(err, -EKEYREJECTED, "the certificate of %.*s is not accepted: %s",
                                 STR_FMT(origin), text);
        }
}

static int ours(const struct http_request *r, struct str origin, struct error *err)
{
        switch (r->failure) {
        case -ETIMEDOUT:
                if (r->heard == r->started)
                        return error_set(err, -ETIMEDOUT, "no answer from %.*s within %.1f s",
                                         STR_FMT(origin),
                                         (double)(loop_now(r->client->loop) - r->started) / 1e6);
                return error_set(err, -ETIMEDOUT, "%.*s fell silent in the middle of its answer",
                                 STR_FMT(origin));
        case -EMSGSIZE:
                return error_set(err, -EMSGSIZE, "the answer of %.*s is larger than %zu bytes",
                                 STR_FMT(origin), r->in.cap);
        default:
                return error_set(err, r->failure, "the answer of %.*s could not be taken: %s",
                                 STR_FMT(origin), strerror(-r->failure));
        }
}

void failure_ours(const struct http_request *r, struct error *err)
{
        ours(r, url_public_origin(buf_str(&r->url)), err);
}

/* libcurl checks the name itself; that is where OpenSSL has nothing to say. */
static int certificate(const struct http_request *r, struct str origin, struct error *err)
{
        long why = X509_V_OK;

        curl_easy_getinfo(r->curl->easy, CURLINFO_SSL_VERIFYRESULT, &why);
        return failure_certificate(origin, r->settings->tls, why, detail(r, CURLE_PEER_FAILED_VERIFICATION),
                                   err);
}

static int libcurls(const struct http_request *r, CURLcode said, struct str origin, struct error *err)
{
        char proxy[256];
        int code;

        switch (said) {
        case CURLE_OUT_OF_MEMORY:
                return error_set(err, -ENOMEM, "no memory for a request to %.*s", STR_FMT(origin));
        case CURLE_URL_MALFORMAT:
                return error_set(err, -EINVAL, "not a URL: %.*s", STR_FMT(origin));
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                return error_set(err, -EHOSTUNREACH, "cannot reach %.*s: %s", STR_FMT(origin),
                                 detail(r, said));
        case CURLE_COULDNT_CONNECT:
                code = connect_errno(r);
                return error_set(err, code, "cannot connect to %.*s%s: %s", STR_FMT(origin),
                                 through(r, proxy), strerror(-code));
        case CURLE_OPERATION_TIMEDOUT:
                return error_set(err, -ETIMEDOUT, "cannot connect to %.*s%s within %.1f s", STR_FMT(origin),
                                 through(r, proxy), (double)r->settings->connect_timeout_ms / 1e3);
        case CURLE_PEER_FAILED_VERIFICATION:
                return certificate(r, origin, err);
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_SSL_CERTPROBLEM:
                return error_set(err, -EPROTO, "no TLS with %.*s: %s", STR_FMT(origin), detail(r, said));
        case CURLE_GOT_NOTHING:
        case CURLE_PARTIAL_FILE:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
                return error_set(err, -ECONNRESET, "the connection to %.*s broke: %s", STR_FMT(origin),
                                 detail(r, said));
        default:
                return error_set(err, -EPROTO, "the request to %.*s failed: %s", STR_FMT(origin),
                                 detail(r, said));
        }
}

void failure_curl(const struct http_request *r, CURLcode said, struct error *err)
{
        libcurls(r, said, url_public_origin(buf_str(&r->url)), err);
}
