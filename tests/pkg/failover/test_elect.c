/* SPDX-License-Identifier: Apache-2.0
 *
 * When a member takes the lease, and when it does not.
 */
#include "member.h"

START_TEST(the_lease_must_stand_still_for_all_of_l)
{
        struct failover_record r = held_by(1, 5);
        struct member m;

        begin_following(&m);
        at(&m, START + L / 2);
        canary(&m);
        see(&m, &r); /* renewed: another version */
        shows(&m, FAILOVER_FOLLOWING);
        at(&m, START + L / 2 + L - 1);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        shows(&m, FAILOVER_FOLLOWING);
        canary(&m);
        at(&m, START + L / 2 + L);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_SEALING);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.epoch, 6);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.cause, FAILOVER_CAUSE_EXPIRED);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.from, 1);
}
END_TEST

/* However old the renewal is by the holder's clock: L counts from this life's first look. */
START_TEST(a_new_life_waits_for_l_as_well)
{
        struct failover_record r = held_by(1, 5);
        struct member m;

        begin(&m);
        m.now += 10 * L;
        shows(&m, FAILOVER_STANDING);
        canary(&m);
        see(&m, &r);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        at(&m, START + 11 * L - 1);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
}
END_TEST

static void release(struct member *m, int to)
{
        struct failover_record r = held_by(1, 5);

        r.phase = FAILOVER_RELEASED;
        r.handover_to = to;
        see(m, &r);
}

START_TEST(a_free_lease_is_taken_at_once_by_whom_it_names)
{
        struct member m;

        begin_following(&m);
        release(&m, 0);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_STAND);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.epoch, 6);
}
END_TEST

START_TEST(the_others_let_it_go_first)
{
        struct member m;

        begin_following(&m);
        release(&m, 2);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        m.now += m.f.timing.grace - 1;
        shows(&m, FAILOVER_STANDING);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        at(&m, m.now + 1);
        must(&m, FAILOVER_DO_WRITE);
}
END_TEST

START_TEST(who_is_not_in_the_set_does_not_stand)
{
        struct failover_record r = held_by(1, 5);
        struct member m;

        begin_following(&m);
        r.in_sync = 6;
        see(&m, &r);
        m.now += 2 * L;
        canary(&m);
        shows(&m, FAILOVER_FOLLOWING);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        r.phase = FAILOVER_RELEASED;
        r.handover_to = 0;
        see(&m, &r);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
}
END_TEST

START_TEST(nor_one_whose_disk_or_server_stands_still)
{
        struct member m;

        begin_following(&m);
        at(&m, START + 2 * L); /* no canary, no look since */
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        canary(&m);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        shows(&m, FAILOVER_FOLLOWING);
        must(&m, FAILOVER_DO_WRITE);
}
END_TEST

/* A pod that was replaced and comes back: the set has the next one of its name. */
START_TEST(nor_one_with_data_of_long_ago)
{
        struct failover_record r = held_by(0, 9);
        struct failover_policy p = policy_of(7);
        struct member m;

        begin_following(&m); /* epoch 5 */
        snprintf(r.holder.uid, sizeof(r.holder.uid), "another");
        r.phase = FAILOVER_RELEASED;
        r.in_sync = 1;
        r.floor = 6;
        see(&m, &r);
        m.now += 3 * L;
        canary(&m);
        shows(&m, FAILOVER_STANDING);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_NONE);
        p.consent = 0;
        p.consent_number = 1;
        policy(&m, &p);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_TAKE);

        begin_following(&m);
        r.floor = 6;
        r.holder = m.f.self; /* it has led itself: others are asked, and a person is told */
        see(&m, &r);
        m.now += L;
        canary(&m);
        shows(&m, FAILOVER_STANDING);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_TAKE);

        begin_following(&m);
        snprintf(r.holder.uid, sizeof(r.holder.uid), "another");
        r.floor = 5;
        see(&m, &r);
        m.now += L;
        canary(&m);
        shows(&m, FAILOVER_STANDING);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_TAKE);
}
END_TEST

/* What it takes in memory alone must not count as kept, and its volume may be with another pod by now. */
START_TEST(who_follows_with_a_disk_that_stands_still_stops)
{
        struct member m;

        begin_following(&m);
        canary(&m);
        m.now += m.f.timing.disk;
        shows(&m, FAILOVER_FOLLOWING);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_ORDER));
        m.now++;
        shows(&m, FAILOVER_FOLLOWING);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_STAND);
        release(&m, 0);
        shows(&m, FAILOVER_STANDING);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_NONE);
        canary(&m);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_TAKE);
        begin_following(&m);
        at(&m, m.now + 2 * L); /* it stood still itself */
        ck_assert_ptr_null(did(&m, FAILOVER_DO_ORDER));
        shows(&m, FAILOVER_FOLLOWING);
        canary(&m);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_FOLLOW);
}
END_TEST

/* A volume that is full answers, so that who is alone may lead; but it keeps nothing of what it follows. */
START_TEST(who_follows_has_a_volume_that_takes_writes)
{
        struct failover_record r = held_by(1, 5);
        struct failover_event e = { .type = FAILOVER_CANARY };
        struct member m;

        begin_untried(&m);
        shows(&m, FAILOVER_STANDING);
        see(&m, &r);
        ck_assert_int_eq(m.f.want, FAILOVER_STAND);
        m.now += 100 * USEC_MSEC;
        e.canary.began = m.now;
        step(&m, &e);
        ck_assert_int_eq(m.f.want, FAILOVER_STAND);
        canary(&m);
        ck_assert_int_eq(m.f.want, FAILOVER_FOLLOW);
        shows(&m, FAILOVER_FOLLOWING);
        for (usec_t since = m.now; m.now <= since + m.f.timing.disk;) {
                ck_assert_int_eq(m.f.want, FAILOVER_FOLLOW);
                m.now += 100 * USEC_MSEC;
                e.canary.began = m.now;
                step(&m, &e);
                shows(&m, FAILOVER_FOLLOWING);
        }
        ck_assert_int_eq(m.f.want, FAILOVER_STAND);
}
END_TEST

static struct failover_message ask(enum failover_message_type type, int from, uint64_t epoch)
{
        return (struct failover_message){
                .type = type, .from = from, .to = 0, .life = 100 + (uint64_t)from, .round = 77, .epoch = epoch
        };
}

START_TEST(a_promise_is_kept)
{
        struct failover_message question = ask(FAILOVER_PROMISE, 1, 5);
        struct member m;

        begin_following(&m);
        m.now = START + L - 1;
        canary(&m);
        shows(&m, FAILOVER_FOLLOWING);
        hear(&m, &question);
        ck_assert_int_eq(must(&m, FAILOVER_DO_SEND)->message.type, FAILOVER_YES);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_SEND)->message.round, 77);
        m.now = START + 2 * L - 2;
        canary(&m);
        shows(&m, FAILOVER_FOLLOWING);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        at(&m, START + 2 * L - 1);
        must(&m, FAILOVER_DO_WRITE);
}
END_TEST

static enum failover_message_type promises(struct member *m, int from, uint64_t epoch)
{
        struct failover_message question = ask(FAILOVER_PROMISE, from, epoch);

        hear(m, &question);
        return must(m, FAILOVER_DO_SEND)->message.type;
}

START_TEST(none_is_given_to_whom_it_does_not_know_as_the_holder)
{
        struct member m;

        begin_following(&m);
        ck_assert_int_eq(promises(&m, 2, 5), FAILOVER_NO);
        ck_assert_int_eq(promises(&m, 1, 4), FAILOVER_NO);
        release(&m, 2);
        ck_assert_int_eq(promises(&m, 1, 5), FAILOVER_NO);
}
END_TEST

/* The API server is away, and an agent was started again: it can promise, and is bound by it. */
START_TEST(who_has_not_seen_the_lease_may_promise)
{
        struct failover_record r = held_by(1, 5);
        struct member m;

        begin(&m);
        see(&m, &r);
        m.f.known = false;
        m.now = START + L - 1;
        ck_assert_int_eq(promises(&m, 1, 5), FAILOVER_YES);
        m.f.known = true;
        shows(&m, FAILOVER_STANDING);
        m.now = START + 2 * L - 2;
        canary(&m);
        shows(&m, FAILOVER_STANDING);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        at(&m, START + 2 * L + m.f.timing.grace - 1);
        must(&m, FAILOVER_DO_WRITE);
}
END_TEST

/* A take that may still be carried out cannot be promised away. */
START_TEST(none_is_given_while_a_write_of_its_own_is_open)
{
        struct member m;

        begin_following(&m);
        m.now = START + L;
        canary(&m);
        shows(&m, FAILOVER_FOLLOWING);
        must(&m, FAILOVER_DO_WRITE);
        ck_assert_int_eq(promises(&m, 1, 5), FAILOVER_NO);
        wrote(&m, FAILOVER_UNKNOWN);
        ck_assert_int_eq(promises(&m, 1, 5), FAILOVER_NO);
        see_again(&m); /* read, and not carried out: yet */
        ck_assert_int_eq(promises(&m, 1, 5), FAILOVER_NO);
}
END_TEST

/* A container that was started again: no process of its former life is left. */
START_TEST(what_a_former_life_held_is_given_up)
{
        struct failover_record r = held_by(0, 5);
        struct member m;

        begin(&m);
        r.holder.incarnation = 1;
        see(&m, &r);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE)); /* before the server was seen */
        shows(&m, FAILOVER_STANDING);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_RELEASED);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.cause, FAILOVER_CAUSE_RESTART);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.epoch, 5);
}
END_TEST

/* A pod of the same name is another one: the old one may be alive behind a cut. */
START_TEST(what_a_former_pod_held_is_waited_for)
{
        struct failover_record r = held_by(0, 5);
        struct member m;

        begin(&m);
        snprintf(r.holder.uid, sizeof(r.holder.uid), "another");
        shows(&m, FAILOVER_STANDING);
        see(&m, &r);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        ck_assert_int_eq(m.f.want, FAILOVER_STAND); /* nor does it follow its own name */
        at(&m, START + L - 1);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
}
END_TEST

/* That pod may be alive, and cut off: nobody asked this one for a promise. */
START_TEST(what_its_namesake_holds_is_not_taken_with_nothing)
{
        struct failover_record r = held_by(0, 5);
        struct failover_server v;
        struct member m;

        begin(&m);
        snprintf(r.holder.uid, sizeof(r.holder.uid), "another");
        v = server_in(&m, FAILOVER_STANDING);
        v.has_data = false;
        show(&m, &v);
        see(&m, &r);
        m.now = START + 3 * L;
        canary(&m);
        v.at = m.now;
        show(&m, &v);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        r.phase = FAILOVER_RELEASED;
        see(&m, &r);
        m.now += L;
        canary(&m);
        v.at = m.now;
        show(&m, &v);
        must(&m, FAILOVER_DO_WRITE);
}
END_TEST

START_TEST(a_promise_ends_with_what_it_was_given_to)
{
        struct failover_message question = ask(FAILOVER_PROMISE, 1, 5);
        struct failover_record r = held_by(1, 5);
        struct member m;

        begin_following(&m);
        canary(&m);
        hear(&m, &question);
        ck_assert_int_eq(must(&m, FAILOVER_DO_SEND)->message.type, FAILOVER_YES);
        r.phase = FAILOVER_RELEASED;
        r.handover_to = 0;
        see(&m, &r);
        shows(&m, FAILOVER_STANDING);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_TAKE);
}
END_TEST

START_TEST(a_watch_may_be_silent)
{
        struct member m;

        begin_following(&m);
        at(&m, START + L - 1);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_READ));
        at(&m, START + L);
        must(&m, FAILOVER_DO_READ);
        see_again(&m);
        at(&m, START + 2 * L - 1);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_READ));
        at(&m, START + 2 * L);
        must(&m, FAILOVER_DO_READ);
}
END_TEST

START_TEST(without_a_lease_nobody_stands)
{
        struct member m;

        begin_following(&m);
        step(&m, &(struct failover_event){ .type = FAILOVER_ABSENT });
        ck_assert_int_eq(must(&m, FAILOVER_DO_TELL)->news.what, FAILOVER_LEASE_GONE);
        m.now = START + 3 * L;
        canary(&m);
        shows(&m, FAILOVER_FOLLOWING);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
}
END_TEST

START_TEST(a_fenced_member_halts_and_does_not_stand)
{
        struct failover_policy p = policy_of(7);
        struct member m;

        begin_following(&m);
        p.fenced = 1;
        policy(&m, &p);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_HALT);
        release(&m, 0);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
}
END_TEST

START_TEST(a_follower_that_is_stopped_leaves_when_its_server_has)
{
        struct member m;

        begin_following(&m);
        step(&m, &(struct failover_event){ .type = FAILOVER_STOP });
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_HALT);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_EXIT));
        shows(&m, FAILOVER_DOWN);
        must(&m, FAILOVER_DO_EXIT);
}
END_TEST

static void says_that_it_ended(struct member *m, int from, uint64_t epoch, uint64_t life)
{
        hear(m, &(struct failover_message){
                        .type = FAILOVER_ENDED, .from = from, .epoch = epoch, .round = life });
}

/* It has no other way to release it. */
START_TEST(what_a_holder_says_to_have_ended_is_free)
{
        struct failover_record r = held_by(1, 5);
        struct member m;

        begin_following(&m);
        hear(&m, &(struct failover_message){ .type = FAILOVER_PROMISE, .from = 1, .epoch = 5 });
        m.now += USEC_SEC;
        canary(&m);
        shows(&m, FAILOVER_FOLLOWING);
        says_that_it_ended(&m, 1, 4, 101); /* an epoch of before */
        says_that_it_ended(&m, 2, 5, 101); /* nobody says so for another */
        says_that_it_ended(&m, 1, 5, 100); /* nor for another life */
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_NONE);
        says_that_it_ended(&m, 1, 5, 101);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_TAKE);
        ck_assert_int_eq(m.f.write.record.cause, FAILOVER_CAUSE_SHUTDOWN);
        ck_assert_int_eq(m.f.write.record.from, 1);
        wrote(&m, FAILOVER_CONFLICT);
        r.epoch = 6;
        see(&m, &r); /* of the next epoch nothing was said */
        m.now += USEC_SEC;
        canary(&m);
        shows(&m, FAILOVER_FOLLOWING);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_NONE);
}
END_TEST

static const TTest *const tests[] = {
        the_lease_must_stand_still_for_all_of_l,
        a_new_life_waits_for_l_as_well,
        a_free_lease_is_taken_at_once_by_whom_it_names,
        the_others_let_it_go_first,
        who_is_not_in_the_set_does_not_stand,
        nor_one_whose_disk_or_server_stands_still,
        nor_one_with_data_of_long_ago,
        who_follows_with_a_disk_that_stands_still_stops,
        who_follows_has_a_volume_that_takes_writes,
        a_promise_is_kept,
        none_is_given_to_whom_it_does_not_know_as_the_holder,
        who_has_not_seen_the_lease_may_promise,
        none_is_given_while_a_write_of_its_own_is_open,
        what_a_former_life_held_is_given_up,
        what_a_former_pod_held_is_waited_for,
        what_its_namesake_holds_is_not_taken_with_nothing,
        a_promise_ends_with_what_it_was_given_to,
        a_watch_may_be_silent,
        without_a_lease_nobody_stands,
        a_fenced_member_halts_and_does_not_stand,
        a_follower_that_is_stopped_leaves_when_its_server_has,
        what_a_holder_says_to_have_ended_is_free,
};
TEST_MAIN("failover/elect", tests)
