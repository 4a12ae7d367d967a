/* SPDX-License-Identifier: Apache-2.0
 *
 * How values lie in the C structures: what decode.c, encode.c, pack.c and share.c
 * have in common.
 */
#pragma once

#include "schema/share.h"

static inline void *schema_at(void *object, size_t offset)
{
        return (char *)object + offset;
}

static inline const void *schema_at_const(const void *object, size_t offset)
{
        return (const char *)object + offset;
}

/* Bytes of one element of a list. */
static inline size_t schema_element_size(const struct schema_field *element)
{
        switch (element->type) {
        case SCHEMA_INT:
                return sizeof(int64_t);
        case SCHEMA_BOOL:
                return sizeof(bool);
        case SCHEMA_OBJECT:
                return element->object->size;
        case SCHEMA_LIST:
                return sizeof(struct schema_list);
        case SCHEMA_MAP:
                return sizeof(struct schema_map);
        case SCHEMA_STRING:
        case SCHEMA_INT_OR_STRING:
        case SCHEMA_QUANTITY:
        case SCHEMA_RAW:
                break;
        }
        return sizeof(struct str);
}

/* How a field of a half (schema/share.h) is shared. */
enum schema_sharing { SHARE_NOT, SHARE_WHOLE, SHARE_STRINGS };

static inline bool schema_has_time(const struct schema *s)
{
        for (size_t i = 0; i < s->n_fields; i++)
                if (str_eq(s->fields[i].name, STR("lastTransitionTime")))
                        return true;
        return false;
}

static inline enum schema_sharing schema_sharing(const struct schema_field *f)
{
        if (f->type == SCHEMA_LIST && f->element->type == SCHEMA_OBJECT &&
            schema_has_time(f->element->object))
                return SHARE_STRINGS;
        return f->type == SCHEMA_OBJECT || f->type == SCHEMA_LIST || f->type == SCHEMA_MAP ? SHARE_WHOLE
                                                                                           : SHARE_NOT;
}

/* --- pack.c: a part by itself ------------------------------------------------- */

/* DATA and N are what a value of the field points to: the structure of an object,
 * the items of a list or a map, the bytes of a string. */
size_t schema_part_size(const struct schema_field *f, const void *data, size_t n);
void schema_part_pack(const struct schema_field *f, const void *data, size_t n, void *to);
