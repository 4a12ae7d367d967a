/* SPDX-License-Identifier: Apache-2.0
 *
 * A simulation of the operator with the App controller: what the random runs
 * (script.c), the crash enumerations (roads.c) and the named cases (cases_*.c)
 * share. docs/development/simulator.md tells how to run and extend it.
 *
 *      struct run r;
 *      run_init(&r, seed);
 *      user_applies(&r, "web", "\"image\":\"registry.example/web:1\",\"port\":8080");
 *      run_for(&r, USEC_MINUTE);
 *      expect_ready(&r, "web");
 *      run_end(&r);                  rest, a restart at rest, no leak
 *
 * What must hold at any time is checked after each turn (oracle.c). A failure
 * prints why and ends the process: each run has its own.
 */
#pragma once

#include "app/planted.h"
#include "controller/app/app.h"
#include "sim/actors.h"
#include "sim/world.h"

#define NS "shop"
#define CLAIMS_MAX 256
#define FOREIGN_MAX 8

/* Prints what is wrong and ends the process. */
_Noreturn void sim_fail(const char *format, ...) _printf_(1, 2);
#define expect(condition, ...)                                                                               \
        do {                                                                                                 \
                if (!(condition))                                                                            \
                        sim_fail(__VA_ARGS__);                                                               \
        } while (0)

/* Printed with each failure: the seed, the case, the crash point. */
void sim_context(const char *format, ...) _printf_(1, 2);

/* --- what must hold at any time (oracle.c) ---------------------------------------- */

/* What is known of a generation of an App. */
struct claim {
        char uid[48];
        int64_t generation;
        char image[64];
        bool fulfilled; /* it was once what runs, all of it */
};

/* An object that is not ours, as it was made. */
struct foreign {
        const struct kube_kind *kind;
        char name[64];
        char *text;  /* NULL: its owner has taken it away */
        bool scaled; /* our autoscaler was there before it, and may have seen it */
};

struct oracle {
        size_t seen; /* lines of the server's log */
        struct claim generations[CLAIMS_MAX];
        size_t n_generations;
        struct claim reported[WORLD_REPLICAS][CLAIMS_MAX]; /* by this process, of each UID the last */
        size_t n_reported[WORLD_REPLICAS];
        uint64_t lives; /* crashes when that was noted */
        struct foreign foreign[FOREIGN_MAX];
        size_t n_foreign;
        int holder; /* of the Lease: the number of the replica; -1: nobody */
};

#define SENT_MAX 1024

struct run {
        struct world w;
        struct oracle oracle;
        /* When the writes that a rule is about, refusals above all, were sent. */
        usec_t sent[SENT_MAX];
        size_t n_sent;
};

void oracle_watch(struct world *w);

/* Makes an object that is not ours; it must stay as it is until foreign_leaves. */
void foreign_comes(struct run *r, const struct kube_kind *kind, const char *name);
void foreign_leaves(struct run *r, const struct kube_kind *kind, const char *name);
/* Somebody deletes what has that name and puts their own there. */
void foreign_takes(struct run *r, const struct kube_kind *kind, const char *name);

/* What counts of the cluster's state, as text; free it. */
char *oracle_state(const struct world *w);
void expect_same_state(const char *state, const char *expected);

/* All replicas die and start again, with an empty memory, as w->image. */
void restart_all(struct world *w);

/* Nothing is written at rest, not even after a restart with an empty memory. */
void expect_rest(struct run *r);

/* --- a run (run.c) ------------------------------------------------------------------- */

void run_init(struct run *r, uint64_t seed);
void run_start(struct run *r);
static inline void run_for(struct run *r, usec_t time)
{
        world_run(&r->w, time);
}
/* As the operator does twice a day. Without it a status whose write was carried
 * out and never answered may stand: the change of a status alone wakes nobody. */
void resync(struct run *r);
void run_release(struct run *r);
/* expect_rest, and no memory is left. */
void run_end(struct run *r);

/* With an App as it should be: "web", PLAIN. */
#define PLAIN                                                                                                \
        "\"image\":\"registry.example/web:1\",\"port\":8080,\"replicas\":2,\"env\":[{\"name\":\"A\","        \
        "\"value\":\"1\"}]"
void run_converged(struct run *r, uint64_t seed);

/* --- people ------------------------------------------------------------------------------ */

void user_applies(struct run *r, const char *name, const char *spec);
void user_deletes(struct run *r, const char *name);
/* A ConfigMap, or a Secret, with a VALUE ("0" to "4") under one key. */
void user_configures(struct run *r, const char *name, const char *value);
void user_keeps_secret(struct run *r, const char *name, const char *value);
/* Somebody changes our child behind our back; nothing if it is not there. */
void drift(struct run *r, const struct cache_kind *kind, const char *name, const char *patch);

/* --- questions ----------------------------------------------------------------------------- */

/* "True", …; absent if there is no such condition. */
struct str app_condition(const struct run *r, const char *name, const char *type, const char *field);
void expect_condition(const struct run *r, const char *name, const char *type, const char *status,
                      const char *reason);
void expect_ready(const struct run *r, const char *name);
struct str child_str(const struct run *r, const struct cache_kind *kind, const char *name,
                     const char *pointer);
bool exists(const struct run *r, const struct cache_kind *kind, const char *name);
uint64_t all_calls(const struct run *r);
/* How many objects operators have made; without events and Leases. */
uint64_t objects_made(const struct run *r);

/* Files that were set aside: stdout of the run's history; NULL. */
extern FILE *sim_history;

/* --- what can be run (main.c) ------------------------------------------------------------------ */

#define SIM_CASES_MAX 64

struct sim_case {
        const char *name;    /* "F07" */
        const char *promise; /* in a line */
        void (*fn)(uint64_t seed);
};
extern const struct sim_case sim_cases[];
extern const size_t sim_n_cases;

/* One seed of the random workload. */
void run_seed(uint64_t seed);
