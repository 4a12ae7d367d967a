/* SPDX-License-Identifier: Apache-2.0
 *
 * What goes wrong, singly and at random.
 */
#include "failover/run.h"

#define EVERY_MAX (9 * USEC_SEC)   /* from one fault to the next */
#define TOKEN_TIME (10 * USEC_SEC) /* until the API server forgets that it has taken a pod's token */

/* --- single ones ------------------------------------------------------------------------- */

static void cut(struct sim *s, enum traffic kind, int host, bool inward, bool outward, bool broken)
{
        for (int other = 0; other < SIM_HOSTS_MAX; other++) {
                if (inward)
                        s->cut[kind][other][host] = broken;
                if (outward)
                        s->cut[kind][host][other] = broken;
        }
}

void fault_links(struct sim *s, int host, enum link_fault kind, bool broken)
{
        static const char *const names[] = { "links",    "inward links", "outward links",
                                             "API link", "peers' links", "replication links" };
        bool all = kind == LINKS_ALL, in = all || kind == LINKS_INWARD, out = all || kind == LINKS_OUTWARD;
        struct host *h = &s->hosts[host];

        note(s, NULL, "host %d: %s %s", host, names[kind], broken ? "cut" : "mended");
        s->cut_changed[host] = sim_now(s);
        if (in || out || kind == LINKS_PEERS)
                cut(s, TRAFFIC_PEER, host, !out || all, !in || all, broken);
        if (in || out || kind == LINKS_REPLICATION)
                cut(s, TRAFFIC_REPLICATION, host, !out || all, !in || all, broken);
        if (out || kind == LINKS_API)
                h->no_api_up = broken;
        if (in || kind == LINKS_API)
                h->no_api_down = broken;
        if (in || out)
                h->no_clients = broken;
}

void fault_agent(struct sim *s, struct pod *p, bool frozen)
{
        if (!p->agent.up || p->agent.frozen == frozen)
                return;
        note(s, p, frozen ? "agent freezes" : "agent goes on");
        p->agent.frozen = frozen;
        p->touched = sim_now(s);
        if (!frozen)
                agent_pump(s, p);
}

void fault_disk(struct sim *s, struct pod *p, usec_t time)
{
        note(s, p, "disk freezes for %.2f s", (double)time / USEC_SEC);
        if (!disk_frozen(s, p))
                s->volumes[p->volume].frozen_since = sim_now(s);
        s->volumes[p->volume].frozen_until = sim_now(s) + time;
        p->touched = sim_now(s) + time;
}

void fault_full(struct sim *s, struct pod *p, bool full)
{
        note(s, p, full ? "volume is full" : "volume has room");
        s->volumes[p->volume].full = full;
        p->touched = sim_now(s);
}

/* The engine sees errors, and ends its server. */
static void gone_is_seen(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        if (p && s->volumes[p->volume].gone)
                server_kill(s, p);
}

void fault_gone(struct sim *s, struct pod *p, bool gone)
{
        note(s, p, gone ? "volume is gone" : "volume is there again");
        s->volumes[p->volume].gone = gone;
        p->touched = sim_now(s);
        if (gone)
                sim_after(s, between(s, 0, 500 * USEC_MSEC), gone_is_seen)->life = p->number;
        for (int i = 0; !gone && i < SIM_PODS_MAX; i++)
                if (s->pods[i].used && s->pods[i].volume == p->volume)
                        driver_keep_up(s, &s->pods[i]);
}

void fault_crash(struct sim *s, struct pod *p)
{
        note(s, p, "server crashes");
        p->touched = sim_now(s);
        server_end(s, p, false);
}

static void lingered(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        if (!p || (!p->agent.up && p->server.process == PROCESS_NONE))
                return;
        if (s->hosts[p->host].frozen || s->hosts[p->host].no_api_down)
                sim_after(s, USEC_SEC, lingered)->life = p->number; /* its kubelet has not heard of it */
        else
                pod_kill(s, p, 0);
}

void fault_delete(struct sim *s, struct pod *p, enum new_volume volume, usec_t lingers, usec_t delay)
{
        note(s, p, "pod is deleted by force");
        p->touched = sim_now(s);
        if (chance(s, 500)) /* else it is not a token of the pod's own */
                p->refused = sim_now(s) + between(s, 1, TOKEN_TIME);
        pod_replace(s, p, volume, delay);
        /* A member that keeps nothing and is alone leads again as its next pod, with nothing: whoever
         * deletes its pod by force vouches for its end. */
        if (s->settings.keep == KEEP_NOTHING)
                pod_kill(s, p, 0);
        sim_after(s, lingers, lingered)->life = p->number;
}

void fault_member_away(struct sim *s, int member, bool away)
{
        struct pod *p = pod_current(s, member);
        failover_set bit = failover_only(member);

        s->policy.members = (failover_set)(away ? s->policy.members & ~bit : s->policy.members | bit);
        s->away = (failover_set)(away ? s->away | bit : s->away & ~bit);
        api_policy(s);
        if (away)
                pod_end(s, p);
}

/* --- at random: each begins, and some are ended later -------------------------------------------- */

/* What is to be ended: t->life is a pod, t->a a host or a member, t->b a kind. */
static struct turn *ends_after(struct sim *s, usec_t time, void (*fn)(struct sim *s, struct turn *t))
{
        return sim_after(s, time, fn);
}

static struct pod *any_pod(struct sim *s)
{
        struct pod *leader = run_leader(s);

        if (leader && chance(s, 500))
                return leader;
        return pod_current(s, pick(s, s->settings.members));
}

static void links_mended(struct sim *s, struct turn *t)
{
        fault_links(s, (int)t->a, (enum link_fault)t->b, false);
}

static void links(struct sim *s, usec_t time)
{
        int host = any_pod(s)->host, kind = pick(s, LINKS_KINDS);
        struct turn *t = ends_after(s, time, links_mended);

        t->a = host;
        t->b = kind;
        fault_links(s, host, (enum link_fault)kind, true);
}

static void agent_thawed(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        if (p)
                fault_agent(s, p, false);
}

static void frozen_agent(struct sim *s, usec_t time)
{
        struct pod *p = any_pod(s);

        fault_agent(s, p, true);
        ends_after(s, time, agent_thawed)->life = p->number;
}

static void frozen_between(struct sim *s, usec_t time)
{
        (void)time;
        any_pod(s)->agent.freeze_in = 1 + pick(s, 60);
}

static void server_thawed(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        if (p)
                server_thaw(s, p);
}

static void frozen_server(struct sim *s, usec_t time)
{
        struct pod *p = any_pod(s);

        server_freeze(s, p);
        ends_after(s, time, server_thawed)->life = p->number;
}

static void frozen_both(struct sim *s, usec_t time)
{
        struct pod *p = any_pod(s);

        fault_agent(s, p, true);
        server_freeze(s, p);
        ends_after(s, between(s, 0, time), agent_thawed)->life = p->number;
        ends_after(s, time, server_thawed)->life = p->number;
}

static void host_thawed(struct sim *s, struct turn *t)
{
        host_thaw(s, (int)t->a);
}

static void frozen_host(struct sim *s, usec_t time)
{
        int host = any_pod(s)->host;

        host_freeze(s, host);
        ends_after(s, time, host_thawed)->a = host;
}

static void crash(struct sim *s, usec_t time)
{
        (void)time;
        fault_crash(s, any_pod(s));
}

static void container(struct sim *s, usec_t time)
{
        pod_kill(s, any_pod(s), between(s, 50 * USEC_MSEC, MIN(time, 5 * USEC_SEC)));
}

static void deleted(struct sim *s, usec_t time)
{
        static const enum new_volume volumes[] = { VOLUME_SAME, VOLUME_SAME, VOLUME_COPY, VOLUME_EMPTY };
        static const struct failover_event stop = { .type = FAILOVER_STOP };
        struct pod *p = any_pod(s);
        usec_t lingers = chance(s, 500) ? 0 : between(s, 0, MIN(time, 10 * USEC_SEC));

        if (!p->current || p->ending)
                return;
        if (chance(s, 500))
                agent_take(s, p, &stop);
        fault_delete(s, p, volumes[pick(s, 4)], lingers, between(s, 100 * USEC_MSEC, 4 * USEC_SEC));
}

/* Its node is cut off, and the pod is made anew elsewhere while it lives on. */
static void deleted_behind_a_cut(struct sim *s, usec_t time)
{
        struct pod *p = any_pod(s);
        struct turn *t = ends_after(s, time, links_mended);
        int kind = chance(s, 700) ? LINKS_ALL : LINKS_API;

        t->a = p->host;
        t->b = kind;
        fault_links(s, p->host, (enum link_fault)kind, true);
        if (p->current && !p->ending)
                fault_delete(s, p, chance(s, 700) ? VOLUME_COPY : VOLUME_EMPTY, 0,
                             between(s, 0, 4 * USEC_SEC));
}

static void api_back(struct sim *s, struct turn *t)
{
        (void)t;
        api_down(s, false);
}

static void api_away(struct sim *s, usec_t time)
{
        api_down(s, true);
        ends_after(s, chance(s, 200) ? 5 * time : time, api_back);
}

/* A known gap where the Lease is made again: the next pod of a name answers for it, also if the
 * former one leads on behind a cut, with a volume of its own. */
static bool is_led_by_former(struct sim *s)
{
        const struct pod *p = run_leader(s);

        return p && !p->current && p->volume != pod_current(s, p->id.member)->volume &&
               s->volumes[p->volume].frozen_until != USEC_NEVER;
}

/* The operator has seen that there is none for a while, and that its holder did not make it again. */
static void operator_looks(struct sim *s, struct turn *t)
{
        (void)t;
        if (s->api.exists)
                return;
        if (s->operator_present && !s->api.down && !is_led_by_former(s))
                api_restore_lease(s);
        else
                sim_after(s, USEC_SEC, operator_looks);
}

static void lease_deleted(struct sim *s, usec_t time)
{
        if (!s->api.exists || !s->oracle.lead_epoch)
                return;
        api_delete_lease(s);
        ends_after(s, time + s->timing.lease, operator_looks);
}

static void disk(struct sim *s, usec_t time)
{
        struct pod *p = any_pod(s);

        if (chance(s, 500))
                fault_disk(s, p, time);
        else
                s->volumes[p->volume].slow = between(s, 10 * USEC_MSEC, 3 * USEC_SEC);
}

static void has_room(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        if (p)
                fault_full(s, p, false);
}

static void full(struct sim *s, usec_t time)
{
        struct pod *p = any_pod(s);

        fault_full(s, p, true);
        ends_after(s, time, has_room)->life = p->number;
}

static void is_back(struct sim *s, struct turn *t)
{
        struct pod *p = pod_by_number(s, t->life);

        if (p)
                fault_gone(s, p, false);
}

static void gone(struct sim *s, usec_t time)
{
        struct pod *p = any_pod(s);

        fault_gone(s, p, true);
        ends_after(s, time, is_back)->life = p->number;
}

static void silent_watch(struct sim *s, usec_t time)
{
        struct pod *p = any_pod(s);

        note(s, p, "watch is silent for %.2f s", (double)time / USEC_SEC);
        p->agent.watch_silent_until = sim_now(s) + time;
}

static void fenced_no_more(struct sim *s, struct turn *t)
{
        s->policy.fenced &= (failover_set)~failover_only((int)t->a);
        api_policy(s);
}

static void fenced(struct sim *s, usec_t time)
{
        int m = any_pod(s)->id.member;

        if (!s->operator_present)
                return;
        s->policy.fenced |= failover_only(m);
        api_policy(s);
        ends_after(s, time, fenced_no_more)->a = m;
}

static void handover(struct sim *s, usec_t time)
{
        (void)time;
        if (s->operator_present)
                run_handover(s, chance(s, 500) ? FAILOVER_NOBODY : pick(s, s->settings.members));
}

static void terminated(struct sim *s, usec_t time)
{
        (void)time;
        pod_end(s, any_pod(s));
}

/* t->a: the next member. */
static void drain_turn(struct sim *s, struct turn *t)
{
        if (s->calm)
                return;
        pod_end(s, pod_current(s, (int)t->a));
        if (t->a + 1 < s->settings.members)
                ends_after(s, between(s, 2 * USEC_SEC, 10 * USEC_SEC), drain_turn)->a = t->a + 1;
}

static void drain(struct sim *s, usec_t time)
{
        (void)time;
        ends_after(s, 0, drain_turn)->a = 0;
}

static void all_killed(struct sim *s, usec_t time)
{
        (void)time;
        for (int m = 0; m < s->settings.members; m++)
                pod_kill(s, pod_current(s, m), between(s, 50 * USEC_MSEC, 8 * USEC_SEC));
}

static void member_back(struct sim *s, struct turn *t)
{
        fault_member_away(s, (int)t->a, false);
}

static void member_away(struct sim *s, usec_t time)
{
        int m = pick(s, s->settings.members);

        if (!s->operator_present || s->away || s->settings.members < 3)
                return;
        fault_member_away(s, m, true);
        ends_after(s, time, member_back)->a = m;
}

static void operator_back(struct sim *s, struct turn *t)
{
        (void)t;
        s->operator_present = true;
}

static void operator_away(struct sim *s, usec_t time)
{
        s->operator_present = false;
        ends_after(s, 5 * time, operator_back);
}

static void fair_again(struct sim *s, struct turn *t)
{
        (void)t;
        s->weather_changed = sim_now(s);
        s->weather.loss = s->weather.doubles = s->weather.detours = s->weather.api_loss = 0;
        s->weather.api_late = s->weather.freezes = 0;
        s->weather.delay = 2 * USEC_MSEC;
        s->weather.api_delay = 5 * USEC_MSEC;
        s->weather.order_delay = 3 * USEC_MSEC;
}

static void bad_weather(struct sim *s, usec_t time)
{
        struct weather *w = &s->weather;

        note(s, NULL, "bad weather");
        w->loss = (unsigned)pick(s, 400);
        w->doubles = (unsigned)pick(s, 200);
        w->detours = (unsigned)pick(s, 300);
        w->delay = between(s, USEC_MSEC, 200 * USEC_MSEC);
        ends_after(s, time, fair_again);
}

static void slow_api(struct sim *s, usec_t time)
{
        struct weather *w = &s->weather;

        note(s, NULL, "the API server is slow");
        w->api_delay = between(s, 50 * USEC_MSEC, 1500 * USEC_MSEC);
        w->api_loss = chance(s, 500) ? (unsigned)pick(s, 300) : 0;
        w->api_late = chance(s, 500) ? (unsigned)pick(s, 400) : 0;
        ends_after(s, time, fair_again);
}

/* What a hand-over writes is carried out late, if at all, and answered or not. */
static void uncertain_handover(struct sim *s, usec_t time)
{
        s->weather.api_late = 500;
        s->weather.api_loss = 300;
        ends_after(s, time, fair_again);
        handover(s, time);
}

static void slow_orders(struct sim *s, usec_t time)
{
        s->weather.order_delay = between(s, 10 * USEC_MSEC, USEC_SEC);
        ends_after(s, time, fair_again);
}

static void restless_agents(struct sim *s, usec_t time)
{
        note(s, NULL, "agents stop now and then");
        s->weather.freezes = 1 + (unsigned)pick(s, 20);
        ends_after(s, time, fair_again);
}

static const struct {
        const char *name;
        void (*fn)(struct sim *s, usec_t time);
        int weight;
} faults[] = {
        { "links", links, 10 },
        { "frozen agent", frozen_agent, 6 },
        { "agent frozen between effects", frozen_between, 5 },
        { "frozen server", frozen_server, 5 },
        { "frozen agent and server", frozen_both, 3 },
        { "frozen host", frozen_host, 2 },
        { "server crash", crash, 5 },
        { "container killed", container, 5 },
        { "pod deleted", deleted, 5 },
        { "pod deleted behind a cut", deleted_behind_a_cut, 3 },
        { "API server away", api_away, 4 },
        { "Lease deleted", lease_deleted, 1 },
        { "disk", disk, 4 },
        { "full disk", full, 2 },
        { "volume gone", gone, 1 },
        { "silent watch", silent_watch, 3 },
        { "fenced member", fenced, 2 },
        { "hand-over", handover, 8 },
        { "SIGTERM", terminated, 4 },
        { "drain", drain, 1 },
        { "all pods killed", all_killed, 1 },
        { "member away", member_away, 1 },
        { "operator away", operator_away, 1 },
        { "bad weather", bad_weather, 4 },
        { "slow API server", slow_api, 4 },
        { "uncertain hand-over", uncertain_handover, 3 },
        { "slow orders", slow_orders, 2 },
        { "restless agents", restless_agents, 2 },
};

const char *fault_name(int number)
{
        return number < (int)ARRAY_SIZE(faults) ? faults[number].name : NULL;
}

bool fault_of_number(struct sim *s, int number, usec_t time)
{
        if (s->calm || number >= (int)ARRAY_SIZE(faults))
                return false;
        note(s, NULL, "*** %s, %.2f s", faults[number].name, (double)time / USEC_SEC);
        faults[number].fn(s, time);
        return true;
}

static int by_weight(struct sim *s)
{
        int sum = 0, n;

        for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
                sum += faults[i].weight;
        n = pick(s, sum);
        for (int i = 0;; i++) {
                n -= faults[i].weight;
                if (n < 0)
                        return i;
        }
}

static void next_fault(struct sim *s, struct turn *t)
{
        usec_t time = chance(s, 200) ? between(s, 5 * USEC_SEC, 30 * USEC_SEC)
                                     : between(s, 50 * USEC_MSEC, 5 * USEC_SEC);
        usec_t pause = chance(s, 300) ? between(s, 0, USEC_SEC) : between(s, 0, EVERY_MAX);

        if (s->calm || sim_now(s) >= t->a)
                return;
        fault_of_number(s, by_weight(s), time);
        sim_after(s, pause, next_fault)->a = t->a;
}

void faults_at_random(struct sim *s, usec_t time)
{
        sim_after(s, between(s, 0, EVERY_MAX), next_fault)->a = sim_now(s) + time;
        sim_run(s, time);
}
