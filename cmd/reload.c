/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/reload/reload.h"
#include "cmd/cmd.h"
#include "cmd/options.h"

static const char usage[] =
        "usage: keelson reload --configmap NAME=DIR… --secret NAME=DIR… (--pid-namespace | --pid PID)\n"
        "\n"
        "Sends SIGHUP to a program when the ConfigMaps and Secrets that are mounted at these\n"
        "folders change. It is the sidecar of an App with configReload: Signal.\n"
        "\n"
        "  --configmap NAME=DIR  a ConfigMap and where it is mounted; may be repeated. What changes\n"
        "                        is logged by the names and hashes of its files\n"
        "  --secret NAME=DIR     a Secret; may be repeated. Only names are logged\n"
        "  --pid-namespace       signal the program of this pod that has the same folders mounted; the\n"
        "                        pod needs shareProcessNamespace: true\n"
        "  --pid PID             signal this process\n"
        "  --settle D            how long to wait for further changes (default: 1s)\n" CMD_LOG_USAGE
        "  --help                this text\n"
        "\n"
        "A file called *.json that is not JSON holds the signal back, and so does a program that\n"
        "does not handle SIGHUP. A process that runs as another user cannot be signalled.\n";

enum option_id {
        OPT_CONFIGMAP = 256,
        OPT_SECRET,
        OPT_PID_NAMESPACE,
        OPT_PID,
        OPT_SETTLE,
};

static const struct option options[] = {
        { "configmap", required_argument, NULL, OPT_CONFIGMAP },
        { "secret", required_argument, NULL, OPT_SECRET },
        { "pid-namespace", no_argument, NULL, OPT_PID_NAMESPACE },
        { "pid", required_argument, NULL, OPT_PID },
        { "settle", required_argument, NULL, OPT_SETTLE },
        CMD_LOG_OPTIONS,
        CMD_HELP_OPTION,
        { 0 },
};

struct arguments {
        struct reload_options options;
        struct reload_folder folders[RELOAD_FOLDERS_MAX];
        bool pid_namespace;
        struct cmd_log log;
};

static int take_folder(struct arguments *a, struct str value, bool secret)
{
        struct reload_folder *folder = &a->folders[a->options.n_folders];

        if (a->options.n_folders == RELOAD_FOLDERS_MAX)
                return -E2BIG;
        folder->secret = secret;
        if (!str_cut(value, '=', &folder->name, &folder->path) || str_empty(folder->name) ||
            !str_starts(folder->path, STR("/")))
                return -EINVAL;
        a->options.n_folders++;
        return 0;
}

static int take_pid(struct str value, pid_t *ret)
{
        int64_t n;

        if (str_to_int64(value, &n) < 0 || n < 1 || n > INT32_MAX)
                return -EINVAL;
        *ret = (pid_t)n;
        return 0;
}

static int take_option(void *arg, int id, struct str value, const char **ret_expected)
{
        struct arguments *a = arg;

        switch (id) {
        case OPT_CONFIGMAP:
        case OPT_SECRET:
                *ret_expected =
                        "a name and an absolute path, such as shop-config=/config/0, 64 times at the most";
                return take_folder(a, value, id == OPT_SECRET);
        case OPT_PID_NAMESPACE:
                a->pid_namespace = true;
                return 0;
        case OPT_PID:
                *ret_expected = "the number of a process";
                return take_pid(value, &a->options.pid);
        case OPT_SETTLE:
                *ret_expected = "a duration from 10ms to 1m";
                return cmd_parse_duration(value, 10 * USEC_MSEC, USEC_MINUTE, &a->options.settle);
        default:
                return cmd_take_log(&a->log, id, value, ret_expected);
        }
}

static const struct cmd_line line = {
        .command = "reload", .usage = usage, .options = options, .take = take_option
};

/* 0 or the exit code. */
static int check(const struct arguments *a)
{
        if (a->options.n_folders == 0)
                return cmd_refuse(&line, "nothing to watch: name a --configmap or a --secret");
        if (a->pid_namespace == (a->options.pid != 0))
                return cmd_refuse(&line, "name one of --pid-namespace and --pid");
        if (a->pid_namespace && getpid() == 1)
                return cmd_refuse(&line, "--pid-namespace: this container has processes of its own; set "
                                         "shareProcessNamespace: true in the pod");
        return 0;
}

int cmd_reload(int argc, char **argv)
{
        struct arguments a = { .log = CMD_LOG_INIT };
        struct error err = ERROR_INIT;
        int code;

        reload_options_init(&a.options);
        a.options.folders = a.folders;
        if (!cmd_parse(&line, argc, argv, &a, &code))
                return code;
        code = check(&a);
        if (code)
                return code;
        log_setup(a.log.level, a.log.format);
        if (reload_run(&a.options, &err) < 0) {
                log_last_words("keelson reload", err.message);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
