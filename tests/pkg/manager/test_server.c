/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "manager/metrics.h"
#include "manager/server.h"

/* How long a test waits for something that must come. */
#define PATIENCE (20 * USEC_SEC)

/* --- a client on the same thread ------------------------------------------ */

static int open_client_at(const char *ip, uint16_t port)
{
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(inet_pton(AF_INET, ip, &to.sin_addr), 1);
        /* The kernel accepts it into the backlog; the server need not run yet. */
        ck_assert_int_eq(connect(fd, (const void *)&to, sizeof(to)), 0);
        ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        return fd;
}

static int open_client(const struct server *s)
{
        return open_client_at("127.0.0.1", server_port(s));
}

static void send_text(int fd, const char *text)
{
        ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Turns the loop until the server closes the connection; what it sent is in OUT. */
static void read_to_end(struct loop *l, int fd, struct buf *out)
{
        usec_t end = clock_now() + PATIENCE;
        ssize_t n;

        while (clock_now() < end) {
                char *to = buf_reserve(out, 4096);

                ck_assert_ptr_nonnull(to);
                n = recv(fd, to, 4096, 0);
                if (n == 0 || (n < 0 && errno == ECONNRESET))
                        return;
                if (n > 0)
                        buf_commit(out, (size_t)n);
                else
                        ck_assert_int_eq(loop_turn(l, 10 * USEC_MSEC), 0);
        }
        ck_abort_msg("the server did not close the connection");
}

static void exchange_raw(struct loop *l, const struct server *s, const char *request, struct buf *out)
{
        int fd = open_client(s);

        send_text(fd, request);
        read_to_end(l, fd, out);
        close(fd);
}

static void exchange(struct loop *l, const struct server *s, const char *method, const char *target,
                     struct buf *out)
{
        char request[512];

        snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method,
                 target);
        buf_clear(out);
        exchange_raw(l, s, request, out);
}

static int status_of(const struct buf *reply)
{
        ck_assert_msg(str_starts(buf_str(reply), STR("HTTP/1.1 ")), "not HTTP: %s", reply->data);
        return (int)strtol(reply->data + 9, NULL, 10);
}

static struct str body_of(const struct buf *reply)
{
        const char *at = strstr(reply->data, "\r\n\r\n");

        ck_assert_ptr_nonnull(at);
        return str_c(at + 4);
}

/* --- a server with all kinds of routes ------------------------------------ */

static bool listed, reachable;

static int check_ping(void *arg _unused_, struct error *why _unused_)
{
        return 0;
}

static int check_list(void *arg _unused_, struct error *why)
{
        return listed ? 0 : error_set(why, -EACCES, "Forbidden: cannot list\napplications");
}

static int check_api(void *arg _unused_, struct error *why _unused_)
{
        return reachable ? 0 : -EIO;
}

static const struct health_check checks[] = {
        { "ping", check_ping, NULL },
        { "applications list", check_list, NULL },
        { "apiserver", check_api, NULL },
};
static const struct health ready = { "readyz", checks, ARRAY_SIZE(checks) };
static const struct health live = { "livez", checks, 1 };

static void write_state(const struct server_request *request _unused_, struct server_reply *reply, void *arg)
{
        reply->content_type = "application/json";
        buf_printf(&reply->body, "{\"keys\":%d}\n", *(const int *)arg);
}

static void write_too_much(const struct server_request *request _unused_, struct server_reply *reply,
                           void *arg _unused_)
{
        buf_reserve(&reply->body, SERVER_BODY_MAX + 1);
}

static void write_much(const struct server_request *request _unused_, struct server_reply *reply,
                       void *arg _unused_)
{
        for (int i = 0; i < 20000; i++)
                buf_printf(&reply->body, "%063d\n", i);
}

struct fixture {
        struct loop *loop;
        struct metrics *metrics;
        struct server *server;
        int keys;
        struct buf reply;
};

static int try_setup(struct fixture *f, const char *listen)
{
        struct server_route routes[] = {
                { "/metrics", server_serve_metrics, NULL, false },
                { "/livez", server_serve_health, (void *)(uintptr_t)&live, false },
                { "/readyz", server_serve_health, (void *)(uintptr_t)&ready, false },
                { "/debug/state", write_state, &f->keys, true },
                { "/too-much", write_too_much, NULL, false },
                { "/much", write_much, NULL, false },
        };
        struct error err = ERROR_INIT;
        int r;

        *f = (struct fixture){ .keys = 7, .reply = BUF_INIT(8 * 1024 * 1024) };
        listed = reachable = true;
        r = loop_new(&f->loop);
        if (r < 0)
                return r;
        r = metrics_new(&f->metrics);
        if (r < 0)
                return r;
        routes[0].arg = f->metrics;
        return server_new(f->loop, str_c(listen), routes, ARRAY_SIZE(routes), &f->server, &err);
}

static void teardown(struct fixture *f)
{
        server_free(f->server);
        metrics_free(f->metrics);
        loop_free(f->loop);
        buf_release(&f->reply);
}

static void setup(struct fixture *f)
{
        ck_assert_int_eq(try_setup(f, "127.0.0.1:0"), 0);
        ck_assert_uint_ne(server_port(f->server), 0);
}

static int get(struct fixture *f, const char *target)
{
        exchange(f->loop, f->server, "GET", target, &f->reply);
        return status_of(&f->reply);
}

START_TEST(test_metrics_page)
{
        static const struct metric_desc desc = { "up", "Whether it is.", METRIC_GAUGE };
        _cleanup_(teardown) struct fixture f;
        struct metric_family *family;

        setup(&f);
        ck_assert_int_eq(metrics_add(f.metrics, &desc, &family), 0);
        metric_set(metric_only(family), 1);
        ck_assert_int_eq(get(&f, "/metrics"), 200);
        ck_assert_ptr_nonnull(
                strstr(f.reply.data, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
        ck_str_eq(body_of(&f.reply), "# HELP up Whether it is.\n# TYPE up gauge\nup 1\n");
}
END_TEST

START_TEST(test_health)
{
        _cleanup_(teardown) struct fixture f;

        setup(&f);
        ck_assert_int_eq(get(&f, "/livez"), 200);
        ck_str_eq(body_of(&f.reply), "ok\n");
        ck_assert_int_eq(get(&f, "/readyz"), 200);
        ck_str_eq(body_of(&f.reply), "ok\n");

        listed = false;
        ck_assert_int_eq(get(&f, "/livez"), 200);
        ck_assert_int_eq(get(&f, "/readyz"), 503);
        ck_str_eq(body_of(&f.reply), "applications list: Forbidden: cannot list applications\n");

        reachable = false;
        ck_assert_int_eq(get(&f, "/readyz"), 503);
        ck_str_eq(body_of(&f.reply), "applications list: Forbidden: cannot list applications\n"
                                     "apiserver: no reason given\n");
}
END_TEST

START_TEST(test_health_verbose)
{
        static const char *const targets[] = { "/readyz?verbose", "/readyz?verbose=", "/readyz?verbose=true",
                                               "/readyz?x=1&verbose" };
        _cleanup_(teardown) struct fixture f;

        setup(&f);
        listed = false;
        for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
                ck_assert_int_eq(get(&f, targets[i]), 503);
                ck_str_eq(body_of(&f.reply), "[+]ping ok\n"
                                             "[-]applications list failed: Forbidden: cannot list "
                                             "applications\n"
                                             "[+]apiserver ok\n"
                                             "readyz check failed\n");
        }
        ck_assert_int_eq(get(&f, "/livez?verbose"), 200);
        ck_str_eq(body_of(&f.reply), "[+]ping ok\nlivez check passed\n");
        ck_assert_int_eq(get(&f, "/livez?verbosely"), 200);
        ck_str_eq(body_of(&f.reply), "ok\n");
}
END_TEST

START_TEST(test_unknown_paths)
{
        static const char *const targets[] = { "/",           "/metric",   "/metrics/",
                                               "/metrics%2f", "//metrics", "/livez/../metrics" };
        _cleanup_(teardown) struct fixture f;

        setup(&f);
        for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
                ck_assert_msg(get(&f, targets[i]) == 404, "%s", targets[i]);
}
END_TEST

START_TEST(test_methods)
{
        static const char *const methods[] = { "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "get" };
        _cleanup_(teardown) struct fixture f;

        setup(&f);
        for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
                exchange(f.loop, f.server, methods[i], "/metrics", &f.reply);
                ck_assert_msg(status_of(&f.reply) == 405, "%s: %s", methods[i], f.reply.data);
                ck_assert_ptr_nonnull(strstr(f.reply.data, "Allow: GET, HEAD\r\n"));
        }
        exchange(f.loop, f.server, "HEAD", "/livez", &f.reply);
        ck_assert_int_eq(status_of(&f.reply), 200);
        ck_assert_ptr_nonnull(strstr(f.reply.data, "Content-Length: 3\r\n"));
        ck_str_eq(body_of(&f.reply), "");
}
END_TEST

START_TEST(test_bodies_are_not_read)
{
        _cleanup_(teardown) struct fixture f;

        setup(&f);
        /* The rest of the body never comes. */
        exchange_raw(f.loop, f.server,
                     "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nsome", &f.reply);
        ck_assert_int_eq(status_of(&f.reply), 405);
        buf_clear(&f.reply);
        exchange_raw(f.loop, f.server,
                     "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nsome", &f.reply);
        ck_assert_ptr_null(strstr(f.reply.data, "200 OK"));
}
END_TEST

START_TEST(test_large_reply)
{
        _cleanup_(teardown) struct fixture f;
        struct str body;

        setup(&f);
        ck_assert_int_eq(get(&f, "/much"), 200);
        body = body_of(&f.reply);
        ck_assert_uint_eq(body.len, 20000 * 64);
        ck_assert(str_ends(body, STR("019999\n")));
        ck_assert_int_eq(get(&f, "/too-much"), 500);
        ck_str_eq(body_of(&f.reply), "the answer is too large\n");
}
END_TEST

START_TEST(test_keep_alive)
{
        static const char request[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
        _cleanup_(teardown) struct fixture f;
        int fd;

        setup(&f);
        fd = open_client(f.server);
        for (int i = 0; i < 3; i++) {
                usec_t end = clock_now() + PATIENCE;

                buf_clear(&f.reply);
                send_text(fd, request);
                while (!str_ends(buf_str(&f.reply), STR("\r\n\r\nok\n")) && clock_now() < end) {
                        char *to = buf_reserve(&f.reply, 4096);
                        ssize_t n = recv(fd, to, 4096, 0);

                        ck_assert_int_ne(n, 0);
                        if (n > 0)
                                buf_commit(&f.reply, (size_t)n);
                        else
                                ck_assert_int_eq(loop_turn(f.loop, 10 * USEC_MSEC), 0);
                }
                ck_assert_int_eq(status_of(&f.reply), 200);
        }
        /* Two requests at once, and a piece of a third. */
        buf_clear(&f.reply);
        send_text(fd, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /li");
        for (int i = 0; i < 5; i++)
                ck_assert_int_eq(loop_turn(f.loop, USEC_MSEC), 0);
        send_text(fd, "vez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        read_to_end(f.loop, fd, &f.reply);
        close(fd);
        ck_assert_int_eq(status_of(&f.reply), 200);
        ck_assert_ptr_nonnull(strstr(strstr(strstr(f.reply.data, "ok\n") + 1, "ok\n") + 1, "ok\n"));
}
END_TEST

/* The head of a chunk for which MHD has no room, and which it tries again to read. */
START_TEST(test_waiting_for_a_peer_is_no_work)
{
        static char extension[30000];
        _cleanup_(teardown) struct fixture f;
        usec_t began;
        int fd;

        setup(&f);
        fd = open_client(f.server);
        memset(extension, 'x', sizeof(extension) - 1);
        send_text(fd, "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;");
        send_text(fd, extension);
        began = clock_now();
        for (int i = 0; i < 100; i++)
                ck_assert_int_eq(loop_turn(f.loop, 10 * USEC_MSEC), 0);
        ck_assert_int_gt(clock_now() - began, 200 * USEC_MSEC);
        close(fd);
}
END_TEST

START_TEST(test_loopback_only)
{
        _cleanup_(teardown) struct fixture f;

        setup(&f);
        ck_assert_int_eq(get(&f, "/debug/state"), 200);
        ck_assert_ptr_nonnull(strstr(f.reply.data, "Content-Type: application/json\r\n"));
        ck_str_eq(body_of(&f.reply), "{\"keys\":7}\n");
}
END_TEST

/* An address of this machine that is not loopback's, or false. No packet is sent. */
static bool find_own_address(char ip[INET_ADDRSTRLEN])
{
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9) };
        socklen_t len = sizeof(a);
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        bool found;

        ck_assert_int_ge(fd, 0);
        inet_pton(AF_INET, "192.0.2.1", &a.sin_addr);
        found = connect(fd, (const void *)&a, sizeof(a)) == 0 && getsockname(fd, (void *)&a, &len) == 0 &&
                ntohl(a.sin_addr.s_addr) >> 24 != 127 && inet_ntop(AF_INET, &a.sin_addr, ip, INET_ADDRSTRLEN);
        close(fd);
        return found;
}

START_TEST(test_loopback_only_refuses_others)
{
        static const char request[] = "GET /debug/state HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        _cleanup_(teardown) struct fixture f;
        char ip[INET_ADDRSTRLEN];
        int fd;

        ck_assert_int_eq(try_setup(&f, ":0"), 0);
        ck_assert_int_eq(get(&f, "/debug/state"), 200); /* ::ffff:127.0.0.1 is loopback too */
        if (!find_own_address(ip))
                return; /* a machine with loopback only has no other peers */
        fd = open_client_at(ip, server_port(f.server));
        send_text(fd, request);
        buf_clear(&f.reply);
        read_to_end(f.loop, fd, &f.reply);
        close(fd);
        ck_assert_int_eq(status_of(&f.reply), 403);
}
END_TEST

START_TEST(test_connection_cap)
{
        _cleanup_(teardown) struct fixture f;
        int held[SERVER_CONNECTIONS_PER_PEER_MAX];

        setup(&f);
        for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
                held[i] = open_client(f.server);
                send_text(held[i], "GET /livez HT");
                ck_assert_int_eq(loop_turn(f.loop, USEC_MSEC), 0);
        }
        buf_clear(&f.reply);
        exchange_raw(f.loop, f.server, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", &f.reply);
        ck_assert_uint_eq(f.reply.len, 0);
        for (size_t i = 0; i < ARRAY_SIZE(held); i++)
                close(held[i]);
        for (int i = 0; i < 10; i++)
                ck_assert_int_eq(loop_turn(f.loop, USEC_MSEC), 0);
        ck_assert_int_eq(get(&f, "/livez"), 200);
}
END_TEST

START_TEST(test_long_headers_are_refused)
{
        _cleanup_(teardown) struct fixture f;
        char request[2 * SERVER_CONNECTION_MEMORY];
        int fd;

        setup(&f);
        memset(request, 'a', sizeof(request) - 1);
        request[sizeof(request) - 1] = '\0';
        memcpy(request, "GET /livez HTTP/1.1\r\nX: ", 24);
        fd = open_client(f.server);
        send_text(fd, request);
        buf_clear(&f.reply);
        read_to_end(f.loop, fd, &f.reply);
        close(fd);
        ck_assert(f.reply.len == 0 || status_of(&f.reply) >= 400);
        ck_assert_int_eq(get(&f, "/livez"), 200);
}
END_TEST

START_TEST(test_listen_errors)
{
        static const struct {
                const char *listen;
                int code;
                const char *message;
        } cases[] = {
                { "", -EINVAL, "cannot listen on \"\": want ADDRESS:PORT, such as :8080" },
                { "8080", -EINVAL, "cannot listen on \"8080\": want ADDRESS:PORT, such as :8080" },
                { ":", -EINVAL, "cannot listen on \":\": the port must be from 0 to 65535" },
                { ":x", -EINVAL, "cannot listen on \":x\": the port must be from 0 to 65535" },
                { ":65536", -EINVAL, "cannot listen on \":65536\": the port must be from 0 to 65535" },
                { ":-1", -EINVAL, "cannot listen on \":-1\": the port must be from 0 to 65535" },
                { "example:80", -EINVAL, NULL },
                { "::1:80", -EINVAL, NULL },
                { "[]:80", -EINVAL, NULL },
                { "[:80", -EINVAL, NULL },
                { "[1.2.3.4]:80", -EINVAL, NULL },
                { "192.0.2.1:8080", -EADDRNOTAVAIL,
                  "cannot listen on 192.0.2.1:8080: no such address on this machine; use 0.0.0.0 or [::] for all "
                  "of them" },
        };
        _cleanup_(loop_freep) struct loop *l = NULL;
        struct server *s = NULL;

        ck_assert_int_eq(loop_new(&l), 0);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct error err = ERROR_INIT;

                ck_assert_msg(server_new(l, str_c(cases[i].listen), NULL, 0, &s, &err) == cases[i].code,
                              "%s: %s", cases[i].listen, err.message);
                ck_assert_int_eq(err.code, cases[i].code);
                if (cases[i].message)
                        ck_assert_str_eq(err.message, cases[i].message);
                ck_assert_ptr_null(s);
        }
}
END_TEST

START_TEST(test_address_in_use)
{
        _cleanup_(teardown) struct fixture f;
        struct server *second = NULL;
        struct error err = ERROR_INIT;
        char listen[64], expected[128];

        setup(&f);
        snprintf(listen, sizeof(listen), "127.0.0.1:%u", server_port(f.server));
        snprintf(expected, sizeof(expected), "cannot listen on %s: address in use; choose another port",
                 listen);
        ck_assert_int_eq(server_new(f.loop, str_c(listen), NULL, 0, &second, &err), -EADDRINUSE);
        ck_assert_str_eq(err.message, expected);
        ck_assert_int_eq(get(&f, "/livez"), 200);
}
END_TEST

START_TEST(test_listen_addresses)
{
        static const char *const listens[] = { ":0", "0.0.0.0:0", "127.0.0.1:0" };
        struct fixture f;

        for (size_t i = 0; i < ARRAY_SIZE(listens); i++) {
                ck_assert_int_eq(try_setup(&f, listens[i]), 0);
                ck_assert_int_eq(get(&f, "/livez"), 200);
                teardown(&f);
        }
        /* Where there is IPv6, [::] serves IPv4 too. */
        if (try_setup(&f, "[::]:0") == 0)
                ck_assert_int_eq(get(&f, "/livez"), 200);
        teardown(&f);
}
END_TEST

START_TEST(test_free_with_open_connections)
{
        struct fixture f;
        int fd;

        setup(&f);
        fd = open_client(f.server);
        send_text(fd, "GET /livez HTTP/1.1\r\n");
        ck_assert_int_eq(loop_turn(f.loop, USEC_MSEC), 0);
        server_free(f.server);
        f.server = NULL;
        ck_assert_int_eq(loop_turn(f.loop, USEC_MSEC), 0); /* nothing of it is left on the loop */
        teardown(&f);
        close(fd);
}
END_TEST

static int serve_once(void *arg _unused_)
{
        static char room[4 * 1024 * 1024]; /* so that only the server's memory fails */
        _cleanup_(teardown) struct fixture f;
        int r = try_setup(&f, "127.0.0.1:0");
        struct buf out = { .data = room, .size = sizeof(room), .cap = sizeof(room) - 1 };
        int fd;

        if (r < 0)
                return r;
        /* A reply without memory is a 500 or a closed connection, and the next is served. */
        fd = open_client(f.server);
        send_text(fd, "GET /much HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        read_to_end(f.loop, fd, &out);
        close(fd);
        if (out.len)
                ck_assert(status_of(&out) == 200 || status_of(&out) == 500);
        return 0;
}

/* The lowest number that is free; a descriptor that was left open moves it. */
static int next_fd(void)
{
        int fd = dup(0);

        ck_assert_int_ge(fd, 0);
        close(fd);
        return fd;
}

START_TEST(test_torture)
{
        int before = next_fd();

        torture(serve_once, NULL, 0);
        ck_assert_int_eq(next_fd(), before);
}
END_TEST

static const TTest *const tests[] = {
        test_metrics_page,
        test_health,
        test_health_verbose,
        test_unknown_paths,
        test_methods,
        test_bodies_are_not_read,
        test_large_reply,
        test_keep_alive,
        test_waiting_for_a_peer_is_no_work,
        test_loopback_only,
        test_loopback_only_refuses_others,
        test_connection_cap,
        test_long_headers_are_refused,
        test_listen_errors,
        test_address_in_use,
        test_listen_addresses,
        test_free_with_open_connections,
        test_torture,
};

TEST_MAIN("manager/server", tests)
