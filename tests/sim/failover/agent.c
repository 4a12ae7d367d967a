/* SPDX-License-Identifier: Apache-2.0
 *
 * An agent: events in, steps, effects out, one behind the other. It may freeze
 * between any two of them, and goes on where it was.
 *
 *      inbox --> failover_step --> effects: 1, 2, ARM (takes time), 4, ...
 *        ^ frozen: it fills                   ^ frozen: the rest waits
 */
#include "failover/parts.h"

#include <string.h>

#define ARM_TIME (2 * USEC_MSEC)
#define FROZEN_TIME (4 * USEC_SEC) /* of an agent that stops between two effects, at the most */
#define OLD_MESSAGE USEC_SEC       /* may be dropped, as by a socket that timed out */

/* --- effects ------------------------------------------------------------------------------- */

static void tell(struct sim *s, struct pod *p, const struct failover_effect *e)
{
        note(s, p, "tells %s: cause %s, member %d, members %#x, epoch %llu", failover_news_name(e->news.what),
             failover_cause_name(e->news.cause), e->news.member, e->news.members,
             (unsigned long long)e->news.epoch);
        oracle_told(s, p, e);
}

/* A time that is over cannot be armed: the server dies, and is not told to lead. */
static void arm(struct sim *s, struct pod *p, usec_t until)
{
        note(s, p, "arms the kernel's timer: in %.4f s", (double)(until - host_now(s, p->host)) / USEC_SEC);
        oracle_armed(s, p, until);
        p->knife_spent = until <= host_now(s, p->host);
        if (p->knife_spent)
                server_kill(s, p);
        knife_set(s, p, p->knife_spent ? 0 : until);
}

static void disarm(struct sim *s, struct pod *p)
{
        note(s, p, "disarms the kernel's timer");
        oracle_disarmed(s, p);
        knife_set(s, p, 0);
}

/* The server is down, and nothing is left to do. */
static void leave(struct sim *s, struct pod *p)
{
        pod_kill(s, p, 0);
        if (!p->ending || !p->current)
                return;
        pod_replace(s, p, VOLUME_SAME, between(s, 500 * USEC_MSEC, 3 * USEC_SEC));
}

static void carry_out(struct sim *s, struct pod *p, const struct failover_effect *e)
{
        switch (e->type) {
        case FAILOVER_DO_READ:
                api_read(s, p);
                break;
        case FAILOVER_DO_WRITE:
                api_write(s, p, e);
                break;
        case FAILOVER_DO_ORDER:
                driver_order(s, p, e);
                break;
        case FAILOVER_DO_KILL:
                driver_kill(s, p, e->order.number);
                break;
        case FAILOVER_DO_ARM:
                arm(s, p, e->until);
                break;
        case FAILOVER_DO_DISARM:
                disarm(s, p);
                break;
        case FAILOVER_DO_SEND:
                oracle_sent(s, p, &e->message);
                net_send(s, p, &e->message);
                break;
        case FAILOVER_DO_PUBLISH:
                api_publish(s, p, e->epoch);
                break;
        case FAILOVER_DO_REMEMBER:
                driver_remember(s, p, &e->copy);
                break;
        case FAILOVER_DO_TELL:
                tell(s, p, e);
                break;
        case FAILOVER_DO_EXIT:
                note(s, p, "exits");
                leave(s, p);
                break;
        }
}

/* --- stopping in the middle ------------------------------------------------------------------ */

static void thaws(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        if (!p || !p->agent.frozen || p->agent.life != t->id)
                return;
        note(s, p, "agent goes on");
        p->agent.frozen = false;
        agent_pump(s, p);
}

static bool freezes_here(struct sim *s, struct pod *p)
{
        struct agent *a = &p->agent;
        struct turn *t;

        if (a->freeze_in) {
                if (--a->freeze_in)
                        return false;
        } else if (!chance(s, s->weather.freezes)) {
                return false;
        }
        note(s, p, "agent freezes between two effects");
        a->frozen = true;
        p->touched = sim_now(s);
        t = sim_after(s, between(s, 10 * USEC_MSEC, FROZEN_TIME), thaws);
        t->life = p->number;
        t->id = a->life;
        return true;
}

/* --- one behind the other ---------------------------------------------------------------------- */

static void not_busy(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        if (!p || p->agent.life != t->id)
                return;
        p->agent.busy = false;
        agent_pump(s, p);
}

/* The next effect waits until the kernel has confirmed. */
static void takes_time(struct sim *s, struct pod *p)
{
        struct turn *t = sim_after(s, between(s, 10, ARM_TIME), not_busy);

        p->agent.busy = true;
        t->life = p->number;
        t->id = p->agent.life;
}

static bool can_go_on(const struct sim *s, const struct pod *p)
{
        return p->agent.up && !p->agent.busy && !agent_stopped(s, p);
}

static void do_effects(struct sim *s, struct pod *p)
{
        struct agent *a = &p->agent;

        while (can_go_on(s, p) && a->next < a->effects.n) {
                const struct failover_effect *e;

                if (freezes_here(s, p))
                        return;
                e = &a->effects.list[a->next++];
                carry_out(s, p, e);
                if (e->type == FAILOVER_DO_ARM)
                        takes_time(s, p);
        }
}

static void plan_wake(struct sim *s, struct pod *p);

static void wake(struct sim *s, struct turn *t)
{
        static const struct failover_event tick = { .type = FAILOVER_TICK };
        struct pod *p = pod_by_number(s, t->life);

        if (!p || !p->agent.up || p->agent.life != t->id || p->agent.wake != t->at)
                return;
        p->agent.wake = 0;
        if (agent_stopped(s, p) || host_now(s, p->host) >= p->agent.effects.wake)
                agent_take(s, p, &tick);
        else
                plan_wake(s, p);
}

/* One turn is enough: it looks again when it comes too early. */
static void plan_wake(struct sim *s, struct pod *p)
{
        struct agent *a = &p->agent;
        usec_t at = MAX(host_when(s, p->host, a->effects.wake), sim_now(s) + 1);
        struct turn *t;

        if (a->wake && a->wake <= at && a->wake >= sim_now(s))
                return;
        t = loop_at(&s->loop, at, wake);
        t->life = p->number;
        t->id = a->life;
        a->wake = at;
}

static bool is_dropped(struct sim *s, const struct agent *a)
{
        return a->inbox[a->head].type == FAILOVER_MESSAGE && sim_now(s) - a->came[a->head] > OLD_MESSAGE &&
               chance(s, 500);
}

static void step(struct sim *s, struct pod *p)
{
        struct agent *a = &p->agent;
        bool dropped = is_dropped(s, a);
        const struct failover_event *e = &a->inbox[a->head];

        a->head = (a->head + 1) % SIM_INBOX_MAX;
        a->n--;
        if (dropped)
                return;
        a->steps++;
        s->steps++;
        failover_step(&a->f, host_now(s, p->host), e, &a->effects);
        a->next = 0;
        driver_confirm_set(s, p);
        oracle_stepped(s, p);
}

void agent_pump(struct sim *s, struct pod *p)
{
        struct agent *a = &p->agent;
        uint64_t life = a->life;

        while (can_go_on(s, p) && a->life == life) {
                do_effects(s, p);
                if (!can_go_on(s, p) || a->life != life || a->next < a->effects.n)
                        return;
                if (!a->n)
                        break;
                step(s, p);
        }
        if (a->life == life && can_go_on(s, p) && a->steps)
                plan_wake(s, p);
}

/* Of the Lease only the newest is kept: a watch that nobody reads is one line long. */
static bool replaces(struct agent *a, const struct failover_event *e)
{
        if (e->type != FAILOVER_RECORD && e->type != FAILOVER_TICK)
                return false;
        for (size_t i = 0; i < a->n; i++) {
                struct failover_event *old = &a->inbox[(a->head + i) % SIM_INBOX_MAX];

                if (old->type != e->type)
                        continue;
                *old = *e;
                return true;
        }
        return false;
}

void agent_take(struct sim *s, struct pod *p, const struct failover_event *e)
{
        struct agent *a = &p->agent;
        size_t end;

        if (!a->up)
                return;
        if (replaces(a, e)) {
                agent_pump(s, p);
                return;
        }
        if (a->n >= SIM_INBOX_MAX / 2 && e->type == FAILOVER_MESSAGE)
                return;
        if (a->n == SIM_INBOX_MAX)
                sim_fail(s, "inbox", "the agent of member %d is drowned in events", p->id.member);
        end = (a->head + a->n++) % SIM_INBOX_MAX;
        a->inbox[end] = *e;
        a->came[end] = sim_now(s);
        agent_pump(s, p);
}

/* --- its life ------------------------------------------------------------------------------------------ */

void agent_start(struct sim *s, struct pod *p)
{
        static const struct failover_event tick = { .type = FAILOVER_TICK };
        struct agent *a = &p->agent;
        char lineage[FAILOVER_LINEAGE_MAX];
        struct failover_copy stored;

        memset(a, 0, sizeof(*a));
        a->up = true;
        a->life = ++s->numbers;
        p->id.incarnation = rand_next(&s->rand);
        p->touched = sim_now(s);
        snprintf(lineage, sizeof(lineage), "data-%llx", (unsigned long long)rand_next(&s->rand));
        note(s, p, "agent starts");
        stored = driver_recall(s, p);
        failover_init(&a->f, &p->id, &s->timing, &stored, lineage, host_now(s, p->host));
        driver_start(s, p);
        agent_take(s, p, &tick);
}

void agent_stop(struct sim *s, struct pod *p)
{
        if (!p->agent.up)
                return;
        note(s, p, "agent ends");
        p->agent.up = false;
        p->agent.frozen = false;
        p->agent.life = 0;
        p->agent.n = 0;
        p->knife = 0;
        (void)s;
}
