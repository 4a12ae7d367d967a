/* SPDX-License-Identifier: Apache-2.0
 *
 * The Redis engine: what agent/member/engine.h asks for, with redis-server or
 * valkey-server under a keeper.
 *
 *      order ---> goal ---> start ---> AUTH ---> settings ---> REPLICAOF, CLIENT PAUSE, …
 *                             ^                                   |
 *                    ended ---'            INFO, 5 times a second v
 *      looked <---------------------------------------------- look
 *      canary <--- state file written <--- claims <------------'
 *
 * What the orders are to the server:
 *
 *      STAND    REPLICAOF of an address where nobody is
 *      FOLLOW   REPLICAOF of the leader
 *      PAUSE    min-replicas-to-write that nobody has: writes are refused; a WAIT on another
 *               connection, upon which the followers confirm at once; then CLIENT PAUSE … WRITE:
 *               writes are held back
 *      LEAD     min-replicas-to-write, REPLICAOF NO ONE, CLIENT UNPAUSE
 *      HALT     SIGTERM, SIGKILL after stopGraceMillis
 *
 * A server that stops leading closes the connections of its clients, so that their
 * pools connect anew. While it pauses, the offset that is told is the one at which it
 * began to: what comes after are pings and questions, no writes.
 *
 * A server whose script runs for long answers BUSY, or nothing at all: neither is a
 * look, so that it counts as one that hangs. A server that cannot write its AOF (or,
 * with RDB alone, whose last save failed) refuses writes; then there is no canary.
 */
#pragma once

#include "agent/member/engine.h"

/* CONFIG's strings are borrowed. 0; -ENOMEM; -EINVAL or what the volume says, with *err.
 * From here on orphaned processes become children of this process, which is to reap them. */
int redis_engine_new(struct loop *l, const struct engine_config *config,
                     const struct engine_handlers *handlers, struct engine **ret, struct error *err)
        _must_check_;
