/* SPDX-License-Identifier: Apache-2.0
 *
 * What is measured is the longest time in which no client of the published
 * endpoint got an answer to a write, from the fault on (s->outage). Where an old
 * session counts, it is how long that was still acknowledged.
 */
#include "failover/cases.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS 3

static void begin(struct sim *s, uint64_t seed)
{
        struct settings t = settings_plain(MEMBERS);

        run_begin(s, &t, seed);
        clients_count(s);
}

/* It goes on for TIME, and is then as it should be. */
static void end(struct sim *s, usec_t time)
{
        usec_t outage;

        sim_run(s, time);
        outage = s->outage;
        run_calm(s);
        run_settles(s);
        run_rests(s);
        s->outage = outage;
}

/* A person who has to consent mends much, and so hides it. */
static void expect_nobody_asked(struct sim *s)
{
        if (s->policy.consent_number)
                sim_fail(s, "person-asked", "nobody led before a person had consented");
}

static void expect_no_loss(struct sim *s)
{
        if (s->oracle.n_lost)
                sim_fail(s, "planned-loss", "%" PRIu64 " acknowledged writes are lost", s->oracle.n_lost);
}

static void expect_led(struct sim *s, uint64_t times, const char *why)
{
        if (s->oracle.n_led != times)
                sim_fail(s, "demotion", "%" PRIu64 " leaders, and it should be %" PRIu64 ": %s",
                         s->oracle.n_led, times, why);
}

/* --- figures --------------------------------------------------------------------------------- */

static void kill_server(struct sim *s, uint64_t seed)
{
        begin(s, seed);
        fault_crash(s, run_leader(s));
        end(s, 15 * USEC_SEC);
}

static void hang(struct sim *s, uint64_t seed)
{
        begin(s, seed);
        server_freeze(s, run_leader(s));
        end(s, 15 * USEC_SEC);
}

/* Even then a kubelet sends SIGTERM and waits for two seconds. */
static void delete_pod(struct sim *s, uint64_t seed)
{
        static const struct failover_event stop = { .type = FAILOVER_STOP };
        struct pod *leader;

        begin(s, seed);
        leader = run_leader(s);
        agent_take(s, leader, &stop);
        fault_delete(s, leader, VOLUME_SAME, 2 * USEC_SEC, 2 * USEC_SEC);
        end(s, 15 * USEC_SEC);
}

/* And its token is dead at once: it can release the Lease to nobody but the others. */
static void delete_disowned(struct sim *s, uint64_t seed)
{
        static const struct failover_event stop = { .type = FAILOVER_STOP };
        struct pod *leader;

        begin(s, seed);
        leader = run_leader(s);
        fault_delete(s, leader, VOLUME_SAME, 2 * USEC_SEC, 2 * USEC_SEC);
        leader->refused = sim_now(s);
        agent_take(s, leader, &stop);
        end(s, 15 * USEC_SEC);
        expect_led(s, 2, "one pod was deleted");
        expect_no_loss(s);
}

/* Agent and server at once: nobody is there to release the Lease. */
static void power_cut(struct sim *s, uint64_t seed)
{
        begin(s, seed);
        fault_delete(s, run_leader(s), VOLUME_SAME, 0, 2 * USEC_SEC);
        end(s, 15 * USEC_SEC);
}

static void cut_node(struct sim *s, uint64_t seed)
{
        begin(s, seed);
        fault_links(s, run_leader(s)->host, LINKS_ALL, true);
        end(s, 20 * USEC_SEC);
}

/* Its node's own clients reach it all the time. */
static void old_session(struct sim *s, uint64_t seed)
{
        const struct client *session;
        struct pod *leader;
        usec_t cut;

        begin(s, seed);
        leader = run_leader(s);
        session = &s->clients[s->settings.writers + leader->id.member];
        cut = sim_now(s);
        fault_links(s, leader->host, LINKS_API, true);
        fault_links(s, leader->host, LINKS_PEERS, true);
        fault_links(s, leader->host, LINKS_REPLICATION, true);
        sim_run(s, 15 * USEC_SEC);
        s->outage = session->last_ack - cut;
        if (s->outage > s->timing.fence + 100 * USEC_MSEC)
                sim_fail(s, "window", "a member that is cut off acknowledges for %.3f s",
                         (double)s->outage / USEC_SEC);
        cut = s->outage;
        end(s, 0);
        s->outage = cut;
}

static void planned(struct sim *s, uint64_t seed)
{
        begin(s, seed);
        run_handover(s, FAILOVER_NOBODY);
        end(s, 10 * USEC_SEC);
        expect_led(s, 2, "one hand-over was asked for");
        expect_no_loss(s);
}

static bool is_handed_over(const struct sim *s)
{
        return s->api.record.phase == FAILOVER_RELEASED && s->api.record.final;
}

/* The target does not get what was written last: the leader stays. */
static void target_behind(struct sim *s, uint64_t seed)
{
        struct pod *target;

        begin(s, seed);
        target = run_other(s);
        fault_links(s, target->host, LINKS_REPLICATION, true);
        sim_run(s, 300 * USEC_MSEC);
        run_handover(s, target->id.member);
        if (sim_until(s, is_handed_over, 2 * USEC_SEC))
                sim_fail(s, "planned-loss", "it is handed over to one that lacks what was written last");
        end(s, 5 * USEC_SEC);
        expect_led(s, 1, "the hand-over failed");
        expect_no_loss(s);
}

/* The target stands still as soon as it could lead, the former leader is gone, and who is left is behind. */
static void frozen_target(struct sim *s, uint64_t seed)
{
        struct pod *leader, *target, *other;

        begin(s, seed);
        leader = run_leader(s);
        target = pod_current(s, (leader->id.member + 1) % MEMBERS);
        other = pod_current(s, (leader->id.member + 2) % MEMBERS);
        fault_links(s, other->host, LINKS_REPLICATION, true);
        sim_run(s, 300 * USEC_MSEC);
        run_handover(s, target->id.member);
        if (!sim_until(s, is_handed_over, 5 * USEC_SEC))
                sim_fail(s, "liveness", "a hand-over does not come about");
        fault_agent(s, target, true);
        pod_kill(s, leader, 10 * USEC_SEC);
        sim_run(s, 3 * USEC_SEC);
        fault_agent(s, target, false);
        end(s, 20 * USEC_SEC);
        expect_no_loss(s);
}

/* A pod that was replaced lives on behind a cut. It comes back when its successor is the only one that may lead,
 * and is just away: it is not to lead with what it had. */
static void comes_back_outdated(struct sim *s, uint64_t seed)
{
        struct pod *old, *heir;
        int m;

        begin(s, seed);
        old = run_other(s);
        m = old->id.member;
        fault_links(s, old->host, LINKS_ALL, true);
        fault_delete(s, old, VOLUME_EMPTY, USEC_MINUTE, USEC_SEC);
        old->refused = 0;
        sim_run(s, 20 * USEC_SEC);
        run_handover(s, m);
        sim_run(s, 2 * USEC_SEC);
        for (int other = 0; other < MEMBERS; other++)
                if (other != m)
                        pod_kill(s, pod_current(s, other), 30 * USEC_SEC);
        sim_run(s, 10 * USEC_SEC);
        heir = run_leader(s);
        if (!heir || heir->id.member != m)
                sim_fail(s, "simulator", "the successor does not lead");
        pod_end(s, heir);
        sim_run(s, between(s, 0, 300 * USEC_MSEC));
        fault_links(s, old->host, LINKS_ALL, false);
        sim_run(s, 10 * USEC_SEC);
        end(s, 30 * USEC_SEC);
        expect_no_loss(s);
}

/* Somebody deletes the Lease when its holder cannot make it again any more. */
static void deleted_lease(struct sim *s, uint64_t seed)
{
        struct pod *leader;

        begin(s, seed);
        leader = run_leader(s);
        fault_agent(s, leader, true);
        api_delete_lease(s);
        sim_run(s, between(s, 0, 10 * USEC_SEC));
        api_restore_lease(s);
        sim_run(s, between(s, 0, 10 * USEC_SEC));
        fault_agent(s, leader, false);
        end(s, 15 * USEC_SEC);
        expect_led(s, 2, "the Lease was deleted once");
}

/* The leader last, so that each of the others has been away. */
static void drain(struct sim *s, uint64_t seed)
{
        int leader;

        begin(s, seed);
        leader = run_leader(s)->id.member;
        for (int i = 1; i <= MEMBERS; i++) {
                pod_end(s, pod_current(s, (leader + i) % MEMBERS));
                sim_run(s, USEC_SEC);
                if (!sim_until(s, run_is_settled, USEC_MINUTE))
                        sim_fail(s, "liveness", "a drained member does not come back");
        }
        end(s, USEC_SEC);
        expect_led(s, 2, "one leader was drained");
        expect_no_loss(s);
}

/* --- faults of the agents' surroundings ------------------------------------------------------------ */

/* The stale one goes on when another has long been leading. */
static void two_leaders(struct sim *s, uint64_t seed)
{
        struct pod *leader;

        begin(s, seed);
        leader = run_leader(s);
        fault_agent(s, leader, true);
        server_freeze(s, leader);
        sim_run(s, 15 * USEC_SEC);
        server_thaw(s, leader);
        sim_run(s, between(s, 0, USEC_SEC));
        fault_agent(s, leader, false);
        end(s, 5 * USEC_SEC);
        expect_led(s, 2, "one was frozen");
}

/* No wall clock is asked for anything; what there is of clocks runs at different speeds. */
static void clocks(struct sim *s, uint64_t seed)
{
        struct settings t = settings_plain(MEMBERS);

        t.ppm = 500;
        t.write_every = 200 * USEC_MSEC;
        run_begin(s, &t, seed);
        clients_count(s);
        end(s, 10 * USEC_MINUTE);
        expect_led(s, 1, "nothing had happened");
}

static void api_outage(struct sim *s, uint64_t seed)
{
        struct settings t = settings_plain(MEMBERS);

        t.write_every = 200 * USEC_MSEC;
        run_begin(s, &t, seed);
        clients_count(s);
        api_down(s, true);
        end(s, 10 * USEC_MINUTE);
        expect_led(s, 1, "the nodes were fine");
}

static void frozen_agent(struct sim *s, uint64_t seed)
{
        begin(s, seed);
        fault_agent(s, run_leader(s), true);
        end(s, 15 * USEC_SEC);
        expect_led(s, 2, "the leader's agent stood still");
}

static void frozen_disk(struct sim *s, uint64_t seed)
{
        begin(s, seed);
        fault_disk(s, run_leader(s), USEC_MINUTE);
        end(s, 20 * USEC_SEC);
        expect_led(s, 2, "the leader's disk stood still");
}

/* Alone, and with no room for a note of its epoch. Its next pod has the same volume. */
static void full_disk(struct sim *s, uint64_t seed)
{
        struct pod *leader;
        int m;

        begin(s, seed);
        leader = run_leader(s);
        m = leader->id.member;
        for (int other = 0; other < MEMBERS; other++)
                if (other != m)
                        pod_kill(s, pod_current(s, other), USEC_MINUTE);
        sim_run(s, 12 * USEC_SEC);
        fault_full(s, leader, true);
        fault_crash(s, leader);
        sim_run(s, 10 * USEC_SEC);
        if (run_leader(s) != leader || s->api.record.epoch < 2)
                sim_fail(s, "liveness", "a member that is alone does not lead again");
        fault_delete(s, leader, VOLUME_SAME, 0, 2 * USEC_SEC);
        end(s, 20 * USEC_SEC);
        if (run_leader(s) != pod_current(s, m))
                sim_fail(s, "stale-leads", "another one leads than who was alone in the set");
        expect_nobody_asked(s);
}

/* What it would follow is in memory alone: who may be promoted has it on his volume as well. */
static void full_follower(struct sim *s, uint64_t seed)
{
        struct pod *p;
        usec_t until;

        begin(s, seed);
        p = run_other(s);
        fault_full(s, p, true);
        pod_kill(s, p, 5 * USEC_SEC);
        sim_run(s, 5 * USEC_SEC);
        for (until = sim_now(s) + 10 * USEC_SEC; sim_now(s) < until; sim_run(s, 100 * USEC_MSEC))
                if (s->api.record.in_sync & failover_only(p->id.member))
                        sim_fail(s, "unkept-in-set", "a member whose volume is full may be promoted");
        end(s, 5 * USEC_SEC);
        expect_no_loss(s);
}

static void volume_gone(struct sim *s, uint64_t seed)
{
        begin(s, seed);
        fault_gone(s, run_leader(s), true);
        end(s, 15 * USEC_SEC);
        expect_led(s, 2, "the leader's volume was gone");
}

/* A member whose agent stands still follows without its knowledge, and cannot be relied on: its data
 * count as those of before. */
static void unknowing_follower(struct sim *s, uint64_t seed)
{
        struct pod *leader, *other;

        begin(s, seed);
        leader = run_leader(s);
        other = pod_current(s, (leader->id.member + 1) % MEMBERS);
        pod_kill(s, pod_current(s, (leader->id.member + 2) % MEMBERS), USEC_MINUTE);
        fault_agent(s, other, true);
        fault_links(s, other->host, LINKS_REPLICATION, true);
        sim_run(s, 10 * USEC_SEC);
        fault_crash(s, leader);
        sim_run(s, 10 * USEC_SEC);
        fault_links(s, other->host, LINKS_REPLICATION, false);
        sim_run(s, 6 * USEC_SEC);
        if (s->api.record.in_sync & failover_only(other->id.member))
                sim_fail(s, "unknown-in-set", "a member whose agent stands still may be promoted");
        fault_delete(s, leader, VOLUME_EMPTY, 0, USEC_SEC);
        sim_run(s, USEC_SEC);
        fault_agent(s, other, false);
        end(s, 20 * USEC_SEC);
}

/* --- what is lost, and said ------------------------------------------------------------------------- */

/* Its clients are cut off with it, and it goes on until its time is over. */
static void tells_what_is_lost(struct sim *s, uint64_t seed)
{
        const struct failover_missing *told;
        struct pod *leader;

        begin(s, seed);
        leader = run_leader(s);
        fault_links(s, leader->host, LINKS_API, true);
        fault_links(s, leader->host, LINKS_PEERS, true);
        fault_links(s, leader->host, LINKS_REPLICATION, true);
        end(s, 15 * USEC_SEC);
        told = &leader->agent.f.missing;
        if (!told->epoch || !told->exact || told->bytes < s->oracle.n_lost)
                sim_fail(s, "told-too-little",
                         "%" PRIu64 " acknowledged writes are lost, and it says %" PRIu64 "%s",
                         s->oracle.n_lost, told->bytes, told->exact ? "" : " or more");
}

static void all_restart(struct sim *s, uint64_t seed)
{
        struct settings t = settings_plain(MEMBERS);

        t.partial_after_restart = false;
        run_begin(s, &t, seed);
        clients_count(s);
        for (int times = 0; times < 2; times++) {
                for (int m = 0; m < MEMBERS; m++)
                        pod_kill(s, pod_current(s, m), between(s, 0, 2 * USEC_SEC));
                sim_run(s, 15 * USEC_SEC);
        }
        end(s, USEC_SEC);
        expect_led(s, 3, "all were killed twice");
}

static void all_are_emptied(struct sim *s, uint64_t seed)
{
        struct settings t = settings_plain(MEMBERS);

        t.keep = KEEP_NOTHING;
        run_begin(s, &t, seed);
        clients_count(s);
        for (int m = 0; m < MEMBERS; m++)
                pod_kill(s, pod_current(s, m), between(s, 0, 2 * USEC_SEC));
        end(s, 15 * USEC_SEC);
        if (s->oracle.n_gone != 1 || s->api.record.loss != FAILOVER_LOSS_EVERYTHING)
                sim_fail(s, "told-nothing", "all members were emptied");
}

/* --- Redis ------------------------------------------------------------------------------------------ */

static void comes_back_empty(struct sim *s, uint64_t seed)
{
        struct settings t = settings_plain(MEMBERS);

        t.keep = KEEP_NOTHING;
        run_begin(s, &t, seed);
        clients_count(s);
        fault_crash(s, run_leader(s));
        end(s, 15 * USEC_SEC);
        if (s->oracle.n_gone || s->oracle.n_lost > 20)
                sim_fail(s, "loss", "%" PRIu64 " acknowledged writes are lost", s->oracle.n_lost);
}

static void no_operator(struct sim *s, uint64_t seed)
{
        begin(s, seed);
        s->operator_present = false;
        fault_crash(s, run_leader(s));
        sim_run(s, 10 * USEC_SEC);
        if (!run_is_settled(s))
                sim_fail(s, "liveness", "without an operator it does not become as it should be");
        end(s, 0);
}

/* The successors of two pods have each other's address. */
static void reused_address(struct sim *s, uint64_t seed)
{
        struct failover_id leader, other;
        struct pod *p, *q;

        begin(s, seed);
        p = run_leader(s);
        q = run_other(s);
        leader = p->id;
        other = q->id;
        fault_delete(s, p, VOLUME_SAME, 0, USEC_SEC);
        fault_delete(s, q, VOLUME_SAME, 0, 3 * USEC_SEC);
        memcpy(pod_current(s, leader.member)->id.address, other.address, sizeof(other.address));
        memcpy(pod_current(s, other.member)->id.address, leader.address, sizeof(leader.address));
        end(s, 20 * USEC_SEC);
}

static void one_unreachable(struct sim *s, uint64_t seed)
{
        struct pod *other;

        begin(s, seed);
        other = run_other(s);
        fault_links(s, other->host, LINKS_ALL, true);
        sim_run(s, 20 * USEC_SEC);
        clients_count(s);
        fault_crash(s, run_leader(s));
        end(s, 15 * USEC_SEC);
}

/* The API server is away just when the endpoint is to be written. */
static void unpublished(struct sim *s, uint64_t seed)
{
        begin(s, seed);
        fault_crash(s, run_leader(s));
        sim_run(s, between(s, 0, 300 * USEC_MSEC));
        api_down(s, true);
        sim_run(s, 2 * USEC_SEC);
        api_down(s, false);
        end(s, 15 * USEC_SEC);
}

/* The one that led alone to the end is away for long: nobody leads with less. */
static void cold_start(struct sim *s, uint64_t seed)
{
        struct pod *leader;
        uint64_t led;

        begin(s, seed);
        leader = run_leader(s);
        for (int m = 0; m < MEMBERS; m++)
                if (m != leader->id.member)
                        pod_kill(s, pod_current(s, m), 20 * USEC_SEC);
        sim_run(s, 12 * USEC_SEC);
        led = s->oracle.n_led;
        pod_kill(s, leader, USEC_MINUTE);
        sim_run(s, 40 * USEC_SEC);
        if (s->oracle.n_led != led)
                sim_fail(s, "stale-leads", "somebody leads who was not in the set");
        end(s, 40 * USEC_SEC);
        if (run_leader(s) != leader)
                sim_fail(s, "stale-leads", "the one with the newest data does not lead");
}

const struct failover_case failover_cases[] = {
        { "kill", "the server's process is killed", kill_server, USEC_SEC },
        { "hang", "the server stands still", hang, 3 * USEC_SEC },
        { "delete", "the pod is deleted by force", delete_pod, 3 * USEC_SEC },
        { "disowned", "the pod is deleted by force, and the API server takes nothing of it", delete_disowned,
          2 * USEC_SEC },
        { "power", "agent and server are gone at once", power_cut, 5 * USEC_SEC },
        { "cut", "the node is cut off", cut_node, 5 * USEC_SEC },
        { "session", "how long an old session at the node that is cut off is acknowledged", old_session,
          3 * USEC_SEC },
        { "planned", "a hand-over: no acknowledged write is lost", planned, 300 * USEC_MSEC },
        { "behind", "the target of a hand-over lacks what was written last: the leader stays", target_behind,
          0 },
        { "target", "the target of a hand-over stands still for 3 s: no acknowledged write is lost",
          frozen_target, 0 },
        { "outdated", "a pod that was replaced comes back and does not lead with what it had",
          comes_back_outdated, 0 },
        { "deleted", "the Lease is deleted while its holder stands still, and the operator makes it again",
          deleted_lease, 0 },
        { "told", "a leader that was cut off says what is lost of what it acknowledged", tells_what_is_lost,
          0 },
        { "restart", "all pods are killed, twice: nothing is told to be lost that is there", all_restart, 0 },
        { "emptied", "all pods are killed and had kept nothing: they begin anew, and say so", all_are_emptied,
          0 },
        { "unknowing", "who follows without its agent's knowledge is not in the set", unknowing_follower, 0 },
        { "full", "a leader alone with a full disk keeps no note: its next pod leads again", full_disk, 0 },
        { "full-set", "who starts with a full disk does not come into the set", full_follower, 0 },
        { "gone", "the leader's volume is torn out: another one leads", volume_gone, 3 * USEC_SEC },
        { "F09", "a leader that stood still goes on beside another: it is refused", two_leaders, 0 },
        { "F10", "clocks of different speed, for ten minutes: nothing happens", clocks, 0 },
        { "F31", "the leader's disk stands still: another one leads", frozen_disk, 0 },
        { "F35", "the leader's agent stands still, its server is well: another one leads", frozen_agent, 0 },
        { "F44", "the API server is away for ten minutes: no demotion", api_outage, 0 },
        { "F50", "the leader comes back empty: it does not lead, the data stays", comes_back_empty,
          USEC_SEC },
        { "F51", "no operator is there: the failover completes", no_operator, USEC_SEC },
        { "F52", "addresses are given to other members' pods", reused_address, 0 },
        { "F53", "a leader that is cut off stops writing within its window", old_session, 3 * USEC_SEC },
        { "F54", "all pods are drained in turn: one leader at any time, nothing is lost", drain,
          300 * USEC_MSEC },
        { "F55", "with one member unreachable the others go on", one_unreachable, 0 },
        { "F56", "the endpoint is written late, and by whom it is about", unpublished, 0 },
        { "F57", "all stop, and the newest data returns last: nobody leads before", cold_start, 0 },
        { "F59", "the server crashes in a pod that stays", kill_server, USEC_SEC },
};
const size_t failover_n_cases = ARRAY_SIZE(failover_cases);
static_assert(ARRAY_SIZE(failover_cases) <= CASES_MAX, "room in main.c");

static int by_length(const void *a, const void *b)
{
        const usec_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

void cases_print(const struct failover_case *c, usec_t *outages, size_t n)
{
        usec_t middle;

        qsort(outages, n, sizeof(*outages), by_length);
        middle = outages[n / 2];
        printf("%-8s p50 %8.3f s   worst %8.3f s", c->name, (double)middle / USEC_SEC,
               (double)outages[n - 1] / USEC_SEC);
        if (c->reach)
                printf("   to reach %.1f s%s", (double)c->reach / USEC_SEC,
                       outages[n - 1] > c->reach ? ": MISSED" : "");
        printf("   %s\n", c->promise);
}
