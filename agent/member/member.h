/* SPDX-License-Identifier: Apache-2.0
 *
 * The agent of one member of a database cluster: process 1 of its pod, and what decides,
 * with the agents of the other members, who of them may write.
 *
 *      Secret NAME-agent --config--> settings --.
 *      Lease NAME <--lease--> record -----------+--> driver (pkg/failover) --> engine --> the server
 *      agents of others <--peers, mailbox-------'       |
 *                                                       +--> publish: EndpointSlice NAME-primary
 *      kubelet, Prometheus <--health--------------------+--> news: log, Events
 *
 * All on one loop, from one thread. SIGTERM is a hand-over: the agent ends when the server
 * is down and the Lease tells so. A second one, or SIGINT after it, ends both at once.
 *
 * No thread fences: what ends the server at the deadline while the agent stands still is
 * the engine's keeper, a process with nothing else to do, and a kernel timer behind it
 * (docs/failover.md, I3). A thread of the agent would be stopped together with it, by
 * whatever stops it, and would have to be trusted with less.
 */
#pragma once

#include "agent/member/config.h"
#include "agent/member/driver.h"
#include "agent/member/lease.h"
#include "agent/member/mailbox.h"
#include "agent/member/news.h"
#include "agent/member/peers.h"
#include "agent/member/publish.h"
#include "agent/member/report.h"
#include "manager/metrics.h"
#include "manager/server.h"

#define MEMBER_CAUSES (FAILOVER_CAUSE_SHUTDOWN + 1)
#define MEMBER_PATTERN_MAX 300
#define MEMBER_FILES_PERIOD (2 * USEC_SEC)
#define MEMBER_WAIT_TOLD (2 * USEC_SEC)
#define MEMBER_ROUTES 4
/* A pod that is to end serves for so long before it hands over or stops: that it ends has just
 * changed the Service of readers, and kube-proxy takes changes over once a second at the most,
 * so the new leader's would wait for the next time. */
#define MEMBER_SETTLE (1200 * USEC_MSEC)

typedef int member_engine_fn(struct loop *l, const struct engine_config *config,
                             const struct engine_handlers *handlers, struct engine **ret, struct error *err);

/* All of it outlives the run. */
struct member_options {
        const char *engine_name; /* "redis": its part of config.json, the name of its port */
        member_engine_fn *engine;
        const char *cluster, *namespace;
        const char *pod, *uid, *address; /* of this pod; its name ends in "-N" */
        const char *data, *run, *tls;    /* folders */
        const char *program;             /* the server's, or NULL */
        const char *listen;              /* for the other agents */
        const char *health;              /* for the kubelet and Prometheus */
        const char *hosts;               /* of members, "#" is the number; NULL: by their names in DNS */
        const char *kubeconfig;          /* or NULL */
        const char *version;
};

struct member {
        const struct member_options *options;
        struct loop *loop;
        struct kube_client *client;
        struct failover_id self;
        char names[MEMBER_PATTERN_MAX];
        struct engine *engine;
        struct config_watch config;
        struct settings settings; /* the engine's part is empty: it was handed over */
        bool configured;
        usec_t wanted_lease; /* as config.json has it now; the one that counts is in settings */
        bool opened;         /* the volume is ours */
        struct error volume; /* what is wrong with it; code 0: nothing, or nothing was told yet */
        bool started;        /* the driver lives: both were so */
        struct driver driver;
        struct lease_port lease;
        struct identity_source identities;
        bool distrusted; /* the peers could not take what is in the files */
        struct mailbox mailbox;
        struct peers peers;
        struct publisher publisher;
        struct news news;
        struct reporter reporter;
        struct server *health;
        struct metrics *metrics;
        struct loop_signal signals;
        struct loop_timer wake, files, settle;
        enum failover_role role; /* as it was told last */
        usec_t waiting; /* since when others must answer; 0: they need not; USEC_NEVER: it was told */
        struct failover_effect wait;
        bool stopping;
        bool turned_away; /* the API server knows this pod no more */
        uint64_t fences[MEMBER_CAUSES], promised, went_back;
        bool looked_back;                /* whether what is on the volume is newer than the Lease */
        bool config_bad, lease_bad;      /* it cannot be read */
        struct failover_refusal refused; /* a part of what was read last: the first */
        uint64_t route_trouble;          /* a hash of what was told last */
};

/* "shop-2" -> 2. 0, or -EINVAL. */
int member_number(struct str cluster, struct str pod, int *ret) _must_check_;

/* Runs until it is told to stop. 0, or a negative errno with *err. */
int member_run(const struct member_options *options, struct error *err) _must_check_;

/* Starts the protocol, once there is a configuration and the volume is ours. */
void member_begin(struct member *m);

/* Has the configuration something that only another start of this member will take? */
bool member_needs_restart(const struct member *m);

/* --- ports.c: what the driver asks for --- */

/* Of M; once, and before the driver. 0 or -ENOMEM. */
int member_ports(struct member *m, struct driver_ports *ret) _must_check_;

/* --- complaint.c: what is wrong with settings, volume and Lease, as Events and metrics --- */

/* configure or, later, the server takes not all of it. */
void complaint_of_settings(struct member *m, const struct error *complaint);
/* The engine's handlers; ARG is the member. */
void complaint_of_engine(void *arg, const struct error *complaint);
void complaint_of_crash(void *arg, const struct error *how);
void complaint_of_volume(void *arg, const struct error *why);

/* As the Lease's handler. */
void complaint_of_lease_back(const struct failover_record *there, const struct failover_record *known,
                             void *arg);
/* The first record of this life: is it older than what is on the volume? */
void complaint_of_older_lease(struct member *m, const struct failover_record *record);

/* --- trust.c: certificates -------------------------------------------------------- */

/* The peers are made; from here on they and the mailbox have certificates, always the newest. */
int trust_start(struct member *m, struct error *err) _must_check_;

/* --- health.c: /livez, /readyz, /metrics, /debug/state ------------------------- */

int health_start(struct member *m, struct error *err) _must_check_;
/* Is it of use to clients: a leader, or a follower that has everything? 0, or what is missing. */
int health_ready(const struct member *m, struct error *why);
void health_write_metrics(struct member *m, struct buf *out);
