/* SPDX-License-Identifier: Apache-2.0
 *
 * What one HTTP request costs us, at the least: N requests, M in flight, to one
 * URL over one client. Prints the CPU time of this process, not the server's.
 *
 *      nghttpd --echo-upload 8443 key.pem cert.pem &
 *      http_floor https://localhost:8443/x ca.pem 50000 8 1024
 *      0.051 ms CPU a request (user 0.031, kernel 0.020), 19500 requests/s, anonymous memory 2336 KiB
 *
 * With a body size it sends PATCH with so many bytes, else GET. "-" for the CA
 * leaves the certificate unchecked.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "http/http.h"

#define CA_MAX ((size_t)1024 * 1024)
#define IN_FLIGHT_MAX 1000

struct bench {
        struct loop *loop;
        struct http_client *client;
        struct http_call call;
        int64_t to_start, to_end, failed;
        struct error first_error;
};

static void start_next(struct bench *b);

static void on_done(struct http_request *r, const struct http_result *result, void *arg)
{
        struct bench *b = arg;

        (void)r;
        if (result->error.code < 0 || result->status >= 300) {
                if (b->failed++ == 0)
                        b->first_error = result->error;
                if (b->first_error.code == 0)
                        error_set(&b->first_error, -EPROTO, "status %d", result->status);
        }
        if (--b->to_end == 0)
                loop_stop(b->loop, 0);
        start_next(b);
}

static void start_next(struct bench *b)
{
        const struct http_handlers handlers = { .done = on_done, .arg = b };
        struct http_request *r;

        if (b->to_start == 0)
                return;
        b->to_start--;
        if (http_start(b->client, &b->call, &handlers, &r, &b->first_error) < 0)
                loop_stop(b->loop, 1);
}

static int read_file(const char *path, struct buf *out)
{
        FILE *f = fopen(path, "re");
        char chunk[4096];
        size_t n;

        if (!f)
                return -errno;
        while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
                buf_add(out, chunk, n);
        fclose(f);
        return buf_error(out);
}

static long anonymous_kib(void)
{
        FILE *f = fopen("/proc/self/status", "re");
        char line[256];
        long kib = -1;

        while (f && fgets(line, sizeof(line), f))
                if (strncmp(line, "RssAnon:", 8) == 0)
                        kib = strtol(line + 8, NULL, 10);
        if (f)
                fclose(f);
        return kib;
}

static double milliseconds(struct timeval t)
{
        return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

static int run(struct bench *b, int64_t n, int64_t in_flight)
{
        struct rusage before, after;
        usec_t start = clock_now();
        double user, kernel, total = (double)n;
        int r;

        b->to_start = b->to_end = n;
        getrusage(RUSAGE_SELF, &before);
        for (int64_t i = 0; i < in_flight; i++)
                start_next(b);
        r = loop_run(b->loop);
        getrusage(RUSAGE_SELF, &after);
        user = milliseconds(after.ru_utime) - milliseconds(before.ru_utime);
        kernel = milliseconds(after.ru_stime) - milliseconds(before.ru_stime);
        printf("%.4f ms CPU a request (user %.4f, kernel %.4f), %.0f requests/s, anonymous memory %ld KiB\n",
               (user + kernel) / total, user / total, kernel / total,
               total / ((double)(clock_now() - start) / 1e6), anonymous_kib());
        if (b->failed)
                printf("%lld failed: %s\n", (long long)b->failed, b->first_error.message);
        return r || b->failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
        static const struct http_header headers[] = {
                { STR_INIT("Authorization"),
                  STR_INIT("Bearer 0123456789abcdef0123456789abcdef0123456789abcdef") },
                { STR_INIT("Content-Type"), STR_INIT("application/apply-patch+yaml") },
                { STR_INIT("Accept"), STR_INIT("application/json") },
        };
        _cleanup_(buf_release) struct buf ca = BUF_INIT(CA_MAX), body = BUF_INIT(CA_MAX);
        struct http_config config = { .user_agent = STR_INIT("http_floor") };
        struct bench b = { 0 };
        int64_t n, in_flight, size = 0;
        int code;

        if (argc < 5 || str_to_int64(str_c(argv[3]), &n) < 0 ||
            str_to_int64(str_c(argv[4]), &in_flight) < 0 ||
            (argc > 5 && str_to_int64(str_c(argv[5]), &size) < 0) || n < 1 || in_flight < 1 ||
            in_flight > IN_FLIGHT_MAX || size < 0 || size > (int64_t)CA_MAX) {
                fprintf(stderr, "usage: %s URL CA.pem|- REQUESTS IN-FLIGHT [BODY-BYTES]\n", argv[0]);
                return 2;
        }
        if (strcmp(argv[2], "-") == 0)
                config.insecure_skip_verify = true;
        else if (read_file(argv[2], &ca) < 0)
                return 2;
        else
                config.ca_pem = buf_str(&ca);
        for (int64_t i = 0; i < size; i++)
                buf_add_char(&body, (char)('a' + i % 26));
        b.call = (struct http_call){
                .method = size ? "PATCH" : "GET",
                .url = str_c(argv[1]),
                .headers = headers,
                .n_headers = ARRAY_SIZE(headers),
                .timeout = 30 * USEC_SEC,
                .idle_timeout = 10 * USEC_SEC,
        };
        if (size)
                b.call.body = buf_str(&body);
        if (loop_new(&b.loop) < 0 || http_client_new(b.loop, &config, &b.client, &b.first_error) < 0) {
                fprintf(stderr, "%s\n", b.first_error.message);
                return EXIT_FAILURE;
        }
        code = run(&b, n, in_flight);
        http_client_free(b.client);
        loop_free(b.loop);
        return code;
}
