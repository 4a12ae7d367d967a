/* SPDX-License-Identifier: Apache-2.0
 *
 * The keeper: a small process between the agent and the server, which sees to it
 * that the server ends when it must, whoever of them stands still.
 *
 *      agent --------- socket ---------> keeper ------------> server --> its children (a save)
 *        | ARM until, DISARM               | parent of            one process group
 *        | <--- ARMED, STARTED, ENDED      |
 *        |                                 | the kernel's timer (CLOCK_BOOTTIME): SIGKILL to the keeper
 *        '---- SIGKILL to the group -------+---> PR_SET_PDEATHSIG: SIGKILL to the server
 *
 *      what stands still        who ends the server at the deadline
 *      nothing, or the agent    the keeper, KEEPER_AHEAD before it: the whole group
 *      the keeper               its timer, which ends it, and so the server; the agent
 *                               then sweeps what the server had forked
 *      agent and keeper         the same timer; the server's children end by themselves,
 *                               and can acknowledge nothing
 *      the agent is killed      PR_SET_PDEATHSIG of the keeper, and so the server's
 *      the server               SIGKILL ends a stopped process as well
 *
 * The keeper is forked and not executed, so that it shares the agent's pages; from
 * then on it makes system calls alone: it takes no memory and no lock, and holds no
 * descriptor but its socket, the standard streams, and the one that is shared, the volume's
 * lock, which so lasts as long as anybody who writes there. The server it executes gets
 * nothing from us but its arguments, its environment, the standard streams, and that.
 *
 * One keeper a life of a server. It never takes the server's remains away, so that
 * its number stays its own until the agent, which was told, ends the keeper.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "loop/loop.h"

#define KEEPER_ANSWER_MAX (250 * USEC_MSEC) /* that long an ARM may take */
#define KEEPER_START_MAX (5 * USEC_SEC)     /* from the fork to the server's number */
#define KEEPER_AHEAD (10 * USEC_MSEC)

struct keeper;

struct keeper_config {
        const char *const *argv; /* argv[0] is a path, or looked up in our own PATH; NULL at the end */
        const char *const *env;  /* the whole environment; NULL: an empty one */
        const char *directory;   /* NULL: ours */
        int shared;              /* a descriptor that all of them keep open; 0: none */
        int output;              /* likewise, for standard output and error; 0: ours */
};

/* How the server ended, for people. */
struct keeper_end {
        bool known;    /* not: the keeper had no time to tell */
        int exit_code; /* or -1 */
        int signal;    /* or 0 */
        int error;     /* it could not be executed: an errno, or 0 */
        bool expired;  /* it was killed at its deadline */
};

/* Once, when no thread of the server is left. Its children got SIGKILL. The keeper
 * may be freed here. */
typedef void keeper_ended_fn(struct keeper *k, const struct keeper_end *end, void *arg);

/* Starts keeper and server. 0 or a negative errno, with *err; that the program is not
 * there is told by the end. To be called by the thread that lives as long as the
 * process: the kernel takes the end of this thread for that of the parent. */
int keeper_start(struct loop *l, const struct keeper_config *config, keeper_ended_fn *fn, void *arg,
                 struct keeper **ret, struct error *err) _must_check_;

/* Kills, waits a moment for the end of the keeper, and calls nothing any more. */
void keeper_free(struct keeper *k);

/* The server's end at UNTIL is certain when this returns 0. -ETIMEDOUT: the keeper did
 * not answer within KEEPER_ANSWER_MAX, and will do as it was told when it comes to it; until
 * then the deadline before stands. -ESRCH: it is gone, and the server with it. */
int keeper_arm(struct keeper *k, usec_t until) _must_check_;
int keeper_disarm(struct keeper *k) _must_check_;

/* To the server alone. 0 or -errno. */
int keeper_signal(struct keeper *k, int sig) _must_check_;

/* SIGKILL to server, its children and the keeper; they can do nothing any more when
 * this returns, but for a system call that is under way. The end is told as ever. */
void keeper_kill(struct keeper *k);

pid_t keeper_pid(const struct keeper *k);
pid_t keeper_server_pid(const struct keeper *k);
