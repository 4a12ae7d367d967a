/* SPDX-License-Identifier: Apache-2.0
 *
 * What all reviews have in common, be they AdmissionReviews or ConversionReviews: how
 * a body is opened and what bounds it has, and what is said where there is no review.
 *
 *      body --> { apiVersion, kind, "request":  { "uid": … } }
 *      reply <- { apiVersion, kind, "response": { "uid": … } }, or a Status
 */
#pragma once

#include "base/arena.h"
#include "json/read.h"
#include "json/write.h"

#define REVIEW_BODY_MAX ((size_t)7 * 1024 * 1024) /* two objects of etcd's greatest size, and some */
#define REVIEW_BUF_MAX (REVIEW_BODY_MAX + JSON_READ_PADDING)
#define REVIEW_MEMORY_MAX ((size_t)64 * 1024 * 1024) /* for all that is made of one body */
#define REVIEW_VALUES_MAX ((size_t)1000 * 1000)      /* in one body: keys, numbers, strings, … */
#define REVIEW_UID_MAX ((size_t)128)
#define REVIEW_MESSAGE_MAX ((size_t)8 * 1024) /* all problems in a line */
#define REVIEW_NAME_MAX ((size_t)256)

/* The names of one sort of review. */
struct envelope {
        struct str api_version; /* "admission.k8s.io/v1" */
        struct str kind;        /* "AdmissionReview" */
};

/* Reads BODY (declared with the cap REVIEW_BUF_MAX), which is written to, into a tree
 * of the arena. *RET is its request, of which nothing is known: json_pick tells. -EINVAL,
 * -EMSGSIZE, -ENOMEM with *err. */
int envelope_open(const struct envelope *e, struct buf *body, struct arena *a, yyjson_val **ret,
                  struct error *err) _must_check_;

/* A uid is to be echoed, so it must be there and short: 0, or -EINVAL with *err. */
int envelope_check_uid(struct str uid, struct error *err) _must_check_;

/* Begins REPLY and leaves its response open; two json_end are left to do. */
void envelope_begin(const struct envelope *e, struct str uid, struct json_writer *w, struct buf *reply);

/* Begins a Status that is a failure, one json_end is left to do. */
void envelope_status(struct json_writer *w, unsigned code, const char *reason, struct str message);

/* Replaces REPLY by a Status for CODE, a negative errno with its error; FULL: the cap
 * of an arena is why. Returns the HTTP status. */
unsigned envelope_fail(const struct envelope *e, int code, bool full, const struct error *err,
                       struct buf *reply);

/* Replaces REPLY by a Status that says why there is no review: 400, 404, 413, … */
void review_refuse(struct buf *reply, unsigned status, const char *format, ...) _printf_(3, 4);

/* At most MAX bytes, whole characters, and "..." where there were more. */
struct str review_cut(struct str s, size_t max, struct arena *a);
