/* SPDX-License-Identifier: Apache-2.0
 *
 * One request, whichever engine carries it: what it says, what came back, its
 * timeouts and its end.
 */
#include <errno.h>
#include <strings.h>

#include "base/mem.h"
#include "http/client.h"
#include "http/inflate.h"

/* --- the answer ------------------------------------------------------------------ */

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

void request_begin_answer(struct http_request *r, int status)
{
        r->status = status;
        r->retry_after = -1;
        r->content_type[0] = '\0';
}

static bool name_is(struct str name, const char *expected)
{
        return name.len == strlen(expected) && strncasecmp(name.data, expected, name.len) == 0;
}

void request_take_header(struct http_request *r, struct str name, struct str value)
{
        if (name_is(name, "content-type") && value.len < sizeof(r->content_type)) {
                memcpy(r->content_type, value.data, value.len);
                r->content_type[value.len] = '\0';
        } else if (name_is(name, "retry-after")) {
                r->retry_after = parse_retry_after(value, clock_wall());
        }
}

void request_end_headers(struct http_request *r)
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

int request_take_body(struct http_request *r, struct str data)
{
        int code;

        if (r->handlers.on_data)
                code = r->handlers.on_data(r, data, r->handlers.arg);
        else
                code = buf_add_str(&r->in, data);
        if (r->state == REQUEST_IN_FLIGHT)
                r->failure = MIN(code, 0);
        return r->failure;
}

/* --- life --------------------------------------------------------------------------- */

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
        buf_init(&r->url, HTTP_URL_MAX);
        return r;
}

static void drop_inflater(struct http_request *r)
{
        inflater_free(r->inflater);
        r->inflater = NULL;
}

void request_free(struct http_request *r)
{
        list_remove(&r->link);
        loop_timer_stop(&r->watchdog);
        transfer_free(r->curl);
        drop_inflater(r);
        header_list_unref(r->headers);
        buf_release(&r->url);
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
        drop_inflater(r);
        header_list_unref(r->headers);
        r->headers = NULL;
        forget(&r->url);
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
                if (s[n] < 'A' || s[n] > 'Z' || n >= HTTP_METHOD_MAX)
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

struct str url_origin(struct str url)
{
        size_t end = 0, slashes = 0;

        for (; end < url.len; end++)
                if ((url.data[end] == '/' && ++slashes == 3) || url.data[end] == '?' || url.data[end] == '#')
                        break;
        return str_n(url.data, end);
}

struct str url_public_origin(struct str url)
{
        struct str origin = url_origin(url);

        for (size_t i = origin.len; i > 0; i--)
                if (origin.data[i - 1] == '@')
                        return str_n(origin.data + i, origin.len - i);
        return origin;
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

/* What earlier requests left, and what an attempt of this one may have. */
static void reset_progress(struct http_request *r)
{
        r->engine = NULL;
        r->h2 = NULL;
        r->stream = 0;
        r->out_sent = r->header_bytes = 0;
        r->ended = r->body_begun = false;
        request_begin_answer(r, 0);
}

static int copy_call(struct http_request *r, const struct http_call *call)
{
        int code = buf_add_str(&r->url, call->url);

        r->sends_body = call->body.data || strcmp(call->method, "POST") == 0;
        r->out.cap = SIZE_MAX - 1; /* as large as the caller's own */
        if (code == 0 && call->body.data)
                code = buf_add_str(&r->out, call->body);
        return code;
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
        (void)snprintf(r->method, sizeof(r->method), "%s", call->method);
        r->handlers = *handlers;
        r->started = r->heard = clock_now();
        r->timeout = call->timeout;
        r->idle_timeout = call->idle_timeout;
        r->failure = 0;
        r->attempts = 0;
        r->in.cap = call->max_body ? call->max_body : HTTP_BODY_DEFAULT_MAX;
        reset_progress(r);

        code = header_cache_get(&r->client->headers, call->headers, call->n_headers, &r->headers);
        if (code == -EINVAL)
                return error_set(err, code, "there are too many headers, or one has a line break in it");
        if (code == 0)
                code = copy_call(r, call);
        if (code == 0)
                code = set_watchdog(r);
        if (code < 0)
                return error_set(err, code, "no memory for the request");
        return 0;
}

/* --- the end -------------------------------------------------------------------------- */

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
        if (r->engine)
                r->engine->suspect(r);
        request_finish(r, -ETIMEDOUT, NULL);
        client_unpin(c);
}

void request_restart(struct http_request *r)
{
        list_remove(&r->link);
        reset_progress(r);
        r->state = REQUEST_STARTING;
        list_add_tail(&r->client->starting, &r->link);
        client_wake(r->client);
}

void request_finish(struct http_request *r, int code, const struct error *why)
{
        struct http_result result;

        fill_result(r, &result);
        if (r->failure == 0)
                r->failure = code;
        if (r->failure < 0)
                failure_ours(r, &result.error);
        else if (why)
                result.error = *why;
        list_remove(&r->link);
        if (r->engine)
                r->engine->remove(r);
        loop_timer_stop(&r->watchdog);
        r->state = REQUEST_ENDING;
        r->handlers.done(r, &result, r->handlers.arg);
        request_recycle(r);
}
