/* SPDX-License-Identifier: Apache-2.0
 *
 * A model as C: structures for the header, tables for the source.
 */
#pragma once

#include "tools/gen/model.h"

/* SOURCE is the name of the YAML file, HEADER that of the header. */
void gen_emit_types_header(const struct gen_model *m, struct str source, struct buf *out);
void gen_emit_types_source(const struct gen_model *m, struct str source, struct str header, struct buf *out);
