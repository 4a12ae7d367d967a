/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/client.h"

#include <errno.h>

#include "base/mem.h"
#include "kube/request.h"

/* Where the server has no HTTP/2 each watch needs a connection of its own. */
#define STREAM_CONNECTIONS 64
#define CALL_CONNECTIONS 8

static void on_settled(void *arg);

/* --- life ------------------------------------------------------------------- */

static int open_http(struct kube_client *c, struct error *err)
{
        struct http_config http = kube_credentials_http(&c->credentials);
        int r;

        http.max_connections = STREAM_CONNECTIONS;
        r = http_client_new(c->loop, &http, &c->streams, err);
        http.max_connections = CALL_CONNECTIONS;
        http.tls_of = c->streams;
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
        list_init(&c->in_flight);
        list_init(&c->waiting);
        buf_init(&c->url, KUBE_URL_MAX);
        r = kube_credentials_init(&c->credentials, l, &c->config, on_settled, c, err);
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

static void cancel_all(struct list *requests)
{
        while (!list_empty(requests))
                kube_cancel(container_of(list_first(requests), struct kube_request, link));
}

void kube_client_free(struct kube_client *c)
{
        if (!c)
                return;
        cancel_all(&c->waiting);
        cancel_all(&c->in_flight);
        loop_defer_stop(&c->flush);
        http_client_free(c->streams);
        http_client_free(c->calls);
        kube_credentials_release(&c->credentials);
        kube_config_release(&c->config);
        buf_release(&c->url);
        mem_free(c);
}

struct loop *kube_client_loop(const struct kube_client *c)
{
        return c->loop;
}

const struct kube_config *kube_client_config(const struct kube_client *c)
{
        return &c->config;
}

void kube_client_observe(struct kube_client *c, void (*fn)(const struct kube_observed *seen, void *arg),
                         void *arg)
{
        c->observe = fn;
        c->observe_arg = arg;
}

size_t kube_client_pending(const struct kube_client *c)
{
        return c->n_in_flight + c->n_waiting;
}

/* --- credentials -------------------------------------------------------------- */

/* New certificates, for the requests from now on. */
static int reconfigure(struct kube_client *c, struct error *err)
{
        struct http_config http = kube_credentials_http(&c->credentials);
        int r;

        http.max_connections = STREAM_CONNECTIONS;
        r = http_client_reconfigure(c->streams, &http, err);
        http.max_connections = CALL_CONNECTIONS;
        http.tls_of = c->streams;
        if (r == 0)
                r = http_client_reconfigure(c->calls, &http, err);
        c->tls_changed = r < 0;
        return r;
}

int kube_client_refresh(struct kube_client *c, struct error *err)
{
        usec_t before = c->credentials.read_at;
        bool changed;

        kube_credentials_refresh(&c->credentials, loop_now(c->loop), &changed);
        c->tls_changed |= changed;
        /* A certificate that does not fit its key (yet) leaves the clients as
         * they were, and is tried again with the next reading. */
        if (c->tls_changed && c->credentials.read_at != before)
                (void)reconfigure(c, NULL);
        return kube_credentials_ask(&c->credentials, loop_now(c->loop), err);
}

/* The exec plugin has ended, for good or ill. */
static void on_settled(void *arg)
{
        struct kube_client *c = arg;
        struct error err = ERROR_INIT;

        c->tls_changed |= kube_credentials_new_certificate(&c->credentials);
        if (c->tls_changed && reconfigure(c, &err) < 0)
                kube_credentials_reject(&c->credentials, loop_now(c->loop), &err);
        if (c->n_waiting)
                loop_defer_set(c->loop, &c->flush, kube_request_flush, c);
}
