/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/endpoint.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <strings.h>
#include <unistd.h>

#include "admission/stream.h"
#include "base/mem.h"
#include "http/listen.h"

/* Connections that are shut down and not closed yet find place above the cap. */
#define MHD_CONNECTIONS_MAX (CONNECTIONS_MAX + 64)
#define READ_SIZE ((size_t)8 * 1024)
#define BODY_LARGE ((size_t)128 * 1024)
#define REPLY_LARGE ((size_t)128 * 1024)
/* Connections that began and ended, after which the heap may be full of holes. */
#define TRIM_AFTER 64

enum call { CALL_VALIDATE, CALL_MUTATE, CALL_CONVERT };

/* One connection, and the request on it. */
struct peer {
        struct connection connection;
        struct identity *identity;
        struct stream stream;
        struct buf body;
        size_t counted; /* of it in endpoint.bodies */
        enum call call;
        size_t replying;  /* of endpoint.replies */
        unsigned refusal; /* HTTP status; 0: none */
        usec_t began;
};

/* --- bodies --------------------------------------------------------------------------- */

static void count_body(struct endpoint *e, struct peer *p)
{
        e->bodies += p->body.size - p->counted;
        p->counted = p->body.size;
}

/* What a large one took, and the review of it, the allocator would keep for ever. */
static void release_body(struct endpoint *e, struct peer *p)
{
        bool large = p->body.size > BODY_LARGE;

        buf_release(&p->body);
        count_body(e, p);
        if (large)
                mem_trim();
}

/* The request is over: what is kept for the next one is little. */
static void end_body(struct endpoint *e, struct peer *p)
{
        if (p->body.size > ENDPOINT_BODY_KEPT)
                release_body(e, p);
        buf_clear(&p->body);
        count_body(e, p);
}

static void refuse_body(struct endpoint *e, struct peer *p, unsigned status)
{
        release_body(e, p);
        p->refusal = status;
}

/* The rest of a body that is refused is read all the same, as long as its time lasts:
 * MHD can answer before a body or behind it. */
static void take_body(struct endpoint *e, struct peer *p, struct str piece)
{
        if (p->refusal)
                return;
        if (piece.len > REVIEW_BODY_MAX - p->body.len) {
                refuse_body(e, p, MHD_HTTP_CONTENT_TOO_LARGE);
                return;
        }
        buf_add_str(&p->body, piece);
        count_body(e, p);
        if (buf_error(&p->body) < 0)
                refuse_body(e, p, MHD_HTTP_INTERNAL_SERVER_ERROR);
        else if (e->bodies > ENDPOINT_BODIES_MAX)
                refuse_body(e, p, MHD_HTTP_SERVICE_UNAVAILABLE);
}

/* --- replies -------------------------------------------------------------------------- */

static enum MHD_Result add_headers(const struct endpoint *e, struct MHD_Response *response)
{
        enum MHD_Result r =
                MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");

        if (r == MHD_YES && e->leaving)
                r = MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        return r;
}

static void write_refusal(struct endpoint *e, unsigned status)
{
        switch (status) {
        case MHD_HTTP_NOT_FOUND:
                review_refuse(&e->reply, status, "not found; there are /validate, /mutate and /convert");
                return;
        case MHD_HTTP_BAD_REQUEST:
                review_refuse(&e->reply, status, "only POST: send an AdmissionReview or a ConversionReview");
                return;
        case MHD_HTTP_UNSUPPORTED_MEDIA_TYPE:
                review_refuse(&e->reply, status, "the Content-Type must be application/json");
                return;
        case MHD_HTTP_CONTENT_TOO_LARGE:
                review_refuse(&e->reply, status, "the body has more than %zu bytes", REVIEW_BODY_MAX);
                return;
        case MHD_HTTP_SERVICE_UNAVAILABLE:
                review_refuse(&e->reply, status, "too many large requests at once; try again");
                return;
        default:
                review_refuse(&e->reply, status, "out of memory");
        }
}

/* Peers that ask for much and read nothing would have us keep it all. */
static unsigned count_reply(struct endpoint *e, struct peer *p, unsigned status)
{
        if (e->reply.len > REPLY_LARGE && e->reply.len + e->replies > ENDPOINT_REPLIES_MAX) {
                status = MHD_HTTP_SERVICE_UNAVAILABLE;
                write_refusal(e, status);
        }
        p->replying += e->reply.len;
        e->replies += e->reply.len;
        return status;
}

static void end_reply(struct endpoint *e, struct peer *p)
{
        e->replies -= p->replying;
        p->replying = 0;
}

static void free_large(void *data)
{
        mem_free(data);
        mem_trim();
}

/* A large one goes over to MHD; the others are copied, and what they stand in is kept. */
static struct MHD_Response *make_response(struct endpoint *e)
{
        struct MHD_Response *response;

        if (e->reply.len <= REPLY_LARGE)
                return MHD_create_response_from_buffer(e->reply.len, e->reply.data, MHD_RESPMEM_MUST_COPY);
        response =
                MHD_create_response_from_buffer_with_free_callback(e->reply.len, e->reply.data, free_large);
        if (response)
                buf_init(&e->reply, e->reply.cap);
        return response;
}

static enum MHD_Result queue_reply(struct endpoint *e, struct MHD_Connection *c, struct peer *p,
                                   unsigned status)
{
        struct MHD_Response *response;
        enum MHD_Result r;
        size_t len;

        if (buf_error(&e->reply) < 0)
                return MHD_NO;
        status = count_reply(e, p, status);
        len = e->reply.len;
        response = make_response(e);
        if (!response)
                return MHD_NO;
        r = add_headers(e, response);
        if (r == MHD_YES)
                r = MHD_queue_response(c, status, response);
        MHD_destroy_response(response);
        stream_hold(&p->stream, len);
        connection_enter(&e->connections, &p->connection, CONNECTION_REPLY, clock_now());
        return r;
}

static double seconds_of(const struct peer *p)
{
        return (double)(clock_now() - p->began) / (double)USEC_SEC;
}

static void count(struct endpoint *e, const struct peer *p, const struct review_outcome *o)
{
        metric_add(metric_with(e->requests, p->call == CALL_MUTATE ? STR("mutate") : STR("validate"), o->kind,
                               o->operation, o->verdict),
                   1);
        metric_observe(metric_only(e->seconds), seconds_of(p));
}

static void count_conversion(struct endpoint *e, const struct peer *p, const struct conversion_outcome *o)
{
        metric_add(metric_with(e->conversions, o->kind, o->from, o->to, o->result), 1);
        metric_observe(metric_only(e->conversion_seconds), seconds_of(p));
}

static void count_refusal(struct endpoint *e, const struct peer *p)
{
        const struct str other = STR("other"), error = STR("error");

        if (p->call == CALL_CONVERT)
                count_conversion(e, p, &(struct conversion_outcome){ other, other, other, error });
        else
                count(e, p, &(struct review_outcome){ other, other, error });
}

static enum MHD_Result refuse(struct endpoint *e, struct MHD_Connection *c, struct peer *p, unsigned status)
{
        write_refusal(e, status);
        count_refusal(e, p);
        return queue_reply(e, c, p, status);
}

static unsigned convert(struct endpoint *e, struct peer *p)
{
        struct conversion_outcome outcome;
        unsigned status = conversion_review_answer(&e->conversion, &p->body, &e->reply, &outcome);

        count_conversion(e, p, &outcome);
        return status;
}

static unsigned review(struct endpoint *e, struct peer *p)
{
        enum review_call call = p->call == CALL_MUTATE ? REVIEW_MUTATE : REVIEW_VALIDATE;
        struct review_outcome outcome;
        unsigned status = review_answer(&e->review, call, &p->body, &e->reply, &outcome);

        count(e, p, &outcome);
        return status;
}

static enum MHD_Result answer(struct endpoint *e, struct MHD_Connection *c, struct peer *p)
{
        if (p->refusal)
                return refuse(e, c, p, p->refusal);
        return queue_reply(e, c, p, p->call == CALL_CONVERT ? convert(e, p) : review(e, p));
}

/* --- requests ------------------------------------------------------------------------- */

static struct str header(struct MHD_Connection *c, const char *name)
{
        return str_c(MHD_lookup_connection_value(c, MHD_HEADER_KIND, name));
}

/* "application/json", with or without "; charset=utf-8". */
static bool is_json(struct str type)
{
        static const struct str json = STR_INIT("application/json");
        struct str first, rest;

        (void)str_cut(type, ';', &first, &rest);
        first = str_trim(first);
        return first.len == json.len && strncasecmp(first.data, json.data, json.len) == 0;
}

static bool is_too_long(struct str length)
{
        int64_t n;

        return length.data && str_to_int64(length, &n) != -EINVAL &&
               (str_to_int64(length, &n) < 0 || n > (int64_t)REVIEW_BODY_MAX);
}

/* What the head of a request tells already: 0, or the status of a refusal. */
static unsigned check_head(struct MHD_Connection *c, const char *path, const char *method, struct peer *p)
{
        if (str_eq_c(str_c(path), "/validate"))
                p->call = CALL_VALIDATE;
        else if (str_eq_c(str_c(path), "/mutate"))
                p->call = CALL_MUTATE;
        else if (str_eq_c(str_c(path), "/convert"))
                p->call = CALL_CONVERT;
        else
                return MHD_HTTP_NOT_FOUND;
        if (!str_eq_c(str_c(method), MHD_HTTP_METHOD_POST))
                return MHD_HTTP_BAD_REQUEST;
        if (!is_json(header(c, MHD_HTTP_HEADER_CONTENT_TYPE)))
                return MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
        if (is_too_long(header(c, MHD_HTTP_HEADER_CONTENT_LENGTH)))
                return MHD_HTTP_CONTENT_TOO_LARGE;
        return 0;
}

static struct peer *peer_of(struct MHD_Connection *c)
{
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

        return info ? info->socket_context : NULL;
}

/* MHD calls this when it has read the line of a request, then on_request with its
 * headers, with each piece of the body, and once more at its end. */
static void *on_line(void *arg, const char *uri _unused_, struct MHD_Connection *c)
{
        struct endpoint *e = arg;
        struct peer *p = peer_of(c);

        e->daemon.moved = true;
        if (p) {
                p->began = clock_now();
                connection_enter(&e->connections, &p->connection, CONNECTION_HEADERS, p->began);
        }
        return NULL;
}

/* A reply that is queued here makes MHD close the connection, and read no body. */
static enum MHD_Result on_head(struct endpoint *e, struct MHD_Connection *c, const char *path,
                               const char *method, struct peer *p)
{
        unsigned status;

        p->refusal = 0;
        p->call = CALL_VALIDATE;
        status = check_head(c, path, method, p);
        if (status)
                return refuse(e, c, p, status);
        connection_enter(&e->connections, &p->connection, CONNECTION_BODY, clock_now());
        return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version _unused_, const char *piece, size_t *piece_len,
                                  void **state)
{
        struct endpoint *e = arg;
        struct peer *p = peer_of(c);

        e->daemon.moved = true;
        if (!p)
                return MHD_NO; /* there was no memory for it */
        if (!*state) {
                *state = p;
                return on_head(e, c, path, method, p);
        }
        if (*piece_len) {
                take_body(e, p, str_n(piece, *piece_len));
                *piece_len = 0;
                return MHD_YES;
        }
        return answer(e, c, p);
}

static void on_completed(void *arg, struct MHD_Connection *c, void **state _unused_,
                         enum MHD_RequestTerminationCode why _unused_)
{
        struct endpoint *e = arg;
        struct peer *p = peer_of(c);

        e->daemon.moved = true;
        if (!p)
                return;
        if (stream_send(&p->stream) < 0)
                shutdown(p->stream.fd, SHUT_RDWR);
        end_body(e, p);
        end_reply(e, p);
        connection_enter(&e->connections, &p->connection, CONNECTION_IDLE, clock_now());
}

/* --- connections ---------------------------------------------------------------------- */

static void on_timer(struct loop_timer *timer, void *arg);

/* The timer keeps its place in the loop, so that setting it cannot fail. */
static void set_timer(struct endpoint *e, usec_t due)
{
        int r = loop_timer_set(e->daemon.loop, &e->timer, due, on_timer, e);

        (void)r;
}

static void on_timer(struct loop_timer *timer _unused_, void *arg)
{
        struct endpoint *e = arg;
        usec_t now = clock_now(), next = connections_expire(&e->connections, now);

        if (e->turned_over >= TRIM_AFTER) {
                e->turned_over = 0;
                mem_trim();
        }
        /* What begins meanwhile is due later than a look of once a second. */
        set_timer(e, next == USEC_NEVER ? next : MIN(next, now + USEC_SEC));
}

static struct peer *open_peer(struct endpoint *e, struct MHD_Connection *c, int fd)
{
        gnutls_session_t session = http_daemon_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION).tls_session;
        struct peer *p = session ? mem_new(struct peer) : NULL;

        if (!p)
                return NULL;
        p->identity = identity_ref(e->identities->now);
        if (identity_show(p->identity, session) < 0) {
                identity_unref(p->identity);
                mem_free(p);
                return NULL;
        }
        stream_init(&p->stream, session, fd, &e->daemon.moved);
        buf_init(&p->body, REVIEW_BUF_MAX);
        connection_open(&e->connections, &p->connection, fd,
                        http_daemon_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS).client_addr, clock_now());
        if (e->connections.n == 1) /* nobody looked */
                set_timer(e, clock_now() + USEC_SEC);
        return p;
}

static void on_connection(void *arg, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
        struct endpoint *e = arg;
        struct peer *p = *context;

        e->daemon.moved = true;
        e->turned_over++;
        if (what == MHD_CONNECTION_NOTIFY_STARTED) {
                int fd = http_daemon_info(c, MHD_CONNECTION_INFO_CONNECTION_FD).connect_fd;

                *context = open_peer(e, c, fd);
                if (!*context)
                        shutdown(fd, SHUT_RDWR); /* it would have no certificate */
        } else if (p) {
                *context = NULL;
                connection_close(&e->connections, &p->connection);
                release_body(e, p);
                end_reply(e, p);
                stream_release(&p->stream);
                identity_unref(p->identity);
                mem_free(p);
        }
}

/* --- life ----------------------------------------------------------------------------- */

/* The buckets of both are the same. */
#define SECONDS(metric, text)                                                                                \
        {                                                                                                    \
                .name = (metric), .help = (text), .type = METRIC_HISTOGRAM,                                  \
                .buckets = { 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1, 5 },        \
                .n_buckets = 11,                                                                             \
        }

static int add_metrics(struct endpoint *e, struct metrics *m)
{
        static const struct metric_desc requests = {
                .name = "keelson_admission_requests_total",
                .help = "Requests, by what was asked and how it was answered.",
                .type = METRIC_COUNTER,
                .labels = { "call", "kind", "operation", "verdict" },
        };
        static const struct metric_desc seconds = SECONDS("keelson_admission_request_seconds",
                                                          "From the first line of a request to its reply.");
        static const struct metric_desc conversions = {
                .name = "keelson_conversion_requests_total",
                .help = "Conversions, by what they were from and to, and how they ended.",
                .type = METRIC_COUNTER,
                .labels = { "kind", "from", "to", "result" },
        };
        static const struct metric_desc conversion_seconds = SECONDS(
                "keelson_conversion_request_seconds", "From the first line of a conversion to its reply.");
        int r = metrics_add(m, &requests, &e->requests);

        if (r == 0)
                r = metrics_add(m, &seconds, &e->seconds);
        if (r == 0)
                r = metrics_add(m, &conversions, &e->conversions);
        return r < 0 ? r : metrics_add(m, &conversion_seconds, &e->conversion_seconds);
}

/* Takes FD over. */
static struct MHD_Daemon *start_mhd(struct endpoint *e, int fd)
{
        struct MHD_Daemon *mhd = MHD_start_daemon(
                MHD_USE_EPOLL | MHD_USE_TLS, e->port, NULL, NULL, on_request, e, MHD_OPTION_LISTEN_SOCKET, fd,
                MHD_OPTION_HTTPS_PRIORITIES, IDENTITY_PRIORITIES, MHD_OPTION_HTTPS_CERT_CALLBACK2,
                identity_not_yet, MHD_OPTION_NOTIFY_CONNECTION, on_connection, e, MHD_OPTION_NOTIFY_COMPLETED,
                on_completed, e, MHD_OPTION_URI_LOG_CALLBACK, on_line, e, MHD_OPTION_CONNECTION_LIMIT,
                (unsigned)MHD_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, ENDPOINT_CONNECTION_MEMORY,
                MHD_OPTION_CONNECTION_MEMORY_INCREMENT, READ_SIZE, MHD_OPTION_END);

        /* Whether MHD closes the socket when it fails depends on where it failed.
         * Nothing was opened since, so a second close is harmless. */
        if (!mhd)
                close(fd);
        return mhd;
}

static int start(struct loop *l, struct endpoint *e, struct str listen, struct error *err)
{
        struct MHD_Daemon *mhd;
        int r, fd = http_listen(listen, err);

        if (fd < 0)
                return fd;
        e->port = http_port(fd);
        mhd = start_mhd(e, fd);
        if (!mhd)
                return error_set(err, -ENOMEM, "cannot start the HTTPS server on %.*s", STR_FMT(listen));
        r = http_daemon_start(l, &e->daemon, mhd);
        if (r == 0)
                r = loop_timer_set(l, &e->timer, clock_now() + USEC_SEC, on_timer, e);
        if (r < 0)
                return error_set(err, r, "cannot watch %.*s: %s", STR_FMT(listen), strerror(-r));
        return 0;
}

int endpoint_start(struct loop *l, struct endpoint *e, const struct endpoint_config *config,
                   struct error *err)
{
        int r;

        connections_init(&e->connections, CONNECTIONS_MAX);
        review_init(&e->review, config->kinds, config->n_kinds);
        conversion_review_init(&e->conversion, config->conversions, config->n_conversions);
        buf_init(&e->reply, MAX(REVIEW_REPLY_MAX, CONVERSION_REPLY_MAX));
        e->identities = config->identities;
        r = add_metrics(e, config->metrics);
        if (r < 0)
                return error_set(err, r, "out of memory");
        r = start(l, e, config->listen, err);
        if (r < 0)
                endpoint_stop(e);
        return r;
}

void endpoint_stop(struct endpoint *e)
{
        loop_timer_stop(&e->timer);
        http_daemon_stop(&e->daemon);
        review_release(&e->review);
        conversion_review_release(&e->conversion);
        buf_release(&e->reply);
}

void endpoint_leave(struct endpoint *e)
{
        e->leaving = true;
}

void endpoint_close(struct endpoint *e)
{
        MHD_socket fd = MHD_quiesce_daemon(e->daemon.mhd);

        if (fd != MHD_INVALID_SOCKET)
                close(fd);
        connections_end_idle(&e->connections);
        http_daemon_kick(&e->daemon);
}
