/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/replica.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/world.h"

#define PUMPS_MAX 10000

static void kick(void *arg)
{
        (void)arg; /* the world pumps after each turn anyway */
}

static usec_t write_time(void *arg)
{
        const struct replica *r = arg;

        if (!r->world->may_write)
                return 0;
        return r->world->elects && !r->stubborn ? election_write_time(&r->election) : USEC_NEVER;
}

static void on_election(struct election *e, enum leader_change change, void *arg)
{
        struct replica *r = arg;

        (void)e;
        r->leading = change == LEADER_STARTED;
        world_note(r->world, r->name, r->leading ? "leads" : "has lost the Lease");
}

static int start_parts(struct replica *r)
{
        struct world *w = r->world;
        const struct leader_config config = {
                .namespace = STR("keelson-system"),
                .name = STR("keelson-operator"),
                .lease_duration = LEADER_LEASE_DURATION,
                .renew_deadline = LEADER_RENEW_DEADLINE,
                .retry_period = LEADER_RETRY_PERIOD,
        };
        struct error err = ERROR_INIT;
        int result;

        for (size_t i = 0; i < w->n_controllers; i++) {
                result = manager_add(&r->manager, w->controllers[i]);
                if (result < 0)
                        return result;
        }
        if (r->peer) {
                const struct peer_config peer = {
                        .manager = &r->manager,
                        .client = &r->client,
                        .transport = &r->transport.base,
                        .metrics = r->metrics,
                        .namespace = STR("keelson-system"),
                        .seed = rand_next(&w->rand),
                };

                result = r->peer->start(r->peer, &peer, &err);
                if (result < 0)
                        return result;
                r->peer_started = true;
        }
        result = watches_init(&r->watches, &r->client, &r->manager, NULL, 0, rand_next(&w->rand), kick, r);
        if (result == 0)
                result = watches_start(&r->watches);
        if (result < 0 || !w->elects)
                return result;
        result = election_init(&r->election, &r->client, config, str_c(r->name), on_election, r, &err);
        if (result == 0)
                election_start(&r->election);
        return result;
}

bool replica_start(struct replica *r)
{
        struct world *w = r->world;

        assert(!r->up);
        world_note(w, r->name, "starts");
        r->up = true;
        r->life++;
        r->leading = r->may = false;
        r->stubborn = w->all_stubborn;
        r->paused_until = 0;
        r->loop = (struct loop){ .replica = r };
        heap_init(&r->loop.timers);
        r->client = (struct kube_client){
                .replica = r, .config = { .server = STR("https://sim"), .source = STR("the simulator") }
        };
        r->watches = (struct watches){ 0 };
        r->election = (struct election){ 0 };
        kube_transport_init(&r->transport, &r->client);
        r->transport.write_time = write_time;
        r->transport.arg = r;
        manager_init(&r->manager, &r->transport.base, str_c(r->name), w->seed + w->n_crashes);
        r->manager.image = str_c(w->image);
        if (start_parts(r) == 0)
                return true;
        replica_crash(r);
        return false;
}

void replica_crash(struct replica *r)
{
        assert(r->up);
        world_note(r->world, r->name, "dies");
        if (r->peer_started) {
                if (r->may)
                        r->peer->lead(r->peer, false);
                r->peer->stop(r->peer);
                r->peer_started = false;
        }
        manager_release(&r->manager);
        watches_release(&r->watches);
        if (r->election.client)
                election_release(&r->election);
        heap_release(&r->loop.timers);
        r->up = false;
        r->life++; /* what it has sent is a dead one's */
        r->world->n_crashes++;
}

bool replica_runs(const struct replica *r)
{
        return r->up && r->world->now >= r->paused_until;
}

/* As operator.c: work may be done by a leader, by each controller whose caches are full. */
static void update_permission(struct replica *r)
{
        bool may = !r->barred && (r->leading || !r->world->elects || r->stubborn);

        watches_set_gates(&r->watches);
        if (may == r->may)
                return;
        r->may = may;
        if (r->peer_started)
                r->peer->lead(r->peer, may);
        manager_allow(&r->manager, may);
        if (may && manager_enqueue_all(&r->manager) < 0)
                r->manager.missed = true;
}

static void run_timers(struct replica *r)
{
        struct heap_node *top;

        while ((top = heap_top(&r->loop.timers)) && top->due <= r->world->now) {
                struct loop_timer *timer = container_of(top, struct loop_timer, node);

                heap_remove(&r->loop.timers, top);
                timer->loop = NULL;
                timer->fn(timer, timer->arg);
        }
}

usec_t replica_pump(struct replica *r)
{
        struct heap_node *top;
        usec_t next;

        if (!r->up)
                return USEC_NEVER;
        if (r->world->now < r->paused_until)
                return r->paused_until;
        for (int i = 0; i < PUMPS_MAX; i++) {
                run_timers(r);
                update_permission(r);
                next = manager_pump(&r->manager);
                top = heap_top(&r->loop.timers);
                next = MIN(next, top ? top->due : USEC_NEVER);
                if (next > r->world->now)
                        return next;
        }
        fprintf(stderr, "the manager never rests\n");
        abort();
}
