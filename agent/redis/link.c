/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/link.h"

#include <errno.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include "base/mem.h"

/* What a command waits with for its answer. */
struct waiting {
        redis_answer_fn *fn;
        void *arg;
};

static void update(struct redis_link *link, uint32_t events)
{
        link->events = events;
        /* Watched from the beginning; a change of what is watched takes no memory. */
        if (link->fd.loop && loop_fd_change(&link->fd, events) < 0)
                link->broken = true;
}

static void add_read(void *arg)
{
        struct redis_link *link = arg;

        update(link, link->events | EPOLLIN);
}

static void del_read(void *arg)
{
        struct redis_link *link = arg;

        update(link, link->events & ~(uint32_t)EPOLLIN);
}

static void add_write(void *arg)
{
        struct redis_link *link = arg;

        update(link, link->events | EPOLLOUT);
}

static void del_write(void *arg)
{
        struct redis_link *link = arg;

        update(link, link->events & ~(uint32_t)EPOLLOUT);
}

/* Called as the context is freed, whatever the reason. */
static void on_freed(void *arg)
{
        struct redis_link *link = arg;

        loop_fd_stop(&link->fd);
        link->context = NULL;
}

static bool was_closed_by_server(const redisAsyncContext *c)
{
        return c->err == REDIS_ERR_EOF || c->err == REDIS_ERR_IO;
}

static void on_event(struct loop_fd *source _unused_, uint32_t events, void *arg)
{
        struct redis_link *link = arg;
        redisAsyncContext *c = link->context;

        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                redisAsyncHandleRead(c);
        if (link->context && (events & EPOLLOUT))
                redisAsyncHandleWrite(c);
        if (link->context && c->c.reader && c->c.reader->len - c->c.reader->pos > REDIS_REPLY_MAX)
                link->broken = true;
        if (link->context && link->broken)
                redisAsyncFree(c);
        if (!link->context && link->closed)
                link->closed(link, link->broken, link->arg);
}

static void on_disconnect(const redisAsyncContext *c, int status)
{
        struct redis_link *link = c->data;

        if (status != REDIS_OK && !was_closed_by_server(c))
                link->broken = true;
}

static void on_connect(const redisAsyncContext *c _unused_, int status _unused_)
{
}

int redis_link_open(struct loop *l, struct redis_link *link, const char *path, redis_closed_fn *closed,
                    void *arg)
{
        redisAsyncContext *c = redisAsyncConnectUnix(path);
        int r;

        if (!c)
                return -ENOMEM;
        if (c->err) {
                r = c->err == REDIS_ERR_IO && errno ? -errno : -ECONNREFUSED;
                redisAsyncFree(c);
                return r;
        }
        *link = (struct redis_link){ .loop = l, .context = c, .closed = closed, .arg = arg };
        r = loop_fd_start(l, &link->fd, c->c.fd, 0, on_event, link);
        if (r < 0) {
                redisAsyncFree(c);
                link->context = NULL;
                return r;
        }
        c->data = link;
        c->ev.data = link;
        c->ev.addRead = add_read;
        c->ev.delRead = del_read;
        c->ev.addWrite = add_write;
        c->ev.delWrite = del_write;
        c->ev.cleanup = on_freed;
        (void)redisAsyncSetConnectCallback(c, on_connect);
        (void)redisAsyncSetDisconnectCallback(c, on_disconnect);
        return 0;
}

void redis_link_close(struct redis_link *link)
{
        link->closed = NULL;
        if (link->context)
                redisAsyncFree(link->context);
}

static void on_reply(redisAsyncContext *c _unused_, void *reply, void *arg)
{
        struct waiting *w = arg;
        const redisReply *got = reply;
        struct redis_answer answer = { .lost = !got };

        if (got) {
                answer.number = got->integer;
                if (got->str)
                        answer.text = str_n(got->str, got->len);
                if (got->type == REDIS_REPLY_ERROR)
                        answer.error = answer.text;
        }
        w->fn(&answer, w->arg);
        mem_free(w);
}

int redis_link_send(struct redis_link *link, const struct str *words, size_t n, redis_answer_fn *fn,
                    void *arg)
{
        const char *argv[REDIS_ARGS_MAX];
        size_t lengths[REDIS_ARGS_MAX];
        struct waiting *w;

        if (!link->context || link->broken)
                return -ENOTCONN;
        if (n > REDIS_ARGS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < n; i++) {
                argv[i] = words[i].data;
                lengths[i] = words[i].len;
        }
        w = mem_new(struct waiting);
        if (w) {
                *w = (struct waiting){ fn, arg };
                if (redisAsyncCommandArgv(link->context, on_reply, w, (int)n, argv, lengths) == REDIS_OK)
                        return 0;
                mem_free(w);
        }
        link->broken = true;
        return -ENOMEM;
}
