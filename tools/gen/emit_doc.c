/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference of a kind, in Markdown: what it is, and a table for each of
 * its objects, outer ones first.
 */
#include "json/read.h"
#include "tools/gen/crd.h"
#include "tools/gen/text.h"

/* Text for a cell of a table: one line, and no bar that would end it. */
static void put_cell(struct buf *out, struct str text)
{
        for (size_t i = 0; i < text.len; i++) {
                char c = text.data[i];

                if (c == '|')
                        buf_add_char(out, '\\');
                buf_add_char(out, c == '\n' ? ' ' : c);
        }
}

static void put_code(struct buf *out, struct str text)
{
        buf_add_char(out, '`');
        put_cell(out, text);
        buf_add_char(out, '`');
}

/* As web sites make one from a heading: letters and digits alone, in lower case. */
static void put_anchor(struct buf *out, struct str path)
{
        for (size_t i = 0; i < path.len; i++) {
                char c = path.data[i];

                if (c >= 'A' && c <= 'Z')
                        buf_add_char(out, (char)(c - 'A' + 'a'));
                else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
                        buf_add_char(out, c);
        }
}

/* --- cells ----------------------------------------------------------------- */

static void put_type(struct buf *out, const struct gen_type *t, const char *plural)
{
        switch (t->type) {
        case SCHEMA_STRING:
                if (t->format.data)
                        buf_printf(out, "%.*s%s", STR_FMT(t->format), plural);
                else
                        buf_printf(out, "string%s", plural);
                break;
        case SCHEMA_INT:
                buf_printf(out, "integer%s", plural);
                break;
        case SCHEMA_BOOL:
                buf_printf(out, "boolean%s", plural);
                break;
        case SCHEMA_INT_OR_STRING:
                buf_printf(out, "integer%s or string%s", plural, plural);
                break;
        case SCHEMA_QUANTITY:
                buf_add_c(out, *plural ? "quantities" : "quantity");
                break;
        case SCHEMA_OBJECT:
                buf_printf(out, "[object%s](#", plural);
                put_anchor(out, t->object->path);
                buf_add_char(out, ')');
                break;
        case SCHEMA_LIST:
                buf_add_c(out, "list of ");
                put_type(out, t->element, "s");
                break;
        case SCHEMA_MAP:
                buf_add_c(out, "map of ");
                put_type(out, t->element, "s");
                break;
        case SCHEMA_RAW:
                buf_add_c(out, "anything");
        }
}

static void put_range(struct buf *out, int64_t low, int64_t high, bool has_low, bool has_high,
                      const char *what)
{
        if (has_low && has_high && low == high)
                buf_printf(out, "exactly %lld%s", (long long)low, what);
        else if (has_low && has_high)
                buf_printf(out, "%lld to %lld%s", (long long)low, (long long)high, what);
        else if (has_low)
                buf_printf(out, "at least %lld%s", (long long)low, what);
        else if (has_high)
                buf_printf(out, "at most %lld%s", (long long)high, what);
}

static void put_separator(struct buf *out, size_t since)
{
        if (out->len > since)
                buf_add_c(out, "; ");
}

static void put_bounds(struct buf *out, const struct gen_type *t)
{
        size_t since = out->len;
        const char *what = t->type == SCHEMA_LIST  ? " items"
                           : t->type == SCHEMA_MAP ? " entries"
                                                   : " characters";

        /* "at least 1 item" */
        if (!t->max_length && t->min_length == 1)
                what = t->type == SCHEMA_LIST ? " item" : t->type == SCHEMA_MAP ? " entry" : " character";
        /* What the width of the integer bounds need not be said. */
        if (t->type == SCHEMA_INT)
                put_range(out, t->minimum, t->maximum, t->minimum != INT64_MIN && t->minimum != INT32_MIN,
                          t->maximum != INT64_MAX && t->maximum != INT32_MAX, "");
        else
                put_range(out, (int64_t)t->min_length, (int64_t)t->max_length, t->min_length > 0,
                          t->max_length > 0, what);
        if (t->n_values)
                put_separator(out, since);
        for (size_t i = 0; i < t->n_values; i++) {
                buf_add_c(out, i == 0 ? "one of " : ", ");
                put_code(out, t->values[i]);
        }
        if (t->pattern.data && t->type != SCHEMA_QUANTITY) {
                put_separator(out, since);
                buf_add_c(out, "matches ");
                put_code(out, t->pattern);
        }
        if (t->list_keys.data) {
                put_separator(out, since);
                buf_printf(out, "unique by %.*s", STR_FMT(t->list_keys));
        }
        if (t->element && t->element->type != SCHEMA_OBJECT) {
                _cleanup_(buf_release) struct buf inner = BUF_INIT(64 * 1024);

                put_bounds(&inner, t->element);
                if (inner.len) {
                        put_separator(out, since);
                        buf_printf(out, "each %.*s", STR_FMT(buf_str(&inner)));
                }
        }
}

/* FIELD is the one that has them; absent: it is the object itself, and a rule may name a field of it. */
static void put_rules(struct buf *out, struct str field, const struct gen_rule *rules)
{
        for (const struct gen_rule *r = rules; r; r = r->next) {
                struct str about = field;

                if (!about.data && str_starts(r->field, STR(".")))
                        about = str_n(r->field.data + 1, r->field.len - 1);
                buf_add_c(out, "- ");
                if (about.data)
                        buf_printf(out, "`%.*s`: ", STR_FMT(about));
                gen_put_oneline(out, r->message);
                buf_printf(out, " (`%.*s`)\n", STR_FMT(str_trim(r->rule)));
        }
}

static void put_row(struct buf *out, const struct gen_field *f)
{
        buf_add_c(out, "| ");
        put_code(out, f->json_name);
        buf_add_c(out, f->required ? ", required | " : " | ");
        put_type(out, &f->type, "");
        buf_add_c(out, " | ");
        if (f->type.default_text.data)
                put_code(out, f->type.default_text.len ? f->type.default_text : STR("\"\""));
        buf_add_c(out, " | ");
        put_bounds(out, &f->type);
        buf_add_c(out, " | ");
        put_cell(out, str_trim(f->type.description));
        buf_add_c(out, " |\n");
}

/* --- sections -------------------------------------------------------------- */

static void put_object(struct buf *out, const struct gen_object *o)
{
        bool has_rules = o->rules;

        buf_printf(out, "\n## %.*s\n\n", STR_FMT(o->path));
        if (o->description.data)
                buf_printf(out, "%.*s\n\n", STR_FMT(str_trim(o->description)));
        buf_add_c(out, "| Field | Type | Default | Bounds | Description |\n|---|---|---|---|---|\n");
        for (size_t i = 0; i < o->n_fields; i++) {
                put_row(out, &o->fields[i]);
                has_rules |= o->fields[i].type.rules != NULL;
        }
        if (has_rules)
                buf_add_c(out, "\nRules:\n\n");
        put_rules(out, STR_NULL, o->rules);
        for (size_t i = 0; i < o->n_fields; i++)
                put_rules(out, o->fields[i].json_name, o->fields[i].type.rules);

        for (size_t i = 0; i < o->n_fields; i++) {
                const struct gen_type *t = &o->fields[i].type;

                if (t->type == SCHEMA_LIST)
                        t = t->element;
                if (t->type == SCHEMA_OBJECT)
                        put_object(out, t->object);
        }
}

static void put_list(struct buf *out, const char *before, yyjson_val *list, const char *key)
{
        yyjson_val *v;
        size_t i, n;

        yyjson_arr_foreach (list, i, n, v) {
                buf_add_c(out, i == 0 ? before : ", ");
                put_code(out, key ? json_get_str(v, key) : json_val_str(v));
        }
}

void gen_emit_doc(const struct gen_crd *crd, struct str source, struct buf *out)
{
        buf_printf(out, "<!-- Made by keelson-gen from %.*s: change that, not this. -->\n", STR_FMT(source));
        buf_printf(out, "# %.*s\n\n", STR_FMT(crd->kind));
        if (crd->description.data)
                buf_printf(out, "%.*s\n\n", STR_FMT(str_trim(crd->description)));
        buf_printf(out, "- `apiVersion: %.*s/%.*s`, `kind: %.*s`, %s\n", STR_FMT(crd->group),
                   STR_FMT(crd->version), STR_FMT(crd->kind),
                   str_eq(crd->scope, STR("Namespaced")) ? "namespaced" : "for the whole cluster");
        buf_printf(out, "- `kubectl get %.*s`", STR_FMT(crd->plural));
        put_list(out, ", for short ", crd->short_names, NULL);
        put_list(out, ", in ", crd->categories, NULL);
        put_list(out, "; its columns are ", crd->columns, "name");
        buf_add_char(out, '\n');
        if (crd->rules)
                buf_add_c(out, "\nRules:\n\n");
        put_rules(out, STR_NULL, crd->rules);
        if (crd->spec)
                put_object(out, crd->spec);
        if (crd->status)
                put_object(out, crd->status);
}
