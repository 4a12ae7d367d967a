/* SPDX-License-Identifier: Apache-2.0
 *
 * A client and a server of HTTP/1.1, and requests from the one to the other.
 */
#pragma once

#include "harness.h"

#include <errno.h>

#include "fetch.h"
#include "http/http.h"
#include "server.h"

struct world {
        struct server server;
        struct loop *loop;
        struct http_client *client;
        char url[128];
        struct buf spare; /* a body that is not under test */
};

static inline void setup(struct world *w, const struct http_config *config)
{
        static const struct http_config plain = { .user_agent = STR_INIT("test/1") };

        memset(w, 0, sizeof(*w));
        server_start(&w->server, NULL);
        ck_assert_int_eq(loop_new(&w->loop), 0);
        ck_assert_int_eq(http_client_new(w->loop, config ? config : &plain, &w->client, NULL), 0);
}

static inline void teardown(struct world *w)
{
        http_client_free(w->client);
        loop_free(w->loop);
        server_stop(&w->server);
}

static inline struct str url(struct world *w, const char *path)
{
        snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%d%s", w->server.port, path);
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
