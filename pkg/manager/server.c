/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "manager/metrics.h"

#define LISTEN_BACKLOG 64

struct server {
        struct loop *loop;
        struct MHD_Daemon *daemon;
        struct loop_fd fd;
        struct loop_timer timer;
        uint16_t port;
        size_t n_routes;
        struct server_route routes[];
};

/* --- replies ------------------------------------------------------------- */

static void reply_text(struct server_reply *reply, unsigned status, const char *text)
{
        buf_clear(&reply->body);
        reply->status = status;
        reply->content_type = "text/plain; charset=utf-8";
        buf_add_c(&reply->body, text);
}

/* Hands the reply to MHD, its body too. */
static enum MHD_Result queue_reply(struct MHD_Connection *c, struct server_reply *reply)
{
        struct MHD_Response *response;
        enum MHD_Result r;

        response = MHD_create_response_from_buffer_with_free_callback(reply->body.len, reply->body.data,
                                                                      mem_free);
        if (!response)
                return MHD_NO;
        reply->body = (struct buf)BUF_INIT(SERVER_BODY_MAX);

        r = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
        if (r == MHD_YES)
                r = MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache, private");
        if (r == MHD_YES)
                r = MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
        if (r == MHD_YES && reply->status == MHD_HTTP_METHOD_NOT_ALLOWED)
                r = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        if (r == MHD_YES)
                r = MHD_queue_response(c, reply->status, response);
        MHD_destroy_response(response);
        return r;
}

/* --- requests ------------------------------------------------------------ */

static bool is_loopback(const struct sockaddr *peer)
{
        if (!peer)
                return false;
        if (peer->sa_family == AF_INET) {
                const struct sockaddr_in *in = (const void *)peer;

                return ntohl(in->sin_addr.s_addr) >> 24 == 127;
        }
        if (peer->sa_family == AF_INET6) {
                const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;

                return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
        }
        return false;
}

static bool comes_from_loopback(struct MHD_Connection *c)
{
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

        return info && is_loopback(info->client_addr);
}

static bool has_argument(struct MHD_Connection *c, struct str name)
{
        return MHD_lookup_connection_value_n(c, MHD_GET_ARGUMENT_KIND, name.data, name.len, NULL, NULL) ==
               MHD_YES;
}

static const struct server_route *find_route(const struct server *s, const char *path)
{
        for (size_t i = 0; i < s->n_routes; i++) {
                if (str_eq_c(str_c(path), s->routes[i].path))
                        return &s->routes[i];
        }
        return NULL;
}

static void answer(const struct server *s, struct MHD_Connection *c, const char *path,
                   struct server_reply *reply)
{
        const struct server_route *route = find_route(s, path);
        struct server_request request = {
                .path = str_c(path),
                .verbose = has_argument(c, STR("verbose")),
        };

        if (!route) {
                reply_text(reply, MHD_HTTP_NOT_FOUND, "not found\n");
                return;
        }
        if (route->loopback_only && !comes_from_loopback(c)) {
                reply_text(reply, MHD_HTTP_FORBIDDEN, "only from this machine; use kubectl port-forward\n");
                return;
        }
        route->fn(&request, reply, route->arg);
        if (buf_error(&reply->body) == -EMSGSIZE)
                reply_text(reply, MHD_HTTP_INTERNAL_SERVER_ERROR, "the answer is too large\n");
        else if (buf_error(&reply->body) < 0)
                reply_text(reply, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
}

/* MHD calls this once when it has the headers, then for each piece of a body,
 * then once more when the request is complete. A reply that is queued at the
 * first call makes it close the connection without reading the body. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version _unused_, const char *body _unused_, size_t *body_len,
                                  void **state)
{
        static char seen;
        struct server_reply reply = { .status = MHD_HTTP_OK, .content_type = "text/plain; charset=utf-8" };
        struct str verb = str_c(method);
        enum MHD_Result r;

        buf_init(&reply.body, SERVER_BODY_MAX);
        if (!str_eq_c(verb, MHD_HTTP_METHOD_GET) && !str_eq_c(verb, MHD_HTTP_METHOD_HEAD)) {
                reply_text(&reply, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        } else if (!*state) {
                *state = &seen;
                return MHD_YES;
        } else if (*body_len) {
                return MHD_NO; /* nobody sends a body with GET */
        } else {
                answer(arg, c, path, &reply);
        }
        r = buf_error(&reply.body) < 0 ? MHD_NO : queue_reply(c, &reply);
        buf_release(&reply.body);
        return r;
}

/* --- on the loop ----------------------------------------------------------- */

static void on_timer(struct loop_timer *timer, void *arg);

/* The timer is always set: so it keeps its place in the loop's heap, and
 * setting it here cannot fail for want of memory. */
static void run(struct server *s)
{
        MHD_UNSIGNED_LONG_LONG wait_ms;
        usec_t due = USEC_NEVER;
        int r;

        MHD_run(s->daemon);
        if (MHD_get_timeout(s->daemon, &wait_ms) == MHD_YES)
                due = clock_now() + (usec_t)wait_ms * USEC_MSEC;
        r = loop_timer_set(s->loop, &s->timer, due, on_timer, s);
        (void)r;
}

static void on_timer(struct loop_timer *timer _unused_, void *arg)
{
        run(arg);
}

static void on_ready(struct loop_fd *source _unused_, uint32_t events _unused_, void *arg)
{
        run(arg);
}

static int start_watching(struct server *s)
{
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        int r;

        if (!info)
                return -EINVAL;
        r = loop_timer_set(s->loop, &s->timer, clock_now(), on_timer, s);
        if (r < 0)
                return r;
        return loop_fd_start(s->loop, &s->fd, info->epoll_fd, EPOLLIN, on_ready, s);
}

/* --- listening --------------------------------------------------------------- */

struct address {
        struct sockaddr_storage storage;
        socklen_t len;
};

static void set_in6(struct address *a, const struct in6_addr *ip, uint16_t port)
{
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = *ip, .sin6_port = htons(port) };

        memcpy(&a->storage, &in6, sizeof(in6));
        a->len = sizeof(in6);
}

static void set_in4(struct address *a, struct in_addr ip, uint16_t port)
{
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = ip, .sin_port = htons(port) };

        memcpy(&a->storage, &in, sizeof(in));
        a->len = sizeof(in);
}

static int parse_host(struct str host, uint16_t port, struct address *ret)
{
        char text[INET6_ADDRSTRLEN] = "";
        bool brackets = str_starts(host, STR("[")) && str_ends(host, STR("]"));
        struct in6_addr ip6;
        struct in_addr ip4;

        if (brackets)
                host = str_n(host.data + 1, host.len - 2);
        if (host.len >= sizeof(text))
                return -EINVAL;
        memcpy(text, host.data, host.len);
        if (brackets) {
                if (inet_pton(AF_INET6, text, &ip6) != 1)
                        return -EINVAL;
                set_in6(ret, &ip6, port);
                return 0;
        }
        if (str_empty(host)) {
                set_in6(ret, &in6addr_any, port);
                return 0;
        }
        if (inet_pton(AF_INET, text, &ip4) != 1)
                return -EINVAL;
        set_in4(ret, ip4, port);
        return 0;
}

static int parse_address(struct str listen, struct address *ret, struct error *err)
{
        struct str host, tail;
        int64_t port = -1;
        size_t colon = listen.len;

        while (colon > 0 && listen.data[colon - 1] != ':')
                colon--;
        if (colon == 0)
                return error_set(err, -EINVAL, "cannot listen on \"%.*s\": want ADDRESS:PORT, such as :8080",
                                 STR_FMT(listen));
        host = str_n(listen.data, colon - 1);
        tail = str_n(listen.data + colon, listen.len - colon);
        if (str_to_int64(tail, &port) < 0 || port < 0 || port > UINT16_MAX)
                return error_set(err, -EINVAL, "cannot listen on \"%.*s\": the port must be from 0 to 65535",
                                 STR_FMT(listen));
        if (parse_host(host, (uint16_t)port, ret) < 0)
                return error_set(err, -EINVAL,
                                 "cannot listen on \"%.*s\": the address must be an IP of this machine, "
                                 "such as 0.0.0.0, or an IPv6 one in brackets, such as [::]",
                                 STR_FMT(listen));
        return 0;
}

int server_check_address(struct str listen, struct error *err)
{
        struct address a;

        return parse_address(listen, &a, err);
}

static int open_socket(const struct address *a)
{
        const int on = 1, off = 0;
        int fd = socket(a->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int r;

        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            (a->storage.ss_family == AF_INET6 &&
             setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
            bind(fd, (const void *)&a->storage, a->len) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        return fd;
}

static const char *advice(int code)
{
        switch (code) {
        case -EADDRINUSE:
                return "address in use; choose another with --listen";
        case -EACCES:
                return "ports below 1024 need the capability NET_BIND_SERVICE; choose another with --listen";
        case -EADDRNOTAVAIL:
                return "no such address on this machine; use 0.0.0.0 or [::] for all of them";
        case -EAFNOSUPPORT:
                return "this machine has no IPv6; use 0.0.0.0";
        default:
                return strerror(-code);
        }
}

/* Where the kernel has no IPv6, ":8080" still means every address. */
static int open_listener(struct str listen, struct error *err)
{
        struct address a;
        int fd;

        if (parse_address(listen, &a, err) < 0)
                return -EINVAL;
        fd = open_socket(&a);
        if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && str_starts(listen, STR(":"))) {
                const struct sockaddr_in6 *in6 = (const void *)&a.storage;

                set_in4(&a, (struct in_addr){ htonl(INADDR_ANY) }, ntohs(in6->sin6_port));
                fd = open_socket(&a);
        }
        if (fd < 0)
                return error_set(err, fd, "cannot listen on %.*s: %s", STR_FMT(listen), advice(fd));
        return fd;
}

static uint16_t port_of(int fd)
{
        struct sockaddr_storage a;
        socklen_t len = sizeof(a);

        if (getsockname(fd, (void *)&a, &len) < 0)
                return 0;
        if (a.ss_family == AF_INET)
                return ntohs(((const struct sockaddr_in *)(const void *)&a)->sin_port);
        return ntohs(((const struct sockaddr_in6 *)(const void *)&a)->sin6_port);
}

/* Takes FD over. */
static struct MHD_Daemon *start_daemon(struct server *s, int fd)
{
        struct MHD_Daemon *daemon;

        daemon = MHD_start_daemon(MHD_USE_EPOLL, s->port, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET,
                                  fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)SERVER_CONNECTIONS_MAX,
                                  MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                                  (unsigned)SERVER_CONNECTIONS_PER_PEER_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                  (unsigned)SERVER_CONNECTION_TIMEOUT, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                  SERVER_CONNECTION_MEMORY, MHD_OPTION_END);
        /* Whether MHD closes the socket when it fails depends on where it
         * failed. Nothing was opened since, so a second close is harmless. */
        if (!daemon)
                close(fd);
        return daemon;
}

int server_new(struct loop *l, struct str listen, const struct server_route *routes, size_t n_routes,
               struct server **ret, struct error *err)
{
        _cleanup_(server_freep) struct server *s = NULL;
        int fd, r;

        if (n_routes > SERVER_ROUTES_MAX)
                return error_set(err, -E2BIG, "cannot serve more than %d paths", SERVER_ROUTES_MAX);
        s = mem_zalloc(sizeof(*s) + n_routes * sizeof(s->routes[0]));
        if (!s)
                return error_set(err, -ENOMEM, "out of memory");
        s->loop = l;
        s->n_routes = n_routes;
        if (n_routes)
                memcpy(s->routes, routes, n_routes * sizeof(s->routes[0]));

        fd = open_listener(listen, err);
        if (fd < 0)
                return fd;
        s->port = port_of(fd);
        s->daemon = start_daemon(s, fd);
        if (!s->daemon)
                return error_set(err, -ENOMEM, "cannot start the HTTP server on %.*s", STR_FMT(listen));
        r = start_watching(s);
        if (r < 0)
                return error_set(err, r, "cannot watch %.*s: %s", STR_FMT(listen), strerror(-r));
        *ret = s;
        s = NULL;
        return 0;
}

void server_free(struct server *s)
{
        if (!s)
                return;
        loop_fd_stop(&s->fd);
        loop_timer_stop(&s->timer);
        if (s->daemon)
                MHD_stop_daemon(s->daemon); /* closes the socket too */
        mem_free(s);
}

void server_freep(struct server **s)
{
        server_free(*s);
}

uint16_t server_port(const struct server *s)
{
        return s->port;
}

/* --- handlers ---------------------------------------------------------------- */

void server_serve_metrics(const struct server_request *request _unused_, struct server_reply *reply,
                          void *arg)
{
        reply->content_type = METRICS_CONTENT_TYPE;
        metrics_write(arg, &reply->body);
}

/* One line, whatever the check wrote. */
static void write_reason(struct buf *out, const struct error *why)
{
        for (const char *c = why->message[0] ? why->message : "no reason given"; *c; c++)
                buf_add_char(out, *c == '\n' || *c == '\r' ? ' ' : *c);
        buf_add_char(out, '\n');
}

void server_serve_health(const struct server_request *request, struct server_reply *reply, void *arg)
{
        const struct health *health = arg;
        struct buf *out = &reply->body;
        bool well = true;

        for (size_t i = 0; i < health->n_checks; i++) {
                const struct health_check *check = &health->checks[i];
                struct error why = ERROR_INIT;
                bool ok = check->fn(check->arg, &why) >= 0;

                well = well && ok;
                if (ok && request->verbose) {
                        buf_printf(out, "[+]%s ok\n", check->name);
                } else if (!ok) {
                        buf_printf(out, request->verbose ? "[-]%s failed: " : "%s: ", check->name);
                        write_reason(out, &why);
                }
        }
        if (!well)
                reply->status = MHD_HTTP_SERVICE_UNAVAILABLE;
        if (request->verbose)
                buf_printf(out, "%s check %s\n", health->name, well ? "passed" : "failed");
        else if (well)
                buf_add_c(out, "ok\n");
}
