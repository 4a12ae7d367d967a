/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes JSON into a buffer, commas and quoting included. The buffer's sticky
 * error is the writer's; look at it once at the end.
 *
 *      json_object(&w);
 *      json_key(&w, "name");       json_str(&w, name);
 *      json_key(&w, "replicas");   json_int(&w, 3);
 *      json_end(&w);
 */
#pragma once

#include "base/buf.h"

#define JSON_DEPTH_MAX 64

struct yyjson_val;

struct json_writer {
        struct buf *out;
        unsigned depth;
        bool comma;      /* the next value needs one before it */
        uint64_t arrays; /* bit d: the container at depth d is an array */
};

void json_writer_init(struct json_writer *w, struct buf *out);

void json_object(struct json_writer *w);
void json_array(struct json_writer *w);
void json_end(struct json_writer *w); /* of the innermost container */

void json_key(struct json_writer *w, const char *key);
void json_key_str(struct json_writer *w, struct str key);

void json_str(struct json_writer *w, struct str s); /* the absent string is null */
void json_cstr(struct json_writer *w, const char *s);
void json_int(struct json_writer *w, int64_t n);
void json_bool(struct json_writer *w, bool b);
void json_null(struct json_writer *w);
/* A value that is JSON already. */
void json_raw(struct json_writer *w, struct str json);
/* A value out of a tree (json/read.h). */
void json_val(struct json_writer *w, struct yyjson_val *value);

/* "key": value, in one call. */
void json_put_str(struct json_writer *w, const char *key, struct str s);
void json_put_cstr(struct json_writer *w, const char *key, const char *s);
void json_put_int(struct json_writer *w, const char *key, int64_t n);
void json_put_bool(struct json_writer *w, const char *key, bool b);
void json_put_raw(struct json_writer *w, const char *key, struct str json);

/* Appends S as a JSON string with its quotes. Bytes that are not UTF-8 become
 * U+FFFD, since an API server refuses them. */
void json_quote(struct buf *out, struct str s);
/* The same without the quotes, for text between other text. */
void json_escape(struct buf *out, struct str s);

/* Takes back a comma at the end of OUT, for code that writes one behind each
 * member because any of them may be missing. */
void json_trim_comma(struct buf *out);
