/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of the simulated API server, with the answers that kube-apiserver
 * gives. sim/conformance asks a real one the same questions.
 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/fields.h"
#include "sim/managed.h"
#include "sim/store.h"

#define MANAGER_MAX 128

/* --- replies -------------------------------------------------------------------------- */

static char *write_status(int status, const char *reason, const char *message, int retry_after_seconds,
                          const char *cause, const char *field)
{
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *root = yyjson_mut_obj(doc), *details = yyjson_mut_obj(doc);
        char *text;

        yyjson_mut_doc_set_root(doc, root);
        yyjson_mut_obj_add_str(doc, root, "kind", "Status");
        yyjson_mut_obj_add_str(doc, root, "status", status < 300 ? "Success" : "Failure");
        yyjson_mut_obj_add_str(doc, root, "reason", reason);
        yyjson_mut_obj_add_str(doc, root, "message", message);
        yyjson_mut_obj_add_int(doc, root, "code", status);
        if (retry_after_seconds > 0)
                yyjson_mut_obj_add_int(doc, details, "retryAfterSeconds", retry_after_seconds);
        if (cause) {
                yyjson_mut_val *causes = yyjson_mut_obj_add_arr(doc, details, "causes");
                yyjson_mut_val *one = yyjson_mut_arr_add_obj(doc, causes);

                yyjson_mut_obj_add_str(doc, one, "reason", cause);
                yyjson_mut_obj_add_str(doc, one, "field", field);
        }
        yyjson_mut_obj_add_val(doc, root, "details", details);
        text = yyjson_mut_write(doc, 0, NULL);
        yyjson_mut_doc_free(doc);
        return text;
}

char *sim_status(int status, const char *reason, const char *message, int retry_after_seconds)
{
        return write_status(status, reason, message, retry_after_seconds, NULL, NULL);
}

/* By validation: the cause is what a client may go by. */
static struct sim_reply invalid(const char *field, const char *message)
{
        return (struct sim_reply){ 422,
                                   write_status(422, "Invalid", message, 0, "FieldValueInvalid", field) };
}

static struct sim_reply refuse(int status, const char *reason, const char *message)
{
        return (struct sim_reply){ status, sim_status(status, reason, message, 0) };
}

static struct sim_reply reply_with(int status, const struct sim_object *o)
{
        return (struct sim_reply){ status, yyjson_mut_write(o->doc, 0, NULL) };
}

/* DOC (taken over) becomes the object's state, which may be its last. */
static struct sim_reply store(struct sim_api *api, struct sim_object *o, yyjson_mut_doc *doc)
{
        char *last = sim_ends(doc) ? yyjson_mut_write(doc, 0, NULL) : NULL;

        sim_store(api, o, doc);
        return last ? (struct sim_reply){ 200, last } : reply_with(200, o);
}

/* --- who writes what -------------------------------------------------------------------- */

struct writer {
        struct sim_writer base;
        char name[MANAGER_MAX];
};

static void writer_init(struct writer *w, const struct kube_call *call)
{
        snprintf(w->name, sizeof(w->name), "%.*s", STR_FMT(call->field_manager));
        w->base = (struct sim_writer){
                .manager = w->name,
                .operation = call->verb == KUBE_APPLY ? "Apply" : "Update",
                .status = str_eq(call->subresource, STR("status")),
        };
}

/* --- apply ------------------------------------------------------------------------------- */

/* An object with nothing but its identity. */
static yyjson_mut_doc *skeleton(const struct kube_call *call)
{
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *root = yyjson_mut_obj(doc), *meta = yyjson_mut_obj(doc);
        char api_version[128];
        int n;

        n = snprintf(api_version, sizeof(api_version), "%.*s%s%.*s", STR_FMT(call->kind->group),
                     call->kind->group.len ? "/" : "", STR_FMT(call->kind->version));
        yyjson_mut_doc_set_root(doc, root);
        sim_put_str(doc, root, "apiVersion", str_n(api_version, (size_t)n));
        sim_put_str(doc, root, "kind", call->kind->kind);
        sim_put(doc, root, "metadata", meta);
        sim_put_str(doc, meta, "name", call->name);
        sim_put_str(doc, meta, "namespace", call->namespace);
        return doc;
}

static bool has_version(const struct sim_object *o, struct str version)
{
        return str_eq(version, sim_get_str(sim_meta(yyjson_mut_doc_get_root(o->doc)), "resourceVersion"));
}

/* Does BODY mean this very object, as it is, as far as its metadata says? */
static bool fits(const struct sim_object *o, yyjson_mut_val *body)
{
        yyjson_mut_val *meta = yyjson_mut_obj_get(body, "metadata");
        struct str uid = sim_get_str(meta, "uid");
        struct str version = sim_get_str(meta, "resourceVersion");

        return (!version.data || has_version(o, version)) && (!uid.data || str_eq(uid, o->uid));
}

/* The answers to an apply that has preconditions in its metadata; status 0: go on. */
static struct sim_reply check_preconditions(const struct sim_object *o, struct str uid, struct str version)
{
        if (!o && uid.data)
                return refuse(409, "Conflict",
                              "Precondition failed: UID in precondition is not that of the object");
        if (o && version.data && !has_version(o, version))
                return refuse(
                        409, "Conflict",
                        "the object has been modified; please apply your changes to the latest version");
        if (o && uid.data && !str_eq(uid, o->uid))
                return invalid("metadata.uid", "metadata.uid: Invalid value: field is immutable");
        return (struct sim_reply){ 0 };
}

/* DOC is taken over. */
static struct sim_reply apply_to(struct sim_api *api, const struct kube_call *call, struct sim_object *o,
                                 yyjson_mut_doc *doc, const struct sim_writer *w)
{
        yyjson_mut_val *config = sim_parse(doc, call->body), *meta = sim_meta(config);
        struct sim_reply refused = { 0 };

        if (!config || !str_eq(sim_get_str(meta, "name"), call->name))
                refused = refuse(400, "BadRequest", "the body is not an object of that name");
        else if (!o && w->status)
                refused = refuse(404, "NotFound", "not found");
        else
                refused = check_preconditions(o, sim_get_str(meta, "uid"),
                                              sim_get_str(meta, "resourceVersion"));
        if (refused.status) {
                yyjson_mut_doc_free(doc);
                return refused;
        }
        managed_strip(doc, config, w->status);
        managed_apply(doc, config, w);
        if (!o)
                return reply_with(201, sim_store_new(api, call->kind, doc));
        return store(api, o, doc);
}

static struct sim_reply apply(struct sim_api *api, const struct kube_call *call)
{
        struct sim_object *o = sim_api_find(api, call->kind, call->namespace, call->name);
        struct writer w;

        writer_init(&w, call);
        return apply_to(api, call, o, o ? yyjson_mut_doc_mut_copy(o->doc, NULL) : skeleton(call), &w.base);
}

/* --- the other writes ----------------------------------------------------------------------- */

/* DOC (taken over), as it would be stored. */
static struct sim_reply would_be(yyjson_mut_doc *doc)
{
        struct sim_reply reply = { 201, yyjson_mut_write(doc, 0, NULL) };

        yyjson_mut_doc_free(doc);
        return reply;
}

static struct sim_reply create(struct sim_api *api, const struct kube_call *call)
{
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *root = sim_parse(doc, call->body);
        struct writer w;

        yyjson_mut_doc_set_root(doc, root);
        if (!root || str_empty(sim_get_str(sim_meta(root), "name"))) {
                yyjson_mut_doc_free(doc);
                return refuse(400, "BadRequest", "the body is not an object with a name");
        }
        if (sim_api_find(api, call->kind, call->namespace, sim_get_str(sim_meta(root), "name"))) {
                yyjson_mut_doc_free(doc);
                return refuse(409, "AlreadyExists", "it exists already");
        }
        writer_init(&w, call);
        yyjson_mut_obj_remove_key(root, "status");
        if (!yyjson_mut_obj_get(sim_meta(root), "namespace"))
                sim_put_str(doc, sim_meta(root), "namespace", call->namespace);
        managed_create(doc, &w.base);
        if (call->dry_run)
                return would_be(doc);
        return reply_with(201, sim_store_new(api, call->kind, doc));
}

/* What a client cannot replace stays as it was. */
static void keep_identity(yyjson_mut_doc *doc, yyjson_mut_val *after, yyjson_mut_val *before)
{
        static const char *const kept[] = { "name",
                                            "namespace",
                                            "uid",
                                            "generation",
                                            "creationTimestamp",
                                            "managedFields",
                                            "deletionTimestamp",
                                            "deletionGracePeriodSeconds",
                                            "resourceVersion" };

        for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
                yyjson_mut_val *value = yyjson_mut_obj_get(sim_meta(before), kept[i]);

                yyjson_mut_obj_remove_key(sim_meta(after), kept[i]);
                if (value)
                        sim_put(doc, sim_meta(after), kept[i], yyjson_mut_val_mut_copy(doc, value));
        }
        yyjson_mut_obj_remove_key(after, "status");
        if (yyjson_mut_obj_get(before, "status"))
                sim_put(doc, after, "status",
                        yyjson_mut_val_mut_copy(doc, yyjson_mut_obj_get(before, "status")));
}

/* Of custom resources nobody may write over what they have not seen. */
static bool needs_version(const struct kube_kind *kind, yyjson_mut_val *body)
{
        return memchr(kind->group.data, '.', kind->group.len) && !str_ends(kind->group, STR(".k8s.io")) &&
               !sim_get_str(sim_meta(body), "resourceVersion").data;
}

static struct sim_reply update(struct sim_api *api, const struct kube_call *call)
{
        struct sim_object *o = sim_api_find(api, call->kind, call->namespace, call->name);
        yyjson_mut_val *before, *after;
        yyjson_mut_doc *doc;
        struct writer w;

        if (!o)
                return refuse(404, "NotFound", "not found");
        doc = yyjson_mut_doc_new(NULL);
        after = sim_parse(doc, call->body);
        assert(after);
        if (!fits(o, after) || needs_version(call->kind, after)) {
                bool fitting = fits(o, after);

                yyjson_mut_doc_free(doc);
                return fitting ? invalid("metadata.resourceVersion", "must be specified for an update")
                               : refuse(409, "Conflict", "the object has been modified");
        }
        before = yyjson_mut_val_mut_copy(doc, yyjson_mut_doc_get_root(o->doc));
        yyjson_mut_doc_set_root(doc, after);
        keep_identity(doc, after, before);
        writer_init(&w, call);
        managed_update(doc, before, &w.base);
        return store(api, o, doc);
}

static struct sim_reply patch(struct sim_api *api, const struct kube_call *call, enum fields_mode mode)
{
        struct sim_object *o = sim_api_find(api, call->kind, call->namespace, call->name);
        yyjson_mut_val *body, *before, *after;
        yyjson_mut_doc *doc;
        struct writer w;

        if (!o)
                return refuse(404, "NotFound", "not found");
        doc = yyjson_mut_doc_mut_copy(o->doc, NULL);
        after = yyjson_mut_doc_get_root(doc);
        before = yyjson_mut_val_mut_copy(doc, after);
        body = sim_parse(doc, call->body);
        assert(body);
        if (!fits(o, body)) {
                yyjson_mut_doc_free(doc);
                return refuse(409, "Conflict", "the object has been modified");
        }
        writer_init(&w, call);
        if (w.base.status)
                managed_strip(doc, body, true);
        else
                yyjson_mut_obj_remove_key(body, "status");
        fields_merge(doc, after, body, mode);
        managed_update(doc, before, &w.base);
        return store(api, o, doc);
}

/* In an object, what is added takes the place of what is there (RFC 6902, 4.1); yyjson
 * puts it beside that. */
static void replace_what_is_there(yyjson_mut_doc *doc, yyjson_mut_val *before, yyjson_mut_val *patch)
{
        yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(patch);
        yyjson_mut_val *operation;

        while ((operation = yyjson_mut_arr_iter_next(&it))) {
                const char *path = yyjson_mut_get_str(yyjson_mut_obj_get(operation, "path"));
                bool member = !isdigit((unsigned char)strrchr(path, '/')[1]);

                if (member && yyjson_mut_equals_str(yyjson_mut_obj_get(operation, "op"), "add") &&
                    yyjson_mut_ptr_get(before, path))
                        sim_put_str(doc, operation, "op", STR("replace"));
        }
}

static struct sim_reply json_patch(struct sim_api *api, const struct kube_call *call)
{
        struct sim_object *o = sim_api_find(api, call->kind, call->namespace, call->name);
        yyjson_mut_val *before, *after, *body;
        yyjson_mut_doc *doc;
        struct writer w;

        if (!o)
                return refuse(404, "NotFound", "not found");
        doc = yyjson_mut_doc_mut_copy(o->doc, NULL);
        before = yyjson_mut_doc_get_root(doc);
        body = sim_parse(doc, call->body);
        assert(body);
        replace_what_is_there(doc, before, body);
        after = yyjson_mut_patch(doc, before, body, NULL);
        if (!after || !fits(o, after)) {
                yyjson_mut_doc_free(doc);
                return after ? refuse(409, "Conflict", "the object has been modified")
                             : refuse(422, "Invalid",
                                      "the server rejected our request due to an error in our request");
        }
        yyjson_mut_doc_set_root(doc, after);
        writer_init(&w, call);
        managed_update(doc, before, &w.base);
        return store(api, o, doc);
}

/* What O owns is nobody's from here on. */
static void disown(struct sim_api *api, const struct sim_object *owner)
{
        list_for_each_safe (link, &api->objects) {
                struct sim_object *o = container_of(link, struct sim_object, link);
                yyjson_mut_val *meta = sim_meta(yyjson_mut_doc_get_root(o->doc));
                yyjson_mut_val *first = yyjson_mut_arr_get_first(yyjson_mut_obj_get(meta, "ownerReferences"));
                char namespace[256], name[256];

                if (!first || !str_eq(sim_get_str(first, "uid"), owner->uid))
                        continue;
                snprintf(namespace, sizeof(namespace), "%.*s", STR_FMT(o->namespace));
                snprintf(name, sizeof(name), "%.*s", STR_FMT(o->name));
                sim_api_patch(api, o->kind, namespace, name, "{\"metadata\":{\"ownerReferences\":null}}",
                              "garbage-collector");
        }
}

static struct sim_reply delete_object(struct sim_api *api, const struct kube_call *call)
{
        struct sim_object *o = sim_api_find(api, call->kind, call->namespace, call->name);
        yyjson_mut_val *meta;

        if (!o)
                return refuse(404, "NotFound", "not found");
        meta = sim_meta(yyjson_mut_doc_get_root(o->doc));
        if (call->if_uid.data && !str_eq(call->if_uid, o->uid))
                return refuse(409, "Conflict", "Precondition failed: UID");
        if (call->if_version.data && !has_version(o, call->if_version))
                return refuse(409, "Conflict", "Precondition failed: ResourceVersion");
        if (str_eq(call->propagation, STR("Orphan")))
                disown(api, o);
        if (yyjson_mut_arr_size(yyjson_mut_obj_get(meta, "finalizers")) > 0) {
                sim_begin_deletion(api, o);
                return reply_with(200, o);
        }
        sim_erase(api, o);
        return (struct sim_reply){ 200, sim_status(200, "", "", 0) };
}

/* --- lists --------------------------------------------------------------------------------- */

struct page {
        FILE *out;
        size_t at, from, limit; /* the next object, the first and the number of the wanted */
        size_t n, next;         /* the written; where the next page begins, 0: there is none */
};

static void put_item(const char *object, bool matches, void *arg)
{
        struct page *p = arg;
        size_t at = p->at++;

        if (at < p->from)
                return;
        if (p->limit && p->n == p->limit)
                p->next = p->next ? p->next : at;
        else if (matches)
                fprintf(p->out, "%s%s", p->n++ ? "," : "", object);
}

struct sim_reply sim_list_page(const struct sim_api *api, const struct kube_call *call, uint64_t version)
{
        struct sim_watch w = { .api = (struct sim_api *)api,
                               .kind = call->kind,
                               .selector = call->label_selector };
        struct page p = { .limit = (size_t)call->limit };
        char text[SIM_VERSION_MAX], *body = NULL, token[64];
        unsigned long long token_version, from;
        size_t size;

        if (call->continue_token.data) {
                snprintf(token, sizeof(token), "%.*s", STR_FMT(call->continue_token));
                if (sscanf(token, "v%llu-%llu", &token_version, &from) != 2)
                        return refuse(400, "BadRequest", "continue key is not valid");
                if (token_version < api->compacted)
                        return refuse(410, "Expired", "The provided continue parameter is too old");
                version = token_version;
                p.from = (size_t)from;
        }
        p.out = open_memstream(&body, &size);
        assert(p.out);
        fprintf(p.out, "{\"kind\":\"%.*sList\",\"items\":[", STR_FMT(call->kind->kind));
        sim_list_at(&w, version, put_item, &p);
        sim_version_write(api, version, text);
        fprintf(p.out, "],\"metadata\":{\"resourceVersion\":\"%s\"", text);
        if (p.next)
                fprintf(p.out, ",\"continue\":\"v%llu-%zu\"", (unsigned long long)version, p.next);
        fprintf(p.out, "}}");
        fclose(p.out);
        return (struct sim_reply){ 200, body };
}

/* --- all ------------------------------------------------------------------------------------- */

struct sim_reply sim_patch_as_kubectl(struct sim_api *api, const struct kube_call *call)
{
        return patch(api, call, FIELDS_STRATEGIC);
}

static struct sim_reply get(const struct sim_api *api, const struct kube_call *call)
{
        const struct sim_object *o = sim_api_find(api, call->kind, call->namespace, call->name);

        return o ? reply_with(200, o) : refuse(404, "NotFound", "not found");
}

void sim_api_serve(struct sim_api *api, const struct kube_call *call, struct sim_reply *ret)
{
        switch (call->verb) {
        case KUBE_APPLY:
                *ret = apply(api, call);
                return;
        case KUBE_CREATE:
                *ret = create(api, call);
                return;
        case KUBE_UPDATE:
                *ret = update(api, call);
                return;
        case KUBE_MERGE_PATCH:
                *ret = patch(api, call, FIELDS_MERGE_PATCH);
                return;
        case KUBE_JSON_PATCH:
                *ret = json_patch(api, call);
                return;
        case KUBE_DELETE:
                *ret = delete_object(api, call);
                return;
        case KUBE_GET:
                *ret = get(api, call);
                return;
        case KUBE_LIST:
                *ret = sim_list_page(api, call, api->version);
                return;
        case KUBE_WATCH:
                *ret = refuse(405, "MethodNotAllowed", "not simulated");
                return;
        }
}
