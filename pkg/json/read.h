/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads JSON into yyjson's tree, and picks values out of one.
 *
 *      _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
 *
 *      r = json_parse(text, &doc, &err);
 *      name = json_get_str(json_get_path(root, "/metadata"), "name");
 *
 * The tree has its own copy of the text and is freed by yyjson_doc_free; what
 * the helpers return borrows from it. Every helper takes NULL for a value that
 * is not there and gives back the absent string, NULL or the fallback, so
 * lookups may be chained and looked at once.
 */
#pragma once

#include <yyjson.h>

#include "base/arena.h"
#include "base/error.h"

/* As deep as the splitter lets values through. */
#define JSON_READ_DEPTH_MAX 256

/* yyjson's memory from mem_*, so that tests can make it fail. */
extern const yyjson_alc json_alc;

/* yyjson's memory from an arena, for trees that die with it. */
yyjson_alc json_arena_alc(struct arena *a);

/* Parses one whole JSON value. -EINVAL with "line 3, column 7: ..." in *err (may
 * be NULL), also past the depth cap; -ENOMEM. */
int json_parse(struct str text, yyjson_doc **ret, struct error *err) _must_check_;

/* The same for a value that the splitter handed over, and so not too deep. */
int json_parse_split(struct str text, yyjson_doc **ret, struct error *err) _must_check_;

/* The same as json_parse without a copy, for requests that come one after the other:
 * TEXT, which has JSON_READ_PADDING bytes of any value behind its LEN, is written to
 * and must outlive the tree, whose memory is the arena's; it is not freed. -EMSGSIZE
 * where the arena's cap does not let it be. */
#define JSON_READ_PADDING YYJSON_PADDING_SIZE
int json_parse_in_place(char *text, size_t len, struct arena *a, yyjson_doc **ret, struct error *err)
        _must_check_;

/* The same with a copy of TEXT that is the arena's too, as is the tree. */
int json_parse_arena(struct str text, struct arena *a, yyjson_doc **ret, struct error *err) _must_check_;

/* For _cleanup_. */
void json_docp_free(yyjson_doc **doc);

/* The text of a string, or the absent string. */
struct str json_val_str(yyjson_val *value);
/* An integer, or FALLBACK. */
int64_t json_val_int(yyjson_val *value, int64_t fallback);

/* Is it an integer of 64 bits, be it written as 3.0 or 3e0, which is one to JSON Schema? With
 * a fraction or an exponent not past 2^53, where a double no longer counts by one. */
bool json_val_whole(yyjson_val *value, int64_t *ret) _must_check_;

/* A member of an object. */
struct str json_get_str(yyjson_val *object, const char *key);
int64_t json_get_int(yyjson_val *object, const char *key, int64_t fallback);
bool json_get_bool(yyjson_val *object, const char *key, bool fallback);

/* The N members of OBJECT that are called NAMES go to RET, which holds NULLs before; so
 * does one that is null. For what others wrote: -EINVAL with *err, in which OBJECT is
 * called WHERE, if it is no object or has one of them twice, since who wrote it and who
 * reads it next may not mean the same one. */
int json_pick(yyjson_val *object, const char *where, const char *const *names, size_t n, yyjson_val **ret,
              struct error *err) _must_check_;

/* What stands at a JSON Pointer (RFC 6901), "/metadata/labels/app.kubernetes.io~1name". */
yyjson_val *json_get_path(yyjson_val *value, const char *pointer);
