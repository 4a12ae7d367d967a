/* SPDX-License-Identifier: Apache-2.0
 *
 * An API server in memory: what a controller can tell apart from a real one,
 * and nothing else. It answers at once and knows no time; delays, losses and
 * crashes are the world's (sim/world.h).
 *
 *      sim_api_serve(call) --> objects by kind, namespace, name
 *                                  |  each change
 *                                  v
 *                              log of changes --> sim_watch_next, one for each watch
 *
 * Modelled: all verbs of kube/client.h; lists in pages whose token expires;
 * server-side apply with managedFields in fieldsV1, shared ownership
 * and the removal of what is applied no more (sim/fields.h); uid,
 * resourceVersion, generation; create-only and this-very-object applies with
 * the answers that kube-apiserver 1.29 gives; the status subresource; deletion
 * with preconditions and finalizers; watches with a label selector, where an
 * object that stops to match is DELETED to the watcher.
 *
 * Not modelled: validation, defaults (but what the `admit` hook sets),
 * authorization, namespaces as objects, several versions of a kind.
 *
 * Its memory is malloc's, so that a test which makes mem_* fail hits the
 * operator and never the server. Nothing here fails but by an assertion.
 */
#pragma once

#include <yyjson.h>

#include "base/clock.h"
#include "base/list.h"
#include "kube/client.h"

static inline bool sim_same_kind(const struct kube_kind *a, const struct kube_kind *b)
{
        return str_eq(a->group, b->group) && str_eq(a->plural, b->plural);
}

struct sim_object {
        struct list link;
        const struct kube_kind *kind;
        uint64_t number;                 /* the how manieth that was ever made */
        yyjson_mut_doc *doc;             /* its root is the object */
        struct str namespace, name, uid; /* point into doc */
};

enum sim_change_type { SIM_ADDED, SIM_MODIFIED, SIM_DELETED };

/* One line of the log. Texts are JSON. */
struct sim_change {
        const struct kube_kind *kind;
        uint64_t number;   /* the object's */
        uint64_t identity; /* of its kind and name */
        char *key;         /* "namespace/name" */
        uint64_t version;
        const char *by;               /* who did it */
        char *object;                 /* as it is now; NULL: deleted */
        char *before;                 /* as it was, with the new resourceVersion; NULL: created */
        char *labels, *labels_before; /* of the two: "\nkey=value\n…\n" */
};

struct sim_api {
        struct list objects;
        struct sim_change *log;
        size_t n_log, log_size;
        uint64_t version;           /* the last resourceVersion, without its prefix */
        uint64_t compacted;         /* what was before this version is forgotten: 410 */
        const char *version_prefix; /* in front of each resourceVersion, to make it long, or no number; "" */
        const char *writer;         /* who is at it, for the log */
        usec_t wall;                /* for time stamps; set by the world */
        /* Sets defaults, before an object is stored. May be NULL. */
        void (*admit)(const struct kube_kind *kind, yyjson_mut_doc *doc, yyjson_mut_val *object);
        /* How many objects were ever made, of all kinds, and how many writes changed something. */
        uint64_t n_created, n_changes;
};

void sim_api_init(struct sim_api *api);
void sim_api_release(struct sim_api *api);

/* --- the operator's side ------------------------------------------------------------ */

struct sim_reply {
        int status;
        char *body; /* an object, or a Status; free */
};

/* Any verb but a watch. A list is of now; sim_list_at knows the past. */
void sim_api_serve(struct sim_api *api, const struct kube_call *call, struct sim_reply *ret);

/* A Status as the server writes it, for failures that a test makes up. */
char *sim_status(int status, const char *reason, const char *message, int retry_after_seconds);

/* --- everybody else's side ------------------------------------------------------------ */

/* kubectl apply --server-side as MANAGER, of an object with its name and namespace. */
void sim_api_apply(struct sim_api *api, const struct kube_kind *kind, const char *json, const char *manager);

/* A patch as MANAGER (operation Update): maps are merged, lists by their keys,
 * null deletes. With a "status" in it, it is a patch of that subresource. */
void sim_api_patch(struct sim_api *api, const struct kube_kind *kind, const char *namespace, const char *name,
                   const char *json, const char *manager);

/* Deletes it; an object with finalizers goes once they are patched away. */
void sim_api_delete(struct sim_api *api, const struct kube_kind *kind, const char *namespace,
                    const char *name);

struct sim_object *sim_api_find(const struct sim_api *api, const struct kube_kind *kind, struct str namespace,
                                struct str name);

/* The object, or NULL; valid until the next write. */
yyjson_mut_val *sim_api_get(const struct sim_api *api, const struct kube_kind *kind, const char *namespace,
                            const char *name);

/* A string at a JSON Pointer below the object; absent if anything of it is not there. */
struct str sim_api_str(const struct sim_api *api, const struct kube_kind *kind, const char *namespace,
                       const char *name, const char *pointer);
int64_t sim_api_int(const struct sim_api *api, const struct kube_kind *kind, const char *namespace,
                    const char *name, const char *pointer);

/* How many objects there are of a kind, in all namespaces. */
size_t sim_api_count(const struct sim_api *api, const struct kube_kind *kind);

/* What the garbage collector would do: deletes what is owned by a UID that is
 * no more. Returns how many. */
size_t sim_api_collect(struct sim_api *api);
bool sim_api_has_orphans(const struct sim_api *api);

/* All objects but those of kind SKIP, sorted, without what differs from run to
 * run (uid, resourceVersion, generation, times): equal texts are equal states.
 * free it. */
char *sim_api_dump(const struct sim_api *api, const struct kube_kind *skip);

/* The same of the objects for which KEEP says so, after it changed (a copy of)
 * them: took away what does not matter. */
char *sim_api_dump_of(const struct sim_api *api,
                      bool (*keep)(const struct sim_object *o, yyjson_mut_val *root));

/* --- lists and watches ------------------------------------------------------------------ */

struct sim_watch {
        struct sim_api *api;
        const struct kube_kind *kind;
        struct str selector; /* "key=value,key=value", or absent */
        size_t at;           /* the next line of the log */
};

/* From now on. */
void sim_watch_init(struct sim_watch *w, struct sim_api *api, const struct kube_kind *kind,
                    struct str selector);

/* From behind VERSION (without its prefix) on. */
void sim_watch_seek(struct sim_watch *w, uint64_t version);

/* Is there anything to tell? */
bool sim_watch_pending(struct sim_watch *w);

/* The next event; false if there is none. *ret_object is valid until the next write. */
bool sim_watch_next(struct sim_watch *w, enum sim_change_type *ret_type, const char **ret_object);

/* Calls FN for each object of the watch's kind, as it was at VERSION, as JSON, in
 * the order of their names; and whether the watch is about it. */
void sim_list_at(const struct sim_watch *w, uint64_t version,
                 void (*fn)(const char *object, bool matches, void *arg), void *arg);

/* A version as the server writes it, and the way back (0: it is none of ours). */
#define SIM_VERSION_MAX 128
void sim_version_write(const struct sim_api *api, uint64_t version, char out[SIM_VERSION_MAX]);
uint64_t sim_version_read(const struct sim_api *api, struct str version);
