/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

#define WALL_AT_START (INT64_C(1700000000) * USEC_SEC)
#define NOW_AT_START USEC_HOUR
#define TIMEOUT (2 * USEC_SEC) /* until a lost call is noticed */
#define RESTART USEC_SEC
#define LATENCY (10 * USEC_MSEC)
#define PUMPS_MAX 10000

/* A call under way, and what the network will do to it. */
struct flight {
        struct list link;
        struct world *world;
        struct call call;
        char *strings;      /* that the call points to */
        call_done_fn *done; /* NULL: nobody waits any more */
        void *arg;
        struct world_rule rule;
        struct sim_reply reply;
};

/* --- time ------------------------------------------------------------------------- */

static void turn_at(struct world *w, usec_t at, void (*fn)(struct world *w, void *arg), void *arg)
{
        struct world_turn *t = calloc(1, sizeof(*t));
        struct list *before = w->turns.prev;

        assert(t);
        *t = (struct world_turn){ .at = at, .fn = fn, .arg = arg };
        /* From the back: most are later than all others. Equal times keep their order. */
        while (before != &w->turns && container_of(before, struct world_turn, link)->at > at)
                before = before->prev;
        list_add_head(before, &t->link);
}

void world_after(struct world *w, usec_t delay, void (*fn)(struct world *w, void *arg), void *arg)
{
        turn_at(w, w->now + delay, fn, arg);
}

static usec_t between_half_and(struct world *w, usec_t most)
{
        return most - (usec_t)rand_below(&w->rand, (uint64_t)most / 2 + 1);
}

static usec_t sim_now(struct transport *t)
{
        return container_of(t, struct world, transport)->now;
}

static usec_t sim_wall(struct transport *t)
{
        return WALL_AT_START + container_of(t, struct world, transport)->now;
}

/* --- watches ------------------------------------------------------------------------ */

static void on_listed(const char *object, void *arg)
{
        struct world_watch *watch = arg;
        yyjson_doc *doc = yyjson_read(object, strlen(object), 0);
        int r = cache_put(&watch->world->manager.cache, watch->kind, yyjson_doc_get_root(doc),
                          CACHE_FROM_WATCH);

        assert(r == 0 || r == -ENOMEM);
        /* A reflector starts over; so does this one, at its next turn. */
        if (r < 0)
                watch->scheduled = true;
        yyjson_doc_free(doc);
}

static void relist(struct world *w, void *arg);

static void list_kind(struct world_watch *watch)
{
        struct cache *cache = &watch->world->manager.cache;
        char *version = sim_list_version(&watch->world->api);

        sim_watch_init(&watch->watch, &watch->world->api, &watch->kind->api, watch->kind->label_selector);
        watch->scheduled = false;
        cache_list_begin(cache, watch->kind, STR_NULL);
        sim_list(&watch->watch, on_listed, watch);
        if (watch->scheduled || cache_list_end(cache, watch->kind, STR_NULL, str_c(version)) < 0) {
                watch->scheduled = true;
                world_after(watch->world, USEC_SEC, relist, watch);
        }
        free(version);
}

static void relist(struct world *w, void *arg)
{
        if (w->up)
                list_kind(arg);
}

static int put_event(struct world_watch *watch, enum sim_change_type type, const char *object)
{
        struct cache *cache = &watch->world->manager.cache;
        yyjson_doc *doc = yyjson_read(object, strlen(object), 0);
        int r;

        if (type == SIM_DELETED)
                r = cache_delete(cache, watch->kind, yyjson_doc_get_root(doc));
        else
                r = cache_put(cache, watch->kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH);
        yyjson_doc_free(doc);
        return r;
}

static void deliver(struct world *w, void *arg)
{
        struct world_watch *watch = arg;
        enum sim_change_type type;
        const char *object;

        if (!w->up || !watch->scheduled)
                return;
        watch->scheduled = false;
        if (sim_watch_next(&watch->watch, &type, &object) && put_event(watch, type, object) < 0)
                list_kind(watch);
}

/* After any change on the server: the events set out, and the actors act. */
static void on_changes(struct world *w)
{
        for (size_t i = 0; w->up && i < w->n_watches; i++) {
                struct world_watch *watch = &w->watches[i];

                if (watch->scheduled || !sim_watch_pending(&watch->watch))
                        continue;
                watch->scheduled = true;
                world_after(w, between_half_and(w, w->watch_lag), deliver, watch);
        }
        if (w->actor)
                w->actor(w);
}

static void add_watch(struct world *w, const struct cache_kind *kind)
{
        for (size_t i = 0; i < w->n_watches; i++)
                if (w->watches[i].kind == kind)
                        return;
        if (kind->on_demand)
                return;
        assert(w->n_watches < WORLD_WATCHES_MAX);
        w->watches[w->n_watches++] = (struct world_watch){ .world = w, .kind = kind };
}

void world_relist(struct world *w)
{
        for (size_t i = 0; i < w->n_watches; i++)
                list_kind(&w->watches[i]);
}

/* --- calls ----------------------------------------------------------------------------- */

static void flight_free(struct flight *f)
{
        list_remove(&f->link);
        free(f->strings);
        free(f->reply.body);
        free(f);
}

/* What a kube_client makes of an answer. */
static void land(struct world *w, void *arg)
{
        static const enum kube_verb verbs[WORLD_CALL_TYPES] = {
                [CALL_APPLY] = KUBE_APPLY,   [CALL_APPLY_STATUS] = KUBE_APPLY,
                [CALL_CREATE] = KUBE_CREATE, [CALL_DELETE] = KUBE_DELETE,
                [CALL_GET] = KUBE_GET,
        };
        struct flight *f = arg;
        struct http_result result = { .status = f->reply.status,
                                      .body = str_c(f->reply.body),
                                      .retry_after = -1 };
        struct kube_asked asked = {
                .verb = verbs[f->call.type],
                .kind = f->call.kind,
                .namespace = f->call.namespace,
                .name = f->call.name,
                .subresource = f->call.type == CALL_APPLY_STATUS ? STR("status") : STR_NULL,
                .server = STR("https://sim"),
                .credentials = STR("the simulator"),
        };
        struct kube_reply reply;

        (void)w;
        if (f->done) {
                if (f->reply.status == 0)
                        error_set(&result.error, -ECONNRESET, "the connection broke");
                kube_reply_read(&result, &asked, &reply);
                f->done(&reply, f->arg);
                kube_reply_release(&reply);
        }
        flight_free(f);
}

static void back(struct world *w, void *arg)
{
        (void)arg;
        if (!w->up)
                world_start(w);
}

static void arrive(struct world *w, void *arg)
{
        struct flight *f = arg;

        if (f->rule.fate == WORLD_REFUSE) {
                f->reply.status = f->rule.status;
                f->reply.body =
                        sim_status(f->rule.status, f->rule.reason, f->rule.message, f->rule.retry_after);
        } else {
                w->api.wall = sim_wall(&w->transport);
                sim_api_serve(&w->api, &f->call, &f->reply);
                w->n_served++;
        }
        if (f->rule.fate == WORLD_LOSE_REPLY) {
                free(f->reply.body);
                f->reply = (struct sim_reply){ 0 };
        }
        world_after(w, f->reply.status ? between_half_and(w, w->latency) : TIMEOUT, land, f);
        if (w->crash_after && w->up && --w->crash_after == 0) {
                world_crash(w);
                world_after(w, RESTART, back, NULL);
        }
}

static struct str copy(char **at, struct str s)
{
        char *to = *at;

        if (!s.data)
                return STR_NULL;
        memcpy(to, s.data, s.len);
        *at += s.len + 1;
        return str_n(to, s.len);
}

static struct flight *flight_new(struct world *w, const struct call *call)
{
        struct flight *f = calloc(1, sizeof(*f));
        char *at = calloc(1, call->namespace.len + call->name.len + call->body.len + call->uid.len +
                                     call->version.len + 5);

        assert(f && at);
        *f = (struct flight){ .world = w, .call = *call, .strings = at };
        f->call.namespace = copy(&at, call->namespace);
        f->call.name = copy(&at, call->name);
        f->call.body = copy(&at, call->body);
        f->call.uid = copy(&at, call->uid);
        f->call.version = copy(&at, call->version);
        list_add_tail(&w->flights, &f->link);
        return f;
}

static struct world_rule fate_of(struct world *w, const struct call *call)
{
        for (size_t i = 0; i < w->n_rules; i++) {
                struct world_rule *rule = &w->rules[i];

                if (rule->times == 0 || (!rule->any_type && rule->type != call->type) ||
                    (rule->kind && rule->kind != call->kind))
                        continue;
                if (rule->times > 0)
                        rule->times--;
                return *rule;
        }
        return (struct world_rule){ .fate = WORLD_SERVE };
}

static int start(struct transport *t, const struct call *call, call_done_fn *done, void *arg,
                 void **ret_handle)
{
        struct world *w = container_of(t, struct world, transport);
        struct world_rule rule;
        struct flight *f;

        if (!w->may_write && call->type != CALL_GET)
                return -EPERM;
        rule = fate_of(w, call);
        if (rule.fate == WORLD_NO_MEMORY)
                return -ENOMEM;
        f = flight_new(w, call);
        f->done = done;
        f->arg = arg;
        f->rule = rule;
        w->n_calls[call->type]++;
        if (call->type != CALL_CREATE)
                w->last_call = w->now;
        if (rule.fate == WORLD_LOSE_REQUEST)
                world_after(w, TIMEOUT, land, f);
        else
                world_after(w, between_half_and(w, w->latency), arrive, f);
        *ret_handle = f;
        return 0;
}

/* What was sent cannot be called back. */
static void cancel(struct transport *t, void *handle)
{
        struct flight *f = handle;

        (void)t;
        f->done = NULL;
}

uint64_t world_writes(const struct world *w)
{
        return w->n_calls[CALL_APPLY] + w->n_calls[CALL_APPLY_STATUS] + w->n_calls[CALL_DELETE];
}

void world_rule(struct world *w, struct world_rule rule)
{
        assert(w->n_rules < WORLD_RULES_MAX);
        w->rules[w->n_rules++] = rule;
}

void world_clear_rules(struct world *w)
{
        w->n_rules = 0;
}

/* --- the operator ------------------------------------------------------------------------- */

void world_start(struct world *w)
{
        assert(!w->up);
        manager_init(&w->manager, &w->transport, STR("keelson-0"), w->seed + w->n_crashes);
        for (size_t i = 0; i < w->n_controllers; i++) {
                int r = manager_add(&w->manager, w->controllers[i]);

                assert(r == 0);
                (void)r;
        }
        w->up = true;
        for (size_t i = 0; i < w->n_watches; i++)
                list_kind(&w->watches[i]);
        manager_allow(&w->manager, true);
}

void world_crash(struct world *w)
{
        assert(w->up);
        manager_release(&w->manager);
        w->up = false;
        w->n_crashes++;
        for (size_t i = 0; i < w->n_watches; i++)
                w->watches[i].scheduled = false;
}

/* When the manager wants its next turn. */
static usec_t pump(struct world *w)
{
        usec_t next = USEC_NEVER;

        for (int i = 0; w->up && i < PUMPS_MAX; i++) {
                next = manager_pump(&w->manager);
                if (next > w->now)
                        return next;
        }
        ck_assert_msg(!w->up, "the manager never rests");
        return USEC_NEVER;
}

void world_run(struct world *w, usec_t for_time)
{
        usec_t end = w->now + for_time;

        on_changes(w); /* of the test */
        for (;;) {
                usec_t wake = pump(w);
                struct list *first = list_first(&w->turns);
                struct world_turn *turn = first ? container_of(first, struct world_turn, link) : NULL;
                usec_t at = MIN(wake, turn ? turn->at : USEC_NEVER);

                if (at > end)
                        break;
                w->now = MAX(w->now, at);
                if (!turn || turn->at > at)
                        continue;
                list_remove(&turn->link);
                turn->fn(w, turn->arg);
                free(turn);
                on_changes(w);
        }
        w->now = end;
}

void world_init(struct world *w, const struct controller *const *controllers, size_t n_controllers,
                uint64_t seed)
{
        *w = (struct world){
                .transport = { .start = start, .cancel = cancel, .now = sim_now, .wall = sim_wall },
                .controllers = controllers,
                .n_controllers = n_controllers,
                .rand.state = seed,
                .seed = seed,
                .now = NOW_AT_START,
                .latency = LATENCY,
                .watch_lag = LATENCY,
                .may_write = true,
        };
        sim_api_init(&w->api);
        w->api.wall = sim_wall(&w->transport);
        list_init(&w->turns);
        list_init(&w->flights);
        for (size_t i = 0; i < n_controllers; i++) {
                add_watch(w, controllers[i]->kind);
                for (size_t j = 0; j < controllers[i]->n_children; j++)
                        add_watch(w, controllers[i]->children[j]);
                for (size_t j = 0; j < controllers[i]->n_observed; j++)
                        add_watch(w, controllers[i]->observed[j].kind);
        }
}

void world_release(struct world *w)
{
        if (w->up)
                world_crash(w);
        list_for_each_safe (link, &w->turns)
                free(container_of(link, struct world_turn, link));
        list_for_each_safe (link, &w->flights)
                flight_free(container_of(link, struct flight, link));
        sim_api_release(&w->api);
}
