/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gen/model.h"

#include <ctype.h>
#include <errno.h>

#include "json/read.h"
#include "tools/gen/text.h"

struct reader {
        struct gen_model *model;
        struct error *err;
};

static int read_type(const struct reader *r, yyjson_val *schema, struct str c_name, struct str path,
                     struct gen_type *ret);

/* --- words of a schema ----------------------------------------------------- */

/* What each kind of value may say about itself, besides COMMON. */
static const char *const common_words[] = { "type", "description", "default", "x-kubernetes-validations",
                                            NULL };
static const char *const string_words[] = { "format", "enum", "minLength", "maxLength", "pattern", NULL };
static const char *const int_words[] = { "format", "minimum", "maximum", NULL };
static const char *const bool_words[] = { NULL };
static const char *const int_or_string_words[] = { "x-kubernetes-int-or-string", "anyOf", "pattern",
                                                   "maxLength", NULL };
static const char *const list_words[] = {
        "items", "minItems", "maxItems", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", NULL
};
static const char *const object_words[] = { "properties", "required", "x-kubernetes-map-type", NULL };
static const char *const map_words[] = { "additionalProperties", "minProperties", "maxProperties",
                                         "x-kubernetes-map-type", NULL };
static const char *const raw_words[] = { "x-kubernetes-preserve-unknown-fields", NULL };

static bool is_listed(const char *const *words, struct str word)
{
        for (; *words; words++)
                if (str_eq_c(word, *words))
                        return true;
        return false;
}

static int refuse(const struct reader *r, struct str path, const char *word, const char *why)
{
        return error_set_at(r->err, -EINVAL, path, "\"%s\" %s", word, why);
}

static int check_words(const struct reader *r, yyjson_val *schema, const char *const *words, struct str path)
{
        yyjson_obj_iter members = yyjson_obj_iter_with(schema);
        yyjson_val *key;

        while ((key = yyjson_obj_iter_next(&members))) {
                struct str word = json_val_str(key);

                if (!is_listed(common_words, word) && !is_listed(words, word))
                        return error_set_at(r->err, -EINVAL, path,
                                            "\"%.*s\" is not something that keelson-gen understands here",
                                            STR_FMT(word));
        }
        return 0;
}

static int no_memory(const struct reader *r)
{
        return error_set(r->err, -ENOMEM, "out of memory");
}

/* A whole number that WORD may give, between LOW and HIGH. */
static int read_number(const struct reader *r, yyjson_val *schema, const char *word, int64_t low,
                       int64_t high, struct str path, int64_t *ret)
{
        yyjson_val *v = yyjson_obj_get(schema, word);
        int64_t n;

        if (!v)
                return 0;
        if (!yyjson_is_int(v) || (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX))
                return refuse(r, path, word, "must be a whole number");
        n = yyjson_get_sint(v);
        if (n < low || n > high)
                return refuse(r, path, word, "is out of range");
        *ret = n;
        return 0;
}

static int read_length(const struct reader *r, yyjson_val *schema, const char *least, const char *most,
                       struct str path, struct gen_type *t)
{
        int64_t low = 0, high = 0;
        int x;

        /* A most of 0 means none in the tables, and helps nobody in a schema. */
        x = read_number(r, schema, least, 0, INT32_MAX, path, &low);
        if (x == 0)
                x = read_number(r, schema, most, 1, INT32_MAX, path, &high);
        if (x < 0)
                return x;
        if (high && low > high)
                return refuse(r, path, least, "is more than the most");
        t->min_length = (size_t)low;
        t->max_length = (size_t)high;
        return 0;
}

static int read_strings(const struct reader *r, yyjson_val *list, const char *word, struct str path,
                        const struct str **ret, size_t *ret_n)
{
        struct str *values;
        yyjson_val *v;
        size_t i, n;

        if (!yyjson_is_arr(list) || yyjson_arr_size(list) == 0)
                return refuse(r, path, word, "must be a list of strings");
        values = arena_new_n(r->model->arena, struct str, yyjson_arr_size(list));
        if (!values)
                return no_memory(r);
        yyjson_arr_foreach (list, i, n, v) {
                values[i] = json_val_str(v);
                if (!values[i].data)
                        return refuse(r, path, word, "must be a list of strings");
        }
        *ret = values;
        *ret_n = n;
        return 0;
}

static int read_rules(const struct reader *r, yyjson_val *schema, struct str path, struct gen_rule **ret)
{
        static const char *const words[] = { "rule",   "message",   "messageExpression",
                                             "reason", "fieldPath", "optionalOldSelf",
                                             NULL };
        yyjson_val *list = yyjson_obj_get(schema, "x-kubernetes-validations"), *v;
        struct gen_rule **next = ret;
        size_t i, n;

        yyjson_arr_foreach (list, i, n, v) {
                struct gen_rule *rule = arena_new(r->model->arena, struct gen_rule);
                yyjson_obj_iter members = yyjson_obj_iter_with(v);
                yyjson_val *key;

                if (!rule)
                        return no_memory(r);
                while ((key = yyjson_obj_iter_next(&members)))
                        if (!is_listed(words, json_val_str(key)))
                                return refuse(r, path, "x-kubernetes-validations", "has an unknown member");
                rule->rule = json_get_str(v, "rule");
                rule->message = json_get_str(v, "message");
                rule->field = json_get_str(v, "fieldPath");
                if (!rule->rule.data || !rule->message.data)
                        return refuse(r, path, "x-kubernetes-validations",
                                      "needs a rule and a message in each item");
                *next = rule;
                next = &rule->next;
        }
        return 0;
}

/* --- values ---------------------------------------------------------------- */

/* From a "[" to behind its "]"; 0 where there is a backslash in it, which POSIX
 * takes for itself and RE2 does not. */
static size_t bracket_end(struct str p, size_t i)
{
        i += i + 1 < p.len && p.data[i + 1] == '^' ? 2 : 1;
        for (size_t first = i; i < p.len; i++) {
                if (p.data[i] == '\\')
                        return 0;
                if (p.data[i] == '[' && i + 1 < p.len && p.data[i + 1] == ':')
                        i += 2 + (size_t)MAX(str_index(str_n(p.data + i + 2, p.len - i - 2), ']'), 0);
                else if (p.data[i] == ']' && i > first)
                        return i + 1;
        }
        return 0;
}

/* Do RE2 and POSIX read it alike? Without \s and the like, and lazy repetition. */
static bool is_common(struct str p)
{
        for (size_t i = 0; i < p.len;) {
                char c = p.data[i], next = i + 1 < p.len ? p.data[i + 1] : '\0';

                if (c == '[') {
                        i = bracket_end(p, i);
                        if (i == 0)
                                return false;
                        continue;
                }
                if ((c == '\\' && isalnum((unsigned char)next)) || (c == '(' && next == '?') ||
                    (strchr("*+?}", c) && (next == '?' || next == '+')))
                        return false;
                i += c == '\\' ? 2 : 1;
        }
        return true;
}

static int read_string(const struct reader *r, yyjson_val *schema, struct str path, struct gen_type *t)
{
        static const char *const formats[] = { "date-time", "duration", "byte", "uri",
                                               "hostname",  "ipv4",     "ipv6", "cidr",
                                               "uuid",      "quantity", NULL };
        yyjson_val *values = yyjson_obj_get(schema, "enum");
        int x = check_words(r, schema, string_words, path);

        t->type = SCHEMA_STRING;
        t->pattern = json_get_str(schema, "pattern");
        t->format = json_get_str(schema, "format");
        if (x == 0 && t->format.data && !is_listed(formats, t->format))
                return refuse(r, path, "format", "is none that keelson-gen knows for a string");
        if (str_eq(t->format, STR("quantity")))
                t->type = SCHEMA_QUANTITY;
        if (x == 0 && !is_common(t->pattern))
                return refuse(
                        r, path, "pattern",
                        "must mean the same to RE2 and to POSIX: no \\s, \\d or \\w (write [[:space:]]), no "
                        "backslash in brackets, no lazy repetition");
        if (x == 0)
                x = read_length(r, schema, "minLength", "maxLength", path, t);
        if (x == 0 && values)
                x = read_strings(r, values, "enum", path, &t->values, &t->n_values);
        return x;
}

static int read_int(const struct reader *r, yyjson_val *schema, struct str path, struct gen_type *t)
{
        int x = check_words(r, schema, int_words, path);

        t->type = SCHEMA_INT;
        t->format = json_get_str(schema, "format");
        if (str_eq(t->format, STR("int32"))) {
                t->minimum = INT32_MIN;
                t->maximum = INT32_MAX;
        } else if (t->format.data && !str_eq(t->format, STR("int64"))) {
                return refuse(r, path, "format", "must be int32 or int64 for an integer");
        }
        if (x == 0)
                x = read_number(r, schema, "minimum", INT64_MIN, INT64_MAX, path, &t->minimum);
        if (x == 0)
                x = read_number(r, schema, "maximum", INT64_MIN, INT64_MAX, path, &t->maximum);
        if (x == 0 && t->minimum > t->maximum)
                return refuse(r, path, "minimum", "is more than the maximum");
        return x;
}

/* A quantity is an integer or a string with the pattern that every CRD of
 * Kubernetes' own tools has for one. */
static int read_int_or_string(const struct reader *r, yyjson_val *schema, struct str path, struct gen_type *t)
{
        int x = check_words(r, schema, int_or_string_words, path);

        t->pattern = json_get_str(schema, "pattern");
        t->type = str_starts(t->pattern, STR("^(\\+|-)?(([0-9]+")) ? SCHEMA_QUANTITY : SCHEMA_INT_OR_STRING;
        if (x == 0)
                x = read_length(r, schema, "minLength", "maxLength", path, t);
        return x;
}

static int read_list(const struct reader *r, yyjson_val *schema, struct str c_name, struct str path,
                     struct gen_type *t)
{
        yyjson_val *items = yyjson_obj_get(schema, "items"), *keys;
        int x = check_words(r, schema, list_words, path);

        t->type = SCHEMA_LIST;
        t->element = arena_new(r->model->arena, struct gen_type);
        if (!t->element)
                return no_memory(r);
        if (x == 0 && !items)
                return refuse(r, path, "items", "is missing");
        if (x == 0)
                x = read_length(r, schema, "minItems", "maxItems", path, t);
        keys = yyjson_obj_get(schema, "x-kubernetes-list-map-keys");
        /* No CRD of ours has several; those the API server alone would check. */
        if (str_eq(json_get_str(schema, "x-kubernetes-list-type"), STR("set")))
                t->key = STR("");
        else if (yyjson_arr_size(keys) == 1)
                t->key = json_val_str(yyjson_arr_get_first(keys));
        for (size_t i = 0; x == 0 && i < yyjson_arr_size(keys); i++)
                t->list_keys = arena_printf(r->model->arena, "%.*s%s%.*s", STR_FMT(t->list_keys),
                                            i ? ", " : "", STR_FMT(json_val_str(yyjson_arr_get(keys, i))));
        if (x == 0)
                x = read_type(r, items, c_name, arena_printf(r->model->arena, "%.*s[]", STR_FMT(path)),
                              t->element);
        if (x == 0 && (t->element->type == SCHEMA_LIST || t->element->type == SCHEMA_MAP))
                return refuse(r, path, "items", "must not be lists or maps");
        return x;
}

static int read_map(const struct reader *r, yyjson_val *schema, struct str c_name, struct str path,
                    struct gen_type *t)
{
        yyjson_val *values = yyjson_obj_get(schema, "additionalProperties");
        int x = check_words(r, schema, map_words, path);

        t->type = SCHEMA_MAP;
        t->element = arena_new(r->model->arena, struct gen_type);
        if (!t->element)
                return no_memory(r);
        if (x == 0)
                x = read_length(r, schema, "minProperties", "maxProperties", path, t);
        if (x == 0)
                x = read_type(r, values, c_name, arena_printf(r->model->arena, "%.*s[KEY]", STR_FMT(path)),
                              t->element);
        if (x < 0)
                return x;
        if (t->element->type != SCHEMA_STRING && t->element->type != SCHEMA_INT_OR_STRING &&
            t->element->type != SCHEMA_QUANTITY)
                return refuse(r, path, "additionalProperties", "must be strings or quantities");
        return 0;
}

static bool is_true(yyjson_val *schema, const char *word)
{
        return json_get_bool(schema, word, false);
}

static int read_by_type(const struct reader *r, yyjson_val *schema, struct str c_name, struct str path,
                        struct gen_type *t)
{
        struct str type = json_get_str(schema, "type");

        if (is_true(schema, "x-kubernetes-int-or-string"))
                return read_int_or_string(r, schema, path, t);
        if (is_true(schema, "x-kubernetes-preserve-unknown-fields")) {
                t->type = SCHEMA_RAW;
                return check_words(r, schema, raw_words, path);
        }
        if (str_eq(type, STR("string")))
                return read_string(r, schema, path, t);
        if (str_eq(type, STR("integer")))
                return read_int(r, schema, path, t);
        if (str_eq(type, STR("boolean"))) {
                t->type = SCHEMA_BOOL;
                return check_words(r, schema, bool_words, path);
        }
        if (str_eq(type, STR("array")))
                return read_list(r, schema, c_name, path, t);
        if (!str_eq(type, STR("object")))
                return error_set_at(r->err, -EINVAL, path,
                                    "the type \"%.*s\" is not one of string, integer, boolean, array, object",
                                    STR_FMT(type));
        if (yyjson_obj_get(schema, "additionalProperties"))
                return read_map(r, schema, c_name, path, t);
        t->type = SCHEMA_OBJECT;
        return gen_model_add(r->model, schema, c_name, path, &t->object, r->err);
}

static int read_default(const struct reader *r, yyjson_val *schema, struct str path, struct gen_type *t)
{
        yyjson_val *v = yyjson_obj_get(schema, "default");
        bool fits = false;
        char *text;
        size_t n;

        if (!v)
                return 0;
        switch (t->type) {
        case SCHEMA_STRING:
                fits = yyjson_is_str(v);
                break;
        case SCHEMA_INT_OR_STRING:
        case SCHEMA_QUANTITY:
                fits = yyjson_is_str(v) || yyjson_is_int(v);
                break;
        case SCHEMA_INT:
                fits = yyjson_is_int(v) && (!yyjson_is_uint(v) || yyjson_get_uint(v) <= INT64_MAX) &&
                       yyjson_get_sint(v) >= t->minimum && yyjson_get_sint(v) <= t->maximum;
                break;
        case SCHEMA_BOOL:
                fits = yyjson_is_bool(v);
                break;
        case SCHEMA_OBJECT:
        case SCHEMA_MAP:
                fits = yyjson_is_obj(v);
                break;
        case SCHEMA_LIST:
                fits = yyjson_is_arr(v);
                break;
        case SCHEMA_RAW:
                fits = true;
        }
        if (!fits)
                return refuse(r, path, "default", "does not fit the type and its bounds");
        if (yyjson_is_str(v) && t->type != SCHEMA_RAW) {
                t->default_text = json_val_str(v);
                return 0;
        }
        text = yyjson_val_write_opts(v, 0, &json_alc, &n, NULL);
        if (!text)
                return no_memory(r);
        t->default_text = arena_str(r->model->arena, str_n(text, n));
        json_alc.free(NULL, text);
        return t->default_text.data ? 0 : no_memory(r);
}

static int read_type(const struct reader *r, yyjson_val *schema, struct str c_name, struct str path,
                     struct gen_type *ret)
{
        struct gen_type t = { .minimum = INT64_MIN, .maximum = INT64_MAX };
        int x;

        if (!yyjson_is_obj(schema))
                return error_set_at(r->err, -EINVAL, path, "must be a schema (an object with a \"type\")");
        t.description = json_get_str(schema, "description");
        x = read_by_type(r, schema, c_name, path, &t);
        if (x == 0)
                x = read_default(r, schema, path, &t);
        if (x == 0 && t.type != SCHEMA_OBJECT) /* an object has its own */
                x = read_rules(r, schema, path, &t.rules);
        if (x < 0)
                return x;
        *ret = t;
        return 0;
}

/* --- objects --------------------------------------------------------------- */

/* The fields of metav1.Condition and no others. */
static bool is_condition(const struct gen_object *o)
{
        static const char *const names[] = {
                "type", "status", "reason", "message", "lastTransitionTime", "observedGeneration", NULL
        };

        if (o->n_fields != ARRAY_SIZE(names) - 1)
                return false;
        for (size_t i = 0; i < o->n_fields; i++)
                if (!is_listed(names, o->fields[i].json_name))
                        return false;
        return true;
}

static int check_c_names(const struct reader *r, const struct gen_object *o)
{
        for (size_t i = 0; i < o->n_fields; i++) {
                for (size_t k = 0; k < o->n_fields; k++) {
                        const struct gen_field *f = &o->fields[k];
                        struct str flag = f->c_name;

                        if (k != i && str_eq(o->fields[i].c_name, flag))
                                return error_set_at(r->err, -EINVAL, o->path,
                                                    "two fields are called %.*s in C", STR_FMT(flag));
                        if (f->has_flag && str_starts(o->fields[i].c_name, STR("has_")) &&
                            str_eq(str_n(o->fields[i].c_name.data + 4, o->fields[i].c_name.len - 4), flag))
                                return error_set_at(r->err, -EINVAL, o->path,
                                                    "the field %.*s takes the name of "
                                                    "the flag of %.*s in C",
                                                    STR_FMT(o->fields[i].c_name), STR_FMT(flag));
                }
        }
        return 0;
}

static int mark_required(const struct reader *r, yyjson_val *schema, struct gen_object *o)
{
        yyjson_val *names = yyjson_obj_get(schema, "required"), *v;
        size_t i, n, k;

        yyjson_arr_foreach (names, i, n, v) {
                for (k = 0; k < o->n_fields; k++)
                        if (str_eq(o->fields[k].json_name, json_val_str(v)))
                                break;
                if (k == o->n_fields)
                        return refuse(r, o->path, "required",
                                      "names a field that is not among the properties");
                o->fields[k].required = true;
        }
        return 0;
}

/* What is required or has a default is always there; other numbers and
 * booleans need a flag, since they have no value that means "absent". */
static void mark_flags(struct gen_object *o)
{
        for (size_t i = 0; i < o->n_fields; i++) {
                struct gen_field *f = &o->fields[i];

                f->has_flag = (f->type.type == SCHEMA_INT || f->type.type == SCHEMA_BOOL) && !f->required &&
                              !f->type.default_text.data;
        }
}

static int read_fields(const struct reader *r, yyjson_val *properties, struct gen_object *o)
{
        struct arena *a = r->model->arena;
        yyjson_val *key, *value;
        size_t i, n;
        int x;

        yyjson_obj_foreach (properties, i, n, key, value) {
                struct gen_field *f = &o->fields[i];
                struct str path;

                f->json_name = json_val_str(key);
                f->c_name = gen_snake(a, f->json_name);
                path = str_empty(o->path)
                               ? f->json_name
                               : arena_printf(a, "%.*s.%.*s", STR_FMT(o->path), STR_FMT(f->json_name));
                x = read_type(
                        r, value,
                        arena_printf(a, "%.*s_%.*s", STR_FMT(o->c_name), STR_FMT(gen_snake(a, f->json_name))),
                        path, &f->type);
                if (x < 0)
                        return x;
                o->n_fields++;
        }
        return 0;
}

int gen_model_add(struct gen_model *m, yyjson_val *schema, struct str c_name, struct str path,
                  struct gen_object **ret, struct error *err)
{
        const struct reader r = { .model = m, .err = err };
        yyjson_val *properties = yyjson_obj_get(schema, "properties");
        struct gen_object *o;
        int x = check_words(&r, schema, object_words, path);

        if (x < 0)
                return x;
        if (!yyjson_is_obj(properties))
                return refuse(&r, path, "properties", "is missing");
        if (yyjson_obj_size(properties) > SCHEMA_FIELDS_MAX)
                return refuse(&r, path, "properties", "are more than an object may have");
        o = arena_new(m->arena, struct gen_object);
        if (!o)
                return no_memory(&r);
        *o = (struct gen_object){ .c_name = c_name,
                                  .path = path,
                                  .description = json_get_str(schema, "description") };
        o->fields = arena_new_n(m->arena, struct gen_field, yyjson_obj_size(properties));
        if (!o->fields)
                return no_memory(&r);
        x = read_fields(&r, properties, o);
        if (x == 0)
                x = mark_required(&r, schema, o);
        mark_flags(o);
        if (x == 0)
                x = check_c_names(&r, o);
        if (x == 0)
                x = read_rules(&r, schema, path, &o->rules);
        if (x < 0)
                return x;
        if (m->arena->failed)
                return no_memory(&r);
        o->is_condition = is_condition(o);
        m->has_conditions |= o->is_condition;
        if (m->last)
                m->last->next = o;
        else
                m->first = o;
        m->last = o;
        *ret = o;
        return 0;
}

int gen_model_read_rules(struct gen_model *m, yyjson_val *schema, struct str path, struct gen_rule **ret,
                         struct error *err)
{
        const struct reader r = { .model = m, .err = err };

        return read_rules(&r, schema, path, ret);
}
