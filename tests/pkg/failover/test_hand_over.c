/* SPDX-License-Identifier: Apache-2.0
 *
 * Planned moves: nothing is lost, and nobody goes back to writing on a guess.
 */
#include "member.h"

static void ask_for_handover(struct member *m, int to)
{
        struct failover_policy p = policy_of(7);

        p.request = 1;
        p.request_to = to;
        policy(m, &p);
}

static void begin_yielding(struct member *m)
{
        begin_leading(m);
        ask_for_handover(m, 2);
        ck_assert_int_eq(m->f.role, FAILOVER_YIELDING);
        ck_assert_int_eq(must(m, FAILOVER_DO_ORDER)->order.what, FAILOVER_PAUSE);
}

START_TEST(it_waits_until_the_target_has_everything)
{
        struct failover_server before;
        struct member m;

        begin_yielding(&m);
        before = server_in(&m, FAILOVER_WRITABLE);
        before.order--;
        before.online = 6;
        before.acked[2] = before.offset;
        show(&m, &before); /* equal, but it was not paused yet */
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        shows_led(&m, FAILOVER_PAUSED, 1);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        shows_led(&m, FAILOVER_PAUSED, 0);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_RELEASED);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 2);
        ck_assert(must(&m, FAILOVER_DO_WRITE)->write.record.final);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.position.offset, 100);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.request, 1);
        ck_assert_int_eq(m.f.want, FAILOVER_PAUSE);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m.f.role, FAILOVER_FOLLOWER);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_KILL));
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_STAND);
}
END_TEST

START_TEST(the_kernel_keeps_its_deadline_until_it_has_stood_down)
{
        struct member m;

        begin_yielding(&m);
        shows_led(&m, FAILOVER_PAUSED, 0);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_DISARM));
        shows(&m, FAILOVER_STANDING);
        must(&m, FAILOVER_DO_DISARM);
}
END_TEST

START_TEST(a_target_that_is_too_late_loses_its_turn)
{
        struct member m;

        begin_yielding(&m);
        while (m.f.role == FAILOVER_YIELDING && m.now < START + 10 * L) {
                m.now += 100 * USEC_MSEC;
                canary(&m);
                shows_led(&m, FAILOVER_PAUSED, 1);
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
        }
        ck_assert_int_eq(m.f.role, FAILOVER_LEADER);
        ck_assert_int_eq(m.f.want, FAILOVER_LEAD);
        well_until(&m, m.now + USEC_SEC); /* and is not asked again by the same request */
        ck_assert_int_eq(m.f.role, FAILOVER_LEADER);
}
END_TEST

/* The release may be carried out at any time: writing begins again only after
 * another write has made that impossible. */
START_TEST(a_release_of_unknown_outcome_is_not_taken_back_on_a_guess)
{
        struct member m;

        begin_yielding(&m);
        shows_led(&m, FAILOVER_PAUSED, 0);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_RELEASE);
        m.now += m.f.timing.yield;
        wrote(&m, FAILOVER_UNKNOWN);
        canary(&m);
        see_again(&m); /* it was not carried out: so far */
        while (m.f.write.kind == FAILOVER_WRITE_NONE && m.now < START + 10 * L) {
                ck_assert_int_eq(m.f.want, FAILOVER_PAUSE);
                m.now += 50 * USEC_MSEC;
                canary(&m);
                shows_led(&m, FAILOVER_PAUSED, 0);
        }
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_RENEW);
        ck_assert_int_eq(m.f.want, FAILOVER_PAUSE);
        wrote(&m, FAILOVER_WRITTEN);
        at(&m, m.now + 1);
        ck_assert_int_eq(m.f.want, FAILOVER_LEAD);
}
END_TEST

/* The watch shows that the target has taken it before the answer to the release comes. */
START_TEST(who_has_released_is_not_superseded)
{
        struct failover_record r;
        struct member m;

        begin_yielding(&m);
        shows_led(&m, FAILOVER_PAUSED, 0);
        r = m.f.write.record;
        r.phase = FAILOVER_SEALING;
        r.epoch = 7;
        r.holder = life(2, 102);
        see(&m, &r);
        wrote(&m, FAILOVER_UNKNOWN);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_KILL));
        ck_assert_int_eq(m.f.role, FAILOVER_FOLLOWER);
        ck_assert_int_eq(m.f.want, FAILOVER_STAND);
}
END_TEST

/* The target of a planned move has what is final: it need not wait for anybody. */
START_TEST(the_target_leads_without_further_answers)
{
        struct failover_record r = held_by(1, 5);
        struct member m;

        begin_following(&m);
        r.phase = FAILOVER_RELEASED;
        r.handover_to = 0;
        r.final = true;
        r.position = (struct failover_position){ 5, 100 };
        see(&m, &r);
        shows(&m, FAILOVER_STANDING);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
        /* As soon as it leads that is not final any more, and so it is said before. */
        ck_assert(!must(&m, FAILOVER_DO_WRITE)->write.record.final);
        ck_assert_int_ne(m.f.want, FAILOVER_LEAD);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m.f.want, FAILOVER_LEAD);
}
END_TEST

/* Who took it and cannot go on says nothing new: it is as final as it was. */
START_TEST(a_target_that_fails_before_it_leads_leaves_it_final)
{
        struct failover_record r = held_by(1, 5);
        struct member m;

        begin_following(&m);
        r.phase = FAILOVER_RELEASED;
        r.handover_to = 0;
        r.final = true;
        r.position = (struct failover_position){ 5, 200 };
        see(&m, &r);
        shows(&m, FAILOVER_STANDING);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m.f.role, FAILOVER_SEALER);
        step(&m, &(struct failover_event){ .type = FAILOVER_STOP });
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_RELEASED);
        ck_assert(must(&m, FAILOVER_DO_WRITE)->write.record.final);
}
END_TEST

/* What the former leader's server has counted since, pings and the like, nobody waits for. */
START_TEST(nor_does_it_give_way_to_the_former_leader)
{
        struct failover_copy more = copy_of(FAILOVER_DATA_WARM, 5, 114);
        struct failover_record r = held_by(1, 5);
        struct member m;

        begin_following(&m);
        r.phase = FAILOVER_RELEASED;
        r.handover_to = 0;
        r.final = true;
        r.position = (struct failover_position){ 5, 100 };
        see(&m, &r);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m.f.role, FAILOVER_SEALER);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &more);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        shows(&m, FAILOVER_STANDING);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
}
END_TEST

START_TEST(nor_if_it_lacks_a_byte_of_it)
{
        struct failover_record r = held_by(1, 5);
        struct member m;

        begin_following(&m);
        r.phase = FAILOVER_RELEASED;
        r.handover_to = 0;
        r.final = true;
        r.position = (struct failover_position){ 5, 101 };
        see(&m, &r);
        shows(&m, FAILOVER_STANDING);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(m.f.role, FAILOVER_SEALER);
}
END_TEST

START_TEST(a_leader_that_is_to_end_hands_over_first)
{
        struct member m;

        begin_leading(&m);
        step(&m, &(struct failover_event){ .type = FAILOVER_STOP });
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_PAUSE);
        shows_led(&m, FAILOVER_PAUSED, 0);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_HALT);
        shows(&m, FAILOVER_DOWN);
        must(&m, FAILOVER_DO_EXIT);
}
END_TEST

/* Alone, it lets the server end in its own way, however long it takes to save. */
START_TEST(alone_it_stops_the_server_and_claims_nothing)
{
        struct failover_server v;
        struct member m;

        begin_leading(&m);
        v = server_in(&m, FAILOVER_WRITABLE);
        show(&m, &v); /* nobody is connected */
        step(&m, &(struct failover_event){ .type = FAILOVER_STOP });
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_HALT);
        for (int i = 0; i < 200; i++) {
                at(&m, m.now + 100 * USEC_MSEC);
                canary(&m);
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
                ck_assert_int_eq(m.f.role, FAILOVER_YIELDING);
        }
        shows(&m, FAILOVER_DOWN);
        /* What it wrote after the last look is in no position. */
        ck_assert(!must(&m, FAILOVER_DO_WRITE)->write.record.final);
        wrote(&m, FAILOVER_WRITTEN);
        must(&m, FAILOVER_DO_EXIT);
}
END_TEST

START_TEST(who_must_go_does_not_write_between_two_targets)
{
        usec_t began;
        struct member m;

        begin_leading(&m);
        shows_led(&m, FAILOVER_WRITABLE, 1);
        step(&m, &(struct failover_event){ .type = FAILOVER_STOP });
        ck_assert_int_eq(must(&m, FAILOVER_DO_ORDER)->order.what, FAILOVER_PAUSE);
        began = m.now;
        while (m.f.want != FAILOVER_HALT && m.now < began + 10 * m.f.timing.yield) {
                m.now += 100 * USEC_MSEC;
                canary(&m);
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
                for (size_t n = 0; nth(&m, FAILOVER_DO_ORDER, n); n++)
                        ck_assert_int_ne(nth(&m, FAILOVER_DO_ORDER, n)->order.what, FAILOVER_LEAD);
                if (m.f.want != FAILOVER_HALT)
                        shows_led(&m, FAILOVER_PAUSED, 1);
        }
        ck_assert_int_ge(m.now - began, 5 * m.f.timing.yield);
        ck_assert_int_lt(m.now - began, 6 * m.f.timing.yield);
        ck_assert_int_eq(m.f.want, FAILOVER_HALT);
}
END_TEST

/* The one that was late may be there in a moment; so may another. */
START_TEST(who_must_go_tries_the_best_again)
{
        struct failover_server v;
        struct member m;

        begin_leading(&m);
        shows_led(&m, FAILOVER_WRITABLE, 1);
        step(&m, &(struct failover_event){ .type = FAILOVER_STOP });
        while (m.now < START + L + 2 * m.f.timing.yield) {
                m.now += 100 * USEC_MSEC;
                canary(&m);
                shows_led(&m, FAILOVER_PAUSED, 1);
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
        }
        ck_assert_int_eq(m.f.role, FAILOVER_YIELDING);
        v = server_in(&m, FAILOVER_PAUSED);
        v.online = 6;
        v.acked[1] = v.offset - 1;
        v.acked[2] = v.offset;
        while (m.f.write.kind != FAILOVER_WRITE_RELEASE && m.now < START + 2 * L) {
                m.now += 100 * USEC_MSEC;
                canary(&m);
                v.at = m.now;
                v.order = m.f.orders;
                show(&m, &v);
                if (m.f.write.kind == FAILOVER_WRITE_RENEW)
                        wrote(&m, FAILOVER_WRITTEN);
        }
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_RELEASE);
        ck_assert_int_eq(m.f.write.record.handover_to, 2);
        ck_assert(m.f.write.record.final);
}
END_TEST

/* An engine kills a server that does not end. If it fails to, the Lease is not renewed for ever. */
START_TEST(a_server_that_does_not_end_is_killed_at_last)
{
        usec_t began;
        struct member m;

        begin_leading(&m);
        shows_led(&m, FAILOVER_WRITABLE, 0);
        m.f.policy.members = 1; /* nobody is there to take it */
        step(&m, &(struct failover_event){ .type = FAILOVER_STOP });
        ck_assert_int_eq(m.f.want, FAILOVER_HALT);
        began = m.now;
        while (m.f.role == FAILOVER_YIELDING && m.now < began + 2 * m.f.timing.halt) {
                at(&m, m.now + 100 * USEC_MSEC);
                canary(&m);
                if (m.f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(&m, FAILOVER_WRITTEN);
        }
        ck_assert_int_eq(m.f.cause, FAILOVER_CAUSE_HANG);
        ck_assert_int_ge(m.now - began, 10 * USEC_MINUTE); /* the longest grace that an engine has */
        ck_assert_int_le(m.now - began, m.f.timing.halt + USEC_SEC);
}
END_TEST

static int said_to(const struct member *m, enum failover_message_type type)
{
        const struct failover_effect *e;
        int set = 0;

        for (size_t i = 0; (e = nth(m, FAILOVER_DO_SEND, i)); i++)
                if (e->message.type == type)
                        set |= 1 << e->message.to;
        return set;
}

/* A pod that was deleted by force: it hands over as ever, and says so to the others alone. */
START_TEST(who_is_refused_by_the_api_server_says_that_it_ended)
{
        struct member m;
        usec_t said;

        begin_leading(&m);
        well_until(&m, m.now + m.f.timing.renew);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_RENEW);
        wrote(&m, FAILOVER_UNKNOWN);
        step(&m, &(struct failover_event){ .type = FAILOVER_REFUSED });
        ck_assert_int_eq(m.f.role, FAILOVER_LEADER); /* that alone is no reason to go */
        step(&m, &(struct failover_event){ .type = FAILOVER_STOP });
        ck_assert_int_eq(m.f.role, FAILOVER_YIELDING);
        ck_assert_int_eq(m.f.want, FAILOVER_PAUSE);
        shows_led(&m, FAILOVER_PAUSED, 1); /* nobody has everything */
        ck_assert_int_eq(m.f.role, FAILOVER_YIELDING);
        m.now += USEC_MSEC;
        shows_led(&m, FAILOVER_PAUSED, 0);
        must(&m, FAILOVER_DO_KILL);
        ck_assert_int_eq(said_to(&m, FAILOVER_ENDED), 0); /* its server is not dead yet */
        m.now += USEC_MSEC;
        shows(&m, FAILOVER_DOWN);
        ck_assert_int_eq(said_to(&m, FAILOVER_ENDED), 6);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_NONE);
        said = m.now;
        shows(&m, FAILOVER_DOWN);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_EXIT)); /* they may not have heard it yet */
        at(&m, said + m.f.timing.peer_retry);
        ck_assert_int_eq(said_to(&m, FAILOVER_ENDED), 6);
        at(&m, said + m.f.timing.write);
        must(&m, FAILOVER_DO_EXIT);
}
END_TEST

static const TTest *const tests[] = {
        who_is_refused_by_the_api_server_says_that_it_ended,
        it_waits_until_the_target_has_everything,
        the_kernel_keeps_its_deadline_until_it_has_stood_down,
        a_target_that_is_too_late_loses_its_turn,
        a_release_of_unknown_outcome_is_not_taken_back_on_a_guess,
        who_has_released_is_not_superseded,
        the_target_leads_without_further_answers,
        a_target_that_fails_before_it_leads_leaves_it_final,
        nor_does_it_give_way_to_the_former_leader,
        nor_if_it_lacks_a_byte_of_it,
        a_leader_that_is_to_end_hands_over_first,
        alone_it_stops_the_server_and_claims_nothing,
        who_must_go_does_not_write_between_two_targets,
        who_must_go_tries_the_best_again,
        a_server_that_does_not_end_is_killed_at_last,
};
TEST_MAIN("failover/hand_over", tests)
