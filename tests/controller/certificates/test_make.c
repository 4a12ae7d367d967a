/* SPDX-License-Identifier: Apache-2.0
 *
 * The times of what is made, and clocks that are wrong.
 */
#include "world.h"

START_TEST(an_hour_this_way_or_that_is_nothing)
{
        static const usec_t jumps[] = { USEC_HOUR, -USEC_HOUR, 23 * USEC_HOUR, -23 * USEC_HOUR };

        for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
                struct world w = world_made();

                w.wall += jumps[i];
                world_run(&w, DAY);
                w.wall -= jumps[i];
                world_run(&w, DAY);
                ck_assert_uint_eq(w.secret_writes, 0);
                ck_assert_uint_eq(w.bundle_writes, 0);
                ck_accepted(&w, w.wall);
                world_release(&w);
        }
}
END_TEST

START_TEST(a_short_jump_is_not_believed)
{
        static const usec_t jumps[] = { 4000 * DAY, -2000 * DAY };

        for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
                struct world w = world_made();

                w.wall += jumps[i];
                world_run(&w, CERTIFICATES_STEADY - USEC_SEC);
                world_step(&w);
                w.wall -= jumps[i];
                world_run(&w, DAY);
                ck_assert_uint_eq(w.secret_writes, 0);
                world_release(&w);
        }
}
END_TEST

/* Or it would not be renewed in time: clients look at both. */
static void check_ends_before_ca(const struct world *w)
{
        struct certificate cert = world_certificate(world_item(w, CERTIFICATES_TLS_CRT));
        struct certificate ca = world_certificate(world_item(w, CERTIFICATES_CA_CRT));

        ck_assert_int_le(cert.not_after, ca.not_after);
        certificate_release(&cert);
        certificate_release(&ca);
}

/* The operator's clock is wrong for a day, nobody else's. */
START_TEST(others_accept_what_a_wrong_clock_has_made)
{
        static const usec_t jumps[] = { 61 * DAY,    85 * DAY,    200 * DAY,   2000 * DAY,
                                        3000 * DAY,  4000 * DAY,  20000 * DAY, -30 * DAY,
                                        -2000 * DAY, -2500 * DAY, -6000 * DAY };

        for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
                struct world w = world_made_at(START + 7300 * DAY); /* so there is room behind */
                usec_t end = w.now + DAY;

                w.wall += jumps[i];
                do {
                        world_step(&w);
                        ck_accepted(&w, w.wall - jumps[i]);
                        check_ends_before_ca(&w);
                        world_pass(&w, MIN(w.last.wake, end) - w.now);
                } while (w.now < end);
                ck_assert_uint_ge(w.secret_writes, 1);
                ck_assert_uint_le(w.secret_writes, 4);
                w.wall -= jumps[i];
                world_run(&w, DAY);
                ck_accepted(&w, w.wall);
                ck_assert_uint_le(w.secret_writes, 5);
                world_release(&w);
        }
}
END_TEST

/* It was wrong from the beginning, and everybody else's was not. */
START_TEST(what_was_made_in_the_future_is_replaced)
{
        static const usec_t ahead[] = { 2 * DAY, 400 * DAY, 4000 * DAY };

        for (size_t i = 0; i < ARRAY_SIZE(ahead); i++) {
                struct world w = world_init();

                w.wall += ahead[i];
                world_run(&w, USEC_HOUR);
                w.wall -= ahead[i];
                ck_assert_int_ne(world_verdict(&w, w.wall), X509_V_OK);
                world_run(&w, USEC_HOUR);
                ck_accepted(&w, w.wall);
                world_run(&w, DAY);
                ck_assert_uint_le(w.secret_writes, 4);
                world_release(&w);
        }
}
END_TEST

START_TEST(nothing_is_made_at_a_time_that_cannot_be)
{
        static const usec_t walls[] = { 0, CERTIFICATES_WALL_MIN - 2 * USEC_HOUR, CERTIFICATES_WALL_MAX,
                                        -USEC_SEC };

        for (size_t i = 0; i < ARRAY_SIZE(walls); i++) {
                struct world w = world_made(), empty = world_init();

                w.wall = walls[i];
                world_run(&w, USEC_HOUR);
                ck_assert_uint_eq(w.secret_writes, 0);
                ck_assert_ptr_null(w.last.problem);

                empty.wall = walls[i];
                world_run(&empty, USEC_HOUR);
                ck_assert_uint_eq(empty.secret_writes, 0);
                ck_assert_ptr_nonnull(strstr(empty.last.problem, "the clock is wrong"));
                empty.wall = START;
                world_step(&empty);
                ck_assert_uint_eq(empty.secret_writes, 1);
                ck_assert_ptr_null(empty.last.problem);
                world_release(&w);
                world_release(&empty);
        }
}
END_TEST

static const TTest *const tests[] = { an_hour_this_way_or_that_is_nothing, a_short_jump_is_not_believed,
                                      others_accept_what_a_wrong_clock_has_made,
                                      what_was_made_in_the_future_is_replaced,
                                      nothing_is_made_at_a_time_that_cannot_be };
TEST_MAIN("certificates/make", tests)
