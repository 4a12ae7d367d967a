/* SPDX-License-Identifier: Apache-2.0
 *
 * What is told of writes that are lost: never more than what is known, and all of that.
 */
#include "member.h"

/* --- by the one that leads next ------------------------------------------------------- */

static void all_answer(struct member *m, const struct failover_copy *copy)
{
        answers(m, 1, FAILOVER_YES, FAILOVER_SEAL, copy);
        answers(m, 2, FAILOVER_YES, FAILOVER_SEAL, copy);
        ck_assert_int_eq(m->f.role, FAILOVER_PROMOTING);
}

START_TEST(the_last_renewal_is_what_is_known)
{
        struct failover_copy same = copy_of(FAILOVER_DATA_WARM, 5, 100);
        const struct failover_record *next;
        struct member m;

        begin_sealing(&m);
        m.f.record.position = (struct failover_position){ 5, 150 };
        shows_standing(&m, true);
        all_answer(&m, &same);
        ck_assert(m.f.narrowed); /* nobody waits for that to be written */
        shows_led(&m, FAILOVER_WRITABLE, 0);
        next = &must(&m, FAILOVER_DO_WRITE)->write.record;
        ck_assert_int_eq(next->phase, FAILOVER_HELD);
        ck_assert_int_eq(next->loss, FAILOVER_LOSS_AT_LEAST);
        ck_assert_uint_eq(next->lost, 50);
        ck_assert_uint_eq(next->start.epoch, 6);
        ck_assert_uint_eq(next->start.position.timeline, 5);
        ck_assert_uint_eq(next->start.position.offset, 100);
}
END_TEST

/* The last leader died before anybody was seen to follow it. Who is beyond its start may have, or
 * has what others never had. */
START_TEST(a_leader_that_nobody_followed)
{
        static const struct {
                uint64_t epoch, offset; /* of the last leader's start */
                enum failover_loss loss;
                uint64_t lost;
        } cases[] = { { 9, 120, FAILOVER_LOSS_AT_LEAST, 50 },
                      { 9, 100, FAILOVER_LOSS_AT_LEAST, 50 },
                      { 9, 99, FAILOVER_LOSS_UNKNOWN, 0 },
                      { 8, 120, FAILOVER_LOSS_UNKNOWN, 0 } };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct failover_copy same = copy_of(FAILOVER_DATA_WARM, 5, 100);
                struct member m;

                begin_sealing(&m);
                m.f.record.position = (struct failover_position){ 9, 150 };
                m.f.record.start.epoch = cases[i].epoch;
                m.f.record.start.position = (struct failover_position){ 5, cases[i].offset };
                shows_standing(&m, true);
                all_answer(&m, &same);
                ck_assert_int_eq(m.f.next.loss, cases[i].loss);
                ck_assert_uint_eq(m.f.next.lost, cases[i].lost);
        }
}
END_TEST

/* A restart leaves at least what it says: how much is missing is not known. */
START_TEST(after_a_restart_nothing_is_known)
{
        struct failover_copy cold = copy_of(FAILOVER_DATA_COLD, 5, 100);
        struct member m;

        begin_sealing(&m);
        m.f.record.position = (struct failover_position){ 5, 150 };
        m.run++;
        shows_standing(&m, true);
        all_answer(&m, &cold);
        ck_assert_int_eq(m.f.next.loss, FAILOVER_LOSS_UNKNOWN);
        ck_assert_uint_eq(m.f.next.lost, 0);
        ck_assert_uint_eq(m.f.next.start.epoch, 0); /* it counts anew */
}
END_TEST

START_TEST(who_begins_with_nothing_says_so)
{
        struct failover_copy none = copy_of(FAILOVER_DATA_NONE, 0, 0);
        struct failover_policy p = policy_of(7);
        struct member m;

        begin_sealing(&m);
        p.durable = false;
        policy(&m, &p);
        m.run++;
        shows_standing(&m, false);
        all_answer(&m, &none);
        ck_assert_int_eq(m.f.next.loss, FAILOVER_LOSS_EVERYTHING);
        ck_assert_uint_eq(m.f.next.lost, 0);
}
END_TEST

/* --- by one that led before -------------------------------------------------------------- */

static void shows_at(struct member *m, enum failover_server_state state, uint64_t offset)
{
        struct failover_server v = server_in(m, state);

        v.offset = offset;
        show(m, &v);
}

static const struct failover_effect *told(const struct member *m, enum failover_news what)
{
        const struct failover_effect *e;

        for (size_t i = 0; (e = nth(m, FAILOVER_DO_TELL, i)); i++)
                if (e->news.what == what)
                        return e;
        return NULL;
}

/* The leader of epoch 6 has a moment left. */
static void comes_to_its_end(struct member *m)
{
        begin_leading(m);
        well_until(m, m->f.valid_until - m->f.timing.last - 1);
        ck_assert_int_eq(m->f.want, FAILOVER_LEAD);
        at(m, m->now + 1);
        ck_assert_int_eq(must(m, FAILOVER_DO_ORDER)->order.what, FAILOVER_PAUSE);
        ck_assert_int_eq(told(m, FAILOVER_HELD_BACK)->news.cause, FAILOVER_CAUSE_EXPIRED);
}

/* Member 1 leads since, and began with what epoch 6 was up to OFFSET. */
static void sees_its_successor(struct member *m, uint64_t offset)
{
        struct failover_record r = held_by(1, 7);

        r.start.epoch = 7;
        r.start.position = (struct failover_position){ 6, offset };
        if (m->f.write.kind != FAILOVER_WRITE_NONE)
                wrote(m, FAILOVER_UNKNOWN);
        see(m, &r);
        ck_assert_uint_eq(m->f.missing.epoch, 7);
}

START_TEST(who_has_paused_knows_all)
{
        struct member m;

        comes_to_its_end(&m);
        shows_at(&m, FAILOVER_PAUSED, 180);
        sees_its_successor(&m, 150);
        ck_assert_uint_eq(told(&m, FAILOVER_WRITES_LOST)->news.bytes, 30);
        ck_assert(told(&m, FAILOVER_WRITES_LOST)->news.exact);
        ck_assert_uint_eq(m.f.missing.bytes, 30);
        ck_assert(m.f.missing.exact);
        shows(&m, FAILOVER_DOWN);
        ck_assert_ptr_null(told(&m, FAILOVER_WRITES_LOST)); /* once */
}
END_TEST

START_TEST(and_also_that_there_is_none)
{
        struct member m;

        comes_to_its_end(&m);
        shows_at(&m, FAILOVER_PAUSED, 180);
        sees_its_successor(&m, 180);
        ck_assert_ptr_null(told(&m, FAILOVER_WRITES_LOST));
        ck_assert_uint_eq(m.f.missing.bytes, 0);
        ck_assert(m.f.missing.exact);
}
END_TEST

START_TEST(who_was_writing_knows_the_least)
{
        struct member m;

        begin_leading(&m);
        well_until(&m, m.now + L / 2);
        shows_at(&m, FAILOVER_WRITABLE, 180);
        sees_its_successor(&m, 150);
        ck_assert_uint_eq(told(&m, FAILOVER_WRITES_LOST)->news.bytes, 30);
        ck_assert(!told(&m, FAILOVER_WRITES_LOST)->news.exact);
}
END_TEST

/* What it writes after that it does not know. */
START_TEST(it_goes_on_when_its_time_does)
{
        struct member m;

        comes_to_its_end(&m);
        shows_at(&m, FAILOVER_PAUSED, 180);
        ck_assert(m.f.had_all);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_LEAD);
        ck_assert(!m.f.had_all);
}
END_TEST

START_TEST(it_ends_for_its_disk_likewise)
{
        usec_t last;
        struct member m;

        begin_leading(&m);
        last = m.f.canary + m.f.timing.disk - m.f.timing.last;
        while (m.now < last) {
                m.now = MIN(m.now + 100 * USEC_MSEC, last);
                shows_led(&m, FAILOVER_WRITABLE, 0);
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
        }
        ck_assert_int_eq(m.f.want, FAILOVER_PAUSE);
        ck_assert_int_eq(m.f.role, FAILOVER_LEADER);
        ck_assert_int_gt(m.f.valid_until, m.now + m.f.timing.last);
}
END_TEST

/* Offsets of another timeline say nothing. */
START_TEST(who_did_not_have_that_timeline_says_nothing)
{
        struct failover_record r = held_by(1, 8);
        struct member m;

        comes_to_its_end(&m);
        shows_at(&m, FAILOVER_PAUSED, 180);
        r.start.epoch = 8;
        r.start.position = (struct failover_position){ 7, 150 };
        wrote(&m, FAILOVER_UNKNOWN);
        see(&m, &r);
        ck_assert_uint_eq(m.f.missing.epoch, 0);
        ck_assert_ptr_null(told(&m, FAILOVER_WRITES_LOST));
}
END_TEST

/* One that gives the lead up tells how far it was. */
START_TEST(what_it_had_goes_with_the_release)
{
        struct member m;

        begin_leading(&m);
        shows_at(&m, FAILOVER_WRITABLE, 180);
        m.now += USEC_MSEC;
        shows(&m, FAILOVER_DOWN);
        shows(&m, FAILOVER_DOWN); /* after it was told to die */
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_GIVE_UP);
        ck_assert_uint_eq(m.f.write.record.position.timeline, 6);
        ck_assert_uint_eq(m.f.write.record.position.offset, 180);
}
END_TEST

static const TTest *const tests[] = {
        the_last_renewal_is_what_is_known, a_leader_that_nobody_followed,
        after_a_restart_nothing_is_known,  who_begins_with_nothing_says_so,
        who_has_paused_knows_all,          and_also_that_there_is_none,
        who_was_writing_knows_the_least,   it_goes_on_when_its_time_does,
        it_ends_for_its_disk_likewise,     who_did_not_have_that_timeline_says_nothing,
        what_it_had_goes_with_the_release,
};
TEST_MAIN("failover/loss", tests)
