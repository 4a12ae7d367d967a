/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "harness.h"

#define LONG_ENOUGH (20 * USEC_SEC) /* for a slow machine */
#define SOON (400 * USEC_MSEC)

static char folder[] = "/tmp/keeper-XXXXXX", file[64];
static struct keeper_end seen;
static bool ended;

static void on_end(struct keeper *k _unused_, const struct keeper_end *end, void *arg _unused_)
{
        seen = *end;
        ended = true;
}

static void begin(void)
{
        /* What loses its parent becomes ours, so that its end can be waited for. */
        ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(file, sizeof(file), "%s/pids", folder);
        ended = false;
}

static void finish(void)
{
        (void)unlink(file);
        ck_assert_int_eq(rmdir(folder), 0);
}

static struct keeper *start(struct loop *l, const char *what, const char *argument)
{
        const char *const argv[] = { SERVER, what, argument, NULL };
        struct keeper_config config = { .argv = argv, .directory = folder };
        struct error err = ERROR_INIT;
        struct keeper *k = NULL;

        ck_assert_msg(keeper_start(l, &config, on_end, NULL, &k, &err) == 0, "%s", err.message);
        return k;
}

static void run_until_end(struct loop *l)
{
        usec_t deadline = clock_now() + LONG_ENOUGH;

        while (!ended && clock_now() < deadline)
                ck_assert_int_eq(loop_turn(l, 50 * USEC_MSEC), 0);
        ck_assert_msg(ended, "the end was never told");
}

/* The numbers of the server and of its child, once the server has written them. */
static void read_pids(int *server, int *child)
{
        usec_t deadline = clock_now() + LONG_ENOUGH;

        while (clock_now() < deadline) {
                struct buf text = BUF_INIT(256);
                bool done = file_read(file, &text) == 0 && text.len > 1 && text.data[text.len - 1] == '.';

                if (done)
                        done = sscanf(text.data, "%d %d", server, child) == 2;
                buf_release(&text);
                if (done)
                        return;
                usleep(1000);
        }
        ck_abort_msg("the server never came up");
}

static void wait_until_dead(int pid)
{
        struct pollfd p = { .fd = pidfd_open(pid, 0), .events = POLLIN };

        if (p.fd < 0) {
                ck_assert_int_eq(errno, ESRCH);
                return;
        }
        ck_assert_msg(poll(&p, 1, LONG_ENOUGH / USEC_MSEC) == 1, "process %d lives on", pid);
        close(p.fd);
}

static bool lives(int pid)
{
        struct pollfd p = { .fd = pidfd_open(pid, 0), .events = POLLIN };
        bool dead = p.fd < 0 || poll(&p, 1, 0) == 1;

        if (p.fd >= 0)
                close(p.fd);
        return !dead;
}

/* --- the end is told --------------------------------------------------------------- */

START_TEST(test_exit_code)
{
        struct loop *l = NULL;
        struct keeper *k;

        begin();
        ck_assert_int_eq(loop_new(&l), 0);
        k = start(l, "exit", "3");
        run_until_end(l);
        ck_assert(seen.known);
        ck_assert_int_eq(seen.exit_code, 3);
        ck_assert_int_eq(seen.signal, 0);
        ck_assert_int_eq(seen.error, 0);
        ck_assert_int_eq(keeper_arm(k, clock_now() + LONG_ENOUGH), -ESRCH);
        ck_assert_int_eq(keeper_signal(k, SIGTERM), -ESRCH);
        keeper_free(k);
        loop_free(l);
        finish();
}
END_TEST

START_TEST(test_signal_and_children)
{
        struct loop *l = NULL;
        struct keeper *k;
        int server, child;

        begin();
        ck_assert_int_eq(loop_new(&l), 0);
        k = start(l, "sit", file);
        read_pids(&server, &child);
        ck_assert_int_eq(server, keeper_server_pid(k));
        ck_assert_int_eq(keeper_signal(k, SIGUSR2), 0);
        run_until_end(l);
        ck_assert(seen.known);
        ck_assert(!seen.expired);
        ck_assert_int_eq(seen.signal, SIGUSR2);
        ck_assert_int_eq(seen.exit_code, -1);
        wait_until_dead(child);
        keeper_free(k);
        loop_free(l);
        finish();
}
END_TEST

START_TEST(test_no_program)
{
        const char *const missing[] = { "no-such-server", NULL };
        const char *const no_file[] = { "/no/such/server", NULL };
        struct keeper_config config = { .argv = missing };
        struct error err = ERROR_INIT;
        struct keeper *k = NULL;
        struct loop *l = NULL;

        begin();
        ck_assert_int_eq(loop_new(&l), 0);
        ck_assert_int_eq(keeper_start(l, &config, on_end, NULL, &k, &err), -ENOENT);
        ck_assert_ptr_null(k);
        ck_str_eq(str_c(err.message), "cannot start no-such-server: No such file or directory");
        config.argv = no_file;
        ck_assert_int_eq(keeper_start(l, &config, on_end, NULL, &k, &err), 0);
        run_until_end(l);
        ck_assert_int_eq(seen.error, ENOENT);
        keeper_free(k);
        loop_free(l);
        finish();
}
END_TEST

/* --- killed ------------------------------------------------------------------------- */

START_TEST(test_kill_takes_children_along)
{
        struct loop *l = NULL;
        struct keeper *k;
        int server, child;

        begin();
        ck_assert_int_eq(loop_new(&l), 0);
        k = start(l, "sit", file);
        read_pids(&server, &child);
        /* A server that stands still ends as well. */
        ck_assert_int_eq(kill(server, SIGSTOP), 0);
        keeper_kill(k);
        wait_until_dead(server);
        wait_until_dead(child);
        run_until_end(l);
        keeper_free(k);
        loop_free(l);
        finish();
}
END_TEST

START_TEST(test_free_kills)
{
        struct loop *l = NULL;
        struct keeper *k;
        int server, child;

        begin();
        ck_assert_int_eq(loop_new(&l), 0);
        k = start(l, "sit", file);
        read_pids(&server, &child);
        keeper_free(k);
        wait_until_dead(server);
        wait_until_dead(child);
        ck_assert(!ended);
        loop_free(l);
        finish();
}
END_TEST

/* --- what is shared --------------------------------------------------------------------- */

static bool is_held(int fd)
{
        struct pollfd p = { .fd = fd, .events = POLLIN };

        return poll(&p, 1, 0) == 0;
}

/* As the volume's lock is: free when the server and its children are gone as well. */
START_TEST(test_shared_until_the_last_one_ends)
{
        const char *const argv[] = { SERVER, "sit", file, NULL };
        struct keeper_config config = { .argv = argv, .directory = folder };
        struct pollfd p = { .events = POLLIN };
        struct keeper *k = NULL;
        struct loop *l = NULL;
        int server, child, ends[2];

        begin();
        ck_assert_int_eq(loop_new(&l), 0);
        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        config.shared = ends[1];
        ck_assert_int_eq(keeper_start(l, &config, on_end, NULL, &k, NULL), 0);
        read_pids(&server, &child);
        close(ends[1]);
        ck_assert(is_held(ends[0]));
        /* The keeper and the server are gone, and the child is not. */
        ck_assert_int_eq(kill(child, SIGSTOP), 0);
        ck_assert_int_eq(kill(keeper_pid(k), SIGKILL), 0);
        wait_until_dead(server);
        ck_assert(is_held(ends[0]));
        keeper_free(k);
        p.fd = ends[0];
        ck_assert_int_eq(poll(&p, 1, LONG_ENOUGH / USEC_MSEC), 1);
        ck_assert_int_eq(p.revents & POLLHUP, POLLHUP);
        close(ends[0]);
        loop_free(l);
        finish();
}
END_TEST

/* --- the deadline ---------------------------------------------------------------------- */

START_TEST(test_deadline)
{
        struct loop *l = NULL;
        struct keeper *k;
        int server, child;
        usec_t until;

        begin();
        ck_assert_int_eq(loop_new(&l), 0);
        k = start(l, "sit", file);
        read_pids(&server, &child);
        ck_assert_int_eq(keeper_arm(k, clock_now() + SOON), 0);
        until = clock_now() + 3 * SOON;
        ck_assert_int_eq(keeper_arm(k, until), 0);
        run_until_end(l);
        ck_assert_int_ge(clock_now(), until - KEEPER_AHEAD);
        ck_assert(seen.expired);
        wait_until_dead(child);
        keeper_free(k);
        loop_free(l);
        finish();
}
END_TEST

START_TEST(test_deadline_in_the_past)
{
        struct loop *l = NULL;
        struct keeper *k;
        int r;

        begin();
        ck_assert_int_eq(loop_new(&l), 0);
        k = start(l, "sit", file);
        r = keeper_arm(k, 0);
        ck_assert(r == 0 || r == -ESRCH);
        run_until_end(l);
        keeper_free(k);
        loop_free(l);
        finish();
}
END_TEST

START_TEST(test_disarm)
{
        struct loop *l = NULL;
        struct keeper *k;
        int server, child;
        usec_t until;

        begin();
        ck_assert_int_eq(loop_new(&l), 0);
        k = start(l, "sit", file);
        read_pids(&server, &child);
        until = clock_now() + 5 * SOON;
        ck_assert_int_eq(keeper_arm(k, until), 0);
        ck_assert_int_eq(keeper_disarm(k), 0);
        while (clock_now() < until + SOON)
                ck_assert_int_eq(loop_turn(l, SOON), 0);
        ck_assert(!ended && lives(server) && lives(keeper_pid(k)));
        keeper_free(k);
        loop_free(l);
        finish();
}
END_TEST

/* A keeper that stands still cannot be armed anew; its kernel's timer ends it, and with it
 * the server, whose children are swept by the agent. */
START_TEST(test_stopped_keeper)
{
        struct loop *l = NULL;
        struct keeper *k;
        int server, child;
        usec_t until;

        begin();
        ck_assert_int_eq(loop_new(&l), 0);
        k = start(l, "sit", file);
        read_pids(&server, &child);
        until = clock_now() + 3 * SOON;
        ck_assert_int_eq(keeper_arm(k, until), 0);
        ck_assert_int_eq(kill(keeper_pid(k), SIGSTOP), 0);
        ck_assert_int_eq(keeper_arm(k, until + LONG_ENOUGH), -ETIMEDOUT);
        run_until_end(l);
        ck_assert_int_ge(clock_now(), until);
        ck_assert(seen.expired);
        wait_until_dead(child);
        keeper_free(k);
        loop_free(l);
        finish();
}
END_TEST

/* One that only gets no time for a while has put the deadline off by the time it is due. */
START_TEST(test_late_keeper)
{
        struct loop *l = NULL;
        struct keeper *k;
        int server, child;
        usec_t until;

        begin();
        ck_assert_int_eq(loop_new(&l), 0);
        k = start(l, "sit", file);
        read_pids(&server, &child);
        until = clock_now() + 10 * SOON;
        ck_assert_int_eq(keeper_arm(k, until), 0);
        ck_assert_int_eq(kill(keeper_pid(k), SIGSTOP), 0);
        ck_assert_int_eq(keeper_arm(k, until + LONG_ENOUGH), -ETIMEDOUT);
        ck_assert_int_eq(kill(keeper_pid(k), SIGCONT), 0);
        while (clock_now() < until + SOON)
                ck_assert_int_eq(loop_turn(l, SOON), 0);
        ck_assert(!ended && lives(server));
        /* And whoever kills it then has not waited for the deadline. */
        keeper_kill(k);
        run_until_end(l);
        ck_assert(!seen.expired);
        keeper_free(k);
        loop_free(l);
        finish();
}
END_TEST

/* Another process as the agent: it starts, arms for SOON, and does WHAT to itself. */
static pid_t fork_agent(int what)
{
        pid_t agent = fork();

        if (agent == 0) {
                struct loop *l = NULL;
                struct keeper *k;
                int server, child;

                if (loop_new(&l) < 0)
                        _exit(1);
                k = start(l, "sit", file);
                read_pids(&server, &child);
                if (keeper_arm(k, clock_now() + (what == SIGKILL ? LONG_ENOUGH : SOON)) < 0)
                        _exit(1);
                for (;;)
                        (void)raise(what);
        }
        ck_assert_int_gt(agent, 0);
        return agent;
}

static void end_agent(pid_t agent)
{
        (void)kill(agent, SIGKILL);
        ck_assert_int_eq(waitpid(agent, NULL, 0), agent);
}

/* Whether the only child of AGENT, the keeper, got SIGKILL; AGENT does not take it away. */
static bool keeper_was_killed(pid_t agent)
{
        char path[64], *rest;
        struct buf text = BUF_INIT(4096);
        int keeper, status = -1;

        snprintf(path, sizeof(path), "/proc/%d/task/%d/children", agent, agent);
        ck_assert_int_eq(file_read(path, &text), 0);
        ck_assert_int_eq(sscanf(text.data, "%d", &keeper), 1);
        wait_until_dead(keeper);
        buf_clear(&text);
        snprintf(path, sizeof(path), "/proc/%d/stat", keeper);
        ck_assert_int_eq(file_read(path, &text), 0);
        rest = strrchr(text.data, ' '); /* the last field is what wait() would say */
        ck_assert_int_eq(sscanf(rest, " %d", &status), 1);
        buf_release(&text);
        return status == SIGKILL;
}

START_TEST(test_stopped_agent)
{
        int server, child;
        pid_t agent;

        begin();
        agent = fork_agent(SIGSTOP);
        read_pids(&server, &child);
        wait_until_dead(server);
        /* The keeper sees to the children too, unless the kernel's timer had to end it. */
        if (keeper_was_killed(agent))
                (void)kill(child, SIGKILL);
        wait_until_dead(child);
        ck_assert(lives(agent));
        end_agent(agent);
        finish();
}
END_TEST

START_TEST(test_killed_agent)
{
        int server, child;
        pid_t agent;

        begin();
        agent = fork_agent(SIGKILL);
        read_pids(&server, &child);
        wait_until_dead(agent);
        wait_until_dead(server);
        end_agent(agent);
        (void)kill(child, SIGKILL);
        finish();
}
END_TEST

/* --- allocations ------------------------------------------------------------------------ */

static int start_and_free(void *arg _unused_)
{
        const char *const argv[] = { SERVER, "exit", "0", NULL };
        struct keeper_config config = { .argv = argv };
        struct keeper *k = NULL;
        struct loop *l = NULL;
        int r = loop_new(&l);

        if (r == 0)
                r = keeper_start(l, &config, on_end, NULL, &k, NULL);
        keeper_free(k);
        loop_free(l);
        return r;
}

START_TEST(test_torture)
{
        torture(start_and_free, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        test_exit_code,    test_signal_and_children,
        test_no_program,   test_kill_takes_children_along,
        test_free_kills,   test_shared_until_the_last_one_ends,
        test_deadline,     test_deadline_in_the_past,
        test_disarm,       test_stopped_keeper,
        test_late_keeper,  test_stopped_agent,
        test_killed_agent, test_torture,
};

TEST_MAIN("redis/keeper", tests)
