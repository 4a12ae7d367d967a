/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "loop/child.h"
#include "turns.h"

#define OUTPUT_MAX ((size_t)8 * 1024 * 1024)

struct run {
        struct loop *loop;
        struct child *child;
        struct buf out, err;
        struct child_result result;
        int done;
        bool free_on_output;
        const char *stop_at; /* SIGTERM once it has written this */
        usec_t grace;
};

static void on_output(struct child *c, enum child_stream stream, struct str data, void *arg)
{
        struct run *run = arg;

        ck_assert_ptr_eq(c, run->child);
        ck_assert_int_eq(run->done, 0);
        ck_assert_int_eq(buf_add_str(stream == CHILD_STDOUT ? &run->out : &run->err, data), 0);
        if (run->free_on_output) {
                child_free(c);
                run->child = NULL;
        } else if (run->stop_at && str_eq_c(buf_str(&run->out), run->stop_at)) {
                child_stop(c, SIGTERM, run->grace);
        }
}

static void on_done(struct child *c, const struct child_result *result, void *arg)
{
        struct run *run = arg;

        ck_assert_ptr_eq(c, run->child);
        run->done++;
        run->result = *result;
        run->child = NULL;
}

static void setup(struct run *run)
{
        *run = (struct run){ .out = BUF_INIT(OUTPUT_MAX), .err = BUF_INIT(OUTPUT_MAX) };
        ck_assert_int_eq(loop_new(&run->loop), 0);
}

static void teardown(struct run *run)
{
        child_free(run->child);
        buf_release(&run->out);
        buf_release(&run->err);
        loop_free(run->loop);
}

static int start(struct run *run, const struct child_config *config, struct error *err)
{
        const struct child_handlers handlers = { .on_output = on_output, .done = on_done, .arg = run };

        return child_start(run->loop, config, &handlers, &run->child, err);
}

/* Runs "sh -c SCRIPT" with its output in pipes; tests are scripts, the product has none. */
static void start_script(struct run *run, const char *script, struct child_config config)
{
        const char *const argv[] = { "/bin/sh", "-c", script, NULL };
        static const char *const env[] = { "PATH=/usr/bin:/bin", NULL };
        struct error err = ERROR_INIT;

        config.argv = argv;
        config.env = env;
        config.out = config.err = CHILD_PIPE;
        ck_assert_msg(start(run, &config, &err) == 0, "%s", err.message);
}

static void run_script(struct run *run, const char *script, struct child_config config)
{
        start_script(run, script, config);
        turn_until(run->loop, run->done);
}

START_TEST(the_exit_code_and_both_outputs_are_told)
{
        struct run run;

        setup(&run);
        run_script(&run, "echo to out; echo to err >&2; exit 3", (struct child_config){ 0 });
        ck_assert_int_eq(run.result.exit_code, 3);
        ck_assert_int_eq(run.result.signal, 0);
        ck_assert(!run.result.timed_out);
        ck_str_eq(buf_str(&run.out), "to out\n");
        ck_str_eq(buf_str(&run.err), "to err\n");
        teardown(&run);
}
END_TEST

static void wait_for_exit(const struct child *c)
{
        while (waitid(P_PID, (id_t)child_pid(c), &(siginfo_t){ 0 }, WEXITED | WNOWAIT) < 0)
                ck_assert_int_eq(errno, EINTR);
}

/* As much as the pipe holds is there when the loop learns of the end. */
START_TEST(what_it_wrote_last_is_not_lost)
{
        struct run run;

        setup(&run);
        start_script(&run, "head -c 60000 /dev/zero", (struct child_config){ 0 });
        wait_for_exit(run.child);
        turn_until(run.loop, run.done);
        ck_assert_uint_eq(run.out.len, 60000);
        teardown(&run);
}
END_TEST

START_TEST(arguments_are_not_looked_at)
{
        const char *const argv[] = { "printf", "%s", "$(id) `id` \"; exit 1", NULL };
        const struct child_config config = { .argv = argv, .out = CHILD_PIPE };
        struct error err = ERROR_INIT;
        struct run run;

        setup(&run);
        ck_assert_int_eq(start(&run, &config, &err), 0);
        turn_until(run.loop, run.done);
        ck_str_eq(buf_str(&run.out), "$(id) `id` \"; exit 1");
        teardown(&run);
}
END_TEST

START_TEST(the_environment_is_only_what_was_given)
{
        const char *const argv[] = { "/usr/bin/env", NULL };
        const char *const env[] = { "A=1", "B=two words", NULL };
        struct child_config config = { .argv = argv, .env = env, .out = CHILD_PIPE };
        struct error err = ERROR_INIT;
        struct run run;

        setup(&run);
        ck_assert_int_eq(start(&run, &config, &err), 0);
        turn_until(run.loop, run.done);
        ck_str_eq(buf_str(&run.out), "A=1\nB=two words\n");

        buf_clear(&run.out);
        run.done = 0;
        config.env = NULL;
        ck_assert_int_eq(start(&run, &config, &err), 0);
        turn_until(run.loop, run.done);
        ck_str_eq(buf_str(&run.out), "");
        teardown(&run);
}
END_TEST

START_TEST(it_starts_in_the_directory_given)
{
        struct run run;

        setup(&run);
        run_script(&run, "pwd", (struct child_config){ .directory = "/proc" });
        ck_str_eq(buf_str(&run.out), "/proc\n");
        teardown(&run);
}
END_TEST

/* More than the pipes hold, in both directions at once. */
START_TEST(a_large_input_comes_back_whole)
{
        struct buf input = BUF_INIT(OUTPUT_MAX);
        struct run run;

        setup(&run);
        for (int i = 0; i < 200000; i++)
                buf_printf(&input, "line %d\n", i);
        run_script(&run, "cat", (struct child_config){ .input = buf_str(&input) });
        ck_assert_int_eq(run.result.exit_code, 0);
        ck_assert(str_eq(buf_str(&run.out), buf_str(&input)));
        buf_release(&input);
        teardown(&run);
}
END_TEST

START_TEST(an_input_that_nobody_reads_is_no_error)
{
        struct buf input = BUF_INIT(OUTPUT_MAX);
        struct run run;

        setup(&run);
        for (int i = 0; i < 200000; i++)
                buf_add_c(&input, "0123456789");
        run_script(&run, "exec <&-; echo closed", (struct child_config){ .input = buf_str(&input) });
        ck_assert_int_eq(run.result.exit_code, 0);
        ck_str_eq(buf_str(&run.out), "closed\n");
        buf_release(&input);
        teardown(&run);
}
END_TEST

START_TEST(without_input_it_reads_the_end_at_once)
{
        struct run run;

        setup(&run);
        run_script(&run, "cat; echo end", (struct child_config){ 0 });
        ck_str_eq(buf_str(&run.out), "end\n");
        teardown(&run);
}
END_TEST

START_TEST(no_such_program_is_an_error_of_the_start)
{
        const char *const argv[] = { "/nowhere/pg_ctl", NULL };
        const struct child_config config = { .argv = argv, .input = STR("x"), .out = CHILD_PIPE };
        struct error err = ERROR_INIT;
        struct run run;

        setup(&run);
        ck_assert_int_eq(start(&run, &config, &err), -ENOENT);
        ck_assert_str_eq(err.message, "cannot start /nowhere/pg_ctl: No such file or directory");
        ck_assert_ptr_null(run.child);
        teardown(&run);
}
END_TEST

START_TEST(stopping_sends_the_signal)
{
        struct run run;

        setup(&run);
        run.stop_at = "ready\n";
        run.grace = USEC_HOUR;
        run_script(&run, "echo ready; exec sleep 1000", (struct child_config){ 0 });
        ck_assert_int_eq(run.result.exit_code, -1);
        ck_assert_int_eq(run.result.signal, SIGTERM);
        ck_assert(!run.result.timed_out);
        teardown(&run);
}
END_TEST

START_TEST(one_that_ignores_the_signal_is_killed)
{
        struct run run;

        setup(&run);
        run.stop_at = "ready\n";
        run.grace = 50 * USEC_MSEC;
        run_script(&run, "trap '' TERM; echo ready; while :; do sleep 1000; done",
                   (struct child_config){ 0 });
        ck_assert_int_eq(run.result.signal, SIGKILL);
        ck_assert(run.result.timed_out);
        teardown(&run);
}
END_TEST

START_TEST(the_timeout_kills_it)
{
        struct run run;

        setup(&run);
        run_script(&run, "exec sleep 1000", (struct child_config){ .timeout = 50 * USEC_MSEC });
        ck_assert_int_eq(run.result.signal, SIGKILL);
        ck_assert(run.result.timed_out);
        teardown(&run);
}
END_TEST

/* The signals that we block or ignore must not be so in the child. */
START_TEST(signals_are_as_new_in_the_child)
{
        struct str blocked, ignored;
        struct run run;
        sigset_t set;

        sigfillset(&set);
        ck_assert_int_eq(sigprocmask(SIG_BLOCK, &set, NULL), 0);
        signal(SIGTERM, SIG_IGN);
        setup(&run);
        run_script(&run, "grep -E '^Sig(Blk|Ign)' /proc/self/status", (struct child_config){ 0 });
        ck_assert(str_cut(buf_str(&run.out), '\n', &blocked, &ignored));
        ck_str_eq(blocked, "SigBlk:\t0000000000000000");
        /* glibc ignores two real-time signals of its own, 32 and 33. */
        ck_assert(str_starts(ignored, STR("SigIgn:\t")));
        ck_assert_uint_eq(strtoull(ignored.data + 8, NULL, 16) & 0x7fffffff, 0);
        teardown(&run);
}
END_TEST

START_TEST(it_has_no_descriptor_of_ours)
{
        struct run run;
        int fd = fcntl(STDERR_FILENO, F_DUPFD, 77); /* without close-on-exec */

        ck_assert_int_ge(fd, 77);
        setup(&run);
        run_script(&run, "for i in 3 4 5 6 7 8 9 77; do [ ! -e /proc/$$/fd/$i ] || echo $i; done",
                   (struct child_config){ 0 });
        /* The shell may hold one of its own for the script. */
        ck_str_eq(buf_str(&run.out), "");
        close(fd);
        teardown(&run);
}
END_TEST

static bool is_gone(pid_t pid)
{
        return kill(pid, 0) < 0 && errno == ESRCH;
}

START_TEST(freeing_kills_it_without_a_callback)
{
        struct run run;
        pid_t pid;

        setup(&run);
        start_script(&run, "trap '' TERM; sleep 1000", (struct child_config){ 0 });
        pid = child_pid(run.child);
        child_freep(&run.child);
        ck_assert(is_gone(pid));
        ck_assert_int_eq(loop_turn(run.loop, 0), 0);
        ck_assert_int_eq(run.done, 0);
        teardown(&run);
}
END_TEST

START_TEST(it_may_be_freed_from_inside_its_output)
{
        struct run run;

        setup(&run);
        run.free_on_output = true;
        start_script(&run, "echo one; echo two >&2; exec sleep 1000", (struct child_config){ 0 });
        turn_until(run.loop, !run.child);
        ck_assert_int_eq(loop_turn(run.loop, 0), 0);
        ck_assert_int_eq(run.done, 0);
        teardown(&run);
}
END_TEST

START_TEST(it_may_be_freed_from_inside_the_last_output)
{
        struct run run;

        setup(&run);
        start_script(&run, "echo last", (struct child_config){ 0 });
        run.free_on_output = true;
        /* Both the output and the end are there when the loop looks. */
        wait_for_exit(run.child);
        turn_until(run.loop, !run.child);
        ck_assert_int_eq(loop_turn(run.loop, 0), 0);
        ck_assert_int_eq(run.done, 0);
        teardown(&run);
}
END_TEST

START_TEST(a_grandchild_with_the_pipe_does_not_delay_the_end)
{
        struct run run;
        int64_t grandchild;

        setup(&run);
        run_script(&run, "sleep 1000 & echo $!", (struct child_config){ 0 });
        ck_assert_int_eq(run.result.exit_code, 0);
        ck_assert_int_eq(str_to_int64(str_trim(buf_str(&run.out)), &grandchild), 0);
        ck_assert_int_eq(kill((pid_t)grandchild, SIGKILL), 0);
        teardown(&run);
}
END_TEST

START_TEST(a_signal_reaches_the_whole_group)
{
        struct run run;

        setup(&run);
        run.stop_at = "ready\n";
        run.grace = USEC_HOUR;
        /* sh waits for its child and would only then look at SIGTERM. */
        run_script(&run, "trap 'exit 9' TERM; sh -c 'echo ready; exec sleep 1000'; exit 8",
                   (struct child_config){ 0 });
        ck_assert_int_eq(run.result.exit_code, 9);
        teardown(&run);
}
END_TEST

/* A child that leaves its process group, for ours: nothing that is sent to its own reaches it. */
static const char leaves_its_group[] =
        "exec perl -e '$| = 1; setpgrp(0, getpgrp(getppid())) or die; print \"ready\\n\"; sleep 1000'";

START_TEST(one_that_left_its_group_is_reached)
{
        struct run run;

        setup(&run);
        run.stop_at = "ready\n";
        run.grace = USEC_HOUR;
        run_script(&run, leaves_its_group, (struct child_config){ 0 });
        ck_assert_int_eq(run.result.signal, SIGTERM);
        teardown(&run);

        /* Would wait for its end. */
        setup(&run);
        run.free_on_output = true;
        start_script(&run, leaves_its_group, (struct child_config){ 0 });
        turn_until(run.loop, !run.child);
        teardown(&run);
}
END_TEST

static void on_sigchld(struct loop_signal *source, const struct signalfd_siginfo *info, void *arg)
{
        (void)source;
        (void)info;
        (void)arg;
        child_reap_orphans();
}

START_TEST(orphans_are_reaped_and_children_are_not)
{
        struct loop_signal sigchld = { 0 };
        struct run run;
        int64_t orphan;
        sigset_t set;

        ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        setup(&run);
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        ck_assert_int_eq(loop_signal_start(run.loop, &sigchld, &set, on_sigchld, NULL), 0);
        run_script(&run, "sleep 0.1 & echo $!; exit 5", (struct child_config){ 0 });
        ck_assert_int_eq(run.result.exit_code, 5);
        ck_assert_int_eq(str_to_int64(str_trim(buf_str(&run.out)), &orphan), 0);
        turn_until(run.loop, is_gone((pid_t)orphan));
        loop_signal_stop(&sigchld);
        teardown(&run);
}
END_TEST

static int run_true(void *arg)
{
        const char *const argv[] = { "true", NULL };
        const struct child_config config = { .argv = argv, .input = STR("x"), .out = CHILD_PIPE };
        struct run *run = arg;
        int r;

        run->done = 0;
        r = start(run, &config, NULL);
        if (r == 0)
                turn_until(run->loop, run->done);
        return r;
}

START_TEST(it_survives_the_lack_of_memory)
{
        struct run run;

        setup(&run);
        ck_assert_int_eq(run_true(&run), 0);
        torture(run_true, &run, 0);
        teardown(&run);
}
END_TEST

static const TTest *const tests[] = {
        the_exit_code_and_both_outputs_are_told,
        what_it_wrote_last_is_not_lost,
        arguments_are_not_looked_at,
        the_environment_is_only_what_was_given,
        it_starts_in_the_directory_given,
        a_large_input_comes_back_whole,
        an_input_that_nobody_reads_is_no_error,
        without_input_it_reads_the_end_at_once,
        no_such_program_is_an_error_of_the_start,
        stopping_sends_the_signal,
        one_that_ignores_the_signal_is_killed,
        the_timeout_kills_it,
        signals_are_as_new_in_the_child,
        it_has_no_descriptor_of_ours,
        freeing_kills_it_without_a_callback,
        it_may_be_freed_from_inside_its_output,
        it_may_be_freed_from_inside_the_last_output,
        a_grandchild_with_the_pipe_does_not_delay_the_end,
        a_signal_reaches_the_whole_group,
        one_that_left_its_group_is_reached,
        orphans_are_reaped_and_children_are_not,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("loop/child", tests)
