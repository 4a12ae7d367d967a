/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/connections.h"

#include <netinet/in.h>

#include "base/hash.h"

static const usec_t longest[CONNECTION_PHASES] = {
        [CONNECTION_OPENING] = CONNECTION_OPENING_MAX, [CONNECTION_IDLE] = CONNECTION_IDLE_MAX,
        [CONNECTION_HEADERS] = CONNECTION_HEADERS_MAX, [CONNECTION_BODY] = CONNECTION_BODY_MAX,
        [CONNECTION_REPLY] = CONNECTION_REPLY_MAX,
};

void connections_init(struct connections *all, size_t max)
{
        *all = (struct connections){ .max = max };
        for (size_t i = 0; i < CONNECTION_PHASES; i++)
                list_init(&all->phases[i]);
}

/* Two peers may share a place; then they share its fate. */
static unsigned place_of(const struct sockaddr *peer)
{
        uint64_t h = HASH_INIT;

        if (peer && peer->sa_family == AF_INET) {
                const struct sockaddr_in *in = (const void *)peer;

                h = hash_bytes(h, &in->sin_addr, sizeof(in->sin_addr));
        } else if (peer && peer->sa_family == AF_INET6) {
                const struct sockaddr_in6 *in6 = (const void *)peer;

                h = hash_bytes(h, &in6->sin6_addr, sizeof(in6->sin6_addr));
        }
        return (unsigned)(h % CONNECTIONS_PEERS);
}

static struct connection *connection_of(struct list *link)
{
        return container_of(link, struct connection, link);
}

/* MHD sees the end of the stream, and closes it in its own time. */
static void end(struct connections *all, struct connection *c)
{
        list_remove(&c->link);
        list_add_tail(&all->phases[CONNECTION_ENDED], &c->link);
        c->phase = CONNECTION_ENDED;
        all->n--;
        all->peers[c->peer]--;
        shutdown(c->fd, SHUT_RDWR);
}

static unsigned greatest(const struct connections *all)
{
        unsigned most = 0;

        for (size_t i = 0; i < CONNECTIONS_PEERS; i++)
                most = MAX(most, all->peers[i]);
        return most;
}

static void shed(struct connections *all)
{
        unsigned most = greatest(all);

        for (size_t i = 0; i < CONNECTION_ENDED; i++) {
                list_for_each (it, &all->phases[i]) {
                        struct connection *c = connection_of(it);

                        if (all->peers[c->peer] != most)
                                continue;
                        all->n_shed++;
                        end(all, c);
                        return;
                }
        }
}

void connection_open(struct connections *all, struct connection *c, int fd, const struct sockaddr *peer,
                     usec_t now)
{
        *c = (struct connection){ .fd = fd, .peer = place_of(peer) };
        list_init(&c->link);
        all->n++;
        all->peers[c->peer]++;
        connection_enter(all, c, CONNECTION_OPENING, now);
        if (all->n > all->max)
                shed(all);
}

void connection_enter(struct connections *all, struct connection *c, enum connection_phase phase, usec_t now)
{
        if (c->phase == CONNECTION_ENDED)
                return;
        c->phase = phase;
        c->due = now + longest[phase];
        list_remove(&c->link);
        list_add_tail(&all->phases[phase], &c->link);
}

void connection_close(struct connections *all, struct connection *c)
{
        list_remove(&c->link);
        if (c->phase == CONNECTION_ENDED)
                return;
        all->n--;
        all->peers[c->peer]--;
}

usec_t connections_expire(struct connections *all, usec_t now)
{
        usec_t next = USEC_NEVER;

        for (size_t i = 0; i < CONNECTION_ENDED; i++) {
                list_for_each_safe (it, &all->phases[i]) {
                        struct connection *c = connection_of(it);

                        if (c->due > now) {
                                next = MIN(next, c->due);
                                break;
                        }
                        all->n_expired++;
                        end(all, c);
                }
        }
        return next;
}

void connections_end_idle(struct connections *all)
{
        for (size_t i = 0; i <= CONNECTION_IDLE; i++)
                list_for_each_safe (it, &all->phases[i])
                        end(all, connection_of(it));
}

bool connections_busy(const struct connections *all)
{
        for (size_t i = CONNECTION_HEADERS; i <= CONNECTION_REPLY; i++)
                if (!list_empty(&all->phases[i]))
                        return true;
        return false;
}
