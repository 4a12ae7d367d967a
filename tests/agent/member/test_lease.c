/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/lease.h"

#include <stdio.h>

#include "object_api.h"

static struct {
        struct lease_port port;
        unsigned n_records, n_absent, n_wrote, n_troubles, n_back, n_refused;
        bool of_memory; /* the last record came without its object */
        struct failover_lease last;
        uint64_t id;
        enum failover_outcome outcome;
        char version[FAILOVER_VERSION_MAX];
        bool troubled;
} seen;

static void on_record(const struct failover_lease *lease, yyjson_val *o, void *arg _unused_)
{
        seen.of_memory = !o;
        seen.n_records++;
        seen.last = *lease;
}

static void on_absent(void *arg _unused_)
{
        seen.n_absent++;
}

static void on_wrote(uint64_t id, enum failover_outcome outcome, const char *at, void *arg _unused_)
{
        seen.n_wrote++;
        seen.id = id;
        seen.outcome = outcome;
        snprintf(seen.version, sizeof(seen.version), "%s", at);
}

static void on_refused(void *arg _unused_)
{
        seen.n_refused++;
}

static void on_trouble(const struct error *why, void *arg _unused_)
{
        seen.troubled = why != NULL;
        seen.n_troubles += seen.troubled;
}

static void on_went_back(const struct failover_record *there, const struct failover_record *known,
                         void *arg _unused_)
{
        ck_assert_uint_le(there->epoch, known->epoch);
        seen.n_back++;
}

static const struct lease_handlers handlers = {
        .record = on_record,
        .absent = on_absent,
        .went_back = on_went_back,
        .wrote = on_wrote,
        .refused = on_refused,
        .trouble = on_trouble,
};
static struct failover_id self;

static void open_lease(int at, usec_t lease)
{
        struct lease_config config = {
                .namespace = STR("ns"), .name = STR("shop"), .lease = lease, .self = &self
        };

        object_open(at);
        memset(&seen, 0, sizeof(seen));
        self = (struct failover_id){ .member = 1, .incarnation = 5, .uid = "u" };
        config.client = client;
        ck_assert_int_eq(lease_start(&seen.port, &config, &handlers), 0);
}

static void close_lease(void)
{
        lease_stop(&seen.port);
        object_close();
}

static bool has_record(void *arg _unused_)
{
        return seen.n_records > 0;
}

static bool is_absent(void *arg _unused_)
{
        return seen.n_absent > 0;
}

static bool has_wrote(void *arg _unused_)
{
        return seen.n_wrote > 0;
}

static void write_lease(uint64_t id, const char *at)
{
        struct failover_report report;
        unsigned before = seen.n_wrote;

        failover_report_init(&report);
        lease_write(&seen.port, id, &seen.last.record, &report, at);
        ck_assert_uint_eq(seen.n_wrote, before); /* never from inside */
        seen.n_wrote = 0;
        fake_api_wait(&api, has_wrote, NULL);
        ck_assert_uint_eq(seen.n_wrote, 1);
        ck_assert_uint_eq(seen.id, id);
}

START_TEST(test_seen_and_written)
{
        open_lease(41, 60 * USEC_SEC);
        fake_api_wait(&api, has_record, NULL);
        ck_assert_str_eq(seen.last.version, "41");
        ck_assert_int_eq(seen.last.duration, 9 * USEC_SEC);
        ck_assert_uint_eq(seen.last.record.epoch, 7);
        write_lease(5, "41");
        ck_assert_int_eq(seen.outcome, FAILOVER_WRITTEN);
        ck_assert_str_eq(seen.version, "42");
        ck_assert_ptr_nonnull(
                strstr(api.asked.data, "PATCH /apis/coordination.k8s.io/v1/namespaces/ns/leases/shop"));
        ck_assert_ptr_nonnull(strstr(api.bodies.data, "\"resourceVersion\":\"41\""));
        ck_assert_ptr_nonnull(strstr(api.bodies.data, FAILOVER_REPORT_ANNOTATION));
        ck_assert_ptr_nonnull(strstr(api.content_type.data, "application/merge-patch+json"));
        close_lease();
}
END_TEST

/* Or its operator would not know it, and it would outlive what it belongs to. */
START_TEST(test_made_again_it_has_its_labels_and_owners)
{
        open_lease(41, 60 * USEC_SEC);
        fake_api_wait(&api, has_record, NULL);
        write_lease(5, "");
        ck_assert_ptr_nonnull(
                strstr(api.asked.data, "POST /apis/coordination.k8s.io/v1/namespaces/ns/leases"));
        ck_assert_ptr_nonnull(strstr(api.bodies.data,
                                     "\"labels\":{\"of\":\"us\"},\"ownerReferences\":[{"
                                     "\"apiVersion\":\"v1\",\"kind\":\"Redis\",\"name\":\"shop\","
                                     "\"uid\":\"u\",\"controller\":true}]"));
        close_lease();
}
END_TEST

static bool is_troubled(void *arg _unused_)
{
        return seen.troubled;
}

static void edit_record(void)
{
        record = "{";
        version++;
        seen.n_records = 0;
        lease_read(&seen.port);
        fake_api_wait(&api, is_troubled, NULL);
}

/* By a person, say. Nobody has taken it as long as it names its holder. */
START_TEST(test_a_record_that_was_edited_is_still_its_holders)
{
        open_lease(41, 60 * USEC_SEC);
        self = (struct failover_id){ .member = 2, .incarnation = 0x00c0ffee00c0ffee, .uid = "8f14" };
        fake_api_wait(&api, has_record, NULL);
        edit_record();
        ck_assert_uint_eq(seen.n_records, 1);
        ck_assert_str_eq(seen.last.version, "42");
        ck_assert_uint_eq(seen.last.record.epoch, 7);
        ck_assert_int_eq(seen.last.record.phase, FAILOVER_HELD);
        write_lease(5, "42");
        ck_assert_int_eq(seen.outcome, FAILOVER_WRITTEN);
        close_lease();
}
END_TEST

START_TEST(test_a_record_that_was_edited_is_nobody_elses)
{
        for (int other = 0; other < 2; other++) {
                open_lease(41, 60 * USEC_SEC);
                if (other)
                        self = (struct failover_id){ .member = 2,
                                                     .incarnation = 0x00c0ffee00c0ffee,
                                                     .uid = "8f14" };
                transitions = other ? 8 : 7;
                fake_api_wait(&api, has_record, NULL);
                edit_record();
                ck_assert_uint_eq(seen.n_records, 0);
                close_lease();
        }
}
END_TEST

/* After a list, with all that it said. */
static bool is_watched(void *arg _unused_)
{
        return object_n_asked("&watch=true") > object_n_asked("sendInitialEvents");
}

/* The API server answers, and that is not all that it takes. */
START_TEST(test_what_cannot_be_read_stays_trouble)
{
        open_lease(41, 60 * USEC_SEC);
        record = "{";
        fake_api_wait(&api, is_watched, NULL);
        ck_assert(seen.troubled);
        record = NULL;
        version++;
        lease_read(&seen.port);
        fake_api_wait(&api, has_record, NULL);
        ck_assert(!seen.troubled);
        close_lease();
}
END_TEST

/* It may be our own first attempt that a second one conflicts with. */
START_TEST(test_a_conflict_is_unknown)
{
        open_lease(41, 60 * USEC_SEC);
        fake_api_wait(&api, has_record, NULL);
        write_as = object_conflict;
        write_lease(1, "41");
        ck_assert_int_eq(seen.outcome, FAILOVER_UNKNOWN);
        ck_assert(!seen.troubled);
        ck_assert_uint_eq(seen.port.n_failed, 1);
        close_lease();
}
END_TEST

static bool was_refused(void *arg _unused_)
{
        return seen.n_refused > 0;
}

/* As to a pod that was deleted by force. */
START_TEST(test_a_token_that_is_not_valid)
{
        static const struct fake_step unauthorized = {
                .status = 401,
                .body = "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Unauthorized\",\"code\":401}"
        };

        open_lease(41, 60 * USEC_SEC);
        fake_api_wait(&api, has_record, NULL);
        write_as = unauthorized;
        write_lease(5, "41");
        ck_assert_int_eq(seen.outcome, FAILOVER_UNKNOWN);
        ck_assert_uint_eq(seen.n_refused, 1);
        seen.n_refused = 0;
        read_as = unauthorized;
        lease_read(&seen.port);
        fake_api_wait(&api, was_refused, NULL);
        close_lease();
}
END_TEST

START_TEST(test_no_answer_is_unknown)
{
        open_lease(41, USEC_SEC);
        fake_api_wait(&api, has_record, NULL);
        write_as = object_hangs;
        write_lease(1, "41");
        ck_assert_int_eq(seen.outcome, FAILOVER_UNKNOWN);
        ck_assert(seen.troubled);
        write_as = (struct fake_step){ .status = 200, .body = "{}" }; /* no version */
        write_lease(2, "41");
        ck_assert_int_eq(seen.outcome, FAILOVER_UNKNOWN);
        write_as = (struct fake_step){ .status = 200, .body = "{\"metadata\":", .end = FAKE_CUT };
        write_lease(3, "41");
        ck_assert_int_eq(seen.outcome, FAILOVER_UNKNOWN);
        write_lease(4, "41");
        ck_assert_int_eq(seen.outcome, FAILOVER_WRITTEN);
        close_lease();
}
END_TEST

START_TEST(test_absent_and_made)
{
        open_lease(0, 60 * USEC_SEC);
        fake_api_wait(&api, is_absent, NULL);
        seen.n_absent = 0;
        lease_read(&seen.port);
        fake_api_wait(&api, is_absent, NULL);
        seen.last.record.holder = (struct failover_id){ .member = 1, .uid = "u", .address = "a" };
        write_lease(1, "");
        ck_assert_int_eq(seen.outcome, FAILOVER_WRITTEN);
        ck_assert_ptr_nonnull(
                strstr(api.asked.data, "POST /apis/coordination.k8s.io/v1/namespaces/ns/leases?"));
        close_lease();
}
END_TEST

/* A read asks etcd, not a cache; what it brings is told unless something newer was. */
START_TEST(test_read)
{
        open_lease(41, 60 * USEC_SEC);
        fake_api_wait(&api, has_record, NULL);
        seen.n_records = 0;
        version = 43;
        lease_read(&seen.port);
        fake_api_wait(&api, has_record, NULL);
        ck_assert_str_eq(seen.last.version, "43");
        ck_assert_uint_eq(object_n_asked("GET /apis/coordination.k8s.io/v1/namespaces/ns/leases/shop\n"), 1);
        version = 42;
        seen.n_records = 0;
        lease_read(&seen.port);
        write_lease(1, "42"); /* on the same connection, so behind it */
        ck_assert_uint_eq(seen.n_records, 0);
        close_lease();
}
END_TEST

static void go_back(int to)
{
        struct reflector *r = &seen.port.watch.reflector;

        version = to;
        seen.n_records = 0;
        r->handlers.on_set_back(r, r->handlers.arg);
        lease_read(&seen.port);
}

static bool went_back(void *arg _unused_)
{
        return seen.n_back > 0;
}

/* etcd was restored from a backup. What the Lease says then is not told before it was unchanged
 * for L, and then it is what was known that counts; versions of the protocol do not go back. */
START_TEST(test_set_back)
{
        struct failover_record known;
        usec_t since;

        duration = 1;
        open_lease(500, USEC_SEC);
        fake_api_wait(&api, has_record, NULL);
        known = seen.last.record;
        known.epoch = 9;
        lease_write(&seen.port, 1, &known, NULL, "500");
        fake_api_wait(&api, has_wrote, NULL);
        since = clock_now();
        go_back(410); /* epoch 7, of member 2 */
        fake_api_wait(&api, went_back, NULL);
        ck_assert_uint_eq(seen.n_records, 0);
        fake_api_wait(&api, has_record, NULL);
        ck_assert_int_ge(clock_now() - since, USEC_SEC);
        ck_assert(seen.of_memory);
        ck_assert_uint_eq(seen.last.record.epoch, 9);
        ck_assert_uint_eq(seen.n_back, 1);
        ck_assert_int_gt(str_version_cmp(str_c(seen.last.version), STR("501")), 0);
        /* A version of before is as good as conflicting; the present one is the API's own. */
        buf_clear(&api.bodies);
        write_lease(2, "501");
        ck_assert_int_eq(seen.outcome, FAILOVER_UNKNOWN);
        ck_assert_uint_eq(api.bodies.len, 0);
        write_lease(3, seen.last.version);
        ck_assert_int_eq(seen.outcome, FAILOVER_WRITTEN);
        ck_assert_ptr_nonnull(strstr(api.bodies.data, "\"resourceVersion\":\"410\""));
        ck_assert_int_gt(str_version_cmp(str_c(seen.version), str_c(seen.last.version)), 0);
        close_lease();
        duration = 9;
}
END_TEST

static int read_and_write(void)
{
        struct lease_config config = { .client = client,
                                       .namespace = STR("ns"),
                                       .name = STR("shop"),
                                       .lease = USEC_SEC,
                                       .self = &self };
        int r = lease_start(&seen.port, &config, &handlers);

        if (r < 0)
                return r;
        lease_read(&seen.port);
        lease_write(&seen.port, 1, &seen.last.record, NULL, "1");
        lease_stop(&seen.port);
        return 0;
}

/* As torture(), but that a client keeps pieces for the next request: each has its own. */
START_TEST(test_out_of_memory)
{
        bool failed = true;

        object_open(1);
        memset(&seen, 0, sizeof(seen));
        kube_client_free(client);
        for (uint64_t n = 1; failed; n++) {
                uint64_t live = mem_live(), before;
                int r;

                client = fake_api_client(&api, NULL);
                before = mem_count();
                mem_fail_after(n);
                r = read_and_write();
                mem_fail_after(0);
                failed = mem_count() - before >= n;
                ck_assert(r == 0 || (failed && r == -12));
                kube_client_free(client);
                if (n > 1) /* the loop keeps its heap of timers */
                        ck_assert_msg(mem_live() == live, "allocation %llu failed: %lld pieces leaked",
                                      (unsigned long long)n, (long long)(mem_live() - live));
        }
        client = fake_api_client(&api, NULL);
        object_close();
}
END_TEST

static const TTest *const tests[] = {
        test_seen_and_written,
        test_made_again_it_has_its_labels_and_owners,
        test_a_record_that_was_edited_is_still_its_holders,
        test_a_record_that_was_edited_is_nobody_elses,
        test_what_cannot_be_read_stays_trouble,
        test_a_conflict_is_unknown,
        test_a_token_that_is_not_valid,
        test_no_answer_is_unknown,
        test_absent_and_made,
        test_read,
        test_set_back,
        test_out_of_memory,
};

TEST_MAIN("member/lease", tests)
