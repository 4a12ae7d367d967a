/* SPDX-License-Identifier: Apache-2.0
 *
 * Who controls objects, each kept once and counted: all the children of a resource
 * name one owner.
 *
 *      object --owner--> | struct kube_owner | its kind, name and UID |
 *      object --owner----^                      refs 2
 *
 * An object that nobody controls has an owner as well, of absent strings.
 */
#pragma once

#include "base/map.h"
#include "kube/meta.h"

struct owners {
        struct map map;
};

void owners_init(struct owners *owners);
/* All references are void. */
void owners_release(struct owners *owners);

/* The one that equals OWNER, with one more reference. NULL without memory. */
const struct kube_owner *owners_ref(struct owners *owners, const struct kube_owner *owner) _must_check_;
void owners_unref(struct owners *owners, const struct kube_owner *owner);
