/* SPDX-License-Identifier: Apache-2.0
 *
 * conformance: asks the simulator's API server, or a real one, the questions of
 * a script, and compares what it says with what stands there.
 *
 *      > apply ConfigMap a as keelson        what is asked
 *      | {"data":{"x":"1"}}                  with what; name and kind are added,
 *                                            $uid(a), $version(a), $first(a) filled in
 *      201                                   what the server said
 *        metadata {"name":"a",…
 *
 * Questions:
 *      apply, create, update, patch KIND NAME [status] [as MANAGER]
 *      get KIND NAME
 *      delete KIND NAME [uid=UID] [version=VERSION]
 *      list KIND [limit=N] [selector=KEY=VALUE] [next]
 *      watch KIND                                        events are told from here on
 *      events KIND [selector=KEY=VALUE]
 *      collect KIND NAME                                 the garbage collector comes
 *
 * conformance fake|real [--write] FILE
 *
 * --write puts what the server says into FILE: by the real one, and then looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/conformance/backend.h"
#include "sim/conformance/transcript.h"

#define LINE_MAX_BYTES 4096
#define WORDS_MAX 12

static const struct kube_kind kinds[] = {
        { STR_INIT(""), STR_INIT("v1"), STR_INIT("configmaps"), STR_INIT("ConfigMap"), true },
        { STR_INIT("sim.keelson.dev"), STR_INIT("v1"), STR_INIT("widgets"), STR_INIT("Widget"), true },
};

const char *conformance_namespace = "conformance";

static const struct backend *server;
static char *next_page;                          /* the token of the last list, or NULL */
static char watched_from[ARRAY_SIZE(kinds)][64]; /* the version at "watch" */

/* A question: its words, and the text with it. */
struct question {
        char line[LINE_MAX_BYTES], body[LINE_MAX_BYTES];
        char *words[WORDS_MAX];
        size_t n;
};

static _Noreturn void wrong(const struct question *q, const char *what)
{
        fprintf(stderr, "conformance: %s: %s\n", q->n ? q->words[0] : "?", what);
        exit(2);
}

static const struct kube_kind *kind_of(const struct question *q)
{
        for (size_t i = 0; q->n > 1 && i < ARRAY_SIZE(kinds); i++)
                if (str_eq_c(kinds[i].kind, q->words[1]))
                        return &kinds[i];
        wrong(q, "which kind?");
}

static bool has_word(const struct question *q, const char *word)
{
        for (size_t i = 0; i < q->n; i++)
                if (strcmp(q->words[i], word) == 0)
                        return true;
        return false;
}

/* What stands behind KEY ("uid="), or NULL. */
static const char *option(const struct question *q, const char *key)
{
        for (size_t i = 0; i < q->n; i++)
                if (strncmp(q->words[i], key, strlen(key)) == 0)
                        return q->words[i] + strlen(key);
        return NULL;
}

static const char *manager_of(const struct question *q)
{
        for (size_t i = 0; i + 1 < q->n; i++)
                if (strcmp(q->words[i], "as") == 0)
                        return q->words[i + 1];
        return "kubectl";
}

/* --- reading -------------------------------------------------------------------------- */

/* "$uid(a)" and its like become what was seen. */
static void fill_in(const char *text, char ret[LINE_MAX_BYTES])
{
        size_t n = 0;

        while (*text && n + 128 < LINE_MAX_BYTES) {
                char what[16], name[64];
                int length = 0;

                if (sscanf(text, "$%15[a-z](%63[a-z0-9-])%n", what, name, &length) == 2 && length) {
                        n += (size_t)snprintf(ret + n, LINE_MAX_BYTES - n, "%s", transcript_seen(name, what));
                        text += length;
                } else {
                        ret[n++] = *text++;
                }
        }
        ret[n] = '\0';
}

static void split(struct question *q, const char *line)
{
        char *save = NULL;

        fill_in(line, q->line);
        q->n = 0;
        for (char *word = strtok_r(q->line, " \n", &save); word && q->n < WORDS_MAX;
             word = strtok_r(NULL, " \n", &save))
                q->words[q->n++] = word;
}

/* The body with the object's kind and name, where it does not say them. */
static char *whole_body(const struct question *q, const struct kube_kind *kind, bool identity)
{
        yyjson_doc *read = yyjson_read(q->body, strlen(q->body), 0);
        yyjson_mut_doc *doc = yyjson_doc_mut_copy(read, NULL);
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *meta;
        char version[128], *text;

        if (!yyjson_mut_is_obj(root))
                wrong(q, "the body is not an object");
        if (identity) {
                snprintf(version, sizeof(version), "%.*s%s%.*s", STR_FMT(kind->group),
                         str_empty(kind->group) ? "" : "/", STR_FMT(kind->version));
                if (!yyjson_mut_obj_get(root, "metadata"))
                        yyjson_mut_obj_add_obj(doc, root, "metadata");
                meta = yyjson_mut_obj_get(root, "metadata");
                if (!yyjson_mut_obj_get(meta, "name"))
                        yyjson_mut_obj_add_str(doc, meta, "name", q->words[2]);
                yyjson_mut_obj_add_strcpy(doc, root, "apiVersion", version);
                yyjson_mut_obj_add_strn(doc, root, "kind", kind->kind.data, kind->kind.len);
        }
        text = yyjson_mut_write(doc, 0, NULL);
        yyjson_mut_doc_free(doc);
        yyjson_doc_free(read);
        return text;
}

/* --- asking ------------------------------------------------------------------------------- */

static void ask(FILE *out, const struct question *q, struct kube_call *call)
{
        struct sim_reply reply;

        call->kind = kind_of(q);
        call->namespace = str_c(conformance_namespace);
        if (call->verb == KUBE_LIST) {
                reply = server->serve(call);
                transcript_list(out, reply.status, reply.body, &next_page);
        } else {
                if (q->n < 3)
                        wrong(q, "of which object?");
                call->name = call->verb == KUBE_CREATE ? STR_NULL : str_c(q->words[2]);
                reply = server->serve(call);
                transcript_reply(out, reply.status, reply.body);
        }
        free(reply.body);
}

static void write_object(FILE *out, const struct question *q, enum kube_verb verb)
{
        char *body = whole_body(q, kind_of(q), verb != KUBE_MERGE_PATCH);
        struct kube_call call = {
                .verb = verb,
                .subresource = has_word(q, "status") ? STR("status") : STR_NULL,
                .body = str_c(body),
                .field_manager = str_c(manager_of(q)),
                .force = verb == KUBE_APPLY,
        };

        ask(out, q, &call);
        free(body);
}

static void delete_object(FILE *out, const struct question *q)
{
        const char *uid = option(q, "uid="), *version = option(q, "version=");
        struct kube_call call = { .verb = KUBE_DELETE,
                                  .propagation = STR("Background"),
                                  .if_uid = uid ? str_c(uid) : STR_NULL,
                                  .if_version = version ? str_c(version) : STR_NULL };

        ask(out, q, &call);
}

static void list(FILE *out, const struct question *q)
{
        const char *selector = option(q, "selector="), *limit = option(q, "limit=");
        const char *token = option(q, "token=");
        struct kube_call call = { .verb = KUBE_LIST, .limit = limit ? strtoll(limit, NULL, 10) : 0 };

        call.label_selector = selector ? str_c(selector) : STR_NULL;
        token = has_word(q, "next") ? next_page : token;
        call.continue_token = token ? str_c(token) : STR_NULL;
        ask(out, q, &call);
}

static void watch(const struct question *q)
{
        const struct kube_kind *kind = kind_of(q);
        const struct kube_call call = {
                .verb = KUBE_LIST, .kind = kind, .namespace = str_c(conformance_namespace), .limit = 1
        };
        struct sim_reply reply = server->serve(&call);
        yyjson_doc *doc = yyjson_read(reply.body, strlen(reply.body), 0);
        const char *version =
                yyjson_get_str(yyjson_ptr_get(yyjson_doc_get_root(doc), "/metadata/resourceVersion"));

        if (!version)
                wrong(q, "the list has no version");
        snprintf(watched_from[kind - kinds], sizeof(watched_from[0]), "%s", version);
        yyjson_doc_free(doc);
        free(reply.body);
}

static void events(FILE *out, const struct question *q)
{
        const struct kube_kind *kind = kind_of(q);
        char *text = server->events(kind, watched_from[kind - kinds], option(q, "selector="));

        transcript_events(out, text);
        free(text);
}

static void answer(FILE *out, const struct question *q)
{
        static const struct {
                const char *name;
                enum kube_verb verb;
        } writes[] = { { "apply", KUBE_APPLY },
                       { "create", KUBE_CREATE },
                       { "update", KUBE_UPDATE },
                       { "patch", KUBE_MERGE_PATCH } };
        const char *what = q->n ? q->words[0] : "";

        for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
                if (strcmp(what, writes[i].name) == 0) {
                        write_object(out, q, writes[i].verb);
                        return;
                }
        if (strcmp(what, "get") == 0)
                ask(out, q, &(struct kube_call){ .verb = KUBE_GET });
        else if (strcmp(what, "delete") == 0)
                delete_object(out, q);
        else if (strcmp(what, "list") == 0)
                list(out, q);
        else if (strcmp(what, "watch") == 0)
                watch(q);
        else if (strcmp(what, "events") == 0)
                events(out, q);
        else if (strcmp(what, "collect") == 0 && q->n > 2)
                fputs(server->collect(kind_of(q), q->words[2]) ? "gone\n" : "still there\n", out);
        else
                wrong(q, "what is that?");
}

/* --- a file ----------------------------------------------------------------------------------- */

static char *read_file(const char *path)
{
        FILE *in = fopen(path, "r");
        char *text = NULL;
        size_t size = 0;

        if (!in || getdelim(&text, &size, '\0', in) < 0) {
                fprintf(stderr, "conformance: cannot read %s\n", path);
                exit(2);
        }
        fclose(in);
        return text;
}

/* The script again, with the answers of the server. */
static char *run(const char *script)
{
        char line[LINE_MAX_BYTES], *text = NULL;
        size_t size;
        FILE *in = fmemopen((void *)script, strlen(script), "r"), *out = open_memstream(&text, &size);
        struct question *q = calloc(1, sizeof(*q));
        bool more;

        if (!in || !out || !q)
                abort();
        more = fgets(line, sizeof(line), in) != NULL;
        while (more) {
                bool asks = line[0] == '>';

                if (line[0] == '>' || line[0] == '#' || line[0] == '\n')
                        fputs(line, out);
                if (asks)
                        split(q, line + 1);
                more = fgets(line, sizeof(line), in) != NULL;
                if (!asks)
                        continue;
                q->body[0] = '\0';
                if (more && line[0] == '|') {
                        fputs(line, out);
                        fill_in(line + 1, q->body);
                        more = fgets(line, sizeof(line), in) != NULL;
                }
                answer(out, q);
        }
        fclose(in);
        fclose(out);
        free(q);
        return text;
}

/* The first lines that differ. */
static int compare(const char *path, const char *is, const char *wanted)
{
        size_t same = 0, line = 0, number = 1;

        if (strcmp(is, wanted) == 0)
                return 0;
        for (; is[same] && is[same] == wanted[same]; same++)
                if (is[same] == '\n') {
                        line = same + 1;
                        number++;
                }
        printf("%s:%zu: it says\n%.*s\ninstead of\n%.*s\n", path, number, (int)strcspn(is + line, "\n"),
               is + line, (int)strcspn(wanted + line, "\n"), wanted + line);
        return 1;
}

int main(int argc, char **argv)
{
        bool writes = argc == 4 && strcmp(argv[2], "--write") == 0;
        char *script, *transcript;
        FILE *out;
        int r = 0;

        if ((argc != 3 && !writes) || (strcmp(argv[1], "fake") != 0 && strcmp(argv[1], "real") != 0)) {
                fputs("conformance fake|real [--write] FILE\n", stderr);
                return 2;
        }
        server = strcmp(argv[1], "real") == 0 ? &real_backend : &fake_backend;
        if (getenv("KEELSON_SIM_NAMESPACE"))
                conformance_namespace = getenv("KEELSON_SIM_NAMESPACE");
        script = read_file(argv[argc - 1]);
        transcript_begin();
        server->begin();
        transcript = run(script);
        server->end();
        if (writes) {
                out = fopen(argv[3], "w");
                r = !out || fputs(transcript, out) < 0;
                if (out)
                        fclose(out);
        } else {
                r = compare(argv[2], transcript, script);
        }
        free(next_page);
        free(transcript);
        free(script);
        return r;
}
