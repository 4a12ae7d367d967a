/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "agent/member/member.h"
#include "fake_engine.h"
#include "harness.h"
#include "json/read.h"

#define LIMIT (60 * USEC_SEC)

static struct member m;
static struct fake_engine engine;
static const struct member_options options = { .cluster = "shop",
                                               .health = "127.0.0.1:0",
                                               .version = "1.2.3" };

static usec_t port_now(void *arg _unused_)
{
        return clock_now();
}

static void open_member(void)
{
        static const struct driver_ports ports = { .now = port_now };
        struct failover_id self = { .member = 1, .incarnation = 7, .uid = "u", .address = "10.0.0.1" };

        fake_engine_init(&engine, NULL);
        m = (struct member){ .options = &options, .engine = &engine.base, .started = true };
        driver_init(&m.driver, &self, 4 * USEC_SEC, "fresh", &engine.base, &ports);
        m.driver.f.policy.members = 7;
}

static void check_not_ready(const char *why)
{
        struct error err = ERROR_INIT;

        ck_assert_int_lt(health_ready(&m, &err), 0);
        ck_assert_msg(strstr(err.message, why) != NULL, "\"%s\" does not say \"%s\"", err.message, why);
}

static void check_ready(void)
{
        struct error err = ERROR_INIT;

        ck_assert_msg(health_ready(&m, &err) == 0, "%s", err.message);
}

START_TEST(test_a_follower_is_ready_when_it_has_everything)
{
        struct failover_server *v = &m.driver.f.server;

        open_member();
        m.started = false;
        check_not_ready("the Secret shop-agent");
        m.started = true;
        check_not_ready("the server does not run");
        v->state = FAILOVER_STARTING;
        check_not_ready("loading");
        v->state = FAILOVER_STANDING;
        check_not_ready("no leader to follow");
        v->state = FAILOVER_FOLLOWING;
        check_not_ready("copying");
        v->in_sync = true;
        check_ready();
        m.driver.f.policy.fenced = 2;
        check_not_ready("fenced");
        m.driver.f.policy.fenced = 1;
        check_ready();
        m.stopping = true;
        check_not_ready("being stopped");
        fake_engine_release(&engine);
}
END_TEST

START_TEST(test_a_leader_is_ready_while_its_time_lasts)
{
        open_member();
        m.driver.f.role = FAILOVER_LEADER;
        m.driver.f.server.state = FAILOVER_WRITABLE;
        m.driver.f.valid_until = clock_now() + LIMIT;
        check_ready();
        m.driver.f.server.state = FAILOVER_PAUSED;
        check_ready();
        m.driver.f.server.state = FAILOVER_DOWN;
        check_not_ready("not writable");
        m.driver.f.server.state = FAILOVER_WRITABLE;
        m.driver.f.valid_until = clock_now();
        check_not_ready("its time as the leader is over");
        fake_engine_release(&engine);
}
END_TEST

/* --- what is served ----------------------------------------------------------------- */

static struct buf body;
static int status;

static void on_done(struct http_request *r _unused_, const struct http_result *result, void *arg)
{
        status = result->status;
        buf_add_str(&body, result->body);
        *(bool *)arg = true;
}

static const char *fetch(struct http_client *client, const char *path)
{
        bool done = false;
        struct http_handlers handlers = { .done = on_done, .arg = &done };
        struct http_call call = { .method = "GET", .timeout = LIMIT };
        struct http_request *request;
        char url[128];

        snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", (unsigned)server_port(m.health), path);
        call.url = str_c(url);
        buf_clear(&body);
        ck_assert_int_eq(http_start(client, &call, &handlers, &request, NULL), 0);
        while (!done)
                ck_assert_int_eq(loop_turn(m.loop, USEC_SEC), 0);
        return body.len ? body.data : "";
}

static void check_has(const char *page, const char *line)
{
        ck_assert_msg(strstr(page, line) != NULL, "no \"%s\" in:\n%s", line, page);
}

static void check_metrics(const char *page)
{
        check_has(page, "\nkeelson_failover_leader 1\n");
        check_has(page, "\nkeelson_failover_role{role=\"Leader\"} 1\n");
        check_has(page, "\nkeelson_failover_epoch 7\n");
        check_has(page, "\nkeelson_failover_member_lag_bytes{member=\"2\"} 30\n");
        check_has(page, "\nkeelson_failover_member_in_sync{member=\"0\"} 0\n");
        check_has(page, "\nkeelson_failover_member_in_sync{member=\"2\"} 1\n");
        check_has(page, "\nkeelson_failover_fences_total{cause=\"ServerHung\"} 3\n");
        check_has(page, "keelson_build_info{version=\"1.2.3\"} 1\n");
        check_has(page, "\nfake_engine 1\n");
}

static void check_state(const char *page)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        yyjson_val *root;

        ck_assert_int_eq(json_parse(str_c(page), &doc, NULL), 0);
        root = yyjson_doc_get_root(doc);
        ck_str_eq(json_get_str(root, "role"), "Leader");
        ck_assert_int_eq(json_get_int(yyjson_obj_get(root, "record"), "epoch", 0), 7);
        ck_assert(json_get_bool(yyjson_obj_get(root, "engine"), "fake", false));
}

START_TEST(test_pages)
{
        struct failover_server *v = &m.driver.f.server;
        struct http_client *client;
        struct error err = ERROR_INIT;

        open_member();
        buf_init(&body, (size_t)1024 * 1024);
        ck_assert_int_eq(loop_new(&m.loop), 0);
        ck_assert_msg(health_start(&m, &err) == 0, "%s", err.message);
        ck_assert_int_eq(http_client_new(m.loop, &(struct http_config){ .proxy = STR("") }, &client, &err),
                         0);
        m.driver.f.role = FAILOVER_LEADER;
        m.driver.f.record.epoch = 7;
        m.driver.f.record.in_sync = 6;
        m.fences[FAILOVER_CAUSE_HANG] = 3;
        v->offset = 100;
        v->online = 4;
        v->acked[2] = 70;
        ck_assert_str_eq(fetch(client, "/livez"), "ok\n");
        (void)fetch(client, "/readyz");
        ck_assert_int_eq(status, 503);
        check_metrics(fetch(client, "/metrics"));
        check_state(fetch(client, "/debug/state"));
        (void)fetch(client, "/failover/v1/messages");
        ck_assert_int_eq(status, 404);
        m.started = false; /* before there is a configuration */
        check_has(fetch(client, "/metrics"), "\nkeelson_failover_config_valid 1\n");
        http_client_free(client);
        server_free(m.health);
        metrics_free(m.metrics);
        loop_free(m.loop);
        buf_release(&body);
        fake_engine_release(&engine);
}
END_TEST

static void check_valid(bool valid)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT((size_t)1024 * 1024);

        health_write_metrics(&m, &out);
        check_has(out.data,
                  valid ? "\nkeelson_failover_config_valid 1\n" : "\nkeelson_failover_config_valid 0\n");
}

/* What the engine says of settings counts until there are others; what it says of the volume
 * is why the member is not ready before it is its own, and not after. */
START_TEST(test_complaints)
{
        struct error why = ERROR_INIT;

        open_member();
        m.news.n_in_flight = NEWS_IN_FLIGHT_MAX; /* nothing is sent */
        m.opened = true;
        ck_assert_int_eq(metrics_new(&m.metrics), 0);
        check_valid(true);
        error_set(&why, -EINVAL, "the server did not start");
        complaint_of_engine(&m, &why);
        check_valid(true);
        error_set_at(&why, -EINVAL, STR("redis.users.default"), "must have a name");
        complaint_of_engine(&m, &why);
        check_valid(false);

        /* Of the server or of the member itself. */
        ck_assert(!member_needs_restart(&m));
        m.wanted_lease = 8 * USEC_SEC;
        ck_assert(member_needs_restart(&m));

        m.started = m.opened = false;
        why = (struct error)ERROR_INIT;
        error_set(&why, -EBUSY, "another agent still uses the volume");
        complaint_of_volume(&m, &why);
        check_not_ready("still uses the volume");
        complaint_of_volume(&m, NULL);
        ck_assert(m.opened);
        check_not_ready("the Secret shop-agent");
        m.started = true;
        error_set(&why, -ENOSPC, "the volume is full");
        complaint_of_volume(&m, &why);
        check_not_ready("the server does not run");
        ck_assert_int_eq(m.volume.code, -ENOSPC);
        metrics_free(m.metrics);
        fake_engine_release(&engine);
}
END_TEST

static const TTest *const tests[] = { test_a_follower_is_ready_when_it_has_everything,
                                      test_a_leader_is_ready_while_its_time_lasts, test_pages,
                                      test_complaints };

TEST_MAIN("member/health", tests)
