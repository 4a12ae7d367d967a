/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the API server asks: POST /validate, /mutate and /convert over TLS, by
 * libmicrohttpd and its GnuTLS, on the event loop.
 *
 *      loop --> MHD --> connection --> body --> review_answer, conversion_review_answer --> reply
 *                  \-> identity: the certificate of the moment
 *
 * TLS 1.2 or 1.3. What is no request is answered with a Status and never with a yes:
 * 404 another path, 400 another method than POST, 415 another type than JSON, 413 a
 * body past REVIEW_BODY_MAX, 503 where all bodies, or all replies, together are too much.
 */
#pragma once

#include "admission/connections.h"
#include "admission/conversion_review.h"
#include "admission/identity.h"
#include "admission/review.h"
#include "http/daemon.h"
#include "manager/metrics.h"

/* Bytes of all bodies that are being received. */
#define ENDPOINT_BODIES_MAX ((size_t)32 * 1024 * 1024)
/* Bytes of all replies that their peers have not read yet, past which large ones are refused. */
#define ENDPOINT_REPLIES_MAX ((size_t)32 * 1024 * 1024)
/* A connection keeps its memory for the next body up to here. */
#define ENDPOINT_BODY_KEPT ((size_t)16 * 1024)
#define ENDPOINT_CONNECTION_MEMORY ((size_t)16 * 1024) /* also the longest head of a request */

struct endpoint {
        struct http_daemon daemon;
        struct loop_timer timer; /* of the connections' deadlines */
        struct connections connections;
        struct review review;
        struct conversion_review conversion;
        struct identity_source *identities;
        struct buf reply;
        size_t bodies, replies; /* bytes */
        size_t turned_over;     /* connections that began or ended since the last look at memory */
        bool leaving;           /* replies ask for another connection */
        uint16_t port;
        struct metric_family *requests, *seconds;
        struct metric_family *conversions, *conversion_seconds;
};

struct endpoint_config {
        struct str listen;
        const struct admission_kind *const *kinds;
        size_t n_kinds;
        const struct conversion_kind *const *conversions;
        size_t n_conversions;
        struct identity_source *identities; /* has one already; borrowed */
        struct metrics *metrics;            /* borrowed */
};

/* E must be zeroed. On failure a negative errno with *err saying what to do. */
int endpoint_start(struct loop *l, struct endpoint *e, const struct endpoint_config *config,
                   struct error *err) _must_check_;

/* Fine where it was never started. */
void endpoint_stop(struct endpoint *e);

/* From now on each reply closes its connection, so that peers go elsewhere. */
void endpoint_leave(struct endpoint *e);

/* Takes no new connections, and ends those without a request. */
void endpoint_close(struct endpoint *e);
