/* SPDX-License-Identifier: Apache-2.0
 *
 * What the engine's files share. Nobody else includes this.
 *
 *      engine.c   orders as goals, the server's life, the tick
 *      obey.c     what is sent to the server to reach the goal
 *      apply.c    settings and users, sent to the running server
 *      look.c     INFO -> what is told to the member
 *      store.c    the volume: opened, prepared for a start, the state file
 *      report.c   metrics, state for people, how it ended
 */
#pragma once

#include <sys/types.h>

#include "agent/redis/conf.h"
#include "agent/redis/keeper.h"
#include "agent/redis/link.h"
#include "agent/redis/output.h"
#include "agent/redis/redis.h"
#include "agent/redis/stats.h"
#include "agent/redis/volume.h"

#define LOOK_EVERY (200 * USEC_MSEC)
#define LOOK_SOON (10 * USEC_MSEC) /* while a follower of a paused server has not confirmed all */
#define CONNECT_EVERY (20 * USEC_MSEC)
#define CANARY_EVERY (500 * USEC_MSEC)
#define STATS_EVERY (5 * USEC_SEC)
#define FULL_TOLD_EVERY (10 * USEC_MINUTE)
#define TLS_EVERY (10 * USEC_SEC)
#define DYING_MAX (100 * USEC_MSEC) /* after that one that was killed counts as ended */
#define RESTART_MIN (200 * USEC_MSEC)
#define RESTART_MAX (10 * USEC_SEC)
#define FULL_PATIENCE (10 * USEC_SEC) /* with a full volume: for others to stand */
/* After a planned move, for clients that still come: kube-proxy takes a new route over once a
 * second at the most. Connections that they make are ended again, or they would stay; and the
 * pod stays so long, since packets to one that is gone are answered by nobody. */
#define LINGER_FOLLOWING (1200 * USEC_MSEC)
#define LINGER_ENDING (1500 * USEC_MSEC)
#define LINGER_CLOSE_EVERY (200 * USEC_MSEC)
#define NOTED_MAX (1 * USEC_SEC)  /* for the state file after a clean end */
#define REFUSE_ALL 1000           /* followers, which nobody has */
#define REFUSE_MAX (1 * USEC_SEC) /* then writes are held back, confirmed or not */
#define FOLLOWER_LAG_MAX 5        /* seconds since it confirmed anything: it is not there */
#define SECRET_LEN 64
#define VOLUME_UNTOLD 1 /* no errno */
#define APPLY_MAX (REDIS_CONFIG_MAX + 3 * REDIS_USERS_MAX + 16)

struct redis;

/* Where a member's server is. */
struct redis_place {
        char host[REDIS_ADDRESS_MAX];
        uint16_t port; /* 0: the settings' */
};

struct redis_goal {
        bool set; /* not: nothing was ordered, or it was killed since */
        enum failover_order what;
        uint64_t number;
        struct redis_place leader; /* FOLLOW */
        bool done;                 /* in this run of the server */
};

enum redis_item_kind {
        REDIS_ITEM_ORDER, /* an error is a failure of the batch */
        REDIS_ITEM_OWN,   /* an error is told, and nothing else can be done */
        REDIS_ITEM_SETTING,
        REDIS_ITEM_USER,
        REDIS_ITEM_GONE, /* whatever it says, it is right */
};

/* One command of a batch. */
struct redis_item {
        struct redis *e;
        enum redis_item_kind kind;
        size_t index; /* in the settings */
};

/* Commands that are on their way together. One batch at a time. */
struct redis_batch {
        size_t waiting, n_items;
        bool failed;
        void (*done)(struct redis *e, bool obeyed);
        struct redis_item items[APPLY_MAX];
};

/* A setting that a start failed with, in the server's words. */
#define REDIS_UNFIT_MAX 8
struct redis_unfit {
        uint64_t setting; /* hash of name and value */
        char why[160];
};

struct redis {
        struct engine engine;
        struct loop *loop;
        struct engine_config config;
        struct engine_handlers handlers;
        struct redis_place self;
        char secret[SECRET_LEN + 1], secret_hash[REDIS_HASH_LEN + 1];
        char socket[128];
        struct loop_timer tick;
        struct loop_defer soon;

        /* settings */
        struct redis_settings settings;
        struct redis_settings kept; /* the last ones before them whose users the server took, all */
        bool configured;
        bool refused[REDIS_CONFIG_MAX];          /* the server does not take it at all */
        bool immutable[REDIS_CONFIG_MAX];        /* only at its start */
        bool taken_away;                         /* a setting is gone that this run still has */
        uint64_t started_with[REDIS_CONFIG_MAX]; /* or was to be */
        size_t n_started_with;
        struct redis_unfit unfit[REDIS_UNFIT_MAX];
        size_t n_unfit;
        bool bare;                       /* it did not start with the users' settings: without them */
        bool bare_wanted;                /* the next time */
        bool apply;                      /* the server has to be told */
        bool applying;                   /* and is being told */
        bool users_refused, users_taken; /* one of them; all of these settings' */
        char gone[REDIS_USERS_MAX][REDIS_NAME_MAX + 1];
        size_t n_gone;
        usec_t tls_looked;
        uint64_t tls_stamp;

        /* the server's life */
        struct keeper *keeper; /* NULL: there is no process */
        uint64_t run;
        bool killed;  /* by us, and its end is due */
        bool counted; /* and its end was told, though it lingers */
        uint64_t kill_number;
        usec_t kill_until; /* HALT: then SIGKILL; killed: then it counts as ended */
        bool halting;
        bool cut_off; /* by us, since its connection broke */
        struct output output;
        usec_t not_before; /* of the next start */
        usec_t backoff;
        struct keeper_end last_end;
        uint64_t ends;
        enum redis_source source; /* what this run has loaded */
        usec_t ended;             /* cleanly, and the state file is to say so before it is told; 0: not */

        /* orders */
        struct redis_goal goal;
        uint64_t carried; /* the newest that was carried out */
        struct {
                uint64_t number;
                enum failover_order what;
        } sent; /* the newest that was sent */
        struct redis_link link, waiter;
        bool known, waiter_known; /* it is logged in */
        bool waiting;             /* the waiter has its question out */
        struct redis_batch batch;
        usec_t batch_due; /* after one that failed */
        bool refusing;    /* it is told to take no write */
        bool held;        /* and to hold back those that come */
        usec_t paused_since;
        usec_t linger_until, linger_close; /* connections are ended every now and then; 0: no */
        bool paused, led;                  /* LED: clients may be connected that took it for the leader */
        failover_set in_sync;
        int min_replicas; /* as the server has it; -1: not known */

        /* looks */
        bool looking, look_again;
        struct failover_server asked; /* of the look that is under way: AT, ORDER, RUN */
        struct failover_server view;  /* as it was told last */
        usec_t look_due;
        bool loaded, seen;
        bool has_data;
        uint64_t offset, pause_offset;
        bool pause_offset_set;
        struct redis_info info;
        struct redis_stats stats;
        usec_t stats_due, full_told; /* the latter: that it turned connections away; 0: never */
        struct {
                struct redis_place place;
                uint64_t life;
        } members[FAILOVER_MEMBERS_MAX];

        /* the volume */
        struct redis_claims claims;
        struct volume *volume;
        bool opened;           /* it is ours, and what it holds is known */
        bool away;             /* and later it was not there any more */
        int volume_trouble;    /* what is wrong with it, as it was told last; at first: nothing was */
        bool leads_full;       /* it is full, and nobody else has offered more */
        usec_t stood_since;    /* when it was told to stand */
        bool prepared;         /* for the start of a server, since the last one */
        bool has_aof, has_rdb; /* since then */
        bool copy_there;       /* an RDB, perhaps of no use */
        bool dropping;         /* with the write that is under way */
        bool has_state;        /* a state file was there, or is since */
        usec_t canary_due;
        uint64_t canary_failures;
        uint64_t volume_size, volume_room;
};

/* --- engine.c --- */

static inline struct redis *redis_of(struct engine *e)
{
        return container_of(e, struct redis, engine);
}

static inline const struct redis *redis_of_const(const struct engine *e)
{
        return (const struct redis *)(const void *)((const char *)e - offsetof(struct redis, engine));
}

/* Looks at what is to be done next, later in this turn. */
void redis_soon(struct redis *e);
void redis_complain(struct redis *e, const struct error *complaint);
/* The connection broke, and not the server has closed it: what is on it might be carried out
 * late, so the server ends. */
void redis_cut_off(struct redis *e);
/* SIGKILL, and the end is due. */
void redis_end_server(struct redis *e);

/* --- obey.c --- */

/* The connection: opens it, logs in, sends settings, then what the goal asks for. */
void redis_advance(struct redis *e);
void redis_closed(struct redis_link *link, bool broken, void *arg);
/* Commands that go out together; DONE comes once, when all of them are answered: OBEYED, if each
 * was, and no order was refused. */
void redis_batch_begin(struct redis *e, void (*done)(struct redis *e, bool obeyed));
/* INDEX: of what KIND says, where redis_refused_item needs it. */
void redis_batch_add(struct redis *e, enum redis_item_kind kind, size_t index, const struct str *words,
                     size_t n);
void redis_batch_end(struct redis *e);
/* So many followers the server is to demand before it takes a write. */
int redis_min_replicas(const struct redis *e);
/* Tells it, where it has another number. */
void redis_set_min_replicas(struct redis *e);
/* They confirm what they have at once. */
void redis_ask_followers(struct redis *e);
/* PAUSE, when all have confirmed: writes are not refused any more, but wait. */
void redis_hold_writes(struct redis *e);
/* What a planned move leaves to be done: see obey.c. */
void redis_linger(struct redis *e, usec_t now);
/* HALT: is it too early for that? */
bool redis_lingers_before_end(struct redis *e, usec_t now);
/* The host and port of an address, "10.0.0.7", "10.0.0.7:7001", "[fd00::7]:7001". */
void redis_place_read(const char *address, struct redis_place *ret);

/* --- apply.c --- */

void redis_apply(struct redis *e);
void redis_refused_item(struct redis *e, const struct redis_item *item, struct str error);
void redis_look_at_tls(struct redis *e, usec_t now);
bool redis_needs_restart(const struct engine *engine);
bool redis_settled(const struct engine *engine);
int redis_configure(struct engine *engine, struct str json, struct error *complaint);
void redis_note_started_with(struct redis *e);
/* A start failed at the setting NAME: it is left out, and said so. Whether that is news. */
bool redis_note_unfit(struct redis *e, struct str name, const char *why);

/* --- look.c --- */

void redis_look(struct redis *e);
void redis_look_at_stats(struct redis *e, usec_t now);
/* The server is gone, or as good as. */
void redis_tell_down(struct redis *e);
/* It is gone: at once, or when the state file knows what it has left. */
void redis_tell_ended(struct redis *e, usec_t now);
void redis_run_begins(struct redis *e, bool has_data);

/* --- store.c --- */

/* Gives the volume what is due: it is opened, prepared where WANTED is a start, or written to. */
void redis_use_volume(struct redis *e, bool wanted, usec_t now);
void redis_volume_done(struct volume *v, const struct volume_done *done, void *arg);

/* --- report.c --- */

int redis_metrics(struct engine *engine, struct buf *out);
int redis_describe(struct engine *engine, struct buf *out);
/* How the server ended that nobody had asked to, in words. */
void redis_put_crash(const struct redis *e, struct error *ret);
