/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/jobs.h"

void options_wrong(const char *format, ...)
{
        va_list args;

        fprintf(stderr, "%s: ", program_invocation_short_name);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        exit(2);
}

uint64_t options_number(const char *text, const char *option)
{
        char *end;
        uint64_t n;

        errno = 0;
        n = strtoull(text, &end, 10);
        if (errno || end == text || *end || text[0] == '-')
                options_wrong("%s takes a number, not \"%s\"", option, text);
        return n;
}

bool options_ask_for(const char *wanted, const char *name)
{
        size_t n = strlen(wanted);

        return strcmp(wanted, "all") == 0 ||
               (strncmp(name, wanted, n) == 0 && (name[n] == '\0' || name[n] == '-'));
}

unsigned options_workers(const char *text)
{
        uint64_t n = text ? options_number(text, "--jobs") : (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);

        return (unsigned)MIN(MAX(n, UINT64_C(1)), (uint64_t)JOBS_WORKERS_MAX);
}
