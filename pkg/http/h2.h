/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP/2 side of a connection: nghttp2's session and the requests on it. It knows
 * neither sockets nor TLS; bytes go in and come out.
 *
 *      h2_add --> waiting --(h2_output)--> active: one stream each --> request_finish
 *                    ^                        |
 *                    +---- request_restart <--+   GOAWAY or REFUSED_STREAM: not looked at
 *
 * A request waits while the server allows no further stream. Those for which a stream
 * was never opened, or that the server says it has not looked at, start anew, on
 * another connection if need be (RFC 9113, 8.7); the others fail with the connection.
 *
 * nghttp2 bounds what a server may send: header blocks of 64 KiB, CONTINUATION frames,
 * acknowledgements that a flood of PING or SETTINGS would queue. Pushed streams are refused.
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/client.h"

/* Open at a time; servers mostly allow 100 to 250. */
#define H2_STREAMS_MAX 100
/* That a server may send ahead, for a stream and for all of them. What comes is taken at once,
 * so no such buffer exists; less would slow down lists and watches over long ways. */
#define H2_WINDOW (32 * 1024 * 1024)
/* Of the headers of one answer, interim ones and trailers with it. */
#define H2_HEADERS_MAX ((size_t)256 * 1024)
/* A frame with its head, which is all that h2_output gives at once. */
#define H2_OUTPUT_MAX ((size_t)16384 + 9)

struct h2 {
        struct http_client *client;
        nghttp2_session *session;
        struct list waiting, active; /* requests */
        size_t n_streams;            /* open ones, also those whose request has been cancelled */
        bool closing;                /* no new streams: GOAWAY, or none are left */
        usec_t heard;                /* when the last byte came */
        void (*wake)(struct h2 *h);  /* there may be output */
        char why[160];               /* what the server did wrong, or "" */
};

/* Takes requests from here on. WAKE may be called from inside any function here. */
void h2_init(struct h2 *h, struct http_client *client, void (*wake)(struct h2 *h));
/* Begins to speak; before, there is no input and no output. 0 or -ENOMEM. */
int h2_open(struct h2 *h) _must_check_;
/* No new streams, and the server is told so. */
void h2_say_goodbye(struct h2 *h);
/* There must be no requests any more. */
void h2_release(struct h2 *h);

/* R is on no list. */
void h2_add(struct h2 *h, struct http_request *r);
/* R is on no list any more; the server hears of it where that saves it work. */
void h2_remove(struct http_request *r);

/* The connection is gone: those that were sent end with WHY, the others start anew. */
void h2_fail(struct h2 *h, const struct error *why);

/* Bytes of the server. They may end requests; so the client is pinned. 0, or -EPROTO with h->why. */
int h2_receive(struct h2 *h, const void *data, size_t n) _must_check_;

/* The next bytes for the server, valid until the next call; 0 if there are none for now.
 * It may end requests. -EPROTO or -ENOMEM if the session is of no more use. */
ssize_t h2_output(struct h2 *h, const uint8_t **ret) _must_check_;

/* The connection broke. Whether the server did something wrong before, which is then in h->why:
 * what we would have told it. */
bool h2_complains(struct h2 *h) _must_check_;

/* Neither side has anything more to say. */
bool h2_is_over(const struct h2 *h);
