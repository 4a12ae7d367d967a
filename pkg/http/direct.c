/* SPDX-License-Identifier: Apache-2.0
 *
 * The direct engine: which connection takes a request. There is one to the server of
 * the settings, and those that retired and still have requests.
 */
#include <errno.h>

#include "base/mem.h"
#include "http/conn.h"

/* libcurl writes others as they should be. */
static bool is_ascii(struct str s)
{
        for (size_t i = 0; i < s.len; i++)
                if ((unsigned char)s.data[i] >= 128)
                        return false;
        return true;
}

bool direct_takes(const struct http_request *r)
{
        const struct http_settings *s = r->settings;
        struct str url = buf_str(&r->url), origin;

        if (!s->direct || !is_ascii(url))
                return false;
        origin = url_origin(url);
        return s->origin ? str_eq(origin, str_c(s->origin)) : conn_can_reach(origin);
}

static int take_origin(struct http_settings *s, struct str url)
{
        struct str origin = url_origin(url);

        if (!s->origin)
                s->origin = mem_strndup(origin.data, origin.len);
        return s->origin ? 0 : -ENOMEM;
}

/* The connection of R's settings that takes new requests, if there is one. */
static struct conn *find(const struct http_request *r)
{
        list_for_each (link, &r->client->conns) {
                struct conn *k = container_of(link, struct conn, link);

                if (k->settings == r->settings && conn_is_open(k))
                        return k;
        }
        return NULL;
}

static int add(struct http_request *r)
{
        struct conn *k = find(r);
        int code;

        if (k) {
                h2_add(&k->h2, r);
                return 0;
        }
        code = take_origin(r->settings, buf_str(&r->url));
        if (code == 0)
                code = conn_new(r->client, r->settings, &k);
        if (code < 0)
                return code;
        h2_add(&k->h2, r);
        conn_dial(k);
        return 0;
}

static void suspect(struct http_request *r)
{
        struct conn *k = container_of(r->h2, struct conn, h2);

        if (k->h2.heard <= r->heard)
                k->retired = true;
}

static void kick(struct http_client *c)
{
        list_for_each (link, &c->conns)
                conn_flush(container_of(link, struct conn, link));
}

static void cancel_requests(struct list *requests)
{
        struct list *first;

        while ((first = list_first(requests)))
                http_cancel(container_of(first, struct http_request, link));
}

static void cancel_all(struct http_client *c)
{
        list_for_each (link, &c->conns) {
                struct conn *k = container_of(link, struct conn, link);

                cancel_requests(&k->h2.waiting);
                cancel_requests(&k->h2.active);
        }
}

static bool is_used_up(const struct conn *k)
{
        if (!list_empty(&k->h2.waiting) || !list_empty(&k->h2.active))
                return false;
        return !conn_is_open(k) || k->settings != k->client->settings;
}

static void sweep(struct http_client *c, bool all)
{
        list_for_each_safe (link, &c->conns) {
                struct conn *k = container_of(link, struct conn, link);

                if (all || is_used_up(k))
                        conn_free(k);
        }
}

const struct http_engine direct_engine = {
        .add = add,
        .remove = h2_remove,
        .suspect = suspect,
        .kick = kick,
        .cancel_all = cancel_all,
        .sweep = sweep,
};
