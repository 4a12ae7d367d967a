/* SPDX-License-Identifier: Apache-2.0
 *
 * A plan: what one reconcile wants done, as data. Pure code fills it; the
 * manager carries it out. All of it lives in the arena of the reconcile.
 *
 *      reconcile(view) --> plan --> manager: all effects at once, in this order
 *
 * "Apply" means "make sure that it is so": the manager knows what it applied
 * before and sends nothing if that still holds.
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/list.h"
#include "cache/cache.h"

enum effect_type {
        EFFECT_APPLY,
        EFFECT_DELETE,
        EFFECT_STATUS,
        EFFECT_EVENT,
};

struct effect {
        struct list link;
        enum effect_type type;
        size_t place;                  /* in the plan */
        const struct cache_kind *kind; /* of a child */
        struct str name;               /* of a child */
        struct str json;               /* the whole child, or the status */
        uint64_t desired;              /* hash of a child that is applied */
        struct str uid, version;       /* preconditions of a delete */
        bool warning;                  /* of an event */
        struct str reason, message;    /* of an event */
};

#define PLAN_EFFECTS_MAX 256

struct plan {
        struct arena *arena;
        struct list effects;
        size_t n_effects;
        usec_t wake; /* reconcile again at this time (clock_now's), or USEC_NEVER */
        int error;   /* sticky: -ENOMEM, -E2BIG, -EINVAL for a child that is not JSON */
};

void plan_init(struct plan *p, struct arena *arena);

/* A child in the resource's namespace; JSON is copied. */
void plan_apply(struct plan *p, const struct cache_kind *kind, struct str name, struct str json);

/* Deletes this very object: its UID and resourceVersion are preconditions. */
void plan_delete(struct plan *p, const struct object *child);

/* The whole status of the resource; sent only if it differs from what the cache holds. */
void plan_status(struct plan *p, struct str json);

/* An event about the resource: something happened, once, not "it is still so". */
void plan_event(struct plan *p, bool warning, struct str reason, struct str message);

/* Reconcile again at WHEN at the latest. */
void plan_wake(struct plan *p, usec_t when);
