/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/options.h"

static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
        const char *what;
} commands[] = {
        { "agent", cmd_agent, "run a member of a database cluster" },
        { "define", cmd_define, "apply the definitions (CRDs) that the operator works with" },
        { "operator", cmd_operator, "watch the cluster and reconcile the resources" },
        { "reload", cmd_reload, "send SIGHUP to a program when its mounted files change" },
        { "validate", cmd_validate, "say of YAML files what the API server and the webhook would" },
        { "version", cmd_version, "print the version" },
        { "webhook", cmd_webhook, "tell the API server whether resources are as they may be" },
};

static void print_usage(FILE *to)
{
        fputs("usage: keelson COMMAND [OPTION…]\n\n", to);
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].what);
        fputs("\nkeelson COMMAND --help tells a command's options.\n", to);
}

/* A standard stream that is closed would be the number of the next socket, which
 * then got what is meant to be read by people. */
static void open_standard_streams(void)
{
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= STDERR_FILENO);
        if (fd > STDERR_FILENO)
                close(fd);
}

int main(int argc, char **argv)
{
        open_standard_streams();
        if (argc < 2) {
                print_usage(stderr);
                return EXIT_USAGE;
        }
        if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
                print_usage(stdout);
                return EXIT_SUCCESS;
        }
        if (strcmp(argv[1], "--version") == 0)
                return cmd_version(argc - 1, argv + 1);
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                if (strcmp(argv[1], commands[i].name) == 0)
                        return commands[i].run(argc - 1, argv + 1);
        fprintf(stderr, "keelson: unknown command \"%s\"; keelson --help lists them\n", argv[1]);
        return EXIT_USAGE;
}
