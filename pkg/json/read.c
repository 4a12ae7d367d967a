/* SPDX-License-Identifier: Apache-2.0 */
#include "json/read.h"

#include <errno.h>

#include "base/mem.h"

static void *alc_malloc(void *ctx _unused_, size_t size)
{
        return mem_alloc(size);
}

static void *alc_realloc(void *ctx _unused_, void *p, size_t old_size _unused_, size_t size)
{
        return mem_realloc(p, size);
}

static void alc_free(void *ctx _unused_, void *p)
{
        mem_free(p);
}

const yyjson_alc json_alc = { alc_malloc, alc_realloc, alc_free, NULL };

/* yyjson keeps values in one array, each container before what it contains; the
 * depth is how many containers are open around a value. */
static bool is_too_deep(yyjson_doc *doc)
{
        const yyjson_val *ends[JSON_READ_DEPTH_MAX];
        yyjson_val *v = yyjson_doc_get_root(doc), *end = v + yyjson_doc_get_val_count(doc);
        size_t depth = 0;

        for (; v < end; v++) {
                while (depth && v >= ends[depth - 1])
                        depth--;
                if (!yyjson_is_ctn(v))
                        continue;
                if (depth == JSON_READ_DEPTH_MAX)
                        return true;
                ends[depth++] = unsafe_yyjson_get_next(v);
        }
        return false;
}

static int report(struct str text, const yyjson_read_err *e, struct error *err)
{
        size_t line, column, position;

        if (e->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
                return error_set(err, -ENOMEM, "out of memory");
        if (!yyjson_locate_pos(text.data, text.len, e->pos, &line, &column, &position))
                return error_set(err, -EINVAL, "not JSON: %s", e->msg);
        return error_set(err, -EINVAL, "line %zu, column %zu: not JSON: %s", line, column, e->msg);
}

int json_parse_split(struct str text, yyjson_doc **ret, struct error *err)
{
        yyjson_read_err failure = { 0 };
        yyjson_doc *doc;

        if (text.len == 0)
                return error_set(err, -EINVAL, "not JSON: the text is empty");
        /* Without the in-place flag yyjson does not write to the text. */
        doc = yyjson_read_opts((char *)(uintptr_t)text.data, text.len, 0, &json_alc, &failure);
        if (!doc)
                return report(text, &failure, err);
        *ret = doc;
        return 0;
}

int json_parse(struct str text, yyjson_doc **ret, struct error *err)
{
        yyjson_doc *doc;
        int r = json_parse_split(text, &doc, err);

        if (r < 0)
                return r;
        if (is_too_deep(doc)) {
                yyjson_doc_free(doc);
                return error_set(err, -EINVAL, "more than %d objects and arrays within each other",
                                 JSON_READ_DEPTH_MAX);
        }
        *ret = doc;
        return 0;
}

/* --- in place ----------------------------------------------------------------------- */

static void *arena_malloc(void *ctx, size_t size)
{
        return arena_alloc(ctx, size);
}

/* What grows moves, and the arena keeps the old place; yyjson grows by half, and
 * shrinks at the end, which needs no other place. */
static void *arena_realloc(void *ctx, void *p, size_t old_size, size_t size)
{
        void *moved;

        if (size <= old_size)
                return p;
        moved = arena_alloc(ctx, size);
        return moved ? memcpy(moved, p, old_size) : NULL;
}

static void arena_free(void *ctx _unused_, void *p _unused_)
{
}

yyjson_alc json_arena_alc(struct arena *a)
{
        return (yyjson_alc){ arena_malloc, arena_realloc, arena_free, a };
}

/* The text is changed up to there, so lines can no longer be counted. */
static int report_in_place(const struct arena *a, const yyjson_read_err *e, struct error *err)
{
        if (a->full)
                return error_set(err, -EMSGSIZE, "has too many values");
        if (e->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
                return error_set(err, -ENOMEM, "out of memory");
        return error_set(err, -EINVAL, "byte %zu: not JSON: %s", e->pos + 1, e->msg);
}

int json_parse_in_place(char *text, size_t len, struct arena *a, yyjson_doc **ret, struct error *err)
{
        const yyjson_alc alc = json_arena_alc(a);
        yyjson_read_err failure = { 0 };
        yyjson_doc *doc;

        if (len == 0)
                return error_set(err, -EINVAL, "not JSON: the text is empty");
        memset(text + len, 0, JSON_READ_PADDING);
        doc = yyjson_read_opts(text, len, YYJSON_READ_INSITU, &alc, &failure);
        if (!doc)
                return report_in_place(a, &failure, err);
        if (is_too_deep(doc))
                return error_set(err, -EINVAL, "more than %d objects and arrays within each other",
                                 JSON_READ_DEPTH_MAX);
        *ret = doc;
        return 0;
}

int json_parse_arena(struct str text, struct arena *a, yyjson_doc **ret, struct error *err)
{
        char *copy =
                text.len > SIZE_MAX - JSON_READ_PADDING ? NULL : arena_alloc(a, text.len + JSON_READ_PADDING);

        if (!copy)
                return a->full ? error_set(err, -EMSGSIZE, "has too many bytes")
                               : error_set(err, -ENOMEM, "out of memory");
        if (text.len)
                memcpy(copy, text.data, text.len);
        return json_parse_in_place(copy, text.len, a, ret, err);
}

void json_docp_free(yyjson_doc **doc)
{
        yyjson_doc_free(*doc);
        *doc = NULL;
}

struct str json_val_str(yyjson_val *value)
{
        return yyjson_is_str(value) ? str_n(yyjson_get_str(value), yyjson_get_len(value)) : STR_NULL;
}

bool json_val_whole(yyjson_val *value, int64_t *ret)
{
        static const double last = 9007199254740991.0;
        double real = yyjson_get_real(value);

        if (yyjson_is_real(value) && real >= -last && real <= last && real == (double)(int64_t)real) {
                *ret = (int64_t)real;
                return true;
        }
        if (!yyjson_is_int(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX))
                return false;
        *ret = yyjson_get_sint(value);
        return true;
}

struct str json_get_str(yyjson_val *object, const char *key)
{
        return json_val_str(yyjson_obj_get(object, key));
}

int64_t json_val_int(yyjson_val *value, int64_t fallback)
{
        if (!yyjson_is_int(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX))
                return fallback;
        return yyjson_get_sint(value);
}

int64_t json_get_int(yyjson_val *object, const char *key, int64_t fallback)
{
        return json_val_int(yyjson_obj_get(object, key), fallback);
}

bool json_get_bool(yyjson_val *object, const char *key, bool fallback)
{
        yyjson_val *v = yyjson_obj_get(object, key);

        return yyjson_is_bool(v) ? yyjson_get_bool(v) : fallback;
}

int json_pick(yyjson_val *object, const char *where, const char *const *names, size_t n, yyjson_val **ret,
              struct error *err)
{
        yyjson_val *key, *value;
        size_t at, n_members;

        if (!yyjson_is_obj(object))
                return error_set(err, -EINVAL, "%s must be an object", where);
        yyjson_obj_foreach (object, at, n_members, key, value) {
                for (size_t i = 0; i < n; i++) {
                        if (!str_eq_c(json_val_str(key), names[i]))
                                continue;
                        if (ret[i])
                                return error_set(err, -EINVAL, "%s has \"%s\" twice", where, names[i]);
                        ret[i] = value;
                }
        }
        for (size_t i = 0; i < n; i++)
                if (yyjson_is_null(ret[i]))
                        ret[i] = NULL;
        return 0;
}

yyjson_val *json_get_path(yyjson_val *value, const char *pointer)
{
        return yyjson_ptr_get(value, pointer);
}
