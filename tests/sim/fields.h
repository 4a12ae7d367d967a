/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-side apply in small (Kubernetes docs, "Server-Side Apply"): who owns
 * which field, as fieldsV1 writes it.
 *
 *      value                                     its set
 *      {"spec": {"replicas": 2,                  {"f:spec": {"f:replicas": {},
 *                "ports": [{"port": 80,            "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}":
 *                  "protocol": "TCP"}]}}             {".": {}, "f:port": {}, "f:protocol": {}}}}}
 *
 * What a list's items are told apart by is in a small table in fields.c; a
 * list that is not in it, and one whose items lack those keys, is atomic.
 *
 * Values and sets are yyjson's mutable ones and live in a document of malloc's:
 * a test that makes mem_* fail never hits the server.
 */
#pragma once

#include <yyjson.h>

#include "base/str.h"

/* The set of all fields of VALUE. */
yyjson_mut_val *fields_of(yyjson_mut_doc *doc, struct str name, yyjson_mut_val *value);

/* The same of something that was made as a whole: its owner also owns that
 * maps and lists are there. */
yyjson_mut_val *fields_of_new(yyjson_mut_doc *doc, struct str name, yyjson_mut_val *value);

enum fields_mode {
        FIELDS_APPLY,       /* lists are merged by their keys, sets too */
        FIELDS_STRATEGIC,   /* lists likewise; a null deletes */
        FIELDS_MERGE_PATCH, /* lists are replaced; a null deletes */
};

/* Puts CONFIG over LIVE, field by field. */
void fields_merge(yyjson_mut_doc *doc, yyjson_mut_val *live, yyjson_mut_val *config, enum fields_mode mode);

/* Takes out of LIVE what is in the set OLD and in none of the sets KEPT (of which some may be NULL). */
void fields_remove(yyjson_mut_val *live, yyjson_mut_val *old_set, yyjson_mut_val *const *kept, size_t n_kept);

/* Takes out of SET the fields that differ between BEFORE and AFTER: their owner lost them. */
void fields_prune(yyjson_mut_val *set, yyjson_mut_val *before, yyjson_mut_val *after);

/* The set of fields that AFTER has and BEFORE has not, or has otherwise; NULL if there are none. */
yyjson_mut_val *fields_changed(yyjson_mut_doc *doc, struct str name, yyjson_mut_val *before,
                               yyjson_mut_val *after);

/* Adds to the set TO what is in FROM. */
void fields_add(yyjson_mut_doc *doc, yyjson_mut_val *to, yyjson_mut_val *from);
