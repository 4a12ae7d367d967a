/* SPDX-License-Identifier: Apache-2.0
 *
 * An intrusive, circular, doubly linked list; it allocates nothing and owns
 * nothing.
 *
 *      head <-> item <-> item <-> head
 *
 *      list_for_each (link, &head)
 *              struct job *j = container_of(link, struct job, link);
 *
 * A link that is on no list points at itself (list_init), so list_remove may
 * be called twice.
 */
#pragma once

#include <stdbool.h>

#include "base/macros.h"

struct list {
        struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
        l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
        return l->next == l;
}

static inline void list_add_tail(struct list *head, struct list *item)
{
        item->prev = head->prev;
        item->next = head;
        head->prev->next = item;
        head->prev = item;
}

static inline void list_add_head(struct list *head, struct list *item)
{
        list_add_tail(head->next, item);
}

static inline void list_remove(struct list *item)
{
        item->next->prev = item->prev;
        item->prev->next = item->next;
        list_init(item);
}

/* The first item, or NULL. */
static inline struct list *list_first(struct list *head)
{
        return list_empty(head) ? NULL : head->next;
}

#define list_for_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)

/* The same, where the body may remove IT, but not the item behind it. */
#define list_for_each_safe(it, head)                                                                         \
        for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                            \
             it = it##_next, it##_next = it->next)
