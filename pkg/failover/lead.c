/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "failover/internal.h"

#define YIELDS_MAX 5 /* hand-overs of one that must go, each of timing.yield */

/* --- who has kept up ------------------------------------------------------------ */

/* Each member's freshness: the last time T of which it is known that it has all
 * that the server had at T. One mark a member is under way at a time. */
static void mark_member(struct failover *f, int m)
{
        const struct failover_server *v = &f->server;

        if (!is_in(v->online, m))
                return;
        if (v->acked[m] >= f->members[m].mark)
                f->members[m].fresh = MAX(f->members[m].fresh, f->members[m].marked);
        else if (f->members[m].marked > f->members[m].fresh)
                return; /* not there yet */
        f->members[m].life = v->life[m];
        f->members[m].mark = v->offset;
        f->members[m].marked = v->at;
        if (v->acked[m] >= v->offset)
                f->members[m].fresh = v->at;
}

static failover_set candidates(const struct failover *f)
{
        return f->policy.members & (failover_set) ~(self_set(f) | f->policy.fenced);
}

/* Who belongs into the set, as of the last look: while the server does not answer, nothing
 * is heard of its followers, and that is no fault of theirs. */
static failover_set fresh_set(const struct step *s)
{
        const struct failover *f = s->f;
        failover_set set = self_set(f);

        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                usec_t age = f->server.at - f->members[m].fresh;
                bool online = is_in(f->server.online, m), inside = is_in(f->record.in_sync, m);

                if (!is_in(candidates(f), m))
                        continue;
                /* To come in: connected, up to date, and its agent knows whom its server follows.
                 * To stay: not for long without. */
                if (inside ? age <= (online ? f->timing.lag : f->timing.lag / 2)
                           : online && age <= f->timing.lag / 2 && f->members[m].knows >= f->epoch)
                        set |= failover_only(m);
        }
        return set;
}

/* Its time is over in a moment, or its disk's. Who lets nobody write any more by then knows
 * what it had, and can say what is lost. */
static bool is_about_to_end(const struct step *s)
{
        const struct failover *f = s->f;

        return s->now >= MIN(f->valid_until, f->canary + f->timing.disk) - f->timing.last;
}

/* A member that could be promoted lacks more than it may, and the record cannot
 * be narrowed: then nothing more is acknowledged. */
static bool must_hold_back(const struct step *s)
{
        const struct failover *f = s->f;
        failover_set possible = possible_set(f) & ~self_set(f);

        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++)
                if (is_in(possible, m) && s->now - f->members[m].fresh > 2 * f->timing.lag)
                        return true;
        return false;
}

int best_follower(const struct failover *f)
{
        int best = FAILOVER_NOBODY;

        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                if (!is_in(candidates(f) & f->record.in_sync & f->online, m))
                        continue;
                if (best == FAILOVER_NOBODY || f->members[m].acked > f->members[best].acked)
                        best = m;
        }
        return best;
}

static void meet_member(struct failover *f, int m)
{
        const struct failover_server *v = &f->server;

        if (!is_in(v->online, m))
                f->members[m].met = 0;
        else if (!f->members[m].met || f->members[m].met_life != v->life[m])
                f->members[m].met = v->at;
        f->members[m].met_life = v->life[m];
}

/* Everybody in SET has followed for so long that his volume names this epoch; and so does ours. */
static bool is_kept_by(const struct step *s, failover_set set)
{
        const struct failover *f = s->f;

        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++)
                if (is_in(set & ~self_set(f), m) &&
                    (!f->members[m].met || s->now - f->members[m].met < 2 * f->timing.lease))
                        return false;
        return f->kept >= f->epoch;
}

void lead_server_seen(struct step *s)
{
        struct failover *f = s->f;

        if (f->server.state != FAILOVER_WRITABLE && f->server.state != FAILOVER_PAUSED)
                return;
        f->online = f->server.online;
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                f->members[m].acked = f->server.acked[m];
                mark_member(f, m);
                meet_member(f, m);
        }
}

/* --- the lease ---------------------------------------------------------------------- */

void renew(struct step *s, const struct failover_record *record)
{
        struct failover *f = s->f;
        bool urgent = f->role != FAILOVER_LEADER || f->record.phase != FAILOVER_HELD;
        usec_t pause = !f->changed ? f->timing.renew : urgent && !f->failed ? 0 : f->timing.peer_retry;

        if (f->write.kind != FAILOVER_WRITE_NONE || f->stale || s->now < f->tried + pause)
                return;
        write_record(s, FAILOVER_WRITE_RENEW, record);
}

/* The API server does not answer. As long as everyone who could be promoted
 * promises not to stand, nobody can take the lease. */
static void ask_for_promises(struct step *s)
{
        struct failover *f = s->f;
        failover_set others = possible_set(f) & ~self_set(f);

        if (s->now < f->renewed + f->timing.renew * 3 / 2 ||
            (f->promises.sent && s->now < f->promises.sent + f->timing.renew / 2))
                return;
        f->promises.round = ++f->rounds;
        f->promises.sent = s->now;
        f->promises.yes = 0;
        if (!others)
                extend(f, s->now);
        say_to_all(s, others, FAILOVER_PROMISE, f->promises.round, f->epoch);
}

void promise_answer(struct step *s, const struct failover_message *m)
{
        struct failover *f = s->f;
        failover_set others = possible_set(f) & ~self_set(f);

        if (f->role == FAILOVER_FOLLOWER || m->round != f->promises.round)
                return;
        if (m->type == FAILOVER_NO) {
                if (m->epoch > f->epoch)
                        fence(s, FAILOVER_CAUSE_FENCED, FAILOVER_SUPERSEDED);
                return;
        }
        /* Another life of the member may not know of the promise that this one gives. */
        if (f->members[m->from].life && f->members[m->from].life != m->life)
                return;
        f->promises.yes |= failover_only(m->from);
        if (others & ~f->promises.yes)
                return;
        extend(f, f->promises.sent);
        if (!f->on_promises)
                tell(s, FAILOVER_ON_PROMISES, f->self.member, others);
        f->on_promises = true;
}

/* --- leading ------------------------------------------------------------------------- */

void lead_begin(struct step *s)
{
        struct failover *f = s->f;

        f->role = FAILOVER_LEADER;
        f->changed = true;
        f->held_back = false;
        f->online = f->server.online;
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                f->members[m].mark = f->server.offset;
                f->members[m].marked = f->ordered;
                /* Those in the set have all that was there before it led. */
                f->members[m].fresh = is_in(f->record.in_sync, m) ? f->ordered : INT64_MIN / 2;
                f->members[m].met = 0;
                f->members[m].life = is_in(f->seals.answered, m) ? f->seals.lives[m] : 0;
        }
        effect(s, FAILOVER_DO_PUBLISH)->epoch = f->epoch;
        tell(s, FAILOVER_LED, f->self.member, f->record.in_sync);
}

static bool must_go(const struct failover *f)
{
        return must_be_down(f) || (f->policed && !is_in(f->policy.members, f->self.member));
}

/* Ends leading if the server or its disk cannot serve; true if it did. */
static bool fence_if_unwell(struct step *s)
{
        struct failover *f = s->f;
        bool stopped = f->role == FAILOVER_YIELDING && f->yield.to == FAILOVER_NOBODY;

        if (f->server.state == FAILOVER_DOWN && !stopped)
                fence(s, cause_of_end(f), FAILOVER_FENCED);
        else if (s->now > f->alive + f->timing.hang && !stopped)
                fence(s, FAILOVER_CAUSE_HANG, FAILOVER_FENCED);
        else if (stopped && s->now >= f->yield.until) /* its engine ought to have killed it long ago */
                fence(s, FAILOVER_CAUSE_HANG, FAILOVER_FENCED);
        else if (s->now > f->canary + f->timing.disk)
                fence(s, FAILOVER_CAUSE_DISK, FAILOVER_FENCED);
        else
                return false;
        return true;
}

static void hold_back_or_resume(struct step *s)
{
        struct failover *f = s->f;
        bool ending = is_about_to_end(s), back = ending || must_hold_back(s);

        order(s, back ? FAILOVER_PAUSE : FAILOVER_LEAD, &f->self, f->epoch);
        if (back != f->held_back)
                tell(s, back ? FAILOVER_HELD_BACK : FAILOVER_RESUMED, f->self.member, 0)->news.cause =
                        !ending                                        ? FAILOVER_CAUSE_NONE
                        : f->valid_until <= f->canary + f->timing.disk ? FAILOVER_CAUSE_EXPIRED
                                                                       : FAILOVER_CAUSE_DISK;
        f->held_back = back;
}

static struct failover_record led_record(const struct step *s)
{
        const struct failover *f = s->f;
        struct failover_record r = next_record(f);

        r.in_sync = fresh_set(s);
        r.floor = is_kept_by(s, r.in_sync) ? f->epoch : MAX(r.floor, f->next.floor);
        r.request = MAX(r.request, f->handled);
        r.consent = MAX(r.consent, f->policy.consent_number); /* somebody leads: it was not needed */
        r.loss = f->next.loss;
        r.lost = f->next.lost;
        r.start = f->next.start;
        return r;
}

static void yield_begin(struct step *s, int to, enum failover_cause cause);

void lead(struct step *s)
{
        struct failover *f = s->f;
        struct failover_record r;

        if (fence_if_unwell(s))
                return;
        r = led_record(s);
        if (r.in_sync != f->record.in_sync || f->record.phase != FAILOVER_HELD || f->absent)
                f->changed = true;
        ask_for_promises(s);
        hold_back_or_resume(s);
        if (!is_disowned(f) &&
            (f->write.kind != FAILOVER_WRITE_NONE || f->stale || f->record.phase != FAILOVER_HELD)) {
                renew(s, &r);
                return;
        }
        if (must_go(f)) {
                yield_begin(s, best_follower(f), FAILOVER_CAUSE_SHUTDOWN);
        } else if (f->policy.request > MAX(f->record.request, f->handled)) {
                f->handled = f->policy.request;
                if (f->policy.request_to != f->self.member)
                        yield_begin(s,
                                    f->policy.request_to == FAILOVER_NOBODY ? best_follower(f)
                                                                            : f->policy.request_to,
                                    FAILOVER_CAUSE_PLANNED);
        } else {
                renew(s, &r);
        }
}

/* --- a hand-over ----------------------------------------------------------------------- */

/* To whom: somebody who is connected and in the set. To nobody, when the pod
 * ends and it is alone: then the server is stopped in its own way. */
static void yield_begin(struct step *s, int to, enum failover_cause cause)
{
        struct failover *f = s->f;

        if (!is_in(candidates(f) & f->record.in_sync & f->server.online, to)) {
                if (cause == FAILOVER_CAUSE_PLANNED) {
                        tell(s, FAILOVER_STAYED, to, 0);
                        f->changed = true;
                        return;
                }
                to = FAILOVER_NOBODY;
        }
        if (f->role != FAILOVER_YIELDING)
                f->yield.begun = s->now;
        f->role = FAILOVER_YIELDING;
        f->yield.to = to;
        f->yield.cause = cause;
        f->yield.until = s->now + (to == FAILOVER_NOBODY ? f->timing.halt : f->timing.yield);
        f->yield.released = false;
        tell(s, FAILOVER_YIELDS, to, 0);
        if (to == FAILOVER_NOBODY)
                order(s, FAILOVER_HALT, NULL, 0);
        else
                order(s, FAILOVER_PAUSE, &f->self, f->epoch);
}

static void release(struct step *s)
{
        struct failover *f = s->f;
        struct failover_record r = next_record(f);

        r.phase = FAILOVER_RELEASED;
        r.handover_to = f->yield.to;
        r.final = f->yield.to != FAILOVER_NOBODY; /* a server that was stopped told no last position */
        r.cause = f->yield.cause;
        r.from = f->self.member;
        r.request = MAX(r.request, f->handled);
        f->yield.released = true;
        write_record(s, FAILOVER_WRITE_RELEASE, &r);
}

void released(struct step *s)
{
        struct failover *f = s->f;

        if (f->role == FAILOVER_YIELDING) {
                tell(s, FAILOVER_YIELDED, f->yield.to, 0);
                f->cause = f->yield.cause;
        }
        f->role = FAILOVER_FOLLOWER;
        f->yield.to = FAILOVER_NOBODY;
        f->yield.released = false;
}

/* Nothing more is acknowledged, and the target has all that ever was. */
static bool is_handed_over(const struct failover *f)
{
        if (!obeyed(f))
                return false;
        if (f->yield.to == FAILOVER_NOBODY)
                return f->server.state == FAILOVER_DOWN;
        return f->server.state == FAILOVER_PAUSED && is_in(f->server.online, f->yield.to) &&
               f->server.acked[f->yield.to] >= f->server.offset;
}

/* The target is too late. Who must go does not write again in between: whoever is the
 * best by now gets another chance, and in the end the server is stopped in its own way. */
static void yield_fails(struct step *s)
{
        struct failover *f = s->f;
        bool again = s->now < f->yield.begun + YIELDS_MAX * f->timing.yield;

        tell(s, FAILOVER_STAYED, f->yield.to, 0);
        f->changed = true;
        if (must_go(f)) {
                yield_begin(s, again ? best_follower(f) : FAILOVER_NOBODY, FAILOVER_CAUSE_SHUTDOWN);
                return;
        }
        f->role = FAILOVER_LEADER;
        f->yield.to = FAILOVER_NOBODY;
}

void yield_move(struct step *s)
{
        struct failover *f = s->f;
        struct failover_record r;

        if (fence_if_unwell(s))
                return;
        ask_for_promises(s);
        if (is_disowned(f) && is_handed_over(f)) {
                fence(s, f->yield.cause, FAILOVER_FENCED); /* and says so to whom it cannot release it */
                return;
        }
        if (!is_disowned(f) && (f->write.kind != FAILOVER_WRITE_NONE || f->stale))
                return;
        if (f->yield.to != FAILOVER_NOBODY && s->now >= f->yield.until && !f->yield.released) {
                yield_fails(s);
                return;
        }
        if (is_disowned(f))
                return;
        r = led_record(s);
        if (is_handed_over(f) && (s->now < f->yield.until || f->yield.to == FAILOVER_NOBODY)) {
                release(s);
        } else {
                /* A release whose outcome is unknown may yet be carried out. Only a newer
                 * write forbids that, and until there is one nobody goes back to writing. */
                if (f->yield.released)
                        f->changed = true;
                renew(s, &r);
        }
}
