/* SPDX-License-Identifier: Apache-2.0
 *
 * A client's inside, and its requests on their way.
 *
 *      kube_request_start --> in flight ----------------------> done
 *             |                ^      |                          ^
 *             | no credentials |      | 401, and there may be    | the exec plugin
 *             | yet            |      v others                   | failed
 *             '------------> waiting ----------------------------'
 *
 * Only client.c, request.c and call.c include this.
 */
#pragma once

#include "kube/client.h"
#include "kube/credentials.h"

struct kube_client {
        struct loop *loop;
        struct kube_config config;
        struct kube_credentials credentials;
        struct http_client *streams;
        struct http_client *calls;
        struct list in_flight, waiting; /* kube_request.link */
        size_t n_in_flight, n_waiting;
        struct loop_defer flush; /* one request of the waiting ones is due */
        struct buf url;          /* of the request being made */
        bool tls_changed;        /* and the HTTP clients do not know yet */
        void (*observe)(const struct kube_observed *seen, void *arg);
        void *observe_arg;
};

struct kube_request {
        struct kube_client *client;
        struct list link;
        struct http_request *http; /* NULL while it waits */
        bool is_stream;
        struct http_handlers stream; /* of a stream */
        kube_done_fn *done;          /* of a call, with arg */
        void *arg;
        struct kube_asked asked; /* its strings are copies */
        struct str url, body;    /* copies, for when it is sent, and for the second attempt after a 401 */
        struct str accept;       /* of a stream; a copy */
        usec_t timeout, idle_timeout;
        size_t max_body;
        uint64_t generation; /* of the credentials that it was sent with */
        usec_t sent;
        bool observed; /* this attempt */
        bool retried;
        bool refused; /* this attempt does not count; there is another */
};

/* To c->url, and what of CALL the request needs later; NULL without memory. It
 * is kube_cancel'ed if it does not start. */
struct kube_request *kube_request_new(struct kube_client *c, const struct kube_call *call, struct str body,
                                      struct str accept) _must_check_;

/* Sends it, now or once there are credentials. */
int kube_request_start(struct kube_request *r, struct error *err) _must_check_;

/* Ends one that waits, or sends it: the deferred call of c->flush. */
void kube_request_flush(struct loop_defer *defer, void *arg);

/* Before each request: credentials may have been replaced. 1: there are some;
 * 0: they are on their way, and c->flush will be set; negative: there are none. */
int kube_client_refresh(struct kube_client *c, struct error *err);
