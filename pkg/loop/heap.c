/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/heap.h"

#include <errno.h>

#include "base/mem.h"

#define SIZE_MIN ((size_t)16)

void timer_heap_release(struct timer_heap *h)
{
        mem_free(h->items);
        *h = (struct timer_heap){ 0 };
}

struct loop_timer *timer_heap_first(const struct timer_heap *h)
{
        return h->n ? h->items[0] : NULL;
}

static void put(struct timer_heap *h, size_t i, struct loop_timer *t)
{
        h->items[i] = t;
        t->heap_index = i;
}

static void sift_up(struct timer_heap *h, size_t i)
{
        struct loop_timer *t = h->items[i];

        while (i > 0 && t->due < h->items[(i - 1) / 2]->due) {
                put(h, i, h->items[(i - 1) / 2]);
                i = (i - 1) / 2;
        }
        put(h, i, t);
}

static void sift_down(struct timer_heap *h, size_t i)
{
        struct loop_timer *t = h->items[i];

        for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
                if (child + 1 < h->n && h->items[child + 1]->due < h->items[child]->due)
                        child++;
                if (t->due <= h->items[child]->due)
                        break;
                put(h, i, h->items[child]);
        }
        put(h, i, t);
}

int timer_heap_add(struct timer_heap *h, struct loop_timer *t)
{
        if (h->n == h->size) {
                size_t size = MAX(h->size * 2, SIZE_MIN);
                struct loop_timer **items = mem_realloc(h->items, size * sizeof(struct loop_timer *));

                if (!items)
                        return -ENOMEM;
                h->items = items;
                h->size = size;
        }
        put(h, h->n++, t);
        sift_up(h, t->heap_index);
        return 0;
}

void timer_heap_move(struct timer_heap *h, struct loop_timer *t, usec_t due)
{
        usec_t before = t->due;

        t->due = due;
        if (due < before)
                sift_up(h, t->heap_index);
        else
                sift_down(h, t->heap_index);
}

void timer_heap_remove(struct timer_heap *h, struct loop_timer *t)
{
        struct loop_timer *last = h->items[--h->n];
        size_t i = t->heap_index;

        if (last == t)
                return;
        put(h, i, last);
        sift_up(h, i);
        sift_down(h, last->heap_index);
}
