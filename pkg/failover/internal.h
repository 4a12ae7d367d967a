/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share. Each deals with one part of the state:
 *
 *      failover.c  events in, deadlines, names
 *      lease.c     the record: reads, writes, what their outcomes mean
 *      server.c    orders to the own server, and what its copy is worth
 *      follow.c    not holding: whom to follow, when to stand, what to promise
 *      seal.c      holding, not leading: seal, choose, promote
 *      lead.c      leading: renew, ask for promises, keep the set, hand over
 */
#pragma once

#include "failover/failover.h"

/* One step. */
struct step {
        struct failover *f;
        usec_t now;
        struct failover_effects *out;
};

static inline failover_set self_set(const struct failover *f)
{
        return failover_only(f->self.member);
}

static inline bool is_in(failover_set set, int member)
{
        return (set & failover_only(member)) != 0;
}

/* Its server is to be down: nothing here may lead, nor follow. */
static inline bool must_be_down(const struct failover *f)
{
        return f->stopping || is_in(f->policy.fenced, f->self.member) || f->server.gone;
}

/* It is to end, and can tell that to nobody but the other members. */
static inline bool is_disowned(const struct failover *f)
{
        return f->stopping && f->refused;
}

/* One more thing to do, behind the others; the caller fills it in, and keeps it no longer than
 * until the next. */
struct failover_effect *effect(struct step *s, enum failover_effect_type type);
/* Likewise, of the epoch that is held or known. */
struct failover_effect *tell(struct step *s, enum failover_news what, int member, failover_set members);

/* To each of SET, of this life; replies are reply's. */
void say_to_all(struct step *s, failover_set set, enum failover_message_type type, uint64_t round,
                uint64_t epoch);

/* --- lease.c ---------------------------------------------------------------- */

bool same_pod(const struct failover_id *a, const struct failover_id *b);
/* Who might be promoted by what the Lease says now or by a write that may yet be carried out. */
failover_set possible_set(const struct failover *f);
/* A copy of what the Lease says, to be changed and written. */
struct failover_record next_record(const struct failover *f);
/* There is no other write in flight. */
void write_record(struct step *s, enum failover_write_kind kind, const struct failover_record *record);
void record_seen(struct step *s, const struct failover_record *record, const char *version);
void record_absent(struct step *s);
void record_wrote(struct step *s, uint64_t id, enum failover_outcome outcome, const char *version);
/* The lease was renewed by what was sent at SENT. */
void extend(struct failover *f, usec_t sent);
/* Asks for the Lease where it is known to have changed: once, and after timing.write again. */
void read_if_stale(struct step *s);

/* --- server.c ----------------------------------------------------------------- */

void server_seen(struct step *s, const struct failover_server *server);
/* The volume was well at BEGAN; KEPT: and has all that it was told before. */
void canary_seen(struct failover *f, usec_t began, bool kept);
/* Nothing, if that is what was ordered last. WHOM may be NULL: nobody. */
void order(struct step *s, enum failover_order what, const struct failover_id *whom, uint64_t epoch);
/* Was the server seen since it has carried out the newest order? */
bool obeyed(const struct failover *f);
/* Certainly neither writable now nor to become so by what was ordered. */
bool harmless(const struct failover *f);
/* The kernel's deadline follows the lease's. */
void keep_armed(struct step *s);
/* Why the server is down, which nobody told to be. */
enum failover_cause cause_of_end(const struct failover *f);
/* Ends holding: the server dies, whatever it does. */
void fence(struct step *s, enum failover_cause cause, enum failover_news news);

/* --- follow.c --------------------------------------------------------------------- */

void follow(struct step *s);
/* When this member may take the Lease, were it fit to. */
usec_t stand_at(const struct failover *f);
void asked_to_promise(struct step *s, const struct failover_message *m);
void asked_to_seal(struct step *s, const struct failover_message *m);
void holder_ended(struct failover *f, const struct failover_message *m);
void reply(struct step *s, enum failover_message_type type, enum failover_message_type about, int to,
           uint64_t round);

/* --- seal.c ------------------------------------------------------------------------ */

/* Whose copy a person wants to lead with, if that was not done yet; or FAILOVER_NOBODY. */
int consented(const struct failover *f);
void seal_begin(struct step *s);
void seal(struct step *s);
void promote(struct step *s);
void sealed_answer(struct step *s, const struct failover_message *m);

/* --- lead.c --------------------------------------------------------------------------- */

void lead_begin(struct step *s);
void lead(struct step *s);
void lead_server_seen(struct step *s);
void promise_answer(struct step *s, const struct failover_message *m);
/* Renews when it is time to; RECORD is what shall be written. */
void renew(struct step *s, const struct failover_record *record);
void yield_move(struct step *s);
/* A member of the set that is likely to be the furthest on, or FAILOVER_NOBODY. */
int best_follower(const struct failover *f);
/* The Lease says that it is released: nothing is held any more. */
void released(struct step *s);
