/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may be promoted with what, and who may stand in the set.
 */
#include "failover/parts.h"

#include <inttypes.h>

#define DETECTION USEC_SEC /* from an event to what is done about it, at the most */
#define UNTOUCHED                                                                                            \
        (3 * USEC_SEC) /* a copy whose member had no trouble for so long is there for everybody to see */

/* --- what there is ------------------------------------------------------------------------------ */

bool oracle_data_of(const struct sim *s, const struct pod *p, struct data_ref *ret)
{
        const struct volume *v = &s->volumes[p->volume];

        if (p->server.process == PROCESS_UP) {
                *ret = p->server.data;
                return p->server.has_data;
        }
        *ret = v->data;
        return v->has_data;
}

const struct data_write *oracle_first_missing(struct sim *s, struct data_ref data)
{
        const struct oracle *o = &s->oracle;

        for (uint64_t i = data_common(&s->data, data, o->data); i < o->data.len; i++) {
                const struct data_write *w = data_at(&s->data, o->data, i);

                if (w->acked)
                        return w;
        }
        return NULL;
}

/* How far a member of the set may be behind its leader. An agent that stands still notices nothing
 * until the kernel's timer ends its server. */
static usec_t declared_lag(const struct sim *s, const struct pod *leader)
{
        usec_t lag = 2 * s->timing.lag + DETECTION;

        if (!leader || s->weather.freezes || agent_stopped(s, leader) ||
            sim_now(s) - leader->touched < 2 * lag)
                lag += s->timing.fence + DETECTION;
        return lag;
}

static bool is_consented(const struct sim *s, const struct pod *p)
{
        return s->policy.consent_number && s->policy.consent == p->id.member;
}

bool oracle_vouches(const struct sim *s, const struct pod *p)
{
        return s->oracle.forgotten && is_consented(s, p);
}

/* --- promotions ------------------------------------------------------------------------------------- */

static bool anybody_has_data(const struct sim *s, failover_set set)
{
        struct data_ref d;

        for (int m = 0; m < s->settings.members; m++)
                if ((set & failover_only(m)) && s->pod_of[m] >= 0 &&
                    oracle_data_of(s, &s->pods[s->pod_of[m]], &d) && data_common(&s->data, d, s->oracle.data))
                        return true;
        return false;
}

static void judge_emptiness(struct sim *s, const struct pod *p)
{
        struct oracle *o = &s->oracle;
        bool has = p->server.has_data && data_common(&s->data, p->server.data, o->data);

        if (!o->data.len || has)
                return;
        if (anybody_has_data(s, o->set))
                sim_fail(s, "empty-leads", "member %d has nothing, and another of the set %#x has",
                         p->id.member, o->set);
        if (s->policy.durable)
                sim_fail(s, "empty-leads", "member %d has nothing, and nobody decided that this is right",
                         p->id.member);
        o->n_gone++;
}

/* Where nothing was to be kept, and all who could be promoted have lost everything, what
 * another has is better than nothing. */
static void judge_outsider(struct sim *s, const struct pod *p)
{
        failover_set set = s->oracle.left & ~s->oracle.deferred;
        uint64_t here = data_common(&s->data, p->server.data, s->oracle.data);

        if (s->policy.durable)
                sim_fail(s, "not-in-set", "member %d leads, and the set was %#x", p->id.member, set);
        for (int m = 0; m < s->settings.members; m++) {
                struct data_ref d;

                if ((set & failover_only(m)) && oracle_data_of(s, &s->pods[s->pod_of[m]], &d) &&
                    data_common(&s->data, d, s->oracle.data) > here)
                        sim_fail(s, "not-in-set", "member %d leads, the set was %#x, and %d has more",
                                 p->id.member, set, m);
        }
}

/* The oldest acknowledged write that it may lack. */
static usec_t may_lack_from(struct sim *s, const struct pod *p)
{
        usec_t from = s->oracle.end;

        if (!p->server.warm)
                from = MIN(from, p->server.loaded_as_of);
        return from - declared_lag(s, pod_by_number(s, s->oracle.pod));
}

static void count_the_lost(struct sim *s, struct data_ref data)
{
        struct oracle *o = &s->oracle;

        for (uint64_t i = data_common(&s->data, data, o->data); i < o->data.len; i++) {
                struct data_write *w = data_at(&s->data, o->data, i);

                o->n_lost += w->acked && !w->counted;
                w->counted = true;
        }
}

/* A server that is up has it, and its agent is there to say so. */
static bool somebody_has_more(struct sim *s, const struct pod *p)
{
        uint64_t here = data_common(&s->data, p->server.data, s->oracle.data);

        for (int m = 0; m < s->settings.members; m++) {
                const struct pod *q = &s->pods[s->pod_of[m]];

                if ((s->oracle.set & s->api.record.in_sync & failover_only(m)) &&
                    !(s->policy.fenced & failover_only(m)) && q->agent.up && !agent_stopped(s, q) &&
                    !q->ending && q->server.process == PROCESS_UP && sim_now(s) - q->touched > UNTOUCHED &&
                    q->server.has_data && data_common(&s->data, q->server.data, s->oracle.data) > here)
                        return true;
        }
        return false;
}

/* Somebody has it who stands still, and was not waited for. */
static bool is_hasty(struct sim *s, const struct pod *p)
{
        uint64_t here = data_common(&s->data, p->server.data, s->oracle.data);

        if (sim_now(s) - s->oracle.taken_at > s->timing.lease * 9 / 10)
                return false;
        for (int m = 0; m < s->settings.members; m++) {
                const struct pod *q = &s->pods[s->pod_of[m]];

                if ((s->oracle.set & s->oracle.left & failover_only(m)) &&
                    !(s->policy.fenced & failover_only(m)) && q->agent.up && !q->ending &&
                    q->server.process == PROCESS_UP && q->server.warm &&
                    data_common(&s->data, q->server.data, s->oracle.data) > here)
                        return true;
        }
        return false;
}

static void judge_loss(struct sim *s, const struct pod *p)
{
        const struct data_write *w = oracle_first_missing(s, p->server.data);
        struct oracle *o = &s->oracle;

        if (!w)
                return;
        if (o->final && (somebody_has_more(s, p) || is_hasty(s, p)))
                sim_fail(s, "planned-loss", "member %d lacks what was acknowledged at %.4f s", p->id.member,
                         (double)w->acked / USEC_SEC);
        if (!o->end_excused && w->acked < may_lack_from(s, p))
                sim_fail(s, "loss",
                         "member %d lacks what was acknowledged at %.4f s; its leader ended at %.4f s",
                         p->id.member, (double)w->acked / USEC_SEC, (double)o->end / USEC_SEC);
}

/* It led, or followed, a newer epoch, and a restart left it with less than it had when that began. */
static bool has_newer_timeline(const struct pod *p, const struct pod *q)
{
        return !p->server.warm && p->agent.f.copy.position.timeline > q->agent.f.copy.position.timeline;
}

static bool is_plain_to_see(const struct sim *s, const struct pod *p, const struct pod *by)
{
        usec_t since = sim_now(s) - UNTOUCHED - s->timing.lease;

        return p->agent.up && !agent_stopped(s, p) && p->server.process == PROCESS_UP && p->server.warm &&
               !disk_frozen(s, p) && !s->volumes[p->volume].slow && !server_stopped(s, p) && !p->ending &&
               p->touched < since && p->agent.watch_silent_until < since && s->cut_changed[p->host] < since &&
               s->cut_changed[by->host] < since && linked(s, TRAFFIC_PEER, p, by) &&
               linked(s, TRAFFIC_PEER, by, p) && reaches_api(s, p) && hears_api(s, p);
}

static bool is_fair(const struct sim *s)
{
        const struct weather *w = &s->weather;

        return sim_now(s) - s->weather_changed > UNTOUCHED + s->timing.lease && !w->loss && !w->detours &&
               !w->freezes && !w->api_loss && !w->api_late && w->delay <= 20 * USEC_MSEC &&
               w->order_delay <= 20 * USEC_MSEC && w->api_delay <= 100 * USEC_MSEC;
}

/* Of those that nothing hid, none has acknowledged writes that the chosen one lacks. */
static void judge_choice(struct sim *s, const struct pod *p)
{
        struct oracle *o = &s->oracle;
        const struct data_write *missing = oracle_first_missing(s, p->server.data);

        if (!missing || !is_fair(s))
                return;
        for (int m = 0; m < s->settings.members; m++) {
                const struct pod *q = s->pod_of[m] < 0 ? NULL : &s->pods[s->pod_of[m]];

                if (!q || q == p || !(o->set & o->left & failover_only(m)) ||
                    (s->policy.fenced & failover_only(m)) || has_newer_timeline(p, q) ||
                    !is_plain_to_see(s, q, p) || q->server.mode == FAILOVER_WRITABLE || !q->server.has_data)
                        continue;
                if (oracle_first_missing(s, q->server.data) != missing &&
                    data_common(&s->data, q->server.data, o->data) >
                            data_common(&s->data, p->server.data, o->data))
                        sim_fail(s, "better-passed-over",
                                 "member %d leads with %" PRIu64 " writes, member %d has %" PRIu64,
                                 p->id.member, p->server.data.len, m, q->server.data.len);
        }
}

/* The Lease had been deleted, and did not say who could be promoted: so everybody was asked. */
static void judge_best(struct sim *s, const struct pod *p)
{
        uint64_t here = data_common(&s->data, p->server.data, s->oracle.data);

        for (int m = 0; m < s->settings.members; m++) {
                const struct pod *q = &s->pods[s->pod_of[m]];

                if (!(s->policy.fenced & failover_only(m)) && q->server.process == PROCESS_UP &&
                    q->server.warm && q->server.has_data && !has_newer_timeline(p, q) &&
                    data_common(&s->data, q->server.data, s->oracle.data) > here)
                        sim_fail(s, "better-passed-over",
                                 "member %d leads with %" PRIu64 " writes, member %d has %" PRIu64,
                                 p->id.member, here, m,
                                 data_common(&s->data, q->server.data, s->oracle.data));
        }
}

void oracle_judge_promotion(struct sim *s, struct pod *p)
{
        struct oracle *o = &s->oracle;

        if (o->lead_epoch && !is_consented(s, p)) {
                judge_emptiness(s, p);
                if (o->forgotten)
                        judge_best(s, p);
                else if (!(o->left & ~o->deferred & failover_only(p->id.member)))
                        judge_outsider(s, p);
                else if (p->server.has_data) {
                        judge_loss(s, p);
                        judge_choice(s, p);
                }
        }
        count_the_lost(s, p->server.data);
}

/* --- the set ------------------------------------------------------------------------------------------- */

/* Nobody has noticed yet, and what its volume lacks is the lag of the volume. */
static bool is_just_ended(const struct sim *s, const struct pod *p)
{
        if (p->server.process != PROCESS_UP && s->volumes[p->volume].saved < p->touched - 2 * USEC_SEC)
                return true; /* its disk had stood still */
        return (p->server.process != PROCESS_UP || !p->server.warm) &&
               sim_now(s) - p->touched < s->timing.lag + DETECTION;
}

/* Its volume is another's by now: it must have stopped to follow. */
static bool has_lost_its_volume(const struct sim *s, const struct pod *p)
{
        const struct pod *heir = &s->pods[s->pod_of[p->id.member]];

        return !p->current && heir->agent.up && s->volumes[p->volume].frozen_until == USEC_NEVER;
}

/* A member's pods: the one that has most. If that was replaced and still follows, there is nothing
 * to be judged: what the Lease names is a member. */
static bool best_data_of(struct sim *s, int m, struct data_ref *ret)
{
        uint64_t most = 0;
        bool found = false;

        for (int i = 0; i < SIM_PODS_MAX; i++) {
                const struct pod *q = &s->pods[i];
                struct data_ref d;
                uint64_t n;

                if (q->used && q->id.member == m && has_lost_its_volume(s, q))
                        continue;
                if (q->used && q->id.member == m && !q->current && is_just_ended(s, q))
                        return false;
                if (!q->used || q->id.member != m || (!q->current && !q->agent.up) || is_just_ended(s, q) ||
                    !oracle_data_of(s, q, &d))
                        continue;
                n = 1 + data_common(&s->data, d, s->oracle.data);
                if (n <= most)
                        continue;
                most = n;
                *ret = d;
                found = q->current;
        }
        return found;
}

/* What it has is in memory alone, and has been for longer than an agent needs to see that. */
static bool keeps_nothing(const struct sim *s, int m, usec_t before)
{
        const struct pod *q = &s->pods[s->pod_of[m]];

        return disk_frozen(s, q) && s->volumes[q->volume].frozen_since < before - s->timing.disk &&
               q->server.process == PROCESS_UP && !server_stopped(s, q) && q->agent.up &&
               !agent_stopped(s, q) && s->weather.order_delay < DETECTION / 2;
}

/* Whoever could be promoted has what was acknowledged, but for the declared lag. */
void oracle_judge_set(struct sim *s, struct pod *p)
{
        usec_t before = sim_now(s) - declared_lag(s, p);

        if (p->number != s->oracle.pod || !s->api.exists || s->oracle.forgotten || oracle_excuses(s, p))
                return;
        for (int m = 0; m < s->settings.members; m++) {
                const struct data_write *w;
                struct data_ref d;

                if (m == p->id.member || !(s->api.record.in_sync & failover_only(m)))
                        continue;
                if (s->oracle.led_since < before && keeps_nothing(s, m, before))
                        sim_fail(s, "set-too-wide", "member %d could be promoted, and its disk stands still",
                                 m);
                if (!best_data_of(s, m, &d))
                        continue;
                w = oracle_first_missing(s, d);
                if (w && w->acked < before)
                        sim_fail(s, "set-too-wide",
                                 "member %d could be promoted and lacks what was acknowledged at %.4f s", m,
                                 (double)w->acked / USEC_SEC);
        }
}

/* A pod of before follows as well, or did a moment ago: what the leader is told is of both. */
static bool is_there_twice(const struct sim *s, int m)
{
        for (int i = 0; i < SIM_PODS_MAX; i++) {
                const struct pod *q = &s->pods[i];

                if (q->used && q->id.member == m && !q->current && (q->agent.up || is_just_ended(s, q)))
                        return true;
        }
        return false;
}

void oracle_judge_widening(struct sim *s, struct pod *p, failover_set added)
{
        usec_t before = sim_now(s) - s->timing.lag - DETECTION;

        if (s->weather.freezes || server_stopped(s, p) || sim_now(s) - p->touched < s->timing.lag + DETECTION)
                return; /* it may be a write of long ago, that is sent now */
        for (int m = 0; m < s->settings.members; m++) {
                const struct pod *q = s->pod_of[m] < 0 ? NULL : &s->pods[s->pod_of[m]];
                const struct data_write *w;
                struct data_ref d;

                if (!q || !(added & failover_only(m)) || q->server.process != PROCESS_UP ||
                    is_there_twice(s, m) || !linked(s, TRAFFIC_REPLICATION, q, p) ||
                    sim_now(s) - s->cut_changed[p->host] < UNTOUCHED ||
                    sim_now(s) - q->touched < s->timing.lag + DETECTION)
                        continue;
                w = oracle_first_missing(s, oracle_data_of(s, q, &d) ? d : (struct data_ref){ 0 });
                if (w && w->acked < before)
                        sim_fail(s, "widened-early", "member %d lacks what was acknowledged at %.4f s", m,
                                 (double)w->acked / USEC_SEC);
        }
}
void oracle_replicates(struct sim *s, const struct pod *src, const struct pod *p)
{
        const struct server *v = &src->server;

        if (v->mode == FAILOVER_WRITABLE && v->lead_epoch < s->oracle.lead_epoch && p->current &&
            (s->api.record.in_sync & failover_only(p->id.member)))
                sim_fail(s, "follows-the-past", "member %d is in the set and follows epoch %" PRIu64,
                         p->id.member, v->lead_epoch);
}

/* What there is goes only where something better takes its place. */
void oracle_wipes(struct sim *s, const struct pod *p, const struct pod *src)
{
        const struct oracle *o = &s->oracle;
        uint64_t here = p->server.has_data ? data_common(&s->data, p->server.data, o->data) : 0;
        uint64_t there = src->server.has_data ? data_common(&s->data, src->server.data, o->data) : 0;

        if (here && !there)
                sim_fail(s, "wiped", "member %d had %" PRIu64 " writes, and copies from %d, which has none",
                         p->id.member, p->server.data.len, src->id.member);
}
