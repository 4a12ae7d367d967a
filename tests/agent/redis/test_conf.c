/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/conf.h"

#include <errno.h>

#include "harness.h"

static struct redis_settings settings;
static struct redis_conf conf;

static void begin(const char *json)
{
        struct error err = ERROR_INIT;

        ck_assert_msg(redis_settings_parse(str_c(json), &settings, &err) == 0, "%s", err.message);
        conf = (struct redis_conf){ .data = "/data",
                                    .run = "/run/redis",
                                    .tls = "/tls",
                                    .announce_host = "10.0.0.7",
                                    .announce_port = 6379,
                                    .admin_hash = "abcd",
                                    .source = redis_settings_source(&settings),
                                    .settings = &settings };
}

static bool has_line(const struct buf *text, const char *line)
{
        char whole[256];

        snprintf(whole, sizeof(whole), "\n%s\n", line);
        return strstr(text->data, whole);
}

START_TEST(test_tls_and_aof)
{
        static const char *const lines[] = {
                "port 0",
                "tls-port 6379",
                "tls-key-file \"/tls/tls.key\"",
                "tls-replication yes",
                "unixsocket \"/run/redis/redis.sock\"",
                "unixsocketperm 700",
                "replicaof 127.0.0.1 1",
                "replica-read-only yes",
                "replica-announce-ip 10.0.0.7",
                "repl-diskless-sync-delay 0",
                "repl-diskless-load disabled",
                "appendonly yes",
                "appendfsync everysec",
                "save \"\"",
                "dbfilename dump.rdb",
                "user default reset off",
                "user keelson-agent reset on #abcd ~* &* +@all",
                "maxmemory 100mb",
        };
        static const bool refused[] = { false, true };
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CONF_BYTES_MAX);

        begin("{\"tls\":true,\"config\":{\"maxmemory\":\"100mb\",\"wrong\":\"1\",\"appendonly\":\"yes\"}}");
        conf.refused = refused;
        ck_assert_int_eq(redis_conf_write(&conf, &text), 0);
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
                ck_assert_msg(has_line(&text, lines[i]), "no line %s", lines[i]);
        ck_assert_ptr_null(strstr(text.data, "wrong"));
        redis_settings_release(&settings);
}
END_TEST

#define SHA256_OF_SESAME "d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272"

/* A client that came before would be told that its password is wrong, and not try again. */
START_TEST(test_users_are_there_from_the_start)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CONF_BYTES_MAX);
        begin("{\"users\":[{\"name\":\"default\",\"passwords\":[\"sesame\"],\"rules\":\"~* +@all -@admin\"},"
              "{\"name\":\"guest\",\"noPassword\":true,\"rules\":\"+get\"}]}");
        conf.users = &settings;
        ck_assert_int_eq(redis_conf_write(&conf, &text), 0);
        ck_assert(has_line(&text, "user default reset on #" SHA256_OF_SESAME " ~* +@all -@admin"));
        ck_assert(has_line(&text, "user guest reset on nopass +get"));
        ck_assert(!has_line(&text, "user default reset off"));
        /* A rule that the server does not take would keep it from starting. */
        conf.users = NULL;
        buf_clear(&text);
        ck_assert_int_eq(redis_conf_write(&conf, &text), 0);
        ck_assert(has_line(&text, "user default reset off"));
        ck_assert_ptr_null(strstr(text.data, "guest"));
        redis_settings_release(&settings);
}
END_TEST

START_TEST(test_plain_and_nothing_kept)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CONF_BYTES_MAX);

        begin("{\"port\":7000,\"config\":{\"maxmemory\":\"100mb\"}}");
        ck_assert_int_eq(redis_conf_write(&conf, &text), 0);
        ck_assert(has_line(&text, "port 7000"));
        ck_assert_ptr_null(strstr(text.data, "tls-"));
        ck_assert(has_line(&text, "appendonly no"));
        ck_assert(has_line(&text, "dbfilename unkept.rdb"));
        /* What users have set is left out where it is asked for. */
        ck_assert_ptr_null(strstr(text.data, "maxmemory"));
        redis_settings_release(&settings);
}
END_TEST

/* F27: no line can be smuggled in. */
START_TEST(test_injection)
{
        static const char *const bad[] = { "/da\nta", "/da\"ta", "/da\\ta", "/da'ta", "/da\rta" };

        begin("{}");
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CONF_BYTES_MAX);
                _cleanup_(buf_release) struct buf again = BUF_INIT(REDIS_CONF_BYTES_MAX);

                conf.data = bad[i];
                ck_assert_int_eq(redis_conf_write(&conf, &text), -EINVAL);
                conf.data = "/data";
                conf.announce_host = bad[i];
                ck_assert_int_eq(redis_conf_write(&conf, &again), -EINVAL);
                conf.announce_host = "10.0.0.7";
        }
        redis_settings_release(&settings);
}
END_TEST

static int write_it(void *arg _unused_)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CONF_BYTES_MAX);

        return redis_conf_write(&conf, &text);
}

START_TEST(test_torture)
{
        begin("{}");
        torture(write_it, NULL, 0);
        redis_settings_release(&settings);
}
END_TEST

static const TTest *const tests[] = { test_tls_and_aof, test_users_are_there_from_the_start,
                                      test_plain_and_nothing_kept, test_injection, test_torture };

TEST_MAIN("redis/conf", tests)
