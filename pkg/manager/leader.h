/* SPDX-License-Identifier: Apache-2.0
 *
 * Leader election by a Lease (coordination.k8s.io/v1), as a pure state machine
 * with the rules of client-go's leaderelection. It does no I/O and reads no
 * clock: leader_step eats an event and says what to do.
 *
 *      wait --> GET --+-- held by another ----> wait (retry_period, and jitter)
 *        ^            +-- free or expired ----> UPDATE --+
 *        |            +-- not found ----------> CREATE --+--> leading: UPDATE each retry_period
 *        |                                                      |         |
 *        +------- no success for renew_deadline, or taken ------+         +-- stop: UPDATE to
 *                                                                             holder "", done
 *
 * Why two never lead at once: a holder counts its right from the moment at
 * which its last successful renewal was SENT and gives it up renew_deadline
 * later, asked or not (leader_may_write compares with the time it is given). A
 * candidate takes a held lease only after it has seen it unchanged for the
 * lease's whole duration, from when it RECEIVED the reply that first showed it
 * so. Both are intervals on one's own monotonic clock; clocks of two machines
 * are never compared, and renewTime is for people to read. What is left,
 * duration - renew_deadline, covers clocks that run at different speeds and
 * writes that are still under way. Every update carries the resourceVersion
 * that was seen, so that of two the API server refuses one.
 *
 * Deleting a held lease by hand breaks this for processes that never saw it,
 * as it does for client-go; those that saw it wait as if it were there.
 *
 * Reads are plain GETs, without a resourceVersion parameter: an answer from the
 * API server's watch cache could be older than what was seen before.
 *
 * How to drive it: send actions.method when it is not LEADER_NOTHING, report the
 * reply once with the request's number, and step with LEADER_TICK at
 * actions.wake at the latest. The machine gives up on requests by itself and
 * ignores their late replies: when a new one comes, drop the one before.
 */
#pragma once

#include <yyjson.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rand.h"

#define LEADER_IDENTITY_MAX 320             /* a host name (253), "_" and a UUID, with room */
#define LEADER_BODY_MAX ((size_t)64 * 1024) /* of a Lease, somebody's annotations included */

#define LEADER_LEASE_DURATION (15 * USEC_SEC)
#define LEADER_RENEW_DEADLINE (10 * USEC_SEC)
#define LEADER_RETRY_PERIOD (2 * USEC_SEC)

/* The strings are borrowed. */
struct leader_config {
        struct str namespace, name; /* of the Lease */
        struct str identity;        /* unique to this process: leader_identity */
        usec_t lease_duration;      /* whole seconds */
        usec_t renew_deadline;      /* less than lease_duration */
        usec_t retry_period;        /* less than renew_deadline / 1.2 */
};

enum leader_role {
        LEADER_CANDIDATE,
        LEADER_LEADING,
        LEADER_RELEASING, /* asked to stop; giving the lease back */
        LEADER_DONE,      /* asks for nothing any more */
};

enum leader_method { LEADER_NOTHING, LEADER_GET, LEADER_CREATE, LEADER_UPDATE };

/* The Lease as the last reply showed it. */
struct leader_lease {
        struct buf metadata; /* JSON without managedFields, to be sent back: labels and version stay */
        struct buf spec;     /* JSON, to see whether it changed */
        usec_t since;        /* when spec was first seen to be so */
        usec_t duration;     /* leaseDurationSeconds */
        int64_t transitions; /* leaseTransitions */
        bool mine;
        char holder[LEADER_IDENTITY_MAX]; /* cut if need be; "" if nobody */
        char acquired[CLOCK_RFC3339_MAX]; /* acquireTime */
};

struct leader {
        struct leader_config config;
        struct rand rand;
        enum leader_role role;
        usec_t renewed; /* when the last renewal that succeeded was sent */
        usec_t next;    /* when to try next, while nothing is in flight */
        usec_t give_up; /* while releasing: when to stop trying */

        enum leader_method in_flight;
        bool releases;    /* what is in flight is the update to holder "" */
        uint64_t request; /* number of the latest request */
        usec_t sent;      /* its time */
        struct buf body;  /* its body */

        enum { LEASE_UNKNOWN, LEASE_ABSENT, LEASE_PRESENT } state; /* UNKNOWN: ask before writing */
        struct leader_lease lease; /* what was seen last, also while UNKNOWN */
        bool perhaps_mine;         /* a write of ours may stand in it, so release it at the end */
        bool conflicted;           /* the last update was refused */
};

enum leader_event_type {
        LEADER_TICK,  /* time has passed */
        LEADER_REPLY, /* to a request */
        /* Stop for good. Send it when the last write has been answered: from here
         * on another may lead at once. */
        LEADER_STOP,
};

struct leader_event {
        enum leader_event_type type;
        usec_t wall; /* clock_wall's time, for renewTime */
        /* Of a reply: */
        uint64_t request;
        int status;       /* HTTP's, or 0 if there was no answer */
        yyjson_val *body; /* NULL if there was none, or no JSON */
};

enum leader_change { LEADER_SAME, LEADER_STARTED, LEADER_LOST, LEADER_STOPPED };

struct leader_actions {
        enum leader_change change; /* STARTED and LOST: leading; STOPPED: the role is DONE */

        /* A request to send now, or LEADER_NOTHING. */
        enum leader_method method;
        uint64_t request; /* its number */
        struct str body;  /* JSON, of CREATE and UPDATE; good until the next step */
        usec_t timeout;   /* no use waiting longer */

        usec_t wake;          /* step again then; USEC_NEVER when done */
        bool new_holder;      /* leader_holder changed */
        struct error failure; /* code < 0: why an attempt failed, for the log */
};

/* Are the durations safe? 0, or -EINVAL with *err, which calls them by the
 * options that set them. The one place that knows these rules. */
int leader_check_times(const struct leader_config *config, struct error *err) _must_check_;

/* 0, or -EINVAL with *err for a config that cannot be. The first step may
 * come at any time; until then nothing happens. */
int leader_init(struct leader *l, const struct leader_config *config, uint64_t seed, struct error *err)
        _must_check_;
void leader_release(struct leader *l);

/* NOW is clock_now's time and must not go backwards. Cannot fail: what goes
 * wrong, memory included, is one more attempt that failed. */
void leader_step(struct leader *l, const struct leader_event *event, usec_t now, struct leader_actions *ret);

/* Whether it may act as the leader at NOW. Ask with a fresh clock_now right
 * before each write, for the process may have been stopped in between. */
bool leader_may_write(const struct leader *l, usec_t now);

/* Who holds the lease as far as we know; absent if nobody. */
struct str leader_holder(const struct leader *l);

/* "hostname_uid", from 16 random bytes, as client-go's users do. Returns its length. */
size_t leader_identity(struct str hostname, const uint8_t random[16], char out[LEADER_IDENTITY_MAX]);
