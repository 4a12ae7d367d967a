/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads the fields of a JSON object one by one: of records, messages and reports, and of
 * config.json. The first that is wrong is told and stays the result; what comes after it
 * reads as zero.
 *
 *      _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
 *      struct fields f;
 *      int r = 0;
 *
 *      fields_open(&f, json, MAX, "record", &doc, err, &r);
 *      epoch = fields_number(&f, "epoch", INT64_MAX);
 *      return r;
 */
#pragma once

#include "failover/failover.h"
#include "json/read.h"
#include "json/write.h"

#define FIELDS_TEXT_MAX ((size_t)16 * 1024) /* of a whole record or message */
#define FIELDS_PATH_MAX 96

struct fields {
        yyjson_val *object;
        char path[FIELDS_PATH_MAX]; /* of the object: "record.holder" */
        struct error *err;
        int *failed; /* 0, or the negative errno of the first that is wrong */
};

/* JSON, of at most MAX bytes, must be an object; WHAT it is called in messages. *DOC holds what F
 * reads. *FAILED, 0 at first: -EINVAL or -ENOMEM, with *ERR. */
void fields_open(struct fields *f, struct str json, size_t max, const char *what, yyjson_doc **doc,
                 struct error *err, int *failed);
/* OBJECT must be one. */
void fields_init(struct fields *f, yyjson_val *object, const char *path, struct error *err, int *failed);
/* The object that stands under KEY. */
void fields_enter(const struct fields *f, const char *key, struct fields *ret);

int fields_wrong(const struct fields *f, const char *key, const char *expected);

bool fields_has(const struct fields *f, const char *key);
/* From 0 to MAX, which is INT64_MAX at the most. */
uint64_t fields_number(const struct fields *f, const char *key, uint64_t max);
/* 16 hexadecimal digits: what is not for arithmetic, and too large for others' JSON. */
uint64_t fields_word(const struct fields *f, const char *key);
bool fields_bool(const struct fields *f, const char *key);
/* The number of a member; ABSENT, if there is no such field. */
int fields_member(const struct fields *f, const char *key, int absent);
#define FIELDS_REQUIRED (-2)
failover_set fields_set(const struct fields *f, const char *key);
/* Printable ASCII, copied with its NUL; longer than SIZE - 1 is wrong. */
void fields_text(const struct fields *f, const char *key, char *out, size_t size);
/* One of N names; its index. */
size_t fields_name(const struct fields *f, const char *key, const char *(*name)(size_t), size_t n);
/* "position", an object. */
void fields_position(const struct fields *f, struct failover_position *ret);

void fields_put_word(struct json_writer *w, const char *key, uint64_t word);
void fields_put_set(struct json_writer *w, const char *key, failover_set set);
void fields_put_position(struct json_writer *w, const struct failover_position *p);
