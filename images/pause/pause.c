// SPDX-License-Identifier: Apache-2.0
//
// The process that holds a pod's namespaces open: it waits for ever, buries the
// pod's orphans if the pod shares its process ids, and goes when told to.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void go(int signal)
{
        (void)signal;
        _exit(0);
}

static void bury(int signal)
{
        (void)signal;
        while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
}

int main(void)
{
        sigaction(SIGINT, &(struct sigaction){ .sa_handler = go }, NULL);
        sigaction(SIGTERM, &(struct sigaction){ .sa_handler = go }, NULL);
        sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = bury, .sa_flags = SA_NOCLDSTOP }, NULL);
        for (;;)
                pause();
}
