/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/report.h"

#include "harness.h"

#define MIB (UINT64_C(1) << 20)

static struct reporter r;

static void applied(const char *config, bool needs_restart)
{
        struct failover_applied now = { .needs_restart = needs_restart };

        snprintf(now.config, sizeof(now.config), "%s", config);
        reporter_applied(&r, &now);
}

static void saw(enum failover_phase phase, uint64_t epoch, const char *report, usec_t now)
{
        struct failover_record record = { .phase = phase, .epoch = epoch };

        reporter_saw(&r, &record, str_c(report), now);
}

START_TEST(test_a_follower_has_news_until_the_lease_says_it)
{
        reporter_init(&r, 1, "u-1");
        ck_assert(!reporter_has_news(&r)); /* nothing was applied yet */
        applied("", false);
        ck_assert(!reporter_has_news(&r));
        applied("a", false);
        ck_assert(reporter_has_news(&r));
        saw(FAILOVER_HELD, 3, "{\"epoch\":3,\"members\":[{\"member\":0,\"pod\":\"u-0\",\"config\":\"a\"}]}",
            10);
        ck_assert(reporter_has_news(&r));
        saw(FAILOVER_HELD, 3, "{\"epoch\":3,\"members\":[{\"member\":1,\"pod\":\"u-1\",\"config\":\"a\"}]}",
            10);
        ck_assert(!reporter_has_news(&r));
        applied("b", false);
        ck_assert(reporter_has_news(&r));
        saw(FAILOVER_HELD, 3, "{\"epoch\":3,\"members\":[{\"member\":1,\"pod\":\"u-1\",\"config\":\"b\"}]}",
            10);
        ck_assert(!reporter_has_news(&r));
        reporter_applied(&r, &(struct failover_applied){ .config = "b", .refused = { "hz", "too much" } });
        ck_assert(reporter_has_news(&r));
        applied("b", false);
        ck_assert(!reporter_has_news(&r));
        saw(FAILOVER_HELD, 3, "{\"epoch\":3,\"members\":[{\"member\":1,\"pod\":\"u-old\",\"config\":\"b\"}]}",
            10);
        ck_assert(reporter_has_news(&r)); /* that was the pod before */
        saw(FAILOVER_HELD, 4, NULL, 10);  /* another leader, who knows nothing yet */
        ck_assert(reporter_has_news(&r));
        saw(FAILOVER_HELD, 4, "{broken", 10);
        ck_assert(reporter_has_news(&r));
}
END_TEST

/* The pod would come back as it is, again and again. */
START_TEST(test_what_a_life_began_with_needs_no_restart)
{
        reporter_init(&r, 1, "u-1");
        applied("a", true);
        ck_assert(!r.own.needs_restart);
        applied("b", true);
        ck_assert(r.own.needs_restart);
        applied("b", false);
        ck_assert(!r.own.needs_restart);
}
END_TEST

START_TEST(test_the_leader_tells_of_all_that_it_heard_of)
{
        struct failover_applied theirs = { .config = "b", .needs_restart = true }, nothing = { .config = "" };
        struct failover_server server = { .offset = 100 * MIB,
                                          .online = 6,
                                          .acked = { 0, 99 * MIB + 1, 95 * MIB } };
        const struct failover_report *out;

        reporter_init(&r, 0, "u-0");
        applied("a", false);
        reporter_heard(&r, 2, &theirs);
        reporter_heard(&r, 1, &nothing);
        reporter_heard(&r, 9, &theirs);
        reporter_heard(&r, -1, &theirs);
        out = reporter_write(&r, &server, 1);
        ck_assert_uint_eq(out->known, 5);
        ck_assert(failover_applied_equal(&out->applied[2], &theirs));
        ck_assert_int_eq(out->lag[0], FAILOVER_UNTOLD);
        ck_assert_int_eq(out->lag[1], 0);
        ck_assert_int_eq(out->lag[2], (int64_t)(8 * MIB));
        ck_assert_int_eq(out->lag[3], FAILOVER_UNTOLD);
        server.acked[2] = 100 * MIB;
        ck_assert_int_eq(reporter_write(&r, &server, 2)->lag[2], (int64_t)(8 * MIB)); /* not so often */
        ck_assert_int_eq(reporter_write(&r, &server, 1 + REPORT_LAG_EVERY)->lag[2], 0);
}
END_TEST

START_TEST(test_an_outage_counts_from_the_last_sign_of_the_leader_before)
{
        reporter_init(&r, 0, "u-0");
        reporter_led(&r, 1, 1000 * USEC_MSEC); /* the first of all */
        ck_assert_int_eq(r.out.outage_millis, FAILOVER_UNTOLD);
        saw(FAILOVER_HELD, 7, NULL, 1000 * USEC_MSEC);
        saw(FAILOVER_HELD, 7, NULL, 2000 * USEC_MSEC);
        saw(FAILOVER_SEALING, 8, NULL, 6000 * USEC_MSEC);
        saw(FAILOVER_RELEASED, 8, NULL, 6010 * USEC_MSEC); /* to a better one: nobody led in it */
        reporter_led(&r, 9, 6100 * USEC_MSEC);             /* our own write was not seen yet */
        ck_assert_int_eq(r.out.outage_millis, 4100);
        ck_assert_uint_eq(r.out.epoch, 9);
}
END_TEST

/* The API server was away long before the leader was lost. */
START_TEST(test_an_outage_counts_from_the_last_question_for_promises)
{
        reporter_init(&r, 0, "u-0");
        saw(FAILOVER_HELD, 7, NULL, 1000 * USEC_MSEC);
        reporter_asked(&r, 7, 60000 * USEC_MSEC);
        reporter_asked(&r, 6, 63000 * USEC_MSEC); /* of one that leads no more */
        saw(FAILOVER_SEALING, 8, NULL, 64000 * USEC_MSEC);
        saw(FAILOVER_HELD, 8, NULL, 64100 * USEC_MSEC);
        reporter_led(&r, 8, 64200 * USEC_MSEC);
        ck_assert_int_eq(r.out.outage_millis, 4200);
}
END_TEST

START_TEST(test_an_outage_counts_from_the_release)
{
        reporter_init(&r, 0, "u-0");
        saw(FAILOVER_HELD, 7, NULL, 1000 * USEC_MSEC);
        saw(FAILOVER_RELEASED, 7, NULL, 1900 * USEC_MSEC);
        saw(FAILOVER_SEALING, 8, NULL, 1950 * USEC_MSEC);
        saw(FAILOVER_HELD, 8, NULL, 2000 * USEC_MSEC);
        reporter_led(&r, 8, 2100 * USEC_MSEC);
        ck_assert_int_eq(r.out.outage_millis, 200);
}
END_TEST

static const TTest *const tests[] = { test_a_follower_has_news_until_the_lease_says_it,
                                      test_what_a_life_began_with_needs_no_restart,
                                      test_the_leader_tells_of_all_that_it_heard_of,
                                      test_an_outage_counts_from_the_last_sign_of_the_leader_before,
                                      test_an_outage_counts_from_the_last_question_for_promises,
                                      test_an_outage_counts_from_the_release };

TEST_MAIN("member/report", tests)
