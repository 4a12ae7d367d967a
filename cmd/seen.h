/* SPDX-License-Identifier: Apache-2.0
 *
 * Where each resource was first met, so that it is noticed when it comes again.
 *
 *      App, shop ---> deploy/shop.yaml:1
 */
#pragma once

#include "base/arena.h"
#include "base/map.h"

struct seen {
        struct map map;
        struct arena arena;
};

struct seen_place {
        const char *file; /* outlives it all */
        unsigned line;
};

void seen_init(struct seen *seen);
void seen_release(struct seen *seen);

/* Was that resource met before, elsewhere? Then 1 and *RET is where; else 0, and it is from
 * now on. -ENOMEM. */
int seen_add(struct seen *seen, struct str kind, struct str namespace, struct str name,
             const struct seen_place *place, struct seen_place *ret) _must_check_;
