/* SPDX-License-Identifier: Apache-2.0
 *
 * How values lie in the C structures: what decode.c, encode.c and pack.c share.
 */
#pragma once

#include "schema/schema.h"

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
