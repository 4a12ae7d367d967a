/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include "harness.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <unistd.h>

#define BIG_SIZE ((size_t)1024 * 1024)

/* gzip of "compressed" */
static const unsigned char gzipped[] = {
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x4b, 0xce, 0xcf, 0x2d, 0x28,
        0x4a, 0x2d, 0x2e, 0x4e, 0x4d, 0x01, 0x00, 0x1e, 0x4b, 0x56, 0x97, 0x0a, 0x00, 0x00, 0x00,
};

/* --- bytes --------------------------------------------------------------- */

static ssize_t get_bytes(struct server_connection *c, char *to, size_t n)
{
        return c->ssl ? SSL_read(c->ssl, to, (int)n) : recv(c->fd, to, n, 0);
}

static void put_bytes(struct server_connection *c, const void *data, size_t n)
{
        if (c->capturing) {
                c->captured = realloc(c->captured, c->n_captured + n + 1);
                if (n)
                        memcpy(c->captured + c->n_captured, data, n);
                c->n_captured += n;
                c->captured[c->n_captured] = '\0';
        } else if (c->ssl)
                SSL_write(c->ssl, data, (int)n);
        else
                (void)!send(c->fd, data, n, MSG_NOSIGNAL);
}

static void put_text(struct server_connection *c, const char *text)
{
        put_bytes(c, text, strlen(text));
}

static void put_answer(struct server_connection *c, const char *status, const char *headers, const void *body,
                       size_t n)
{
        char head[512];
        int len = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status,
                           headers, n);

        put_bytes(c, head, (size_t)len);
        put_bytes(c, body, n);
}

static void wait_for_hangup(struct server_connection *c)
{
        char byte;

        if (c->capturing) {
                c->holding = true;
                return;
        }
        while (get_bytes(c, &byte, 1) > 0)
                ;
}

/* --- requests -------------------------------------------------------------- */

static size_t content_length(const char *headers)
{
        const char *at = strcasestr(headers, "\r\nContent-Length:");

        return at ? strtoul(at + 17, NULL, 10) : 0;
}

/* One request with its body into c->request, NUL-terminated; false at the end. */
static bool read_request(struct server_connection *c)
{
        const char *end;
        ssize_t n;

        for (c->len = 0; c->len < sizeof(c->request) - 1; c->len += (size_t)n) {
                c->request[c->len] = '\0';
                end = strstr(c->request, "\r\n\r\n");
                if (end && c->len >= (size_t)(end + 4 - c->request) + content_length(c->request))
                        return true;
                n = get_bytes(c, c->request + c->len, sizeof(c->request) - 1 - c->len);
                if (n <= 0)
                        return false;
        }
        return false;
}

static bool path_is(const struct server_connection *c, const char *path)
{
        const char *at = strchr(c->request, ' ');

        return at && strncmp(at + 1, path, strlen(path)) == 0 && at[1 + strlen(path)] == ' ';
}

static void answer_big(struct server_connection *c)
{
        char *body = malloc(BIG_SIZE);

        memset(body, 'x', BIG_SIZE);
        put_answer(c, "200 OK", "Content-Type: text/plain\r\n", body, BIG_SIZE);
        free(body);
}

bool server_answer(struct server_connection *c)
{
        static const char ok[] = "hello";

        if (path_is(c, "/ok")) {
                put_answer(c, "200 OK", "content-TYPE:  text/plain \r\n", ok, strlen(ok));
        } else if (path_is(c, "/echo")) {
                put_answer(c, "200 OK", "", c->request, c->len);
        } else if (path_is(c, "/stream")) {
                put_text(
                        c,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
                put_text(c, "4\r\none\n\r\n");
                put_text(c, "4\r\ntwo\n\r\n");
                put_text(c, "6\r\nthree\n\r\n0\r\nRetry-After: 99\r\n\r\n");
        } else if (path_is(c, "/gzip")) {
                if (strcasestr(c->request, "\r\nAccept-Encoding: gzip\r\n"))
                        put_answer(c, "200 OK", "Content-Encoding: gzip\r\n", gzipped, sizeof(gzipped));
                else
                        put_answer(c, "200 OK", "", "plain", 5);
        } else if (path_is(c, "/big")) {
                answer_big(c);
        } else if (path_is(c, "/empty")) {
                put_text(c, "HTTP/1.1 204 No Content\r\n\r\n");
        } else if (path_is(c, "/early")) {
                put_text(c, "HTTP/1.1 103 Early Hints\r\nRetry-After: 3\r\nContent-Type: x/y\r\n\r\n");
                put_answer(c, "200 OK", "", ok, strlen(ok));
        } else if (path_is(c, "/throttled")) {
                put_answer(c, "429 Too Many Requests", "Retry-After: 7\r\n", ok, strlen(ok));
        } else if (path_is(c, "/gone")) {
                put_answer(c, "410 Gone", "Content-Type: application/json\r\n", "{}", 2);
        } else if (path_is(c, "/odd")) {
                put_answer(c, "051 Odd", "", ok, strlen(ok));
        } else if (path_is(c, "/redirect")) {
                put_answer(c, "302 Found", "Location: /ok\r\n", NULL, 0);
        } else if (path_is(c, "/mute")) {
                wait_for_hangup(c);
        } else if (path_is(c, "/silent")) {
                put_text(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n");
                wait_for_hangup(c);
        } else if (path_is(c, "/cut")) {
                put_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
                return false;
        } else if (path_is(c, "/noise")) {
                put_text(c, "220 mail.example ESMTP ready\r\n");
                return false;
        } else { /* /hangup */
                return false;
        }
        return true;
}

/* --- connections ------------------------------------------------------------- */

static bool shake_hands(struct server_connection *c)
{
        struct server *s = c->server;
        const char *name;
        X509 *cert;

        if (!s->tls)
                return true;
        c->ssl = SSL_new(s->tls);
        SSL_set_fd(c->ssl, c->fd);
        if (SSL_accept(c->ssl) != 1)
                return false;
        name = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
        snprintf(s->sni, sizeof(s->sni), "%s", name ? name : "");
        cert = SSL_get1_peer_certificate(c->ssl);
        if (cert)
                X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, s->client_name,
                                          sizeof(s->client_name));
        X509_free(cert);
        return true;
}

static bool speaks_h2(const struct server_connection *c)
{
        const unsigned char *name;
        unsigned n = 0;

        if (c->ssl)
                SSL_get0_alpn_selected(c->ssl, &name, &n);
        return n == 2 && memcmp(name, "h2", 2) == 0;
}

static void serve_requests(struct server_connection *c)
{
        while (read_request(c)) {
                c->server->n_requests++;
                if (!server_answer(c))
                        break;
        }
}

static void *serve(void *arg)
{
        struct server_connection *c = arg;

        if (shake_hands(c)) {
                if (speaks_h2(c))
                        server_serve_h2(c);
                else
                        serve_requests(c);
        }
        if (c->ssl && SSL_is_init_finished(c->ssl))
                SSL_shutdown(c->ssl);
        shutdown(c->fd, SHUT_RDWR);
        SSL_free(c->ssl);
        return NULL;
}

static void *accept_all(void *arg)
{
        struct server *s = arg;

        while (s->n_connections < SERVER_CONNECTIONS_MAX) {
                int fd = accept(s->listener, NULL, NULL), on = 1;
                struct server_connection *c;

                if (fd < 0)
                        break;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
                c = calloc(1, sizeof(*c));
                c->server = s;
                c->fd = fd;
                s->connections[s->n_connections++] = c;
                pthread_create(&c->thread, NULL, serve, c);
        }
        return NULL;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
        static const unsigned char ours[] = "\2h2";

        (void)ssl;
        (void)arg;
        if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, ours, 3, in, in_len) !=
            OPENSSL_NPN_NEGOTIATED)
                return SSL_TLSEXT_ERR_NOACK;
        return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_context(const struct server_tls *tls)
{
        SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
        BIO *cert_pem = BIO_new_mem_buf(tls->cert_pem, -1), *key_pem = BIO_new_mem_buf(tls->key_pem, -1),
            *ca_pem;
        X509 *cert = PEM_read_bio_X509(cert_pem, NULL, NULL, NULL), *ca;
        EVP_PKEY *key = PEM_read_bio_PrivateKey(key_pem, NULL, NULL, NULL);

        ck_assert_int_eq(SSL_CTX_use_certificate(ctx, cert), 1);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, key), 1);
        if (tls->client_ca_pem) {
                ca_pem = BIO_new_mem_buf(tls->client_ca_pem, -1);
                ca = PEM_read_bio_X509(ca_pem, NULL, NULL, NULL);
                X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca);
                SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
                X509_free(ca);
                BIO_free(ca_pem);
        }
        if (tls->max_version) {
                /* What is too old for the client is too old for OpenSSL, too, if it is not told. */
                SSL_CTX_set_security_level(ctx, 0);
                SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
                SSL_CTX_set_max_proto_version(ctx, tls->max_version);
        }
        if (tls->max_streams)
                SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
        X509_free(cert);
        EVP_PKEY_free(key);
        BIO_free(cert_pem);
        BIO_free(key_pem);
        return ctx;
}

void server_start(struct server *s, const struct server_tls *tls)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(address);

        memset(s, 0, sizeof(*s));
        if (tls)
                s->tls = make_context(tls);
        s->max_streams = tls ? tls->max_streams : 0;
        s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(s->listener, 0);
        ck_assert_int_eq(bind(s->listener, (struct sockaddr *)&address, sizeof(address)), 0);
        ck_assert_int_eq(listen(s->listener, 128), 0);
        ck_assert_int_eq(getsockname(s->listener, (struct sockaddr *)&address, &len), 0);
        s->port = ntohs(address.sin_port);
        ck_assert_int_eq(pthread_create(&s->acceptor, NULL, accept_all, s), 0);
}

void server_stop(struct server *s)
{
        shutdown(s->listener, SHUT_RDWR);
        pthread_join(s->acceptor, NULL);
        ck_assert_int_lt(s->n_connections, SERVER_CONNECTIONS_MAX); /* further ones got no answer */
        close(s->listener);
        for (int i = 0; i < s->n_connections; i++) {
                shutdown(s->connections[i]->fd, SHUT_RDWR);
                pthread_join(s->connections[i]->thread, NULL);
                close(s->connections[i]->fd);
                free(s->connections[i]);
        }
        SSL_CTX_free(s->tls);
}
