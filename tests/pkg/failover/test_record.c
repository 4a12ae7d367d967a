/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/record.h"

#include <errno.h>

#include "harness.h"

#define HELD                                                                                                 \
        "{\"phase\":\"Held\",\"epoch\":7,\"holder\":{\"member\":2,\"uid\":\"8f14\","                         \
        "\"incarnation\":\"00c0ffee00c0ffee\",\"address\":\"10.0.0.3\"},\"handoverTo\":1,"                   \
        "\"inSync\":[0,1,2],\"lineage\":\"abc\",\"position\":{\"timeline\":6,\"offset\":123456},"            \
        "\"floor\":5,\"final\":true,\"cause\":\"ServerCrashed\",\"from\":0,\"lost\":5,"                      \
        "\"loss\":\"AtLeast\",\"start\":{\"epoch\":7,\"position\":{\"timeline\":6,\"offset\":120}},"         \
        "\"request\":3,\"consent\":1}"
#define BOOTSTRAP                                                                                               \
        "{\"phase\":\"Bootstrap\",\"epoch\":0,\"inSync\":[0,1],\"lineage\":\"\","                               \
        "\"position\":{\"timeline\":0,\"offset\":0},\"floor\":0,\"final\":false,\"cause\":\"None\",\"lost\":0," \
        "\"request\":0,\"consent\":0}"

static void check_same(const char *json)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT((size_t)4096);
        struct failover_record record;
        struct error err = ERROR_INIT;

        ck_assert_msg(failover_record_read(str_c(json), &record, &err) == 0, "%s", err.message);
        ck_assert_int_eq(failover_record_write(&record, &out), 0);
        ck_str_eq(buf_str(&out), json);
}

START_TEST(test_round_trip)
{
        check_same(HELD);
        check_same(BOOTSTRAP);
}
END_TEST

START_TEST(test_meaning)
{
        struct failover_record r;

        ck_assert_int_eq(failover_record_read(STR(HELD), &r, NULL), 0);
        ck_assert_int_eq(r.phase, FAILOVER_HELD);
        ck_assert_uint_eq(r.epoch, 7);
        ck_assert_int_eq(r.holder.member, 2);
        ck_assert_str_eq(r.holder.uid, "8f14");
        ck_assert_uint_eq(r.holder.incarnation, UINT64_C(0x00c0ffee00c0ffee));
        ck_assert_str_eq(r.holder.address, "10.0.0.3");
        ck_assert_int_eq(r.handover_to, 1);
        ck_assert_uint_eq(r.in_sync, 7);
        ck_assert_str_eq(r.lineage, "abc");
        ck_assert_uint_eq(r.position.timeline, 6);
        ck_assert_uint_eq(r.position.offset, 123456);
        ck_assert_uint_eq(r.floor, 5);
        ck_assert(r.final);
        ck_assert_int_eq(r.cause, FAILOVER_CAUSE_CRASH);
        ck_assert_int_eq(r.from, 0);
        ck_assert_int_eq(r.loss, FAILOVER_LOSS_AT_LEAST);
        ck_assert_uint_eq(r.lost, 5);
        ck_assert_uint_eq(r.start.epoch, 7);
        ck_assert_uint_eq(r.start.position.timeline, 6);
        ck_assert_uint_eq(r.start.position.offset, 120);
        ck_assert_uint_eq(r.request, 3);
        ck_assert_uint_eq(r.consent, 1);

        ck_assert_int_eq(failover_record_read(STR(BOOTSTRAP), &r, NULL), 0);
        ck_assert_int_eq(r.holder.member, FAILOVER_NOBODY);
        ck_assert_int_eq(r.handover_to, FAILOVER_NOBODY);
        ck_assert_int_eq(r.from, FAILOVER_NOBODY);
}
END_TEST

/* HELD with FROM, which stands there once, as TO. */
static void check_refused(const char *from, const char *to, const char *message)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT((size_t)4096);
        const char *at = strstr(HELD, from);
        struct failover_record r = { .epoch = 99 };
        struct error err = ERROR_INIT;

        ck_assert_ptr_nonnull(at);
        buf_add(&json, HELD, (size_t)(at - HELD));
        buf_add_c(&json, to);
        buf_add_c(&json, at + strlen(from));
        ck_assert_int_eq(failover_record_read(buf_str(&json), &r, &err), -EINVAL);
        ck_assert_msg(strstr(err.message, message) != NULL, "\"%s\" does not say \"%s\"", err.message,
                      message);
        ck_assert_uint_eq(r.epoch, 99);
}

START_TEST(test_each_field_is_checked)
{
        check_refused("\"Held\"", "\"held\"", "record.phase must be");
        check_refused("\"epoch\":7", "\"epoch\":-7", "record.epoch must be");
        check_refused("\"epoch\":7", "\"epoch\":9223372036854775808", "record.epoch must be");
        check_refused("\"epoch\":7", "\"epoch\":7.5", "record.epoch must be");
        check_refused("\"holder\":", "\"owner\":", "record.holder must be there");
        check_refused("\"member\":2", "\"member\":9", "record.holder.member must be");
        check_refused("\"member\":2,", "", "record.holder.member must be");
        check_refused("\"8f14\"", "\"\"", "record.holder.uid must be");
        check_refused("\"8f14\"", "\"0123456789012345678901234567890123456789\"",
                      "record.holder.uid must be");
        check_refused("00c0ffee00c0ffee", "00c0ffee00c0ffe", "record.holder.incarnation must be");
        check_refused("00c0ffee00c0ffee", "00C0FFEE00C0FFEE", "record.holder.incarnation must be");
        check_refused("10.0.0.3", "10.0.0.3 ", "record.holder.address must be");
        check_refused("\"handoverTo\":1", "\"handoverTo\":-1", "record.handoverTo must be");
        check_refused("[0,1,2]", "[0,1,9]", "record.inSync must be");
        check_refused("[0,1,2]", "7", "record.inSync must be");
        check_refused("\"abc\"", "null", "record.lineage must be");
        check_refused("\"position\":{", "\"position\":[],\"was\":{", "record.position must be an object");
        check_refused("123456", "\"123456\"", "record.position.offset must be");
        check_refused("\"floor\":5", "\"floor\":\"5\"", "record.floor must be");
        check_refused("\"final\":true", "\"final\":1", "record.final must be");
        check_refused("ServerCrashed", "Crash", "record.cause must be");
        check_refused("\"lost\":5", "\"lost\":null", "record.lost must be");
        check_refused("AtLeast", "Some", "record.loss must be");
        check_refused("\"start\":{", "\"start\":7,\"was\":{", "record.start must be an object");
        check_refused("\"offset\":120}", "\"offset\":-1}", "record.start.position.offset must be");
        check_refused("\"consent\":1", "\"agreed\":1", "record.consent must be");
        check_refused("},\"handover", ",\"handover", "record: line 1");
}
END_TEST

START_TEST(test_records_of_earlier_releases)
{
        static const char without[] =
                "{\"phase\":\"Bootstrap\",\"epoch\":0,\"inSync\":[0],\"lineage\":\"\","
                "\"position\":{\"timeline\":0,\"offset\":0},\"final\":false,\"cause\":\"None\",\"lost\":0,"
                "\"request\":0,\"consent\":0}";
        struct failover_record r = { .floor = 9, .loss = FAILOVER_LOSS_EXACT, .start.epoch = 9 };

        ck_assert_int_eq(failover_record_read(str_c(without), &r, NULL), 0);
        ck_assert_uint_eq(r.floor, 0);
        ck_assert_int_eq(r.loss, FAILOVER_LOSS_UNKNOWN);
        ck_assert_uint_eq(r.start.epoch, 0);
}
END_TEST

START_TEST(test_what_is_not_known_is_passed_over)
{
        static const char more[] = "{\"later\":[1],";
        _cleanup_(buf_release) struct buf json = BUF_INIT((size_t)4096);
        struct failover_record r;

        buf_add_c(&json, more);
        buf_add_c(&json, &BOOTSTRAP[1]);
        ck_assert_int_eq(failover_record_read(buf_str(&json), &r, NULL), 0);
}
END_TEST

/* --- the Lease ----------------------------------------------------------------------- */

static void read_lease(const char *json, int expected, const char *message, struct failover_lease *ret)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct error err = ERROR_INIT;

        ck_assert_int_eq(json_parse(str_c(json), &doc, &err), 0);
        ck_assert_int_eq(failover_lease_read(yyjson_doc_get_root(doc), ret, &err), expected);
        if (message)
                ck_assert_msg(strstr(err.message, message) != NULL, "%s", err.message);
}

static struct failover_record held(void)
{
        struct failover_record r;

        ck_assert_int_eq(failover_record_read(STR(HELD), &r, NULL), 0);
        return r;
}

START_TEST(test_lease)
{
        _cleanup_(buf_release) struct buf patch = BUF_INIT((size_t)4096), made = BUF_INIT((size_t)4096);
        struct failover_record record = held();
        struct failover_lease_meta meta = { .name = STR("shop") };
        struct failover_lease lease = { 0 };

        ck_assert_int_eq(failover_lease_patch(&record, NULL, 3500 * USEC_MSEC, 0, "1234", &patch), 0);
        read_lease(patch.data, 0, NULL, &lease);
        ck_assert_str_eq(lease.version, "1234");
        ck_assert_int_eq(lease.duration, 4 * USEC_SEC);
        ck_assert_uint_eq(lease.record.position.offset, 123456);
        ck_assert_ptr_nonnull(strstr(patch.data, "\"holderIdentity\":\"2/8f14/00c0ffee00c0ffee\""));
        ck_assert_ptr_nonnull(strstr(patch.data, "\"leaseTransitions\":7"));
        ck_assert_ptr_nonnull(strstr(patch.data, "\"renewTime\":\"1970-01-01T00:00:00.000000Z\""));

        ck_assert_int_eq(failover_lease_create(&record, &meta, 4 * USEC_SEC, 0, &made), 0);
        ck_assert_ptr_nonnull(strstr(made.data, "\"metadata\":{\"name\":\"shop\",\"annotations\""));
        ck_assert_ptr_null(strstr(made.data, "resourceVersion"));
        buf_clear(&made);
        meta.labels = STR("{\"a\":\"b\"}");
        meta.owners = STR("[]");
        ck_assert_int_eq(failover_lease_create(&record, &meta, 4 * USEC_SEC, 0, &made), 0);
        ck_assert_ptr_nonnull(strstr(made.data, "\"labels\":{\"a\":\"b\"},\"ownerReferences\":[]"));
}
END_TEST

START_TEST(test_no_lease_of_ours)
{
        struct failover_lease lease;

        read_lease("{\"metadata\":{\"name\":\"shop\"}}", -EINVAL, "metadata.resourceVersion", &lease);
        read_lease("{\"metadata\":{\"resourceVersion\":\"012345678901234567890123456789012\"}}", -EINVAL,
                   "metadata.resourceVersion", &lease);
        read_lease("{\"metadata\":{\"resourceVersion\":\"1\"}}", -EINVAL, "no annotation", &lease);
        read_lease("{\"metadata\":{\"resourceVersion\":\"1\",\"annotations\":{\"" FAILOVER_ANNOTATION
                   "\":\"{}\"}}}",
                   -EINVAL, "record.phase", &lease);
        read_lease("[]", -EINVAL, "metadata.resourceVersion", &lease);
}
END_TEST

static int there_and_back(void *arg)
{
        _cleanup_(buf_release) struct buf patch = BUF_INIT((size_t)4096);
        struct failover_record record;
        struct error err = ERROR_INIT;
        int r = failover_record_read(str_c(arg), &record, &err);

        return r < 0 ? r : failover_lease_patch(&record, NULL, USEC_SEC, 0, "1", &patch);
}

START_TEST(test_out_of_memory)
{
        char json[] = HELD;

        torture(there_and_back, json, 0);
}
END_TEST

static const TTest *const tests[] = { test_round_trip,
                                      test_meaning,
                                      test_each_field_is_checked,
                                      test_records_of_earlier_releases,
                                      test_what_is_not_known_is_passed_over,
                                      test_lease,
                                      test_no_lease_of_ours,
                                      test_out_of_memory };

TEST_MAIN("failover/record", tests)
