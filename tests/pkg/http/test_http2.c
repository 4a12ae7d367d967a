/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 over TLS against nghttpd, whose log tells on which connection each
 * request came: "[id=1] [  0.002] recv (stream_id=1) :path: /file". Built for both
 * engines: BY_LIBCURL turns the direct one off.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch.h"
#include "http/client.h"
#include "loop/child.h"
#include "pki.h"

#define MANY 200
#define LOG_MAX ((size_t)64 * 1024 * 1024)

struct world {
        struct loop *loop;
        struct http_client *client;
        struct child *server;
        struct buf log;
        char dir[64];
        char url[64];
        int port;
};

static void write_file(const struct world *w, const char *name, const char *text)
{
        char path[128];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", w->dir, name);
        f = fopen(path, "we");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_ge(fputs(text, f), 0);
        fclose(f);
}

static int free_port(void)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
        close(fd);
        return ntohs(address.sin_port);
}

static void on_log(struct child *c, enum child_stream stream, struct str data, void *arg)
{
        struct world *w = arg;

        (void)c;
        (void)stream;
        buf_add_str(&w->log, data);
}

static void on_server_done(struct child *c, const struct child_result *result, void *arg)
{
        (void)c;
        (void)result;
        (void)arg;
        ck_abort_msg("nghttpd ended");
}

static void start_server(struct world *w)
{
        const struct child_handlers handlers = { .on_output = on_log, .done = on_server_done, .arg = w };
        /* The limit is for a test that fails and leaves the server behind. */
        const char *argv[] = { "timeout", "150",  NGHTTPD, "-v",      "--echo-upload", "-a", "127.0.0.1",
                               "-d",      w->dir, NULL,    "key.pem", "cert.pem",      NULL };
        char port[8];
        struct child_config config = { .argv = argv, .out = CHILD_PIPE, .directory = w->dir };
        struct error err = ERROR_INIT;

        snprintf(port, sizeof(port), "%d", w->port);
        argv[9] = port;
        ck_assert_msg(child_start(w->loop, &config, &handlers, &w->server, &err) == 0, "%s", err.message);
}

static struct http_call call_for(struct world *w)
{
        snprintf(w->url, sizeof(w->url), "https://127.0.0.1:%d/file", w->port);
        return (struct http_call){ .method = "GET", .url = str_c(w->url) };
}

/* Asks with a client of its own until the server answers. */
static void wait_for_server(struct world *w)
{
        const struct http_config config = { .insecure_skip_verify = true };
        usec_t limit = clock_now() + TURNS_LIMIT;
        struct http_call call = call_for(w);
        struct http_client *c;
        bool up = false;

        ck_assert_int_eq(http_client_new(w->loop, &config, &c, NULL), 0);
        while (!up) {
                struct fetch f = { 0 };

                ck_assert_int_eq(fetch_start(c, &f, &call, NULL), 0);
                turn_until(w->loop, f.done);
                ck_assert_msg(clock_now() < limit, "nghttpd does not answer: %s", f.result.error.message);
                up = f.result.status == 200;
                fetch_release(&f);
        }
        http_client_free(c);
}

static void setup(struct world *w)
{
        struct pki_cert ca = pki_make(&(struct pki_wish){ .name = "ca" });
        struct pki_cert cert =
                pki_make(&(struct pki_wish){ .name = "server", .alt_names = "IP:127.0.0.1", .ca = &ca });

        *w = (struct world){ .log = BUF_INIT(LOG_MAX),
                             .dir = "/tmp/keelson-http2-XXXXXX",
                             .port = free_port() };
        ck_assert_ptr_nonnull(mkdtemp(w->dir));
        write_file(w, "key.pem", cert.key_pem);
        write_file(w, "cert.pem", cert.cert_pem);
        write_file(w, "file", "hello");
        ck_assert_int_eq(loop_new(&w->loop), 0);
        start_server(w);
        wait_for_server(w);
        ck_assert_int_eq(http_client_new(w->loop, &(struct http_config){ .ca_pem = str_c(ca.cert_pem) },
                                         &w->client, NULL),
                         0);
#ifdef BY_LIBCURL
        w->client->settings->direct = false;
#endif
        pki_release(&ca);
        pki_release(&cert);
}

static void teardown(struct world *w)
{
        static const char *const names[] = { "key.pem", "cert.pem", "file" };

        http_client_free(w->client);
        child_free(w->server);
        buf_release(&w->log);
        loop_free(w->loop);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                char path[128];

                snprintf(path, sizeof(path), "%s/%s", w->dir, names[i]);
                unlink(path);
        }
        rmdir(w->dir);
}

/* How many requests for /file came on connection ID. */
static int count_on(const struct world *w, int id)
{
        struct str rest = buf_str(&w->log), line;
        char prefix[32];
        int n = 0;

        snprintf(prefix, sizeof(prefix), "[id=%d]", id);
        do {
                str_cut(rest, '\n', &line, &rest);
                if (str_starts(line, str_c(prefix)) && str_ends(line, STR(":path: /file")))
                        n++;
        } while (rest.data);
        return n;
}

static int count_all(const struct world *w)
{
        int n = 0;

        for (int id = 1; id < 20; id++)
                n += count_on(w, id);
        return n;
}

static int last_connection(const struct world *w)
{
        int last = 0;

        for (int id = 1; id < 20; id++)
                if (count_on(w, id))
                        last = id;
        return last;
}

static void expect_hello(struct fetch *f)
{
        ck_assert_msg(f->result.status == 200, "%s", f->result.error.message);
        ck_str_eq(buf_str(&f->body), "hello");
        fetch_release(f);
}

START_TEST(many_requests_use_one_connection)
{
        static struct fetch f[MANY];
        struct http_call call;
        struct world w;
        int before;

        setup(&w);
        turn_until(w.loop, count_all(&w) >= 1);
        before = last_connection(&w);
        call = call_for(&w);
        for (size_t i = 0; i < MANY; i++)
                ck_assert_int_eq(fetch_start(w.client, &f[i], &call, NULL), 0);
        for (size_t i = 0; i < MANY; i++) {
                turn_until(w.loop, f[i].done);
                expect_hello(&f[i]);
        }
        turn_until(w.loop, count_all(&w) >= before + MANY);
        ck_assert_int_eq(count_on(&w, before + 1), MANY);
        ck_assert_int_eq(last_connection(&w), before + 1);
        teardown(&w);
}
END_TEST

/* Several times, for what libcurl 7.88 makes of the last bytes is a matter of luck. */
START_TEST(a_body_goes_there_and_back)
{
        static const struct http_header header = { STR_INIT("Content-Type"), STR_INIT("text/plain") };
        struct buf body = BUF_INIT(FETCH_MAX);
        struct fetch f[8] = { 0 };
        struct http_call call;
        struct world w;

        setup(&w);
        for (int i = 0; i < 30000; i++)
                buf_printf(&body, "line %d\n", i);
        call = call_for(&w);
        call.method = "POST";
        call.headers = &header;
        call.n_headers = 1;
        call.body = buf_str(&body);
        for (int round = 0; round < 4; round++) {
                for (size_t i = 0; i < ARRAY_SIZE(f); i++)
                        ck_assert_int_eq(fetch_start(w.client, &f[i], &call, NULL), 0);
                for (size_t i = 0; i < ARRAY_SIZE(f); i++) {
                        turn_until(w.loop, f[i].done);
                        ck_assert_msg(f[i].result.status == 200, "%s", f[i].result.error.message);
                        ck_assert(str_eq(buf_str(&f[i].body), buf_str(&body)));
                        fetch_release(&f[i]);
                        f[i] = (struct fetch){ 0 };
                }
        }
        buf_release(&body);
        teardown(&w);
}
END_TEST

/* Half of them are cancelled by the other half, at whatever point they are. */
static void cancel_neighbour(struct fetch *f)
{
        struct fetch *neighbour = f->arg;

        if (neighbour && !neighbour->done)
                http_cancel(neighbour->request);
        if (neighbour)
                neighbour->in_done = NULL;
        f->arg = NULL;
}

START_TEST(cancelling_some_leaves_the_rest_alone)
{
        static struct fetch f[MANY];
        struct http_call call;
        struct fetch after = { 0 };
        struct world w;

        setup(&w);
        call = call_for(&w);
        for (size_t i = 0; i < MANY; i++) {
                if (i % 2 == 0) {
                        f[i].arg = &f[i + 1];
                        f[i].in_headers = i % 4 ? cancel_neighbour : NULL;
                        f[i].in_done = i % 4 ? NULL : cancel_neighbour;
                }
                ck_assert_int_eq(fetch_start(w.client, &f[i], &call, NULL), 0);
        }
        for (size_t i = 0; i < MANY; i += 2) {
                turn_until(w.loop, f[i].done);
                expect_hello(&f[i]);
        }
        ck_assert_int_eq(fetch_start(w.client, &after, &call, NULL), 0);
        turn_until(w.loop, after.done);
        expect_hello(&after);
        for (size_t i = 1; i < MANY; i += 2) {
                ck_assert_int_le(f[i].done, 1);
                fetch_release(&f[i]);
        }
        teardown(&w);
}
END_TEST

/* A connection on which nobody heard anything is not used again. */
START_TEST(a_dead_connection_is_left)
{
        struct fetch first = { 0 }, stuck = { 0 }, next = { 0 };
        struct http_call call;
        struct world w;
        int before;

        setup(&w);
        call = call_for(&w);
        ck_assert_int_eq(fetch_start(w.client, &first, &call, NULL), 0);
        turn_until(w.loop, first.done);
        expect_hello(&first);
        turn_until(w.loop, count_all(&w) >= 2);
        before = last_connection(&w);

        ck_assert_int_eq(child_signal(w.server, SIGSTOP), 0);
        call.idle_timeout = 50 * USEC_MSEC;
        ck_assert_int_eq(fetch_start(w.client, &stuck, &call, NULL), 0);
        turn_until(w.loop, stuck.done);
        ck_assert_int_eq(stuck.result.error.code, -ETIMEDOUT);
        ck_assert_int_eq(child_signal(w.server, SIGCONT), 0);

        call.idle_timeout = 0;
        ck_assert_int_eq(fetch_start(w.client, &next, &call, NULL), 0);
        turn_until(w.loop, next.done);
        expect_hello(&next);
        turn_until(w.loop, last_connection(&w) > before);
        ck_assert_int_eq(count_on(&w, before + 1), 1);
        fetch_release(&stuck);
        teardown(&w);
}
END_TEST

static const TTest *const tests[] = {
        many_requests_use_one_connection,
        a_body_goes_there_and_back,
        cancelling_some_leaves_the_rest_alone,
        a_dead_connection_is_left,
};
TEST_MAIN("http/http2", tests)
