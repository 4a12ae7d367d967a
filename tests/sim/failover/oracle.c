/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/parts.h"

#include <inttypes.h>
#include <string.h>

#define STEPS_MAX 600          /* of one second, of all agents; five with a hand-over need half of that */
#define SLACK (10 * USEC_MSEC) /* of clocks that differ */

void oracle_init(struct oracle *o)
{
        memset(o, 0, sizeof(*o));
}

bool oracle_excuses(const struct sim *s, const struct pod *p)
{
        return s->hosts[p->host].frozen || sim_now(s) <= p->excused;
}

/* --- who can acknowledge -------------------------------------------------------------------- */

static bool same_life(const struct failover_id *a, const struct failover_id *b)
{
        return a->member == b->member && a->incarnation == b->incarnation && strcmp(a->uid, b->uid) == 0;
}

void oracle_turn(struct sim *s)
{
        struct oracle *o = &s->oracle;
        const struct pod *able = NULL, *excused = NULL;

        for (int i = 0; i < SIM_PODS_MAX; i++) {
                const struct pod *p = &s->pods[i];

                if (!p->used || !server_can_acknowledge(s, p))
                        continue;
                if (p->number == o->pod && p->server.lead_epoch == o->lead_epoch) {
                        o->end = sim_now(s);
                        o->end_excused = oracle_excuses(s, p);
                }
                if (oracle_excuses(s, p)) {
                        excused = p;
                        continue;
                }
                if (able)
                        sim_fail(s, "two-writable",
                                 "members %d (epoch %" PRIu64 ") and %d (epoch %" PRIu64 ")", able->id.member,
                                 able->server.lead_epoch, p->id.member, p->server.lead_epoch);
                able = p;
        }
        if (able && excused)
                o->overlap += sim_now(s) - o->last_turn;
        o->last_turn = sim_now(s);
}

/* Nobody else has the Lease. */
static void expect_not_taken(struct sim *s, const struct pod *p, uint64_t epoch, const char *oracle)
{
        const struct failover_record *r = &s->api.record;

        if (!s->api.exists || oracle_excuses(s, p) || !r->lineage[0])
                return;
        if (r->epoch == epoch && r->phase != FAILOVER_RELEASED && s->oracle.holder_of[epoch] == p->number)
                return;
        sim_fail(s, oracle,
                 "member %d in epoch %" PRIu64 ", but the Lease is %s of member %d, epoch %" PRIu64,
                 p->id.member, epoch, failover_phase_name(r->phase), r->holder.member, r->epoch);
}

void oracle_acknowledges(struct sim *s, struct pod *p)
{
        s->oracle.n_acked++;
        expect_not_taken(s, p, p->server.lead_epoch, "ack-without-lease");
        oracle_judge_set(s, p);
}

void oracle_appends(struct sim *s, struct pod *p)
{
        if (p->server.mode != FAILOVER_WRITABLE)
                sim_fail(s, "simulator", "member %d writes and is not writable", p->id.member);
}

void oracle_appended(struct sim *s, struct pod *p)
{
        s->oracle.of[p->server.lead_epoch].end = p->server.data;
        if (p->number == s->oracle.pod && p->server.lead_epoch == s->oracle.lead_epoch)
                s->oracle.data = p->server.data;
}

static void note_start(struct sim *s, const struct pod *p, uint64_t epoch)
{
        const struct failover_copy *believes = &p->agent.f.copy;

        s->oracle.of[epoch].start = s->oracle.of[epoch].end = p->server.data;
        s->oracle.of[epoch].empty = !p->server.has_data;
        s->oracle.of[epoch].former = s->oracle.lead_epoch;
        if (p->server.warm && believes->data == FAILOVER_DATA_WARM)
                s->oracle.of[epoch].followed = believes->position.timeline;
}

void oracle_leads(struct sim *s, struct pod *p, uint64_t epoch)
{
        struct oracle *o = &s->oracle;

        if (epoch >= ORACLE_EPOCHS_MAX)
                sim_fail(s, "epochs", "there are too many");
        expect_not_taken(s, p, epoch, "leads-without-lease");
        if (o->lead_epoch == epoch && o->pod != p->number && !oracle_vouches(s, p))
                sim_fail(s, "two-leaders-of-an-epoch", "member %d leads in epoch %" PRIu64 " as well",
                         p->id.member, epoch);
        if (epoch < o->lead_epoch && !oracle_excuses(s, p))
                sim_fail(s, "epoch-goes-back", "member %d leads in epoch %" PRIu64 " after %" PRIu64,
                         p->id.member, epoch, o->lead_epoch);
        if (epoch <= o->lead_epoch)
                return; /* it resumes */
        oracle_judge_promotion(s, p);
        note_start(s, p, epoch);
        o->lead_epoch = epoch;
        o->pod = p->number;
        o->led_since = sim_now(s);
        o->final = o->forgotten = false;
        o->n_led++;
        o->led[epoch] = true;
}

/* On what is there where a volume was. */
void oracle_starts(struct sim *s, const struct pod *p)
{
        if (s->volumes[p->volume].gone)
                sim_fail(s, "starts-on-nothing", "member %d starts, and its volume is gone", p->id.member);
}

void oracle_led(struct sim *s, struct pod *p)
{
        oracle_appended(s, p);
        s->oracle.of[p->server.lead_epoch].skew = p->server.skew;
        note(s, p, "server is writable, epoch %" PRIu64, p->server.lead_epoch);
}

/* --- the Lease ---------------------------------------------------------------------------------- */

static void judge_epoch(struct sim *s, const struct pod *p)
{
        const struct failover_record *r = &s->api.record;
        struct oracle *o = &s->oracle;

        if (r->epoch >= ORACLE_EPOCHS_MAX)
                sim_fail(s, "epochs", "there are too many");
        if (r->epoch < o->epoch)
                sim_fail(s, "epoch-goes-back", "member %d writes epoch %" PRIu64 " after %" PRIu64,
                         p->id.member, r->epoch, o->epoch);
        if (r->epoch > o->epoch) {
                o->epoch = r->epoch;
                o->left = r->in_sync;
                o->taken_at = sim_now(s);
                o->holder_of[r->epoch] = p->number;
                o->incarnation_of[r->epoch] = p->id.incarnation;
        } else if (r->phase != FAILOVER_RELEASED && (o->holder_of[r->epoch] != p->number ||
                                                     o->incarnation_of[r->epoch] != r->holder.incarnation)) {
                sim_fail(s, "two-leaders-of-an-epoch", "member %d holds epoch %" PRIu64 " as well",
                         p->id.member, r->epoch);
        }
}

/* Whoever loses the Lease, or gives it back, must be unable to write by then. */
static void expect_nobody_writable(struct sim *s, const struct pod *except, const char *oracle)
{
        for (int i = 0; i < SIM_PODS_MAX; i++) {
                const struct pod *p = &s->pods[i];

                if (p->used && p != except && server_can_acknowledge(s, p) && !oracle_excuses(s, p))
                        sim_fail(s, oracle, "the server of member %d is writable", p->id.member);
        }
}

void oracle_lease(struct sim *s, struct pod *p, const struct failover_record *before, usec_t sent)
{
        const struct failover_record *r = &s->api.record;
        struct oracle *o = &s->oracle;

        judge_epoch(s, p);
        if (same_life(&r->holder, &p->id))
                p->renewal_sent = MAX(p->renewal_sent, sent);
        if (!r->lineage[0])
                return; /* nobody has been chosen, and who leads may know nothing of it */
        if (r->phase == FAILOVER_RELEASED)
                expect_nobody_writable(s, NULL, "released-while-writable");
        else if (!before->lineage[0])
                expect_nobody_writable(s, p, "chosen-while-writable");
        else if (!same_life(&before->holder, &r->holder))
                expect_nobody_writable(s, p, "taken-while-writable");
        if (r->phase == FAILOVER_HELD || r->phase == FAILOVER_RELEASED)
                o->set = r->in_sync;
        if (r->phase == FAILOVER_HELD)
                oracle_judge_told(s, before, r);
        if (r->phase == FAILOVER_HELD)
                o->deferred = 0;
        else if (r->phase == FAILOVER_RELEASED && before->phase == FAILOVER_SEALING)
                o->deferred |= r->in_sync & ~before->in_sync & ~o->left;
        if (r->phase == FAILOVER_RELEASED && before->phase == FAILOVER_HELD)
                o->final = r->final;
        if (r->phase == FAILOVER_SEALING && !r->final)
                o->final = false; /* whoever is chosen may have led since */
}

/* Epochs that nobody led may come again. */
void oracle_made_again(struct sim *s)
{
        struct oracle *o = &s->oracle;

        o->epoch = s->api.record.epoch;
        o->set = o->left = s->api.record.in_sync;
        o->deferred = 0;
        o->final = false;
        o->forgotten = true;
}

/* --- the endpoint ----------------------------------------------------------------------------------- */

void oracle_published(struct sim *s, const struct pod *p, uint64_t epoch)
{
        if (epoch < s->api.endpoint.epoch)
                sim_fail(s, "endpoint-goes-back", "to epoch %" PRIu64 " from %" PRIu64, epoch,
                         s->api.endpoint.epoch);
        if (!s->oracle.led[epoch])
                sim_fail(s, "published-early", "epoch %" PRIu64 " has not been led yet", epoch);
        if (s->oracle.holder_of[epoch] != p->number)
                sim_fail(s, "published-other", "member %d publishes epoch %" PRIu64 " of another",
                         p->id.member, epoch);
}

/* --- effects ------------------------------------------------------------------------------------------- */

void oracle_stepped(struct sim *s, struct pod *p)
{
        struct oracle *o = &s->oracle;

        if (p->agent.effects.n >= FAILOVER_EFFECTS_MAX)
                sim_fail(s, "effects", "member %d has more of them than there is room for", p->id.member);
        if (sim_now(s) - o->window >= USEC_SEC) {
                o->window = sim_now(s);
                o->window_steps = 0;
        }
        oracle_judge_missing(s, p);
        if (++o->window_steps > STEPS_MAX)
                sim_fail(s, "hot-loop", "more than %d steps in a second", STEPS_MAX);
}

void oracle_ordered(struct sim *s, struct pod *p, const struct failover_effect *e)
{
        if (e->order.what == FAILOVER_LEAD && !p->knife && !p->knife_spent)
                sim_fail(s, "not-armed", "member %d is to lead, and the kernel was told nothing",
                         p->id.member);
}

static bool is_alone(const struct pod *p)
{
        return !(p->agent.f.record.in_sync & (failover_set)~failover_only(p->id.member));
}

void oracle_armed(struct sim *s, struct pod *p, usec_t until)
{
        usec_t sent = MAX(p->renewal_sent, p->promises_sent);

        if (until > sent + s->timing.fence && !is_alone(p))
                sim_fail(s, "armed-too-long",
                         "member %d, for %.4f s more than F after what carries its lease was sent",
                         p->id.member, (double)(until - sent - s->timing.fence) / USEC_SEC);
}

static bool may_write(const struct server *v)
{
        bool ordered = v->flying > 0;

        if ((v->process != PROCESS_UP && v->process != PROCESS_LOADING) || v->to_die)
                return false;
        return ordered || v->mode == FAILOVER_WRITABLE || v->mode == FAILOVER_PAUSED;
}

void oracle_disarmed(struct sim *s, struct pod *p)
{
        if (may_write(&p->server))
                sim_fail(s, "disarmed", "the server of member %d is writable, or will be", p->id.member);
}

void oracle_sent(struct sim *s, struct pod *p, const struct failover_message *m)
{
        struct oracle *o = &s->oracle;
        const struct pod *asker = NULL;
        ptrdiff_t slot;

        if (m->type == FAILOVER_PROMISE && m->round != p->promises_round) {
                p->promises_round = m->round;
                p->promises_sent = host_now(s, p->host);
                p->promises_asked = sim_now(s);
        }
        if (m->type != FAILOVER_YES || m->about != FAILOVER_PROMISE)
                return;
        for (int i = 0; i < SIM_PODS_MAX; i++)
                if (s->pods[i].used && s->pods[i].id.member == m->to && s->pods[i].promises_round == m->round)
                        asker = &s->pods[i];
        if (!asker)
                return;
        slot = p - s->pods;
        o->promises[slot].pod = p->number;
        o->promises[slot].epoch = s->api.record.epoch;
        o->promises[slot].until = asker->promises_asked + s->timing.fence - SLACK;
}

/* A promise binds until the time of who asked for it is over, which that counts from the asking. */
static void judge_promise(struct sim *s, const struct pod *p, const struct failover_record *r)
{
        const struct oracle *o = &s->oracle;
        ptrdiff_t slot = p - s->pods;

        if (o->promises[slot].pod != p->number || sim_now(s) >= o->promises[slot].until ||
            r->epoch <= o->promises[slot].epoch || !s->api.exists)
                return;
        if (s->api.record.phase == FAILOVER_RELEASED || s->api.record.epoch > o->promises[slot].epoch ||
            p->agent.f.record.phase == FAILOVER_RELEASED || p->agent.f.ended.epoch == o->promises[slot].epoch)
                return; /* nobody is bound to one who has given it back, though it may have been made again */
        sim_fail(s, "promise-broken", "member %d stands against epoch %" PRIu64 " for epoch %" PRIu64,
                 p->id.member, o->promises[slot].epoch, r->epoch);
}

void oracle_writes(struct sim *s, struct pod *p, const struct failover_record *r)
{
        failover_set added = r->in_sync & (failover_set)~p->agent.f.record.in_sync;

        judge_promise(s, p, r);
        if (r->phase == FAILOVER_HELD && added && p->number == s->oracle.pod)
                oracle_judge_widening(s, p, added);
}

void oracle_told(struct sim *s, struct pod *p, const struct failover_effect *e)
{
        if (e->news.what == FAILOVER_SUPERSEDED && !oracle_excuses(s, p))
                s->oracle.n_superseded++;
}
