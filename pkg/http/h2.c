/* SPDX-License-Identifier: Apache-2.0 */
#include "http/h2.h"

#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "http/inflate.h"

/* Those of a request that we say ourselves: four with a colon, and then the agent, the
 * encoding and the length. */
#define OWN_FIELDS 7

/* --- nghttp2's memory is ours ------------------------------------------------------ */

static void *h2_malloc(size_t n, void *arg)
{
        (void)arg;
        return mem_alloc(n);
}

static void h2_mem_free(void *p, void *arg)
{
        (void)arg;
        mem_free(p);
}

static void *h2_calloc(size_t n, size_t size, void *arg)
{
        (void)arg;
        return mem_zalloc_n(n, size);
}

static void *h2_realloc(void *p, size_t n, void *arg)
{
        (void)arg;
        return mem_realloc(p, n);
}

/* --- the end of a stream -------------------------------------------------------------- */

/* The request of a stream, unless it was cancelled. */
static struct http_request *request_of(nghttp2_session *session, int32_t stream)
{
        struct http_request *r = nghttp2_session_get_stream_user_data(session, stream);

        return r && r->state == REQUEST_IN_FLIGHT ? r : NULL;
}

static void break_off(struct http_request *r, const char *why)
{
        struct str origin = url_public_origin(buf_str(&r->url));
        struct error err;

        error_set(&err, -ECONNRESET, "the connection to %.*s broke: %s", STR_FMT(origin), why);
        request_finish(r, 0, &err);
}

/* The server has not looked at R. */
static void try_again(struct http_request *r)
{
        if (r->attempts < HTTP_ATTEMPTS_MAX)
                request_restart(r);
        else
                break_off(r, "the server refused the request again and again");
}

static void try_waiting_elsewhere(struct h2 *h)
{
        struct list *first;

        while ((first = list_first(&h->waiting)))
                try_again(container_of(first, struct http_request, link));
}

static void reset_stream(struct h2 *h, int32_t stream)
{
        /* Without memory the stream stays open, and one place is gone. */
        if (nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL) < 0)
                h->closing = true;
        h->wake(h);
}

void h2_remove(struct http_request *r)
{
        struct h2 *h = r->h2;
        int32_t stream = r->stream;

        r->engine = NULL;
        r->h2 = NULL;
        r->stream = 0;
        if (stream == 0)
                return;
        nghttp2_session_set_stream_user_data(h->session, stream, NULL);
        reset_stream(h, stream);
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
        struct http_request *r = nghttp2_session_get_stream_user_data(session, stream);
        struct h2 *h = arg;
        char why[64];

        h->n_streams--;
        if (!list_empty(&h->waiting))
                h->wake(h);
        if (!r)
                return 0;
        r->stream = 0;
        if (r->state != REQUEST_IN_FLIGHT)
                return 0;
        if (r->ended) {
                request_finish(r, 0, NULL);
        } else if (code == NGHTTP2_REFUSED_STREAM && r->status == 0) {
                try_again(r);
        } else {
                (void)snprintf(why, sizeof(why), "the server reset the stream: %s",
                               nghttp2_http2_strerror(code));
                break_off(r, why);
        }
        return 0;
}

/* --- what comes ---------------------------------------------------------------------- */

static void note_byte(struct http_request *r)
{
        r->heard = loop_now(r->client->loop);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
        struct http_request *r = request_of(session, frame->hd.stream_id);

        (void)arg;
        if (r && !r->body_begun)
                request_begin_answer(r, 0);
        return 0;
}

static void finish_large(struct http_request *r)
{
        struct str origin = url_public_origin(buf_str(&r->url));
        struct error err;

        error_set(&err, -EMSGSIZE, "the headers of the answer of %.*s are larger than %zu bytes",
                  STR_FMT(origin), H2_HEADERS_MAX);
        request_finish(r, 0, &err);
}

/* nghttp2 takes any three digits; the first one of a status is not 0 (RFC 9110, 15). */
static void finish_odd(struct http_request *r)
{
        struct str origin = url_public_origin(buf_str(&r->url));
        struct error err;

        error_set(&err, -EPROTO, "the answer of %.*s has the status %d, which is none", STR_FMT(origin),
                  r->status);
        request_finish(r, 0, &err);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name_data,
                     size_t name_len, const uint8_t *value_data, size_t value_len, uint8_t flags, void *arg)
{
        struct http_request *r = request_of(session, frame->hd.stream_id);
        struct str name = str_n((const char *)name_data, name_len);
        struct str value = str_trim(str_n((const char *)value_data, value_len));
        int64_t status;

        (void)flags;
        (void)arg;
        if (!r)
                return 0;
        note_byte(r);
        r->header_bytes += name_len + value_len;
        if (r->header_bytes > H2_HEADERS_MAX) {
                finish_large(r);
                return 0;
        }
        if (r->body_begun)
                return 0;                 /* trailers */
        if (str_eq(name, STR(":status"))) /* nghttp2 has seen to it that there is one */
                r->status = str_to_int64(value, &status) == 0 ? (int)status : 0;
        else if (str_eq(name, STR("content-encoding")) && str_eq(value, STR("gzip")) && !r->handlers.on_data)
                return !r->inflater && inflater_new(&r->inflater) < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
        else
                request_take_header(r, name, value);
        return 0;
}

/* The answer is complete. Where the request is, too, nghttp2 closes the stream next. */
static void on_answer_end(struct http_request *r)
{
        if (r->inflater && !inflater_is_done(r->inflater))
                request_finish(r, -EBADMSG, NULL);
        else if (r->out_sent < r->out.len)
                request_finish(r, 0, NULL);
        else
                r->ended = true;
}

static void on_goaway(struct h2 *h)
{
        h->closing = true;
        /* nghttp2 closes the streams that the server has not looked at, as refused. */
        try_waiting_elsewhere(h);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
        struct http_request *r;

        if (frame->hd.type == NGHTTP2_GOAWAY)
                on_goaway(arg);
        if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
                return 0;
        r = request_of(session, frame->hd.stream_id);
        if (r && frame->hd.type == NGHTTP2_HEADERS && !r->body_begun) {
                if (r->status < 100) {
                        finish_odd(r);
                        return 0;
                }
                request_end_headers(r);
                r = request_of(session, frame->hd.stream_id); /* the user may have cancelled it */
        }
        if (r && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
                on_answer_end(r);
        return 0;
}

/* A body that is unpacked is collected: no user is called. */
static int take_piece(struct str piece, void *arg)
{
        return request_take_body(arg, piece);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t len,
                   void *arg)
{
        struct http_request *r = request_of(session, stream);
        struct str bytes = str_n((const char *)data, len);
        int code;

        (void)flags;
        (void)arg;
        if (!r)
                return 0;
        note_byte(r);
        if (r->inflater)
                code = inflater_feed(r->inflater, bytes, take_piece, r);
        else
                code = request_take_body(r, bytes);
        if (code < 0 && request_of(session, stream) == r)
                request_finish(r, code, NULL);
        return 0;
}

/* --- what goes -------------------------------------------------------------------------- */

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *to, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
        struct http_request *r = nghttp2_session_get_stream_user_data(session, stream);
        size_t n;

        (void)source;
        (void)arg;
        if (!r) /* it was cancelled, and its reset is on its way */
                return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        n = MIN(room, r->out.len - r->out_sent);
        if (n)
                memcpy(to, r->out.data + r->out_sent, n);
        r->out_sent += n;
        if (r->out_sent == r->out.len)
                *flags |= NGHTTP2_DATA_FLAG_EOF;
        return (ssize_t)n;
}

static nghttp2_nv field(const char *name, struct str value)
{
        return (nghttp2_nv){
                .name = (uint8_t *)(uintptr_t)name,
                .namelen = strlen(name),
                .value = (uint8_t *)(uintptr_t)value.data,
                .valuelen = value.len,
                .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME,
        };
}

/* ":path": "/" where the URL has none; a fragment is not for the server. */
static struct str path_of(struct str url, size_t origin_len)
{
        struct str path = str_n(url.data + origin_len, url.len - origin_len);
        ptrdiff_t fragment = str_index(path, '#');

        if (fragment >= 0)
                path.len = (size_t)fragment;
        return path.len ? path : STR("/");
}

static int submit(struct h2 *h, struct http_request *r)
{
        const nghttp2_data_provider body = { .read_callback = read_body };
        const struct str url = buf_str(&r->url), origin = url_origin(url), https = STR("https://");
        nghttp2_nv fields[OWN_FIELDS + HEADERS_MAX];
        char number[STR_INT_MAX];
        size_t n = 0;

        fields[n++] = field(":method", str_c(r->method));
        fields[n++] = field(":scheme", STR("https"));
        fields[n++] = field(":authority", str_n(origin.data + https.len, origin.len - https.len));
        fields[n++] = field(":path", path_of(url, origin.len));
        if (r->settings->user_agent)
                fields[n++] = field("user-agent", str_c(r->settings->user_agent));
        /* Compressed only where the whole body is collected: a stream of events would
         * wait in the compressor, and its chunks are small. */
        if (!r->handlers.on_data)
                fields[n++] = field("accept-encoding", STR("gzip"));
        if (r->headers->n_fields)
                memcpy(&fields[n], r->headers->fields, r->headers->n_fields * sizeof(fields[0]));
        n += r->headers->n_fields;
        if (r->sends_body)
                fields[n++] = field("content-length", str_int((int64_t)r->out.len, number));
        return nghttp2_submit_request(h->session, NULL, fields, n, r->out.len ? &body : NULL, r);
}

/* As many of those that wait as the server and we allow. nghttp2 would keep the others, too, but
 * here they can be cancelled, or go elsewhere, without its doing. */
static void submit_waiting(struct h2 *h)
{
        size_t limit =
                nghttp2_session_get_remote_settings(h->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
        struct list *first;

        limit = MIN(limit, H2_STREAMS_MAX);
        while (!h->closing && h->n_streams < limit && (first = list_first(&h->waiting))) {
                struct http_request *r = container_of(first, struct http_request, link);
                int32_t stream = submit(h, r);

                if (stream < 0 && stream != NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE) {
                        request_finish(r, -ENOMEM, NULL);
                        continue;
                }
                if (stream < 0) { /* after a thousand million of them */
                        h->closing = true;
                        try_waiting_elsewhere(h);
                        return;
                }
                r->stream = stream;
                h->n_streams++;
                list_remove(&r->link);
                list_add_tail(&h->active, &r->link);
        }
}

static int broken(struct h2 *h, int code)
{
        if (code == NGHTTP2_ERR_NOMEM || code == NGHTTP2_ERR_CALLBACK_FAILURE)
                return -ENOMEM;
        if (!h->why[0])
                (void)snprintf(h->why, sizeof(h->why), "%s", nghttp2_strerror(code));
        return -EPROTO;
}

ssize_t h2_output(struct h2 *h, const uint8_t **ret)
{
        ssize_t n;

        submit_waiting(h);
        n = nghttp2_session_mem_send(h->session, ret);
        return n < 0 ? broken(h, (int)n) : n;
}

int h2_receive(struct h2 *h, const void *data, size_t n)
{
        ssize_t taken;

        h->heard = loop_now(h->client->loop);
        taken = nghttp2_session_mem_recv(h->session, data, n);
        return taken < 0 ? broken(h, (int)taken) : 0;
}

bool h2_complains(struct h2 *h)
{
        const uint8_t *data;

        h->closing = true;
        while (nghttp2_session_mem_send(h->session, &data) > 0)
                ;
        return h->why[0];
}

bool h2_is_over(const struct h2 *h)
{
        return !nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session);
}

/* --- life ---------------------------------------------------------------------------------- */

/* What we tell the server is wrong is what a user wants to know. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
        struct h2 *h = arg;

        (void)session;
        if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.opaque_data_len && !h->why[0])
                (void)snprintf(h->why, sizeof(h->why), "%.*s", (int)MIN(frame->goaway.opaque_data_len, 150),
                               (const char *)frame->goaway.opaque_data);
        return 0;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
        nghttp2_session_callbacks *c;

        if (nghttp2_session_callbacks_new(&c) < 0)
                return NULL;
        nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(c, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
        nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
        nghttp2_session_callbacks_set_on_frame_send_callback(c, on_sent);
        return c;
}

static int new_session(struct h2 *h)
{
        nghttp2_mem memory = { NULL, h2_malloc, h2_mem_free, h2_calloc, h2_realloc };
        nghttp2_session_callbacks *callbacks = make_callbacks();
        nghttp2_option *option = NULL;
        int r = -ENOMEM;

        if (callbacks && nghttp2_option_new(&option) == 0) {
                /* As libcurl has it: some servers send white space around a value. */
                nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1);
                r = nghttp2_session_client_new3(&h->session, callbacks, h, option, &memory);
        }
        nghttp2_option_del(option);
        nghttp2_session_callbacks_del(callbacks);
        return r < 0 ? -ENOMEM : 0;
}

void h2_init(struct h2 *h, struct http_client *client, void (*wake)(struct h2 *h))
{
        *h = (struct h2){ .client = client, .wake = wake };
        list_init(&h->waiting);
        list_init(&h->active);
}

int h2_open(struct h2 *h)
{
        static const nghttp2_settings_entry settings[] = {
                { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
                { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW },
        };

        if (new_session(h) < 0)
                return -ENOMEM;
        if (nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings)) < 0 ||
            nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, H2_WINDOW) < 0) {
                h2_release(h);
                return -ENOMEM;
        }
        return 0;
}

void h2_say_goodbye(struct h2 *h)
{
        h->closing = true;
        (void)nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
}

void h2_release(struct h2 *h)
{
        nghttp2_session_del(h->session);
        h->session = NULL;
}

void h2_add(struct h2 *h, struct http_request *r)
{
        r->engine = &direct_engine;
        r->h2 = h;
        r->state = REQUEST_IN_FLIGHT;
        list_add_tail(&h->waiting, &r->link);
        h->wake(h);
}

void h2_fail(struct h2 *h, const struct error *why)
{
        struct list *first;

        h->closing = true;
        try_waiting_elsewhere(h);
        while ((first = list_first(&h->active))) {
                struct http_request *r = container_of(first, struct http_request, link);

                r->stream = 0; /* there is nobody to be told */
                request_finish(r, 0, why);
        }
}
