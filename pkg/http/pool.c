/* SPDX-License-Identifier: Apache-2.0
 *
 * A multi handle on the loop. libcurl names the sockets and the one timer that
 * it wants watched; we tell it what has happened to them and then collect the
 * transfers that have ended.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "http/curl.h"

/* libcurl 7.88 reads what comes for one transfer of a connection while it serves
 * another, and then may hand the last bytes on only when more is there to read.
 * Where nothing more comes, a reply that is all there would be waited for until its
 * timeout. So once a connection has been quiet for so long, each transfer is
 * looked at again. */
#define POOL_QUIET (20 * USEC_MSEC)
#define POOL_SOCKETS_MAX 16 /* that are looked at again; we allow fewer connections */

struct pool_socket {
        struct list link;
        struct http_pool *pool;
        struct loop_fd fd;
};

/* --- what libcurl wants watched ------------------------------------------- */

static void pool_act(struct http_pool *p, curl_socket_t fd, int events);
static void await_quiet(struct http_pool *p);

static void on_socket(struct loop_fd *source, uint32_t events, void *arg)
{
        struct pool_socket *s = arg;
        int flags = 0;

        /* An error is found by reading and writing; CURL_CSELECT_ERR alone would
         * end transfers with a message that says nothing. */
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                flags |= CURL_CSELECT_IN;
        if (events & (EPOLLOUT | EPOLLERR))
                flags |= CURL_CSELECT_OUT;
        pool_act(s->pool, source->fd, flags);
}

static void socket_free(struct pool_socket *s)
{
        loop_fd_stop(&s->fd);
        list_remove(&s->link);
        mem_free(s);
}

static uint32_t epoll_events(int what)
{
        switch (what) {
        case CURL_POLL_IN:
                return EPOLLIN;
        case CURL_POLL_OUT:
                return EPOLLOUT;
        case CURL_POLL_INOUT:
                return EPOLLIN | EPOLLOUT;
        default:
                return 0;
        }
}

static int socket_new(struct http_pool *p, curl_socket_t fd, uint32_t events)
{
        struct pool_socket *s = mem_new(struct pool_socket);
        int r;

        if (!s)
                return -ENOMEM;
        s->pool = p;
        list_add_tail(&p->sockets, &s->link);
        r = loop_fd_start(p->client->loop, &s->fd, fd, events, on_socket, s);
        if (r == 0 && curl_multi_assign(p->multi, fd, s) != CURLM_OK)
                r = -ENOMEM;
        if (r < 0)
                socket_free(s);
        return r;
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *pool, void *socket)
{
        struct http_pool *p = pool;
        struct pool_socket *s = socket;
        int r;

        (void)easy;
        if (what == CURL_POLL_REMOVE) {
                if (s)
                        socket_free(s);
                return 0;
        }
        r = s ? loop_fd_change(&s->fd, epoll_events(what)) : socket_new(p, fd, epoll_events(what));
        if (r == 0)
                return 0;
        p->broken = r;
        return -1;
}

static void on_timer(struct loop_timer *timer, void *arg);

/* The timer always keeps its place in the loop, so that setting it cannot fail:
 * where libcurl is told "no timer" while it takes a handle in, it loses track of
 * the handles that it has (7.88). */
static int hold_timer(struct http_pool *p)
{
        return loop_timer_set(p->client->loop, &p->timer, USEC_NEVER, on_timer, p);
}

static void on_timer(struct loop_timer *timer, void *arg)
{
        struct http_pool *p = arg;
        int r = hold_timer(p);

        (void)timer;
        (void)r; /* its place is still free */
        pool_act(p, CURL_SOCKET_TIMEOUT, 0);
}

static int watch_timer(CURLM *multi, long milliseconds, void *pool)
{
        struct http_pool *p = pool;
        usec_t due = USEC_NEVER;

        (void)multi;
        if (milliseconds == 0)
                due = 0;
        else if (milliseconds > 0)
                due = clock_now() + milliseconds * USEC_MSEC;
        return loop_timer_set(p->client->loop, &p->timer, due, on_timer, p);
}

/* --- driving it -------------------------------------------------------------- */

/* libcurl sends each frame of each request by itself: with eight requests in a
 * turn, sixteen segments that the kernel would pass on one by one. Corked, they
 * leave as one, which saves us a tenth of the CPU and the network the packets. */
static void cork(struct http_pool *p, int on)
{
        list_for_each (link, &p->sockets)
                setsockopt(container_of(link, struct pool_socket, link)->fd.fd, IPPROTO_TCP, TCP_CORK, &on,
                           sizeof(on));
}

static void run_curl(struct http_pool *p, curl_socket_t fd, int events)
{
        CURLMcode code;
        int running;

        code = curl_multi_socket_action(p->multi, fd, events, &running);
        if (code == CURLM_OUT_OF_MEMORY)
                p->broken = -ENOMEM;
        else if (code != CURLM_OK && p->broken == 0)
                p->broken = -EPROTO;
}

/* No transfer can go on: a socket or the timer is not watched. */
static void fail_all(struct http_pool *p)
{
        struct list *first;

        if (p->client->pool == p)
                p->client->pool = NULL;
        while ((first = list_first(&p->requests)))
                transfer_finish(container_of(first, struct http_request, link), CURLE_OK, p->broken);
}

static void collect_ended(struct http_pool *p)
{
        CURLMsg *message;
        int left;

        while ((message = curl_multi_info_read(p->multi, &left))) {
                CURLcode said = message->data.result;
                char *private = NULL;
                struct http_request *r;

                if (message->msg != CURLMSG_DONE)
                        continue;
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
                r = (struct http_request *)(void *)private;
                if (r->state == REQUEST_IN_FLIGHT)
                        transfer_finish(r, said, 0);
        }
}

static void pool_act(struct http_pool *p, curl_socket_t fd, int events)
{
        struct http_client *c = p->client;

        client_pin(c);
        run_curl(p, fd, events);
        collect_ended(p);
        if (p->broken)
                fail_all(p);
        else if (events & CURL_CSELECT_IN)
                await_quiet(p);
        client_unpin(c);
}

static void look_again(struct http_pool *p)
{
        struct http_client *c = p->client;
        curl_socket_t sockets[POOL_SOCKETS_MAX]; /* the list changes under way */
        size_t n = 0;

        list_for_each (link, &p->sockets)
                if (n < POOL_SOCKETS_MAX)
                        sockets[n++] = container_of(link, struct pool_socket, link)->fd.fd;
        client_pin(c);
        for (size_t i = 0; i < n && !p->broken; i++)
                run_curl(p, sockets[i], CURL_CSELECT_IN);
        collect_ended(p);
        if (p->broken)
                fail_all(p);
        client_unpin(c);
}

static void on_quiet(struct loop_timer *timer, void *arg)
{
        struct http_pool *p = arg;
        usec_t due = p->woken + POOL_QUIET;
        bool quiet = due <= loop_now(p->client->loop);

        if (loop_timer_set(p->client->loop, timer, quiet ? USEC_NEVER : due, on_quiet, p) < 0)
                return; /* never: its place is still free */
        if (quiet && !list_empty(&p->requests))
                look_again(p);
}

/* Only for those who still wait. The timer is moved when it fires, and not for each
 * thing that comes. */
static void await_quiet(struct http_pool *p)
{
        p->woken = loop_now(p->client->loop);
        if (p->quiet.node.due == USEC_NEVER && !list_empty(&p->requests))
                (void)!loop_timer_set(p->client->loop, &p->quiet, p->woken + POOL_QUIET, on_quiet, p);
}

/* --- life -------------------------------------------------------------------- */

static bool set_options(struct http_pool *p)
{
        return curl_multi_setopt(p->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) == CURLM_OK &&
               curl_multi_setopt(p->multi, CURLMOPT_SOCKETDATA, p) == CURLM_OK &&
               curl_multi_setopt(p->multi, CURLMOPT_TIMERFUNCTION, watch_timer) == CURLM_OK &&
               curl_multi_setopt(p->multi, CURLMOPT_TIMERDATA, p) == CURLM_OK &&
               curl_multi_setopt(p->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX) == CURLM_OK &&
               curl_multi_setopt(p->multi, CURLMOPT_MAX_HOST_CONNECTIONS, p->settings->max_connections) ==
                       CURLM_OK &&
               curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, p->settings->max_connections) == CURLM_OK;
}

static void pool_free(struct http_pool *p)
{
        struct list *first;

        /* It says good-bye to servers, and with it which sockets go. */
        curl_multi_cleanup(p->multi);
        while ((first = list_first(&p->sockets)))
                socket_free(container_of(first, struct pool_socket, link));
        loop_timer_stop(&p->timer);
        loop_timer_stop(&p->quiet);
        list_remove(&p->link);
        settings_unref(p->settings);
        mem_free(p);
}

static int pool_new(struct http_client *c, struct http_settings *settings, struct http_pool **ret)
{
        struct http_pool *p = mem_new(struct http_pool);

        if (!p)
                return -ENOMEM;
        p->client = c;
        p->settings = settings;
        p->settings->refs++;
        list_init(&p->sockets);
        list_init(&p->requests);
        list_add_tail(&c->pools, &p->link);
        p->multi = curl_multi_init();
        if (!p->multi || !set_options(p) || hold_timer(p) < 0 ||
            loop_timer_set(c->loop, &p->quiet, USEC_NEVER, on_quiet, p) < 0) {
                pool_free(p);
                return -ENOMEM;
        }
        *ret = p;
        return 0;
}

/* --- the engine ---------------------------------------------------------------- */

/* The current pool; or, for a request that was prepared under settings that
 * have changed since, one of those settings. */
static int get_pool(struct http_client *c, struct http_settings *settings, struct http_pool **ret)
{
        int r;

        if (settings != c->settings) {
                list_for_each (link, &c->pools) {
                        *ret = container_of(link, struct http_pool, link);
                        if ((*ret)->settings == settings)
                                return 0;
                }
                return pool_new(c, settings, ret);
        }
        if (!c->pool) {
                r = pool_new(c, settings, &c->pool);
                if (r < 0)
                        return r;
        }
        *ret = c->pool;
        return 0;
}

static int add(struct http_request *r)
{
        struct http_pool *p;
        int code = transfer_prepare(r);
        CURLMcode said;

        if (code == 0)
                code = get_pool(r->client, r->settings, &p);
        if (code < 0)
                return code;
        said = curl_multi_add_handle(p->multi, r->curl->easy);
        if (said != CURLM_OK)
                return said == CURLM_OUT_OF_MEMORY || p->broken == -ENOMEM ? -ENOMEM : -EPROTO;
        r->engine = &curl_engine;
        r->curl->pool = p;
        r->state = REQUEST_IN_FLIGHT;
        list_add_tail(&p->requests, &r->link);
        return 0;
}

static void take_out(struct http_request *r)
{
        curl_multi_remove_handle(r->curl->pool->multi, r->curl->easy);
        r->curl->pool = NULL;
        r->engine = NULL;
}

static void suspect(struct http_request *r)
{
        struct http_pool *p = r->curl->pool;

        if (p->heard <= r->heard && p->client->pool == p)
                p->client->pool = NULL;
}

/* An older pool begins by the timer that libcurl has set for it. */
static void kick(struct http_client *c)
{
        struct http_pool *p = c->pool;

        if (!p || list_empty(&p->requests))
                return;
        cork(p, 1);
        run_curl(p, CURL_SOCKET_TIMEOUT, 0);
        cork(p, 0);
        collect_ended(p);
        if (p->broken)
                fail_all(p);
}

static void cancel_all(struct http_client *c)
{
        struct list *first;

        list_for_each (link, &c->pools) {
                struct http_pool *p = container_of(link, struct http_pool, link);

                while ((first = list_first(&p->requests)))
                        http_cancel(container_of(first, struct http_request, link));
        }
}

static void sweep(struct http_client *c, bool all)
{
        list_for_each_safe (link, &c->pools) {
                struct http_pool *p = container_of(link, struct http_pool, link);

                if (all || (p != c->pool && list_empty(&p->requests)))
                        pool_free(p);
        }
        if (all && c->curl_is_up)
                curl_global_cleanup();
}

const struct http_engine curl_engine = {
        .add = add,
        .remove = take_out,
        .suspect = suspect,
        .kick = kick,
        .cancel_all = cancel_all,
        .sweep = sweep,
};
