/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/claims.h"

#include "harness.h"

static struct redis_claims c;
static struct redis_info info;
static usec_t now;

static void begin(bool aof)
{
        const struct redis_state nothing = { 0 };

        redis_claims_init(&c, &nothing);
        redis_claims_start(&c, false);
        info = (struct redis_info){ .aof = aof, .rdb_saved = 1000 };
        now = USEC_HOUR;
}

static void remember(uint64_t timeline)
{
        struct failover_copy copy = { .data = FAILOVER_DATA_WARM,
                                      .position = { timeline, 0 },
                                      .lineage = "ours" };

        redis_claims_remember(&c, &copy);
}

static void look(uint64_t offset, enum redis_fsync fsync)
{
        const struct redis_claims_look l = { .at = now += 200 * USEC_MSEC,
                                             .info = &info,
                                             .has_data = true,
                                             .offset = offset,
                                             .fsync = fsync,
                                             .saves = !info.aof };

        redis_claims_look(&c, &l);
}

static void look_without_data(void)
{
        const struct redis_claims_look l = { .at = now += 200 * USEC_MSEC, .info = &info };

        redis_claims_look(&c, &l);
}

START_TEST(test_always)
{
        begin(true);
        look(10, REDIS_FSYNC_ALWAYS);
        ck_assert_str_eq(c.disk.lineage, "");
        remember(3);
        look(20, REDIS_FSYNC_ALWAYS);
        ck_assert_str_eq(c.disk.lineage, "ours");
        ck_assert_int_eq(c.disk.source, REDIS_AOF);
        ck_assert_uint_eq(c.disk.position.timeline, 3);
        ck_assert_uint_eq(c.disk.position.offset, 20);
        info.aof_write_failed = true;
        look(30, REDIS_FSYNC_ALWAYS);
        ck_assert_uint_eq(c.disk.position.offset, 20);
}
END_TEST

START_TEST(test_every_second)
{
        usec_t marked;

        begin(true);
        remember(3);
        look(100, REDIS_FSYNC_EVERY_SECOND);
        marked = now;
        /* That there is something is known at once, how much is not. */
        ck_assert_str_eq(c.disk.lineage, "ours");
        ck_assert_uint_eq(c.disk.position.offset, 0);
        while (now + 200 * USEC_MSEC < marked + CLAIMS_EVERY_SECOND) {
                look(200, REDIS_FSYNC_EVERY_SECOND);
                ck_assert_uint_eq(c.disk.position.offset, 0);
        }
        info.aof_fsync_pending = true;
        look(200, REDIS_FSYNC_EVERY_SECOND);
        look(200, REDIS_FSYNC_EVERY_SECOND);
        ck_assert_uint_eq(c.disk.position.offset, 0);
        info.aof_fsync_pending = false;
        look(300, REDIS_FSYNC_EVERY_SECOND);
        ck_assert_uint_eq(c.disk.position.offset, 100);
}
END_TEST

/* The new timeline's name never goes with an offset that was seen under the old one's. */
START_TEST(test_timeline_goes_with_its_offset)
{
        begin(true);
        remember(3);
        look(100, REDIS_FSYNC_EVERY_SECOND);
        remember(4);
        for (int i = 0; i < 13; i++)
                look(200, REDIS_FSYNC_EVERY_SECOND);
        ck_assert_uint_eq(c.disk.position.timeline, 3);
        ck_assert_uint_eq(c.disk.position.offset, 100);
        for (int i = 0; i < 14; i++)
                look(200, REDIS_FSYNC_EVERY_SECOND);
        ck_assert_uint_eq(c.disk.position.timeline, 4);
        ck_assert_uint_eq(c.disk.position.offset, 200);
}
END_TEST

/* A copy is in memory; the AOF is the old one until it was written anew. */
START_TEST(test_copy)
{
        begin(true);
        remember(3);
        look(100, REDIS_FSYNC_ALWAYS);
        look_without_data();
        info.follows = info.link_up = info.aof_rewriting = true;
        remember(7);
        for (int i = 0; i < 100; i++)
                look(900, REDIS_FSYNC_ALWAYS);
        ck_assert_uint_eq(c.disk.position.timeline, 3);
        ck_assert_uint_eq(c.disk.position.offset, 100);
        info.aof_rewriting = false;
        info.aof_rewrite_failed = true;
        look(900, REDIS_FSYNC_ALWAYS);
        ck_assert_uint_eq(c.disk.position.timeline, 3);
        info.aof_rewrite_failed = false;
        look(950, REDIS_FSYNC_ALWAYS);
        ck_assert_uint_eq(c.disk.position.timeline, 7);
        ck_assert_uint_eq(c.disk.position.offset, 950);
}
END_TEST

/* A copy that nobody saw, since it was there between two looks: a new link may have brought one. */
START_TEST(test_copy_between_looks)
{
        begin(true);
        remember(3);
        look(100, REDIS_FSYNC_ALWAYS);
        info.follows = info.link_up = info.aof_rewriting = true;
        remember(7);
        look(900, REDIS_FSYNC_ALWAYS);
        ck_assert_uint_eq(c.disk.position.timeline, 3);
        info.aof_rewriting = false;
        look(900, REDIS_FSYNC_ALWAYS);
        ck_assert_uint_eq(c.disk.position.timeline, 7);
        /* The next rewriting is one of many. */
        info.aof_rewriting = true;
        look(990, REDIS_FSYNC_ALWAYS);
        ck_assert_uint_eq(c.disk.position.offset, 990);
}
END_TEST

START_TEST(test_rdb)
{
        begin(false);
        remember(3);
        look(100, REDIS_FSYNC_EVERY_SECOND);
        look(110, REDIS_FSYNC_EVERY_SECOND);
        info.rdb_saving = true;
        look(120, REDIS_FSYNC_EVERY_SECOND);
        look(130, REDIS_FSYNC_EVERY_SECOND);
        ck_assert_str_eq(c.disk.lineage, "");
        info.rdb_saving = false;
        info.rdb_saved++;
        look(140, REDIS_FSYNC_EVERY_SECOND);
        ck_assert_int_eq(c.disk.source, REDIS_RDB);
        ck_assert_uint_eq(c.disk.position.offset, 110);
        /* One that was over between two looks. */
        info.rdb_saved++;
        look(150, REDIS_FSYNC_EVERY_SECOND);
        ck_assert_uint_eq(c.disk.position.offset, 140);
        /* One that failed. */
        info.rdb_saving = true;
        look(160, REDIS_FSYNC_EVERY_SECOND);
        info.rdb_saving = false;
        info.rdb_failed = true;
        look(170, REDIS_FSYNC_EVERY_SECOND);
        ck_assert_uint_eq(c.disk.position.offset, 140);
}
END_TEST

/* Of another source, until the new one is there. */
START_TEST(test_rdb_becomes_aof)
{
        begin(false);
        remember(3);
        look(100, REDIS_FSYNC_EVERY_SECOND);
        info.rdb_saved++;
        look(110, REDIS_FSYNC_EVERY_SECOND);
        ck_assert_int_eq(c.disk.source, REDIS_RDB);
        info.aof = info.aof_rewriting = true;
        look(120, REDIS_FSYNC_ALWAYS);
        ck_assert_int_eq(c.disk.source, REDIS_RDB);
        ck_assert_uint_eq(c.disk.position.offset, 100);
        info.aof_rewriting = false;
        look(130, REDIS_FSYNC_ALWAYS);
        ck_assert_int_eq(c.disk.source, REDIS_AOF);
        ck_assert_uint_eq(c.disk.position.offset, 130);
}
END_TEST

START_TEST(test_start)
{
        begin(true);
        remember(3);
        look(100, REDIS_FSYNC_ALWAYS);
        redis_claims_start(&c, true);
        ck_assert_uint_eq(c.disk.position.offset, 100);
        /* Before the protocol has said whose data that is: what it was. */
        look(0, REDIS_FSYNC_EVERY_SECOND);
        ck_assert_uint_eq(c.disk.position.offset, 100);
        redis_claims_start(&c, false);
        ck_assert_str_eq(c.disk.lineage, "");
        ck_assert_uint_eq(c.disk.position.offset, 0);
}
END_TEST

static const TTest *const tests[] = {
        test_always,
        test_every_second,
        test_timeline_goes_with_its_offset,
        test_copy,
        test_copy_between_looks,
        test_rdb,
        test_rdb_becomes_aof,
        test_start,
};

TEST_MAIN("redis/claims", tests)
