/* SPDX-License-Identifier: Apache-2.0
 *
 * What the templates of all children have in common.
 *
 *      metadata:
 *        name: ${name}
 *        namespace: ${namespace}
 *        labels: ${labels:json}
 *        ownerReferences: ${owner:json}
 */
#pragma once

#include "manager/controller.h"

struct child_meta {
        struct str name, namespace; /* the resource's own: most children are called as it is */
        struct str labels, owner;   /* JSON */
};

/* For the template's parameters: { CHILD_META(meta), .port = 80 }. */
#define CHILD_META(m)                                                                                        \
        .name = (m)->name, .namespace = (m)->namespace, .labels = (m)->labels, .owner = (m)->owner

/* WORD is what the resource is, in the labels: "app". Where memory runs out, labels
 * and owner are absent, which no template takes. */
struct child_meta child_meta_of(const struct view *view, const char *word, struct arena *a);
