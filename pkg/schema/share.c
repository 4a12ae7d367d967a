/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/share.h"

#include <errno.h>
#include <stdalign.h>

#include "base/hash.h"
#include "base/mem.h"
#include "schema/layout.h"

/* Before what it holds: for an object the structure, for a list or a map the
 * items, for a string its bytes; and behind that all that they point to. */
struct part {
        struct map_node node;
        const struct schema_field *field; /* whose values it holds; NULL: any string */
        uint32_t n;                       /* items, or bytes of a string */
        uint32_t refs;
        alignas(8) char data[];
};

static struct part *part_of(const void *data)
{
        return (struct part *)(void *)((char *)(uintptr_t)data - offsetof(struct part, data));
}

/* --- values, wherever they lie ------------------------------------------------ */

/* What a value of this field points to, and how many of it: 0 if nothing. */
static void *pointed(const struct schema_field *f, const void *value, size_t *ret_n)
{
        void *data;

        if (f->type == SCHEMA_OBJECT) {
                memcpy(&data, value, sizeof(data));
                *ret_n = data != NULL;
                return data;
        }
        /* Lists, maps and strings are all a pointer and a number. */
        static_assert(sizeof(struct schema_list) == sizeof(struct str) &&
                              offsetof(struct schema_list, n) == offsetof(struct str, len) &&
                              offsetof(struct schema_map, n) == offsetof(struct str, len),
                      "not all alike");
        memcpy(ret_n, (const char *)value + offsetof(struct schema_list, n), sizeof(*ret_n));
        memcpy(&data, value, sizeof(data));
        return data;
}

static void point(void *value, const void *data)
{
        memcpy(value, &data, sizeof(data));
}

static bool is_text(enum schema_type type)
{
        return type == SCHEMA_STRING || type == SCHEMA_INT_OR_STRING || type == SCHEMA_QUANTITY ||
               type == SCHEMA_RAW;
}

static bool has(const struct schema_field *f, const void *object)
{
        return f->has_offset == SCHEMA_NO_OFFSET || *(const bool *)schema_at_const(object, f->has_offset);
}

static uint64_t hash_part(const struct schema_field *f, const void *data, size_t n);

static uint64_t hash_value(const struct schema_field *f, const void *value)
{
        size_t n;
        void *data;

        if (f->type == SCHEMA_INT)
                return (uint64_t) * (const int64_t *)value;
        if (f->type == SCHEMA_BOOL)
                return *(const bool *)value;
        data = pointed(f, value, &n);
        return data ? hash_part(f, data, n) : 0;
}

static uint64_t hash_object(const struct schema *s, const void *object)
{
        uint64_t h = HASH_INIT;

        for (size_t i = 0; i < s->n_fields; i++)
                if (has(&s->fields[i], object))
                        h = hash_local_add(h, i + hash_value(&s->fields[i],
                                                             schema_at_const(object, s->fields[i].offset)));
        return h;
}

static uint64_t hash_part(const struct schema_field *f, const void *data, size_t n)
{
        const struct schema_pair *pairs = data;
        uint64_t h = hash_local_add(HASH_INIT, n);

        if (is_text(f->type))
                return hash_local_bytes(h, data, n);
        if (f->type == SCHEMA_OBJECT)
                return hash_object(f->object, data);
        for (size_t i = 0; i < n; i++) {
                if (f->type == SCHEMA_MAP) {
                        h = hash_local_str(hash_local_str(h, pairs[i].key), pairs[i].value);
                } else {
                        const void *item = schema_at_const(data, i * schema_element_size(f->element));

                        h = hash_local_add(h, f->element->type == SCHEMA_OBJECT
                                                      ? hash_object(f->element->object, item)
                                                      : hash_value(f->element, item));
                }
        }
        return h;
}

static bool equal_parts(const struct schema_field *f, const void *a, const void *b, size_t n);

static bool equal_values(const struct schema_field *f, const void *a, const void *b)
{
        const void *a_data, *b_data;
        size_t a_n, b_n;

        if (f->type == SCHEMA_INT)
                return *(const int64_t *)a == *(const int64_t *)b;
        if (f->type == SCHEMA_BOOL)
                return *(const bool *)a == *(const bool *)b;
        a_data = pointed(f, a, &a_n);
        b_data = pointed(f, b, &b_n);
        /* Absent and empty are two things. */
        return !a_data == !b_data && a_n == b_n && (!a_data || equal_parts(f, a_data, b_data, a_n));
}

static bool equal_objects(const struct schema *s, const void *a, const void *b)
{
        for (size_t i = 0; i < s->n_fields; i++) {
                const struct schema_field *f = &s->fields[i];

                if (has(f, a) != has(f, b) || (has(f, a) && !equal_values(f, schema_at_const(a, f->offset),
                                                                          schema_at_const(b, f->offset))))
                        return false;
        }
        return true;
}

bool schema_equal(const struct schema *s, const void *a, const void *b)
{
        return equal_objects(s, a, b);
}

static bool equal_strings(struct str a, struct str b)
{
        return !a.data == !b.data && str_eq(a, b);
}

static bool equal_parts(const struct schema_field *f, const void *a, const void *b, size_t n)
{
        const struct schema_pair *p = a, *q = b;

        if (is_text(f->type))
                return n == 0 || memcmp(a, b, n) == 0;
        if (f->type == SCHEMA_OBJECT)
                return equal_objects(f->object, a, b);
        for (size_t i = 0; i < n; i++) {
                if (f->type == SCHEMA_MAP) {
                        if (!equal_strings(p[i].key, q[i].key) || !equal_strings(p[i].value, q[i].value))
                                return false;
                } else {
                        size_t at = i * schema_element_size(f->element);
                        const void *x = schema_at_const(a, at), *y = schema_at_const(b, at);

                        if (f->element->type == SCHEMA_OBJECT ? !equal_objects(f->element->object, x, y)
                                                              : !equal_values(f->element, x, y))
                                return false;
                }
        }
        return true;
}

/* --- the pool ------------------------------------------------------------------ */

/* The field of a string that stands by itself. */
static const struct schema_field any_string = { .type = SCHEMA_STRING };

void schema_pool_init(struct schema_pool *pool)
{
        *pool = (struct schema_pool){ 0 };
        map_init(&pool->parts);
}

void schema_pool_release(struct schema_pool *pool)
{
        map_for_each (n, &pool->parts)
                mem_free(container_of(n, struct part, node));
        map_release(&pool->parts);
}

static size_t part_size(const struct part *part)
{
        return sizeof(*part) + schema_part_size(part->field, part->data, part->n);
}

static struct part *find(const struct schema_pool *pool, const struct schema_field *f, const void *data,
                         size_t n, uint64_t hash)
{
        for (struct map_node *node = map_first(&pool->parts, hash); node; node = map_next(node)) {
                struct part *part = container_of(node, struct part, node);

                if (part->field == f && part->n == n && equal_parts(f, part->data, data, n))
                        return part;
        }
        return NULL;
}

/* The part that equals DATA, with one more reference; made if there is none. */
static void *get(struct schema_pool *pool, const struct schema_field *f, const void *data, size_t n)
{
        uint64_t hash = hash_part(f, data, n);
        struct part *part = find(pool, f, data, n, hash);

        if (part) {
                part->refs++;
                return part->data;
        }
        if (n > UINT32_MAX)
                return NULL;
        part = mem_alloc(sizeof(*part) + schema_part_size(f, data, n));
        if (!part)
                return NULL;
        *part = (struct part){ .field = f, .n = (uint32_t)n, .refs = 1 };
        schema_part_pack(f, data, n, part->data);
        if (map_insert(&pool->parts, &part->node, hash) < 0) {
                mem_free(part);
                return NULL;
        }
        pool->bytes += part_size(part);
        return part->data;
}

static void unref(struct schema_pool *pool, const void *data)
{
        struct part *part = part_of(data);

        if (--part->refs > 0)
                return;
        pool->bytes -= part_size(part);
        map_remove(&pool->parts, &part->node);
        mem_free(part);
}

const char *schema_pool_str(struct schema_pool *pool, struct str s)
{
        return get(pool, &any_string, s.data, s.len);
}

void schema_pool_unref_str(struct schema_pool *pool, const char *shared)
{
        unref(pool, shared);
}

/* --- the parts of an object -------------------------------------------------------- */

/* Calls FN for each place of OBJECT that is shared and holds something, until
 * it fails. FIELD is what get wants; VALUE holds the pointer. */
typedef int place_fn(const struct schema_field *f, void *value, void *arg);

static int each_string(const struct schema_field *f, void *value, place_fn *fn, void *arg)
{
        const struct schema *item = f->element->object;
        struct schema_list *list = value;
        int r = 0;

        for (size_t i = 0; i < list->n; i++)
                for (size_t k = 0; k < item->n_fields && r == 0; k++) {
                        void *text = schema_at(list->items, i * item->size + item->fields[k].offset);
                        size_t n;

                        if (!is_text(item->fields[k].type))
                                continue;
                        pointed(&any_string, text, &n);
                        if (n)
                                r = fn(&any_string, text, arg);
                }
        return r;
}

static int each_place(const struct schema *root, const void *object, place_fn *fn, void *arg)
{
        int r = 0;

        for (size_t i = 0; i < root->n_fields; i++) {
                const struct schema *half = root->fields[i].object;
                void *at;
                size_t n;

                if (root->fields[i].type != SCHEMA_OBJECT)
                        continue;
                memcpy(&at, schema_at_const(object, root->fields[i].offset), sizeof(at));
                for (size_t k = 0; at && k < half->n_fields && r == 0; k++) {
                        const struct schema_field *f = &half->fields[k];
                        enum schema_sharing how = schema_sharing(f);
                        void *value = schema_at(at, f->offset);

                        if (how == SHARE_STRINGS)
                                r = each_string(f, value, fn, arg);
                        else if (how == SHARE_WHOLE && pointed(f, value, &n) && n)
                                r = fn(f, value, arg);
                }
        }
        return r;
}

struct visit {
        struct schema_pool *pool;
        size_t done, limit;
};

static int share_place(const struct schema_field *f, void *value, void *arg)
{
        struct visit *v = arg;
        size_t n;
        void *data = pointed(f, value, &n), *shared = get(v->pool, f, data, n);

        if (!shared)
                return -ENOMEM;
        point(value, shared);
        v->done++;
        return 0;
}

static int unshare_place(const struct schema_field *f, void *value, void *arg)
{
        struct visit *v = arg;
        size_t n;

        if (v->done == v->limit)
                return 1;
        unref(v->pool, pointed(f, value, &n));
        v->done++;
        return 0;
}

int schema_share(const struct schema *root, void *object, struct schema_pool *pool)
{
        struct visit share = { .pool = pool }, undo = { .pool = pool };
        int r = each_place(root, object, share_place, &share);

        if (r == 0)
                return 0;
        undo.limit = share.done;
        (void)each_place(root, object, unshare_place, &undo);
        return r;
}

void schema_unshare(const struct schema *root, const void *object, struct schema_pool *pool)
{
        struct visit v = { .pool = pool, .limit = SIZE_MAX };

        (void)each_place(root, object, unshare_place, &v);
}
