/* SPDX-License-Identifier: Apache-2.0
 *
 * The Redis controller: a Redis becomes members with an agent each, and all that
 * belongs to reaching them. Who leads is the agents' to decide (docs/failover.md);
 * the controller says what they may, replaces them one by one, and tells how it is.
 *
 *      Redis ----------.--> redis_validate --> problems
 *      Environment ----+--> redis_settle ----> settings --.
 *      built-in -------'                                  |
 *      Lease, pods, StatefulSet --> redis_observe ---------> situation --.
 *      Secrets ------------------> redis_read_secrets --> secrets ----+--> redis_decide --> intent
 *                                                                     |       (config.json, who is replaced)
 *                                      redis_plan_children <----------'
 *                                      redis_report
 */
#pragma once

#include "admission/judge.h"
#include "controller/common/kinds.h"
#include "controller/redis/connect.h"
#include "failover/failover.h"
#include "manager/child_meta.h"
#include "manager/controller.h"
#include "redis_observed.gen.h"
#include "redis_types.gen.h"
#include "schema/problem.h"

#define REDIS_MEMBERS_MAX 7 /* spec.replicas in crds/redis.yaml */
#define REDIS_PEER_PORT 9121
#define REDIS_HEALTH_PORT 9122
/* A watch tells when one of our Secrets changes; should it not, so often we look. */
#define REDIS_READ_AGE (5 * USEC_MINUTE)
#define REDIS_CLAIM_AGE (30 * USEC_MINUTE) /* likewise at a claim */
#define REDIS_FOREIGN_AGE (10 * USEC_SEC)  /* at one that is in our way */
#define REDIS_CHILD_BYTES_MAX ((size_t)256 * 1024)

/* What people ask for by annotations, "keelson.dev/pause" and so on. Absent: nothing. */
struct redis_wishes {
        struct str pause;    /* nothing is changed by us */
        struct str fence;    /* "NAME-1", several with commas, or "*": their servers are down */
        struct str handover; /* "NAME-2": it is to lead; "*": whoever is best */
        struct str promote;  /* "NAME-0": it is to lead with what it has */
        struct str rotate;   /* each new value is another password */
};

struct redis_metadata {
        struct redis_wishes *annotations;
};

/* The object as the cache keeps it, as crds/redis.yaml says. */
struct redis {
        struct redis_metadata *metadata;
        struct redis_spec *spec;
        struct redis_status *status;
};

extern const struct cache_kind redis_kind;
extern const struct cache_kind redis_statefulset_kind;
extern const struct cache_kind redis_pod_kind;
extern const struct cache_kind redis_lease_kind;
extern const struct cache_kind redis_secret_kind;
extern const struct cache_kind redis_claim_kind; /* a member's volume, on demand */
extern const struct cache_kind redis_role_kind;
extern const struct cache_kind redis_rolebinding_kind;

extern const struct controller redis_controller;

/* What a Redis should become. Pure: reads the view, fills the plan. 0, -ENOMEM, or another
 * negative errno that a retry may mend. */
int redis_reconcile(const struct view *view, struct plan *plan) _must_check_;

/* --- what is wrong with it (validate.c) ------------------------------------------ */

/* Adds to PROBLEMS what cannot work although the schema lets it through. */
void redis_validate(const struct redis_spec *spec, struct problems *problems);

/* May a container of that LIMIT hold data of MEMORY? What is absent is fine. */
void redis_check_limit(struct str memory, struct str limit, struct problems *problems);

/* Likewise what may not change; OLD is what it was. */
void redis_validate_change(const struct redis_spec *old, const struct redis_spec *spec,
                           struct problems *problems);

/* Adds to WARNINGS what works and is unwise. */
void redis_warn(const struct redis_spec *spec, struct problems *warnings);

extern const struct admission_kind redis_admission;

/* --- settings of redis.conf (config.c) -------------------------------------------- */

/* Is it one that Keelson sets itself? Then how it is asked for instead, else NULL. */
const char *redis_config_owner(struct str name);

/* Does a running server not take a change of it? */
bool redis_config_needs_restart(struct str name);

struct redis_settings;
struct redis_intent;

/* config.json for the agents, as docs/failover.md says. Absent where memory is out. */
struct str redis_config_json(const struct redis_settings *settings, const struct redis_intent *intent,
                             struct arena *a);

/* --- settings (settle.c) ------------------------------------------------------- */

#define REDIS_EFFECTIVE_MAX 16

/* The Redis with everything filled in: built-in < Environment < Redis. */
struct redis_settings {
        const struct redis_spec *spec;
        struct str profile;
        struct str image;
        int64_t replicas;
        int64_t max_memory; /* bytes */
        int64_t max_clients;
        int64_t max_memory_clients; /* bytes that they take together */
        int64_t max_memory_replica; /* bytes that wait for one */
        int64_t min_replicas_to_write;
        usec_t lease;
        bool tls, auth, durable;
        struct schema_map requests, limits;
        struct redis_status_effective effective[REDIS_EFFECTIVE_MAX];
        size_t n_effective;
};

/* 0; -EINVAL with *problems, which no retry mends; -ENOMEM. RET borrows from the view and A. */
int redis_settle(const struct view *view, struct arena *a, struct redis_settings *ret,
                 struct problems *problems) _must_check_;

/* --- how it is (look.c) ---------------------------------------------------------- */

struct redis_member {
        struct str name;          /* "sessions-0" */
        const struct object *pod; /* NULL: there is none */
        bool ready, in_sync;
        usec_t ready_since;         /* wall time; 0: not told */
        usec_t unready_since;       /* likewise; 0: its pod is, though it may be going, or not told */
        bool stale;                 /* it is not as the template says now, or waits for another start */
        bool applied;               /* all that it was told last is in force, but for what it refuses */
        const struct object *claim; /* its volume; NULL: there is none, or it is not known yet */
        bool doomed;                /* that was deleted, and goes with the pod */
        bool has_lag;
        int64_t lag;               /* bytes */
        struct str refused, words; /* the first setting that its server does not take, and what it says */
        struct str trouble;        /* why it does not start; absent: nothing that can be told */
};

struct redis_situation {
        struct redis_member members[FAILOVER_MEMBERS_MAX];
        size_t n;                        /* those that there are or are to be */
        const struct lease_state *lease; /* NULL: there is none, or it cannot be read */
        int leader;                      /* whose pod is there; or FAILOVER_NOBODY */
        failover_set in_sync;
        const struct statefulset_state *set; /* NULL: there is none */
        int64_t replicas;                    /* that it has, or, without it, that the pods tell of */
        bool set_seen;                       /* its controller has seen our last change of it */
        bool lease_there;                    /* whatever it says */
        struct str lease_problem;            /* why it cannot be read; absent: it can, or there is none */
        bool bootstrapped;
        bool claims_known; /* all were asked for, and have not changed since */
};

/* REVISION is that of the template that is wanted, CONFIG the version of what the agents were told. */
void redis_observe(const struct view *view, const struct redis_settings *settings, struct str revision,
                   struct str config, struct arena *a, struct redis_situation *ret);

/* The volumes, and which of them are to go. */
void redis_observe_volumes(const struct view *view, const struct redis_settings *settings, struct plan *plan,
                           struct redis_situation *now);

/* --- Secrets (secrets.c) ---------------------------------------------------------- */

#define REDIS_PASSWORDS_MAX 3

/* What we have told the agents, and remember with it, in the Secret NAME-agent. */
struct redis_intent {
        struct str version; /* of the config.json that is there: what members report */
        int64_t members;
        failover_set fenced;
        int64_t handover; /* the number of the last request; 0: there was none */
        int handover_to;  /* or FAILOVER_NOBODY: the best */
        usec_t asked;     /* when that was; wall time */
        int64_t consent;  /* likewise */
        int consent_member;
        /* Of the applications' user: the first is what they are told. */
        struct str passwords[REDIS_PASSWORDS_MAX];
        size_t n_passwords;
        struct str replication; /* the members' own password */
        /* A change of the password: the second one is on its way in, or out. Absent: none. */
        struct str rotation; /* "adding" or "dropping" */
        usec_t since;        /* that step; wall time */
        usec_t lease_gone;   /* since when there is no Lease although there was one; wall time; 0: there is */
        /* What annotations have said and was dealt with. */
        struct str handover_done, promote_done, rotate_done;
};

struct redis_secrets {
        bool known;               /* all were asked for */
        struct redis_intent told; /* all zero where there is no Secret yet */
        bool has_told;
        struct str password;       /* as NAME-app has it; absent: not there */
        struct str ca_crt, ca_key; /* PEM */
        struct str previous_crt;   /* a CA that is still trusted */
        struct str trusted_crt;    /* what members have been told to trust, the newest CA first */
        struct str tls_crt, tls_key;
};

/* Reads what there is. 0 or -ENOMEM. */
int redis_read_secrets(const struct view *view, struct plan *plan, struct redis_secrets *ret) _must_check_;

/* Another password, from the view's random bytes. WHAT tells several of one reconcile apart. */
struct str redis_new_password(const struct view *view, const char *what, struct arena *a);

/* The five Secrets, as they are to be. 0 or -ENOMEM. */
int redis_plan_secrets(const struct view *view, const struct redis_settings *settings,
                       const struct redis_secrets *secrets, const struct redis_intent *intent,
                       struct plan *plan) _must_check_;

/* --- certificates (certs.c) -------------------------------------------------------- */

/* Makes what is missing and renews what is due, in *SECRETS. *RET_WAKE: look again then, wall
 * time. 0; -ENOMEM; -EIO where OpenSSL fails. */
int redis_certify(const struct view *view, struct arena *a, struct redis_secrets *secrets, usec_t *ret_wake)
        _must_check_;

/* --- what is to be done (decide.c) --------------------------------------------------- */

#define REDIS_EVENTS_MAX 8

struct redis_event {
        bool warning;
        struct str reason, message;
};

struct redis_decision {
        struct redis_intent intent;
        int64_t replicas;           /* of the StatefulSet */
        bool remake_lease;          /* it is gone for good */
        bool remake_set;            /* the StatefulSet goes, to be made anew with larger volumes */
        const struct object *evict; /* the pod that is to be replaced now; NULL: none */
        bool volume;                /* for the sake of its volume */
        /* What is on its way, for people; absent: nothing. */
        struct str reason, message;
        struct redis_event events[REDIS_EVENTS_MAX];
        size_t n_events;
        bool paused;        /* by an annotation: then nothing of it is done */
        bool last_copy;     /* the claim of the only member was deleted, which must not be replaced */
        struct str unknown; /* what the annotation that fences names, and is no member; absent: nothing */
        usec_t wake;        /* look again then, clock_now's; or USEC_NEVER */
};

/* What to tell the agents and whom to replace, from how it is. 0 or -ENOMEM. */
int redis_decide(const struct view *view, const struct redis_settings *settings,
                 const struct redis_situation *now, const struct redis_secrets *secrets, struct arena *a,
                 struct redis_decision *ret) _must_check_;

/* --- volumes (grow.c) ---------------------------------------------------------------- */

/* The size that the StatefulSet asks claims to have; absent: there is none, or no volumes. */
struct str redis_claimed(const struct redis_situation *now);

/* Where the spec wants larger volumes: the next step to that, into the plan and DECISION. 0 or -ENOMEM. */
int redis_grow(const struct view *view, const struct redis_settings *settings,
               const struct redis_situation *now, struct redis_decision *decision, struct plan *plan)
        _must_check_;

/* --- children (children.c, network.c) ------------------------------------------------ */

/* The pods' spec as JSON, and what it is called: another template is another revision. 0 or
 * -ENOMEM. */
int redis_pod_spec(const struct view *view, const struct redis_settings *settings, struct arena *a,
                   struct str *ret_json, struct str *ret_revision) _must_check_;

/* All but the Secrets, into the plan. POD and REVISION are redis_pod_spec's. 0 or -ENOMEM. */
int redis_plan_children(const struct view *view, const struct redis_settings *settings,
                        const struct redis_situation *now, const struct redis_decision *decision,
                        struct str pod, struct str revision, struct plan *plan) _must_check_;

/* The JSON of one child. 0 or -ENOMEM. */
int redis_child_networkpolicy(const struct child_meta *c, const struct redis_settings *settings,
                              struct arena *a, struct buf *out) _must_check_;

/* --- status (status.c) -------------------------------------------------------------- */

/* The part of the status about who leads, and since what; a change of it is an event (outcome.c). */
void redis_fill_failover(const struct view *view, const struct redis_situation *now,
                         const struct redis_status *before, struct redis_status *status, struct plan *plan);

/* What is known when it is asked for; each may be NULL. */
struct redis_outlook {
        const struct redis_settings *settings;
        const struct problems *problems;
        const struct redis_situation *now;
        const struct redis_decision *decision;
};

/* The status, with its conditions, and the events where they turn, into the plan. 0 or -ENOMEM. */
int redis_report(const struct view *view, const struct redis_outlook *outlook, struct plan *plan)
        _must_check_;
