/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tls_io.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "base/mem.h"

#define CLOSED "the server closed it"

/* --- the socket, for OpenSSL -------------------------------------------------- */

static ssize_t receive(struct tls_io *t)
{
        size_t room = MIN(TLS_IO_NET, t->left);
        ssize_t n;

        if (t->drained || room == 0) {
                errno = EAGAIN;
                return -1;
        }
        n = recv(t->fd, t->net, room, 0);
        if (n > 0) {
                t->at = 0;
                t->end = (size_t)n;
                t->left -= (size_t)n;
                /* It saves the call that would say so. */
                t->drained = (size_t)n < room;
        }
        return n;
}

static int bio_read(BIO *bio, char *to, int len)
{
        struct tls_io *t = BIO_get_data(bio);
        size_t n;

        BIO_clear_retry_flags(bio);
        if (t->at == t->end) {
                ssize_t got = t->net ? receive(t) : (errno = EAGAIN, -1);

                if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
                        BIO_set_retry_read(bio);
                        return -1;
                }
                t->eof = got == 0;
                if (got < 0)
                        t->error = errno;
                if (got <= 0)
                        return (int)got;
        }
        n = MIN((size_t)len, t->end - t->at);
        memcpy(to, t->net + t->at, n);
        t->at += n;
        return (int)n;
}

static int bio_write(BIO *bio, const char *from, int len)
{
        struct tls_io *t = BIO_get_data(bio);
        ssize_t n = send(t->fd, from, (size_t)len, MSG_NOSIGNAL);

        BIO_clear_retry_flags(bio);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                BIO_set_retry_write(bio);
        else if (n < 0)
                t->error = errno;
        return (int)n;
}

static long bio_ctrl(BIO *bio, int what, long number, void *pointer)
{
        const struct tls_io *t = BIO_get_data(bio);

        (void)number;
        (void)pointer;
        if (what == BIO_CTRL_EOF)
                return t->eof;
        return what == BIO_CTRL_FLUSH;
}

/* One for the process, which it outlives. */
static BIO_METHOD *method(void)
{
        static BIO_METHOD *m;
        BIO_METHOD *new;

        if (m)
                return m;
        new = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "socket with a buffer");
        if (!new || !BIO_meth_set_read(new, bio_read) || !BIO_meth_set_write(new, bio_write) ||
            !BIO_meth_set_ctrl(new, bio_ctrl)) {
                BIO_meth_free(new);
                return NULL;
        }
        m = new;
        return m;
}

/* --- life ------------------------------------------------------------------------ */

/* Whom the certificate must be for, and what is asked for where one address serves many names. */
static int set_name(SSL *ssl, const char *name)
{
        X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
        char plain[256];
        size_t n = strlen(name);

        if (X509_VERIFY_PARAM_set1_ip_asc(param, name))
                return 1; /* an address has no place in a ClientHello */
        ERR_clear_error();
        if (n > 1 && n < sizeof(plain) && name[n - 1] == '.') { /* the name of all names, as DNS writes it */
                memcpy(plain, name, n - 1);
                plain[n - 1] = '\0';
                name = plain;
        }
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        return X509_VERIFY_PARAM_set1_host(param, name, 0) && SSL_set_tlsext_host_name(ssl, name);
}

int tls_io_open(struct tls_io *t, struct http_tls *tls, const char *host, int fd)
{
        BIO_METHOD *m = method();
        SSL_CTX *ctx;
        BIO *bio;
        int r = http_tls_context(tls, &ctx);

        if (r < 0 || !m)
                return -ENOMEM;
        t->fd = fd;
        t->ssl = SSL_new(ctx);
        bio = BIO_new(m);
        if (!t->ssl || !bio || !set_name(t->ssl, tls->server_name ? tls->server_name : host)) {
                BIO_free(bio);
                SSL_free(t->ssl);
                t->ssl = NULL;
                ERR_clear_error();
                return -ENOMEM;
        }
        BIO_set_data(bio, t);
        BIO_set_init(bio, 1);
        SSL_set_bio(t->ssl, bio, bio);
        SSL_set_connect_state(t->ssl);
        return 0;
}

void tls_io_close(struct tls_io *t, bool say)
{
        if (t->ssl && say) {
                ERR_clear_error();
                SSL_shutdown(t->ssl);
                ERR_clear_error();
        }
        SSL_free(t->ssl);
        t->ssl = NULL;
        tls_io_end(t);
}

int tls_io_begin(struct tls_io *t)
{
        t->net = mem_alloc(TLS_IO_NET);
        t->at = t->end = 0;
        t->left = TLS_IO_TURN_MAX;
        t->drained = false;
        return t->net ? 0 : -ENOMEM;
}

void tls_io_end(struct tls_io *t)
{
        mem_free(t->net);
        t->net = NULL;
        t->at = t->end = 0;
}

/* --- calls of OpenSSL ---------------------------------------------------------------- */

/* What the last call, which returned N, means. FATAL is for what TLS itself complains about. */
static int outcome(struct tls_io *t, int n, int fatal)
{
        unsigned long why;

        switch (SSL_get_error(t->ssl, n)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
                return -EAGAIN;
        case SSL_ERROR_ZERO_RETURN:
                t->reason = CLOSED;
                return -ECONNRESET;
        case SSL_ERROR_SYSCALL:
                t->reason = t->error ? strerror(t->error) : CLOSED;
                return -ECONNRESET;
        default:
                why = ERR_peek_last_error();
                t->reason = ERR_reason_error_string(why);
                if (!t->reason)
                        t->reason = "TLS failed";
                if (t->eof)
                        t->reason = CLOSED;
                return t->eof ? -ECONNRESET : fatal;
        }
}

static void take_protocol(struct tls_io *t)
{
        const unsigned char *name;
        unsigned n;

        SSL_get0_alpn_selected(t->ssl, &name, &n);
        t->protocol = n == 2 && memcmp(name, "h2", 2) == 0 ? "h2" : n ? "http/1.1" : "";
}

int tls_io_handshake(struct tls_io *t)
{
        int n, r;

        ERR_clear_error();
        n = SSL_do_handshake(t->ssl);
        if (n == 1) {
                take_protocol(t);
                return 0;
        }
        r = outcome(t, n, -EPROTO);
        if (r == -EPROTO && ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED)
                r = -EKEYREJECTED;
        ERR_clear_error();
        return r;
}

long tls_io_verdict(const struct tls_io *t)
{
        return SSL_get_verify_result(t->ssl);
}

ssize_t tls_io_read(struct tls_io *t, void *to, size_t n)
{
        int got, r;

        ERR_clear_error();
        got = SSL_read(t->ssl, to, (int)MIN(n, INT_MAX));
        if (got > 0)
                return got;
        r = outcome(t, got, -ECONNRESET);
        ERR_clear_error();
        return r;
}

ssize_t tls_io_write(struct tls_io *t, const void *from, size_t n)
{
        int put, r;

        ERR_clear_error();
        put = SSL_write(t->ssl, from, (int)MIN(n, INT_MAX));
        if (put > 0)
                return put;
        r = outcome(t, put, -ECONNRESET);
        ERR_clear_error();
        return r;
}

bool tls_io_wants_write(const struct tls_io *t)
{
        return SSL_want_write(t->ssl);
}
