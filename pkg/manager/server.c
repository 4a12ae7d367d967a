/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/daemon.h"
#include "http/listen.h"
#include "manager/metrics.h"

struct server {
        struct http_daemon daemon;
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

/* --- listening --------------------------------------------------------------- */

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
        struct MHD_Daemon *daemon;
        int fd, r;

        if (n_routes > SERVER_ROUTES_MAX)
                return error_set(err, -E2BIG, "cannot serve more than %d paths", SERVER_ROUTES_MAX);
        s = mem_zalloc(sizeof(*s) + n_routes * sizeof(s->routes[0]));
        if (!s)
                return error_set(err, -ENOMEM, "out of memory");
        s->n_routes = n_routes;
        if (n_routes)
                memcpy(s->routes, routes, n_routes * sizeof(s->routes[0]));

        fd = http_listen(listen, err);
        if (fd < 0)
                return fd;
        s->port = http_port(fd);
        daemon = start_daemon(s, fd);
        if (!daemon)
                return error_set(err, -ENOMEM, "cannot start the HTTP server on %.*s", STR_FMT(listen));
        r = http_daemon_start(l, &s->daemon, daemon);
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
        http_daemon_stop(&s->daemon);
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
