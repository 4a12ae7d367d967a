/* SPDX-License-Identifier: Apache-2.0
 *
 * A controller: a kind, the kinds of its children, and one pure function.
 *
 *      cache ---> view ---> reconcile ---> plan ---> manager ---> API server
 *        ^                                                            |
 *        +------------------- watch, replies -------------------------+
 *
 * reconcile reads nothing but its view, and does nothing but fill the plan: no
 * I/O, no clock, no randomness. It is called again whenever the resource or
 * one of its children changes, and must come to an empty plan once all is as
 * it should be.
 */
#pragma once

#include "cache/cache.h"
#include "manager/plan.h"

/* Why the last attempt at this resource did not carry out its plan. */
struct failure {
        struct str reason; /* "NameConflict", "Forbidden", …; absent: it did */
        struct str message;
        bool permanent; /* trying again will not help until somebody changes something */
};

#define VIEW_RANDOM_BYTES 32

struct view {
        const struct object *self;
        const struct cache *cache;
        struct failure failure;
        bool report_only; /* no plan could be made, as failure says: nothing but the report is wanted */
        usec_t now;       /* for plan_wake */
        usec_t wall;      /* for time stamps */
        /* For what nobody may guess, such as a password: other bytes in each reconcile. Nothing may
         * depend on them but what is made anew. */
        uint8_t random[VIEW_RANDOM_BYTES];
        struct str image; /* of this program, to run helpers from; absent: not known */
};

/* Objects that a controller reads and does not make. A change of one wakes the
 * resources that it concerns. */
enum observed_by {
        OBSERVED_BY_NAMESPACE, /* all in its namespace; of what belongs to none, all there are */
        OBSERVED_BY_OWNER,     /* the one that its owner says (cache_kind.owner_label) */
        OBSERVED_BY_REFERENCE, /* those whose references name it */
        OBSERVED_BY_NAME,      /* the one in its namespace that is called observed.name */
};

struct observed {
        const struct cache_kind *kind;
        enum observed_by by;
        struct str name;  /* by name */
        bool dispensable; /* where it cannot be read, the controller does without */
};

/* An object in the resource's own namespace. */
struct reference {
        const struct cache_kind *kind;
        struct str name;
};

#define REFERENCES_MAX 256 /* of one resource; the rest is not followed */

struct controller {
        const char *name;              /* in logs and metrics: "app" */
        const struct cache_kind *kind; /* the resource */
        const struct cache_kind *const *children;
        size_t n_children;
        const struct observed *observed;
        size_t n_observed;
        /* What the resource reads by name, into LIST: how many. Names that are not its own
         * lie in the arena. NULL: nothing. */
        size_t (*references)(const struct object *self, struct arena *a,
                             struct reference list[REFERENCES_MAX]);
        /* 0, or a negative errno: then nothing of the plan is done. It is called at
         * once again, with view.report_only, to say in the status what went wrong,
         * and after a backoff for another plan. It need not look at the arena: if
         * that ran out, the manager knows. */
        int (*reconcile)(const struct view *view, struct plan *plan);
};

/* The child of that name if it is there and controlled by view->self, else NULL. */
const struct object *view_child(const struct view *view, const struct cache_kind *kind, struct str name);

/* The children of a kind that is found by its owner, one after the other: start with
 * NULL. Not those that are being deleted, nor those of a resource that was called so
 * before. */
const struct object *view_next_child(const struct view *view, const struct cache_kind *kind,
                                     const struct object *after);

/* The first effect of the plan on a child that is not so yet, or NULL: then all
 * children are as they should be. Ask after the last plan_apply. */
const struct effect *view_pending(const struct view *view, const struct plan *plan);

/* The same child if it stands exactly as the last plan_apply of it asked, else NULL. */
const struct object *view_applied(const struct view *view, const struct plan *plan,
                                  const struct cache_kind *kind, struct str name);

/* An object of another kind in the resource's namespace, or of a kind that has none,
 * whoever owns it, or NULL. */
const struct object *view_lookup(const struct view *view, const struct cache_kind *kind, struct str name);

/* Of the resources of view->self's kind in all namespaces that claim WORD
 * (cache_kind.claims) and are not being deleted, the one that comes first
 * (object_claims_before). NULL: none does. Whoever claims the same is called again
 * when that changes. With the namespaces that are watched restricted, only those
 * are known. */
const struct object *view_first_claimant(const struct view *view, struct str word);

/* An object of KIND, which may be of a kind of children, that claims WORD and that
 * view->self does not control, or NULL. */
const struct object *view_claimed_by_other(const struct view *view, const struct cache_kind *kind,
                                           struct str word);

/* Is it known what there is of KIND: is its API installed, and may it be listed? */
bool view_served(const struct view *view, const struct cache_kind *kind);

/* How old a reading had better not be. */
#define VIEW_READ_AGE USEC_MINUTE

enum reading_state {
        READING_UNKNOWN, /* it is being asked for; this reconcile comes again */
        READING_ABSENT,
        READING_PRESENT,
};

/* An object of a kind that is read on demand, to *RET. What is known may be AGE
 * old; then it is asked for again, as it is where a watch tells of a newer one
 * (cache_kind.announced), and meanwhile it counts. USEC_NEVER: it does not change. To be woken by it the controller's references must name it. */
enum reading_state view_read(const struct view *view, struct plan *plan, const struct cache_kind *kind,
                             struct str name, usec_t age, const struct object **ret);
