/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "failover/internal.h"

void order(struct step *s, enum failover_order what, const struct failover_id *whom, uint64_t epoch)
{
        struct failover *f = s->f;
        int member = whom ? whom->member : FAILOVER_NOBODY;
        struct failover_effect *e;

        if (f->orders && f->want == what && f->want_epoch == epoch && f->want_whom == member)
                return;
        f->want = what;
        f->want_epoch = epoch;
        f->want_whom = member;
        f->ordered = s->now;
        if (what == FAILOVER_LEAD)
                f->had_all = false;
        if (what == FAILOVER_LEAD || what == FAILOVER_PAUSE)
                f->danger = f->orders + 1;
        if (what == FAILOVER_FOLLOW) {
                f->followed.epoch = epoch;
                memcpy(f->followed.lineage, f->record.lineage, sizeof(f->followed.lineage));
        }
        e = effect(s, FAILOVER_DO_ORDER);
        e->order.what = what;
        e->order.number = ++f->orders;
        e->order.epoch = epoch;
        if (whom)
                e->order.whom = *whom;
}

bool obeyed(const struct failover *f)
{
        return f->orders > 0 && f->server.order == f->orders;
}

bool harmless(const struct failover *f)
{
        return !f->danger;
}

static bool can_write(enum failover_server_state state)
{
        return state == FAILOVER_WRITABLE || state == FAILOVER_PAUSED;
}

void keep_armed(struct step *s)
{
        struct failover *f = s->f;

        if (!f->danger) {
                if (f->armed)
                        effect(s, FAILOVER_DO_DISARM);
                f->armed = 0;
        } else if (f->role != FAILOVER_FOLLOWER && f->armed != f->valid_until) {
                effect(s, FAILOVER_DO_ARM)->until = f->armed = f->valid_until;
        }
}

enum failover_cause cause_of_end(const struct failover *f)
{
        if (f->server.gone)
                return FAILOVER_CAUSE_DISK;
        return f->server.expired ? FAILOVER_CAUSE_FENCED : FAILOVER_CAUSE_CRASH;
}

void fence(struct step *s, enum failover_cause cause, enum failover_news news)
{
        struct failover *f = s->f;

        if (f->danger) {
                effect(s, FAILOVER_DO_KILL)->order.number = ++f->orders;
                f->want = FAILOVER_HALT; /* which nobody ordered: what comes next is a new order */
                f->want_epoch = 0;
                f->want_whom = FAILOVER_NOBODY;
                f->ordered = s->now;
                tell(s, news, f->self.member, 0)->news.cause = cause;
        }
        f->cause = cause;
        f->role = FAILOVER_FOLLOWER;
        f->held_back = false;
        f->on_promises = false;
        f->yield.to = FAILOVER_NOBODY;
        f->yield.released = false;
}

static void remember(struct step *s)
{
        struct failover *f = s->f;

        if (f->copy.data == FAILOVER_DATA_UNKNOWN)
                return;
        if ((f->copy.data == FAILOVER_DATA_NONE) == (f->remembered.data == FAILOVER_DATA_NONE) &&
            f->copy.position.timeline == f->remembered.position.timeline &&
            strcmp(f->copy.lineage, f->remembered.lineage) == 0)
                return;
        f->remembered = f->copy;
        f->remembered_at = s->now;
        effect(s, FAILOVER_DO_REMEMBER)->copy = f->copy;
}

void canary_seen(struct failover *f, usec_t began, bool kept)
{
        f->canary = MAX(f->canary, began);
        if (kept)
                f->wrote = MAX(f->wrote, began);
        if (kept && began > f->remembered_at)
                f->kept = f->remembered.position.timeline;
}

/* What the server's copy is worth. It is warm as long as one run of the server
 * was seen to follow or to lead; a restart leaves what it leaves. */
static void value_copy(struct failover *f, bool new_run)
{
        const struct failover_server *v = &f->server;
        struct failover_copy *c = &f->copy;

        if (v->state == FAILOVER_DOWN || v->state == FAILOVER_STARTING || new_run)
                c->data = FAILOVER_DATA_UNKNOWN;
        if (v->state == FAILOVER_DOWN || v->state == FAILOVER_STARTING)
                return;
        if (!v->has_data) {
                c->data = FAILOVER_DATA_NONE;
                c->position = (struct failover_position){ 0 };
                return;
        }
        /* Where it had nothing, it can only have come from whom it was told to follow last. */
        if (c->data == FAILOVER_DATA_NONE && f->followed.epoch) {
                c->position.timeline = f->followed.epoch;
                memcpy(c->lineage, f->followed.lineage, sizeof(c->lineage));
        }
        if (c->data == FAILOVER_DATA_UNKNOWN || c->data == FAILOVER_DATA_NONE)
                c->data = FAILOVER_DATA_COLD;
        c->position.offset = v->offset;
        if (!obeyed(f))
                return;
        if ((v->state == FAILOVER_FOLLOWING && v->in_sync) || can_write(v->state)) {
                c->data = FAILOVER_DATA_WARM;
                c->position.timeline = f->want_epoch;
                memcpy(c->lineage, f->record.lineage, sizeof(c->lineage));
        }
}

/* Of a leader alone: whom a follower follows may have become another's follower. One that holds
 * writes back has all that it will ever have. */
static void note_what_it_has(struct failover *f)
{
        if (!obeyed(f) || !can_write(f->server.state))
                return;
        f->had = f->copy;
        f->had_all = f->server.state == FAILOVER_PAUSED;
}

void server_seen(struct step *s, const struct failover_server *server)
{
        struct failover *f = s->f;
        bool new_run;

        if (server->at < f->server.at)
                return;
        new_run = server->run != f->server.run;
        f->server = *server;
        f->alive = server->at;
        if (server->order > f->danger && !can_write(server->state))
                f->danger = 0; /* whatever was ordered since is no order to write */
        value_copy(f, new_run);
        note_what_it_has(f);
        remember(s);
        if (f->role == FAILOVER_LEADER || f->role == FAILOVER_YIELDING)
                lead_server_seen(s);
}
