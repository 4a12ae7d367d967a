/* SPDX-License-Identifier: Apache-2.0
 *
 * "installed install DIR" copies itself; "installed run" is what the copy is asked for: 42
 * if all its libraries are those beside it.
 */
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "agent/install/install.h"
#include "base/mem.h"

#define WELL 42

static int is_elsewhere(struct dl_phdr_info *info, size_t size _unused_, void *arg)
{
        const char *in = arg;

        return strchr(info->dlpi_name, '/') && strncmp(info->dlpi_name, in, strlen(in)) != 0;
}

static int check_libraries(char *path)
{
        *strrchr(path, '/') = '\0';
        return dl_iterate_phdr(is_elsewhere, path) ? 1 : WELL;
}

int main(int argc, char **argv)
{
        struct error err = ERROR_INIT;

        if (argc == 2)
                return check_libraries(argv[0]);
        if (argc != 3 || install_copy(argv[2], &err) < 0) {
                fprintf(stderr, "%s\n", err.message);
                return 1;
        }
        return 0;
}
