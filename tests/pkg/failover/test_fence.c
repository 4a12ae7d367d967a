/* SPDX-License-Identifier: Apache-2.0
 *
 * Holding: how long the lease is valid, and what ends it.
 */
#include "member.h"

START_TEST(it_is_valid_from_the_sending_of_a_renewal)
{
        usec_t sent;
        struct member m;

        begin_leading(&m);
        well_until(&m, m.f.tried + m.f.timing.renew);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_RENEW);
        sent = m.now;
        well_until(&m, sent + USEC_SEC / 2);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m.f.valid_until, sent + F);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ARM)->until, sent + F);
}
END_TEST

START_TEST(at_f_the_server_is_killed_before_all_else)
{
        struct member m;

        begin_leading(&m);
        well_until(&m, m.f.valid_until - 1);
        ck_assert(failover_holds(&m.f, m.now));
        at(&m, m.now + 1);
        ck_assert_int_eq(m.did.list[0].type, FAILOVER_DO_KILL);
        ck_assert_int_eq(m.f.role, FAILOVER_FOLLOWER);
        ck_assert(!failover_holds(&m.f, m.now));
}
END_TEST

/* An agent that stood still deals with the news of its past only after its deadline. */
START_TEST(after_standing_still_it_fences_first)
{
        struct member m;

        begin_leading(&m);
        well_until(&m, m.f.tried + m.f.timing.renew);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_RENEW);
        m.now = m.f.valid_until + USEC_SEC;
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m.did.list[0].type, FAILOVER_DO_KILL);
        ck_assert_int_eq(m.f.role, FAILOVER_FOLLOWER);
}
END_TEST

static void refuse_writes_until(struct member *m, usec_t until)
{
        while (m->now < until && m->f.role == FAILOVER_LEADER) {
                well_until(m, MIN(m->now + 100 * USEC_MSEC, until));
                if (m->f.write.kind != FAILOVER_WRITE_NONE && m->now >= m->f.write.sent + m->f.timing.write)
                        wrote(m, FAILOVER_UNKNOWN);
        }
}

START_TEST(promises_carry_it_through_an_outage)
{
        usec_t asked;
        struct member m;

        begin_leading(&m);
        refuse_writes_until(&m, m.f.renewed + m.f.timing.renew * 3 / 2 + 100 * USEC_MSEC);
        asked = m.f.promises.sent;
        ck_assert_int_gt(asked, 0);
        m.now += 50 * USEC_MSEC;
        answers(&m, 1, FAILOVER_YES, FAILOVER_PROMISE, NULL);
        ck_assert_int_lt(m.f.valid_until, asked + F); /* one is missing */
        answers(&m, 2, FAILOVER_YES, FAILOVER_PROMISE, NULL);
        ck_assert_int_eq(m.f.valid_until, asked + F);
        ck_assert(m.f.on_promises);
}
END_TEST

START_TEST(one_that_does_not_promise_ends_it)
{
        struct member m;

        begin_leading(&m);
        while (m.f.role == FAILOVER_LEADER) {
                ck_assert_int_lt(m.now, START + 10 * L);
                refuse_writes_until(&m, m.now + 100 * USEC_MSEC);
                if (m.f.promises.sent == m.now)
                        answers(&m, 1, FAILOVER_YES, FAILOVER_PROMISE, NULL);
        }
        ck_assert_int_le(m.now, m.f.renewed + F);
}
END_TEST

/* The promise of another pod of that name does not bind the one that is in the set. */
START_TEST(it_must_be_the_life_that_follows)
{
        struct failover_message answer;
        struct member m;

        begin_leading(&m);
        well_until(&m, m.now + 200 * USEC_MSEC);
        refuse_writes_until(&m, m.f.renewed + m.f.timing.renew * 3 / 2 + 100 * USEC_MSEC);
        answers(&m, 1, FAILOVER_YES, FAILOVER_PROMISE, NULL);
        answer = (struct failover_message){ .type = FAILOVER_YES,
                                            .about = FAILOVER_PROMISE,
                                            .from = 2,
                                            .to = 0,
                                            .life = 999,
                                            .round = m.f.promises.round };
        hear(&m, &answer);
        ck_assert(!m.f.on_promises);
        answer.life = 102;
        hear(&m, &answer);
        ck_assert(m.f.on_promises);
}
END_TEST

START_TEST(a_set_of_one_goes_on_alone)
{
        struct failover_policy p = policy_of(1);
        struct member m;

        begin_leading(&m);
        policy(&m, &p);
        at(&m, m.now + m.f.timing.peer_retry);
        ck_assert_uint_eq(m.f.write.record.in_sync, 1);
        wrote(&m, FAILOVER_WRITTEN);
        refuse_writes_until(&m, m.now + 20 * L);
        ck_assert_int_eq(m.f.role, FAILOVER_LEADER);
}
END_TEST

/* Who may have been put into the set by a write without an answer has to promise as well. */
START_TEST(a_set_in_doubt_is_the_larger_one)
{
        struct failover_record r;
        struct member m;

        begin_leading(&m);
        r = m.f.record;
        r.in_sync = 3;
        see(&m, &r); /* as if it had been narrowed before */
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_NONE);
        at(&m, m.now + m.f.timing.peer_retry);
        ck_assert_uint_eq(m.f.write.record.in_sync, 7); /* member 2 comes in */
        refuse_writes_until(&m, m.f.renewed + m.f.timing.renew * 3 / 2 + 100 * USEC_MSEC);
        answers(&m, 1, FAILOVER_YES, FAILOVER_PROMISE, NULL);
        ck_assert(!m.f.on_promises);
        answers(&m, 2, FAILOVER_YES, FAILOVER_PROMISE, NULL);
        ck_assert(m.f.on_promises);
}
END_TEST

START_TEST(a_crash_is_released_to_the_one_furthest_on)
{
        struct failover_server v;
        struct member m;

        begin_leading(&m);
        v = server_in(&m, FAILOVER_WRITABLE);
        v.online = 6;
        v.acked[1] = 90;
        v.acked[2] = 95;
        show(&m, &v);
        shows(&m, FAILOVER_DOWN);
        must(&m, FAILOVER_DO_KILL);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE)); /* it is not known to be dead by that */
        m.now += 1000;
        shows(&m, FAILOVER_DOWN);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_RELEASED);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.cause, FAILOVER_CAUSE_CRASH);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 2);
}
END_TEST

START_TEST(a_hang_is_killed)
{
        struct member m;

        begin_leading(&m);
        well_until(&m, m.now + USEC_SEC / 2);
        if (m.f.write.kind != FAILOVER_WRITE_NONE)
                wrote(&m, FAILOVER_WRITTEN);
        m.now += m.f.timing.hang;
        canary(&m);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_KILL));
        at(&m, m.now + 1);
        must(&m, FAILOVER_DO_KILL);
        ck_assert_int_eq(m.f.cause, FAILOVER_CAUSE_HANG);
}
END_TEST

START_TEST(a_disk_that_stands_still_is_no_healthy_lease)
{
        usec_t last;
        struct member m;

        begin_leading(&m);
        canary(&m);
        last = m.now;
        while (m.f.role == FAILOVER_LEADER && m.now < last + 2 * L) {
                m.now += 100 * USEC_MSEC;
                shows_led(&m, FAILOVER_WRITABLE, 0);
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
        }
        ck_assert_int_eq(m.f.cause, FAILOVER_CAUSE_DISK);
        ck_assert_int_le(m.now, last + m.f.timing.disk + 100 * USEC_MSEC);
        ck_assert_int_le(m.f.timing.disk, F); /* its volume may be another's by the time that its lease is */
}
END_TEST

START_TEST(who_is_superseded_kills_at_once)
{
        struct failover_record r = held_by(2, 7);
        struct member m;

        begin_leading(&m);
        see(&m, &r);
        must(&m, FAILOVER_DO_KILL);
        ck_assert_int_eq(m.f.role, FAILOVER_FOLLOWER);
}
END_TEST

START_TEST(who_falls_behind_leaves_the_set)
{
        struct failover_server v;
        usec_t began;
        struct member m;

        begin_leading(&m);
        began = m.now;
        while (m.f.record.in_sync == 7 && m.now < began + 4 * m.f.timing.lag) {
                m.now += 100 * USEC_MSEC;
                canary(&m);
                v = server_in(&m, FAILOVER_WRITABLE);
                v.offset = 100 + (uint64_t)(m.now - began);
                v.online = 6;
                v.acked[1] = v.offset;
                v.acked[2] = 100;
                show(&m, &v);
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
        }
        ck_assert_uint_eq(m.f.record.in_sync, 3);
        ck_assert_int_le(m.now - began, m.f.timing.lag + 3 * 100 * USEC_MSEC);
        ck_assert(!m.f.held_back);
}
END_TEST

/* Its agent stood still since before: what its server has of this epoch would not count there. */
START_TEST(who_does_not_know_of_the_epoch_does_not_come_in)
{
        struct failover_message here = {
                .type = FAILOVER_NO, .about = FAILOVER_PROMISE, .from = 2, .epoch = 5
        };
        struct member m;

        begin_leading(&m);
        m.f.record.in_sync = 3;
        m.f.members[2].knows = 5;
        for (here.epoch = 5; here.epoch <= 6; here.epoch++) {
                usec_t until = m.now + L / 2;

                hear(&m, &here);
                while (m.now < until) {
                        well_until(&m, m.now + 100 * USEC_MSEC);
                        if (m.f.write.kind != FAILOVER_WRITE_NONE)
                                wrote(&m, FAILOVER_WRITTEN);
                }
                ck_assert_uint_eq(m.f.record.in_sync, here.epoch < 6 ? 3 : 7);
        }
}
END_TEST

/* The record names the oldest timeline that anybody who could be promoted has for certain. */
START_TEST(the_floor_is_what_all_of_the_set_have_kept)
{
        usec_t led;
        struct member m;

        begin_leading(&m);
        led = m.now;
        ck_assert_uint_eq(m.f.record.floor, 5); /* of what it was chosen with */
        while (m.now < led + 2 * L) {
                well_until(&m, m.now + 100 * USEC_MSEC);
                if (m.f.write.kind == FAILOVER_WRITE_NONE)
                        continue;
                ck_assert_uint_lt(m.f.write.record.floor, 6);
                wrote(&m, FAILOVER_WRITTEN);
        }
        while (m.f.record.floor < 6 && m.now < led + 4 * L) {
                well_until(&m, m.now + 100 * USEC_MSEC);
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
        }
        ck_assert_uint_eq(m.f.record.floor, 6);
        ck_assert_uint_eq(m.f.record.in_sync, 7);
}
END_TEST

/* A volume that did not take the timeline may bring back an older one: then nobody could lead. */
START_TEST(nor_is_it_raised_before_the_own_volume_has_it)
{
        struct member m;
        usec_t led;

        begin_leading(&m);
        led = m.now;
        while (m.now < led + 5 * L) {
                m.now += 100 * USEC_MSEC;
                step(&m, &(struct failover_event){ .type = FAILOVER_CANARY, .canary = { m.now, false } });
                shows_led(&m, FAILOVER_WRITABLE, 0);
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
        }
        ck_assert_int_eq(m.f.role, FAILOVER_LEADER);
        ck_assert_uint_eq(m.f.record.floor, 5);
}
END_TEST

/* Followers confirm once a second. That nothing is heard of them while the server does not
 * answer is no reason to take them from the set, in which they are needed in a moment. */
START_TEST(a_hang_narrows_nothing)
{
        struct failover_server v;
        uint64_t acked = 100;
        struct member m;

        begin_leading(&m);
        for (int look = 1; look <= 39; look++) {
                m.now += 100 * USEC_MSEC;
                canary(&m);
                v = server_in(&m, FAILOVER_WRITABLE);
                v.offset = 100 + (uint64_t)look;
                v.online = 6;
                if (look % 10 == 0)
                        acked = v.offset - 1;
                v.acked[1] = v.acked[2] = acked;
                show(&m, &v);
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
        }
        ck_assert_uint_eq(m.f.record.in_sync, 7);
        while (m.f.role == FAILOVER_LEADER) {
                m.now += 100 * USEC_MSEC;
                canary(&m);
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
        }
        ck_assert_int_eq(m.f.cause, FAILOVER_CAUSE_HANG);
        ck_assert_uint_eq(m.f.record.in_sync, 7);
}
END_TEST

/* The Lease cannot be narrowed, and the one who is behind could be promoted: nothing more is acknowledged. */
START_TEST(writes_are_held_back_rather_than_lost)
{
        struct failover_server v;
        usec_t began;
        struct member m;

        begin_leading(&m);
        began = m.now;
        while (!m.f.held_back && m.now < began + 4 * m.f.timing.lag) {
                m.now += 100 * USEC_MSEC;
                canary(&m);
                v = server_in(&m, FAILOVER_WRITABLE);
                v.offset = 100 + (uint64_t)(m.now - began);
                v.online = 6;
                v.acked[1] = v.offset;
                v.acked[2] = 100;
                show(&m, &v);
                if (m.f.write.kind != FAILOVER_WRITE_NONE && m.now >= m.f.write.sent + m.f.timing.write)
                        wrote(&m, FAILOVER_UNKNOWN);
                answers(&m, 1, FAILOVER_YES, FAILOVER_PROMISE, NULL);
                answers(&m, 2, FAILOVER_YES, FAILOVER_PROMISE, NULL);
                ck_assert_int_eq(m.f.role, FAILOVER_LEADER);
        }
        ck_assert_int_le(m.now - began, 2 * m.f.timing.lag + 3 * 100 * USEC_MSEC);
        ck_assert_int_eq(m.f.want, FAILOVER_PAUSE);
}
END_TEST

START_TEST(a_lease_that_somebody_deleted_is_made_again_by_its_holder)
{
        struct member m;

        begin_leading(&m);
        step(&m, &(struct failover_event){ .type = FAILOVER_ABSENT });
        at(&m, m.now + m.f.timing.peer_retry);
        ck_assert_str_eq(must(&m, FAILOVER_DO_WRITE)->write.version, "");
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.epoch, 6);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_HELD);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m.f.role, FAILOVER_LEADER);
}
END_TEST

static void shows_ended(struct member *m, bool expired, bool gone)
{
        struct failover_server v = server_in(m, FAILOVER_DOWN);

        v.expired = expired;
        v.gone = gone;
        show(m, &v);
}

START_TEST(why_its_server_ended_is_told)
{
        static const struct {
                bool expired, gone;
                enum failover_cause cause;
        } cases[] = { { false, false, FAILOVER_CAUSE_CRASH },
                      { true, false, FAILOVER_CAUSE_FENCED },
                      { false, true, FAILOVER_CAUSE_DISK },
                      { true, true, FAILOVER_CAUSE_DISK } };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct member m;

                begin_leading(&m);
                m.now += USEC_MSEC;
                shows_ended(&m, cases[i].expired, cases[i].gone);
                ck_assert_int_eq(must(&m, FAILOVER_DO_TELL)->news.cause, cases[i].cause);
                shows_ended(&m, cases[i].expired, cases[i].gone);
                ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_RELEASED);
                ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.cause, cases[i].cause);
        }
}
END_TEST

/* What is started there has nothing, whatever was there before. */
START_TEST(without_its_volume_no_server_is_started)
{
        struct member m;

        begin_leading(&m);
        m.now += USEC_MSEC;
        shows_ended(&m, false, true);
        ck_assert_int_eq(m.f.want, FAILOVER_HALT);
        shows_ended(&m, false, true);
        wrote(&m, FAILOVER_WRITTEN);
        for (usec_t end = m.now + 3 * L; m.now < end; m.now += 100 * USEC_MSEC) {
                canary(&m);
                shows_ended(&m, false, true);
                ck_assert_int_eq(m.f.want, FAILOVER_HALT);
                ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_NONE); /* nor does it stand */
        }
        shows_ended(&m, false, false);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_STAND);
}
END_TEST

static const TTest *const tests[] = {
        it_is_valid_from_the_sending_of_a_renewal,
        at_f_the_server_is_killed_before_all_else,
        after_standing_still_it_fences_first,
        promises_carry_it_through_an_outage,
        one_that_does_not_promise_ends_it,
        it_must_be_the_life_that_follows,
        a_set_of_one_goes_on_alone,
        a_set_in_doubt_is_the_larger_one,
        a_crash_is_released_to_the_one_furthest_on,
        a_hang_is_killed,
        a_disk_that_stands_still_is_no_healthy_lease,
        who_is_superseded_kills_at_once,
        who_falls_behind_leaves_the_set,
        the_floor_is_what_all_of_the_set_have_kept,
        nor_is_it_raised_before_the_own_volume_has_it,
        a_hang_narrows_nothing,
        who_does_not_know_of_the_epoch_does_not_come_in,
        writes_are_held_back_rather_than_lost,
        why_its_server_ended_is_told,
        without_its_volume_no_server_is_started,
        a_lease_that_somebody_deleted_is_made_again_by_its_holder,
};
TEST_MAIN("failover/fence", tests)
