/* SPDX-License-Identifier: Apache-2.0
 *
 * What an agent does around its steps: it looks at the server and the disk,
 * hands orders on, and keeps the server up.
 *
 * - KILL is immediate; ARM is confirmed before the next effect is done.
 * - Where the timer has fallen, or could not be armed, nothing is told to lead.
 * - Orders reach the server some time later, also if the agent is frozen then.
 * - A server that ended by itself is started again as STAND, and gets the
 *   newest order only if that is STAND or FOLLOW.
 * - DOWN is said of a process that is gone, or that is dying in the kernel and
 *   acknowledges nothing any more.
 */
#include "failover/parts.h"

#include <string.h>

#define LOOK_EVERY (200 * USEC_MSEC)
#define PAUSED_EVERY (10 * USEC_MSEC)
#define LOOK_TIME (3 * USEC_MSEC)
#define LOOK_RETRY (20 * USEC_MSEC)
#define CANARY_EVERY (250 * USEC_MSEC)
#define CANARY_TIME (8 * USEC_MSEC)
#define RESTART_TIME (60 * USEC_MSEC)
#define HALT_GRACE (5 * USEC_SEC) /* for a server to end in its own way */

static struct pod *living(struct sim *s, const struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        return p && p->agent.up && p->agent.life == t->id ? p : NULL;
}

static struct turn *plan(struct sim *s, struct pod *p, usec_t delay,
                         void (*fn)(struct sim *s, struct turn *t))
{
        struct turn *t = sim_after(s, delay, fn);

        t->life = p->number;
        t->id = p->agent.life;
        return t;
}

/* --- looks ------------------------------------------------------------------------------------- */

static void tell_look(struct sim *s, struct pod *p, const struct failover_server *look)
{
        struct failover_event e = { .type = FAILOVER_SERVER, .server = *look };

        agent_take(s, p, &e);
}

static void look_ends(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);

        if (!p)
                return;
        p->agent.looking = false;
        if (p->agent.look_again)
                driver_look(s, p);
        tell_look(s, p, &t->look);
}

/* At the server; t->a: which process was asked. */
static void look_arrives(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);
        struct turn *next;

        if (!p)
                return;
        if (p->server.pid != (uint64_t)t->a) {
                p->agent.looking = false; /* what ended it was told already */
                return;
        }
        if (server_stopped(s, p)) {
                next = plan(s, p, LOOK_RETRY, look_arrives);
                next->a = t->a;
                next->look = t->look;
                return;
        }
        next = plan(s, p, between(s, 200, LOOK_TIME), look_ends);
        next->look = t->look;
        server_look(s, p, &next->look);
}

static void look_begins(struct sim *s, struct pod *p)
{
        struct failover_server look = { .at = host_now(s, p->host), .order = p->agent.carried_out };
        struct turn *t;

        server_look(s, p, &look);
        if (look.state == FAILOVER_DOWN || look.state == FAILOVER_STARTING) {
                tell_look(s, p, &look);
                return;
        }
        if (look.state == FAILOVER_PAUSED)
                ask_for_acks(s, p);
        p->agent.looking = true;
        t = plan(s, p, between(s, 200, LOOK_TIME), look_arrives);
        t->a = (int64_t)p->server.pid;
        t->look = (struct failover_server){ .at = look.at, .order = look.order };
}

static void look_turn(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);
        usec_t every = LOOK_EVERY;

        if (!p)
                return;
        if (p->server.mode == FAILOVER_PAUSED) /* the target of a hand-over is awaited */
                every = PAUSED_EVERY;
        plan(s, p, between(s, every * 3 / 4, every), look_turn);
        if (!agent_stopped(s, p) && !p->agent.looking)
                look_begins(s, p);
}

static void look_now(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);

        if (p && !agent_stopped(s, p) && !p->agent.looking)
                look_begins(s, p);
}

/* At once, for an order was carried out. */
void driver_look(struct sim *s, struct pod *p)
{
        if (!p->agent.up)
                return;
        p->agent.look_again = p->agent.looking;
        if (!p->agent.looking)
                plan(s, p, 100, look_now);
}

/* --- the disk -------------------------------------------------------------------------------------- */

/* What was noted in another count than that of COPY's timeline says nothing of it. */
static void keep(struct sim *s, struct pod *p, const struct failover_copy *copy)
{
        struct volume *v = &s->volumes[p->volume];

        if (v->remembered.position.timeline != copy->position.timeline && v->skew != p->server.skew &&
            p->server.process == PROCESS_UP)
                v->noted = 0;
        v->remembered = *copy;
}

/* A volume that is full answers: so a member that is alone leads all the same, for those who read. */
static bool may_lead_full(const struct sim *s, const struct pod *p)
{
        failover_set self = failover_only(p->id.member);

        return s->volumes[p->volume].full && !s->volumes[p->volume].gone &&
               (p->agent.f.record.in_sync == self ||
                (p->server.mode == FAILOVER_WRITABLE &&
                 !(p->agent.f.online & p->agent.f.record.in_sync & ~self)));
}

static void canary_ends(struct sim *s, struct turn *t)
{
        struct failover_event e = { .type = FAILOVER_CANARY, .canary.began = t->a };
        struct pod *p = living(s, t);

        if (!p)
                return;
        if (disk_frozen(s, p) || s->hosts[p->host].frozen) {
                struct turn *again = plan(s, p, LOOK_RETRY, canary_ends);

                again->a = t->a;
                again->b = t->b;
                return;
        }
        p->agent.probing_disk = false;
        e.canary.kept = volume_takes(s, p);
        if (e.canary.kept && t->b) /* what was to be kept when it began is kept with it */
                keep(s, p, &p->agent.to_keep);
        if (e.canary.kept || may_lead_full(s, p))
                agent_take(s, p, &e);
}

static void canary_turn(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);
        struct turn *end;

        if (!p)
                return;
        plan(s, p, CANARY_EVERY, canary_turn);
        if (agent_stopped(s, p) || p->agent.probing_disk)
                return;
        p->agent.probing_disk = true;
        end = plan(s, p, between(s, USEC_MSEC, MAX(CANARY_TIME, s->volumes[p->volume].slow)), canary_ends);
        end->a = host_now(s, p->host);
        end->b = p->agent.remembers > 0;
}

/* --- what is kept -------------------------------------------------------------------------------------- */

/* A thread of its own does that; what was to be kept before is of no interest any more. */
static void kept(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);
        struct turn *next;

        if (!p || p->agent.remembers != (uint64_t)t->a)
                return;
        if (volume_takes(s, p)) {
                keep(s, p, &t->effect.copy);
                return;
        }
        next = plan(s, p, USEC_SEC, kept);
        next->effect = t->effect;
        next->a = t->a;
}

void driver_remember(struct sim *s, struct pod *p, const struct failover_copy *copy)
{
        struct turn *t = plan(s, p, between(s, USEC_MSEC, CANARY_TIME), kept);

        note(s, p, "remembers data %d, timeline %llu, offset %llu", (int)copy->data,
             (unsigned long long)copy->position.timeline, (unsigned long long)copy->position.offset);
        t->effect.copy = p->agent.to_keep = *copy;
        t->a = (int64_t)++p->agent.remembers;
}

/* --- orders -------------------------------------------------------------------------------------------- */

static const char *order_name(enum failover_order what)
{
        static const char *const names[] = { "STAND", "FOLLOW", "PAUSE", "LEAD", "HALT" };

        return names[what];
}

static bool wants_up(const struct agent *a)
{
        return a->newest.number && !a->killed && a->newest.what != FAILOVER_HALT;
}

void driver_keep_up(struct sim *s, struct pod *p)
{
        if (p->agent.up && wants_up(&p->agent) && p->server.process == PROCESS_NONE &&
            !s->volumes[p->volume].gone)
                server_start(s, p);
}

static void order_arrives(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);
        struct order order = { .what = t->effect.order.what,
                               .number = t->effect.order.number,
                               .epoch = t->effect.order.epoch,
                               .whom = t->effect.order.whom };

        if (p && p->server.pid == t->id)
                server_ordered(s, p, &order);
}

static bool makes_writable(enum failover_order what)
{
        return what == FAILOVER_LEAD || what == FAILOVER_PAUSE;
}

/* Behind those that were sent before. */
static void send_order(struct sim *s, struct pod *p, const struct order *o)
{
        usec_t at = sim_now(s) + between(s, 200, s->weather.order_delay);
        struct turn *t;

        p->server.order_last = at = MAX(at, p->server.order_last);
        t = loop_at(&s->loop, at, order_arrives);
        t->life = p->number;
        t->id = p->server.pid;
        t->effect.order.what = o->what;
        t->effect.order.number = o->number;
        t->effect.order.epoch = o->epoch;
        t->effect.order.whom = o->whom;
        p->server.flying += makes_writable(o->what);
}

/* t->a: the process that was told to end. */
static void grace_is_over(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);

        if (!p || p->server.pid != (uint64_t)t->a || p->agent.newest.what != FAILOVER_HALT)
                return;
        if (agent_stopped(s, p))
                plan(s, p, LOOK_RETRY, grace_is_over)->a = t->a;
        else
                server_kill(s, p);
}

void driver_order(struct sim *s, struct pod *p, const struct failover_effect *e)
{
        struct agent *a = &p->agent;

        note(s, p, "orders %s (%llu), epoch %llu, member %d", order_name(e->order.what),
             (unsigned long long)e->order.number, (unsigned long long)e->order.epoch,
             e->order.what == FAILOVER_FOLLOW ? e->order.whom.member : FAILOVER_NOBODY);
        oracle_ordered(s, p, e);
        a->newest = (struct order){ .what = e->order.what,
                                    .number = e->order.number,
                                    .epoch = e->order.epoch,
                                    .whom = e->order.whom };
        a->killed = false;
        if (makes_writable(e->order.what) && !p->knife)
                return;
        if (p->server.process == PROCESS_NONE || p->server.process == PROCESS_DYING) {
                if (e->order.what == FAILOVER_HALT)
                        a->carried_out = e->order.number;
                driver_keep_up(s, p);
                return;
        }
        send_order(s, p, &a->newest);
        if (e->order.what == FAILOVER_HALT)
                plan(s, p, HALT_GRACE, grace_is_over)->a = (int64_t)p->server.pid;
}

void driver_kill(struct sim *s, struct pod *p, uint64_t number)
{
        note(s, p, "kills the server (%llu)", (unsigned long long)number);
        p->agent.newest = (struct order){ .number = number };
        p->agent.killed = true;
        if (p->server.process == PROCESS_NONE || p->server.process == PROCESS_DYING)
                driver_server_gone(s, p);
        else
                server_kill(s, p);
}

void driver_server_up(struct sim *s, struct pod *p)
{
        struct agent *a = &p->agent;

        if (!a->up)
                return;
        if (a->newest.what == FAILOVER_STAND && !a->killed) {
                a->carried_out = a->newest.number;
                driver_look(s, p);
        } else if (a->newest.what == FAILOVER_FOLLOW) {
                send_order(s, p, &a->newest);
        }
}

static void restart(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);

        if (!p)
                return;
        if (agent_stopped(s, p))
                plan(s, p, RESTART_TIME, restart);
        else
                driver_keep_up(s, p);
}

static void gone(struct sim *s, struct turn *t)
{
        struct failover_server look = { .state = FAILOVER_DOWN };
        struct pod *p = living(s, t);

        if (!p)
                return;
        if (p->server.process != PROCESS_NONE && p->server.process != PROCESS_DYING)
                return;
        look.at = host_now(s, p->host);
        look.order = p->agent.carried_out;
        tell_look(s, p, &look);
}

/* What a restart is certain to bring back goes with what was remembered. */
struct failover_copy driver_recall(const struct sim *s, const struct pod *p)
{
        const struct volume *v = &s->volumes[p->volume];
        struct failover_copy copy = v->remembered;

        copy.position.offset = v->has_data ? v->noted : 0;
        return copy;
}

/* What the server demands of followers before it acknowledges. */
void driver_confirm_set(struct sim *s, struct pod *p)
{
        int others = __builtin_popcount(p->agent.f.record.in_sync) - 1;

        p->server.min_replicas = MAX(MIN(s->settings.min_replicas, others), 0);
}

/* Its parent is told. */
void driver_server_gone(struct sim *s, struct pod *p)
{
        struct agent *a = &p->agent;

        if (!a->up)
                return;
        if (a->killed || a->newest.what == FAILOVER_HALT)
                a->carried_out = a->newest.number;
        a->looking = false;
        plan(s, p, between(s, 10, 500), gone);
        plan(s, p, between(s, RESTART_TIME / 4, RESTART_TIME), restart);
}

/* --- the beginning --------------------------------------------------------------------------------------- */

void driver_start(struct sim *s, struct pod *p)
{
        plan(s, p, between(s, 0, LOOK_EVERY), look_turn);
        plan(s, p, between(s, 0, CANARY_EVERY), canary_turn);
        api_watch(s, p);
        api_tell_policy(s, p);
}
