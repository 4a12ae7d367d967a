/* SPDX-License-Identifier: Apache-2.0
 *
 * The world around the operator: time, the network, watches, other actors, and
 * the operator's death and return. Everything happens in the order of virtual
 * time; equal seeds give equal runs.
 *
 *      replica (sim/replica.h): manager, cache, queue, transport, reflectors, election: all real
 *         |  kube_call                             |  kube_stream
 *         v                                        v
 *      [latency, losses: sim/net.c]             [lag, cuts, 410, old revisions: sim/stream.c]
 *         |                                        ^
 *         +-------------> sim_api (sim/apiserver.h)+
 *                           ^ change
 *      actors, users -------+
 *
 * The seam is the Kubernetes client: the linker gives every call of kube_call,
 * kube_stream, loop_timer_set, clock_now and their like to the simulator
 * (sim_dep's --wrap in meson.build); all that is above them is the operator's
 * own code.
 *
 * What may go wrong is said by rules for single calls (world_rule), by the
 * weather (chances for all calls and streams) and by settings.
 *
 * Its memory is malloc's; see sim/apiserver.h. One world at a time.
 */
#pragma once

#include <stdio.h>

#include "base/rand.h"
#include "sim/replica.h"

#define WORLD_KINDS_MAX 32
#define WORLD_RULES_MAX 16
#define WORLD_CALL_TYPES 8
#define WORLD_REPLICAS 2

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
        WORLD_NO_MEMORY,    /* the client cannot even start it: -ENOMEM */
};

/* What happens to calls of a kind and a type. The first rule that fits counts. */
struct world_rule {
        enum world_fate fate;
        bool any_type;
        enum call_type type;
        const struct kube_kind *kind; /* NULL: any */
        const char *name;             /* of the object; NULL: any */
        const struct replica *only;   /* the one that sends it; NULL: any */
        int times;                    /* how often it still applies; -1: always */
        int status;                   /* of a refusal */
        const char *reason, *message;
        int retry_after; /* seconds; 0: the server does not say */
};

/* Chances in a thousand, for whatever no rule is about. */
struct world_weather {
        unsigned lose_request, lose_reply;
        unsigned refuse; /* 409, 429, 500 or 503; some with a Retry-After */
        unsigned delay;  /* a call takes up to 5 s, and others overtake it */
        unsigned cut;    /* a stream breaks in the middle of what it is sending */
        unsigned gone;   /* a watch, or the next page of a list, is answered with 410 */
        unsigned stale;  /* a stream is served from a revision of the past, old deletions and all */
        unsigned repeat; /* a watch begins with events that were sent already */
};

struct world {
        struct sim_api api;
        struct replica op[WORLD_REPLICAS]; /* tests with one operator use op[0] */
        const struct controller *const *controllers;
        size_t n_controllers;
        const char *image;                              /* that replicas run from as they start */
        const struct kube_kind *kinds[WORLD_KINDS_MAX]; /* that are watched */
        size_t n_kinds;

        struct rand rand;
        uint64_t seed;
        usec_t now;
        usec_t wall_offset;  /* a clock that was set wrong, or right again */
        struct list turns;   /* by time */
        struct list flights; /* calls under way */
        struct list streams; /* lists and watches */
        struct list pieces;  /* world_alloc's */

        usec_t latency;   /* of each way, at the most; half of it at least */
        usec_t watch_lag; /* likewise, of an event */
        const struct kube_kind *slow_kind;
        usec_t slow_lag; /* of its events */
        struct world_rule rules[WORLD_RULES_MAX];
        size_t n_rules;
        struct world_weather weather;
        bool elects;                    /* replicas lead by the Lease; else each that is up leads */
        bool all_stubborn;              /* replicas never care for the Lease: a planted bug */
        bool may_write;                 /* false: the transport refuses, as when the lease is lost */
        bool no_stream_lists;           /* the server cannot, as before 1.34 */
        bool list_only;                 /* watches bring nothing but bookmarks: for tests of lists */
        int64_t page_max;               /* objects in a page at the most; 0: as many as are asked for */
        void (*actor)(struct world *w); /* after each turn; may be NULL (sim/actors.h) */
        bool actor_scheduled;
        uint64_t acted_on;                /* the number of changes that it has looked at */
        void (*watcher)(struct world *w); /* after each turn, behind the actor: a test's invariants */
        /* Before a call is sent: a test may look at it, and change it. May be NULL. */
        void (*tamper)(struct replica *r, struct kube_call *call);
        /* Likewise with an answer before it comes in, and an event: false: it does not. May be NULL. */
        void (*tamper_reply)(struct http_result *result);
        bool (*tamper_event)(struct world *w, const char *type);
        void *user; /* a test's own */

        /* op[0] dies when the server has carried out so many requests more (0:
         * never), or has got them, or their reply has come in; it is back a second later. */
        uint64_t crash_after, crash_before, crash_replied;
        /* The so manieth call from now on (0: none) meets this fate. */
        uint64_t nth_call;
        struct world_rule nth_fate;

        uint64_t n_calls[WORLD_CALL_TYPES];       /* that were started, without those about the Lease */
        uint64_t n_event_calls[WORLD_CALL_TYPES]; /* of these: about Events */
        uint64_t n_served;                        /* of all these: that the server carried out */
        uint64_t n_crashes;
        usec_t last_call; /* when the last one but an event was started */

        FILE *history; /* NULL: untold */
        size_t told;   /* lines of the server's log that are told */
};

/* The controllers are borrowed. Nothing runs until world_start. */
void world_init(struct world *w, const struct controller *const *controllers, size_t n_controllers,
                uint64_t seed);
void world_release(struct world *w);

/* A fresh operator process in op[0]: empty cache, lists, leads. */
void world_start(struct world *w);
/* Kills it: what it has sent may still arrive, and no reply finds it. */
void world_crash(struct world *w);

/* Lets virtual time go by. */
void world_run(struct world *w, usec_t for_time);

/* FN at a time from now. */
void world_after(struct world *w, usec_t delay, void (*fn)(struct world *w, void *arg), void *arg);

/* Zeroed memory that is freed with the world. */
void *world_alloc(struct world *w, size_t n);

void world_rule(struct world *w, struct world_rule rule);
bool world_rule_fits(const struct world_rule *rule, const struct replica *r, const struct kube_call *call);
/* Fair weather from now on: no rules, no chances, everybody answers. */
void world_clear_rules(struct world *w);
void world_calm(struct world *w);

/* All watches break and start over with a list. */
void world_relist(struct world *w);

/* The watches that are open bring nothing more, and stay open. */
void world_silence(struct world *w);

/* Calls that write, but for events. */
uint64_t world_writes(const struct world *w);

/* --- for the parts of the world ------------------------------------------------- */

/* A time from half of MOST to MOST. */
usec_t world_about(struct world *w, usec_t most);
bool world_chance(struct world *w, unsigned per_mille);

/* A line of the history: WHO does what. */
void world_note(struct world *w, const char *who, const char *format, ...) _printf_(3, 4);
