/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "agent/redis/conf.h"
#include "agent/redis/state.h"
#include "base/mem.h"

#define STACK_SIZE ((size_t)64 * 1024)
#define FREE_MAX_NSEC 200000000L
#define NEW_SUFFIX ".new"
/* Of so many files that are in the way; the rest goes the next time. */
#define SWEEP_MAX 4096

struct volume {
        struct loop *loop;
        struct loop_fd event_fd;
        volume_fn *fn;
        void *arg;
        pthread_t thread;
        int event;
        /* the loop's */
        bool busy;
        int held; /* the lock; -1: none */

        /* Between the two, under the lock. */
        pthread_mutex_t mutex;
        pthread_cond_t wake, idle;
        bool asked, answered, stop, drop_copy;
        bool working;     /* the thread: only a task can hold it */
        bool left_behind; /* it is the one who frees */
        char text[VOLUME_TEXT_MAX];
        size_t len;
        struct volume_done done; /* its text is ours */

        char dir[PATH_MAX - 64]; /* never changed */
        int lock;                /* the thread's; -1: not locked, or there are no locks */
        dev_t dev;               /* likewise: which file that is */
        ino_t ino;
};

/* --- the thread: files -------------------------------------------------------------- */

static const char *path_of(const struct volume *v, const char *file, char path[PATH_MAX])
{
        snprintf(path, PATH_MAX, "%s/%s", v->dir, file);
        return path;
}

static bool has(const struct volume *v, const char *file)
{
        char path[PATH_MAX];

        return access(path_of(v, file, path), F_OK) == 0;
}

static int write_all(int fd, const char *data, size_t n)
{
        while (n) {
                ssize_t done = write(fd, data, n);

                if (done < 0 && errno == EINTR)
                        continue;
                if (done <= 0)
                        return done < 0 ? -errno : -EIO;
                data += done;
                n -= (size_t)done;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

static int sync_dir(const char *dir)
{
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

        if (fd < 0)
                return -errno;
        if (fsync(fd) < 0)
                r = -errno;
        close(fd);
        return r;
}

static int replace(const struct volume *v, const char *text, size_t len)
{
        char path[PATH_MAX], new_path[PATH_MAX];
        int fd, r;

        path_of(v, REDIS_STATE_FILE, path);
        path_of(v, REDIS_STATE_FILE NEW_SUFFIX, new_path);
        fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text, len);
        if (close(fd) < 0 && r == 0)
                r = -errno;
        if (r == 0 && rename(new_path, path) < 0)
                r = -errno;
        return r < 0 ? r : sync_dir(v->dir);
}

static ssize_t read_state(const struct volume *v, char text[VOLUME_TEXT_MAX])
{
        char path[PATH_MAX];
        int fd = open(path_of(v, REDIS_STATE_FILE, path), O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, text, VOLUME_TEXT_MAX);
        if (n < 0)
                n = -errno;
        close(fd);
        return n;
}

/* --- the thread: is it there? ---------------------------------------------------------- */

/* What a file system says whose disk was torn out, or whose server is away for good. */
static bool is_torn_out(int error)
{
        return error == EIO || error == ENXIO || error == ENODEV || error == ESTALE || error == ENOTCONN ||
               error == ESHUTDOWN;
}

/* The folder may have become another one: what was mounted there is unmounted, or all in it was
 * deleted. Whoever wrote into that would begin anew, and the data are elsewhere. So the lock's
 * file has to be the very one. */
static int look_at_home(const struct volume *v)
{
        char path[PATH_MAX];
        struct stat st;

        if (!v->ino)
                return 0; /* it was never opened */
        if (stat(path_of(v, VOLUME_LOCK_FILE, path), &st) < 0)
                return errno == ENOENT || errno == ENOTDIR || is_torn_out(errno) ? VOLUME_GONE : -errno;
        return st.st_dev == v->dev && st.st_ino == v->ino ? 0 : VOLUME_GONE;
}

/* --- the thread: tasks ---------------------------------------------------------------- */

static bool has_no_locks(int error)
{
        return error == ENOLCK || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL;
}

/* 0, or a negative errno. It is waited for in that it is tried again. */
static int take_lock(struct volume *v, bool *unlocked)
{
        char path[PATH_MAX];
        int fd = open(path_of(v, VOLUME_LOCK_FILE, path), O_RDWR | O_CREAT | O_CLOEXEC, 0600), r;
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        v->dev = st.st_dev;
        v->ino = st.st_ino;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
                v->lock = fd;
                return 0;
        }
        r = -errno;
        close(fd);
        *unlocked = has_no_locks(-r);
        return *unlocked ? 0 : r;
}

static int do_open(struct volume *v, char text[VOLUME_TEXT_MAX], struct volume_done *done)
{
        ssize_t n;
        int r = v->lock >= 0 ? 0 : take_lock(v, &done->unlocked);

        if (r < 0)
                return r;
        n = read_state(v, text);
        if (n == -ENOENT)
                return 0;
        if (n >= 0)
                done->text = str_n(text, (size_t)n);
        return n < 0 ? (int)n : 0;
}

/* A server that is killed leaves what it was writing: the file of a copy, of a save, or of an
 * AOF that is written anew. */
static bool is_left_over(const char *name)
{
        struct str s = str_c(name);

        return str_eq(s, STR(REDIS_UNKEPT_FILE)) ||
               (str_starts(s, STR("temp-")) && (str_ends(s, STR(".rdb")) || str_ends(s, STR(".aof"))));
}

static int do_prepare(const struct volume *v, struct volume_done *done)
{
        struct dirent *entry;
        DIR *dir;
        int r = look_at_home(v);

        if (r < 0)
                return r;
        dir = opendir(v->dir);
        if (!dir)
                return is_torn_out(errno) ? VOLUME_GONE : -errno;
        for (int n = 0; n < SWEEP_MAX && (entry = readdir(dir)) != NULL;)
                if (is_left_over(entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
                        n++;
        closedir(dir);
        done->aof = has(v, REDIS_AOF_MANIFEST) || has(v, REDIS_AOF_OLD);
        done->rdb = has(v, REDIS_RDB_FILE);
        return 0;
}

static void look_at_room(const struct volume *v, struct volume_done *done)
{
        struct statvfs st;

        if (statvfs(v->dir, &st) < 0)
                return;
        done->size = (uint64_t)st.f_blocks * st.f_frsize;
        done->room = (uint64_t)st.f_bavail * st.f_frsize;
}

static int do_write(const struct volume *v, struct str text, bool drop_copy)
{
        char path[PATH_MAX];
        int r = look_at_home(v);

        if (r == 0)
                r = replace(v, text.data, text.len);
        if (r == 0 && drop_copy && has(v, REDIS_AOF_MANIFEST))
                (void)unlink(path_of(v, REDIS_RDB_FILE, path));
        return r < 0 && is_torn_out(-r) ? VOLUME_GONE : r;
}

static void carry_out(struct volume *v, char text[VOLUME_TEXT_MAX], size_t len, bool drop_copy,
                      struct volume_done *done)
{
        switch (done->task) {
        case VOLUME_OPEN:
                done->result = do_open(v, text, done);
                break;
        case VOLUME_PREPARE:
                done->result = do_prepare(v, done);
                break;
        case VOLUME_WRITE:
                done->result = do_write(v, str_n(text, len), drop_copy);
                break;
        }
        look_at_room(v, done);
}

/* By the last of the two. */
static void release(struct volume *v)
{
        if (v->lock >= 0)
                close(v->lock);
        close(v->event);
        pthread_mutex_destroy(&v->mutex);
        pthread_cond_destroy(&v->wake);
        pthread_cond_destroy(&v->idle);
        mem_free(v);
}

static void *run(void *arg)
{
        struct volume *v = arg;
        char text[VOLUME_TEXT_MAX];
        const uint64_t one = 1;
        bool left_behind;

        pthread_mutex_lock(&v->mutex);
        for (;;) {
                struct volume_done done;
                bool drop_copy;
                size_t len;

                while (!v->asked && !v->stop)
                        pthread_cond_wait(&v->wake, &v->mutex);
                if (v->stop)
                        break;
                v->asked = false;
                v->working = true;
                drop_copy = v->drop_copy;
                len = v->len;
                done = v->done;
                memcpy(text, v->text, len);
                pthread_mutex_unlock(&v->mutex);
                carry_out(v, text, len, drop_copy, &done);
                pthread_mutex_lock(&v->mutex);
                v->done = done;
                if (done.text.data) {
                        memcpy(v->text, text, done.text.len);
                        v->done.text.data = v->text;
                }
                v->working = false;
                pthread_cond_signal(&v->idle);
                v->answered = true;
                if (write(v->event, &one, sizeof(one)) < 0)
                        continue; /* it counts to 2^64 */
        }
        left_behind = v->left_behind;
        pthread_mutex_unlock(&v->mutex);
        if (left_behind)
                release(v);
        return NULL;
}

/* --- the loop's side ------------------------------------------------------------------ */

static void on_event(struct loop_fd *source, uint32_t events _unused_, void *arg)
{
        struct volume *v = arg;
        struct volume_done done;
        char text[VOLUME_TEXT_MAX];
        uint64_t n;
        bool answered;

        if (read(source->fd, &n, sizeof(n)) < 0)
                return;
        pthread_mutex_lock(&v->mutex);
        answered = v->answered;
        v->answered = false;
        done = v->done;
        if (done.text.data) {
                memcpy(text, done.text.data, done.text.len);
                done.text.data = text;
        }
        pthread_mutex_unlock(&v->mutex);
        if (!answered)
                return;
        v->busy = false;
        if (done.task == VOLUME_OPEN)
                v->held = v->lock;
        v->fn(v, &done, v->arg);
}

bool volume_busy(const struct volume *v)
{
        return v->busy;
}

static int ask(struct volume *v, enum volume_task task, struct str text, usec_t began, bool drop_copy)
{
        if (v->busy)
                return -EBUSY;
        if (text.len > sizeof(v->text))
                return -EMSGSIZE;
        pthread_mutex_lock(&v->mutex);
        if (text.len)
                memcpy(v->text, text.data, text.len);
        v->len = text.len;
        v->drop_copy = drop_copy;
        v->done = (struct volume_done){ .task = task, .began = began };
        v->asked = v->busy = true;
        pthread_cond_signal(&v->wake);
        pthread_mutex_unlock(&v->mutex);
        return 0;
}

int volume_open(struct volume *v)
{
        return ask(v, VOLUME_OPEN, STR_NULL, 0, false);
}

int volume_prepare(struct volume *v)
{
        return ask(v, VOLUME_PREPARE, STR_NULL, 0, false);
}

int volume_write(struct volume *v, struct str text, usec_t began, bool drop_copy)
{
        return ask(v, VOLUME_WRITE, text, began, drop_copy);
}

int volume_lock(const struct volume *v)
{
        return v->held;
}

/* Signals are the loop's. */
static int start_thread(struct volume *v)
{
        sigset_t all, before;
        pthread_attr_t attr;
        int r;

        if (pthread_attr_init(&attr) != 0)
                return -ENOMEM;
        sigfillset(&all);
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = -pthread_create(&v->thread, &attr, run, v);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
        return r;
}

int volume_new(struct loop *l, const char *dir, volume_fn *fn, void *arg, struct volume **ret)
{
        struct volume *v;
        int r;

        if (strlen(dir) >= sizeof(v->dir))
                return -ENAMETOOLONG;
        v = mem_new(struct volume);
        if (!v)
                return -ENOMEM;
        v->loop = l;
        v->fn = fn;
        v->arg = arg;
        v->lock = v->held = -1;
        snprintf(v->dir, sizeof(v->dir), "%s", dir);
        pthread_mutex_init(&v->mutex, NULL);
        pthread_cond_init(&v->wake, NULL);
        pthread_cond_init(&v->idle, NULL);
        v->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = v->event < 0 ? -errno : loop_fd_start(l, &v->event_fd, v->event, EPOLLIN, on_event, v);
        if (r == 0)
                r = start_thread(v);
        if (r < 0) {
                loop_fd_stop(&v->event_fd);
                if (v->event >= 0)
                        close(v->event);
                mem_free(v);
                return r;
        }
        *ret = v;
        return 0;
}

void volume_free(struct volume *v)
{
        struct timespec until;
        pthread_t thread;
        bool working;

        if (!v)
                return;
        thread = v->thread;
        loop_fd_stop(&v->event_fd);
        pthread_mutex_lock(&v->mutex);
        v->stop = true;
        pthread_cond_signal(&v->wake);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += FREE_MAX_NSEC;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        while (v->working && pthread_cond_timedwait(&v->idle, &v->mutex, &until) == 0)
                ;
        working = v->left_behind = v->working;
        pthread_mutex_unlock(&v->mutex);
        if (working) {
                (void)pthread_detach(thread);
        } else {
                (void)pthread_join(thread, NULL);
                release(v);
        }
}
