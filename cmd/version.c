/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "cmd/cmd.h"

int cmd_version(int argc, char **argv)
{
        (void)argv;
        if (argc > 1) {
                fprintf(stderr, "keelson version: takes no arguments\n");
                return EXIT_USAGE;
        }
        printf("keelson %s\n", KEELSON_VERSION);
        return EXIT_SUCCESS;
}

int cmd_parse_bool(struct str s, bool *ret)
{
        if (str_eq(s, STR("true")) || str_eq(s, STR("1")))
                *ret = true;
        else if (str_eq(s, STR("false")) || str_eq(s, STR("0")))
                *ret = false;
        else
                return -EINVAL;
        return 0;
}
