/* SPDX-License-Identifier: Apache-2.0
 *
 * YAML to JSON: one document becomes the tree that all other code reads.
 *
 *      replicas: 2                 { "replicas": 2,
 *      ports: [80, 0x1F90]   -->     "ports": [80, 8080],
 *      tls: "yes"                    "tls": "yes" }
 *
 * Scalars are read as kubectl reads them, so that a file means the same to both: what
 * is quoted is a string; plain, yes, no, on, off, y and n are booleans as in YAML 1.1,
 * 0644 is octal, 1_000 is 1000, and 1:30 and dates stay strings. Keys become strings
 * (8080: is "8080":). Anchors and aliases are followed; merge keys (<<) and tags of
 * one's own are refused rather than misread.
 */
#pragma once

#include <yyjson.h>

#include "base/error.h"
#include "yaml/lines.h"

/* Caps, since the text may come from anybody. */
#define YAML_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define YAML_DEPTH_MAX 64
#define YAML_NODES_MAX ((size_t)1000 * 1000) /* keys too; aliases counted each time they are used */

/* Parses the one document of TEXT; *ret is freed by yyjson_doc_free. An empty
 * text is a null document. -EINVAL with "line 7: …" in *err for what is not
 * YAML, for a duplicate key, a cyclic alias, a key that is not a scalar, or
 * more than one document; -EMSGSIZE past a cap; -ENOMEM. */
int yaml_parse(struct str text, yyjson_doc **ret, struct error *err) _must_check_;

/* Takes DOC over, whose values stand on those LINES of the text; they are gone when it
 * returns. A negative result ends the parse with that result; it then says why in *err. */
typedef int yaml_document_fn(yyjson_doc *doc, const struct yaml_lines *lines, void *arg, struct error *err);

/* The same for a file of several documents between "---" lines: calls FN for
 * each in turn. Documents with nothing in them are passed over. The caps hold
 * for all of them together. */
int yaml_parse_all(struct str text, yaml_document_fn *fn, void *arg, struct error *err) _must_check_;
