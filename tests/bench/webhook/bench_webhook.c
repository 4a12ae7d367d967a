/* SPDX-License-Identifier: Apache-2.0
 *
 * What the webhook costs: the program itself, and clients that ask it for the verdict
 * on one App over kept TLS connections, as an API server does.
 *
 *      usage: bench_webhook KEELSON REVIEW
 *
 * The clients share the machine with it. So what it costs is told in CPU time of its
 * own, and times with as many others are those of both. The same is asked of a server
 * that does nothing but TLS (echo.h), since both depend on the machine: on one that is
 * at rest, to wake up a processor is most of what a single request takes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "crypto/issue.h"
#include "echo.h"

#define CLIENTS 32
#define ROUNDS 500
#define ALONE 4000
#define IDLE 1000
#define STARTS 15
#define REQUEST_MAX ((size_t)64 * 1024)
#define REPLY_MAX 4096
#define FOLDER "/tmp/keelson-bench-XXXXXX"

static char folder[] = FOLDER;
static char cert_path[sizeof(folder) + 16], key_path[sizeof(folder) + 16];
static pid_t program;
static uint16_t port;
static struct buf request = BUF_INIT(REQUEST_MAX);
static SSL_CTX *tls;

static void die(const char *what)
{
        fprintf(stderr, "bench_webhook: %s: %s\n", what, strerror(errno));
        if (program)
                kill(program, SIGKILL);
        exit(EXIT_FAILURE);
}

/* --- the program ---------------------------------------------------------------------- */

static void put(const char *path, struct str text)
{
        FILE *f = fopen(path, "we");

        if (!f || fwrite(text.data, 1, text.len, f) != text.len || fclose(f) != 0)
                die(path);
}

static void make_certificate(void)
{
        const struct str name = STR("localhost");
        struct certificate_wish wish = { .common_name = STR("webhook"),
                                         .not_before = clock_wall() - USEC_HOUR,
                                         .not_after = clock_wall() + 24 * USEC_HOUR };
        struct certificate ca = { 0 }, made = { 0 };
        struct buf pem = BUF_INIT(REQUEST_MAX);
        struct secret key_pem = { 0 };
        struct key key = { 0 };

        if (key_make(&key, NULL) < 0 || certificate_make_ca(&wish, &key, &ca, NULL) < 0)
                die("cannot make a CA");
        wish.names = &name;
        wish.n_names = 1;
        if (certificate_issue(&wish, &key, &ca, &key, &made, NULL) < 0 ||
            certificate_write(&made, &pem) < 0 || key_write(&key, &key_pem) < 0)
                die("cannot make a certificate");
        if (!mkdtemp(folder))
                die(folder);
        snprintf(cert_path, sizeof(cert_path), "%s/tls.crt", folder);
        snprintf(key_path, sizeof(key_path), "%s/tls.key", folder);
        put(cert_path, buf_str(&pem));
        put(key_path, secret_str(&key_pem));
        secret_release(&key_pem);
        key_release(&key);
        certificate_release(&ca);
        certificate_release(&made);
        buf_release(&pem);
}

/* It says where it serves: {"msg":"serving","port":12345,...}. */
static void read_port(int log)
{
        static const char mark[] = "\"msg\":\"serving\",\"port\":";
        char text[4096];
        size_t len = 0;
        const char *at;

        for (;;) {
                ssize_t n = read(log, text + len, sizeof(text) - 1 - len);

                if (n <= 0)
                        die("the webhook ended");
                len += (size_t)n;
                text[len] = '\0';
                at = strstr(text, mark);
                if (at && strchr(at, '\n'))
                        break;
        }
        port = (uint16_t)strtoul(at + sizeof(mark) - 1, NULL, 10);
}

static void start_program(const char *binary)
{
        const char *const argv[] = { binary,    "webhook",   "--listen", "127.0.0.1:0",      "--tls-cert",
                                     cert_path, "--tls-key", key_path,   "--metrics-listen", "127.0.0.1:0",
                                     NULL };
        posix_spawn_file_actions_t actions;
        int log[2];

        if (pipe2(log, O_CLOEXEC) < 0 || posix_spawn_file_actions_init(&actions) != 0 ||
            posix_spawn_file_actions_adddup2(&actions, log[1], STDERR_FILENO) != 0 ||
            posix_spawn(&program, binary, &actions, NULL, (char *const *)(uintptr_t)argv, environ) != 0)
                die(binary);
        posix_spawn_file_actions_destroy(&actions);
        close(log[1]);
        read_port(log[0]);
        close(log[0]); /* it has nothing more to say, and it may */
}

static void stop_program(void)
{
        int status;

        kill(program, SIGTERM);
        kill(program, SIGINT);
        if (waitpid(program, &status, 0) < 0 || status != 0)
                die("the webhook did not end well");
        program = 0;
}

static void remove_certificate(void)
{
        unlink(cert_path);
        unlink(key_path);
        rmdir(folder);
}

/* The first number behind KEY in a file of /proc/PID. */
static double proc_figure(const char *file, const char *key)
{
        struct buf text = BUF_INIT(REQUEST_MAX);
        char path[64];
        const char *at;
        double n;

        snprintf(path, sizeof(path), "/proc/%d/%s", (int)program, file);
        if (file_read(path, &text) < 0)
                die(path);
        at = strstr(text.data, key);
        if (!at)
                die(key);
        n = strtod(at + strlen(key), NULL);
        buf_release(&text);
        return n;
}

static double cpu_usec(void)
{
        return proc_figure("schedstat", "") / 1000;
}

/* --- a client ------------------------------------------------------------------------- */

/* Like an API server's, which is written in Go: what is written is sent at once. */
static SSL *open_client(void)
{
        const int on = 1;
        struct sockaddr_in to = { .sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        SSL *ssl = SSL_new(tls);

        if (fd < 0 || !ssl || connect(fd, (const void *)&to, sizeof(to)) < 0 ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 || SSL_set_fd(ssl, fd) != 1 ||
            SSL_connect(ssl) != 1)
                die("cannot connect");
        return ssl;
}

static void close_client(SSL *ssl)
{
        int fd = SSL_get_fd(ssl);

        SSL_free(ssl);
        close(fd);
}

static void ask(SSL *ssl)
{
        if (SSL_write(ssl, request.data, (int)request.len) != (int)request.len)
                die("cannot write");
}

static void take(SSL *ssl)
{
        char text[REPLY_MAX];
        int len = 0;

        do {
                int n = SSL_read(ssl, text + len, (int)sizeof(text) - 1 - len);

                if (n <= 0)
                        die("cannot read");
                len += n;
                text[len] = '\0';
        } while (!strstr(text, "}}"));
        if (!strstr(text, "\"allowed\":true"))
                die(text);
}

/* --- measuring ------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
        usec_t x = *(const usec_t *)a, y = *(const usec_t *)b;

        return (x > y) - (x < y);
}

static double percentile(usec_t *times, size_t n, size_t percent)
{
        size_t at = n * percent / 100;

        qsort(times, n, sizeof(times[0]), compare);
        return (double)times[at];
}

/* From the program's start to its first verdict. Each time it is another process; the
 * client's own first connection takes longer than those after it. */
static void measure_start(const char *binary)
{
        static usec_t times[STARTS];
        SSL *ssl;

        for (size_t i = 0; i < STARTS; i++) {
                usec_t began;

                if (program)
                        stop_program();
                began = clock_now();
                start_program(binary);
                ssl = open_client();
                ask(ssl);
                take(ssl);
                times[i] = clock_now() - began;
                close_client(ssl);
        }
        printf("figure webhook.start %.1f ms <= 20\n", percentile(times, STARTS, 50) / (double)USEC_MSEC);
}

/* One request after the other, by one client: microseconds. */
static double measure_alone(size_t percent)
{
        static usec_t times[ALONE];
        SSL *ssl = open_client();

        for (size_t i = 0; i < ALONE; i++) {
                usec_t began = clock_now();

                ask(ssl);
                take(ssl);
                times[i] = clock_now() - began;
        }
        close_client(ssl);
        return percentile(times, ALONE, percent);
}

/* All ask before any looks for its reply: microseconds to the reply, and of processor
 * time for each request. */
static double measure_many(size_t percent, double *ret_cpu)
{
        static usec_t times[(size_t)ROUNDS * CLIENTS];
        SSL *clients[CLIENTS];
        size_t n = 0;
        double cpu;

        for (size_t i = 0; i < CLIENTS; i++)
                clients[i] = open_client();
        cpu = cpu_usec();
        for (size_t round = 0; round < ROUNDS; round++) {
                usec_t began[CLIENTS];

                for (size_t i = 0; i < CLIENTS; i++) {
                        began[i] = clock_now();
                        ask(clients[i]);
                }
                for (size_t i = 0; i < CLIENTS; i++) {
                        take(clients[i]);
                        times[n++] = clock_now() - began[i];
                }
        }
        *ret_cpu = (cpu_usec() - cpu) / (double)n;
        for (size_t i = 0; i < CLIENTS; i++)
                close_client(clients[i]);
        return percentile(times, n, percent);
}

static void measure_floor(void)
{
        const struct str reply = STR("HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 154\r\n"
                                     "Content-Type: application/json\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT"
                                     "\r\n\r\n{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":"
                                     "\"AdmissionReview\",\"response\":{\"uid\":\"705ab4f5-6393-11e8-b7cc-"
                                     "42010a800002\",\"allowed\":true}}");
        double cpu;

        program = echo_start(cert_path, key_path, request.len, reply, &port);
        if (program < 0)
                die("the floor");
        printf("figure webhook.floor.alone.p50 %.0f us\n", measure_alone(50));
        (void)measure_many(99, &cpu);
        printf("figure webhook.floor.cpu_per_request %.1f us\n", cpu);
        kill(program, SIGKILL);
        waitpid(program, NULL, 0);
        program = 0;
}

static void measure_load(void)
{
        double cpu, p99;

        printf("figure webhook.alone.p50 %.0f us <= 55\n", measure_alone(50));
        p99 = measure_many(99, &cpu);
        printf("figure webhook.cpu_per_request %.1f us <= 16\n", cpu);
        printf("figure webhook.clients_%d.p99 %.0f us <= 2000\n", CLIENTS, p99);
        printf("figure webhook.rss_anon %.0f KiB <= 8192\n", proc_figure("status", "RssAnon:"));
}

/* Others hold more connections than it has room for, and ask for nothing. */
static void measure_beside_idle(void)
{
        static SSL *idle[IDLE];
        struct rlimit files;

        if (getrlimit(RLIMIT_NOFILE, &files) < 0)
                die("RLIMIT_NOFILE");
        files.rlim_cur = MIN(2 * (rlim_t)IDLE, files.rlim_max);
        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
                die("RLIMIT_NOFILE");
        for (size_t i = 0; i < IDLE; i++)
                idle[i] = open_client();
        printf("figure webhook.beside_idle.p99 %.0f us <= 1000000\n", measure_alone(99));
        printf("figure webhook.beside_idle.rss_anon %.0f KiB\n", proc_figure("status", "RssAnon:"));
        for (size_t i = 0; i < IDLE; i++)
                close_client(idle[i]);
        sleep(2); /* it gives memory back once a second */
        printf("figure webhook.after_idle.rss_anon %.0f KiB <= 8192\n", proc_figure("status", "RssAnon:"));
}

static void make_request(const char *path)
{
        struct buf body = BUF_INIT(REQUEST_MAX);

        if (file_read(path, &body) < 0)
                die(path);
        buf_printf(&request,
                   "POST /validate?timeout=10s HTTP/1.1\r\nHost: keelson-webhook.keelson-system.svc\r\n"
                   "User-Agent: kube-apiserver-admission\r\nAccept: application/json, */*\r\n"
                   "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                   body.len, body.data);
        buf_release(&body);
        if (buf_error(&request) < 0)
                die(path);
}

int main(int argc, char **argv)
{
        if (argc != 3)
                return EXIT_FAILURE;
        make_certificate();
        make_request(argv[2]);
        tls = SSL_CTX_new(TLS_client_method());
        if (!tls)
                die("cannot start TLS");
        measure_floor();
        measure_start(argv[1]);
        measure_load();
        measure_beside_idle();
        stop_program();
        remove_certificate();
        SSL_CTX_free(tls);
        buf_release(&request);
        return EXIT_SUCCESS;
}
