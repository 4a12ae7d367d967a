/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS on a socket that does not wait. OpenSSL's own way reads five bytes, then the
 * rest of a record, then finds that nothing more is there; this reads what there is
 * into one buffer and lets OpenSSL take it from there:
 *
 *      socket --recv--> net: | record | record | rec... --> OpenSSL --> bytes
 *
 * The buffer exists between tls_io_begin and tls_io_end only, and OpenSSL keeps half
 * a record itself; so a connection at rest holds none.
 */
#pragma once

#include "http/tls.h"

/* One recv. A record has 16 KiB and some at the most. */
#define TLS_IO_NET ((size_t)32 * 1024)
/* In one turn of the loop, so that a stream in full flow leaves time for the others;
 * the rest is still there in the next. */
#define TLS_IO_TURN_MAX ((size_t)1024 * 1024)

struct tls_io {
        SSL *ssl;
        int fd;
        char *net;            /* from begin to end */
        size_t at, end, left; /* left: that may still be received in this turn */
        bool drained;         /* there is no more for now */
        bool eof;
        int error;            /* errno of the socket */
        const char *protocol; /* of ALPN, after the handshake: "h2", "http/1.1", or "" */
        const char *reason;   /* of the last failure; static or of strerror */
};

/* HOST (without brackets) is whom the certificate must name, where TLS has no other server
 * name. FD stays the caller's. T must be zeroed. 0 or -ENOMEM. */
int tls_io_open(struct tls_io *t, struct http_tls *tls, const char *host, int fd) _must_check_;
/* Says good-bye if SAY; fine where it was never opened. */
void tls_io_close(struct tls_io *t, bool say);

/* Around all calls that read. 0 or -ENOMEM. */
int tls_io_begin(struct tls_io *t) _must_check_;
void tls_io_end(struct tls_io *t);

/* 0 when it is done; -EAGAIN; -EKEYREJECTED if the certificate is not accepted
 * (tls_io_verdict), -ECONNRESET if the connection broke, or -EPROTO: see t->reason. */
int tls_io_handshake(struct tls_io *t) _must_check_;
/* Of X509_verify_cert. */
long tls_io_verdict(const struct tls_io *t);

/* How many bytes, at least 1; -EAGAIN, or -ECONNRESET: see t->reason. */
ssize_t tls_io_read(struct tls_io *t, void *to, size_t n) _must_check_;
ssize_t tls_io_write(struct tls_io *t, const void *from, size_t n) _must_check_;
/* After -EAGAIN: it goes on when the socket takes bytes. */
bool tls_io_wants_write(const struct tls_io *t);
