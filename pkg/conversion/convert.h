/* SPDX-License-Identifier: Apache-2.0
 *
 * One object from one version of its kind to another, and nothing lost on the way.
 *
 * A kind is a table of versions. The first is the hub, the one that the operator works
 * with; each other one knows how to become the hub and to come from it:
 *
 *      v1alpha2 --to_hub--> v1alpha1 (hub) --from_hub--> v1beta1
 *
 * The functions of a version say what is plain: this field is called otherwise, that
 * one stands elsewhere. They may lose what the other version cannot express. What they
 * lose is found out here, by going there and back again, and noted in an annotation
 * (note.h), from which it returns on the way back:
 *
 *      X --F--> Y            G(Y), noted: what X has and G(Y) has not
 *      Y --G--> G(Y) + note = X
 *
 * So going there and back changes no byte of an object in its canonical form (members
 * sorted by key, as API servers write them; no empty annotations), whatever the
 * functions do. What was edited in between wins over the note, field by field.
 *
 * A conversion that fails makes the object unreadable, and each list that has it. So
 * the functions leave what they do not understand where it stands, and API servers
 * send objects with parts left out: nothing may be taken for granted.
 *
 * Pure; all memory is the arena's.
 */
#pragma once

#include "conversion/tree.h"

/* With the name of the version that it speaks of behind it. */
#define CONVERSION_NOTE_PREFIX "conversion.keelson.dev/"
/* An API server takes 256 KiB in all annotations of an object. */
#define CONVERSION_NOTE_MAX ((size_t)192 * 1024)

/* Objects and lists within each other: what is noted of them is twice as deep, and must
 * be read again. */
#define CONVERSION_DEPTH_MAX 100

/* For the functions of a version. */
struct conversion {
        yyjson_mut_doc *doc;
        struct arena *arena;
        struct error *err;
};

/* OBJECT has all but apiVersion, kind and metadata: spec, status. It is changed in place
 * (edit.h). 0, or -EINVAL with the path of a field and what to do in c->err, for what
 * cannot be at all. A lack of memory is found in the arena. */
typedef int conversion_fn(struct conversion *c, yyjson_mut_val *object);

/* A list of objects that are told apart by one of their fields, as a list map of the
 * CRD is. What is noted of it is noted by item, and its order is, so an item more or
 * less leaves the others' notes in force. */
struct conversion_list {
        struct str path; /* "spec.env"; a list in a list is none */
        struct str key;  /* "name" */
};

struct conversion_version {
        struct str name;       /* "v1alpha2" */
        conversion_fn *to_hub; /* of the hub: NULL, as is the next */
        conversion_fn *from_hub;
        const struct conversion_list *lists;
        size_t n_lists;
};

struct conversion_kind {
        struct str group, kind;
        const struct conversion_version *versions; /* the first is the hub */
        size_t n_versions;
};

/* NULL if there is no such version. */
const struct conversion_version *conversion_version_find(const struct conversion_kind *kind, struct str name);

/* OBJECT is whole, of the version FROM. *RET is it as JSON, of the version TO. Its
 * metadata is as it was but for our annotations. -EINVAL with a field's path in *err,
 * -EMSGSIZE, -ENOMEM. */
int conversion_convert(const struct conversion_kind *kind, const struct conversion_version *from,
                       const struct conversion_version *to, yyjson_val *object, struct arena *a,
                       struct str *ret, struct error *err) _must_check_;
