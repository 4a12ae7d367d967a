/* SPDX-License-Identifier: Apache-2.0
 *
 * Pods as the kubelet and the StatefulSet's controller treat them, and the
 * kernel's timer.
 */
#include "failover/parts.h"

#include <string.h>

#define GRACE (30 * USEC_SEC)
#define RETRY (50 * USEC_MSEC)
#define GONE_TIME (3 * USEC_SEC)    /* from the loss of a volume to a server's end, mostly */
#define LATE_TIME (60 * USEC_SEC)   /* but it may have no need of its volume for long */
#define ATTACH_TIME (20 * USEC_SEC) /* in truth minutes: until the old host lost it for certain */

struct pod *pod_current(struct sim *s, int member)
{
        return s->pod_of[member] < 0 ? NULL : &s->pods[s->pod_of[member]];
}

struct pod *pod_by_number(struct sim *s, uint64_t number)
{
        for (int i = 0; i < SIM_PODS_MAX; i++)
                if (s->pods[i].used && s->pods[i].number == number)
                        return &s->pods[i];
        return NULL;
}

static bool is_alive(const struct pod *p)
{
        return p->agent.up || p->server.process != PROCESS_NONE;
}

/* --- the kernel's timer ------------------------------------------------------------------- */

static void knife_falls(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        if (!p || p->knife != t->a || s->hosts[p->host].frozen)
                return;
        if (host_now(s, p->host) < p->knife) {
                knife_set(s, p, p->knife);
                return;
        }
        p->knife = 0;
        p->knife_spent = true;
        note(s, p, "the kernel's timer kills the server");
        server_kill(s, p);
}

void knife_set(struct sim *s, struct pod *p, usec_t until)
{
        struct turn *t;

        p->knife = until;
        if (!until)
                return;
        t = loop_at(&s->loop, host_when(s, p->host, until), knife_falls);
        t->life = p->number;
        t->a = until;
}

/* --- beginning ---------------------------------------------------------------------------------- */

/* Nothing is left of a pod that was replaced and has ended. */
static void forget_the_dead(struct sim *s)
{
        for (int i = 0; i < SIM_PODS_MAX; i++)
                if (s->pods[i].used && !s->pods[i].current && !is_alive(&s->pods[i]))
                        s->pods[i].used = false;
}

static int free_slot(struct sim *s)
{
        int slot = 0;

        forget_the_dead(s);
        while (s->pods[slot].used)
                if (++slot == SIM_PODS_MAX)
                        abort();
        for (int i = 0; i < SIM_PODS_MAX; i++)
                s->pods[i].server.followers[slot] = (struct follower){ 0 };
        return slot;
}

static int free_volume(struct sim *s)
{
        for (int v = 0; v < SIM_PODS_MAX; v++) {
                bool taken = false;

                for (int i = 0; i < SIM_PODS_MAX; i++)
                        taken |= s->pods[i].used && s->pods[i].volume == v;
                if (!taken)
                        return v;
        }
        abort();
}

static bool is_in_use(const struct sim *s, const char *address)
{
        for (int i = 0; i < SIM_PODS_MAX; i++)
                if (s->pods[i].used && strcmp(s->pods[i].id.address, address) == 0)
                        return true;
        return false;
}

/* Few addresses, so that they are given again. */
static void give_address(struct sim *s, struct failover_id *id)
{
        char address[FAILOVER_ADDRESS_MAX];
        int n = pick(s, 4 * SIM_MEMBERS_MAX);

        do
                snprintf(address, sizeof(address), "10.0.0.%d", 1 + n++ % (2 * SIM_PODS_MAX));
        while (is_in_use(s, address));
        memcpy(id->address, address, sizeof(address));
}

static void volume_is_gone(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        if (p)
                server_kill(s, p);
}

/* A volume is at one host at a time: elsewhere a server ends of errors, sooner or later, and
 * none can start. */
static struct volume take_away(struct sim *s, struct pod *former)
{
        struct volume v = s->volumes[former->volume];

        sim_after(s, between(s, 0, chance(s, 500) ? GONE_TIME : LATE_TIME), volume_is_gone)->life =
                former->number;
        s->volumes[former->volume].frozen_until = USEC_NEVER;
        v.frozen_until = 0;
        v.gone = false;
        return v;
}

struct pod *pod_new(struct sim *s, int member, enum new_volume volume)
{
        struct pod *former = pod_current(s, member);
        int v = volume == VOLUME_SAME && former ? former->volume : free_volume(s);
        int slot = free_slot(s);
        struct pod *p = &s->pods[slot];

        if (!former || volume == VOLUME_EMPTY)
                s->volumes[v] = (struct volume){ 0 };
        else if (volume == VOLUME_COPY)
                s->volumes[v] = take_away(s, former);
        memset(p, 0, sizeof(*p));
        p->used = p->current = true;
        p->number = ++s->numbers;
        p->volume = v;
        p->host = !former                 ? member
                  : volume == VOLUME_SAME ? former->host
                                          : (former->host + SIM_MEMBERS_MAX) % SIM_HOSTS_MAX;
        p->touched = sim_now(s);
        p->id.member = member;
        snprintf(p->id.uid, sizeof(p->id.uid), "uid-%llu", (unsigned long long)p->number);
        give_address(s, &p->id);
        if (former)
                former->current = false;
        s->pod_of[member] = slot;
        note(s, p, "is pod %s at %s on host %d", p->id.uid, p->id.address, p->host);
        return p;
}

/* Two agents never share a volume: the second waits for the first one's lock. */
static bool volume_is_locked(const struct sim *s, const struct pod *p)
{
        for (int i = 0; i < SIM_PODS_MAX; i++) {
                const struct pod *other = &s->pods[i];

                if (other != p && other->used && other->volume == p->volume && is_alive(other))
                        return true;
        }
        return p->server.process != PROCESS_NONE;
}

static void start_turn(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        if (!p || p->agent.up || !p->current || p->ending)
                return;
        if (s->keep_pods_away || (s->away & failover_only(p->id.member)) || s->hosts[p->host].frozen ||
            volume_is_locked(s, p))
                sim_after(s, RETRY, start_turn)->life = p->number;
        else
                agent_start(s, p);
}

void pod_start(struct sim *s, struct pod *p)
{
        sim_after(s, 0, start_turn)->life = p->number;
}

/* --- end ---------------------------------------------------------------------------------------------- */

void pod_kill(struct sim *s, struct pod *p, usec_t delay)
{
        note(s, p, "the container is killed");
        p->touched = sim_now(s);
        agent_stop(s, p);
        server_kill(s, p);
        if (p->current)
                sim_after(s, delay, start_turn)->life = p->number;
}

void pod_replace(struct sim *s, struct pod *p, enum new_volume volume, usec_t delay)
{
        struct pod *next = pod_new(s, p->id.member, volume);

        if (volume == VOLUME_COPY)
                delay += ATTACH_TIME;
        sim_after(s, delay, start_turn)->life = next->number;
}

static void grace_is_over(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        if (!p || !p->ending || !p->current)
                return;
        if (s->hosts[p->host].frozen) {
                sim_after(s, USEC_SEC, grace_is_over)->life = p->number;
                return;
        }
        pod_kill(s, p, 0);
        pod_replace(s, p, VOLUME_SAME, between(s, 500 * USEC_MSEC, 3 * USEC_SEC));
}

void pod_end(struct sim *s, struct pod *p)
{
        static const struct failover_event stop = { .type = FAILOVER_STOP };

        if (p->ending || !p->current)
                return;
        note(s, p, "SIGTERM");
        p->ending = true;
        p->touched = sim_now(s);
        if (p->agent.up)
                agent_take(s, p, &stop);
        sim_after(s, p->agent.up ? GRACE : 0, grace_is_over)->life = p->number;
}
