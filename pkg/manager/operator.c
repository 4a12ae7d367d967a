/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/operator.h"

#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memlimit.h"
#include "http/listen.h"
#include "kube/client.h"
#include "manager/debug_state.h"
#include "manager/election.h"
#include "manager/manager.h"
#include "manager/operator_metrics.h"
#include "manager/server.h"
#include "manager/task.h"
#include "manager/transport_kube.h"
#include "manager/watches.h"

#define LEASE_NAME "keelson-operator"
/* How long replies are waited for at a stop, before the lease is given back. */
#define DRAIN_TIMEOUT (5 * USEC_SEC)

/* A replica whose caches are empty can do nothing with the Lease. And a list of the API
 * server's waits, for up to 0.1 s, until its own caches have seen the last write, be it
 * that of a Lease. A list that does not come is waited for no longer than this. */
#define ELECTION_WAIT (1 * USEC_SEC)

/* With so many resources under way the loop takes its time between two looks:
 * replies and events then come in handfuls. Alone, a resource waits for nothing. */
#define BUSY_ACTIVE 8
#define BUSY_PACE (5 * USEC_MSEC)
/* So do lists of many objects, which come a few kilobytes at a time; for less, since what
 * is not taken in time the server has to hold back. */
#define LIST_OBJECTS 500
#define LIST_PACE (2 * USEC_MSEC)

enum stage { RUNNING, DRAINING, RELEASING };

struct operator
{
        const struct operator_options *options;
        struct loop *loop;
        struct kube_client *client;
        struct kube_transport transport;
        struct manager manager;
        struct watches watches;
        struct election election;
        struct operator_metrics metrics;
        struct server *server;
        struct loop_signal signals;
        struct loop_defer pump;
        struct loop_timer pump_timer, resync_timer, election_timer, drain_timer;
        struct health live, ready;
        enum stage stage;
        bool leading;
        bool electing; /* it wants the Lease */
        bool peer_started, peer_leads;
        bool in_cluster;
        struct error *err;
        char hostname[256];
};

static void stand_for_election(struct operator* op);

/* --- work --------------------------------------------------------------------- */

static void stop_if_drained(struct operator* op);

static void pump(struct operator* op);

static void on_pump_timer(struct loop_timer *timer, void *arg)
{
        (void)timer;
        pump(arg);
}

static void on_pump(struct loop_defer *defer, void *arg)
{
        (void)defer;
        pump(arg);
}

/* Something changed: look once, at the end of this turn, at what is to be done. */
static void kick(void *arg)
{
        struct operator* op = arg;

        loop_defer_set(op->loop, &op->pump, on_pump, op);
}

static int enqueue_all(struct operator* op)
{
        int r = manager_enqueue_all(&op->manager);

        if (r < 0)
                log_error("out of memory: not all resources could be queued");
        return r;
}

static void let_peer_lead(struct operator* op, bool leads)
{
        if (!op->peer_started || leads == op->peer_leads)
                return;
        op->peer_leads = leads;
        op->options->peer->lead(op->options->peer, leads);
}

/* Work may be done by a leader, and for the controllers whose caches are full. */
static void update_permission(struct operator* op)
{
        bool may = op->stage == RUNNING && op->leading;

        let_peer_lead(op, may);
        watches_set_gates(&op->watches);
        if (may == op->manager.allowed)
                return;
        manager_allow(&op->manager, may);
        log_info(may ? "reconciling" : "not reconciling");
        if (may)
                enqueue_all(op);
}

/* The server is there, and only not yet: a CRD of a moment ago, an overload. */
static bool is_passing(const struct error *err)
{
        return err->code == -EBUSY || err->code == -EAGAIN;
}

/* Outside of a cluster somebody waits for us at a terminal: what does not work
 * at the start is told at once. In a cluster the cause may pass by itself. */
static bool give_up(struct operator* op)
{
        const struct watch *w = op->in_cluster ? NULL : watches_first_failure(&op->watches);

        if (!w || is_passing(&w->error))
                return false;
        error_set(op->err, -EIO, "cannot watch %s: %s", w->name, w->error.message);
        loop_stop(op->loop, -EIO);
        return true;
}

static usec_t pace(const struct operator* op, bool synced)
{
        if (op->manager.queue.n_active >= BUSY_ACTIVE)
                return BUSY_PACE;
        return !synced && op->manager.cache.by_key.count >= LIST_OBJECTS ? LIST_PACE : 0;
}

static void pump(struct operator* op)
{
        bool synced = watches_synced(&op->watches);
        usec_t next;

        if (give_up(op))
                return;
        if (synced)
                stand_for_election(op);
        update_permission(op);
        next = manager_pump(&op->manager);
        loop_set_pace(op->loop, pace(op, synced));
        if (next == USEC_NEVER)
                loop_timer_stop(&op->pump_timer);
        else if (loop_timer_set(op->loop, &op->pump_timer, next, on_pump_timer, op) < 0)
                log_error("out of memory: the queue has lost its timer");
        stop_if_drained(op);
}

static void on_resync(struct loop_timer *timer, void *arg)
{
        struct operator* op = arg;
        usec_t spread = (usec_t)rand_below(&op->manager.rand, (uint64_t)MANAGER_RESYNC_SPREAD);

        if (op->manager.allowed)
                enqueue_all(op);
        if (loop_timer_set(op->loop, timer, clock_now() + MANAGER_RESYNC_MIN + spread, on_resync, op) < 0)
                log_error("out of memory: no further resync");
        kick(op);
}

static void on_reply(const struct call *call, const struct kube_reply *reply, usec_t elapsed, void *arg)
{
        struct operator* op = arg;

        (void)call;
        (void)reply;
        (void)elapsed;
        kick(op);
}

static void on_observed(const struct kube_observed *seen, void *arg)
{
        struct operator* op = arg;

        operator_metrics_observed(&op->metrics, seen);
}

static void on_taken(usec_t waited, void *arg)
{
        struct operator* op = arg;

        operator_metrics_taken(&op->metrics, waited);
}

static void on_changed(const struct object *old_object, const struct object *new_object, void *arg)
{
        struct operator* op = arg;

        operator_metrics_changed(&op->metrics, old_object, new_object);
}

static void on_reconciled(const struct controller *c, const char *result, usec_t elapsed, void *arg)
{
        struct operator* op = arg;

        operator_metrics_reconciled(&op->metrics, c, result, elapsed);
}

/* --- leadership ------------------------------------------------------------------ */

static usec_t write_time(void *arg)
{
        const struct operator* op = arg;

        return op->options->leader_elect ? election_write_time(&op->election) : USEC_NEVER;
}

static void on_election(struct election *e, enum leader_change change, void *arg)
{
        struct operator* op = arg;

        (void)e;
        if (change == LEADER_STOPPED) {
                loop_stop(op->loop, 0);
                return;
        }
        op->leading = change == LEADER_STARTED;
        operator_metrics_leading(&op->metrics, op->leading);
        if (op->leading)
                log_info("leading");
        else
                log_error("the Lease was lost; standing by");
        kick(op);
}

static void stand_for_election(struct operator* op)
{
        if (op->electing || !op->options->leader_elect || op->stage != RUNNING)
                return;
        op->electing = true;
        election_start(&op->election);
}

static void on_election_timer(struct loop_timer *timer, void *arg)
{
        (void)timer;
        stand_for_election(arg);
}

/* --- stopping ---------------------------------------------------------------------- */

static void release_lease(struct operator* op)
{
        op->stage = RELEASING;
        if (op->options->leader_elect)
                election_stop(&op->election);
        else
                loop_stop(op->loop, 0);
}

static void stop_if_drained(struct operator* op)
{
        if (op->stage == DRAINING && list_empty(&op->manager.tasks))
                release_lease(op);
}

static void on_drain_timeout(struct loop_timer *timer, void *arg)
{
        struct operator* op = arg;

        (void)timer;
        log_warn("some replies have not come in; stopping without them");
        tasks_cancel(&op->manager);
        release_lease(op);
}

static void on_signal(struct loop_signal *source, const struct signalfd_siginfo *info, void *arg)
{
        struct operator* op = arg;

        (void)source;
        if (info->ssi_signo == SIGHUP) {
                log_info("SIGHUP is ignored: there is nothing to reopen or reload");
                return;
        }
        if (op->stage != RUNNING) {
                log_warn("stopping at once");
                error_set(op->err, -EINTR, "stopped by a second signal before the work was done");
                loop_stop(op->loop, -EINTR);
                return;
        }
        log_info("stopping");
        op->stage = DRAINING;
        let_peer_lead(op, false);
        watches_stop(&op->watches);
        manager_allow(&op->manager, false);
        if (loop_timer_set(op->loop, &op->drain_timer, clock_now() + DRAIN_TIMEOUT, on_drain_timeout, op) < 0)
                release_lease(op);
        else
                stop_if_drained(op);
}

/* --- the server ---------------------------------------------------------------------- */

static void write_state(const struct server_request *request, struct server_reply *reply, void *arg)
{
        const struct operator* op = arg;
        struct debug_state state = {
                .manager = &op->manager,
                .watches = &op->watches,
                .client = op->client,
                .leading = op->leading,
                .holder = op->options->leader_elect ? leader_holder(&op->election.leader) : STR_NULL,
        };

        (void)request;
        reply->content_type = "application/json";
        debug_state_write(&state, &reply->body);
}

static int start_server(struct operator* op, struct error *err)
{
        const struct server_route routes[] = {
                { .path = "/metrics", .fn = server_serve_metrics, .arg = op->metrics.registry },
                { .path = "/livez", .fn = server_serve_health, .arg = &op->live },
                { .path = "/readyz", .fn = server_serve_health, .arg = &op->ready },
                { .path = "/debug/state", .fn = write_state, .arg = op, .loopback_only = true },
        };

        op->live = (struct health){ .name = "livez" };
        op->ready =
                (struct health){ .name = "readyz", .checks = op->watches.checks, .n_checks = op->watches.n };
        if (!op->options->listen.data)
                return 0;
        return server_new(op->loop, op->options->listen, routes, ARRAY_SIZE(routes), &op->server, err);
}

/* --- the beginning ---------------------------------------------------------------------- */

static struct str own_name(struct operator* op)
{
        const char *pod = getenv("POD_NAME");

        if (pod && pod[0])
                return str_c(pod);
        if (gethostname(op->hostname, sizeof(op->hostname) - 1) < 0)
                return STR("unknown");
        return str_c(op->hostname);
}

static struct leader_config lease_times(const struct operator_options *o)
{
        return (struct leader_config){
                .lease_duration = o->lease_duration,
                .renew_deadline = o->renew_deadline,
                .retry_period = o->retry_period,
        };
}

int operator_check(const struct operator_options *options, struct error *err)
{
        struct leader_config times = lease_times(options);
        int r = leader_check_times(&times, err);

        if (r == 0 && options->listen.data) {
                r = http_check_address(options->listen, err);
                if (r < 0)
                        error_prefix(err, "--listen");
        }
        return r;
}

/* Where the Lease is, and all else that is ours and not of an App. */
static struct str own_namespace(const struct operator* op)
{
        const struct kube_config *config = kube_client_config(op->client);

        if (op->options->lease_namespace.data)
                return op->options->lease_namespace;
        return config->in_cluster ? config->namespace : STR("keelson-system");
}

static int start_election(struct operator* op, struct error *err)
{
        const struct operator_options *o = op->options;
        struct leader_config leader = lease_times(o);

        leader.name = STR(LEASE_NAME);
        leader.namespace = own_namespace(op);
        if (!o->leader_elect) {
                op->leading = true;
                operator_metrics_leading(&op->metrics, true);
                return 0;
        }
        return election_init(&op->election, op->client, leader, own_name(op), on_election, op, err);
}

static int start_peer(struct operator* op, uint64_t seed, struct error *err)
{
        const struct peer_config config = {
                .manager = &op->manager,
                .client = op->client,
                .transport = &op->transport.base,
                .metrics = op->metrics.registry,
                .namespace = own_namespace(op),
                .seed = seed,
        };
        int r = op->options->peer ? op->options->peer->start(op->options->peer, &config, err) : 0;

        op->peer_started = op->options->peer && r == 0;
        return r;
}

static int start_signals(struct operator* op)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        signal(SIGPIPE, SIG_IGN);
        return loop_signal_start(op->loop, &op->signals, &set, on_signal, op);
}

static int connect_client(struct operator* op, struct error *err)
{
        struct kube_config config;
        int r;

        r = kube_config_load(op->options->kubeconfig, &config, err);
        if (r < 0)
                return r;
        op->in_cluster = config.in_cluster;
        r = kube_client_new(op->loop, &config, &op->client, err);
        if (r < 0)
                kube_config_release(&config);
        return r;
}

static int add_controllers(struct operator* op)
{
        for (size_t i = 0; i < op->options->n_controllers; i++) {
                int r = manager_add(&op->manager, op->options->controllers[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int begin(struct operator* op, uint64_t seed, struct error *err)
{
        const struct operator_options *o = op->options;
        const struct kube_config *config = kube_client_config(op->client);
        int r;

        op->manager.hooks.reconciled = on_reconciled;
        op->manager.hooks.taken = on_taken;
        op->manager.hooks.changed = on_changed;
        op->manager.hooks.arg = op;
        op->transport.write_time = write_time;
        op->transport.replied = on_reply;
        op->transport.arg = op;
        r = add_controllers(op);
        if (r == 0)
                r = operator_metrics_init(&op->metrics, &op->manager, o->version, config->server);
        if (r == 0)
                r = watches_init(&op->watches, op->client, &op->manager, o->namespaces, o->n_namespaces, seed,
                                 kick, op);
        if (r < 0)
                return error_set(err, r, "out of memory at the start");
        op->metrics.watches = &op->watches;
        kube_client_observe(op->client, on_observed, op);
        r = start_server(op, err);
        if (r < 0)
                return r;
        r = start_election(op, err);
        if (r == 0)
                r = start_peer(op, seed, err);
        if (r < 0)
                return r;
        r = watches_start(&op->watches);
        if (r < 0)
                return error_set(err, r, "cannot start: %s", strerror(-r));
        on_resync(&op->resync_timer, op);
        if (loop_timer_set(op->loop, &op->election_timer, clock_now() + ELECTION_WAIT, on_election_timer,
                           op) < 0)
                stand_for_election(op);
        log_info("started", LOG_STR("version", o->version), LOG_STR("server", config->server),
                 LOG_STR("configuration", config->source));
        return 0;
}

static void release(struct operator* op)
{
        let_peer_lead(op, false);
        if (op->peer_started)
                op->options->peer->stop(op->options->peer);
        server_free(op->server);
        loop_timer_stop(&op->drain_timer);
        loop_timer_stop(&op->resync_timer);
        loop_timer_stop(&op->election_timer);
        loop_timer_stop(&op->pump_timer);
        loop_defer_stop(&op->pump);
        if (op->election.client)
                election_release(&op->election);
        watches_release(&op->watches);
        manager_release(&op->manager);
        operator_metrics_release(&op->metrics);
        loop_signal_stop(&op->signals);
        kube_client_free(op->client);
        loop_free(op->loop);
}

/* What does not fit into the memory that the container may use is to be an error with a
 * name, and no kill without one. */
static void limit_memory(void)
{
        uint64_t limit = memlimit_set(memlimit_read(MEMLIMIT_CGROUPS));

        if (limit)
                log_info("memory is limited; past it, what needs more fails and is tried again",
                         LOG_INT("bytes", limit));
}

int operator_run(const struct operator_options *options, struct error *err)
{
        struct operator op = {
                .options = options,
                .err = err,
        };
        uint64_t seed = 0;
        int r;

        if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
                seed = (uint64_t)clock_now(); /* it only spreads retries */
        limit_memory();
        r = loop_new(&op.loop);
        if (r < 0)
                return error_set(err, r, "cannot make the event loop: %s", strerror(-r));
        /* First of all: as process 1 of a container we would not even be ended by one
         * that comes before, and it would be lost. */
        r = start_signals(&op);
        if (r < 0)
                error_set(err, r, "cannot take signals: %s", strerror(-r));
        else
                r = connect_client(&op, err);
        if (r < 0) {
                loop_signal_stop(&op.signals);
                loop_free(op.loop);
                return r;
        }
        kube_transport_init(&op.transport, op.client);
        manager_init(&op.manager, &op.transport.base, own_name(&op), seed);
        op.manager.image = options->image;
        r = begin(&op, seed, err);
        if (r == 0) {
                r = loop_run(op.loop);
                if (r < 0 && !err->message[0])
                        error_set(err, r, "the event loop failed: %s", strerror(-r));
        }
        release(&op);
        if (r == 0)
                log_info("stopped");
        return r;
}
