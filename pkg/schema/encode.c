/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/layout.h"

static bool is_present(const struct schema_field *f, const void *object)
{
        const void *value = schema_at_const(object, f->offset);

        switch (f->type) {
        case SCHEMA_INT:
        case SCHEMA_BOOL:
                return f->has_offset == SCHEMA_NO_OFFSET ||
                       *(const bool *)schema_at_const(object, f->has_offset);
        case SCHEMA_OBJECT:
                return *(void *const *)value != NULL;
        case SCHEMA_LIST:
        case SCHEMA_MAP:
                return ((const struct schema_list *)value)->items != NULL;
        case SCHEMA_STRING:
        case SCHEMA_INT_OR_STRING:
        case SCHEMA_QUANTITY:
        case SCHEMA_RAW:
                break;
        }
        return ((const struct str *)value)->data != NULL;
}

/* Whether JSON would write this number in just this way. */
static bool is_integer(struct str s)
{
        size_t sign = s.len > 0 && s.data[0] == '-';
        int64_t n;

        if (s.len > sign + 1 && s.data[sign] == '0')
                return false;
        return str_to_int64(s, &n) == 0;
}

static void encode_value(const struct schema_field *f, const void *value, struct json_writer *w)
{
        const struct str *s = value;
        const struct schema_list *list = value;
        const struct schema_map *map = value;

        switch (f->type) {
        case SCHEMA_STRING:
        case SCHEMA_QUANTITY:
                json_str(w, *s);
                break;
        case SCHEMA_INT_OR_STRING:
                if (is_integer(*s))
                        json_raw(w, *s);
                else
                        json_str(w, *s);
                break;
        case SCHEMA_RAW:
                json_raw(w, *s);
                break;
        case SCHEMA_INT:
                json_int(w, *(const int64_t *)value);
                break;
        case SCHEMA_BOOL:
                json_bool(w, *(const bool *)value);
                break;
        case SCHEMA_OBJECT:
                schema_encode(f->object, value, w);
                break;
        case SCHEMA_LIST:
                json_array(w);
                for (size_t i = 0; i < list->n; i++)
                        encode_value(f->element,
                                     schema_at_const(list->items, i * schema_element_size(f->element)), w);
                json_end(w);
                break;
        case SCHEMA_MAP:
                json_object(w);
                for (size_t i = 0; i < map->n; i++) {
                        json_key_str(w, map->items[i].key);
                        encode_value(f->element, &map->items[i].value, w);
                }
                json_end(w);
                break;
        }
}

void schema_encode(const struct schema *s, const void *object, struct json_writer *w)
{
        json_object(w);
        for (size_t i = 0; i < s->n_fields; i++) {
                const struct schema_field *f = &s->fields[i];
                const void *value = schema_at_const(object, f->offset);

                if (!is_present(f, object))
                        continue;
                json_key_str(w, f->name);
                /* A field points to its object; an element of a list is one. */
                encode_value(f, f->type == SCHEMA_OBJECT ? *(void *const *)value : value, w);
        }
        json_end(w);
}
