/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/canary.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define STACK_SIZE ((size_t)64 * 1024)
#define FREE_MAX_NSEC 200000000L

struct canary {
        struct loop *loop;
        struct loop_fd written;
        canary_fn *fn;
        void *arg;
        pthread_t thread;
        int event;
        bool busy; /* the loop's */

        /* Between the two, under the lock. */
        pthread_mutex_t lock;
        pthread_cond_t wake;
        bool asked, answered, stop;
        char text[CANARY_BYTES_MAX];
        size_t len;
        usec_t began;
        int result;

        /* The thread's. */
        char dir[PATH_MAX], path[PATH_MAX], new_path[PATH_MAX];
};

/* --- the thread --------------------------------------------------------------------- */

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

static int replace(const struct canary *c, const char *text, size_t len)
{
        int fd = open(c->new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r;

        if (fd < 0)
                return -errno;
        r = write_all(fd, text, len);
        if (close(fd) < 0 && r == 0)
                r = -errno;
        if (r == 0 && rename(c->new_path, c->path) < 0)
                r = -errno;
        return r < 0 ? r : sync_dir(c->dir);
}

static void *run(void *arg)
{
        struct canary *c = arg;
        char text[CANARY_BYTES_MAX];
        const uint64_t one = 1;

        pthread_mutex_lock(&c->lock);
        for (;;) {
                size_t len;
                int r;

                while (!c->asked && !c->stop)
                        pthread_cond_wait(&c->wake, &c->lock);
                if (c->stop)
                        break;
                c->asked = false;
                len = c->len;
                memcpy(text, c->text, len);
                pthread_mutex_unlock(&c->lock);
                r = replace(c, text, len);
                pthread_mutex_lock(&c->lock);
                c->result = r;
                c->answered = true;
                if (write(c->event, &one, sizeof(one)) < 0)
                        continue; /* it counts to 2^64 */
        }
        pthread_mutex_unlock(&c->lock);
        return NULL;
}

/* --- the loop's side ------------------------------------------------------------------ */

static void on_written(struct loop_fd *source, uint32_t events, void *arg)
{
        struct canary *c = arg;
        uint64_t n;
        usec_t began;
        bool answered;
        int r;

        (void)events;
        if (read(source->fd, &n, sizeof(n)) < 0)
                return;
        pthread_mutex_lock(&c->lock);
        answered = c->answered;
        c->answered = false;
        began = c->began;
        r = c->result;
        pthread_mutex_unlock(&c->lock);
        if (!answered)
                return;
        c->busy = false;
        c->fn(c, began, r, c->arg);
}

bool canary_busy(const struct canary *c)
{
        return c->busy;
}

int canary_write(struct canary *c, struct str text, usec_t began)
{
        if (c->busy)
                return -EBUSY;
        if (text.len > sizeof(c->text))
                return -EMSGSIZE;
        pthread_mutex_lock(&c->lock);
        memcpy(c->text, text.data, text.len);
        c->len = text.len;
        c->began = began;
        c->asked = c->busy = true;
        pthread_cond_signal(&c->wake);
        pthread_mutex_unlock(&c->lock);
        return 0;
}

/* Signals are the loop's. */
static int start_thread(struct canary *c)
{
        sigset_t all, before;
        pthread_attr_t attr;
        int r;

        if (pthread_attr_init(&attr) != 0)
                return -ENOMEM;
        sigfillset(&all);
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = -pthread_create(&c->thread, &attr, run, c);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
        return r;
}

int canary_new(struct loop *l, const char *dir, const char *file, canary_fn *fn, void *arg,
               struct canary **ret)
{
        struct canary *c;
        int r;

        if (strlen(dir) + strlen(file) + sizeof("/.new") > PATH_MAX)
                return -ENAMETOOLONG;
        c = mem_new(struct canary);
        if (!c)
                return -ENOMEM;
        c->loop = l;
        c->fn = fn;
        c->arg = arg;
        snprintf(c->dir, sizeof(c->dir), "%s", dir);
        snprintf(c->path, sizeof(c->path), "%s/%s", dir, file);
        snprintf(c->new_path, sizeof(c->new_path), "%s/%s.new", dir, file);
        pthread_mutex_init(&c->lock, NULL);
        pthread_cond_init(&c->wake, NULL);
        c->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = c->event < 0 ? -errno : loop_fd_start(l, &c->written, c->event, EPOLLIN, on_written, c);
        if (r == 0)
                r = start_thread(c);
        if (r < 0) {
                loop_fd_stop(&c->written);
                if (c->event >= 0)
                        close(c->event);
                mem_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

void canary_free(struct canary *c)
{
        struct timespec until;

        if (!c)
                return;
        loop_fd_stop(&c->written);
        pthread_mutex_lock(&c->lock);
        c->stop = true;
        pthread_cond_signal(&c->wake);
        pthread_mutex_unlock(&c->lock);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += FREE_MAX_NSEC;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        if (pthread_timedjoin_np(c->thread, NULL, &until) != 0) {
                (void)pthread_detach(c->thread);
                return;
        }
        close(c->event);
        pthread_mutex_destroy(&c->lock);
        pthread_cond_destroy(&c->wake);
        mem_free(c);
}
