/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "failover/internal.h"

/* F leaves a quarter of L for the kill, for a clock that runs slow, and for the
 * way of a renewal to the API server: what is sent by F is dead by L. */
struct failover_timing failover_timing_of(usec_t lease)
{
        return (struct failover_timing){
                .lease = lease,
                .fence = lease / 4 * 3,
                .renew = lease / 4,
                .write = lease / 4,
                .hang = lease / 2,
                .disk = lease / 4 * 3,
                .lag = MAX(lease / 4 * 3, 3 * USEC_SEC),
                .last = lease / 20,
                .seal = 400 * USEC_MSEC,
                .grace = 300 * USEC_MSEC,
                .yield = USEC_SEC,
                .halt = 11 * USEC_MINUTE,
                .peer_retry = 100 * USEC_MSEC,
        };
}

void failover_init(struct failover *f, const struct failover_id *self, const struct failover_timing *timing,
                   const struct failover_copy *stored, const char *fresh_lineage, usec_t now)
{
        *f = (struct failover){
                .timing = *timing,
                .self = *self,
                .policy = { .request_to = FAILOVER_NOBODY, .consent = FAILOVER_NOBODY },
                .stale = true,
                .want = FAILOVER_HALT,
                .copy = *stored,
                .remembered = *stored,
                .kept = stored->position.timeline,
                .canary = now,
                .wrote = INT64_MIN / 2, /* not yet */
                .alive = now,
                .rounds = self->incarnation, /* so that no answer to a former life is taken for one to this */
        };
        f->copy.data = FAILOVER_DATA_UNKNOWN;
        f->seals.former = FAILOVER_NOBODY;
        f->yield.to = FAILOVER_NOBODY;
        memcpy(f->fresh_lineage, fresh_lineage, strnlen(fresh_lineage, sizeof(f->fresh_lineage) - 1));
}

bool failover_holds(const struct failover *f, usec_t now)
{
        return f->role != FAILOVER_FOLLOWER && now < f->valid_until;
}

bool failover_ahead(const struct failover_position *a, const struct failover_position *b)
{
        return a->timeline != b->timeline ? a->timeline > b->timeline : a->offset > b->offset;
}

struct failover_effect *effect(struct step *s, enum failover_effect_type type)
{
        struct failover_effect *e = &s->out->list[MIN(s->out->n, (size_t)FAILOVER_EFFECTS_MAX - 1)];

        if (s->out->n < FAILOVER_EFFECTS_MAX)
                s->out->n++;
        *e = (struct failover_effect){ .type = type };
        return e;
}

struct failover_effect *tell(struct step *s, enum failover_news what, int member, failover_set members)
{
        struct failover_effect *e = effect(s, FAILOVER_DO_TELL);

        e->news.what = what;
        e->news.member = member;
        e->news.members = members;
        e->news.epoch = s->f->role == FAILOVER_FOLLOWER ? s->f->record.epoch : s->f->epoch;
        e->news.cause = s->f->record.cause;
        return e;
}

void say_to_all(struct step *s, failover_set set, enum failover_message_type type, uint64_t round,
                uint64_t epoch)
{
        for (int to = 0; to < FAILOVER_MEMBERS_MAX; to++)
                if (is_in(set, to))
                        effect(s, FAILOVER_DO_SEND)->message = (struct failover_message){
                                .type = type,
                                .from = s->f->self.member,
                                .life = s->f->self.incarnation,
                                .to = to,
                                .round = round,
                                .epoch = epoch,
                        };
}

static void message_came(struct step *s, const struct failover_message *m)
{
        if (m->to != s->f->self.member || m->from < 0 || m->from >= FAILOVER_MEMBERS_MAX)
                return;
        s->f->members[m->from].knows = MAX(s->f->members[m->from].knows, m->epoch);
        switch (m->type) {
        case FAILOVER_PROMISE:
                asked_to_promise(s, m);
                break;
        case FAILOVER_SEAL:
                asked_to_seal(s, m);
                break;
        case FAILOVER_YES:
        case FAILOVER_NO:
                if (m->about == FAILOVER_SEAL)
                        sealed_answer(s, m);
                else
                        promise_answer(s, m);
                break;
        case FAILOVER_ENDED:
                holder_ended(s->f, m);
                break;
        }
}

static void take_in(struct step *s, const struct failover_event *e)
{
        struct failover *f = s->f;

        switch (e->type) {
        case FAILOVER_TICK:
                break;
        case FAILOVER_RECORD:
                record_seen(s, &e->lease.record, e->lease.version);
                break;
        case FAILOVER_ABSENT:
                record_absent(s);
                break;
        case FAILOVER_WROTE:
                record_wrote(s, e->wrote.id, e->wrote.outcome, e->wrote.version);
                break;
        case FAILOVER_SERVER:
                server_seen(s, &e->server);
                break;
        case FAILOVER_CANARY:
                canary_seen(f, e->canary.began, e->canary.kept);
                break;
        case FAILOVER_MESSAGE:
                message_came(s, &e->message);
                break;
        case FAILOVER_POLICY:
                f->policy = e->policy;
                f->policed = true;
                break;
        case FAILOVER_STOP:
                f->stopping = true;
                break;
        case FAILOVER_REFUSED:
                f->refused = true;
                break;
        }
}

/* What an agent that was stopped finds first when it goes on: its time is over. */
static void fence_if_expired(struct step *s)
{
        if (s->f->role != FAILOVER_FOLLOWER && s->now >= s->f->valid_until)
                fence(s, FAILOVER_CAUSE_FENCED, FAILOVER_FENCED);
}

static void move(struct step *s)
{
        switch (s->f->role) {
        case FAILOVER_FOLLOWER:
                follow(s);
                break;
        case FAILOVER_SEALER:
                seal(s);
                break;
        case FAILOVER_PROMOTING:
                promote(s);
                break;
        case FAILOVER_LEADER:
                lead(s);
                break;
        case FAILOVER_YIELDING:
                yield_move(s);
                break;
        }
}

static usec_t next_wake(const struct failover *f, usec_t now)
{
        usec_t wake = now + f->timing.peer_retry;

        if (f->role == FAILOVER_FOLLOWER) {
                usec_t at = stand_at(f);

                return at > now ? MIN(wake, at) : wake;
        }
        wake = MIN(wake, f->valid_until);
        if (f->tried + f->timing.renew > now)
                wake = MIN(wake, f->tried + f->timing.renew);
        if (f->role == FAILOVER_YIELDING && f->yield.until > now)
                wake = MIN(wake, f->yield.until);
        return wake;
}

void failover_step(struct failover *f, usec_t now, const struct failover_event *event,
                   struct failover_effects *ret)
{
        struct step s = { .f = f, .now = now, .out = ret };
        enum failover_role before;

        ret->n = 0;
        fence_if_expired(&s);
        take_in(&s, event);
        fence_if_expired(&s);
        do { /* what a role leaves to the next one is done in the same step */
                before = f->role;
                move(&s);
        } while (f->role != before && f->role != FAILOVER_FOLLOWER);
        if (f->role == FAILOVER_FOLLOWER && before != FAILOVER_FOLLOWER)
                follow(&s);
        keep_armed(&s);
        read_if_stale(&s);
        ret->wake = next_wake(f, now);
}

const char *failover_phase_name(enum failover_phase phase)
{
        static const char *const names[] = { "Bootstrap", "Held", "Sealing", "Released" };

        return names[phase];
}

const char *failover_cause_name(enum failover_cause cause)
{
        static const char *const names[] = { "None",      "Bootstrap",    "ServerCrashed", "ServerHung",
                                             "DiskStuck", "LeaseExpired", "Fenced",        "AgentRestarted",
                                             "Planned",   "Shutdown" };

        return names[cause];
}

const char *failover_loss_name(enum failover_loss loss)
{
        static const char *const names[] = { "Unknown", "AtLeast", "Exact", "Everything" };

        return names[loss];
}

const char *failover_role_name(enum failover_role role)
{
        static const char *const names[] = { "Follower", "Sealing", "Promoting", "Leader", "Yielding" };

        return names[role];
}

const char *failover_news_name(enum failover_news news)
{
        static const char *const names[] = {
                "StoodForElection", "Chosen",    "Deferred",   "WaitingForMembers", "NoData",
                "Promoted",         "Narrowed",  "Widened",    "WritesHeldBack",    "WritesResumed",
                "OnPromises",       "Fenced",    "Superseded", "HandoverBegun",     "HandoverDone",
                "HandoverFailed",   "LeaseGone", "WritesLost",
        };

        return names[news];
}
