/* SPDX-License-Identifier: Apache-2.0
 *
 * Manifests with blanks, compiled into C functions that write JSON.
 *
 *      replicas: ${replicas:int}       buf_add_int(out, p->replicas);
 *      name: ${name}-config            json_escape(out, p->name); buf_add_str(out, STR("-config\""));
 *      ports: ${ports:json?}           if (p->ports.data) { … }
 *
 * docs/development/templates.md tells all of the syntax. A manifest becomes a
 * structure of its parameters and the body of its function in one walk; both
 * are kept here until all manifests are read, then written out.
 */
#pragma once

#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

/* Bytes of C for one manifest. */
#define GEN_TEMPLATE_MAX ((size_t)4 * 1024 * 1024)

enum gen_param_kind { GEN_STR, GEN_INT, GEN_BOOL, GEN_JSON };

/* Under which conditions a parameter that must not be absent is used. */
struct gen_guard {
        struct str condition; /* C; the absent string: always */
        struct gen_guard *next;
};

struct gen_param {
        struct str name;
        enum gen_param_kind kind;
        bool optional;
        bool needs_flag; /* a has_NAME says whether it is there, which no other parameter is */
        struct gen_guard *guards;
        struct gen_param *next;
};

struct gen_template {
        struct str name;    /* "deployment" */
        struct str file;    /* "deployment.yaml" */
        struct str comment; /* what stands above the manifest */
        struct gen_param *params;
        struct str body; /* C statements */
        struct gen_template *next;
};

/* TEXT is the manifest, ROOT its tree. */
int gen_template_read(struct gen_template *t, struct str file, struct str text, yyjson_val *root,
                      struct arena *a, struct error *err) _must_check_;

/* PREFIX stands before each name ("app_"). */
void gen_emit_templates_header(const struct gen_template *list, struct str prefix, struct buf *out);
void gen_emit_templates_source(const struct gen_template *list, struct str prefix, struct str header,
                               struct buf *out);
