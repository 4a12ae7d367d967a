/* SPDX-License-Identifier: Apache-2.0
 *
 * An HTTP/1.1 server for tests, in threads of the test process, that can also
 * misbehave. What it does depends on the path:
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
 */
#pragma once

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/str.h"

#define SERVER_CONNECTIONS_MAX 64

struct server;

struct server_connection {
        struct server *server;
        pthread_t thread;
        int fd;
        SSL *ssl; /* NULL: plain */
        char request[65536];
        size_t len;
};

struct server {
        int listener;
        int port;
        SSL_CTX *tls;
        pthread_t acceptor;
        struct server_connection *connections[SERVER_CONNECTIONS_MAX];
        atomic_int n_connections, n_requests;
        char sni[64];         /* what the last TLS client asked for */
        char client_name[64]; /* the common name of its certificate */
};

struct server_tls {
        const char *cert_pem;
        const char *key_pem;
        const char *client_ca_pem; /* NULL: asks for no client certificate */
};

/* Listens on a free port of 127.0.0.1; TLS may be NULL. */
void server_start(struct server *s, const struct server_tls *tls);
void server_stop(struct server *s);
