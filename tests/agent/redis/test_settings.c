/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/settings.h"

#include <errno.h>

#include "harness.h"

static const char example[] =
        "{\"port\":7000,\"tls\":true,\"minReplicasToWrite\":1,\"config\":{\"maxmemory\":\"100mb\",\"hz\":20,"
        "\"lazyfree-lazy-eviction\":true,\"appendonly\":\"yes\",\"appendfsync\":\"always\",\"save\":\"3600 1\"},"
        "\"users\":[{\"name\":\"default\",\"passwords\":[\"a\",\"b\"],\"rules\":\"~* +@all\"},"
        "{\"name\":\"replication\",\"passwords\":[\"c\",\"d\"],\"rules\":\"+psync\"},"
        "{\"name\":\"open\",\"noPassword\":true}]}";

START_TEST(test_all)
{
        struct error err = ERROR_INIT;
        struct redis_settings s;

        ck_assert_msg(redis_settings_parse(str_c(example), &s, &err) == 0, "%s: %s", err.path, err.message);
        ck_assert_uint_eq(s.port, 7000);
        ck_assert(s.tls && s.aof);
        ck_assert_int_eq(s.min_replicas, 1);
        ck_assert_int_eq(s.fsync, REDIS_FSYNC_ALWAYS);
        ck_str_eq(s.save, "3600 1");
        ck_assert_int_eq(redis_settings_source(&s), REDIS_AOF);
        ck_assert_uint_eq(s.n_config, 3);
        ck_str_eq(s.config[0].name, "maxmemory");
        ck_str_eq(s.config[1].value, "20");
        ck_str_eq(s.config[2].value, "yes");
        ck_assert_uint_eq(s.n_users, 3);
        ck_assert_uint_eq(s.users[0].n_hashes, 2);
        /* sha256 of "a" */
        ck_str_eq(s.users[0].hashes[0], "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
        ck_str_eq(s.replication_password, "c");
        ck_assert(s.users[2].no_password && !s.users[1].no_password);
        redis_settings_release(&s);
}
END_TEST

START_TEST(test_defaults)
{
        struct error err = ERROR_INIT;
        struct redis_settings s;

        ck_assert_int_eq(redis_settings_parse(STR("{}"), &s, &err), 0);
        ck_assert_uint_eq(s.port, 6379);
        ck_assert(!s.tls && !s.aof);
        ck_str_eq(s.save, "");
        ck_assert_int_eq(redis_settings_source(&s), REDIS_NOTHING);
        ck_assert_uint_eq(s.n_users, 0);
        redis_settings_release(&s);
}
END_TEST

START_TEST(test_users_of_others)
{
        struct redis_settings s, from;
        struct error err = ERROR_INIT;

        ck_assert_int_eq(redis_settings_parse(str_c(example), &from, &err), 0);
        ck_assert(!from.users_wrong);
        ck_assert_int_eq(redis_settings_parse(STR("{\"port\":8000,\"users\":[{\"name\":\"replication\","
                                                  "\"passwords\":[\"x\"]},{}]}"),
                                              &s, &err),
                         -EINVAL);
        ck_assert_str_eq(err.path, "redis.users[1]");
        ck_assert(s.users_wrong);
        ck_assert_int_eq(redis_settings_take_users(&s, &from), 0);
        redis_settings_release(&from);
        ck_assert_uint_eq(s.port, 8000);
        ck_assert_uint_eq(s.n_users, 3);
        ck_str_eq(s.users[0].hashes[0], "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
        ck_str_eq(s.replication_password, "c");
        ck_assert_ptr_eq(redis_settings_user(&s, STR("open")), &s.users[2]);
        ck_assert_ptr_null(redis_settings_user(&s, STR("nobody")));
        redis_settings_release(&s);
}
END_TEST

/* The path names what is wrong, and the rest holds. */
START_TEST(test_complaints)
{
        static const struct {
                const char *part, *path;
        } cases[] = {
                { "\"config\":{\"dir\":\"/\"}", "redis.config.dir" },
                { "\"config\":{\"tls-port\":\"1\"}", "redis.config.tls-port" },
                { "\"config\":{\"x\":\"a\\nb\"}", "redis.config.x" },
                { "\"config\":{\"x\":\"a\\\"b\"}", "redis.config.x" },
                { "\"config\":{\"x\":[]}", "redis.config.x" },
                { "\"config\":{\"a b\":\"1\"}", "redis.config.a b" },
                { "\"config\":{\"appendonly\":\"maybe\"}", "redis.config.appendonly" },
                { "\"config\":{\"appendfsync\":\"maybe\"}", "redis.config.appendfsync" },
                { "\"config\":3", "redis.config" },
                { "\"port\":0", "redis.port" },
                { "\"minReplicasToWrite\":\"1\"", "redis.minReplicasToWrite" },
                { "\"users\":{}", "redis.users" },
                { "\"users\":[{\"name\":\"a b\"}]", "redis.users.a b" },
                { "\"users\":[{\"name\":\"keelson-agent\"}]", "redis.users.keelson-agent" },
                { "\"users\":[{\"name\":\"a\",\"rules\":\"x\\ny\"}]", "redis.users.a" },
                { "\"users\":[{\"name\":\"a\",\"passwords\":[\"\"]}]", "redis.users.a" },
                { "\"users\":[{\"name\":\"a\",\"passwords\":\"x\"}]", "redis.users.a" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct error err = ERROR_INIT;
                struct redis_settings s = { 0 };
                char json[512];

                snprintf(json, sizeof(json), "{\"stopGraceMillis\":5,%s}", cases[i].part);
                ck_assert_int_eq(redis_settings_parse(str_c(json), &s, &err), -EINVAL);
                ck_assert_str_eq(err.path, cases[i].path);
                ck_assert_int_eq(s.stop_grace, 5 * USEC_MSEC);
                redis_settings_release(&s);
        }
}
END_TEST

START_TEST(test_no_object)
{
        struct redis_settings s = { .port = 1 };

        ck_assert_int_eq(redis_settings_parse(STR("[]"), &s, NULL), -EINVAL);
        ck_assert_int_eq(redis_settings_parse(STR("{"), &s, NULL), -EINVAL);
        ck_assert_uint_eq(s.port, 1);
}
END_TEST

static int parse(void *arg _unused_)
{
        struct redis_settings s = { 0 };
        int r = redis_settings_parse(str_c(example), &s, NULL);

        redis_settings_release(&s);
        return r;
}

START_TEST(test_torture)
{
        torture(parse, NULL, 0);
}
END_TEST

static const TTest *const tests[] = { test_all,        test_defaults,  test_users_of_others,
                                      test_complaints, test_no_object, test_torture };

TEST_MAIN("redis/settings", tests)
