/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/queue.h"

#include <errno.h>

#include "base/hash.h"
#include "base/mem.h"

void queue_init(struct queue *q, uint64_t seed)
{
        *q = (struct queue){ .rand.state = seed };
        map_init(&q->items);
        list_init(&q->ready);
        heap_init(&q->waiting);
}

static void item_free(struct queue_item *item)
{
        mem_free(item->note);
        mem_free(item->unsaid);
        mem_free(item); /* its strings stand behind it */
}

void queue_release(struct queue *q)
{
        map_for_each (n, &q->items)
                item_free(container_of(n, struct queue_item, node));
        map_release(&q->items);
        heap_release(&q->waiting);
}

static uint64_t hash_key(const struct queue_key *key)
{
        return hash_local_str(hash_local_str(hash_local_add(HASH_INIT, key->controller), key->namespace),
                              key->name);
}

static struct queue_item *find(const struct queue *q, const struct queue_key *key, uint64_t hash)
{
        for (struct map_node *n = map_first(&q->items, hash); n; n = map_next(n)) {
                struct queue_item *item = container_of(n, struct queue_item, node);

                if (item->key.controller == key->controller && str_eq(item->key.name, key->name) &&
                    str_eq(item->key.namespace, key->namespace))
                        return item;
        }
        return NULL;
}

struct queue_item *queue_find(const struct queue *q, const struct queue_key *key)
{
        return find(q, key, hash_key(key));
}

/* The item of KEY, made if need be. */
static struct queue_item *item_of(struct queue *q, const struct queue_key *key)
{
        uint64_t hash = hash_key(key);
        struct queue_item *item = find(q, key, hash);
        char *strings;

        if (item)
                return item;
        item = mem_zalloc(sizeof(*item) + key->namespace.len + key->name.len);
        if (!item)
                return NULL;
        strings = (char *)(item + 1);
        item->key.controller = key->controller;
        item->key.namespace = str_store(&strings, key->namespace);
        item->key.name = str_store(&strings, key->name);
        list_init(&item->link);
        heap_node_init(&item->delay);
        if (map_insert(&q->items, &item->node, hash) < 0) {
                item_free(item);
                return NULL;
        }
        return item;
}

/* An idle item is kept only while it remembers something. */
static void drop_if_forgotten(struct queue *q, struct queue_item *item)
{
        if (item->state != QUEUE_IDLE || item->failures || heap_contains(&item->delay))
                return;
        map_remove(&q->items, &item->node);
        item_free(item);
}

static void make_ready(struct queue *q, struct queue_item *item, usec_t now)
{
        switch (item->state) {
        case QUEUE_READY:
                break;
        case QUEUE_ACTIVE:
                item->again = true;
                break;
        case QUEUE_IDLE:
                if (now < item->not_before && heap_set(&q->waiting, &item->delay, item->not_before) == 0)
                        break;
                item->state = QUEUE_READY;
                item->ready_since = now;
                list_add_tail(&q->ready, &item->link);
                q->n_ready++;
        }
}

int queue_add(struct queue *q, const struct queue_key *key, usec_t now)
{
        struct queue_item *item = item_of(q, key);

        if (!item)
                return -ENOMEM;
        q->adds++;
        make_ready(q, item, now);
        return 0;
}

int queue_add_at(struct queue *q, const struct queue_key *key, usec_t due)
{
        struct queue_item *item = item_of(q, key);
        int r;

        if (!item)
                return -ENOMEM;
        if (heap_contains(&item->delay) && item->delay.due <= due)
                return 0;
        r = heap_set(&q->waiting, &item->delay, due);
        if (r < 0)
                drop_if_forgotten(q, item);
        return r;
}

static void wake_due(struct queue *q, usec_t now)
{
        struct heap_node *top;

        while ((top = heap_top(&q->waiting)) && top->due <= now) {
                struct queue_item *item = container_of(top, struct queue_item, delay);

                heap_remove(&q->waiting, top);
                make_ready(q, item, now);
        }
}

struct queue_item *queue_get(struct queue *q, usec_t now)
{
        struct queue_item *item;
        struct list *first;

        wake_due(q, now);
        first = list_first(&q->ready);
        if (!first)
                return NULL;
        item = container_of(first, struct queue_item, link);
        list_remove(&item->link);
        q->n_ready--;
        item->state = QUEUE_ACTIVE;
        item->again = false;
        q->n_active++;
        return item;
}

/* Back from active; what was added meanwhile makes it ready at once. */
static void deactivate(struct queue *q, struct queue_item *item, usec_t now)
{
        item->state = QUEUE_IDLE;
        q->n_active--;
        if (item->again)
                make_ready(q, item, now);
}

void queue_done(struct queue *q, struct queue_item *item, usec_t now)
{
        item->failures = 0;
        item->not_before = 0;
        mem_freep(&item->note);
        deactivate(q, item, now);
        drop_if_forgotten(q, item);
}

/* Doubles with each failure; a random part of up to half keeps keys that
 * failed together from coming back together. */
static usec_t backoff(struct queue *q, unsigned failures)
{
        usec_t delay = QUEUE_BACKOFF_FIRST;

        for (unsigned i = 1; i < failures && delay < QUEUE_BACKOFF_MAX; i++)
                delay *= 2;
        delay = MIN(delay, QUEUE_BACKOFF_MAX);
        return delay - (usec_t)rand_below(&q->rand, (uint64_t)delay / 2);
}

void queue_done_failed(struct queue *q, struct queue_item *item, usec_t now, usec_t at_least)
{
        usec_t delay;

        item->failures++;
        q->retries++;
        /* What was added meanwhile may be just what was missing, so it does not
         * wait for minutes; nor is it taken at once, or a key whose own failing
         * attempts bring changes would spin. A wake-up that is due sooner stands
         * back for the same reason. If the heap cannot grow the key is retried
         * at once, which is better than never. */
        at_least = MIN(at_least, QUEUE_PAUSE_MAX);
        delay = MAX(backoff(q, item->again ? 1 : item->failures), at_least);
        item->not_before = now + at_least;
        item->state = QUEUE_IDLE;
        q->n_active--;
        if (heap_set(&q->waiting, &item->delay, now + delay) < 0)
                make_ready(q, item, now);
}

int queue_put_back(struct queue *q, struct queue_item *item, usec_t now, usec_t due)
{
        int r = 0;

        if (!heap_contains(&item->delay) || item->delay.due > due)
                r = heap_set(&q->waiting, &item->delay, due);
        deactivate(q, item, now);
        if (r < 0 && item->state == QUEUE_IDLE)
                drop_if_forgotten(q, item);
        return r;
}

usec_t queue_next(const struct queue *q, usec_t now)
{
        struct heap_node *top = heap_top(&q->waiting);

        if (q->n_ready)
                return now;
        return top ? top->due : USEC_NEVER;
}
