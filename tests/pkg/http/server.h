/* SPDX-License-Identifier: Apache-2.0
 *
 * An HTTP server for tests, in threads of the test process, that can also misbehave:
 * HTTP/1.1, or HTTP/2 where TLS has it and the client wants it (server_h2.c). What it
 * does depends on the path:
 *
 *      /ok        200 text/plain "hello"
 *      /echo      200, the request line, its headers and its body
 *      /stream    200 chunked, "one\n" "two\n" "three\n"
 *      /gzip      200, gzip of "compressed" if that was accepted, or "plain"
 *      /big       200 with 1 MiB of body
 *      /empty     204
 *      /early     103 with a Retry-After, then /ok
 *      /throttled 429 with Retry-After: 7
 *      /gone      410 application/json
 *      /redirect  302 to /ok
 *      /mute      nothing, the connection stays open
 *      /silent    headers and "one\n", then nothing
 *      /cut       ten of a hundred bytes, then the connection breaks
 *      /hangup    the connection breaks before the answer
 *      /noise     what is not HTTP
 *
 * and over HTTP/2 only:
 *
 *      /refused   REFUSED_STREAM for the first two requests, then /ok
 *      /stubborn  REFUSED_STREAM for all
 *      /goaway    for the first request GOAWAY, which says that it was not looked at, then /ok
 *      /leave     /ok, with a GOAWAY that says that it is the last
 *      /reset     INTERNAL_ERROR
 *      /enough    /ok before the body has come, then NO_ERROR
 *      /ping      PING, and when that is answered /ok
 *      /push      a stream that nobody asked for
 *      /flood     a header block that has no end
 *      /odd       an answer with the status 51
 *      /hints     interim answers that have no end
 */
#pragma once

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/str.h"

#define SERVER_CONNECTIONS_MAX 512

struct server;

struct server_connection {
        struct server *server;
        pthread_t thread;
        int fd;
        SSL *ssl; /* NULL: plain */
        char request[65536];
        size_t len;
        /* Over HTTP/2: the answer, as HTTP/1.1 would have it. */
        bool capturing, holding;
        char *captured;
        size_t n_captured;
};

struct server {
        int listener;
        int port;
        SSL_CTX *tls;
        pthread_t acceptor;
        struct server_connection *connections[SERVER_CONNECTIONS_MAX];
        unsigned max_streams; /* of HTTP/2; 0: no HTTP/2 */
        atomic_int n_connections, n_requests;
        atomic_int n_refused, most_streams;
        atomic_bool pause;    /* HTTP/2: reads nothing meanwhile */
        char sni[64];         /* what the last TLS client asked for */
        char client_name[64]; /* the common name of its certificate */
};

struct server_tls {
        const char *cert_pem;
        const char *key_pem;
        const char *client_ca_pem; /* NULL: asks for no client certificate */
        unsigned max_streams;      /* at a time, by HTTP/2; 0: speaks HTTP/1.1 only */
        int max_version;           /* of TLS; 0: the newest */
};

/* Listens on a free port of 127.0.0.1; TLS may be NULL. */
void server_start(struct server *s, const struct server_tls *tls);
void server_stop(struct server *s);

/* --- between server.c and server_h2.c --- */

/* Answers c->request. False if the connection ends. */
bool server_answer(struct server_connection *c);
void server_serve_h2(struct server_connection *c);
