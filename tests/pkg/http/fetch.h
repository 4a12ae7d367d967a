/* SPDX-License-Identifier: Apache-2.0
 *
 * A request of a test and what became of it.
 */
#pragma once

#include "harness.h"

#include "../loop/turns.h"
#include "http/http.h"

#define FETCH_MAX ((size_t)4 * 1024 * 1024)

struct fetch {
        struct http_client *client;
        struct http_request *request;
        bool stream; /* with on_data */
        bool inside; /* http_start has not returned yet */
        int headers, done;
        struct http_result result; /* its body is in .body below */
        struct buf body;
        char content_type[64];
        int on_headers_status;
        /* What a test does inside a callback. */
        void (*in_headers)(struct fetch *f);
        int (*in_data)(struct fetch *f);
        void (*in_done)(struct fetch *f);
        void *arg;
};

static inline void fetch_on_headers(struct http_request *r, const struct http_result *so_far, void *arg)
{
        struct fetch *f = arg;

        ck_assert_ptr_eq(r, f->request);
        ck_assert_int_eq(f->done, 0);
        ck_assert_uint_eq(f->body.len, 0);
        f->headers++;
        f->on_headers_status = so_far->status;
        if (f->in_headers)
                f->in_headers(f);
}

static inline int fetch_on_data(struct http_request *r, struct str data, void *arg)
{
        struct fetch *f = arg;

        ck_assert_ptr_eq(r, f->request);
        ck_assert_int_eq(f->done, 0);
        ck_assert_int_eq(f->headers, 1);
        ck_assert_int_eq(buf_add_str(&f->body, data), 0);
        return f->in_data ? f->in_data(f) : 0;
}

static inline void fetch_on_done(struct http_request *r, const struct http_result *result, void *arg)
{
        struct fetch *f = arg;

        ck_assert(!f->inside);
        ck_assert_ptr_eq(r, f->request);
        f->done++;
        f->result = *result;
        snprintf(f->content_type, sizeof(f->content_type), "%.*s", STR_FMT(result->content_type));
        if (!f->stream)
                ck_assert_int_eq(buf_add_str(&f->body, result->body), 0);
        if (f->in_done)
                f->in_done(f);
}

static inline int fetch_start(struct http_client *c, struct fetch *f, const struct http_call *call,
                              struct error *err)
{
        const struct http_handlers handlers = {
                .on_headers = fetch_on_headers,
                .on_data = f->stream ? fetch_on_data : NULL,
                .done = fetch_on_done,
                .arg = f,
        };
        int r;

        f->client = c;
        if (f->body.cap == 0)
                buf_init(&f->body, FETCH_MAX);
        f->inside = true;
        r = http_start(c, call, &handlers, &f->request, err);
        f->inside = false;
        return r;
}

static inline void fetch_release(struct fetch *f)
{
        buf_release(&f->body);
}
