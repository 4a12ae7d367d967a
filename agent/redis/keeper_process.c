/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/keeper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_UNABLE 127
/* Where close_range is not to be had. */
#define DESCRIPTORS_MAX 4096u

/* What poll is to be woken by, and nothing else. */
static void on_child(int sig _unused_)
{
}

static void close_from(unsigned first, unsigned last)
{
        if (first > last || close_range(first, last, 0) == 0)
                return;
        for (unsigned fd = first; fd <= last && fd < DESCRIPTORS_MAX; fd++)
                close((int)fd);
}

/* SHARED may be none (0), and before SOCKET or behind it. */
static void close_all_but(int socket, int shared)
{
        int low = MIN(socket, shared), high = MAX(socket, shared);

        if (low > STDERR_FILENO) {
                close_from(STDERR_FILENO + 1, (unsigned)low - 1);
                close_from((unsigned)low + 1, (unsigned)high - 1);
        } else {
                close_from(STDERR_FILENO + 1, (unsigned)high - 1);
        }
        close_from((unsigned)high + 1, ~0u);
}

static void tell(int socket, enum keeper_word word, int status, pid_t pid, uint64_t number)
{
        struct keeper_message m = { .word = word, .status = status, .pid = pid, .number = number };

        (void)send(socket, &m, sizeof(m), MSG_NOSIGNAL);
}

/* All signals as they are for a new process. */
static void reset_signals(void)
{
        struct sigaction plain = { .sa_handler = SIG_DFL };
        sigset_t none;

        for (int sig = 1; sig < NSIG; sig++)
                (void)sigaction(sig, &plain, NULL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The keeper hears nothing but the end of its child, while it waits. What a terminal or a
 * careless kill sends is for the agent to decide on. */
static void keep_quiet(void)
{
        const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE };
        struct sigaction ignore = { .sa_handler = SIG_IGN }, child = { .sa_handler = on_child };
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
                (void)sigaction(ignored[i], &ignore, NULL);
        (void)sigaction(SIGCHLD, &child, NULL);
}

/* --- the server ----------------------------------------------------------------- */

static _Noreturn void become_server(pid_t keeper, int socket, const char *program,
                                    const struct keeper_config *config)
{
        static const char *const no_env[] = { NULL };
        const char *const *env = config->env ? config->env : no_env;

        /* The keeper may have ended before this was set. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != keeper)
                _exit(EXIT_UNABLE);
        (void)setpgid(0, 0);
        reset_signals();
        if (config->shared > 0)
                (void)fcntl(config->shared, F_SETFD, 0);
        if (!config->directory || chdir(config->directory) == 0)
                (void)execve(program, (char *const *)config->argv, (char *const *)env);
        tell(socket, KEEPER_FAILED, errno, 0, 0);
        _exit(EXIT_UNABLE);
}

/* --- the deadline ------------------------------------------------------------------ */

struct watch {
        int socket;
        pid_t server;
        timer_t timer;
        usec_t until; /* 0: none */
        bool ended;   /* and the agent was told */
};

/* The kernel's own, not glibc's, which may take memory. */
static int make_timer(timer_t *ret)
{
        struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
        int id;

        if (syscall(SYS_timer_create, CLOCK_BOOTTIME, &event, &id) < 0)
                return -errno;
        *ret = (timer_t)(intptr_t)id;
        return 0;
}

static int set_timer(const struct watch *w, usec_t until)
{
        struct itimerspec when = { .it_value = { .tv_sec = until / USEC_SEC,
                                                 .tv_nsec = until % USEC_SEC * 1000 } };

        if (syscall(SYS_timer_settime, (int)(intptr_t)w->timer, TIMER_ABSTIME, &when, NULL) < 0)
                return -errno;
        return 0;
}

static usec_t now(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_BOOTTIME, &t);
        return t.tv_sec * USEC_SEC + t.tv_nsec / 1000;
}

static _Noreturn void end_all(const struct watch *w)
{
        (void)kill(-w->server, SIGKILL);
        (void)kill(w->server, SIGKILL);
        _exit(0);
}

static void wait_for_something(const struct watch *w)
{
        struct pollfd p = { .fd = w->socket, .events = POLLIN };
        usec_t left = w->until ? MAX(w->until - KEEPER_AHEAD - now(), 0) : 0;
        struct timespec t = { .tv_sec = left / USEC_SEC, .tv_nsec = left % USEC_SEC * 1000 };
        sigset_t none;

        sigemptyset(&none);
        (void)ppoll(&p, 1, w->until ? &t : NULL, &none);
}

/* Without taking it away: its number stays its own until the agent ends this process. */
static void look_at_server(struct watch *w)
{
        siginfo_t info = { 0 };

        if (w->ended || waitid(P_PID, (id_t)w->server, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
            !info.si_pid)
                return;
        w->ended = true;
        w->until = 0;
        (void)kill(-w->server, SIGKILL);
        tell(w->socket, KEEPER_ENDED, info.si_code == CLD_EXITED ? info.si_status : -info.si_status,
             w->server, 0);
}

static void hear(struct watch *w)
{
        struct keeper_message m;
        ssize_t n = recv(w->socket, &m, sizeof(m), MSG_DONTWAIT);
        int r;

        if (n == 0)
                end_all(w); /* the agent has let go */
        if (n != (ssize_t)sizeof(m) || m.word != KEEPER_ARM)
                return;
        r = set_timer(w, m.until);
        if (r == 0)
                w->until = m.until;
        tell(w->socket, KEEPER_ARMED, r, 0, m.number);
}

_Noreturn void keeper_process(pid_t agent, int socket, const char *program,
                              const struct keeper_config *config)
{
        struct watch w = { .socket = socket };
        pid_t self = getpid();

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != agent)
                _exit(EXIT_UNABLE);
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_NAME, "keeper");
        keep_quiet();
        if (config->output > 0 &&
            (dup2(config->output, STDOUT_FILENO) < 0 || dup2(config->output, STDERR_FILENO) < 0))
                _exit(EXIT_UNABLE);
        close_all_but(socket, config->shared);
        if (make_timer(&w.timer) < 0)
                _exit(EXIT_UNABLE);
        w.server = _Fork();
        if (w.server < 0)
                _exit(EXIT_UNABLE);
        if (w.server == 0)
                become_server(self, socket, program, config);
        (void)setpgid(w.server, w.server);
        tell(socket, KEEPER_STARTED, 0, w.server, 0);
        for (;;) {
                wait_for_something(&w);
                look_at_server(&w);
                if (w.until && now() >= w.until - KEEPER_AHEAD)
                        end_all(&w);
                hear(&w);
        }
}
