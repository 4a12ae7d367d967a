/* SPDX-License-Identifier: Apache-2.0
 *
 * A CustomResourceDefinition: its names, and the schemas of the version that
 * is stored.
 */
#pragma once

#include "tools/gen/model.h"

struct gen_crd {
        struct str group, version, kind, plural, scope, description;
        yyjson_val *short_names, *categories, *columns; /* lists, or NULL */
        struct gen_rule *rules;                         /* of the whole object */
        struct gen_object *spec, *status;               /* NULL where there is none */
        struct gen_model model;
};

/* ROOT is the CRD's YAML. The arena must outlive the result, and so must ROOT. */
int gen_crd_read(struct gen_crd *crd, yyjson_val *root, struct arena *a, struct error *err) _must_check_;

/* docs/reference/KIND.md. SOURCE is the name of the YAML file. */
void gen_emit_doc(const struct gen_crd *crd, struct str source, struct buf *out);
