/* SPDX-License-Identifier: Apache-2.0
 *
 * What must hold, judged by what servers acknowledge and what data there is,
 * never by what an agent believes. A breach ends the run by sim_fail, whose
 * text begins with the name of the oracle.
 *
 * A machine that stood still as a whole has a clock that stood still: for F
 * after it went on its server is excused from "two-writable" and its like, and
 * what it acknowledged then is counted apart.
 */
#pragma once

#include "failover/data.h"
#include "failover/failover.h"

#define ORACLE_EPOCHS_MAX 8192
#define ORACLE_PODS_MAX 24

struct sim;
struct pod;

struct oracle {
        uint64_t holder_of[ORACLE_EPOCHS_MAX];      /* the number of the pod that took it */
        uint64_t incarnation_of[ORACLE_EPOCHS_MAX]; /* and its agent */
        bool led[ORACLE_EPOCHS_MAX];
        struct {
                struct data_ref start, end; /* what its leader began with, and has or ended with */
                int64_t skew;               /* of the offsets that this one tells */
                uint64_t former;            /* epoch that was led before */
                uint64_t followed;          /* whose leader this one followed without a break until then */
                bool empty;                 /* it began with nothing */
                bool held;                  /* the Lease has told of it, */
                uint64_t from;              /* and of what timeline it is the end; 0: that is not known */
        } of[ORACLE_EPOCHS_MAX];
        uint64_t epoch; /* the newest that was taken */
        /* The newest leader, and the data that it has or ended with. */
        struct data_ref data;
        uint64_t pod, lead_epoch;
        usec_t led_since;
        usec_t taken_at;       /* when the newest epoch was taken */
        usec_t end;            /* when it could acknowledge last */
        bool end_excused;      /* after its machine had stood still */
        failover_set set;      /* who could be promoted when the last leader ended */
        failover_set deferred; /* whom a winner put into it only to defer to them */
        failover_set left;     /* whom the newest epoch found in it: winners that never led narrow it, too */
        bool forgotten;        /* the Lease does not say any more who could be */
        bool final;            /* it said that nothing is to be lost */
        struct {
                uint64_t epoch, pod;
                usec_t until;
        } promises[ORACLE_PODS_MAX]; /* by slot */
        usec_t window;               /* of the hot-loop check */
        uint64_t window_steps;
        /* what may happen, and is counted */
        uint64_t n_led, n_acked, n_lost, n_lost_frozen, n_gone, n_superseded;
        usec_t overlap, last_turn;
};

void oracle_init(struct oracle *o);

/* After every turn. */
void oracle_turn(struct sim *s);

/* A server is about to become writable, and is. */
void oracle_leads(struct sim *s, struct pod *p, uint64_t epoch);
void oracle_led(struct sim *s, struct pod *p);
/* A server is started. */
void oracle_starts(struct sim *s, const struct pod *p);
void oracle_appends(struct sim *s, struct pod *p);
void oracle_appended(struct sim *s, struct pod *p);
void oracle_acknowledges(struct sim *s, struct pod *p);
/* Everything that P has is about to be replaced by what SRC has. */
void oracle_wipes(struct sim *s, const struct pod *p, const struct pod *src);
void oracle_replicates(struct sim *s, const struct pod *src, const struct pod *p);

/* The Lease was changed by P, with what it sent at SENT of its host's clock. */
void oracle_lease(struct sim *s, struct pod *p, const struct failover_record *before, usec_t sent);
/* By the operator, after it was deleted. */
void oracle_made_again(struct sim *s);
void oracle_published(struct sim *s, const struct pod *p, uint64_t epoch);

/* Effects. */
void oracle_stepped(struct sim *s, struct pod *p);
void oracle_ordered(struct sim *s, struct pod *p, const struct failover_effect *e);
void oracle_armed(struct sim *s, struct pod *p, usec_t until);
void oracle_disarmed(struct sim *s, struct pod *p);
void oracle_sent(struct sim *s, struct pod *p, const struct failover_message *m);
void oracle_writes(struct sim *s, struct pod *p, const struct failover_record *record);
void oracle_told(struct sim *s, struct pod *p, const struct failover_effect *e);

/* For oracle_data.c, oracle_loss.c and the end of a run. */
bool oracle_excuses(const struct sim *s, const struct pod *p);
/* The Lease was deleted, and a person answers for what P does without knowing what was before. */
bool oracle_vouches(const struct sim *s, const struct pod *p);
/* What POD's member has, in its server or, if that is down, on its volume; false: nothing. */
bool oracle_data_of(const struct sim *s, const struct pod *p, struct data_ref *ret);
/* The first acknowledged write of the newest leader's data that is not in DATA; NULL: all are. */
const struct data_write *oracle_first_missing(struct sim *s, struct data_ref data);
void oracle_judge_promotion(struct sim *s, struct pod *p);
void oracle_judge_set(struct sim *s, struct pod *p);
void oracle_judge_widening(struct sim *s, struct pod *p, failover_set added);
void oracle_judge_told(struct sim *s, const struct failover_record *before, const struct failover_record *r);
void oracle_judge_missing(struct sim *s, struct pod *p);
