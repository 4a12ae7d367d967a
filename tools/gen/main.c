/* SPDX-License-Identifier: Apache-2.0
 *
 * keelson-gen: C and Markdown from YAML, at build time.
 */
#include <errno.h>
#include <stdio.h>

#include "json/read.h"
#include "tools/gen/crd.h"
#include "tools/gen/emit_types.h"
#include "tools/gen/template.h"
#include "tools/gen/text.h"
#include "yaml/yaml.h"

#define ARENA_MAX ((size_t)256 * 1024 * 1024)
#define FILES_MAX 256

static const char usage[] =
        "keelson-gen makes C from YAML.\n"
        "\n"
        "  keelson-gen crd CRD.yaml [--h OUT.h] [--c OUT.c] [--doc OUT.md]\n"
        "  keelson-gen types TYPES.yaml [--h OUT.h] [--c OUT.c]\n"
        "  keelson-gen templates MANIFEST.yaml... [--h OUT.h] [--c OUT.c] [--prefix NAME_]\n"
        "\n"
        "See docs/development/templates.md.\n";

struct options {
        const char *command;
        const char *files[FILES_MAX];
        size_t n_files;
        const char *h, *c, *doc, *prefix;
};

/* An input file: its text, and its tree. */
struct input {
        struct buf text;
        yyjson_doc *doc;
};

static void input_release(struct input *in)
{
        buf_release(&in->text);
        yyjson_doc_free(in->doc);
}

static int input_read(struct input *in, const char *path, struct error *err)
{
        int r;

        *in = (struct input){ .text = BUF_INIT(GEN_FILE_MAX) };
        r = gen_read_file(path, &in->text, err);
        if (r < 0)
                return r;
        r = yaml_parse(buf_str(&in->text), &in->doc, err);
        if (r < 0)
                error_prefix(err, "%s", path);
        return r;
}

/* --- outputs --------------------------------------------------------------- */

static struct str header_of(const struct options *o)
{
        return o->h ? gen_base_name(str_c(o->h)) : STR("types.gen.h");
}

static int write_types(const struct options *o, const struct gen_model *m, struct error *err)
{
        _cleanup_(buf_release) struct buf h = BUF_INIT(GEN_FILE_MAX), c = BUF_INIT(GEN_FILE_MAX);
        struct str source = gen_base_name(str_c(o->files[0]));
        int r = 0;

        gen_emit_types_header(m, source, &h);
        gen_emit_types_source(m, source, header_of(o), &c);
        if (o->h)
                r = gen_write_file(o->h, &h, err);
        if (r == 0 && o->c)
                r = gen_write_file(o->c, &c, err);
        return r;
}

/* Says which file and which place in it. */
static int with_file(const char *file, int r, struct error *err)
{
        if (r < 0 && err->path[0])
                error_prefix(err, "%s: %s", file, err->path);
        else if (r < 0)
                error_prefix(err, "%s", file);
        return r;
}

static int run_crd(const struct options *o, struct arena *a, struct error *err)
{
        _cleanup_(buf_release) struct buf doc = BUF_INIT(GEN_FILE_MAX);
        _cleanup_(input_release) struct input in;
        struct gen_crd crd;
        int r;

        r = input_read(&in, o->files[0], err);
        if (r < 0)
                return r;
        r = with_file(o->files[0], gen_crd_read(&crd, yyjson_doc_get_root(in.doc), a, err), err);
        if (r < 0)
                return r;
        r = write_types(o, &crd.model, err);
        if (r < 0 || !o->doc)
                return r;
        gen_emit_doc(&crd, gen_base_name(str_c(o->files[0])), &doc);
        return gen_write_file(o->doc, &doc, err);
}

static int run_types(const struct options *o, struct arena *a, struct error *err)
{
        _cleanup_(input_release) struct input in;
        struct gen_model model = { .arena = a };
        struct gen_object *object;
        yyjson_val *key, *schema;
        size_t i, n;
        int r;

        r = input_read(&in, o->files[0], err);
        if (r < 0)
                return r;
        yyjson_obj_foreach (yyjson_doc_get_root(in.doc), i, n, key, schema) {
                struct str name = json_val_str(key);

                if (!str_eq(json_get_str(schema, "type"), STR("object")))
                        r = error_set_at(err, -EINVAL, name, "must be a schema of type object");
                else
                        r = gen_model_add(&model, schema, gen_snake(a, name), STR(""), &object, err);
                if (r < 0)
                        return with_file(o->files[0], r, err);
                object->is_root = true;
                object->is_condition = false; /* the root is to have the name that it is given */
        }
        if (!model.first)
                return error_set(err, -EINVAL, "%s: has no types", o->files[0]);
        return write_types(o, &model, err);
}

static int run_templates(const struct options *o, struct arena *a, struct error *err)
{
        _cleanup_(buf_release) struct buf h = BUF_INIT(GEN_FILE_MAX), c = BUF_INIT(GEN_FILE_MAX);
        struct gen_template *list = NULL, **next = &list;
        int r = 0;

        for (size_t i = 0; i < o->n_files && r == 0; i++) {
                struct gen_template *t = arena_new(a, struct gen_template);
                _cleanup_(input_release) struct input in;

                r = input_read(&in, o->files[i], err);
                if (r < 0)
                        return r;
                if (!t)
                        return error_set(err, -ENOMEM, "out of memory");
                /* What it keeps must outlive the tree of the YAML. */
                r = with_file(o->files[i],
                              gen_template_read(t, str_c(o->files[i]), buf_str(&in.text),
                                                yyjson_doc_get_root(in.doc), a, err),
                              err);
                *next = t;
                next = &t->next;
        }
        if (r < 0)
                return r;
        gen_emit_templates_header(list, str_c(o->prefix), &h);
        gen_emit_templates_source(list, str_c(o->prefix), header_of(o), &c);
        if (o->h)
                r = gen_write_file(o->h, &h, err);
        if (r == 0 && o->c)
                r = gen_write_file(o->c, &c, err);
        return r;
}

/* --- arguments ------------------------------------------------------------- */

static int parse_args(int argc, char **argv, struct options *o)
{
        const struct {
                const char *name;
                const char **to;
        } flags[] = { { "--h", &o->h }, { "--c", &o->c }, { "--doc", &o->doc }, { "--prefix", &o->prefix } };
        size_t k;

        if (argc < 2)
                return -EINVAL;
        o->command = argv[1];
        for (int i = 2; i < argc; i++) {
                if (argv[i][0] != '-') {
                        if (o->n_files == FILES_MAX)
                                return -E2BIG;
                        o->files[o->n_files++] = argv[i];
                        continue;
                }
                for (k = 0; k < ARRAY_SIZE(flags) && strcmp(argv[i], flags[k].name) != 0; k++)
                        continue;
                if (k == ARRAY_SIZE(flags) || i + 1 == argc)
                        return -EINVAL;
                *flags[k].to = argv[++i];
        }
        return o->n_files ? 0 : -EINVAL;
}

static int run(const struct options *o, struct arena *a, struct error *err)
{
        if (strcmp(o->command, "templates") == 0)
                return run_templates(o, a, err);
        if (o->n_files == 1 && strcmp(o->command, "crd") == 0)
                return run_crd(o, a, err);
        if (o->n_files == 1 && strcmp(o->command, "types") == 0)
                return run_types(o, a, err);
        return error_set(err, -EINVAL, "no such command, or not one file\n\n%s", usage);
}

int main(int argc, char **argv)
{
        struct options o = { .prefix = "" };
        struct arena a = ARENA_INIT(ARENA_MAX);
        struct error err = ERROR_INIT;
        int r;

        if (parse_args(argc, argv, &o) < 0) {
                fputs(usage, stderr);
                return 2;
        }
        r = run(&o, &a, &err);
        arena_release(&a);
        if (r < 0) {
                fprintf(stderr, "keelson-gen: %s\n", err.message);
                return 1;
        }
        return 0;
}
