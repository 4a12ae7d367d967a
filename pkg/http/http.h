/* SPDX-License-Identifier: Apache-2.0
 *
 * An HTTP client on the event loop: HTTP/2 where the server has it, many requests
 * in flight over one connection. Two engines carry the requests, one of our own for
 * HTTP/2 over TLS and libcurl for all else (client.h); nobody here sees which.
 *
 * A client is one pool of connections with one set of credentials. Watches and
 * writes use two clients, so that a slow stream of events never holds up a
 * write, nor a burst of writes the events.
 *
 * A request is started with callbacks and ends with exactly one call of done,
 * from the loop and never from inside http_start; or it is cancelled, and then
 * no callback comes any more.
 *
 *      http_start --> on_headers --> on_data* --> done
 *           |              |             |
 *           +--------------+-------------+------> http_cancel
 *
 * Every function here may be called from inside any callback, http_cancel on
 * the very request (there and in done) and http_client_free included.
 * Redirects are not followed; the answer with the redirect is the answer.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "loop/loop.h"

struct http_client;

/* How a server is reached and who we are to it. All strings are borrowed for
 * the call of http_client_new (copied). Certificates and keys are PEM text. */
struct http_config {
        struct str ca_pem;          /* absent: the system's roots */
        struct str client_cert_pem; /* with client_key_pem; absent: no client certificate */
        struct str client_key_pem;
        struct str tls_server_name; /* absent: the host of the URL */
        struct str proxy;           /* absent: HTTPS_PROXY, NO_PROXY and so on, by libcurl */
        struct str user_agent;
        bool insecure_skip_verify;
        /* Absent, or a client that has the same certificates, key and server name:
         * what it has made of them now is used as well, and those above and
         * insecure_skip_verify are not looked at. It need not stay. */
        const struct http_client *tls_of;
        usec_t connect_timeout; /* 0: 10 s; with libcurl a wait for a free connection counts */
        long max_connections;   /* to one host by HTTP/1.1; 0: 1. With HTTP/2 one does */
};

/* 0, -ENOMEM, or -EINVAL with what is wrong with the certificates or the key. */
int http_client_new(struct loop *l, const struct http_config *config, struct http_client **ret,
                    struct error *err) _must_check_;
/* Cancels what is in flight. */
void http_client_free(struct http_client *c);
void http_client_freep(struct http_client **c);

/* New certificates or CA: requests that start from now on use new connections;
 * those in flight end on the old ones. On an error all stays as it was. */
int http_client_reconfigure(struct http_client *c, const struct http_config *config, struct error *err)
        _must_check_;

struct http_header {
        struct str name;
        struct str value;
};

struct http_request; /* in flight */

/* What came back. The strings are valid during the callback. */
struct http_result {
        int status;         /* 200; 0 if no response came */
        struct error error; /* code 0, or one of the list below, with a message */
        struct str body;    /* what on_data did not take; only where on_data is NULL */
        usec_t retry_after; /* from Retry-After (seconds or a date), a day at the most, or -1 */
        struct str content_type;
        usec_t elapsed;
};

/* The codes of http_result.error:
 *      -ETIMEDOUT       the connect timeout, the timeout or the idle timeout
 *      -ECONNREFUSED    or another errno of connect(2)
 *      -EHOSTUNREACH    the name of the host (or proxy) has no address
 *      -EKEYREJECTED    the server's certificate is not accepted
 *      -ECONNRESET      the connection broke before the answer was complete
 *      -EMSGSIZE        the body is larger than max_body
 *      -EPROTO          TLS or HTTP was not spoken as it should be
 *      -EINVAL          the URL is none
 *      -ENOMEM
 * and whatever on_data returned. */

struct http_handlers {
        /* Once, before the first byte of the body: status, and content_type. Optional. */
        void (*on_headers)(struct http_request *r, const struct http_result *so_far, void *arg);
        /* Body bytes as they come. A negative errno ends the request with that
         * error. If NULL the body is collected, up to max_body. */
        int (*on_data)(struct http_request *r, struct str data, void *arg);
        /* Once, at the end; the request is gone when it returns. */
        void (*done)(struct http_request *r, const struct http_result *result, void *arg);
        void *arg;
};

struct http_call {
        const char *method; /* "GET", "POST", "PUT", "PATCH", "DELETE" */
        struct str url;     /* copied */
        /* Copied. The same headers as in an earlier call cost next to nothing.
         * A body needs a Content-Type. */
        const struct http_header *headers;
        size_t n_headers;
        struct str body;     /* copied; absent: none */
        usec_t timeout;      /* for the whole request; 0: none */
        usec_t idle_timeout; /* no byte received for so long ends it with -ETIMEDOUT; 0: none */
        size_t max_body;     /* cap of a collected body; 0: 8 MiB */
};

/* 0, -ENOMEM, or -EINVAL for a method, URL or header that cannot be sent. */
int http_start(struct http_client *c, const struct http_call *call, const struct http_handlers *handlers,
               struct http_request **ret, struct error *err) _must_check_;
void http_cancel(struct http_request *r);
