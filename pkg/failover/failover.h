/* SPDX-License-Identifier: Apache-2.0
 *
 * The failover protocol: who of a cluster's members may write. Pure: no I/O, no
 * clock, no memory taken, no lock. One such state lives in the agent of every
 * member; the agent feeds it with what happens and does what it says.
 *
 *        lease (API server)      peers' agents       the own server
 *              ^  |                  ^  |                ^  |
 *       WRITE  |  | RECORD      SEND |  | MESSAGE  SERVER|  | SERVER
 *       READ   |  v WROTE            |  v          KILL  |  v CANARY
 *            +-----------------------------------------------+
 *   TICK --> |  failover_step(state, now, event) -> effects  | --> PUBLISH, TELL
 *            +-----------------------------------------------+
 *
 * One Lease a cluster holds the record: an epoch that only rises, its holder,
 * and the set of members that may be promoted. Every change is a
 * compare-and-swap on the Lease's resourceVersion.
 *
 *                    lease unchanged for L, or free
 *      FOLLOWER --------------- take: epoch + 1 --------------> SEALING
 *        ^  ^                                                 |        |
 *        |  +------- another member is the better one --------+        | chosen, and the
 *        |                                                             v set narrowed
 *        |  fenced, superseded, released                           PROMOTING
 *        +-------------------- YIELDING <----- LEADER <----------------+
 *                                  |  planned    ^     the server is writable
 *                                  +-------------+
 *                                   target too late
 *
 * What it keeps (the names are those of docs/failover.md):
 *
 * I1  The server is asked to be writable only while this agent holds the lease.
 * I2  The lease is valid until F after its last successful renewal was *sent*;
 *     another may take it once it was seen unchanged for L > F on its own
 *     clock. No clocks are compared.
 * I3  Fencing is KILL. ARM hands the same deadline to the kernel, so that it is
 *     kept by an agent that is stopped as well.
 * I4  With the API server away the holder goes on while every member that could
 *     be promoted promises not to stand for one more period.
 * I5  The winner of an epoch seals the others (they stop following) before one
 *     is chosen.
 * I6  The set is narrowed before the server may acknowledge without a member,
 *     and widened only after it has caught up.
 * I7  A renewal needs a server that answers and a disk that writes.
 * I8  Only a member of the set with the cluster's data is promoted: the one
 *     furthest on. An empty one only where nobody can have anything.
 * I9  Publishing names the epoch, and follows promotion.
 *
 * Members are ordinals. Times are CLOCK_BOOTTIME in microseconds.
 */
#pragma once

#include "base/clock.h"

#define FAILOVER_MEMBERS_MAX 9
#define FAILOVER_UID_MAX 40
#define FAILOVER_ADDRESS_MAX 64
#define FAILOVER_VERSION_MAX 32
#define FAILOVER_LINEAGE_MAX 48
#define FAILOVER_EFFECTS_MAX 32
#define FAILOVER_NOBODY (-1)

typedef uint32_t failover_set; /* bit N: member N */

static inline failover_set failover_only(int member)
{
        return member < 0 ? 0 : UINT32_C(1) << member;
}

/* Members 0 to N - 1. */
static inline failover_set failover_first(int64_t n)
{
        return (UINT32_C(1) << n) - 1;
}

/* One life of an agent. A pod of the same name but another UID is another
 * member of the cluster's past; the same UID with another incarnation is a
 * container that was started again, whose former processes are all dead. */
struct failover_id {
        int member;
        uint64_t incarnation; /* random */
        char uid[FAILOVER_UID_MAX];
        char address[FAILOVER_ADDRESS_MAX]; /* where its server and its agent are reached */
};

/* How far a copy of the data is: TIMELINE is the epoch whose leader it was or
 * followed last, OFFSET the engine's count of bytes. */
struct failover_position {
        uint64_t timeline;
        uint64_t offset;
};

enum failover_phase {
        FAILOVER_BOOTSTRAP, /* made by the operator: nobody led yet, or the Lease was deleted */
        FAILOVER_HELD,      /* the holder leads */
        FAILOVER_SEALING,   /* the holder is finding out who is to lead */
        FAILOVER_RELEASED,  /* the holder's server cannot write any more; free to take */
};

enum failover_cause {
        FAILOVER_CAUSE_NONE,
        FAILOVER_CAUSE_BOOTSTRAP,
        FAILOVER_CAUSE_CRASH,    /* the server ended by itself */
        FAILOVER_CAUSE_HANG,     /* it did not answer */
        FAILOVER_CAUSE_DISK,     /* its volume did not write */
        FAILOVER_CAUSE_EXPIRED,  /* the lease was not renewed */
        FAILOVER_CAUSE_FENCED,   /* a holder found its lease expired, or was told to stop */
        FAILOVER_CAUSE_RESTART,  /* the holder's agent was started again */
        FAILOVER_CAUSE_PLANNED,  /* asked for */
        FAILOVER_CAUSE_SHUTDOWN, /* the holder's pod is being stopped */
};

/* What is known of the writes that the last leader had and the present one has not. */
enum failover_loss {
        FAILOVER_LOSS_UNKNOWN,
        FAILOVER_LOSS_AT_LEAST,   /* so many bytes, by what was heard of the last leader */
        FAILOVER_LOSS_EXACT,      /* just so many: that one had told all that it had */
        FAILOVER_LOSS_EVERYTHING, /* there were data, and the present leader began with none */
};

/* What the Lease says. */
struct failover_record {
        enum failover_phase phase;
        uint64_t epoch;
        struct failover_id holder;          /* RELEASED: who released it */
        int handover_to;                    /* RELEASED: who should take it, or FAILOVER_NOBODY */
        failover_set in_sync;               /* who may be promoted */
        char lineage[FAILOVER_LINEAGE_MAX]; /* which data; empty before the first leader */
        struct failover_position position;  /* the leader's, at its last renewal or at its end */
        uint64_t floor;                     /* who may be promoted has at least this timeline */
        bool final;                /* POSITION is all there is; a planned move, and nobody led since */
        enum failover_cause cause; /* why the last leader ended */
        int from;                  /* who that was */
        enum failover_loss loss;
        uint64_t lost; /* bytes; of AT_LEAST and EXACT */
        /* The leader of EPOCH began with what POSITION's timeline was up to there, and counts on from
         * that. 0: it counts anew. */
        struct {
                uint64_t epoch;
                struct failover_position position;
        } start;
        uint64_t request; /* the newest request for a hand-over that was dealt with */
        uint64_t consent; /* likewise the newest consent */
};

/* What the user and the operator want. */
struct failover_policy {
        failover_set members;
        failover_set fenced; /* whose servers must be down */
        bool durable;        /* the server keeps its data over a restart */
        uint64_t request;    /* 0: none; another number is another request for a hand-over */
        int request_to;      /* or FAILOVER_NOBODY: the best */
        /* A person has decided: lead with what this member has, whatever is missing. */
        int consent;             /* or FAILOVER_NOBODY */
        uint64_t consent_number; /* a decision holds once: as long as the record's is lower */
};

/* All in microseconds; failover_timing_of derives them from L. */
struct failover_timing {
        usec_t lease;      /* L: unchanged for so long, it may be taken */
        usec_t fence;      /* F: valid for so long after a renewal was sent */
        usec_t renew;      /* from one renewal to the next */
        usec_t write;      /* how long a write may take before its outcome counts as unknown */
        usec_t hang;       /* a server that has not answered for so long hangs */
        usec_t disk;       /* likewise its volume */
        usec_t lag;        /* a member of the set may be so far behind; twice that, and writing pauses */
        usec_t last;       /* so long before its time is over a leader lets nobody write any more */
        usec_t seal;       /* for the answers of members that are not necessary */
        usec_t grace;      /* for the named successor to take a free lease */
        usec_t yield;      /* for the target to catch up while writing pauses */
        usec_t halt;       /* for a server to end in its own way: longer than any engine lets it */
        usec_t peer_retry; /* between questions to a peer */
};

struct failover_timing failover_timing_of(usec_t lease);

enum failover_server_state {
        FAILOVER_DOWN,      /* no process, or one that is dying and can acknowledge nothing */
        FAILOVER_STARTING,  /* not to be asked yet: loading its data */
        FAILOVER_STANDING,  /* read-only, follows nobody */
        FAILOVER_FOLLOWING, /* read-only, told to follow a member */
        FAILOVER_PAUSED,    /* would be writable, but holds writes back */
        FAILOVER_WRITABLE,
};

/* What was seen of the own server. */
struct failover_server {
        usec_t at;      /* when the look began */
        uint64_t order; /* the newest order that was carried out when it began */
        enum failover_server_state state;
        uint64_t run;  /* how often it was started */
        bool expired;  /* DOWN: it was killed at the deadline that ARM has set */
        bool gone;     /* DOWN: and so is its volume; no server can be started */
        bool has_data; /* not: it came up empty, or a copy is on its way into it */
        bool in_sync;  /* FOLLOWING: connected, and the first copy is complete */
        /* Of a server that was started again: what the agent knows that it has, at the least. */
        uint64_t offset;
        /* PAUSED and WRITABLE: who follows, and how far each has confirmed. */
        failover_set online;
        uint64_t life[FAILOVER_MEMBERS_MAX]; /* the incarnation that follows, if that is known, or 0 */
        uint64_t acked[FAILOVER_MEMBERS_MAX];
};

/* What a member is worth when a leader is sought. */
enum failover_data {
        FAILOVER_DATA_UNKNOWN, /* still starting */
        FAILOVER_DATA_NONE,
        FAILOVER_DATA_COLD, /* what a restart left */
        FAILOVER_DATA_WARM, /* it followed or led without a break since */
};

struct failover_copy {
        enum failover_data data;
        struct failover_position position;
        char lineage[FAILOVER_LINEAGE_MAX];
};

enum failover_message_type {
        FAILOVER_PROMISE, /* do you promise not to stand against EPOCH for L from now? */
        FAILOVER_SEAL,    /* stop following; what have you got? */
        FAILOVER_YES,
        FAILOVER_NO,
        FAILOVER_ENDED, /* who holds EPOCH will never lead again, nor write the Lease: as if it were released */
};

/* Between agents. Each question is answered by a YES or a NO of its round, or
 * by nothing, and ENDED by nothing. Lost, late and doubled ones do no harm. */
struct failover_message {
        enum failover_message_type type;
        enum failover_message_type about; /* of an answer: PROMISE or SEAL */
        int from, to;
        uint64_t life;             /* the sender's incarnation */
        uint64_t round;            /* of the asker; an answer repeats it. ENDED: the life that held it */
        uint64_t epoch;            /* a question: the asker's; NO: the newest that is known */
        struct failover_copy copy; /* YES to SEAL */
};

enum failover_outcome {
        FAILOVER_WRITTEN,
        FAILOVER_CONFLICT, /* the Lease is at another version: certainly not written */
        FAILOVER_UNKNOWN,  /* no answer: it may be written now, later, or never */
};

enum failover_event_type {
        FAILOVER_TICK,
        FAILOVER_RECORD, /* the Lease, read or watched; never an older version after a newer one */
        FAILOVER_ABSENT, /* there is no Lease */
        FAILOVER_WROTE,
        FAILOVER_SERVER,
        FAILOVER_CANARY, /* the volume is well */
        FAILOVER_MESSAGE,
        FAILOVER_POLICY,
        FAILOVER_STOP,    /* the pod is to end */
        FAILOVER_REFUSED, /* the API server takes nothing of this pod any more: it was deleted by force */
};

struct failover_event {
        enum failover_event_type type;
        union {
                struct {
                        struct failover_record record;
                        char version[FAILOVER_VERSION_MAX];
                } lease; /* RECORD */
                struct {
                        uint64_t id;
                        enum failover_outcome outcome;
                        char version[FAILOVER_VERSION_MAX]; /* WRITTEN: the new one */
                } wrote;
                struct failover_server server;
                struct {
                        usec_t began; /* when the volume was tried */
                        bool kept;    /* it took a write, and with it what was to be remembered by then */
                } canary;
                struct failover_message message;
                struct failover_policy policy;
        };
};

enum failover_order {
        FAILOVER_STAND,  /* read-only, following nobody: so it is started, too */
        FAILOVER_FOLLOW, /* read-only, following a member */
        FAILOVER_PAUSE,  /* hold writes back until the next order */
        FAILOVER_LEAD,   /* be writable */
        FAILOVER_HALT,   /* stop it in its own way, and do not start it again */
};

/* What to tell people: events, logs, metrics. */
enum failover_news {
        FAILOVER_STOOD,       /* took an epoch */
        FAILOVER_CHOSEN,      /* this member is to lead */
        FAILOVER_DEFERRED,    /* another one is, MEMBER */
        FAILOVER_WAITING,     /* MEMBERS must answer before anyone may lead */
        FAILOVER_NO_DATA,     /* nobody has the data: a person has to say what is to be done */
        FAILOVER_LED,         /* writable */
        FAILOVER_NARROWED,    /* MEMBERS left the set */
        FAILOVER_WIDENED,     /* MEMBERS came in */
        FAILOVER_HELD_BACK,   /* writing pauses: the time is nearly over, CAUSE; NONE: a member is behind */
        FAILOVER_RESUMED,     /* writing goes on */
        FAILOVER_ON_PROMISES, /* the API server is away, the members' promises carry the lease */
        FAILOVER_FENCED,      /* the server was killed, CAUSE */
        FAILOVER_SUPERSEDED,  /* killed, since another holds a newer epoch: must never be seen */
        FAILOVER_YIELDS,      /* a hand-over to MEMBER begins */
        FAILOVER_YIELDED,     /* and is done */
        FAILOVER_STAYED,      /* or MEMBER was too late */
        FAILOVER_LEASE_GONE,  /* somebody deleted the Lease */
        FAILOVER_WRITES_LOST, /* this member had BYTES that the leader of EPOCH has not */
};

enum failover_effect_type {
        FAILOVER_DO_READ,  /* read the Lease, newest state */
        FAILOVER_DO_WRITE, /* compare and swap; answered by WROTE, also if that means giving up */
        FAILOVER_DO_ORDER, /* to the server */
        FAILOVER_DO_KILL,  /* the server, at once, before anything else; it is an order, too */
        FAILOVER_DO_ARM, /* the kernel kills the server at UNTIL; confirmed before the next effect is done */
        FAILOVER_DO_DISARM,   /* no longer */
        FAILOVER_DO_SEND,     /* a message */
        FAILOVER_DO_PUBLISH,  /* route clients to this member, unless a newer epoch is published */
        FAILOVER_DO_REMEMBER, /* keep COPY on the volume: what the server there has */
        FAILOVER_DO_TELL,
        FAILOVER_DO_EXIT, /* the server is down, and nothing is left to do */
};

struct failover_effect {
        enum failover_effect_type type;
        union {
                struct {
                        uint64_t id;
                        struct failover_record record;
                        char version[FAILOVER_VERSION_MAX]; /* empty: there must be none */
                } write;
                struct {
                        enum failover_order what;
                        uint64_t number;
                        struct failover_id whom; /* FOLLOW */
                        uint64_t epoch;
                } order; /* KILL: only the number */
                usec_t until;
                struct failover_message message;
                uint64_t epoch; /* PUBLISH */
                struct failover_copy copy;
                struct {
                        enum failover_news what;
                        enum failover_cause cause;
                        int member;
                        failover_set members;
                        uint64_t epoch;
                        uint64_t bytes;
                        bool exact; /* BYTES are all that there were */
                } news;
        };
};

struct failover_effects {
        size_t n;
        struct failover_effect list[FAILOVER_EFFECTS_MAX]; /* to be done in this order */
        usec_t wake;                                       /* step with TICK then, at the latest */
};

enum failover_role {
        FAILOVER_FOLLOWER,
        FAILOVER_SEALER,
        FAILOVER_PROMOTING,
        FAILOVER_LEADER,
        FAILOVER_YIELDING,
};

/* --- the state: to be read by its owner, changed by failover_step alone --------- */

enum failover_write_kind {
        FAILOVER_WRITE_NONE,
        FAILOVER_WRITE_TAKE,
        FAILOVER_WRITE_RENEW,
        FAILOVER_WRITE_RELEASE, /* of an epoch that is still held: planned, or to a better one */
        FAILOVER_WRITE_GIVE_UP, /* of an epoch whose server is dead */
};

struct failover {
        struct failover_timing timing;
        struct failover_id self;
        struct failover_policy policy;
        bool policed; /* a policy has come */
        char fresh_lineage[FAILOVER_LINEAGE_MAX];

        /* the Lease as it was seen last */
        bool known, absent;
        struct failover_record record;
        char version[FAILOVER_VERSION_MAX];
        usec_t seen;  /* when this version was first seen */
        usec_t read;  /* when it was last asked for; 0: no need */
        usec_t heard; /* when the API server told of it last, even if that was nothing new */
        bool stale;   /* it is known to have changed */

        /* the one write in flight */
        struct {
                enum failover_write_kind kind;
                uint64_t id;
                usec_t sent;
                struct failover_record record;
                char version[FAILOVER_VERSION_MAX]; /* the one that it replaces */
        } write;
        uint64_t ids;
        bool failed; /* the last write */
        /* A write of unknown outcome may still be carried out, as long as the Lease is at this version. */
        bool doubt;
        char doubt_version[FAILOVER_VERSION_MAX];
        failover_set doubt_set; /* members that it may have put into the set */

        enum failover_role role;
        uint64_t epoch; /* while not a FOLLOWER */
        usec_t valid_until;
        usec_t renewed; /* when the last successful renewal was sent */
        usec_t tried;   /* when the last one was sent */
        bool changed;   /* the record to be written differs from what is there: do not wait for the period */
        enum failover_cause cause; /* why the server was last killed */

        bool refused;      /* by the API server, since it was heard last */
        usec_t said_ended; /* to the others, for the last time */
        usec_t leave_at;   /* they have heard it by then */
        struct {
                int member;
                uint64_t epoch, life;
        } ended; /* who said so last */

        /* promises: given to the holder, and gathered as one */
        usec_t promised_until;
        struct {
                uint64_t round;
                usec_t sent;
                failover_set yes;
        } promises;
        bool on_promises;

        /* seals: given, and gathered */
        uint64_t sealed; /* the newest epoch that is known of: nobody of one before it is followed */
        struct {
                bool pending;
                int to;
                uint64_t round, epoch;
        } answer;
        struct {
                uint64_t round;
                usec_t begun, asked;
                /* Of the Lease as it was when the epoch was taken: until somebody leads, that counts. */
                failover_set set;
                bool final;
                failover_set answered;
                struct failover_copy copies[FAILOVER_MEMBERS_MAX];
                uint64_t lives[FAILOVER_MEMBERS_MAX];
                int former; /* holder, whose server counts as dead */
                int unfit;  /* was named as the successor and did not come */
                failover_set told;
        } seals;
        uint64_t rounds;
        struct failover_record next; /* PROMOTING: what is to be written before the server may lead */
        bool narrowed;               /* it is written */
        uint64_t chosen_run;         /* of the server, when it was chosen */

        /* the own server */
        struct failover_server server;
        enum failover_order want;
        uint64_t want_epoch;
        int want_whom;
        uint64_t orders; /* the newest one's number */
        uint64_t danger; /* the last to lead or to pause, until the server was seen to have left that; or 0 */
        usec_t armed;    /* 0: not */
        usec_t alive;    /* when the last look that was answered began */
        usec_t canary;   /* when the volume answered last: it began then */
        usec_t wrote;    /* and took a write */
        usec_t ordered;  /* when the newest order was given */
        struct {
                uint64_t epoch; /* 0: nobody yet */
                char lineage[FAILOVER_LINEAGE_MAX];
        } followed; /* whom it was told to follow last */
        struct failover_copy copy, remembered;
        /* The most that it was seen to have as the leader of a timeline, whatever became of it since. */
        struct failover_copy had;
        bool had_all; /* nothing was acknowledged after that */
        /* What the leader of EPOCH has not of that; 0: nothing is known. */
        struct failover_missing {
                uint64_t epoch;
                uint64_t bytes;
                bool exact; /* these are all */
        } missing;
        usec_t remembered_at;
        uint64_t kept; /* the timeline that the volume is known to name */

        /* as a leader: how fresh each member is */
        failover_set online; /* the last time that the server could write */
        struct {
                uint64_t acked; /* likewise */
                uint64_t mark;  /* an offset of ours */
                usec_t marked;  /* and when it was that */
                usec_t fresh;   /* the member has all that we had then */
                uint64_t life;  /* which of its lives has */
                usec_t met;     /* since when it follows without a break; 0: it does not */
                uint64_t met_life;
                uint64_t knows; /* the newest epoch of which its agent spoke */
        } members[FAILOVER_MEMBERS_MAX];
        bool held_back;
        uint64_t handled; /* the newest request for a hand-over that was dealt with here */

        /* a hand-over */
        struct {
                int to;
                usec_t begun, until;
                enum failover_cause cause;
                bool released; /* the write was sent: no way back but by a newer write */
        } yield;
        bool stopping, exited;
};

/* STORED is what REMEMBER left on the volume, or all zero. FRESH_LINEAGE names the data, should this
 * member be the first to have any: a random text. NOW is when this life began. */
void failover_init(struct failover *f, const struct failover_id *self, const struct failover_timing *timing,
                   const struct failover_copy *stored, const char *fresh_lineage, usec_t now);

/* Deals with EVENT, which is only read, and says what to do. */
void failover_step(struct failover *f, usec_t now, const struct failover_event *event,
                   struct failover_effects *ret);

/* May the server acknowledge writes at NOW, as far as this agent knows? */
bool failover_holds(const struct failover *f, usec_t now);

/* Are they the same agent's, of the same start? */
bool failover_same_life(const struct failover_id *a, const struct failover_id *b);

/* Is A further on than B? */
bool failover_ahead(const struct failover_position *a, const struct failover_position *b);

const char *failover_phase_name(enum failover_phase phase);
const char *failover_cause_name(enum failover_cause cause);
const char *failover_loss_name(enum failover_loss loss);
const char *failover_role_name(enum failover_role role);
const char *failover_news_name(enum failover_news news);
