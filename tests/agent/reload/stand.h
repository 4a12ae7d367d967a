/* SPDX-License-Identifier: Apache-2.0
 *
 * A sidecar with real files, real inotify, and a real process that counts its
 * signals. What is logged goes to a file, since that is all that a sidecar says.
 */
#pragma once

#include "agent/reload/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/log.h"
#include "mounted.h"

#define PATIENT (60 * USEC_SEC) /* of a machine that does much else */
#define LOG_BYTES ((size_t)64 * 1024)

/* --- the program -------------------------------------------------------------------- */

/* How a program takes SIGHUP. On SIGUSR1 it begins to handle it. */
enum manner { HANDLES, IGNORES, WAITS, IS_ENDED };

struct program {
        pid_t pid;
        int said; /* a byte for each SIGHUP */
        int n;    /* so many so far */
};

static int say_to;

static inline void on_hangup(int signum _unused_)
{
        if (write(say_to, "h", 1) != 1)
                _exit(9);
}

static inline void set_manner(enum manner manner)
{
        struct sigaction action = { .sa_handler = manner == HANDLES   ? on_hangup
                                                  : manner == IGNORES ? SIG_IGN
                                                                      : SIG_DFL };

        sigaction(SIGHUP, &action, NULL);
}

static inline void on_user(int signum _unused_)
{
        set_manner(HANDLES);
}

static inline void *sleep_for_ever(void *arg)
{
        for (;;)
                pause();
        return arg;
}

/* Threads, and sigwait in one of them. */
static inline _Noreturn void wait_for_signals(int to)
{
        pthread_t thread;
        sigset_t set;
        int signum;

        sigemptyset(&set);
        sigaddset(&set, SIGHUP);
        if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 ||
            pthread_create(&thread, NULL, sleep_for_ever, NULL) != 0 || write(to, "r", 1) != 1)
                _exit(9);
        while (sigwait(&set, &signum) == 0)
                on_hangup(signum);
        _exit(9);
}

static inline _Noreturn void be_program(enum manner manner, int to)
{
        struct sigaction action = { .sa_handler = on_user };

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        say_to = to;
        if (manner == WAITS)
                wait_for_signals(to);
        sigaction(SIGUSR1, &action, NULL);
        set_manner(manner);
        if (write(to, "r", 1) != 1)
                _exit(9);
        for (;;)
                pause();
}

static inline void begin_program(struct program *p, enum manner manner)
{
        int pipe[2];
        char ready;

        ck_assert_int_eq(pipe2(pipe, O_CLOEXEC), 0);
        p->pid = fork();
        ck_assert_int_ge(p->pid, 0);
        if (p->pid == 0)
                be_program(manner, pipe[1]);
        close(pipe[1]);
        ck_assert_int_eq(read(pipe[0], &ready, 1), 1);
        p->said = pipe[0];
        p->n = 0;
}

static inline int count_signals(struct program *p)
{
        struct pollfd fd = { .fd = p->said, .events = POLLIN };
        char byte;

        while (poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN) && read(p->said, &byte, 1) == 1)
                p->n++;
        return p->n;
}

static inline bool is_alive(const struct program *p)
{
        return waitpid(p->pid, NULL, WNOHANG) == 0;
}

static inline void end_program(struct program *p)
{
        kill(p->pid, SIGKILL);
        ck_assert_int_eq(waitpid(p->pid, NULL, 0), p->pid);
        close(p->said);
}

/* --- the sidecar ----------------------------------------------------------------------- */

struct stand {
        struct mounted map, secret;
        struct reload_folder folders[2];
        struct reload_options options;
        struct program program;
        struct loop *loop;
        struct reload *reload;
        int log, stderr_before;
};

static inline void begin_log(struct stand *s)
{
        s->log = memfd_create("log", MFD_CLOEXEC);
        ck_assert_int_ge(s->log, 0);
        s->stderr_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
        ck_assert_int_eq(dup2(s->log, STDERR_FILENO), STDERR_FILENO);
        log_setup(LOG_DEBUG, LOG_TEXT);
}

static inline void end_log(struct stand *s)
{
        ck_assert_int_eq(dup2(s->stderr_before, STDERR_FILENO), STDERR_FILENO);
        close(s->stderr_before);
        close(s->log);
}

static inline const char *log_text(const struct stand *s)
{
        static char text[LOG_BYTES];
        ssize_t n = pread(s->log, text, sizeof(text) - 1, 0);

        ck_assert_int_ge(n, 0);
        text[n] = '\0';
        return text;
}

/* The end of it, for a message: Check takes no long ones. */
static inline const char *log_end(const struct stand *s)
{
        const char *text = log_text(s);
        size_t n = strlen(text);

        return n > 2048 ? text + n - 2048 : text;
}

/* Both folders and the program, nobody watching yet. */
static inline void prepare(struct stand *s, enum manner manner)
{
        *s = (struct stand){ 0 };
        mounted_init(&s->map);
        mounted_init(&s->secret);
        s->folders[0] = (struct reload_folder){ STR("settings"), str_c(s->map.path), false };
        s->folders[1] = (struct reload_folder){ STR("keys"), str_c(s->secret.path), true };
        reload_options_init(&s->options);
        s->options.folders = s->folders;
        s->options.n_folders = 2;
        s->options.settle = 200 * USEC_MSEC;
        s->options.retry = 100 * USEC_MSEC;
        s->options.look_again = 50 * USEC_MSEC;
        begin_program(&s->program, manner);
        s->options.pid = s->program.pid;
        begin_log(s);
}

static inline void start(struct stand *s)
{
        ck_assert_int_eq(loop_new(&s->loop), 0);
        ck_assert_int_eq(reload_new(s->loop, &s->options, &s->reload), 0);
}

static inline bool has_said(struct stand *s, const char *text)
{
        return strstr(log_text(s), text) != NULL;
}

static inline void turn(struct stand *s)
{
        ck_assert_int_ge(loop_turn(s->loop, 20 * USEC_MSEC), 0);
}

static inline void wait_said(struct stand *s, const char *text)
{
        usec_t until = clock_now() + PATIENT;

        while (!has_said(s, text)) {
                ck_assert_msg(clock_now() < until, "never said: %s; it said:\n%s", text, log_end(s));
                turn(s);
        }
}

static inline void wait_signals(struct stand *s, int n)
{
        usec_t until = clock_now() + PATIENT;

        while (count_signals(&s->program) < n) {
                ck_assert_msg(clock_now() < until, "no signal; it said:\n%s", log_end(s));
                turn(s);
        }
        ck_assert_int_eq(count_signals(&s->program), n);
}

static inline void write_map(struct stand *s, const char *color)
{
        mounted_write(&s->map, (mounted_files){ "color", color, "size", "10", NULL });
}

static inline void write_secret(struct stand *s, const char *key)
{
        mounted_write(&s->secret, (mounted_files){ "key", key, NULL });
}

static inline void begin(struct stand *s, enum manner manner)
{
        prepare(s, manner);
        write_map(s, "red");
        write_secret(s, "sesame");
        start(s);
        wait_said(s, "watching");
}

static inline void end(struct stand *s)
{
        reload_free(s->reload);
        loop_free(s->loop);
        end_log(s);
        end_program(&s->program);
        mounted_remove(&s->map);
        mounted_remove(&s->secret);
        ck_assert_uint_eq(mem_live(), 0);
}
