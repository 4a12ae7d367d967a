/* SPDX-License-Identifier: Apache-2.0 */
#include "requests.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- answers ------------------------------------------------------------------ */

START_TEST(an_answer_is_told_whole)
{
        struct fetch f = { 0 };
        struct world w;

        setup(&w, NULL);
        fetch(&w, &f, "/ok", (struct http_call){ 0 });
        ck_assert_int_eq(f.result.error.code, 0);
        ck_assert_int_eq(f.result.status, 200);
        ck_str_eq(buf_str(&f.body), "hello");
        ck_assert_str_eq(f.content_type, "text/plain");
        ck_assert_int_eq(f.result.retry_after, -1);
        ck_assert_int_ge(f.result.elapsed, 0);
        ck_assert_int_eq(f.headers, 1);
        ck_assert_int_eq(f.on_headers_status, 200);
        fetch_release(&f);
        teardown(&w);
}
END_TEST

START_TEST(a_request_is_sent_as_it_was_given)
{
        static const struct http_header headers[] = {
                { STR_INIT("Authorization"), STR_INIT("Bearer abc") },
                { STR_INIT("Content-Type"), STR_INIT("application/apply-patch+yaml") },
                { STR_INIT("Accept"), STR_INIT("application/json") },
                { STR_INIT("X-Empty"), STR_INIT("") },
        };
        static const char *const lines[] = {
                "\r\nUser-Agent: test/1\r\n",        "\r\nAccept-Encoding: gzip\r\n",
                "\r\nAuthorization: Bearer abc\r\n", "\r\nContent-Type: application/apply-patch+yaml\r\n",
                "\r\nAccept: application/json\r\n",  "\r\nX-Empty:",
                "\r\nContent-Length: 5\r\n",
        };
        struct fetch f = { 0 };
        char host[64];
        struct world w;
        int n = 0;

        setup(&w, NULL);
        fetch(&w, &f, "/echo",
              (struct http_call){
                      .method = "PATCH", .headers = headers, .n_headers = 4, .body = STR("a: 1\n") });
        snprintf(host, sizeof(host), "PATCH /echo HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", w.server.port);
        ck_assert(str_starts(buf_str(&f.body), str_c(host)));
        ck_assert(str_ends(buf_str(&f.body), STR("\r\n\r\na: 1\n")));
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
                ck_assert_msg(strstr(f.body.data, lines[i]), "no %s in %s", lines[i], f.body.data);
        for (const char *at = f.body.data; (at = strstr(at, "\r\n")); at++)
                n++;
        ck_assert_int_eq(n, 3 + ARRAY_SIZE(lines)); /* and nothing else */
        fetch_release(&f);
        teardown(&w);
}
END_TEST

/* One easy handle serves them all, one after another; nothing of a request may
 * be left in the next. */
START_TEST(no_request_leaves_anything_in_the_next)
{
        static const struct {
                const char *method;
                struct str body;
                const char *length;
        } calls[] = {
                { "PATCH", STR_INIT("12345"), "\r\nContent-Length: 5\r\n" },
                { "GET", { NULL, 0 }, NULL },
                { "POST", { NULL, 0 }, "\r\nContent-Length: 0\r\n" },
                { "DELETE", { NULL, 0 }, NULL },
                { "DELETE", STR_INIT("{}"), "\r\nContent-Length: 2\r\n" },
                { "PUT", STR_INIT(""), "\r\nContent-Length: 0\r\n" },
                { "GET", { NULL, 0 }, NULL },
        };
        struct world w;

        setup(&w, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
                struct fetch f = { 0 };
                char line[64];

                fetch(&w, &f, "/echo",
                      (struct http_call){ .method = calls[i].method, .body = calls[i].body });
                snprintf(line, sizeof(line), "%s /echo HTTP/1.1\r\n", calls[i].method);
                ck_assert_msg(str_starts(buf_str(&f.body), str_c(line)), "%s", f.body.data);
                if (calls[i].length)
                        ck_assert_ptr_nonnull(strstr(f.body.data, calls[i].length));
                else
                        ck_assert_ptr_null(strcasestr(f.body.data, "Content-"));
                ck_assert(str_ends(buf_str(&f.body), calls[i].body));
                ck_assert_ptr_null(strcasestr(f.body.data, "Expect"));
                fetch_release(&f);
        }
        ck_assert_int_eq(w.server.n_connections, 1);
        teardown(&w);
}
END_TEST

START_TEST(a_large_body_is_sent_whole)
{
        struct buf body = BUF_INIT(FETCH_MAX);
        struct fetch f = { 0 };
        struct world w;

        setup(&w, NULL);
        for (int i = 0; i < 5000; i++)
                buf_printf(&body, "line %d\n", i);
        fetch(&w, &f, "/echo", (struct http_call){ .method = "POST", .body = buf_str(&body) });
        ck_assert_int_eq(f.result.status, 200);
        ck_assert(str_ends(buf_str(&f.body), buf_str(&body)));
        buf_release(&body);
        fetch_release(&f);
        teardown(&w);
}
END_TEST

START_TEST(a_stream_comes_in_pieces)
{
        struct fetch f = { .stream = true };
        struct world w;

        setup(&w, NULL);
        fetch(&w, &f, "/stream", (struct http_call){ 0 });
        ck_assert_int_eq(f.result.error.code, 0);
        ck_str_eq(buf_str(&f.body), "one\ntwo\nthree\n");
        ck_assert_uint_eq(f.result.body.len, 0);
        ck_assert_int_eq(f.headers, 1);
        ck_assert_int_eq(f.result.retry_after, -1); /* the trailer's does not count */
        fetch_release(&f);
        teardown(&w);
}
END_TEST

START_TEST(only_collected_bodies_are_compressed)
{
        struct fetch collected = { 0 }, streamed = { .stream = true };
        struct world w;

        setup(&w, NULL);
        fetch(&w, &collected, "/gzip", (struct http_call){ 0 });
        ck_str_eq(buf_str(&collected.body), "compressed");
        fetch(&w, &streamed, "/gzip", (struct http_call){ 0 });
        ck_str_eq(buf_str(&streamed.body), "plain");
        fetch_release(&collected);
        fetch_release(&streamed);
        teardown(&w);
}
END_TEST

START_TEST(the_status_is_not_judged)
{
        struct fetch empty = { 0 }, gone = { 0 }, throttled = { 0 }, redirect = { 0 }, early = { 0 };
        struct world w;

        setup(&w, NULL);
        fetch(&w, &empty, "/empty", (struct http_call){ 0 });
        ck_assert_int_eq(empty.result.status, 204);
        ck_assert_int_eq(empty.headers, 1);
        ck_assert_uint_eq(empty.body.len, 0);

        fetch(&w, &gone, "/gone", (struct http_call){ 0 });
        ck_assert_int_eq(gone.result.status, 410);
        ck_assert_int_eq(gone.result.error.code, 0);
        ck_str_eq(buf_str(&gone.body), "{}");

        fetch(&w, &throttled, "/throttled", (struct http_call){ 0 });
        ck_assert_int_eq(throttled.result.status, 429);
        ck_assert_int_eq(throttled.result.retry_after, 7 * USEC_SEC);

        fetch(&w, &redirect, "/redirect", (struct http_call){ 0 });
        ck_assert_int_eq(redirect.result.status, 302);
        ck_assert_int_eq(redirect.result.retry_after, -1);

        /* Of an interim answer nothing is left. */
        fetch(&w, &early, "/early", (struct http_call){ 0 });
        ck_assert_int_eq(early.result.status, 200);
        ck_assert_int_eq(early.headers, 1);
        ck_assert_int_eq(early.result.retry_after, -1);
        ck_assert_str_eq(early.content_type, "");
        fetch_release(&gone);
        fetch_release(&throttled);
        fetch_release(&early);
        fetch_release(&empty);
        fetch_release(&redirect);
        teardown(&w);
}
END_TEST

/* --- failures ------------------------------------------------------------------ */

START_TEST(a_body_past_the_cap_is_an_error)
{
        struct fetch fits = { 0 }, large = { 0 };
        struct world w;

        setup(&w, NULL);
        fetch(&w, &fits, "/big", (struct http_call){ .max_body = 1024 * 1024 });
        ck_assert_int_eq(fits.result.error.code, 0);
        ck_assert_uint_eq(fits.body.len, 1024 * 1024);
        fetch(&w, &large, "/big", (struct http_call){ .max_body = 1024 * 1024 - 1 });
        expect_failure(&large, -EMSGSIZE, "is larger than 1048575 bytes");
        ck_assert_int_eq(large.result.status, 200);
        fetch_release(&fits);
        fetch_release(&large);
        teardown(&w);
}
END_TEST

START_TEST(silence_ends_a_request)
{
        struct fetch ok = { 0 }, mute = { 0 }, silent = { .stream = true }, whole = { .stream = true };
        const usec_t idle = 500 * USEC_MSEC; /* longer than a connection takes, be it in valgrind */
        struct world w;

        setup(&w, NULL);
        fetch(&w, &ok, "/ok", (struct http_call){ 0 }); /* there is a connection now */
        fetch(&w, &silent, "/silent", (struct http_call){ .idle_timeout = idle, .timeout = USEC_HOUR });
        expect_failure(&silent, -ETIMEDOUT, "fell silent");
        ck_assert_int_eq(silent.result.status, 200);
        ck_assert_int_ge(silent.result.elapsed, idle);
        ck_str_eq(buf_str(&silent.body), "one\n");

        fetch(&w, &whole, "/silent", (struct http_call){ .idle_timeout = USEC_HOUR, .timeout = idle });
        ck_assert_int_eq(whole.result.error.code, -ETIMEDOUT);
        ck_assert_int_ge(whole.result.elapsed, idle);

        fetch(&w, &mute, "/mute", (struct http_call){ .idle_timeout = idle });
        expect_failure(&mute, -ETIMEDOUT, "no answer from " SCHEME "://127.0.0.1:");
        ck_assert_int_eq(mute.result.status, 0);
        fetch_release(&ok);
        fetch_release(&mute);
        fetch_release(&silent);
        fetch_release(&whole);
        teardown(&w);
}
END_TEST

START_TEST(a_broken_connection_is_an_error)
{
        struct fetch cut = { 0 }, hangup = { 0 }, noise = { 0 };
        struct world w;

        setup(&w, NULL);
        fetch(&w, &cut, "/cut", (struct http_call){ 0 });
        expect_failure(&cut, -ECONNRESET, "the connection to " SCHEME "://127.0.0.1:");
        ck_assert_int_eq(cut.result.status, 200);
        fetch(&w, &hangup, "/hangup", (struct http_call){ 0 });
        expect_failure(&hangup, -ECONNRESET, "the connection to " SCHEME "://127.0.0.1:");
        ck_assert_int_eq(hangup.result.status, 0);
        fetch(&w, &noise, "/noise", (struct http_call){ 0 });
        expect_failure(&noise, -EPROTO, "the request to " SCHEME "://127.0.0.1:");
        fetch_release(&cut);
        fetch_release(&hangup);
        fetch_release(&noise);
        teardown(&w);
}
END_TEST

START_TEST(nobody_listening_is_an_error)
{
        struct fetch f = { 0 };
        char expected[128];
        struct world w;

        setup(&w, NULL);
        shutdown(w.server.listener, SHUT_RDWR);
        fetch(&w, &f, "/secret?token=x", (struct http_call){ 0 });
        snprintf(expected, sizeof(expected),
                 "cannot connect to " SCHEME "://127.0.0.1:%d: Connection refused", w.server.port);
        ck_assert_str_eq(f.result.error.message, expected);
        ck_assert_int_eq(f.result.error.code, -ECONNREFUSED);
        fetch_release(&f);
        teardown(&w);
}
END_TEST

/* Who did not answer is the proxy, then, and its password is nobody's business. */
START_TEST(a_proxy_that_is_not_there_is_named)
{
        const struct http_config config = { .proxy = STR("http://joe:secret@127.0.0.1:1") };
        struct fetch given = { 0 }, found = { 0 };
        char expected[128];
        struct world w;

        setup(&w, &config);
        fetch(&w, &given, "/", (struct http_call){ 0 });
        snprintf(expected, sizeof(expected),
                 "cannot connect to " SCHEME
                 "://127.0.0.1:%d through the proxy 127.0.0.1:1: Connection refused",
                 w.server.port);
        ck_assert_str_eq(given.result.error.message, expected);
        fetch_release(&given);
        teardown(&w);

        unsetenv("no_proxy");
        unsetenv("NO_PROXY");
        setenv(SCHEME "_proxy", "http://joe:secret@127.0.0.1:1", 1);
        setup(&w, NULL);
        fetch(&w, &found, "/", (struct http_call){ 0 });
        snprintf(expected, sizeof(expected),
                 "cannot connect to " SCHEME "://127.0.0.1:%d, or to the proxy that the environment names: "
                 "Connection refused",
                 w.server.port);
        ck_assert_str_eq(found.result.error.message, expected);
        fetch_release(&found);
        teardown(&w);
        unsetenv(SCHEME "_proxy");
}
END_TEST

/* A listener whose queue is full drops what comes; so does a dead machine. */
START_TEST(connecting_does_not_take_forever)
{
        const struct http_config config = { .connect_timeout = 100 * USEC_MSEC };
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM, 0), fillers[4];
        struct fetch f = { 0 };
        struct world w;

        setup(&w, &config);
        ck_assert_int_ge(listener, 0);
        ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
        ck_assert_int_eq(listen(listener, 0), 0);
        ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
        for (size_t i = 0; i < ARRAY_SIZE(fillers); i++) {
                fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
                ck_assert_int_ge(fillers[i], 0);
                (void)!connect(fillers[i], (struct sockaddr *)&address, len);
        }
        snprintf(w.url, sizeof(w.url), SCHEME "://127.0.0.1:%d/", ntohs(address.sin_port));
        ck_assert_int_eq(
                fetch_start(w.client, &f, &(struct http_call){ .method = "GET", .url = str_c(w.url) }, NULL),
                0);
        turn_until(w.loop, f.done);
        expect_failure(&f, -ETIMEDOUT, "cannot connect to " SCHEME "://127.0.0.1:");
        for (size_t i = 0; i < ARRAY_SIZE(fillers); i++)
                close(fillers[i]);
        close(listener);
        fetch_release(&f);
        teardown(&w);
}
END_TEST

START_TEST(names_are_resolved)
{
        struct fetch f = { 0 };
        struct world w;

        setup(&w, NULL);
        snprintf(w.url, sizeof(w.url), SCHEME "://localhost:%d/ok", w.server.port);
        ck_assert_int_eq(
                fetch_start(w.client, &f, &(struct http_call){ .method = "GET", .url = str_c(w.url) }, NULL),
                0);
        turn_until(w.loop, f.done);
        ck_assert_msg(f.result.status == 200, "%s", f.result.error.message);
        fetch_release(&f);
        teardown(&w);
}
END_TEST

static int refuse(struct fetch *f)
{
        (void)f;
        return -EBADMSG;
}

START_TEST(what_on_data_refuses_ends_the_request)
{
        struct fetch f = { .stream = true, .in_data = refuse };
        struct world w;

        setup(&w, NULL);
        fetch(&w, &f, "/silent", (struct http_call){ 0 });
        expect_failure(&f, -EBADMSG, "could not be taken: Bad message");
        ck_str_eq(buf_str(&f.body), "one\n");
        fetch_release(&f);
        teardown(&w);
}
END_TEST

START_TEST(what_cannot_be_sent_is_refused_at_once)
{
        static const struct http_header bad = { STR_INIT("X"), STR_INIT("a\r\nHost: evil") };
        static const struct http_call calls[] = {
                { .method = "GET", .url = STR_INIT("") },
                { .method = "GET", .url = STR_INIT("ftp://127.0.0.1/") },
                { .method = "GET", .url = STR_INIT("http://127.0.0.1/a b") },
                { .method = "GET", .url = STR_INIT("http://127.0.0.1/a\r\nX: y") },
                { .method = "GET /", .url = STR_INIT("http://127.0.0.1/") },
                { .method = "", .url = STR_INIT("http://127.0.0.1/") },
                { .method = "GET", .url = STR_INIT("http://127.0.0.1/"), .headers = &bad, .n_headers = 1 },
        };
        struct fetch f = { 0 };
        struct world w;

        setup(&w, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
                struct error err = ERROR_INIT;

                ck_assert_int_eq(fetch_start(w.client, &f, &calls[i], &err), -EINVAL);
                ck_assert_int_eq(err.code, -EINVAL);
                ck_assert(err.message[0]);
        }
        ck_assert_int_eq(loop_turn(w.loop, 0), 0);
        ck_assert_int_eq(f.done, 0);
        /* One that only libcurl sees. */
        ck_assert_int_eq(fetch_start(w.client, &f,
                                     &(struct http_call){ .method = "GET", .url = STR("http://[::1/") },
                                     NULL),
                         0);
        turn_until(w.loop, f.done);
        ck_assert_int_eq(f.result.error.code, -EINVAL);
        fetch_release(&f);
        teardown(&w);
}
END_TEST

/* --- connections --------------------------------------------------------------- */

static void run_many(struct world *w, struct fetch *f, size_t n)
{
        for (size_t i = 0; i < n; i++)
                begin(w, &f[i], "/ok", (struct http_call){ 0 });
        for (size_t i = 0; i < n; i++) {
                turn_until(w->loop, f[i].done);
                ck_assert_int_eq(f[i].result.status, 200);
                ck_str_eq(buf_str(&f[i].body), "hello");
                fetch_release(&f[i]);
        }
}

START_TEST(connections_are_kept_and_bounded)
{
        struct fetch one[40] = { 0 }, three[40] = { 0 };
        struct world w;

        setup(&w, NULL);
        run_many(&w, one, ARRAY_SIZE(one));
        ck_assert_int_eq(w.server.n_connections, 1);
        ck_assert_int_eq(w.server.n_requests, 40);
        teardown(&w);

        setup(&w, &(struct http_config){ .max_connections = 3 });
        run_many(&w, three, ARRAY_SIZE(three));
        ck_assert_int_ge(w.server.n_connections, 1);
        ck_assert_int_le(w.server.n_connections, 3);
        teardown(&w);
}
END_TEST

static void reconfigure(struct fetch *f)
{
        ck_assert_int_eq(http_client_reconfigure(f->client,
                                                 &(struct http_config){ .user_agent = STR("test/2"),
                                                                        .insecure_skip_verify = true },
                                                 NULL),
                         0);
}

START_TEST(a_new_configuration_means_new_connections)
{
        struct fetch old = { .stream = true, .in_headers = reconfigure }, queued = { 0 }, new = { 0 };
        struct world w;

        setup(&w, NULL);
        fetch(&w, &old, "/stream", (struct http_call){ 0 });
        ck_assert_int_eq(old.result.status, 200);
        ck_str_eq(buf_str(&old.body), "one\ntwo\nthree\n");
        /* Started before, and not yet on its way. */
        begin(&w, &queued, "/echo", (struct http_call){ 0 });
        reconfigure(&old);
        turn_until(w.loop, queued.done);
        ck_assert_int_eq(queued.result.status, 200);
        fetch(&w, &new, "/echo", (struct http_call){ 0 });
        ck_assert_ptr_nonnull(strstr(new.body.data, "User-Agent: test/2\r\n"));
        ck_assert_int_eq(w.server.n_connections, 3);
        fetch_release(&old);
        fetch_release(&queued);
        fetch_release(&new);
        teardown(&w);
}
END_TEST

/* --- memory ------------------------------------------------------------------------ */

static int whole_life(void *arg)
{
        static const struct http_header header = { STR_INIT("Content-Type"), STR_INIT("a/b") };
        const struct http_config config = { .user_agent = STR("x"),
                                            .tls_server_name = STR("y"),
                                            .insecure_skip_verify = true };
        struct http_call call = {
                .method = "POST",
                .headers = &header,
                .n_headers = 1,
                .body = STR("{}"),
                .timeout = USEC_HOUR,
        };
        struct world *w = arg;
        struct http_client *client = NULL;
        struct error err = ERROR_INIT;
        struct loop *loop = NULL;
        struct fetch f = { 0 };
        int r;

        call.url = url(w, "/gzip");
        f.body = w->spare;
        r = loop_new(&loop);
        if (r == 0)
                r = http_client_new(loop, &config, &client, &err);
        if (r == 0)
                r = fetch_start(client, &f, &call, &err);
        if (r == 0) {
                turn_until(loop, f.done);
                r = f.result.error.code;
                if (r < 0)
                        ck_assert(f.result.error.message[0]);
        } else {
                ck_assert_int_eq(f.done, 0);
        }
        http_client_free(client);
        loop_free(loop);
        w->spare = f.body;
        buf_clear(&w->spare);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        struct world w;

        setup(&w, NULL);
        buf_init(&w.spare, FETCH_MAX);
        ck_assert_ptr_nonnull(buf_reserve(&w.spare, 1000));
        torture(whole_life, &w, 0);
        buf_release(&w.spare);
        teardown(&w);
}
END_TEST

static const TTest *const tests[] = {
        an_answer_is_told_whole,
        a_request_is_sent_as_it_was_given,
        no_request_leaves_anything_in_the_next,
        a_large_body_is_sent_whole,
        a_stream_comes_in_pieces,
        only_collected_bodies_are_compressed,
        the_status_is_not_judged,
        a_body_past_the_cap_is_an_error,
        silence_ends_a_request,
        a_broken_connection_is_an_error,
        nobody_listening_is_an_error,
        a_proxy_that_is_not_there_is_named,
        connecting_does_not_take_forever,
        names_are_resolved,
        what_on_data_refuses_ends_the_request,
        what_cannot_be_sent_is_refused_at_once,
        connections_are_kept_and_bounded,
        a_new_configuration_means_new_connections,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("http/" SCHEME, tests)
