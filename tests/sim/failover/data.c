/* SPDX-License-Identifier: Apache-2.0 */
#include "failover/data.h"

#include <string.h>

#include "base/mem.h"

void data_init(struct data_tree *t)
{
        t->n = 1;
        t->branches[0] = (struct data_branch){ 0 };
}

void data_release(struct data_tree *t)
{
        for (int i = 0; i < t->n; i++)
                mem_free(t->branches[i].writes);
        t->n = 0;
}

static struct data_write *push(struct data_branch *b)
{
        if (b->n == b->size) {
                b->size = b->size ? b->size * 2 : 64;
                b->writes = mem_realloc(b->writes, b->size * sizeof(*b->writes));
                if (!b->writes)
                        abort();
        }
        b->writes[b->n] = (struct data_write){ 0 };
        return &b->writes[b->n++];
}

struct data_write *data_append(struct data_tree *t, struct data_ref *ref)
{
        struct data_branch *b = &t->branches[ref->branch];

        if (b->fork + b->n != ref->len) {
                if (t->n == DATA_BRANCHES_MAX)
                        abort();
                t->branches[t->n] = (struct data_branch){ .parent = ref->branch, .fork = ref->len };
                ref->branch = t->n++;
                b = &t->branches[ref->branch];
        }
        ref->len++;
        return push(b);
}

/* The branch that the last write of REF stands in. */
static struct data_ref own_branch(const struct data_tree *t, struct data_ref ref)
{
        while (ref.branch && ref.len <= t->branches[ref.branch].fork)
                ref.branch = t->branches[ref.branch].parent;
        return ref;
}

struct data_write *data_at(struct data_tree *t, struct data_ref ref, uint64_t position)
{
        struct data_ref r = own_branch(t, (struct data_ref){ ref.branch, position + 1 });

        return &t->branches[r.branch].writes[position - t->branches[r.branch].fork];
}

static struct data_ref climb(const struct data_tree *t, struct data_ref ref)
{
        const struct data_branch *b = &t->branches[ref.branch];

        return own_branch(t, (struct data_ref){ b->parent, MIN(ref.len, b->fork) });
}

/* A branch has a higher number than the one that it left. */
uint64_t data_common(const struct data_tree *t, struct data_ref a, struct data_ref b)
{
        a = own_branch(t, a);
        b = own_branch(t, b);
        while (a.branch != b.branch) {
                if (a.branch > b.branch)
                        a = climb(t, a);
                else
                        b = climb(t, b);
        }
        return MIN(a.len, b.len);
}
