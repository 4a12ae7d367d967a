/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper's own side. Only keeper.c includes this.
 */
#pragma once

#include <sys/types.h>

#include "agent/redis/keeper.h"

enum keeper_word {
        KEEPER_ARM,     /* to the keeper: NUMBER, UNTIL (0: no longer) */
        KEEPER_ARMED,   /* from it: NUMBER, STATUS 0 or -errno */
        KEEPER_STARTED, /* PID */
        KEEPER_FAILED,  /* from the server's process before it was one: STATUS is an errno */
        KEEPER_ENDED,   /* STATUS is an exit code, or minus a signal */
};

/* One packet. */
struct keeper_message {
        enum keeper_word word;
        int status;
        pid_t pid;
        uint64_t number;
        usec_t until;
};

/* Runs in the forked process, whose parent is AGENT, and never returns. PROGRAM is the path
 * of argv[0]. System calls alone: the agent's other threads may have held any lock. */
_Noreturn void keeper_process(pid_t agent, int socket, const char *program,
                              const struct keeper_config *config);
