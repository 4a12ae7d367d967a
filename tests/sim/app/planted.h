/* SPDX-License-Identifier: Apache-2.0
 *
 * Bugs that are put into the operator on purpose, to see that the simulator
 * catches them (sim --planted NAME). They sit between the manager and the
 * network, between the manager and the controller, or in single functions that
 * the linker gives to planted.c.
 */
#pragma once

#include "manager/controller.h"
#include "sim/world.h"

enum planted_bug {
        PLANTED_NONE,
        /* On the way to the network. */
        PLANTED_NO_UID,         /* changes whatever stands under the name, and deletes it */
        PLANTED_NO_CREATE_ONLY, /* makes a child by an apply that adopts what is there */
        PLANTED_NO_OWNER,       /* makes children that nobody owns */
        PLANTED_NO_RETRY_AFTER, /* comes back when it likes */
        PLANTED_DEAF,           /* does not hear of deletions */
        PLANTED_DEAF_ONCE,      /* misses one event in fifty */
        /* In the controller. */
        PLANTED_NO_DELETE,        /* forgets a child that is no longer wanted */
        PLANTED_NO_REPAIR,        /* leaves a child that is there as it is */
        PLANTED_STATUS_ALWAYS,    /* writes the status at each reconcile */
        PLANTED_NO_STATUS,        /* never writes it */
        PLANTED_READY_EARLY,      /* says Ready while the rollout is under way */
        PLANTED_EVENT_ALWAYS,     /* an event at each reconcile */
        PLANTED_NO_WAKE,          /* never comes back by itself */
        PLANTED_RENAMES,          /* calls a child by the life of its process */
        PLANTED_DELETES_TO_MEND,  /* deletes the Deployment where it should be changed */
        PLANTED_FORGETS_REPLICAS, /* says a fixed number of replicas beside an autoscaler */
        PLANTED_LEAKS,            /* memory, at each reconcile */
        PLANTED_SHARES_HOSTS,     /* serves each host that is claimed, whoever has it */
        PLANTED_SNATCHES_HOSTS,   /* serves a host that is still in another's route */
        /* Below the manager. */
        PLANTED_BACK_IN_TIME,  /* takes what is older for news */
        PLANTED_NO_BACKOFF,    /* tries again at once */
        PLANTED_KEEPS_LEADING, /* writes on after its Lease has run out */
        PLANTED_COUNT,
};

extern enum planted_bug planted;

const char *planted_name(enum planted_bug bug);

/* The case that is to catch it; NULL: random runs are. */
const char *planted_case(enum planted_bug bug);

/* The App controller, with the bug if it sits there. */
const struct controller *const *planted_controllers(void);

/* A call of R that is about to be sent, through the bug; what it makes of the body lives in the world. */
void planted_call(struct replica *r, struct kube_call *call);

/* An answer, and an event of a watch, through the bug. False: it is swallowed. */
void planted_reply(struct http_result *result);
bool planted_event(struct world *w, const char *type);
