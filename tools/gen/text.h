/* SPDX-License-Identifier: Apache-2.0
 *
 * What all outputs share: names in C's spelling, comments, string literals,
 * and files read and written whole.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#define GEN_FILE_MAX ((size_t)16 * 1024 * 1024)
#define GEN_COLUMNS 110

/* "targetCPUUtilization" -> "target_cpu_utilization", "externalIPs" ->
 * "external_ips"; a word of C itself gets a "_" behind it. */
struct str gen_snake(struct arena *a, struct str name);
bool gen_is_c_word(struct str name);

/* "controller/app/templates/deployment.yaml" -> "deployment.yaml" */
struct str gen_base_name(struct str path);

/* A comment, wrapped, at INDENT columns; nothing for an empty text. */
void gen_comment(struct buf *out, unsigned indent, struct str text);

/* The text alone, its line breaks become spaces. */
void gen_put_oneline(struct buf *out, struct str text);

/* "text" with quotes, escaped for C. */
void gen_literal(struct buf *out, struct str text);

/* The same in several literals, one a line, the later ones at INDENT columns;
 * the first begins at COLUMN. Lines are cut behind a comma where one is near. */
void gen_long_literal(struct buf *out, struct str text, unsigned column, unsigned indent);

void gen_indent(struct buf *out, unsigned columns);

/* The lines that each output begins with. */
void gen_head(struct buf *out, struct str source);

/* 0, or a negative errno with the file's name in *err. */
int gen_read_file(const char *path, struct buf *ret, struct error *err) _must_check_;
int gen_write_file(const char *path, const struct buf *text, struct error *err) _must_check_;
