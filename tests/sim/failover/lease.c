/* SPDX-License-Identifier: Apache-2.0
 *
 * The API server, as far as it matters here: the Lease (linearizable, changed
 * by compare and swap alone), the endpoint that clients are led to, the
 * policy; requests that are lost, answered late or never, or carried out long
 * after their sender has given up.
 */
#include "failover/parts.h"

#include <inttypes.h>
#include <string.h>

#define LATE_TIME (5 * USEC_SEC)
#define RETRY (300 * USEC_MSEC)
#define POLICY_TIME (200 * USEC_MSEC)

static struct pod *living(struct sim *s, const struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        return p && p->agent.up && p->agent.life == t->id ? p : NULL;
}

static struct turn *plan(struct sim *s, const struct pod *p, usec_t delay,
                         void (*fn)(struct sim *s, struct turn *t))
{
        struct turn *t = sim_after(s, delay, fn);

        t->life = p->number;
        t->id = p->agent.life;
        return t;
}

static usec_t a_way(struct sim *s)
{
        return between(s, s->weather.api_delay / 8, s->weather.api_delay);
}

/* --- reads and watches ---------------------------------------------------------------------- */

static void show(const struct sim *s, struct failover_event *ret)
{
        if (!s->api.exists) {
                ret->type = FAILOVER_ABSENT;
                return;
        }
        ret->type = FAILOVER_RECORD;
        ret->lease.record = s->api.record;
        snprintf(ret->lease.version, sizeof(ret->lease.version), "%" PRIu64, s->api.lease_version);
}

/* Who is not in the set tells the leader at each renewal that it is there, and where. */
static void show_up(struct sim *s, struct pod *p, const struct failover_record *r)
{
        struct failover_message here = {
                .type = FAILOVER_NO,
                .about = FAILOVER_PROMISE,
                .from = p->id.member,
                .to = r->holder.member,
                .life = p->id.incarnation,
                .epoch = r->epoch,
        };

        if (r->phase == FAILOVER_HELD && r->holder.member != p->id.member &&
            !(r->in_sync & failover_only(p->id.member)) && !agent_stopped(s, p))
                net_send_to(s, p, pod_at(s, r->holder.address), &here);
}

/* Never an older version after a newer one. */
static void hears(struct sim *s, struct pod *p, const struct turn *t)
{
        if ((uint64_t)t->a < p->agent.version)
                return;
        p->agent.version = (uint64_t)t->a;
        agent_take(s, p, &t->event);
        if (t->event.type == FAILOVER_RECORD)
                show_up(s, p, &t->event.lease.record);
}

static void read_ends(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);

        if (p && hears_api(s, p))
                hears(s, p, t);
}

/* The token of a pod that was deleted is no longer taken. */
static bool refuses(const struct sim *s, const struct pod *p)
{
        return p->refused && sim_now(s) >= p->refused;
}

static void read_refused(struct sim *s, struct turn *t)
{
        static const struct failover_event refused = { .type = FAILOVER_REFUSED };
        struct pod *p = living(s, t);

        if (p && hears_api(s, p))
                agent_take(s, p, &refused);
}

static void read_arrives(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);
        struct turn *reply;

        if (!p || !reaches_api(s, p) || chance(s, s->weather.api_loss))
                return;
        if (refuses(s, p)) {
                plan(s, p, a_way(s), read_refused);
                return;
        }
        reply = plan(s, p, a_way(s), read_ends);
        reply->a = (int64_t)s->api.lease_version;
        show(s, &reply->event);
}

void api_read(struct sim *s, struct pod *p)
{
        plan(s, p, a_way(s), read_arrives);
}

static void watch_turn(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);

        if (!p || p->agent.watching)
                return;
        if (agent_stopped(s, p) || !reaches_api(s, p) || !hears_api(s, p) || refuses(s, p)) {
                plan(s, p, between(s, RETRY, 3 * RETRY), watch_turn);
                return;
        }
        p->agent.watching = true;
        t->a = (int64_t)s->api.lease_version;
        show(s, &t->event);
        hears(s, p, t);
}

void api_watch(struct sim *s, struct pod *p)
{
        plan(s, p, 2 * a_way(s), watch_turn);
}

static void news_arrive(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);

        if (!p || !p->agent.watching || sim_now(s) < p->agent.watch_silent_until)
                return;
        if (hears_api(s, p)) {
                hears(s, p, t);
                return;
        }
        p->agent.watching = false;
        plan(s, p, RETRY, watch_turn);
}

static void tell_watches(struct sim *s)
{
        for (int i = 0; i < SIM_PODS_MAX; i++) {
                struct pod *p = &s->pods[i];
                usec_t at = sim_now(s) + a_way(s);
                struct turn *t;

                if (!p->used || !p->agent.up || !p->agent.watching)
                        continue;
                p->agent.watch_last = MAX(at, p->agent.watch_last);
                t = plan(s, p, p->agent.watch_last - sim_now(s), news_arrive);
                t->a = (int64_t)s->api.lease_version;
                show(s, &t->event);
        }
}

/* --- writes ------------------------------------------------------------------------------------- */

static void answer(struct sim *s, struct pod *p, uint64_t id, enum failover_outcome outcome, uint64_t version)
{
        struct failover_event e = { .type = FAILOVER_WROTE, .wrote = { .id = id, .outcome = outcome } };

        if (p->agent.write != id)
                return; /* it was given up */
        p->agent.write = 0;
        if (outcome == FAILOVER_WRITTEN)
                snprintf(e.wrote.version, sizeof(e.wrote.version), "%" PRIu64, version);
        note(s, p, "write %" PRIu64 ": %s", id,
             outcome == FAILOVER_WRITTEN    ? "written"
             : outcome == FAILOVER_CONFLICT ? "conflict"
                                            : "unknown");
        agent_take(s, p, &e);
}

static void write_answered(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);

        if (p && hears_api(s, p))
                answer(s, p, t->effect.write.id, (enum failover_outcome)t->a, (uint64_t)t->b);
}

static void write_refused(struct sim *s, struct turn *t)
{
        write_answered(s, t);
        read_refused(s, t);
}

static void given_up(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);

        if (!p || p->agent.write != (uint64_t)t->a)
                return;
        /* On waking up it may find the answer first, or the time that has passed. */
        if (agent_stopped(s, p) && chance(s, 500))
                plan(s, p, between(s, USEC_MSEC, 100 * USEC_MSEC), given_up)->a = t->a;
        else
                answer(s, p, (uint64_t)t->a, FAILOVER_UNKNOWN, 0);
}

static bool swap(struct sim *s, struct pod *p, const struct turn *t)
{
        char version[FAILOVER_VERSION_MAX];
        struct failover_record before = s->api.record;

        snprintf(version, sizeof(version), "%" PRIu64, s->api.lease_version);
        if (s->api.exists ? strcmp(t->effect.write.version, version) != 0
                          : t->effect.write.version[0] != '\0') {
                note(s, p, "API: conflict, the Lease is at %s and not at %s", version,
                     t->effect.write.version);
                return false;
        }
        if (!s->api.exists)
                before = (struct failover_record){ 0 };
        s->api.exists = true;
        s->api.record = t->effect.write.record;
        s->api.lease_version = ++s->api.version;
        s->lease_writes++;
        note(s, p, "API: the Lease is %s of %d, epoch %" PRIu64 ", set %#x",
             failover_phase_name(s->api.record.phase), s->api.record.holder.member, s->api.record.epoch,
             s->api.record.in_sync);
        oracle_lease(s, p, &before, t->b);
        tell_watches(s);
        return true;
}

/* t->a: it is late already; t->b: when it was sent, by the sender's clock. */
static void write_arrives(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);
        struct turn *reply;
        bool done;

        if (!p || !reaches_api(s, p) || chance(s, s->weather.api_loss))
                return;
        if (!t->a && chance(s, s->weather.api_late)) {
                reply = plan(s, p, between(s, 0, LATE_TIME), write_arrives);
                reply->id = t->id;
                reply->effect = t->effect;
                reply->a = 1;
                reply->b = t->b;
                return;
        }
        if (refuses(s, p)) {
                reply = plan(s, p, a_way(s), write_refused);
                reply->id = t->id;
                reply->effect.write.id = t->effect.write.id;
                reply->a = FAILOVER_UNKNOWN;
                return;
        }
        done = swap(s, p, t);
        reply = plan(s, p, a_way(s), write_answered);
        reply->id = t->id;
        reply->effect.write.id = t->effect.write.id;
        reply->a = done ? FAILOVER_WRITTEN : FAILOVER_CONFLICT;
        reply->b = (int64_t)s->api.lease_version;
        if (chance(s, s->weather.api_loss))
                reply->id = 0; /* nobody hears of it */
}

void api_write(struct sim *s, struct pod *p, const struct failover_effect *e)
{
        usec_t now = host_now(s, p->host);
        struct turn *t = plan(s, p, a_way(s), write_arrives);

        note(s, p, "writes (%" PRIu64 ", over %s) %s, epoch %" PRIu64 ", set %#x", e->write.id,
             e->write.version, failover_phase_name(e->write.record.phase), e->write.record.epoch,
             e->write.record.in_sync);
        oracle_writes(s, p, &e->write.record);
        if (p->agent.write)
                sim_fail(s, "driver", "member %d has two writes under way", p->id.member);
        p->agent.write = e->write.id;
        p->agent.writes++;
        t->effect = *e;
        t->b = now;
        /* A connection that is refused is known at once; its request was not sent. */
        if (s->api.down && chance(s, 500))
                plan(s, p, USEC_MSEC, given_up)->a = (int64_t)e->write.id;
        t = plan(s, p, host_when(s, p->host, now + s->timing.write) - sim_now(s), given_up);
        t->a = (int64_t)e->write.id;
}

/* --- the endpoint -------------------------------------------------------------------------------- */

static void publish_turn(struct sim *s, struct turn *t);

static void publish_arrives(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);

        /* It may well be carried out when its sender is gone: then the pod's slot tells who that was. */
        if (!p)
                p = pod_by_number(s, t->life);
        if (!p || !reaches_api(s, p) || chance(s, s->weather.api_loss))
                return;
        if (p->agent.publish == (uint64_t)t->a)
                p->agent.publish = 0;
#ifndef SIM_PUBLISHES_BLINDLY
        if ((uint64_t)t->a <= s->api.endpoint.epoch)
                return;
#endif
        note(s, p, "API: the endpoint is %d, epoch %" PRIu64, t->event.lease.record.holder.member,
             (uint64_t)t->a);
        oracle_published(s, p, (uint64_t)t->a);
        s->api.version++;
        s->api.endpoint.epoch = (uint64_t)t->a;
        s->api.endpoint.id = t->event.lease.record.holder;
        s->api.endpoint.number++;
        clients_see(s);
}

/* t->a: the epoch. Until it is done, or another one is to be published. */
static void publish_turn(struct sim *s, struct turn *t)
{
        struct pod *p = living(s, t);
        struct turn *request;

        if (!p || p->agent.publish != (uint64_t)t->a)
                return;
        if (!agent_stopped(s, p)) {
                request = plan(s, p, a_way(s), publish_arrives);
                request->a = t->a;
                request->event.lease.record.holder = p->id;
        }
        plan(s, p, RETRY, publish_turn)->a = t->a;
}

void api_publish(struct sim *s, struct pod *p, uint64_t epoch)
{
        note(s, p, "publishes epoch %" PRIu64, epoch);
        p->agent.publish = epoch;
        plan(s, p, 0, publish_turn)->a = (int64_t)epoch;
}

/* --- policies ---------------------------------------------------------------------------------------- */

static void policy_turn(struct sim *s, struct turn *t)
{
        struct failover_event e = { .type = FAILOVER_POLICY, .policy = s->policy };
        struct pod *p = living(s, t);

        if (!p || p->agent.policy == s->policy_number)
                return;
        if (agent_stopped(s, p) || !reaches_api(s, p) || !hears_api(s, p)) {
                plan(s, p, RETRY, policy_turn);
                return;
        }
        p->agent.policy = s->policy_number;
        agent_take(s, p, &e);
}

void api_tell_policy(struct sim *s, struct pod *p)
{
        plan(s, p, 2 * a_way(s), policy_turn);
}

void api_policy(struct sim *s)
{
        s->policy_number++;
        note(s, NULL, "policy: members %#x, fenced %#x, request %" PRIu64 " to %d, consent %d",
             s->policy.members, s->policy.fenced, s->policy.request, s->policy.request_to, s->policy.consent);
        for (int i = 0; i < SIM_PODS_MAX; i++)
                if (s->pods[i].used && s->pods[i].agent.up)
                        plan(s, &s->pods[i], between(s, USEC_MSEC, POLICY_TIME), policy_turn);
}

/* --- its own faults, and the operator's one write ------------------------------------------------------ */

void api_down(struct sim *s, bool down)
{
        if (s->api.down == down)
                return;
        note(s, NULL, down ? "API server is away" : "API server is back");
        s->api.down = down;
        s->weather_changed = sim_now(s);
        for (int i = 0; down && i < SIM_PODS_MAX; i++) {
                struct pod *p = &s->pods[i];

                if (!p->used || !p->agent.up || !p->agent.watching)
                        continue;
                p->agent.watching = false;
                plan(s, p, RETRY, watch_turn);
        }
}

static void create_lease(struct sim *s, uint64_t epoch)
{
        s->api.exists = true;
        s->api.record = (struct failover_record){
                .phase = FAILOVER_BOOTSTRAP,
                .epoch = epoch,
                .holder.member = FAILOVER_NOBODY,
                .handover_to = FAILOVER_NOBODY,
                .in_sync = s->policy.members,
                .from = FAILOVER_NOBODY,
                .request = s->policy.request,
                .consent = s->policy.consent_number,
        };
        s->api.lease_version = ++s->api.version;
        tell_watches(s);
}

void api_create_lease(struct sim *s)
{
        create_lease(s, 0);
}

void api_delete_lease(struct sim *s)
{
        note(s, NULL, "somebody deletes the Lease");
        s->api.exists = false;
        s->api.lease_version = ++s->api.version;
        tell_watches(s);
}

bool api_epoch_is_remembered(const struct sim *s)
{
        for (int m = 0; m < s->settings.members; m++) {
                const struct volume *v = &s->volumes[s->pods[s->pod_of[m]].volume];

                if (v->has_data && v->remembered.position.timeline >= s->oracle.lead_epoch)
                        return true;
        }
        return false;
}

/* It may have missed the last epochs, and goes far beyond the one it knows; or not far enough. */
void api_restore_lease(struct sim *s)
{
        uint64_t epoch = s->api.record.epoch, missed = (uint64_t)pick(s, 4);

        if (api_epoch_is_remembered(s) && chance(s, 500))
                epoch = MAX(epoch, missed) - missed + 1;
        else
                epoch += 100;
        note(s, NULL, "the operator makes the Lease again, epoch %" PRIu64, epoch);
        create_lease(s, epoch);
        oracle_made_again(s);
}
