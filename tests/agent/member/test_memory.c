/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/memory.h"

#include <errno.h>

#include "harness.h"

#define L (4 * USEC_SEC)

static struct memory m;
static const struct failover_id self = { .member = 1, .incarnation = 5, .uid = "uid-1" };
static const struct failover_id other = { .member = 2, .incarnation = 6, .uid = "uid-2" };

static struct failover_lease lease_of(uint64_t epoch, const char *version, const struct failover_id *holder)
{
        struct failover_lease lease = { .record = {
                                                .phase = FAILOVER_HELD, .epoch = epoch, .holder = *holder } };

        snprintf(lease.version, sizeof(lease.version), "%s", version);
        return lease;
}

static enum memory_verdict saw(uint64_t epoch, const char *version, const struct failover_id *holder,
                               usec_t now)
{
        struct failover_lease lease = lease_of(epoch, version, holder);

        return memory_saw(&m, &lease, STR("object"), &self, now);
}

static void known(uint64_t epoch, const char *version, const struct failover_id *holder)
{
        m = (struct memory){ 0 };
        ck_assert_int_eq(saw(epoch, version, holder, 1), MEMORY_TAKE);
        ck_assert_uint_eq(memory_due(&m, L), 0);
}

static void check_put_back(uint64_t epoch, const char *version)
{
        struct failover_lease lease;

        memory_put_back(&m, &lease);
        ck_assert_uint_eq(lease.record.epoch, epoch);
        ck_assert_str_eq(lease.version, version);
        ck_assert_uint_eq(memory_due(&m, L), 0);
}

START_TEST(test_forward)
{
        known(7, "500", &other);
        ck_assert_int_eq(saw(7, "501", &other, 2), MEMORY_TAKE);
        ck_assert_int_eq(saw(8, "502", &self, 3), MEMORY_TAKE);
}
END_TEST

/* Nobody may act by what stands there: it is unchanged for L, or what is known holds by itself. */
START_TEST(test_of_another_epoch)
{
        known(7, "500", &other);
        memory_set_back(&m);
        ck_assert_int_eq(saw(5, "410", &self, 100), MEMORY_HOLD);
        ck_assert_int_eq(memory_due(&m, L), 100 + L);
        ck_assert_int_eq(saw(5, "410", &self, 200), MEMORY_HOLD);
        ck_assert_int_eq(memory_due(&m, L), 100 + L);
        /* Somebody does. */
        ck_assert_int_eq(saw(6, "411", &self, 300), MEMORY_HOLD);
        ck_assert_int_eq(memory_due(&m, L), 300 + L);
        check_put_back(7, "411");
        /* Who leads has written it. */
        ck_assert_int_eq(saw(7, "412", &other, 400), MEMORY_TAKE);
        /* Epochs do not go back without that either. */
        ck_assert_int_eq(saw(6, "413", &self, 500), MEMORY_HOLD);
        ck_assert_int_eq(saw(8, "414", &self, 600), MEMORY_TAKE);
}
END_TEST

START_TEST(test_as_long_as_its_holder_says)
{
        struct failover_lease lease = lease_of(5, "410", &other);

        known(7, "500", &other);
        lease.duration = 3 * L;
        ck_assert_int_eq(memory_saw(&m, &lease, STR("object"), &self, 100), MEMORY_HOLD);
        ck_assert_int_eq(memory_due(&m, L), 100 + 3 * L);
}
END_TEST

/* Nobody else can hold it then. */
START_TEST(test_of_the_same_life)
{
        struct failover_id before = self;

        known(7, "500", &self);
        memory_set_back(&m);
        ck_assert_int_eq(saw(6, "410", &self, 100), MEMORY_PUT_BACK);
        check_put_back(7, "410");
        memory_set_back(&m);
        before.incarnation--;
        ck_assert_int_eq(saw(6, "410", &before, 100), MEMORY_HOLD);
        /* Who does not hold what is known says nothing by the way. */
        known(7, "500", &other);
        memory_set_back(&m);
        ck_assert_int_eq(saw(6, "410", &self, 100), MEMORY_HOLD);
}
END_TEST

/* In one epoch the set may have been narrowed: the first that is seen may be old, and one that
 * comes after it is not. */
START_TEST(test_of_the_same_epoch)
{
        known(7, "500", &other);
        memory_set_back(&m);
        ck_assert_int_eq(saw(7, "410", &other, 100), MEMORY_HOLD);
        ck_assert_int_eq(saw(7, "410", &other, 150), MEMORY_HOLD);
        ck_assert_int_eq(saw(7, "411", &other, 200), MEMORY_TAKE);
        known(7, "500", &other);
        memory_set_back(&m);
        ck_assert_int_eq(saw(7, "410", &other, 100), MEMORY_HOLD);
        check_put_back(7, "410");
        ck_assert_int_eq(saw(7, "410", &other, 200), MEMORY_TAKE);
}
END_TEST

START_TEST(test_what_was_written_is_known)
{
        struct failover_lease lease = lease_of(8, "", &self);

        known(7, "500", &other);
        memory_wrote(&m, &lease.record, "501");
        memory_set_back(&m);
        ck_assert_int_eq(saw(7, "410", &other, 100), MEMORY_HOLD);
        check_put_back(8, "410");
}
END_TEST

/* A Lease that was made anew begins anew. */
START_TEST(test_another_object)
{
        struct failover_lease lease = lease_of(0, "600", &other);

        known(7, "500", &other);
        ck_assert_int_eq(memory_saw(&m, &lease, STR("another"), &self, 100), MEMORY_TAKE);
        known(7, "500", &other);
        memory_absent(&m);
        ck_assert_int_eq(saw(0, "600", &other, 100), MEMORY_TAKE);
}
END_TEST

static void check_versions(const char *raw)
{
        char told[FAILOVER_VERSION_MAX], back[FAILOVER_VERSION_MAX];

        ck_assert_int_eq(memory_version(&m, raw, told), 0);
        ck_assert_int_eq(memory_raw(&m, told, back), 0);
        ck_assert_str_eq(back, raw);
}

START_TEST(test_versions)
{
        char first[FAILOVER_VERSION_MAX], second[FAILOVER_VERSION_MAX], third[FAILOVER_VERSION_MAX];

        m = (struct memory){ 0 };
        check_versions("500");
        check_versions("");
        ck_assert_int_eq(memory_version(&m, "18446744073709551615", first), 0);
        memory_set_back(&m);
        check_versions("410");
        check_versions("0");
        ck_assert_int_eq(memory_version(&m, "410", second), 0);
        ck_assert_int_gt(str_version_cmp(str_c(second), str_c(first)), 0);
        ck_assert_int_eq(memory_version(&m, "411", third), 0);
        ck_assert_int_gt(str_version_cmp(str_c(third), str_c(second)), 0);
        ck_assert_int_eq(memory_raw(&m, first, third), -ESTALE);
        ck_assert_int_eq(memory_raw(&m, "", third), 0);
        memory_set_back(&m);
        ck_assert_int_eq(memory_raw(&m, second, third), -ESTALE);
        ck_assert_int_eq(memory_version(&m, "1", third), 0);
        ck_assert_int_gt(str_version_cmp(str_c(third), str_c(second)), 0);
        ck_assert_int_eq(memory_version(&m, "12345678901234567890123456789", third), -EINVAL);
        for (int i = 0; i < 2 * MEMORY_GENERATIONS; i++)
                memory_set_back(&m);
        check_versions("18446744073709551615");
}
END_TEST

static const TTest *const tests[] = {
        test_forward,          test_of_another_epoch,  test_as_long_as_its_holder_says,
        test_of_the_same_life, test_of_the_same_epoch, test_what_was_written_is_known,
        test_another_object,   test_versions,
};

TEST_MAIN("member/memory", tests)
