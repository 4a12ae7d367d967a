/* SPDX-License-Identifier: Apache-2.0 */
#include "http/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/mem.h"

/* What one SSL_read gives at the most: a record. */
#define RECORD_MAX ((size_t)16384)
/* Frames are collected until they fill a record. */
#define OUT_MAX (RECORD_MAX + H2_OUTPUT_MAX)
#define PORT_HTTPS 443

/* --- the end ------------------------------------------------------------------ */

static void stop_watching(struct conn *k)
{
        resolve_cancel(k->resolve);
        k->resolve = NULL;
        loop_timer_stop(&k->timer);
        loop_fd_stop(&k->fd);
}

/* Before it was ready no request was sent, and all waited for the same. */
static void end_waiting(struct conn *k, const struct error *why)
{
        struct list *first;

        while ((first = list_first(&k->h2.waiting)))
                request_finish(container_of(first, struct http_request, link), 0, why);
}

static void fail(struct conn *k, const struct error *why)
{
        bool ready = k->state == CONN_READY;

        if (k->state == CONN_DEAD)
                return;
        k->state = CONN_DEAD;
        stop_watching(k);
        if (ready)
                h2_fail(&k->h2, why);
        else
                end_waiting(k, why);
}

static void fail_memory(struct conn *k)
{
        struct error why;

        error_set(&why, -ENOMEM, "no memory for a connection to %s", k->settings->origin);
        fail(k, &why);
}

static void fail_session(struct conn *k, int code)
{
        struct error why;

        if (code == -ENOMEM) {
                fail_memory(k);
                return;
        }
        error_set(&why, code, "the request to %s failed, since it does not speak HTTP/2 as it should: %s",
                  k->settings->origin, k->h2.why);
        fail(k, &why);
}

static void fail_broken(struct conn *k, const char *reason)
{
        struct error why;

        if (h2_complains(&k->h2)) {
                fail_session(k, -EPROTO);
                return;
        }
        error_set(&why, -ECONNRESET, "the connection to %s broke: %s", k->settings->origin, reason);
        fail(k, &why);
}

static void fail_late(struct conn *k)
{
        struct error why;

        error_set(&why, -ETIMEDOUT, "cannot connect to %s within %.1f s", k->settings->origin,
                  (double)k->settings->connect_timeout_ms / 1e3);
        fail(k, &why);
}

static void fail_connect(struct conn *k, int code)
{
        struct error why;

        error_set(&why, code, "cannot connect to %s: %s", k->settings->origin, strerror(-code));
        fail(k, &why);
}

static void fail_handshake(struct conn *k, int code)
{
        struct str origin = str_c(k->settings->origin);
        struct error why;

        if (code == -EKEYREJECTED)
                failure_certificate(origin, k->settings->tls, tls_io_verdict(&k->tls), k->tls.reason, &why);
        else
                error_set(&why, -EPROTO, "no TLS with %.*s: %s", STR_FMT(origin), k->tls.reason);
        fail(k, &why);
}

/* Its requests begin anew, with libcurl. */
static void fall_back(struct conn *k)
{
        struct list *first;

        k->settings->direct = false;
        while ((first = list_first(&k->h2.waiting))) {
                struct http_request *r = container_of(first, struct http_request, link);

                r->attempts = 0;
                request_restart(r);
        }
        k->state = CONN_DEAD;
        stop_watching(k);
}

/* --- sending -------------------------------------------------------------------- */

static void want(struct conn *k, bool output)
{
        if (loop_fd_change(&k->fd, output ? EPOLLIN | EPOLLOUT : EPOLLIN) < 0)
                fail_memory(k);
}

/* True when all of k->out is on its way. */
static bool write_out(struct conn *k)
{
        while (k->out_sent < k->out_len) {
                ssize_t n = tls_io_write(&k->tls, k->out + k->out_sent, k->out_len - k->out_sent);

                if (n == -EAGAIN) {
                        k->blocked = true;
                        want(k, true);
                        return false;
                }
                if (n < 0) {
                        fail_broken(k, k->tls.reason);
                        return false;
                }
                k->out_sent += (size_t)n;
        }
        k->out_len = k->out_sent = 0;
        return true;
}

/* Frames into k->out; false if the session is of no more use. */
static bool collect_output(struct conn *k)
{
        const uint8_t *data;

        while (k->out_len <= OUT_MAX - H2_OUTPUT_MAX) {
                ssize_t n = h2_output(&k->h2, &data);

                if (n > (ssize_t)H2_OUTPUT_MAX)
                        n = -EPROTO;
                if (n < 0) {
                        fail_session(k, (int)n);
                        return false;
                }
                if (n == 0)
                        break;
                memcpy(k->out + k->out_len, data, (size_t)n);
                k->out_len += (size_t)n;
        }
        return true;
}

static void send_all(struct conn *k)
{
        if (!k->out)
                k->out = mem_alloc(OUT_MAX);
        if (!k->out) {
                fail_memory(k);
                return;
        }
        do {
                if (!collect_output(k))
                        return;
                if (k->out_len == 0)
                        break;
        } while (write_out(k));
        if (k->blocked || k->state != CONN_READY)
                return;
        mem_free(k->out);
        k->out = NULL;
        if (h2_is_over(&k->h2))
                fail_broken(k, "the server closed it");
}

void conn_flush(struct conn *k)
{
        if (!k->dirty || k->blocked || k->state != CONN_READY)
                return;
        k->dirty = false;
        send_all(k);
}

static void wake(struct h2 *h)
{
        struct conn *k = container_of(h, struct conn, h2);

        /* One whose socket is full is dirty until there is room. */
        if (k->state != CONN_READY)
                return;
        k->dirty = true;
        client_wake(k->client);
}

/* --- receiving ------------------------------------------------------------------- */

/* All that is there, up to what one turn may take. */
static void receive(struct conn *k)
{
        uint8_t *record = mem_alloc(RECORD_MAX);
        ssize_t n = 0;
        int r = 0;

        while (record && r == 0 && !k->client->freed) {
                n = tls_io_read(&k->tls, record, RECORD_MAX);
                if (n < 0)
                        break;
                r = h2_receive(&k->h2, record, (size_t)n);
        }
        mem_free(record);
        if (!record)
                fail_memory(k);
        else if (r < 0)
                fail_session(k, r);
        else if (n < 0 && n != -EAGAIN)
                fail_broken(k, k->tls.reason);
        else if (n == -EAGAIN && tls_io_wants_write(&k->tls))
                want(k, true);
        if (k->state == CONN_READY)
                wake(&k->h2);
}

/* --- connecting --------------------------------------------------------------------- */

static void dial_next(struct conn *k);

static void be_ready(struct conn *k)
{
        if (strcmp(k->tls.protocol, "h2") != 0) {
                fall_back(k);
                return;
        }
        loop_timer_stop(&k->timer);
        if (h2_open(&k->h2) < 0) {
                fail_memory(k);
                return;
        }
        k->state = CONN_READY;
        want(k, false);
        wake(&k->h2);
}

static void shake_hands(struct conn *k)
{
        int r = tls_io_handshake(&k->tls);

        if (r == -EAGAIN)
                want(k, tls_io_wants_write(&k->tls));
        else if (r < 0)
                fail_handshake(k, r);
        else
                be_ready(k);
}

static void end_connect(struct conn *k)
{
        int code = 0, r;
        socklen_t len = sizeof(code);

        if (getsockopt(k->fd.fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
                code = errno;
        if (code) {
                k->failed = -code;
                dial_next(k);
                return;
        }
        r = tls_io_open(&k->tls, k->settings->tls, k->host, k->fd.fd);
        if (r < 0)
                fail_memory(k);
        else
                k->state = CONN_SHAKING;
}

static void serve(struct conn *k, uint32_t events)
{
        if (k->state == CONN_CONNECTING)
                end_connect(k);
        if (k->state == CONN_SHAKING)
                shake_hands(k); /* what came behind the handshake lies in our buffer */
        if (k->state != CONN_READY)
                return;
        if (events & EPOLLOUT) {
                k->blocked = false;
                want(k, false);
                wake(&k->h2);
        }
        /* Also where there is room again: TLS may have waited for it to read on. */
        if (k->state == CONN_READY)
                receive(k);
}

static void on_socket(struct loop_fd *source, uint32_t events, void *arg)
{
        struct conn *k = arg;
        struct http_client *c = k->client;

        (void)source;
        client_pin(c);
        if (tls_io_begin(&k->tls) < 0)
                fail_memory(k);
        else
                serve(k, events);
        tls_io_end(&k->tls);
        client_unpin(c);
}

/* An address that does not answer leaves time for those behind it. */
static usec_t share_of_time(const struct conn *k)
{
        usec_t now = clock_now();
        size_t left = k->addresses.n - k->next + 1;

        return MIN(k->deadline, now + MAX(k->deadline - now, 0) / (usec_t)left);
}

static void on_timer(struct loop_timer *timer, void *arg)
{
        struct conn *k = arg;
        struct http_client *c = k->client;

        (void)timer;
        client_pin(c);
        if (k->state == CONN_CONNECTING && k->next < k->addresses.n) {
                k->failed = -ETIMEDOUT;
                dial_next(k);
        } else {
                fail_late(k);
        }
        client_unpin(c);
}

static int make_socket(int family)
{
        static const struct {
                int level, name, value;
        } options[] = {
                { IPPROTO_TCP, TCP_NODELAY, 1 },
                { IPPROTO_TCP, TCP_USER_TIMEOUT, HTTP_DEAD_PEER_MS },
                { IPPROTO_TCP, TCP_KEEPIDLE, HTTP_KEEPALIVE_IDLE_S },
                { IPPROTO_TCP, TCP_KEEPINTVL, HTTP_KEEPALIVE_INTERVAL_S },
                { SOL_SOCKET, SO_KEEPALIVE, 1 },
        };
        int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(options); i++)
                (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                                 sizeof(options[i].value));
        return fd < 0 ? -errno : fd;
}

static void close_socket(struct conn *k)
{
        loop_fd_stop(&k->fd);
        if (k->fd.fd >= 0)
                close(k->fd.fd);
        k->fd.fd = -1;
}

static int dial_one(struct conn *k, const struct address *to)
{
        int fd, r;

        close_socket(k);
        fd = make_socket(to->any.sa_family);
        if (fd < 0)
                return fd;
        k->fd.fd = fd;
        if (connect(fd, &to->any, to->len) < 0 && errno != EINPROGRESS)
                return -errno;
        r = loop_fd_start(k->client->loop, &k->fd, fd, EPOLLOUT, on_socket, k);
        if (r < 0)
                return r;
        return loop_timer_set(k->client->loop, &k->timer, share_of_time(k), on_timer, k);
}

static void dial_next(struct conn *k)
{
        k->state = CONN_CONNECTING;
        while (k->next < k->addresses.n) {
                k->failed = dial_one(k, &k->addresses.list[k->next++]);
                if (k->failed == 0)
                        return;
                if (k->failed == -ENOMEM)
                        break;
        }
        if (k->failed == -ENOMEM)
                fail_memory(k);
        else
                fail_connect(k, k->failed);
}

static void on_resolved(int code, const char *text, const struct addresses *found, void *arg)
{
        struct conn *k = arg;
        struct http_client *c = k->client;
        struct error why;

        k->resolve = NULL;
        client_pin(c);
        if (code < 0) {
                error_set(&why, code, "cannot reach %s: %s has no address: %s", k->settings->origin, k->host,
                          text);
                fail(k, &why);
        } else {
                k->addresses = *found;
                dial_next(k);
        }
        client_unpin(c);
}

void conn_dial(struct conn *k)
{
        struct error why;
        int r;

        if (k->addresses.n > 0 || resolve_address(k->host, k->port, &k->addresses)) {
                dial_next(k);
                return;
        }
        r = resolve_start(k->client->loop, k->host, k->port, on_resolved, k, &k->resolve);
        if (r == -ENOMEM) {
                fail_memory(k);
        } else if (r < 0) {
                error_set(&why, -EHOSTUNREACH, "cannot reach %s: %s cannot be looked up now: %s",
                          k->settings->origin, k->host, strerror(-r));
                fail(k, &why);
        }
}

/* --- the origin ---------------------------------------------------------------------- */

static bool is_host(struct str host, bool brackets)
{
        for (size_t i = 0; i < host.len; i++) {
                unsigned char c = (unsigned char)host.data[i];
                bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                             c == '.';

                if (!plain && (brackets ? c != ':' : c != '-' && c != '_'))
                        return false;
        }
        return host.len > 0 && host.len <= RESOLVE_HOST_MAX;
}

static bool take_port(struct str text, uint16_t *ret)
{
        int64_t number;

        if (!text.data) {
                *ret = PORT_HTTPS;
                return true;
        }
        if (text.len == 0 || text.data[0] == '-' || str_to_int64(text, &number) < 0 || number < 1 ||
            number > UINT16_MAX)
                return false;
        *ret = (uint16_t)number;
        return true;
}

/* "https://[::1]:6443" */
static bool take_apart(struct str origin, struct str *ret_host, uint16_t *ret_port)
{
        struct str https = STR("https://"), host = origin, port = STR_NULL, behind;
        bool brackets;

        if (!str_starts(origin, https))
                return false;
        host = str_n(origin.data + https.len, origin.len - https.len);
        brackets = str_starts(host, STR("["));
        if (brackets) {
                if (!str_cut(str_n(host.data + 1, host.len - 1), ']', &host, &behind) ||
                    (behind.len && behind.data[0] != ':'))
                        return false;
                if (behind.len)
                        port = str_n(behind.data + 1, behind.len - 1);
        } else {
                str_cut(host, ':', &host, &port);
        }
        *ret_host = host;
        return is_host(host, brackets) && take_port(port, ret_port);
}

bool conn_can_reach(struct str origin)
{
        struct str host;
        uint16_t port;

        return take_apart(origin, &host, &port);
}

/* --- life ------------------------------------------------------------------------------ */

int conn_new(struct http_client *c, struct http_settings *settings, struct conn **ret)
{
        struct conn *k = mem_new(struct conn);
        struct str host = STR_NULL;
        SSL_CTX *context;

        if (!k)
                return -ENOMEM;
        k->client = c;
        k->settings = settings;
        settings->refs++;
        k->fd.fd = -1;
        h2_init(&k->h2, c, wake);
        list_add_tail(&c->conns, &k->link);
        (void)take_apart(str_c(settings->origin), &host, &k->port); /* it is one that can be reached */
        memcpy(k->host, host.data, host.len);
        /* Not while the server is waited for: the system's roots take 30 ms to read. */
        if (http_tls_context(settings->tls, &context) < 0) {
                conn_free(k);
                return -ENOMEM;
        }
        k->deadline = clock_now() + settings->connect_timeout_ms * USEC_MSEC;
        if (loop_timer_set(c->loop, &k->timer, k->deadline, on_timer, k) < 0) {
                conn_free(k);
                return -ENOMEM;
        }
        *ret = k;
        return 0;
}

void conn_free(struct conn *k)
{
        if (k->state == CONN_READY && !k->blocked) {
                h2_say_goodbye(&k->h2);
                send_all(k);
        }
        stop_watching(k);
        tls_io_close(&k->tls, k->state == CONN_READY);
        close_socket(k);
        h2_release(&k->h2);
        list_remove(&k->link);
        settings_unref(k->settings);
        mem_free(k->out);
        mem_free(k);
}

bool conn_is_open(const struct conn *k)
{
        return k->state != CONN_DEAD && !k->retired && !k->h2.closing;
}
