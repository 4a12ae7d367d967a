/* SPDX-License-Identifier: Apache-2.0
 *
 * server exit CODE     ends
 * server sit FILE      forks a child, as for a save, writes both numbers into FILE, and stays
 */
#include <signal.h>
#include <unistd.h>

#include "base/macros.h"

static int sit(const char *file)
{
        pid_t child;
        FILE *f;

        /* As Redis: what asks it to end may be refused. */
        (void)signal(SIGTERM, SIG_IGN);
        child = fork();
        if (child == 0)
                for (;;)
                        pause();
        f = fopen(file, "w");
        if (!f || child < 0)
                return 1;
        fprintf(f, "%d %d.", (int)getpid(), (int)child);
        if (fclose(f) != 0)
                return 1;
        for (;;)
                pause();
}

int main(int argc, char **argv)
{
        if (argc == 3 && strcmp(argv[1], "exit") == 0)
                return (int)strtol(argv[2], NULL, 10);
        return argc == 3 && strcmp(argv[1], "sit") == 0 ? sit(argv[2]) : 2;
}
