/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/message.h"

#include <errno.h>

#include "harness.h"

#define SEAL                                                                                                 \
        "{\"type\":\"Seal\",\"from\":2,\"to\":0,\"life\":\"00c0ffee00c0ffee\","                              \
        "\"round\":\"8000000000000009\",\"epoch\":8,\"address\":\"10.0.0.3\"}"
#define YES                                                                                                  \
        "{\"type\":\"Yes\",\"about\":\"Seal\",\"from\":0,\"to\":2,\"life\":\"00000000000000ff\","            \
        "\"round\":\"0000000000000009\",\"epoch\":8,\"address\":\"10.0.0.1\",\"copy\":{\"data\":\"Warm\","   \
        "\"lineage\":\"abc\",\"position\":{\"timeline\":7,\"offset\":123456}}}"
#define NO                                                                                                   \
        "{\"type\":\"No\",\"about\":\"Promise\",\"from\":0,\"to\":2,\"life\":\"00000000000000ff\","          \
        "\"round\":\"0000000000000009\",\"epoch\":8,\"address\":\"\"}"

#define SAYS                                                                                                 \
        "{\"type\":\"No\",\"about\":\"Promise\",\"from\":0,\"to\":2,\"life\":\"00000000000000ff\","          \
        "\"round\":\"0000000000000009\",\"epoch\":8,\"address\":\"\",\"pod\":\"u-2\",\"config\":\"5f2c\",\"needsRestart\":true}"

static void check_same(const char *json)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(FAILOVER_MESSAGE_BYTES_MAX);
        struct failover_letter letter;
        struct error err = ERROR_INIT;

        ck_assert_msg(failover_letter_read(str_c(json), &letter, &err) == 0, "%s", err.message);
        ck_assert_int_eq(failover_letter_write(&letter, &out), 0);
        ck_str_eq(buf_str(&out), json);
}

START_TEST(test_round_trip)
{
        check_same(SEAL);
        check_same(YES);
        check_same(NO);
        check_same(SAYS);
}
END_TEST

START_TEST(test_meaning)
{
        struct failover_letter l;

        ck_assert_int_eq(failover_letter_read(STR(SEAL), &l, NULL), 0);
        ck_assert_int_eq(l.message.type, FAILOVER_SEAL);
        ck_assert_int_eq(l.message.from, 2);
        ck_assert_int_eq(l.message.to, 0);
        ck_assert_uint_eq(l.message.life, UINT64_C(0xc0ffee00c0ffee));
        ck_assert_uint_eq(l.message.round, UINT64_C(0x8000000000000009));
        ck_assert_uint_eq(l.message.epoch, 8);
        ck_assert_str_eq(l.address, "10.0.0.3");
        ck_assert_int_eq(failover_letter_read(STR(YES), &l, NULL), 0);
        ck_assert_int_eq(l.message.about, FAILOVER_SEAL);
        ck_assert_int_eq(l.message.copy.data, FAILOVER_DATA_WARM);
        ck_assert_str_eq(l.message.copy.lineage, "abc");
        ck_assert_uint_eq(l.message.copy.position.offset, 123456);
        ck_assert_str_eq(l.applied.config, "");
        ck_assert_int_eq(failover_letter_read(STR(SAYS), &l, NULL), 0);
        ck_assert_str_eq(l.applied.config, "5f2c");
        ck_assert_str_eq(l.applied.pod, "u-2");
        ck_assert(l.applied.needs_restart);
}
END_TEST

static void check_refused(const char *json, const char *message)
{
        struct failover_letter letter = { .address = "kept" };
        struct error err = ERROR_INIT;

        ck_assert_int_eq(failover_letter_read(str_c(json), &letter, &err), -EINVAL);
        ck_assert_msg(strstr(err.message, message) != NULL, "\"%s\" does not say \"%s\"", err.message,
                      message);
        ck_assert_str_eq(letter.address, "kept");
}

START_TEST(test_each_field_is_checked)
{
        char large[FAILOVER_MESSAGE_BYTES_MAX + 2];

        check_refused("{", "message: line 1");
        check_refused("[]", "message must be an object");
        check_refused("{}", "message.type must be");
        check_refused("{\"type\":\"Maybe\"}", "message.type must be");
        check_refused("{\"type\":\"Yes\"}", "message.about must be");
        check_refused("{\"type\":\"Yes\",\"about\":\"No\"}", "message.about must be");
        check_refused("{\"type\":\"Seal\"}", "message.from must be");
        check_refused("{\"type\":\"Seal\",\"from\":1,\"to\":-1}", "message.to must be");
        check_refused("{\"type\":\"Seal\",\"from\":1,\"to\":2,\"life\":7}", "message.life must be");
        check_refused(
                "{\"type\":\"Yes\",\"about\":\"Seal\",\"from\":0,\"to\":2,\"life\":\"00000000000000ff\","
                "\"round\":\"0000000000000009\",\"epoch\":8,\"address\":\"\"}",
                "message.copy must be an object");
        check_refused("{\"type\":\"Seal\",\"from\":2,\"to\":0,\"life\":\"00c0ffee00c0ffee\","
                      "\"round\":\"8000000000000009\",\"epoch\":8,\"address\":\"\",\"config\":7}",
                      "message.config must be");
        memset(large, ' ', sizeof(large) - 1);
        large[sizeof(large) - 1] = '\0';
        check_refused(large, "message must not have more than");
}
END_TEST

static int there_and_back(void *arg)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(FAILOVER_MESSAGE_BYTES_MAX);
        struct failover_letter letter;
        struct error err = ERROR_INIT;
        int r = failover_letter_read(str_c(arg), &letter, &err);

        return r < 0 ? r : failover_letter_write(&letter, &out);
}

START_TEST(test_out_of_memory)
{
        char json[] = YES;

        torture(there_and_back, json, 0);
}
END_TEST

static const TTest *const tests[] = { test_round_trip, test_meaning, test_each_field_is_checked,
                                      test_out_of_memory };

TEST_MAIN("failover/message", tests)
