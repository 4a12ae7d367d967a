/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "admission/webhook.h"
#include "cmd/cmd.h"
#include "cmd/kinds.h"
#include "cmd/options.h"

static const char usage[] =
        "usage: keelson webhook --tls-cert FILE --tls-key FILE [OPTION…]\n"
        "\n"
        "Tells the API server whether Keelson's resources are as they may be, and converts\n"
        "them between versions. It needs no access to the cluster.\n"
        "\n"
        "  --listen ADDR:PORT          serve /validate, /mutate and /convert there, over TLS\n"
        "                              (default: :8443)\n"
        "  --tls-cert FILE             the certificate, with the chain below the root (PEM)\n"
        "  --tls-key FILE              its key (PEM). Both are read again when they change\n"
        "  --client-ca FILE            let in only clients with a certificate of this CA (PEM)\n"
        "  --metrics-listen ADDR:PORT  serve /metrics, /livez and /readyz there (default: :8080)\n"
        "  --drain D                   after SIGTERM, how long new connections are still taken\n"
        "                              (default: 5s)\n" CMD_LOG_USAGE
        "  --help                      this text\n";

enum option_id {
        OPT_LISTEN = 256,
        OPT_TLS_CERT,
        OPT_TLS_KEY,
        OPT_CLIENT_CA,
        OPT_METRICS_LISTEN,
        OPT_DRAIN,
};

static const struct option options[] = {
        { "listen", required_argument, NULL, OPT_LISTEN },
        { "tls-cert", required_argument, NULL, OPT_TLS_CERT },
        { "tls-key", required_argument, NULL, OPT_TLS_KEY },
        { "client-ca", required_argument, NULL, OPT_CLIENT_CA },
        { "metrics-listen", required_argument, NULL, OPT_METRICS_LISTEN },
        { "drain", required_argument, NULL, OPT_DRAIN },
        CMD_LOG_OPTIONS,
        CMD_HELP_OPTION,
        { 0 },
};

struct arguments {
        struct webhook_options options;
        struct cmd_log log;
};

static int take_option(void *arg, int id, struct str value, const char **ret_expected)
{
        struct arguments *a = arg;
        struct webhook_options *o = &a->options;

        switch (id) {
        case OPT_LISTEN:
                o->listen = value;
                return 0;
        case OPT_TLS_CERT:
                o->files.certificate = value.data;
                return 0;
        case OPT_TLS_KEY:
                o->files.key = value.data;
                return 0;
        case OPT_CLIENT_CA:
                o->files.client_ca = value.data;
                return 0;
        case OPT_METRICS_LISTEN:
                o->metrics_listen = value;
                return 0;
        case OPT_DRAIN:
                *ret_expected = "a duration from 0s to 5m";
                return cmd_parse_duration(value, 0, WEBHOOK_DRAIN_MAX, &o->drain);
        default:
                return cmd_take_log(&a->log, id, value, ret_expected);
        }
}

int cmd_webhook(int argc, char **argv)
{
        static const struct cmd_line line = {
                .command = "webhook", .usage = usage, .options = options, .take = take_option
        };
        struct arguments a = {
                .options = {
                        .listen = STR(":8443"),
                        .metrics_listen = STR(":8080"),
                        .kinds = cmd_kinds,
                        .n_kinds = CMD_KINDS,
                        .conversions = cmd_conversions,
                        .n_conversions = CMD_KINDS,
                        .drain = 5 * USEC_SEC,
                        .version = STR(KEELSON_VERSION),
                },
                .log = CMD_LOG_INIT,
        };
        struct error err = ERROR_INIT;
        int code;

        if (!cmd_parse(&line, argc, argv, &a, &code))
                return code;
        if (webhook_check(&a.options, &err) < 0)
                return cmd_refuse(&line, "%s", err.message);
        log_setup(a.log.level, a.log.format);
        if (webhook_run(&a.options, &err) < 0) {
                log_last_words("keelson webhook", err.message);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
