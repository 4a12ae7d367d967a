/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/webhook.h"

#include <errno.h>

#include "admission/endpoint.h"
#include "base/log.h"
#include "http/listen.h"
#include "manager/metrics.h"
#include "manager/server.h"

/* The files are read again so often. */
#define FILES_PERIOD (2 * USEC_SEC)
/* What is under way when it closes has this long. */
#define FINISH_MAX (10 * USEC_SEC)
#define FINISH_PERIOD (20 * USEC_MSEC)

enum stage { SERVING, LEAVING, CLOSING };

struct webhook {
        const struct webhook_options *options;
        struct loop *loop;
        struct identity_source identities;
        struct endpoint endpoint;
        struct metrics *metrics;
        struct metric *reloads, *failed_reloads;
        struct server *server;
        struct loop_signal signals;
        struct loop_timer files_timer, stop_timer;
        usec_t end; /* of the last stage */
        enum stage stage;
};

/* --- the certificate ------------------------------------------------------------------ */

static void log_certificate(const struct webhook *w, const char *what)
{
        char until[CLOCK_RFC3339_MAX];
        size_t n = clock_format(w->identities.now->expires, false, until);

        log_info(what, LOG_CSTR("file", w->options->files.certificate), LOG_STR("until", str_n(until, n)));
        if (w->identities.now->weakness)
                log_warn("API servers may refuse the certificate",
                         LOG_CSTR("file", w->options->files.certificate),
                         LOG_CSTR("why", w->identities.now->weakness));
}

static void on_files(struct loop_timer *timer, void *arg)
{
        struct webhook *w = arg;
        struct error err = ERROR_INIT;
        int r = identity_source_check(&w->identities, &err);

        if (r > 0) {
                metric_add(w->reloads, 1);
                log_certificate(w, "a new certificate");
        } else if (r < 0) {
                metric_add(w->failed_reloads, 1);
                log_error("the certificate could not be read again; the old one stays",
                          LOG_CSTR("error", err.message));
        }
        r = loop_timer_set(w->loop, timer, clock_now() + FILES_PERIOD, on_files, w);
        (void)r; /* set from its own callback: it needs no memory */
}

/* --- health and metrics --------------------------------------------------------------- */

static int check_ping(void *arg _unused_, struct error *why _unused_)
{
        return 0;
}

static int check_serving(void *arg, struct error *why)
{
        const struct webhook *w = arg;

        return w->stage == SERVING ? 0 : error_set(why, -ESHUTDOWN, "it is being stopped");
}

static int check_certificate(void *arg, struct error *why)
{
        const struct webhook *w = arg;

        if (w->identities.now->expires > clock_wall())
                return 0;
        return error_set(why, -EKEYEXPIRED, "the certificate in %s has expired; put a new one there",
                         w->options->files.certificate);
}

static double certificate_end(void *arg)
{
        const struct webhook *w = arg;

        return (double)w->identities.now->expires / (double)USEC_SEC;
}

static double n_connections(void *arg)
{
        const struct webhook *w = arg;

        return (double)w->endpoint.connections.n;
}

static double n_shed(void *arg)
{
        const struct webhook *w = arg;

        return (double)w->endpoint.connections.n_shed;
}

static double n_expired(void *arg)
{
        const struct webhook *w = arg;

        return (double)w->endpoint.connections.n_expired;
}

struct own_metric {
        struct metric_desc desc;
        metric_fn *fn;
};

static const struct own_metric own_metrics[] = {
        { { .name = "keelson_admission_certificate_expiry_timestamp_seconds",
            .help = "When the serving certificate ends, in Unix time.",
            .type = METRIC_GAUGE },
          certificate_end },
        { { .name = "keelson_admission_connections", .help = "Open connections.", .type = METRIC_GAUGE },
          n_connections },
        { { .name = "keelson_admission_connections_shed_total",
            .help = "Connections that were ended since there were too many.",
            .type = METRIC_COUNTER },
          n_shed },
        { { .name = "keelson_admission_connections_expired_total",
            .help = "Connections that were ended since they took too long.",
            .type = METRIC_COUNTER },
          n_expired },
};

static int add_metrics(struct webhook *w)
{
        static const struct metric_desc reloads = {
                .name = "keelson_admission_certificate_reloads_total",
                .help = "Changes of the certificate's files, by whether they could be used.",
                .type = METRIC_COUNTER,
                .labels = { "result" },
        };
        struct metric_family *family;
        int r = metrics_add_process(w->metrics, w->options->version);

        for (size_t i = 0; i < ARRAY_SIZE(own_metrics) && r == 0; i++) {
                r = metrics_add(w->metrics, &own_metrics[i].desc, &family);
                if (r == 0)
                        metric_call(metric_only(family), own_metrics[i].fn, w);
        }
        if (r == 0)
                r = metrics_add(w->metrics, &reloads, &family);
        if (r < 0)
                return r;
        w->reloads = metric_with(family, STR("ok"));
        w->failed_reloads = metric_with(family, STR("failed"));
        return 0;
}

static int start_server(struct webhook *w, struct health health[2], struct error *err)
{
        const struct server_route routes[] = {
                { "/metrics", server_serve_metrics, w->metrics },
                { "/livez", server_serve_health, &health[0] },
                { "/readyz", server_serve_health, &health[1] },
        };

        if (!w->options->metrics_listen.data)
                return 0;
        return server_new(w->loop, w->options->metrics_listen, routes, ARRAY_SIZE(routes), &w->server, err);
}

/* --- the end -------------------------------------------------------------------------- */

static void on_stop_timer(struct loop_timer *timer, void *arg);

static void set_stop_timer(struct webhook *w, usec_t due)
{
        if (loop_timer_set(w->loop, &w->stop_timer, due, on_stop_timer, w) < 0)
                loop_stop(w->loop, 0);
}

static void on_stop_timer(struct loop_timer *timer _unused_, void *arg)
{
        struct webhook *w = arg;
        usec_t now = clock_now();

        if (w->stage == LEAVING) {
                w->stage = CLOSING;
                w->end = now + FINISH_MAX;
                endpoint_close(&w->endpoint);
        }
        if (!connections_busy(&w->endpoint.connections) || now >= w->end)
                loop_stop(w->loop, 0);
        else
                set_stop_timer(w, now + FINISH_PERIOD);
}

static void on_signal(struct loop_signal *source _unused_, const struct signalfd_siginfo *info, void *arg)
{
        struct webhook *w = arg;

        if (info->ssi_signo == SIGHUP) {
                log_info("SIGHUP is ignored: the files are read again by themselves");
                return;
        }
        if (w->stage != SERVING) {
                log_warn("stopping at once");
                loop_stop(w->loop, 0);
                return;
        }
        log_info("stopping");
        w->stage = LEAVING;
        endpoint_leave(&w->endpoint);
        set_stop_timer(w, clock_now() + w->options->drain);
}

static int watch_signals(struct webhook *w)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        return loop_signal_start(w->loop, &w->signals, &set, on_signal, w);
}

/* --- life ----------------------------------------------------------------------------- */

static int start_parts(struct webhook *w, struct health health[2], struct error *err)
{
        const struct endpoint_config config = {
                .listen = w->options->listen,
                .kinds = w->options->kinds,
                .n_kinds = w->options->n_kinds,
                .conversions = w->options->conversions,
                .n_conversions = w->options->n_conversions,
                .identities = &w->identities,
                .metrics = w->metrics,
        };
        int r = identity_source_check(&w->identities, err);

        if (r >= 0)
                r = endpoint_start(w->loop, &w->endpoint, &config, err);
        if (r >= 0)
                r = start_server(w, health, err);
        if (r < 0)
                return r;
        if (loop_timer_set(w->loop, &w->files_timer, clock_now() + FILES_PERIOD, on_files, w) < 0)
                return error_set(err, -ENOMEM, "out of memory");
        log_info("serving", LOG_INT("port", w->endpoint.port),
                 LOG_INT("metrics_port", w->server ? server_port(w->server) : 0));
        log_certificate(w, "the certificate");
        return 0;
}

static void webhook_release(struct webhook *w)
{
        loop_timer_stop(&w->files_timer);
        loop_timer_stop(&w->stop_timer);
        server_free(w->server);
        endpoint_stop(&w->endpoint);
        identity_source_release(&w->identities);
        metrics_free(w->metrics);
        loop_signal_stop(&w->signals);
        loop_free(w->loop);
}

int webhook_check(const struct webhook_options *options, struct error *err)
{
        if (!options->files.certificate || !options->files.key)
                return error_set(err, -EINVAL,
                                 "--tls-cert and --tls-key must name a certificate and its key");
        if (http_check_address(options->listen, err) < 0)
                return -EINVAL;
        if (options->metrics_listen.data && http_check_address(options->metrics_listen, err) < 0)
                return -EINVAL;
        return 0;
}

int webhook_run(const struct webhook_options *options, struct error *err)
{
        struct webhook w = { .options = options };
        struct health_check live[] = { { "ping", check_ping, NULL } };
        struct health_check ready[] = { { "serving", check_serving, &w },
                                        { "certificate", check_certificate, &w } };
        struct health health[] = { { "livez", live, ARRAY_SIZE(live) },
                                   { "readyz", ready, ARRAY_SIZE(ready) } };
        int r;

        identity_source_init(&w.identities, &options->files);
        r = loop_new(&w.loop);
        if (r == 0)
                r = watch_signals(&w);
        if (r == 0)
                r = metrics_new(&w.metrics);
        if (r == 0)
                r = add_metrics(&w);
        if (r < 0)
                error_set(err, r, "cannot start: %s", strerror(-r));
        else
                r = start_parts(&w, health, err);
        if (r == 0)
                r = loop_run(w.loop);
        webhook_release(&w);
        return r;
}
