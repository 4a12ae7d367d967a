/* SPDX-License-Identifier: Apache-2.0
 *
 * From libcurl's result to an errno and a sentence that says what to do.
 */
#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>

#include "http/client.h"

/* "https://10.0.0.1:6443" of a URL: its path may hold more than a log should,
 * and so may a name and password before the host. */
static struct str origin_of(struct str url)
{
        size_t end = 0, slashes = 0;
        struct str origin;

        for (; end < url.len; end++)
                if ((url.data[end] == '/' && ++slashes == 3) || url.data[end] == '?' || url.data[end] == '#')
                        break;
        origin = str_n(url.data, end);
        for (size_t i = end; i > 0; i--)
                if (origin.data[i - 1] == '@')
                        return str_n(origin.data + i, end - i);
        return origin;
}

/* " through the proxy http://10.0.0.9:3128": whom a connection was really made to. */
static const char *through(const struct http_request *r, char ret[256])
{
        const char *proxy = r->settings->proxy;

        if (!proxy)
                return ", or to the proxy that the environment names";
        if (!proxy[0])
                return "";
        (void)snprintf(ret, 256, " through the proxy %.*s", STR_FMT(origin_of(str_c(proxy))));
        return ret;
}

static int connect_errno(const struct http_request *r)
{
        long number = 0;

        curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &number);
        return number > 0 ? -(int)number : -ECONNREFUSED;
}

static const char *detail(const struct http_request *r, CURLcode said)
{
        return r->curl_message[0] ? r->curl_message : curl_easy_strerror(said);
}

static int certificate(const struct http_request *r, struct str origin, struct error *err)
{
        long why = X509_V_OK;
        const char *text;

        curl_easy_getinfo(r->easy, CURLINFO_SSL_VERIFYRESULT, &why);
        text = X509_verify_cert_error_string(why);
        switch (why) {
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
                return error_set(err, -EKEYREJECTED, "the certificate of %.*s is not signed by the %s: %s",
                                 STR_FMT(origin), r->settings->tls->roots ? "given CA" : "system's CAs",
                                 text);
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
                return error_set(err, -EKEYREJECTED, "the certificate of %.*s is not for %s", STR_FMT(origin),
                                 r->settings->tls->server_name ? r->settings->tls->server_name : "that host");
        case X509_V_OK:
                /* libcurl's own check of the name */
                return error_set(err, -EKEYREJECTED, "the certificate of %.*s is not accepted: %s",
                                 STR_FMT(origin), detail(r, CURLE_PEER_FAILED_VERIFICATION));
        default:
                return error_set(err, -EKEYREJECTED, "the certificate of %.*s is not accepted: %s",
                                 STR_FMT(origin), text);
        }
}

/* What our own callbacks and timers ended. */
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

void failure_describe(const struct http_request *r, CURLcode said, struct error *err)
{
        char *url = NULL;
        struct str origin;

        curl_easy_getinfo(r->easy, CURLINFO_EFFECTIVE_URL, &url);
        origin = origin_of(str_c(url));
        if (r->failure < 0)
                ours(r, origin, err);
        else
                libcurls(r, said, origin, err);
}
