/* SPDX-License-Identifier: Apache-2.0 */
#include "lead.h"

START_TEST(test_release)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        lead(&b);
        b.now += USEC_SEC;
        step(&b, LEADER_STOP);
        ck_assert(!leader_may_write(&b.l, b.now));
        ck_assert_int_eq(b.a.change, LEADER_SAME);
        ck_assert_int_eq(b.a.method, LEADER_UPDATE);
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_STOPPED);
        ck_assert_int_eq(b.a.wake, USEC_NEVER);
        ck_assert(fake_lease_says(&b.api, "holderIdentity", ""));
        ck_assert_int_eq(fake_lease_number(&b.api, "leaseDurationSeconds"), 1);
        ck_assert_int_eq(fake_lease_number(&b.api, "leaseTransitions"), 0);
        ck_assert(fake_lease_says(&b.api, "renewTime", "2006-01-02T15:04:06.000000Z"));

        tick_at(&b, b.now + USEC_HOUR);
        ck_assert_int_eq(b.a.method, LEADER_NOTHING);
        step(&b, LEADER_STOP);
        ck_assert_int_eq(b.a.change, LEADER_SAME);
}
END_TEST

START_TEST(test_release_waits_for_a_renewal)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        lead(&b);
        tick_at(&b, b.a.wake);
        {
                struct leader_actions renewal = b.a;

                ck_assert_int_eq(renewal.method, LEADER_UPDATE);
                step(&b, LEADER_STOP);
                ck_assert_int_eq(b.a.method, LEADER_NOTHING);
                ck_assert_int_eq(b.a.change, LEADER_SAME);
                b.a = renewal;
        }
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_UPDATE);
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_STOPPED);
        ck_assert(fake_lease_says(&b.api, "holderIdentity", ""));
}
END_TEST

START_TEST(test_release_after_a_conflict)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        lead(&b);
        b.api.version++;
        step(&b, LEADER_STOP);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_GET);
        serve(&b);
        ck_assert_int_eq(b.a.method, LEADER_UPDATE);
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_STOPPED);
        ck_assert(fake_lease_says(&b.api, "holderIdentity", ""));
}
END_TEST

START_TEST(test_release_of_what_is_another_s)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        lead(&b);
        hold_by(&b, "host-b_2", 15, 1);
        step(&b, LEADER_STOP);
        serve(&b);
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_STOPPED);
        ck_assert(fake_lease_says(&b.api, "holderIdentity", "host-b_2"));

        bench_release(&b);
        bench_init(&b);
        follow(&b);
        step(&b, LEADER_STOP);
        ck_assert_int_eq(b.a.change, LEADER_STOPPED);
        ck_assert_int_eq(b.a.method, LEADER_NOTHING);
}
END_TEST

START_TEST(test_release_gives_up)
{
        _cleanup_(bench_release) struct bench b;
        unsigned tries = 0;

        bench_init(&b);
        lead(&b);
        step(&b, LEADER_STOP);
        while (b.a.change != LEADER_STOPPED) {
                if (b.a.method != LEADER_NOTHING) {
                        tries++;
                        reply(&b, b.a.request, 503, NULL);
                } else {
                        tick_at(&b, b.a.wake);
                }
        }
        ck_assert_int_eq(b.now, START + 10 * USEC_SEC);
        ck_assert_uint_eq(tries, 5);
}
END_TEST

START_TEST(test_a_claim_that_stop_overtook)
{
        _cleanup_(bench_release) struct bench b;
        struct leader_actions claim;

        bench_init(&b);
        step(&b, LEADER_TICK);
        serve(&b);
        claim = b.a;
        ck_assert_int_eq(claim.method, LEADER_CREATE);
        step(&b, LEADER_STOP);
        ck_assert_int_eq(b.a.change, LEADER_SAME);
        b.a = claim;
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_SAME); /* it never leads */
        ck_assert_int_eq(b.a.method, LEADER_UPDATE);
        serve(&b);
        ck_assert_int_eq(b.a.change, LEADER_STOPPED);
        ck_assert(fake_lease_says(&b.api, "holderIdentity", ""));
}
END_TEST

START_TEST(test_stop_during_the_first_look)
{
        _cleanup_(bench_release) struct bench b;

        bench_init(&b);
        step(&b, LEADER_TICK);
        step(&b, LEADER_STOP);
        ck_assert_int_eq(b.a.change, LEADER_STOPPED);
}
END_TEST

static const TTest *const tests[] = {
        test_release,
        test_release_waits_for_a_renewal,
        test_release_after_a_conflict,
        test_release_of_what_is_another_s,
        test_release_gives_up,
        test_a_claim_that_stop_overtook,
        test_stop_during_the_first_look,
};
TEST_MAIN("manager/leader_release", tests)
