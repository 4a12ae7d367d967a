/* SPDX-License-Identifier: Apache-2.0
 *
 * config.json out of a Secret, from an API server that has one, another, or none.
 */
#include "agent/member/config.h"

#include <stdio.h>

#include "base/base64.h"
#include "harness.h"
#include "pkg/kube/fake_api.h"

#define GOOD(members)                                                                                        \
        "{\"members\":" members ",\"durable\":true,\"leaseMillis\":4000,\"redis\":{\"port\":6379}}"

static struct loop *loop;
static struct fake_api api;
static struct kube_client *client;
static struct config_watch config;
static unsigned n_changed, n_troubles, n_well;
static failover_set members;
static struct error trouble;

static void on_changed(const struct settings *s, void *arg _unused_)
{
        n_changed++;
        members = s->policy.members;
        ck_str_eq(buf_str(&s->engine), "{\"port\":6379}");
}

static void on_trouble(const struct error *why, void *arg _unused_)
{
        if (why)
                trouble = *why;
        n_troubles += why != NULL;
        n_well += why == NULL;
}

static void add_secret(struct buf *out, const char *version, const char *json)
{
        buf_printf(out,
                   "{\"kind\":\"Secret\",\"metadata\":{\"name\":\"shop-agent\",\"resourceVersion\":\"%s\"}",
                   version);
        if (json) {
                buf_add_c(out, ",\"data\":{\"config.json\":\"");
                base64_encode(out, str_c(json));
                buf_add_c(out, "\"}");
        }
        buf_add_c(out, "}");
}

/* The server lists the first of JSON (NULL: no Secret), and its watch brings the others. */
static struct buf list, events;

static struct fake_step respond(const char *asked)
{
        if (strstr(asked, "sendInitialEvents")) /* a server that does not know them */
                return (struct fake_step){ .status = 400, .body = "{\"kind\":\"Status\",\"code\":400}" };
        if (!strstr(asked, "watch=true"))
                return (struct fake_step){ .body = list.data };
        return (struct fake_step){ .body = events.data, .end = FAKE_HANG };
}

static void begin(const char *first)
{
        buf_init(&list, (size_t)64 * 1024);
        buf_init(&events, (size_t)64 * 1024);
        buf_add_c(&list, "{\"kind\":\"SecretList\",\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[");
        if (first)
                add_secret(&list, "10", first);
        buf_add_c(&list, "]}");
        buf_add_c(&events, "");
        n_changed = n_troubles = n_well = 0;
        memset(&trouble, 0, sizeof(trouble));
        ck_assert_int_eq(loop_new(&loop), 0);
        fake_api_start(&api, loop);
        api.respond = respond;
        client = fake_api_client(&api, NULL);
}

static void then(const char *type, const char *version, const char *json)
{
        buf_printf(&events, "{\"type\":\"%s\",\"object\":", type);
        add_secret(&events, version, json);
        buf_add_c(&events, "}\n");
}

static void start(void)
{
        struct config_handlers handlers = { .changed = on_changed, .trouble = on_trouble };

        ck_assert_int_eq(config_start(&config, client, STR("ns"), STR("shop"), "redis", 1, &handlers), 0);
}

static void finish(void)
{
        config_stop(&config);
        kube_client_free(client);
        fake_api_stop(&api);
        loop_free(loop);
        buf_release(&list);
        buf_release(&events);
}

static bool changed(void *arg)
{
        return n_changed >= *(unsigned *)arg;
}

static bool in_trouble(void *arg _unused_)
{
        return n_troubles > 0;
}

static void wait_changed(unsigned n)
{
        fake_api_wait(&api, changed, &n);
        ck_assert_uint_eq(n_changed, n);
}

START_TEST(test_read_and_changed)
{
        begin(GOOD("3"));
        then("MODIFIED", "11", GOOD("3")); /* the same text: nothing has changed */
        then("MODIFIED", "12", GOOD("2"));
        start();
        wait_changed(2);
        ck_assert_uint_eq(members, 3);
        ck_assert_uint_eq(n_troubles, 0);
        ck_assert_ptr_nonnull(
                strstr(api.asked.data, "/namespaces/ns/secrets?fieldSelector=metadata.name=shop-agent"));
        finish();
}
END_TEST

START_TEST(test_the_last_good_one_stays)
{
        begin(GOOD("3"));
        then("MODIFIED", "11", GOOD("\"many\""));
        then("MODIFIED", "12", GOOD("\"many\""));
        then("MODIFIED", "13", GOOD("1"));
        start();
        wait_changed(2);
        ck_assert_uint_eq(members, 1);
        ck_assert_uint_eq(n_troubles, 1); /* told once */
        ck_assert_uint_eq(n_well, 1);
        ck_assert_ptr_nonnull(strstr(trouble.message, "Secret shop-agent: config.json.members must be"));
        finish();
}
END_TEST

START_TEST(test_none_and_made)
{
        begin(NULL);
        then("ADDED", "11", NULL);
        then("MODIFIED", "12", GOOD("3"));
        start();
        fake_api_wait(&api, in_trouble, NULL);
        wait_changed(1);
        ck_assert_uint_eq(n_troubles, 2);
        ck_assert_ptr_nonnull(strstr(trouble.message, "it has no data.config.json"));
        finish();
}
END_TEST

START_TEST(test_deleted)
{
        begin(GOOD("3"));
        then("DELETED", "11", GOOD("3"));
        start();
        fake_api_wait(&api, in_trouble, NULL);
        ck_assert_uint_eq(n_changed, 1);
        ck_assert_uint_eq(config.settings.policy.members, 7);
        ck_assert_ptr_nonnull(strstr(trouble.message, "Secret shop-agent: it does not exist"));
        finish();
}
END_TEST

static const TTest *const tests[] = { test_read_and_changed, test_the_last_good_one_stays, test_none_and_made,
                                      test_deleted };

TEST_MAIN("member/config", tests)
