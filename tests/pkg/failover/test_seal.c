/* SPDX-License-Identifier: Apache-2.0
 *
 * Sealing, choosing, narrowing, promoting.
 */
#include "member.h"

START_TEST(everyone_is_asked_again_and_again)
{
        struct member m;

        begin_sealing(&m);
        ck_assert_int_eq(nth(&m, FAILOVER_DO_SEND, 0)->message.type, FAILOVER_SEAL);
        ck_assert_int_eq(nth(&m, FAILOVER_DO_SEND, 0)->message.to, 1);
        ck_assert_int_eq(nth(&m, FAILOVER_DO_SEND, 1)->message.to, 2);
        ck_assert_uint_eq(nth(&m, FAILOVER_DO_SEND, 1)->message.epoch, 6);
        at(&m, m.now + m.f.timing.peer_retry - 1);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_SEND));
        at(&m, m.now + 1);
        must(&m, FAILOVER_DO_SEND);
}
END_TEST

/* The former leader is not waited for; another member of the set is, but not for ever. */
START_TEST(it_leads_when_those_who_matter_have_answered)
{
        struct failover_copy behind = copy_of(FAILOVER_DATA_WARM, 5, 90);
        struct member m;

        begin_sealing(&m);
        shows_standing(&m, true);
        ck_assert_int_eq(m.f.role, FAILOVER_SEALER);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &behind);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
}
END_TEST

START_TEST(it_leads_without_one_that_does_not_answer)
{
        struct member m;

        begin_sealing(&m);
        shows_standing(&m, true);
        at(&m, m.now + m.f.timing.seal - 1);
        ck_assert_int_eq(m.f.role, FAILOVER_SEALER);
        at(&m, m.now + 1);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
}
END_TEST

START_TEST(the_set_is_narrowed_before_it_leads)
{
        struct failover_copy behind = copy_of(FAILOVER_DATA_WARM, 5, 99);
        struct member m;

        begin_sealing(&m);
        shows_standing(&m, true);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &behind);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.in_sync, 1);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_SEALING);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_ORDER));
        wrote(&m, FAILOVER_UNKNOWN);
        see_again(&m);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_ORDER));
        at(&m, m.now + m.f.timing.peer_retry);
        must(&m, FAILOVER_DO_WRITE);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_LEAD);
}
END_TEST

START_TEST(the_kernel_has_the_deadline_before_the_server_leads)
{
        struct member m;
        size_t armed = SIZE_MAX, ordered = SIZE_MAX;

        begin_sealing(&m);
        shows_standing(&m, true);
        at(&m, m.now + m.f.timing.seal);
        wrote(&m, FAILOVER_WRITTEN);
        for (size_t i = 0; i < m.did.n; i++) {
                if (m.did.list[i].type == FAILOVER_DO_ARM && armed == SIZE_MAX)
                        armed = i;
                if (m.did.list[i].type == FAILOVER_DO_ORDER)
                        ordered = i;
        }
        ck_assert_uint_lt(armed, ordered);
        ck_assert_uint_lt(ordered, SIZE_MAX);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ARM)->until, m.f.valid_until);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_PUBLISH)); /* it does not lead yet */
        shows(&m, FAILOVER_WRITABLE);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_PUBLISH)->epoch, 6);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_HELD);
}
END_TEST

START_TEST(the_better_one_gets_it)
{
        struct failover_copy ahead = copy_of(FAILOVER_DATA_WARM, 5, 101);
        struct member m;

        begin_sealing(&m);
        shows_standing(&m, true);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &ahead);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_RELEASED);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 2);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.cause, FAILOVER_CAUSE_EXPIRED);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m.f.role, FAILOVER_FOLLOWER);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_KILL)); /* nothing had been writable */
}
END_TEST

START_TEST(an_older_timeline_is_no_better_however_long)
{
        struct failover_copy longer = copy_of(FAILOVER_DATA_WARM, 4, 1000000);
        struct member m;

        begin_sealing(&m);
        shows_standing(&m, true);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &longer);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
        ck_assert_uint_eq(m.f.next.in_sync, 1);
}
END_TEST

START_TEST(nor_is_one_below_the_floor_any_at_all)
{
        struct failover_copy old = copy_of(FAILOVER_DATA_WARM, 4, 900),
                             none = copy_of(FAILOVER_DATA_NONE, 0, 0);
        struct failover_policy p = policy_of(7);
        struct member m;

        begin_sealing(&m);
        m.run++;
        m.f.record.floor = 5;
        shows_standing(&m, false);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &old);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &none);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_NONE);
        ck_assert_int_eq(m.f.role, FAILOVER_SEALER);
        p.durable = false; /* then it is better than nothing, and may take the Lease */
        policy(&m, &p);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 1);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.floor, 4);
}
END_TEST

START_TEST(data_of_another_lineage_is_none)
{
        struct failover_copy foreign = copy_of(FAILOVER_DATA_WARM, 9, 1000000);
        struct member m;

        begin_sealing(&m);
        shows_standing(&m, true);
        snprintf(foreign.lineage, sizeof(foreign.lineage), "other-data");
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &foreign);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
}
END_TEST

/* All stopped at once. Member 0 came back with what its disk had. */
static void begin_cold(struct member *m, bool has_data)
{
        begin_sealing(m);
        m->run++;
        shows_standing(m, has_data);
        ck_assert_int_eq(m->f.copy.data, has_data ? FAILOVER_DATA_COLD : FAILOVER_DATA_NONE);
}

static void stays_sealing_for(struct member *m, usec_t time)
{
        for (usec_t end = m->now + time; m->now < end;) {
                m->now += m->f.timing.renew;
                canary(m);
                shows_standing(m, m->f.copy.data != FAILOVER_DATA_NONE);
                at(m, m->now);
                if (m->f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(m, FAILOVER_WRITTEN);
                ck_assert_int_eq(m->f.role, FAILOVER_SEALER);
        }
}

/* The leader may count it in before its own agent has seen that the copy is complete. */
START_TEST(what_came_into_an_empty_one_is_the_leaders)
{
        struct failover_record r = held_by(1, 5);
        struct failover_server v;
        struct member m;

        begin(&m);
        shows_standing(&m, false);
        see(&m, &r);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_FOLLOW);
        v = server_in(&m, FAILOVER_FOLLOWING);
        v.has_data = v.in_sync = false;
        show(&m, &v);
        ck_assert_int_eq(m.f.copy.data, FAILOVER_DATA_NONE);
        r.phase = FAILOVER_RELEASED;
        see(&m, &r);
        shows_standing(&m, true);
        ck_assert_int_eq(m.f.copy.data, FAILOVER_DATA_COLD);
        ck_assert_uint_eq(m.f.copy.position.timeline, 5);
        ck_assert_str_eq(m.f.copy.lineage, LINEAGE);
}
END_TEST

START_TEST(after_a_total_loss_all_of_the_set_are_waited_for)
{
        struct failover_copy less = copy_of(FAILOVER_DATA_COLD, 5, 50),
                             more = copy_of(FAILOVER_DATA_COLD, 5, 150);
        struct member m;

        begin_cold(&m, true);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &less);
        stays_sealing_for(&m, 20 * L);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &more);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 1);
}
END_TEST

START_TEST(a_warm_copy_goes_before_a_cold_one)
{
        struct failover_copy warm = copy_of(FAILOVER_DATA_WARM, 5, 90);
        struct member m;

        begin_cold(&m, true);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &warm);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 2);
}
END_TEST

/* It was named as the successor and did not come: a warm one is passed over for another, a cold one is not. */
START_TEST(a_successor_that_did_not_come_may_still_have_the_most)
{
        struct failover_copy more = copy_of(FAILOVER_DATA_COLD, 5, 150),
                             none = copy_of(FAILOVER_DATA_NONE, 0, 0);
        struct member m;

        begin_cold(&m, true);
        m.f.seals.unfit = 2;
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &none);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &more);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 2);
        more.data = FAILOVER_DATA_WARM;
        begin_sealing(&m);
        m.f.seals.unfit = 2;
        shows_standing(&m, true);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &more);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
}
END_TEST

START_TEST(who_has_deferred_does_not_lead_on_a_guess)
{
        struct failover_copy more = copy_of(FAILOVER_DATA_WARM, 5, 150),
                             same = copy_of(FAILOVER_DATA_WARM, 5, 100);
        struct member m;

        begin_sealing(&m);
        shows_standing(&m, true);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &more);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &same);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_RELEASED);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &same); /* it was started again meanwhile */
        wrote(&m, FAILOVER_UNKNOWN);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
        ck_assert_int_ne(m.f.want, FAILOVER_LEAD);
        see_again(&m);
        at(&m, m.now + m.f.timing.peer_retry);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_SEALING);
        ck_assert_int_ne(m.f.want, FAILOVER_LEAD);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m.f.want, FAILOVER_LEAD);
}
END_TEST

START_TEST(a_server_that_was_started_again_is_not_what_was_chosen)
{
        struct failover_copy behind = copy_of(FAILOVER_DATA_WARM, 5, 90);
        struct member m;

        begin_sealing(&m);
        shows_standing(&m, true);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &behind);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &behind);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
        m.run++;
        shows_standing(&m, false);
        wrote(&m, FAILOVER_CONFLICT);
        ck_assert_int_ne(m.f.role, FAILOVER_PROMOTING);
        ck_assert_int_ne(m.f.want, FAILOVER_LEAD);
}
END_TEST

/* Until it was told to lead nothing was acknowledged: whom it had put out of the set may be chosen again. */
START_TEST(what_it_narrowed_in_vain_does_not_bind_it)
{
        struct failover_copy behind = copy_of(FAILOVER_DATA_WARM, 5, 90);
        struct member m;

        begin_sealing(&m);
        shows_standing(&m, true);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &behind);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &behind);
        ck_assert_uint_eq(m.f.write.record.in_sync, 1);
        m.run++;
        shows_standing(&m, false);
        wrote(&m, FAILOVER_WRITTEN); /* only that: the server is not told to lead */
        ck_assert_int_eq(m.f.write.record.phase, FAILOVER_RELEASED);
        ck_assert_int_eq(m.f.write.record.handover_to, 1);
        ck_assert_uint_eq(m.f.write.record.in_sync, 3);
}
END_TEST

START_TEST(who_does_not_know_yet_what_it_has_is_asked_again)
{
        struct failover_copy unknown = copy_of(FAILOVER_DATA_UNKNOWN, 5, 90),
                             more = copy_of(FAILOVER_DATA_COLD, 5, 150),
                             none = copy_of(FAILOVER_DATA_NONE, 0, 0);
        struct member m;

        begin_cold(&m, true);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &none);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &unknown);
        at(&m, m.now + m.f.timing.peer_retry);
        ck_assert_int_eq(must(&m, FAILOVER_DO_SEND)->message.type, FAILOVER_SEAL);
        ck_assert_int_eq(must(&m, FAILOVER_DO_SEND)->message.to, 2);
        ck_assert_ptr_null(nth(&m, FAILOVER_DO_SEND, 1));
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &more);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 2);
}
END_TEST

START_TEST(a_person_may_decide_for_an_empty_one)
{
        struct failover_policy p = policy_of(7);
        struct member m;

        begin_cold(&m, false);
        p.consent = 0;
        p.consent_number = 1;
        policy(&m, &p);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
}
END_TEST

START_TEST(an_empty_member_does_not_lead_while_data_may_be_somewhere)
{
        struct failover_copy none = copy_of(FAILOVER_DATA_NONE, 0, 0);
        struct member m;

        begin_cold(&m, false);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &none);
        stays_sealing_for(&m, 20 * L);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &none);
        ck_assert_int_eq(must(&m, FAILOVER_DO_TELL)->news.what, FAILOVER_NO_DATA);
        stays_sealing_for(&m, 20 * L); /* it was declared durable: somebody has to look */
}
END_TEST

START_TEST(nothing_was_to_be_kept_and_nobody_has_anything)
{
        struct failover_copy none = copy_of(FAILOVER_DATA_NONE, 0, 0);
        struct failover_policy p = policy_of(7);
        struct member m;

        begin_cold(&m, false);
        p.durable = false;
        policy(&m, &p);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &none);
        ck_assert_int_eq(m.f.role, FAILOVER_SEALER);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &none);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
        ck_assert_uint_eq(m.f.next.in_sync, 1);
}
END_TEST

/* One from outside is better than nothing; and who is to take the Lease has to be in the set. */
START_TEST(and_an_outsider_has_something)
{
        struct failover_copy none = copy_of(FAILOVER_DATA_NONE, 0, 0),
                             some = copy_of(FAILOVER_DATA_WARM, 3, 50);
        struct failover_policy p = policy_of(7);
        struct member m;

        begin_cold(&m, false);
        p.durable = false;
        policy(&m, &p);
        m.f.record.in_sync = m.f.seals.set = 3;
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &some);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &none);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 2);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.in_sync, 7);
}
END_TEST

START_TEST(a_person_may_decide_and_only_once)
{
        struct failover_policy p = policy_of(7);
        struct member m;

        begin_cold(&m, true);
        p.consent = 0;
        p.consent_number = 3;
        policy(&m, &p);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
        ck_assert_uint_eq(m.f.next.consent, 3);
        begin_cold(&m, true);
        m.f.record.consent = 3;
        policy(&m, &p);
        ck_assert_int_eq(m.f.role, FAILOVER_SEALER);
}
END_TEST

/* Else it would be kept for the next disaster, which nobody has looked at. */
START_TEST(a_decision_that_was_not_needed_is_over)
{
        struct failover_policy p = policy_of(7);
        struct member m;

        begin_leading(&m);
        p.consent = 1;
        p.consent_number = 3;
        policy(&m, &p);
        at(&m, m.now + m.f.timing.renew);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.consent, 3);
}
END_TEST

START_TEST(the_first_start_makes_a_lineage)
{
        struct failover_record r = { .phase = FAILOVER_BOOTSTRAP,
                                     .in_sync = 1,
                                     .handover_to = FAILOVER_NOBODY };
        struct failover_policy p = policy_of(1);
        struct member m;

        begin(&m);
        policy(&m, &p);
        shows_standing(&m, false);
        see(&m, &r);
        m.now += USEC_SEC;
        shows_standing(&m, false);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.epoch, 1);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_str_eq(must(&m, FAILOVER_DO_WRITE)->write.record.lineage, LINEAGE);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_LEAD);
}
END_TEST

/* --- being sealed ------------------------------------------------------------------- */

static struct failover_message seal_by(int from, uint64_t epoch)
{
        return (struct failover_message){
                .type = FAILOVER_SEAL, .from = from, .to = 0, .life = 7, .round = 9, .epoch = epoch
        };
}

START_TEST(the_answer_waits_until_nothing_flows_any_more)
{
        struct failover_message question = seal_by(2, 6);
        struct failover_server v;
        struct member m;

        begin_following(&m);
        v = server_in(&m, FAILOVER_FOLLOWING);
        hear(&m, &question);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_STAND);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_SEND));
        show(&m, &v); /* a look from before the order */
        ck_assert_ptr_null(did(&m, FAILOVER_DO_SEND));
        shows(&m, FAILOVER_STANDING);
        ck_assert_int_eq(must(&m, FAILOVER_DO_SEND)->message.type, FAILOVER_YES);
        ck_assert_int_eq(must(&m, FAILOVER_DO_SEND)->message.copy.data, FAILOVER_DATA_WARM);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_SEND)->message.copy.position.offset, 100);
}
END_TEST

START_TEST(the_sealed_do_not_follow_an_older_epoch)
{
        struct failover_message question = seal_by(2, 7);
        struct failover_record r = held_by(1, 6);
        struct member m;

        begin_following(&m);
        hear(&m, &question);
        see(&m, &r);
        ck_assert_int_eq(m.f.want, FAILOVER_STAND);
        r = held_by(2, 7);
        see(&m, &r);
        ck_assert_int_eq(m.f.want, FAILOVER_FOLLOW);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_ORDER)->order.epoch, 7);
}
END_TEST

START_TEST(who_won_long_ago_seals_nobody)
{
        struct failover_message question = seal_by(2, 4);
        struct member m;

        begin(&m);
        hear(&m, &question); /* it has not seen the Lease: it cannot know */
        ck_assert_ptr_null(did(&m, FAILOVER_DO_SEND));
        begin_following(&m);
        hear(&m, &question);
        ck_assert_int_eq(must(&m, FAILOVER_DO_SEND)->message.type, FAILOVER_NO);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_SEND)->message.epoch, 5);
        ck_assert_int_eq(m.f.want, FAILOVER_FOLLOW);
}
END_TEST

static const TTest *const tests[] = {
        everyone_is_asked_again_and_again,
        it_leads_when_those_who_matter_have_answered,
        it_leads_without_one_that_does_not_answer,
        the_set_is_narrowed_before_it_leads,
        the_kernel_has_the_deadline_before_the_server_leads,
        the_better_one_gets_it,
        an_older_timeline_is_no_better_however_long,
        nor_is_one_below_the_floor_any_at_all,
        data_of_another_lineage_is_none,
        what_came_into_an_empty_one_is_the_leaders,
        after_a_total_loss_all_of_the_set_are_waited_for,
        a_warm_copy_goes_before_a_cold_one,
        a_successor_that_did_not_come_may_still_have_the_most,
        who_has_deferred_does_not_lead_on_a_guess,
        a_server_that_was_started_again_is_not_what_was_chosen,
        what_it_narrowed_in_vain_does_not_bind_it,
        who_does_not_know_yet_what_it_has_is_asked_again,
        a_person_may_decide_for_an_empty_one,
        an_empty_member_does_not_lead_while_data_may_be_somewhere,
        nothing_was_to_be_kept_and_nobody_has_anything,
        and_an_outsider_has_something,
        a_person_may_decide_and_only_once,
        a_decision_that_was_not_needed_is_over,
        the_first_start_makes_a_lineage,
        the_answer_waits_until_nothing_flows_any_more,
        the_sealed_do_not_follow_an_older_epoch,
        who_won_long_ago_seals_nobody,
};
TEST_MAIN("failover/seal", tests)
