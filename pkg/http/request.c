/* SPDX-License-Identifier: Apache-2.0
 *
 * One transfer: an easy handle, what it calls while it runs, its timeouts and
 * its end.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "http/client.h"

/* libcurl's receive buffer, which each transfer has to itself. A TLS record is
 * 16 KiB at the most, so more would rarely fill. */
#define RECEIVE_BUFFER 16384L
/* The smallest that libcurl allows; the default takes 64 KiB for each write. */
#define SEND_BUFFER 16384L
/* A peer that takes no bytes for so long, or does not answer a keepalive probe,
 * is dead. Otherwise a request on the connection to a machine that has vanished
 * would wait for a quarter of an hour. */
#define DEAD_PEER_MS 20000U
#define KEEPALIVE_IDLE_S 20L
#define KEEPALIVE_INTERVAL_S 5L

/* --- callbacks from libcurl --------------------------------------------------- */

static int on_socket_made(void *arg, curl_socket_t fd, curlsocktype purpose)
{
        const unsigned int timeout = DEAD_PEER_MS;

        (void)arg;
        (void)purpose;
        /* Only TCP knows it; a proxy's socket may be another kind. */
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
        return CURL_SOCKOPT_OK;
}

static void note_byte(struct http_request *r)
{
        r->heard = r->pool->heard = loop_now(r->client->loop);
}

static void fill_result(const struct http_request *r, struct http_result *result)
{
        result->status = r->status;
        result->error.code = 0;
        result->error.path[0] = result->error.message[0] = '\0';
        result->body = buf_str(&r->in);
        result->retry_after = r->retry_after;
        result->content_type = str_c(r->content_type);
        result->elapsed = loop_now(r->client->loop) - r->started;
}

static void begin_response(struct http_request *r, struct str line)
{
        struct str version, rest, code;
        int64_t status;

        str_cut(line, ' ', &version, &rest);
        str_cut(rest, ' ', &code, &rest);
        r->status = str_to_int64(code, &status) == 0 && status >= 100 && status <= 999 ? (int)status : 0;
        r->retry_after = -1;
        r->content_type[0] = '\0';
}

static void end_headers(struct http_request *r)
{
        struct http_result so_far;

        if (r->status < 200)
                return; /* an interim answer; the real one follows */
        r->body_begun = true;
        if (!r->handlers.on_headers)
                return;
        fill_result(r, &so_far);
        r->handlers.on_headers(r, &so_far, r->handlers.arg);
}

static bool name_is(struct str name, const char *expected)
{
        return name.len == strlen(expected) && curl_strnequal(name.data, expected, name.len);
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
        struct http_request *r = arg;
        struct str line = str_trim(str_n(data, n)), name, value;

        if (r->state != REQUEST_IN_FLIGHT)
                return 0;
        note_byte(r);
        if (r->body_begun)
                return n * size; /* trailers */
        if (str_starts(line, STR("HTTP/"))) {
                begin_response(r, line);
        } else if (str_empty(line)) {
                end_headers(r);
        } else if (str_cut(line, ':', &name, &value)) {
                value = str_trim(value);
                if (name_is(name, "content-type") && value.len < sizeof(r->content_type)) {
                        memcpy(r->content_type, value.data, value.len);
                        r->content_type[value.len] = '\0';
                } else if (name_is(name, "retry-after")) {
                        r->retry_after = parse_retry_after(value, clock_wall());
                }
        }
        /* A callback may have cancelled this very request. */
        return r->state == REQUEST_IN_FLIGHT ? n * size : 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
        struct http_request *r = arg;

        if (r->state != REQUEST_IN_FLIGHT)
                return CURL_WRITEFUNC_ERROR;
        note_byte(r);
        if (r->handlers.on_data)
                r->failure = r->handlers.on_data(r, str_n(data, n), r->handlers.arg);
        else
                r->failure = buf_add(&r->in, data, n);
        if (r->state != REQUEST_IN_FLIGHT || r->failure < 0)
                return CURL_WRITEFUNC_ERROR;
        r->failure = 0;
        return n * size;
}

/* --- the easy handle ------------------------------------------------------------ */

struct option {
        CURLoption name;
        long value;
};

static bool set_fixed_options(CURL *easy)
{
        static const struct option options[] = {
                { CURLOPT_NOSIGNAL, 1 },
                { CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS },
                { CURLOPT_FOLLOWLOCATION, 0 },
                { CURLOPT_BUFFERSIZE, RECEIVE_BUFFER },
                { CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER },
                { CURLOPT_TCP_KEEPALIVE, 1 },
                { CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S },
                { CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S },
                { CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
                /* Names are resolved in a thread, and to cancel would wait for it,
                 * and the whole loop with it; this lets the thread run out alone. */
                { CURLOPT_QUICK_EXIT, 1 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(options); i++)
                if (curl_easy_setopt(easy, options[i].name, options[i].value) != CURLE_OK)
                        return false;
        return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
}

static bool set_options(struct http_request *r)
{
        const struct http_settings *s = r->settings;
        CURL *e = r->easy;

        return set_fixed_options(e) && curl_easy_setopt(e, CURLOPT_PRIVATE, (char *)r) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->curl_message) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, on_socket_made) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_HEADERDATA, r) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_WRITEDATA, r) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, s->connect_timeout_ms) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_USERAGENT, s->user_agent) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_PROXY, s->proxy) == CURLE_OK &&
               http_tls_apply(s->tls, e) == CURLE_OK;
}

struct http_request *request_new(struct http_client *c)
{
        struct http_request *r = mem_new(struct http_request);

        if (!r)
                return NULL;
        r->client = c;
        r->settings = c->settings;
        r->settings->refs++;
        r->state = REQUEST_PARKED;
        list_init(&r->link);
        r->easy = curl_easy_init();
        if (!r->easy || !set_options(r)) {
                request_free(r);
                return NULL;
        }
        return r;
}

void request_free(struct http_request *r)
{
        list_remove(&r->link);
        loop_timer_stop(&r->watchdog);
        curl_easy_cleanup(r->easy);
        header_list_unref(r->headers);
        buf_release(&r->out);
        buf_release(&r->in);
        settings_unref(r->settings);
        mem_free(r);
}

static void forget(struct buf *b)
{
        if (b->size > HTTP_KEEP_BUFFER)
                buf_release(b);
        else
                buf_clear(b);
}

void request_recycle(struct http_request *r)
{
        struct http_client *c = r->client;

        list_remove(&r->link);
        if (c->freed || r->settings != c->settings || c->n_parked >= HTTP_PARKED_MAX) {
                request_free(r);
                return;
        }
        loop_timer_stop(&r->watchdog);
        header_list_unref(r->headers);
        r->headers = NULL;
        forget(&r->out);
        forget(&r->in);
        r->state = REQUEST_PARKED;
        /* The one used last is used next: its memory is warm, and the others may go. */
        list_add_head(&c->parked, &r->link);
        c->n_parked++;
}

/* --- the call ---------------------------------------------------------------------- */

static bool is_method(const char *s)
{
        size_t n = 0;

        for (; s[n]; n++)
                if (s[n] < 'A' || s[n] > 'Z' || n >= 16)
                        return false;
        return n > 0;
}

static bool is_url(struct str s)
{
        if (!str_starts(s, STR("http://")) && !str_starts(s, STR("https://")))
                return false;
        for (size_t i = 0; i < s.len; i++)
                if (s.data[i] <= ' ' || s.data[i] == 127)
                        return false;
        return s.len <= HTTP_URL_MAX;
}

static int set_url(struct http_request *r, struct str url)
{
        /* A request waits to see whether the connection in the making can take it,
         * too; otherwise a burst opens one connection each. TLS tells that in its
         * handshake. Without TLS libcurl would learn it from the first answer, and
         * all would wait for the slowest. */
        const long wait = str_starts(url, STR("https:"));
        struct buf *copy = &r->client->url;

        buf_clear(copy);
        if (buf_add_str(copy, url) < 0 || curl_easy_setopt(r->easy, CURLOPT_URL, copy->data) != CURLE_OK)
                return -ENOMEM;
        return curl_easy_setopt(r->easy, CURLOPT_PIPEWAIT, wait) == CURLE_OK ? 0 : -ENOMEM;
}

static int set_method(struct http_request *r, const char *method, struct str body)
{
        bool get = strcmp(method, "GET") == 0, head = strcmp(method, "HEAD") == 0;
        bool post = body.data || strcmp(method, "POST") == 0;
        CURL *e = r->easy;
        CURLcode code;

        if (body.data && buf_add_str(&r->out, body) < 0)
                return -ENOMEM;
        /* The kind of request first, since that resets the rest; then the name,
         * which libcurl does not derive from PATCH, PUT and DELETE with a body. */
        if (head)
                code = curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
        else if (post)
                code = curl_easy_setopt(e, CURLOPT_POST, 1L);
        else
                code = curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
        if (code == CURLE_OK && post)
                code = curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->out.len);
        if (code == CURLE_OK && post)
                code = curl_easy_setopt(e, CURLOPT_POSTFIELDS, r->out.data ? r->out.data : "");
        if (code == CURLE_OK)
                code = curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, (get && !post) || head ? NULL : method);
        return code == CURLE_OK ? 0 : -ENOMEM;
}

/* Compressed only where the whole body is collected: a stream of events would
 * wait in the compressor, and its chunks are small. */
static int set_encoding(struct http_request *r)
{
        bool gzip = !r->handlers.on_data;

        if (gzip == r->gzip)
                return 0;
        if (curl_easy_setopt(r->easy, CURLOPT_ACCEPT_ENCODING, gzip ? "gzip" : NULL) != CURLE_OK)
                return -ENOMEM;
        r->gzip = gzip;
        return 0;
}

static int set_headers(struct http_request *r, const struct http_call *call)
{
        int code = header_cache_get(&r->client->headers, call->headers, call->n_headers, &r->headers);

        if (code < 0)
                return code;
        return curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers->lines) == CURLE_OK ? 0 : -ENOMEM;
}

static void on_watchdog(struct loop_timer *timer, void *arg);

/* The nearer of both timeouts. */
static usec_t next_deadline(const struct http_request *r)
{
        usec_t whole = r->timeout ? r->started + r->timeout : USEC_NEVER;
        usec_t idle = r->idle_timeout ? r->heard + r->idle_timeout : USEC_NEVER;

        return MIN(whole, idle);
}

static int set_watchdog(struct http_request *r)
{
        usec_t due = next_deadline(r);

        if (due == USEC_NEVER)
                return 0;
        return loop_timer_set(r->client->loop, &r->watchdog, due, on_watchdog, r);
}

int request_prepare(struct http_request *r, const struct http_call *call,
                    const struct http_handlers *handlers, struct error *err)
{
        int code;

        if (!is_method(call->method))
                return error_set(err, -EINVAL, "%.16s is not an HTTP method", call->method);
        if (!is_url(call->url))
                return error_set(err, -EINVAL, "not an http or https URL, or longer than %zu bytes",
                                 HTTP_URL_MAX);
        r->handlers = *handlers;
        r->started = r->heard = clock_now();
        r->timeout = call->timeout;
        r->idle_timeout = call->idle_timeout;
        r->status = r->failure = 0;
        r->body_begun = false;
        r->retry_after = -1;
        r->content_type[0] = r->curl_message[0] = '\0';
        r->in.cap = call->max_body ? call->max_body : HTTP_BODY_DEFAULT_MAX;
        r->out.cap = SIZE_MAX - 1; /* as large as the caller's own */

        code = set_headers(r, call);
        if (code == -EINVAL)
                return error_set(err, code, "there are too many headers, or one has a line break in it");
        if (code == 0)
                code = set_url(r, call->url);
        if (code == 0)
                code = set_method(r, call->method, call->body);
        if (code == 0)
                code = set_encoding(r);
        if (code == 0)
                code = set_watchdog(r);
        if (code < 0)
                return error_set(err, code, "no memory for the request");
        return 0;
}

/* --- the end -------------------------------------------------------------------------- */

/* A stream that times out leaves its HTTP/2 connection as it was, and libcurl
 * would go on to use it even if the server behind it has vanished. If nobody on
 * the connection heard a byte during the whole wait, the next request had
 * better take a new one. */
static void suspect(struct http_pool *p, usec_t since)
{
        if (p->heard <= since && p->client->pool == p)
                p->client->pool = NULL;
}

static void on_watchdog(struct loop_timer *timer, void *arg)
{
        struct http_request *r = arg;
        struct http_client *c = r->client;
        int code;

        (void)timer;
        /* Bytes only note their time; whether they came soon enough is seen here. */
        if (next_deadline(r) > loop_now(c->loop)) {
                code = set_watchdog(r);
                (void)code; /* its place in the heap is still free */
                return;
        }
        client_pin(c);
        if (r->pool)
                suspect(r->pool, r->heard);
        request_finish(r, CURLE_OK, -ETIMEDOUT);
        client_unpin(c);
}

void request_finish(struct http_request *r, CURLcode said, int code)
{
        struct http_result result;

        fill_result(r, &result);
        if (r->failure == 0)
                r->failure = code;
        if (said != CURLE_OK || r->failure < 0)
                failure_describe(r, said, &result.error);
        if (r->pool)
                pool_remove(r->pool, r);
        else
                list_remove(&r->link);
        loop_timer_stop(&r->watchdog);
        r->state = REQUEST_ENDING;
        r->handlers.done(r, &result, r->handlers.arg);
        request_recycle(r);
}
