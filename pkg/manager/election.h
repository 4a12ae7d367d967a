/* SPDX-License-Identifier: Apache-2.0
 *
 * Leader election as it runs: the state machine of leader.h, driven by the
 * loop, its requests sent to the API server.
 */
#pragma once

#include "kube/client.h"
#include "manager/leader.h"
#include "manager/transport.h"

struct election {
        struct leader leader;
        struct kube_client *client;
        struct loop_timer timer;
        struct kube_request *request; /* in flight */
        uint64_t number;              /* its number */
        char identity[LEADER_IDENTITY_MAX];
        /* Leading began, or ended: by loss, or because it was asked to stop. */
        void (*changed)(struct election *e, enum leader_change change, void *arg);
        void *arg;
};

/* CONFIG's identity is made here, from HOSTNAME and random bytes. 0, -EINVAL
 * with *err for unsafe durations, -EIO without randomness. */
int election_init(struct election *e, struct kube_client *client, struct leader_config config,
                  struct str hostname,
                  void (*changed)(struct election *e, enum leader_change change, void *arg), void *arg,
                  struct error *err) _must_check_;
void election_release(struct election *e);

void election_start(struct election *e);

/* How long a write that is sent now may take: our right to write may pass to
 * somebody else after that. 0 or less: nothing may be written. */
usec_t election_write_time(const struct election *e);

/* Gives the lease back; changed is called with LEADER_STOPPED when that is done. */
void election_stop(struct election *e);
