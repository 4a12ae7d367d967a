/* SPDX-License-Identifier: Apache-2.0
 *
 * Compiled manifests as a header of parameters and a source of functions.
 */
#include "tools/gen/template.h"
#include "tools/gen/text.h"

#define TAB 8

/* --- the header ------------------------------------------------------------ */

static bool is_byte(const struct gen_param *p)
{
        return p->kind == GEN_BOOL;
}

static void put_param(const struct gen_param *p, struct buf *out)
{
        const char *note = "";

        gen_indent(out, TAB);
        switch (p->kind) {
        case GEN_STR:
        case GEN_JSON:
                buf_printf(out, "struct str %.*s;", STR_FMT(p->name));
                if (p->kind == GEN_JSON)
                        note = p->optional ? " /* JSON, optional */" : " /* JSON */";
                else
                        note = p->optional ? " /* optional */" : "";
                break;
        case GEN_INT:
                buf_printf(out, "int64_t %.*s;", STR_FMT(p->name));
                break;
        case GEN_BOOL:
                buf_printf(out, "bool %.*s;", STR_FMT(p->name));
                break;
        }
        buf_printf(out, "%s\n", note);
}

static void put_header(const struct gen_template *t, struct str prefix, struct buf *out)
{
        struct buf comment = BUF_INIT(64 * 1024);

        buf_printf(&comment, "%.*s%s%.*s", STR_FMT(t->file), t->comment.len ? ": " : "", STR_FMT(t->comment));
        buf_add_char(out, '\n');
        gen_comment(out, 0, buf_str(&comment));
        buf_release(&comment);
        buf_printf(out, "struct %.*s%.*s_params {\n", STR_FMT(prefix), STR_FMT(t->name));
        for (const struct gen_param *p = t->params; p; p = p->next)
                if (!is_byte(p))
                        put_param(p, out);
        for (const struct gen_param *p = t->params; p; p = p->next)
                if (is_byte(p))
                        put_param(p, out);
        for (const struct gen_param *p = t->params; p; p = p->next)
                if (p->needs_flag)
                        buf_printf(out, "        bool has_%.*s;\n", STR_FMT(p->name));
        if (!t->params)
                buf_add_c(out, "        bool nothing; /* C wants one member */\n");
        buf_printf(
                out,
                "};\n\nint %.*srender_%.*s(struct buf *out, const struct %.*s%.*s_params *p) _must_check_;\n",
                STR_FMT(prefix), STR_FMT(t->name), STR_FMT(prefix), STR_FMT(t->name));
}

void gen_emit_templates_header(const struct gen_template *list, struct str prefix, struct buf *out)
{
        gen_head(out, STR("manifests"));
        buf_add_c(out,
                  "#pragma once\n\n#include \"base/buf.h\"\n\n"
                  "/* Each function appends its object as JSON. 0, the buffer's error, or -EINVAL if a\n"
                  " * string is absent that is not optional. An absent optional parameter leaves out the\n"
                  " * entry or the list item that it stands in. */\n");
        for (const struct gen_template *t = list; t; t = t->next)
                put_header(t, prefix, out);
}

/* --- the source ------------------------------------------------------------ */

/* One reason to refuse, "p->name.data is absent where it is needed". */
static void put_check(struct buf *out, const char *between, const struct gen_param *p, struct str condition)
{
        if (condition.data)
                buf_printf(out, "%s(%.*s && !p->%.*s.data)", between, STR_FMT(condition), STR_FMT(p->name));
        else
                buf_printf(out, "%s!p->%.*s.data", between, STR_FMT(p->name));
}

static void put_checks(const struct gen_template *t, struct buf *out)
{
        bool any = false;

        for (const struct gen_param *p = t->params; p; p = p->next) {
                for (const struct gen_guard *g = p->guards; g; g = g->next) {
                        put_check(out, any ? " ||\n            " : "        if (", p, g->condition);
                        any = true;
                }
        }
        if (any)
                buf_add_c(out, ")\n                return -EINVAL;\n\n");
}

static void put_function(const struct gen_template *t, struct str prefix, struct buf *out)
{
        buf_printf(
                out,
                "\n/* %.*s */\nint %.*srender_%.*s(struct buf *out, const struct %.*s%.*s_params *p%s)\n{\n",
                STR_FMT(t->file), STR_FMT(prefix), STR_FMT(t->name), STR_FMT(prefix), STR_FMT(t->name),
                t->params ? "" : " _unused_");
        put_checks(t, out);
        buf_add_str(out, t->body);
        buf_add_c(out, "        return buf_error(out);\n}\n");
}

void gen_emit_templates_source(const struct gen_template *list, struct str prefix, struct str header,
                               struct buf *out)
{
        gen_head(out, STR("manifests"));
        buf_printf(out, "#include \"%.*s\"\n\n#include <errno.h>\n\n#include \"json/write.h\"\n",
                   STR_FMT(header));
        for (const struct gen_template *t = list; t; t = t->next)
                put_function(t, prefix, out);
}
