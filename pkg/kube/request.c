/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/request.h"

#include <errno.h>

#include "base/mem.h"

/* --- life ------------------------------------------------------------------- */

/* One block: the request, and behind it the strings that it keeps. */
struct kube_request *kube_request_new(struct kube_client *c, const struct kube_call *call, struct str body,
                                      struct str accept)
{
        size_t n = c->url.len + body.len + accept.len + call->namespace.len + call->name.len +
                   call->subresource.len;
        struct kube_request *r = mem_alloc(sizeof(*r) + n);
        char *at;

        if (!r)
                return NULL;
        at = (char *)(r + 1);
        *r = (struct kube_request){
                .client = c,
                .url = str_store(&at, buf_str(&c->url)),
                .body = str_store(&at, body),
                .accept = str_store(&at, accept),
                .asked = { .verb = call->verb,
                           .kind = call->kind,
                           .namespace = str_store(&at, call->namespace),
                           .name = str_store(&at, call->name),
                           .subresource = str_store(&at, call->subresource),
                           .server = c->config.server,
                           .credentials = c->config.source },
                .timeout = call->timeout ? call->timeout : KUBE_TIMEOUT_DEFAULT,
                .max_body = call->max_body ? call->max_body : KUBE_BODY_MAX,
        };
        list_init(&r->link);
        return r;
}

/* Takes it off its list. */
static void unlink_request(struct kube_request *r)
{
        if (list_empty(&r->link))
                return;
        list_remove(&r->link);
        if (r->http)
                r->client->n_in_flight--;
        else
                r->client->n_waiting--;
}

void kube_cancel(struct kube_request *r)
{
        unlink_request(r);
        if (r->http)
                http_cancel(r->http);
        mem_free(r);
}

bool kube_request_is_waiting(const struct kube_request *r)
{
        return !r->http;
}

static const char *method_of(enum kube_verb verb)
{
        switch (verb) {
        case KUBE_CREATE:
                return "POST";
        case KUBE_UPDATE:
                return "PUT";
        case KUBE_APPLY:
        case KUBE_MERGE_PATCH:
        case KUBE_JSON_PATCH:
                return "PATCH";
        case KUBE_DELETE:
                return "DELETE";
        default:
                return "GET";
        }
}

/* Once for each attempt, and not where nothing was sent. */
static void observe(struct kube_request *r, int status, bool missing_right)
{
        struct kube_observed seen = {
                .verb = r->asked.verb,
                .kind = r->asked.kind,
                .subresource = r->asked.subresource,
                .method = method_of(r->asked.verb),
                .status = status,
                .missing_right = missing_right,
                .streamed_list = r->asked.streamed_list,
                .elapsed = loop_now(r->client->loop) - r->sent,
        };

        if (r->observed || !r->sent || !r->client->observe)
                return;
        r->observed = true;
        r->client->observe(&seen, r->client->observe_arg);
}

/* --- its end ------------------------------------------------------------------ */

/* Its owner may free the client from inside done. */
static void finish(struct kube_request *r, struct http_request *http, const struct http_result *result)
{
        struct kube_request last = *r;
        struct kube_reply reply;

        if (last.is_stream) {
                if (http)
                        observe(r, result->status, false);
                mem_free(r);
                last.stream.done(http, result, last.stream.arg);
                return;
        }
        kube_reply_read(result, &r->asked, &reply);
        observe(r, result->status, kube_reply_is_missing_right(&reply));
        mem_free(r);
        last.done(&reply, last.arg);
        kube_reply_release(&reply);
}

static void finish_with(struct kube_request *r, const struct error *err)
{
        struct http_result result = { .error = *err, .retry_after = -1 };

        finish(r, NULL, &result);
}

/* --- in flight ---------------------------------------------------------------- */

static void on_headers(struct http_request *http, const struct http_result *so_far, void *arg)
{
        struct kube_request *r = arg;

        /* The one retry. */
        if (so_far->status == 401 && !r->retried)
                r->refused = kube_credentials_refused(&r->client->credentials, loop_now(r->client->loop),
                                                      r->generation);
        if (r->is_stream || r->refused)
                observe(r, so_far->status, so_far->status == 403);
        if (!r->refused && r->is_stream && r->stream.on_headers)
                r->stream.on_headers(http, so_far, r->stream.arg);
}

/* Of a stream. */
static int on_data(struct http_request *http, struct str data, void *arg)
{
        struct kube_request *r = arg;

        return r->refused ? 0 : r->stream.on_data(http, data, r->stream.arg);
}

static void on_done(struct http_request *http, const struct http_result *result, void *arg)
{
        struct kube_request *r = arg;
        struct error err = ERROR_INIT;

        unlink_request(r);
        r->http = NULL;
        if (!r->refused) {
                finish(r, http, result);
                return;
        }
        r->refused = false;
        r->retried = true;
        if (kube_request_start(r, &err) < 0)
                finish_with(r, &err);
}

/* JSON is YAML, so an apply may send it under this name. */
static struct str content_type_of(enum kube_verb verb)
{
        switch (verb) {
        case KUBE_APPLY:
                return STR("application/apply-patch+yaml");
        case KUBE_MERGE_PATCH:
                return STR("application/merge-patch+json");
        case KUBE_JSON_PATCH:
                return STR("application/json-patch+json");
        default:
                return STR("application/json");
        }
}

static size_t add_authorization(const struct kube_client *c, struct http_header *headers, size_t n)
{
        if (c->credentials.authorization.len == 0)
                return n;
        headers[n] = (struct http_header){ STR("Authorization"), buf_str(&c->credentials.authorization) };
        return n + 1;
}

static int send_request(struct kube_request *r, struct error *err)
{
        struct kube_client *c = r->client;
        struct http_header headers[3] = { { STR("Accept"),
                                            r->accept.data ? r->accept : STR("application/json") } };
        size_t n = add_authorization(c, headers, 1);
        struct http_handlers handlers = { .on_headers = on_headers, .done = on_done, .arg = r };
        int result;

        if (r->is_stream)
                handlers.on_data = on_data;
        if (r->body.data)
                headers[n++] = (struct http_header){ STR("Content-Type"), content_type_of(r->asked.verb) };
        r->generation = c->credentials.generation;
        r->sent = loop_now(c->loop);
        r->observed = false;
        result = http_start(r->is_stream ? c->streams : c->calls,
                            &(struct http_call){ .method = method_of(r->asked.verb),
                                                 .url = r->url,
                                                 .headers = headers,
                                                 .n_headers = n,
                                                 .body = r->body,
                                                 .timeout = r->timeout,
                                                 .idle_timeout = r->idle_timeout,
                                                 .max_body = r->max_body },
                            &handlers, &r->http, err);
        if (result < 0)
                return result;
        list_add_tail(&c->in_flight, &r->link);
        c->n_in_flight++;
        return 0;
}

/* --- waiting ------------------------------------------------------------------ */

static int wait_for_credentials(struct kube_request *r, struct error *err)
{
        struct kube_client *c = r->client;

        if (c->n_waiting >= KUBE_WAITING_MAX)
                return error_set(err, -EBUSY, "more than %d requests wait for the exec plugin",
                                 KUBE_WAITING_MAX);
        list_add_tail(&c->waiting, &r->link);
        c->n_waiting++;
        return 0;
}

/* Where there are no credentials the request waits all the same: its done
 * function is told why, and never from inside its start. */
int kube_request_start(struct kube_request *r, struct error *err)
{
        struct kube_client *c = r->client;
        int ready = kube_client_refresh(c, NULL);

        if (ready > 0)
                return send_request(r, err);
        if (ready < 0)
                loop_defer_set(c->loop, &c->flush, kube_request_flush, c);
        return wait_for_credentials(r, err);
}

/* One in each turn, since a done function may do anything, even free the client. */
void kube_request_flush(struct loop_defer *defer, void *arg)
{
        struct kube_client *c = arg;
        struct error err = ERROR_INIT;
        struct kube_request *r;
        int ready;

        if (list_empty(&c->waiting))
                return;
        ready = kube_client_refresh(c, &err);
        if (ready == 0)
                return; /* it runs again */
        r = container_of(list_first(&c->waiting), struct kube_request, link);
        unlink_request(r);
        if (!list_empty(&c->waiting))
                loop_defer_set(c->loop, defer, kube_request_flush, c);
        if (ready < 0 || send_request(r, &err) < 0)
                finish_with(r, &err);
}

/* --- streams ------------------------------------------------------------------- */

int kube_stream(struct kube_client *c, const struct kube_stream_call *call,
                const struct http_handlers *handlers, struct kube_request **ret, struct error *err)
{
        struct kube_request *request;
        int r;

        buf_clear(&c->url);
        buf_add_str(&c->url, c->config.server);
        buf_add_str(&c->url, call->path);
        if (buf_error(&c->url))
                return error_set(err, buf_error(&c->url), "the URL of a watch is too long");
        request = kube_request_new(c, &(struct kube_call){ .verb = call->verb, .kind = call->kind }, STR_NULL,
                                   call->accept);
        if (!request)
                return error_set(err, -ENOMEM, "out of memory");
        request->is_stream = true;
        request->asked.streamed_list = call->streamed_list;
        request->stream = *handlers;
        request->timeout = call->timeout;
        request->idle_timeout = call->idle_timeout;
        r = kube_request_start(request, err);
        if (r < 0) {
                kube_cancel(request);
                return r;
        }
        *ret = request;
        return 0;
}
