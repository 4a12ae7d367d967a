/* SPDX-License-Identifier: Apache-2.0
 *
 * One transfer of libcurl: an easy handle, and what it calls while it runs.
 */
#include "http/curl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/mem.h"

/* libcurl's receive buffer, which each transfer has to itself. A TLS record is
 * 16 KiB at the most, so more would rarely fill. */
#define RECEIVE_BUFFER 16384L
/* The smallest that libcurl allows; the default takes 64 KiB for each write. */
#define SEND_BUFFER 16384L

/* --- callbacks from libcurl --------------------------------------------------- */

static int on_socket_made(void *arg, curl_socket_t fd, curlsocktype purpose)
{
        const unsigned int timeout = HTTP_DEAD_PEER_MS;

        (void)arg;
        (void)purpose;
        /* Only TCP knows it; a proxy's socket may be another kind. */
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
        return CURL_SOCKOPT_OK;
}

static void note_byte(struct http_request *r)
{
        r->heard = r->curl->pool->heard = loop_now(r->client->loop);
}

static void take_status_line(struct http_request *r, struct str line)
{
        struct str version, rest, code;
        int64_t status;

        str_cut(line, ' ', &version, &rest);
        str_cut(rest, ' ', &code, &rest);
        request_begin_answer(
                r, str_to_int64(code, &status) == 0 && status >= 100 && status <= 999 ? (int)status : 0);
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
        if (str_starts(line, STR("HTTP/")))
                take_status_line(r, line);
        else if (str_empty(line))
                request_end_headers(r);
        else if (str_cut(line, ':', &name, &value))
                request_take_header(r, name, str_trim(value));
        /* A callback may have cancelled this very request. */
        return r->state == REQUEST_IN_FLIGHT ? n * size : 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
        struct http_request *r = arg;

        if (r->state != REQUEST_IN_FLIGHT)
                return CURL_WRITEFUNC_ERROR;
        note_byte(r);
        if (request_take_body(r, str_n(data, n)) < 0 || r->state != REQUEST_IN_FLIGHT)
                return CURL_WRITEFUNC_ERROR;
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
                { CURLOPT_TCP_KEEPIDLE, HTTP_KEEPALIVE_IDLE_S },
                { CURLOPT_TCP_KEEPINTVL, HTTP_KEEPALIVE_INTERVAL_S },
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
        CURL *e = r->curl->easy;

        return set_fixed_options(e) && curl_easy_setopt(e, CURLOPT_PRIVATE, (char *)r) == CURLE_OK &&
               curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->curl->message) == CURLE_OK &&
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

/* libcurl starts when it is needed first, which costs milliseconds and memory. */
static int start_curl(struct http_client *c)
{
        if (!c->curl_is_up && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;
        c->curl_is_up = true;
        return 0;
}

static int transfer_new(struct http_request *r)
{
        int code = start_curl(r->client);

        if (code < 0)
                return code;
        r->curl = mem_new(struct transfer);
        if (!r->curl)
                return -ENOMEM;
        r->curl->easy = curl_easy_init();
        if (r->curl->easy && set_options(r))
                return 0;
        transfer_free(r->curl);
        r->curl = NULL;
        return -ENOMEM;
}

void transfer_free(struct transfer *t)
{
        if (!t)
                return;
        curl_easy_cleanup(t->easy);
        mem_free(t);
}

/* --- the call ---------------------------------------------------------------------- */

static int set_url(struct http_request *r)
{
        /* A request waits to see whether the connection in the making can take it,
         * too; otherwise a burst opens one connection each. TLS tells that in its
         * handshake. Without TLS libcurl would learn it from the first answer, and
         * all would wait for the slowest. */
        const long wait = str_starts(buf_str(&r->url), STR("https:"));
        CURL *e = r->curl->easy;

        if (curl_easy_setopt(e, CURLOPT_URL, r->url.data) != CURLE_OK)
                return -ENOMEM;
        return curl_easy_setopt(e, CURLOPT_PIPEWAIT, wait) == CURLE_OK ? 0 : -ENOMEM;
}

static int set_method(struct http_request *r)
{
        bool get = strcmp(r->method, "GET") == 0, head = strcmp(r->method, "HEAD") == 0;
        bool post = r->sends_body;
        CURL *e = r->curl->easy;
        CURLcode code;

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
                code = curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, (get && !post) || head ? NULL : r->method);
        return code == CURLE_OK ? 0 : -ENOMEM;
}

/* Compressed only where the whole body is collected: a stream of events would
 * wait in the compressor, and its chunks are small. */
static int set_encoding(struct http_request *r)
{
        bool gzip = !r->handlers.on_data;

        if (gzip == r->curl->gzip)
                return 0;
        if (curl_easy_setopt(r->curl->easy, CURLOPT_ACCEPT_ENCODING, gzip ? "gzip" : NULL) != CURLE_OK)
                return -ENOMEM;
        r->curl->gzip = gzip;
        return 0;
}

int transfer_prepare(struct http_request *r)
{
        int code = r->curl ? 0 : transfer_new(r);

        if (code == 0)
                code = set_url(r);
        if (code == 0)
                code = set_method(r);
        if (code == 0)
                code = set_encoding(r);
        if (code == 0 && curl_easy_setopt(r->curl->easy, CURLOPT_HTTPHEADER, r->headers->lines) != CURLE_OK)
                code = -ENOMEM;
        if (code == 0)
                r->curl->message[0] = '\0';
        return code;
}

void transfer_finish(struct http_request *r, CURLcode said, int code)
{
        struct error why;

        if (said == CURLE_OK || r->failure < 0 || code < 0) {
                request_finish(r, code, NULL);
                return;
        }
        failure_curl(r, said, &why);
        request_finish(r, 0, &why);
}
