/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as those of an HTTP/2 server: each of four requests ends once or is cancelled,
 * and its callbacks come in their order. The first byte says who cancels and where, the
 * second in what pieces the rest comes.
 */
#include <errno.h>
#include <stdlib.h>

#include "http/h2.h"

#define INPUT_MAX ((size_t)256 * 1024)
#define REQUESTS 4
#define BODY_MAX ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
        CANCEL_IN_HEADERS = 1,
        CANCEL_IN_DATA = 2,
        CANCEL_IN_DONE = 4,
        REFUSE_DATA = 8,
        STREAM = 16,
        POST = 32
};

struct caller {
        struct http_request *request;
        struct caller *next; /* whom it cancels */
        unsigned how;
        bool headers, over;
};

static void require(bool what)
{
        if (!what)
                abort();
}

static void cancel(struct caller *c)
{
        if (c->over)
                return;
        c->over = true;
        http_cancel(c->request);
}

static void on_headers(struct http_request *r, const struct http_result *so_far, void *arg)
{
        struct caller *c = arg;

        require(r == c->request && !c->over && !c->headers);
        require(so_far->status >= 200 && so_far->status <= 999);
        c->headers = true;
        if (c->how & CANCEL_IN_HEADERS)
                cancel(c->next);
}

static int on_data(struct http_request *r, struct str data, void *arg)
{
        struct caller *c = arg;

        require(r == c->request && !c->over && c->headers && data.data);
        if (c->how & CANCEL_IN_DATA)
                cancel(c);
        return c->how & REFUSE_DATA ? -EBADMSG : 0;
}

static void on_done(struct http_request *r, const struct http_result *result, void *arg)
{
        struct caller *c = arg;

        require(r == c->request && !c->over);
        require(result->body.len <= BODY_MAX);
        require(result->error.code < 0 ? result->error.message[0] : result->status >= 200);
        c->over = true;
        if (c->how & CANCEL_IN_DONE)
                cancel(c->next);
}

static void no_wake(struct h2 *h)
{
        (void)h;
}

static void start(struct http_client *client, struct caller *c)
{
        const struct http_handlers handlers = { .on_headers = on_headers,
                                                .on_data = c->how & STREAM ? on_data : NULL,
                                                .done = on_done,
                                                .arg = c };
        const struct http_call call = { .method = c->how & POST ? "POST" : "GET",
                                        .url = STR("https://127.0.0.1/api?watch=1"),
                                        .body = c->how & POST ? STR("some text") : STR_NULL,
                                        .max_body = BODY_MAX };

        require(http_start(client, &call, &handlers, &c->request, NULL) == 0);
}

/* What was started or is to start anew, as the direct engine has it. */
static void add_started(struct http_client *client, struct h2 *h)
{
        struct list *first;

        while (!h->closing && (first = list_first(&client->starting))) {
                struct http_request *r = container_of(first, struct http_request, link);

                list_remove(&r->link);
                r->attempts++;
                h2_add(h, r);
        }
}

static int take_output(struct h2 *h)
{
        const uint8_t *bytes;
        ssize_t n;

        while ((n = h2_output(h, &bytes)) > 0)
                require((size_t)n <= H2_OUTPUT_MAX);
        return (int)n;
}

static void speak(struct http_client *client, const uint8_t *data, size_t size, size_t piece)
{
        struct error why;
        struct h2 h;
        int r;

        h2_init(&h, client, no_wake);
        require(h2_open(&h) == 0);
        add_started(client, &h);
        r = take_output(&h);
        while (r == 0 && size > 0) {
                size_t n = MIN(piece, size);

                r = h2_receive(&h, data, n);
                data += n;
                size -= n;
                add_started(client, &h);
                if (r == 0)
                        r = take_output(&h);
        }
        require(r == 0 || r == -ENOMEM || (r == -EPROTO && h.why[0]));
        (void)!h2_complains(&h);
        error_set(&why, -ECONNRESET, "the connection broke");
        h2_fail(&h, &why);
        client_unpin(client); /* which takes back those that were cancelled */
        require(list_empty(&h.waiting) && list_empty(&h.active));
        h2_release(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct caller callers[REQUESTS] = { 0 };
        struct http_client *client;
        struct loop *loop;

        if (size < 2 || size > INPUT_MAX)
                return 0;
        require(loop_new(&loop) == 0);
        require(http_client_new(loop, &(struct http_config){ .insecure_skip_verify = true }, &client, NULL) ==
                0);
        for (size_t i = 0; i < REQUESTS; i++) {
                callers[i].next = &callers[(i + 1) % REQUESTS];
                callers[i].how = i % 2 ? data[0] : data[0] ^ STREAM;
                start(client, &callers[i]);
        }
        client_pin(client);
        speak(client, data + 2, size - 2, data[1] ? data[1] : size);
        http_client_free(client);
        loop_free(loop);
        return 0;
}
