/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/stats.h"

#include "harness.h"

static struct buf out = BUF_INIT(65536);

static const char *written(const char *info, bool up)
{
        struct redis_stats s = { 0 };

        buf_clear(&out);
        if (info)
                redis_stats_read(str_c(info), &s);
        redis_stats_write(&s, up, &out);
        ck_assert_int_eq(buf_error(&out), 0);
        return out.data;
}

static void check_has(const char *line)
{
        ck_assert_msg(strstr(out.data, line) != NULL, "no \"%s\" in:\n%s", line, out.data);
}

START_TEST(test_metrics)
{
        (void)written("# Server\r\nredis_version:7.0.15\r\n\r\n# Memory\r\nused_memory:941488\r\n"
                      "mem_fragmentation_ratio:1.25\r\nrole:slave\r\nmaster_link_status:up\r\n"
                      "keyspace_hits:18014398509481\r\nlatest_fork_usec:1500\r\naof_last_write_status:err\r\n"
                      "rdb_last_bgsave_status:ok\r\nrdb_last_bgsave_time_sec:-1\r\n"
                      "db0:keys=3,expires=1,avg_ttl=0\r\ndb12:keys=4,expires=0,avg_ttl=0",
                      true);
        check_has("\nredis_up 1\n");
        check_has("\nredis_instance_info{role=\"slave\",redis_version=\"7.0.15\",server_name=\"redis\"} 1\n");
        check_has("# HELP redis_memory_used_bytes used_memory\n# TYPE redis_memory_used_bytes gauge\n"
                  "redis_memory_used_bytes 941488\n");
        check_has("\nredis_mem_fragmentation_ratio 1.25\n");
        check_has("\nredis_master_link_up 1\n");
        check_has("# TYPE redis_keyspace_hits_total counter\nredis_keyspace_hits_total 18014398509481\n");
        check_has("\nredis_latest_fork_seconds 0.0015\n");
        check_has("\nredis_aof_last_write_status 0\n");
        check_has("\nredis_rdb_last_bgsave_status 1\n");
        check_has("\nredis_rdb_last_bgsave_duration_sec -1\n");
        check_has("\nredis_db_keys{db=\"db0\"} 3\nredis_db_keys{db=\"db12\"} 4\n");
        check_has("\nredis_db_keys_expiring{db=\"db0\"} 1\n");
        ck_assert_ptr_null(strstr(out.data, "redis_connected_clients"));
        buf_release(&out);
}
END_TEST

START_TEST(test_valkey)
{
        (void)written("redis_version:7.2.4\nserver_name:valkey\nvalkey_version:8.1.1\nrole:master\n", true);
        check_has("{role=\"master\",redis_version=\"8.1.1\",server_name=\"valkey\"}");
        buf_release(&out);
}
END_TEST

/* Nothing is told of a server that is gone, but that. */
START_TEST(test_down)
{
        const char *page = written("used_memory:1\nrole:master\n", false);

        check_has("\nredis_up 0\n");
        ck_assert_ptr_null(strstr(page, "redis_memory"));
        page = written(NULL, true);
        ck_assert_ptr_null(strstr(page, "redis_instance_info"));
        buf_release(&out);
}
END_TEST

/* No line of a page is anything but a metric, whatever the server says. */
START_TEST(test_odd)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(65536);

        (void)written(
                "used_memory:nan\nmaxmemory:0x10\nmaxclients:1e5\nconnected_clients:--1\nblocked_clients:\n"
                "used_memory_rss:11111111111111111111111111111111111111111\n"
                "role:a\"b\nredis_version:xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
                "db:keys=1\ndbx:keys=1\ndb0:keys\ndb1:keys=-4,expires=x\n",
                true);
        check_has("redis_instance_info{role=\"\",redis_version=\"\",server_name=\"redis\"} 1\n");
        check_has("\nredis_db_keys{db=\"db1\"} 0\n");
        ck_assert_ptr_null(strstr(out.data, "redis_memory"));
        ck_assert_ptr_null(strstr(out.data, "clients"));
        for (int i = 0; i < 100; i++)
                buf_printf(&text, "db%d:keys=%d\n", i, i);
        (void)written(text.data, true);
        check_has("{db=\"db15\"} 15\n");
        ck_assert_ptr_null(strstr(out.data, "{db=\"db16\"}"));
        buf_release(&out);
}
END_TEST

static const TTest *const tests[] = { test_metrics, test_valkey, test_down, test_odd };

TEST_MAIN("redis/stats", tests)
