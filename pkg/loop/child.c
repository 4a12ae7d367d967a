/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/child.h"

#include <errno.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/process.h"

#define READ_SIZE 16384
/* What is read at the most once the process has ended: its pipe holds 64 KiB,
 * the rest would be from a grandchild that may never stop writing. */
#define DRAIN_MAX ((size_t)1024 * 1024)

struct child {
        struct loop *loop;
        struct list link; /* in children */
        struct child_handlers handlers;
        pid_t pid;
        int pid_fd;
        struct loop_fd exited;
        struct loop_timer deadline; /* always set, so that moving it cannot fail */
        bool killed;
        bool *freed; /* set while a callback runs that may free us */

        struct loop_fd pipes[3]; /* of the child's 0, 1 and 2; watched while open */
        char *input;
        size_t input_len, input_sent;
};

/* Those not yet waited for, so that child_reap_orphans can tell them apart. */
static struct list children = { &children, &children };
static bool reaps_orphans;

static void close_pipe(struct loop_fd *pipe)
{
        if (!pipe->loop)
                return;
        loop_fd_stop(pipe);
        close(pipe->fd);
}

static void release(struct child *c)
{
        list_remove(&c->link);
        loop_fd_stop(&c->exited);
        loop_timer_stop(&c->deadline);
        for (size_t i = 0; i < ARRAY_SIZE(c->pipes); i++)
                close_pipe(&c->pipes[i]);
        if (c->pid_fd >= 0)
                close(c->pid_fd);
        if (c->freed)
                *c->freed = true;
        mem_free(c->input);
        mem_free(c);
}

/* --- the pipes ---------------------------------------------------------- */

static void on_stdin_writable(struct loop_fd *pipe, uint32_t events, void *arg)
{
        struct child *c = arg;
        ssize_t n;

        (void)events;
        n = write(pipe->fd, c->input + c->input_sent, c->input_len - c->input_sent);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n > 0)
                c->input_sent += (size_t)n;
        /* EPIPE is the child's right: it need not read all that we have. */
        if (n < 0 || c->input_sent == c->input_len)
                close_pipe(pipe);
}

/* Reads once. Bytes handed over, 0 when there is nothing (now or ever), or
 * -ECANCELED if the callback freed the child. */
static ssize_t read_output(struct child *c, enum child_stream stream)
{
        struct loop_fd *pipe = &c->pipes[stream];
        char data[READ_SIZE];
        bool freed = false;
        ssize_t n;

        n = read(pipe->fd, data, sizeof(data));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                close_pipe(pipe);
                return 0;
        }
        if (!c->handlers.on_output)
                return n;
        c->freed = &freed;
        c->handlers.on_output(c, stream, str_n(data, (size_t)n), c->handlers.arg);
        if (freed)
                return -ECANCELED;
        c->freed = NULL;
        return n;
}

static void on_readable(struct loop_fd *pipe, uint32_t events, void *arg)
{
        struct child *c = arg;

        (void)events;
        (void)read_output(c, pipe == &c->pipes[CHILD_STDOUT] ? CHILD_STDOUT : CHILD_STDERR);
}

/* What the process wrote before its end. False if a callback freed the child. */
static bool drain(struct child *c, enum child_stream stream)
{
        size_t total = 0;

        while (c->pipes[stream].loop && total < DRAIN_MAX) {
                ssize_t n = read_output(c, stream);

                if (n < 0)
                        return false;
                if (n == 0)
                        break;
                total += (size_t)n;
        }
        return true;
}

/* --- the end ------------------------------------------------------------ */

static void on_exit_event(struct loop_fd *source, uint32_t events, void *arg)
{
        struct child *c = arg;
        struct child_result result = { .exit_code = -1, .timed_out = c->killed };
        siginfo_t info = { 0 };

        (void)source;
        (void)events;
        if (!drain(c, CHILD_STDOUT) || !drain(c, CHILD_STDERR))
                return;
        if (waitid(P_PIDFD, (id_t)c->pid_fd, &info, WEXITED | WNOHANG) == 0) {
                if (info.si_pid == 0)
                        return; /* not yet */
                if (info.si_code == CLD_EXITED)
                        result.exit_code = info.si_status;
                else
                        result.signal = info.si_status;
        }
        /* From here on the number may belong to another process. */
        c->pid = -1;
        list_remove(&c->link);
        loop_fd_stop(&c->exited);
        if (reaps_orphans)
                child_reap_orphans();
        c->handlers.done(c, &result, c->handlers.arg);
        release(c);
}

static void on_deadline(struct loop_timer *timer, void *arg)
{
        struct child *c = arg;
        int r = loop_timer_set(c->loop, timer, USEC_NEVER, on_deadline, c);

        (void)r; /* its place in the heap is still free */
        c->killed = true;
        child_signal(c, SIGKILL);
}

/* --- the interface ------------------------------------------------------ */

static int watch_pipe(struct child *c, int which, int *fd, uint32_t events, loop_fd_fn *fn)
{
        int r;

        if (*fd < 0)
                return 0;
        r = loop_fd_start(c->loop, &c->pipes[which], *fd, events, fn, c);
        if (r == 0)
                *fd = -1; /* close_pipe's now */
        return r;
}

static int watch(struct child *c, struct process_pipes *pipes, usec_t timeout)
{
        usec_t deadline = timeout ? clock_now() + timeout : USEC_NEVER;
        int r;

        c->pid_fd = pidfd_open(c->pid, 0);
        if (c->pid_fd < 0)
                return -errno;
        r = loop_timer_set(c->loop, &c->deadline, deadline, on_deadline, c);
        if (r == 0)
                r = loop_fd_start(c->loop, &c->exited, c->pid_fd, EPOLLIN, on_exit_event, c);
        if (r == 0)
                r = watch_pipe(c, 0, &pipes->in, EPOLLOUT, on_stdin_writable);
        if (r == 0)
                r = watch_pipe(c, CHILD_STDOUT, &pipes->out, EPOLLIN, on_readable);
        if (r == 0)
                r = watch_pipe(c, CHILD_STDERR, &pipes->err, EPOLLIN, on_readable);
        return r;
}

int child_start(struct loop *l, const struct child_config *config, const struct child_handlers *handlers,
                struct child **ret, struct error *err)
{
        struct process_pipes pipes = PROCESS_PIPES_INIT;
        struct child *c = mem_new(struct child);
        int r = -ENOMEM;

        if (!c)
                goto fail;
        list_init(&c->link);
        c->loop = l;
        c->handlers = *handlers;
        c->pid = c->pid_fd = -1;
        if (config->input.len) {
                c->input = mem_strndup(config->input.data, config->input.len);
                c->input_len = config->input.len;
                if (!c->input)
                        goto fail;
        }
        r = process_start(config, &pipes, &c->pid);
        if (r < 0)
                goto fail;
        list_add_tail(&children, &c->link);
        r = watch(c, &pipes, config->timeout);
        if (r < 0)
                goto fail;
        *ret = c;
        return 0;
fail:
        process_pipes_close(&pipes);
        child_free(c);
        return error_set(err, r, "cannot start %s: %s", config->argv[0], strerror(-r));
}

pid_t child_pid(const struct child *c)
{
        return c->pid;
}

int child_signal(struct child *c, int sig)
{
        int r;

        if (c->pid < 0)
                return -ESRCH;
        /* The number is still ours: nobody else waits for our children. */
        r = kill(-c->pid, sig);
        /* A process may leave its group for another one of its session. */
        if (getpgid(c->pid) != c->pid)
                r = kill(c->pid, sig);
        return r < 0 ? -errno : 0;
}

void child_stop(struct child *c, int sig, usec_t grace)
{
        int r;

        child_signal(c, sig);
        r = loop_timer_set(c->loop, &c->deadline, clock_now() + grace, on_deadline, c);
        (void)r; /* it is set already, and moving cannot fail */
}

void child_free(struct child *c)
{
        if (!c)
                return;
        if (c->pid > 0) {
                child_signal(c, SIGKILL);
                while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
        }
        release(c);
}

void child_freep(struct child **c)
{
        child_free(*c);
        *c = NULL;
}

static bool is_ours(pid_t pid)
{
        list_for_each (link, &children)
                if (container_of(link, struct child, link)->pid == pid)
                        return true;
        return false;
}

void child_reap_orphans(void)
{
        siginfo_t info = { 0 };

        reaps_orphans = true;
        while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
                /* The kernel always shows the same one first; orphans behind a
                 * child of ours wait until that one has been reported. */
                if (is_ours(info.si_pid))
                        return;
                waitpid(info.si_pid, NULL, WNOHANG);
                info.si_pid = 0;
        }
}
