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
        f->seals.asked = 0;
        f->seals.answered = 0;
        f->seals.told = 0;
        tell(s, FAILOVER_STOOD, f->self.member, 0)->news.epoch = f->epoch;
}

static failover_set everyone(const struct failover *f)
{
        return f->record.in_sync | f->policy.members;
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
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                struct failover_message *ask;

                if (!is_in(missing, m))
                        continue;
                ask = &effect(s, FAILOVER_DO_SEND)->message;
                ask->type = FAILOVER_SEAL;
                ask->from = f->self.member;
                ask->life = f->self.incarnation;
                ask->to = m;
                ask->round = f->seals.round;
                ask->epoch = f->epoch;
        }
}

void sealed_answer(struct step *s, const struct failover_message *m)
{
        struct failover *f = s->f;

        if (f->role != FAILOVER_SEALER || m->round != f->seals.round)
                return;
        if (m->type == FAILOVER_NO) {
                f->stale = true; /* somebody knows of a newer epoch */
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
static int best_of(const struct failover *f, failover_set set, enum failover_data least, int except)
{
        int best = FAILOVER_NOBODY;

        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                const struct failover_copy *c = &f->seals.copies[m];

                if (!is_in(set & f->seals.answered, m) || c->data < least || !is_lineage(f, c) ||
                    is_in(f->policy.fenced, m) || m == except)
                        continue;
                if (best == FAILOVER_NOBODY ||
                    failover_ahead(&c->position, &f->seals.copies[best].position) ||
                    (m == f->self.member && !failover_ahead(&f->seals.copies[best].position, &c->position)))
                        best = m;
        }
        return best;
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

/* Nobody has kept his copy warm: everything stopped at once, or nothing ever ran.
 * Whoever is missing may have more than those who are there. */
static int choose_cold(struct step *s)
{
        struct failover *f = s->f;
        failover_set set = f->record.in_sync, all = everyone(f);
        failover_set missing = set & ~known_of(f, set);
        bool empty_is_right = !f->record.lineage[0] || !f->policy.durable;
        int best;

        if (missing) {
                wait_for(s, FAILOVER_WAITING, missing);
                return FAILOVER_NOBODY;
        }
        best = best_of(f, set, FAILOVER_DATA_COLD, FAILOVER_NOBODY);
        if (best != FAILOVER_NOBODY)
                return best;
        if (!empty_is_right) {
                wait_for(s, FAILOVER_NO_DATA, set);
                return FAILOVER_NOBODY;
        }
        missing = all & ~known_of(f, all);
        if (missing) {
                wait_for(s, FAILOVER_WAITING, missing);
                return FAILOVER_NOBODY;
        }
        best = best_of(f, all, FAILOVER_DATA_COLD, FAILOVER_NOBODY);
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

        if (!f->record.final)
                return FAILOVER_NOBODY;
        if (is_in(f->record.in_sync, f->self.member)) {
                if (!is_in(f->seals.answered, f->self.member))
                        return FAILOVER_NOBODY; /* in a moment */
                if (own->data == FAILOVER_DATA_WARM && is_lineage(f, own) &&
                    !failover_ahead(all, &own->position))
                        return f->self.member;
        }
        best = best_of(f, f->record.in_sync, FAILOVER_DATA_WARM, f->seals.unfit);
        /* A cold one that has it all is as good: it has at least what it says. */
        if (best == FAILOVER_NOBODY || failover_ahead(all, &f->seals.copies[best].position))
                best = best_of(f, f->record.in_sync, FAILOVER_DATA_COLD, FAILOVER_NOBODY);
        if (best == FAILOVER_NOBODY || failover_ahead(all, &f->seals.copies[best].position))
                return FAILOVER_NOBODY;
        return best;
}

int consented(const struct failover *f)
{
        return f->policy.consent_number > f->record.consent ? f->policy.consent : FAILOVER_NOBODY;
}

static int choose(struct step *s)
{
        struct failover *f = s->f;
        failover_set need = f->record.in_sync & ~failover_only(f->seals.former);
        int consent = consented(f), best = choose_final(f);

        if (best != FAILOVER_NOBODY)
                return best;
        best = best_of(f, f->record.in_sync, FAILOVER_DATA_WARM, f->seals.unfit);
        if (best != FAILOVER_NOBODY)
                return !(need & ~f->seals.answered) || s->now >= f->seals.begun + f->timing.seal
                               ? best
                               : FAILOVER_NOBODY;
        if (is_in(f->seals.answered, consent) && f->seals.copies[consent].data != FAILOVER_DATA_UNKNOWN)
                return consent;
        return choose_cold(s);
}

/* --- and what comes of it ------------------------------------------------------ */

static void defer_to(struct step *s, int better)
{
        struct failover_record r = next_record(s->f);

        r.phase = FAILOVER_RELEASED;
        r.handover_to = better;
        write_record(s, FAILOVER_WRITE_RELEASE, &r);
        tell(s, FAILOVER_DEFERRED, better, 0);
}

/* Who has all that the new leader has, and so may be promoted after it. */
static failover_set equals(const struct failover *f)
{
        const struct failover_position *own = &f->copy.position;
        failover_set set = self_set(f);

        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                const struct failover_copy *c = &f->seals.copies[m];

                if (is_in(f->seals.answered & f->policy.members, m) && c->data == FAILOVER_DATA_WARM &&
                    f->copy.data == FAILOVER_DATA_WARM && is_lineage(f, c) &&
                    !failover_ahead(own, &c->position))
                        set |= failover_only(m);
        }
        return set & ~f->policy.fenced;
}

static void choose_self(struct step *s)
{
        struct failover *f = s->f;
        const struct failover_position *there = &f->record.position, *own = &f->copy.position;

        f->next = next_record(f);
        f->next.in_sync = equals(f);
        f->next.lost = there->timeline == own->timeline && there->offset > own->offset
                               ? there->offset - own->offset
                               : 0;
        if (f->copy.data <= FAILOVER_DATA_NONE) /* a new beginning is another lineage */
                memcpy(f->next.lineage, f->fresh_lineage, sizeof(f->next.lineage));
        else if (!f->next.lineage[0])
                memcpy(f->next.lineage, f->copy.lineage[0] ? f->copy.lineage : f->fresh_lineage,
                       sizeof(f->next.lineage));
        if (consented(f) == f->self.member)
                f->next.consent = f->policy.consent_number;
        /* A deferral of unknown outcome may yet be carried out: then a newer write comes first, too. */
        f->narrowed = !f->doubt && f->next.in_sync == f->record.in_sync && f->next.lost == f->record.lost &&
                      f->next.consent == f->record.consent && strcmp(f->next.lineage, f->record.lineage) == 0;
        f->changed = !f->narrowed;
        f->chosen_run = f->server.run;
        f->role = FAILOVER_PROMOTING;
        tell(s, FAILOVER_CHOSEN, f->self.member, f->next.in_sync);
}

void seal(struct step *s)
{
        struct failover *f = s->f;
        struct failover_record r;
        int chosen;

        if (f->stopping || is_in(f->policy.fenced, f->self.member)) {
                fence(s, FAILOVER_CAUSE_SHUTDOWN, FAILOVER_FENCED);
                return;
        }
        seal_self(s);
        ask(s);
        if (f->write.kind != FAILOVER_WRITE_NONE)
                return;
        chosen = choose(s);
        if (chosen == f->self.member) {
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
                fence(s, FAILOVER_CAUSE_CRASH, FAILOVER_FENCED);
        else if (s->now >= f->ordered + f->timing.hang &&
                 !(obeyed(f) && f->server.state == FAILOVER_WRITABLE))
                fence(s, FAILOVER_CAUSE_HANG, FAILOVER_FENCED);
        else if (obeyed(f) && f->server.state == FAILOVER_WRITABLE)
                lead_begin(s);
        else
                renew(s, &f->next);
}
