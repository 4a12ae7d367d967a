/* SPDX-License-Identifier: Apache-2.0
 *
 * The named cases; cases.c lists them with what each promises.
 */
#pragma once

#include "app/run.h"

/* roads.c */
enum road_name {
        ROAD_CREATE,
        ROAD_UPDATE,
        ROAD_RESHAPE,
        ROAD_DELETE,
        ROAD_RECREATE,
        ROAD_REPAIR,
        ROAD_ROLLBACK,
        ROAD_CONFIG,
        ROAD_RELOAD,
        ROAD_ROLLBACK_CONFIG,
};

/* Dies at every request of it, in each of three ways. */
void road_crash(enum road_name road, uint64_t seed);
void road_walk(enum road_name road, struct run *r);
/* The state at its end without trouble; free it. */
char *road_end(enum road_name road, uint64_t seed);
void case_lost_replies(uint64_t seed);
void case_conflict_anywhere(uint64_t seed);
void case_refusal_anywhere(uint64_t seed);
void case_another_operator(uint64_t seed);

/* cases_time.c: what the server tells, and when */
void case_back_in_time(uint64_t seed);
void case_made_again(uint64_t seed);
void case_cut_streams(uint64_t seed);
void case_clock_jumps(uint64_t seed);
void case_odd_versions(uint64_t seed);
void case_silent_watch(uint64_t seed);

/* cases_hosts.c */
void case_hosts(uint64_t seed);

/* cases_lease.c */
void case_lease_lost(uint64_t seed);
void case_two_leaders(uint64_t seed);

/* cases_load.c: where the server or the machine says no */
void case_conflict_storm(uint64_t seed);
void case_told_to_wait(uint64_t seed);
void case_poison(uint64_t seed);
void case_no_memory(uint64_t seed);
void case_foreign(uint64_t seed);
void case_foreign_unheard(uint64_t seed);
