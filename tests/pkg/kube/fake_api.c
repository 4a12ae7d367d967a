/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_api.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "harness.h"

#define LIMIT (60 * USEC_SEC)
#define FAKE_TEXT_MAX ((size_t)64 * 1024)

/* One request, from its headers to the end of its answer. */
struct exchange {
        struct fake_api *fake;
        struct MHD_Connection *connection;
        struct buf body;
        struct fake_step step;
        size_t sent;
};

static ssize_t more(void *arg, uint64_t pos, char *out, size_t max)
{
        struct exchange *x = arg;
        size_t left = strlen(x->step.body) - x->sent, n = MIN(left, max);

        (void)pos;
        if (n) {
                memcpy(out, x->step.body + x->sent, n);
                x->sent += n;
                return (ssize_t)n;
        }
        if (x->step.end == FAKE_END)
                return MHD_CONTENT_READER_END_OF_STREAM;
        if (x->step.end == FAKE_CUT)
                return MHD_CONTENT_READER_END_WITH_ERROR;
        ck_assert_uint_lt(x->fake->n_hung, FAKE_HUNG_MAX);
        x->fake->hung[x->fake->n_hung++] = x->connection;
        MHD_suspend_connection(x->connection);
        return 0;
}

static enum MHD_Result add_query_part(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
        struct buf *out = arg;

        (void)kind;
        buf_printf(out, "%s%s=%s", memchr(out->data, '?', out->len) ? "&" : "?", key, value ? value : "");
        return MHD_YES;
}

static void add_header(struct buf *to, struct MHD_Connection *connection, const char *name)
{
        const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);

        buf_printf(to, "%s\n", value ? value : "-");
}

/* The buffers have their memory from the start, so that a test's failing
 * allocation never hits the server. */
static struct fake_step note(struct exchange *x, const char *method, const char *url)
{
        struct fake_api *f = x->fake;

        buf_clear(&f->line);
        buf_printf(&f->line, "%s %s", method, url);
        (void)MHD_get_connection_values(x->connection, MHD_GET_ARGUMENT_KIND, add_query_part, &f->line);
        buf_printf(&f->asked, "%s\n", f->line.data);
        buf_printf(&f->bodies, "%.*s\n", STR_FMT(buf_str(&x->body)));
        add_header(&f->authorization, x->connection, "Authorization");
        add_header(&f->content_type, x->connection, "Content-Type");
        add_header(&f->accept, x->connection, "Accept");
        if (f->respond)
                return f->respond(f->line.data);
        /* Past its script it hangs, so that a test cannot pass by chance. */
        return f->next < f->n_steps ? f->steps[f->next++]
                                    : (struct fake_step){ .body = "", .end = FAKE_HANG };
}

static enum MHD_Result answer(struct exchange *x)
{
        struct MHD_Response *response =
                MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, more, x, NULL);
        enum MHD_Result result;

        MHD_add_response_header(response, "Content-Type", "application/json");
        if (x->step.retry_after)
                MHD_add_response_header(response, "Retry-After", x->step.retry_after);
        result = MHD_queue_response(x->connection, (unsigned)(x->step.status ? x->step.status : 200),
                                    response);
        MHD_destroy_response(response);
        return result;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *size,
                                  void **state)
{
        struct fake_api *f = arg;
        struct exchange *x = *state;

        (void)version;
        if (!x) {
                x = calloc(1, sizeof(*x));
                x->fake = f;
                x->connection = connection;
                buf_init(&x->body, (size_t)1024 * 1024);
                *state = x;
                return MHD_YES;
        }
        if (*size) {
                buf_add(&x->body, data, *size);
                *size = 0;
                return MHD_YES;
        }
        x->step = note(x, method, url);
        return answer(x);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
        struct exchange *x = *state;

        (void)arg;
        (void)connection;
        (void)code;
        if (!x)
                return;
        buf_release(&x->body);
        free(x);
        *state = NULL;
}

static void on_timer(struct loop_timer *timer, void *arg);

static void run(struct fake_api *f)
{
        MHD_run(f->daemon);
        ck_assert_int_eq(loop_timer_set(f->loop, &f->timer, clock_now() + 20 * USEC_MSEC, on_timer, f), 0);
}

static void on_timer(struct loop_timer *timer _unused_, void *arg)
{
        run(arg);
}

static void on_ready(struct loop_fd *fd _unused_, uint32_t events _unused_, void *arg)
{
        run(arg);
}

void fake_api_start(struct fake_api *f, struct loop *l)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct buf *const bufs[] = { &f->asked,        &f->bodies, &f->authorization,
                                     &f->content_type, &f->accept, &f->line };
        const union MHD_DaemonInfo *info;

        *f = (struct fake_api){ .loop = l };
        for (size_t i = 0; i < ARRAY_SIZE(bufs); i++) {
                buf_init(bufs[i], FAKE_TEXT_MAX);
                ck_assert_ptr_nonnull(buf_reserve(bufs[i], FAKE_TEXT_MAX - 1));
        }
        f->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, f,
                                     MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED,
                                     on_completed, f, MHD_OPTION_END);
        ck_assert_ptr_nonnull(f->daemon);
        info = MHD_get_daemon_info(f->daemon, MHD_DAEMON_INFO_BIND_PORT);
        snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u", (unsigned)info->port);
        info = MHD_get_daemon_info(f->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        ck_assert_int_eq(loop_fd_start(l, &f->fd, info->epoll_fd, EPOLLIN, on_ready, f), 0);
        run(f);
}

void fake_api_stop(struct fake_api *f)
{
        loop_fd_stop(&f->fd);
        loop_timer_stop(&f->timer);
        for (size_t i = 0; i < f->n_hung; i++)
                MHD_resume_connection(f->hung[i]);
        MHD_stop_daemon(f->daemon);
        buf_release(&f->line);
        buf_release(&f->asked);
        buf_release(&f->bodies);
        buf_release(&f->authorization);
        buf_release(&f->content_type);
        buf_release(&f->accept);
}

void fake_api_will(struct fake_api *f, struct fake_step step)
{
        ck_assert_uint_lt(f->n_steps, FAKE_STEPS_MAX);
        f->steps[f->n_steps++] = step;
}

struct kube_client *fake_api_client(struct fake_api *f, const char *user)
{
        struct buf yaml = BUF_INIT(4096);
        struct kube_config config;
        struct kube_client *client = NULL;
        struct error err = ERROR_INIT;
        int r;

        buf_printf(&yaml,
                   "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
                   "clusters: [{name: k, cluster: {server: '%s'}}]\nusers: [{name: u, user: {%s}}]\n",
                   f->url, user ? user : "");
        r = kube_config_parse(buf_str(&yaml), STR("/fake/config"), &config, &err);
        ck_assert_msg(r == 0, "%s", err.message);
        r = kube_client_new(f->loop, &config, &client, &err);
        ck_assert_msg(r == 0, "%s", err.message);
        buf_release(&yaml);
        return client;
}

void fake_api_wait(struct fake_api *f, bool (*done)(void *arg), void *arg)
{
        usec_t limit = clock_now() + LIMIT;

        while (!done(arg)) {
                ck_assert_msg(clock_now() < limit, "waited too long; it was asked:\n%s", f->asked.data);
                ck_assert_int_eq(loop_turn(f->loop, 100 * USEC_MSEC), 0);
        }
}
