/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP/2 side of the server for tests: nghttp2 takes requests apart, which then
 * look like HTTP/1.1 to those who answer them, and the answers go back the same way.
 */
#include <nghttp2/nghttp2.h>
#include <sched.h>

#include "harness.h"
#include "server.h"

#define FIELDS_MAX 16
#define CONNECTION_WINDOW (64 * 1024 * 1024)

struct stream {
        struct server_connection *c;
        int32_t id;
        char method[32], path[256], authority[256];
        char *head; /* header lines */
        char *body;
        size_t head_len, body_len;
        char *answer; /* its body */
        size_t answer_len, sent;
        bool open_end; /* more would follow, but never comes */
};

struct session {
        struct server_connection *c;
        nghttp2_session *h2;
        struct stream *waits_for_ping;
        int n_open;
        bool closing; /* the connection is cut when what there is has been sent */
};

static void append(char **text, size_t *len, const void *data, size_t n)
{
        *text = realloc(*text, *len + n + 1);
        if (n)
                memcpy(*text + *len, data, n);
        *len += n;
        (*text)[*len] = '\0';
}

static void put_raw(struct session *s, const void *data, size_t n)
{
        if (n)
                SSL_write(s->c->ssl, data, (int)n);
}

static void send_all(struct session *s)
{
        const uint8_t *data;
        ssize_t n;

        while ((n = nghttp2_session_mem_send(s->h2, &data)) > 0)
                put_raw(s, data, (size_t)n);
}

/* --- answers ------------------------------------------------------------------------ */

static ssize_t read_answer(nghttp2_session *h2, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                           nghttp2_data_source *source, void *arg)
{
        struct stream *st = source->ptr;
        size_t n = st->answer_len - st->sent < room ? st->answer_len - st->sent : room;

        (void)h2;
        (void)id;
        (void)arg;
        if (n == 0 && st->open_end)
                return NGHTTP2_ERR_DEFERRED;
        if (n)
                memcpy(to, st->answer + st->sent, n);
        st->sent += n;
        if (st->sent == st->answer_len && !st->open_end)
                *flags |= NGHTTP2_DATA_FLAG_EOF;
        return (ssize_t)n;
}

static nghttp2_nv nv(const char *name, const char *value)
{
        return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
                             .namelen = strlen(name),
                             .value = (uint8_t *)(uintptr_t)value,
                             .valuelen = strlen(value) };
}

/* The chunks of "4\r\none\n\r\n0\r\n\r\n" behind each other; false if no end is among them. */
static bool join_chunks(struct stream *st, const char *at)
{
        for (;;) {
                char *end;
                size_t n = strtoul(at, &end, 16);

                if (end == at)
                        return false;
                at = end + 2;
                if (n == 0)
                        return true;
                append(&st->answer, &st->answer_len, at, n);
                at += n + 2;
        }
}

/* One answer of AT, which may be an interim one: submitted. Returns what stands behind it, or NULL. */
static const char *submit_one(struct session *s, struct stream *st, char *at, size_t len)
{
        char *end = strstr(at, "\r\n\r\n"), *line = at, *next;
        size_t body_len = len - (size_t)(end + 4 - at);
        nghttp2_data_provider body = { .source.ptr = st, .read_callback = read_answer };
        nghttp2_nv fields[FIELDS_MAX];
        size_t n = 0, expected = body_len;
        bool chunked = false, empty;

        *end = '\0';
        fields[n++] = nv(":status", strndup(at + 9, 3));
        while ((next = strstr(line, "\r\n"))) {
                char *colon;

                line = next + 2;
                colon = strchr(line, ':');
                next = strstr(line, "\r\n");
                if (next)
                        *next = '\0';
                *colon = '\0';
                for (char *c = line; *c; c++)
                        if (*c >= 'A' && *c <= 'Z')
                                *c = (char)(*c + 32);
                for (colon++; *colon == ' '; colon++)
                        ;
                if (strcmp(line, "transfer-encoding") == 0)
                        chunked = true;
                else
                        fields[n++] = nv(line, colon);
                if (strcmp(line, "content-length") == 0)
                        expected = strtoul(colon, NULL, 10);
                if (next)
                        *next = '\r';
                line = colon;
        }
        if (fields[0].value[0] == '1') {
                nghttp2_submit_headers(s->h2, NGHTTP2_FLAG_NONE, st->id, NULL, fields, n, NULL);
                free(fields[0].value);
                return end + 4;
        }
        if (chunked) {
                st->open_end = !join_chunks(st, end + 4);
        } else {
                append(&st->answer, &st->answer_len, end + 4, body_len);
                st->open_end = expected > body_len;
        }
        empty = st->answer_len == 0 && !st->open_end;
        nghttp2_submit_response(s->h2, st->id, fields, n, empty ? NULL : &body);
        free(fields[0].value);
        return NULL;
}

static void submit_captured(struct session *s, struct stream *st)
{
        struct server_connection *c = s->c;
        const char *at = c->captured;

        if (strncmp(at, "HTTP/", 5) != 0) {
                put_raw(s, at, c->n_captured);
                return;
        }
        while (at)
                at = submit_one(s, st, (char *)(uintptr_t)at, c->n_captured - (size_t)(at - c->captured));
}

/* By those who answer HTTP/1.1. */
static void answer_as_ever(struct session *s, struct stream *st, const char *path)
{
        struct server_connection *c = s->c;
        int n = snprintf(c->request, sizeof(c->request), "%s %s HTTP/1.1\r\nHost: %s\r\n%.*s\r\n", st->method,
                         path, st->authority, (int)st->head_len, st->head ? st->head : "");

        c->len = (size_t)n;
        if (st->body_len < sizeof(c->request) - c->len) {
                if (st->body_len)
                        memcpy(c->request + c->len, st->body, st->body_len);
                c->len += st->body_len;
        }
        c->request[c->len < sizeof(c->request) ? c->len : sizeof(c->request) - 1] = '\0';
        c->capturing = true;
        c->n_captured = 0;
        s->closing |= !server_answer(c);
        c->capturing = false;
        if (c->n_captured)
                submit_captured(s, st);
        free(c->captured);
        c->captured = NULL;
        c->n_captured = 0;
}

static void put_frame(struct session *s, uint8_t type, uint8_t flags, int32_t stream, const void *data,
                      size_t n)
{
        uint8_t frame[9 + 256] = { 0, (uint8_t)(n >> 8),      (uint8_t)n,     type, flags, 0,
                                   0, (uint8_t)(stream >> 8), (uint8_t)stream };

        memcpy(frame + 9, data, n);
        put_raw(s, frame, 9 + n);
}

static void flood(struct session *s, int32_t id)
{
        static const uint8_t status[] = { 0x88 }, field[] = { 0x00, 0x01, 'x', 0x01, 'y' };

        send_all(s);
        put_frame(s, NGHTTP2_HEADERS, 0, id, status, sizeof(status));
        for (int i = 0; i < 5000; i++)
                put_frame(s, NGHTTP2_CONTINUATION, 0, id, field, sizeof(field));
}

static void push(struct session *s, int32_t id)
{
        static const uint8_t promise[] = { 0, 0, 0, 2, 0x82, 0x87, 0x84 };

        send_all(s);
        put_frame(s, NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, id, promise, sizeof(promise));
}

static void give_hints(struct session *s, int32_t id)
{
        char large[8192];
        nghttp2_nv fields[2];

        memset(large, 'x', sizeof(large) - 1);
        large[sizeof(large) - 1] = '\0';
        fields[0] = nv(":status", "103");
        fields[1] = nv("link", large);
        for (int i = 0; i < 100; i++)
                nghttp2_submit_headers(s->h2, NGHTTP2_FLAG_NONE, id, NULL, fields, 2, NULL);
}

static void reset(struct session *s, int32_t id, uint32_t code)
{
        nghttp2_submit_rst_stream(s->h2, NGHTTP2_FLAG_NONE, id, code);
}

static void answer(struct session *s, struct stream *st)
{
        struct server *server = s->c->server;
        const char *path = st->path;

        server->n_requests++;
        if (strcmp(path, "/refused") == 0 && server->n_refused++ < 2) {
                reset(s, st->id, NGHTTP2_REFUSED_STREAM);
        } else if (strcmp(path, "/stubborn") == 0) {
                reset(s, st->id, NGHTTP2_REFUSED_STREAM);
        } else if (strcmp(path, "/goaway") == 0 && server->n_refused++ < 1) {
                nghttp2_submit_goaway(s->h2, NGHTTP2_FLAG_NONE, st->id - 2 > 0 ? st->id - 2 : 0,
                                      NGHTTP2_NO_ERROR, NULL, 0);
        } else if (strcmp(path, "/leave") == 0) {
                nghttp2_submit_goaway(s->h2, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_NO_ERROR, NULL, 0);
                answer_as_ever(s, st, "/ok");
        } else if (strcmp(path, "/reset") == 0) {
                reset(s, st->id, NGHTTP2_INTERNAL_ERROR);
        } else if (strcmp(path, "/ping") == 0) {
                s->waits_for_ping = st;
                nghttp2_submit_ping(s->h2, NGHTTP2_FLAG_NONE, NULL);
        } else if (strcmp(path, "/push") == 0) {
                push(s, st->id);
        } else if (strcmp(path, "/flood") == 0) {
                flood(s, st->id);
        } else if (strcmp(path, "/hints") == 0) {
                give_hints(s, st->id);
        } else if (path[0] && strstr("/refused /goaway /enough", path)) {
                answer_as_ever(s, st, "/ok");
        } else {
                answer_as_ever(s, st, path);
        }
}

/* --- requests ------------------------------------------------------------------------- */

static int on_begin(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
        struct session *s = arg;
        struct stream *st = calloc(1, sizeof(*st));

        st->c = s->c;
        st->id = frame->hd.stream_id;
        nghttp2_session_set_stream_user_data(h2, st->id, st);
        if (++s->n_open > s->c->server->most_streams)
                s->c->server->most_streams = s->n_open;
        return 0;
}

/* "content-type" as HTTP/1.1 mostly has it. */
static void add_header(struct stream *st, const char *name, size_t name_len, const uint8_t *value, size_t len)
{
        size_t at = st->head_len;

        append(&st->head, &st->head_len, name, name_len);
        for (size_t i = at; i < st->head_len; i++)
                if ((i == at || st->head[i - 1] == '-') && st->head[i] >= 'a' && st->head[i] <= 'z')
                        st->head[i] = (char)(st->head[i] - 32);
        append(&st->head, &st->head_len, ": ", 2);
        append(&st->head, &st->head_len, value, len);
        append(&st->head, &st->head_len, "\r\n", 2);
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t len, uint8_t flags, void *arg)
{
        struct stream *st = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
        const char *key = (const char *)name;

        (void)flags;
        (void)arg;
        if (strcmp(key, ":method") == 0)
                snprintf(st->method, sizeof(st->method), "%.*s", (int)len, (const char *)value);
        else if (strcmp(key, ":path") == 0)
                snprintf(st->path, sizeof(st->path), "%.*s", (int)len, (const char *)value);
        else if (strcmp(key, ":authority") == 0)
                snprintf(st->authority, sizeof(st->authority), "%.*s", (int)len, (const char *)value);
        else if (key[0] != ':')
                add_header(st, key, name_len, value, len);
        return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *data, size_t n, void *arg)
{
        struct stream *st = nghttp2_session_get_stream_user_data(h2, id);

        (void)flags;
        (void)arg;
        append(&st->body, &st->body_len, data, n);
        return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
        struct session *s = arg;
        struct stream *st;

        if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) && s->waits_for_ping) {
                answer_as_ever(s, s->waits_for_ping, "/ok");
                s->waits_for_ping = NULL;
        }
        if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
                return 0;
        st = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
        if (!st)
                return 0;
        if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM ||
            (frame->hd.type == NGHTTP2_HEADERS && strcmp(st->path, "/enough") == 0))
                answer(s, st);
        return 0;
}

static int on_sent(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
        struct stream *st = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);

        (void)arg;
        if (st && strcmp(st->path, "/enough") == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
                nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_NO_ERROR);
        return 0;
}

static void free_stream(struct session *s, struct stream *st)
{
        if (!st)
                return;
        if (s->waits_for_ping == st)
                s->waits_for_ping = NULL;
        free(st->head);
        free(st->body);
        free(st->answer);
        free(st);
}

static int on_close(nghttp2_session *h2, int32_t id, uint32_t code, void *arg)
{
        struct session *s = arg;

        (void)code;
        s->n_open--;
        free_stream(s, nghttp2_session_get_stream_user_data(h2, id));
        nghttp2_session_set_stream_user_data(h2, id, NULL);
        return 0;
}

/* --- the session ------------------------------------------------------------------------- */

static void open_session(struct session *s)
{
        const nghttp2_settings_entry settings[] = {
                { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, s->c->server->max_streams },
        };
        nghttp2_session_callbacks *c;

        nghttp2_session_callbacks_new(&c);
        nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin);
        nghttp2_session_callbacks_set_on_header_callback(c, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(c, on_sent);
        nghttp2_session_callbacks_set_on_stream_close_callback(c, on_close);
        nghttp2_session_server_new(&s->h2, c, s);
        nghttp2_session_callbacks_del(c);
        nghttp2_submit_settings(s->h2, NGHTTP2_FLAG_NONE, settings, 1);
        /* A stream has the usual 64 KiB, all of them as much as they like. */
        nghttp2_session_set_local_window_size(s->h2, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
        send_all(s);
}

/* Streams that are open still have what they own. */
static void close_session(struct session *s)
{
        for (int32_t id = 1; id <= nghttp2_session_get_last_proc_stream_id(s->h2); id += 2)
                if (nghttp2_session_find_stream(s->h2, id))
                        free_stream(s, nghttp2_session_get_stream_user_data(s->h2, id));
        nghttp2_session_del(s->h2);
}

void server_serve_h2(struct server_connection *c)
{
        struct session s = { .c = c };
        uint8_t in[16384];
        int n;

        open_session(&s);
        while (!s.closing && (n = SSL_read(c->ssl, in, sizeof(in))) > 0) {
                while (c->server->pause)
                        sched_yield();
                if (nghttp2_session_mem_recv(s.h2, in, (size_t)n) < 0)
                        break;
                send_all(&s);
        }
        close_session(&s);
}
