/* SPDX-License-Identifier: Apache-2.0
 *
 * What a member has carried out, told where the operator can read it (failover/report.h):
 *
 *      follower: own --letter, at a renewal, until the Lease has it--> leader
 *      leader:   own and theirs, lags, the outage --with each renewal--> Lease
 *
 * So it takes no object and no right of its own, and nothing is sent while nothing changes.
 * What a leader has not heard yet is not listed: each new leader is told anew.
 *
 * The outage is from when the leader before gave the lead up, or was heard of last, by a renewal
 * or a question for promises, until this member was told to be writable and was: all on this member's clock.
 */
#pragma once

#include "base/clock.h"
#include "failover/report.h"

#define REPORT_LAG_EVERY (10 * USEC_SEC) /* lags change all the time, and each change is read */
#define REPORT_LAG_STEP (UINT64_C(1) << 20)

struct reporter {
        int self;
        struct failover_applied own;
        char first[FAILOVER_CONFIG_MAX]; /* the config that this life began with */
        struct failover_report out;      /* what the leader writes */
        struct failover_applied seen;    /* what the Lease says of us */
        uint64_t held;                   /* the newest epoch that was seen to be held */
        usec_t held_at, former_at;       /* when it, and the one before it, was seen last; 0: never */
        usec_t lags_at;
};

void reporter_init(struct reporter *r, int self, const char *uid);

/* That is so of this member (its pod is known). A config that a restart of the pod would only
 * bring back as it is needs none. */
void reporter_applied(struct reporter *r, const struct failover_applied *now);

/* MEMBER says so. */
void reporter_heard(struct reporter *r, int member, const struct failover_applied *applied);

/* The Lease as it was seen; REPORT is its annotation, absent where there is none. */
void reporter_saw(struct reporter *r, const struct failover_record *record, struct str report, usec_t now);

/* The leader of EPOCH asks for promises: it leads, though the Lease says so no more. */
void reporter_asked(struct reporter *r, uint64_t epoch, usec_t now);

/* This member is writable, in EPOCH. */
void reporter_led(struct reporter *r, uint64_t epoch, usec_t now);

/* As a follower: is there something that the leader has not written yet? */
bool reporter_has_news(const struct reporter *r);

/* As the leader, whose server is SERVER: what is to be written. */
const struct failover_report *reporter_write(struct reporter *r, const struct failover_server *server,
                                             usec_t now);
