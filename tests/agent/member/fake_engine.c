/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_engine.h"

#include "base/mem.h"

#define ASKED_MAX ((size_t)1024 * 1024)

static struct fake_engine *fake(const struct engine *e)
{
        return (struct fake_engine *)(uintptr_t)e;
}

static const char *const orders[] = { "Stand", "Follow", "Pause", "Lead", "Halt" };

static void order(struct engine *base, enum failover_order what, uint64_t number,
                  const struct failover_id *whom, uint64_t epoch)
{
        static const enum failover_server_state states[] = { FAILOVER_STANDING, FAILOVER_FOLLOWING,
                                                             FAILOVER_PAUSED, FAILOVER_WRITABLE,
                                                             FAILOVER_DOWN };
        struct fake_engine *e = fake(base);

        buf_printf(&e->asked, "order %llu %s", (unsigned long long)number, orders[what]);
        if (whom)
                buf_printf(&e->asked, " %s", whom->address);
        buf_printf(&e->asked, " epoch %llu\n", (unsigned long long)epoch);
        if (!e->obedient)
                return;
        if (e->server.state == FAILOVER_DOWN && what != FAILOVER_HALT)
                e->server.run++;
        e->server.order = number;
        e->server.state = states[what];
        e->server.in_sync = what == FAILOVER_FOLLOW;
}

static void kill_server(struct engine *base, uint64_t number)
{
        struct fake_engine *e = fake(base);

        buf_printf(&e->asked, "kill %llu\n", (unsigned long long)number);
        e->server.order = number;
        e->server.state = FAILOVER_DOWN;
}

static int arm(struct engine *base, usec_t until)
{
        struct fake_engine *e = fake(base);

        buf_printf(&e->asked, "arm %lld\n", (long long)until);
        if (e->arm_fails < 0)
                return e->arm_fails;
        e->armed = until;
        return 0;
}

static void disarm(struct engine *base)
{
        buf_add_c(&fake(base)->asked, "disarm\n");
        fake(base)->armed = 0;
}

static void recall(const struct engine *base, struct failover_copy *ret)
{
        *ret = fake(base)->stored;
}

static void member_at(struct engine *base, int member, uint64_t life, const char *address)
{
        buf_printf(&fake(base)->asked, "member %d life %llu at %s\n", member, (unsigned long long)life,
                   address);
}

static void remember(struct engine *base, const struct failover_copy *copy)
{
        fake(base)->remembered = *copy;
        buf_printf(&fake(base)->asked, "remember %s\n", copy->lineage);
}

static void set_confirmed(struct engine *base, failover_set in_sync)
{
        buf_printf(&fake(base)->asked, "set %x\n", in_sync);
}

static int configure(struct engine *base, struct str json, struct error *complaint)
{
        struct fake_engine *e = fake(base);

        if (e->configure_fails < 0)
                return error_set(complaint, e->configure_fails, "redis.config.maxmemory is not a number");
        buf_clear(&e->configured);
        return buf_add_str(&e->configured, json);
}

static bool needs_restart(const struct engine *base _unused_)
{
        return false;
}

static bool settled(const struct engine *base _unused_)
{
        return true;
}

static int metrics(struct engine *base _unused_, struct buf *out)
{
        return buf_add_c(out, "fake_engine 1\n");
}

static int describe(struct engine *base _unused_, struct buf *out)
{
        return buf_add_c(out, "{\"fake\":true}");
}

static void free_engine(struct engine *base _unused_)
{
}

static const struct engine_ops ops = {
        .name = "fake",
        .order = order,
        .kill = kill_server,
        .arm = arm,
        .disarm = disarm,
        .recall = recall,
        .member_at = member_at,
        .remember = remember,
        .set_confirmed = set_confirmed,
        .configure = configure,
        .needs_restart = needs_restart,
        .settled = settled,
        .metrics = metrics,
        .describe = describe,
        .free = free_engine,
};

void fake_engine_init(struct fake_engine *e, const struct engine_handlers *handlers)
{
        *e = (struct fake_engine){ .base.ops = &ops, .obedient = true };
        if (handlers)
                e->handlers = *handlers;
        buf_init(&e->asked, ASKED_MAX);
        buf_init(&e->configured, ASKED_MAX);
}

void fake_engine_release(struct fake_engine *e)
{
        buf_release(&e->asked);
        buf_release(&e->configured);
}

void fake_engine_look(struct fake_engine *e, usec_t now)
{
        e->server.at = now;
        e->handlers.looked(e->handlers.arg, &e->server);
        e->handlers.canary(e->handlers.arg, now, true);
}
