/* SPDX-License-Identifier: Apache-2.0
 *
 * What the operator knows of the cluster: each object that it watches, cut
 * down to the fields that some controller reads.
 *
 *      JSON of one object --decode--> scratch arena --pack--> one block:
 *
 *      | struct object | name, uid, version | state: the fields that are read |
 *               |                                        |
 *               '----> namespace, owner                  '----> lists, inner objects
 *                      in the pool: equal ones are kept once (schema/share.h)
 *
 * Objects are found by kind, namespace and name. They never go back in time:
 * an object that is older than the one held (by resourceVersion) is passed
 * over, so a lagging API server, or the watch event that trails our own write,
 * changes nothing.
 */
#pragma once

#include "base/clock.h"
#include "base/map.h"
#include "base/uuid.h"
#include "cache/owners.h"
#include "cache/tally.h"
#include "kube/meta.h"
#include "kube/path.h"
#include "schema/share.h"

#define CACHE_CLAIMS_MAX 32 /* of one object; the rest is not followed */

/* A kind whose objects are kept. Constant, one per kind, way of reading, and program. */
struct cache_kind {
        struct kube_kind api;
        const struct schema *schema; /* what is kept of the object: its halves, "spec" and "status" */
        struct str label_selector;   /* absent: all */

        /* A field that others may set as well (an autoscaler: "spec.replicas"):
         * it is left out of the hashes that tell drift. Absent: none. */
        struct str shared;
        /* Our finalizer on resources of this kind, "keelson.dev/app"; absent: none. */
        struct str finalizer;
        bool optional; /* its API may not be installed: then there are no objects, and that is no failure */
        /* It is never listed or watched: a reconcile asks for each object by its
         * name, again every now and then. What others keep under this kind costs
         * nothing, and no right to list it is needed (Secrets). */
        bool on_demand;
        /* On demand, but a watch tells which of those that label_selector names have changed, and
         * these are asked for again at once. It brings their metadata alone, nothing of which is
         * kept: without it, say for want of the right, changes are seen later, and that is all. */
        bool announced;
        bool tallied; /* the objects of each namespace are counted: cache_count */
        bool quiet;   /* bookkeeping: that one was made or deleted is logged, but no event for the user */
        /* Objects are also found by the name of their owner: cache_owned. */
        bool by_owner;
        /* Where an owner reference does not lead to the resource (a pod's is its
         * ReplicaSet): the label that has its name, and its kind. Absent: not so. */
        struct str owner_label, owner_kind;
        /* The words that an object of that STATE claims for itself alone, as an App
         * does its hosts, into LIST: how many. They lie in STATE. Objects are found by
         * them whatever their kind and namespace (cache_claiming), and by no other
         * case of letters are they other words. NULL: none. */
        size_t (*claims)(const void *state, struct str list[CACHE_CLAIMS_MAX]);
        /* They are written all the time (a Lease is renewed), and mostly that says nothing: only
         * where what is kept of one has changed, its owner is woken. */
        bool steady;
        /* Is such an object to be kept? Most pods are ready, and not interesting.
         * NULL: all are. */
        bool (*keep)(const void *state);
        /* Makes the state itself, of the type that the schema says, where that is
         * not what stands in the object but follows from it. It is zeroed. 0 or
         * -ENOMEM. NULL: the schema decodes. */
        int (*derive)(yyjson_val *json, struct arena *a, void *state);
};

struct object {
        struct map_node by_key;
        const struct cache_kind *kind;
        struct str namespace, name;
        const struct kube_owner *owner; /* never NULL; see cache/owners.h */
        const void *state;              /* as kind->schema says; never NULL */
        uint64_t owned;                 /* hash of the fields that we own in it; 0: we own none */
        /* What tells the child that we applied last, and what `owned` was just
         * after it: they differ where the server writes a value in another way
         * than we do. 0 until we apply it. */
        uint64_t applied_desired, applied_owned;
        uint32_t bytes;      /* of this block */
        uint32_t generation; /* nothing is changed four thousand million times */
        uint32_t repaired;   /* when somebody last undid what we applied, in seconds, */
        uint8_t repairs;     /* and how often in a row */
        uint8_t uid_len, version_len;
        bool uuid : 1; /* the UID is kept in bytes */
        bool deleting : 1;
        bool finalized : 1; /* kind->finalizer is on it */
        bool seen : 1;      /* in the list under way */
        bool invalid : 1;   /* a half of the state is absent: see object_invalid */
        bool dropped : 1;   /* it is we who have deleted it */
        bool reset : 1;     /* its lists were set as a whole, and it is still this version */
};

/* Absent where the object has none. A UUID, which a server's UIDs are, is written into
 * TEXT; any other text is the object's own. */
struct str object_uid(const struct object *o, char text[UUID_TEXT]);
bool object_has_uid(const struct object *o, struct str uid);
bool object_same_uid(const struct object *a, const struct object *b);

static inline struct str object_version(const struct object *o)
{
        return o->version_len ? str_n((const char *)(o + 1) + o->uid_len, o->version_len) : STR_NULL;
}

/* Why a half of the state is absent: the field and what is wrong with it. NULL:
 * none is. */
static inline const char *object_invalid(const struct object *o)
{
        return o->invalid ? (const char *)(o + 1) + o->uid_len + o->version_len : NULL;
}

enum cache_change { CACHE_ADDED, CACHE_UPDATED, CACHE_DELETED };

/* After a change. OLD is NULL for ADDED, NEW is NULL for DELETED; OLD is gone
 * when the function returns. */
typedef void cache_change_fn(enum cache_change change, const struct object *old_object,
                             const struct object *new_object, void *arg);

/* What the cache knows of a kind as a whole. */
struct cache_total {
        const struct cache_kind *kind;
        size_t objects, bytes;
        /* The resourceVersion that the watch has reached; NULL before the first
         * list. With a watch for each of several namespaces it is that of the
         * one furthest on: a reply from another is then passed over and comes
         * by its watch a moment later. */
        char *version;
        bool relisted;   /* some may have stood there when the list under way began */
        bool not_served; /* the API of this optional kind is not installed */
};

/* Where an object comes from. The two arrive over different connections, so a
 * reply may trail the watch event of a deletion that came after it. */
enum cache_source { CACHE_FROM_WATCH, CACHE_FROM_REPLY };

#define CACHE_KINDS_MAX 32

struct cache {
        struct map by_key;
        struct tally tally;
        struct map by_owner; /* of the kinds that ask for it */
        struct map by_claim; /* likewise; see cache/claims.h */
        struct schema_pool pool;
        struct owners owners;
        struct map readings; /* of the kinds that are read on demand: when each name was asked for */
        usec_t readings_due; /* none of them is too old before that */
        struct arena scratch;
        struct str manager; /* our field manager */
        cache_change_fn *changed;
        void *arg;
        struct cache_total totals[CACHE_KINDS_MAX];
        size_t n_totals;
};

void cache_init(struct cache *c, struct str field_manager, cache_change_fn *changed, void *arg);
void cache_release(struct cache *c);

const struct object *cache_get(const struct cache *c, const struct cache_kind *kind, struct str namespace,
                               struct str name);

/* The objects of one kind, in no order: start with NULL. */
const struct object *cache_iterate(const struct cache *c, const struct cache_kind *kind,
                                   const struct object *after);

/* The objects of one kind (by_owner) in NAMESPACE whose owner is called so, in no order. */
const struct object *cache_owned(const struct cache *c, const struct cache_kind *kind, struct str namespace,
                                 struct str owner, const struct object *after);

/* --- who claims what (claims.c) -------------------------------------------------- */

/* The objects of one kind (NULL: of any) that claim WORD, each once, in no order. */
const struct object *cache_claiming(const struct cache *c, const struct cache_kind *kind, struct str word,
                                    const struct object *after);

/* The words that O claims, each once, in small letters or not: how many. They live
 * as long as O. */
size_t object_claims(const struct object *o, struct str list[CACHE_CLAIMS_MAX]);

/* Is any word of A in B as well? */
bool claims_meet(const struct str *a, size_t n_a, const struct str *b, size_t n_b);

/* Of two objects with claims, does A come before B? The older does, by the server's
 * creationTimestamp; of two as old (it is of whole seconds) the one whose namespace,
 * then name, sorts first. So whoever comes later takes nothing from anybody. */
bool object_claims_before(const struct object *a, const struct object *b);

/* Is there nothing in what the two claim, nor in who of them comes first, that
 * would be news to others? Each may be NULL, which claims nothing. */
bool object_claims_equal(const struct object *a, const struct object *b);

/* --- kinds that are read on demand (readings.c) --------------------------------- */

/* What is in use is asked for again every few minutes at the most. What has not
 * been for so long is forgotten, and so is the name of what was not there, lest
 * such names pile up for ever. */
#define CACHE_READING_AGE_MAX USEC_HOUR

/* The name was asked for at NOW; what came was put, or it is not there (then
 * what was held is dropped). 0 or -ENOMEM. */
int cache_note_read(struct cache *c, const struct cache_kind *kind, struct str namespace, struct str name,
                    bool found, usec_t now) _must_check_;

/* When that was last, or 0: never, or what came is not there any more. */
usec_t cache_read_at(const struct cache *c, const struct cache_kind *kind, struct str namespace,
                     struct str name);

/* The watch of an announced kind tells of an object; GONE: that it is there no more, or no more
 * among those that are watched. What is held counts until it is read again, but for one that may
 * be gone. *RET_NEWS: it was read, is to be read again, and whoever did so does not know that
 * yet. 0 or -ENOMEM. */
int cache_announce(struct cache *c, const struct cache_kind *kind, const struct kube_meta *meta, bool gone,
                   bool *ret_news) _must_check_;

/* Is there a newer one than O, of which no more is known? */
bool cache_is_outdated(const struct cache *c, const struct object *o);

/* Nobody wants to know of it any more. */
void cache_forget(struct cache *c, const struct cache_kind *kind, struct str namespace, struct str name);

/* Forgets what was asked for too long ago. Call it often: mostly it does nothing. */
void cache_expire(struct cache *c, usec_t now);

/* The server was set back to an older state (etcd restored from a backup): what
 * is held of the kind, in one namespace or in all (absent), may be newer than
 * what there is, and so may all that was read on demand. It is forgotten, and
 * the versions that were reached with it. */
void cache_reset(struct cache *c, const struct cache_kind *kind, struct str namespace);

/* --- */

/* Is the API of the kind installed? Its objects are gone if it is not. 0 or -ENOMEM. */
int cache_set_served(struct cache *c, const struct cache_kind *kind, bool served) _must_check_;

/* How many objects of the kind (tallied) the namespace has. */
size_t cache_count(const struct cache *c, const struct cache_kind *kind, struct str namespace);

/* Takes in an object as a list or a watch, or the reply to a write brought it.
 * 0, also where it was too old to count; -ENOMEM; -EBADMSG for what is not an object. */
int cache_put(struct cache *c, const struct cache_kind *kind, yyjson_val *json, enum cache_source source)
        _must_check_;

/* The watch says that this object is gone. Passed over if we hold a newer one. */
int cache_delete(struct cache *c, const struct cache_kind *kind, yyjson_val *json) _must_check_;

/* Around a list of the kind, in one namespace or in all (absent): what it did
 * not bring is gone, unless it is newer than the list (LIST_VERSION). */
void cache_list_begin(struct cache *c, const struct cache_kind *kind, struct str namespace);
int cache_list_end(struct cache *c, const struct cache_kind *kind, struct str namespace,
                   struct str list_version) _must_check_;

/* --- what was applied (desired.c) ------------------------------------------------- */

/* Takes in the reply to an apply of a child, which WHOLE tells from any other,
 * and remembers what the apply made of the fields that we own, even where the
 * cache holds a newer version by now. What cache_put returns. */
int cache_put_applied(struct cache *c, const struct cache_kind *kind, yyjson_val *json, uint64_t whole)
        _must_check_;

/* CHILD was found to be as desired: a difference from now on is somebody's doing. */
void cache_note_desired(struct cache *c, const struct object *child, uint64_t whole);

/* Does CHILD stand as applied: is nothing to be done for a desired child whose
 * hash is DESIRED without the shared field (0: not known), and which WHOLE tells
 * from any other? (But for that field: whether it is as wanted, the cache cannot
 * know.) */
bool cache_as_desired(const struct object *child, uint64_t desired, uint64_t whole);

/* A child is about to be set back because somebody undid what we applied. Two
 * writers that undo each other would do so for ever, as fast as they can, so
 * from the third time in a row on there is a growing pause between: when the
 * next repair is due, and the note that one is made at NOW. */
usec_t cache_repair_due(const struct object *child);
void cache_note_repair(struct cache *c, const struct object *child, usec_t now);

/* The lists of CHILD are about to be set as a whole. False if they were already, as of
 * this version of it. */
bool cache_note_reset(struct cache *c, const struct object *child);

/* The API server took our deletion of that very object; the watch will say when it is gone. */
void cache_note_deleting(struct cache *c, const struct cache_kind *kind, struct str namespace,
                         struct str name, struct str uid);

/* NULL if the kind was never seen. */
const struct cache_total *cache_total(const struct cache *c, const struct cache_kind *kind);
