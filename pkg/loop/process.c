/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

static void close_fd(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

void process_pipes_close(struct process_pipes *pipes)
{
        close_fd(&pipes->in);
        close_fd(&pipes->out);
        close_fd(&pipes->err);
}

/* A pipe of which OURS does not block. The child's end stays blocking, since
 * programs do not expect EAGAIN on their standard streams. */
static int open_pipe(int *ours, int *theirs, bool we_write)
{
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        *ours = ends[we_write];
        *theirs = ends[!we_write];
        if (fcntl(*ours, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        return 0;
}

static int open_pipes(const struct child_config *config, struct process_pipes *ours,
                      struct process_pipes *theirs)
{
        int r = 0;

        if (config->input.len)
                r = open_pipe(&ours->in, &theirs->in, true);
        if (r == 0 && config->out == CHILD_PIPE)
                r = open_pipe(&ours->out, &theirs->out, false);
        if (r == 0 && config->err == CHILD_PIPE)
                r = open_pipe(&ours->err, &theirs->err, false);
        return r;
}

/* Each standard stream from its pipe or /dev/null, or left as it is; all other
 * descriptors closed, since libraries do not mark all of theirs. */
static int set_actions(posix_spawn_file_actions_t *actions, const struct child_config *config,
                       const struct process_pipes *theirs)
{
        const struct {
                int fd, target, flags;
                bool inherit;
        } streams[] = {
                { theirs->in, STDIN_FILENO, O_RDONLY, false },
                { theirs->out, STDOUT_FILENO, O_WRONLY, config->out == CHILD_INHERIT },
                { theirs->err, STDERR_FILENO, O_WRONLY, config->err == CHILD_INHERIT },
        };
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(streams) && r == 0; i++) {
                if (streams[i].fd >= 0)
                        r = posix_spawn_file_actions_adddup2(actions, streams[i].fd, streams[i].target);
                else if (!streams[i].inherit)
                        r = posix_spawn_file_actions_addopen(actions, streams[i].target, "/dev/null",
                                                             streams[i].flags, 0);
        }
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
        if (r == 0 && config->directory)
                r = posix_spawn_file_actions_addchdir_np(actions, config->directory);
        return -r;
}

static int set_attributes(posix_spawnattr_t *attr)
{
        sigset_t all, none;
        int r;

        sigfillset(&all);
        sigemptyset(&none);
        r = posix_spawnattr_setsigdefault(attr, &all);
        if (r == 0)
                r = posix_spawnattr_setsigmask(attr, &none);
        if (r == 0)
                r = posix_spawnattr_setpgroup(attr, 0);
        if (r == 0)
                r = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                                           POSIX_SPAWN_SETPGROUP);
        return -r;
}

static int start(const struct child_config *config, const struct process_pipes *theirs, pid_t *ret_pid)
{
        static const char *const no_env[] = { NULL };
        const char *const *env = config->env ? config->env : no_env;
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attr;
        int r;

        if (posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        if (posix_spawnattr_init(&attr) != 0) {
                posix_spawn_file_actions_destroy(&actions);
                return -ENOMEM;
        }
        r = set_actions(&actions, config, theirs);
        if (r == 0)
                r = set_attributes(&attr);
        if (r == 0)
                r = -posix_spawnp(ret_pid, config->argv[0], &actions, &attr, (char *const *)config->argv,
                                  (char *const *)env);
        posix_spawnattr_destroy(&attr);
        posix_spawn_file_actions_destroy(&actions);
        return r;
}

int process_start(const struct child_config *config, struct process_pipes *pipes, pid_t *ret_pid)
{
        struct process_pipes theirs = PROCESS_PIPES_INIT;
        int r;

        r = open_pipes(config, pipes, &theirs);
        if (r == 0)
                r = start(config, &theirs, ret_pid);
        process_pipes_close(&theirs);
        if (r < 0)
                process_pipes_close(pipes);
        return r;
}
