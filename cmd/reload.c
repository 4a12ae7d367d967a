/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/reload/reload.h"
#include "base/log.h"
#include "cmd/cmd.h"

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
        "  --settle D            how long to wait for further changes (default: 1s)\n"
        "  --log-level LEVEL     debug, info, warn or error (default: info)\n"
        "  --log-format FORMAT   json or text (default: json)\n"
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
        OPT_LOG_LEVEL,
        OPT_LOG_FORMAT,
        OPT_HELP,
};

static const struct option long_options[] = {
        { "configmap", required_argument, NULL, OPT_CONFIGMAP },
        { "secret", required_argument, NULL, OPT_SECRET },
        { "pid-namespace", no_argument, NULL, OPT_PID_NAMESPACE },
        { "pid", required_argument, NULL, OPT_PID },
        { "settle", required_argument, NULL, OPT_SETTLE },
        { "log-level", required_argument, NULL, OPT_LOG_LEVEL },
        { "log-format", required_argument, NULL, OPT_LOG_FORMAT },
        { "help", no_argument, NULL, OPT_HELP },
        { 0 },
};

struct arguments {
        struct reload_options options;
        struct reload_folder folders[RELOAD_FOLDERS_MAX];
        bool pid_namespace;
        enum log_level log_level;
        enum log_format log_format;
        bool help;
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

/* Takes one option in; on failure *ret_expected says what its value should have been. */
static int take_option(struct arguments *a, int id, struct str value, const char **ret_expected)
{
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
                if (duration_parse(value, &a->options.settle) < 0 || a->options.settle < 10 * USEC_MSEC ||
                    a->options.settle > USEC_MINUTE)
                        return -EINVAL;
                return 0;
        case OPT_LOG_LEVEL:
                *ret_expected = "debug, info, warn or error";
                return log_level_parse(value, &a->log_level);
        case OPT_LOG_FORMAT:
                *ret_expected = "json or text";
                return log_format_parse(value, &a->log_format);
        default:
                a->help = true;
                return 0;
        }
}

static int refuse(const char *what, const char *which)
{
        fprintf(stderr, "keelson reload: %s%s; keelson reload --help lists the options\n", what, which);
        return EXIT_USAGE;
}

static int parse(int argc, char **argv, struct arguments *a)
{
        int id, at = 0;

        opterr = 0;
        while ((id = getopt_long(argc, argv, ":h", long_options, &at)) >= 0) {
                const char *expected = "another value";

                if (id == ':')
                        return refuse("a value is needed behind ", argv[optind - 1]);
                if (id == '?')
                        return refuse("unknown option ", argv[optind - 1]);
                if (take_option(a, id, str_c(optarg), &expected) < 0) {
                        fprintf(stderr, "keelson reload: --%s: expected %s, not \"%s\"\n",
                                long_options[at].name, expected, optarg ? optarg : "");
                        return EXIT_USAGE;
                }
        }
        if (optind < argc)
                return refuse("unexpected argument ", argv[optind]);
        if (a->help)
                return 0;
        if (a->options.n_folders == 0)
                return refuse("nothing to watch: name a --configmap or a --secret", "");
        if (a->pid_namespace == (a->options.pid != 0))
                return refuse("name one of --pid-namespace and --pid", "");
        if (a->pid_namespace && getpid() == 1)
                return refuse("--pid-namespace: this container has processes of its own; set "
                              "shareProcessNamespace: true in the pod",
                              "");
        return 0;
}

int cmd_reload(int argc, char **argv)
{
        struct arguments a = {
                .log_level = LOG_INFO,
                .log_format = LOG_JSON,
        };
        struct error err = ERROR_INIT;
        int r;

        reload_options_init(&a.options);
        a.options.folders = a.folders;
        r = parse(argc, argv, &a);
        if (r)
                return r;
        if (a.help) {
                fputs(usage, stdout);
                return EXIT_SUCCESS;
        }
        log_setup(a.log_level, a.log_format);
        if (reload_run(&a.options, &err) < 0) {
                fprintf(stderr, "keelson reload: %s\n", err.message);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
