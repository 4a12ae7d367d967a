/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages between agents: late, lost, doubled, out of order.
 */
#include "failover/parts.h"

#define DETOUR USEC_SEC
#define STALE_NAME 100 /* in a thousand: a name leads to a pod of before, if that is still there */

static const char *type_name(const struct failover_message *m)
{
        static const char *const names[] = { "PROMISE?", "SEAL?", "YES", "NO", "ENDED" };

        return names[m->type];
}

static void arrives(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life), *sender;

        if (!p || !p->agent.up)
                return;
        if (s->hosts[p->host].frozen)
                return;
        sender = pod_by_number(s, t->id);
        if (sender) {
                p->agent.heard[sender->id.member] = sender->id;
                p->agent.heard[sender->id.member].incarnation = t->event.message.life;
        }
        agent_take(s, p, &t->event);
}

static struct pod *addressee(struct sim *s, int member)
{
        if (chance(s, STALE_NAME))
                for (int i = 0; i < SIM_PODS_MAX; i++)
                        if (s->pods[i].used && s->pods[i].id.member == member && s->pods[i].agent.up &&
                            !s->pods[i].current)
                                return &s->pods[i];
        return pod_current(s, member);
}

static void send_one(struct sim *s, const struct pod *from, struct pod *to, const struct failover_message *m)
{
        usec_t delay = between(s, s->weather.delay / 8, s->weather.delay);
        struct turn *t;

        if (chance(s, s->weather.loss))
                return;
        if (chance(s, s->weather.detours))
                delay += between(s, 0, DETOUR);
        t = sim_after(s, delay, arrives);
        t->life = to->number;
        t->id = from->number;
        t->event.type = FAILOVER_MESSAGE;
        t->event.message = *m;
}

void net_send(struct sim *s, struct pod *p, const struct failover_message *m)
{
        net_send_to(s, p, m->to < 0 || m->to >= SIM_MEMBERS_MAX ? NULL : addressee(s, m->to), m);
}

void net_send_to(struct sim *s, struct pod *p, struct pod *to, const struct failover_message *m)
{
        note(s, p, "says %s%s to %d, round %llu, epoch %llu", type_name(m),
             m->type < FAILOVER_YES || m->type == FAILOVER_ENDED ? ""
             : m->about == FAILOVER_SEAL                         ? " (seal)"
                                                                 : " (promise)",
             m->to, (unsigned long long)m->round, (unsigned long long)m->epoch);
        if (m->type == FAILOVER_YES && m->about == FAILOVER_SEAL)
                note(s, p, "  and has data %d, timeline %llu, offset %llu, %s", (int)m->copy.data,
                     (unsigned long long)m->copy.position.timeline,
                     (unsigned long long)m->copy.position.offset, m->copy.lineage);
        if (!to || !linked(s, TRAFFIC_PEER, p, to))
                return;
        send_one(s, p, to, m);
        if (chance(s, s->weather.doubles))
                send_one(s, p, to, m);
}
