/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "fake_api.h"
#include "harness.h"

static const struct kube_kind deployment = { .group = STR_INIT("apps"),
                                             .version = STR_INIT("v1"),
                                             .plural = STR_INIT("deployments"),
                                             .kind = STR_INIT("Deployment"),
                                             .namespaced = true };

static struct loop *loop;
static struct fake_api fake;
static struct kube_client *client;

static void open_all(const char *user)
{
        ck_assert_int_eq(loop_new(&loop), 0);
        fake_api_start(&fake, loop);
        client = fake_api_client(&fake, user);
}

static void close_all(void)
{
        kube_client_free(client);
        fake_api_stop(&fake);
        loop_free(loop);
}

/* What done saw. */
struct seen {
        int calls;
        int status;
        enum kube_reason reason;
        char body[256];
        char message[768];
        usec_t retry_after;
};

static void see(const struct kube_reply *reply, void *arg)
{
        struct seen *s = arg;

        s->calls++;
        s->status = reply->status;
        s->reason = reply->reason;
        s->retry_after = reply->retry_after;
        snprintf(s->body, sizeof(s->body), "%.*s", STR_FMT(reply->body));
        snprintf(s->message, sizeof(s->message), "%s", reply->error.message);
}

/* About the Deployment shop/web, if CALL does not say otherwise. */
static int call_web(struct kube_call call, kube_done_fn *done, void *arg, struct error *err)
{
        call.kind = &deployment;
        call.namespace = STR("shop");
        if (!call.name.data)
                call.name = STR("web");
        return kube_call(client, &call, done, arg, NULL, err);
}

static int get(kube_done_fn *done, void *arg, struct error *err)
{
        return call_web((struct kube_call){ .verb = KUBE_GET }, done, arg, err);
}

static bool was_called(void *arg)
{
        return ((struct seen *)arg)->calls > 0;
}

START_TEST(test_verbs)
{
        struct str body = STR("{\"a\":1}"), manager = STR("keelson");
        const struct kube_call calls[] = {
                { .verb = KUBE_GET },
                { .verb = KUBE_CREATE, .body = body, .field_manager = manager, .dry_run = true },
                { .verb = KUBE_APPLY, .body = body, .field_manager = manager, .force = true },
                { .verb = KUBE_MERGE_PATCH,
                  .subresource = STR("status"),
                  .body = body,
                  .field_manager = manager },
                { .verb = KUBE_JSON_PATCH, .body = body, .field_manager = manager },
                { .verb = KUBE_DELETE,
                  .if_uid = STR("u-1"),
                  .if_version = STR("77"),
                  .propagation = STR("Background") },
        };
        struct seen s[7] = { 0 };
        struct error err;

        open_all(NULL);
        for (int i = 0; i < 7; i++)
                fake_api_will(&fake, (struct fake_step){ .body = "{\"kind\":\"Deployment\"}" });
        for (int i = 0; i < 6; i++) {
                ck_assert_int_eq(call_web(calls[i], see, &s[i], &err), 0);
                fake_api_wait(&fake, was_called, &s[i]);
        }
        ck_assert_int_eq(kube_call(client,
                                   &(struct kube_call){ .verb = KUBE_LIST,
                                                        .kind = &deployment,
                                                        .limit = 2,
                                                        .label_selector = STR("a=b,c"),
                                                        .continue_token = STR("t/+") },
                                   see, &s[6], NULL, &err),
                         0);
        fake_api_wait(&fake, was_called, &s[6]);
        for (int i = 0; i < 7; i++) {
                ck_assert_int_eq(s[i].calls, 1);
                ck_assert_int_eq(s[i].reason, KUBE_OK);
                ck_assert_str_eq(s[i].body, "{\"kind\":\"Deployment\"}");
        }
        ck_assert_str_eq(
                fake.asked.data,
                "GET /apis/apps/v1/namespaces/shop/deployments/web\n"
                "POST /apis/apps/v1/namespaces/shop/deployments?fieldManager=keelson&dryRun=All\n"
                "PATCH /apis/apps/v1/namespaces/shop/deployments/web?fieldManager=keelson&force=true\n"
                "PATCH /apis/apps/v1/namespaces/shop/deployments/web/status?fieldManager=keelson\n"
                "PATCH /apis/apps/v1/namespaces/shop/deployments/web?fieldManager=keelson\n"
                "DELETE /apis/apps/v1/namespaces/shop/deployments/web\n"
                "GET /apis/apps/v1/deployments?labelSelector=a=b,c&continue=t/+&limit=2\n");
        ck_assert_str_eq(
                fake.bodies.data,
                "\n{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n"
                "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"propagationPolicy\":\"Background\","
                "\"preconditions\":{\"uid\":\"u-1\",\"resourceVersion\":\"77\"}}\n\n");
        ck_assert_str_eq(fake.content_type.data,
                         "-\napplication/json\napplication/apply-patch+yaml\napplication/merge-patch+json\n"
                         "application/json-patch+json\napplication/json\n-\n");
        ck_assert_str_eq(fake.authorization.data, "-\n-\n-\n-\n-\n-\n-\n");
        ck_assert_uint_eq(kube_client_pending(client), 0);
        close_all();
}
END_TEST

START_TEST(test_refusal)
{
        struct seen s = { 0 };
        struct error err;

        open_all("token: secret");
        fake_api_will(&fake,
                      (struct fake_step){ .status = 429,
                                          .retry_after = "7",
                                          .body = "{\"kind\":\"Status\",\"reason\":\"TooManyRequests\","
                                                  "\"message\":\"slow down\"}" });
        ck_assert_int_eq(get(see, &s, &err), 0);
        ck_assert_uint_eq(kube_client_pending(client), 1);
        fake_api_wait(&fake, was_called, &s);
        ck_assert_int_eq(s.reason, KUBE_TOO_MANY_REQUESTS);
        ck_assert_int_eq(s.retry_after, 7 * USEC_SEC);
        ck_assert_str_eq(s.message, "cannot get deployments.apps shop/web: slow down");
        ck_assert_str_eq(fake.authorization.data, "Bearer secret\n");
        close_all();
}
END_TEST

START_TEST(test_unreachable)
{
        struct seen s = { 0 };
        struct error err;

        open_all(NULL);
        fake_api_will(&fake, (struct fake_step){ .body = "{\"ki", .end = FAKE_CUT });
        ck_assert_int_eq(get(see, &s, &err), 0);
        fake_api_wait(&fake, was_called, &s);
        ck_assert_int_eq(s.reason, KUBE_UNREACHABLE);
        ck_assert_msg(strncmp(s.message, "API server", 10) == 0 && strstr(s.message, fake.url), "%s",
                      s.message);
        close_all();
}
END_TEST

START_TEST(test_bad_names)
{
        struct error err = ERROR_INIT;

        open_all(NULL);
        ck_assert_int_eq(call_web((struct kube_call){ .verb = KUBE_GET, .name = STR("..") }, see, NULL, &err),
                         -EINVAL);
        ck_assert_str_eq(err.message, "cannot make a URL for deployments \"..\" in namespace \"shop\"");
        ck_assert_uint_eq(kube_client_pending(client), 0);
        close_all();
}
END_TEST

START_TEST(test_cancel)
{
        struct kube_call call = {
                .verb = KUBE_GET, .kind = &deployment, .namespace = STR("shop"), .name = STR("web")
        };
        struct seen cancelled = { 0 }, other = { 0 };
        struct kube_request *request = NULL;
        struct error err;

        open_all(NULL);
        fake_api_will(&fake, (struct fake_step){ .body = "{}" });
        fake_api_will(&fake, (struct fake_step){ .body = "{}" });
        ck_assert_int_eq(kube_call(client, &call, see, &cancelled, &request, &err), 0);
        kube_cancel(request);
        ck_assert_int_eq(kube_call(client, &call, see, &other, NULL, &err), 0);
        fake_api_wait(&fake, was_called, &other);
        ck_assert_int_eq(cancelled.calls, 0);
        /* What is in flight when the client goes is cancelled. */
        ck_assert_int_eq(kube_call(client, &call, see, &cancelled, NULL, &err), 0);
        close_all();
        ck_assert_int_eq(cancelled.calls, 0);
}
END_TEST

static void free_client(const struct kube_reply *reply, void *arg)
{
        see(reply, arg);
        kube_client_free(client);
        client = NULL;
}

START_TEST(test_free_from_done)
{
        struct seen s = { 0 };
        struct error err;

        open_all(NULL);
        fake_api_will(&fake, (struct fake_step){ .body = "{}" });
        ck_assert_int_eq(get(free_client, &s, &err), 0);
        fake_api_wait(&fake, was_called, &s);
        ck_assert_int_eq(s.reason, KUBE_OK);
        close_all();
}
END_TEST

/* --- a token that is replaced ------------------------------------------------- */

static char token_path[64];

static void put_token(const char *token)
{
        FILE *f = fopen(token_path, "w");

        ck_assert_ptr_nonnull(f);
        fputs(token, f);
        fclose(f);
}

static void open_with_token(void)
{
        char user[128];
        int fd;

        snprintf(token_path, sizeof(token_path), "/tmp/keelson-test-token-XXXXXX");
        fd = mkstemp(token_path);
        ck_assert_int_ge(fd, 0);
        close(fd);
        put_token("old");
        snprintf(user, sizeof(user), "tokenFile: %s", token_path);
        open_all(user);
}

START_TEST(test_new_token)
{
        struct seen s = { 0 };
        struct error err;

        open_with_token();
        fake_api_will(&fake, (struct fake_step){ .status = 401, .body = "{}" });
        fake_api_will(&fake, (struct fake_step){ .body = "{}" });
        put_token("new");
        ck_assert_int_eq(call_web((struct kube_call){ .verb = KUBE_APPLY,
                                                      .body = STR("{\"b\":2}"),
                                                      .field_manager = STR("keelson") },
                                  see, &s, &err),
                         0);
        fake_api_wait(&fake, was_called, &s);
        ck_assert_int_eq(s.calls, 1);
        ck_assert_int_eq(s.reason, KUBE_OK);
        ck_assert_str_eq(fake.authorization.data, "Bearer old\nBearer new\n");
        ck_assert_str_eq(fake.bodies.data, "{\"b\":2}\n{\"b\":2}\n");
        unlink(token_path);
        close_all();
}
END_TEST

/* One retry, and none at all if the token is the same. */
START_TEST(test_refused_token)
{
        struct seen s = { 0 }, t = { 0 };
        struct error err;

        open_with_token();
        for (int i = 0; i < 3; i++)
                fake_api_will(&fake, (struct fake_step){ .status = 401, .body = "{}" });
        ck_assert_int_eq(get(see, &s, &err), 0);
        fake_api_wait(&fake, was_called, &s);
        ck_assert_int_eq(s.reason, KUBE_UNAUTHORIZED);
        ck_assert_str_eq(fake.authorization.data, "Bearer old\n");
        put_token("new");
        ck_assert_int_eq(get(see, &t, &err), 0);
        fake_api_wait(&fake, was_called, &t);
        ck_assert_int_eq(t.reason, KUBE_UNAUTHORIZED);
        ck_assert_str_eq(fake.authorization.data, "Bearer old\nBearer old\nBearer new\n");
        unlink(token_path);
        close_all();
}
END_TEST

/* --- proxies ---------------------------------------------------------------------- */

/* A client of a server that is nowhere; only a proxy can bring it there. */
static struct kube_client *client_of_nowhere(const char *proxy_line)
{
        _cleanup_(buf_release) struct buf yaml = BUF_INIT(1024);
        struct kube_client *made = NULL;
        struct kube_config config;
        struct error err = ERROR_INIT;

        buf_printf(&yaml,
                   "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n"
                   "clusters: [{name: k, cluster: {server: 'http://api.invalid:6443'%s}}]\n",
                   proxy_line);
        ck_assert_int_eq(kube_config_parse(buf_str(&yaml), STR("/fake/config"), &config, &err), 0);
        ck_assert_int_eq(kube_client_new(loop, &config, &made, &err), 0);
        return made;
}

static enum kube_reason get_through(const char *proxy_line)
{
        struct seen s = { 0 };
        struct error err;

        client = client_of_nowhere(proxy_line);
        ck_assert_int_eq(get(see, &s, &err), 0);
        fake_api_wait(&fake, was_called, &s);
        kube_client_free(client);
        return s.reason;
}

START_TEST(test_proxy)
{
        char line[128];

        unsetenv("http_proxy");
        unsetenv("no_proxy");
        unsetenv("NO_PROXY");
        ck_assert_int_eq(loop_new(&loop), 0);
        fake_api_start(&fake, loop);
        snprintf(line, sizeof(line), ", proxy-url: '%s'", fake.url);
        fake_api_will(&fake, (struct fake_step){ .body = "{}" });
        ck_assert_int_eq(get_through(line), KUBE_OK);
        ck_assert_ptr_nonnull(strstr(fake.asked.data, "/apis/apps/v1/namespaces/shop/deployments/web"));
        /* Of the environment, if the kubeconfig has none. */
        setenv("http_proxy", fake.url, 1);
        fake_api_will(&fake, (struct fake_step){ .body = "{}" });
        ck_assert_int_eq(get_through(""), KUBE_OK);
        setenv("no_proxy", "api.invalid", 1);
        ck_assert_int_eq(get_through(""), KUBE_UNREACHABLE);
        ck_assert_uint_eq(fake.next, 2);
        unsetenv("http_proxy");
        unsetenv("no_proxy");
        fake_api_stop(&fake);
        loop_free(loop);
}
END_TEST

/* --- who watches ------------------------------------------------------------------ */

static struct buf observed = BUF_INIT(1024);

static void note_observed(const struct kube_observed *seen, void *arg _unused_)
{
        ck_assert_ptr_eq(seen->kind, &deployment);
        ck_assert_int_ge(seen->elapsed, 0);
        ck_assert_int_lt(seen->elapsed, USEC_MINUTE);
        buf_printf(&observed, "%s %d%s%s%s ", seen->method, seen->status, seen->missing_right ? "!" : "",
                   seen->subresource.data ? "/" : "", seen->streamed_list ? "+" : "");
}

static int on_stream_data(struct http_request *http _unused_, struct str data _unused_, void *arg _unused_)
{
        return 0;
}

static void on_stream_done(struct http_request *http _unused_, const struct http_result *result _unused_,
                           void *arg)
{
        ((struct seen *)arg)->calls++;
}

/* Each attempt once: of a stream when its headers come, and before its end. */
START_TEST(test_observer)
{
        struct seen s[5] = { 0 };
        struct http_handlers handlers = { .on_data = on_stream_data, .done = on_stream_done };
        struct kube_stream_call watch = { .verb = KUBE_WATCH, .kind = &deployment, .path = STR("/watch") };
        struct kube_request *request;
        struct error err;

        open_with_token();
        kube_client_observe(client, note_observed, NULL);
        fake_api_will(&fake, (struct fake_step){ .status = 401, .body = "{}" });
        fake_api_will(&fake, (struct fake_step){ .status = 200, .body = "{}" });
        fake_api_will(&fake,
                      (struct fake_step){ .status = 403,
                                          .body = "{\"kind\":\"Status\",\"message\":\"u cannot patch\"}" });
        fake_api_will(&fake, (struct fake_step){ .status = 403,
                                                 .body = "{\"kind\":\"Status\",\"message\":\"quota\"}" });
        fake_api_will(&fake, (struct fake_step){ .status = 200, .body = "{}", .end = FAKE_CUT });
        fake_api_will(&fake, (struct fake_step){ .status = 403, .body = "{}" });
        put_token("new");
        ck_assert_int_eq(get(see, &s[0], &err), 0);
        fake_api_wait(&fake, was_called, &s[0]);
        ck_str_eq(buf_str(&observed), "GET 401 GET 200 ");
        buf_clear(&observed);
        ck_assert_int_eq(call_web((struct kube_call){ .verb = KUBE_APPLY,
                                                      .subresource = STR("status"),
                                                      .body = STR("{}"),
                                                      .field_manager = STR("k"),
                                                      .force = true },
                                  see, &s[1], &err),
                         0);
        fake_api_wait(&fake, was_called, &s[1]);
        ck_assert_int_eq(call_web((struct kube_call){ .verb = KUBE_DELETE }, see, &s[2], &err), 0);
        fake_api_wait(&fake, was_called, &s[2]);
        ck_str_eq(buf_str(&observed), "PATCH 403!/ DELETE 403 ");
        buf_clear(&observed);
        for (int i = 3; i < 5; i++) {
                handlers.arg = &s[i];
                watch.streamed_list = i == 4;
                ck_assert_int_eq(kube_stream(client, &watch, &handlers, &request, &err), 0);
                fake_api_wait(&fake, was_called, &s[i]);
        }
        ck_str_eq(buf_str(&observed), "GET 200 GET 403!+ ");
        /* Nobody is there. */
        buf_clear(&observed);
        kube_client_free(client);
        fake_api_stop(&fake);
        fake.loop = loop;
        client = fake_api_client(&fake, "");
        kube_client_observe(client, note_observed, NULL);
        s[0].calls = 0;
        ck_assert_int_eq(get(see, &s[0], &err), 0);
        while (!s[0].calls)
                ck_assert_int_eq(loop_turn(loop, USEC_SEC), 0);
        ck_str_eq(buf_str(&observed), "GET 0 ");
        buf_release(&observed);
        kube_client_free(client);
        loop_free(loop);
        unlink(token_path);
}
END_TEST

/* --- without memory ------------------------------------------------------------- */

static int call_under_torture(void *arg)
{
        struct kube_call call = { .verb = KUBE_DELETE,
                                  .kind = &deployment,
                                  .namespace = STR("shop"),
                                  .name = STR("web"),
                                  .if_uid = STR("u") };
        struct kube_request *request = NULL;
        struct error err = ERROR_INIT;
        int r = kube_call(arg, &call, see, NULL, &request, &err);

        if (r == 0)
                kube_cancel(request);
        else
                ck_assert_msg(err.code == r && err.message[0], "%d", r);
        return r;
}

static int new_under_torture(void *arg)
{
        struct kube_config config = { 0 };
        struct kube_client *c = NULL;
        struct error err = ERROR_INIT;
        int r = kube_config_parse(str_c(arg), STR("/k"), &config, &err);

        if (r == 0)
                r = kube_client_new(loop, &config, &c, &err);
        kube_client_free(c);
        kube_config_release(&config);
        return r;
}

START_TEST(test_torture)
{
        static char text[] = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                             "clusters: [{name: k, cluster: {server: 'http://h'}}]\n"
                             "users: [{name: u, user: {token: t}}]\n";

        open_all("token: t");
        /* The first call makes the buffer for URLs, which stays. */
        ck_assert_int_eq(call_under_torture(client), 0);
        torture(call_under_torture, client, 0);
        torture(new_under_torture, text, 0);
        ck_assert_uint_eq(kube_client_pending(client), 0);
        close_all();
}
END_TEST

static const TTest *const tests[] = { test_verbs,  test_refusal,        test_unreachable, test_bad_names,
                                      test_cancel, test_free_from_done, test_new_token,   test_refused_token,
                                      test_proxy,  test_observer,       test_torture };

TEST_MAIN("kube/client", tests)
