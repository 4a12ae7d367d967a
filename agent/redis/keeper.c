/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/redis/keeper_process.h"
#include "base/mem.h"

#define PATH_BYTES_MAX 512
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
/* The keeper's word about the end may come a little later than the end. */
#define LAST_WORD_MAX (100 * USEC_MSEC)
#define FREE_MAX (2 * USEC_SEC)

struct keeper {
        struct loop *loop;
        keeper_ended_fn *fn;
        void *arg;
        int socket;
        pid_t pid, server;
        int server_fd; /* -1: not started */
        struct loop_fd ended;
        uint64_t number;
        usec_t asked, until; /* the newest deadline; the one that is known to stand; 0: none */
        struct keeper_end end;
};

static void release(struct keeper *k)
{
        loop_fd_stop(&k->ended);
        if (k->server_fd >= 0)
                close(k->server_fd);
        if (k->socket >= 0)
                close(k->socket);
        mem_free(k);
}

/* --- hearing ---------------------------------------------------------------------- */

static void take(struct keeper *k, const struct keeper_message *m)
{
        if (m->word == KEEPER_FAILED) {
                k->end = (struct keeper_end){ .known = true, .exit_code = -1, .error = m->status };
        } else if (m->word == KEEPER_ENDED && !k->end.known) {
                k->end = (struct keeper_end){ .known = true,
                                              .exit_code = m->status >= 0 ? m->status : -1,
                                              .signal = m->status < 0 ? -m->status : 0 };
        } else if (m->word == KEEPER_ARMED && m->number == k->number && m->status == 0) {
                k->until = k->asked;
        }
}

/* The next message, within PATIENCE. 0, -ETIMEDOUT, or -ESRCH: the keeper is gone. */
static int hear(struct keeper *k, usec_t patience, struct keeper_message *ret)
{
        usec_t deadline = clock_now() + patience;

        for (;;) {
                struct pollfd p = { .fd = k->socket, .events = POLLIN };
                usec_t left = MAX(deadline - clock_now(), 0);
                ssize_t n;

                if (poll(&p, 1, (int)((left + USEC_MSEC - 1) / USEC_MSEC)) < 0 && errno != EINTR)
                        return -errno;
                n = recv(k->socket, ret, sizeof(*ret), MSG_DONTWAIT);
                if (n == (ssize_t)sizeof(*ret)) {
                        take(k, ret);
                        return 0;
                }
                if (n == 0 || (n < 0 && errno == ECONNRESET))
                        return -ESRCH;
                if (clock_now() >= deadline)
                        return -ETIMEDOUT;
        }
}

/* Waits for WORD about NUMBER; what else comes is taken note of. */
static int await(struct keeper *k, enum keeper_word word, uint64_t number, usec_t patience,
                 struct keeper_message *ret)
{
        usec_t deadline = clock_now() + patience;

        for (;;) {
                int r = hear(k, MAX(deadline - clock_now(), 0), ret);

                if (r < 0)
                        return r;
                if (ret->word == word && ret->number == number)
                        return 0;
        }
}

/* --- the end ---------------------------------------------------------------------- */

/* It got SIGKILL and touches no disk, so this is short. Who reaps orphans may have been
 * faster, which is as good. */
static void reap_keeper(struct keeper *k)
{
        if (k->pid <= 0)
                return;
        (void)kill(k->pid, SIGKILL);
        while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR)
                ;
        k->pid = -1;
}

/* The server's number is still its own: its parent never waits for it. */
static void sweep(const struct keeper *k)
{
        if (k->server <= 0)
                return;
        (void)kill(-k->server, SIGKILL);
        (void)kill(k->server, SIGKILL);
}

/* Nobody is left to say so where the kernel's timer had to do it. */
static bool has_expired(const struct keeper *k)
{
        return k->until && clock_now() >= k->until - KEEPER_AHEAD &&
               (!k->end.known || k->end.signal == SIGKILL);
}

static void on_server_end(struct loop_fd *source, uint32_t events _unused_, void *arg)
{
        struct keeper *k = arg;
        struct keeper_message m;

        loop_fd_stop(source);
        (void)kill(-k->server, SIGKILL);
        while (!k->end.known && hear(k, LAST_WORD_MAX, &m) == 0)
                ;
        k->end.expired = has_expired(k);
        reap_keeper(k);
        /* As the next of its kin, if we are; else that is for another. */
        (void)waitpid(k->server, NULL, WNOHANG);
        k->server = -1;
        k->fn(k, &k->end, k->arg);
}

void keeper_kill(struct keeper *k)
{
        sweep(k);
        if (k->pid > 0)
                (void)kill(k->pid, SIGKILL);
}

void keeper_free(struct keeper *k)
{
        if (!k)
                return;
        keeper_kill(k);
        reap_keeper(k);
        if (k->server > 0 && k->server_fd >= 0) {
                struct pollfd p = { .fd = k->server_fd, .events = POLLIN };

                /* A volume that stands still may hold it for ever. */
                (void)poll(&p, 1, FREE_MAX / USEC_MSEC);
                (void)waitpid(k->server, NULL, WNOHANG);
        }
        release(k);
}

/* --- the beginning --------------------------------------------------------------------- */

/* As execvp does, before the fork: the first one that may be executed. */
static int find_program(const char *name, char path[PATH_BYTES_MAX])
{
        const char *list = getenv("PATH");
        struct str dir, rest = str_c(list && *list ? list : DEFAULT_PATH);

        if (strchr(name, '/')) {
                snprintf(path, PATH_BYTES_MAX, "%s", name);
                return 0;
        }
        while (rest.data) {
                (void)str_cut(rest, ':', &dir, &rest);
                if (dir.len && dir.len + strlen(name) + 2 <= PATH_BYTES_MAX) {
                        snprintf(path, PATH_BYTES_MAX, "%.*s/%s", STR_FMT(dir), name);
                        if (access(path, X_OK) == 0)
                                return 0;
                }
        }
        return -ENOENT;
}

static int fork_keeper(struct keeper *k, const char *program, const struct keeper_config *config)
{
        int ends[2];
        pid_t agent = getpid();

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        k->socket = ends[0];
        k->pid = _Fork();
        if (k->pid == 0)
                keeper_process(agent, ends[1], program, config);
        close(ends[1]);
        return k->pid < 0 ? -errno : 0;
}

static int begin(struct keeper *k, const struct keeper_config *config)
{
        char program[PATH_BYTES_MAX];
        struct keeper_message m;
        int r = find_program(config->argv[0], program);

        if (r == 0)
                r = fork_keeper(k, program, config);
        if (r == 0)
                r = await(k, KEEPER_STARTED, 0, KEEPER_START_MAX, &m);
        if (r < 0)
                return r;
        k->server = m.pid;
        k->server_fd = pidfd_open(k->server, 0);
        if (k->server_fd < 0)
                return -errno;
        return loop_fd_start(k->loop, &k->ended, k->server_fd, EPOLLIN, on_server_end, k);
}

int keeper_start(struct loop *l, const struct keeper_config *config, keeper_ended_fn *fn, void *arg,
                 struct keeper **ret, struct error *err)
{
        struct keeper *k = mem_new(struct keeper);
        int r;

        if (!k)
                return error_set(err, -ENOMEM, "cannot start %s: %s", config->argv[0], strerror(ENOMEM));
        *k = (struct keeper){ .loop = l, .fn = fn, .arg = arg, .socket = -1, .server_fd = -1 };
        r = begin(k, config);
        if (r < 0) {
                keeper_free(k);
                return error_set(err, r, "cannot start %s: %s", config->argv[0], strerror(-r));
        }
        *ret = k;
        return 0;
}

/* --- the deadline -------------------------------------------------------------------------- */

static int set_deadline(struct keeper *k, usec_t until)
{
        struct keeper_message m = { .word = KEEPER_ARM, .number = ++k->number, .until = until };
        int r;

        k->asked = until;
        if (send(k->socket, &m, sizeof(m), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                return errno == EPIPE || errno == ECONNRESET ? -ESRCH : -errno;
        r = await(k, KEEPER_ARMED, k->number, KEEPER_ANSWER_MAX, &m);
        return r < 0 ? r : m.status;
}

int keeper_arm(struct keeper *k, usec_t until)
{
        /* A time of zero would take the timer back. */
        return set_deadline(k, MAX(until, 1));
}

int keeper_disarm(struct keeper *k)
{
        return set_deadline(k, 0);
}

int keeper_signal(struct keeper *k, int sig)
{
        if (k->server <= 0)
                return -ESRCH;
        return kill(k->server, sig) < 0 ? -errno : 0;
}

pid_t keeper_pid(const struct keeper *k)
{
        return k->pid;
}

pid_t keeper_server_pid(const struct keeper *k)
{
        return k->server;
}
