/* SPDX-License-Identifier: Apache-2.0 */
#include "http/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

/* The C library's own stack of 8 MiB is for what no lookup does. */
#define STACK_SIZE ((size_t)512 * 1024)

enum { RUNNING, ENDED, GIVEN_UP };

/* The thread's until it has ended, and then the loop's; the thread's for good where the
 * loop gave it up before. */
struct resolve {
        atomic_int state;
        pthread_t thread;
        int event; /* the thread has ended */
        char host[RESOLVE_HOST_MAX + 1];
        uint16_t port;
        int said; /* of getaddrinfo */
        struct addresses found;
        /* The loop's alone. */
        struct loop_fd fd;
        resolve_fn *fn;
        void *arg;
};

static atomic_int n_threads;

static void release(struct resolve *r)
{
        close(r->event);
        mem_free(r);
}

static int look_up(const char *host, uint16_t port, int flags, struct addresses *ret)
{
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags };
        struct addrinfo *list;
        char service[8];
        int said;

        (void)snprintf(service, sizeof(service), "%u", port);
        said = getaddrinfo(host, service, &hints, &list);
        if (said != 0)
                return said;
        ret->n = 0;
        for (const struct addrinfo *a = list; a && ret->n < RESOLVE_ADDRESSES_MAX; a = a->ai_next) {
                struct address *to = &ret->list[ret->n];

                if (a->ai_addrlen > sizeof(to->v6))
                        continue;
                memcpy(&to->any, a->ai_addr, a->ai_addrlen);
                to->len = a->ai_addrlen;
                ret->n++;
        }
        freeaddrinfo(list);
        return ret->n ? 0 : EAI_NODATA;
}

bool resolve_address(const char *host, uint16_t port, struct addresses *ret)
{
        return look_up(host, port, AI_NUMERICHOST, ret) == 0;
}

static void *run(void *arg)
{
        struct resolve *r = arg;
        const uint64_t one = 1;

        /* They come in the order in which to try them, those without a way last (RFC 6724). */
        r->said = look_up(r->host, r->port, 0, &r->found);
        atomic_fetch_sub(&n_threads, 1);
        if (atomic_exchange(&r->state, ENDED) == GIVEN_UP)
                release(r);
        else
                (void)!write(r->event, &one, sizeof(one));
        return NULL;
}

static void on_end(struct loop_fd *source, uint32_t events, void *arg)
{
        struct resolve *r = arg;
        struct addresses found;
        resolve_fn *fn = r->fn;
        int said;

        (void)events;
        arg = r->arg;
        loop_fd_stop(source);
        pthread_join(r->thread, NULL); /* nothing is left for it to do */
        found = r->found;
        said = r->said;
        release(r);
        fn(said ? -EHOSTUNREACH : 0, said ? gai_strerror(said) : "", &found, arg);
}

/* No signal is handled in it. */
static int start_thread(struct resolve *r)
{
        sigset_t all, before;
        pthread_attr_t attr;
        int code;

        if (pthread_attr_init(&attr))
                return -ENOMEM;
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        code = pthread_create(&r->thread, &attr, run, r);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
        return -code;
}

static int start(struct loop *l, struct resolve *r)
{
        int code = loop_fd_start(l, &r->fd, r->event, EPOLLIN, on_end, r);

        if (code < 0)
                return code;
        if (atomic_fetch_add(&n_threads, 1) >= RESOLVE_THREADS_MAX)
                code = -EAGAIN;
        if (code == 0)
                code = start_thread(r);
        if (code == 0)
                return 0;
        atomic_fetch_sub(&n_threads, 1);
        loop_fd_stop(&r->fd);
        return code;
}

int resolve_start(struct loop *l, const char *host, uint16_t port, resolve_fn *fn, void *arg,
                  struct resolve **ret)
{
        struct resolve *r = mem_new(struct resolve);
        int code;

        if (!r)
                return -ENOMEM;
        r->port = port;
        r->fn = fn;
        r->arg = arg;
        (void)snprintf(r->host, sizeof(r->host), "%s", host);
        r->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        code = r->event < 0 ? -errno : start(l, r);
        if (code < 0) {
                if (r->event >= 0)
                        close(r->event);
                mem_free(r);
                return code;
        }
        *ret = r;
        return 0;
}

void resolve_cancel(struct resolve *r)
{
        pthread_t thread;

        if (!r)
                return;
        loop_fd_stop(&r->fd);
        thread = r->thread;
        if (atomic_exchange(&r->state, GIVEN_UP) == RUNNING) {
                pthread_detach(thread); /* R is its own now, or gone */
                return;
        }
        pthread_join(thread, NULL);
        release(r);
}
