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

struct apply_options {
        /* For a kind with a field that others set as well (cache_kind.shared): */
        bool changed;   /* that field is not as wanted: apply, although nothing else differs */
        bool versioned; /* its value is the live one, read from the cache: apply only if the child
                         * has not changed since, or somebody's newer value would be undone */
        /* Its lists are ours alone: where the API server does not accept them because of what
         * others have put into them, theirs is removed (reset.c). */
        bool exclusive;
};

enum effect_type {
        EFFECT_APPLY,
        EFFECT_COPY,
        EFFECT_DELETE,
        EFFECT_PATCH,
        EFFECT_READ,
        EFFECT_STATUS,
        EFFECT_EVENT,
        EFFECT_HOLD,
        EFFECT_RELEASE,
};

struct effect {
        struct list link;
        enum effect_type type;
        size_t place;                         /* in the plan */
        const struct cache_kind *kind;        /* of a child */
        struct str name;                      /* of a child */
        struct str json;                      /* the whole child, or the status */
        uint64_t whole;                       /* what tells a child that is applied from any other */
        uint64_t desired;                     /* its hash without what is shared; 0: not known yet */
        struct apply_options options;         /* of a child that is applied */
        struct str uid, version;              /* preconditions of a delete; the version of a copy's source */
        bool alone;                           /* of a delete: what it owns stays */
        const struct cache_kind *source_kind; /* of a copy */
        struct str source;
        bool warning;               /* of an event */
        bool at_once;               /* of an event: see plan_event_at_once */
        struct str reason, message; /* of an event */
};

#define PLAN_EFFECTS_MAX 256

struct plan {
        struct arena *arena;
        struct list effects;
        size_t n_effects;
        usec_t wake; /* reconcile again at this time (clock_now's), or USEC_NEVER */
        int error;   /* sticky: -ENOMEM, -E2BIG, -EINVAL for a child that was seen not to be JSON */
};

void plan_init(struct plan *p, struct arena *arena);

/* A child in the resource's namespace; JSON is copied. */
void plan_apply(struct plan *p, const struct cache_kind *kind, struct str name, struct str json);

/* The same, with a word about the shared field. */
void plan_apply_with(struct plan *p, const struct cache_kind *kind, struct str name, struct str json,
                     const struct apply_options *options);

/* Does CHILD stand as the plan wants it: is nothing to be done? But for the
 * shared field: whether that is as wanted, the cache cannot know. */
bool effect_holds(struct effect *e, const struct object *child);

/* A child that is made once and never changed: JSON, and with it the contents
 * (data, binaryData, type) of SOURCE, a ConfigMap or Secret, as of the version
 * that the cache holds. They pass through nobody's hands but the manager's. It
 * is there or not; NAME had better follow from the contents. */
void plan_copy(struct plan *p, const struct cache_kind *kind, struct str name, struct str json,
               const struct object *source);

/* Asks for an object of a kind that is read on demand, and reconciles again if
 * it was never asked for before or has changed. See view_read. */
void plan_read(struct plan *p, const struct cache_kind *kind, struct str name);

/* Deletes this very object: its UID and resourceVersion are preconditions. */
void plan_delete(struct plan *p, const struct object *child);

/* The same, but what CHILD owns is nobody's then, and stays. */
void plan_delete_alone(struct plan *p, const struct object *child);

/* A merge patch, as JSON, of this very object, which is another's: its other fields are left alone.
 * Unlike a child it is not set back, should somebody undo it. */
void plan_patch(struct plan *p, const struct object *object, struct str json);

/* The whole status of the resource, as JSON; sent only if it differs from what the
 * cache holds. */
void plan_status(struct plan *p, struct str json);
/* The same from its structure, where the schema's is HELD (NULL: none): a status
 * that is equal is no effect, so nothing is encoded at the fixed point. */
void plan_status_of(struct plan *p, const struct schema *schema, const void *status, const void *held);

/* An event about the resource: something happened, once, not "it is still so". */
void plan_event(struct plan *p, bool warning, struct str reason, struct str message);

/* The same about a step that this very plan takes. An event waits, as the status does, until
 * nothing is under way any more; but the next reconcile finds the step taken, and has nothing to
 * tell of it. Where the step fails it is told again. */
void plan_event_at_once(struct plan *p, bool warning, struct str reason, struct str message);

/* Of a kind with a finalizer: it is there before anything else is done (the
 * manager sees to that); and, while the resource is being deleted, it is taken
 * away, for nothing is left to be done: the resource goes. */
void plan_hold(struct plan *p, const struct object *self);
void plan_release(struct plan *p, const struct object *self);

/* Reconcile again at WHEN at the latest. */
void plan_wake(struct plan *p, usec_t when);
