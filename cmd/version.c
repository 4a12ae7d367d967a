/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/options.h"

int cmd_version(int argc, char **argv)
{
        static const struct option options[] = { CMD_HELP_OPTION, { 0 } };
        static const struct cmd_line line = { .command = "version",
                                              .usage = "usage: keelson version\n",
                                              .options = options };
        int code;

        if (!cmd_parse(&line, argc, argv, NULL, &code))
                return code;
        printf("keelson %s\n", KEELSON_VERSION);
        return EXIT_SUCCESS;
}
