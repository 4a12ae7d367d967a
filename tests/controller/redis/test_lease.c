/* SPDX-License-Identifier: Apache-2.0
 *
 * A Lease that somebody has edited into something that is no record. Whoever led goes on, as
 * long as all others promise, which cannot be seen from outside.
 */
#include "cluster.h"

static struct cluster c;

static void begin_unreadable(void)
{
        begin_whole(&c, "\"replicas\":3");
        put_record(&c, "Nonsense", 0, "1", 1, "[0,1,2]", MORE("Bootstrap", "0", "0"));
        settle(&c);
}

START_TEST(it_is_named_and_nobody_is_asked_for_his_consent)
{
        const char *message;

        begin_unreadable();
        ck_condition(&c, "Stalled", "True", "LeaseUnreadable");
        ck_condition(&c, "Available", "Unknown", "LeaseUnreadable");
        message = condition_at(&c, "Stalled", "message").data;
        ck_assert_ptr_nonnull(strstr(message, "record.phase"));
        ck_assert_ptr_nonnull(strstr(message, "kubectl -n shop delete lease db"));
        pass(&c, 3 * USEC_MINUTE);
        settle(&c);
        ck_condition(&c, "Stalled", "True", "LeaseUnreadable");
        lead(&c, 0, 1, "[0,1,2]");
        settle(&c);
        ck_condition(&c, "Ready", "True", "Ready");
        end_cluster(&c);
}
END_TEST

/* It may be the primary. */
START_TEST(nobody_is_sent_away_meanwhile)
{
        begin_unreadable();
        change_spec(&c, "\"replicas\":1");
        settle(&c);
        ck_assert_int_eq(int_at(held_json(&c, &redis_statefulset_kind, "db"), "/spec/replicas"), 3);
        ck_assert_int_eq(int_at(config(&c), "/members"), 3);
        lead(&c, 0, 1, "[0,1,2]");
        settle(&c);
        ck_assert_int_eq(int_at(config(&c), "/members"), 1);
        lead(&c, 0, 1, "[0]");
        settle(&c);
        ck_assert_int_eq(int_at(held_json(&c, &redis_statefulset_kind, "db"), "/spec/replicas"), 1);
        end_cluster(&c);
}
END_TEST

static const TTest *const tests[] = {
        it_is_named_and_nobody_is_asked_for_his_consent,
        nobody_is_sent_away_meanwhile,
};
TEST_MAIN("redis/lease", tests)
