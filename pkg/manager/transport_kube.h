/* SPDX-License-Identifier: Apache-2.0
 *
 * The transport of production: calls go to the API server through kube/client.h.
 */
#pragma once

#include "manager/transport.h"

struct kube_transport {
        struct transport base;
        struct kube_client *client;
        /* Asked right before each write: how long it may take at the most, since
         * after that somebody else may lead; 0 or less refuses it. NULL: as long
         * as any request. */
        usec_t (*write_time)(void *arg);
        /* After each reply, for metrics and to look what is next. May be NULL. */
        void (*replied)(const struct call *call, const struct kube_reply *reply, usec_t elapsed, void *arg);
        void *arg;
};

void kube_transport_init(struct kube_transport *t, struct kube_client *client);
