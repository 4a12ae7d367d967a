/* SPDX-License-Identifier: Apache-2.0
 *
 * Writers. Some are led by the published endpoint, as their proxy knows it;
 * each member has one of its own that never looks elsewhere, as an old session
 * would.
 */
#include "failover/parts.h"

#define WAY (USEC_MSEC / 2)
#define RETRY (15 * USEC_MSEC)
#define PATIENCE (250 * USEC_MSEC)

static void go(struct sim *s, struct turn *t);

static void plan(struct sim *s, int client, usec_t delay)
{
        sim_after(s, delay, go)->a = client;
}

static void try_later(struct sim *s, int client)
{
        s->clients[client].n_failed++;
        plan(s, client, between(s, RETRY / 2, s->clients[client].local ? 4 * RETRY : RETRY));
}

/* --- answers ---------------------------------------------------------------------------------- */

static void count_ack(struct sim *s, struct client *c)
{
        usec_t now = sim_now(s);

        if (!c->local) {
                c->longest = MAX(c->longest, now - MAX(c->last_ack, s->outage_from));
                s->outage = MAX(s->outage, now - MAX(s->any_ack, s->outage_from));
                s->any_ack = now;
        }
        c->last_ack = now;
        c->n_acked++;
}

void client_answered(struct sim *s, const struct pod *p, int client, bool done)
{
        struct client *c = &s->clients[client];

        if (!c->question || c->pid != p->server.pid || s->hosts[p->host].no_clients)
                return; /* nobody hears of it */
        c->question = 0;
        if (done) {
                count_ack(s, c);
                plan(s, client, between(s, s->settings.write_every / 2, s->settings.write_every));
                return;
        }
        if (!c->local)
                c->pid = 0;
        try_later(s, client);
}

static void runs_out(struct sim *s, struct turn *t)
{
        struct client *c = &s->clients[t->a];

        if (c->question != t->id)
                return;
        c->question = 0;
        if (!c->local)
                c->pid = 0;
        try_later(s, (int)t->a);
}

/* --- questions --------------------------------------------------------------------------------- */

static void arrives(struct sim *s, struct turn *t)
{
        struct client *c = &s->clients[t->a];
        struct pod *p = &s->pods[c->pod];

        if (c->question != t->id || s->hosts[p->host].no_clients || s->hosts[p->host].frozen)
                return;
        if (p->used && p->server.pid == c->pid) {
                server_write(s, p, (int)t->a);
                return;
        }
        c->question = 0;
        c->pid = 0;
        try_later(s, (int)t->a);
}

static struct pod *target(struct sim *s, const struct client *c)
{
        if (c->local)
                return pod_current(s, c->member);
        return pod_at(s, c->target.address);
}

static bool connects(struct sim *s, struct client *c)
{
        struct pod *p = target(s, c);

        if (!p || p->server.process != PROCESS_UP || s->hosts[p->host].no_clients)
                return false;
        c->pod = (int)(p - s->pods);
        c->pid = p->server.pid;
        return true;
}

static void go(struct sim *s, struct turn *t)
{
        struct client *c = &s->clients[t->a];
        struct turn *next;

        if (c->question)
                return;
        if (!c->pid && !connects(s, c)) {
                try_later(s, (int)t->a);
                return;
        }
        c->question = ++s->numbers;
        next = sim_after(s, between(s, WAY / 4, WAY), arrives);
        next->a = t->a;
        next->id = c->question;
        next = sim_after(s, PATIENCE, runs_out);
        next->a = t->a;
        next->id = c->question;
}

/* --- the proxies ----------------------------------------------------------------------------------- */

static void sees(struct sim *s, struct turn *t)
{
        struct client *c = &s->clients[t->a];

        if ((uint64_t)t->b <= c->seen)
                return;
        c->seen = (uint64_t)t->b;
        c->target = t->event.lease.record.holder;
}

void clients_see(struct sim *s)
{
        for (int i = 0; i < s->n_clients; i++) {
                struct turn *t;

                if (s->clients[i].local)
                        continue;
                t = sim_after(s, between(s, s->weather.proxy_delay / 3, s->weather.proxy_delay), sees);
                t->a = i;
                t->b = (int64_t)s->api.endpoint.number;
                t->event.lease.record.holder = s->api.endpoint.id;
        }
}

void clients_count(struct sim *s)
{
        s->outage = 0;
        s->outage_from = sim_now(s);
        for (int i = 0; i < s->n_clients; i++)
                s->clients[i].longest = 0;
}

void clients_start(struct sim *s)
{
        s->n_clients = s->settings.writers + s->settings.members;
        for (int i = 0; i < s->n_clients; i++) {
                struct client *c = &s->clients[i];

                c->local = i >= s->settings.writers;
                c->member = c->local ? i - s->settings.writers : FAILOVER_NOBODY;
                plan(s, i, between(s, 0, s->settings.write_every));
        }
}
