/* SPDX-License-Identifier: Apache-2.0
 *
 * A server that behaves as Redis does: it starts read-only, carries out orders
 * and writes, ends, stands still, and goes on.
 */
#include "failover/parts.h"

#include <string.h>

#define KILL_TIME (50 * USEC_MSEC)
#define LOAD_TIME (150 * USEC_MSEC)
#define RETRY (20 * USEC_MSEC)
#define SYNC_EVERY USEC_SEC
#define PING_EVERY (10 * USEC_SEC)
#define ACK_OLD (2 * USEC_SEC)      /* for min-replicas-to-write */
#define FOLLOWER_OLD (5 * USEC_SEC) /* it is no longer thought to be there */

static struct pod *process_of(struct sim *s, const struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        return p && p->server.pid == t->id ? p : NULL;
}

static struct turn *plan(struct sim *s, struct pod *p, usec_t delay,
                         void (*fn)(struct sim *s, struct turn *t))
{
        struct turn *t = sim_after(s, delay, fn);

        t->life = p->number;
        t->id = p->server.pid;
        return t;
}

uint64_t server_offset(const struct server *v)
{
        return (uint64_t)MAX((int64_t)v->data.len - v->skew, 0);
}

bool server_can_acknowledge(const struct sim *s, const struct pod *p)
{
        return p->server.process == PROCESS_UP && p->server.mode == FAILOVER_WRITABLE &&
               !server_stopped(s, p);
}

/* --- the volume ------------------------------------------------------------------------------ */

static void save(struct sim *s, struct pod *p)
{
        struct volume *v = &s->volumes[p->volume];

        if (s->settings.keep == KEEP_NOTHING || v->full || v->gone)
                return;
        v->data = p->server.data;
        v->has_data = p->server.has_data;
        v->skew = p->server.skew;
        v->noted = MIN(v->noted, server_offset(&p->server));
        v->saved = p->server.warm ? sim_now(s) : p->server.loaded_as_of; /* no newer than what it had */
}

/* What its agent has seen of it by now is there, and it is of the timeline that the note names. */
static void note_offset(struct sim *s, struct pod *p)
{
        const struct failover_copy *seen = &p->agent.f.copy;
        struct volume *v = &s->volumes[p->volume];

        if (p->agent.up && !agent_stopped(s, p) && seen->data > FAILOVER_DATA_NONE &&
            seen->position.timeline == v->remembered.position.timeline)
                v->noted = MIN(seen->position.offset, server_offset(&p->server));
}

static void save_turn(struct sim *s, struct turn *t)
{
        struct pod *p = process_of(s, t);

        if (!p)
                return;
        plan(s, p, SYNC_EVERY, save_turn);
        if (p->server.process != PROCESS_UP || server_stopped(s, p) || !volume_takes(s, p))
                return;
        save(s, p);
        note_offset(s, p);
}

/* --- the beginning --------------------------------------------------------------------------------- */

/* Its offset is not known, but what was noted is certainly there. */
static void load(struct sim *s, struct pod *p)
{
        const struct volume *v = &s->volumes[p->volume];

        p->server.loaded_as_of = v->saved;
        p->server.has_data = v->has_data;
        if (!v->has_data)
                return;
        p->server.data = v->data;
        p->server.skew = (int64_t)(v->data.len - v->noted);
}

static void ping_turn(struct sim *s, struct turn *t)
{
        struct pod *p = process_of(s, t);

        if (!p)
                return;
        plan(s, p, PING_EVERY, ping_turn);
        if (!server_can_acknowledge(s, p))
                return;
        oracle_appends(s, p);
        *data_append(&s->data, &p->server.data) =
                (struct data_write){ .at = sim_now(s), .pod = p->number, .client = -1 };
        oracle_appended(s, p);
        replicate(s, p);
}

static void process_ends(struct sim *s, struct pod *p);

static void loaded(struct sim *s, struct turn *t)
{
        struct pod *p = process_of(s, t);

        if (!p || p->server.process != PROCESS_LOADING)
                return;
        if (s->hosts[p->host].frozen || p->server.frozen || disk_frozen(s, p)) {
                plan(s, p, RETRY, loaded);
                return;
        }
        if (s->volumes[p->volume].gone) {
                process_ends(s, p);
                return;
        }
        load(s, p);
        p->server.process = PROCESS_UP;
        note(s, p, "server is up with %llu writes", (unsigned long long)p->server.data.len);
        plan(s, p, SYNC_EVERY, save_turn);
        plan(s, p, PING_EVERY, ping_turn);
        driver_server_up(s, p);
        server_goes_on(s, p);
}

void server_start(struct sim *s, struct pod *p)
{
        oracle_starts(s, p);
        p->server = (struct server){ .process = PROCESS_LOADING, .pid = ++s->numbers };
        p->server.mode = FAILOVER_STANDING;
        p->agent.starts++;
        driver_confirm_set(s, p);
        note(s, p, "server starts");
        plan(s, p, between(s, LOAD_TIME / 10, LOAD_TIME), loaded);
}

/* --- the end ------------------------------------------------------------------------------------------ */

static void refuse_the_waiting(struct sim *s, struct pod *p)
{
        uint64_t held = p->server.held;

        p->server.held = 0;
        for (int c = 0; c < s->n_clients; c++)
                if (held & UINT64_C(1) << c)
                        client_answered(s, p, c, false);
}

static void process_ends(struct sim *s, struct pod *p)
{
        if (s->settings.keep == KEEP_ALWAYS && p->server.process != PROCESS_LOADING)
                save(s, p);
        replication_ends(s, p);
        refuse_the_waiting(s, p);
        p->touched = sim_now(s);
        p->server = (struct server){ 0 };
        note(s, p, "server is gone");
        driver_server_gone(s, p);
}

/* The kernel lets go of it. */
static void reaped(struct sim *s, struct turn *t)
{
        struct pod *p = process_of(s, t);
        bool lost; /* a volume that does not come back: calls to it end with errors */

        if (!p || p->server.process != PROCESS_DYING)
                return;
        lost = s->calm && s->volumes[p->volume].frozen_until == USEC_NEVER;
        if ((disk_frozen(s, p) && !lost) || s->hosts[p->host].frozen)
                plan(s, p, RETRY, reaped);
        else
                process_ends(s, p);
}

static void dies(struct sim *s, struct turn *t)
{
        struct pod *p = process_of(s, t);

        if (!p)
                return;
        if (s->hosts[p->host].frozen) {
                plan(s, p, between(s, 0, KILL_TIME), dies);
                return;
        }
        if (!disk_frozen(s, p)) {
                process_ends(s, p);
                return;
        }
        note(s, p, "server is dying");
        p->touched = sim_now(s);
        p->server.process = PROCESS_DYING;
        replication_ends(s, p);
        driver_server_gone(s, p);
        plan(s, p, RETRY, reaped);
}

void server_kill(struct sim *s, struct pod *p)
{
        struct server *v = &p->server;

        if (v->process == PROCESS_NONE || v->process == PROCESS_DYING || v->to_die)
                return;
        v->to_die = true;
        plan(s, p, between(s, 0, KILL_TIME), dies);
}

void server_end(struct sim *s, struct pod *p, bool clean)
{
        if (p->server.process == PROCESS_NONE || p->server.process == PROCESS_DYING)
                return;
        if (clean && p->server.process == PROCESS_UP && volume_takes(s, p)) {
                save(s, p);
                note_offset(s, p);
        }
        process_ends(s, p);
}

/* --- orders ------------------------------------------------------------------------------------------- */

static void becomes_read_only(struct sim *s, struct pod *p, enum failover_server_state mode)
{
        p->server.mode = mode;
        refuse_the_waiting(s, p);
}

static void answer_the_held(struct sim *s, struct pod *p)
{
        uint64_t held = p->server.held;

        p->server.held = 0;
        for (int c = 0; c < s->n_clients; c++)
                if (held & UINT64_C(1) << c)
                        server_write(s, p, c);
}

static void lead(struct sim *s, struct pod *p, const struct order *o)
{
        struct server *v = &p->server;

        follow_end(s, p);
        note(s, p, "leads with %llu writes, and believes to have data %d, timeline %llu, offset %llu",
             (unsigned long long)v->data.len, (int)p->agent.f.copy.data,
             (unsigned long long)p->agent.f.copy.position.timeline,
             (unsigned long long)p->agent.f.copy.position.offset);
        oracle_leads(s, p, o->epoch);
        if (!v->warm && !s->settings.partial_after_restart)
                v->skew = (int64_t)v->data.len; /* nobody can go on from there: it counts anew */
        v->lead_epoch = o->epoch;
        v->mode = FAILOVER_WRITABLE;
        v->has_data = v->warm = true;
        oracle_led(s, p);
        answer_the_held(s, p);
}

static void obey(struct sim *s, struct pod *p, const struct order *o)
{
        switch (o->what) {
        case FAILOVER_STAND:
                follow_end(s, p);
                becomes_read_only(s, p, FAILOVER_STANDING);
                break;
        case FAILOVER_FOLLOW:
                becomes_read_only(s, p, FAILOVER_FOLLOWING);
                follow_begin(s, p, &o->whom);
                break;
        case FAILOVER_PAUSE:
                follow_end(s, p);
                p->server.mode = FAILOVER_PAUSED;
                p->server.lead_epoch = o->epoch;
                break;
        case FAILOVER_LEAD:
                lead(s, p, o);
                break;
        case FAILOVER_HALT:
                server_end(s, p, true);
                break;
        }
}

static void carry_out_orders(struct sim *s, struct pod *p)
{
        struct server *v = &p->server;
        uint64_t pid = v->pid;

        while (v->pid == pid && v->n_orders && v->process == PROCESS_UP && !server_stopped(s, p)) {
                struct order o = v->orders[0];

                for (size_t i = 1; i < v->n_orders; i++)
                        v->orders[i - 1] = v->orders[i];
                v->n_orders--;
                if (o.what == FAILOVER_LEAD || o.what == FAILOVER_PAUSE)
                        v->flying--;
                note(s, p, "server carries out order %llu", (unsigned long long)o.number);
                obey(s, p, &o);
                if (p->agent.newest.number >= o.number && p->agent.carried_out < o.number)
                        p->agent.carried_out = o.number;
                driver_look(s, p);
        }
}

void server_ordered(struct sim *s, struct pod *p, const struct order *order)
{
        struct server *v = &p->server;

        if (v->n_orders == SIM_ORDERS_MAX)
                sim_fail(s, "orders", "the server of member %d is drowned in orders", p->id.member);
        v->orders[v->n_orders++] = *order;
        carry_out_orders(s, p);
}

/* --- standing still --------------------------------------------------------------------------------------- */

void server_freeze(struct sim *s, struct pod *p)
{
        if (p->server.process == PROCESS_NONE || p->server.frozen)
                return;
        note(s, p, "server freezes");
        p->server.frozen = true;
        p->touched = sim_now(s);
}

void server_goes_on(struct sim *s, struct pod *p)
{
        if (p->server.process != PROCESS_UP || server_stopped(s, p))
                return;
        /* What came over the network first may be orders or writes. */
        if (chance(s, 500)) {
                answer_the_held(s, p);
                carry_out_orders(s, p);
        } else {
                carry_out_orders(s, p);
                if (p->server.process == PROCESS_UP)
                        answer_the_held(s, p);
        }
        if (p->server.process == PROCESS_UP)
                replicate(s, p);
}

void server_thaw(struct sim *s, struct pod *p)
{
        if (!p->server.frozen)
                return;
        note(s, p, "server goes on");
        p->server.frozen = false;
        p->touched = sim_now(s);
        server_goes_on(s, p);
}

/* --- writes ------------------------------------------------------------------------------------------------- */

static bool has_enough_followers(const struct sim *s, const struct pod *p)
{
        int n = 0;

        for (int i = 0; i < SIM_PODS_MAX; i++) {
                const struct follower *f = &p->server.followers[i];

                n += f->connection && f->acked_at && sim_now(s) - f->acked_at <= ACK_OLD;
        }
        return n >= p->server.min_replicas;
}

/* What it cannot keep it does not take. */
static bool takes_writes(const struct sim *s, const struct pod *p)
{
        bool full = s->settings.keep != KEEP_NOTHING && s->volumes[p->volume].full;

        return !full && has_enough_followers(s, p);
}

static void execute(struct sim *s, struct pod *p, int client)
{
        struct data_write *w;
        uint64_t position = p->server.data.len;

        oracle_appends(s, p);
        *data_append(&s->data, &p->server.data) =
                (struct data_write){ .at = sim_now(s), .pod = p->number, .client = client };
        w = data_at(&s->data, p->server.data, position);
        if (s->clients[client].question && !s->hosts[p->host].no_clients)
                w->acked = sim_now(s);
        oracle_appended(s, p);
        oracle_acknowledges(s, p);
        client_answered(s, p, client, true);
        replicate(s, p);
}

void server_write(struct sim *s, struct pod *p, int client)
{
        struct server *v = &p->server;

        if (v->process == PROCESS_DYING)
                return;
        if (v->process == PROCESS_LOADING) {
                client_answered(s, p, client, false);
                return;
        }
        if (server_stopped(s, p) || v->mode == FAILOVER_PAUSED)
                v->held |= UINT64_C(1) << client;
        else if (v->mode == FAILOVER_WRITABLE && takes_writes(s, p))
                execute(s, p, client);
        else
                client_answered(s, p, client, false);
}

/* --- looks ---------------------------------------------------------------------------------------------------- */

static enum failover_server_state state_of(const struct server *v)
{
        switch (v->process) {
        case PROCESS_NONE:
        case PROCESS_DYING:
                return FAILOVER_DOWN;
        case PROCESS_LOADING:
                return FAILOVER_STARTING;
        case PROCESS_UP:
                break;
        }
        return v->mode;
}

/* A name or an address tells which member that is; the address it spoke from, which life. */
static void look_at_followers(const struct sim *s, const struct pod *p, struct failover_server *ret)
{
        for (int i = 0; i < SIM_PODS_MAX; i++) {
                const struct follower *f = &p->server.followers[i];
                int m = s->pods[i].id.member;
                const struct failover_id *heard = &p->agent.heard[m];
                bool known = s->pods[i].used && strcmp(s->pods[i].id.address, heard->address) == 0;

                if (!known && !s->pods[i].current)
                        continue; /* no name leads to it any more */
                if (!f->connection || !f->acked_at || sim_now(s) - f->acked_at > FOLLOWER_OLD)
                        continue;
                ret->online |= failover_only(m);
                ret->life[m] = known ? heard->incarnation : 0;
                ret->acked[m] = MAX(ret->acked[m], (uint64_t)MAX((int64_t)f->acked - p->server.skew, 0));
        }
}

/* What was asked first (at, order) stays. */
void server_look(struct sim *s, struct pod *p, struct failover_server *ret)
{
        const struct server *v = &p->server;

        ret->state = state_of(v);
        ret->run = p->agent.starts;
        ret->expired = p->knife_spent;
        ret->gone = ret->state == FAILOVER_DOWN && s->volumes[p->volume].gone;
        if (ret->state == FAILOVER_DOWN || ret->state == FAILOVER_STARTING)
                return;
        ret->has_data = v->has_data;
        ret->in_sync = v->mode == FAILOVER_FOLLOWING && v->link == LINK_ONLINE;
        ret->offset = v->has_data ? server_offset(v) : 0;
        if (v->mode == FAILOVER_PAUSED || v->mode == FAILOVER_WRITABLE)
                look_at_followers(s, p, ret);
}
