/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "tools/gen/emit_types.h"

#include "tools/gen/text.h"

#define TAB 8

static struct str c_type_name(const struct gen_object *o)
{
        return o->is_condition ? STR("schema_condition") : o->c_name;
}

/* --- structures ------------------------------------------------------------ */

/* What a value is in C, but for a list. */
static void put_c_type(const struct gen_type *t, struct buf *out)
{
        switch (t->type) {
        case SCHEMA_INT:
                buf_add_c(out, "int64_t ");
                return;
        case SCHEMA_BOOL:
                buf_add_c(out, "bool ");
                return;
        case SCHEMA_OBJECT:
                buf_printf(out, "struct %.*s ", STR_FMT(c_type_name(t->object)));
                return;
        case SCHEMA_MAP:
                buf_add_c(out, "struct schema_map ");
                return;
        case SCHEMA_STRING:
        case SCHEMA_INT_OR_STRING:
        case SCHEMA_QUANTITY:
        case SCHEMA_RAW:
        case SCHEMA_LIST: /* has its own structure */
                break;
        }
        buf_add_c(out, "struct str ");
}

static void put_member(const struct gen_field *f, struct buf *out)
{
        const struct gen_type *element = f->type.element;
        bool conditions = f->type.type == SCHEMA_LIST && element->type == SCHEMA_OBJECT &&
                          element->object->is_condition;

        gen_comment(out, TAB, f->type.description);
        gen_indent(out, TAB);
        if (conditions) {
                buf_add_c(out, "struct schema_conditions ");
        } else if (f->type.type == SCHEMA_LIST) {
                buf_add_c(out, "struct {\n");
                gen_indent(out, 2 * TAB);
                put_c_type(element, out);
                buf_add_c(out, "*items;\n");
                gen_indent(out, 2 * TAB);
                buf_add_c(out, "size_t n;\n");
                gen_indent(out, TAB);
                buf_add_c(out, "} ");
        } else {
                put_c_type(&f->type, out);
                if (f->type.type == SCHEMA_OBJECT)
                        buf_add_char(out, '*');
        }
        buf_printf(out, "%.*s;%s\n", STR_FMT(f->c_name), f->type.type == SCHEMA_RAW ? " /* JSON */" : "");
}

static void put_struct(const struct gen_object *o, struct buf *out)
{
        bool flags = false;

        buf_add_char(out, '\n');
        if (o->description.data)
                gen_comment(out, 0, o->description);
        buf_printf(out, "struct %.*s {", STR_FMT(o->c_name));
        if (o->path.len)
                buf_printf(out, " /* %.*s */", STR_FMT(o->path));
        buf_add_char(out, '\n');
        for (size_t i = 0; i < o->n_fields; i++)
                if (o->fields[i].type.type != SCHEMA_BOOL)
                        put_member(&o->fields[i], out);
        /* The single bytes come last, so that nothing is padded around them. */
        for (size_t i = 0; i < o->n_fields; i++)
                if (o->fields[i].type.type == SCHEMA_BOOL)
                        put_member(&o->fields[i], out);
        for (size_t i = 0; i < o->n_fields; i++) {
                if (!o->fields[i].has_flag)
                        continue;
                if (!flags)
                        gen_comment(out, TAB, STR("Whether these are set."));
                flags = true;
                gen_indent(out, TAB);
                buf_printf(out, "bool has_%.*s;\n", STR_FMT(o->fields[i].c_name));
        }
        if (o->n_fields == 0) {
                gen_indent(out, TAB);
                buf_add_c(out, "bool nothing; /* C wants one member */\n");
        }
        buf_add_c(out, "};\n");
}

void gen_emit_types_header(const struct gen_model *m, struct str source, struct buf *out)
{
        gen_head(out, source);
        buf_printf(out, "#pragma once\n\n#include \"schema/%s.h\"\n",
                   m->has_conditions ? "condition" : "schema");
        for (const struct gen_object *o = m->first; o; o = o->next)
                if (!o->is_condition)
                        put_struct(o, out);
        buf_add_char(out, '\n');
        for (const struct gen_object *o = m->first; o; o = o->next)
                if (o->is_root)
                        buf_printf(out, "extern const struct schema %.*s_schema;\n", STR_FMT(o->c_name));
}

/* --- tables ---------------------------------------------------------------- */

static const char *type_word(enum schema_type type)
{
        switch (type) {
        case SCHEMA_STRING:
                return "SCHEMA_STRING";
        case SCHEMA_INT:
                return "SCHEMA_INT";
        case SCHEMA_BOOL:
                return "SCHEMA_BOOL";
        case SCHEMA_INT_OR_STRING:
                return "SCHEMA_INT_OR_STRING";
        case SCHEMA_QUANTITY:
                return "SCHEMA_QUANTITY";
        case SCHEMA_OBJECT:
                return "SCHEMA_OBJECT";
        case SCHEMA_LIST:
                return "SCHEMA_LIST";
        case SCHEMA_MAP:
                return "SCHEMA_MAP";
        case SCHEMA_RAW:
                break;
        }
        return "SCHEMA_RAW";
}

static void put_values(const struct gen_type *t, struct str name, struct buf *out)
{
        buf_printf(out, "static const struct str %.*s_values[] = {\n", STR_FMT(name));
        for (size_t i = 0; i < t->n_values; i++) {
                gen_indent(out, TAB);
                buf_add_c(out, "STR_INIT(");
                gen_literal(out, t->values[i]);
                buf_add_c(out, "),\n");
        }
        buf_add_c(out, "};\n\n");
}

/* A new initialiser of the table, ".word = ", for the caller to go on with. */
static void begin_item(struct buf *out, unsigned indent, const char *word)
{
        buf_add_c(out, ",\n");
        gen_indent(out, indent);
        buf_printf(out, ".%s = ", word);
}

static void put_bound(struct buf *out, unsigned indent, const char *word, int64_t bound)
{
        begin_item(out, indent, word);
        if (bound == INT64_MIN)
                buf_add_c(out, "INT64_MIN");
        else if (bound == INT64_MAX)
                buf_add_c(out, "INT64_MAX");
        else
                buf_add_int(out, bound);
}

/* What a field and an element have in common. NAME is that of the tables which
 * belong to it. */
static void put_type(const struct gen_type *t, struct str name, unsigned indent, struct buf *out)
{
        buf_printf(out, ".type = %s", type_word(t->type));
        if (t->type == SCHEMA_OBJECT) {
                begin_item(out, indent, "object");
                buf_printf(out, "&%.*s_schema", STR_FMT(c_type_name(t->object)));
        }
        if (t->element) {
                begin_item(out, indent, "element");
                buf_printf(out, "&%.*s_element", STR_FMT(name));
        }
        if (t->n_values) {
                begin_item(out, indent, "values");
                buf_printf(out, "%.*s_values", STR_FMT(name));
                begin_item(out, indent, "n_values");
                buf_printf(out, "ARRAY_SIZE(%.*s_values)", STR_FMT(name));
        }
        if (t->type == SCHEMA_INT && t->minimum == INT64_MIN && t->maximum == INT64_MAX) {
                buf_add_c(out, ",\n");
                gen_indent(out, indent);
                buf_add_c(out, "SCHEMA_NO_BOUNDS");
        } else if (t->type == SCHEMA_INT) {
                put_bound(out, indent, "minimum", t->minimum);
                put_bound(out, indent, "maximum", t->maximum);
        }
        if (t->min_length) {
                begin_item(out, indent, "min_length");
                buf_printf(out, "%zu", t->min_length);
        }
        if (t->max_length) {
                begin_item(out, indent, "max_length");
                buf_printf(out, "%zu", t->max_length);
        }
        if (t->pattern.data && t->type == SCHEMA_STRING) {
                begin_item(out, indent, "pattern");
                buf_add_c(out, "STR_INIT(");
                gen_long_literal(out, t->pattern, indent + 20, indent + 20);
                buf_add_char(out, ')');
        }
        if (t->key.data) {
                begin_item(out, indent, "key");
                buf_add_c(out, "STR_INIT(");
                gen_literal(out, t->key);
                buf_add_char(out, ')');
        }
        if (t->default_text.data) {
                begin_item(out, indent, "default_text");
                buf_add_c(out, "STR_INIT(");
                gen_long_literal(out, t->default_text, indent + 25, indent + 25);
                buf_add_char(out, ')');
        }
}

static void put_element(const struct gen_type *t, struct str name, struct buf *out)
{
        buf_printf(out, "static const struct schema_field %.*s_element = {\n", STR_FMT(name));
        gen_indent(out, TAB);
        put_type(t, name, TAB, out);
        buf_add_c(out, ",\n};\n\n");
}

static void put_field(const struct gen_object *o, const struct gen_field *f, struct str name, struct buf *out)
{
        const unsigned indent = TAB + 2;

        gen_indent(out, TAB);
        buf_add_c(out, "{ .name = STR_INIT(");
        gen_literal(out, f->json_name);
        buf_add_char(out, ')');
        begin_item(out, indent, "offset");
        buf_printf(out, "offsetof(struct %.*s, %.*s)", STR_FMT(o->c_name), STR_FMT(f->c_name));
        begin_item(out, indent, "has_offset");
        if (f->has_flag)
                buf_printf(out, "offsetof(struct %.*s, has_%.*s)", STR_FMT(o->c_name), STR_FMT(f->c_name));
        else
                buf_add_c(out, "SCHEMA_NO_OFFSET");
        if (f->required) {
                begin_item(out, indent, "required");
                buf_add_c(out, "true");
        }
        buf_add_c(out, ",\n");
        gen_indent(out, indent);
        put_type(&f->type, name, indent, out);
        buf_add_c(out, " },\n");
}

static struct str table_name(const struct gen_object *o, const struct gen_field *f, char to[256])
{
        int n = snprintf(to, 256, "%.*s_%.*s", STR_FMT(o->c_name), STR_FMT(f->c_name));

        return str_n(to, (size_t)MIN(n, 255));
}

static void put_tables(const struct gen_object *o, struct buf *out)
{
        char name[256];

        buf_add_char(out, '\n');
        for (size_t i = 0; i < o->n_fields; i++) {
                const struct gen_type *t = &o->fields[i].type;

                if (t->n_values)
                        put_values(t, table_name(o, &o->fields[i], name), out);
                if (t->element && t->element->n_values)
                        put_values(t->element, table_name(o, &o->fields[i], name), out);
                if (t->element)
                        put_element(t->element, table_name(o, &o->fields[i], name), out);
        }
        if (o->n_fields) {
                buf_printf(out, "static const struct schema_field %.*s_fields[] = {\n", STR_FMT(o->c_name));
                for (size_t i = 0; i < o->n_fields; i++)
                        put_field(o, &o->fields[i], table_name(o, &o->fields[i], name), out);
                buf_add_c(out, "};\n\n");
        }
        buf_printf(out, "%sconst struct schema %.*s_schema = {\n", o->is_root ? "" : "static ",
                   STR_FMT(o->c_name));
        gen_indent(out, TAB);
        buf_add_c(out, ".name = ");
        gen_literal(out, o->path.len ? o->path : o->c_name);
        buf_printf(out, ",\n        .size = sizeof(struct %.*s),\n", STR_FMT(o->c_name));
        if (o->n_fields)
                buf_printf(out,
                           "        .fields = %.*s_fields,\n        .n_fields = ARRAY_SIZE(%.*s_fields),\n",
                           STR_FMT(o->c_name), STR_FMT(o->c_name));
        buf_add_c(out, "};\n");
}

void gen_emit_types_source(const struct gen_model *m, struct str source, struct str header, struct buf *out)
{
        gen_head(out, source);
        buf_printf(out, "#include \"%.*s\"\n", STR_FMT(header));
        for (const struct gen_object *o = m->first; o; o = o->next)
                if (!o->is_condition)
                        put_tables(o, out);
}
