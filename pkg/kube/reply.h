/* SPDX-License-Identifier: Apache-2.0
 *
 * What the API server answered: success with a body, or a failure with its
 * reason for code and a message for people.
 */
#pragma once

#include <yyjson.h>

#include "http/http.h"
#include "kube/path.h"

enum kube_verb {
        KUBE_GET,
        KUBE_LIST,
        KUBE_WATCH,
        KUBE_CREATE,
        KUBE_UPDATE,
        KUBE_APPLY, /* server-side apply */
        KUBE_MERGE_PATCH,
        KUBE_JSON_PATCH, /* RFC 6902 */
        KUBE_DELETE,
};

/* metav1.StatusReason, as far as it makes a difference to somebody. */
enum kube_reason {
        KUBE_OK,
        KUBE_UNREACHABLE, /* no answer came: reply.error.code tells more; -ENOKEY: nothing was asked,
                           * for want of credentials */
        KUBE_BAD_REQUEST,
        KUBE_UNAUTHORIZED,
        KUBE_FORBIDDEN,
        KUBE_NOT_FOUND,
        KUBE_ALREADY_EXISTS,
        KUBE_CONFLICT,
        KUBE_EXPIRED, /* the resourceVersion or the continue token is too old (410) */
        KUBE_INVALID,
        KUBE_TOO_MANY_REQUESTS,
        KUBE_TIMEOUT,
        KUBE_SERVER_TIMEOUT,
        KUBE_INTERNAL_ERROR,
        KUBE_SERVICE_UNAVAILABLE,
        KUBE_TOO_LARGE,
        KUBE_OWNER_UNKNOWN, /* 403: of an owner's kind whose definition was made a moment ago */
        KUBE_KIND_GOING,    /* 403, up to 1.33 405: something new, while its definition is being deleted */
        KUBE_OTHER,         /* a status without a reason of this list */
};

/* Valid during the callback. */
struct kube_reply {
        int status;      /* of HTTP; 0 if no answer came */
        struct str body; /* JSON; of a success the object or list */
        enum kube_reason reason;
        struct error error; /* code 0 on success; else an errno and what to do about it */
        struct str message; /* what the server said itself, or absent */
        usec_t retry_after; /* from Retry-After or the Status, or -1 */
        yyjson_doc *doc;    /* of a failure: the Status; kube_reply_release */
};

/* What was asked, for the message. */
struct kube_asked {
        enum kube_verb verb;
        const struct kube_kind *kind;
        struct str namespace, name, subresource;
        struct str server;      /* its URL */
        struct str credentials; /* where they came from: a file, or "in-cluster" */
        bool streamed_list;     /* a list by way of a watch, which needs both rights */
};

/* The verb that a role must have: "patch" for an apply. */
const char *kube_rbac_verb(enum kube_verb verb);

/* "NotFound" -> KUBE_NOT_FOUND; KUBE_OTHER for what is not in the list. */
enum kube_reason kube_reason_parse(struct str reason);
const char *kube_reason_name(enum kube_reason reason);

/* What becomes of the same request if it is made again. */
enum kube_prospect {
        KUBE_PASSES,  /* it may do better a little later: nobody has to do anything */
        KUBE_SOON,    /* likewise, within half a minute, and it is no matter of load: no backoff */
        KUBE_CHANGED, /* it was about an object, or a state of one, that is not there any more: the
                       * watches tell what is; and the namespace of a refused one is going away */
        KUBE_STAYS,   /* not before somebody changes the request, a right or a quota */
};

/* From the reason, but where the server names causes (Status.details.causes) from
 * these: an immutable metadata.uid is another object of that name, and no error
 * in what was sent. Of a success KUBE_PASSES. */
enum kube_prospect kube_reply_prospect(const struct kube_reply *r);

/* Is it a 403 of the authorizer, which a right that is granted ends? Quotas and
 * policies answer 403 as well. */
bool kube_reply_is_missing_right(const struct kube_reply *r);

/* Reads an answer. It borrows RESULT's body. A failure is never lost: without
 * memory for its Status it still has the reason that the HTTP status tells. */
void kube_reply_read(const struct http_result *result, const struct kube_asked *asked,
                     struct kube_reply *ret);
void kube_reply_release(struct kube_reply *r);
