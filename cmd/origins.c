/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/origins.h"

#include "controller/app/figures.h"
#include "json/read.h"
#include "yaml/scalar.h"

#define COMMENT_COLUMN ((size_t)40)
#define INDENT ((size_t)2)

/* --- whose a value is ------------------------------------------------------------------------- */

/* WRITTEN is what the resource says at that place, or NULL. */
static struct str origin_of(const struct origins *o, struct str path, yyjson_val *written)
{
        for (size_t i = 0; i < o->n_figures; i++)
                if (str_eq(o->figures[i].setting, path))
                        return o->figures[i].from;
        return written && !yyjson_is_null(written) ? json_get_str(o->object, "kind") : APP_FROM_BUILT_IN;
}

static struct str below(struct str path, struct str name, struct arena *a)
{
        return path.len ? arena_join(a, path, STR("."), name) : name;
}

static struct str at(struct str path, size_t i, struct arena *a)
{
        return arena_printf(a, "%.*s[%zu]", STR_FMT(path), i);
}

static bool has_parts(yyjson_val *value)
{
        return yyjson_is_ctn(value) && unsafe_yyjson_get_len(value) > 0;
}

/* --- as JSON ------------------------------------------------------------------------------------ */

struct list_of_origins {
        const struct origins *o;
        struct arena *a;
        struct json_writer *w;
};

/* AROUND is that of the list that it is in; absent: it is in none. */
static void list_value(const struct list_of_origins *l, yyjson_val *value, yyjson_val *written,
                       struct str path, struct str around)
{
        yyjson_val *key, *one;
        struct str from;
        size_t i, n;

        if (yyjson_is_obj(value) && has_parts(value)) {
                yyjson_obj_foreach (value, i, n, key, one)
                        list_value(l, one, yyjson_obj_getn(written, yyjson_get_str(key), yyjson_get_len(key)),
                                   below(path, json_val_str(key), l->a), around);
                return;
        }
        from = origin_of(l->o, path, written);
        if (!str_eq(from, around)) {
                json_key_str(l->w, path);
                json_str(l->w, from);
        }
        yyjson_arr_foreach (value, i, n, one)
                list_value(l, one, yyjson_arr_get(written, i), at(path, i, l->a), from);
}

void origins_put_json(const struct origins *o, struct arena *a, struct json_writer *w)
{
        const struct list_of_origins l = { o, a, w };

        json_object(w);
        if (has_parts(o->spec))
                list_value(&l, o->spec, yyjson_obj_get(o->object, "spec"), STR(""), STR_NULL);
        json_end(w);
}

/* --- as YAML ------------------------------------------------------------------------------------ */

struct document {
        const struct origins *o;
        struct arena *a;
        struct buf *out;
        size_t line; /* where it begins */
};

/* What is put there and what stands at that place in the resource; where it is. */
struct node {
        yyjson_val *value, *written;
        struct str path;
        struct str around; /* the origin that is said of it already; absent: none */
        size_t indent;
};

static void end_line(struct document *d, struct str comment)
{
        size_t width = d->out->len - d->line;

        if (comment.data) {
                do
                        buf_add_char(d->out, ' ');
                while (++width < COMMENT_COLUMN);
                buf_printf(d->out, " # %.*s", STR_FMT(comment));
        }
        problem_clean(d->out->data + d->line, d->out->len - d->line);
        buf_add_char(d->out, '\n');
        d->line = d->out->len;
}

static void put_indent(struct document *d, size_t indent)
{
        while (indent--)
                buf_add_char(d->out, ' ');
}

static void put_text(struct document *d, struct str text)
{
        if (yaml_is_plain(text))
                buf_add_str(d->out, text);
        else
                json_quote(d->out, text);
}

/* In one line: a scalar, or what is empty. */
static void put_scalar(struct document *d, yyjson_val *value)
{
        struct json_writer w;

        json_writer_init(&w, d->out);
        if (yyjson_is_str(value))
                put_text(d, json_val_str(value));
        else
                json_val(&w, value);
}

/* What is not said around it already. */
static struct str comment_on(const struct document *d, const struct node *n)
{
        struct str from = origin_of(d->o, n->path, n->written);

        if (str_eq(from, n->around))
                return STR_NULL;
        return str_eq(from, APP_FROM_BUILT_IN) ? STR("built-in") : from;
}

static void put_members(struct document *d, const struct node *n, bool begun);

/* Behind "- ", so that the first member stands in that line. */
static void put_items(struct document *d, const struct node *list)
{
        struct str from = origin_of(d->o, list->path, list->written);
        yyjson_val *one;
        size_t i, n;

        yyjson_arr_foreach (list->value, i, n, one) {
                const struct node item = {
                        one,
                        yyjson_arr_get(list->written, i),
                        at(list->path, i, d->a),
                        from,
                        list->indent + INDENT,
                };

                put_indent(d, list->indent);
                buf_add_c(d->out, "- ");
                if (yyjson_is_obj(one) && has_parts(one)) {
                        put_members(d, &item, true);
                } else {
                        put_scalar(d, one);
                        end_line(d, comment_on(d, &item));
                }
        }
}

/* Behind "key:". */
static void put_value(struct document *d, const struct node *n)
{
        if (!has_parts(n->value)) {
                buf_add_char(d->out, ' ');
                put_scalar(d, n->value);
                end_line(d, comment_on(d, n));
        } else if (yyjson_is_arr(n->value)) {
                end_line(d, comment_on(d, n));
                put_items(d, n);
        } else {
                end_line(d, STR_NULL);
                put_members(d, n, false);
        }
}

/* BEGUN: the first line is. */
static void put_members(struct document *d, const struct node *n, bool begun)
{
        yyjson_val *key, *one;
        size_t i, max;

        yyjson_obj_foreach (n->value, i, max, key, one) {
                const struct node member = {
                        one,
                        yyjson_obj_getn(n->written, yyjson_get_str(key), yyjson_get_len(key)),
                        below(n->path, json_val_str(key), d->a),
                        n->around,
                        n->indent + INDENT,
                };

                if (i || !begun)
                        put_indent(d, n->indent);
                put_text(d, json_val_str(key));
                buf_add_char(d->out, ':');
                put_value(d, &member);
        }
}

void origins_put_yaml(const struct origins *o, struct arena *a, struct buf *out)
{
        struct document d = { o, a, out, out->len };
        struct str kind = json_get_str(o->object, "kind");
        yyjson_val *key, *one;
        size_t i, n;

        yyjson_obj_foreach (o->object, i, n, key, one) {
                bool is_spec = yyjson_equals_str(key, "spec");
                const struct node part = {
                        is_spec ? o->spec : one, one, STR(""), is_spec ? STR_NULL : kind, INDENT,
                };

                if (yyjson_equals_str(key, "status"))
                        continue;
                put_text(&d, json_val_str(key));
                buf_add_char(out, ':');
                put_value(&d, &part);
        }
}
