/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/run.h"

#include <inttypes.h>
#include <string.h>

#define BEGIN_TIME (30 * USEC_SEC)
#define SETTLE_TIME (60 * USEC_SEC) /* from the end of all faults until all is as it should be */
#define REST_TIME (20 * USEC_SEC)
#define REST_STEPS 40 /* of one agent, in a second */

/* --- settings ------------------------------------------------------------------------------- */

struct settings settings_plain(int members)
{
        return (struct settings){
                .members = members,
                .lease = 4 * USEC_SEC,
                .keep = KEEP_SECONDLY,
                .writers = 4,
                .write_every = 20 * USEC_MSEC,
                .copy_time = USEC_SEC,
                .partial_after_restart = true,
        };
}

struct settings settings_of(uint64_t seed)
{
        static const int members[] = { 3, 3, 3, 3, 5, 5, 2, 1, 4, 3 };
        static const usec_t leases[] = { 4, 4, 4, 3, 5, 10 };
        struct rand r = { .state = seed ^ UINT64_C(0x5e771465) };
        struct settings t = settings_plain(members[rand_below(&r, ARRAY_SIZE(members))]);

        t.lease = leases[rand_below(&r, ARRAY_SIZE(leases))] * USEC_SEC;
        t.keep = (enum persistence)rand_below(&r, 3);
        t.min_replicas = rand_below(&r, 4) == 0;
        t.writers = 2;
        t.write_every = (usec_t)(40 + rand_below(&r, 160)) * USEC_MSEC;
        t.copy_time = (usec_t)(1 + rand_below(&r, 3000)) * USEC_MSEC;
        t.partial_after_restart = rand_below(&r, 2);
        t.ppm = (int)rand_below(&r, 500);
        return t;
}

/* --- questions --------------------------------------------------------------------------------- */

struct pod *run_leader(struct sim *s)
{
        for (int i = 0; i < SIM_PODS_MAX; i++)
                if (s->pods[i].used && server_can_acknowledge(s, &s->pods[i]))
                        return &s->pods[i];
        return NULL;
}

struct pod *run_other(struct sim *s)
{
        struct pod *leader = run_leader(s);
        int first = pick(s, s->settings.members);

        for (int i = 0; i < s->settings.members; i++) {
                struct pod *p = pod_current(s, (first + i) % s->settings.members);

                if (p != leader)
                        return p;
        }
        return leader;
}

/* What keeps it from being as it should be; NULL: nothing. */
static const char *what_is_wrong(const struct sim *s)
{
        const struct failover_record *r = &s->api.record;
        const struct pod *leader;

        if (!s->api.exists || r->phase != FAILOVER_HELD)
                return "nobody holds the Lease";
        leader = s->pod_of[r->holder.member] < 0 ? NULL : &s->pods[s->pod_of[r->holder.member]];
        if (!leader || !server_can_acknowledge(s, leader) || leader->server.lead_epoch != r->epoch)
                return "its holder is not writable";
        if (s->api.endpoint.epoch != r->epoch)
                return "the endpoint is another";
        for (int m = 0; m < s->settings.members; m++) {
                const struct pod *p = &s->pods[s->pod_of[m]];

                if (p->ending || !p->agent.up)
                        return "a pod is ending";
                if (p == leader)
                        continue;
                if (p->server.process != PROCESS_UP || p->server.link != LINK_ONLINE ||
                    &s->pods[p->server.source] != leader)
                        return "a member does not follow";
        }
        return r->in_sync == s->policy.members ? NULL : "the set is too small";
}

bool run_is_settled(const struct sim *s)
{
        return !what_is_wrong(s);
}

/* --- the beginning and the end -------------------------------------------------------------------- */

void run_begin(struct sim *s, const struct settings *settings, uint64_t seed)
{
        sim_init(s, settings, seed);
        api_create_lease(s);
        for (int m = 0; m < settings->members; m++)
                pod_start(s, pod_new(s, m, VOLUME_EMPTY));
        clients_start(s);
        if (!sim_until(s, run_is_settled, BEGIN_TIME))
                sim_fail(s, "liveness", "at the very beginning: %s", what_is_wrong(s));
        sim_run(s, between(s, USEC_SEC, 3 * USEC_SEC));
}

void run_handover(struct sim *s, int to)
{
        s->policy.request++;
        s->policy.request_to = to;
        api_policy(s);
}

static void calm_pod(struct sim *s, struct pod *p)
{
        if (p->current || s->volumes[p->volume].frozen_until != USEC_NEVER)
                s->volumes[p->volume].frozen_until = 0;
        s->volumes[p->volume].slow = 0;
        if (s->volumes[p->volume].full)
                fault_full(s, p, false);
        if (s->volumes[p->volume].gone)
                fault_gone(s, p, false);
        p->agent.watch_silent_until = 0;
        p->agent.freeze_in = 0;
        p->touched = sim_now(s);
        fault_agent(s, p, false);
        server_thaw(s, p);
        server_goes_on(s, p);
}

/* Everything that was broken is whole again; what is gone stays gone. */
void run_calm(struct sim *s)
{
        note(s, NULL, "*** calm");
        s->calm = true;
        s->keep_pods_away = false;
        s->operator_present = true;
        s->away = 0;
        for (int h = 0; h < SIM_HOSTS_MAX; h++) {
                host_thaw(s, h);
                s->cut_changed[h] = sim_now(s);
                s->hosts[h].no_api_up = s->hosts[h].no_api_down = s->hosts[h].no_clients = false;
        }
        memset(s->cut, 0, sizeof(s->cut));
        s->weather.loss = s->weather.doubles = s->weather.detours = 0;
        s->weather.api_loss = s->weather.api_late = s->weather.freezes = 0;
        s->weather.delay = 2 * USEC_MSEC;
        s->weather.api_delay = 5 * USEC_MSEC;
        s->weather.order_delay = 3 * USEC_MSEC;
        api_down(s, false);
        s->policy.members = (failover_set)((1u << s->settings.members) - 1);
        s->policy.fenced = 0;
        api_policy(s);
        for (int i = 0; i < SIM_PODS_MAX; i++)
                if (s->pods[i].used)
                        calm_pod(s, &s->pods[i]);
}

/* --- what a person does ------------------------------------------------------------------------------ */

static struct pod *furthest(struct sim *s)
{
        struct pod *best = NULL;
        uint64_t most = 0;

        for (int m = 0; m < s->settings.members; m++) {
                struct pod *p = pod_current(s, m);
                struct data_ref d;
                uint64_t n = oracle_data_of(s, p, &d) ? 1 + data_common(&s->data, d, s->oracle.data) : 0;

                if (!best || n > most)
                        best = p;
                most = MAX(most, n);
        }
        return best;
}

/* Older than what all who can be promoted have kept: nobody leads with that by himself. */
static bool is_outdated(const struct sim *s, const struct pod *p)
{
        return p->agent.f.copy.position.timeline < s->api.record.floor;
}

static bool set_has_data(const struct sim *s)
{
        struct data_ref d;

        for (int m = 0; m < s->settings.members; m++) {
                const struct pod *p = &s->pods[s->pod_of[m]];

                if ((s->api.record.in_sync & failover_only(m)) && !is_outdated(s, p) &&
                    oracle_data_of(s, p, &d))
                        return true;
        }
        return false;
}

/* Only where nobody else can decide: the members that could be promoted have all lost their data. */
static bool person_consents(struct sim *s)
{
        if (!s->api.exists || set_has_data(s))
                return false;
        s->policy.consent = furthest(s)->id.member;
        s->policy.consent_number++;
        api_policy(s);
        return true;
}

/* It was made again with too low an epoch, and of those who knew better nobody is left. */
static bool is_made_too_low(const struct sim *s)
{
        const struct failover_record *r = &s->api.record;

        return s->api.exists && !r->lineage[0] && r->epoch <= s->oracle.lead_epoch &&
               !api_epoch_is_remembered(s);
}

/* Somebody deleted the Lease, and whoever held it is gone: the operator still knows what it said. */
static bool operator_restores(struct sim *s)
{
        if ((s->api.exists && !is_made_too_low(s)) || run_leader(s))
                return false;
        api_restore_lease(s);
        return true;
}

/* --- as it should be ---------------------------------------------------------------------------------- */

void run_settles(struct sim *s)
{
        if (sim_until(s, run_is_settled, SETTLE_TIME))
                return;
        if (operator_restores(s) && sim_until(s, run_is_settled, SETTLE_TIME))
                return;
        if (person_consents(s) && sim_until(s, run_is_settled, SETTLE_TIME))
                return;
        sim_fail(s, "liveness", "%" PRId64 " s after all faults: %s", SETTLE_TIME / USEC_SEC,
                 what_is_wrong(s));
}

static void expect_quiet(struct sim *s, const struct pod *p, uint64_t steps)
{
        if (steps > REST_STEPS * REST_TIME / USEC_SEC)
                sim_fail(s, "hot-loop", "member %d took %" PRIu64 " steps at rest", p->id.member, steps);
}

void run_rests(struct sim *s)
{
        uint64_t epoch, writes, steps[SIM_PODS_MAX];
        usec_t renewals = REST_TIME / s->timing.renew;

        sim_run(s, 2 * s->timing.lease + 2 * s->timing.lag);
        run_settles(s);
        epoch = s->api.record.epoch;
        writes = s->lease_writes;
        for (int i = 0; i < SIM_PODS_MAX; i++)
                steps[i] = s->pods[i].agent.steps;
        sim_run(s, REST_TIME);
        if (s->api.record.epoch != epoch || !run_is_settled(s))
                sim_fail(s, "rest", "it does not stay as it should be: %s",
                         run_is_settled(s) ? "another epoch" : what_is_wrong(s));
        if (s->lease_writes - writes > (uint64_t)renewals * 5 / 4 + 2)
                sim_fail(s, "hot-loop", "%" PRIu64 " writes at rest, and %" PRId64 " renewals were due",
                         s->lease_writes - writes, renewals);
        for (int i = 0; i < SIM_PODS_MAX; i++)
                if (s->pods[i].used && s->pods[i].agent.up)
                        expect_quiet(s, &s->pods[i], s->pods[i].agent.steps - steps[i]);
}

void run_mixed(struct sim *s, uint64_t seed)
{
        struct settings settings = settings_of(seed);

        run_begin(s, &settings, seed);
        faults_at_random(s, between(s, 20 * USEC_SEC, 90 * USEC_SEC));
        run_calm(s);
        run_settles(s);
        run_rests(s);
}
