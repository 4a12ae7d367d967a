/* SPDX-License-Identifier: Apache-2.0
 *
 * Bugs that are put into the operator on purpose, to see that the simulator
 * catches them (sim --planted NAME). They sit between the manager and the
 * network, or between the manager and the controller.
 */
#pragma once

#include "manager/controller.h"
#include "sim/world.h"

enum planted_bug {
        PLANTED_NONE,
        PLANTED_NO_UID,         /* changes whatever stands under the name, and deletes it */
        PLANTED_NO_CREATE_ONLY, /* makes a child by an apply that adopts what is there */
        PLANTED_NO_DELETE,      /* forgets a child that is no longer wanted */
        PLANTED_STATUS_ALWAYS,  /* writes the status at each reconcile */
        PLANTED_READY_EARLY,    /* says Ready while the rollout is under way */
        PLANTED_BACK_IN_TIME,   /* takes what is older for news */
        PLANTED_NO_BACKOFF,     /* tries again at once */
        PLANTED_KEEPS_LEADING,  /* writes on after its Lease has run out */
        PLANTED_COUNT,
};

extern enum planted_bug planted;

const char *planted_name(enum planted_bug bug);

/* The App controller, with the bug if it sits there. */
const struct controller *const *planted_controllers(void);

/* A call that is about to be sent, through the bug; what it makes of the body lives in W. */
void planted_call(struct world *w, struct kube_call *call);
