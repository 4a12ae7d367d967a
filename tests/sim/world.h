/* SPDX-License-Identifier: Apache-2.0
 *
 * The world around one manager: time, the network, watches, other actors, and
 * the operator's death and return. Everything happens in the order of virtual
 * time; equal seeds give equal runs.
 *
 *      manager --call--> [latency] --> sim_api --> [latency] --reply--> manager
 *                                        | change
 *                     actors <-----------+-----> a watch per kind --[lag]--> manager's cache
 *
 * What may go wrong is said by rules (world_rule) and by settings: a request or
 * its reply is lost, the server refuses, a watch lags, the operator dies right
 * after the server has carried out its N-th request.
 *
 * Its memory is malloc's; see sim/apiserver.h.
 */
#pragma once

#include "base/rand.h"
#include "http/http.h"
#include "manager/manager.h"
#include "sim/apiserver.h"

#define WORLD_WATCHES_MAX 16
#define WORLD_RULES_MAX 16
#define WORLD_CALL_TYPES 5

struct world;

/* Something that happens at a time. */
struct world_turn {
        struct list link;
        usec_t at;
        void (*fn)(struct world *w, void *arg);
        void *arg;
};

enum world_fate {
        WORLD_SERVE,
        WORLD_LOSE_REQUEST, /* it never arrives */
        WORLD_LOSE_REPLY,   /* it is carried out, and nobody hears of it */
        WORLD_REFUSE,       /* with the status below */
        WORLD_NO_MEMORY,    /* the transport cannot even start it: -ENOMEM */
};

/* What happens to calls of a kind and a type. The first rule that fits counts. */
struct world_rule {
        enum world_fate fate;
        bool any_type;
        enum call_type type;
        const struct kube_kind *kind; /* NULL: any */
        int times;                    /* how often it still applies; -1: always */
        int status;                   /* of a refusal */
        const char *reason, *message;
        int retry_after; /* seconds; 0: the server does not say */
};

struct world_watch {
        struct world *world;
        const struct cache_kind *kind;
        struct sim_watch watch;
        bool scheduled;
};

struct world {
        struct sim_api api;
        struct transport transport;
        struct manager manager;
        bool up;
        const struct controller *const *controllers;
        size_t n_controllers;

        struct rand rand;
        uint64_t seed;
        usec_t now;
        struct list turns;   /* by time */
        struct list flights; /* calls under way */
        struct world_watch watches[WORLD_WATCHES_MAX];
        size_t n_watches;

        usec_t latency;   /* of each way, at the most; half of it at least */
        usec_t watch_lag; /* likewise, of an event */
        struct world_rule rules[WORLD_RULES_MAX];
        size_t n_rules;
        bool may_write;                 /* false: the transport refuses, as when the lease is lost */
        void (*actor)(struct world *w); /* after each turn; may be NULL (sim/actors.h) */
        bool actor_scheduled;

        /* The operator dies when the server has carried out so many requests
         * more (0: never), and is back a second later. */
        uint64_t crash_after;

        uint64_t n_calls[WORLD_CALL_TYPES]; /* that were started */
        uint64_t n_served;                  /* that the server carried out */
        uint64_t n_crashes;
        usec_t last_call; /* when the last one but an event was started */
};

/* The controllers are borrowed. Nothing runs until world_start. */
void world_init(struct world *w, const struct controller *const *controllers, size_t n_controllers,
                uint64_t seed);
void world_release(struct world *w);

/* A fresh operator process: empty cache, lists, leads. */
void world_start(struct world *w);
/* Kills it: what it has sent may still arrive, and no reply finds it. */
void world_crash(struct world *w);

/* Lets virtual time go by. */
void world_run(struct world *w, usec_t for_time);

/* FN at a time from now. */
void world_after(struct world *w, usec_t delay, void (*fn)(struct world *w, void *arg), void *arg);

void world_rule(struct world *w, struct world_rule rule);
void world_clear_rules(struct world *w);

/* All watches break and start over with a list. */
void world_relist(struct world *w);

/* Calls that write, but for events. */
uint64_t world_writes(const struct world *w);
