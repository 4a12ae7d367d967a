/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "agent/member/member.h"
#include "agent/redis/redis.h"
#include "cmd/cmd.h"
#include "cmd/options.h"

static const char usage[] =
        "usage: keelson agent redis --cluster NAME --data DIR --tls DIR [OPTION…]\n"
        "\n"
        "Runs a Redis or Valkey server as a member of a cluster, and decides with the agents of\n"
        "the other members which of them may write. POD_NAME, POD_NAMESPACE, POD_UID and POD_IP\n"
        "in the environment say which pod this is.\n"
        "\n"
        "  --cluster NAME        the Redis resource; the pod is NAME-0, NAME-1, …\n"
        "  --data DIR            the volume with the data\n"
        "  --run DIR             for sockets and what need not last (default: the folder of --data)\n"
        "  --tls DIR             ca.crt, tls.crt and tls.key of the cluster's own CA\n"
        "  --server PROGRAM      the server (default: redis-server or valkey-server in PATH)\n"
        "  --listen ADDR:PORT    for the other agents (default: :9121)\n"
        "  --health ADDR:PORT    serve /metrics, /livez and /readyz there (default: :9122)\n"
        "  --hosts PATTERN       where members are, # being the number (default: by DNS,\n"
        "                        NAME-#.NAME-members.NAMESPACE.svc)\n"
        "  --kubeconfig FILE     how to reach the API server (default: $KUBECONFIG, else the\n"
        "                        pod's service account, else ~/.kube/config)\n" CMD_LOG_USAGE
        "  --help                this text\n"
        "\n"
        "SIGTERM hands over to another member and ends; a second one ends at once.\n";

enum option_id {
        OPT_CLUSTER = 256,
        OPT_DATA,
        OPT_RUN,
        OPT_TLS,
        OPT_SERVER,
        OPT_LISTEN,
        OPT_HEALTH,
        OPT_HOSTS,
        OPT_KUBECONFIG,
};

static const struct option options[] = {
        { "cluster", required_argument, NULL, OPT_CLUSTER },
        { "data", required_argument, NULL, OPT_DATA },
        { "run", required_argument, NULL, OPT_RUN },
        { "tls", required_argument, NULL, OPT_TLS },
        { "server", required_argument, NULL, OPT_SERVER },
        { "listen", required_argument, NULL, OPT_LISTEN },
        { "health", required_argument, NULL, OPT_HEALTH },
        { "hosts", required_argument, NULL, OPT_HOSTS },
        { "kubeconfig", required_argument, NULL, OPT_KUBECONFIG },
        CMD_LOG_OPTIONS,
        CMD_HELP_OPTION,
        { 0 },
};

struct arguments {
        struct member_options options;
        struct cmd_log log;
};

/* What the command line brings is NUL-terminated. */
static int take_text(struct str value, const char **ret)
{
        *ret = value.data;
        return str_empty(value) ? -EINVAL : 0;
}

static int take_folder(struct str value, const char **ret, const char **ret_expected)
{
        *ret_expected = "an absolute path";
        *ret = value.data;
        return str_starts(value, STR("/")) ? 0 : -EINVAL;
}

static int take_option(void *arg, int id, struct str value, const char **ret_expected)
{
        struct arguments *a = arg;
        struct member_options *o = &a->options;

        *ret_expected = "not empty";
        switch (id) {
        case OPT_CLUSTER:
                return take_text(value, &o->cluster);
        case OPT_DATA:
                return take_folder(value, &o->data, ret_expected);
        case OPT_RUN:
                return take_folder(value, &o->run, ret_expected);
        case OPT_TLS:
                return take_folder(value, &o->tls, ret_expected);
        case OPT_SERVER:
                return take_text(value, &o->program);
        case OPT_LISTEN:
                return take_text(value, &o->listen);
        case OPT_HEALTH:
                return take_text(value, &o->health);
        case OPT_HOSTS:
                *ret_expected = "a name or an address with a # in it";
                return str_index(value, '#') < 0 ? -EINVAL : take_text(value, &o->hosts);
        case OPT_KUBECONFIG:
                return take_text(value, &o->kubeconfig);
        default:
                return cmd_take_log(&a->log, id, value, ret_expected);
        }
}

static const struct cmd_line line = {
        .command = "agent redis", .usage = usage, .options = options, .take = take_option
};

/* The name of a variable that is missing, or NULL. */
static const char *take_environment(struct member_options *o)
{
        struct {
                const char *name, **to;
        } wanted[] = { { "POD_NAME", &o->pod },
                       { "POD_NAMESPACE", &o->namespace },
                       { "POD_UID", &o->uid },
                       { "POD_IP", &o->address } };

        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
                *wanted[i].to = getenv(wanted[i].name);
                if (!*wanted[i].to || !**wanted[i].to)
                        return wanted[i].name;
        }
        return NULL;
}

/* 0 or the exit code. */
static int check(struct member_options *o)
{
        const char *missing;

        if (!o->cluster)
                return cmd_refuse(&line, "--cluster is missing: the name of the Redis resource");
        if (!o->data)
                return cmd_refuse(&line, "--data is missing: the folder of the volume");
        if (!o->tls)
                return cmd_refuse(&line, "--tls is missing: the folder with ca.crt, tls.crt and tls.key");
        if (!o->run)
                o->run = o->data;
        missing = take_environment(o);
        if (missing)
                return cmd_refuse(&line, "$%s is not set: the pod's template takes it from the downward API",
                                  missing);
        return 0;
}

int cmd_agent_redis(int argc, char **argv)
{
        struct arguments a = { .log = CMD_LOG_INIT,
                               .options = { .engine_name = "redis",
                                            .engine = redis_engine_new,
                                            .listen = ":9121",
                                            .health = ":9122",
                                            .version = KEELSON_VERSION } };
        struct error err = ERROR_INIT;
        int code;

        if (!cmd_parse(&line, argc, argv, &a, &code))
                return code;
        code = check(&a.options);
        if (code)
                return code;
        log_setup(a.log.level, a.log.format);
        if (member_run(&a.options, &err) < 0) {
                log_last_words("keelson agent redis", err.message);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}
