/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client.h"

#include <errno.h>

#include "base/mem.h"
#include "json/write.h"
#include "kube/credentials.h"

/* Where the server has no HTTP/2 each watch needs a connection of its own. */
#define STREAM_CONNECTIONS 64
#define CALL_CONNECTIONS 8
#define DELETE_OPTIONS_MAX ((size_t)4096)

struct kube_client {
        struct loop *loop;
        struct kube_config config;
        struct kube_credentials credentials;
        struct http_client *streams;
        struct http_client *calls;
        struct list requests;
        size_t n_requests;
        struct buf url;   /* of the call being started */
        bool tls_changed; /* and the HTTP clients do not know yet */
};

struct kube_request {
        struct kube_client *client;
        struct list link;
        struct http_request *http;
        kube_done_fn *done;
        void *arg;
        struct kube_asked asked; /* its strings are copies */
        struct str url, body;    /* copies, for the second attempt after a 401 */
        usec_t timeout;
        size_t max_body;
        bool retried;
};

/* --- life ------------------------------------------------------------------- */

static int open_http(struct kube_client *c, struct error *err)
{
        struct http_config http = kube_credentials_http(&c->credentials);
        int r;

        http.max_connections = STREAM_CONNECTIONS;
        r = http_client_new(c->loop, &http, &c->streams, err);
        http.max_connections = CALL_CONNECTIONS;
        if (r == 0)
                r = http_client_new(c->loop, &http, &c->calls, err);
        if (r < 0)
                error_prefix(err, "%.*s", STR_FMT(c->config.source));
        return r;
}

int kube_client_new(struct loop *l, struct kube_config *config, struct kube_client **ret, struct error *err)
{
        struct kube_client *c = mem_new(struct kube_client);
        int r;

        if (!c)
                return error_set(err, -ENOMEM, "out of memory");
        c->loop = l;
        c->config = *config;
        list_init(&c->requests);
        buf_init(&c->url, KUBE_URL_MAX);
        r = kube_credentials_init(&c->credentials, &c->config, loop_now(l), err);
        if (r == 0)
                r = open_http(c, err);
        if (r < 0) {
                c->config = (struct kube_config){ 0 }; /* the caller keeps it */
                kube_client_free(c);
                return r;
        }
        *config = (struct kube_config){ 0 };
        *ret = c;
        return 0;
}

void kube_client_free(struct kube_client *c)
{
        if (!c)
                return;
        while (!list_empty(&c->requests))
                kube_cancel(container_of(list_first(&c->requests), struct kube_request, link));
        http_client_free(c->streams);
        http_client_free(c->calls);
        kube_credentials_release(&c->credentials);
        kube_config_release(&c->config);
        buf_release(&c->url);
        mem_free(c);
}

void kube_client_freep(struct kube_client **c)
{
        kube_client_free(*c);
        *c = NULL;
}

struct loop *kube_client_loop(const struct kube_client *c)
{
        return c->loop;
}

const struct kube_config *kube_client_config(const struct kube_client *c)
{
        return &c->config;
}

size_t kube_client_pending(const struct kube_client *c)
{
        return c->n_requests;
}

/* Before each request: credentials may have been replaced. A certificate that
 * does not fit its key (yet) leaves the clients as they were, and is tried
 * again with the next reading. */
static void refresh(struct kube_client *c)
{
        usec_t before = c->credentials.read_at;
        struct http_config http;
        bool changed;

        kube_credentials_refresh(&c->credentials, loop_now(c->loop), &changed);
        c->tls_changed |= changed;
        if (!c->tls_changed || c->credentials.read_at == before)
                return;
        http = kube_credentials_http(&c->credentials);
        http.max_connections = STREAM_CONNECTIONS;
        if (http_client_reconfigure(c->streams, &http, NULL) < 0)
                return;
        http.max_connections = CALL_CONNECTIONS;
        if (http_client_reconfigure(c->calls, &http, NULL) == 0)
                c->tls_changed = false;
}

bool kube_client_refused(struct kube_client *c)
{
        return kube_credentials_refused(&c->credentials);
}

/* --- one request -------------------------------------------------------------- */

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

static bool is_write(enum kube_verb verb)
{
        return verb != KUBE_GET && verb != KUBE_LIST;
}

/* A new object has its name in its body, not in the URL. */
static struct str name_in_url(const struct kube_call *call)
{
        return call->verb == KUBE_CREATE && !call->subresource.data ? STR_NULL : call->name;
}

static int build_url(struct kube_client *c, const struct kube_call *call, struct error *err)
{
        struct buf *url = &c->url;
        int r;

        buf_clear(url);
        buf_add_str(url, c->config.server);
        r = kube_path(url, call->kind, call->namespace, name_in_url(call), call->subresource);
        if (r == -EINVAL)
                return error_set(err, r, "cannot make a URL for %.*s \"%.*s\" in namespace \"%.*s\"",
                                 STR_FMT(call->kind->plural), STR_FMT(call->name), STR_FMT(call->namespace));
        if (is_write(call->verb) && call->verb != KUBE_DELETE)
                kube_query(url, "fieldManager", call->field_manager);
        if (call->verb == KUBE_APPLY && call->force)
                kube_query(url, "force", STR("true"));
        if (is_write(call->verb) && call->dry_run)
                kube_query(url, "dryRun", STR("All"));
        kube_query(url, "labelSelector", call->label_selector);
        kube_query(url, "fieldSelector", call->field_selector);
        kube_query(url, "resourceVersion", call->version);
        kube_query(url, "continue", call->continue_token);
        if (call->limit > 0)
                kube_query_int(url, "limit", call->limit);
        if (buf_error(url))
                return error_set(err, buf_error(url), "the URL for %.*s is too long",
                                 STR_FMT(call->kind->plural));
        return 0;
}

/* metav1.DeleteOptions */
static void write_delete_options(struct buf *out, const struct kube_call *call)
{
        struct json_writer w;

        json_writer_init(&w, out);
        json_object(&w);
        json_put_cstr(&w, "kind", "DeleteOptions");
        json_put_cstr(&w, "apiVersion", "v1");
        if (call->propagation.data)
                json_put_str(&w, "propagationPolicy", call->propagation);
        if (call->if_uid.data || call->if_version.data) {
                json_key(&w, "preconditions");
                json_object(&w);
                if (call->if_uid.data)
                        json_put_str(&w, "uid", call->if_uid);
                if (call->if_version.data)
                        json_put_str(&w, "resourceVersion", call->if_version);
                json_end(&w);
        }
        json_end(&w);
}

static struct str copy(char **at, struct str s)
{
        char *to = *at;

        if (!s.data)
                return STR_NULL;
        memcpy(to, s.data, s.len);
        *at += s.len;
        return str_n(to, s.len);
}

/* One block: the request, and behind it the strings that it keeps. */
static struct kube_request *new_request(struct kube_client *c, const struct kube_call *call, struct str body)
{
        size_t n = c->url.len + body.len + call->namespace.len + call->name.len + call->subresource.len;
        struct kube_request *r = mem_alloc(sizeof(*r) + n);
        char *at;

        if (!r)
                return NULL;
        at = (char *)(r + 1);
        *r = (struct kube_request){
                .client = c,
                .url = copy(&at, buf_str(&c->url)),
                .body = copy(&at, body),
                .asked = { .verb = call->verb,
                           .kind = call->kind,
                           .namespace = copy(&at, call->namespace),
                           .name = copy(&at, call->name),
                           .subresource = copy(&at, call->subresource),
                           .server = c->config.server,
                           .credentials = c->config.source },
                .timeout = call->timeout ? call->timeout : KUBE_TIMEOUT_DEFAULT,
                .max_body = call->max_body ? call->max_body : KUBE_BODY_MAX,
        };
        list_init(&r->link);
        return r;
}

static void free_request(struct kube_request *r)
{
        if (!list_empty(&r->link)) {
                list_remove(&r->link);
                r->client->n_requests--;
        }
        mem_free(r);
}

static size_t add_authorization(const struct kube_client *c, struct http_header *headers, size_t n)
{
        if (c->credentials.authorization.len == 0)
                return n;
        headers[n] = (struct http_header){ STR("Authorization"), buf_str(&c->credentials.authorization) };
        return n + 1;
}

static void on_done(struct http_request *http, const struct http_result *result, void *arg);

static int send_request(struct kube_request *r, struct error *err)
{
        struct kube_client *c = r->client;
        struct http_header headers[3] = { { STR("Accept"), STR("application/json") } };
        size_t n = add_authorization(c, headers, 1);
        struct http_handlers handlers = { .done = on_done, .arg = r };

        if (r->body.data)
                headers[n++] = (struct http_header){ STR("Content-Type"), content_type_of(r->asked.verb) };
        return http_start(c->calls,
                          &(struct http_call){ .method = method_of(r->asked.verb),
                                               .url = r->url,
                                               .headers = headers,
                                               .n_headers = n,
                                               .body = r->body,
                                               .timeout = r->timeout,
                                               .max_body = r->max_body },
                          &handlers, &r->http, err);
}

/* The one retry: 401, and the token is another one than a moment ago. */
static bool try_again(struct kube_request *r, const struct http_result *result)
{
        if (result->status != 401 || r->retried || !kube_client_refused(r->client))
                return false;
        r->retried = true;
        return send_request(r, NULL) == 0;
}

static void on_done(struct http_request *http _unused_, const struct http_result *result, void *arg)
{
        struct kube_request *r = arg;
        kube_done_fn *done = r->done;
        void *done_arg = r->arg;
        struct kube_reply reply;

        r->http = NULL;
        if (try_again(r, result))
                return;
        kube_reply_read(result, &r->asked, &reply);
        /* Its owner may free the client from inside done. */
        free_request(r);
        done(&reply, done_arg);
        kube_reply_release(&reply);
}

static int start(struct kube_client *c, const struct kube_call *call, struct str body, kube_done_fn *done,
                 void *arg, struct kube_request **ret, struct error *err)
{
        struct kube_request *request = new_request(c, call, body);
        int r;

        if (!request)
                return error_set(err, -ENOMEM, "out of memory");
        request->done = done;
        request->arg = arg;
        r = send_request(request, err);
        if (r < 0) {
                free_request(request);
                return r;
        }
        list_add_tail(&c->requests, &request->link);
        c->n_requests++;
        if (ret)
                *ret = request;
        return 0;
}

int kube_call(struct kube_client *c, const struct kube_call *call, kube_done_fn *done, void *arg,
              struct kube_request **ret, struct error *err)
{
        _cleanup_(buf_release) struct buf options = BUF_INIT(DELETE_OPTIONS_MAX);
        struct str body = call->body;
        int r;

        refresh(c);
        r = build_url(c, call, err);
        if (r < 0)
                return r;
        if (call->verb == KUBE_DELETE && !body.data) {
                write_delete_options(&options, call);
                if (buf_error(&options))
                        return error_set(err, buf_error(&options), "cannot write the options of the delete");
                body = buf_str(&options);
        }
        return start(c, call, body, done, arg, ret, err);
}

void kube_cancel(struct kube_request *r)
{
        if (r->http)
                http_cancel(r->http);
        free_request(r);
}

int kube_stream(struct kube_client *c, struct str path, usec_t timeout, usec_t idle_timeout,
                const struct http_handlers *handlers, struct http_request **ret, struct error *err)
{
        struct http_header headers[2] = { { STR("Accept"), STR("application/json") } };
        size_t n;

        refresh(c);
        n = add_authorization(c, headers, 1);
        buf_clear(&c->url);
        buf_add_str(&c->url, c->config.server);
        buf_add_str(&c->url, path);
        if (buf_error(&c->url))
                return error_set(err, buf_error(&c->url), "the URL of a watch is too long");
        return http_start(c->streams,
                          &(struct http_call){ .method = "GET",
                                               .url = buf_str(&c->url),
                                               .headers = headers,
                                               .n_headers = n,
                                               .timeout = timeout,
                                               .idle_timeout = idle_timeout },
                          handlers, ret, err);
}

/* --- the common ones ------------------------------------------------------ */

int kube_get(struct kube_client *c, const struct kube_kind *kind, struct str namespace, struct str name,
             kube_done_fn *done, void *arg, struct error *err)
{
        struct kube_call call = { .verb = KUBE_GET, .kind = kind, .namespace = namespace, .name = name };

        return kube_call(c, &call, done, arg, NULL, err);
}

int kube_create(struct kube_client *c, const struct kube_kind *kind, struct str namespace, struct str body,
                struct str manager, kube_done_fn *done, void *arg, struct error *err)
{
        struct kube_call call = { .verb = KUBE_CREATE,
                                  .kind = kind,
                                  .namespace = namespace,
                                  .body = body,
                                  .field_manager = manager };

        return kube_call(c, &call, done, arg, NULL, err);
}

int kube_apply(struct kube_client *c, const struct kube_kind *kind, struct str namespace, struct str name,
               struct str subresource, struct str body, struct str manager, bool force, kube_done_fn *done,
               void *arg, struct error *err)
{
        struct kube_call call = { .verb = KUBE_APPLY,
                                  .kind = kind,
                                  .namespace = namespace,
                                  .name = name,
                                  .subresource = subresource,
                                  .body = body,
                                  .field_manager = manager,
                                  .force = force };

        return kube_call(c, &call, done, arg, NULL, err);
}

int kube_patch_status(struct kube_client *c, const struct kube_kind *kind, struct str namespace,
                      struct str name, struct str merge_patch, struct str manager, kube_done_fn *done,
                      void *arg, struct error *err)
{
        struct kube_call call = { .verb = KUBE_MERGE_PATCH,
                                  .kind = kind,
                                  .namespace = namespace,
                                  .name = name,
                                  .subresource = STR("status"),
                                  .body = merge_patch,
                                  .field_manager = manager };

        return kube_call(c, &call, done, arg, NULL, err);
}

int kube_delete(struct kube_client *c, const struct kube_kind *kind, struct str namespace, struct str name,
                struct str uid, struct str version, kube_done_fn *done, void *arg, struct error *err)
{
        struct kube_call call = { .verb = KUBE_DELETE,
                                  .kind = kind,
                                  .namespace = namespace,
                                  .name = name,
                                  .if_uid = uid,
                                  .if_version = version,
                                  .propagation = STR("Background") };

        return kube_call(c, &call, done, arg, NULL, err);
}
