/* SPDX-License-Identifier: Apache-2.0
 *
 * The promises about the operator that hold whatever fails around it, each a
 * case of its own. "--case F01" runs all whose name begins so.
 */
#include "app/cases.h"

#define CRASH(function, road)                                                                                \
        static void function(uint64_t seed)                                                                  \
        {                                                                                                    \
                road_crash(road, seed);                                                                      \
        }
CRASH(crash_create, ROAD_CREATE)
CRASH(crash_update, ROAD_UPDATE)
CRASH(crash_reshape, ROAD_RESHAPE)
CRASH(crash_delete, ROAD_DELETE)
CRASH(crash_recreate, ROAD_RECREATE)
CRASH(crash_repair, ROAD_REPAIR)
CRASH(crash_rollback, ROAD_ROLLBACK)
CRASH(crash_config, ROAD_CONFIG)
CRASH(crash_reload, ROAD_RELOAD)
CRASH(crash_rollback_config, ROAD_ROLLBACK_CONFIG)

const struct sim_case sim_cases[] = {
        { "F01-create", "dies at every request of a creation, and ends where it would have", crash_create },
        { "F01-update", "dies at every request of an update", crash_update },
        { "F01-reshape", "dies at every request while children come and go", crash_reshape },
        { "F01-delete", "dies at every request of a deletion", crash_delete },
        { "F01-recreate", "dies at every request where an App is deleted and made again", crash_recreate },
        { "F01-repair", "dies at every request of a repair", crash_repair },
        { "F01-rollback", "dies at every request of a rollback", crash_rollback },
        { "F01-config", "dies at every request of a change of configuration", crash_config },
        { "F01-reload", "dies at every request where files change under the program", crash_reload },
        { "F01-old-config", "dies at every request of a rollback with its configuration",
          crash_rollback_config },
        { "F02", "a request or its reply is lost, any of each road: exactly one object", case_lost_replies },
        { "F03", "the cache travels back in time and hears old deletions: the new are untouched",
          case_back_in_time },
        { "F04", "an App made again under its name adopts nothing of the one before", case_made_again },
        { "F05", "watches are cut anywhere and answered with 410: nothing is decided on a part",
          case_cut_streams },
        { "F06", "a storm of conflicts: bounded retries with jitter", case_conflict_storm },
        { "F06-any", "a conflict at any request of each road", case_conflict_anywhere },
        { "F07", "429 and 503: Retry-After is honoured, no hot loop", case_told_to_wait },
        { "F07-any", "429, 500, 503 or 504 at any request of each road", case_refusal_anywhere },
        { "F08", "no write after the renew deadline of a lost Lease", case_lease_lost },
        { "F09", "two leaders: the stale one is refused", case_two_leaders },
        { "F10", "the clock jumps by an hour, either way: nothing happens", case_clock_jumps },
        { "F11", "versions of 40 digits, with more digits than before, or no numbers", case_odd_versions },
        { "F12", "one poisoned resource holds nobody else up, and says why", case_poison },
        { "F13", "out of memory at any allocation", case_no_memory },
        { "F14", "a foreign object under any child's name: never adopted, never deleted", case_foreign },
        { "F14-unheard", "likewise if it comes while we are about to change or delete our own",
          case_foreign_unheard },
        { "F15", "a watch that is open and silent is noticed", case_silent_watch },
        { "hosts", "Apps fight for a host: the oldest has it, and no two routes do", case_hosts },
        { "F18", "an operator of another version restarts no pod", case_another_operator },
};
const size_t sim_n_cases = ARRAY_SIZE(sim_cases);
static_assert(ARRAY_SIZE(sim_cases) <= SIM_CASES_MAX, "room in main.c");
