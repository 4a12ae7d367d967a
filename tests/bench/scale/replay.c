/* SPDX-License-Identifier: Apache-2.0
 *
 * Sends a file of requests with M in flight, by the HTTP client and the settings
 * of the operator, and without any logic: what the same writes cost at the least.
 *
 *      replay SERVER CA.pem CERT.pem KEY.pem REQUESTS TIMES IN-FLIGHT
 *
 * REQUESTS holds one after the other, "METHOD PATH CONTENT-TYPE BYTES\n" and so
 * many bytes of body; "-" for the type where there is no body. Into TIMES goes a
 * line for each, in their order: when it started and ended, in microseconds of
 * the monotonic clock, and its status. Prints, as JSON, the CPU time of this
 * process and the time from the first start to the last end.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "http/http.h"

#define FILE_MAX ((size_t)1024 * 1024 * 1024)
#define REQUESTS_MAX ((size_t)1000 * 1000)
#define IN_FLIGHT_MAX 1000
#define CONNECTIONS 8        /* as pkg/kube has for its calls */
#define PACE (5 * USEC_MSEC) /* as the operator keeps while many resources are under way */
#define TIMEOUT (60 * USEC_SEC)
#define TRIES_MAX 5 /* of a request that the server has no time for, as the operator would */

struct sent {
        struct replay *replay;
        struct str method, path, type, body;
        usec_t began, ended;
        int status, tries;
};

struct replay {
        struct loop *loop;
        struct http_client *client;
        struct str server;
        struct sent *requests;
        size_t n, next, n_ended, n_failed;
        struct error first_error;
};

static void start_next(struct replay *p);
static void send_one(struct sent *s);

static bool is_too_busy(int status)
{
        return status == 429 || (status >= 500 && status <= 599);
}

static void on_done(struct http_request *r, const struct http_result *result, void *arg)
{
        struct sent *s = arg;
        struct replay *p = s->replay;

        (void)r;
        if (is_too_busy(result->status) && s->tries < TRIES_MAX) {
                send_one(s);
                return;
        }
        s->ended = clock_now();
        s->status = result->status;
        if (result->error.code < 0 || result->status < 200 || result->status > 299) {
                if (p->n_failed++ == 0 && result->error.code < 0)
                        p->first_error = result->error;
                else if (p->n_failed == 1)
                        error_set(&p->first_error, -EPROTO, "%.*s: %d %.*s", STR_FMT(s->path), result->status,
                                  STR_FMT(result->body));
        }
        if (++p->n_ended == p->n)
                loop_stop(p->loop, 0);
        start_next(p);
}

static void send_one(struct sent *s)
{
        struct replay *p = s->replay;
        const struct http_header headers[] = {
                { STR("Accept"), STR("application/json") },
                { STR("Content-Type"), s->type },
        };
        struct http_handlers handlers = { .done = on_done };
        struct http_call call = { .headers = headers, .timeout = TIMEOUT };
        struct http_request *r;
        char url[1024], method[16];

        s->tries++;
        snprintf(url, sizeof(url), "%.*s%.*s", STR_FMT(p->server), STR_FMT(s->path));
        snprintf(method, sizeof(method), "%.*s", STR_FMT(s->method));
        call.method = method;
        call.url = str_c(url);
        call.n_headers = s->body.len ? 2 : 1;
        if (s->body.len)
                call.body = s->body;
        handlers.arg = s;
        if (http_start(p->client, &call, &handlers, &r, &p->first_error) < 0)
                loop_stop(p->loop, 1);
}

static void start_next(struct replay *p)
{
        struct sent *s;

        if (p->next == p->n)
                return;
        s = &p->requests[p->next++];
        s->began = clock_now();
        send_one(s);
}

static int read_file(const char *path, struct buf *out)
{
        FILE *f = fopen(path, "re");
        char chunk[65536];
        size_t n;

        if (!f)
                return -errno;
        while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
                buf_add(out, chunk, n);
        fclose(f);
        return buf_error(out);
}

/* "PATCH /api/v1/x application/json 12\n" and its body, off the head of REST. */
static bool cut_request(struct str *rest, struct sent *s)
{
        struct str line, bytes;
        int64_t n;

        if (!str_cut(*rest, '\n', &line, rest) || !str_cut(line, ' ', &s->method, &line) ||
            !str_cut(line, ' ', &s->path, &line) || !str_cut(line, ' ', &s->type, &bytes) ||
            str_to_int64(bytes, &n) < 0 || n < 0 || (size_t)n > rest->len)
                return false;
        s->body = str_n(rest->data, (size_t)n);
        *rest = str_n(rest->data + n, rest->len - (size_t)n);
        return true;
}

static int parse(struct replay *p, struct str text)
{
        p->requests = mem_new_n(struct sent, REQUESTS_MAX);
        while (p->requests && text.len) {
                if (p->n == REQUESTS_MAX || !cut_request(&text, &p->requests[p->n]))
                        return -EINVAL;
                p->requests[p->n++].replay = p;
        }
        return p->requests && p->n ? 0 : -EINVAL;
}

static double milliseconds(const struct rusage *u)
{
        return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e3 +
               (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e3;
}

static int write_times(const struct replay *p, const char *path)
{
        FILE *f = fopen(path, "we");

        if (!f)
                return -errno;
        for (size_t i = 0; i < p->n; i++)
                fprintf(f, "%lld %lld %d\n", (long long)p->requests[i].began, (long long)p->requests[i].ended,
                        p->requests[i].status);
        return fclose(f) == 0 ? 0 : -errno;
}

static int run(struct replay *p, int64_t in_flight)
{
        struct rusage before, after;
        usec_t began = clock_now();
        int r;

        loop_set_pace(p->loop, PACE);
        getrusage(RUSAGE_SELF, &before);
        for (int64_t i = 0; i < in_flight; i++)
                start_next(p);
        r = loop_run(p->loop);
        getrusage(RUSAGE_SELF, &after);
        printf("{\"requests\": %zu, \"failed\": %zu, \"cpu_ms\": %.3f, \"wall_ms\": %.3f}\n", p->n,
               p->n_failed, milliseconds(&after) - milliseconds(&before),
               (double)(clock_now() - began) / 1e3);
        if (r || p->n_failed)
                fprintf(stderr, "replay: %s\n", p->first_error.message);
        return r || p->n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
        _cleanup_(buf_release) struct buf ca = BUF_INIT(FILE_MAX), cert = BUF_INIT(FILE_MAX),
                                          key = BUF_INIT(FILE_MAX), text = BUF_INIT(FILE_MAX);
        struct http_config config = { .user_agent = STR_INIT("keelson/bench"),
                                      .max_connections = CONNECTIONS };
        struct replay p = { 0 };
        int64_t in_flight;
        int code;

        if (argc != 8 || str_to_int64(str_c(argv[7]), &in_flight) < 0 || in_flight < 1 ||
            in_flight > IN_FLIGHT_MAX) {
                fprintf(stderr, "usage: %s SERVER CA CERT KEY REQUESTS TIMES IN-FLIGHT\n", argv[0]);
                return 2;
        }
        if (read_file(argv[2], &ca) < 0 || read_file(argv[3], &cert) < 0 || read_file(argv[4], &key) < 0 ||
            read_file(argv[5], &text) < 0 || parse(&p, buf_str(&text)) < 0) {
                fprintf(stderr, "replay: %s or a certificate cannot be read\n", argv[5]);
                return 2;
        }
        p.server = str_c(argv[1]);
        config.ca_pem = buf_str(&ca);
        config.client_cert_pem = buf_str(&cert);
        config.client_key_pem = buf_str(&key);
        if (loop_new(&p.loop) < 0 || http_client_new(p.loop, &config, &p.client, &p.first_error) < 0) {
                fprintf(stderr, "replay: %s\n", p.first_error.message);
                return EXIT_FAILURE;
        }
        code = run(&p, in_flight);
        if (write_times(&p, argv[6]) < 0)
                code = EXIT_FAILURE;
        http_client_free(p.client);
        loop_free(p.loop);
        mem_free(p.requests);
        return code;
}
