/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/loop.h"

#include <stdlib.h>

#include "base/mem.h"

void loop_init(struct loop *l)
{
        *l = (struct loop){ .now = USEC_SEC };
        l->heap = mem_new_n(struct turn *, LOOP_TURNS_MAX);
        if (!l->heap)
                abort();
}

void loop_release(struct loop *l)
{
        for (size_t i = 0; i < l->n; i++)
                mem_free(l->heap[i]);
        while (l->free) {
                struct turn *t = l->free;

                l->free = t->free;
                mem_free(t);
        }
        mem_free(l->heap);
        *l = (struct loop){ 0 };
}

static bool earlier(const struct turn *a, const struct turn *b)
{
        return a->at != b->at ? a->at < b->at : a->number < b->number;
}

static void rise(struct loop *l, size_t i)
{
        struct turn *t = l->heap[i];

        for (; i && earlier(t, l->heap[(i - 1) / 2]); i = (i - 1) / 2)
                l->heap[i] = l->heap[(i - 1) / 2];
        l->heap[i] = t;
}

static void sink(struct loop *l, size_t i)
{
        struct turn *t = l->heap[i];

        for (;;) {
                size_t child = 2 * i + 1;

                if (child >= l->n)
                        break;
                if (child + 1 < l->n && earlier(l->heap[child + 1], l->heap[child]))
                        child++;
                if (!earlier(l->heap[child], t))
                        break;
                l->heap[i] = l->heap[child];
                i = child;
        }
        l->heap[i] = t;
}

static struct turn *take_free(struct loop *l)
{
        struct turn *t = l->free;

        if (t) {
                l->free = t->free;
                return t;
        }
        t = mem_new(struct turn);
        if (!t)
                abort();
        return t;
}

struct turn *loop_at(struct loop *l, usec_t at, void (*fn)(struct sim *s, struct turn *t))
{
        struct turn *t = take_free(l);

        if (l->n == LOOP_TURNS_MAX)
                abort();
        t->at = MAX(at, l->now);
        t->number = l->numbers++;
        t->fn = fn;
        t->pod = -1;
        t->life = t->id = 0;
        t->a = t->b = 0;
        l->heap[l->n++] = t;
        rise(l, l->n - 1);
        return t;
}

struct turn *loop_next(struct loop *l)
{
        struct turn *t = l->heap[0];

        l->heap[0] = l->heap[--l->n];
        if (l->n)
                sink(l, 0);
        l->now = t->at;
        return t;
}

void loop_give_back(struct loop *l, struct turn *t)
{
        t->free = l->free;
        l->free = t;
}
