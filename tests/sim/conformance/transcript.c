/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/conformance/transcript.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/conformance/backend.h"

#define UIDS_MAX 64
#define NAMES_MAX 64
#define KEYS_MAX 256
#define TEXT_MAX 64

static struct {
        char uids[UIDS_MAX][TEXT_MAX];
        size_t n_uids;
        struct seen {
                char name[TEXT_MAX], uid[TEXT_MAX], first[TEXT_MAX], version[TEXT_MAX];
                unsigned n_versions;
        } seen[NAMES_MAX];
        size_t n_seen;
} memory;

void transcript_begin(void)
{
        memset(&memory, 0, sizeof(memory));
}

/* --- what was seen --------------------------------------------------------------- */

static struct seen *seen_of(const char *name)
{
        for (size_t i = 0; i < memory.n_seen; i++)
                if (strcmp(memory.seen[i].name, name) == 0)
                        return &memory.seen[i];
        assert(memory.n_seen < NAMES_MAX);
        snprintf(memory.seen[memory.n_seen].name, TEXT_MAX, "%s", name);
        return &memory.seen[memory.n_seen++];
}

const char *transcript_seen(const char *name, const char *what)
{
        const struct seen *s = seen_of(name);

        return strcmp(what, "uid") == 0 ? s->uid : strcmp(what, "first") == 0 ? s->first : s->version;
}

static void see_uid(const char *uid)
{
        for (size_t i = 0; i < memory.n_uids; i++)
                if (strcmp(memory.uids[i], uid) == 0)
                        return;
        assert(memory.n_uids < UIDS_MAX);
        snprintf(memory.uids[memory.n_uids++], TEXT_MAX, "%s", uid);
}

/* "v1" at first, and with each rise one more. */
static void see_version(struct seen *s, const char *version, char ret[TEXT_MAX])
{
        int rise = s->version[0] ? str_version_cmp(str_c(version), str_c(s->version)) : 1;

        s->n_versions += rise > 0;
        snprintf(ret, TEXT_MAX, "v%u%s", s->n_versions, rise < 0 ? " (older)" : "");
        if (rise > 0)
                snprintf(s->version, TEXT_MAX, "%s", version);
        if (!s->first[0])
                snprintf(s->first, TEXT_MAX, "%s", version);
}

/* --- what differs from run to run ------------------------------------------------------ */

static const char *get_text(yyjson_mut_val *object, const char *key)
{
        const char *text = yyjson_mut_get_str(yyjson_mut_obj_get(object, key));

        return text ? text : "";
}

static int by_writer(const void *a, const void *b)
{
        static const char *const keys[] = { "manager", "operation", "subresource" };
        yyjson_mut_val *x = *(yyjson_mut_val *const *)a, *y = *(yyjson_mut_val *const *)b;

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                int order = strcmp(get_text(x, keys[i]), get_text(y, keys[i]));

                if (order)
                        return order;
        }
        return 0;
}

/* In an order of their own, and without what is always the same. */
static void settle_managed(yyjson_mut_val *managed)
{
        yyjson_mut_val *entries[KEYS_MAX], *entry;
        size_t n = 0;

        while ((entry = yyjson_mut_arr_remove_first(managed))) {
                assert(n < KEYS_MAX);
                yyjson_mut_obj_remove_key(entry, "time");
                yyjson_mut_obj_remove_key(entry, "apiVersion");
                yyjson_mut_obj_remove_key(entry, "fieldsType");
                entries[n++] = entry;
        }
        qsort(entries, n, sizeof(*entries), by_writer);
        for (size_t i = 0; i < n; i++)
                yyjson_mut_arr_append(managed, entries[i]);
}

static void settle_object(yyjson_mut_doc *doc, yyjson_mut_val *object)
{
        yyjson_mut_val *meta = yyjson_mut_obj_get(object, "metadata");
        struct seen *s = seen_of(get_text(meta, "name"));
        char version[TEXT_MAX];

        snprintf(s->uid, TEXT_MAX, "%s", get_text(meta, "uid"));
        see_uid(s->uid);
        see_version(s, get_text(meta, "resourceVersion"), version);
        yyjson_mut_obj_put(meta, yyjson_mut_str(doc, "resourceVersion"), yyjson_mut_strcpy(doc, version));
        yyjson_mut_obj_remove_key(meta, "creationTimestamp");
        if (yyjson_mut_obj_get(meta, "deletionTimestamp"))
                yyjson_mut_obj_put(meta, yyjson_mut_str(doc, "deletionTimestamp"),
                                   yyjson_mut_str(doc, "set"));
        settle_managed(yyjson_mut_obj_get(meta, "managedFields"));
}

/* --- text --------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b)
{
        return strcmp(yyjson_mut_get_str(*(yyjson_mut_val *const *)a),
                      yyjson_mut_get_str(*(yyjson_mut_val *const *)b));
}

static void put_value(FILE *out, yyjson_mut_val *value);

static void put_object(FILE *out, yyjson_mut_val *object)
{
        yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(object);
        yyjson_mut_val *keys[KEYS_MAX], *key;
        size_t n = 0;

        while ((key = yyjson_mut_obj_iter_next(&it))) {
                assert(n < KEYS_MAX);
                keys[n++] = key;
        }
        qsort(keys, n, sizeof(*keys), by_text);
        if (n == 1 && yyjson_mut_equals_str(keys[0], "."))
                n = 0; /* as a real one writes a set of nothing but its root */
        fputc('{', out);
        for (size_t i = 0; i < n; i++) {
                fputs(i ? "," : "", out);
                put_value(out, keys[i]);
                fputc(':', out);
                put_value(out, yyjson_mut_obj_iter_get_val(keys[i]));
        }
        fputc('}', out);
}

static void put_array(FILE *out, yyjson_mut_val *array)
{
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(array);
        const char *between = "";
        yyjson_mut_val *item;

        fputc('[', out);
        while ((item = yyjson_mut_arr_iter_next(&it))) {
                fputs(between, out);
                put_value(out, item);
                between = ",";
        }
        fputc(']', out);
}

/* With what is different for each run replaced. */
static void put_settled(FILE *out, const char *text)
{
        while (*text) {
                size_t i, n = strlen(conformance_namespace);

                for (i = 0; i < memory.n_uids; i++)
                        if (memory.uids[i][0] && strncmp(text, memory.uids[i], strlen(memory.uids[i])) == 0)
                                break;
                if (i < memory.n_uids) {
                        fprintf(out, "uid-%zu", i + 1);
                        text += strlen(memory.uids[i]);
                } else if (strncmp(text, conformance_namespace, n) == 0) {
                        fputs("NAMESPACE", out);
                        text += n;
                } else {
                        fputc(*text++, out);
                }
        }
}

static void put_value(FILE *out, yyjson_mut_val *value)
{
        char *text;

        if (yyjson_mut_is_obj(value)) {
                put_object(out, value);
        } else if (yyjson_mut_is_arr(value)) {
                put_array(out, value);
        } else {
                text = yyjson_mut_val_write(value, 0, NULL);
                put_settled(out, text);
                free(text);
        }
}

/* Each half of it on a line, and each of its owners. */
static void put_live(FILE *out, yyjson_mut_val *object)
{
        static const char *const parts[] = { "data", "spec", "status" };
        yyjson_mut_val *meta = yyjson_mut_obj_get(object, "metadata");
        yyjson_mut_val *managed = yyjson_mut_obj_remove_key(meta, "managedFields"), *entry;
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(managed);

        fputs("  metadata ", out);
        put_value(out, meta);
        fputc('\n', out);
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                if (!yyjson_mut_obj_get(object, parts[i]))
                        continue;
                fprintf(out, "  %s ", parts[i]);
                put_value(out, yyjson_mut_obj_get(object, parts[i]));
                fputc('\n', out);
        }
        while ((entry = yyjson_mut_arr_iter_next(&it))) {
                fprintf(out, "  %s %s%s%s ", get_text(entry, "manager"), get_text(entry, "operation"),
                        get_text(entry, "subresource")[0] ? " " : "", get_text(entry, "subresource"));
                put_value(out, yyjson_mut_obj_get(entry, "fieldsV1"));
                fputc('\n', out);
        }
}

/* --- answers --------------------------------------------------------------------------------- */

static yyjson_mut_doc *read_json(const char *text, size_t n)
{
        yyjson_doc *doc = yyjson_read(text, n, 0);
        yyjson_mut_doc *copy = yyjson_doc_mut_copy(doc, NULL);

        yyjson_doc_free(doc);
        if (!copy) {
                fprintf(stderr, "conformance: this is not JSON: %.*s\n", (int)n, text);
                exit(2);
        }
        return copy;
}

static void put_failure(FILE *out, yyjson_mut_val *status)
{
        yyjson_mut_val *causes = yyjson_mut_obj_get(yyjson_mut_obj_get(status, "details"), "causes"), *cause,
                       *last = NULL;
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(causes);

        fprintf(out, " %s\n", get_text(status, "reason"));
        while ((cause = yyjson_mut_arr_iter_next(&it))) {
                if (last && yyjson_mut_equals(last, cause))
                        continue; /* the real one stutters */
                last = cause;
                fprintf(out, "  %s %s\n", get_text(cause, "reason"), get_text(cause, "field"));
        }
}

void transcript_reply(FILE *out, int status, const char *body)
{
        yyjson_mut_doc *doc = read_json(body, strlen(body));
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);

        fprintf(out, "%d", status);
        if (status >= 300) {
                put_failure(out, root);
        } else if (strcmp(get_text(root, "kind"), "Status") == 0) {
                fputs(" Success\n", out);
        } else {
                fputc('\n', out);
                settle_object(doc, root);
                put_live(out, root);
        }
        yyjson_mut_doc_free(doc);
}

void transcript_list(FILE *out, int status, const char *body, char **ret_token)
{
        yyjson_mut_doc *doc = read_json(body, strlen(body));
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *item;
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(yyjson_mut_obj_get(root, "items"));
        const char *token = get_text(yyjson_mut_obj_get(root, "metadata"), "continue");

        fprintf(out, "%d", status);
        if (status >= 300)
                put_failure(out, root);
        while (status < 300 && (item = yyjson_mut_arr_iter_next(&it))) {
                yyjson_mut_val *meta = yyjson_mut_obj_get(item, "metadata");
                struct seen *s = seen_of(get_text(meta, "name"));

                fprintf(out, " %s%s", s->name,
                        strcmp(get_text(meta, "resourceVersion"), s->version) == 0 ? ""
                                                                                   : " (not as last seen)");
        }
        if (status < 300)
                fputs(token[0] ? ", and more\n" : "\n", out);
        free(*ret_token);
        *ret_token = token[0] ? strdup(token) : NULL;
        yyjson_mut_doc_free(doc);
}

static void put_event(FILE *out, yyjson_mut_val *event)
{
        yyjson_mut_val *object = yyjson_mut_obj_get(event, "object");
        yyjson_mut_val *meta = yyjson_mut_obj_get(object, "metadata");
        yyjson_mut_val *labels = yyjson_mut_obj_get(meta, "labels");
        yyjson_mut_val *generation = yyjson_mut_obj_get(meta, "generation");

        fprintf(out, "  %s %s", get_text(event, "type"), get_text(meta, "name"));
        if (generation)
                fprintf(out, " generation %lld", (long long)yyjson_mut_get_sint(generation));
        if (yyjson_mut_obj_get(meta, "deletionTimestamp"))
                fputs(" deleting", out);
        if (labels) {
                fputc(' ', out);
                put_value(out, labels);
        }
        fputc('\n', out);
}

void transcript_events(FILE *out, const char *events)
{
        char last[TEXT_MAX] = "";

        while (*events) {
                const char *end = strchr(events, '\n');
                yyjson_mut_doc *doc = read_json(events, end ? (size_t)(end - events) : strlen(events));
                yyjson_mut_val *event = yyjson_mut_doc_get_root(doc);
                const char *version =
                        get_text(yyjson_mut_obj_get(yyjson_mut_obj_get(event, "object"), "metadata"),
                                 "resourceVersion");

                if (strcmp(get_text(event, "type"), "BOOKMARK") != 0) {
                        if (last[0] && str_version_cmp(str_c(version), str_c(last)) <= 0)
                                fputs("  (its version is not behind the one before)\n", out);
                        snprintf(last, sizeof(last), "%s", version);
                        put_event(out, event);
                }
                yyjson_mut_doc_free(doc);
                events = end ? end + 1 : events + strlen(events);
        }
}
