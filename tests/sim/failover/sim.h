/* SPDX-License-Identifier: Apache-2.0
 *
 * A cluster of servers with their agents, on virtual time: the world in which
 * pkg/failover is tried. Only that is real; all else is modelled here.
 *
 *      operator --- policy ---+        clients ---- published endpoint, or one server for ever
 *         |                   v                          |
 *      [ API server: Lease, endpoint ]                   v
 *         ^ | lease.c                   host 0 .. host N-1: clock, links, disk
 *         | v                             pod: agent (struct failover, driver), kernel timer,
 *       agents <----- messages ------>         server (data.h), volume
 *              net.c       agent.c          ^ replication.c
 *                                           servers follow servers
 *
 * The rules of the driver are those of the real agent (agent.c says them); the
 * server behaves as Redis does (server.h). Everything is decided by the seed:
 * the same seed gives the same run, line by line of its history.
 *
 * A slot of s->pods is used again when nothing of its pod is left; what is
 * under way to a pod, a process or an agent names its number, which is given
 * once.
 */
#pragma once

#include <setjmp.h>
#include <stdio.h>

#include "base/rand.h"
#include "failover/data.h"
#include "failover/loop.h"
#include "failover/oracle.h"

#define SIM_MEMBERS_MAX 5
#define SIM_HOSTS_MAX (2 * SIM_MEMBERS_MAX)
#define SIM_PODS_MAX 24
#define SIM_CLIENTS_MAX (8 + SIM_MEMBERS_MAX)
#define SIM_INBOX_MAX 128
#define SIM_ORDERS_MAX 64
#define SIM_WHY_MAX 512
#define SIM_HISTORY_LINES 100000
#define SIM_LINE_MAX 200

/* --- machines ------------------------------------------------------------------ */

/* Between two hosts. */
enum traffic {
        TRAFFIC_PEER, /* agents' messages */
        TRAFFIC_REPLICATION,
        TRAFFIC_KINDS,
};

/* Its clock began anywhere, is a little too fast or too slow, and stands still
 * while the host is frozen. */
struct host {
        usec_t clock, frozen_since, stood_still;
        int ppm;
        bool frozen;
        bool no_api_up, no_api_down, no_clients;
};

enum persistence {
        KEEP_NOTHING, /* a restart comes up empty */
        KEEP_SECONDLY,
        KEEP_ALWAYS,
};

struct volume {
        struct data_ref data;
        bool has_data;
        int64_t skew;   /* of the offsets that its server told last */
        uint64_t noted; /* an offset that is certainly there */
        usec_t saved;   /* when the data was written for the last time */
        struct failover_copy remembered;
        usec_t frozen_since, frozen_until;
        usec_t slow; /* a small write takes up to so long; 0: some milliseconds */
        bool full;   /* nothing new finds room */
        bool gone;   /* it is not there: nothing can be read nor written */
};

/* --- the server ------------------------------------------------------------------ */

enum process {
        PROCESS_NONE,
        PROCESS_LOADING,
        PROCESS_UP,
        PROCESS_DYING, /* killed, in a call of the kernel that does not end; it acknowledges nothing */
};

enum link_state {
        LINK_NONE,
        LINK_TRYING,
        LINK_COPYING,
        LINK_ONLINE,
};

struct follower {
        uint64_t connection; /* 0: none */
        uint64_t acked;
        usec_t acked_at;
        bool sending; /* something is on the way */
};

struct order {
        enum failover_order what;
        uint64_t number, epoch;
        struct failover_id whom;
};

struct server {
        enum process process;
        uint64_t pid;
        bool frozen;
        bool to_die;                     /* SIGKILL is on its way */
        enum failover_server_state mode; /* STANDING, FOLLOWING, PAUSED or WRITABLE */
        struct data_ref data;
        bool has_data, warm; /* it followed or led since it was started */
        int flying;          /* orders to lead or to pause that are on their way to it */
        usec_t loaded_as_of; /* its volume was that old when it was started */
        usec_t order_last;   /* when the last order that was sent arrives: none overtakes another */
        int64_t skew;        /* the offset that it tells is its length minus this */
        uint64_t lead_epoch; /* of the newest LEAD or PAUSE that was carried out */
        struct order orders[SIM_ORDERS_MAX];
        size_t n_orders;
        uint64_t held; /* clients whose writes are held back, or wait for a server that stands still */
        /* as a follower */
        struct failover_id whom;
        enum link_state link;
        uint64_t connection;
        int source;
        usec_t heard; /* when the source was last heard of */
        /* as a leader, by slot of the pod that follows */
        struct follower followers[SIM_PODS_MAX];
        int min_replicas;
};

/* --- the agent ---------------------------------------------------------------------- */

struct agent {
        bool up, frozen;
        uint64_t life;
        struct failover f;
        struct failover_effects effects;
        size_t next;   /* of the effects */
        bool busy;     /* with an effect that takes time */
        int freeze_in; /* effects, until it freezes between two of them; 0: never */
        struct failover_event inbox[SIM_INBOX_MAX];
        usec_t came[SIM_INBOX_MAX];
        size_t head, n;
        usec_t wake; /* when a turn for it is planned; 0: none is */
        /* the driver's own */
        struct order newest; /* number 0: none yet */
        bool killed;         /* the newest was KILL */
        uint64_t carried_out;
        bool looking, look_again, probing_disk;
        uint64_t starts;                           /* of the server */
        struct failover_id heard[SIM_MEMBERS_MAX]; /* who spoke last for each member */
        uint64_t write;                            /* that is not answered; 0: none */
        uint64_t version;                          /* the newest of the Lease that it was told */
        bool watching;
        usec_t watch_silent_until, watch_last;
        uint64_t policy;    /* the number of the one that it was told */
        uint64_t publish;   /* epoch that is to be published; 0: none */
        uint64_t remembers; /* the number of the newest that is to be kept, */
        struct failover_copy to_keep;
        uint64_t steps, writes;
};

struct pod {
        bool used;
        uint64_t number;
        struct failover_id id;
        int host, volume;
        bool current;    /* it is its member's pod, as the API server has it */
        bool ending;     /* SIGTERM came */
        usec_t back_off; /* until its container is started again */
        usec_t refused;  /* from then on by the API server; 0: it is not */
        struct agent agent;
        struct server server;
        usec_t knife;     /* host's clock; 0: not armed */
        bool knife_spent; /* it fell, or came too late */
        usec_t touched;   /* by a fault, for the last time */
        usec_t excused;   /* until then, for its host was frozen */
        /* For the oracles, by the host's clock: when what carries its lease was sent. */
        usec_t renewal_sent, promises_sent;
        uint64_t promises_round;
        usec_t promises_asked; /* the same, by the world's time */
        uint64_t told;         /* the epoch of which it said last what that lacks */
};

/* --- everything else ------------------------------------------------------------------- */

struct api {
        bool down;
        bool exists;
        struct failover_record record;
        uint64_t version;       /* of the last change of anything */
        uint64_t lease_version; /* of the Lease, or of its deletion */
        struct {
                uint64_t epoch;
                struct failover_id id;
                uint64_t number; /* of changes */
        } endpoint;
};

struct client {
        bool local; /* to the server of its member, and never looks elsewhere */
        int member;
        uint64_t seen; /* the number of the endpoint that its proxy knows */
        struct failover_id target;
        uint64_t pid; /* that it is connected to; 0: none */
        int pod;
        uint64_t question; /* that is not answered; 0: none */
        usec_t last_ack;
        usec_t longest; /* time without an acknowledgement */
        uint64_t n_acked, n_failed;
};

/* All chances in a thousand. */
struct weather {
        usec_t delay;                    /* of a message, at the most */
        unsigned loss, doubles, detours; /* a detour takes up to a second more */
        usec_t api_delay;
        unsigned api_loss; /* of a request or a reply */
        unsigned api_late; /* a request is carried out up to five seconds later */
        usec_t order_delay;
        usec_t proxy_delay;
        unsigned freezes; /* an agent stops between two effects */
};

struct settings {
        int members;
        usec_t lease;
        enum persistence keep;
        int min_replicas;
        int writers;
        usec_t write_every;
        usec_t copy_time; /* of a full copy, at the most */
        bool partial_after_restart;
        int ppm;
};

struct history {
        bool on;
        FILE *live; /* NULL: kept for later */
        char (*lines)[SIM_LINE_MAX];
        usec_t *at;
        size_t n;
};

struct sim {
        struct loop loop;
        struct rand rand;
        uint64_t seed, numbers;
        struct settings settings;
        struct failover_timing timing;
        struct weather weather;
        usec_t weather_changed;
        struct data_tree data;
        struct api api;
        struct host hosts[SIM_HOSTS_MAX];
        bool cut[TRAFFIC_KINDS][SIM_HOSTS_MAX][SIM_HOSTS_MAX]; /* from, to */
        usec_t cut_changed[SIM_HOSTS_MAX];                     /* anything about a host's links */
        struct volume volumes[SIM_PODS_MAX];
        struct pod pods[SIM_PODS_MAX];
        int pod_of[SIM_MEMBERS_MAX]; /* slot of the current pod; -1: there is none */
        struct client clients[SIM_CLIENTS_MAX];
        int n_clients;
        struct failover_policy policy;
        uint64_t policy_number;
        bool operator_present;
        bool keep_pods_away; /* killed containers and pods do not come back */
        bool calm;           /* no random faults from here on */
        failover_set away;   /* members that were removed */
        struct oracle oracle;
        uint64_t steps, lease_writes;
        /* of the published endpoint's clients */
        usec_t outage_from, outage; /* count from then on; the longest */
        usec_t any_ack;
        struct history history; /* from here on kept over runs */
        jmp_buf failed;
        char why[SIM_WHY_MAX];
};

/* Equal settings and seeds give equal runs. Members have pods, nothing has run yet. */
void sim_init(struct sim *s, const struct settings *settings, uint64_t seed);
void sim_release(struct sim *s);

/* Lets virtual time go by; with a condition, until that holds: whether it does. */
void sim_run(struct sim *s, usec_t time);
bool sim_until(struct sim *s, bool (*fn)(const struct sim *s), usec_t at_most);

_Noreturn void sim_fail(struct sim *s, const char *oracle, const char *format, ...) _printf_(3, 4);
void sim_note(struct sim *s, const struct pod *p, const char *format, ...) _printf_(3, 4);
/* Costs nothing where nobody listens. */
#define note(s, p, ...)                                                                                      \
        do {                                                                                                 \
                if ((s)->history.on)                                                                         \
                        sim_note((s), (p), __VA_ARGS__);                                                     \
        } while (0)

static inline usec_t sim_now(const struct sim *s)
{
        return s->loop.now;
}

static inline struct turn *sim_after(struct sim *s, usec_t delay, void (*fn)(struct sim *s, struct turn *t))
{
        return loop_at(&s->loop, s->loop.now + delay, fn);
}

bool chance(struct sim *s, unsigned per_mille);
usec_t between(struct sim *s, usec_t least, usec_t most);
/* 0 <= n < BOUND. */
int pick(struct sim *s, int bound);
