/* SPDX-License-Identifier: Apache-2.0
 *
 * A small web app that behaves as a pod should, for demonstrations and tests.
 *
 *      SIGTERM --> not ready, still serving --> no new connections --> exit 0
 *              DRAIN_DELAY                  open requests, at most
 *              (endpoints forget us)        DRAIN_TIMEOUT, else exit 1
 *
 * Settings, all from the environment:
 *      PORT            where to listen (8080; 0 takes a free one)
 *      POD_NAME, APP_VERSION   what / tells (host name; "unknown")
 *      DRAIN_DELAY, DRAIN_TIMEOUT   seconds (5, 20)
 *      ACCESS_LOG=1    a line of JSON for each request
 *      START_DELAY=N   listens only after N seconds
 *      CONFIG_DIRS=DIR:DIR   folders of settings files, read at the start and with
 *                      each SIGHUP; /config shows what was read. A reload that fails
 *                      changes nothing.
 *      FAIL_READY=1    never ready: a bad release
 *      EXIT_AFTER=N    exits with 1 after N seconds: a crash loop
 *      BAD_VERSION=V   those two are only for the image with that APP_VERSION
 *
 * A settings file called "fail" is a bad setting: "start" lets it exit at the start,
 * "ready" makes it not ready as long as it says so.
 *
 * One thread a connection, so that /slow and /burn hold up nobody else.
 */
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "images/webapp/files.h"
#include "images/webapp/request.h"

#define CONNECTIONS_MAX 512
#define CONNECTION_MEMORY ((size_t)16 * 1024)
#define CONNECTION_IDLE_SECONDS 60
#define REPLY_MAX (FILE_SIZE_MAX + 4096)
#define SECONDS_MAX 3600

static struct {
        const char *pod, *version, *config_dirs;
        int64_t port, start_delay, drain_delay, drain_timeout, exit_after;
        bool access_log, fail_ready;
} settings;

static atomic_bool draining;
static atomic_int in_flight;
static atomic_ullong requests[ROUTE_N];

/* What the settings files said when they were last read, and how often they were. */
static pthread_mutex_t config_lock = PTHREAD_MUTEX_INITIALIZER;
static struct files config;
static uint64_t config_loads;

/* The log is for one thread at a time. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

#define say(level, ...)                                                                                      \
        do {                                                                                                 \
                pthread_mutex_lock(&log_lock);                                                               \
                log_at(level, __VA_ARGS__);                                                                  \
                pthread_mutex_unlock(&log_lock);                                                             \
        } while (0)

/* One request, from its first line until its reply has left. */
struct request {
        struct str method;
        enum route route;
        usec_t started;
        unsigned status;
        char path[256]; /* for the log */
};

/* --- settings files ------------------------------------------------------------ */

/* Reads them again. What was read before stays if that fails. */
static int config_load(void)
{
        struct files fresh, old;
        char where[1024];
        int r;

        r = files_read(settings.config_dirs, &fresh, where, sizeof(where));
        if (r < 0) {
                say(LOG_ERROR, "cannot read the settings files", LOG_CSTR("path", where),
                    LOG_CSTR("error", strerror(-r)));
                return r;
        }
        pthread_mutex_lock(&config_lock);
        old = config;
        config = fresh;
        config_loads++;
        pthread_mutex_unlock(&config_lock);
        files_release(&old);
        say(LOG_INFO, "settings files read", LOG_INT("files", (int64_t)fresh.n));
        return 0;
}

/* Whether the file "fail" says WHAT. */
static bool config_fails(const char *what)
{
        const struct setting *s;
        bool fails;

        pthread_mutex_lock(&config_lock);
        s = files_find(&config, STR("fail"));
        fails = s && str_eq_c(str_n(s->value, s->len), what);
        pthread_mutex_unlock(&config_lock);
        return fails;
}

/* A line for how often they were read, and one for each: its name, size and hash. */
static void write_config(char *out, size_t size)
{
        int n;

        pthread_mutex_lock(&config_lock);
        n = snprintf(out, size, "loads %llu\n", (unsigned long long)config_loads);
        for (size_t i = 0; i < config.n && n > 0 && (size_t)n < size; i++)
                n += snprintf(out + n, size - (size_t)n, "%s %zu %016llx\n", config.all[i].name,
                              config.all[i].len, (unsigned long long)setting_hash(&config.all[i]));
        pthread_mutex_unlock(&config_lock);
}

static bool write_setting(struct str name, char *out, size_t size)
{
        const struct setting *s;

        pthread_mutex_lock(&config_lock);
        s = files_find(&config, name);
        snprintf(out, size, "%s\n", s ? s->value : "no such file");
        pthread_mutex_unlock(&config_lock);
        return s;
}

/* --- requests ------------------------------------------------------------------- */

static bool is_ready(void)
{
        return !settings.fail_ready && !draining && !config_fails("ready");
}

static int write_metrics(char *out, size_t size)
{
        int n = snprintf(out, size,
                         "# HELP webapp_ready Whether the readiness check passes.\n"
                         "# TYPE webapp_ready gauge\n"
                         "webapp_ready %d\n"
                         "# HELP webapp_requests_in_flight Requests whose reply has not left yet.\n"
                         "# TYPE webapp_requests_in_flight gauge\n"
                         "webapp_requests_in_flight %d\n"
                         "# HELP webapp_requests_total Requests since the start, by route.\n"
                         "# TYPE webapp_requests_total counter\n",
                         is_ready(), in_flight);

        for (int i = 0; i < ROUTE_N && n > 0 && (size_t)n < size; i++)
                n += snprintf(out + n, size - (size_t)n, "webapp_requests_total{route=\"%s\"} %llu\n",
                              route_name((enum route)i), (unsigned long long)requests[i]);
        return n;
}

static void sleep_ms(int64_t ms)
{
        struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

        while (nanosleep(&left, &left) < 0 && errno == EINTR)
                ;
}

static int64_t thread_cpu_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* CPU time, so that a throttled pod does the same work, only later; but no longer
 * than the slowest request may take. */
static void burn_ms(int64_t ms)
{
        int64_t until = thread_cpu_ms() + ms;
        usec_t give_up = clock_now() + SLOW_MS_MAX * USEC_MSEC;
        volatile uint64_t sink = 0;

        while (thread_cpu_ms() < until && clock_now() < give_up)
                for (uint64_t i = 0; i < 100000; i++)
                        sink = sink * 31 + i;
}

/* The text of the reply, into OUT; returns the status. */
static unsigned answer(struct MHD_Connection *c, const struct request *r, const char *path, char *out,
                       size_t size)
{
        struct str ms_text = str_c(MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "ms"));
        char name[ENV_NAME_MAX + 1];
        const char *value;
        int64_t ms;

        switch (r->route) {
        case ROUTE_HELLO:
                snprintf(out, size, "Hello from %s, version %s\n", settings.pod, settings.version);
                return MHD_HTTP_OK;
        case ROUTE_LIVE:
                snprintf(out, size, "ok\n");
                return MHD_HTTP_OK;
        case ROUTE_READY:
                snprintf(out, size, "%s\n", is_ready() ? "ok" : draining ? "shutting down" : "not ready");
                return is_ready() ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
        case ROUTE_ENV:
                value = env_name(str_c(path), name) ? getenv(name) : NULL;
                snprintf(out, size, "%s\n", value ? value : "no such variable");
                return value ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND;
        case ROUTE_BURN:
        case ROUTE_SLOW:
                if (parse_ms(ms_text, r->route == ROUTE_BURN ? BURN_MS_MAX : SLOW_MS_MAX, &ms) < 0) {
                        snprintf(out, size, "ms must be a number of milliseconds\n");
                        return MHD_HTTP_BAD_REQUEST;
                }
                if (r->route == ROUTE_BURN)
                        burn_ms(ms);
                else
                        sleep_ms(ms);
                snprintf(out, size, "%lld ms\n", (long long)ms);
                return MHD_HTTP_OK;
        case ROUTE_METRICS:
                write_metrics(out, size);
                return MHD_HTTP_OK;
        case ROUTE_CONFIG:
                write_config(out, size);
                return MHD_HTTP_OK;
        case ROUTE_SETTING:
                return write_setting(setting_name(str_c(path)), out, size) ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND;
        case ROUTE_METHOD:
                snprintf(out, size, "only GET and HEAD\n");
                return MHD_HTTP_METHOD_NOT_ALLOWED;
        case ROUTE_NONE:
        case ROUTE_N:
                break;
        }
        snprintf(out, size, "not found\n");
        return MHD_HTTP_NOT_FOUND;
}

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, char *text)
{
        struct MHD_Response *response =
                MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY);
        enum MHD_Result ok;

        if (!response)
                return MHD_NO;
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
        if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
                MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        if (draining) /* the client's next request belongs to another pod */
                MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
        ok = MHD_queue_response(c, status, response);
        MHD_destroy_response(response);
        return ok;
}

/* MHD's callback: with *STATE NULL at the head of a request, then again for each
 * piece of a body, which we pass over, and at its end. */
static enum MHD_Result on_request(void *arg _unused_, struct MHD_Connection *c, const char *path,
                                  const char *method, const char *version _unused_, const char *body _unused_,
                                  size_t *body_len, void **state)
{
        struct request *r = *state;
        char text[REPLY_MAX];

        if (!r) {
                r = calloc(1, sizeof(*r));
                if (!r)
                        return MHD_NO;
                *state = r;
                r->started = clock_now();
                r->method = str_c(method);
                r->route = route_of(r->method, str_c(path));
                snprintf(r->path, sizeof(r->path), "%s", path);
                in_flight++;
                requests[r->route]++;
                return MHD_YES;
        }
        if (*body_len) {
                *body_len = 0;
                return MHD_YES;
        }
        r->status = answer(c, r, path, text, sizeof(text));
        return reply(c, r->status, text);
}

static void on_completed(void *arg _unused_, struct MHD_Connection *c _unused_, void **state,
                         enum MHD_RequestTerminationCode why)
{
        struct request *r = *state;

        if (!r)
                return;
        if (settings.access_log)
                say(LOG_INFO, "request", LOG_STR("method", r->method), LOG_CSTR("path", r->path),
                    LOG_INT("status", why == MHD_REQUEST_TERMINATED_COMPLETED_OK ? r->status : 0),
                    LOG_INT("micros", clock_now() - r->started));
        in_flight--;
        free(r);
        *state = NULL;
}

/* --- start and end ----------------------------------------------------------- */

static int64_t number_from(const char *name, int64_t otherwise, int64_t max)
{
        const char *text = getenv(name);
        int64_t n;

        if (!text || !*text)
                return otherwise;
        if (str_to_int64(str_c(text), &n) < 0 || n < 0 || n > max) {
                say(LOG_ERROR, "a setting is not a number in its range", LOG_CSTR("name", name),
                    LOG_CSTR("value", text), LOG_INT("max", max));
                exit(2);
        }
        return n;
}

static bool is_set(const char *name)
{
        const char *text = getenv(name);

        return text && (str_eq_c(str_c(text), "1") || str_eq_c(str_c(text), "true"));
}

static const char *text_from(const char *name, const char *otherwise)
{
        const char *text = getenv(name);

        return text && *text ? text : otherwise;
}

static void read_settings(void)
{
        const char *bad = text_from("BAD_VERSION", NULL);
        bool may_fail;

        settings.pod = text_from("POD_NAME", text_from("HOSTNAME", "unknown"));
        settings.version = text_from("APP_VERSION", "unknown");
        settings.port = number_from("PORT", 8080, 65535);
        settings.drain_delay = number_from("DRAIN_DELAY", 5, SECONDS_MAX);
        settings.drain_timeout = number_from("DRAIN_TIMEOUT", 20, SECONDS_MAX);
        settings.start_delay = number_from("START_DELAY", 0, SECONDS_MAX);
        settings.access_log = is_set("ACCESS_LOG");
        settings.config_dirs = text_from("CONFIG_DIRS", "");
        may_fail = !bad || str_eq_c(str_c(bad), settings.version);
        settings.exit_after = may_fail ? number_from("EXIT_AFTER", -1, SECONDS_MAX) : -1;
        settings.fail_ready = may_fail && is_set("FAIL_READY");
}

static struct MHD_Daemon *start(unsigned family)
{
        return MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | family,
                                (uint16_t)settings.port, NULL, NULL, on_request, NULL,
                                MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
                                CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
                                MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_IDLE_SECONDS,
                                MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_END);
}

/* Waits for SIGTERM or SIGINT, at most until DEADLINE (clock_now's time), and does
 * what each SIGHUP asks for. Whether one of the two came. */
static bool wait_signal(const sigset_t *signals, usec_t deadline)
{
        for (;;) {
                usec_t left = deadline - clock_now();
                struct timespec ts = { .tv_sec = left / USEC_SEC, .tv_nsec = left % USEC_SEC * 1000 };
                int signum;

                if (left <= 0)
                        return false;
                signum = sigtimedwait(signals, NULL, &ts);
                if (signum == SIGHUP)
                        (void)config_load();
                else if (signum > 0)
                        return true;
        }
}

static int shut_down(struct MHD_Daemon *daemon, const sigset_t *signals)
{
        usec_t began = clock_now(), force;
        int listener;

        draining = true;
        say(LOG_INFO, "shutting down: not ready, still serving", LOG_INT("drainDelay", settings.drain_delay),
            LOG_INT("inFlight", in_flight));
        (void)wait_signal(signals,
                          began + settings.drain_delay * USEC_SEC); /* a second signal cuts it short */
        listener = MHD_quiesce_daemon(daemon);
        if (listener >= 0)
                close(listener);
        say(LOG_INFO, "no new connections; finishing open requests", LOG_INT("inFlight", in_flight),
            LOG_INT("drainTimeout", settings.drain_timeout));
        force = clock_now() + settings.drain_timeout * USEC_SEC;
        while (in_flight > 0 && clock_now() < force)
                sleep_ms(10);
        say(LOG_INFO, in_flight ? "shut down by force" : "shut down", LOG_INT("inFlight", in_flight),
            LOG_INT("millis", (clock_now() - began) / USEC_MSEC));
        return in_flight ? 1 : 0;
}

int main(void)
{
        const union MHD_DaemonInfo *info;
        struct MHD_Daemon *daemon;
        sigset_t signals;

        log_setup(LOG_INFO, LOG_JSON);
        read_settings();
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        pthread_sigmask(SIG_BLOCK, &signals, NULL); /* in all threads; we wait for them */
        if (config_load() < 0)
                return 2;
        if (config_fails("start")) {
                say(LOG_ERROR, "exiting because the settings file \"fail\" says so");
                return 1;
        }
        if (settings.start_delay > 0 && wait_signal(&signals, clock_now() + settings.start_delay * USEC_SEC))
                return 0;
        daemon = start(MHD_USE_DUAL_STACK);
        if (!daemon)
                daemon = start(0); /* a kernel without IPv6 */
        if (!daemon) {
                say(LOG_ERROR, "cannot listen", LOG_INT("port", settings.port),
                    LOG_CSTR("error", strerror(errno)));
                return 1;
        }
        info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
        say(LOG_INFO, "listening", LOG_INT("port", info ? info->port : settings.port),
            LOG_CSTR("pod", settings.pod), LOG_CSTR("version", settings.version));
        if (settings.exit_after >= 0 &&
            !wait_signal(&signals, clock_now() + settings.exit_after * USEC_SEC)) {
                say(LOG_ERROR, "exiting because EXIT_AFTER says so", LOG_INT("seconds", settings.exit_after));
                _exit(1);
        }
        if (settings.exit_after < 0)
                (void)wait_signal(&signals, USEC_NEVER);
        /* Threads of idle connections are not worth waiting for. */
        _exit(shut_down(daemon, &signals));
}
