/* SPDX-License-Identifier: Apache-2.0
 *
 * A random run: people change Apps, somebody changes what is ours, and the
 * world is rough; then it is calm, and the end must be that of the same
 * changes in a world without faults.
 *
 *      seed --> script: what people do, and when    (the same in both runs)
 *           \-> faults: weather, deaths, leases, …  (in one of them)
 *
 *      0 ------------- ACTIVE -------------- calm ------ CALM ------ state, rest
 */
#include "app/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define APPS 3
#define OPS_MAX 24
#define FAULTS_MAX 16
#define ACTIVE (6 * USEC_MINUTE)
#define CALM (40 * USEC_MINUTE)

static const char *const names[APPS] = { "web", "api", "job" };

/* --- what people do ------------------------------------------------------------------ */

enum op_type {
        OP_APPLY,
        OP_DELETE,
        OP_DRIFT_IMAGE,
        OP_DRIFT_LABEL,
        OP_DELETE_CHILD,
        OP_FOREIGN_LEAVES,
        OP_FOREIGN_TAKES,
        OP_CONFIG,
        OP_TYPES,
};

struct op {
        usec_t at;
        enum op_type type;
        const char *app;
        unsigned variant;
};

struct script {
        struct op ops[OPS_MAX];
        size_t n;
        const char *foreign; /* the App whose children's names are taken at first; NULL: none */
};

static const struct cache_kind *const child_kinds[] = {
        &app_deployment_kind,
        &common_service_kind,
        &common_serviceaccount_kind,
        &common_networkpolicy_kind,
        &common_poddisruptionbudget_kind,
};

static void script_init(struct script *s, uint64_t seed)
{
        struct rand rand = { .state = seed };

        *s = (struct script){ .n = 0 };
        if (rand_below(&rand, 3) == 0)
                s->foreign = names[rand_below(&rand, APPS)];
        for (size_t i = 0; i < APPS; i++)
                s->ops[s->n++] = (struct op){ .at = 0, .type = OP_APPLY, .app = names[i], .variant = 0 };
        s->n = 1 + (size_t)rand_below(&rand, APPS);
        while (s->n < OPS_MAX && rand_below(&rand, 12)) {
                struct op *op = &s->ops[s->n++];

                op->at = (usec_t)rand_below(&rand, (uint64_t)ACTIVE);
                op->type = rand_below(&rand, 2) ? OP_APPLY : (enum op_type)rand_below(&rand, OP_TYPES);
                op->app = names[rand_below(&rand, APPS)];
                op->variant = (unsigned)rand_next(&rand);
        }
}

static void apply(struct run *r, const struct op *op)
{
        unsigned v = op->variant;
        char spec[1024];
        int n = snprintf(spec, sizeof(spec), "\"image\":\"registry.example/%s:%s%u\"", op->app,
                         v % 7 == 1 ? ACTORS_SLOW : "", v / 8 % 5);

        if (v % 4)
                n += snprintf(spec + n, sizeof(spec) - (size_t)n, ",\"port\":8080");
        if (v / 16 % 3 == 1)
                n += snprintf(
                        spec + n, sizeof(spec) - (size_t)n,
                        ",\"resources\":{\"requests\":{\"cpu\":\"100m\"}},\"autoscaling\":{\"minReplicas\":%u,"
                        "\"maxReplicas\":8}",
                        2 + v / 64 % 3);
        else
                n += snprintf(spec + n, sizeof(spec) - (size_t)n, ",\"replicas\":%u", v / 64 % 4);
        if (v / 32 % 2)
                n += snprintf(spec + n, sizeof(spec) - (size_t)n,
                              ",\"env\":[{\"name\":\"V\",\"value\":\"%u\"}]", v / 256 % 4);
        if (v / 1024 % 3 == 1)
                snprintf(spec + n, sizeof(spec) - (size_t)n,
                         ",\"envFrom\":[{\"configMapRef\":{\"name\":\"settings\"}},{\"secretRef\":{\"name\":"
                         "\"keys\"}}]");
        user_applies(r, op->app, spec);
}

/* One ConfigMap and one Secret, which several Apps may use. */
static void configure(struct run *r, unsigned variant)
{
        char value[16];

        snprintf(value, sizeof(value), "%u", variant / 2 % 4 + 1);
        if (variant % 2)
                user_configures(r, "settings", value);
        else
                user_keeps_secret(r, "keys", value);
}

static void delete_child(struct run *r, const struct op *op)
{
        const struct cache_kind *kind = child_kinds[op->variant % ARRAY_SIZE(child_kinds)];

        if (!child_str(r, kind, op->app, "/metadata/ownerReferences/0/uid").data)
                return;
        world_note(&r->w, "somebody", "deletes %.*s %s", STR_FMT(kind->api.kind), op->app);
        sim_api_delete(&r->w.api, &kind->api, NS, op->app);
}

static void drift_label(struct run *r, const struct op *op)
{
        const struct cache_kind *kind = child_kinds[op->variant % ARRAY_SIZE(child_kinds)];

        drift(r, kind, op->app,
              op->variant / 8 % 2 ? "{\"metadata\":{\"labels\":{\"app.kubernetes.io/managed-by\":\"helm\"}}}"
                                  : "{\"metadata\":{\"labels\":{\"app.kubernetes.io/managed-by\":null}}}");
}

static void carry_out(struct world *w, void *arg)
{
        const struct op *op = arg;
        struct run *r = w->user;

        switch (op->type) {
        case OP_APPLY:
                apply(r, op);
                break;
        case OP_DELETE:
                user_deletes(r, op->app);
                break;
        case OP_DRIFT_IMAGE:
                drift(r, &app_deployment_kind, op->app,
                      "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"app\",\"image\":"
                      "\"evil\"}]}}}}");
                break;
        case OP_DRIFT_LABEL:
                drift_label(r, op);
                break;
        case OP_DELETE_CHILD:
                delete_child(r, op);
                break;
        case OP_FOREIGN_LEAVES:
                foreign_leaves(r, &app_deployment_kind.api, op->app);
                foreign_leaves(r, &common_service_kind.api, op->app);
                break;
        case OP_FOREIGN_TAKES:
                foreign_takes(r, &app_deployment_kind.api, op->app);
                break;
        case OP_CONFIG:
                configure(r, op->variant);
                break;
        case OP_TYPES:
                break;
        }
}

/* --- faults ------------------------------------------------------------------------------ */

static void set_weather(struct world *w, void *arg)
{
        static const unsigned chances[] = { 0, 0, 0, 20, 100, 300 };
        unsigned *fields[] = { &w->weather.lose_request, &w->weather.lose_reply, &w->weather.refuse,
                               &w->weather.delay,        &w->weather.cut,        &w->weather.gone,
                               &w->weather.stale,        &w->weather.repeat };

        (void)arg;
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
                *fields[i] = chances[rand_below(&w->rand, ARRAY_SIZE(chances))];
        world_note(w, "world",
                   "weather: requests lost %u, replies lost %u, refused %u, delayed %u, cut %u, gone %u, "
                   "stale %u, repeated %u (in a thousand)",
                   w->weather.lose_request, w->weather.lose_reply, w->weather.refuse, w->weather.delay,
                   w->weather.cut, w->weather.gone, w->weather.stale, w->weather.repeat);
}

static struct replica *some_replica(struct world *w)
{
        return &w->op[w->elects ? rand_below(&w->rand, WORLD_REPLICAS) : 0];
}

static void start_up(struct world *w, void *arg)
{
        struct replica *r = arg;

        if (!r->up && !replica_start(r))
                world_after(w, USEC_SEC, start_up, r);
}

static void kill_one(struct world *w, void *arg)
{
        struct replica *r = some_replica(w);

        (void)arg;
        if (!r->up)
                return;
        replica_crash(r);
        world_after(w, (usec_t)rand_below(&w->rand, 30 * USEC_SEC), start_up, r);
}

/* It dies with one of its next requests: sent, carried out, or answered. */
static void kill_soon(struct world *w, void *arg)
{
        uint64_t *fields[] = { &w->crash_before, &w->crash_after, &w->crash_replied };

        (void)arg;
        *fields[rand_below(&w->rand, ARRAY_SIZE(fields))] = 1 + rand_below(&w->rand, 12);
}

static void stop_for_a_while(struct world *w, void *arg)
{
        struct replica *r = some_replica(w);

        (void)arg;
        r->paused_until = w->now + (usec_t)rand_below(&w->rand, 40 * USEC_SEC);
        world_note(w, r->name, "is stopped for %lld s", (long long)((r->paused_until - w->now) / USEC_SEC));
}

static void jump_clock(struct world *w, void *arg)
{
        (void)arg;
        w->wall_offset = (usec_t)(rand_below(&w->rand, 3) * 2 - 2) * USEC_HOUR / 2;
        world_note(w, "world", "the clock is wrong by %lld s", (long long)(w->wall_offset / USEC_SEC));
}

static void memory_is_back(struct world *w, void *arg)
{
        (void)w;
        (void)arg;
        mem_fail_after(0);
}

static void run_out_of_memory(struct world *w, void *arg)
{
        (void)arg;
        mem_fail_after(1 + rand_below(&w->rand, 300));
        world_note(w, "world", "an allocation will fail");
        world_after(w, 5 * USEC_SEC, memory_is_back, NULL);
}

static void forget_history(struct world *w, void *arg)
{
        (void)arg;
        w->api.compacted = w->api.version - MIN(rand_below(&w->rand, 30), w->api.version - 1000);
        world_note(w, "server", "forgets what was before %llu", (unsigned long long)w->api.compacted);
}

static void break_watches(struct world *w, void *arg)
{
        (void)arg;
        world_note(w, "server", "ends all watches");
        world_relist(w);
}

static void fall_silent(struct world *w, void *arg)
{
        (void)arg;
        world_note(w, "network", "has forgotten all watches");
        world_silence(w);
}

static void slow_down(struct world *w, void *arg)
{
        (void)arg;
        w->watch_lag = (usec_t)rand_below(&w->rand, 5 * USEC_SEC) + 1;
        w->latency = (usec_t)rand_below(&w->rand, 500 * USEC_MSEC) + 1;
        w->slow_kind = w->kinds[rand_below(&w->rand, w->n_kinds)];
        w->slow_lag = 20 * USEC_SEC;
        world_note(w, "world", "latency %lld ms, watches lag by %lld ms, those of %.*s by 20 s",
                   (long long)(w->latency / USEC_MSEC), (long long)(w->watch_lag / USEC_MSEC),
                   STR_FMT(w->slow_kind->plural));
}

/* A leader that does not notice that another one leads. */
static void be_stubborn(struct world *w, void *arg)
{
        (void)arg;
        if (!w->elects || !w->op[0].leading)
                return;
        w->op[0].stubborn = true;
        world_note(w, "op0", "will not give up its Lease");
        kill_one(w, NULL);
}

static void (*const faults[])(struct world *w, void *arg) = {
        set_weather, set_weather,       kill_one,       kill_soon,     stop_for_a_while, jump_clock,
        slow_down,   run_out_of_memory, forget_history, break_watches, be_stubborn,      fall_silent,
};

static void plan_faults(struct run *r, uint64_t seed)
{
        static const char *const prefixes[] = { "", "", "", "12345678901234567890123456789012345", "r-" };
        struct rand rand = { .state = ~seed };

        r->w.elects = rand_below(&rand, 3) == 0;
        r->w.no_stream_lists = rand_below(&rand, 3) == 0;
        r->w.page_max = (int64_t)rand_below(&rand, 4);
        r->w.api.version_prefix = prefixes[rand_below(&rand, ARRAY_SIZE(prefixes))];
        for (size_t n = 1 + rand_below(&rand, FAULTS_MAX); n > 0; n--)
                world_after(&r->w, (usec_t)rand_below(&rand, (uint64_t)ACTIVE),
                            faults[rand_below(&rand, ARRAY_SIZE(faults))], NULL);
}

#define LANDED (10 * USEC_SEC) /* all that is under way */

static void be_calm(struct run *r)
{
        world_calm(&r->w);
        mem_fail_after(0);
        run_for(r, LANDED); /* what a stubborn one has sent is its own fault */
        for (size_t i = 0; i < WORLD_REPLICAS; i++) {
                r->w.op[i].stubborn = false;
                r->w.op[i].paused_until = 0;
                if (i == 0 || r->w.elects)
                        start_up(&r->w, &r->w.op[i]);
        }
}

/* --- a run --------------------------------------------------------------------------------- */

static char *play(const struct script *s, uint64_t seed, bool with_faults)
{
        static struct run r;
        char *state;

        run_init(&r, seed);
        if (with_faults)
                plan_faults(&r, seed);
        if (s->foreign) {
                foreign_comes(&r, &app_deployment_kind.api, s->foreign);
                foreign_comes(&r, &common_service_kind.api, s->foreign);
        }
        user_configures(&r, "settings", "0");
        user_keeps_secret(&r, "keys", "1");
        for (size_t i = 0; i < s->n; i++)
                world_after(&r.w, s->ops[i].at, carry_out, (void *)&s->ops[i]);
        run_start(&r);
        if (r.w.elects)
                start_up(&r.w, &r.w.op[1]);
        run_for(&r, ACTIVE + USEC_SEC);
        be_calm(&r);
        run_for(&r, CALM / 2);
        resync(&r);
        run_for(&r, CALM / 2);
        state = oracle_state(&r.w);
        for (size_t i = 0; i < APPS; i++) {
                struct str message = app_condition(&r, names[i], "Ready", "message");
                struct str reason = app_condition(&r, names[i], "Ready", "reason");

                world_note(&r.w, "end", "App %s: %.*s: %.*s", names[i], STR_FMT(reason), STR_FMT(message));
        }
        run_end(&r);
        return state;
}

void run_seed(uint64_t seed)
{
        enum planted_bug bug = planted;
        FILE *history = sim_history;
        char *expected, *state;
        struct script s;

        script_init(&s, seed);
        sim_context("seed %llu, without faults", (unsigned long long)seed);
        planted = PLANTED_NONE;
        sim_history = getenv("SIM_REFERENCE") ? history : NULL; /* its history is rarely asked for */
        expected = play(&s, seed, false);
        planted = bug;
        sim_history = history;
        sim_context("seed %llu", (unsigned long long)seed);
        state = play(&s, seed, true);
        expect_same_state(state, expected);
        free(state);
        free(expected);
}
