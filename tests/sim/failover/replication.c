/* SPDX-License-Identifier: Apache-2.0
 *
 * Followers: a connection goes on where the follower's data is a prefix of the
 * source's; else everything is copied, and until that is complete the follower
 * has nothing. A read-only server that itself has no connection refuses.
 *
 *      TRYING ---- prefix -----> ONLINE <--- complete --- COPYING
 *        ^ refused, broken          |                        |
 *        +--------------------------+------- broken ---------+  (and empty)
 */
#include "failover/parts.h"

#include <string.h>

#define DELAY (4 * USEC_MSEC)
#define RETRY (50 * USEC_MSEC)
#define TRY_EVERY USEC_SEC
#define ACK_EVERY USEC_SEC
#define SILENT (5 * USEC_SEC)

static void try_turn(struct sim *s, struct turn *t);

/* Turns of a connection; t->life is the follower's pod, t->id the connection. */
static struct turn *plan(struct sim *s, const struct pod *p, usec_t delay,
                         void (*fn)(struct sim *s, struct turn *t))
{
        struct turn *t = sim_after(s, delay, fn);

        t->life = p->number;
        t->id = p->server.connection;
        return t;
}

static struct pod *following(struct sim *s, const struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        return p && t->id && p->server.connection == t->id ? p : NULL;
}

static int slot_of(const struct sim *s, const struct pod *p)
{
        return (int)(p - s->pods);
}

/* The other end, if it still knows of this connection. */
static struct pod *source_of(struct sim *s, const struct pod *p)
{
        struct pod *src = &s->pods[p->server.source];

        if (p->server.link != LINK_ONLINE && p->server.link != LINK_COPYING)
                return NULL;
        return src->used && src->server.process == PROCESS_UP &&
                               src->server.followers[slot_of(s, p)].connection == p->server.connection
                       ? src
                       : NULL;
}

/* The source notices that its follower has gone, if anything reaches it. */
static void closed(struct sim *s, struct turn *t)
{
        struct pod *src = pod_by_number(s, t->life);

        if (src && src->server.followers[t->a].connection == t->id)
                src->server.followers[t->a] = (struct follower){ 0 };
}

static void hang_up(struct sim *s, struct pod *p)
{
        struct pod *src = source_of(s, p);
        struct turn *t;

        if (!src || !linked(s, TRAFFIC_REPLICATION, p, src))
                return;
        t = sim_after(s, between(s, DELAY / 8, DELAY), closed);
        t->life = src->number;
        t->id = p->server.connection;
        t->a = slot_of(s, p);
}

static void try_again(struct sim *s, struct pod *p, usec_t delay)
{
        hang_up(s, p);
        p->server.link = LINK_TRYING;
        p->server.connection = ++s->numbers;
        plan(s, p, delay, try_turn);
}

/* --- acknowledgements --------------------------------------------------------------------------- */

static void ack_arrives(struct sim *s, struct turn *t)
{
        struct pod *p = following(s, t);
        struct pod *src = p ? source_of(s, p) : NULL;

        if (!src || !linked(s, TRAFFIC_REPLICATION, p, src))
                return;
        src->server.followers[slot_of(s, p)].acked = (uint64_t)t->a;
        src->server.followers[slot_of(s, p)].acked_at = sim_now(s);
}

static void acknowledge(struct sim *s, struct pod *p)
{
        plan(s, p, between(s, DELAY / 8, DELAY), ack_arrives)->a = (int64_t)p->server.data.len;
}

static void asked(struct sim *s, struct turn *t)
{
        struct pod *p = following(s, t);
        struct pod *src = p ? source_of(s, p) : NULL;

        if (src && p->server.link == LINK_ONLINE && !server_stopped(s, p) &&
            linked(s, TRAFFIC_REPLICATION, src, p))
                acknowledge(s, p);
}

void ask_for_acks(struct sim *s, struct pod *p)
{
        for (int i = 0; i < SIM_PODS_MAX; i++) {
                struct turn *t;

                if (!p->server.followers[i].connection)
                        continue;
                t = sim_after(s, between(s, DELAY / 8, DELAY), asked);
                t->life = s->pods[i].number;
                t->id = p->server.followers[i].connection;
        }
}

/* Each second, and it is how either end notices that the other is gone. */
static void ack_turn(struct sim *s, struct turn *t)
{
        struct pod *p = following(s, t);
        struct pod *src;

        if (!p || p->server.link != LINK_ONLINE)
                return;
        plan(s, p, ACK_EVERY, ack_turn);
        if (server_stopped(s, p))
                return;
        src = source_of(s, p);
        if (src && !server_stopped(s, src) && linked(s, TRAFFIC_REPLICATION, src, p))
                p->server.heard = sim_now(s);
        if (sim_now(s) - p->server.heard > SILENT)
                try_again(s, p, DELAY);
        else
                acknowledge(s, p);
}

/* --- the stream ------------------------------------------------------------------------------------- */

static void send_on(struct sim *s, struct pod *src, int slot);

static void arrives(struct sim *s, struct turn *t)
{
        struct pod *p = following(s, t);
        struct pod *src;
        struct turn *again;

        if (!p || p->server.link != LINK_ONLINE)
                return;
        src = source_of(s, p);
        if (server_stopped(s, p) || (src && !linked(s, TRAFFIC_REPLICATION, src, p))) {
                again = plan(s, p, RETRY, arrives);
                again->a = t->a;
                again->b = t->b;
                return;
        }
        p->server.data = (struct data_ref){ (int)t->a, (uint64_t)t->b };
        p->server.heard = sim_now(s);
        replicate(s, p);
        if (!src)
                return;
        src->server.followers[slot_of(s, p)].sending = false;
        send_on(s, src, slot_of(s, p));
}

/* One piece is under way at a time; what is written meanwhile goes with the next. */
static void send_on(struct sim *s, struct pod *src, int slot)
{
        struct follower *f = &src->server.followers[slot];
        struct pod *p = &s->pods[slot];
        struct turn *t;

        if (!f->connection || f->sending || p->server.connection != f->connection ||
            p->server.link != LINK_ONLINE || server_stopped(s, src))
                return;
        if (p->server.data.len == src->server.data.len)
                return;
        f->sending = true;
        oracle_replicates(s, src, p);
        t = plan(s, p, between(s, DELAY / 8, DELAY), arrives);
        t->a = src->server.data.branch;
        t->b = (int64_t)src->server.data.len;
}

void replicate(struct sim *s, struct pod *p)
{
        for (int i = 0; i < SIM_PODS_MAX; i++)
                if (p->server.followers[i].connection)
                        send_on(s, p, i);
}

/* A follower notices that its source has gone. What was sent before comes first. */
static void source_gone(struct sim *s, struct turn *t)
{
        struct pod *p = following(s, t);

        if (!p)
                return;
        if (server_stopped(s, p))
                plan(s, p, RETRY, source_gone);
        else if (p->server.link == LINK_COPYING)
                try_again(s, p, TRY_EVERY / 4);
        else if (p->server.link == LINK_ONLINE)
                try_again(s, p, between(s, DELAY, 4 * DELAY));
}

static void drop_followers(struct sim *s, struct pod *p)
{
        for (int i = 0; i < SIM_PODS_MAX; i++) {
                struct follower *f = &p->server.followers[i];

                if (f->connection && s->pods[i].server.connection == f->connection &&
                    linked(s, TRAFFIC_REPLICATION, p, &s->pods[i]))
                        plan(s, &s->pods[i], DELAY + 1, source_gone);
                *f = (struct follower){ 0 };
        }
}

/* --- a connection begins --------------------------------------------------------------------------------- */

static void online(struct sim *s, struct pod *p, const struct pod *src)
{
        struct server *v = &p->server;

        v->link = LINK_ONLINE;
        v->has_data = v->warm = true;
        v->skew = src->server.skew;
        v->heard = sim_now(s);
        note(s, p, "server follows %d and has %llu writes", src->id.member, (unsigned long long)v->data.len);
        acknowledge(s, p);
        plan(s, p, ACK_EVERY, ack_turn);
        send_on(s, &s->pods[v->source], slot_of(s, p));
}

static void breaks(struct sim *s, struct pod *p)
{
        note(s, p, "the copy is broken off");
        try_again(s, p, TRY_EVERY / 4);
}

static void copied(struct sim *s, struct turn *t)
{
        struct pod *p = following(s, t);
        struct pod *src;

        if (!p || p->server.link != LINK_COPYING)
                return;
        src = source_of(s, p);
        if (!src) {
                breaks(s, p);
                return;
        }
        if (server_stopped(s, src) || server_stopped(s, p) || disk_frozen(s, p) ||
            !linked(s, TRAFFIC_REPLICATION, src, p)) {
                if (sim_now(s) - p->server.heard > SILENT) {
                        breaks(s, p);
                        return;
                }
                plan(s, p, RETRY, copied);
                return;
        }
        p->server.data = src->server.data;
        online(s, p, src);
}

/* What it had is gone, on the volume as well. */
static void copy_all(struct sim *s, struct pod *p, const struct pod *src)
{
        struct volume *v = &s->volumes[p->volume];
        usec_t time = between(s, s->settings.copy_time / 4, s->settings.copy_time);

        note(s, p, "server copies everything from %d: %llu writes there, %llu here", src->id.member,
             (unsigned long long)src->server.data.len, (unsigned long long)p->server.data.len);
        oracle_wipes(s, p, src);
        drop_followers(s, p);
        p->server.data = (struct data_ref){ 0 };
        p->server.has_data = p->server.warm = false;
        p->server.skew = 0;
        v->data = p->server.data;
        v->has_data = false;
        v->noted = 0;
        p->server.link = LINK_COPYING;
        p->server.heard = sim_now(s) + time;
        plan(s, p, time, copied);
}

struct pod *pod_at(struct sim *s, const char *address)
{
        for (int i = 0; i < SIM_PODS_MAX; i++)
                if (s->pods[i].used && strcmp(s->pods[i].id.address, address) == 0)
                        return &s->pods[i];
        return NULL;
}

static bool serves(const struct server *v)
{
        if (v->process != PROCESS_UP)
                return false;
        if (v->mode == FAILOVER_FOLLOWING)
                return v->link == LINK_ONLINE;
        return v->mode == FAILOVER_PAUSED || v->mode == FAILOVER_WRITABLE;
}

/* Where a restart ends a count, who has part of the former one goes on from nobody who counts anew. */
static bool goes_on_from(const struct sim *s, const struct server *v, const struct server *src)
{
        bool one_count = s->settings.partial_after_restart || (v->warm && v->skew == src->skew);

        return v->has_data && one_count && data_is_prefix(&s->data, v->data, src->data);
}

static void try_turn(struct sim *s, struct turn *t)
{
        struct pod *p = following(s, t);
        struct pod *src;
        struct server *v;

        if (!p || p->server.link != LINK_TRYING)
                return;
        v = &p->server;
        src = pod_at(s, v->whom.address);
        if (server_stopped(s, p) || !src || src == p || server_stopped(s, src) ||
            !linked(s, TRAFFIC_REPLICATION, p, src) || !linked(s, TRAFFIC_REPLICATION, src, p) ||
            !serves(&src->server)) {
                plan(s, p, between(s, TRY_EVERY / 2, TRY_EVERY), try_turn);
                return;
        }
        v->source = slot_of(s, src);
        src->server.followers[slot_of(s, p)] = (struct follower){ .connection = v->connection };
        if (goes_on_from(s, v, &src->server))
                online(s, p, src);
        else
                copy_all(s, p, src);
}

/* --- what others ask for --------------------------------------------------------------------------------- */

void follow_begin(struct sim *s, struct pod *p, const struct failover_id *whom)
{
        struct server *v = &p->server;

        if (v->link != LINK_NONE && strcmp(v->whom.address, whom->address) == 0)
                return;
        follow_end(s, p);
        v->whom = *whom;
        try_again(s, p, between(s, 200, DELAY));
}

void follow_end(struct sim *s, struct pod *p)
{
        hang_up(s, p);
        p->server.link = LINK_NONE;
        p->server.connection = 0;
}

void replication_ends(struct sim *s, struct pod *p)
{
        follow_end(s, p);
        drop_followers(s, p);
}
