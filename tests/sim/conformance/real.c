/* SPDX-License-Identifier: Apache-2.0
 *
 * The server of KUBECONFIG, through the operator's own client.
 */
#include "sim/conformance/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "loop/loop.h"

#define LIMIT (30 * USEC_SEC)
#define COLLECTED (2 * USEC_MINUTE) /* until the garbage collector has been there */
#define WATCH_SECONDS 3

static struct loop *loop;
static struct kube_client *client;

static _Noreturn void die(const char *what)
{
        fprintf(stderr, "conformance: %s\n", what);
        exit(2);
}

static void begin(void)
{
        struct error err = ERROR_INIT;
        struct kube_config config;
        const char *path = getenv("KUBECONFIG");

        if (!path)
                die("KUBECONFIG must name the cluster");
        if (loop_new(&loop) < 0)
                die("no event loop");
        if (kube_config_load(str_c(path), &config, &err) < 0 ||
            kube_client_new(loop, &config, &client, &err) < 0)
                die(err.message);
}

static void end(void)
{
        kube_client_free(client);
        loop_free(loop);
}

static void wait_for(const bool *flag)
{
        usec_t limit = clock_now() + LIMIT;

        while (!*flag) {
                if (clock_now() > limit)
                        die("the server does not answer");
                if (loop_turn(loop, 100 * USEC_MSEC) < 0)
                        die("the event loop failed");
        }
}

/* --- calls ----------------------------------------------------------------------- */

struct answer {
        struct sim_reply reply;
        bool came;
};

static void on_answer(const struct kube_reply *reply, void *arg)
{
        struct answer *a = arg;

        a->came = true;
        a->reply.status = reply->status;
        a->reply.body = strndup(reply->body.len ? reply->body.data : "", reply->body.len);
        if (reply->status == 0)
                die(reply->error.message);
}

static struct sim_reply serve(const struct kube_call *call)
{
        struct error err = ERROR_INIT;
        struct answer a = { 0 };

        if (kube_call(client, call, on_answer, &a, NULL, &err) < 0)
                die(err.message);
        wait_for(&a.came);
        return a.reply;
}

static bool collect(const struct kube_kind *kind, const char *name)
{
        const struct kube_call get = {
                .verb = KUBE_GET, .kind = kind, .namespace = str_c(conformance_namespace), .name = str_c(name)
        };
        usec_t limit = clock_now() + COLLECTED;

        while (clock_now() < limit) {
                struct sim_reply reply = serve(&get);
                usec_t next = clock_now() + 500 * USEC_MSEC;

                free(reply.body);
                if (reply.status == 404)
                        return true;
                while (clock_now() < next)
                        if (loop_turn(loop, 100 * USEC_MSEC) < 0)
                                die("the event loop failed");
        }
        return false;
}

/* --- watches ------------------------------------------------------------------------ */

struct listener {
        FILE *out;
        bool ended;
};

static int on_data(struct http_request *r _unused_, struct str data, void *arg)
{
        struct listener *l = arg;

        fwrite(data.data, 1, data.len, l->out);
        return 0;
}

static void on_done(struct http_request *r _unused_, const struct http_result *result, void *arg)
{
        struct listener *l = arg;

        if (result->error.code < 0)
                die(result->error.message);
        l->ended = true;
}

static char *events(const struct kube_kind *kind, const char *version, const char *selector)
{
        struct buf path = BUF_INIT(1024);
        struct error err = ERROR_INIT;
        struct listener l = { 0 };
        struct http_handlers handlers = { .on_data = on_data, .done = on_done, .arg = &l };
        struct kube_request *request;
        char *text = NULL;
        size_t size;

        l.out = open_memstream(&text, &size);
        if (!l.out || kube_path(&path, kind, str_c(conformance_namespace), STR_NULL, STR_NULL) < 0)
                die("no memory");
        kube_query(&path, "watch", STR("1"));
        kube_query(&path, "resourceVersion", str_c(version));
        if (selector)
                kube_query(&path, "labelSelector", str_c(selector));
        kube_query_int(&path, "timeoutSeconds", WATCH_SECONDS);
        if (kube_stream(client,
                        &(struct kube_stream_call){ .verb = KUBE_WATCH,
                                                    .kind = kind,
                                                    .path = buf_str(&path),
                                                    .timeout = LIMIT,
                                                    .idle_timeout = LIMIT },
                        &handlers, &request, &err) < 0)
                die(err.message);
        wait_for(&l.ended);
        fclose(l.out);
        buf_release(&path);
        return text;
}

const struct backend real_backend = {
        .begin = begin, .end = end, .serve = serve, .events = events, .collect = collect
};
