/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of one letter, put into a queue and taken from it.
 */
#pragma once

#include "harness.h"

#include <errno.h>

#include "queue/queue.h"

static inline struct queue_key key(const char *name)
{
        return (struct queue_key){ .controller = 0, .namespace = STR("shop"), .name = str_c(name) };
}

static inline void add(struct queue *q, const char *name, usec_t now)
{
        struct queue_key k = key(name);

        ck_assert_int_eq(queue_add(q, &k, now), 0);
}

static inline void add_at(struct queue *q, const char *name, usec_t due)
{
        struct queue_key k = key(name);

        ck_assert_int_eq(queue_add_at(q, &k, due), 0);
}

/* The next item must be NAME. */
static inline struct queue_item *get(struct queue *q, usec_t now, const char *name)
{
        struct queue_item *item = queue_get(q, now);

        ck_assert_msg(item, "nothing is ready instead of %s", name);
        ck_str_eq(item->key.name, name);
        ck_assert_int_eq(item->state, QUEUE_ACTIVE);
        return item;
}

static inline void get_nothing(struct queue *q, usec_t now)
{
        ck_assert_ptr_null(queue_get(q, now));
}

static inline usec_t delay_after_failure(struct queue *q, struct queue_item *item, usec_t now,
                                         usec_t at_least)
{
        queue_done_failed(q, item, now, at_least);
        return queue_next(q, now) - now;
}
