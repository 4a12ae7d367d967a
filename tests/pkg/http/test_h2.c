/* SPDX-License-Identifier: Apache-2.0
 *
 * What only HTTP/2 has: streams that are refused, servers that say good-bye, and those
 * that do not keep to the rules.
 */
#define OVER_H2
#include "requests.h"

#include "http/h2.h"

#define MANY 60
#define WINDOW ((size_t)65535)

static void setup_streams(struct world *w, unsigned max_streams)
{
        memset(w, 0, sizeof(*w));
        start_h2(&w->server, max_streams);
        ck_assert_int_eq(loop_new(&w->loop), 0);
        ck_assert_int_eq(http_client_new(w->loop, &(struct http_config){ .insecure_skip_verify = true },
                                         &w->client, NULL),
                         0);
}

static void expect_ok(struct world *w, const char *path, struct http_call call)
{
        struct fetch f = { 0 };

        fetch(w, &f, path, call);
        ck_assert_msg(f.result.status == 200 && f.result.error.code == 0, "%s: %s", path,
                      f.result.error.message);
        ck_str_eq(buf_str(&f.body), "hello");
        fetch_release(&f);
}

static void expect_error(struct world *w, const char *path, int code, const char *message)
{
        struct fetch f = { 0 };

        fetch(w, &f, path, (struct http_call){ 0 });
        expect_failure(&f, code, message);
        fetch_release(&f);
}

START_TEST(requests_beyond_the_servers_limit_wait)
{
        static struct fetch f[MANY];
        struct fetch silent = { .stream = true };
        struct world w;

        setup_streams(&w, 3);
        expect_ok(&w, "/ok", (struct http_call){ 0 }); /* the limit is known now */
        begin(&w, &silent, "/silent", (struct http_call){ 0 });
        for (size_t i = 0; i < MANY; i++)
                begin(&w, &f[i], "/ok", (struct http_call){ 0 });
        http_cancel(f[MANY - 1].request); /* while it waits */
        for (size_t i = 0; i < MANY - 1; i++) {
                turn_until(w.loop, f[i].done);
                ck_assert_msg(f[i].result.status == 200, "%s", f[i].result.error.message);
                fetch_release(&f[i]);
        }
        ck_assert_int_eq(w.server.most_streams, 3);
        ck_assert_int_eq(w.server.n_connections, 1);
        ck_assert_int_eq(w.server.n_requests, 1 + MANY);
        ck_assert_int_eq(f[MANY - 1].done, 0);
        http_cancel(silent.request);
        fetch_release(&silent);
        teardown(&w);
}
END_TEST

START_TEST(what_was_refused_is_sent_again)
{
        const struct http_call call = { .method = "POST", .body = STR("some text"), .timeout = USEC_HOUR };
        struct world w;

        setup(&w, NULL);
        expect_ok(&w, "/refused", call);
        ck_assert_int_eq(w.server.n_requests, 3);
        expect_error(&w, "/stubborn", -ECONNRESET, "refused the request again and again");
        ck_assert_int_eq(w.server.n_requests, 3 + HTTP_ATTEMPTS_MAX);
        ck_assert_int_eq(w.server.n_connections, 1);
        teardown(&w);
}
END_TEST

START_TEST(what_a_leaving_server_has_not_looked_at_goes_elsewhere)
{
        struct world w;

        setup(&w, NULL);
        expect_ok(&w, "/goaway", (struct http_call){ .method = "POST", .body = STR("some text") });
        ck_assert_int_eq(w.server.n_requests, 2);
        ck_assert_int_eq(w.server.n_connections, 2);
        teardown(&w);
}
END_TEST

START_TEST(a_leaving_server_ends_what_it_has_begun)
{
        struct fetch silent = { .stream = true };
        struct world w;

        setup(&w, NULL);
        begin(&w, &silent, "/silent", (struct http_call){ 0 });
        turn_until(w.loop, silent.body.len == 4);
        expect_ok(&w, "/leave", (struct http_call){ 0 });
        ck_assert_int_eq(w.server.n_connections, 1);
        expect_ok(&w, "/ok", (struct http_call){ 0 });
        ck_assert_int_eq(w.server.n_connections, 2);
        ck_assert_int_eq(silent.done, 0);
        http_cancel(silent.request);
        expect_ok(&w, "/ok", (struct http_call){ 0 });
        ck_assert_int_eq(w.server.n_connections, 2);
        fetch_release(&silent);
        teardown(&w);
}
END_TEST

START_TEST(a_stream_that_is_reset_leaves_the_connection)
{
        struct world w;

        setup(&w, NULL);
        expect_error(&w, "/reset", -ECONNRESET, "the server reset the stream: INTERNAL_ERROR");
        expect_ok(&w, "/ok", (struct http_call){ 0 });
        ck_assert_int_eq(w.server.n_connections, 1);
        teardown(&w);
}
END_TEST

/* A server may answer before it has read all, and does not want the rest then. */
START_TEST(an_early_answer_is_an_answer)
{
        struct buf body = BUF_INIT(FETCH_MAX);
        struct world w;

        setup(&w, NULL);
        ck_assert_ptr_nonnull(buf_reserve(&body, FETCH_MAX));
        memset(body.data, 'x', FETCH_MAX);
        buf_commit(&body, FETCH_MAX);
        expect_ok(&w, "/enough", (struct http_call){ .method = "POST", .body = buf_str(&body) });
        expect_ok(&w, "/ok", (struct http_call){ 0 });
        ck_assert_int_eq(w.server.n_connections, 1);
        buf_release(&body);
        teardown(&w);
}
END_TEST

/* The server's window has 64 KiB, and the body some thousand. */
START_TEST(a_body_larger_than_the_window_is_sent)
{
        struct buf body = BUF_INIT(FETCH_MAX);
        struct fetch f = { 0 };
        struct world w;

        setup(&w, NULL);
        ck_assert_ptr_nonnull(buf_reserve(&body, FETCH_MAX));
        memset(body.data, 'x', FETCH_MAX);
        buf_commit(&body, FETCH_MAX);
        fetch(&w, &f, "/echo", (struct http_call){ .method = "POST", .body = buf_str(&body) });
        ck_assert_msg(f.result.status == 200, "%s", f.result.error.message);
        ck_assert_ptr_nonnull(strstr(f.body.data, "Content-Length: 4194304\r\n"));
        buf_release(&body);
        fetch_release(&f);
        teardown(&w);
}
END_TEST

/* More than the socket takes: it goes on when there is room again, whatever came meanwhile. */
START_TEST(many_bodies_at_once_are_sent)
{
        static struct fetch f[MANY];
        struct buf body = BUF_INIT(FETCH_MAX);
        struct world w;

        setup(&w, NULL);
        ck_assert_ptr_nonnull(buf_reserve(&body, WINDOW));
        memset(body.data, 'x', WINDOW);
        buf_commit(&body, WINDOW);
        expect_ok(&w, "/ok", (struct http_call){ 0 });
        for (int round = 0; round < 3; round++) {
                memset(f, 0, sizeof(f));
                w.server.pause = true;
                for (size_t i = 0; i < MANY; i++)
                        begin(&w, &f[i], "/ok",
                              (struct http_call){ .method = "PUT", .body = buf_str(&body) });
                ck_assert_int_eq(loop_turn(w.loop, 0), 0);
                /* The socket is full; and now there is one more to be sent. */
                http_cancel(f[0].request);
                ck_assert_int_eq(loop_turn(w.loop, 0), 0);
                w.server.pause = false;
                for (size_t i = 1; i < MANY; i++) {
                        turn_until(w.loop, f[i].done);
                        ck_assert_msg(f[i].result.status == 200, "%s", f[i].result.error.message);
                        fetch_release(&f[i]);
                }
        }
        buf_release(&body);
        teardown(&w);
}
END_TEST

START_TEST(a_ping_is_answered)
{
        struct world w;

        setup(&w, NULL);
        expect_ok(&w, "/ping", (struct http_call){ 0 });
        teardown(&w);
}
END_TEST

START_TEST(a_server_that_breaks_the_rules_is_left)
{
        struct world w;

        setup(&w, NULL);
        expect_error(&w, "/push", -EPROTO, "does not speak HTTP/2 as it should");
        expect_ok(&w, "/ok", (struct http_call){ 0 });
        ck_assert_int_eq(w.server.n_connections, 2);
        expect_error(&w, "/flood", -EPROTO, "does not speak HTTP/2 as it should");
        expect_ok(&w, "/ok", (struct http_call){ 0 });
        ck_assert_int_eq(w.server.n_connections, 3);
        teardown(&w);
}
END_TEST

START_TEST(a_status_that_is_none_is_an_error)
{
        struct fetch f = { .stream = true };
        struct world w;

        setup(&w, NULL);
        fetch(&w, &f, "/odd", (struct http_call){ 0 });
        expect_failure(&f, -EPROTO, "has the status 51, which is none");
        ck_assert_int_eq(f.headers, 0);
        ck_assert_uint_eq(f.body.len, 0);
        expect_ok(&w, "/ok", (struct http_call){ 0 });
        ck_assert_int_eq(w.server.n_connections, 1);
        fetch_release(&f);
        teardown(&w);
}
END_TEST

START_TEST(headers_without_end_are_an_error)
{
        struct world w;

        setup(&w, NULL);
        expect_error(&w, "/hints", -EMSGSIZE, "are larger than 262144 bytes");
        expect_ok(&w, "/ok", (struct http_call){ 0 });
        teardown(&w);
}
END_TEST

/* --- without a connection ------------------------------------------------------- */

static void no_wake(struct h2 *h)
{
        (void)h;
}

static int open_and_speak(void *arg)
{
        struct http_client *client = arg;
        const uint8_t *data;
        struct h2 h;
        ssize_t n;
        int r;

        h2_init(&h, client, no_wake);
        r = h2_open(&h);
        if (r < 0)
                return r;
        while ((n = h2_output(&h, &data)) > 0)
                ;
        h2_say_goodbye(&h);
        while (n == 0 && (n = h2_output(&h, &data)) > 0)
                n = 0;
        h2_release(&h);
        return (int)n;
}

START_TEST(it_survives_the_lack_of_memory)
{
        struct world w;

        setup(&w, NULL);
        torture(open_and_speak, w.client, 0);
        teardown(&w);
}
END_TEST

static const TTest *const tests[] = {
        requests_beyond_the_servers_limit_wait,
        what_was_refused_is_sent_again,
        what_a_leaving_server_has_not_looked_at_goes_elsewhere,
        a_leaving_server_ends_what_it_has_begun,
        a_stream_that_is_reset_leaves_the_connection,
        an_early_answer_is_an_answer,
        a_body_larger_than_the_window_is_sent,
        many_bodies_at_once_are_sent,
        a_ping_is_answered,
        a_server_that_breaks_the_rules_is_left,
        a_status_that_is_none_is_an_error,
        headers_without_end_are_an_error,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("http/h2", tests)
