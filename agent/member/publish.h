/* SPDX-License-Identifier: Apache-2.0
 *
 * The route of clients: one EndpointSlice, NAME-primary, with one endpoint, this pod. It
 * is written in one request after each promotion, and says of which epoch it is:
 *
 *      prepare: GET --> version, epoch          while it is not sure yet that we lead
 *      publish: PATCH at that version, or create
 *                 `--> 409, or anything else: GET, look, again         until it stands there,
 *                                                    or a newer epoch does, or it is called off
 *
 * A route of an older epoch is always replaced, one of a newer epoch is not: whoever leads
 * that has taken it from the Lease before. So where the Lease is renewed by us after we have
 * seen such a route, nobody has, and somebody has only edited it: then it is replaced, at that
 * very version. While we lead it is looked at now and then, since somebody may have deleted or
 * changed it.
 *
 * It belongs to the owner of the Lease, and goes with that. The epochs of one that has had
 * another owner, since deleted, are not ours: whoever of that name comes next begins anew.
 */
#pragma once

#include "agent/member/news.h"
#include "base/clock.h"
#include "kube/client.h"

#define PUBLISH_ANNOTATION "failover.keelson.dev/epoch"
#define PUBLISH_OWNER "failover.keelson.dev/owner" /* its uid */
#define PUBLISH_RETRY (100 * USEC_MSEC)
#define PUBLISH_RETRY_MAX (2 * USEC_SEC)
#define PUBLISH_CHECK (15 * USEC_SEC)
#define PUBLISH_NAME_MAX 280
#define PUBLISH_VERSION_MAX 64
#define PUBLISH_BODY_MAX ((size_t)256 * 1024)

struct publisher_config {
        struct kube_client *client;
        /* All outlive it. */
        struct str namespace, cluster;
        struct str port_name; /* "redis" */
        struct str pod, uid, address;
        const struct news_owner *owner;
        usec_t timeout; /* of one request */
};

enum publish_end {
        PUBLISH_DONE,       /* written */
        PUBLISH_STANDS,     /* it was there already */
        PUBLISH_SUPERSEDED, /* a newer epoch's is there */
};

struct publisher {
        struct publisher_config config;
        struct loop *loop;
        char name[PUBLISH_NAME_MAX];
        void (*ended)(enum publish_end end, uint64_t epoch, void *arg);
        void (*trouble)(const struct error *why, void *arg);
        void *arg;
        uint64_t wanted;  /* epoch; 0: nothing is to be done */
        uint64_t kept;    /* the epoch whose route is looked at now and then; or 0 */
        uint64_t writing; /* the epoch of the write that was sent last */
        uint16_t port;
        bool known;                        /* what follows is what was seen last */
        bool there;                        /* the slice exists */
        char version[PUBLISH_VERSION_MAX]; /* of it */
        uint64_t epoch;                    /* as it says */
        bool ours;                         /* it names us, with that epoch */
        /* A route of a newer epoch. */
        char newer[PUBLISH_VERSION_MAX]; /* its version, or "" */
        usec_t newer_seen;               /* for the first time */
        bool newer_is_false;             /* nobody has taken that epoch */
        struct kube_request *request;
        struct loop_timer retry;
        usec_t pause;
        uint64_t n_written, n_failed;
        uint64_t published; /* the epoch that we wrote last */
};

/* 0 or -ENOMEM. */
int publisher_start(struct publisher *p, const struct publisher_config *config,
                    void (*ended)(enum publish_end end, uint64_t epoch, void *arg),
                    void (*trouble)(const struct error *why, void *arg), void *arg) _must_check_;
/* Fine where it was never started (zeroed). */
void publisher_stop(struct publisher *p);

/* We may soon be asked to publish. */
void publisher_prepare(struct publisher *p);
/* EPOCH is more than 0. */
void publisher_publish(struct publisher *p, uint64_t epoch, uint16_t port);
/* The Lease was renewed by EPOCH's leader, which we are, with a request that was sent at SENT. */
void publisher_renewed(struct publisher *p, uint64_t epoch, usec_t sent);
/* We lead no longer. What is on its way may arrive, and is of an older epoch then. */
void publisher_call_off(struct publisher *p);
