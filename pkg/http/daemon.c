/* SPDX-License-Identifier: Apache-2.0 */
#include "http/daemon.h"

#include <errno.h>

/* Runs in which nothing moves are not always in vain: of the head of a request that is
 * longer than what it reads at once, MHD takes a little in each of them. What it waits for
 * comes as an event; the longest pause is in case it knows of something else. */
#define STILL_FEW 4
#define STILL_MAX 64
#define PAUSE_FEW_MS 1U
#define PAUSE_MS 100U

static void on_timer(struct loop_timer *timer, void *arg);

/* The timer is always set: so it keeps its place in the loop's heap, and
 * setting it here cannot fail for want of memory. */
static void set_timer(struct http_daemon *d, usec_t due)
{
        int r = loop_timer_set(d->loop, &d->timer, due, on_timer, d);

        (void)r;
}

static unsigned pause_ms(const struct http_daemon *d)
{
        if (d->still < STILL_FEW)
                return 0;
        return d->still < STILL_MAX ? PAUSE_FEW_MS : PAUSE_MS;
}

static void run(struct http_daemon *d)
{
        MHD_UNSIGNED_LONG_LONG wait_ms;
        usec_t due = USEC_NEVER;

        MHD_run(d->mhd);
        d->still = d->moved ? 0 : MIN(d->still + 1, STILL_MAX);
        d->moved = false;
        if (MHD_get_timeout(d->mhd, &wait_ms) == MHD_YES) {
                wait_ms = MAX(wait_ms, pause_ms(d));
                due = clock_now() + (usec_t)wait_ms * USEC_MSEC;
        }
        set_timer(d, due);
}

static void on_timer(struct loop_timer *timer _unused_, void *arg)
{
        run(arg);
}

static void on_ready(struct loop_fd *source _unused_, uint32_t events _unused_, void *arg)
{
        struct http_daemon *d = arg;

        d->moved = true;
        run(d);
}

int http_daemon_start(struct loop *l, struct http_daemon *d, struct MHD_Daemon *mhd)
{
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(mhd, MHD_DAEMON_INFO_EPOLL_FD);
        int r;

        d->loop = l;
        d->mhd = mhd;
        r = info ? loop_timer_set(l, &d->timer, clock_now(), on_timer, d) : -EINVAL;
        if (r == 0)
                r = loop_fd_start(l, &d->fd, info->epoll_fd, EPOLLIN, on_ready, d);
        if (r < 0)
                http_daemon_stop(d);
        return r;
}

void http_daemon_stop(struct http_daemon *d)
{
        loop_fd_stop(&d->fd);
        loop_timer_stop(&d->timer);
        if (d->mhd)
                MHD_stop_daemon(d->mhd);
        d->mhd = NULL;
}

void http_daemon_kick(struct http_daemon *d)
{
        set_timer(d, clock_now());
}

union MHD_ConnectionInfo http_daemon_info(struct MHD_Connection *c, enum MHD_ConnectionInfoType what)
{
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, what);

        return info ? *info : (union MHD_ConnectionInfo){ 0 };
}
