/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "loop/loop.h"
#include "turns.h"

static struct loop *new_loop(void)
{
        struct loop *l;

        ck_assert_int_eq(loop_new(&l), 0);
        return l;
}

/* --- timers ------------------------------------------------------------- */

struct ticker {
        struct loop *loop;
        struct loop_timer timer;
        char name;
        char *log; /* names in the order of firing */
        int fired;
        struct ticker *victim;
};

static void on_tick(struct loop_timer *timer, void *arg)
{
        struct ticker *t = arg;

        ck_assert_ptr_eq(timer, &t->timer);
        ck_assert_ptr_null(timer->loop);
        ck_assert_int_ge(loop_now(t->loop), timer->node.due);
        if (t->log)
                t->log[strlen(t->log)] = t->name;
        t->fired++;
        if (t->victim)
                loop_timer_stop(&t->victim->timer);
}

static void set(struct ticker *t, usec_t due)
{
        ck_assert_int_eq(loop_timer_set(t->loop, &t->timer, due, on_tick, t), 0);
}

START_TEST(timers_fire_once_in_the_order_of_their_due)
{
        struct loop *l = new_loop();
        char log[16] = "";
        struct ticker a = { .loop = l, .name = 'a', .log = log }, b = { .loop = l, .name = 'b', .log = log },
                      c = { .loop = l, .name = 'c', .log = log };
        usec_t now = clock_now();

        set(&c, now + 3 * USEC_MSEC);
        set(&a, now - 5);
        set(&b, now + USEC_MSEC);
        turn_until(l, c.fired);
        ck_assert_str_eq(log, "abc");
        ck_assert_int_eq(loop_turn(l, 0), 0);
        ck_assert_str_eq(log, "abc");
        loop_free(l);
}
END_TEST

START_TEST(a_timer_can_be_moved_both_ways)
{
        struct loop *l = new_loop();
        char log[16] = "";
        struct ticker a = { .loop = l, .name = 'a', .log = log }, b = { .loop = l, .name = 'b', .log = log };
        usec_t now = clock_now();

        set(&a, now);
        set(&b, USEC_NEVER);
        set(&a, now + 2 * USEC_MSEC);
        set(&b, now);
        turn_until(l, a.fired);
        ck_assert_str_eq(log, "ba");
        loop_free(l);
}
END_TEST

START_TEST(a_timer_stopped_by_another_does_not_fire)
{
        struct loop *l = new_loop();
        struct ticker b = { .loop = l }, a = { .loop = l, .victim = &b }, c = { .loop = l };

        set(&a, 1);
        set(&b, 2);
        set(&c, 3);
        turn_until(l, c.fired);
        ck_assert_int_eq(a.fired, 1);
        ck_assert_int_eq(b.fired, 0);
        loop_timer_stop(&b.timer); /* twice is fine */
        loop_free(l);
}
END_TEST

static void on_tick_free(struct loop_timer *timer, void *arg)
{
        *(bool *)arg = true;
        mem_free(timer);
}

START_TEST(a_timer_may_be_freed_in_its_own_callback)
{
        struct loop *l = new_loop();
        struct loop_timer *t = mem_new(struct loop_timer);
        bool fired = false;

        ck_assert_int_eq(loop_timer_set(l, t, 0, on_tick_free, &fired), 0);
        turn_until(l, fired);
        loop_free(l);
}
END_TEST

static void on_tick_again(struct loop_timer *timer, void *arg)
{
        struct ticker *t = arg;

        t->fired++;
        mem_fail_after(1); /* its place is still there */
        ck_assert_int_eq(loop_timer_set(t->loop, timer, 0, on_tick_again, t), 0);
        mem_fail_after(0);
}

START_TEST(a_timer_that_is_always_due_lets_the_turn_end)
{
        struct loop *l = new_loop();
        struct ticker t = { .loop = l };

        ck_assert_int_eq(loop_timer_set(l, &t.timer, 0, on_tick_again, &t), 0);
        ck_assert_int_eq(loop_turn(l, USEC_NEVER), 0);
        ck_assert_int_eq(t.fired, 1);
        ck_assert_int_eq(loop_turn(l, USEC_NEVER), 0);
        ck_assert_int_eq(t.fired, 2);
        loop_timer_stop(&t.timer);
        loop_free(l);
}
END_TEST

START_TEST(a_nearer_timer_wakes_a_loop_that_waits_for_a_farther_one)
{
        struct loop *l = new_loop();
        struct ticker far = { .loop = l }, near = { .loop = l };

        set(&far, clock_now() + USEC_HOUR);
        ck_assert_int_eq(loop_turn(l, 1), 0); /* arms it for an hour */
        set(&near, clock_now() + USEC_MSEC);
        ck_assert_int_eq(loop_turn(l, USEC_NEVER), 0);
        turn_until(l, near.fired);
        /* What was armed for the near one must not be mistaken for the far one's. */
        set(&near, clock_now() + USEC_MSEC);
        turn_until(l, near.fired == 2);
        ck_assert_int_eq(far.fired, 0);
        loop_timer_stop(&far.timer);
        loop_free(l);
}
END_TEST

/* --- file descriptors ----------------------------------------------------- */

struct pipe_end {
        struct loop_fd source;
        int fds[2];
        int called;
        uint32_t events;
        struct pipe_end *victim;
};

static void open_pipe(struct pipe_end *p)
{
        ck_assert_int_eq(pipe2(p->fds, O_CLOEXEC | O_NONBLOCK), 0);
}

static void close_pipe(struct pipe_end *p)
{
        loop_fd_stop(&p->source);
        close(p->fds[0]);
        close(p->fds[1]);
}

static void on_event(struct loop_fd *source, uint32_t events, void *arg)
{
        struct pipe_end *p = arg;

        ck_assert_ptr_eq(source, &p->source);
        p->called++;
        p->events = events;
        if (p->victim) {
                close_pipe(p->victim);
                memset(p->victim, 0xff, sizeof(*p->victim)); /* as if freed */
                p->victim = NULL;
        }
}

static void watch(struct loop *l, struct pipe_end *p, int fd, uint32_t events)
{
        ck_assert_int_eq(loop_fd_start(l, &p->source, fd, events, on_event, p), 0);
}

START_TEST(a_readable_descriptor_is_told_until_it_is_read)
{
        struct loop *l = new_loop();
        struct pipe_end p = { 0 };
        char byte;

        open_pipe(&p);
        watch(l, &p, p.fds[0], EPOLLIN);
        ck_assert_int_eq(loop_turn(l, 0), 0);
        ck_assert_int_eq(p.called, 0);
        ck_assert_int_eq(write(p.fds[1], "x", 1), 1);
        ck_assert_int_eq(loop_turn(l, USEC_NEVER), 0);
        ck_assert_int_eq(loop_turn(l, USEC_NEVER), 0);
        ck_assert_int_eq(p.called, 2);
        ck_assert_uint_eq(p.events, EPOLLIN);
        ck_assert_int_eq(read(p.fds[0], &byte, 1), 1);
        ck_assert_int_eq(loop_turn(l, 0), 0);
        ck_assert_int_eq(p.called, 2);
        close_pipe(&p);
        loop_free(l);
}
END_TEST

START_TEST(the_set_of_events_can_change)
{
        struct loop *l = new_loop();
        struct pipe_end p = { 0 };

        open_pipe(&p);
        watch(l, &p, p.fds[1], EPOLLIN);
        ck_assert_int_eq(loop_turn(l, 0), 0);
        ck_assert_int_eq(p.called, 0);
        ck_assert_int_eq(loop_fd_change(&p.source, EPOLLOUT), 0);
        ck_assert_int_eq(loop_fd_change(&p.source, EPOLLOUT), 0);
        ck_assert_int_eq(loop_turn(l, 0), 0);
        ck_assert_uint_eq(p.events, EPOLLOUT);
        close_pipe(&p);
        loop_free(l);
}
END_TEST

START_TEST(a_source_stopped_in_the_same_turn_is_not_called)
{
        struct loop *l = new_loop();
        struct pipe_end a = { 0 }, b = { 0 };

        open_pipe(&a);
        open_pipe(&b);
        a.victim = &b;
        b.victim = &a; /* whichever comes first */
        watch(l, &a, a.fds[1], EPOLLOUT);
        watch(l, &b, b.fds[1], EPOLLOUT);
        ck_assert_int_eq(loop_turn(l, USEC_NEVER), 0);
        if (a.called == 1)
                close_pipe(&a);
        else
                close_pipe(&b);
        ck_assert(a.called == 1 || b.called == 1);
        ck_assert(a.called == -1 || b.called == -1);
        loop_free(l);
}
END_TEST

START_TEST(what_cannot_be_watched_is_an_error)
{
        struct loop *l = new_loop();
        struct pipe_end p = { 0 };
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

        ck_assert_int_eq(loop_fd_start(l, &p.source, -1, EPOLLIN, on_event, &p), -EBADF);
        ck_assert_int_eq(loop_fd_start(l, &p.source, fd, EPOLLIN, on_event, &p), -EPERM);
        loop_fd_stop(&p.source); /* it never started */
        close(fd);
        loop_free(l);
}
END_TEST

START_TEST(a_peer_that_has_gone_is_an_error_and_no_signal)
{
        struct loop *l = new_loop();
        struct pipe_end p = { 0 };

        open_pipe(&p);
        close(p.fds[0]);
        ck_assert_int_eq(write(p.fds[1], "x", 1), -1);
        ck_assert_int_eq(errno, EPIPE);
        close(p.fds[1]);
        loop_free(l);
}
END_TEST

/* --- deferred calls ---------------------------------------------------------- */

struct deferral {
        struct loop *loop;
        struct loop_defer defer;
        char name;
        char *log;
        bool again;
        struct deferral *victim;
};

static void on_defer(struct loop_defer *defer, void *arg)
{
        struct deferral *d = arg;

        d->log[strlen(d->log)] = d->name;
        if (d->victim)
                loop_defer_stop(&d->victim->defer);
        if (d->again)
                loop_defer_set(d->loop, defer, on_defer, d);
}

static void defer(struct deferral *d)
{
        loop_defer_set(d->loop, &d->defer, on_defer, d);
}

START_TEST(deferred_calls_come_once_and_in_order)
{
        struct loop *l = new_loop();
        char log[16] = "";
        struct deferral b = { .loop = l, .name = 'b', .log = log },
                        c = { .loop = l, .name = 'c', .log = log },
                        d = { .loop = l, .name = 'd', .log = log },
                        a = { .loop = l, .name = 'a', .log = log, .victim = &c };

        defer(&a);
        defer(&b);
        defer(&a);
        defer(&c);
        defer(&d);
        loop_defer_stop(&d.defer);
        loop_defer_stop(&d.defer);
        ck_assert_int_eq(loop_turn(l, USEC_NEVER), 0);
        ck_assert_str_eq(log, "ab");
        loop_free(l);
}
END_TEST

START_TEST(a_call_deferred_from_a_deferred_one_waits_for_the_next_turn)
{
        struct loop *l = new_loop();
        char log[16] = "";
        struct deferral a = { .loop = l, .name = 'a', .log = log, .again = true };

        defer(&a);
        ck_assert_int_eq(loop_turn(l, USEC_NEVER), 0);
        ck_assert_str_eq(log, "a");
        ck_assert_int_eq(loop_turn(l, USEC_NEVER), 0);
        ck_assert_str_eq(log, "aa");
        loop_defer_stop(&a.defer);
        loop_free(l);
}
END_TEST

/* --- running and signals -------------------------------------------------------- */

static void on_tick_stop(struct loop_timer *timer, void *arg)
{
        (void)timer;
        loop_stop(arg, 42);
}

START_TEST(running_ends_with_the_code_of_the_stop)
{
        struct loop *l = new_loop();
        struct loop_timer t = { 0 };

        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(loop_timer_set(l, &t, clock_now() + 100, on_tick_stop, l), 0);
                ck_assert_int_eq(loop_run(l), 42);
        }
        loop_stop(l, 7);
        ck_assert_int_eq(loop_run(l), 7);
        loop_free(l);
}
END_TEST

static void on_signal(struct loop_signal *source, const struct signalfd_siginfo *info, void *arg)
{
        *(int *)arg += (int)info->ssi_signo;
        loop_signal_stop(source);
}

START_TEST(a_signal_is_a_callback)
{
        struct loop *l = new_loop();
        struct loop_signal s = { 0 };
        sigset_t set;
        int got = 0;

        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGUSR2);
        ck_assert_int_eq(loop_signal_start(l, &s, &set, on_signal, &got), 0);
        ck_assert_int_eq(kill(getpid(), SIGUSR2), 0);
        turn_until(l, got);
        ck_assert_int_eq(got, SIGUSR2);
        loop_signal_stop(&s);
        loop_free(l);
}
END_TEST

START_TEST(a_paced_loop_looks_no_sooner_than_that)
{
        struct loop *l = new_loop();
        struct pipe_end p = { 0 };
        usec_t began;

        open_pipe(&p);
        watch(l, &p, p.fds[0], EPOLLIN);
        loop_set_pace(l, LOOP_PACE_MAX * 10); /* the cap holds */
        ck_assert_int_eq(loop_turn(l, 0), 0);
        began = loop_now(l);
        ck_assert_int_eq(write(p.fds[1], "x", 1), 1);
        ck_assert_int_eq(loop_turn(l, USEC_NEVER), 0);
        ck_assert_int_eq(p.called, 1);
        ck_assert_int_ge(loop_now(l), began + LOOP_PACE_MAX);
        close_pipe(&p);
        loop_free(l);
}
END_TEST

START_TEST(a_paced_loop_waits_for_a_timer_as_ever)
{
        struct loop *l = new_loop();
        struct ticker tick = { .loop = l };

        loop_set_pace(l, LOOP_PACE_MAX);
        set(&tick, clock_now() + USEC_MSEC);
        turn_until(l, tick.fired);
        set(&tick, clock_now() + 2 * LOOP_PACE_MAX);
        turn_until(l, tick.fired == 2);
        loop_free(l);
}
END_TEST

static int use_everything(void *arg)
{
        struct ticker ticks[40] = { 0 };
        struct loop *l;
        int r;

        (void)arg;
        r = loop_new(&l);
        for (size_t i = 0; i < ARRAY_SIZE(ticks) && r == 0; i++) {
                ticks[i].loop = l;
                r = loop_timer_set(l, &ticks[i].timer, 0, on_tick, &ticks[i]);
                if (r < 0)
                        ck_assert_ptr_null(ticks[i].timer.loop);
        }
        if (r == 0)
                r = loop_turn(l, 0);
        if (r == 0)
                ck_assert_int_eq(ticks[39].fired, 1);
        if (ticks[0].loop)
                loop_free(l);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        torture(use_everything, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        timers_fire_once_in_the_order_of_their_due,
        a_timer_can_be_moved_both_ways,
        a_timer_stopped_by_another_does_not_fire,
        a_timer_may_be_freed_in_its_own_callback,
        a_timer_that_is_always_due_lets_the_turn_end,
        a_nearer_timer_wakes_a_loop_that_waits_for_a_farther_one,
        a_readable_descriptor_is_told_until_it_is_read,
        the_set_of_events_can_change,
        a_source_stopped_in_the_same_turn_is_not_called,
        what_cannot_be_watched_is_an_error,
        a_peer_that_has_gone_is_an_error_and_no_signal,
        deferred_calls_come_once_and_in_order,
        a_call_deferred_from_a_deferred_one_waits_for_the_next_turn,
        running_ends_with_the_code_of_the_stop,
        a_signal_is_a_callback,
        a_paced_loop_looks_no_sooner_than_that,
        a_paced_loop_waits_for_a_timer_as_ever,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("loop/loop", tests)
