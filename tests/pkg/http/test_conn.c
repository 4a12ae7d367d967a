/* SPDX-License-Identifier: Apache-2.0
 *
 * Which engine carries a request, and what a connection of the direct one holds.
 */
#define OVER_H2
#include "requests.h"

#include <sys/socket.h>
#include <unistd.h>

#include "http/conn.h"

static void expect_hello(struct world *w, const char *path)
{
        struct fetch f = { 0 };

        fetch(w, &f, path, (struct http_call){ 0 });
        ck_assert_msg(f.result.status == 200, "%s", f.result.error.message);
        ck_str_eq(buf_str(&f.body), "hello");
        fetch_release(&f);
}

START_TEST(only_plain_origins_are_reached_directly)
{
        static const char *const good[] = {
                "https://10.0.0.1",       "https://10.0.0.1:6443", "https://[fd00::1]:6443",
                "https://[fd00::1]",      "https://localhost:1",   "https://kubernetes.default.svc:65535",
                "https://under_score.a.", "https://A-b.example",
        };
        static const char *const bad[] = {
                "http://10.0.0.1",
                "https://",
                "https://:443",
                "https://a:",
                "https://a:0",
                "https://a:65536",
                "https://a:-1",
                "https://a:x",
                "https://a:1:2",
                "https://joe:secret@a",
                "https://joe@a",
                "https://[::1",
                "https://[::1]x",
                "https://[]",
                "https://[fe80::1%25eth0]",
                "https://a%41",
                "https://\xc3\xbc.example",
        };
        char large[300] = "https://";

        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                ck_assert_msg(conn_can_reach(str_c(good[i])), "%s", good[i]);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                ck_assert_msg(!conn_can_reach(str_c(bad[i])), "%s", bad[i]);
        memset(large + 8, 'a', 256);
        ck_assert(!conn_can_reach(str_c(large)));
        large[8 + 255] = '\0';
        ck_assert(conn_can_reach(str_c(large)));
}
END_TEST

/* Nothing of libcurl is started for a server that speaks HTTP/2, and nothing is held at rest. */
START_TEST(it_does_without_libcurl)
{
        struct fetch big = { 0 };
        struct conn *k;
        struct world w;

        setup(&w, NULL);
        expect_hello(&w, "/ok");
        fetch(&w, &big, "/big", (struct http_call){ 0 });
        ck_assert_uint_eq(big.body.len, 1024 * 1024);
        ck_assert(!w.client->curl_is_up);
        k = container_of(w.client->conns.next, struct conn, link);
        turn_until(w.loop, !k->dirty);
        ck_assert_int_eq(k->state, CONN_READY);
        ck_assert_ptr_null(k->out);
        ck_assert_ptr_null(k->tls.net);
        ck_assert(!k->timer.loop);
        fetch_release(&big);
        teardown(&w);
}
END_TEST

/* However much there is to read, a turn of the loop ends. */
START_TEST(a_turn_reads_so_much_and_no_more)
{
        static struct fetch f[24];
        struct world w;
        size_t before = 0, now = 0;

        setup(&w, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(f); i++) {
                f[i].stream = true;
                begin(&w, &f[i], "/big", (struct http_call){ 0 });
        }
        for (usec_t limit = clock_now() + TURNS_LIMIT; now < ARRAY_SIZE(f) * 1024 * 1024; before = now) {
                ck_assert_int_eq(loop_turn(w.loop, USEC_SEC), 0);
                now = 0;
                for (size_t i = 0; i < ARRAY_SIZE(f); i++)
                        now += f[i].body.len;
                ck_assert_uint_le(now - before, TLS_IO_TURN_MAX);
                ck_assert(clock_now() < limit);
        }
        for (size_t i = 0; i < ARRAY_SIZE(f); i++) {
                turn_until(w.loop, f[i].done);
                ck_assert_int_eq(f[i].result.error.code, 0);
                fetch_release(&f[i]);
        }
        teardown(&w);
}
END_TEST

START_TEST(a_second_server_is_libcurls)
{
        struct server other;
        struct fetch f = { 0 };
        char there[64];
        struct world w;

        setup(&w, NULL);
        start_h2(&other, 100);
        expect_hello(&w, "/ok");
        ck_assert_ptr_null(w.client->pool);
        snprintf(there, sizeof(there), "https://127.0.0.1:%d/ok", other.port);
        ck_assert_int_eq(
                fetch_start(w.client, &f, &(struct http_call){ .method = "GET", .url = str_c(there) }, NULL),
                0);
        turn_until(w.loop, f.done);
        ck_assert_msg(f.result.status == 200, "%s", f.result.error.message);
        ck_assert_ptr_nonnull(w.client->pool);
        ck_assert_int_eq(other.n_requests, 1);
        expect_hello(&w, "/ok");
        ck_assert_int_eq(w.server.n_connections, 1);
        fetch_release(&f);
        teardown(&w);
        server_stop(&other);
}
END_TEST

static void start_h1(struct server *s)
{
        struct pki_cert ca = pki_make(&(struct pki_wish){ .name = "ca" });
        struct pki_cert cert = pki_make(&(struct pki_wish){ .name = "server", .ca = &ca });

        server_start(s, &(struct server_tls){ .cert_pem = cert.cert_pem, .key_pem = cert.key_pem });
        pki_release(&cert);
        pki_release(&ca);
}

START_TEST(a_server_without_http2_gets_libcurl)
{
        struct fetch post = { 0 }, cancelled = { 0 }, ok = { 0 };
        struct world w;

        setup(&w, NULL);
        server_stop(&w.server);
        start_h1(&w.server);
        begin(&w, &post, "/echo", (struct http_call){ .method = "POST", .body = STR("some text") });
        begin(&w, &ok, "/ok", (struct http_call){ 0 });
        begin(&w, &cancelled, "/ok", (struct http_call){ 0 });
        http_cancel(cancelled.request);
        turn_until(w.loop, post.done && ok.done);
        ck_assert_msg(post.result.status == 200, "%s", post.result.error.message);
        ck_assert(str_ends(buf_str(&post.body), STR("\r\n\r\nsome text")));
        ck_assert_int_eq(ok.result.status, 200);
        ck_assert_int_eq(w.server.n_requests, 2);
        ck_assert_int_eq(w.server.n_connections, 2); /* the one that asked, and libcurl's */
        expect_hello(&w, "/ok");
        ck_assert_int_eq(w.server.n_connections, 2);
        ck_assert(list_empty(&w.client->conns));
        ck_assert_int_eq(cancelled.done, 0);
        fetch_release(&post);
        fetch_release(&ok);
        fetch_release(&cancelled);
        teardown(&w);
}
END_TEST

START_TEST(a_connection_that_the_server_closes_is_replaced)
{
        struct world w;

        setup(&w, NULL);
        expect_hello(&w, "/ok");
        ck_assert(!list_empty(&w.client->conns));
        shutdown(w.server.connections[0]->fd, SHUT_RDWR);
        turn_until(w.loop, list_empty(&w.client->conns));
        expect_hello(&w, "/ok");
        ck_assert_int_eq(w.server.n_connections, 2);
        teardown(&w);
}
END_TEST

START_TEST(clients_share_what_was_made_of_certificates)
{
        struct http_client *second;
        struct fetch f = { 0 };
        struct world w;

        setup(&w, NULL);
        expect_hello(&w, "/ok");
        ck_assert_int_eq(http_client_new(w.loop, &(struct http_config){ .tls_of = w.client }, &second, NULL),
                         0);
        ck_assert_int_eq(
                fetch_start(second, &f, &(struct http_call){ .method = "GET", .url = str_c(w.url) }, NULL),
                0);
        turn_until(w.loop, f.done);
        ck_assert_int_eq(f.result.status, 200);
        ck_assert_ptr_nonnull(second->settings->tls->context);
        ck_assert_ptr_eq(second->settings->tls->context, w.client->settings->tls->context);
        http_client_free(second);
        fetch_release(&f);
        teardown(&w);
}
END_TEST

/* A socket of 127.0.0.1 that nobody accepts from. With a queue that is full, it drops what comes,
 * as a dead machine does; without a queue, it refuses. */
static int deaf(struct address *ret, bool silent, int fillers[4])
{
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        *ret = (struct address){ .len = sizeof(ret->v4),
                                 .v4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(bind(fd, &ret->any, ret->len), 0);
        ck_assert_int_eq(getsockname(fd, &ret->any, &ret->len), 0);
        if (!silent)
                return fd;
        ck_assert_int_eq(listen(fd, 0), 0);
        for (size_t i = 0; i < 4; i++) {
                fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
                ck_assert_int_ge(fillers[i], 0);
                (void)!connect(fillers[i], &ret->any, ret->len);
        }
        return fd;
}

/* One refuses, one is silent, and the third is the server. */
START_TEST(all_addresses_are_tried)
{
        struct http_config config = { .connect_timeout = 10 * USEC_SEC };
        struct address server = { .len = sizeof(server.v4),
                                  .v4 = { .sin_family = AF_INET,
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
        int fds[2], fillers[4];
        struct conn *k;
        struct world w;

        setup(&w, &config);
        server.v4.sin_port = htons((uint16_t)w.server.port);
        w.client->settings->origin = mem_strndup(w.url, url_origin(url(&w, "/ok")).len);
        ck_assert_int_eq(conn_new(w.client, w.client->settings, &k), 0);
        k->addresses.n = RESOLVE_ADDRESSES_MAX; /* the silent one gets a seventh of the time */
        fds[0] = deaf(&k->addresses.list[0], false, fillers);
        fds[1] = deaf(&k->addresses.list[1], true, fillers);
        for (size_t i = 2; i < RESOLVE_ADDRESSES_MAX; i++)
                k->addresses.list[i] = server;
        conn_dial(k);
        expect_hello(&w, "/ok");
        ck_assert_uint_eq(k->next, 3);
        ck_assert_int_eq(k->failed, 0);
        for (size_t i = 0; i < ARRAY_SIZE(fillers); i++)
                close(fillers[i]);
        close(fds[0]);
        close(fds[1]);
        teardown(&w);
}
END_TEST

/* The reason is the last one's. */
START_TEST(the_last_address_tells_why)
{
        struct fetch f = { 0 };
        struct conn *k;
        struct world w;
        int fds[2];

        setup(&w, NULL);
        w.client->settings->origin = mem_strndup(w.url, url_origin(url(&w, "/ok")).len);
        ck_assert_int_eq(conn_new(w.client, w.client->settings, &k), 0);
        begin(&w, &f, "/ok", (struct http_call){ 0 });
        k->addresses.n = 2;
        fds[0] = deaf(&k->addresses.list[0], false, NULL);
        fds[1] = deaf(&k->addresses.list[1], false, NULL);
        client_pin(w.client);
        conn_dial(k);
        client_unpin(w.client);
        turn_until(w.loop, f.done);
        expect_failure(&f, -ECONNREFUSED, "Connection refused");
        ck_assert(list_empty(&w.client->conns));
        close(fds[0]);
        close(fds[1]);
        fetch_release(&f);
        teardown(&w);
}
END_TEST

static const TTest *const tests[] = {
        only_plain_origins_are_reached_directly,
        it_does_without_libcurl,
        a_turn_reads_so_much_and_no_more,
        a_second_server_is_libcurls,
        a_server_without_http2_gets_libcurl,
        a_connection_that_the_server_closes_is_replaced,
        clients_share_what_was_made_of_certificates,
        all_addresses_are_tried,
        the_last_address_tells_why,
};
TEST_MAIN("http/conn", tests)
