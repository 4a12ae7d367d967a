/* SPDX-License-Identifier: Apache-2.0
 *
 * A connection to the own server: hiredis' asynchronous context on our loop.
 *
 * A server carries out what it was sent before it looks whether we have gone. So a
 * connection with orders on it is never given up while the server lives: what was on
 * it could be carried out after what a newer connection asks for. It ends when the
 * server closes it, which then has dropped the rest; or the server is killed.
 */
#pragma once

#include "base/str.h"
#include "loop/loop.h"

#define REDIS_REPLY_MAX ((size_t)1024 * 1024) /* of all that was read and not yet understood */
#define REDIS_ARGS_MAX 128

struct redisAsyncContext;

struct redis_link;

/* BROKEN: not the server closed it; what came was no reply or too long, or there was no
 * memory. All replies that were waited for have been told as absent. */
typedef void redis_closed_fn(struct redis_link *link, bool broken, void *arg);

/* Embedded, zeroed before its first use. */
struct redis_link {
        struct loop *loop;
        struct redisAsyncContext *context; /* NULL: closed */
        struct loop_fd fd;
        uint32_t events;
        bool broken;
        redis_closed_fn *closed;
        void *arg;
};

struct redis_answer {
        bool lost;        /* the connection ended before it came */
        struct str text;  /* of a string, a status or an error; valid during the call */
        struct str error; /* absent, unless it is one */
        int64_t number;
};

typedef void redis_answer_fn(const struct redis_answer *answer, void *arg);

/* Connects to the socket at PATH. 0, or a negative errno with nothing begun. */
int redis_link_open(struct loop *l, struct redis_link *link, const char *path, redis_closed_fn *closed,
                    void *arg) _must_check_;
/* At once, without closed; answers that are missing are told as lost. */
void redis_link_close(struct redis_link *link);

static inline bool redis_link_is_open(const struct redis_link *link)
{
        return link->context;
}

/* A command of N words. 0; -ENOTCONN; -ENOMEM, and the connection is broken then. */
int redis_link_send(struct redis_link *link, const struct str *words, size_t n, redis_answer_fn *fn,
                    void *arg) _must_check_;
