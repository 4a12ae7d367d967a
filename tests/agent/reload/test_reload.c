/* SPDX-License-Identifier: Apache-2.0
 *
 * Real files, real inotify, and a real process that counts its signals. What is
 * logged goes to a file, since that is all that a sidecar says.
 */
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

static void on_hangup(int signum _unused_)
{
        if (write(say_to, "h", 1) != 1)
                _exit(9);
}

static void set_manner(enum manner manner)
{
        struct sigaction action = { .sa_handler = manner == HANDLES   ? on_hangup
                                                  : manner == IGNORES ? SIG_IGN
                                                                      : SIG_DFL };

        sigaction(SIGHUP, &action, NULL);
}

static void on_user(int signum _unused_)
{
        set_manner(HANDLES);
}

static void *sleep_for_ever(void *arg)
{
        for (;;)
                pause();
        return arg;
}

/* Threads, and sigwait in one of them. */
static _Noreturn void wait_for_signals(int to)
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

static _Noreturn void be_program(enum manner manner, int to)
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

static void begin_program(struct program *p, enum manner manner)
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

static int count_signals(struct program *p)
{
        struct pollfd fd = { .fd = p->said, .events = POLLIN };
        char byte;

        while (poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN) && read(p->said, &byte, 1) == 1)
                p->n++;
        return p->n;
}

static bool is_alive(const struct program *p)
{
        return waitpid(p->pid, NULL, WNOHANG) == 0;
}

static void end_program(struct program *p)
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

static void begin_log(struct stand *s)
{
        s->log = memfd_create("log", MFD_CLOEXEC);
        ck_assert_int_ge(s->log, 0);
        s->stderr_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
        ck_assert_int_eq(dup2(s->log, STDERR_FILENO), STDERR_FILENO);
        log_setup(LOG_DEBUG, LOG_TEXT);
}

static void end_log(struct stand *s)
{
        ck_assert_int_eq(dup2(s->stderr_before, STDERR_FILENO), STDERR_FILENO);
        close(s->stderr_before);
        close(s->log);
}

static const char *log_text(const struct stand *s)
{
        static char text[LOG_BYTES];
        ssize_t n = pread(s->log, text, sizeof(text) - 1, 0);

        ck_assert_int_ge(n, 0);
        text[n] = '\0';
        return text;
}

/* The end of it, for a message: Check takes no long ones. */
static const char *log_end(const struct stand *s)
{
        const char *text = log_text(s);
        size_t n = strlen(text);

        return n > 2048 ? text + n - 2048 : text;
}

/* Both folders and the program, nobody watching yet. */
static void prepare(struct stand *s, enum manner manner)
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

static void start(struct stand *s)
{
        ck_assert_int_eq(loop_new(&s->loop), 0);
        ck_assert_int_eq(reload_new(s->loop, &s->options, &s->reload), 0);
}

static bool has_said(struct stand *s, const char *text)
{
        return strstr(log_text(s), text) != NULL;
}

static void turn(struct stand *s)
{
        ck_assert_int_ge(loop_turn(s->loop, 20 * USEC_MSEC), 0);
}

static void wait_said(struct stand *s, const char *text)
{
        usec_t until = clock_now() + PATIENT;

        while (!has_said(s, text)) {
                ck_assert_msg(clock_now() < until, "never said: %s; it said:\n%s", text, log_end(s));
                turn(s);
        }
}

static void wait_signals(struct stand *s, int n)
{
        usec_t until = clock_now() + PATIENT;

        while (count_signals(&s->program) < n) {
                ck_assert_msg(clock_now() < until, "no signal; it said:\n%s", log_end(s));
                turn(s);
        }
        ck_assert_int_eq(count_signals(&s->program), n);
}

static void write_map(struct stand *s, const char *color)
{
        mounted_write(&s->map, (mounted_files){ "color", color, "size", "10", NULL });
}

static void write_secret(struct stand *s, const char *key)
{
        mounted_write(&s->secret, (mounted_files){ "key", key, NULL });
}

static void begin(struct stand *s, enum manner manner)
{
        prepare(s, manner);
        write_map(s, "red");
        write_secret(s, "sesame");
        start(s);
        wait_said(s, "watching");
}

static void end(struct stand *s)
{
        reload_free(s->reload);
        loop_free(s->loop);
        end_log(s);
        end_program(&s->program);
        mounted_remove(&s->map);
        mounted_remove(&s->secret);
        ck_assert_uint_eq(mem_live(), 0);
}

/* --- changes ---------------------------------------------------------------------------- */

START_TEST(a_change_is_one_signal)
{
        struct stand s;

        begin(&s, HANDLES);
        write_map(&s, "green");
        wait_signals(&s, 1);
        /* Had there been a second one, it would have come before that of another change. */
        write_secret(&s, "barley");
        wait_signals(&s, 2);
        end(&s);
}
END_TEST

START_TEST(changes_of_one_moment_are_one_signal)
{
        struct stand s;

        begin(&s, HANDLES);
        write_map(&s, "green");
        write_secret(&s, "barley");
        write_map(&s, "blue");
        wait_signals(&s, 1);
        write_map(&s, "white");
        wait_signals(&s, 2);
        end(&s);
}
END_TEST

/* One that never rests is not waited for without end. */
START_TEST(a_folder_that_changes_all_the_time_is_told_of)
{
        usec_t until = clock_now() + PATIENT;
        struct stand s;

        begin(&s, HANDLES);
        for (int i = 0; count_signals(&s.program) == 0; i++) {
                char color[16];

                ck_assert_msg(clock_now() < until, "no signal; it said:\n%s", log_end(&s));
                snprintf(color, sizeof(color), "%d", i);
                write_map(&s, color);
                turn(&s);
        }
        end(&s);
}
END_TEST

START_TEST(equal_files_are_no_change)
{
        struct stand s;

        begin(&s, HANDLES);
        write_map(&s, "red");
        write_secret(&s, "sesame");
        turn(&s);
        write_map(&s, "green");
        wait_signals(&s, 1);
        write_map(&s, "red");
        wait_signals(&s, 2);
        end(&s);
}
END_TEST

START_TEST(names_and_hashes_are_logged_and_of_secrets_only_names)
{
        const char *line;
        struct stand s;

        begin(&s, HANDLES);
        mounted_write(&s.map, (mounted_files){ "color", "green", "fresh", "1", NULL });
        write_secret(&s, "barley");
        wait_signals(&s, 1);
        wait_said(&s, "was sent SIGHUP");
        line = strstr(log_text(&s), "configMap=\"settings\" file=\"color\" change=\"changed\" from=\"");
        ck_assert_msg(line, "%s", log_end(&s));
        ck_assert(has_said(&s, "configMap=\"settings\" file=\"fresh\" change=\"added\" to=\""));
        ck_assert(has_said(&s, "configMap=\"settings\" file=\"size\" change=\"removed\" from=\""));
        line = strstr(log_text(&s), "secret=\"keys\" file=\"key\" change=\"changed\"");
        ck_assert_msg(line, "%s", log_end(&s));
        ck_assert_int_eq(line[strlen("secret=\"keys\" file=\"key\" change=\"changed\"")], '\n');
        ck_assert(!has_said(&s, "green") && !has_said(&s, "barley") && !has_said(&s, "sesame"));
        end(&s);
}
END_TEST

START_TEST(of_very_many_changes_some_are_named)
{
        static char names[200][16];
        const char *files[401] = { NULL };
        struct stand s;

        for (size_t i = 0; i < 200; i++) {
                snprintf(names[i], sizeof(names[i]), "file-%03zu", i);
                files[2 * i] = names[i];
                files[2 * i + 1] = "x";
        }
        begin(&s, HANDLES);
        mounted_write(&s.map, files);
        wait_signals(&s, 1);
        ck_assert(has_said(&s, "more files have changed"));
        ck_assert(has_said(&s, "files=138")); /* 200 added, 2 removed, 64 named */
        end(&s);
}
END_TEST

/* --- what holds it back --------------------------------------------------------------------- */

START_TEST(what_is_not_json_holds_the_signal_back)
{
        struct stand s;

        begin(&s, HANDLES);
        mounted_write(&s.map, (mounted_files){ "color.json", "{\"a\":", NULL });
        wait_said(&s, "a file is not JSON");
        ck_assert(has_said(&s, "configMap=\"settings\" file=\"color.json\" error="));
        ck_assert_int_eq(count_signals(&s.program), 0);
        mounted_write(&s.secret, (mounted_files){ "key.json", "barley", NULL });
        wait_said(&s, "secret=\"keys\" file=\"key.json\"");
        ck_assert(!has_said(&s, "barley"));
        ck_assert_int_eq(count_signals(&s.program), 0);
        mounted_write(&s.secret, (mounted_files){ "key.json", "\"barley\"", NULL });
        mounted_write(&s.map, (mounted_files){ "color.json", "{\"a\":1}", NULL });
        wait_signals(&s, 1);
        end(&s);
}
END_TEST

/* It was so when the program began, which lives with it. */
START_TEST(what_was_no_json_all_along_holds_nothing_back)
{
        struct stand s;

        prepare(&s, HANDLES);
        mounted_write(&s.map, (mounted_files){ "old.json", "#", "color", "red", NULL });
        write_secret(&s, "sesame");
        start(&s);
        wait_said(&s, "watching");
        mounted_write(&s.map, (mounted_files){ "old.json", "#", "color", "green", NULL });
        wait_signals(&s, 1);
        end(&s);
}
END_TEST

START_TEST(a_program_that_would_be_ended_is_left_alone_until_it_handles_the_signal)
{
        struct stand s;

        begin(&s, IS_ENDED);
        write_map(&s, "green");
        wait_said(&s, "file=\"color\" change=\"changed\"");
        turn(&s);
        ck_assert(is_alive(&s.program));
        ck_assert_int_eq(kill(s.program.pid, SIGUSR1), 0);
        wait_signals(&s, 1);
        end(&s);
}
END_TEST

START_TEST(one_that_never_does_is_told_of_and_lives)
{
        struct stand s;

        prepare(&s, IS_ENDED);
        write_map(&s, "red");
        write_secret(&s, "sesame");
        s.options.patience = 100 * USEC_MSEC;
        start(&s);
        wait_said(&s, "watching");
        write_map(&s, "green");
        wait_said(&s, "does not handle SIGHUP and would be ended by it");
        ck_assert(is_alive(&s.program));
        end(&s);
}
END_TEST

START_TEST(one_that_waits_for_signals_is_sent_it)
{
        struct stand s;

        begin(&s, WAITS);
        write_map(&s, "green");
        wait_signals(&s, 1);
        write_map(&s, "blue");
        wait_signals(&s, 2);
        end(&s);
}
END_TEST

START_TEST(one_that_ignores_it_is_sent_it)
{
        struct stand s;

        begin(&s, IGNORES);
        write_map(&s, "green");
        wait_said(&s, "was sent SIGHUP");
        ck_assert(is_alive(&s.program));
        end(&s);
}
END_TEST

START_TEST(one_that_does_not_run_reads_the_files_when_it_starts)
{
        struct stand s;

        begin(&s, HANDLES);
        kill(s.program.pid, SIGKILL); /* not waited for: a zombie, as under a slow kubelet */
        write_map(&s, "green");
        wait_said(&s, "the program does not run now");
        ck_assert(!has_said(&s, "was sent SIGHUP"));
        end(&s);
}
END_TEST

/* --- beginning ---------------------------------------------------------------------------------- */

#define STATUS "Name:\tx\nUid:\t0\t0\t0\t0\nSigBlk:\t0\nSigIgn:\t0\nSigCgt:\t0000000000000001\n"

/* In another /proc. */
static void put_started(const struct mounted *proc, pid_t pid, int started)
{
        char path[256], stat[256];

        snprintf(path, sizeof(path), "%s/%d", proc->path, (int)pid);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        snprintf(stat, sizeof(stat), "%d (x) S 0 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 %d 4096 100 1\n",
                 (int)pid, started);
        write_text(path, "stat", stat);
        write_text(path, "status", STATUS);
}

/* A sidecar that was started again does not know what it has missed. */
START_TEST(a_program_that_is_older_is_told_once)
{
        struct mounted proc;
        struct stand s;

        prepare(&s, HANDLES);
        mounted_init(&proc);
        put_started(&proc, s.program.pid, 10);
        put_started(&proc, getpid(), 20);
        write_map(&s, "red");
        write_secret(&s, "sesame");
        s.options.proc = proc.path;
        start(&s);
        wait_signals(&s, 1);
        write_map(&s, "green");
        wait_signals(&s, 2);
        end(&s);
        mounted_remove(&proc);
}
END_TEST

START_TEST(one_that_is_younger_has_read_them_itself)
{
        struct mounted proc;
        struct stand s;

        prepare(&s, HANDLES);
        mounted_init(&proc);
        put_started(&proc, s.program.pid, 20);
        put_started(&proc, getpid(), 20);
        write_map(&s, "red");
        write_secret(&s, "sesame");
        s.options.proc = proc.path;
        start(&s);
        wait_said(&s, "watching");
        ck_assert_int_eq(count_signals(&s.program), 0);
        write_map(&s, "green");
        wait_signals(&s, 1);
        end(&s);
        mounted_remove(&proc);
}
END_TEST

START_TEST(files_that_come_late_are_waited_for)
{
        struct stand s;

        prepare(&s, HANDLES);
        write_map(&s, "red");
        start(&s);
        wait_said(&s, "it is not where a ConfigMap or Secret is mounted");
        ck_assert_int_eq(count_signals(&s.program), 0);
        write_secret(&s, "sesame");
        wait_signals(&s, 1); /* nobody knows what the program has read */
        write_map(&s, "green");
        wait_signals(&s, 2);
        end(&s);
}
END_TEST

START_TEST(a_folder_that_goes_away_is_watched_again_when_it_is_back)
{
        struct stand s;
        char away[64];

        begin(&s, HANDLES);
        snprintf(away, sizeof(away), "%s-away", s.map.path);
        ck_assert_int_eq(rename(s.map.path, away), 0);
        wait_said(&s, "cannot "); /* watch, or, without inotify, read */
        ck_assert_int_eq(rename(away, s.map.path), 0);
        write_map(&s, "green");
        wait_signals(&s, 1);
        end(&s);
}
END_TEST

static size_t count_said(const struct stand *s, const char *text)
{
        size_t n = 0;

        for (const char *at = log_text(s); (at = strstr(at, text)); at++)
                n++;
        return n;
}

START_TEST(without_inotify_the_files_are_looked_at_now_and_then)
{
        struct stand s;
        usec_t until;

        prepare(&s, HANDLES);
        write_map(&s, "red");
        write_secret(&s, "sesame");
        s.options.without_inotify = true;
        start(&s);
        wait_said(&s, "watching");
        write_map(&s, "green");
        wait_signals(&s, 1);
        mounted_write(&s.map, (mounted_files){ "color.json", "{", NULL });
        wait_said(&s, "a file is not JSON");
        for (until = clock_now() + 5 * s.options.retry; clock_now() < until;)
                turn(&s); /* it looks again and again, and has nothing new to say */
        ck_assert_uint_eq(count_said(&s, "a file is not JSON"), 1);
        ck_assert_uint_eq(count_said(&s, "no word of changes"), 1);
        mounted_write(&s.map, (mounted_files){ "color.json", "{,", NULL });
        while (count_said(&s, "a file is not JSON") < 2)
                turn(&s);
        write_map(&s, "blue");
        wait_signals(&s, 2);
        end(&s);
}
END_TEST

/* --- the whole program ---------------------------------------------------------------------------- */

START_TEST(it_ends_at_sigterm)
{
        struct stand s;
        pid_t pid;
        int code;

        prepare(&s, HANDLES);
        write_map(&s, "red");
        write_secret(&s, "sesame");
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                struct error err = ERROR_INIT;

                _exit(reload_run(&s.options, &err) == 0 ? 0 : 1);
        }
        for (usec_t until = clock_now() + PATIENT; !has_said(&s, "watching");) {
                ck_assert_int_lt(clock_now(), until);
                poll(NULL, 0, 10);
        }
        ck_assert_int_eq(kill(pid, SIGTERM), 0);
        ck_assert_int_eq(waitpid(pid, &code, 0), pid);
        ck_assert(WIFEXITED(code));
        ck_assert_int_eq(WEXITSTATUS(code), 0);
        ck_assert(has_said(&s, "stopped"));
        end(&s);
}
END_TEST

/* --- without memory ---------------------------------------------------------------------------------- */

/* It begins, and survives whatever is missing then: it says so, and tries again. */
static int begin_once(void *arg)
{
        const struct stand *s = arg;
        struct reload *r = NULL;
        struct loop *l;
        int e = loop_new(&l);

        if (e < 0)
                return e;
        e = reload_new(l, &s->options, &r);
        if (e == 0)
                e = loop_turn(l, 0);
        reload_free(r);
        loop_free(l);
        return e < 0 ? e : 0;
}

START_TEST(it_survives_the_lack_of_memory)
{
        struct stand s;

        prepare(&s, HANDLES);
        write_map(&s, "red");
        write_secret(&s, "sesame");
        torture(begin_once, &s, 0);
        ck_assert(has_said(&s, "out of memory"));
        end(&s);
}
END_TEST

static const TTest *const tests[] = {
        a_change_is_one_signal,
        changes_of_one_moment_are_one_signal,
        a_folder_that_changes_all_the_time_is_told_of,
        equal_files_are_no_change,
        names_and_hashes_are_logged_and_of_secrets_only_names,
        of_very_many_changes_some_are_named,
        what_is_not_json_holds_the_signal_back,
        what_was_no_json_all_along_holds_nothing_back,
        a_program_that_would_be_ended_is_left_alone_until_it_handles_the_signal,
        one_that_never_does_is_told_of_and_lives,
        one_that_waits_for_signals_is_sent_it,
        one_that_ignores_it_is_sent_it,
        one_that_does_not_run_reads_the_files_when_it_starts,
        a_program_that_is_older_is_told_once,
        one_that_is_younger_has_read_them_itself,
        files_that_come_late_are_waited_for,
        a_folder_that_goes_away_is_watched_again_when_it_is_back,
        without_inotify_the_files_are_looked_at_now_and_then,
        it_ends_at_sigterm,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("reload/reload", tests)
