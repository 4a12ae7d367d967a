/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "failover/internal.h"

/* A leader that is not an earlier life of this very member. */
static bool has_leader(const struct failover *f)
{
        return f->known && f->record.phase == FAILOVER_HELD && f->record.holder.member != f->self.member &&
               f->record.epoch >= f->sealed;
}

/* One that does not may be elsewhere by now, with the next pod of this name. */
static bool disk_answers(const struct step *s)
{
        return s->now <= s->f->canary + s->f->timing.disk;
}

/* What a volume does not take is in memory alone; so it is with one that is full, though that
 * answers. A new life knows of none before it has tried it. As seen by an agent that was there to
 * see it: one that stood still itself first looks at what its server has become meanwhile. */
static bool keeps_nothing(const struct step *s)
{
        usec_t until = s->f->wrote + s->f->timing.disk;

        return s->now > until && s->f->alive > until;
}

/* What it has beyond that with which the leader began is gone as soon as it follows. */
static void count_missing(struct step *s)
{
        struct failover *f = s->f;
        const struct failover_record *r = &f->record;
        const struct failover_position *had = &f->had.position, *start = &r->start.position;
        struct failover_effect *e;

        if (!has_leader(f) || r->start.epoch != r->epoch || f->missing.epoch == r->epoch ||
            had->timeline != start->timeline || strcmp(f->had.lineage, r->lineage) != 0)
                return;
        f->missing = (struct failover_missing){
                .epoch = r->epoch,
                .bytes = had->offset > start->offset ? had->offset - start->offset : 0,
                .exact = f->had_all,
        };
        if (!f->missing.bytes)
                return;
        e = tell(s, FAILOVER_WRITES_LOST, f->self.member, 0);
        e->news.bytes = f->missing.bytes;
        e->news.exact = f->missing.exact;
}

static void order_server(struct step *s)
{
        struct failover *f = s->f;

        if (must_be_down(f))
                order(s, FAILOVER_HALT, NULL, 0);
        else if (has_leader(f) && !keeps_nothing(s))
                order(s, FAILOVER_FOLLOW, &f->record.holder, f->record.epoch);
        else
                order(s, FAILOVER_STAND, NULL, 0);
}

/* --- the lease ------------------------------------------------------------------ */

/* Its holder has said so, who can write it no more. */
static bool has_ended(const struct failover *f)
{
        const struct failover_id *holder = &f->record.holder;

        return f->ended.epoch && f->record.epoch == f->ended.epoch && holder->member == f->ended.member &&
               holder->incarnation == f->ended.life;
}

void holder_ended(struct failover *f, const struct failover_message *m)
{
        if (m->epoch < f->ended.epoch)
                return;
        f->ended.member = m->from;
        f->ended.epoch = m->epoch;
        f->ended.life = m->round;
}

static bool is_free(const struct failover *f)
{
        return f->record.phase == FAILOVER_RELEASED || f->record.phase == FAILOVER_BOOTSTRAP || has_ended(f);
}

/* The Lease names this pod, but nothing here leads: it was fenced, or is an
 * agent's next life. */
static bool names_us(const struct failover *f)
{
        return f->known && !f->absent && !is_free(f) && same_pod(&f->record.holder, &f->self);
}

static void leave(struct step *s)
{
        struct failover *f = s->f;

        if (!harmless(f) || !obeyed(f) || f->server.state != FAILOVER_DOWN || f->exited)
                return;
        f->exited = true;
        effect(s, FAILOVER_DO_EXIT);
}

/* The Lease goes on naming this pod until another one takes it. */
static void say_that_it_ended(struct step *s)
{
        struct failover *f = s->f;

        if (!f->leave_at)
                f->leave_at = s->now + f->timing.write;
        if (s->now >= f->leave_at)
                leave(s);
        if (f->said_ended && s->now < f->said_ended + f->timing.peer_retry)
                return;
        f->said_ended = s->now;
        say_to_all(s, f->policy.members & ~self_set(f), FAILOVER_ENDED, f->record.holder.incarnation,
                   f->record.epoch);
}

/* So the others need not wait until it runs out. */
static void give_up(struct step *s)
{
        struct failover *f = s->f;
        struct failover_record r;

        if (f->write.kind != FAILOVER_WRITE_NONE || !harmless(f) || f->server.at == 0)
                return;
        if (is_disowned(f)) {
                say_that_it_ended(s);
                return;
        }
        if (f->failed && s->now < f->tried + f->timing.peer_retry)
                return;
        r = next_record(f);
        if (r.phase == FAILOVER_HELD) { /* else the end of the last leader stands there already */
                r.cause = failover_same_life(&r.holder, &f->self) ? f->cause : FAILOVER_CAUSE_RESTART;
                if (f->had.position.timeline == r.epoch && failover_ahead(&f->had.position, &r.position))
                        r.position = f->had.position;
                r.from = f->self.member;
                r.final = false;
        }
        r.phase = FAILOVER_RELEASED;
        r.handover_to = best_follower(f);
        write_record(s, FAILOVER_WRITE_GIVE_UP, &r);
}

/* Another pod of this member's name holds the Lease. It may be alive and cut off from the
 * API server, and nobody asks this one for a promise. Who has the volume knows better: that
 * is at one place at a time. */
static bool is_held_by_namesake(const struct failover *f)
{
        bool alone = !(f->record.in_sync & ~self_set(f));

        return !is_free(f) && f->record.holder.member == f->self.member &&
               !same_pod(&f->record.holder, &f->self) && f->copy.data <= FAILOVER_DATA_NONE &&
               (f->policy.durable || !alone) && consented(f) != f->self.member;
}

/* It has data, and they are older than those of anybody who could be promoted: this is a pod that
 * was replaced and comes back, and it is the next one of its name that is in the set. Who led last
 * may find out that its volume has lost something, and say so. */
static bool is_outdated(const struct failover *f)
{
        return f->copy.data > FAILOVER_DATA_NONE && f->copy.position.timeline < f->record.floor &&
               strcmp(f->copy.lineage, f->record.lineage) == 0 && !same_pod(&f->record.holder, &f->self) &&
               consented(f) != f->self.member;
}

/* Can this member do what a winner must? Not: is it the best. */
static bool is_fit(const struct step *s)
{
        const struct failover *f = s->f;

        return f->known && !f->absent && f->policed && !must_be_down(f) &&
               (is_in(f->record.in_sync, f->self.member) || consented(f) == f->self.member) && harmless(f) &&
               f->copy.data != FAILOVER_DATA_UNKNOWN && f->write.kind == FAILOVER_WRITE_NONE &&
               !is_held_by_namesake(f) && !is_outdated(f) && disk_answers(s) &&
               s->now < f->alive + f->timing.hang;
}

/* The operator made it, and not for a first start: somebody may still hold the one before. */
static bool is_made_again(const struct failover *f)
{
        return f->record.phase == FAILOVER_BOOTSTRAP && (f->sealed > 0 || f->copy.position.timeline > 0);
}

/* A free lease may be taken at once, another when it was seen unchanged for L.
 * Those who have less to offer let others go first. */
usec_t stand_at(const struct failover *f)
{
        usec_t at = f->seen;

        if (!is_free(f) || is_made_again(f))
                at += f->timing.lease;
        else if (f->record.handover_to != FAILOVER_NOBODY && f->record.handover_to != f->self.member)
                at += f->timing.grace;
        if (f->copy.data == FAILOVER_DATA_COLD)
                at += f->timing.grace;
        else if (f->copy.data == FAILOVER_DATA_NONE)
                at += 2 * f->timing.grace;
        if (f->record.handover_to == f->self.member && is_free(f))
                at = f->seen;
        if (f->record.phase != FAILOVER_RELEASED &&
            !has_ended(f)) /* who has ended needs no promise any more */
                at = MAX(at, f->promised_until);
        if (f->failed)
                at = MAX(at, f->tried + f->timing.peer_retry);
        return at;
}

static void stand(struct step *s)
{
        struct failover *f = s->f;
        struct failover_record r = f->record;

        f->seals.former = f->record.epoch == 0 ? FAILOVER_NOBODY : f->record.holder.member;
        f->seals.unfit = is_free(f) && r.handover_to != f->self.member ? r.handover_to : FAILOVER_NOBODY;
        if (r.phase == FAILOVER_HELD) {
                r.cause = has_ended(f) ? FAILOVER_CAUSE_SHUTDOWN : FAILOVER_CAUSE_EXPIRED;
                r.from = r.holder.member;
                r.final = false;
        } else if (r.phase == FAILOVER_BOOTSTRAP) {
                r.cause = is_made_again(f) ? FAILOVER_CAUSE_EXPIRED : FAILOVER_CAUSE_BOOTSTRAP;
                r.from = FAILOVER_NOBODY;
        }
        r.phase = FAILOVER_SEALING;
        r.epoch = f->sealed + 1;
        r.holder = f->self;
        r.handover_to = FAILOVER_NOBODY;
        write_record(s, FAILOVER_WRITE_TAKE, &r);
}

/* --- what others ask ---------------------------------------------------------------- */

void reply(struct step *s, enum failover_message_type type, enum failover_message_type about, int to,
           uint64_t round)
{
        struct failover *f = s->f;
        struct failover_message *m = &effect(s, FAILOVER_DO_SEND)->message;

        m->type = type;
        m->about = about;
        m->from = f->self.member;
        m->life = f->self.incarnation;
        m->to = to;
        m->round = round;
        m->epoch = f->sealed;
        m->copy = f->copy;
}

/* Could a write of this life's give the lease to it? */
static bool may_be_taking(const struct failover *f)
{
        return f->role != FAILOVER_FOLLOWER || f->write.kind != FAILOVER_WRITE_NONE || f->doubt;
}

/* What is promised: not to stand for L from now. The asker counts F from when it
 * sent the question, so that its time is over first. Who has not seen the Lease
 * yet may promise as well: it has to wait for a whole L anyway. */
void asked_to_promise(struct step *s, const struct failover_message *m)
{
        struct failover *f = s->f;
        const struct failover_record *r = &f->record;
        bool yes = !may_be_taking(f) && f->sealed <= m->epoch &&
                   (!f->known || (!f->absent && r->phase == FAILOVER_HELD && r->epoch == m->epoch &&
                                  r->holder.member == m->from));

        if (yes)
                f->promised_until = MAX(f->promised_until, s->now + f->timing.lease);
        reply(s, yes ? FAILOVER_YES : FAILOVER_NO, FAILOVER_PROMISE, m->from, m->round);
}

void asked_to_seal(struct step *s, const struct failover_message *m)
{
        struct failover *f = s->f;

        /* An agent that has not seen the Lease cannot tell a winner from one that won long ago. */
        if (!f->known)
                return;
        if (m->epoch < f->sealed || (f->role != FAILOVER_FOLLOWER && m->epoch <= f->epoch)) {
                reply(s, FAILOVER_NO, FAILOVER_SEAL, m->from, m->round);
                return;
        }
        if (f->role != FAILOVER_FOLLOWER)
                fence(s, FAILOVER_CAUSE_FENCED, FAILOVER_SUPERSEDED);
        f->sealed = m->epoch;
        f->answer.pending = true;
        f->answer.to = m->from;
        f->answer.round = m->round;
        f->answer.epoch = m->epoch;
        if (f->record.epoch < m->epoch)
                f->stale = true;
}

/* Only when the server was seen to have stopped following is its position one that stays. */
static void answer_seal(struct step *s)
{
        struct failover *f = s->f;

        if (!f->answer.pending)
                return;
        if (f->answer.epoch < f->sealed || (has_leader(f) && f->record.epoch > f->answer.epoch)) {
                f->answer.pending = false;
                return;
        }
        if (must_be_down(f)
                    ? !obeyed(f) || f->server.state != FAILOVER_DOWN
                    : !obeyed(f) || f->want != FAILOVER_STAND || f->copy.data == FAILOVER_DATA_UNKNOWN)
                return;
        f->answer.pending = false;
        reply(s, FAILOVER_YES, FAILOVER_SEAL, f->answer.to, f->answer.round);
}

/* --- all of it ------------------------------------------------------------------------ */

void follow(struct step *s)
{
        struct failover *f = s->f;

        count_missing(s);
        order_server(s);
        answer_seal(s);
        if (names_us(f))
                give_up(s);
        else if (f->stopping)
                leave(s);
        else if (is_fit(s) && s->now >= stand_at(f))
                stand(s);
        else if ((f->known || f->absent) && s->now >= f->heard + f->timing.lease)
                f->stale = true; /* a watch may be silent: what changed last was perhaps never told */
}
