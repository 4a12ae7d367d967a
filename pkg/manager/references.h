/* SPDX-License-Identifier: Apache-2.0
 *
 * Which resources read which objects by name: an index both ways, so that a
 * change of a Secret wakes the Apps that use it, and a Secret that nobody uses
 * any more is forgotten.
 *
 *      resource shop/web ----link----> ConfigMap shop/web-config
 *                        `---link----> Secret shop/db-app <----link---- resource shop/jobs
 *
 * A resource that refers to nothing takes no memory here.
 */
#pragma once

#include "base/map.h"
#include "manager/controller.h"
#include "queue/queue.h"

struct references {
        struct map resources, targets;
        /* Nobody refers to it any more. */
        void (*dropped)(const struct cache_kind *kind, struct str namespace, struct str name, void *arg);
        void *arg;
};

void references_init(struct references *r,
                     void (*dropped)(const struct cache_kind *kind, struct str namespace, struct str name,
                                     void *arg),
                     void *arg);
/* Says of nothing that it was dropped. */
void references_release(struct references *r);

/* What the resource refers to, from now on; N 0: to nothing. 0, or -ENOMEM and
 * it refers to nothing. */
int references_set(struct references *r, const struct queue_key *resource, const struct reference *list,
                   size_t n) _must_check_;

/* The resources that refer to an object. FN must not change the references. */
void references_each(const struct references *r, const struct cache_kind *kind, struct str namespace,
                     struct str name, void (*fn)(const struct queue_key *resource, void *arg), void *arg);
