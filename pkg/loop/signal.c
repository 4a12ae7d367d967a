/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "loop/loop.h"

static void on_readable(struct loop_fd *fd, uint32_t events, void *arg)
{
        struct loop_signal *source = arg;
        struct signalfd_siginfo info;

        (void)events;
        /* One a turn: the callback may stop and free the source. */
        if (read(fd->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
                source->fn(source, &info, source->arg);
}

int loop_signal_start(struct loop *l, struct loop_signal *source, const sigset_t *set, loop_signal_fn *fn,
                      void *arg)
{
        int fd, r;

        loop_signal_stop(source);
        fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        source->fn = fn;
        source->arg = arg;
        r = loop_fd_start(l, &source->fd, fd, EPOLLIN, on_readable, source);
        if (r < 0) {
                close(fd);
                return r;
        }
        r = -pthread_sigmask(SIG_BLOCK, set, NULL);
        if (r < 0)
                loop_signal_stop(source);
        return r;
}

void loop_signal_stop(struct loop_signal *source)
{
        if (!source->fd.loop)
                return;
        loop_fd_stop(&source->fd);
        close(source->fd.fd);
}
