/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/publish.h"

#include "object_api.h"

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

        object_open(at);
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
        object_close();
}

#define SLICES "/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices"

START_TEST(test_route_is_made)
{
        open_route(0);
        publish(7);
        ck_assert_int_eq(route.how, PUBLISH_DONE);
        ck_assert_uint_eq(object_n_asked("POST " SLICES), 1);
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
        ck_assert_uint_eq(object_n_asked("PATCH " SLICES "/shop-primary"), 1);
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
        ck_assert_uint_eq(object_n_asked("PATCH "), 0);
        annotations = "{\"failover.keelson.dev/epoch\":\"many\"}";
        publish(7);
        ck_assert_int_eq(route.how, PUBLISH_DONE);
        ck_assert_uint_eq(object_n_asked("PATCH "), 1);
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
        ck_assert_uint_eq(object_n_asked("PATCH "), 1);
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
        ck_assert_uint_eq(object_n_asked("PATCH "), 1);
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
        ck_assert_uint_eq(object_n_asked("PATCH "), 0);
        endpoints =
                "[{\"addresses\":[\"10.0.0.9\"],\"conditions\":{\"ready\":true},\"targetRef\":{\"uid\":\"8f14\"}}]";
        publish(7);
        ck_assert_uint_eq(object_n_asked("PATCH "), 1);
        close_route();
}
END_TEST

/* Nothing leads there that kube-proxy does not find. */
START_TEST(test_route_that_leads_nowhere_is_replaced)
{
        static const char *const bad_labels[] = { "{}", "{\"kubernetes.io/service-name\":\"other\"}" };
        static const char *const bad_ports[] = { "[]", "[{\"port\":6379}]",
                                                 "[{\"name\":\"redis\",\"port\":6380}]",
                                                 "[{\"name\":\"redis\",\"port\":6379},{\"port\":1}]" };
        unsigned n = 0;

        open_route(10);
        annotations = "{\"failover.keelson.dev/epoch\":\"7\"}";
        endpoints =
                "[{\"addresses\":[\"10.0.0.3\"],\"conditions\":{\"ready\":true},\"targetRef\":{\"uid\":\"8f14\"}}]";
        for (size_t i = 0; i < ARRAY_SIZE(bad_labels); i++) {
                labels = bad_labels[i];
                publish(7);
                ck_assert_uint_eq(object_n_asked("PATCH "), ++n);
        }
        labels = "{\"kubernetes.io/service-name\":\"shop\"}";
        for (size_t i = 0; i < ARRAY_SIZE(bad_ports); i++) {
                ports = bad_ports[i];
                publish(7);
                ck_assert_uint_eq(object_n_asked("PATCH "), ++n);
        }
        close_route();
}
END_TEST

static void look_again(void)
{
        struct loop_timer *retry = &route.publisher.retry;

        route.n_ended = 0;
        ck_assert_int_eq(loop_timer_set(loop, retry, clock_now(), retry->fn, retry->arg), 0);
        fake_api_wait(&api, route_ended, NULL);
}

/* Somebody has edited it: nobody has taken that epoch, as a renewal shows that was sent after it was seen. */
START_TEST(test_route_of_an_epoch_that_nobody_took_is_replaced)
{
        usec_t seen;

        open_route(10);
        annotations = "{\"failover.keelson.dev/epoch\":\"99999\"}";
        seen = clock_now();
        publish(7);
        ck_assert_int_eq(route.how, PUBLISH_SUPERSEDED);
        publisher_renewed(&route.publisher, 7, seen);
        publisher_renewed(&route.publisher, 6, clock_now() + 1);
        look_again();
        ck_assert_int_eq(route.how, PUBLISH_SUPERSEDED);
        publisher_renewed(&route.publisher, 7, clock_now() + 1);
        look_again();
        ck_assert_int_eq(route.how, PUBLISH_DONE);
        ck_assert_uint_eq(object_n_asked("PATCH "), 1);
        close_route();
}
END_TEST

/* What was written there since is seen anew: it may be who has taken the Lease after that renewal. */
START_TEST(test_route_is_only_replaced_as_it_was_seen)
{
        open_route(10);
        annotations = "{\"failover.keelson.dev/epoch\":\"8\"}";
        publish(7);
        publisher_renewed(&route.publisher, 7, clock_now() + 1);
        version = 11;
        look_again();
        ck_assert_int_eq(route.how, PUBLISH_SUPERSEDED);
        ck_assert_uint_eq(object_n_asked("PATCH "), 0);
        publisher_call_off(&route.publisher);
        publisher_renewed(&route.publisher, 7, clock_now() + 1);
        ck_assert(!route.publisher.newer_is_false);
        close_route();
}
END_TEST

/* At first the newest is looked at, and not before what is there is known again. */
START_TEST(test_route_conflicts_and_failures)
{
        open_route(10);
        write_as = object_conflict;
        publish(7);
        ck_assert_int_eq(route.how, PUBLISH_DONE);
        ck_assert_uint_eq(object_n_asked("PATCH "), 2);
        ck_assert_uint_eq(object_n_asked("GET "), 2);
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
        ck_assert_uint_eq(object_n_asked("GET "), 1);
        ck_assert_uint_eq(object_n_asked("PATCH "), 1);
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
        ck_assert_uint_eq(object_n_asked("POST " SLICES), 1);
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
        ck_assert_uint_eq(object_n_asked("PATCH "), 1);
        ck_assert_ptr_null(strstr(api.bodies.data, "\"failover.keelson.dev/epoch\":\"7\""));
        close_route();
}
END_TEST

static const TTest *const tests[] = {
        test_route_is_made,
        test_route_is_replaced_in_one_write,
        test_route_of_a_newer_epoch_stays,
        test_route_has_an_owner,
        test_route_of_another_owner_is_replaced,
        test_route_that_stands_is_left,
        test_route_that_leads_nowhere_is_replaced,
        test_route_of_an_epoch_that_nobody_took_is_replaced,
        test_route_is_only_replaced_as_it_was_seen,
        test_route_conflicts_and_failures,
        test_route_is_prepared,
        test_route_is_kept,
        test_route_is_called_off,
};

TEST_MAIN("member/publish", tests)
