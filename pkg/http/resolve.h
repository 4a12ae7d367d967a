/* SPDX-License-Identifier: Apache-2.0
 *
 * The addresses of a host. An address is known at once; a name is looked up in a thread,
 * since the C library waits for the servers of names, and the loop must not.
 *
 *      resolve_start --> thread: getaddrinfo --> eventfd --> the loop: done
 *            \-- resolve_cancel: nobody listens any more; the thread ends by itself
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/error.h"
#include "loop/loop.h"

/* Of a host; those behind them are not tried. */
#define RESOLVE_ADDRESSES_MAX 8
/* Threads at a time, in the whole process: those that were given up may hang for a minute. */
#define RESOLVE_THREADS_MAX 8
#define RESOLVE_HOST_MAX 255

struct address {
        socklen_t len;
        union {
                struct sockaddr any;
                struct sockaddr_in v4;
                struct sockaddr_in6 v6;
        };
};

struct addresses {
        size_t n;
        struct address list[RESOLVE_ADDRESSES_MAX];
};

struct resolve; /* under way */

/* CODE is 0, or -EHOSTUNREACH and TEXT says why. */
typedef void resolve_fn(int code, const char *text, const struct addresses *found, void *arg);

/* Fills RET if HOST (without brackets) is an IPv4 or IPv6 address. */
bool resolve_address(const char *host, uint16_t port, struct addresses *ret);

/* Calls FN once, from the loop. 0, -ENOMEM, or -EAGAIN if too many names are looked up, or
 * there are no threads. */
int resolve_start(struct loop *l, const char *host, uint16_t port, resolve_fn *fn, void *arg,
                  struct resolve **ret) _must_check_;
/* Before FN was called; NULL is fine. */
void resolve_cancel(struct resolve *r);
