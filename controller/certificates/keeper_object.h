/* SPDX-License-Identifier: Apache-2.0
 *
 * One object that the keeper keeps: watched by its name, and written as of the version
 * that was seen. Internal to the keeper.
 *
 *      stopped -- start --> listing --> kept is what there is -- write --> under way
 *                                         ^   ^                               |
 *                                  watch -'   '------ the reply, or a pause --'
 *
 * A pause follows a write that failed: from KEEPER_BACKOFF_MIN to _MAX with jitter, or
 * what Retry-After says, KEEPER_PAUSE_MAX at the most.
 */
#pragma once

#include "controller/certificates/kept.h"
#include "kube/reflector.h"
#include "manager/metrics.h"
#include "manager/transport.h"

#define KEEPER_BACKOFF_MIN (500 * USEC_MSEC)
#define KEEPER_BACKOFF_MAX USEC_MINUTE
#define KEEPER_PAUSE_MAX (5 * USEC_MINUTE)

enum keeper_news {
        KEEPER_SEEN,    /* what is known of it may have changed */
        KEEPER_WRITTEN, /* likewise, by us */
        KEEPER_FAILED,  /* a write of it */
};

struct keeper_object;

/* All of it outlives the object. */
struct keeper_object_config {
        const struct kube_kind *kind;
        struct str namespace, name;
        const struct kept_service *service; /* whose bundles count; NULL: it is the Secret */
        struct kube_client *client;
        struct transport *transport;
        struct metric_family *writes; /* by resource and result; may be NULL */
        uint64_t seed;
        /* It must not start or stop the object. */
        void (*heard)(struct keeper_object *o, enum keeper_news news, void *arg);
        void *arg;
};

struct keeper_object {
        struct keeper_object_config config;
        char selector[320];
        struct reflector reflector;
        struct rand rand;
        bool started;       /* the reflector */
        bool listed, found; /* once; in the list under way */
        bool failing;       /* its watch */
        struct kept kept;
        void *write;        /* under way */
        const char *reason; /* of it */
        struct str event;   /* the same as an Event's reason */
        unsigned failures;  /* of writes, in a row */
        usec_t retry_at;
        struct error failure; /* the last one that was logged */
};

void keeper_object_init(struct keeper_object *o, const struct keeper_object_config *config);
/* It is stopped. */
void keeper_object_release(struct keeper_object *o);

/* Does nothing if it is started. 0 or -ENOMEM. */
int keeper_object_start(struct keeper_object *o) _must_check_;
/* Calls off what is under way and forgets all. */
void keeper_object_stop(struct keeper_object *o);

/* No write is under way, and no pause to be waited for. */
bool keeper_object_may_write(const struct keeper_object *o);

/* Writes BODY, whose error counts as a failure, for REASON and as EVENT, constants that
 * are told. */
void keeper_object_write(struct keeper_object *o, enum call_type type, const struct buf *body,
                         const char *reason, struct str event);
