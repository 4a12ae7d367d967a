/* SPDX-License-Identifier: Apache-2.0
 *
 * /debug/state: what the operator holds and is at, as JSON, for a person who
 * looks into it. On loopback only, since it names resources; never any content
 * of theirs. Internal to the operator.
 */
#pragma once

#include "manager/manager.h"
#include "manager/watches.h"

/* Tasks and watches beyond are left out. */
#define DEBUG_STATE_ITEMS_MAX 256

struct debug_state {
        const struct manager *manager;
        const struct watches *watches;
        const struct kube_client *client;
        bool leading;
        struct str holder; /* of the Lease, as far as known; absent: nobody, or no election */
};

/* Appends it; what goes wrong is the buffer's error. */
void debug_state_write(const struct debug_state *s, struct buf *out);
