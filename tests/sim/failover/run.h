/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs: what the random ones and the named cases are made of.
 *
 *      run_begin(s, &settings, seed);     pods start, somebody leads, all follow
 *      fault_begin(s, ...); sim_run(s, ...); ...
 *      run_calm(s);                       all faults end
 *      run_settles(s); run_rests(s);      it is as it should be, and nothing happens any more
 */
#pragma once

#include "failover/parts.h"

#define RUN_NAME_MAX 64

/* --- faults.c ------------------------------------------------------------------------ */

enum link_fault {
        LINKS_ALL,     /* API server, peers, clients */
        LINKS_INWARD,  /* nothing reaches it */
        LINKS_OUTWARD, /* nothing leaves it */
        LINKS_API,
        LINKS_PEERS,
        LINKS_REPLICATION,
        LINKS_KINDS,
};

void fault_links(struct sim *s, int host, enum link_fault kind, bool broken);
void fault_agent(struct sim *s, struct pod *p, bool frozen);
void fault_disk(struct sim *s, struct pod *p, usec_t time);
void fault_full(struct sim *s, struct pod *p, bool full);
/* The volume is torn out, or put back as it was. */
void fault_gone(struct sim *s, struct pod *p, bool gone);
void fault_crash(struct sim *s, struct pod *p);
/* The pod is deleted by force; its processes live for LINGERS more. */
void fault_delete(struct sim *s, struct pod *p, enum new_volume volume, usec_t lingers, usec_t delay);
void fault_member_away(struct sim *s, int member, bool away);
/* Some of what may go wrong, for up to TIME. */
void faults_at_random(struct sim *s, usec_t time);
/* One of them, by number: which there are is for the caller to find out. */
bool fault_of_number(struct sim *s, int number, usec_t time);
const char *fault_name(int number); /* NULL: there are no more */

/* --- run.c ------------------------------------------------------------------------------- */

struct settings settings_plain(int members);
struct settings settings_of(uint64_t seed);
void run_begin(struct sim *s, const struct settings *settings, uint64_t seed);
void run_calm(struct sim *s);
void run_settles(struct sim *s);
void run_rests(struct sim *s);
bool run_is_settled(const struct sim *s);
/* The pod whose server can acknowledge; NULL: none. */
struct pod *run_leader(struct sim *s);
/* Another member than the leader. */
struct pod *run_other(struct sim *s);
void run_handover(struct sim *s, int to);
/* A whole run of one seed. */
void run_mixed(struct sim *s, uint64_t seed);
