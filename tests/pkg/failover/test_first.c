/* SPDX-License-Identifier: Apache-2.0
 *
 * A Lease of the operator's, which does not say who has what: it was deleted, and made again.
 */
#include "member.h"

static struct failover_record made_again(uint64_t epoch)
{
        return (struct failover_record){
                .phase = FAILOVER_BOOTSTRAP,
                .epoch = epoch,
                .in_sync = 7,
                .holder.member = FAILOVER_NOBODY,
                .handover_to = FAILOVER_NOBODY,
                .from = FAILOVER_NOBODY,
        };
}

/* Member 0 followed member 1 in epoch 5, when the Lease was deleted. */
static void begin_without(struct member *m)
{
        begin_following(m);
        step(m, &(struct failover_event){ .type = FAILOVER_ABSENT });
}

static void stands(struct member *m)
{
        canary(m);
        shows_standing(m, m->f.copy.data != FAILOVER_DATA_NONE);
        ck_assert_int_eq(m->f.write.kind, FAILOVER_WRITE_TAKE);
}

/* It has taken the Lease that was made again with EPOCH, and its server stands. */
static void begin_made_again(struct member *m, uint64_t epoch)
{
        struct failover_record r = made_again(epoch);

        begin_without(m);
        see(m, &r);
        m->now += L;
        stands(m);
        wrote(m, FAILOVER_WRITTEN);
        m->now += m->f.timing.peer_retry;
        shows_standing(m, true);
        ck_assert_int_eq(m->f.role, FAILOVER_SEALER);
}

static void stays_sealing_for(struct member *m, usec_t time)
{
        for (usec_t end = m->now + time; m->now < end;) {
                m->now += m->f.timing.renew;
                canary(m);
                shows_standing(m, m->f.copy.data != FAILOVER_DATA_NONE);
                if (m->f.write.kind != FAILOVER_WRITE_NONE)
                        wrote(m, FAILOVER_WRITTEN);
                ck_assert_int_eq(m->f.role, FAILOVER_SEALER);
        }
}

START_TEST(it_is_not_taken_at_once)
{
        struct failover_record r = made_again(105);
        struct member m;

        begin_without(&m);
        see(&m, &r);
        m.now += L - 1;
        canary(&m);
        shows_standing(&m, true);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE)); /* somebody may not know yet that he has lost it */
        at(&m, m.now + 1);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.epoch, 106);
}
END_TEST

/* Nor by one that has never seen another: an epoch, or data, tell that there was one. */
START_TEST(nor_by_a_new_life)
{
        struct failover_record r = made_again(105);
        struct failover_server v;
        struct member m;

        for (int with_data = 0; with_data < 2; with_data++) {
                begin(&m);
                v = server_in(&m, FAILOVER_STANDING);
                v.has_data = with_data;
                if (with_data)
                        m.f.copy.position.timeline = 3;
                show(&m, &v);
                r.epoch = with_data ? 0 : 105;
                see(&m, &r);
                m.now += L - 1;
                canary(&m);
                v.at = m.now;
                show(&m, &v);
                ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        }
}
END_TEST

START_TEST(a_promise_to_the_former_holder_is_kept)
{
        struct failover_message question = {
                .type = FAILOVER_PROMISE, .from = 1, .life = 101, .round = 77, .epoch = 5
        };
        struct failover_record r = made_again(0);
        struct member m;

        begin_following(&m);
        see(&m, &r);
        m.f.record = held_by(1, 5); /* as far as it knew when it was asked */
        m.now += L - 1;
        hear(&m, &question);
        ck_assert_int_eq(must(&m, FAILOVER_DO_SEND)->message.type, FAILOVER_YES);
        m.f.record = r;
        m.now += L - 1;
        canary(&m);
        shows_standing(&m, true);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE));
        at(&m, m.now + 1);
        must(&m, FAILOVER_DO_WRITE);
}
END_TEST

/* Whatever they have, and however long it takes: with their answer they have stopped. */
START_TEST(all_must_answer_and_the_best_of_all_leads)
{
        struct failover_copy warm = copy_of(FAILOVER_DATA_WARM, 5, 90),
                             unknown = copy_of(FAILOVER_DATA_UNKNOWN, 5, 0),
                             cold = copy_of(FAILOVER_DATA_COLD, 5, 150);
        struct member m;

        begin_made_again(&m, 105);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &warm);
        stays_sealing_for(&m, 10 * L);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &unknown);
        stays_sealing_for(&m, 10 * L);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &cold);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.phase, FAILOVER_RELEASED);
        ck_assert_int_eq(must(&m, FAILOVER_DO_WRITE)->write.record.handover_to, 2);
}
END_TEST

START_TEST(the_set_is_of_the_data_that_was_chosen)
{
        struct failover_copy same = copy_of(FAILOVER_DATA_WARM, 5, 100), foreign = same;
        struct member m;

        begin_made_again(&m, 105);
        snprintf(foreign.lineage, sizeof(foreign.lineage), "another");
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &same);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &foreign);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
        ck_assert_uint_eq(must(&m, FAILOVER_DO_WRITE)->write.record.in_sync, 3);
        ck_assert_str_eq(must(&m, FAILOVER_DO_WRITE)->write.record.lineage, LINEAGE);
        ck_assert_int_ne(m.f.want, FAILOVER_LEAD);
}
END_TEST

/* There was data, and there is none: that is for a person to decide, unlike a first start. */
START_TEST(an_empty_one_does_not_lead)
{
        struct failover_copy none = { .data = FAILOVER_DATA_NONE };
        struct failover_policy p = policy_of(7);
        struct member m;

        begin_made_again(&m, 105);
        shows_standing(&m, false);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &none);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &none);
        ck_assert_int_eq(must(&m, FAILOVER_DO_TELL)->news.what, FAILOVER_NO_DATA);
        stays_sealing_for(&m, 5 * L);
        p.consent = 0;
        p.consent_number = 1;
        policy(&m, &p);
        ck_assert_int_eq(m.f.role, FAILOVER_PROMOTING);
}
END_TEST

START_TEST(an_epoch_that_is_too_low_is_left_behind)
{
        struct failover_record r = made_again(1);
        struct failover_copy same = copy_of(FAILOVER_DATA_WARM, 5, 100);
        struct member m;

        begin_without(&m);
        see(&m, &r);
        m.now += L;
        stands(&m);
        ck_assert_uint_eq(m.f.write.record.epoch, 6); /* it knows of epoch 5 */
        wrote(&m, FAILOVER_WRITTEN);
        shows_standing(&m, true);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &same);
        hear(&m, &(struct failover_message){ .type = FAILOVER_NO,
                                             .about = FAILOVER_SEAL,
                                             .from = 2,
                                             .life = 102,
                                             .round = m.f.seals.round,
                                             .epoch = 9 });
        must(&m, FAILOVER_DO_READ); /* somebody may have taken it */
        m.now += m.f.timing.peer_retry;
        see_again(&m);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_TAKE);
        ck_assert_uint_eq(m.f.write.record.epoch, 10);
        ck_assert_str_eq(m.f.write.version, m.f.version);
        wrote(&m, FAILOVER_WRITTEN);
        ck_assert_uint_eq(m.f.epoch, 10);
        ck_assert_uint_eq(m.f.seals.answered & 6, 0); /* all are asked again */
        ck_assert_uint_eq(must(&m, FAILOVER_DO_SEND)->message.epoch, 10);
}
END_TEST

START_TEST(so_is_one_that_data_are_known_of)
{
        struct failover_copy same = copy_of(FAILOVER_DATA_WARM, 5, 100),
                             newer = copy_of(FAILOVER_DATA_COLD, 12, 50);
        struct member m;

        begin_made_again(&m, 1);
        answers(&m, 1, FAILOVER_YES, FAILOVER_SEAL, &same);
        answers(&m, 2, FAILOVER_YES, FAILOVER_SEAL, &newer);
        ck_assert_int_eq(m.f.role, FAILOVER_SEALER);
        m.now += m.f.timing.peer_retry;
        shows_standing(&m, true);
        ck_assert_int_eq(m.f.write.kind, FAILOVER_WRITE_TAKE);
        ck_assert_uint_gt(m.f.write.record.epoch, 12);
}
END_TEST

START_TEST(a_holder_that_comes_back_is_fenced)
{
        struct failover_record r = made_again(106);
        struct member m;

        begin_leading(&m);
        see(&m, &r);
        must(&m, FAILOVER_DO_KILL);
        ck_assert_int_eq(m.f.role, FAILOVER_FOLLOWER);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_WRITE)); /* and makes no claim to it */
}
END_TEST

START_TEST(whoever_began_without_a_lease_looks_again)
{
        struct failover_event none = { .type = FAILOVER_ABSENT };
        struct member m;

        begin(&m);
        step(&m, &none);
        at(&m, START + L - 1);
        ck_assert_ptr_null(did(&m, FAILOVER_DO_READ));
        at(&m, START + L); /* the watch may be silent */
        must(&m, FAILOVER_DO_READ);
}
END_TEST

static const TTest *const tests[] = {
        it_is_not_taken_at_once,
        nor_by_a_new_life,
        a_promise_to_the_former_holder_is_kept,
        all_must_answer_and_the_best_of_all_leads,
        the_set_is_of_the_data_that_was_chosen,
        an_empty_one_does_not_lead,
        an_epoch_that_is_too_low_is_left_behind,
        so_is_one_that_data_are_known_of,
        a_holder_that_comes_back_is_fenced,
        whoever_began_without_a_lease_looks_again,
};
TEST_MAIN("failover/first", tests)
