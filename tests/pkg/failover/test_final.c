/* SPDX-License-Identifier: Apache-2.0
 *
 * Choosing after a planned move: what is final is not to be lost.
 */
#include "member.h"

START_TEST(who_did_not_come_is_not_passed_over)
{
        struct failover_copy more = copy_of(FAILOVER_DATA_WARM, 5, 150);
        struct member m;

        begin_sealing(&m);
        m.f.seals.unfit = 2;
        m.f.seals.final = m.f.record.final = true;
        m.f.record.position = more.position;
        shows_standing(&m, true);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &more);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 2);
}
END_TEST

/* Who stands still may have everything, and go on in a moment. */
START_TEST(who_may_have_everything_is_waited_for)
{
        struct failover_copy less = copy_of(FAILOVER_DATA_WARM, 5, 120);
        usec_t begun;
        struct member m;

        begin_sealing(&m);
        begun = m.now;
        m.f.seals.final = m.f.record.final = true;
        m.f.record.position = (struct failover_position){ 5, 150 };
        shows_standing(&m, true);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &less);
        while (m.f.role == FAILOVER_SEALER && m.f.write.kind != FAILOVER_WRITE_RELEASE &&
               m.now < begun + 3 * L) {
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
                m.now += 100 * USEC_MSEC;
                shows_standing(&m, true);
        }
        ck_assert_int_ge(m.now, begun + L);
        ck_assert_int_le(m.now, begun + L + 200 * USEC_MSEC);
        ck_assert_int_eq(m.f.write.record.handover_to, 1); /* the best of those that are there */
}
END_TEST

START_TEST(and_not_where_nobody_has_it)
{
        struct failover_copy less = copy_of(FAILOVER_DATA_WARM, 5, 90);
        struct member m;

        begin_sealing(&m);
        m.f.seals.final = m.f.record.final = true;
        m.f.record.position = (struct failover_position){ 5, 150 };
        shows_standing(&m, true);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &less);
        ck_assert_int_eq(m.f.role, FAILOVER_SEALER);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &less);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
        ck_assert_uint_eq(m.f.next.lost, 50); /* and that is told */
}
END_TEST

START_TEST(a_cold_one_with_everything_is_better)
{
        struct failover_copy more = copy_of(FAILOVER_DATA_COLD, 5, 150);
        struct member m;

        begin_sealing(&m);
        m.f.seals.final = m.f.record.final = true;
        m.f.record.position = more.position;
        shows_standing(&m, true);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &more);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 2);
}
END_TEST

/* What is lost already is as little as may be: a cold copy that is further on is better then. */
START_TEST(else_the_furthest_on_is_best)
{
        struct failover_copy cold = copy_of(FAILOVER_DATA_COLD, 5, 140),
                             none = copy_of(FAILOVER_DATA_NONE, 0, 0);
        struct member m;

        begin_sealing(&m);
        m.f.seals.final = m.f.record.final = true;
        m.f.record.position = (struct failover_position){ 5, 150 };
        shows_standing(&m, true);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &cold);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &none);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 1);
}
END_TEST

static const TTest *const tests[] = {
        who_did_not_come_is_not_passed_over, who_may_have_everything_is_waited_for,
        and_not_where_nobody_has_it,         a_cold_one_with_everything_is_better,
        else_the_furthest_on_is_best,
};
TEST_MAIN("failover/final", tests)
