/* SPDX-License-Identifier: Apache-2.0
 *
 * Typed objects from JSON and back, by tables that keelson-gen makes from the
 * YAML of a CRD. One engine reads, writes and copies every kind.
 *
 *      crds/app.yaml --keelson-gen--> struct app_spec { … };   (the C type)
 *                                     const struct schema app_spec_schema; (the table)
 *                                     docs/reference/app.md
 *
 * In C a field is:
 *      string, date-time, quantity, duration      struct str        absent: data is NULL
 *      integer, boolean, required or with default int64_t, bool
 *      integer, boolean, else                     int64_t, bool, and bool has_NAME
 *      object                                     struct T *        absent: NULL
 *      array                                      struct { T *items; size_t n; }
 *      map of strings                             struct schema_map
 *      anything (preserve-unknown-fields)         struct str, its JSON text
 * All of it lives in the arena, or in the one block that schema_pack makes.
 *
 * The tables hold what the API server's structural schema holds but for CEL
 * rules and formats. Patterns and the uniqueness of list keys are checked where
 * the API server has not done it yet (SCHEMA_OFFLINE).
 */
#pragma once

#include <yyjson.h>

#include "base/arena.h"
#include "base/error.h"
#include "json/write.h"
#include "schema/problem.h"

enum schema_type {
        SCHEMA_STRING,
        SCHEMA_INT,
        SCHEMA_BOOL,
        SCHEMA_INT_OR_STRING, /* a struct str of the text; a number is written without quotes */
        SCHEMA_QUANTITY,      /* likewise, but always quoted: Kubernetes takes 1 and says "1" */
        SCHEMA_OBJECT,
        SCHEMA_LIST,
        SCHEMA_MAP, /* string to string (or to what a struct str holds) */
        SCHEMA_RAW,
};

struct schema_pair {
        struct str key;
        struct str value;
};

struct schema_map {
        struct schema_pair *items;
        size_t n;
};

/* The pair of that key, or NULL. */
static inline struct schema_pair *schema_map_find(const struct schema_map *map, struct str key)
{
        for (size_t i = 0; i < map->n; i++)
                if (str_eq(map->items[i].key, key))
                        return &map->items[i];
        return NULL;
}

/* Its value; absent without such a key. */
static inline struct str schema_map_get(const struct schema_map *map, struct str key)
{
        const struct schema_pair *pair = schema_map_find(map, key);

        return pair ? pair->value : STR_NULL;
}

/* Any list, seen without its element type. */
struct schema_list {
        void *items;
        size_t n;
};

/* The most fields that one object has. */
#define SCHEMA_FIELDS_MAX 128

#define SCHEMA_NO_OFFSET UINT16_MAX
/* For .minimum and .maximum of an integer that has none. */
#define SCHEMA_NO_BOUNDS .minimum = INT64_MIN, .maximum = INT64_MAX

struct schema_field {
        struct str name; /* in JSON: "progressDeadline" */
        enum schema_type type;
        uint16_t offset;     /* in the C structure */
        uint16_t has_offset; /* of has_NAME, or SCHEMA_NO_OFFSET */
        bool required;
        const struct schema *object;        /* of an object */
        const struct schema_field *element; /* of a list or a map: what its members are; no name, no offset */
        const struct str *values;           /* of an enum */
        size_t n_values;
        int64_t minimum, maximum; /* of an integer */
        /* Characters of a string, elements of a list or a map; max 0 is none. */
        size_t min_length, max_length;
        struct str pattern; /* of a string: a regular expression, in what RE2 and POSIX have in common */
        /* Of a list: its items differ in this field, or "": in themselves; absent: they may be equal. */
        struct str key;
        /* What an absent field gets: a string as it is, a number or a boolean
         * as its text, all else as JSON. The absent string: nothing. */
        struct str default_text;
};

struct schema {
        const char *name;
        size_t size; /* of the C structure */
        const struct schema_field *fields;
        size_t n_fields;
};

enum schema_flags {
        SCHEMA_STRICT = 1 << 0,  /* an unknown or repeated field is an error */
        SCHEMA_OFFLINE = 1 << 2, /* nobody has looked at it before: patterns and list keys count as well */
        SCHEMA_BORROW = 1 << 1,  /* strings point into the JSON document, which must outlive the object */
};

/* The field called NAME, or NULL. S may be NULL. */
const struct schema_field *schema_find(const struct schema *s, struct str name);

/* Reads JSON into a new structure in the arena. Fields with a default get it; a
 * null counts as absent, as it does for the API server. On failure *err has the
 * path ("spec.ports[2].name") and what to do: -EINVAL (the JSON does not fit),
 * -ENOMEM. PATH is where this object stands ("spec", or "" for a root). */
int schema_decode(const struct schema *s, yyjson_val *json, struct str path, enum schema_flags flags,
                  struct arena *a, void **ret, struct error *err) _must_check_;

/* The same, but all that is wrong is added to PROBLEMS, in the order in which it stands there,
 * and what is missing behind what is there. Of one value one thing is told, and of a list or
 * map that is too long not what is in it. */
int schema_decode_all(const struct schema *s, yyjson_val *json, struct str path, enum schema_flags flags,
                      struct arena *a, void **ret, struct problems *problems) _must_check_;

/* Adds to WARNINGS each null that has no default to give way to: of an object that is made or
 * patched the API server drops it, and refuses it in a server-side apply. */
void schema_tell_nulls(const struct schema *s, yyjson_val *json, struct str path, struct problems *warnings);

/* Writes an object with its present fields, in the order of the table. */
void schema_encode(const struct schema *s, const void *object, struct json_writer *w);

/* Would both be encoded to the same JSON? */
bool schema_equal(const struct schema *s, const void *a, const void *b);

/* How many bytes a copy of OBJECT needs in one block, and the copy, made at TO
 * (aligned for any type). What OBJECT points to is copied with it. */
size_t schema_packed_size(const struct schema *s, const void *object);
void schema_pack(const struct schema *s, const void *object, void *to);
