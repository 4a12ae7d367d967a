/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/mem.h"

static ssize_t use_ahead(struct stream *s, void *to, size_t n)
{
        n = MIN(n, s->len - s->at);
        memcpy(to, s->ahead + s->at, n);
        s->at += n;
        if (s->at == s->len) {
                mem_free(s->ahead);
                s->ahead = NULL;
        }
        return (ssize_t)n;
}

static ssize_t receive(struct stream *s, void *to, size_t n)
{
        ssize_t got = recv(s->fd, to, n, 0);

        if (got > 0)
                *s->moved = true;
        return got;
}

/* As recv: GnuTLS looks at errno. */
static ssize_t pull(gnutls_transport_ptr_t arg, void *to, size_t n)
{
        struct stream *s = arg;
        ssize_t got;

        if (s->ahead)
                return use_ahead(s, to, n);
        if (n < STREAM_AHEAD)
                s->ahead = mem_alloc(STREAM_AHEAD);
        if (!s->ahead)
                return receive(s, to, n);
        got = receive(s, s->ahead, STREAM_AHEAD);
        if (got > 0) {
                s->at = 0;
                s->len = (size_t)got;
                return use_ahead(s, to, n);
        }
        mem_free(s->ahead); /* which leaves errno alone */
        s->ahead = NULL;
        return got;
}

/* As writev. */
static ssize_t push(gnutls_transport_ptr_t arg, const giovec_t *pieces, int n)
{
        const struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)pieces,
                                        .msg_iovlen = (size_t)n };
        struct stream *s = arg;
        ssize_t sent = sendmsg(s->fd, &message, MSG_NOSIGNAL);

        if (sent > 0)
                *s->moved = true;
        return sent;
}

void stream_init(struct stream *s, gnutls_session_t session, int fd, bool *moved)
{
        *s = (struct stream){ .session = session, .fd = fd, .moved = moved };
        gnutls_transport_set_ptr(session, s);
        gnutls_transport_set_pull_function(session, pull);
        gnutls_transport_set_vec_push_function(session, push);
}

void stream_release(struct stream *s)
{
        mem_free(s->ahead);
        s->ahead = NULL;
}

void stream_hold(struct stream *s, size_t size)
{
        s->varied |= size > STREAM_SMALL;
        if (size <= STREAM_HELD_MAX)
                gnutls_record_cork(s->session);
}

/* MHD corks a socket before it sends the first head of a reply, and from then on thinks
 * that it is corked: it would cost 0.2 s each if it were. Once a reply is larger, it
 * takes the cork out and puts it in again as sizes vary. */
static void uncork(struct stream *s)
{
        const int off = 0;

        if (!s->uncorked || s->varied)
                s->uncorked = setsockopt(s->fd, SOL_TCP, TCP_CORK, &off, sizeof(off)) == 0;
}

int stream_send(struct stream *s)
{
        int r = gnutls_record_uncork(s->session, 0);

        if (r < 0)
                return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED ? -EAGAIN : -EPIPE;
        uncork(s);
        return 0;
}
