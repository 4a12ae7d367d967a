/* SPDX-License-Identifier: Apache-2.0
 *
 * A client and a server, and requests from the one to the other: by HTTP/1.1 without
 * TLS, which is libcurl's; or, with OVER_H2, by HTTP/2 with TLS, which the direct
 * engine does. The same tests are built for both.
 */
#pragma once

#include "harness.h"

#include <errno.h>

#include "fetch.h"
#include "http/http.h"
#include "pki.h"
#include "server.h"

#ifdef OVER_H2
#define SCHEME "https"
#else
#define SCHEME "http"
#endif

struct world {
        struct server server;
        struct loop *loop;
        struct http_client *client;
        char url[128];
        struct buf spare; /* a body that is not under test */
};

static inline void start_h2(struct server *s, unsigned max_streams)
{
        struct pki_cert ca = pki_make(&(struct pki_wish){ .name = "ca" });
        struct pki_cert cert = pki_make(&(struct pki_wish){ .name = "server", .ca = &ca });

        server_start(s, &(struct server_tls){ .cert_pem = cert.cert_pem,
                                              .key_pem = cert.key_pem,
                                              .max_streams = max_streams });
        pki_release(&cert);
        pki_release(&ca);
}

/* Which certificates are right is for test_tls. */
static inline void setup(struct world *w, const struct http_config *given)
{
        struct http_config config = { .user_agent = STR_INIT("test/1") };

        if (given)
                config = *given;
        config.insecure_skip_verify = true;
        memset(w, 0, sizeof(*w));
#ifdef OVER_H2
        start_h2(&w->server, 100);
#else
        server_start(&w->server, NULL);
#endif
        ck_assert_int_eq(loop_new(&w->loop), 0);
        ck_assert_int_eq(http_client_new(w->loop, &config, &w->client, NULL), 0);
}

static inline void teardown(struct world *w)
{
        http_client_free(w->client);
        loop_free(w->loop);
        server_stop(&w->server);
}

static inline struct str url(struct world *w, const char *path)
{
        snprintf(w->url, sizeof(w->url), SCHEME "://127.0.0.1:%d%s", w->server.port, path);
        return str_c(w->url);
}

static inline void begin(struct world *w, struct fetch *f, const char *path, struct http_call call)
{
        struct error err = ERROR_INIT;

        call.url = url(w, path);
        if (!call.method)
                call.method = "GET";
        ck_assert_msg(fetch_start(w->client, f, &call, &err) == 0, "%s", err.message);
}

static inline void fetch(struct world *w, struct fetch *f, const char *path, struct http_call call)
{
        begin(w, f, path, call);
        turn_until(w->loop, f->done);
        ck_assert_int_eq(f->done, 1);
}

static inline void expect_failure(const struct fetch *f, int code, const char *message)
{
        ck_assert_int_eq(f->result.error.code, code);
        ck_assert_msg(strstr(f->result.error.message, message), "\"%s\" is not in \"%s\"", message,
                      f->result.error.message);
}
