/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML to JSON: one document becomes the tree that all other code reads.
 * Scalars follow YAML 1.2's core schema (true, null, 42, 0x2a, 1.5; all else
 * and everything quoted is a string), as Kubernetes does but for the old
 * yes/no/on/off, which stay strings here as well.
 */
#pragma once

#include <yyjson.h>

#include "base/error.h"

/* Caps, since the text may come from anybody. */
#define YAML_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define YAML_DEPTH_MAX 64
#define YAML_NODES_MAX ((size_t)1000 * 1000) /* aliases counted each time they are used */

/* Parses the first document of TEXT; *ret is freed by yyjson_doc_free. An empty
 * text is a null document. -EINVAL with "line 7: …" in *err for what is not
 * YAML, for a duplicate key, a cyclic alias, a key that is not a scalar, or
 * more than one document; -EMSGSIZE past a cap; -ENOMEM. */
int yaml_parse(struct str text, yyjson_doc **ret, struct error *err) _must_check_;
