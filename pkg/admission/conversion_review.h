/* SPDX-License-Identifier: Apache-2.0
 *
 * A ConversionReview in, a ConversionReview out (Kubernetes docs, "Versions in
 * CustomResourceDefinitions"). Pure: bytes to bytes, as review.h.
 *
 *      body --> desiredAPIVersion, objects --> conversion_convert, one by one --> reply
 *        `--- what is no request for us: 400 and a Status
 *
 * All of the objects or none: where one cannot be converted the result is Failed, with
 * a message that names it and the field. The order stays; an object that has the
 * desired version already goes back as it came.
 */
#pragma once

#include "admission/envelope.h"
#include "conversion/convert.h"

/* What is noted makes objects larger than they came. */
#define CONVERSION_REPLY_MAX ((size_t)16 * 1024 * 1024)
#define CONVERSION_OBJECT_MEMORY_MAX ((size_t)64 * 1024 * 1024) /* for all that is made of one object */

struct conversion_review {
        const struct conversion_kind *const *kinds;
        size_t n_kinds;
        struct arena arena;  /* of the request under way */
        struct arena object; /* of one of its objects */
};

/* For metrics: words from lists of ours, never the peer's. */
struct conversion_outcome {
        struct str kind;     /* "App"; "other"; "none" where there are no objects */
        struct str from, to; /* "v1alpha1"; likewise. Of the first object */
        struct str result;   /* "converted", "failed", "error": not answered with a review */
};

/* KINDS is borrowed. */
void conversion_review_init(struct conversion_review *r, const struct conversion_kind *const *kinds,
                            size_t n_kinds);
void conversion_review_release(struct conversion_review *r);

/* Answers BODY (declared with the cap REVIEW_BUF_MAX), which is written to. Returns the
 * HTTP status, 200 or that of a Status; REPLY (CONVERSION_REPLY_MAX) is JSON either way,
 * unless it has an error. */
unsigned conversion_review_answer(struct conversion_review *r, struct buf *body, struct buf *reply,
                                  struct conversion_outcome *ret);
