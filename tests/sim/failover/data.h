/* SPDX-License-Identifier: Apache-2.0
 *
 * What datasets are made of: every write that a server ever executed, each with
 * an identity, so that "is a prefix of" and "has diverged from" are decided
 * exactly and not by offsets.
 *
 *      branch 0   w1 w2 w3 w4 w5 w6          written by the first leader
 *                          \
 *      branch 1             w7 w8            by one that had only w1 to w4
 *
 *      a dataset = (branch, length): (0, 6) has w1 to w6, (1, 6) has w1 to w4, w7, w8;
 *      (0, 4) is a prefix of both
 *
 * Branches are never freed before the tree; a dataset is a value.
 */
#pragma once

#include "base/clock.h"

#define DATA_BRANCHES_MAX 4096

struct data_write {
        usec_t at;    /* when it was executed */
        usec_t acked; /* when its client was answered; 0: never */
        uint64_t pod; /* that executed it */
        int client;   /* -1: the server's own */
        bool counted; /* as lost */
};

struct data_branch {
        int parent;    /* of branch 0: itself */
        uint64_t fork; /* length up to which it is its parent */
        struct data_write *writes;
        size_t n, size;
};

struct data_tree {
        struct data_branch branches[DATA_BRANCHES_MAX];
        int n;
};

struct data_ref {
        int branch;
        uint64_t len;
};

void data_init(struct data_tree *t);
void data_release(struct data_tree *t);

/* Appends to the dataset *REF; another branch begins where another dataset went on from there. */
struct data_write *data_append(struct data_tree *t, struct data_ref *ref);

/* The write at POSITION (from 0) of REF. */
struct data_write *data_at(struct data_tree *t, struct data_ref ref, uint64_t position);

/* How many writes they have in common, from the beginning. */
uint64_t data_common(const struct data_tree *t, struct data_ref a, struct data_ref b);

static inline bool data_is_prefix(const struct data_tree *t, struct data_ref a, struct data_ref b)
{
        return a.len <= b.len && data_common(t, a, b) == a.len;
}
