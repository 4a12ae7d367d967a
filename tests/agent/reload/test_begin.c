/* SPDX-License-Identifier: Apache-2.0
 *
 * How the sidecar begins: beside a program that may have read the files already, and
 * with folders, inotify and memory that may be missing. And how it ends.
 */
#include "stand.h"

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
        a_program_that_is_older_is_told_once,
        one_that_is_younger_has_read_them_itself,
        files_that_come_late_are_waited_for,
        a_folder_that_goes_away_is_watched_again_when_it_is_back,
        without_inotify_the_files_are_looked_at_now_and_then,
        it_ends_at_sigterm,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("reload/begin", tests)
