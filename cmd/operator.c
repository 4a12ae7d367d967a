/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "controller/app/app.h"
#include "controller/certificates/keeper.h"
#include "controller/environment/environment.h"
#include "controller/redis/redis.h"
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
        "  --webhook-certificates=WHO\n"
        "                        who makes the webhook's certificates: self (the default), or external,\n"
        "                        such as cert-manager\n"
        "  --webhook-service NAME\n"
        "                        the webhook's Service, in the namespace of the Lease; its\n"
        "                        configurations have the same name (default: keelson-webhook)\n"
        "  --webhook-crd NAME    a definition whose conversion webhook it is as well; may be repeated\n"
        "  --namespace NS        watch this namespace only; may be repeated (default: all)\n" CMD_LOG_USAGE
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
        OPT_WEBHOOK_CERTIFICATES,
        OPT_WEBHOOK_SERVICE,
        OPT_WEBHOOK_CRD,
        OPT_NAMESPACE,
};

static const struct option options[] = {
        { "kubeconfig", required_argument, NULL, OPT_KUBECONFIG },
        { "listen", required_argument, NULL, OPT_LISTEN },
        { "leader-elect", optional_argument, NULL, OPT_LEADER_ELECT },
        { "lease-namespace", required_argument, NULL, OPT_LEASE_NAMESPACE },
        { "lease-duration", required_argument, NULL, OPT_LEASE_DURATION },
        { "renew-deadline", required_argument, NULL, OPT_RENEW_DEADLINE },
        { "retry-period", required_argument, NULL, OPT_RETRY_PERIOD },
        { "image", required_argument, NULL, OPT_IMAGE },
        { "webhook-certificates", required_argument, NULL, OPT_WEBHOOK_CERTIFICATES },
        { "webhook-service", required_argument, NULL, OPT_WEBHOOK_SERVICE },
        { "webhook-crd", required_argument, NULL, OPT_WEBHOOK_CRD },
        { "namespace", required_argument, NULL, OPT_NAMESPACE },
        CMD_LOG_OPTIONS,
        CMD_HELP_OPTION,
        { 0 },
};

struct arguments {
        struct operator_options options;
        struct str namespaces[NAMESPACES_MAX];
        bool makes_certificates;
        struct keeper_options webhook;
        struct str crds[KEEPER_CRDS_MAX];
        struct cmd_log log;
};

static int take_duration(struct str s, usec_t *ret)
{
        return cmd_parse_duration(s, 1, USEC_NEVER, ret);
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
        if (str_is_one_of(name, a->namespaces, a->options.n_namespaces))
                return 0;
        if (a->options.n_namespaces == NAMESPACES_MAX)
                return -E2BIG;
        a->namespaces[a->options.n_namespaces++] = name;
        return 0;
}

static int take_issuer(struct arguments *a, struct str value)
{
        a->makes_certificates = str_eq(value, STR("self"));
        return a->makes_certificates || str_eq(value, STR("external")) ? 0 : -EINVAL;
}

/* A Service's name, which begins with a letter, and has room for what is put behind it. */
static int take_service(struct arguments *a, struct str value)
{
        a->webhook.service = value;
        return is_label(value) && value.len <= KEEPER_NAME_MAX && value.data[0] >= 'a' ? 0 : -EINVAL;
}

/* "apps.keelson.dev" */
static int add_crd(struct arguments *a, struct str value)
{
        struct str label, rest = value;

        while (rest.data) {
                (void)str_cut(rest, '.', &label, &rest);
                if (!is_label(label))
                        return -EINVAL;
        }
        if (a->webhook.n_crds == KEEPER_CRDS_MAX || value.len > CERTIFICATE_NAME_MAX)
                return -EINVAL;
        a->crds[a->webhook.n_crds++] = value;
        return 0;
}

static int take_option(void *arg, int id, struct str value, const char **ret_expected)
{
        struct arguments *a = arg;
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
        case OPT_WEBHOOK_CERTIFICATES:
                *ret_expected = "self or external";
                return take_issuer(a, value);
        case OPT_WEBHOOK_SERVICE:
                *ret_expected = "the name of a Service (a-z, 0-9 and -, 59 at the most)";
                return take_service(a, value);
        case OPT_WEBHOOK_CRD:
                *ret_expected = "the name of a definition, such as apps.keelson.dev, 16 times at the most";
                return add_crd(a, value);
        case OPT_NAMESPACE:
                *ret_expected = "the name of a namespace (a-z, 0-9 and -), 64 times at the most";
                return is_label(value) ? add_namespace(a, value) : -EINVAL;
        default:
                return cmd_take_log(&a->log, id, value, ret_expected);
        }
}

static struct str image_of_environment(void)
{
        const char *image = getenv("KEELSON_IMAGE");

        return image && *image ? str_c(image) : STR_NULL;
}

/* It lives as long as the program. */
static int add_keeper(struct arguments *a, struct error *err)
{
        static struct keeper keeper;
        int r;

        if (!a->makes_certificates)
                return 0;
        a->webhook.crds = a->crds;
        r = keeper_init(&keeper, &a->webhook, err);
        if (r == 0)
                a->options.peer = &keeper.peer;
        return r;
}

int cmd_operator(int argc, char **argv)
{
        static const struct controller *const controllers[] = { &app_controller, &environment_controller,
                                                                &redis_controller };
        static const struct cmd_line line = {
                .command = "operator", .usage = usage, .options = options, .take = take_option
        };
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
                .makes_certificates = true,
                .webhook = { .service = STR("keelson-webhook") },
                .log = CMD_LOG_INIT,
        };
        struct error err = ERROR_INIT;
        int code;

        a.options.namespaces = a.namespaces;
        if (!cmd_parse(&line, argc, argv, &a, &code))
                return code;
        if (operator_check(&a.options, &err) < 0 || add_keeper(&a, &err) < 0) {
                fprintf(stderr, "keelson operator: %s\n", err.message);
                return EXIT_USAGE;
        }
        log_setup(a.log.level, a.log.format);
        if (operator_run(&a.options, &err) < 0) {
                log_last_words("keelson operator", err.message);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
