/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/settings.h"

#include <errno.h>

#include "agent/member/member.h"
#include "harness.h"

#define WHOLE                                                                                                \
        "{\"version\":\"5f2c\",\"members\":3,\"fenced\":[1],\"durable\":true,\"leaseMillis\":4000,"          \
        "\"handover\":{\"number\":7,\"to\":2},\"consent\":{\"number\":1,\"member\":0},"                      \
        "\"redis\":{\"port\":6379,\"users\":[]}}"

START_TEST(test_whole)
{
        struct settings s;
        struct error err = ERROR_INIT;

        settings_init(&s);
        ck_assert_msg(settings_read(STR(WHOLE), "redis", &s, &err) == 0, "%s", err.message);
        ck_assert_str_eq(s.version, "5f2c");
        ck_assert_uint_eq(s.policy.members, 7);
        ck_assert_uint_eq(s.policy.fenced, 2);
        ck_assert(s.policy.durable);
        ck_assert_int_eq(s.lease, 4 * USEC_SEC);
        ck_assert_uint_eq(s.policy.request, 7);
        ck_assert_int_eq(s.policy.request_to, 2);
        ck_assert_uint_eq(s.policy.consent_number, 1);
        ck_assert_int_eq(s.policy.consent, 0);
        ck_assert_uint_eq(s.port, 6379);
        ck_str_eq(buf_str(&s.engine), "{\"port\":6379,\"users\":[]}");
        settings_release(&s);
}
END_TEST

START_TEST(test_little)
{
        struct settings s;

        settings_init(&s);
        ck_assert_int_eq(settings_read(STR("{\"members\":1,\"durable\":false,\"leaseMillis\":500,"
                                           "\"redis\":{\"port\":1},\"later\":0}"),
                                       "redis", &s, NULL),
                         0);
        ck_assert_str_eq(s.version, "");
        ck_assert_uint_eq(s.policy.members, 1);
        ck_assert_uint_eq(s.policy.fenced, 0);
        ck_assert_uint_eq(s.policy.request, 0);
        ck_assert_int_eq(s.policy.request_to, FAILOVER_NOBODY);
        ck_assert_int_eq(s.policy.consent, FAILOVER_NOBODY);
        settings_release(&s);
}
END_TEST

static void check_refused(const char *json, const char *message)
{
        struct settings s;
        struct error err = ERROR_INIT;

        settings_init(&s);
        s.port = 99;
        ck_assert_int_eq(settings_read(str_c(json), "redis", &s, &err), -EINVAL);
        ck_assert_msg(strstr(err.message, message) != NULL, "\"%s\" does not say \"%s\"", err.message,
                      message);
        ck_assert_uint_eq(s.port, 99);
        settings_release(&s);
}

#define WITH(members, durable, lease, more)                                                                  \
        "{\"members\":" members ",\"durable\":" durable ",\"leaseMillis\":" lease more "}"
#define REDIS ",\"redis\":{\"port\":6379}"

START_TEST(test_each_field_is_checked)
{
        check_refused("", "config.json");
        check_refused("7", "config.json must be an object");
        check_refused("{}", "config.json.members must be");
        check_refused(WITH("0", "true", "4000", REDIS), "config.json.members must be from 1 to 9");
        check_refused(WITH("10", "true", "4000", REDIS), "config.json.members must be");
        check_refused(WITH("3", "1", "4000", REDIS), "config.json.durable must be true or false");
        check_refused(WITH("3", "true", "499", REDIS), "config.json.leaseMillis must be from 500");
        check_refused(WITH("3", "true", "120001", REDIS), "config.json.leaseMillis must be");
        check_refused(WITH("3", "true", "4000", ""), "config.json.redis must be an object");
        check_refused(WITH("3", "true", "4000", ",\"redis\":{}"), "config.json.redis.port must be");
        check_refused(WITH("3", "true", "4000", ",\"redis\":{\"port\":0}"),
                      "config.json.redis.port must be from 1");
        check_refused(WITH("3", "true", "4000", REDIS ",\"fenced\":[9]"), "config.json.fenced must be");
        check_refused(WITH("3", "true", "4000", REDIS ",\"handover\":{}"),
                      "config.json.handover.number must be");
        check_refused(WITH("3", "true", "4000", REDIS ",\"handover\":{\"number\":1,\"to\":\"x\"}"),
                      "config.json.handover.to must be");
        check_refused(WITH("3", "true", "4000", REDIS ",\"consent\":{\"number\":1}"),
                      "config.json.consent.member must be");
}
END_TEST

static int read_whole(void *arg _unused_)
{
        struct settings s;
        struct error err = ERROR_INIT;
        int r;

        settings_init(&s);
        r = settings_read(STR(WHOLE), "redis", &s, &err);
        settings_release(&s);
        return r;
}

START_TEST(test_out_of_memory)
{
        torture(read_whole, NULL, 0);
}
END_TEST

START_TEST(test_number_of_a_member)
{
        static const char *const wrong[] = { "shop",    "shop-",   "shop-9", "shop-x",
                                             "shop--1", "shopp-1", "stop-1", "" };
        int n;

        ck_assert_int_eq(member_number(STR("shop"), STR("shop-2"), &n), 0);
        ck_assert_int_eq(n, 2);
        ck_assert_int_eq(member_number(STR("shop-1"), STR("shop-1-0"), &n), 0);
        ck_assert_int_eq(n, 0);
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                ck_assert_msg(member_number(STR("shop"), str_c(wrong[i]), &n) == -EINVAL, "%s", wrong[i]);
}
END_TEST

static const TTest *const tests[] = {
        test_whole, test_little, test_each_field_is_checked, test_out_of_memory, test_number_of_a_member,
};

TEST_MAIN("member/settings", tests)
