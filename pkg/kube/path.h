/* SPDX-License-Identifier: Apache-2.0
 *
 * URLs of the Kubernetes API (Kubernetes docs, "Kubernetes API Concepts"):
 *
 *      /apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME/SUBRESOURCE?KEY=VALUE&…
 *      `---.-----'                                                     `-- kube_query
 *          /api/v1 for the core group
 *
 * Written straight into a buffer, whose sticky error is looked at once.
 */
#pragma once

#include "base/buf.h"

/* What the server must know to find objects of a kind. Constant. */
struct kube_kind {
        struct str group; /* absent or empty: the core group */
        struct str version;
        struct str plural; /* "deployments" */
        struct str kind;   /* "Deployment" */
        bool namespaced;
};

/* Appends the path of one object, of all objects (NAME absent), or of those of
 * all namespaces (NAMESPACE absent too). SUBRESOURCE may be absent ("status").
 * NAMESPACE is passed over for a kind without. 0, the buffer's error, or
 * -EINVAL for a name that cannot be one ("..") and for one object of a
 * namespaced kind without its namespace. */
int kube_path(struct buf *url, const struct kube_kind *kind, struct str namespace, struct str name,
              struct str subresource) _must_check_;

/* Appends "?KEY=VALUE" or "&KEY=VALUE", the value percent-encoded; nothing if it is absent. */
void kube_query(struct buf *url, const char *key, struct str value);
void kube_query_int(struct buf *url, const char *key, int64_t value);

/* "deployments.apps", as RBAC and messages call it. */
void kube_resource_name(struct buf *out, const struct kube_kind *kind);
