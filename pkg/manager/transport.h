/* SPDX-License-Identifier: Apache-2.0
 *
 * What the manager needs of the outside to carry out a plan. Production binds
 * it to the Kubernetes client; the simulator to its own API server and clock.
 */
#pragma once

#include "base/clock.h"
#include "kube/client.h"

/* Whose fields they are that we apply. */
#define KEELSON_FIELD_MANAGER "keelson"

enum call_type {
        CALL_APPLY,        /* server-side apply, forced, as our field manager */
        CALL_APPLY_STATUS, /* the same on the status subresource */
        CALL_CREATE,       /* of an event */
        CALL_PATCH,        /* a merge patch: of an event, a resource's finalizers, or a child's lists */
        CALL_DELETE,       /* with UID and resourceVersion as preconditions */
        CALL_GET,
        CALL_PATCH_AT, /* a JSON patch: of single fields, by where they stand */
        CALL_TRY,      /* a creation that is not stored: would it be? */
};

struct call {
        enum call_type type;
        const struct kube_kind *kind;
        struct str namespace, name;
        struct str body;         /* JSON; copied */
        struct str uid, version; /* of CALL_DELETE */
        bool alone;              /* likewise: what it owns stays */
};

typedef void call_done_fn(const struct kube_reply *reply, void *arg);

struct transport {
        /* Starts the call. DONE is called exactly once, later, never from inside
         * start; unless the call is cancelled. 0 and a handle, -EPERM where nothing
         * may be written now, or what kube_call gives. */
        int (*start)(struct transport *t, const struct call *call, call_done_fn *done, void *arg,
                     void **ret_handle);
        void (*cancel)(struct transport *t, void *handle);
        usec_t (*now)(struct transport *t);
        usec_t (*wall)(struct transport *t);
};
