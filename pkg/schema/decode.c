/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "json/read.h"
#include "schema/layout.h"
#include "schema/nearest.h"
#include "schema/pattern.h"

/* Where a value stands, as a chain on the stack; it becomes text only when
 * something is wrong. */
struct place {
        const struct place *up;
        struct str name; /* a field, or the key of a map */
        size_t index;    /* of a list's element, where name is absent */
};

struct decoder {
        struct arena *arena;
        enum schema_flags flags;
        struct str root;
        struct error *err;         /* the first that is wrong; or */
        struct problems *problems; /* all that is; either may be NULL */
};

static int decode_fields(const struct decoder *d, const struct schema *s, yyjson_val *json,
                         const struct place *at, void *to);
static int decode_value(const struct decoder *d, const struct schema_field *f, yyjson_val *json,
                        const struct place *at, void *to);

/* --- errors ---------------------------------------------------------------- */

#define PATH_MAX_BYTES sizeof(((struct error *)NULL)->path)

static void add_to_path(char path[PATH_MAX_BYTES], const char *format, ...) _printf_(2, 3);
static void add_to_path(char path[PATH_MAX_BYTES], const char *format, ...)
{
        size_t len = strlen(path);
        va_list args;

        va_start(args, format);
        vsnprintf(path + len, PATH_MAX_BYTES - len, format, args);
        va_end(args);
}

static void write_path(const struct decoder *d, const struct place *at, char path[PATH_MAX_BYTES])
{
        if (!at) {
                add_to_path(path, "%.*s", STR_FMT(d->root));
                return;
        }
        write_path(d, at->up, path);
        if (!at->name.data)
                add_to_path(path, "[%zu]", at->index);
        else
                add_to_path(path, "%s%.*s", path[0] ? "." : "", STR_FMT(at->name));
}

/* What is said from now on is not told any more. */
static bool is_enough(const struct decoder *d)
{
        return d->problems && d->problems->n == PROBLEMS_MAX;
}

static int fail(const struct decoder *d, const struct place *at, const char *format, ...) _printf_(3, 4);
static int fail(const struct decoder *d, const struct place *at, const char *format, ...)
{
        char path[PATH_MAX_BYTES] = "", message[sizeof(d->err->message)];
        va_list args;

        if (is_enough(d))
                problem_add(d->problems, STR_NULL, " "); /* which only counts */
        if (is_enough(d) || (!d->err && !d->problems))
                return -EINVAL;
        write_path(d, at, path);
        va_start(args, format);
        vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        if (d->problems)
                problem_add(d->problems, arena_str(d->arena, str_c(path)), "%s", message);
        return error_set_at(d->err, -EINVAL, str_c(path), "%s", message);
}

/* R is what became of a part of an object, list or map. May the next one be looked at? */
static int next_part(const struct decoder *d, int r)
{
        return r == -EINVAL && d->problems ? 0 : r;
}

static int no_memory(const struct decoder *d)
{
        return error_set(d->err, -ENOMEM, "out of memory");
}

static int wrong_type(const struct decoder *d, const struct place *at, const char *wanted, yyjson_val *json)
{
        const char *is = "an object";

        if (yyjson_is_null(json))
                is = "null";
        else if (yyjson_is_bool(json))
                is = "a boolean";
        else if (yyjson_is_uint(json) && yyjson_get_uint(json) > INT64_MAX)
                is = "a number that is too large";
        else if (yyjson_is_int(json))
                is = "an integer";
        else if (yyjson_is_num(json))
                is = "a fraction";
        else if (yyjson_is_str(json))
                is = "a string";
        else if (yyjson_is_arr(json))
                is = "a list";
        return fail(d, at, "must be %s (is %s)", wanted, is);
}

static int unknown_field(const struct decoder *d, const struct schema *s, const struct place *at)
{
        struct str near = is_enough(d) ? STR_NULL : schema_nearest_field(s, at->name);

        if (near.data)
                return fail(d, at, "is not a known field; did you mean \"%.*s\"?", STR_FMT(near));
        return fail(d, at, "is not a known field");
}

static int not_in_enum(const struct decoder *d, const struct schema_field *f, const struct place *at,
                       struct str is)
{
        char list[512] = "";
        size_t len = 0;

        for (size_t i = 0; i < f->n_values && len < sizeof(list); i++)
                len += (size_t)snprintf(list + len, sizeof(list) - len, "%s\"%.*s\"", i ? ", " : "",
                                        STR_FMT(f->values[i]));
        return fail(d, at, "must be one of %s (is \"%.*s\")", list, STR_SHOWN(is));
}

/* --- values ---------------------------------------------------------------- */

/* Unicode characters: every byte but those that continue one. */
static size_t characters(struct str s)
{
        size_t n = 0;

        for (size_t i = 0; i < s.len; i++)
                n += ((unsigned char)s.data[i] & 0xc0) != 0x80;
        return n;
}

/* What is counted, in words. */
struct unit {
        const char *must, *is, *one, *many;
};

static const struct unit in_characters = { "be", "is", "character", "characters" };
static const struct unit in_items = { "have", "has", "item", "items" };
static const struct unit in_entries = { "have", "has", "entry", "entries" };

static int check_length(const struct decoder *d, const struct schema_field *f, const struct place *at,
                        size_t n, const struct unit *u)
{
        bool too_short = n < f->min_length, too_long = f->max_length && n > f->max_length;
        size_t bound = too_short ? f->min_length : f->max_length;

        if (!too_short && !too_long)
                return 0;
        return fail(d, at, "must %s %s %zu %s (%s %zu)", u->must, too_short ? "at least" : "at most", bound,
                    bound == 1 ? u->one : u->many, u->is, n);
}

static int check_pattern(const struct decoder *d, const struct schema_field *f, const struct place *at,
                         struct str s)
{
        struct str words = schema_pattern_words(f->pattern);
        int r = schema_match(f->pattern, s);

        if (r < 0)
                return no_memory(d);
        if (r > 0)
                return 0;
        if (words.data)
                return fail(d, at, "%.*s (is \"%.*s\")", STR_FMT(words), STR_SHOWN(s));
        return fail(d, at, "must match %.*s (is \"%.*s\")", STR_FMT(f->pattern), STR_SHOWN(s));
}

static int check_string(const struct decoder *d, const struct schema_field *f, const struct place *at,
                        struct str s)
{
        int r;

        if (f->min_length || (f->max_length && s.len > f->max_length)) {
                r = check_length(d, f, at, characters(s), &in_characters);
                if (r < 0)
                        return r;
        }
        if ((d->flags & SCHEMA_OFFLINE) && f->pattern.data) {
                r = check_pattern(d, f, at, s);
                if (r < 0)
                        return r;
        }
        if (f->n_values == 0)
                return 0;
        for (size_t i = 0; i < f->n_values; i++)
                if (str_eq(s, f->values[i]))
                        return 0;
        return not_in_enum(d, f, at, s);
}

static int keep_string(const struct decoder *d, struct str s, struct str *to)
{
        *to = d->flags & SCHEMA_BORROW ? s : arena_str(d->arena, s);
        return to->data ? 0 : no_memory(d);
}

static int decode_string(const struct decoder *d, const struct schema_field *f, yyjson_val *json,
                         const struct place *at, struct str *to)
{
        bool or_int = f->type != SCHEMA_STRING;
        struct str s = json_val_str(json);
        int64_t n;
        int r;

        if (or_int && json_val_whole(json, &n)) {
                *to = arena_printf(d->arena, "%lld", (long long)n);
                return to->data ? 0 : no_memory(d);
        }
        if (!s.data)
                return wrong_type(d, at, or_int ? "a string or an integer" : "a string", json);
        r = check_string(d, f, at, s);
        return r < 0 ? r : keep_string(d, s, to);
}

static int decode_int(const struct decoder *d, const struct schema_field *f, yyjson_val *json,
                      const struct place *at, int64_t *to)
{
        int64_t n;

        if (yyjson_is_uint(json) && yyjson_get_uint(json) > INT64_MAX)
                return fail(d, at, "must be at most %lld (is %llu)", (long long)f->maximum,
                            (unsigned long long)yyjson_get_uint(json));
        if (!json_val_whole(json, &n))
                return wrong_type(d, at, "an integer", json);
        if (n < f->minimum)
                return fail(d, at, "must be at least %lld (is %lld)", (long long)f->minimum, (long long)n);
        if (n > f->maximum)
                return fail(d, at, "must be at most %lld (is %lld)", (long long)f->maximum, (long long)n);
        *to = n;
        return 0;
}

static int decode_object(const struct decoder *d, const struct schema *s, yyjson_val *json,
                         const struct place *at, void **to)
{
        void *object = arena_alloc(d->arena, s->size);
        int r;

        if (!object)
                return no_memory(d);
        r = decode_fields(d, s, json, at, object);
        if (r < 0)
                return r;
        *to = object;
        return 0;
}

/* An element lies in the list itself, be it an object or not. */
static int decode_element(const struct decoder *d, const struct schema_field *element, yyjson_val *json,
                          const struct place *at, void *to)
{
        if (element->type == SCHEMA_OBJECT)
                return decode_fields(d, element->object, json, at, to);
        return decode_value(d, element, json, at, to);
}

/* What tells an item from the others. */
static struct str key_of(const struct schema_field *list, yyjson_val *item)
{
        return json_val_str(list->key.len ? yyjson_obj_getn(item, list->key.data, list->key.len) : item);
}

/* Those that are no strings are left to the type's own check. */
static bool is_repeated(const struct schema_field *f, yyjson_val *list, yyjson_val *item)
{
        struct str key = key_of(f, item);
        yyjson_val *one;
        size_t i, n;

        yyjson_arr_foreach (list, i, n, one) {
                if (one == item || !key.data)
                        return false;
                if (str_eq(key, key_of(f, one)))
                        return true;
        }
        return false;
}

/* No key twice. */
static int check_keys(const struct decoder *d, const struct schema_field *f, yyjson_val *json,
                      const struct place *at)
{
        size_t i, n;
        yyjson_val *item;
        int r = 0;

        yyjson_arr_foreach (json, i, n, item) {
                struct place here = { .up = at, .index = i }, field = { .up = &here, .name = f->key };
                struct str key = key_of(f, item);

                if (r == 0 && is_repeated(f, json, item))
                        r = next_part(d, fail(d, f->key.len ? &field : &here,
                                              "%.*s is in the list twice; take one of them out",
                                              STR_SHOWN(key)));
        }
        return r;
}

static int decode_list(const struct decoder *d, const struct schema_field *f, yyjson_val *json,
                       const struct place *at, struct schema_list *to)
{
        size_t size = schema_element_size(f->element), i, n;
        yyjson_val *item;
        char *items;
        int r;

        if (!yyjson_is_arr(json))
                return wrong_type(d, at, "a list", json);
        n = yyjson_arr_size(json);
        r = check_length(d, f, at, n, &in_items);
        if (r == 0 && (d->flags & SCHEMA_OFFLINE) && f->key.data)
                r = check_keys(d, f, json, at);
        if (r < 0)
                return r;
        items = arena_alloc_n(d->arena, n, size);
        if (!items)
                return no_memory(d);
        yyjson_arr_foreach (json, i, n, item) {
                struct place here = { .up = at, .index = i };

                r = next_part(d, decode_element(d, f->element, item, &here, items + i * size));
                if (r < 0)
                        return r;
        }
        to->items = items;
        to->n = n;
        return 0;
}

static int decode_map(const struct decoder *d, const struct schema_field *f, yyjson_val *json,
                      const struct place *at, struct schema_map *to)
{
        struct schema_pair *pairs;
        yyjson_val *key, *value;
        size_t i, n, used = 0;
        int r;

        if (!yyjson_is_obj(json))
                return wrong_type(d, at, "an object", json);
        n = yyjson_obj_size(json);
        r = check_length(d, f, at, n, &in_entries);
        if (r < 0)
                return r;
        pairs = arena_new_n(d->arena, struct schema_pair, n);
        if (!pairs)
                return no_memory(d);
        yyjson_obj_foreach (json, i, n, key, value) {
                struct place here = { .up = at, .name = json_val_str(key) };

                if (yyjson_is_null(value))
                        continue;
                r = keep_string(d, here.name, &pairs[used].key);
                if (r == 0)
                        r = next_part(d, decode_value(d, f->element, value, &here, &pairs[used].value));
                if (r < 0)
                        return r;
                used++;
        }
        to->items = pairs;
        to->n = used;
        return 0;
}

static int decode_raw(const struct decoder *d, yyjson_val *json, struct str *to)
{
        size_t n;
        char *text = yyjson_val_write_opts(json, 0, &json_alc, &n, NULL);

        if (!text)
                return no_memory(d);
        *to = arena_str(d->arena, str_n(text, n));
        json_alc.free(NULL, text);
        return to->data ? 0 : no_memory(d);
}

static int decode_value(const struct decoder *d, const struct schema_field *f, yyjson_val *json,
                        const struct place *at, void *to)
{
        switch (f->type) {
        case SCHEMA_STRING:
        case SCHEMA_INT_OR_STRING:
        case SCHEMA_QUANTITY:
                return decode_string(d, f, json, at, to);
        case SCHEMA_INT:
                return decode_int(d, f, json, at, to);
        case SCHEMA_BOOL:
                if (!yyjson_is_bool(json))
                        return wrong_type(d, at, "true or false", json);
                *(bool *)to = yyjson_get_bool(json);
                return 0;
        case SCHEMA_OBJECT:
                return decode_object(d, f->object, json, at, to);
        case SCHEMA_LIST:
                return decode_list(d, f, json, at, to);
        case SCHEMA_MAP:
                return decode_map(d, f, json, at, to);
        case SCHEMA_RAW:
                return decode_raw(d, json, to);
        }
        return fail(d, at, "has a type that is not known");
}

/* --- defaults -------------------------------------------------------------- */

static int decode_default_json(const struct decoder *d, const struct schema_field *f, const struct place *at,
                               void *to)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct decoder copying = *d;
        int r = json_parse(f->default_text, &doc, d->err);

        if (r < 0)
                return r;
        copying.flags &= ~(unsigned)SCHEMA_BORROW; /* this document ends here */
        return decode_value(&copying, f, yyjson_doc_get_root(doc), at, to);
}

static int apply_default(const struct decoder *d, const struct schema_field *f, const struct place *at,
                         void *to)
{
        switch (f->type) {
        case SCHEMA_STRING:
        case SCHEMA_INT_OR_STRING:
        case SCHEMA_QUANTITY:
        case SCHEMA_RAW:
                *(struct str *)to = f->default_text; /* static: need not be copied */
                return 0;
        case SCHEMA_INT:
                if (str_to_int64(f->default_text, to) < 0)
                        return fail(d, at, "has a default that is not an integer");
                return 0;
        case SCHEMA_BOOL:
                *(bool *)to = str_eq(f->default_text, STR("true"));
                return 0;
        case SCHEMA_OBJECT:
                if (str_eq(f->default_text, STR("{}")))
                        return decode_object(d, f->object, NULL, at, to);
                break;
        case SCHEMA_LIST:
        case SCHEMA_MAP:
                break;
        }
        return decode_default_json(d, f, at, to);
}

/* --- objects --------------------------------------------------------------- */

static void mark_present(const struct schema_field *f, void *object)
{
        if (f->has_offset != SCHEMA_NO_OFFSET)
                *(bool *)schema_at(object, f->has_offset) = true;
}

static int fill_absent(const struct decoder *d, const struct schema_field *f, const struct place *up,
                       void *object)
{
        struct place here = { .up = up, .name = f->name };
        int r;

        if (f->default_text.data) {
                r = apply_default(d, f, &here, schema_at(object, f->offset));
                if (r == 0)
                        mark_present(f, object);
                return r;
        }
        return f->required ? fail(d, &here, "is required") : 0;
}

/* The field called NAME, or n_fields. Objects mostly come in the table's order,
 * so the search begins at NEXT, behind the field that was found last. */
static size_t find_field(const struct schema *s, struct str name, size_t next)
{
        for (size_t i = next; i < s->n_fields; i++)
                if (str_eq(s->fields[i].name, name))
                        return i;
        for (size_t i = 0; i < next; i++)
                if (str_eq(s->fields[i].name, name))
                        return i;
        return s->n_fields;
}

const struct schema_field *schema_find(const struct schema *s, struct str name)
{
        size_t i = s ? find_field(s, name, 0) : 0;

        return s && i < s->n_fields ? &s->fields[i] : NULL;
}

/* NEXT is the field that is expected, and then the one behind this. */
static int decode_member(const struct decoder *d, const struct schema *s, yyjson_val *value,
                         const struct place *here, void *to, bool *seen, size_t *next)
{
        size_t i = find_field(s, here->name, *next);

        if (i == s->n_fields)
                return d->flags & SCHEMA_STRICT ? unknown_field(d, s, here) : 0;
        *next = i + 1;
        if (seen[i] && (d->flags & SCHEMA_STRICT))
                return fail(d, here, "is set twice");
        if (yyjson_is_null(value))
                return 0;
        seen[i] = true;
        mark_present(&s->fields[i], to);
        return decode_value(d, &s->fields[i], value, here, schema_at(to, s->fields[i].offset));
}

static int decode_members(const struct decoder *d, const struct schema *s, yyjson_val *json,
                          const struct place *at, void *to, bool *seen)
{
        yyjson_obj_iter members = yyjson_obj_iter_with(json);
        size_t next = 0;
        yyjson_val *key;
        int r = 0;

        while (r == 0 && (key = yyjson_obj_iter_next(&members))) {
                struct place here = { .up = at, .name = json_val_str(key) };

                r = next_part(d, decode_member(d, s, yyjson_obj_iter_get_val(key), &here, to, seen, &next));
        }
        return r;
}

/* JSON may be NULL for an object without members. */
static int decode_fields(const struct decoder *d, const struct schema *s, yyjson_val *json,
                         const struct place *at, void *to)
{
        bool seen[SCHEMA_FIELDS_MAX];
        int r;

        if (s->n_fields > SCHEMA_FIELDS_MAX)
                return fail(d, at, "has more than %d fields", SCHEMA_FIELDS_MAX);
        memset(seen, 0, s->n_fields);
        if (json) {
                if (!yyjson_is_obj(json))
                        return wrong_type(d, at, "an object", json);
                r = decode_members(d, s, json, at, to, seen);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < s->n_fields; i++) {
                if (seen[i])
                        continue;
                r = next_part(d, fill_absent(d, &s->fields[i], at, to));
                if (r < 0)
                        return r;
        }
        return 0;
}

int schema_decode(const struct schema *s, yyjson_val *json, struct str path, enum schema_flags flags,
                  struct arena *a, void **ret, struct error *err)
{
        const struct decoder d = { .arena = a, .flags = flags, .root = path, .err = err };

        if (!json)
                return fail(&d, NULL, "is required");
        return decode_object(&d, s, json, NULL, ret);
}

int schema_decode_all(const struct schema *s, yyjson_val *json, struct str path, enum schema_flags flags,
                      struct arena *a, void **ret, struct problems *problems)
{
        const struct decoder d = { .arena = a, .flags = flags, .root = path, .problems = problems };
        size_t before = problems->n + problems->more;
        int r = json ? decode_object(&d, s, json, NULL, ret) : fail(&d, NULL, "is required");

        return r == 0 && problems->n + problems->more > before ? -EINVAL : r;
}
