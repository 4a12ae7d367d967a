/* SPDX-License-Identifier: Apache-2.0
 *
 * Child processes on the event loop: an argument vector, an environment that
 * is written out, pipes, and an end that is always reported. There is no shell
 * here, and none is to be started with values that a resource holds.
 *
 *      child_start --> on_output* --> done         it ended by itself, or was
 *           |                          ^           stopped: SIGTERM, SIGKILL later
 *           +---- child_stop ----------+
 *           +---- child_free                       SIGKILL at once, no more callbacks
 *
 * A child runs in its own process group, which is what signals go to, so that
 * what it has started ends with it. It inherits no descriptor but its three
 * standard ones, no blocked signal and no ignored one.
 */
#pragma once

#include "base/error.h"
#include "loop/loop.h"

struct child;

enum child_stream {
        CHILD_STDOUT = 1,
        CHILD_STDERR = 2,
};

enum child_output {
        CHILD_DISCARD, /* to /dev/null */
        CHILD_INHERIT, /* to where ours goes */
        CHILD_PIPE,    /* to on_output */
};

struct child_config {
        /* NULL-terminated. argv[0] is looked up in our own PATH unless it has a slash. */
        const char *const *argv;
        /* "NAME=value", NULL-terminated: the whole environment. NULL: an empty one. */
        const char *const *env;
        const char *directory; /* NULL: ours */
        struct str input;      /* what it reads on standard input; copied; absent: nothing */
        enum child_output out;
        enum child_output err;
        usec_t timeout; /* after which it gets SIGKILL; 0: none */
};

struct child_result {
        int exit_code;  /* 0 to 255, or -1 if a signal ended it */
        int signal;     /* that signal, or 0 */
        bool timed_out; /* we killed it: config.timeout, or the grace of child_stop, was over */
};

struct child_handlers {
        /* What it wrote, as it comes; not cut at lines. Optional. */
        void (*on_output)(struct child *c, enum child_stream stream, struct str data, void *arg);
        /* Once, when the process has ended and what it wrote was handed over;
         * the child is gone when it returns. A grandchild that still holds the
         * pipes is not waited for. */
        void (*done)(struct child *c, const struct child_result *result, void *arg);
        void *arg;
};

/* 0, or a negative errno (-ENOENT for no such program) with ERR filled. */
int child_start(struct loop *l, const struct child_config *config, const struct child_handlers *handlers,
                struct child **ret, struct error *err) _must_check_;

pid_t child_pid(const struct child *c);

/* Sends SIG to the child's process group, and to the child if it has left that; 0 or
 * -errno. */
int child_signal(struct child *c, int sig);

/* Sends SIG now, and SIGKILL if the child has not ended within GRACE. */
void child_stop(struct child *c, int sig, usec_t grace);

/* Kills the child and waits for its end, without any callback. Safe inside any
 * callback but done. */
void child_free(struct child *c);
void child_freep(struct child **c);

/* For a program that runs as PID 1: takes away the processes that lost their
 * parent and have ended. To be called on SIGCHLD; leaves our own children
 * alone. */
void child_reap_orphans(void);
