/* SPDX-License-Identifier: Apache-2.0
 *
 * What a YAML scalar means in JSON.
 */
#pragma once

#include <yyjson.h>

#include "base/error.h"

enum yaml_scalar_type {
        YAML_SCALAR_STRING,
        YAML_SCALAR_NULL,
        YAML_SCALAR_BOOL,
        YAML_SCALAR_INT,
        YAML_SCALAR_UINT,
        YAML_SCALAR_REAL
};

struct yaml_scalar {
        enum yaml_scalar_type type;
        bool boolean;
        int64_t integer;  /* YAML_SCALAR_INT: below zero */
        uint64_t natural; /* YAML_SCALAR_UINT */
        double real;      /* finite */
};

/* How a plain (unquoted) scalar reads. TEXT is NUL-terminated behind its
 * length. 0, or -ERANGE for a number that JSON cannot hold (.inf, .nan). */
int yaml_scalar_resolve(struct str text, struct yaml_scalar *ret) _must_check_;

/* May TEXT be written without quotes, and is it this very string then to all who read YAML?
 * False also where that is not sure. */
bool yaml_is_plain(struct str text);
