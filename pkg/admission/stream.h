/* SPDX-License-Identifier: Apache-2.0
 *
 * One TLS stream of libmicrohttpd's in few system calls. GnuTLS by itself asks the
 * kernel twice for each record, for its head and for its body; MHD by itself sends the
 * head of a reply and its body as two records.
 *
 *      socket --one recv--> ahead --head, body--> GnuTLS --> MHD
 *      socket <--one send-- GnuTLS <--held back-- MHD: head, body
 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>

#include "base/macros.h"

#define STREAM_AHEAD ((size_t)8 * 1024) /* bytes read at once; kept no longer than until they are used */
#define STREAM_HELD_MAX ((size_t)8 * 1024)
#define STREAM_SMALL ((size_t)1024) /* a reply for which MHD always does the same with the socket */

struct stream {
        gnutls_session_t session; /* borrowed */
        bool *moved;              /* set with each byte; borrowed */
        int fd;
        bool uncorked;
        bool varied;
        char *ahead;
        size_t at, len; /* of AHEAD: what is not used yet */
};

/* From now on SESSION reads and writes through S, which must stay where it is. */
void stream_init(struct stream *s, gnutls_session_t session, int fd, bool *moved);

/* The session must not be used any more. */
void stream_release(struct stream *s);

/* A reply of SIZE bytes comes: keeps it back until stream_send, unless it is so large
 * that its pieces are better sent as they come. */
void stream_hold(struct stream *s, size_t size);

/* Sends what was kept back. 0; -EAGAIN if the peer has left so much unread that there
 * is no room, -EPIPE if there is no peer: either way the stream is of no more use. */
int stream_send(struct stream *s) _must_check_;
