/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of the Kubernetes API, on the event loop.
 *
 *      kube_call(c, &(struct kube_call){ .verb = KUBE_APPLY, .kind = &deployment, .namespace = ns,
 *                                        .name = name, .body = json, .field_manager = STR("keelson"),
 *                                        .force = true }, on_applied, app, NULL, &err);
 *
 *      kube_client --- http client for lists and watches: one HTTP/2 connection
 *                  `-- http client for everything else:   another one
 *
 * A call ends with exactly one call of its done function, from the loop and
 * never from inside kube_call; or it is cancelled. There is no retry here but
 * one: after a 401, if there are other credentials by then (the token's file
 * holds a new one), or may be (an exec plugin). Lists and watches that stay are
 * in kube/reflector.h.
 *
 * While an exec plugin runs and we have no credentials that still hold,
 * requests wait for it, KUBE_WAITING_MAX at the most; this wait does not count
 * for their timeouts. If it fails, all of them do: status 0, reason
 * KUBE_UNREACHABLE, and -ENOKEY with what the plugin said.
 */
#pragma once

#include "kube/config.h"
#include "kube/path.h"
#include "kube/reply.h"

#define KUBE_TIMEOUT_DEFAULT (30 * USEC_SEC)
#define KUBE_BODY_MAX ((size_t)32 * 1024 * 1024) /* of an answer, unless a call says otherwise */
#define KUBE_URL_MAX ((size_t)16 * 1024)
#define KUBE_WAITING_MAX 1024 /* requests, for an exec plugin */

struct kube_client;

/* CONFIG is taken over, on success only (it is then zeroed). */
int kube_client_new(struct loop *l, struct kube_config *config, struct kube_client **ret, struct error *err)
        _must_check_;
/* Cancels what is in flight. */
void kube_client_free(struct kube_client *c);

struct loop *kube_client_loop(const struct kube_client *c);
const struct kube_config *kube_client_config(const struct kube_client *c);

/* One request. What is absent (or 0) is not sent. All strings are borrowed for
 * the call of kube_call, KIND for as long as the request lives. */
struct kube_call {
        enum kube_verb verb; /* not KUBE_WATCH */
        const struct kube_kind *kind;
        struct str namespace, name, subresource;
        struct str body; /* JSON; for a delete it is made from the preconditions */

        struct str field_manager; /* of all writes but a delete, which has none */
        bool force;               /* apply: take fields over from other managers */
        bool dry_run;             /* of a write: it is only judged, and nothing is stored */

        struct str label_selector, field_selector; /* of a list, in the API's own syntax */
        struct str continue_token, version; /* of a list: the next page; resourceVersion of a get or list */
        int64_t limit;

        struct str if_uid, if_version; /* preconditions of a delete */
        struct str propagation;        /* "Background", "Foreground", "Orphan" */

        usec_t timeout;  /* of the whole request; 0: KUBE_TIMEOUT_DEFAULT */
        size_t max_body; /* of the answer; 0: KUBE_BODY_MAX */
};

struct kube_request; /* in flight, or waiting for credentials */

/* REPLY is valid during the call; the request is gone when it returns. */
typedef void kube_done_fn(const struct kube_reply *reply, void *arg);

/* Starts CALL. RET may be NULL for who never cancels. -EINVAL (a name that
 * cannot be one), -ENOMEM, -EMSGSIZE (the URL is too long), -EBUSY (too many wait). */
int kube_call(struct kube_client *c, const struct kube_call *call, kube_done_fn *done, void *arg,
              struct kube_request **ret, struct error *err) _must_check_;
void kube_cancel(struct kube_request *r);

/* How many are in flight or waiting. */
size_t kube_client_pending(const struct kube_client *c);

/* One attempt of a request that came back, or did not: of a stream when its
 * headers came, of all else at its end. */
struct kube_observed {
        enum kube_verb verb;
        const struct kube_kind *kind;
        struct str subresource;
        const char *method; /* of HTTP */
        int status;         /* 0: no answer came */
        bool missing_right; /* 403, and not for a quota or a policy */
        bool streamed_list; /* then it is the right to list, or that to watch */
        usec_t elapsed;
};

/* FN hears of each, for metrics; it must not start or cancel requests. */
void kube_client_observe(struct kube_client *c, void (*fn)(const struct kube_observed *seen, void *arg),
                         void *arg);

/* --- for streams (kube/reflector.h) ----------------------------------------- */

/* What is asked of the server, and by which GET. Strings are copied, KIND is not. */
struct kube_stream_call {
        enum kube_verb verb; /* KUBE_LIST or KUBE_WATCH, as RBAC sees it */
        bool streamed_list;  /* a list by way of a watch, which needs the rights to both */
        const struct kube_kind *kind;
        struct str path;   /* with its query */
        struct str accept; /* a media type; absent: application/json */
        usec_t timeout, idle_timeout;
};

/* That GET, on the connection for lists and watches, with our credentials. To
 * be ended by kube_cancel, where HANDLERS does not come to its done; that gets
 * NULL for the request if it was never sent. */
int kube_stream(struct kube_client *c, const struct kube_stream_call *call,
                const struct http_handlers *handlers, struct kube_request **ret, struct error *err)
        _must_check_;

/* Not sent: an exec plugin has not ended yet. */
bool kube_request_is_waiting(const struct kube_request *r);
