/* SPDX-License-Identifier: Apache-2.0
 *
 * An engine without a server: it obeys at once, or when it is told to, and writes down
 * what it was asked for.
 */
#pragma once

#include "agent/member/engine.h"

struct fake_engine {
        struct engine base;
        struct engine_handlers handlers;
        struct buf asked;              /* "order 1 Stand\n", "arm 3000000\n", … */
        struct failover_server server; /* what it would tell */
        struct failover_copy stored, remembered;
        int arm_fails; /* the negative errno of the next arm */
        int configure_fails;
        bool obedient; /* carries orders out at once, without telling */
        usec_t armed;  /* 0: not */
        struct buf configured;
};

void fake_engine_init(struct fake_engine *e, const struct engine_handlers *handlers);
void fake_engine_release(struct fake_engine *e);

/* Tells what it sees of its server at NOW, and that its volume writes. */
void fake_engine_look(struct fake_engine *e, usec_t now);
