/* SPDX-License-Identifier: Apache-2.0
 *
 * A client whose credentials come from an exec plugin: what waits for it, what
 * it is spared, and what its failures look like.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "fake_api.h"
#include "harness.h"
#include "kube/request.h"

static const struct kube_kind deployment = { .group = STR_INIT("apps"),
                                             .version = STR_INIT("v1"),
                                             .plural = STR_INIT("deployments"),
                                             .kind = STR_INIT("Deployment"),
                                             .namespaced = true };

static struct loop *loop;
static struct fake_api fake;
static struct kube_client *client;
static char folder[64];

/* --- a plugin that counts its runs: "token-1", "token-2" --------------------------- */

#define ANSWER(status)                                                                                       \
        "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","             \
        "\"status\":{" status "}}'"
#define COUNT "echo >>$0.runs; n=$(wc -l <$0.runs); "
#define TOKEN COUNT ANSWER("\"token\":\"token-'$n'\"")

static void write_file(const char *name, const char *text)
{
        char path[128];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fputs(text, f);
        fclose(f);
}

static int runs(void)
{
        char path[128];
        FILE *f;
        int n = 0;

        snprintf(path, sizeof(path), "%s/plugin.runs", folder);
        f = fopen(path, "r");
        while (f && fgetc(f) != EOF)
                n++;
        if (f)
                fclose(f);
        return n;
}

static void make_folder(const char *script)
{
        snprintf(folder, sizeof(folder), "/tmp/keelson-test-exec-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        write_file("plugin", script);
}

static void remove_folder(void)
{
        static const char *const names[] = { "plugin", "plugin.runs", "plugin.go" };
        char path[128];

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
                unlink(path);
        }
        ck_assert_int_eq(rmdir(folder), 0);
}

static void open_client(void)
{
        char user[256];

        snprintf(user, sizeof(user),
                 "exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, args: [%s/plugin]}",
                 folder);
        client = fake_api_client(&fake, user);
}

static void open_all(const char *script)
{
        make_folder(script);
        ck_assert_int_eq(loop_new(&loop), 0);
        fake_api_start(&fake, loop);
        open_client();
}

static void close_all(void)
{
        kube_client_free(client);
        fake_api_stop(&fake);
        loop_free(loop);
        remove_folder();
}

/* --- what done saw ------------------------------------------------------------------- */

struct seen {
        int calls;
        int status;
        enum kube_reason reason;
        char message[768];
};

static void see(const struct kube_reply *reply, void *arg)
{
        struct seen *s = arg;

        s->calls++;
        s->status = reply->status;
        s->reason = reply->reason;
        snprintf(s->message, sizeof(s->message), "%s", reply->error.message);
}

static bool was_called(void *arg)
{
        return ((struct seen *)arg)->calls > 0;
}

static int start_get(kube_done_fn *done, struct seen *s, struct error *err)
{
        struct kube_call call = {
                .verb = KUBE_GET, .kind = &deployment, .namespace = STR("shop"), .name = STR("web")
        };

        return kube_call(client, &call, done, s, NULL, err);
}

static void get(struct seen *s)
{
        struct error err;

        ck_assert_int_eq(start_get(see, s, &err), 0);
        ck_assert_int_eq(s->calls, 0);
}

static void get_and_wait(struct seen *s)
{
        *s = (struct seen){ 0 };
        get(s);
        fake_api_wait(&fake, was_called, s);
        ck_assert_int_eq(s->calls, 1);
}

static void will(int status, enum fake_end end)
{
        fake_api_will(&fake, (struct fake_step){ .status = status, .body = "{}", .end = end });
}

/* The pause between two runs is over. */
static void pass_pause(void)
{
        client->credentials.paused_until = 0;
}

/* --- calls --------------------------------------------------------------------------- */

START_TEST(test_wait_and_keep)
{
        struct seen s[3] = { 0 };

        open_all(TOKEN);
        for (int i = 0; i < 4; i++)
                will(200, FAKE_END);
        for (int i = 0; i < 3; i++)
                get(&s[i]);
        ck_assert_uint_eq(kube_client_pending(client), 3);
        for (int i = 0; i < 3; i++)
                fake_api_wait(&fake, was_called, &s[i]);
        get_and_wait(&s[0]);
        ck_assert_int_eq(s[0].reason, KUBE_OK);
        ck_assert_str_eq(fake.authorization.data,
                         "Bearer token-1\nBearer token-1\nBearer token-1\nBearer token-1\n");
        ck_assert_int_eq(runs(), 1);
        ck_assert_uint_eq(kube_client_pending(client), 0);
        close_all();
}
END_TEST

START_TEST(test_refused)
{
        struct seen s, t = { 0 }, u = { 0 };

        open_all(TOKEN);
        will(200, FAKE_END);
        will(401, FAKE_END);
        will(401, FAKE_END);
        will(200, FAKE_END);
        will(200, FAKE_END);
        get_and_wait(&s);
        /* Two of them are refused, and one run is enough for both. */
        pass_pause();
        get(&t);
        get(&u);
        fake_api_wait(&fake, was_called, &t);
        fake_api_wait(&fake, was_called, &u);
        ck_assert_int_eq(t.reason, KUBE_OK);
        ck_assert_int_eq(u.reason, KUBE_OK);
        ck_assert_int_eq(runs(), 2);
        ck_assert_str_eq(fake.authorization.data, "Bearer token-1\nBearer token-1\nBearer token-1\n"
                                                  "Bearer token-2\nBearer token-2\n");
        /* What was made a moment ago and is refused is not made again. */
        will(401, FAKE_END);
        get_and_wait(&s);
        ck_assert_int_eq(s.reason, KUBE_UNAUTHORIZED);
        /* And a request has one more try, not two. */
        pass_pause();
        will(401, FAKE_END);
        will(401, FAKE_END);
        get_and_wait(&s);
        ck_assert_int_eq(s.reason, KUBE_UNAUTHORIZED);
        ck_assert_int_eq(runs(), 3);
        close_all();
}
END_TEST

START_TEST(test_failure)
{
        struct seen s[3] = { 0 };

        open_all(COUNT "[ -e $0.go ] || { echo 'log in first' >&2; exit 1; }; " ANSWER("\"token\":\"t\""));
        for (int i = 0; i < 3; i++)
                get(&s[i]);
        for (int i = 0; i < 3; i++) {
                fake_api_wait(&fake, was_called, &s[i]);
                ck_assert_int_eq(s[i].status, 0);
                ck_assert_int_eq(s[i].reason, KUBE_UNREACHABLE);
                ck_assert_str_eq(s[i].message, "exec plugin sh exited with 1: log in first");
        }
        /* It does not run again at once, and done is still not called from inside. */
        get_and_wait(&s[0]);
        ck_assert_str_eq(s[0].message, "exec plugin sh exited with 1: log in first");
        ck_assert_int_eq(runs(), 1);
        ck_assert_str_eq(fake.asked.data, "");
        write_file("plugin.go", "");
        pass_pause();
        will(200, FAKE_END);
        get_and_wait(&s[0]);
        ck_assert_int_eq(s[0].reason, KUBE_OK);
        ck_assert_int_eq(runs(), 2);
        close_all();
}
END_TEST

START_TEST(test_missing)
{
        struct seen s;

        make_folder("");
        ck_assert_int_eq(loop_new(&loop), 0);
        fake_api_start(&fake, loop);
        client = fake_api_client(&fake, "exec: {apiVersion: client.authentication.k8s.io/v1, command: "
                                        "keelson-none, installHint: 'see example.org'}");
        get_and_wait(&s);
        ck_assert_str_eq(s.message, "exec plugin keelson-none: command not found; see example.org");
        close_all();
}
END_TEST

START_TEST(test_bad_certificate)
{
        struct seen s;

        open_all(ANSWER("\"clientCertificateData\":\"c\",\"clientKeyData\":\"k\""));
        get_and_wait(&s);
        ck_assert_msg(strstr(s.message, "what the exec plugin gave cannot be used: ") == s.message, "%s",
                      s.message);
        close_all();
}
END_TEST

/* Beside a token the plugin does not count. */
START_TEST(test_token_first)
{
        struct seen s;

        make_folder("");
        ck_assert_int_eq(loop_new(&loop), 0);
        fake_api_start(&fake, loop);
        client = fake_api_client(
                &fake,
                "token: fixed, exec: {apiVersion: client.authentication.k8s.io/v1, command: keelson-none}");
        will(200, FAKE_END);
        get_and_wait(&s);
        ck_assert_str_eq(fake.authorization.data, "Bearer fixed\n");
        close_all();
}
END_TEST

/* --- the ends of waiting ------------------------------------------------------------ */

START_TEST(test_cancel)
{
        struct kube_call call = {
                .verb = KUBE_GET, .kind = &deployment, .namespace = STR("shop"), .name = STR("web")
        };
        struct seen cancelled = { 0 }, other = { 0 };
        struct kube_request *request = NULL;
        struct error err;

        open_all(TOKEN);
        will(200, FAKE_END);
        ck_assert_int_eq(kube_call(client, &call, see, &cancelled, &request, &err), 0);
        ck_assert(kube_request_is_waiting(request));
        get(&other);
        kube_cancel(request);
        ck_assert_uint_eq(kube_client_pending(client), 1);
        fake_api_wait(&fake, was_called, &other);
        ck_assert_int_eq(cancelled.calls, 0);
        close_all();

        open_all("exec sleep 100");
        get(&cancelled);
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
        struct seen first = { 0 }, second = { 0 };
        struct error err;

        open_all("exit 1");
        ck_assert_int_eq(start_get(free_client, &first, &err), 0);
        get(&second);
        fake_api_wait(&fake, was_called, &first);
        ck_assert_int_eq(loop_turn(loop, 0), 0);
        ck_assert_int_eq(second.calls, 0);
        close_all();
}
END_TEST

START_TEST(test_too_many)
{
        static struct seen s[KUBE_WAITING_MAX];
        struct error err = ERROR_INIT;

        open_all("exit 1");
        for (int i = 0; i < KUBE_WAITING_MAX; i++)
                get(&s[i]);
        ck_assert_int_eq(start_get(see, NULL, &err), -EBUSY);
        ck_assert_str_eq(err.message, "more than 1024 requests wait for the exec plugin");
        for (int i = 0; i < KUBE_WAITING_MAX; i++)
                fake_api_wait(&fake, was_called, &s[i]);
        ck_assert_uint_eq(kube_client_pending(client), 0);
        close_all();
}
END_TEST

/* --- streams -------------------------------------------------------------------------- */

struct stream_seen {
        int headers, status, done, error;
        char data[64], message[256];
};

static void on_headers(struct http_request *r _unused_, const struct http_result *so_far, void *arg)
{
        struct stream_seen *s = arg;

        s->headers++;
        s->status = so_far->status;
}

static int on_data(struct http_request *r _unused_, struct str data, void *arg)
{
        struct stream_seen *s = arg;

        snprintf(s->data, sizeof(s->data), "%.*s", STR_FMT(data));
        return 0;
}

static void on_done(struct http_request *r _unused_, const struct http_result *result, void *arg)
{
        struct stream_seen *s = arg;

        s->done++;
        s->error = result->error.code;
        snprintf(s->message, sizeof(s->message), "%.200s", result->error.message);
}

static bool stream_is_done(void *arg)
{
        return ((struct stream_seen *)arg)->done > 0;
}

static void stream_and_wait(struct stream_seen *s)
{
        struct http_handlers handlers = { on_headers, on_data, on_done, s };
        struct kube_request *request;
        struct error err;

        *s = (struct stream_seen){ 0 };
        ck_assert_int_eq(
                kube_stream(client,
                            &(struct kube_stream_call){ .verb = KUBE_WATCH, .path = STR("/api/v1/pods") },
                            &handlers, &request, &err),
                0);
        fake_api_wait(&fake, stream_is_done, s);
        ck_assert_int_eq(s->done, 1);
}

START_TEST(test_stream)
{
        struct stream_seen s;

        open_all(TOKEN);
        fake_api_will(&fake, (struct fake_step){ .body = "one" });
        fake_api_will(&fake, (struct fake_step){ .status = 401, .body = "no" });
        fake_api_will(&fake, (struct fake_step){ .body = "two" });
        stream_and_wait(&s);
        ck_assert_str_eq(s.data, "one");
        /* A refusal that has another try is not seen. */
        pass_pause();
        stream_and_wait(&s);
        ck_assert_int_eq(s.headers, 1);
        ck_assert_int_eq(s.status, 200);
        ck_assert_str_eq(s.data, "two");
        ck_assert_str_eq(fake.authorization.data, "Bearer token-1\nBearer token-1\nBearer token-2\n");
        fake_api_will(&fake, (struct fake_step){ .status = 401, .body = "no" });
        stream_and_wait(&s);
        ck_assert_int_eq(s.status, 401);
        ck_assert_str_eq(s.data, "no");
        close_all();

        open_all("exit 2");
        stream_and_wait(&s);
        ck_assert_int_eq(s.headers, 0);
        ck_assert_int_eq(s.error, -ENOKEY);
        ck_assert_str_eq(s.message, "exec plugin sh exited with 2");
        close_all();
}
END_TEST

/* --- without memory ---------------------------------------------------------------------- */

static struct fake_step respond(const char *asked _unused_)
{
        return (struct fake_step){ .body = "{}" };
}

/* Whichever allocation fails, there is one end, and the next attempt is fine. */
START_TEST(test_torture)
{
        open_all(TOKEN);
        fake.respond = respond;
        for (uint64_t n = 1;; n++) {
                uint64_t before;
                struct seen s = { 0 };
                struct error err = ERROR_INIT;
                int r;

                kube_client_free(client);
                open_client();
                before = mem_count();
                mem_fail_after(n);
                r = start_get(see, &s, &err);
                if (r == 0)
                        fake_api_wait(&fake, was_called, &s);
                mem_fail_after(0);
                before = mem_count() - before;
                ck_assert_uint_eq(kube_client_pending(client), 0);
                if (r < 0)
                        ck_assert_int_eq(r, -ENOMEM);
                else
                        ck_assert_int_eq(s.calls, 1);
                pass_pause();
                get_and_wait(&s);
                ck_assert_msg(s.reason == KUBE_OK, "%s", s.message);
                if (before < n)
                        break;
        }
        close_all();
}
END_TEST

static const TTest *const tests[] = {
        test_wait_and_keep,   test_refused,     test_failure, test_missing,
        test_bad_certificate, test_token_first, test_cancel,  test_free_from_done,
        test_too_many,        test_stream,      test_torture,
};

TEST_MAIN("kube/client_exec", tests)
