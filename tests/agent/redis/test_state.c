/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/state.h"

#include <errno.h>
#include <unistd.h>

#include "harness.h"

static const struct redis_state example = {
        .source = REDIS_AOF, .lineage = "a \"lineage\"", .position = { 3, 5120 }, .replid = "8c3f"
};

START_TEST(test_written_is_read)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_STATE_BYTES_MAX);
        struct error err = ERROR_INIT;
        struct redis_state read;

        ck_assert_int_eq(redis_state_write(&example, 0, &text), 0);
        ck_assert_int_eq(redis_state_parse(buf_str(&text), &read, &err), 0);
        ck_assert_int_eq(read.source, REDIS_AOF);
        ck_assert_str_eq(read.lineage, example.lineage);
        ck_assert_str_eq(read.replid, example.replid);
        ck_assert_uint_eq(read.position.timeline, 3);
        ck_assert_uint_eq(read.position.offset, 5120);
}
END_TEST

START_TEST(test_refused)
{
        static const struct {
                const char *text, *path;
        } cases[] = {
                { "{}", "version" },
                { "{\"version\":2}", "version" },
                { "{\"version\":1}", "source" },
                { "{\"version\":1,\"source\":\"tape\"}", "source" },
                { "{\"version\":1,\"source\":\"aof\"}", "lineage" },
                { "{\"version\":1,\"source\":\"aof\",\"lineage\":\"x\",\"timeline\":-1}", "timeline" },
                { "{\"version\":1,\"source\":\"aof\",\"lineage\":\"x\",\"timeline\":1,\"offset\":\"1\"}",
                  "offset" },
                { "{\"version\":1,\"source\":\"aof\",\"lineage\":"
                  "\"0123456789012345678901234567890123456789012345678\"}",
                  "lineage" },
                { "[", "" },
                { "3", "version" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct error err = ERROR_INIT;
                struct redis_state state;

                ck_assert_int_eq(redis_state_parse(str_c(cases[i].text), &state, &err), -EINVAL);
                ck_assert_str_eq(err.path, cases[i].path);
        }
}
END_TEST

static int write_and_read(void *arg _unused_)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_STATE_BYTES_MAX);
        struct redis_state read;
        int r = redis_state_write(&example, 0, &text);

        return r < 0 ? r : redis_state_parse(buf_str(&text), &read, NULL);
}

START_TEST(test_torture)
{
        torture(write_and_read, NULL, 0);
}
END_TEST

static const TTest *const tests[] = { test_written_is_read, test_refused, test_torture };

TEST_MAIN("redis/state", tests)
