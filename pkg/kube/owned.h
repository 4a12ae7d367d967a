/* SPDX-License-Identifier: Apache-2.0
 *
 * Has anybody changed what we applied? Two hashes that are equal when a live
 * object holds exactly what we want in it, whatever else it holds:
 *
 *      desired, as we render it               live, as the server gives it
 *
 *      spec:                                  spec:
 *        replicas: 2                            replicas: 2
 *        template:                              paused: false            <- not ours
 *          …                                    template: …
 *                                             metadata:
 *                                               managedFields:
 *                                               - manager: keelson
 *                                                 operation: Apply
 *                                                 fieldsV1: {"f:spec": {"f:replicas": {}, …}}
 *
 *      kube_desired_hash: every value         kube_owned_hash: the values that fieldsV1 says are ours
 *
 * So the server itself keeps the record of what we own (Kubernetes docs,
 * "Server-Side Apply"), and no copy of the object is needed to see drift.
 *
 * The hash of a value: an object is the sum over its keys and a list of objects
 * the sum over its items, both in any order; a list of anything else counts its
 * order; numbers are equal if their values are (1 and 1.0). Keys of list items
 * (k:{"name":"app"}) find the item they name; a field that is ours but gone
 * counts as "missing", which equals nothing else.
 *
 * Hashes mean something within this process only.
 *
 * apiVersion, kind and the identity in metadata (name, namespace, uid,
 * resourceVersion) do not count, since fieldsV1 does not have them.
 *
 * The two differ although nothing drifted
 *      - where the server writes a value in another way (a quantity that is not
 *        canonical: kube/quantity.h);
 *      - where it adds a default inside a value that is owned as a whole
 *        (fieldRef: apiVersion; volumeClaimTemplates: volumeMode and status), so
 *        what renders such a value had better write the default itself;
 *      - where we apply an empty map to which others add.
 * The cache remembers the pair for that.
 */
#pragma once

#include <yyjson.h>

#include "base/str.h"

/* Over the fields that MANAGER applied. *ret_found is false, and the hash that
 * of nothing, if it applied none. The field at the path WITHOUT, such as
 * "spec.replicas", never counts; absent: all do. */
uint64_t kube_owned_hash(yyjson_val *object, struct str manager, struct str without, bool *ret_found);

/* Over all fields of an object that is to be applied, but for the one at WITHOUT
 * (a path of two names at least, outside of metadata). */
uint64_t kube_desired_hash(yyjson_val *desired, struct str without);
