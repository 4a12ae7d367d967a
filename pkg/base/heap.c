/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include <errno.h>

#include "base/mem.h"

#define HEAP_SIZE_MIN ((size_t)16)

void heap_init(struct heap *h)
{
        *h = (struct heap){ 0 };
}

void heap_release(struct heap *h)
{
        mem_free(h->nodes);
        heap_init(h);
}

static void place(struct heap *h, struct heap_node *node, size_t i)
{
        h->nodes[i] = node;
        node->index = i;
}

static void sift_up(struct heap *h, struct heap_node *node)
{
        size_t i = node->index;

        while (i > 0 && node->due < h->nodes[(i - 1) / 2]->due) {
                place(h, h->nodes[(i - 1) / 2], i);
                i = (i - 1) / 2;
        }
        place(h, node, i);
}

static void sift_down(struct heap *h, struct heap_node *node)
{
        size_t i = node->index;

        for (;;) {
                size_t child = 2 * i + 1;

                if (child + 1 < h->n && h->nodes[child + 1]->due < h->nodes[child]->due)
                        child++;
                if (child >= h->n || h->nodes[child]->due >= node->due)
                        break;
                place(h, h->nodes[child], i);
                i = child;
        }
        place(h, node, i);
}

int heap_set(struct heap *h, struct heap_node *node, usec_t due)
{
        if (!heap_contains(node)) {
                if (h->n == h->size) {
                        size_t size = MAX(h->size * 2, HEAP_SIZE_MIN);
                        struct heap_node **nodes = mem_realloc(h->nodes, size * sizeof(*nodes));

                        if (!nodes)
                                return -ENOMEM;
                        h->nodes = nodes;
                        h->size = size;
                }
                place(h, node, h->n++);
        }
        node->due = due;
        sift_up(h, node);
        sift_down(h, node);
        return 0;
}

void heap_remove(struct heap *h, struct heap_node *node)
{
        struct heap_node *last;
        size_t hole = node->index;

        if (!heap_contains(node))
                return;
        last = h->nodes[--h->n];
        node->index = HEAP_NOT_IN;
        if (last == node)
                return;
        place(h, last, hole);
        sift_up(h, last);
        sift_down(h, last);
}
