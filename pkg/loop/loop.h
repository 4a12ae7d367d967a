/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop: epoll, one thread, callbacks. Connections, libcurl, libmicrohttpd
 * and child processes all hang on it by their file descriptors.
 *
 *      loop_run --> wait (epoll, until the nearest timer) --> fd callbacks
 *         ^                                                       |
 *         |                                                       v
 *         +---- deferred calls <---- due timers <-----------------+
 *
 * Sources are structures that the caller embeds and owns; the loop only links
 * to them. A source is zeroed before its first use, may be stopped or freed
 * from inside any callback, its own included (freed only once it is stopped),
 * and never outlives its loop: the loop is freed last.
 */
#pragma once

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "base/heap.h"
#include "base/list.h"

struct loop;

/* 0, -ENOMEM, or the errno of epoll_create1 and timerfd_create. From here on
 * the process ignores SIGPIPE: a peer that has gone is an EPIPE, not our death. */
int loop_new(struct loop **ret) _must_check_;
void loop_free(struct loop *l);
void loop_freep(struct loop **l);

/* Runs until loop_stop, whose turn still ends as usual; returns the code that
 * was given to it, or a negative errno if waiting itself failed. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int code);

/* One turn: waits at most MAX_WAIT, runs what is due. 0 or a negative errno.
 * For tests, and for who has another loop around this one. */
int loop_turn(struct loop *l, usec_t max_wait);

/* While much is going on: a turn begins PACE after the one before it at the
 * earliest (a timer is still served when it is due), and then serves all that has
 * come meanwhile. Each look costs about as much as what it finds, so fewer of
 * them save a third and more of the processor. 0, as at first: a turn begins as
 * soon as something comes. LOOP_PACE_MAX at the most. */
#define LOOP_PACE_MAX (20 * USEC_MSEC)
void loop_set_pace(struct loop *l, usec_t pace);

/* The time at which this turn began: what callbacks should use for "now". */
usec_t loop_now(const struct loop *l);

/* --- file descriptors ------------------------------------------------- */

struct loop_fd;
/* EVENTS is a set of EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR. */
typedef void loop_fd_fn(struct loop_fd *source, uint32_t events, void *arg);

struct loop_fd {
        struct loop *loop; /* NULL while it is not watched */
        int fd;
        uint32_t events;
        loop_fd_fn *fn;
        void *arg;
};

/* Watches FD for EVENTS (EPOLLIN | EPOLLOUT); the descriptor stays the caller's. */
int loop_fd_start(struct loop *l, struct loop_fd *source, int fd, uint32_t events, loop_fd_fn *fn, void *arg)
        _must_check_;
/* The set of events alone; costs nothing if it is the same. */
int loop_fd_change(struct loop_fd *source, uint32_t events) _must_check_;
/* Before the descriptor is closed. Fine on one that was never started (zeroed). */
void loop_fd_stop(struct loop_fd *source);

/* --- timers ----------------------------------------------------------- */

struct loop_timer;
typedef void loop_timer_fn(struct loop_timer *timer, void *arg);

struct loop_timer {
        struct loop *loop; /* NULL while it is not set */
        struct heap_node node;
        loop_timer_fn *fn;
        void *arg;
};

/* Calls FN once, at or after DUE (clock_now's time), whether or not it was set
 * before. Setting may need memory for the heap: 0 or -ENOMEM; moving a timer
 * that is set, and setting one again from inside its own callback before any
 * other, need none and cannot fail. A timer due at USEC_NEVER holds its place. */
int loop_timer_set(struct loop *l, struct loop_timer *timer, usec_t due, loop_timer_fn *fn, void *arg)
        _must_check_;
void loop_timer_stop(struct loop_timer *timer);

/* --- later in this turn ------------------------------------------------- */

struct loop_defer;
typedef void loop_defer_fn(struct loop_defer *defer, void *arg);

struct loop_defer {
        struct loop *loop;
        struct list link;
        loop_defer_fn *fn;
        void *arg;
};

/* Calls FN once after the callbacks of this turn, in the order of setting; from
 * inside a deferred call, in the next turn. Setting it twice is once. */
void loop_defer_set(struct loop *l, struct loop_defer *defer, loop_defer_fn *fn, void *arg);
void loop_defer_stop(struct loop_defer *defer);

/* --- signals ------------------------------------------------------------ */

struct loop_signal;
typedef void loop_signal_fn(struct loop_signal *source, const struct signalfd_siginfo *info, void *arg);

struct loop_signal {
        struct loop_fd fd;
        loop_signal_fn *fn;
        void *arg;
};

/* Blocks the signals of SET for the thread (start it before any other thread is
 * made) and delivers them here instead. They stay blocked after the stop, since
 * one that is still pending would end the process. */
int loop_signal_start(struct loop *l, struct loop_signal *source, const sigset_t *set, loop_signal_fn *fn,
                      void *arg) _must_check_;
void loop_signal_stop(struct loop_signal *source);
