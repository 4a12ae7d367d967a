/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "agent/redis/internal.h"

/* It ends with the next order; this is for the case that none ever comes. */
#define PAUSE_MILLIS "2592000000" /* 30 days */
#define WAIT_MILLIS "50"
#define RETRY_EVERY (100 * USEC_MSEC)
#define PING_SECONDS STR("10") /* the server's own */
#define PING_NEVER STR("86400")

void redis_place_read(const char *address, struct redis_place *ret)
{
        struct str host = str_c(address), port = STR_NULL, rest;
        int64_t n;

        *ret = (struct redis_place){ 0 };
        if (str_starts(host, STR("["))) {
                (void)str_cut(str_n(host.data + 1, host.len - 1), ']', &host, &rest);
                if (rest.data && str_starts(rest, STR(":")))
                        port = str_n(rest.data + 1, rest.len - 1);
        } else if (str_cut(host, ':', &host, &rest)) {
                if (str_index(rest, ':') >= 0)
                        host = str_c(address); /* of version 6, without a port */
                else
                        port = rest;
        }
        if (host.len < sizeof(ret->host))
                memcpy(ret->host, host.data, host.len);
        if (port.data && str_to_int64(port, &n) == 0 && n > 0 && n <= UINT16_MAX)
                ret->port = (uint16_t)n;
}

/* --- batches ------------------------------------------------------------------------ */

static void end_batch(struct redis *e)
{
        if (e->batch.failed)
                e->batch_due = clock_now() + RETRY_EVERY;
        e->batch.done(e, !e->batch.failed);
        redis_soon(e);
}

static void on_answer(const struct redis_answer *answer, void *arg)
{
        struct redis_item *item = arg;
        struct redis *e = item->e;
        struct redis_batch *b = &e->batch;

        if (answer->lost)
                b->failed = true;
        else if (item->kind == REDIS_ITEM_ORDER && answer->error.data)
                b->failed = true;
        else if (item->kind != REDIS_ITEM_GONE && answer->error.data)
                redis_refused_item(e, item, answer->error);
        if (--b->waiting == 0)
                end_batch(e);
}

void redis_batch_begin(struct redis *e, void (*done)(struct redis *e, bool obeyed))
{
        e->batch.waiting = 1; /* until its end */
        e->batch.n_items = 0;
        e->batch.failed = false;
        e->batch.done = done;
}

void redis_batch_add(struct redis *e, enum redis_item_kind kind, size_t index, const struct str *words,
                     size_t n)
{
        struct redis_batch *b = &e->batch;
        struct redis_item *item;

        if (b->n_items == APPLY_MAX) {
                b->failed = true;
                return;
        }
        item = &b->items[b->n_items++];
        *item = (struct redis_item){ e, kind, index };
        if (redis_link_send(&e->link, words, n, on_answer, item) == 0)
                b->waiting++;
        else
                b->failed = true;
}

void redis_batch_end(struct redis *e)
{
        if (--e->batch.waiting == 0)
                end_batch(e);
}

#define SEND(e, ...)                                                                                         \
        redis_batch_add(e, REDIS_ITEM_ORDER, 0, (const struct str[]){ __VA_ARGS__ },                         \
                        ARRAY_SIZE(((const struct str[]){ __VA_ARGS__ })))

/* --- logging in ------------------------------------------------------------------------ */

static void logged_in(struct redis *e, bool obeyed)
{
        e->known = obeyed;
}

/* Clients that take too much memory are closed (maxmemory-clients), but never this one. A server that
 * does not know that closes nobody. */
static void log_in(struct redis *e)
{
        const struct str stays[] = { STR("CLIENT"), STR("NO-EVICT"), STR("ON") };

        redis_batch_begin(e, logged_in);
        SEND(e, STR("AUTH"), STR(REDIS_ADMIN), str_c(e->secret));
        redis_batch_add(e, REDIS_ITEM_GONE, 0, stays, ARRAY_SIZE(stays));
        redis_batch_end(e);
}

void redis_closed(struct redis_link *link, bool broken, void *arg)
{
        struct redis *e = arg;

        if (link == &e->waiter) {
                e->waiting = e->waiter_known = false;
                return;
        }
        e->known = e->looking = false;
        if (broken)
                redis_cut_off(e);
        redis_soon(e);
}

/* --- confirmations at once --------------------------------------------------------------- */

static void waiter_logged_in(const struct redis_answer *answer, void *arg)
{
        struct redis *e = arg;

        e->waiter_known = !answer->lost && !answer->error.data;
}

static void waited(const struct redis_answer *answer _unused_, void *arg)
{
        struct redis *e = arg;

        e->waiting = false;
}

/* WAIT for more followers than there are asks all of them for what they have; by
 * themselves they say so once a second. It holds its connection, so that is another one. */
void redis_ask_followers(struct redis *e)
{
        const struct str wait[] = { STR("WAIT"), STR("100"), STR(WAIT_MILLIS) };
        const struct str auth[] = { STR("AUTH"), STR(REDIS_ADMIN), str_c(e->secret) };

        if (!redis_link_is_open(&e->waiter)) {
                e->waiting = e->waiter_known = false;
                if (redis_link_open(e->loop, &e->waiter, e->socket, redis_closed, e) < 0 ||
                    redis_link_send(&e->waiter, auth, ARRAY_SIZE(auth), waiter_logged_in, e) < 0)
                        return;
        }
        if (e->waiting)
                return;
        e->waiting = redis_link_send(&e->waiter, wait, ARRAY_SIZE(wait), waited, e) == 0;
}

/* --- what the server demands of followers ---------------------------------------------- */

int redis_min_replicas(const struct redis *e)
{
        int others = __builtin_popcount(e->in_sync) - 1;

        if (e->refusing)
                return REFUSE_ALL;
        return MAX(MIN(e->settings.min_replicas, others), 0);
}

static void min_replicas_set(const struct redis_answer *answer, void *arg)
{
        struct redis *e = arg;

        if (answer->lost || answer->error.data)
                e->min_replicas = -1;
}

/* On the way, between two looks: it is no order. */
void redis_set_min_replicas(struct redis *e)
{
        char number[STR_INT_MAX];
        int n = redis_min_replicas(e);
        const struct str words[] = { STR("CONFIG"), STR("SET"), STR("min-replicas-to-write"),
                                     str_int(n, number) };

        if (!e->known || n == e->min_replicas)
                return;
        e->min_replicas = n;
        if (redis_link_send(&e->link, words, ARRAY_SIZE(words), min_replicas_set, e) < 0)
                e->min_replicas = -1;
}

/* --- orders -------------------------------------------------------------------------------- */

static void nothing_more(const struct redis_answer *answer _unused_, void *arg _unused_)
{
}

/* All clients but us; members' connections are of other types. */
static const struct str kill_normal[] = { STR_INIT("CLIENT"), STR_INIT("KILL"),   STR_INIT("TYPE"),
                                          STR_INIT("normal"), STR_INIT("SKIPME"), STR_INIT("yes") };
static const struct str kill_pubsub[] = { STR_INIT("CLIENT"), STR_INIT("KILL"), STR_INIT("TYPE"),
                                          STR_INIT("pubsub") };

/* Clients try again whose connection ends; not many do that are told an error. */
static void end_connections(struct redis *e)
{
        int r = redis_link_send(&e->link, kill_normal, ARRAY_SIZE(kill_normal), nothing_more, e);

        if (r == 0)
                r = redis_link_send(&e->link, kill_pubsub, ARRAY_SIZE(kill_pubsub), nothing_more, e);
        (void)r; /* a link that is broken ends the server, and so them */
}

/* What was sent was carried out, whether or not a newer order has come meanwhile. */
static void obeyed(struct redis *e, bool well)
{
        if (!well)
                return; /* with the next look it is tried again */
        e->carried = MAX(e->carried, e->sent.number);
        e->paused = e->sent.what == FAILOVER_PAUSE;
        if (e->paused) {
                e->paused_since = clock_now();
                /* Not before: what was acknowledged by then has been sent with this answer. */
                end_connections(e);
        }
        if (e->goal.set && e->goal.number == e->sent.number)
                e->goal.done = true;
        redis_look(e);
}

static void follow(struct redis *e, const char *host, uint16_t port)
{
        char number[STR_INT_MAX];

        SEND(e, STR("REPLICAOF"), str_c(host), str_int(port, number));
        /* Whoever has a write held back hears that the connection has ended, and tries again. */
        if (e->paused)
                end_connections(e);
        SEND(e, STR("CLIENT"), STR("UNPAUSE"));
}

/* --- after a planned move ------------------------------------------------------------------ */

/* It led until now. Clients come to it until they hear of the new leader, and would stay. */
static void begin_to_linger(struct redis *e, usec_t now, usec_t time)
{
        e->linger_until = now + time;
        e->linger_close = now + LINGER_CLOSE_EVERY;
}

void redis_linger(struct redis *e, usec_t now)
{
        if (!e->linger_until || !e->known || now < MIN(e->linger_close, e->linger_until))
                return;
        end_connections(e);
        e->linger_close = now + LINGER_CLOSE_EVERY;
        if (now >= e->linger_until && e->goal.what != FAILOVER_HALT)
                e->linger_until = 0;
}

/* It can take no write any more, however long it takes to end: that is as much of the order as
 * has a deadline. */
static void stands_before_end(const struct redis_answer *answer, void *arg)
{
        struct redis *e = arg;

        if (answer->lost || answer->error.data || !e->goal.set || e->goal.what != FAILOVER_HALT)
                return;
        e->carried = MAX(e->carried, e->goal.number);
        redis_look(e);
}

bool redis_lingers_before_end(struct redis *e, usec_t now)
{
        char number[STR_INT_MAX];
        const struct str stand[] = { STR("REPLICAOF"), STR(REDIS_NOBODY_HOST),
                                     str_int(REDIS_NOBODY_PORT, number) };

        if (!e->known || !e->loaded || (!e->paused && !e->linger_until))
                return false;
        if (e->paused) {
                e->paused = redis_link_send(&e->link, stand, ARRAY_SIZE(stand), stands_before_end, e) < 0;
                end_connections(e);
                begin_to_linger(e, now, LINGER_ENDING);
        }
        return now < e->linger_until;
}

static struct str ping_seconds(const struct redis *e)
{
        const struct redis_settings *s = &e->settings;

        for (size_t i = 0; i < s->n_config; i++)
                if (!e->refused[i] && (str_eq(s->config[i].name, STR("repl-ping-replica-period")) ||
                                       str_eq(s->config[i].name, STR("repl-ping-slave-period"))))
                        return s->config[i].value;
        return PING_SECONDS;
}

/* A ping counts as bytes of the data. One that comes after the next leader has been made is
 * something that this one has and that one has not, and all who heard it would have to copy
 * everything anew. */
static void set_pings(struct redis *e, struct str seconds)
{
        const struct str words[] = { STR("CONFIG"), STR("SET"), STR("repl-ping-replica-period"), seconds };

        redis_batch_add(e, REDIS_ITEM_GONE, 0, words, ARRAY_SIZE(words));
}

/* A server whose clients are paused asks its followers nothing (beforeSleep in server.c,
 * since 6.2), and they confirm by themselves once a second only. So it refuses writes at
 * first, which takes the time of a question and its answer; then it holds them back. */
static void pause_writes(struct redis *e)
{
        char number[STR_INT_MAX];

        e->min_replicas = REFUSE_ALL;
        SEND(e, STR("CONFIG"), STR("SET"), STR("min-replicas-to-write"), str_int(REFUSE_ALL, number));
        set_pings(e, PING_NEVER);
}

static void held(const struct redis_answer *answer, void *arg)
{
        struct redis *e = arg;

        e->held = !answer->lost && !answer->error.data;
        if (!e->held || !e->paused)
                return;
        /* From here on writes are held back, and need not be refused any more. */
        e->refusing = false;
        redis_set_min_replicas(e);
}

void redis_hold_writes(struct redis *e)
{
        const struct str words[] = { STR("CLIENT"), STR("PAUSE"), STR(PAUSE_MILLIS), STR("WRITE") };

        e->held = redis_link_send(&e->link, words, ARRAY_SIZE(words), held, e) == 0;
}

static void lead(struct redis *e)
{
        redis_set_min_replicas(e);
        set_pings(e, ping_seconds(e));
        SEND(e, STR("REPLICAOF"), STR("NO"), STR("ONE"));
        SEND(e, STR("CLIENT"), STR("UNPAUSE"));
}

static bool is_led_by_goal(const struct redis *e)
{
        return e->goal.what == FAILOVER_LEAD || e->goal.what == FAILOVER_PAUSE;
}

static void obey(struct redis *e)
{
        const struct redis_place *leader = &e->goal.leader;

        e->sent.number = e->goal.number;
        e->sent.what = e->goal.what;
        if (e->paused && (e->goal.what == FAILOVER_FOLLOW || e->goal.what == FAILOVER_STAND))
                begin_to_linger(e, clock_now(), LINGER_FOLLOWING);
        else if (is_led_by_goal(e))
                e->linger_until = 0;
        e->pause_offset_set = e->held = false;
        e->refusing = e->goal.what == FAILOVER_PAUSE;
        redis_batch_begin(e, obeyed);
        switch (e->goal.what) {
        case FAILOVER_STAND:
                follow(e, REDIS_NOBODY_HOST, REDIS_NOBODY_PORT);
                break;
        case FAILOVER_FOLLOW:
                follow(e, leader->host, leader->port ? leader->port : e->settings.port);
                break;
        case FAILOVER_PAUSE:
                pause_writes(e);
                break;
        case FAILOVER_LEAD:
                lead(e);
                e->led = true;
                break;
        case FAILOVER_HALT:
                break;
        }
        redis_batch_end(e);
}

static void clients_closed(struct redis *e, bool well)
{
        if (well)
                e->led = false;
}

/* Pools connect anew then, and come to the leader. */
static void close_clients(struct redis *e)
{
        redis_batch_begin(e, clients_closed);
        redis_batch_add(e, REDIS_ITEM_ORDER, 0, kill_normal, ARRAY_SIZE(kill_normal));
        redis_batch_add(e, REDIS_ITEM_ORDER, 0, kill_pubsub, ARRAY_SIZE(kill_pubsub));
        redis_batch_end(e);
}

static bool is_about_server(const struct redis *e)
{
        return e->goal.set && e->goal.what != FAILOVER_HALT;
}

void redis_advance(struct redis *e)
{
        if (!e->keeper || e->killed || e->halting || e->batch.waiting || clock_now() < e->batch_due)
                return;
        if (!redis_link_is_open(&e->link)) {
                e->known = e->looking = false;
                e->min_replicas = -1;
                /* Until it is there, or the process has ended. */
                if (redis_link_open(e->loop, &e->link, e->socket, redis_closed, e) < 0)
                        return;
        }
        if (!e->known) {
                log_in(e);
                return;
        }
        if (!e->loaded)
                return;
        if (e->apply)
                redis_apply(e);
        else if (is_about_server(e) && !e->goal.done)
                obey(e);
        else if (e->led && e->goal.done && !is_led_by_goal(e))
                close_clients(e);
}
