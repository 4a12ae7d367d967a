/* SPDX-License-Identifier: Apache-2.0
 *
 * An AdmissionReview in, an AdmissionReview out (Kubernetes docs, "Dynamic Admission
 * Control"). Pure: bytes to bytes, and nothing that outlives the call but memory that
 * is used again. So a dry run is like any other.
 *
 *      body --> request --> kind, operation --> admission_judge --> verdict --> reply
 *        `--- what is no request for us: 400 and a Status, never "allowed"
 *
 * Allowed without a look at the spec: a deletion, a write to the status, and a change
 * of an object that is being deleted, which must be able to lose its finalizers. A
 * change that leaves the spec as it was is allowed too, and what is wrong with that
 * comes as warnings: an older version may have let it in.
 */
#pragma once

#include "admission/envelope.h"
#include "admission/judge.h"

#define REVIEW_REPLY_MAX ((size_t)512 * 1024) /* more than all that follows, with each byte escaped */
#define REVIEW_WARNINGS_MAX 16
#define REVIEW_WARNING_MAX ((size_t)256) /* bytes; the API server cuts longer ones */
#define REVIEW_CAUSE_MAX ((size_t)1024)  /* one problem, and the path of its field */

enum review_call { REVIEW_VALIDATE, REVIEW_MUTATE };

struct review {
        const struct admission_kind *const *kinds;
        size_t n_kinds;
        struct arena arena; /* of the request under way */
};

/* For metrics: words from lists of ours, never the peer's. */
struct review_outcome {
        struct str kind;      /* "App"; "other" */
        struct str operation; /* "CREATE"; "other" */
        struct str verdict;   /* "allowed", "denied", "error": not answered with a review */
};

/* KINDS is borrowed. */
void review_init(struct review *r, const struct admission_kind *const *kinds, size_t n_kinds);
void review_release(struct review *r);

/* Answers BODY (declared with the cap REVIEW_BUF_MAX), which is written to. Returns the
 * HTTP status, 200 or that of a Status; REPLY is JSON either way, unless it has an error. */
unsigned review_answer(struct review *r, enum review_call call, struct buf *body, struct buf *reply,
                       struct review_outcome *ret);
