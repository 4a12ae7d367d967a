/* SPDX-License-Identifier: Apache-2.0
 *
 * The Lease and the route, against an API server that keeps one object and can be told to
 * fail.
 */
#include "agent/member/lease.h"

#include <stdio.h>

#include "agent/member/publish.h"
#include "harness.h"
#include "pkg/kube/fake_api.h"

#define RECORD                                                                                               \
        "{\\\"phase\\\":\\\"Held\\\",\\\"epoch\\\":7,\\\"holder\\\":{\\\"member\\\":2,"                      \
        "\\\"uid\\\":\\\"8f14\\\",\\\"incarnation\\\":\\\"00c0ffee00c0ffee\\\","                             \
        "\\\"address\\\":\\\"10.0.0.3\\\"},\\\"inSync\\\":[0,1,2],\\\"lineage\\\":\\\"abc\\\","              \
        "\\\"position\\\":{\\\"timeline\\\":7,\\\"offset\\\":1},\\\"final\\\":false,"                        \
        "\\\"cause\\\":\\\"None\\\",\\\"lost\\\":0,\\\"request\\\":0,\\\"consent\\\":0}"

/* --- the server ------------------------------------------------------------------- */

static struct loop *loop;
static struct fake_api api;
static struct kube_client *client;
static int version;               /* of the object; 0: there is none */
static int duration = 9;          /* what it wants to be waited for */
static struct fake_step write_as; /* how the next write is answered, if a status or an end is set */
static struct fake_step read_as;  /* how every GET is answered, likewise */
static const char *annotations;   /* of the EndpointSlice, with the braces */
static const char *endpoints;     /* of it, with the brackets */

static const struct fake_step not_found = {
        .status = 404,
        .body = "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"NotFound\",\"code\":404}"
};
static const struct fake_step conflict = {
        .status = 409,
        .body = "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Conflict\",\"code\":409}"
};
static const struct fake_step hangs = { .status = 200, .body = "", .end = FAKE_HANG };

static struct fake_step object(bool lease, const char *before, const char *after)
{
        static char out[8][2048]; /* answers are sent later */
        static unsigned next;
        char *to = out[next++ % ARRAY_SIZE(out)];

        if (lease)
                snprintf(
                        to, sizeof(out[0]),
                        "%s{\"kind\":\"Lease\",\"metadata\":{\"name\":\"shop\",\"resourceVersion\":\"%d\","
                        "\"labels\":{\"of\":\"us\"},\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Redis\","
                        "\"name\":\"shop\",\"uid\":\"u\",\"controller\":true,\"blockOwnerDeletion\":true}],"
                        "\"annotations\":{\"" FAILOVER_ANNOTATION "\":\"" RECORD "\"}},"
                        "\"spec\":{\"leaseDurationSeconds\":%d}}%s",
                        before, version, duration, after);
        else
                snprintf(to, sizeof(out[0]),
                         "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"shop-primary\","
                         "\"resourceVersion\":\"%d\",\"annotations\":%s},\"endpoints\":%s,"
                         "\"ports\":[{\"port\":6379}]}",
                         version, annotations, endpoints);
        return (struct fake_step){ .body = to };
}

static struct fake_step watched(const char *asked)
{
        if (strstr(asked, "sendInitialEvents")) /* a server that does not know them */
                return (struct fake_step){ .status = 400, .body = "{\"kind\":\"Status\",\"code\":400}" };
        if (strstr(asked, "watch=true"))
                return hangs;
        if (!version)
                return (struct fake_step){
                        .body = "{\"kind\":\"LeaseList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}"
                };
        return object(true, "{\"kind\":\"LeaseList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[",
                      "]}");
}

static struct fake_step respond(const char *asked)
{
        if (strstr(asked, "fieldSelector="))
                return watched(asked);
        if (strncmp(asked, "GET ", 4) != 0) {
                struct fake_step as = write_as;

                write_as = (struct fake_step){ 0 };
                if (as.status)
                        return as;
                version++;
        } else if (read_as.status) {
                return read_as;
        } else if (!version) {
                return not_found;
        }
        return object(strstr(asked, "/leases") != NULL, "", "");
}

static void open_api(int at)
{
        version = at;
        write_as = read_as = (struct fake_step){ 0 };
        annotations = "{}";
        endpoints = "[]";
        ck_assert_int_eq(loop_new(&loop), 0);
        fake_api_start(&api, loop);
        api.respond = respond;
        client = fake_api_client(&api, NULL);
}

static void close_api(void)
{
        kube_client_free(client);
        fake_api_stop(&api);
        loop_free(loop);
}

/* How often LINE stands at the head of what was asked. */
static unsigned n_asked(const char *head)
{
        unsigned n = 0;

        for (const char *at = api.asked.data; at && (at = strstr(at, head)); at += strlen(head))
                n++;
        return n;
}

/* --- the Lease ---------------------------------------------------------------------- */

static struct {
        struct lease_port port;
        unsigned n_records, n_absent, n_wrote, n_troubles, n_back;
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
        on_record, on_absent, on_went_back, on_wrote, on_trouble, NULL
};
static const struct failover_id self = { .member = 1, .incarnation = 5, .uid = "u" };

static void open_lease(int at, usec_t lease)
{
        struct lease_config config = {
                .namespace = STR("ns"), .name = STR("shop"), .lease = lease, .self = &self
        };

        open_api(at);
        memset(&seen, 0, sizeof(seen));
        config.client = client;
        ck_assert_int_eq(lease_start(&seen.port, &config, &handlers), 0);
}

static void close_lease(void)
{
        lease_stop(&seen.port);
        close_api();
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

/* It may be our own first attempt that a second one conflicts with. */
START_TEST(test_a_conflict_is_unknown)
{
        open_lease(41, 60 * USEC_SEC);
        fake_api_wait(&api, has_record, NULL);
        write_as = conflict;
        write_lease(1, "41");
        ck_assert_int_eq(seen.outcome, FAILOVER_UNKNOWN);
        ck_assert(!seen.troubled);
        ck_assert_uint_eq(seen.port.n_failed, 1);
        close_lease();
}
END_TEST

START_TEST(test_no_answer_is_unknown)
{
        open_lease(41, USEC_SEC);
        fake_api_wait(&api, has_record, NULL);
        write_as = hangs;
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
        ck_assert_uint_eq(n_asked("GET /apis/coordination.k8s.io/v1/namespaces/ns/leases/shop\n"), 1);
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

        open_api(1);
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
        close_api();
}
END_TEST

/* --- the route ------------------------------------------------------------------------ */

static struct {
        struct publisher publisher;
        enum publish_end how;
        uint64_t epoch;
        unsigned n_ended, n_troubles;
} route;

static void on_ended(enum publish_end how, uint64_t epoch, void *arg _unused_)
{
        route.n_ended++;
        route.how = how;
        route.epoch = epoch;
}

static void on_route_trouble(const struct error *why _unused_, void *arg _unused_)
{
        route.n_troubles++;
}

static bool route_ended(void *arg _unused_)
{
        return route.n_ended > 0;
}

static const struct news_owner owner = { "keelson.dev/v1alpha1", "Redis", "shop", "5e55" };

static void open_route(int at)
{
        struct publisher_config config = { .namespace = STR("ns"),
                                           .cluster = STR("shop"),
                                           .port_name = STR("redis"),
                                           .pod = STR("shop-2"),
                                           .uid = STR("8f14"),
                                           .address = STR("10.0.0.3"),
                                           .owner = &owner,
                                           .timeout = 60 * USEC_SEC };

        open_api(at);
        memset(&route, 0, sizeof(route));
        config.client = client;
        ck_assert_int_eq(publisher_start(&route.publisher, &config, on_ended, on_route_trouble, NULL), 0);
}

static void publish(uint64_t epoch)
{
        route.n_ended = 0;
        publisher_publish(&route.publisher, epoch, 6379);
        fake_api_wait(&api, route_ended, NULL);
        ck_assert_uint_eq(route.epoch, epoch);
}

static void close_route(void)
{
        publisher_stop(&route.publisher);
        close_api();
}

#define SLICES "/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices"

START_TEST(test_route_is_made)
{
        open_route(0);
        publish(7);
        ck_assert_int_eq(route.how, PUBLISH_DONE);
        ck_assert_uint_eq(n_asked("POST " SLICES), 1);
        ck_assert_ptr_nonnull(strstr(api.bodies.data, "\"failover.keelson.dev/epoch\":\"7\""));
        ck_assert_ptr_nonnull(strstr(api.bodies.data, "\"kubernetes.io/service-name\":\"shop\""));
        ck_assert_ptr_nonnull(strstr(api.bodies.data, "\"addresses\":[\"10.0.0.3\"]"));
        ck_assert_ptr_nonnull(strstr(api.bodies.data, "\"addressType\":\"IPv4\""));
        close_route();
}
END_TEST

START_TEST(test_route_is_replaced_in_one_write)
{
        open_route(10);
        annotations = "{\"failover.keelson.dev/epoch\":\"6\"}";
        publish(7);
        ck_assert_int_eq(route.how, PUBLISH_DONE);
        ck_assert_uint_eq(n_asked("PATCH " SLICES "/shop-primary"), 1);
        ck_assert_ptr_nonnull(strstr(api.bodies.data, "\"resourceVersion\":\"10\""));
        close_route();
}
END_TEST

/* What somebody else wrote there is no epoch, and is replaced. */
START_TEST(test_route_of_a_newer_epoch_stays)
{
        open_route(10);
        annotations = "{\"failover.keelson.dev/epoch\":\"8\"}";
        publish(7);
        ck_assert_int_eq(route.how, PUBLISH_SUPERSEDED);
        ck_assert_uint_eq(n_asked("PATCH "), 0);
        annotations = "{\"failover.keelson.dev/epoch\":\"many\"}";
        publish(7);
        ck_assert_int_eq(route.how, PUBLISH_DONE);
        ck_assert_uint_eq(n_asked("PATCH "), 1);
        close_route();
}
END_TEST

/* It goes with the owner of the Lease, and is not taken from it again. */
START_TEST(test_route_has_an_owner)
{
        open_route(0);
        publish(7);
        ck_assert_ptr_nonnull(strstr(api.bodies.data,
                                     "\"ownerReferences\":[{\"apiVersion\":\"keelson.dev/v1alpha1\","
                                     "\"kind\":\"Redis\",\"name\":\"shop\",\"uid\":\"5e55\"}]"));
        ck_assert_ptr_nonnull(strstr(api.bodies.data, "\"failover.keelson.dev/owner\":\"5e55\""));
        close_route();
        open_route(10);
        publish(7);
        ck_assert_uint_eq(n_asked("PATCH "), 1);
        ck_assert_ptr_null(strstr(api.bodies.data, "ownerReferences"));
        close_route();
}
END_TEST

/* Who had the name before has counted further. */
START_TEST(test_route_of_another_owner_is_replaced)
{
        open_route(10);
        annotations = "{\"failover.keelson.dev/epoch\":\"8\",\"failover.keelson.dev/owner\":\"01d\"}";
        publish(1);
        ck_assert_int_eq(route.how, PUBLISH_DONE);
        ck_assert_uint_eq(n_asked("PATCH "), 1);
        annotations = "{\"failover.keelson.dev/epoch\":\"8\",\"failover.keelson.dev/owner\":\"5e55\"}";
        publish(2);
        ck_assert_int_eq(route.how, PUBLISH_SUPERSEDED);
        close_route();
}
END_TEST

START_TEST(test_route_that_stands_is_left)
{
        open_route(10);
        annotations = "{\"failover.keelson.dev/epoch\":\"7\"}";
        endpoints =
                "[{\"addresses\":[\"10.0.0.3\"],\"conditions\":{\"ready\":true},\"targetRef\":{\"uid\":\"8f14\"}}]";
        publish(7);
        ck_assert_int_eq(route.how, PUBLISH_STANDS);
        ck_assert_uint_eq(n_asked("PATCH "), 0);
        endpoints =
                "[{\"addresses\":[\"10.0.0.9\"],\"conditions\":{\"ready\":true},\"targetRef\":{\"uid\":\"8f14\"}}]";
        publish(7);
        ck_assert_uint_eq(n_asked("PATCH "), 1);
        close_route();
}
END_TEST

/* At first the newest is looked at, and not before what is there is known again. */
START_TEST(test_route_conflicts_and_failures)
{
        open_route(10);
        write_as = conflict;
        publish(7);
        ck_assert_int_eq(route.how, PUBLISH_DONE);
        ck_assert_uint_eq(n_asked("PATCH "), 2);
        ck_assert_uint_eq(n_asked("GET "), 2);
        ck_assert_uint_eq(route.n_troubles, 0);
        write_as = (struct fake_step){ .status = 500, .body = "{}" };
        publish(8);
        ck_assert_int_eq(route.how, PUBLISH_DONE);
        ck_assert_uint_eq(route.n_troubles, 1);
        close_route();
}
END_TEST

static bool has_looked(void *arg _unused_)
{
        return route.publisher.known;
}

START_TEST(test_route_is_prepared)
{
        open_route(10);
        publisher_prepare(&route.publisher);
        fake_api_wait(&api, has_looked, NULL);
        publish(7);
        ck_assert_uint_eq(n_asked("GET "), 1);
        ck_assert_uint_eq(n_asked("PATCH "), 1);
        close_route();
}
END_TEST

/* Somebody has deleted it: at the next look, which is made to come now, it is there again. */
START_TEST(test_route_is_kept)
{
        open_route(10);
        publish(7);
        ck_assert(route.publisher.retry.loop != NULL);
        version = 0;
        route.n_ended = 0;
        ck_assert_int_eq(loop_timer_set(loop, &route.publisher.retry, clock_now(), route.publisher.retry.fn,
                                        route.publisher.retry.arg),
                         0);
        fake_api_wait(&api, route_ended, NULL);
        ck_assert_int_eq(route.how, PUBLISH_DONE);
        ck_assert_uint_eq(n_asked("POST " SLICES), 1);
        close_route();
}
END_TEST

static bool was_tried(void *arg _unused_)
{
        return route.n_troubles >= 2;
}

START_TEST(test_route_is_called_off)
{
        open_route(10);
        read_as = (struct fake_step){ .status = 500, .body = "{}" };
        publisher_publish(&route.publisher, 7, 6379);
        fake_api_wait(&api, was_tried, NULL);
        publisher_call_off(&route.publisher);
        read_as = (struct fake_step){ 0 };
        publish(9); /* and nothing of 7 */
        ck_assert_uint_eq(n_asked("PATCH "), 1);
        ck_assert_ptr_null(strstr(api.bodies.data, "\"failover.keelson.dev/epoch\":\"7\""));
        close_route();
}
END_TEST

static const TTest *const tests[] = {
        test_seen_and_written,
        test_made_again_it_has_its_labels_and_owners,
        test_a_conflict_is_unknown,
        test_no_answer_is_unknown,
        test_absent_and_made,
        test_read,
        test_set_back,
        test_out_of_memory,
        test_route_is_made,
        test_route_is_replaced_in_one_write,
        test_route_of_a_newer_epoch_stays,
        test_route_has_an_owner,
        test_route_of_another_owner_is_replaced,
        test_route_that_stands_is_left,
        test_route_conflicts_and_failures,
        test_route_is_prepared,
        test_route_is_kept,
        test_route_is_called_off,
};

TEST_MAIN("member/lease", tests)
