/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "controller/app/app.h"
#include "controller/environment/environment.h"
#include "manager/operator.h"

#define NAMESPACES_MAX 64

static const char usage[] =
        "usage: keelson operator [OPTION…]\n"
        "\n"
        "Watches Keelson's resources and keeps the cluster as they say.\n"
        "\n"
        "  --kubeconfig FILE     how to reach the API server (default: $KUBECONFIG, else the\n"
        "                        pod's service account, else ~/.kube/config)\n"
        "  --listen ADDR:PORT    serve /metrics, /livez and /readyz there (default: :8080)\n"
        "  --leader-elect=BOOL   wait for the Lease \"keelson-operator\" before acting (default: true)\n"
        "  --lease-namespace NS  where that Lease is (default: the pod's namespace)\n"
        "  --lease-duration D    how long a silent leader is waited for (default: 15s)\n"
        "  --renew-deadline D    how long a leader acts without a renewal (default: 10s)\n"
        "  --retry-period D      between tries to get or renew the Lease (default: 2s)\n"
        "  --image IMAGE         this program's own image, for the helper in the pods of Apps with\n"
        "                        configReload: Signal (default: $KEELSON_IMAGE)\n"
        "  --namespace NS        watch this namespace only; may be repeated (default: all)\n"
        "  --log-level LEVEL     debug, info, warn or error (default: info)\n"
        "  --log-format FORMAT   json or text (default: json)\n"
        "  --help                this text\n";

enum option_id {
        OPT_KUBECONFIG = 256,
        OPT_LISTEN,
        OPT_LEADER_ELECT,
        OPT_LEASE_NAMESPACE,
        OPT_LEASE_DURATION,
        OPT_RENEW_DEADLINE,
        OPT_RETRY_PERIOD,
        OPT_IMAGE,
        OPT_NAMESPACE,
        OPT_LOG_LEVEL,
        OPT_LOG_FORMAT,
        OPT_HELP,
};

static const struct option long_options[] = {
        { "kubeconfig", required_argument, NULL, OPT_KUBECONFIG },
        { "listen", required_argument, NULL, OPT_LISTEN },
        { "leader-elect", optional_argument, NULL, OPT_LEADER_ELECT },
        { "lease-namespace", required_argument, NULL, OPT_LEASE_NAMESPACE },
        { "lease-duration", required_argument, NULL, OPT_LEASE_DURATION },
        { "renew-deadline", required_argument, NULL, OPT_RENEW_DEADLINE },
        { "retry-period", required_argument, NULL, OPT_RETRY_PERIOD },
        { "image", required_argument, NULL, OPT_IMAGE },
        { "namespace", required_argument, NULL, OPT_NAMESPACE },
        { "log-level", required_argument, NULL, OPT_LOG_LEVEL },
        { "log-format", required_argument, NULL, OPT_LOG_FORMAT },
        { "help", no_argument, NULL, OPT_HELP },
        { 0 },
};

struct arguments {
        struct operator_options options;
        struct str namespaces[NAMESPACES_MAX];
        enum log_level log_level;
        enum log_format log_format;
        bool help;
};

static int take_duration(struct str s, usec_t *ret)
{
        usec_t d;

        if (duration_parse(s, &d) < 0 || d <= 0)
                return -EINVAL;
        *ret = d;
        return 0;
}

/* A DNS label, which the name of a namespace is (RFC 1123). */
static bool is_label(struct str s)
{
        if (s.len < 1 || s.len > 63 || s.data[0] == '-' || s.data[s.len - 1] == '-')
                return false;
        for (size_t i = 0; i < s.len; i++)
                if (!((s.data[i] >= 'a' && s.data[i] <= 'z') || (s.data[i] >= '0' && s.data[i] <= '9') ||
                      s.data[i] == '-'))
                        return false;
        return true;
}

/* A namespace that is named twice is watched once. */
static int add_namespace(struct arguments *a, struct str name)
{
        for (size_t i = 0; i < a->options.n_namespaces; i++)
                if (str_eq(a->namespaces[i], name))
                        return 0;
        if (a->options.n_namespaces == NAMESPACES_MAX)
                return -E2BIG;
        a->namespaces[a->options.n_namespaces++] = name;
        return 0;
}

/* Takes one option in; on failure *ret_expected says what its value should have been. */
static int take_option(struct arguments *a, int id, struct str value, const char **ret_expected)
{
        struct operator_options *o = &a->options;

        switch (id) {
        case OPT_KUBECONFIG:
                o->kubeconfig = value;
                return 0;
        case OPT_LISTEN:
                o->listen = value;
                return 0;
        case OPT_LEADER_ELECT:
                *ret_expected = "true or false";
                return value.data ? cmd_parse_bool(value, &o->leader_elect) : 0;
        case OPT_LEASE_NAMESPACE:
                *ret_expected = "the name of a namespace (a-z, 0-9 and -)";
                o->lease_namespace = value;
                return is_label(value) ? 0 : -EINVAL;
        case OPT_LEASE_DURATION:
                *ret_expected = "a duration such as 15s";
                return take_duration(value, &o->lease_duration);
        case OPT_RENEW_DEADLINE:
                *ret_expected = "a duration such as 10s";
                return take_duration(value, &o->renew_deadline);
        case OPT_RETRY_PERIOD:
                *ret_expected = "a duration such as 2s";
                return take_duration(value, &o->retry_period);
        case OPT_IMAGE:
                *ret_expected = "the name of an image, such as registry.example/keelson:1.0";
                o->image = value;
                return str_empty(value) ? -EINVAL : 0;
        case OPT_NAMESPACE:
                *ret_expected = "the name of a namespace (a-z, 0-9 and -), 64 times at the most";
                return is_label(value) ? add_namespace(a, value) : -EINVAL;
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

/* What getopt_long did not understand; it is behind that word by now. */
static int refuse_option(int id, char **argv)
{
        char letter[] = { '-', (char)optopt, '\0' };
        bool is_letter = id == '?' && optopt > ' ' && optopt < 0x7f;

        fprintf(stderr,
                id == ':' ? "keelson operator: option %s needs a value"
                          : "keelson operator: unknown option \"%s\"",
                is_letter ? letter : argv[optind - 1]);
        fputs("; keelson operator --help lists the options\n", stderr);
        return EXIT_USAGE;
}

static int parse(int argc, char **argv, struct arguments *a)
{
        int id, at = 0;

        opterr = 0;
        while ((id = getopt_long(argc, argv, ":h", long_options, &at)) >= 0) {
                const char *expected = "another value";

                if (id == '?' || id == ':')
                        return refuse_option(id, argv);
                if (take_option(a, id, str_c(optarg), &expected) < 0) {
                        fprintf(stderr, "keelson operator: --%s: expected %s, not \"%s\"\n",
                                long_options[at].name, expected, optarg ? optarg : "");
                        return EXIT_USAGE;
                }
        }
        if (optind < argc) {
                fprintf(stderr,
                        "keelson operator: unexpected argument \"%s\"; keelson operator --help lists the options\n",
                        argv[optind]);
                return EXIT_USAGE;
        }
        return 0;
}

static struct str image_of_environment(void)
{
        const char *image = getenv("KEELSON_IMAGE");

        return image && *image ? str_c(image) : STR_NULL;
}

int cmd_operator(int argc, char **argv)
{
        static const struct controller *const controllers[] = { &app_controller, &environment_controller };
        struct arguments a = {
                .options = {
                        .listen = STR(":8080"),
                        .leader_elect = true,
                        .lease_duration = 15 * USEC_SEC,
                        .renew_deadline = 10 * USEC_SEC,
                        .retry_period = 2 * USEC_SEC,
                        .controllers = controllers,
                        .n_controllers = ARRAY_SIZE(controllers),
                        .version = STR(KEELSON_VERSION),
                        .image = image_of_environment(),
                },
                .log_level = LOG_INFO,
                .log_format = LOG_JSON,
        };
        struct error err = ERROR_INIT;
        int r;

        a.options.namespaces = a.namespaces;
        r = parse(argc, argv, &a);
        if (r)
                return r;
        if (a.help) {
                fputs(usage, stdout);
                return EXIT_SUCCESS;
        }
        if (operator_check(&a.options, &err) < 0) {
                fprintf(stderr, "keelson operator: %s\n", err.message);
                return EXIT_USAGE;
        }
        log_setup(a.log_level, a.log_format);
        r = operator_run(&a.options, &err);
        if (r < 0) {
                fprintf(stderr, "keelson operator: %s\n", err.message);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
