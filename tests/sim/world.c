/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim/wrap.h"

#define NOW_AT_START USEC_HOUR
#define RESTART USEC_SEC
#define LATENCY (10 * USEC_MSEC)

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
        turn_at(w, w->now + MAX(delay, 0), fn, arg);
}

usec_t world_about(struct world *w, usec_t most)
{
        return most - (usec_t)rand_below(&w->rand, (uint64_t)most / 2 + 1);
}

bool world_chance(struct world *w, unsigned per_mille)
{
        return per_mille && rand_below(&w->rand, 1000) < per_mille;
}

/* Behind it, the memory. */
struct piece {
        struct list link;
        max_align_t memory[];
};

void *world_alloc(struct world *w, size_t n)
{
        struct piece *p = calloc(1, sizeof(*p) + n);

        assert(p);
        list_add_tail(&w->pieces, &p->link);
        return p->memory;
}

/* --- what is told -------------------------------------------------------------------- */

void world_note(struct world *w, const char *who, const char *format, ...)
{
        usec_t t = w->now - NOW_AT_START;
        va_list args;

        if (!w->history)
                return;
        fprintf(w->history, "%8lld.%03llds  %-10s ", (long long)(t / USEC_SEC),
                (long long)(t / USEC_MSEC % 1000), who);
        va_start(args, format);
        vfprintf(w->history, format, args);
        va_end(args);
        fputc('\n', w->history);
}

static const char *what_of(const struct sim_change *c)
{
        return !c->object ? "is gone" : c->before ? "changed" : "is made";
}

/* Each change on the server. */
static void tell_changes(struct world *w)
{
        for (; w->told < w->api.n_log; w->told++) {
                const struct sim_change *c = &w->api.log[w->told];
                yyjson_doc *doc;
                yyjson_val *meta;

                if (!w->history || str_eq(c->kind->plural, STR("leases")))
                        continue;
                doc = yyjson_read(c->object ? c->object : c->before,
                                  strlen(c->object ? c->object : c->before), 0);
                meta = yyjson_obj_get(yyjson_doc_get_root(doc), "metadata");
                world_note(w, "server", "%.*s %s/%s %s by %s (uid …%s, version %llu, generation %lld)",
                           STR_FMT(c->kind->kind), yyjson_get_str(yyjson_obj_get(meta, "namespace")),
                           yyjson_get_str(yyjson_obj_get(meta, "name")), what_of(c), c->by ? c->by : "?",
                           yyjson_get_str(yyjson_obj_get(meta, "uid")) + 32, (unsigned long long)c->version,
                           (long long)yyjson_get_sint(yyjson_obj_get(meta, "generation")));
                yyjson_doc_free(doc);
        }
}

/* --- rules ----------------------------------------------------------------------------- */

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

void world_calm(struct world *w)
{
        world_note(w, "world", "calm");
        world_clear_rules(w);
        w->weather = (struct world_weather){ 0 };
        w->crash_after = w->crash_before = w->crash_replied = w->nth_call = 0;
        w->latency = w->watch_lag = LATENCY;
        w->slow_kind = NULL;
        w->wall_offset = 0;
        w->may_write = true;
}

void world_relist(struct world *w)
{
        streams_expire(w);
}

void world_silence(struct world *w)
{
        streams_silence(w);
}

/* --- the operator ------------------------------------------------------------------------- */

static void start_again(struct world *w, void *arg)
{
        struct replica *r = arg;

        if (!r->up && !replica_start(r))
                world_after(w, RESTART, start_again, r);
}

void world_start(struct world *w)
{
        start_again(w, &w->op[0]);
}

void world_crash(struct world *w)
{
        replica_crash(&w->op[0]);
}

/* When the operators want their next turn. */
static usec_t pump(struct world *w)
{
        usec_t next = USEC_NEVER;

        for (size_t i = 0; i < WORLD_REPLICAS; i++)
                next = MIN(next, replica_pump(&w->op[i]));
        return next;
}

/* After any change on the server: the events set out, and the actors act. */
static void on_changes(struct world *w)
{
        tell_changes(w);
        streams_step(w);
        if (w->actor)
                w->actor(w);
        if (w->watcher)
                w->watcher(w);
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

/* --- all ------------------------------------------------------------------------------------ */

static void add_kind(struct world *w, const struct kube_kind *kind)
{
        for (size_t i = 0; i < w->n_kinds; i++)
                if (w->kinds[i] == kind)
                        return;
        assert(w->n_kinds < WORLD_KINDS_MAX);
        w->kinds[w->n_kinds++] = kind;
}

void world_init(struct world *w, const struct controller *const *controllers, size_t n_controllers,
                uint64_t seed)
{
        *w = (struct world){
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
        list_init(&w->turns);
        list_init(&w->flights);
        list_init(&w->streams);
        list_init(&w->pieces);
        for (size_t i = 0; i < WORLD_REPLICAS; i++) {
                w->op[i] = (struct replica){ .world = w, .number = (unsigned)i };
                snprintf(w->op[i].name, sizeof(w->op[i].name), "op%zu", i);
        }
        for (size_t i = 0; i < n_controllers; i++) {
                add_kind(w, &controllers[i]->kind->api);
                for (size_t j = 0; j < controllers[i]->n_children; j++)
                        add_kind(w, &controllers[i]->children[j]->api);
                for (size_t j = 0; j < controllers[i]->n_observed; j++)
                        add_kind(w, &controllers[i]->observed[j].kind->api);
        }
        wrap_enter(w);
        w->api.wall = world_wall(w);
}

void world_release(struct world *w)
{
        for (size_t i = 0; i < WORLD_REPLICAS; i++)
                if (w->op[i].up)
                        replica_crash(&w->op[i]);
        list_for_each_safe (link, &w->turns)
                free(container_of(link, struct world_turn, link));
        list_for_each_safe (link, &w->pieces)
                free(container_of(link, struct piece, link));
        net_release(w);
        streams_release(w);
        sim_api_release(&w->api);
        wrap_enter(NULL);
}
