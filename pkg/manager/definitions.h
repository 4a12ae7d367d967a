/* SPDX-License-Identifier: Apache-2.0
 *
 * The definitions of our kinds (CRDs), brought into the cluster by ourselves: what
 * runs before the operator in its pod. The manifest has them in a ConfigMap, which
 * is the folder here, and not as objects: so to delete what the manifest has does
 * not delete them, and with them each resource of these kinds.
 *
 *      folder --> definitions, in the order of their files
 *                     |
 *                     v       one after the other
 *                   apply --> get, until it is served --> the next
 *                     ^ |
 *                     '-' a failure that may pass, or one that is being deleted, until the
 *                         deadline
 *
 * They are applied under the name that kubectl has as a field manager, with force. So
 * whoever applied them last, we or `kubectl apply --server-side -k crds`, has said all
 * that is in them, and nothing of an older one stays.
 */
#pragma once

#include "base/clock.h"
#include "base/error.h"

#define DEFINITIONS_MAX 64
#define DEFINITIONS_BYTES_MAX ((size_t)1024 * 1024) /* of one file: what a ConfigMap may hold */
#define DEFINITIONS_MANAGER "kubectl"

#define DEFINITIONS_PAUSE_MIN (200 * USEC_MSEC) /* between two tries, and two looks */
#define DEFINITIONS_PAUSE_MAX (2 * USEC_SEC)

struct definitions_options {
        struct str kubeconfig; /* absent: KUBECONFIG, in-cluster, ~/.kube/config */
        const char *folder;    /* all *.yaml in it, each with one definition or more */
        usec_t timeout;        /* of it all */
};

/* Returns 0 once the API server serves all of them, and logs each. Else *err says
 * which file or definition, and why: -EINVAL for a file with something else in it,
 * the errno of one that cannot be read, -ENOENT for a folder without any; that of the
 * API server's refusal; -ETIMEDOUT with the last failure. */
int definitions_run(const struct definitions_options *options, struct error *err) _must_check_;

/* --- for its tests -------------------------------------------------------------------- */

struct definition {
        struct str name; /* "apps.keelson.dev"; both in the arena */
        struct str json;
};

struct definitions {
        struct arena arena;
        struct definition all[DEFINITIONS_MAX];
        size_t n;
};

/* Both are fine with a failure. */
int definitions_read(struct definitions *d, const char *folder, struct error *err) _must_check_;
void definitions_release(struct definitions *d);

struct kube_client;

/* The part with the API server; it turns the client's loop. */
int definitions_apply(const struct definitions *d, struct kube_client *client, usec_t timeout,
                      struct error *err) _must_check_;
