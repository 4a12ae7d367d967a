/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "failover/internal.h"

void seal_begin(struct step *s)
{
        struct failover *f = s->f;

        f->sealed = f->epoch;
        f->answer.pending = false;
        f->seals.round = ++f->rounds;
        f->seals.begun = s->now;
        f->seals.set = f->record.in_sync;
        f->seals.final = f->record.final;
        f->seals.asked = 0;
        f->seals.answered = 0;
        f->seals.told = 0;
        tell(s, FAILOVER_STOOD, f->self.member, 0)->news.epoch = f->epoch;
}

static failover_set everyone(const struct failover *f)
{
        return f->seals.set | f->policy.members;
}

/* Those of SET of whom it is known what they have. */
static failover_set known_of(const struct failover *f, failover_set set)
{
        failover_set known = 0;

        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++)
                if (is_in(set & f->seals.answered, m) && f->seals.copies[m].data != FAILOVER_DATA_UNKNOWN)
                        known |= failover_only(m);
        return known;
}

/* Again those, too, who have stopped following and do not know yet what they have. */
static void ask(struct step *s)
{
        struct failover *f = s->f;
        failover_set missing = everyone(f) & (failover_set) ~(known_of(f, everyone(f)) | self_set(f));

        if (!missing || (f->seals.asked && s->now < f->seals.asked + f->timing.peer_retry))
                return;
        f->seals.asked = s->now;
        say_to_all(s, missing, FAILOVER_SEAL, f->seals.round, f->epoch);
}

void sealed_answer(struct step *s, const struct failover_message *m)
{
        struct failover *f = s->f;

        if (f->role != FAILOVER_SEALER || m->round != f->seals.round)
                return;
        if (m->type == FAILOVER_NO) {
                f->stale = true; /* somebody knows of a newer epoch */
                f->sealed = MAX(f->sealed, m->epoch);
                return;
        }
        f->seals.answered |= failover_only(m->from);
        f->seals.copies[m->from] = m->copy;
        f->seals.lives[m->from] = m->life;
}

/* The own server is sealed as the others are. */
static void seal_self(struct step *s)
{
        struct failover *f = s->f;

        order(s, FAILOVER_STAND, NULL, 0);
        f->seals.answered &= ~self_set(f);
        if (!obeyed(f) || f->copy.data == FAILOVER_DATA_UNKNOWN)
                return;
        f->seals.answered |= self_set(f);
        f->seals.copies[f->self.member] = f->copy;
}

/* --- choosing --------------------------------------------------------------- */

static bool is_lineage(const struct failover *f, const struct failover_copy *c)
{
        return !f->record.lineage[0] || strcmp(c->lineage, f->record.lineage) == 0;
}

/* The best copy that is at least so good, among those of SET that have answered.
 * Who was named as the successor and did not come is passed over for another that
 * is warm, which can lack no more than the set allows; never for a cold one. */
static int best_above(const struct failover *f, failover_set set, enum failover_data least, int except,
                      uint64_t floor)
{
        int best = FAILOVER_NOBODY;

        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                const struct failover_copy *c = &f->seals.copies[m];

                if (!is_in(set & f->seals.answered, m) || c->data < least || !is_lineage(f, c) ||
                    c->position.timeline < floor || is_in(f->policy.fenced, m) || m == except)
                        continue;
                if (best == FAILOVER_NOBODY ||
                    failover_ahead(&c->position, &f->seals.copies[best].position) ||
                    (m == f->self.member && !failover_ahead(&f->seals.copies[best].position, &c->position)))
                        best = m;
        }
        return best;
}

static int best_of(const struct failover *f, failover_set set, enum failover_data least, int except)
{
        return best_above(f, set, least, except, f->record.floor);
}

static int lowest(failover_set set)
{
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++)
                if (is_in(set, m))
                        return m;
        return FAILOVER_NOBODY;
}

static void wait_for(struct step *s, enum failover_news news, failover_set missing)
{
        if (s->f->seals.told == missing)
                return;
        s->f->seals.told = missing;
        tell(s, news, FAILOVER_NOBODY, missing);
}

/* Nobody has kept his copy warm: everything stopped at once. Whoever is missing may have more than
 * those who are there. */
static int choose_cold(struct step *s)
{
        struct failover *f = s->f;
        failover_set set = f->seals.set, all = everyone(f);
        failover_set missing = set & ~known_of(f, set);
        int best;

        if (missing) {
                wait_for(s, FAILOVER_WAITING, missing);
                return FAILOVER_NOBODY;
        }
        best = best_of(f, set, FAILOVER_DATA_COLD, FAILOVER_NOBODY);
        if (best != FAILOVER_NOBODY)
                return best;
        if (f->policy.durable) {
                wait_for(s, FAILOVER_NO_DATA, set);
                return FAILOVER_NOBODY;
        }
        missing = all & ~known_of(f, all);
        if (missing) {
                wait_for(s, FAILOVER_WAITING, missing);
                return FAILOVER_NOBODY;
        }
        best = best_above(f, all, FAILOVER_DATA_COLD, FAILOVER_NOBODY, 0);
        return best != FAILOVER_NOBODY ? best : lowest(set & ~f->policy.fenced);
}

/* After a planned move: whoever has all that there is. If that is only the one who was
 * named and did not come, it is named again: nothing is to be lost. The winner goes before
 * one who has more: beyond what is final nobody was told anything. */
static int choose_final(const struct failover *f)
{
        const struct failover_position *all = &f->record.position;
        const struct failover_copy *own = &f->seals.copies[f->self.member];
        int best;

        if (!f->seals.final)
                return FAILOVER_NOBODY;
        if (is_in(f->seals.set, f->self.member)) {
                if (!is_in(f->seals.answered, f->self.member))
                        return FAILOVER_NOBODY; /* in a moment */
                if (own->data == FAILOVER_DATA_WARM && is_lineage(f, own) &&
                    !failover_ahead(all, &own->position))
                        return f->self.member;
        }
        best = best_of(f, f->seals.set, FAILOVER_DATA_WARM, f->seals.unfit);
        /* A cold one that has it all is as good: it has at least what it says. */
        if (best == FAILOVER_NOBODY || failover_ahead(all, &f->seals.copies[best].position))
                best = best_of(f, f->seals.set, FAILOVER_DATA_COLD, FAILOVER_NOBODY);
        if (best == FAILOVER_NOBODY || failover_ahead(all, &f->seals.copies[best].position))
                return FAILOVER_NOBODY;
        return best;
}

/* Of a planned move nobody who answers has everything: the target of it may stand still, or
 * the former leader be on its way back. */
static failover_set who_may_have_all(const struct failover *f)
{
        failover_set set = f->seals.set & ~f->policy.fenced;

        return f->seals.final ? set & ~known_of(f, set) : 0;
}

int consented(const struct failover *f)
{
        return f->policy.consent_number > f->record.consent ? f->policy.consent : FAILOVER_NOBODY;
}

/* Whose copy a person wants to lead with, if it is known what that is. */
static int consented_known(const struct failover *f)
{
        int m = consented(f);

        return is_in(known_of(f, failover_only(m)), m) ? m : FAILOVER_NOBODY;
}

static uint64_t newest_timeline(const struct failover *f, failover_set set)
{
        uint64_t newest = 0;

        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++)
                if (is_in(set, m))
                        newest = MAX(newest, f->seals.copies[m].position.timeline);
        return newest;
}

/* The Lease does not say who has kept up, nor with what: nobody led yet, or the Lease was
 * deleted and made again. So all must have answered, and with that stopped: then nobody
 * leads any more, whatever the Lease said before, and what there is, is known. */
static int choose_first(struct step *s)
{
        struct failover *f = s->f;
        failover_set all = everyone(f), missing = all & ~known_of(f, all);
        int best = consented_known(f);

        if (best != FAILOVER_NOBODY)
                return best;
        if (missing) {
                wait_for(s, FAILOVER_WAITING, missing);
                return FAILOVER_NOBODY;
        }
        if (newest_timeline(f, all) >= f->epoch) { /* this epoch was another's before */
                f->sealed = newest_timeline(f, all) + 1;
                return FAILOVER_NOBODY;
        }
        best = best_of(f, all, FAILOVER_DATA_COLD, FAILOVER_NOBODY);
        if (best != FAILOVER_NOBODY)
                return best;
        if (f->policy.durable && f->record.cause != FAILOVER_CAUSE_BOOTSTRAP) {
                wait_for(s, FAILOVER_NO_DATA, all); /* there was some */
                return FAILOVER_NOBODY;
        }
        return lowest(f->seals.set & ~f->policy.fenced);
}

static int choose(struct step *s)
{
        struct failover *f = s->f;
        failover_set need = f->seals.set & ~failover_only(f->seals.former), missing;
        int best;

        if (!f->record.lineage[0])
                return choose_first(s);
        best = choose_final(f);
        if (best != FAILOVER_NOBODY)
                return best;
        missing = who_may_have_all(f);
        if (missing && s->now < f->seals.begun + f->timing.lease) {
                wait_for(s, FAILOVER_WAITING, missing);
                return FAILOVER_NOBODY;
        }
        if (f->seals.final) /* what is lost by now cannot be helped: as little as may be */
                best = best_of(f, f->seals.set, FAILOVER_DATA_COLD, f->seals.unfit);
        if (best != FAILOVER_NOBODY)
                return best;
        best = best_of(f, f->seals.set, FAILOVER_DATA_WARM, f->seals.unfit);
        if (best != FAILOVER_NOBODY)
                return !(need & ~f->seals.answered) || s->now >= f->seals.begun + f->timing.seal
                               ? best
                               : FAILOVER_NOBODY;
        best = consented_known(f);
        return best != FAILOVER_NOBODY ? best : choose_cold(s);
}

/* --- and what comes of it ------------------------------------------------------ */

static void defer_to(struct step *s, int better)
{
        struct failover_record r = next_record(s->f);

        r.phase = FAILOVER_RELEASED;
        r.handover_to = better;
        /* Also one outside, and an outdated one, where nobody else has anything. */
        r.in_sync |= failover_only(better);
        r.floor = MIN(r.floor, s->f->seals.copies[better].position.timeline);
        write_record(s, FAILOVER_WRITE_RELEASE, &r);
        tell(s, FAILOVER_DEFERRED, better, 0);
}

/* Who has all that the new leader has, of the data that the record NEXT is about, and so may
 * be promoted after it. */
static failover_set equals(const struct failover *f, const struct failover_record *next)
{
        const struct failover_position *own = &f->copy.position;
        failover_set set = self_set(f);

        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                const struct failover_copy *c = &f->seals.copies[m];

                if (is_in(f->seals.answered & f->policy.members, m) && c->data == FAILOVER_DATA_WARM &&
                    f->copy.data == FAILOVER_DATA_WARM && strcmp(c->lineage, next->lineage) == 0 &&
                    !failover_ahead(own, &c->position))
                        set |= failover_only(m);
        }
        return set & ~f->policy.fenced;
}

/* What its volume names will be there after a restart, too. */
static uint64_t chosen_floor(const struct failover *f)
{
        uint64_t timeline = f->copy.position.timeline, floor = MIN(timeline, f->kept);

        if (f->copy.data <= FAILOVER_DATA_NONE)
                return 0;
        return timeline >= f->record.floor ? MAX(floor, f->record.floor) : floor;
}

/* Is what this member has counted as the last leader's was: it followed that one, or never got
 * beyond where that one had gone on. */
static bool is_one_count(const struct failover *f)
{
        const struct failover_record *r = &f->record;
        const struct failover_position *own = &f->copy.position, *start = &r->start.position;

        return own->timeline == r->position.timeline ||
               (r->start.epoch == r->position.timeline && own->timeline == start->timeline &&
                own->offset <= start->offset);
}

/* What a restart left is counted at the least, and from a note that may be of before. */
static enum failover_loss loss_of(const struct failover *f, uint64_t *ret)
{
        const struct failover_record *r = &f->record;
        uint64_t there = r->position.offset, here = f->copy.position.offset;

        *ret = 0;
        if (f->copy.data <= FAILOVER_DATA_NONE)
                return !r->lineage[0] && r->cause == FAILOVER_CAUSE_BOOTSTRAP ? FAILOVER_LOSS_EXACT
                                                                              : FAILOVER_LOSS_EVERYTHING;
        if (!r->lineage[0] || f->copy.data == FAILOVER_DATA_COLD || !is_one_count(f))
                return FAILOVER_LOSS_UNKNOWN;
        *ret = there > here ? there - here : 0;
        return f->seals.final ? FAILOVER_LOSS_EXACT : FAILOVER_LOSS_AT_LEAST;
}

static void choose_self(struct step *s)
{
        struct failover *f = s->f;

        f->next = next_record(f);
        f->next.final = false; /* what was final is so no longer as soon as it leads */
        f->next.loss = loss_of(f, &f->next.lost);
        f->next.start.epoch = f->copy.data == FAILOVER_DATA_WARM ? f->epoch : 0;
        f->next.start.position = f->copy.position;
        if (f->copy.data <= FAILOVER_DATA_NONE) /* a new beginning is another lineage */
                memcpy(f->next.lineage, f->fresh_lineage, sizeof(f->next.lineage));
        else if (!f->next.lineage[0])
                memcpy(f->next.lineage, f->copy.lineage[0] ? f->copy.lineage : f->fresh_lineage,
                       sizeof(f->next.lineage));
        f->next.in_sync = equals(f, &f->next);
        f->next.floor = chosen_floor(f);
        if (consented(f) == f->self.member)
                f->next.consent = f->policy.consent_number;
        /* A deferral of unknown outcome may yet be carried out: then a newer write comes first, too. */
        f->narrowed = !f->doubt && !f->record.final && f->next.in_sync == f->record.in_sync &&
                      f->next.consent == f->record.consent && f->next.floor >= f->record.floor &&
                      strcmp(f->next.lineage, f->record.lineage) == 0;
        f->changed = !f->narrowed;
        f->chosen_run = f->server.run;
        f->role = FAILOVER_PROMOTING;
        tell(s, FAILOVER_CHOSEN, f->self.member, f->next.in_sync);
}

/* A newer epoch is known of, and yet the Lease is ours: it was made again with too old a one.
 * Nobody would follow. */
static void rise(struct step *s)
{
        struct failover_record r = s->f->record;

        if (s->f->stale || s->now < s->f->tried + s->f->timing.peer_retry)
                return;
        r.epoch = s->f->sealed + 1;
        write_record(s, FAILOVER_WRITE_TAKE, &r);
}

void seal(struct step *s)
{
        struct failover *f = s->f;
        struct failover_record r;
        int chosen;

        if (must_be_down(f)) {
                fence(s, FAILOVER_CAUSE_SHUTDOWN, FAILOVER_FENCED);
                return;
        }
        seal_self(s);
        ask(s);
        if (f->write.kind != FAILOVER_WRITE_NONE)
                return;
        chosen = f->sealed > f->epoch ? FAILOVER_NOBODY : choose(s);
        if (f->sealed > f->epoch) { /* as choosing may have found out, too */
                rise(s);
        } else if (chosen == f->self.member) {
                choose_self(s);
        } else if (chosen != FAILOVER_NOBODY) {
                defer_to(s, chosen);
        } else {
                r = next_record(f);
                renew(s, &r);
        }
}

/* The set is narrowed first, and only then the server is told to lead: what it
 * acknowledges must not be missing in a member that could be promoted. */
void promote(struct step *s)
{
        struct failover *f = s->f;

        if (f->want != FAILOVER_LEAD && f->server.run != f->chosen_run) {
                f->role = FAILOVER_SEALER; /* what it was chosen for may be gone */
                return;
        }
        if (!f->narrowed) {
                renew(s, &f->next);
                return;
        }
        if (f->want != FAILOVER_LEAD) {
                f->danger = f->orders + 1;
                keep_armed(s); /* first, so that it cannot lead without */
                order(s, FAILOVER_LEAD, &f->self, f->epoch);
        }
        if (f->server.state == FAILOVER_DOWN)
                fence(s, cause_of_end(f), FAILOVER_FENCED);
        else if (s->now >= f->ordered + f->timing.hang &&
                 !(obeyed(f) && f->server.state == FAILOVER_WRITABLE))
                fence(s, FAILOVER_CAUSE_HANG, FAILOVER_FENCED);
        else if (obeyed(f) && f->server.state == FAILOVER_WRITABLE)
                lead_begin(s);
        else
                renew(s, &f->next);
}
