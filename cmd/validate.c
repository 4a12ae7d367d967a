/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict of the API server and the webhook, without either: on files, before a
 * commit.
 *
 *      -f shop/ ---> files ---> documents ---> admission_judge ---> shop/app.yaml:12: App shop: …
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/explain.h"
#include "cmd/inputs.h"
#include "cmd/kinds.h"
#include "cmd/meant.h"
#include "cmd/options.h"
#include "cmd/rivals.h"
#include "cmd/seen.h"
#include "controller/app/app.h"
#include "json/read.h"
#include "yaml/yaml.h"

#define ARENA_MAX ((size_t)64 * 1024 * 1024) /* for one document */
#define OUTPUT_MAX ((size_t)256 * 1024 * 1024)

static const char usage[] =
        "usage: keelson validate -f FILE|DIR|- …\n"
        "\n"
        "Says of Keelson's resources in YAML or JSON files what the API server and the webhook\n"
        "would say of them. Nothing is sent anywhere.\n"
        "\n"
        "  -f, --filename FILE   a file, a folder with all its *.yaml, *.yml and *.json, or - for\n"
        "                        the standard input; may be repeated\n"
        "  -o, --output FORMAT   text or json (default: text)\n"
        "  --explain             print each resource that is fine as YAML, with all that it leaves out\n"
        "                        filled in, and where each value comes from: defaults, and the figures\n"
        "                        of its namespace's Environment where that is among the files\n"
        "  --help                this text\n"
        "\n"
        "What needs the cluster (does that Secret exist, does an App there claim the host?) is not\n"
        "looked at, but Apps among the files that claim one host are told. Resources of others are\n"
        "passed over. Ends with 0 where all is fine, with 1 where something is wrong, with 2 where\n"
        "a file cannot be read or the command line is wrong.\n";

enum option_id { OPT_EXPLAIN = 256 };

static const struct option options[] = {
        { "filename", required_argument, NULL, 'f' },
        { "output", required_argument, NULL, 'o' },
        { "explain", no_argument, NULL, OPT_EXPLAIN },
        CMD_HELP_OPTION,
        { 0 },
};

struct arguments {
        struct inputs inputs;
        bool json, explain;
};

/* One run over all inputs. */
struct run {
        const struct arguments *arguments;
        struct buf out;       /* what goes to stdout */
        struct json_writer w; /* where that is JSON */
        const char *file;     /* the one under way */
        struct explain explain;
        struct seen seen;
        struct rivals rivals;
        bool learning; /* what is known, before anything is told */
        size_t n_fine, n_wrong, n_passed_over, n_unread;
};

/* Who a verdict is about, and where it stands. */
struct subject {
        const struct yaml_lines *lines;
        yyjson_val *document, *object; /* that one, in there */
        unsigned line;
        struct str api_version, kind, namespace, name;
        struct str shown; /* the name, or what stands for it */
};

/* --- telling --------------------------------------------------------------------------- */

static void complain(const char *path, const char *why, void *arg)
{
        char text[2 * PATH_MAX];
        struct run *run = arg;
        int n;

        if (run->learning)
                return; /* it will be told when it is judged */
        n = snprintf(text, sizeof(text), "keelson validate: %s: %s", path, why);
        problem_clean(text, MIN((size_t)n, sizeof(text) - 1));
        fprintf(stderr, "%s\n", text);
        run->n_unread++;
}

/* Among documents of YAML what is told is a comment. */
static size_t begin_line(struct run *run)
{
        size_t start = run->out.len;

        if (run->arguments->explain)
                buf_add_c(&run->out, "# ");
        return start;
}

/* Ends the line that begins at START, in which names are as somebody wrote them. */
static void end_line(struct run *run, size_t start)
{
        problem_clean(run->out.data + start, run->out.len - start);
        buf_add_char(&run->out, '\n');
}

static void tell_line(struct run *run, const struct subject *s, const char *what, const struct problem *p)
{
        size_t start = begin_line(run);

        buf_printf(&run->out, "%s:%u: %.*s %.*s: %s%.*s%s%.*s", run->file,
                   yaml_line(s->lines, s->document, s->object, p->path), STR_FMT(s->kind), STR_FMT(s->shown),
                   what, STR_FMT(p->path), p->path.len ? ": " : "", STR_FMT(p->message));
        end_line(run, start);
}

static void tell_more(struct run *run, const struct subject *s, size_t more)
{
        size_t start = begin_line(run);

        buf_printf(&run->out, "%s:%u: %.*s %.*s: and %zu more", run->file, s->line, STR_FMT(s->kind),
                   STR_FMT(s->shown), more);
        end_line(run, start);
}

static void tell_explained(struct run *run, const struct subject *s, const struct origins *explained,
                           struct arena *a)
{
        size_t start;

        buf_add_c(&run->out, "---\n");
        start = begin_line(run);
        buf_printf(&run->out, "%s:%u", run->file, s->line);
        end_line(run, start);
        origins_put_yaml(explained, a, &run->out);
}

static void tell_text(struct run *run, const struct subject *s, const struct problems *problems,
                      const struct problems *warnings, const struct origins *explained)
{
        for (size_t i = 0; i < problems->n; i++)
                tell_line(run, s, "", &problems->all[i]);
        if (problems->more)
                tell_more(run, s, problems->more);
        for (size_t i = 0; i < warnings->n; i++)
                tell_line(run, s, "warning: ", &warnings->all[i]);
        if (explained)
                tell_explained(run, s, explained, problems->arena);
}

static void put_problems(struct json_writer *w, const struct subject *s, const char *key,
                         const struct problems *p)
{
        json_key(w, key);
        json_array(w);
        for (size_t i = 0; i < p->n; i++) {
                json_object(w);
                json_put_int(w, "line", yaml_line(s->lines, s->document, s->object, p->all[i].path));
                json_put_str(w, "path", p->all[i].path.data ? p->all[i].path : STR(""));
                json_put_str(w, "message", p->all[i].message);
                json_end(w);
        }
        json_end(w);
}

static void put_explained(struct json_writer *w, const struct origins *explained, struct arena *a)
{
        json_key(w, "spec");
        json_val(w, explained->spec);
        json_key(w, "origins");
        origins_put_json(explained, a, w);
}

static void tell_json(struct run *run, const struct subject *s, const struct problems *problems,
                      const struct problems *warnings, const struct origins *explained)
{
        struct json_writer *w = &run->w;

        json_object(w);
        json_put_cstr(w, "file", run->file);
        json_put_int(w, "line", s->line);
        json_put_str(w, "apiVersion", s->api_version);
        json_put_str(w, "kind", s->kind);
        if (s->namespace.data)
                json_put_str(w, "namespace", s->namespace);
        json_put_str(w, "name", s->name);
        json_put_bool(w, "valid", problems->n == 0);
        put_problems(w, s, "problems", problems);
        put_problems(w, s, "warnings", warnings);
        if (explained)
                put_explained(w, explained, problems->arena);
        json_end(w);
}

static void tell(struct run *run, const struct subject *s, const struct problems *problems,
                 const struct problems *warnings, const struct origins *explained)
{
        if (run->arguments->json)
                tell_json(run, s, problems, warnings, explained);
        else
                tell_text(run, s, problems, warnings, explained);
}

/* --- judging --------------------------------------------------------------------------- */

static bool is_ours(struct str api_version)
{
        struct str group, version;

        return str_cut(api_version, '/', &group, &version) && str_eq(group, STR("keelson.dev"));
}

static const struct admission_kind *find_kind(const struct subject *s)
{
        for (size_t i = 0; i < CMD_KINDS; i++) {
                const struct kube_kind *api = &cmd_kinds[i]->kind->api;
                struct str group, version;

                if (str_cut(s->api_version, '/', &group, &version) && str_eq(version, api->version) &&
                    str_eq(s->kind, api->kind))
                        return cmd_kinds[i];
        }
        return NULL;
}

static struct str known_kinds(struct arena *a)
{
        struct str list = STR_NULL;

        for (size_t i = 0; i < CMD_KINDS; i++) {
                const struct kube_kind *api = &cmd_kinds[i]->kind->api;

                list = arena_printf(a, "%.*s%s%.*s (%.*s)", STR_FMT(list), i ? ", " : "", STR_FMT(api->kind),
                                    STR_FMT(api->version));
        }
        return list;
}

static void tell_unknown(const struct subject *s, struct problems *p)
{
        struct str meant = meant_kind(s->kind);

        /* If it is that very one, its version is wrong. */
        if (meant.data && !str_eq(meant, s->kind))
                problem_add(p, STR("kind"), "\"%.*s\" of %.*s is not known; did you mean %.*s?",
                            STR_FMT(s->kind), STR_FMT(s->api_version), STR_FMT(meant));
        else
                problem_add(p, STR("kind"), "\"%.*s\" of %.*s is not known; there are %.*s", STR_FMT(s->kind),
                            STR_FMT(s->api_version), STR_FMT(known_kinds(p->arena)));
}

/* Passed over; but it may be one of ours by mistake. */
static int pass_over(struct run *run, const struct subject *s, struct problems *problems,
                     struct problems *warnings)
{
        char text[64];
        struct str meant = meant_api_version(s->api_version, s->kind, text);

        run->n_passed_over++;
        if (!meant.data)
                return 0;
        if (s->api_version.data)
                problem_add(warnings, STR("apiVersion"), "%.*s is not looked at; did you mean %.*s?",
                            STR_FMT(s->api_version), STR_FMT(meant));
        else
                problem_add(warnings, STR("apiVersion"),
                            "is missing, so it is not looked at; did you mean %.*s?", STR_FMT(meant));
        tell(run, s, problems, warnings, NULL);
        return 0;
}

/* Of two in the same files one is lost when they are applied. */
static int warn_of_twin(struct run *run, const struct subject *s, struct problems *warnings)
{
        const struct seen_place here = { .file = run->file, .line = s->line };
        struct seen_place first;
        int r;

        if (str_empty(s->name))
                return 0;
        r = seen_add(&run->seen, s->kind, s->namespace, s->name, &here, &first);
        if (r > 0)
                problem_add(
                        warnings, STR("metadata.name"),
                        "is that of the %.*s at %s:%u already, and only the last one counts; rename one, or "
                        "take it out",
                        STR_FMT(s->kind), first.file, first.line);
        return r < 0 ? r : 0;
}

static int judge_ours(struct run *run, const struct subject *s, struct problems *problems,
                      struct problems *warnings)
{
        const struct admission_kind *kind = find_kind(s);
        struct origins explained = { 0 };
        int r;

        if (kind) {
                r = admission_judge(kind, s->object, NULL, ADMISSION_OFFLINE, problems, warnings);
                if (r == 0 && kind == &app_admission)
                        r = rivals_note(&run->rivals, s->object, run->file, s->line, warnings);
                if (r == 0 && run->arguments->explain)
                        r = explain_spec(&run->explain, kind, s->object, warnings, &explained);
        } else {
                tell_unknown(s, problems);
                r = problems_result(problems);
        }
        if (r < 0 && r != -EINVAL)
                return r;
        r = warn_of_twin(run, s, warnings);
        if (r < 0)
                return r;
        if (problems->n)
                run->n_wrong++;
        else
                run->n_fine++;
        tell(run, s, problems, warnings, explained.spec ? &explained : NULL);
        return 0;
}

static int judge(struct run *run, const struct yaml_lines *lines, yyjson_val *document, yyjson_val *object)
{
        yyjson_val *meta = yyjson_obj_get(object, "metadata");
        struct subject s = {
                .lines = lines,
                .document = document,
                .object = object,
                /* Of a document, where it begins; in a List, where the item does. */
                .line = object == document ? lines->first : yaml_line(lines, document, object, STR_NULL),
                .api_version = json_get_str(object, "apiVersion"),
                .kind = json_get_str(object, "kind"),
                .namespace = json_get_str(meta, "namespace"),
                .name = json_get_str(meta, "name"),
        };
        struct arena a = ARENA_INIT(ARENA_MAX);
        struct problems problems, warnings;
        int r;

        if (run->learning)
                return is_ours(s.api_version) ? explain_learn(&run->explain, object) : 0;
        s.shown = s.name;
        if (str_empty(s.name) && json_get_str(meta, "generateName").data)
                s.shown = STR("(generateName)");
        problems_init(&problems, &a);
        problems_init(&warnings, &a);
        r = is_ours(s.api_version) ? judge_ours(run, &s, &problems, &warnings)
                                   : pass_over(run, &s, &problems, &warnings);
        arena_release(&a);
        return r;
}

/* A List, as kubectl get -o yaml writes it, is what it holds. */
static int judge_all(struct run *run, const struct yaml_lines *lines, yyjson_val *document)
{
        yyjson_val *items = yyjson_obj_get(document, "items"), *one;
        size_t i, n;
        int r = 0;

        if (!yyjson_is_arr(items) || !str_ends(json_get_str(document, "kind"), STR("List")))
                return judge(run, lines, document, document);
        yyjson_arr_foreach (items, i, n, one)
                if (r == 0)
                        r = judge(run, lines, document, one);
        return r;
}

static void complain_of_document(struct run *run, unsigned line)
{
        char why[64];

        snprintf(why, sizeof(why), "line %u: the document is no object", line);
        complain(run->file, why, run);
}

static int take_document(yyjson_doc *doc, const struct yaml_lines *lines, void *arg, struct error *err)
{
        struct run *run = arg;
        int r = 0;

        if (yyjson_is_obj(yyjson_doc_get_root(doc)))
                r = judge_all(run, lines, yyjson_doc_get_root(doc));
        else
                complain_of_document(run, lines->first);
        yyjson_doc_free(doc);
        return r == -ENOMEM ? error_set(err, r, "out of memory") : r;
}

static void take_file(const char *file, struct str text, void *arg)
{
        struct run *run = arg;
        struct error err = ERROR_INIT;

        run->file = file;
        if (yaml_parse_all(text, take_document, run, &err) < 0)
                complain(file, err.message, run);
        run->file = NULL;
}

/* --- the command ------------------------------------------------------------------------ */

static int take_option(void *arg, int id, struct str value, const char **ret_expected)
{
        struct arguments *a = arg;

        switch (id) {
        case 'f':
                *ret_expected = "a file, a folder or -, and not more than 256 of them";
                return str_empty(value) ? -EINVAL : inputs_add(&a->inputs, value.data);
        case 'o':
                *ret_expected = "text or json";
                a->json = str_eq(value, STR("json"));
                return a->json || str_eq(value, STR("text")) ? 0 : -EINVAL;
        case OPT_EXPLAIN:
                a->explain = true;
                return 0;
        default:
                return -EINVAL;
        }
}

static int print(struct run *run)
{
        if (run->arguments->json) {
                json_end(&run->w);
                buf_add_char(&run->out, '\n');
        }
        if (buf_error(&run->out) < 0 ||
            fwrite(run->out.data ? run->out.data : "", 1, run->out.len, stdout) != run->out.len ||
            fflush(stdout) != 0) {
                fprintf(stderr, "keelson validate: the verdict could not be written\n");
                return EXIT_USAGE;
        }
        if (run->n_fine + run->n_wrong + run->n_unread == 0)
                fprintf(stderr, "keelson validate: warning: nothing of Keelson's was found\n");
        fprintf(stderr, "%zu fine, %zu wrong, %zu not Keelson's\n", run->n_fine, run->n_wrong,
                run->n_passed_over);
        if (run->n_unread)
                return EXIT_USAGE;
        return run->n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}

int cmd_validate(int argc, char **argv)
{
        static const struct cmd_line line = { .command = "validate",
                                              .usage = usage,
                                              .options = options,
                                              .for_words = "-f",
                                              .take = take_option };
        struct arguments arguments = { 0 };
        struct run run = {
                .arguments = &arguments,
                .out = BUF_INIT(OUTPUT_MAX),
        };
        const struct input_reader reader = { take_file, complain, &run };
        int code;

        inputs_init(&arguments.inputs);
        if (!cmd_parse(&line, argc, argv, &arguments, &code))
                return code;
        if (arguments.inputs.n == 0)
                return cmd_refuse(&line, "what is to be looked at? Name it with -f");
        explain_init(&run.explain);
        seen_init(&run.seen);
        rivals_init(&run.rivals);
        run.learning = arguments.explain;
        if (run.learning)
                inputs_read(&arguments.inputs, &reader);
        run.learning = false;
        json_writer_init(&run.w, &run.out);
        if (arguments.json)
                json_array(&run.w);
        inputs_read(&arguments.inputs, &reader);
        code = print(&run);
        explain_release(&run.explain);
        seen_release(&run.seen);
        rivals_release(&run.rivals);
        inputs_release(&arguments.inputs);
        buf_release(&run.out);
        return code;
}
