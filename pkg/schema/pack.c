/* SPDX-License-Identifier: Apache-2.0
 *
 *      TO --> | the object | lists and inner objects | strings, unaligned |
 *             `-------- multiples of 8 bytes --------'
 */
#include <assert.h>

#include "schema/layout.h"

#define ALIGNMENT ((size_t)8)

static_assert(_Alignof(struct schema_map) <= ALIGNMENT && _Alignof(int64_t) <= ALIGNMENT, "too loose");

struct sizes {
        size_t aligned;
        size_t bytes;
};

struct packer {
        char *aligned;
        char *bytes;
};

static size_t round_up(size_t n)
{
        return (n + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

static void measure_fields(const struct schema *s, const void *object, struct sizes *sizes);

static void measure_value(const struct schema_field *f, const void *value, struct sizes *sizes)
{
        const struct schema_list *list = value;
        const struct schema_map *map = value;
        size_t size;

        switch (f->type) {
        case SCHEMA_INT:
        case SCHEMA_BOOL:
                return;
        case SCHEMA_STRING:
        case SCHEMA_INT_OR_STRING:
        case SCHEMA_QUANTITY:
        case SCHEMA_RAW:
                sizes->bytes += ((const struct str *)value)->len;
                return;
        case SCHEMA_OBJECT:
                measure_fields(f->object, value, sizes);
                return;
        case SCHEMA_LIST:
                size = schema_element_size(f->element);
                sizes->aligned += round_up(list->n * size);
                for (size_t i = 0; i < list->n; i++)
                        measure_value(f->element, schema_at_const(list->items, i * size), sizes);
                return;
        case SCHEMA_MAP:
                sizes->aligned += round_up(map->n * sizeof(map->items[0]));
                for (size_t i = 0; i < map->n; i++)
                        sizes->bytes += map->items[i].key.len + map->items[i].value.len;
                return;
        }
}

static void measure_fields(const struct schema *s, const void *object, struct sizes *sizes)
{
        for (size_t i = 0; i < s->n_fields; i++) {
                const struct schema_field *f = &s->fields[i];
                const void *value = schema_at_const(object, f->offset);

                if (f->type == SCHEMA_OBJECT) {
                        value = *(void *const *)value;
                        if (!value)
                                continue;
                        sizes->aligned += round_up(f->object->size);
                }
                measure_value(f, value, sizes);
        }
}

/* The half of a root whose parts are shared: what they point to is not its own. */
static void measure_half(const struct schema *half, const void *object, struct sizes *sizes)
{
        for (size_t i = 0; i < half->n_fields; i++) {
                const struct schema_field *f = &half->fields[i];
                const struct schema_list *list = schema_at_const(object, f->offset);
                enum schema_sharing how = schema_sharing(f);

                if (how == SHARE_NOT)
                        measure_value(f, list, sizes);
                else if (how == SHARE_STRINGS)
                        sizes->aligned += round_up(list->n * f->element->object->size);
        }
}

static struct sizes measure_shared(const struct schema *root, const void *object)
{
        struct sizes sizes = { .aligned = round_up(root->size) };

        for (size_t i = 0; i < root->n_fields; i++) {
                const struct schema_field *f = &root->fields[i];
                const void *value = schema_at_const(object, f->offset);

                if (f->type == SCHEMA_OBJECT) {
                        value = *(void *const *)value;
                        if (!value)
                                continue;
                        sizes.aligned += round_up(f->object->size);
                        measure_half(f->object, value, &sizes);
                } else {
                        measure_value(f, value, &sizes);
                }
        }
        return sizes;
}

static struct sizes measure(const struct schema *s, const void *object)
{
        struct sizes sizes = { .aligned = round_up(s->size) };

        measure_fields(s, object, &sizes);
        return sizes;
}

static void *copy_aligned(struct packer *p, const void *from, size_t n)
{
        void *to = p->aligned;

        if (n)
                memcpy(to, from, n);
        p->aligned += round_up(n);
        return to;
}

/* An absent string stays absent, an empty one empty. */
static void copy_string(struct packer *p, struct str *s)
{
        if (s->len == 0) {
                s->data = s->data ? "" : NULL;
                return;
        }
        memcpy(p->bytes, s->data, s->len);
        s->data = p->bytes;
        p->bytes += s->len;
}

static void pack_fields(struct packer *p, const struct schema *s, void *object);

/* VALUE has been copied as it was; now it gets copies of what it points to. */
static void pack_value(struct packer *p, const struct schema_field *f, void *value)
{
        struct schema_list *list = value;
        struct schema_map *map = value;
        size_t size;

        switch (f->type) {
        case SCHEMA_INT:
        case SCHEMA_BOOL:
                return;
        case SCHEMA_STRING:
        case SCHEMA_INT_OR_STRING:
        case SCHEMA_QUANTITY:
        case SCHEMA_RAW:
                copy_string(p, value);
                return;
        case SCHEMA_OBJECT:
                pack_fields(p, f->object, value);
                return;
        case SCHEMA_LIST:
                size = schema_element_size(f->element);
                if (!list->items)
                        return;
                list->items = copy_aligned(p, list->items, list->n * size);
                for (size_t i = 0; i < list->n; i++)
                        pack_value(p, f->element, schema_at(list->items, i * size));
                return;
        case SCHEMA_MAP:
                if (!map->items)
                        return;
                map->items = copy_aligned(p, map->items, map->n * sizeof(map->items[0]));
                for (size_t i = 0; i < map->n; i++) {
                        copy_string(p, &map->items[i].key);
                        copy_string(p, &map->items[i].value);
                }
                return;
        }
}

static void pack_fields(struct packer *p, const struct schema *s, void *object)
{
        for (size_t i = 0; i < s->n_fields; i++) {
                const struct schema_field *f = &s->fields[i];
                void *value = schema_at(object, f->offset);

                if (f->type == SCHEMA_OBJECT) {
                        void **inner = value;

                        if (!*inner)
                                continue;
                        *inner = copy_aligned(p, *inner, f->object->size);
                        value = *inner;
                }
                pack_value(p, f, value);
        }
}

size_t schema_packed_size(const struct schema *s, const void *object)
{
        struct sizes sizes = measure(s, object);

        return sizes.aligned + sizes.bytes;
}

void schema_pack(const struct schema *s, const void *object, void *to)
{
        struct packer p = { .aligned = to, .bytes = (char *)to + measure(s, object).aligned };

        pack_fields(&p, s, copy_aligned(&p, object, s->size));
}

/* --- with shared parts (schema/share.h) ------------------------------------ */

static void pack_half(struct packer *p, const struct schema *half, void *object)
{
        for (size_t i = 0; i < half->n_fields; i++) {
                const struct schema_field *f = &half->fields[i];
                void *value = schema_at(object, f->offset);
                struct schema_list *list = value;
                struct schema_map *map = value;
                enum schema_sharing how = schema_sharing(f);

                if (how == SHARE_NOT)
                        pack_value(p, f, value);
                else if (how == SHARE_STRINGS && list->items)
                        list->items = copy_aligned(p, list->items, list->n * f->element->object->size);
                else if (f->type == SCHEMA_LIST && list->items && list->n == 0)
                        list->items = p->aligned; /* empty, and not absent */
                else if (f->type == SCHEMA_MAP && map->items && map->n == 0)
                        map->items = (struct schema_pair *)(void *)p->aligned;
        }
}

size_t schema_packed_size_shared(const struct schema *root, const void *object)
{
        struct sizes sizes = measure_shared(root, object);

        return sizes.aligned + sizes.bytes;
}

void schema_pack_shared(const struct schema *root, const void *object, void *to)
{
        struct packer p = { .aligned = to, .bytes = (char *)to + measure_shared(root, object).aligned };
        void *copy = copy_aligned(&p, object, root->size);

        for (size_t i = 0; i < root->n_fields; i++) {
                const struct schema_field *f = &root->fields[i];
                void *value = schema_at(copy, f->offset), **half = value;

                if (f->type != SCHEMA_OBJECT) {
                        pack_value(&p, f, value);
                } else if (*half) {
                        *half = copy_aligned(&p, *half, f->object->size);
                        pack_half(&p, f->object, *half);
                }
        }
}

/* A value of the field, as it lies in an object. */
union head {
        struct schema_list list;
        struct schema_map map;
        struct str text;
};

static const void *value_of(const struct schema_field *f, const void *data, size_t n, union head *head)
{
        if (f->type == SCHEMA_OBJECT)
                return data;
        if (f->type == SCHEMA_LIST)
                head->list = (struct schema_list){ .items = (void *)(uintptr_t)data, .n = n };
        else if (f->type == SCHEMA_MAP)
                head->map = (struct schema_map){ .items = (struct schema_pair *)(uintptr_t)data, .n = n };
        else
                head->text = str_n(data, n);
        return head;
}

static struct sizes measure_part(const struct schema_field *f, const void *data, size_t n)
{
        struct sizes sizes = { .aligned = f->type == SCHEMA_OBJECT ? round_up(f->object->size) : 0 };
        union head head;

        measure_value(f, value_of(f, data, n, &head), &sizes);
        return sizes;
}

size_t schema_part_size(const struct schema_field *f, const void *data, size_t n)
{
        struct sizes sizes = measure_part(f, data, n);

        return sizes.aligned + sizes.bytes;
}

void schema_part_pack(const struct schema_field *f, const void *data, size_t n, void *to)
{
        struct packer p = { .aligned = to, .bytes = (char *)to + measure_part(f, data, n).aligned };
        union head head;

        if (f->type == SCHEMA_OBJECT) {
                pack_fields(&p, f->object, copy_aligned(&p, data, f->object->size));
                return;
        }
        (void)value_of(f, data, n, &head);
        pack_value(&p, f, &head);
}
