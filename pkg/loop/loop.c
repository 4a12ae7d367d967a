/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include <errno.h>
#include <limits.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

/* How many descriptors one turn serves; the rest come in the next. */
#define EVENTS_MAX 64
#define ARM_SLACK (100 * USEC_MSEC)

struct loop {
        int epoll_fd;
        int timer_fd;
        usec_t armed; /* when timer_fd expires, or USEC_NEVER */
        usec_t now;
        usec_t pace;
        struct heap timers;
        struct list defers;
        bool stopped;
        int code;
        /* What epoll_wait gave, and how far this turn has come with it. A source
         * that is stopped is struck out of the rest. */
        struct epoll_event events[EVENTS_MAX];
        int n_events, next_event;
};

static void close_fd(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

static int open_fds(struct loop *l)
{
        struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = l };

        l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (l->epoll_fd < 0)
                return -errno;
        /* A timerfd and not epoll_wait's timeout, since that one stands still
         * while the machine is suspended and would make every deadline late. */
        l->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
        if (l->timer_fd < 0)
                return -errno;
        /* Edge-triggered, so that an expiry never has to be read away. */
        if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->timer_fd, &ev) < 0)
                return -errno;
        return 0;
}

int loop_new(struct loop **ret)
{
        struct loop *l = mem_new(struct loop);
        int r;

        if (!l)
                return -ENOMEM;
        l->epoll_fd = l->timer_fd = -1;
        l->armed = USEC_NEVER;
        l->now = clock_now();
        list_init(&l->defers);
        heap_init(&l->timers);
        r = open_fds(l);
        if (r < 0) {
                loop_free(l);
                return r;
        }
        signal(SIGPIPE, SIG_IGN);
        *ret = l;
        return 0;
}

void loop_free(struct loop *l)
{
        if (!l)
                return;
        close_fd(&l->epoll_fd);
        close_fd(&l->timer_fd);
        heap_release(&l->timers);
        mem_free(l);
}

void loop_freep(struct loop **l)
{
        loop_free(*l);
        *l = NULL;
}

usec_t loop_now(const struct loop *l)
{
        return l->now;
}

/* --- file descriptors ------------------------------------------------- */

static int control(struct loop_fd *source, int op)
{
        struct epoll_event ev = { .events = source->events, .data.ptr = source };

        return epoll_ctl(source->loop->epoll_fd, op, source->fd, &ev) < 0 ? -errno : 0;
}

int loop_fd_start(struct loop *l, struct loop_fd *source, int fd, uint32_t events, loop_fd_fn *fn, void *arg)
{
        int r;

        loop_fd_stop(source);
        *source = (struct loop_fd){ .loop = l, .fd = fd, .events = events, .fn = fn, .arg = arg };
        r = control(source, EPOLL_CTL_ADD);
        if (r < 0)
                source->loop = NULL;
        return r;
}

int loop_fd_change(struct loop_fd *source, uint32_t events)
{
        uint32_t before = source->events;
        int r;

        if (events == before)
                return 0;
        source->events = events;
        r = control(source, EPOLL_CTL_MOD);
        if (r < 0)
                source->events = before;
        return r;
}

void loop_fd_stop(struct loop_fd *source)
{
        struct loop *l = source->loop;

        if (!l)
                return;
        control(source, EPOLL_CTL_DEL);
        for (int i = l->next_event; i < l->n_events; i++)
                if (l->events[i].data.ptr == source)
                        l->events[i].data.ptr = NULL;
        source->loop = NULL;
}

static void run_events(struct loop *l)
{
        while (l->next_event < l->n_events) {
                const struct epoll_event *ev = &l->events[l->next_event++];
                struct loop_fd *source = ev->data.ptr;

                if (ev->data.ptr == l)
                        l->armed = USEC_NEVER; /* it has expired */
                else if (source)
                        source->fn(source, ev->events, source->arg);
        }
        l->n_events = l->next_event = 0;
}

/* --- timers ----------------------------------------------------------- */

int loop_timer_set(struct loop *l, struct loop_timer *timer, usec_t due, loop_timer_fn *fn, void *arg)
{
        timer->fn = fn;
        timer->arg = arg;
        if (!timer->loop)
                heap_node_init(&timer->node);
        if (heap_set(&l->timers, &timer->node, due) < 0)
                return -ENOMEM;
        timer->loop = l;
        return 0;
}

void loop_timer_stop(struct loop_timer *timer)
{
        if (!timer->loop)
                return;
        heap_remove(&timer->loop->timers, &timer->node);
        timer->loop = NULL;
}

static void run_timers(struct loop *l)
{
        /* As many as there were, so that one which sets itself again for now
         * cannot keep the turn from ending. */
        for (size_t n = l->timers.n; n > 0; n--) {
                struct heap_node *first = heap_top(&l->timers);
                struct loop_timer *t;

                if (!first || first->due > l->now)
                        return;
                t = container_of(first, struct loop_timer, node);
                loop_timer_stop(t);
                t->fn(t, t->arg);
        }
}

/* Sets timer_fd for the nearest timer. It is left alone where it would expire a
 * little too early, since most timers are watchdogs that are moved again and again;
 * but at rest no turn is to be idle. */
static int arm(struct loop *l, usec_t due)
{
        struct itimerspec spec = {
                .it_value = { .tv_sec = due / USEC_SEC, .tv_nsec = due % USEC_SEC * 1000 },
        };

        if (due >= l->armed && due - l->armed < ARM_SLACK)
                return 0;
        if (timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
                return -errno;
        l->armed = due;
        return 0;
}

/* --- later in this turn ------------------------------------------------- */

void loop_defer_set(struct loop *l, struct loop_defer *defer, loop_defer_fn *fn, void *arg)
{
        defer->fn = fn;
        defer->arg = arg;
        if (defer->loop)
                return;
        defer->loop = l;
        list_add_tail(&l->defers, &defer->link);
}

void loop_defer_stop(struct loop_defer *defer)
{
        if (!defer->loop)
                return;
        list_remove(&defer->link);
        defer->loop = NULL;
}

static void run_defers(struct loop *l)
{
        struct list now;

        if (list_empty(&l->defers))
                return;
        /* What is set from here on belongs to the next turn. */
        now = l->defers;
        now.next->prev = now.prev->next = &now;
        list_init(&l->defers);
        while (!list_empty(&now)) {
                struct loop_defer *d = container_of(list_first(&now), struct loop_defer, link);

                loop_defer_stop(d);
                d->fn(d, d->arg);
        }
}

/* --- turns -------------------------------------------------------------- */

/* Milliseconds for epoll_wait: 0 if something is due, -1 for as long as it takes. */
static int wait_time(struct loop *l, usec_t max_wait, int *ret)
{
        const struct heap_node *first = heap_top(&l->timers);

        if (!list_empty(&l->defers) || max_wait <= 0 || (first && first->due <= clock_now())) {
                *ret = 0;
                return 0;
        }
        /* Rounded up, or the last millisecond would be a busy loop. */
        *ret = max_wait == USEC_NEVER ? -1 : (int)MIN((max_wait - 1) / USEC_MSEC + 1, (usec_t)INT_MAX);
        return first && first->due != USEC_NEVER ? arm(l, first->due) : 0;
}

void loop_set_pace(struct loop *l, usec_t pace)
{
        l->pace = MAX(MIN(pace, LOOP_PACE_MAX), 0);
}

static void keep_pace(const struct loop *l)
{
        const struct heap_node *first = heap_top(&l->timers);
        usec_t next = l->now + l->pace, left;
        struct timespec rest = { 0 };

        if (first)
                next = MIN(next, first->due);
        left = next - clock_now();
        if (left <= 0)
                return;
        rest.tv_nsec = (long)MIN(left, LOOP_PACE_MAX) * 1000;
        /* A signal may end it early: no harm. */
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, NULL);
}

int loop_turn(struct loop *l, usec_t max_wait)
{
        int wait, n;
        int r = wait_time(l, max_wait, &wait);

        if (r < 0)
                return r;
        if (l->pace && wait != 0)
                keep_pace(l);
        n = epoll_wait(l->epoll_fd, l->events, EVENTS_MAX, wait);
        if (n < 0 && errno != EINTR)
                return -errno;
        l->n_events = MAX(n, 0);
        l->now = clock_now();
        run_events(l);
        run_timers(l);
        run_defers(l);
        return 0;
}

int loop_run(struct loop *l)
{
        while (!l->stopped) {
                int r = loop_turn(l, USEC_NEVER);

                if (r < 0)
                        return r;
        }
        l->stopped = false;
        return l->code;
}

void loop_stop(struct loop *l, int code)
{
        l->stopped = true;
        l->code = code;
}
