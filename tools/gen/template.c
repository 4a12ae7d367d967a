/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gen/template.h"

#include <errno.h>
#include <stdio.h>

#include "json/read.h"
#include "json/write.h"
#include "tools/gen/text.h"

#define TAB 8
#define NESTED_GUARDS_MAX 16

struct walk {
        struct gen_template *template;
        struct arena *arena;
        struct error *err;
        struct buf body;    /* C so far */
        struct buf literal; /* JSON that is not in the body yet, so that pieces merge */
        unsigned indent;
        unsigned statements;
        struct str guards[NESTED_GUARDS_MAX];
        size_t n_guards;
};

static int put_value(struct walk *w, yyjson_val *value, struct str path);

/* --- statements ------------------------------------------------------------ */

static void statement(struct walk *w, const char *format, ...) _printf_(2, 3);

static void flush(struct walk *w)
{
        static const char call[] = "buf_add_str(out, STR(";

        if (w->literal.len == 0)
                return;
        gen_indent(&w->body, w->indent);
        buf_add_c(&w->body, call);
        gen_long_literal(&w->body, buf_str(&w->literal), w->indent + (unsigned)sizeof(call) - 1,
                         w->indent + (unsigned)sizeof(call) - 1);
        buf_add_c(&w->body, "));\n");
        buf_clear(&w->literal);
        w->statements++;
}

static void statement(struct walk *w, const char *format, ...)
{
        char line[512];
        va_list args;

        flush(w);
        va_start(args, format);
        vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        gen_indent(&w->body, w->indent);
        buf_add_c(&w->body, line);
        buf_add_char(&w->body, '\n');
        w->statements++;
}

struct block {
        size_t start;
        unsigned statements;
        struct str condition;
};

static int begin_block(struct walk *w, struct str condition, struct str path, struct block *b)
{
        flush(w);
        if (w->n_guards == NESTED_GUARDS_MAX)
                return error_set_at(w->err, -EINVAL, path, "more than %d conditions within each other",
                                    NESTED_GUARDS_MAX);
        w->guards[w->n_guards++] = condition;
        *b = (struct block){ .start = w->body.len, .statements = w->statements, .condition = condition };
        w->indent += TAB;
        return 0;
}

/* Puts the "if" before what was written since begin_block; braces only where
 * there is more than one statement. */
static void end_block(struct walk *w, const struct block *b)
{
        struct str inside;
        bool braces;

        flush(w);
        w->indent -= TAB;
        w->n_guards--;
        if (buf_error(&w->body))
                return;
        inside = arena_str(w->arena, str_n(w->body.data + b->start, w->body.len - b->start));
        braces = w->statements > b->statements + 1;
        w->body.len = b->start;
        gen_indent(&w->body, w->indent);
        buf_printf(&w->body, "if (%.*s)%s\n", STR_FMT(b->condition), braces ? " {" : "");
        buf_add_str(&w->body, inside);
        if (braces) {
                gen_indent(&w->body, w->indent);
                buf_add_c(&w->body, "}\n");
        }
        w->statements = b->statements + 1;
}

/* --- parameters ------------------------------------------------------------ */

static bool is_name(struct str s)
{
        for (size_t i = 0; i < s.len; i++) {
                char c = s.data[i];

                if (!(c >= 'a' && c <= 'z') && c != '_' && !(i > 0 && c >= '0' && c <= '9'))
                        return false;
        }
        return s.len > 0 && !gen_is_c_word(s);
}

static struct gen_param *find_param(const struct gen_template *t, struct str name)
{
        for (struct gen_param *p = t->params; p; p = p->next)
                if (str_eq(p->name, name))
                        return p;
        return NULL;
}

static struct str join(struct walk *w, struct str a, struct str b)
{
        return a.data ? arena_printf(w->arena, "%.*s && %.*s", STR_FMT(a), STR_FMT(b)) : b;
}

/* Remembers that P is used here, so that the function can refuse its absence. */
static int note_use(struct walk *w, struct gen_param *p)
{
        struct str condition = STR_NULL;
        struct gen_guard *guard;

        if (p->optional || p->kind == GEN_INT || p->kind == GEN_BOOL)
                return 0;
        for (size_t i = 0; i < w->n_guards; i++)
                condition = join(w, condition, w->guards[i]);
        for (guard = p->guards; guard; guard = guard->next)
                if (!guard->condition.data || str_eq(guard->condition, condition))
                        return 0;
        guard = arena_new(w->arena, struct gen_guard);
        if (!guard)
                return error_set(w->err, -ENOMEM, "out of memory");
        guard->condition = condition;
        guard->next = condition.data ? p->guards : NULL; /* "always" makes the others needless */
        p->guards = guard;
        return 0;
}

static int use_param(struct walk *w, struct str name, enum gen_param_kind kind, bool optional,
                     struct str path)
{
        struct gen_param *p = find_param(w->template, name), **next = &w->template->params;

        if (!is_name(name))
                return error_set_at(w->err, -EINVAL, path,
                                    "\"%.*s\" cannot name a parameter: lower-case letters, digits and _ can",
                                    STR_FMT(name));
        if (!p) {
                p = arena_new(w->arena, struct gen_param);
                if (!p)
                        return error_set(w->err, -ENOMEM, "out of memory");
                /* The name outlives the tree. */
                *p = (struct gen_param){ .name = arena_str(w->arena, name),
                                         .kind = kind,
                                         .optional = optional };
                while (*next)
                        next = &(*next)->next;
                *next = p;
        }
        if (p->kind != kind || p->optional != optional)
                return error_set_at(w->err, -EINVAL, path, "\"%.*s\" has another type or another ? elsewhere",
                                    STR_FMT(name));
        return note_use(w, p);
}

struct blank {
        struct str name;
        enum gen_param_kind kind;
        bool optional;
};

/* Reads what stands between "${" and "}". */
static int read_blank(struct walk *w, struct str inside, struct str path, struct blank *ret)
{
        static const char *const words[] = {
                [GEN_STR] = "str", [GEN_INT] = "int", [GEN_BOOL] = "bool", [GEN_JSON] = "json"
        };
        struct blank b = { .kind = GEN_STR };
        struct str type;

        if (str_ends(inside, STR("?"))) {
                b.optional = true;
                inside.len--;
        }
        if (str_cut(inside, ':', &b.name, &type)) {
                for (b.kind = GEN_STR; b.kind <= GEN_JSON && !str_eq_c(type, words[b.kind]); b.kind++)
                        continue;
                if (b.kind > GEN_JSON)
                        return error_set_at(
                                w->err, -EINVAL, path,
                                "\"%.*s\" is not a type of parameter: int, bool, json, or none for a string",
                                STR_FMT(type));
        }
        *ret = b;
        return 0;
}

/* --- text ------------------------------------------------------------------ */

enum piece_kind { PIECE_END, PIECE_TEXT, PIECE_BLANK };

/* Cuts the next piece off *REST: text (a "$${" stands for "${") or a blank. */
static int next_piece(struct walk *w, struct str *rest, struct str path, enum piece_kind *ret_kind,
                      struct str *ret)
{
        size_t n = 0;

        if (str_empty(*rest)) {
                *ret_kind = PIECE_END;
                return 0;
        }
        if (str_starts(*rest, STR("${"))) {
                ptrdiff_t end = str_index(*rest, '}');

                if (end < 0)
                        return error_set_at(w->err, -EINVAL, path,
                                            "a \"${\" has no \"}\"; \"$${\" stands for itself");
                *ret_kind = PIECE_BLANK;
                *ret = str_n(rest->data + 2, (size_t)end - 2);
                n = (size_t)end + 1;
        } else {
                *ret_kind = PIECE_TEXT;
                if (str_starts(*rest, STR("$${"))) {
                        *ret = str_n(rest->data + 1, 2);
                        n = 3;
                } else {
                        for (n = 1; n < rest->len; n++)
                                if (rest->data[n] == '$' &&
                                    (str_starts(str_n(rest->data + n, rest->len - n), STR("${")) ||
                                     str_starts(str_n(rest->data + n, rest->len - n), STR("$${"))))
                                        break;
                        *ret = str_n(rest->data, n);
                }
        }
        *rest = str_n(rest->data + n, rest->len - n);
        return 0;
}

/* The C for "this parameter is there". */
static struct str presence(struct walk *w, const struct blank *b)
{
        if (b->kind == GEN_INT || b->kind == GEN_BOOL)
                return arena_printf(w->arena, "p->has_%.*s", STR_FMT(b->name));
        return arena_printf(w->arena, "p->%.*s.data", STR_FMT(b->name));
}

/* The condition under which TEXT stands at all; absent: always. */
static int text_condition(struct walk *w, struct str text, struct str path, struct str *ret)
{
        struct str condition = STR_NULL, piece = STR_NULL, rest = text;
        enum piece_kind kind = PIECE_END;
        struct blank b = { 0 };
        int r;

        for (;;) {
                r = next_piece(w, &rest, path, &kind, &piece);
                if (r < 0)
                        return r;
                if (kind == PIECE_END)
                        break;
                if (kind != PIECE_BLANK)
                        continue;
                r = read_blank(w, piece, path, &b);
                if (r < 0)
                        return r;
                if (b.optional)
                        condition = join(w, condition, presence(w, &b));
        }
        *ret = condition;
        return 0;
}

/* A blank that is the whole scalar and not a string. */
static int put_typed(struct walk *w, const struct blank *b, struct str path)
{
        int r = use_param(w, b->name, b->kind, b->optional, path);

        if (r < 0)
                return r;
        if (b->kind == GEN_INT)
                statement(w, "buf_add_int(out, p->%.*s);", STR_FMT(b->name));
        else if (b->kind == GEN_BOOL)
                statement(w, "buf_add_str(out, p->%.*s ? STR(\"true\") : STR(\"false\"));", STR_FMT(b->name));
        else
                statement(w, "buf_add_str(out, p->%.*s);", STR_FMT(b->name));
        return 0;
}

/* A string of pieces, with its quotes. */
static int put_pieces(struct walk *w, struct str text, bool is_key, struct str path)
{
        struct str piece = STR_NULL, rest = text;
        enum piece_kind kind = PIECE_END;
        struct blank b = { 0 };
        int r;

        buf_add_char(&w->literal, '"');
        for (;;) {
                r = next_piece(w, &rest, path, &kind, &piece);
                if (r < 0)
                        return r;
                if (kind == PIECE_END)
                        break;
                if (kind == PIECE_TEXT) {
                        json_escape(&w->literal, piece);
                        continue;
                }
                r = read_blank(w, piece, path, &b);
                if (r < 0)
                        return r;
                if (b.kind != GEN_STR)
                        return error_set_at(w->err, -EINVAL, path,
                                            "\"%.*s\" must be the whole value: it is no string",
                                            STR_FMT(b.name));
                if (is_key && b.optional)
                        return error_set_at(w->err, -EINVAL, path, "a parameter in a key cannot be optional");
                r = use_param(w, b.name, b.kind, b.optional, path);
                if (r < 0)
                        return r;
                statement(w, "json_escape(out, p->%.*s);", STR_FMT(b.name));
        }
        buf_add_char(&w->literal, '"');
        return 0;
}

static int put_text(struct walk *w, struct str text, struct str path)
{
        bool whole = str_starts(text, STR("${")) && str_index(text, '}') == (ptrdiff_t)text.len - 1;
        struct blank b = { 0 };
        int r;

        if (whole) {
                r = read_blank(w, str_n(text.data + 2, text.len - 3), path, &b);
                if (r < 0)
                        return r;
                if (b.kind != GEN_STR)
                        return put_typed(w, &b, path);
        }
        return put_pieces(w, text, false, path);
}

/* --- containers ------------------------------------------------------------ */

#define IF_KEY "$if"

static bool is_if(yyjson_val *key)
{
        return str_eq(json_val_str(key), STR(IF_KEY));
}

/* The flag of a mapping that begins with "$if: flag", or the absent string. */
static int if_condition(struct walk *w, yyjson_val *object, struct str path, struct str *ret)
{
        yyjson_val *flag = yyjson_obj_get(object, IF_KEY);
        struct str name = json_val_str(flag);
        bool negated = str_starts(name, STR("!"));
        int r;

        if (!flag)
                return 0;
        if (!is_if(unsafe_yyjson_get_first(object)))
                return error_set_at(w->err, -EINVAL, path, "\"" IF_KEY "\" must be the first key");
        if (!name.data)
                return error_set_at(w->err, -EINVAL, path, "\"" IF_KEY "\" must name a flag, or \"!flag\"");
        if (negated)
                name = str_n(name.data + 1, name.len - 1);
        r = use_param(w, name, GEN_BOOL, false, path);
        if (r < 0)
                return r;
        *ret = arena_printf(w->arena, "%sp->%.*s", negated ? "!" : "", STR_FMT(name));
        return 0;
}

/* The condition under which a member stands; absent: always. */
static int member_condition(struct walk *w, yyjson_val *value, struct str path, struct str *ret)
{
        *ret = STR_NULL;
        if (yyjson_is_str(value))
                return text_condition(w, json_val_str(value), path, ret);
        if (yyjson_is_obj(value))
                return if_condition(w, value, path, ret);
        return 0;
}

/* One member of a mapping (with KEY) or of a list. */
struct member {
        yyjson_val *key, *value;
        struct str path, condition;
};

static int list_members(struct walk *w, yyjson_val *container, struct str path, struct member **ret,
                        size_t *ret_n)
{
        struct member *members = arena_new_n(w->arena, struct member, unsafe_yyjson_get_len(container));
        yyjson_val *key, *value;
        size_t i, max, n = 0;

        if (!members)
                return error_set(w->err, -ENOMEM, "out of memory");
        yyjson_arr_foreach (container, i, max, value)
                members[n++] =
                        (struct member){ .value = value,
                                         .path = arena_printf(w->arena, "%.*s[%zu]", STR_FMT(path), i) };
        yyjson_obj_foreach (container, i, max, key, value) {
                if (is_if(key))
                        continue;
                members[n++] = (struct member){ .key = key,
                                                .value = value,
                                                .path = arena_printf(w->arena, "%.*s%s%.*s", STR_FMT(path),
                                                                     path.len ? "." : "",
                                                                     STR_FMT(json_val_str(key))) };
        }
        *ret = members;
        *ret_n = n;
        return 0;
}

static int put_member(struct walk *w, const struct member *m)
{
        if (m->key) {
                int r = put_pieces(w, json_val_str(m->key), true, m->path);

                if (r < 0)
                        return r;
                buf_add_char(&w->literal, ':');
        }
        return put_value(w, m->value, m->path);
}

/* A member that may be missing brings its comma along: before it, if some
 * member that never misses stands further up, else behind it. If all may be
 * missing, the last comma is taken back at the end. */
static int put_members(struct walk *w, const struct member *members, size_t n)
{
        size_t certain = 0;
        struct block block = { 0 };
        int r;

        while (certain < n && members[certain].condition.data)
                certain++;
        for (size_t i = 0; i < n; i++) {
                const struct member *m = &members[i];

                r = m->condition.data ? begin_block(w, m->condition, m->path, &block) : 0;
                if (r < 0)
                        return r;
                if (i > certain)
                        buf_add_char(&w->literal, ',');
                r = put_member(w, m);
                if (r < 0)
                        return r;
                if (i < certain)
                        buf_add_char(&w->literal, ',');
                if (m->condition.data)
                        end_block(w, &block);
        }
        if (n > 0 && certain == n)
                statement(w, "json_trim_comma(out);");
        return 0;
}

static int put_container(struct walk *w, yyjson_val *container, struct str path)
{
        bool list = yyjson_is_arr(container);
        struct member *members = NULL;
        size_t n = 0;
        int r = list_members(w, container, path, &members, &n);

        for (size_t i = 0; r == 0 && i < n; i++)
                r = member_condition(w, members[i].value, members[i].path, &members[i].condition);
        if (r < 0)
                return r;
        buf_add_char(&w->literal, list ? '[' : '{');
        r = put_members(w, members, n);
        buf_add_char(&w->literal, list ? ']' : '}');
        return r;
}

static int put_value(struct walk *w, yyjson_val *value, struct str path)
{
        char *text;
        size_t n;

        if (yyjson_is_str(value))
                return put_text(w, json_val_str(value), path);
        if (yyjson_is_ctn(value))
                return put_container(w, value, path);
        text = yyjson_val_write_opts(value, 0, &json_alc, &n, NULL);
        if (!text)
                return error_set(w->err, -ENOMEM, "out of memory");
        buf_add(&w->literal, text, n);
        json_alc.free(NULL, text);
        return 0;
}

/* --- one manifest ---------------------------------------------------------- */

/* An optional number x is said to be there by has_x, which may be a flag of the
 * manifest itself, but nothing else. */
static int check_flags(struct walk *w)
{
        for (struct gen_param *p = w->template->params; p; p = p->next) {
                const struct gen_param *flag;

                if (!p->optional || p->kind == GEN_STR || p->kind == GEN_JSON)
                        continue;
                flag = find_param(w->template, arena_printf(w->arena, "has_%.*s", STR_FMT(p->name)));
                if (flag && (flag->kind != GEN_BOOL || flag->optional))
                        return error_set(w->err, -EINVAL, "\"%.*s\" takes the name of the flag of \"%.*s\"",
                                         STR_FMT(flag->name), STR_FMT(p->name));
                p->needs_flag = !flag;
        }
        return 0;
}

/* The comment lines that the file begins with, as one text. */
static struct str leading_comment(struct str text, struct arena *a)
{
        struct str line, rest, comment = STR_NULL;

        while (str_starts(text, STR("#"))) {
                str_cut(text, '\n', &line, &rest);
                line = str_trim(str_n(line.data + 1, line.len - 1));
                if (!str_starts(line, STR("SPDX-License-Identifier")))
                        comment = arena_printf(a, "%.*s %.*s", STR_FMT(comment), STR_FMT(line));
                text = rest;
        }
        return str_trim(comment);
}

int gen_template_read(struct gen_template *t, struct str file, struct str text, yyjson_val *root,
                      struct arena *a, struct error *err)
{
        struct walk w = { .template = t, .arena = a, .err = err, .indent = TAB };
        struct str base = gen_base_name(file), dot;
        int r;

        if (!yyjson_is_obj(root))
                return error_set(err, -EINVAL, "must be one object");
        if (yyjson_obj_get(root, IF_KEY))
                return error_set(err, -EINVAL,
                                 "the whole manifest cannot be left out: \"" IF_KEY "\" is for a part of it");
        *t = (struct gen_template){ .file = base, .comment = leading_comment(text, a) };
        str_cut(base, '.', &t->name, &dot);
        t->name = gen_snake(a, t->name);
        buf_init(&w.body, GEN_TEMPLATE_MAX);
        buf_init(&w.literal, GEN_TEMPLATE_MAX);
        r = put_container(&w, root, STR(""));
        flush(&w);
        if (r == 0)
                r = check_flags(&w);
        t->body = arena_str(a, buf_str(&w.body));
        if (r == 0 && (buf_error(&w.body) || buf_error(&w.literal) || a->failed))
                r = error_set(err, -ENOMEM, "out of memory");
        buf_release(&w.body);
        buf_release(&w.literal);
        return r;
}
