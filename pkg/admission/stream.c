/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

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
                return recv(s->fd, to, n, 0);
        got = recv(s->fd, s->ahead, STREAM_AHEAD, 0);
        if (got > 0) {
                s->at = 0;
                s->len = (size_t)got;
                return use_ahead(s, to, n);
        }
        mem_free(s->ahead); /* which leaves errno alone */
        s->ahead = NULL;
        return got;
}

void stream_init(struct stream *s, gnutls_session_t session, int fd)
{
        *s = (struct stream){ .session = session, .fd = fd };
        /* To the kernel it sends as before. */
        gnutls_transport_set_ptr2(session, s, (gnutls_transport_ptr_t)(intptr_t)fd);
        gnutls_transport_set_pull_function(session, pull);
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
