/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/jobs.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/macros.h"

#define POLL_MSEC 100
#define SAY_EVERY 10 /* seconds, where no terminal is */

/* Shared with the workers. */
struct worker_state {
        uint64_t job;
        char why[JOBS_WHY_MAX];
};

struct worker {
        pid_t pid; /* 0: it does not run */
        uint64_t next;
        struct worker_state *state;
};

struct jobs {
        const struct job_list *list;
        const struct job_settings *settings;
        struct worker workers[JOBS_WORKERS_MAX];
        struct job_result result;
};

static struct worker_state *mine; /* in a worker */

void jobs_fails(const char *why)
{
        if (mine)
                snprintf(mine->why, sizeof(mine->why), "%s", why);
}

/* --- a worker ------------------------------------------------------------------------ */

static _Noreturn void work(const struct jobs *j, struct worker *w)
{
        mine = w->state;
        if (j->settings->silent && (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)))
                _Exit(2);
        for (uint64_t job = w->next; job < j->list->n; job += j->settings->workers) {
                mine->job = job;
                j->list->run(job);
        }
        mine->job = j->list->n;
        fflush(NULL);
        _Exit(0);
}

static void start(struct jobs *j, struct worker *w)
{
        w->state->job = w->next;
        w->state->why[0] = '\0';
        if (w->next >= j->list->n)
                return;
        fflush(NULL);
        w->pid = fork();
        assert(w->pid >= 0);
        if (w->pid == 0)
                work(j, w);
}

/* --- the parent ------------------------------------------------------------------------ */

static void say_failure(const struct jobs *j, const struct worker *w, int status)
{
        char arguments[128];

        if (j->settings->silent)
                return;
        j->list->repeat(w->state->job, arguments);
        if (WIFSIGNALED(status))
                printf("killed by signal %d\n", WTERMSIG(status));
        printf("FAILED: repeat it with: hack/test sim %s\n", arguments);
        fflush(stdout);
}

static void take_failure(struct jobs *j, const struct worker *w, int status)
{
        if (j->result.n_failed++ == 0) {
                j->result.first = w->state->job;
                memcpy(j->result.why, w->state->why, sizeof(j->result.why));
                if (!j->result.why[0])
                        snprintf(j->result.why, sizeof(j->result.why), "its process ended with status %d",
                                 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        }
        say_failure(j, w, status);
}

static void ended(struct jobs *j, struct worker *w, int status)
{
        w->pid = 0;
        if (status == 0)
                return;
        take_failure(j, w, status);
        w->next = w->state->job + j->settings->workers;
        if (!j->settings->stop_after || j->result.n_failed < j->settings->stop_after)
                start(j, w);
}

static bool is_over(const struct jobs *j)
{
        for (unsigned i = 0; i < j->settings->workers; i++)
                if (j->workers[i].pid)
                        return false;
        return true;
}

/* Where one failure was enough, nobody waits for the others. */
static void stop_all(struct jobs *j)
{
        for (unsigned i = 0; i < j->settings->workers; i++) {
                if (!j->workers[i].pid)
                        continue;
                kill(j->workers[i].pid, SIGKILL);
                waitpid(j->workers[i].pid, NULL, 0);
                j->workers[i].pid = 0;
        }
}

static uint64_t done(const struct jobs *j)
{
        uint64_t n = 0;

        for (unsigned i = 0; i < j->settings->workers; i++)
                n += MIN(j->workers[i].state->job, j->list->n) / j->settings->workers;
        return n;
}

static void say_progress(const struct jobs *j)
{
        static time_t said;
        bool terminal = isatty(STDOUT_FILENO) != 0;
        time_t now = time(NULL);

        if (j->settings->silent || now - said < (terminal ? 1 : SAY_EVERY))
                return;
        if (said)
                printf(terminal ? "\r%llu of %llu %s " : "%llu of %llu %s\n", (unsigned long long)done(j),
                       (unsigned long long)j->list->n, j->list->what);
        fflush(stdout);
        said = now;
}

static void poll_workers(struct jobs *j)
{
        static const struct timespec pause = { .tv_nsec = POLL_MSEC * 1000000L };
        bool idle = true;
        int status;

        for (unsigned i = 0; i < j->settings->workers; i++) {
                struct worker *w = &j->workers[i];

                if (!w->pid || waitpid(w->pid, &status, WNOHANG) != w->pid)
                        continue;
                idle = false;
                ended(j, w, status);
        }
        say_progress(j);
        if (idle)
                nanosleep(&pause, NULL);
}

void jobs_run(const struct job_list *list, const struct job_settings *s, struct job_result *ret)
{
        size_t bytes = s->workers * sizeof(struct worker_state);
        struct jobs j = { .list = list, .settings = s };
        struct worker_state *states =
                mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        assert(states != MAP_FAILED && s->workers <= JOBS_WORKERS_MAX);
        for (unsigned i = 0; i < s->workers; i++) {
                j.workers[i] = (struct worker){ .next = i, .state = &states[i] };
                start(&j, &j.workers[i]);
        }
        while (!is_over(&j)) {
                poll_workers(&j);
                if (s->stop_after && j.result.n_failed >= s->stop_after)
                        stop_all(&j);
        }
        munmap(states, bytes);
        *ret = j.result;
}
