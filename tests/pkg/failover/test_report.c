/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/report.h"

#include <errno.h>

#include "harness.h"

#define FULL                                                                                                                               \
        "{\"epoch\":7,\"outageMillis\":830,\"members\":[{\"member\":0,\"pod\":\"u-0\",\"config\":\"5f2c\"},{\"member\":2,\"pod\":\"u-2\"," \
        "\"config\":\"0a\",\"needsRestart\":true,\"lag\":2097152}]}"
#define EMPTY "{\"epoch\":1,\"members\":[]}"

static void check_same(const char *json)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(FAILOVER_REPORT_BYTES_MAX);
        struct failover_report report;
        struct error err = ERROR_INIT;

        ck_assert_msg(failover_report_read(str_c(json), &report, &err) == 0, "%s", err.message);
        ck_assert_int_eq(failover_report_write(&report, &out), 0);
        ck_str_eq(buf_str(&out), json);
}

START_TEST(test_round_trip)
{
        check_same(FULL);
        check_same(EMPTY);
}
END_TEST

START_TEST(test_meaning)
{
        struct failover_applied same = { .pod = "u-2", .config = "0a", .needs_restart = true };
        struct failover_report r;

        ck_assert_int_eq(failover_report_read(STR(FULL), &r, NULL), 0);
        ck_assert_uint_eq(r.epoch, 7);
        ck_assert_int_eq(r.outage_millis, 830);
        ck_assert_uint_eq(r.known, 5);
        ck_assert_str_eq(r.applied[0].config, "5f2c");
        ck_assert(!r.applied[0].needs_restart);
        ck_assert_int_eq(r.lag[0], FAILOVER_UNTOLD);
        ck_assert_int_eq(r.lag[2], 2097152);
        ck_assert(failover_applied_equal(&r.applied[2], &same));
        ck_assert(!failover_applied_equal(&r.applied[0], &same));
        same.needs_restart = false;
        ck_assert(!failover_applied_equal(&r.applied[2], &same));
        same = r.applied[2];
        memcpy(same.pod, "u-3", sizeof("u-3"));
        ck_assert(!failover_applied_equal(&r.applied[2], &same)); /* what another pod has said */
        ck_assert_int_eq(failover_report_read(STR(EMPTY), &r, NULL), 0);
        ck_assert_int_eq(r.outage_millis, FAILOVER_UNTOLD);
}
END_TEST

#define REFUSED                                                                                              \
        "{\"epoch\":7,\"members\":[{\"member\":1,\"pod\":\"u-1\",\"config\":\"a\",\"refused\":{\"setting\":" \
        "\"maxmemory\",\"words\":\"ERR a memory value\"},"                                                   \
        "\"lost\":{\"epoch\":8,\"bytes\":4711,\"exact\":true}}]}"

/* It is for people, so nothing about it makes the rest unreadable. */
START_TEST(test_what_is_refused)
{
        struct failover_applied other;
        struct failover_report r;
        char many[500];

        check_same(REFUSED);
        ck_assert_int_eq(failover_report_read(STR(REFUSED), &r, NULL), 0);
        other = r.applied[1];
        ck_assert(failover_applied_equal(&r.applied[1], &other));
        ck_assert_uint_eq(other.lost.bytes, 4711);
        other.lost.exact = false;
        ck_assert(!failover_applied_equal(&r.applied[1], &other));
        other = r.applied[1];
        failover_refusal_set(&other.refused, STR("maxmemory"), STR("no \"x\\y\"\n"));
        ck_assert_str_eq(other.refused.words, "no 'x'y'?");
        ck_assert(!failover_applied_equal(&r.applied[1], &other));
        memset(many, 'x', sizeof(many));
        failover_refusal_set(&other.refused, str_n(many, sizeof(many)), str_n(many, sizeof(many)));
        ck_assert_uint_eq(strlen(other.refused.setting), FAILOVER_SETTING_MAX - 1);
        ck_assert_uint_eq(strlen(other.refused.words), FAILOVER_WORDS_MAX - 1);
        ck_assert_str_eq(other.refused.words + FAILOVER_WORDS_MAX - 4, "...");
        ck_assert_int_eq(
                failover_report_read(STR("{\"epoch\":1,\"members\":[{\"member\":1,\"pod\":\"u\",\"config\":"
                                         "\"a\",\"refused\":{\"setting\":7},\"lost\":[1]}]}"),
                                     &r, NULL),
                0);
        ck_assert_str_eq(r.applied[1].refused.setting, "");
}
END_TEST

/* Nine members, each with all that it may tell, find their place. */
START_TEST(test_the_longest)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(FAILOVER_REPORT_BYTES_MAX);
        struct failover_report r, again;

        failover_report_init(&r);
        r.epoch = INT64_MAX;
        r.outage_millis = INT64_MAX;
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++) {
                struct failover_applied *a = &r.applied[m];

                r.known |= failover_only(m);
                r.lag[m] = INT64_MAX;
                memset(a, 'x', sizeof(*a));
                a->pod[sizeof(a->pod) - 1] = a->config[sizeof(a->config) - 1] = '\0';
                a->refused.setting[FAILOVER_SETTING_MAX - 1] = a->refused.words[FAILOVER_WORDS_MAX - 1] =
                        '\0';
                a->needs_restart = true;
                a->lost = (struct failover_missing){ INT64_MAX, INT64_MAX, false };
        }
        ck_assert_int_eq(failover_report_write(&r, &out), 0);
        ck_assert_int_eq(failover_report_read(buf_str(&out), &again, NULL), 0);
        ck_assert(failover_applied_equal(&r.applied[8], &again.applied[8]));
}
END_TEST

static void check_refused(const char *json, const char *message)
{
        struct failover_report report = { .epoch = 99 };
        struct error err = ERROR_INIT;

        ck_assert_int_eq(failover_report_read(str_c(json), &report, &err), -EINVAL);
        ck_assert_msg(strstr(err.message, message) != NULL, "\"%s\" does not say \"%s\"", err.message,
                      message);
        ck_assert_uint_eq(report.epoch, 99);
}

START_TEST(test_each_field_is_checked)
{
        char large[FAILOVER_REPORT_BYTES_MAX + 2];

        check_refused("{", "report: line 1");
        check_refused("[]", "report must be an object");
        check_refused("{}", "report.epoch must be");
        check_refused("{\"epoch\":1}", "report.members must be");
        check_refused("{\"epoch\":1,\"outageMillis\":-1,\"members\":[]}", "report.outageMillis must be");
        check_refused("{\"epoch\":1,\"members\":[1]}", "report.members must be an object");
        check_refused("{\"epoch\":1,\"members\":[{\"member\":9}]}", "report.members.member must be");
        check_refused("{\"epoch\":1,\"members\":[{\"member\":1}]}", "report.members.pod must be");
        check_refused("{\"epoch\":1,\"members\":[{\"member\":1,\"pod\":\"u\"}]}",
                      "report.members.config must be");
        check_refused(
                "{\"epoch\":1,\"members\":[{\"member\":1,\"pod\":\"u\",\"config\":\"0123456789012345678901234567890123\"}]}",
                "report.members.config must be");
        check_refused(
                "{\"epoch\":1,\"members\":[{\"member\":1,\"pod\":\"u\",\"config\":\"a\",\"needsRestart\":1}]}",
                "report.members.needsRestart must be");
        memset(large, ' ', sizeof(large) - 1);
        large[sizeof(large) - 1] = '\0';
        check_refused(large, "report must not have more than");
}
END_TEST

static int there_and_back(void *arg)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(FAILOVER_REPORT_BYTES_MAX);
        struct failover_report report;
        struct error err = ERROR_INIT;
        int r = failover_report_read(str_c(arg), &report, &err);

        return r < 0 ? r : failover_report_write(&report, &out);
}

START_TEST(test_out_of_memory)
{
        char json[] = FULL;

        torture(there_and_back, json, 0);
}
END_TEST

static const TTest *const tests[] = {
        test_round_trip,   test_meaning, test_what_is_refused, test_the_longest, test_each_field_is_checked,
        test_out_of_memory
};

TEST_MAIN("failover/report", tests)
