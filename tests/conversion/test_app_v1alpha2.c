/* SPDX-License-Identifier: Apache-2.0
 *
 * Thousands of Apps between their versions: nothing is lost, whatever they hold.
 */
#include "harness.h"
#include "trips.h"

#define SEEDS 6000

static void go(uint64_t seed, unsigned n_changes, bool forged)
{
        struct trips t;
        yyjson_mut_val *app;

        trips_init(&t, NULL, 0, seed);
        app = trips_app(&t, n_changes);
        if (forged)
                trips_forge(&t, app);
        ck_assert_msg(trips_go(&t, app), "seed %llu: %.*s", (unsigned long long)seed, STR_FMT(t.failure));
        trips_release(&t);
}

START_TEST(an_app_that_makes_sense_comes_back)
{
        go(1, 0, false);
        go(2, 0, false);
}
END_TEST

START_TEST(changed_at_random_it_comes_back)
{
        for (uint64_t seed = 1; seed <= SEEDS; seed++)
                go(seed, (unsigned)(seed % 12), false);
}
END_TEST

START_TEST(a_forged_note_costs_nothing_that_is_said)
{
        for (uint64_t seed = 1; seed <= SEEDS; seed++)
                go(seed, (unsigned)(seed % 4), true);
}
END_TEST

static const TTest *const tests[] = {
        an_app_that_makes_sense_comes_back,
        changed_at_random_it_comes_back,
        a_forged_note_costs_nothing_that_is_said,
};
TEST_MAIN("conversion/app_v1alpha2", tests)
