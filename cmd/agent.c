/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "agent/install/install.h"
#include "cmd/cmd.h"
#include "cmd/options.h"

static const char agent_usage[] =
        "usage: keelson agent COMMAND [OPTION…]\n"
        "\n"
        "  install DIR  copy this program, with what it needs to run in any image, into DIR\n"
        "  redis        run a member of a Redis cluster: process 1 of its pod\n"
        "\n"
        "keelson agent redis --help tells the options.\n";

static int run_install(int argc, char **argv)
{
        struct error err = ERROR_INIT;

        if (argc != 2 || argv[1][0] != '/') {
                fputs("usage: keelson agent install DIR\n\nDIR is an absolute path.\n", stderr);
                return EXIT_USAGE;
        }
        if (install_copy(argv[1], &err) < 0) {
                log_last_words("keelson agent install", err.message);
                return EXIT_FAILURE;
        }
        return EXIT_SUCCESS;
}

int cmd_agent(int argc, char **argv)
{
        struct str what = argc > 1 ? str_c(argv[1]) : STR_NULL;

        if (str_eq(what, STR("redis")))
                return cmd_agent_redis(argc - 1, argv + 1);
        if (str_eq(what, STR("install")))
                return run_install(argc - 1, argv + 1);
        if (str_eq(what, STR("--help")) || str_eq(what, STR("-h"))) {
                fputs(agent_usage, stdout);
                return EXIT_SUCCESS;
        }
        fputs(agent_usage, stderr);
        return EXIT_USAGE;
}
