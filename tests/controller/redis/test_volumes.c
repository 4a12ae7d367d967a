/* SPDX-License-Identifier: Apache-2.0
 *
 * Claims that somebody deletes while their pods run: they go with the pods.
 */
#include "cluster.h"

static struct cluster c;

static void doom(const char *claim)
{
        put_claim_as(&c, str_c(claim), STR("1Gi"), ",\"deletionTimestamp\":\"2024-01-01T00:00:00Z\"");
        settle(&c);
}

/* It copies what it had from the others, so better now than when nobody else has it. */
START_TEST(its_member_is_replaced_while_all_others_are_well)
{
        begin_with_volumes(&c, 3, "\"replicas\":3,\"persistence\":{\"size\":\"1Gi\"}");
        put_member(&c, 1, false, revision_now(&c), "1");
        settle(&c);
        doom("data-db-2");
        ck_assert_uint_eq(c.n_deletes, 0);
        put_member(&c, 1, true, revision_now(&c), "1");
        settle(&c);
        ck_assert_uint_eq(c.n_deletes, 1);
        ck_assert_str_eq(c.deleted, "db-2");
        end_cluster(&c);
}
END_TEST

START_TEST(a_primary_hands_over_before)
{
        begin_with_volumes(&c, 3, "\"replicas\":3,\"persistence\":{\"size\":\"1Gi\"}");
        doom("data-db-0");
        ck_assert_uint_eq(c.n_deletes, 0);
        ck_assert_int_eq(int_at(config(&c), "/handover/number"), 1);
        end_cluster(&c);
}
END_TEST

/* Not broken by a template either: what is on that volume is all there is. */
START_TEST(the_only_member_is_never_replaced)
{
        begin_with_volumes(&c, 1, "\"replicas\":1,\"persistence\":{\"size\":\"1Gi\"}");
        doom("data-db-0");
        ck_condition(&c, "Stalled", "True", "VolumeDeleted");
        ck_assert_ptr_nonnull(strstr(condition_at(&c, "Stalled", "message").data,
                                     "kubectl -n shop scale redis db --replicas=2"));
        change_spec(&c, "\"replicas\":1,\"memory\":\"1Gi\",\"persistence\":{\"size\":\"1Gi\"}");
        settle(&c);
        put_member(&c, 0, false, STR("older"), "1");
        settle(&c);
        ck_assert_uint_eq(c.n_deletes, 0);
        end_cluster(&c);
}
END_TEST

START_TEST(without_a_primary_nobody_is_replaced_for_it)
{
        begin_with_volumes(&c, 3, "\"replicas\":3,\"persistence\":{\"size\":\"1Gi\"}");
        put_record(&c, "Sealing", 1, "1", 2, "[0,1]", MORE("LeaseExpired", "0", "0"));
        put_member(&c, 2, false, revision_now(&c), "1");
        settle(&c);
        doom("data-db-2");
        ck_assert_uint_eq(c.n_deletes, 0);
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        its_member_is_replaced_while_all_others_are_well,
        a_primary_hands_over_before,
        the_only_member_is_never_replaced,
        without_a_primary_nobody_is_replaced_for_it,
};
TEST_MAIN("redis/volumes", tests)
