/* SPDX-License-Identifier: Apache-2.0
 *
 * What an engine (Redis, later Postgres) does for the agent of a member. The
 * agent's other half, the member, holds the protocol (pkg/failover), the Lease,
 * the peers and the route; it asks the engine for the following and hears from
 * it by the callbacks. All on one loop, from one thread; nothing here blocks.
 *
 *      member: failover_step, Lease, peers, EndpointSlice, health, metrics
 *         | order, kill, arm, remember            ^ looked, ended, canary
 *         v                                       |
 *      engine: the server process under its keeper, its wire protocol, its volume
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "failover/failover.h"
#include "loop/loop.h"

struct engine;

/* What an engine is made with:
 *
 *      int redis_engine_new(struct loop *l, const struct engine_config *config,
 *                           const struct engine_handlers *handlers, struct engine **ret, struct error *err);
 *
 * The strings live as long as the engine. It starts no server before the first order, and
 * is configured before that. No order is given, nothing is recalled and nothing remembered
 * before the volume was told to be the engine's. */
struct engine_config {
        const char *cluster; /* the name of the resource */
        int member;
        const char *address; /* of this pod: where followers and clients reach the server */
        const char *data;    /* the folder of the volume */
        const char *run;     /* a folder for sockets and what need not last; this pod's alone */
        const char *tls;     /* ca.crt, tls.crt, tls.key, which others replace; NULL: there is none */
        const char *program; /* the server's; NULL: looked for in PATH by its names */
};

/* A complaint about a setting that has the server's words begins so. */
#define ENGINE_REFUSED "the server does not take it: "

/* What the engine tells. LOOKED comes for every look that was answered, about
 * five times a second while the server answers, and at once after an order was
 * carried out and when the server has ended (state DOWN). */
struct engine_handlers {
        void (*looked)(void *arg, const struct failover_server *server);
        /* The volume was well at BEGAN. KEPT: a write that began then is on the disk, and with it
         * what was to be remembered. Not so of one that is full, of a member that leads all the same. */
        void (*canary)(void *arg, usec_t began, bool kept);
        /* What the server said to settings after they were handed to it, and why it does not
         * start. For people; once for each time that it is tried. May be NULL. */
        void (*complained)(void *arg, const struct error *complaint);
        /* The server has ended, and nobody has asked it to: not an order, nor a deadline. HOW is
         * for people, with what it said last. May be NULL. */
        void (*crashed)(void *arg, const struct error *how);
        /* NULL: the volume is the engine's alone, what is on it is known, and it can be written.
         * Before that, and later: what is wrong with it. -EBUSY: another process has it, and is
         * waited for; -ENOSPC: it is full; -ENODEV: it is not there any more. Told when it changes,
         * never from inside of the engine's functions. Once it was NULL it stays the engine's. */
        void (*volume)(void *arg, const struct error *why);
        void *arg;
};

struct engine_ops {
        const char *name;

        /* Carries out WHAT: starts the server if need be, always read-only, and brings it
         * there. A newer order replaces one that is under way. After the server has ended by
         * itself the engine starts it again (with a back-off) only for STAND and FOLLOW. HALT
         * stops it in its own way, within its grace. An order may fail and is tried again
         * until it is obeyed or replaced. */
        void (*order)(struct engine *e, enum failover_order what, uint64_t number,
                      const struct failover_id *whom, uint64_t epoch);

        /* SIGKILL, before this returns; with all its children. Counts as order NUMBER. */
        void (*kill)(struct engine *e, uint64_t number);

        /* The kernel is to kill the server at UNTIL (boot-time clock). Returns when that is
         * certain: 0, or a negative errno if it is not, upon which the member does not lead.
         * -ETIMEDOUT: it may come to it yet; until then the one before stands, if there is one. */
        int (*arm)(struct engine *e, usec_t until) _must_check_;
        void (*disarm)(struct engine *e);

        /* What remember left on the volume, with the offset that a restart is certain to bring
         * back; all zero if there is nothing. As of when the volume became the engine's. */
        void (*recall)(const struct engine *e, struct failover_copy *ret);

        /* Where a member was heard from last, by which its connections are told from others'.
         * LIFE is the one that is there; a follower from that address is that life. */
        void (*member_at)(struct engine *e, int member, uint64_t life, const char *address);

        /* Keeps COPY's lineage and timeline beside the data; the engine adds the offset. What was
         * given later stands later; the next canary that begins after this has it on disk, if the
         * data that a restart brings back are those. */
        void (*remember)(struct engine *e, const struct failover_copy *copy);

        /* The set as the Lease confirms it: bit N is member N. For what the server itself
         * may demand of followers before it acknowledges. */
        void (*set_confirmed)(struct engine *e, failover_set in_sync);

        /* New settings: the engine's part of config.json. What the running server can take
         * is applied at once; what it cannot is reported by needs_restart. A complaint names
         * the setting; the rest is applied all the same. */
        int (*configure)(struct engine *e, struct str json, struct error *complaint) _must_check_;
        bool (*needs_restart)(const struct engine *e);
        /* Has the server all that configure handed over, but for what it refused or takes at a
         * start alone? Where there is no server, there is nothing left that is older. */
        bool (*settled)(const struct engine *e);

        /* Lines for /metrics, and a JSON object for /debug/state. 0 or -ENOMEM. */
        int (*metrics)(struct engine *e, struct buf *out) _must_check_;
        int (*describe)(struct engine *e, struct buf *out) _must_check_;

        void (*free)(struct engine *e);
};

struct engine {
        const struct engine_ops *ops;
};
