/* SPDX-License-Identifier: Apache-2.0
 *
 * Where other agents' messages come in: POST /failover/v1/messages over TLS, from who has
 * a certificate of the cluster's own CA, and from nobody else.
 *
 *      loop --> MHD --> TLS, both ways --> letter --> handler        204
 *                  \-> identity: the certificate of the moment
 *
 * What cannot be read is 400, a body past FAILOVER_MESSAGE_BYTES_MAX 413, any other
 * path 404. The answer to a question is a message of its own, the other way.
 */
#pragma once

#include "admission/identity.h"
#include "failover/message.h"
#include "http/daemon.h"

#define MAILBOX_PATH "/failover/v1/messages"
#define MAILBOX_CONNECTIONS_MAX 64
#define MAILBOX_CONNECTION_TIMEOUT 60 /* seconds without a message, after which it is closed */
#define MAILBOX_CONNECTION_MEMORY ((size_t)8 * 1024)

typedef void mailbox_fn(const struct failover_letter *letter, void *arg);

struct mailbox {
        struct http_daemon daemon;
        struct identity_source *identities;
        mailbox_fn *fn;
        void *arg;
        uint16_t port;
        uint64_t n_taken, n_refused;
};

/* M must be zeroed. IDENTITIES has one already and verifies clients; borrowed. On failure
 * a negative errno with *err saying what to do. */
int mailbox_start(struct loop *l, struct mailbox *m, struct str listen, struct identity_source *identities,
                  mailbox_fn *fn, void *arg, struct error *err) _must_check_;

/* Fine where it was never started. */
void mailbox_stop(struct mailbox *m);
