/* SPDX-License-Identifier: Apache-2.0
 *
 * Drives the protocol (pkg/failover): gives it what happens, and does what it says, in
 * that order and nothing else.
 *
 *      driver_take(event) --> failover_step --> effects, one by one --> engine (kill, arm, order)
 *            ^                                                     `--> ports  (Lease, peers, route)
 *            `---- what these tell while effects are being done waits in a queue
 *
 * The rules of pkg/failover/failover.h, and where they are kept: KILL comes first in the
 * list and is done when the engine returns. ARM is confirmed, or the server is killed at
 * once and not a single order of that list is carried out; the protocol then sees a server
 * that is down, which ends the epoch. What was acknowledged by then was acknowledged under
 * the deadline before. Only where that one stands, and its putting off is merely not answered
 * in time, the server goes on under it. No order to lead or to pause is handed on without a
 * confirmed deadline: the server is killed instead.
 *
 * It has no clock, timer or socket of its own, takes no memory and cannot fail.
 */
#pragma once

#include "agent/member/engine.h"

#define DRIVER_QUEUE_MAX 32
/* What may be lost (messages, looks, canaries) finds place up to here. */
#define DRIVER_QUEUE_LOSSY (DRIVER_QUEUE_MAX / 2)

struct driver;

/* None of them may fail: what cannot be done is tried again, or answered as lost. */
struct driver_ports {
        usec_t (*now)(void *arg);           /* boot-time clock, fresh */
        void (*wake)(usec_t at, void *arg); /* call driver_tick then; replaces the time before */
        void (*read)(void *arg);            /* the Lease: RECORD, ABSENT, or nothing */
        /* Answered by exactly one WROTE, never from inside the call. */
        void (*write)(uint64_t id, const struct failover_record *record, const char *version, void *arg);
        void (*send)(const struct failover_message *message, void *arg);
        void (*publish)(uint64_t epoch, void *arg);
        void (*tell)(const struct failover_effect *news, void *arg);
        void (*stepped)(void *arg); /* the state may have changed */
        void (*exit)(void *arg);
        void *arg;
};

struct driver {
        struct failover f;
        struct engine *engine;
        struct driver_ports ports;
        usec_t lease;        /* our own L; f.timing.lease may be longer, another holder's */
        bool armed;          /* the engine has confirmed a deadline, and it stands */
        uint64_t arm_failed; /* so often it could not */
        uint64_t refused;    /* orders to lead or to pause without one: must stay 0 */
        uint64_t dropped;    /* events that found no place */
        failover_set confirmed;
        bool busy;
        size_t head, n;
        struct failover_event queue[DRIVER_QUEUE_MAX];
        struct failover_effects effects;
};

/* ENGINE and what ports.arg is outlive the driver. Nothing happens before the first event. */
void driver_init(struct driver *d, const struct failover_id *self, usec_t lease, const char *fresh_lineage,
                 struct engine *engine, const struct driver_ports *ports);

void driver_take(struct driver *d, const struct failover_event *event);

void driver_tick(struct driver *d);

/* A Lease that was read: RECORD. DURATION is what its holder wants to be waited for (0: it
 * does not say), which may be longer than our own L. */
void driver_record(struct driver *d, const struct failover_record *record, const char *version,
                   usec_t duration);

static inline bool driver_leads(const struct driver *d)
{
        return d->f.role == FAILOVER_LEADER || d->f.role == FAILOVER_YIELDING;
}
