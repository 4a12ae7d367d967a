/* SPDX-License-Identifier: Apache-2.0
 *
 * metadata of any object (Kubernetes API conventions, "Metadata"), read out of
 * its JSON. Nothing is copied: the strings live as long as the document.
 */
#pragma once

#include <yyjson.h>

#include "base/str.h"

/* Who controls the object: its owner reference with controller: true. */
struct kube_owner {
        struct str kind, name, uid; /* absent: nobody */
};

struct kube_meta {
        struct str name, namespace, uid;
        struct str version; /* resourceVersion: opaque, str_version_cmp */
        struct str created; /* creationTimestamp, RFC 3339 */
        int64_t generation; /* 0 for kinds without one */
        bool deleting;      /* deletionTimestamp is set */
        struct kube_owner owner;
        yyjson_val *labels, *finalizers; /* may be NULL */
};

/* 0, or -EBADMSG for what is not an object with a name. */
int kube_meta_decode(yyjson_val *object, struct kube_meta *ret) _must_check_;

/* The value, or the absent string. */
struct str kube_meta_label(const struct kube_meta *m, struct str key);

bool kube_meta_has_finalizer(const struct kube_meta *m, struct str finalizer);
