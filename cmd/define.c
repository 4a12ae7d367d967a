/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "manager/definitions.h"

#define TIMEOUT_MAX USEC_HOUR

static const char usage[] =
        "usage: keelson define --from DIR [OPTION…]\n"
        "\n"
        "Applies the definitions (CRDs) in a folder, and waits until the API server serves them.\n"
        "In the operator's pod it runs before the operator.\n"
        "\n"
        "  --from DIR          all its *.yaml\n"
        "  --kubeconfig FILE   how to reach the API server (default: $KUBECONFIG, else the\n"
        "                      pod's service account, else ~/.kube/config)\n"
        "  --timeout D         for all of it (default: 1m)\n" CMD_LOG_USAGE
        "  --help              this text\n";

enum option_id { OPT_FROM = 256, OPT_KUBECONFIG, OPT_TIMEOUT };

static const struct option options[] = {
        { "from", required_argument, NULL, OPT_FROM },
        { "kubeconfig", required_argument, NULL, OPT_KUBECONFIG },
        { "timeout", required_argument, NULL, OPT_TIMEOUT },
        CMD_LOG_OPTIONS,
        CMD_HELP_OPTION,
        { 0 },
};

struct arguments {
        struct definitions_options options;
        struct cmd_log log;
};

static int take_option(void *arg, int id, struct str value, const char **ret_expected)
{
        struct arguments *a = arg;

        switch (id) {
        case OPT_FROM:
                a->options.folder = value.data;
                return 0;
        case OPT_KUBECONFIG:
                a->options.kubeconfig = value;
                return 0;
        case OPT_TIMEOUT:
                *ret_expected = "a duration from 1s to 1h";
                return cmd_parse_duration(value, USEC_SEC, TIMEOUT_MAX, &a->options.timeout);
        default:
                return cmd_take_log(&a->log, id, value, ret_expected);
        }
}

static void on_signal(int signal)
{
        _exit(128 + signal);
}

/* As process 1 of a container it would not be ended by a signal without a handler. Each
 * of its writes is whole in itself, so there is nothing to finish. */
static void end_by_signals(void)
{
        signal(SIGTERM, on_signal);
        signal(SIGINT, on_signal);
}

int cmd_define(int argc, char **argv)
{
        static const struct cmd_line line = {
                .command = "define", .usage = usage, .options = options, .take = take_option
        };
        struct arguments a = { .options = { .timeout = USEC_MINUTE }, .log = CMD_LOG_INIT };
        struct error err = ERROR_INIT;
        int code;

        if (!cmd_parse(&line, argc, argv, &a, &code))
                return code;
        if (!a.options.folder)
                return cmd_refuse(&line, "--from must name a folder with definitions");
        end_by_signals();
        log_setup(a.log.level, a.log.format);
        if (definitions_run(&a.options, &err) < 0) {
                log_last_words("keelson define", err.message);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
