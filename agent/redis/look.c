/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "agent/redis/internal.h"

/* --- who follows ---------------------------------------------------------------------- */

static int member_of(const struct redis *e, const struct redis_follower *f)
{
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                const struct redis_place *p = &e->members[m].place;

                if (p->host[0] && strcmp(p->host, f->host) == 0 && (!p->port || p->port == f->port))
                        return m;
        }
        return FAILOVER_NOBODY;
}

/* A member may be there twice, when an old connection was not yet given up: the one that
 * is further on is the one that lives. */
static void view_followers(const struct redis *e, struct failover_server *v)
{
        for (size_t i = 0; i < e->info.n_followers; i++) {
                const struct redis_follower *f = &e->info.followers[i];
                int m = member_of(e, f);
                failover_set one = failover_only(m);

                if (!one || m == e->config.member || !f->online || f->lag > FOLLOWER_LAG_MAX)
                        continue;
                if ((v->online & one) && v->acked[m] >= f->offset)
                        continue;
                v->online |= one;
                v->acked[m] = f->offset;
                v->life[m] = e->members[m].life;
        }
}

/* --- what it has ------------------------------------------------------------------------ */

static bool follows_somebody(const struct redis_info *info)
{
        return info->follows &&
               (strcmp(info->leader, REDIS_NOBODY_HOST) != 0 || info->leader_port != REDIS_NOBODY_PORT);
}

/* An RDB brings the exact offset back, an AOF none: then it is what the claim says. */
static void begin_offset(struct redis *e)
{
        const struct redis_state *disk = &e->claims.disk;

        e->offset = disk->position.offset;
        if (e->has_data && disk->source == REDIS_RDB && strcmp(e->info.replid, disk->replid) == 0)
                e->offset = MAX(e->offset, e->info.followed_offset);
}

static void update_data(struct redis *e)
{
        const struct redis_info *info = &e->info;

        if (!e->seen)
                begin_offset(e);
        e->seen = true;
        if (!info->follows) {
                e->has_data = true; /* whatever it is, it is what others follow */
                e->offset = info->offset;
        } else if (info->copying || info->loading) {
                e->has_data = false; /* until the copy is whole */
        } else if (info->link_up && follows_somebody(info)) {
                e->has_data = true;
                e->offset = info->followed_offset;
        } else if (e->has_data) {
                /* What it got before it lost its leader; without one that it remembers, a one. */
                e->offset = MAX(e->offset, info->followed_offset);
        }
}

static enum failover_server_state state_of(const struct redis *e)
{
        if (!e->loaded)
                return FAILOVER_STARTING;
        if (e->info.follows)
                return follows_somebody(&e->info) ? FAILOVER_FOLLOWING : FAILOVER_STANDING;
        return e->paused ? FAILOVER_PAUSED : FAILOVER_WRITABLE;
}

/* Where it was when it began to hold back: only pings and our questions come after. */
static uint64_t offset_of(struct redis *e)
{
        if (!e->paused || e->asked.order < e->sent.number)
                return e->offset;
        if (!e->pause_offset_set) {
                e->pause_offset_set = true;
                e->pause_offset = e->offset;
        }
        return e->pause_offset;
}

static bool all_have(const struct failover_server *v, uint64_t offset)
{
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++)
                if ((v->online & failover_only(m)) && v->acked[m] < offset)
                        return false;
        return true;
}

/* Whoever follows is asked until all have confirmed; then there is nothing more to ask. */
static void hold_back(struct redis *e, const struct failover_server *v)
{
        if (all_have(v, v->offset) || clock_now() > e->paused_since + REFUSE_MAX) {
                redis_hold_writes(e);
                return;
        }
        redis_ask_followers(e);
        e->look_due = clock_now() + LOOK_SOON;
}

static void tell(struct redis *e)
{
        struct failover_server v = e->asked;

        v.state = state_of(e);
        v.has_data = e->has_data;
        v.in_sync = v.state == FAILOVER_FOLLOWING && e->info.link_up && e->has_data;
        v.offset = offset_of(e);
        if (v.state == FAILOVER_PAUSED || v.state == FAILOVER_WRITABLE)
                view_followers(e, &v);
        /* The next order may be on its way already, and with it the end of all pauses. */
        if (v.state == FAILOVER_PAUSED && !e->held && e->sent.what == FAILOVER_PAUSE)
                hold_back(e, &v);
        e->view = v;
        e->handlers.looked(e->handlers.arg, &v);
}

/* Somebody else has told it to lead, or to follow another: it is told again. */
static bool has_strayed(const struct redis *e)
{
        const struct redis_place *leader = &e->goal.leader;
        uint16_t port = leader->port ? leader->port : e->settings.port;

        if (!e->goal.set || !e->goal.done || e->asked.order < e->goal.number)
                return false;
        switch (e->goal.what) {
        case FAILOVER_STAND:
                return !e->info.follows || follows_somebody(&e->info);
        case FAILOVER_FOLLOW:
                return !e->info.follows || strcmp(e->info.leader, leader->host) != 0 ||
                       e->info.leader_port != port;
        case FAILOVER_PAUSE:
        case FAILOVER_LEAD:
                return e->info.follows;
        case FAILOVER_HALT:
                break;
        }
        return false;
}

/* --- looking ------------------------------------------------------------------------------- */

static void claim(struct redis *e)
{
        const struct redis_claims_look look = {
                .at = e->asked.at,
                .info = &e->info,
                .has_data = e->has_data,
                .offset = e->offset,
                .fsync = e->settings.fsync,
                .saves = e->settings.save.len > 0,
        };
        bool linked = e->claims.linked;

        redis_claims_look(&e->claims, &look);
        /* It may have come whole between two looks. */
        e->copy_there |= !look.has_data || (e->claims.linked && !linked);
}

static void take(struct redis *e)
{
        if (!e->loaded && e->info.loading) {
                tell(e);
                return;
        }
        if (!e->loaded) {
                e->loaded = true;
                e->backoff = 0;
        }
        update_data(e);
        claim(e);
        if (has_strayed(e))
                e->goal.done = false;
        tell(e);
}

/* Neither LOADING, which INFO is not refused with, nor BUSY counts as an answer. */
static void on_info(const struct redis_answer *answer, void *arg)
{
        struct redis *e = arg;
        struct redis_info info;

        e->looking = false;
        if (answer->lost || answer->error.data || !e->keeper || e->killed)
                return;
        if (redis_info_parse(answer->text, &info) < 0)
                return;
        e->info = info;
        take(e);
        if (e->look_again && !e->looking)
                redis_look(e);
        redis_soon(e);
}

void redis_look(struct redis *e)
{
        const struct str words[] = { STR("INFO"), STR("replication"), STR("persistence") };

        if (!e->known)
                return;
        e->look_again = e->looking;
        if (e->looking)
                return;
        e->asked = (struct failover_server){ .at = clock_now(), .order = e->carried, .run = e->run };
        if (redis_link_send(&e->link, words, ARRAY_SIZE(words), on_info, e) == 0)
                e->looking = true;
        e->look_due = e->asked.at + LOOK_EVERY;
}

/* Members are clients as well: a replica that was cut off does not come back while all connections are taken. */
static void tell_full(struct redis *e, double rejected_before)
{
        struct error complaint = ERROR_INIT;
        usec_t now = clock_now();

        if (redis_stats_value(&e->stats, "rejected_connections") <= rejected_before ||
            (e->full_told && now < e->full_told + FULL_TOLD_EVERY))
                return;
        e->full_told = now;
        error_set(
                &complaint, -EMFILE,
                "the server turns connections away, for %.0f are taken and it may have %.0f (maxclients): "
                "clients have to close some, or else spec.config.maxclients is to be raised; a replica that "
                "has lost its own is turned away as well",
                redis_stats_value(&e->stats, "connected_clients"),
                redis_stats_value(&e->stats, "maxclients"));
        redis_complain(e, &complaint);
}

static void on_stats(const struct redis_answer *answer, void *arg)
{
        double rejected;
        struct redis *e = arg;

        if (answer->lost || answer->error.data)
                return;
        rejected = redis_stats_value(&e->stats, "rejected_connections");
        redis_stats_read(answer->text, &e->stats);
        tell_full(e, rejected);
}

/* For metrics, and for what a person has to know. */
void redis_look_at_stats(struct redis *e, usec_t now)
{
        const struct str words[] = { STR("INFO"),        STR("server"),      STR("clients"),
                                     STR("memory"),      STR("persistence"), STR("stats"),
                                     STR("replication"), STR("cpu"),         STR("keyspace") };

        if (!e->known || !e->loaded || now < e->stats_due)
                return;
        e->stats_due = now + STATS_EVERY;
        if (redis_link_send(&e->link, words, ARRAY_SIZE(words), on_stats, e) < 0)
                e->stats_due = now;
}

void redis_tell_down(struct redis *e)
{
        e->view = (struct failover_server){
                .at = clock_now(),
                .order = e->carried,
                .run = e->run,
                .state = FAILOVER_DOWN,
                .expired = !e->keeper && e->ends && e->last_end.expired,
                .gone = e->away,
        };
        e->handlers.looked(e->handlers.arg, &e->view);
}

void redis_tell_ended(struct redis *e, usec_t now)
{
        if (!e->ended || (now < e->ended + NOTED_MAX))
                return;
        e->ended = 0;
        redis_tell_down(e);
        redis_soon(e);
}

void redis_run_begins(struct redis *e, bool has_data)
{
        e->known = e->looking = e->look_again = e->loaded = e->seen = false;
        e->linger_until = 0;
        e->paused = e->led = e->pause_offset_set = e->refusing = e->held = false;
        e->n_gone = 0;
        e->has_data = has_data;
        e->offset = 0;
        e->min_replicas = -1;
        e->look_due = e->batch_due = 0;
        e->info = (struct redis_info){ 0 };
        e->stats.known = false;
        e->stats_due = 0;
        e->goal.done = false;
        e->apply = true;
        redis_claims_start(&e->claims, has_data);
}
