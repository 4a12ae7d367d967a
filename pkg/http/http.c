/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"

#include <errno.h>

#include "base/mem.h"
#include "http/client.h"

#define CONNECT_TIMEOUT_DEFAULT (10 * USEC_SEC)
#define CONNECTIONS_DEFAULT 1

/* --- settings ---------------------------------------------------------------- */

void settings_unref(struct http_settings *s)
{
        if (!s || --s->refs > 0)
                return;
        http_tls_unref(s->tls);
        mem_free(s->proxy);
        mem_free(s->user_agent);
        mem_free(s->origin);
        mem_free(s);
}

/* libcurl looks for a proxy in the environment for each request. If there is
 * none, the empty name spares it the search. */
static struct str proxy_of(const struct http_config *config)
{
        static const char *const variables[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                                 "ALL_PROXY" };

        if (config->proxy.data)
                return config->proxy;
        for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
                if (getenv(variables[i]))
                        return STR_NULL;
        return STR("");
}

static int copy(struct str s, char **ret)
{
        if (!s.data)
                return 0;
        *ret = mem_strndup(s.data, s.len);
        return *ret ? 0 : -ENOMEM;
}

/* Parsing a certificate or a key costs about a millisecond. */
static int tls_of(const struct http_config *config, struct http_tls **ret, struct error *err)
{
        if (!config->tls_of)
                return http_tls_new(config, ret, err);
        *ret = http_tls_ref(config->tls_of->settings->tls);
        return 0;
}

static int settings_new(const struct http_config *config, struct http_settings **ret, struct error *err)
{
        usec_t connect = config->connect_timeout ? config->connect_timeout : CONNECT_TIMEOUT_DEFAULT;
        struct http_settings *s = mem_new(struct http_settings);
        int r;

        if (!s)
                return error_set(err, -ENOMEM, "no memory for an HTTP client");
        s->refs = 1;
        s->connect_timeout_ms = (long)((connect + USEC_MSEC - 1) / USEC_MSEC);
        s->max_connections = config->max_connections ? config->max_connections : CONNECTIONS_DEFAULT;
        r = tls_of(config, &s->tls, err);
        if (r == 0 && (copy(proxy_of(config), &s->proxy) < 0 || copy(config->user_agent, &s->user_agent) < 0))
                r = error_set(err, -ENOMEM, "no memory for an HTTP client");
        if (r < 0) {
                settings_unref(s);
                return r;
        }
        s->direct = s->proxy && !s->proxy[0];
        *ret = s;
        return 0;
}

/* --- the client ---------------------------------------------------------------- */

static void drop_parked(struct http_client *c, size_t keep)
{
        while (c->n_parked > keep) {
                request_free(container_of(c->parked.prev, struct http_request, link));
                c->n_parked--;
        }
}

static void sweep_engines(struct http_client *c, bool all)
{
        curl_engine.sweep(c, all);
        direct_engine.sweep(c, all);
}

static void destroy(struct http_client *c)
{
        loop_timer_stop(&c->trim);
        drop_parked(c, 0);
        sweep_engines(c, true);
        loop_defer_stop(&c->turn);
        header_cache_release(&c->headers);
        settings_unref(c->settings);
        mem_free(c);
}

void client_pin(struct http_client *c)
{
        c->pins++;
}

static void take_back_cancelled(struct http_client *c)
{
        struct list *first;

        while ((first = list_first(&c->cancelled))) {
                struct http_request *r = container_of(first, struct http_request, link);

                list_remove(&r->link);
                r->engine->remove(r);
                request_recycle(r);
        }
}

void client_unpin(struct http_client *c)
{
        if (c->pins == 1) {
                take_back_cancelled(c);
                sweep_engines(c, false);
        }
        if (--c->pins == 0 && c->freed)
                destroy(c);
}

int http_client_new(struct loop *l, const struct http_config *config, struct http_client **ret,
                    struct error *err)
{
        struct http_client *c = mem_new(struct http_client);
        int r;

        if (!c)
                return error_set(err, -ENOMEM, "no memory for an HTTP client");
        c->loop = l;
        list_init(&c->conns);
        list_init(&c->pools);
        list_init(&c->starting);
        list_init(&c->cancelled);
        list_init(&c->parked);
        header_cache_init(&c->headers);
        r = settings_new(config, &c->settings, err);
        if (r < 0) {
                destroy(c);
                return r;
        }
        *ret = c;
        return 0;
}

void http_client_free(struct http_client *c)
{
        struct list *first;

        if (!c)
                return;
        client_pin(c);
        c->freed = true;
        while ((first = list_first(&c->starting)))
                http_cancel(container_of(first, struct http_request, link));
        curl_engine.cancel_all(c);
        direct_engine.cancel_all(c);
        client_unpin(c);
}

void http_client_freep(struct http_client **c)
{
        http_client_free(*c);
        *c = NULL;
}

int http_client_reconfigure(struct http_client *c, const struct http_config *config, struct error *err)
{
        struct http_settings *settings = NULL;
        int r = settings_new(config, &settings, err);

        if (r < 0)
                return r;
        client_pin(c);
        settings_unref(c->settings);
        c->settings = settings;
        c->pool = NULL;
        drop_parked(c, 0); /* they hold the old settings */
        client_unpin(c);
        return 0;
}

/* --- requests -------------------------------------------------------------------- */

static void on_trim(struct loop_timer *timer, void *arg)
{
        struct http_client *c = arg;
        bool burst = c->n_parked >= HTTP_BURST;

        (void)timer;
        drop_parked(c, HTTP_PARKED_IDLE);
        /* Hundreds of requests at once took megabytes. */
        if (burst)
                mem_trim();
}

/* A parked request, or a new one. */
static struct http_request *get_request(struct http_client *c)
{
        struct list *first = list_first(&c->parked);

        if (!first)
                return request_new(c);
        list_remove(first);
        c->n_parked--;
        return container_of(first, struct http_request, link);
}

static void start_one(struct http_request *r)
{
        const struct http_engine *engine = direct_takes(r) ? &direct_engine : &curl_engine;
        int code;

        list_remove(&r->link);
        r->attempts++;
        code = engine->add(r);
        if (code < 0)
                request_finish(r, code, NULL);
}

/* All that was started in this turn leaves at once. */
static void on_turn(struct loop_defer *defer, void *arg)
{
        struct http_client *c = arg;
        struct list *first;

        (void)defer;
        client_pin(c);
        while ((first = list_first(&c->starting)))
                start_one(container_of(first, struct http_request, link));
        curl_engine.kick(c);
        direct_engine.kick(c);
        client_unpin(c);
}

void client_wake(struct http_client *c)
{
        loop_defer_set(c->loop, &c->turn, on_turn, c);
}

/* Is there anything to trim, or will there be? Not where one of the few is taken that are
 * kept: at rest, with a request every now and then, the timer would wake us for nothing. */
static bool piles_up(const struct http_client *c)
{
        return c->n_parked == 0 || c->n_parked > HTTP_PARKED_IDLE;
}

int http_start(struct http_client *c, const struct http_call *call, const struct http_handlers *handlers,
               struct http_request **ret, struct error *err)
{
        struct http_request *r;
        int code;

        /* Here and not at the end of a request, where nobody could be told that
         * there is no memory for a timer. */
        if (!c->trim.loop && piles_up(c) &&
            loop_timer_set(c->loop, &c->trim, loop_now(c->loop) + HTTP_TRIM_AFTER, on_trim, c) < 0)
                return error_set(err, -ENOMEM, "no memory for the request");
        r = get_request(c);
        if (!r)
                return error_set(err, -ENOMEM, "no memory for the request");
        code = request_prepare(r, call, handlers, err);
        if (code < 0) {
                request_recycle(r);
                return code;
        }
        r->state = REQUEST_STARTING;
        list_add_tail(&c->starting, &r->link);
        client_wake(c);
        *ret = r;
        return 0;
}

void http_cancel(struct http_request *r)
{
        struct http_client *c = r->client;

        switch (r->state) {
        case REQUEST_STARTING:
                request_recycle(r);
                return;
        case REQUEST_IN_FLIGHT:
                client_pin(c);
                list_remove(&r->link);
                r->state = REQUEST_CANCELLED;
                loop_timer_stop(&r->watchdog);
                list_add_tail(&c->cancelled, &r->link);
                client_unpin(c);
                return;
        case REQUEST_PARKED:
        case REQUEST_CANCELLED:
        case REQUEST_ENDING:
                return;
        }
}
