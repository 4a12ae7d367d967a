/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/info.h"

#include <errno.h>

#include "base/buf.h"
#include "harness.h"

START_TEST(test_leader)
{
        struct redis_info i;

        ck_assert_int_eq(
                redis_info_parse(STR("# Replication\r\nrole:master\r\nconnected_slaves:2\r\n"
                                     "slave0:ip=10.0.0.9,port=6379,state=online,offset=1234,lag=1\r\n"
                                     "slave1:ip=shop-2,port=7000,state=wait_bgsave,offset=0,lag=0,type=x\r\n"
                                     "master_replid:8c3f\r\nmaster_repl_offset:1300\r\n"
                                     "slave_priority:100\r\n"
                                     "# Persistence\r\nloading:0\r\naof_enabled:1\r\n"
                                     "aof_rewrite_scheduled:1\r\naof_last_write_status:err\r\n"
                                     "aof_pending_bio_fsync:2\r\nrdb_last_save_time:99\r\n"
                                     "rdb_last_bgsave_status:ok\r\n"),
                                 &i),
                0);
        ck_assert(!i.follows && !i.loading && i.aof && i.aof_rewriting && i.aof_write_failed &&
                  !i.rdb_failed);
        ck_assert(i.aof_fsync_pending);
        ck_assert_uint_eq(i.offset, 1300);
        ck_assert_str_eq(i.replid, "8c3f");
        ck_assert_uint_eq(i.n_followers, 2);
        ck_assert_str_eq(i.followers[0].host, "10.0.0.9");
        ck_assert_uint_eq(i.followers[0].port, 6379);
        ck_assert_uint_eq(i.followers[0].offset, 1234);
        ck_assert_uint_eq(i.followers[0].lag, 1);
        ck_assert(i.followers[0].online && !i.followers[1].online);
        ck_assert_str_eq(i.followers[1].host, "shop-2");
        ck_assert_int_eq(i.rdb_saved, 99);
}
END_TEST

START_TEST(test_follower)
{
        struct redis_info i;

        ck_assert_int_eq(redis_info_parse(STR("role:slave\nmaster_host:10.0.0.7\nmaster_port:6379\n"
                                              "master_link_status:down\nmaster_sync_in_progress:1\n"
                                              "slave_repl_offset:55\nmaster_repl_offset:54\nloading:1\n"
                                              "rdb_bgsave_in_progress:1\nrdb_last_bgsave_status:err"),
                                          &i),
                         0);
        ck_assert(i.follows && i.copying && !i.link_up && i.loading && i.rdb_saving && i.rdb_failed);
        ck_assert_str_eq(i.leader, "10.0.0.7");
        ck_assert_uint_eq(i.leader_port, 6379);
        ck_assert_uint_eq(i.followed_offset, 55);
        ck_assert_uint_eq(i.offset, 54);
}
END_TEST

/* What is no number, too large or too long counts as nothing; it never overflows anything. */
START_TEST(test_odd)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(65536);
        struct redis_info i = { .offset = 7 };

        ck_assert_int_eq(redis_info_parse(STR(""), &i), -EBADMSG);
        ck_assert_int_eq(redis_info_parse(STR("roles:master\n"), &i), -EBADMSG);
        ck_assert_uint_eq(i.offset, 7);
        ck_assert_int_eq(redis_info_parse(STR("role:sentinel\nmaster_repl_offset:-1\nmaster_port:70000\n"
                                              "slave:ip=x\nslavex:ip=y\nslave0:\nslave1:ip=,=,,port\n"
                                              "slave_repl_offset:99999999999999999999\n:\n::\nrole"),
                                          &i),
                         0);
        ck_assert_uint_eq(i.offset, 0);
        ck_assert_uint_eq(i.leader_port, 0);
        ck_assert_uint_eq(i.followed_offset, 0);
        ck_assert_uint_eq(i.n_followers, 2);
        buf_add_c(&text, "role:master\nmaster_host:");
        for (int k = 0; k < 1000; k++)
                buf_add_char(&text, 'x');
        for (int k = 0; k < 40; k++)
                buf_printf(&text, "\nslave%d:ip=a,port=1,state=online,offset=%d,lag=0", k, k);
        ck_assert_int_eq(redis_info_parse(buf_str(&text), &i), 0);
        ck_assert_str_eq(i.leader, "");
        ck_assert_uint_eq(i.n_followers, REDIS_INFO_FOLLOWERS_MAX);
}
END_TEST

static const TTest *const tests[] = { test_leader, test_follower, test_odd };

TEST_MAIN("redis/info", tests)
