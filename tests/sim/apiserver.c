/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/apiserver.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/fields.h"
#include "sim/managed.h"

#define FIELD_MANAGER "keelson"

void sim_api_init(struct sim_api *api)
{
        *api = (struct sim_api){ .version = 1000, .version_prefix = "" };
        list_init(&api->objects);
}

static void object_free(struct sim_object *o)
{
        list_remove(&o->link);
        yyjson_mut_doc_free(o->doc);
        free(o);
}

void sim_api_release(struct sim_api *api)
{
        list_for_each_safe (link, &api->objects)
                object_free(container_of(link, struct sim_object, link));
        for (size_t i = 0; i < api->n_log; i++) {
                free(api->log[i].object);
                free(api->log[i].before);
        }
        free(api->log);
}

static struct sim_object *find(const struct sim_api *api, const struct kube_kind *kind, struct str namespace,
                               struct str name)
{
        list_for_each (link, &api->objects) {
                struct sim_object *o = container_of(link, struct sim_object, link);

                if (sim_same_kind(o->kind, kind) && str_eq(o->namespace, namespace) && str_eq(o->name, name))
                        return o;
        }
        return NULL;
}

/* --- small JSON ------------------------------------------------------------------- */

static struct str get_str(yyjson_mut_val *object, const char *key)
{
        yyjson_mut_val *value = yyjson_mut_obj_get(object, key);

        return str_n(yyjson_mut_get_str(value), yyjson_mut_get_len(value));
}

static void put(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, yyjson_mut_val *value)
{
        yyjson_mut_obj_put(object, yyjson_mut_str(doc, key), value);
}

static void put_str(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct str value)
{
        put(doc, object, key, yyjson_mut_strncpy(doc, value.data, value.len));
}

static yyjson_mut_val *meta_of(yyjson_mut_val *object)
{
        return yyjson_mut_obj_get(object, "metadata");
}

static yyjson_mut_val *parse(yyjson_mut_doc *doc, struct str json)
{
        yyjson_doc *read = yyjson_read(json.data, json.len, 0);
        yyjson_mut_val *value = yyjson_val_mut_copy(doc, yyjson_doc_get_root(read));

        yyjson_doc_free(read);
        return value;
}

static void put_version(struct sim_api *api, yyjson_mut_doc *doc, yyjson_mut_val *object)
{
        char text[128];
        int n = snprintf(text, sizeof(text), "%s%llu", api->version_prefix, (unsigned long long)api->version);

        put_str(doc, meta_of(object), "resourceVersion", str_n(text, (size_t)n));
}

static void put_time(struct sim_api *api, yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key)
{
        char text[CLOCK_RFC3339_MAX];

        put_str(doc, meta_of(object), key, str_n(text, clock_format(api->wall, false, text)));
}

/* --- replies -------------------------------------------------------------------------- */

char *sim_status(int status, const char *reason, const char *message, int retry_after_seconds)
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
        yyjson_mut_obj_add_val(doc, root, "details", details);
        text = yyjson_mut_write(doc, 0, NULL);
        yyjson_mut_doc_free(doc);
        return text;
}

static struct sim_reply refuse(int status, const char *reason, const char *message)
{
        return (struct sim_reply){ status, sim_status(status, reason, message, 0) };
}

static struct sim_reply reply_with(int status, const struct sim_object *o)
{
        return (struct sim_reply){ status, yyjson_mut_write(o->doc, 0, NULL) };
}

/* --- storing ---------------------------------------------------------------------------- */

/* OBJECT and BEFORE are taken over. */
static void log_change(struct sim_api *api, const struct kube_kind *kind, char *object, char *before)
{
        if (api->n_log == api->log_size) {
                size_t size = MAX(api->log_size * 2, (size_t)64);
                struct sim_change *log = realloc(api->log, size * sizeof(*log));

                assert(log);
                api->log = log;
                api->log_size = size;
        }
        api->log[api->n_log++] = (struct sim_change){ kind, api->version, object, before };
        api->n_changes++;
}

/* The object as it was, under the version of the change that ended that. */
static char *text_before(struct sim_api *api, const struct sim_object *o)
{
        yyjson_mut_doc *doc = yyjson_mut_doc_mut_copy(o->doc, NULL);
        char *text;

        put_version(api, doc, yyjson_mut_doc_get_root(doc));
        text = yyjson_mut_write(doc, 0, NULL);
        yyjson_mut_doc_free(doc);
        return text;
}

static void take_doc(struct sim_object *o, yyjson_mut_doc *doc)
{
        yyjson_mut_val *meta = meta_of(yyjson_mut_doc_get_root(doc));

        yyjson_mut_doc_free(o->doc);
        o->doc = doc;
        o->namespace = get_str(meta, "namespace");
        o->name = get_str(meta, "name");
        o->uid = get_str(meta, "uid");
}

static void erase(struct sim_api *api, struct sim_object *o)
{
        api->version++;
        log_change(api, o->kind, NULL, text_before(api, o));
        object_free(o);
}

/* What counts for the generation: all but metadata and status. */
static bool same_spec(yyjson_mut_val *a, yyjson_mut_val *b)
{
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *x = yyjson_mut_val_mut_copy(doc, a), *y = yyjson_mut_val_mut_copy(doc, b);
        static const char *const without[] = { "metadata", "status" };
        bool same;

        for (size_t i = 0; i < ARRAY_SIZE(without); i++) {
                yyjson_mut_obj_remove_key(x, without[i]);
                yyjson_mut_obj_remove_key(y, without[i]);
        }
        same = yyjson_mut_equals(x, y);
        yyjson_mut_doc_free(doc);
        return same;
}

/* DOC (taken over) becomes the object's state, if that is a change. */
static void store(struct sim_api *api, struct sim_object *o, yyjson_mut_doc *doc)
{
        yyjson_mut_val *after = yyjson_mut_doc_get_root(doc), *before = yyjson_mut_doc_get_root(o->doc);
        yyjson_mut_val *meta = meta_of(after);

        if (api->admit)
                api->admit(o->kind, doc, after);
        if (yyjson_mut_equals(before, after)) {
                yyjson_mut_doc_free(doc);
                return;
        }
        if (!same_spec(before, after))
                put(doc, meta, "generation",
                    yyjson_mut_int(doc, yyjson_mut_get_sint(yyjson_mut_obj_get(meta, "generation")) + 1));
        api->version++;
        put_version(api, doc, after);
        log_change(api, o->kind, yyjson_mut_write(doc, 0, NULL), text_before(api, o));
        take_doc(o, doc);
        if (yyjson_mut_obj_get(meta, "deletionTimestamp") &&
            yyjson_mut_arr_size(yyjson_mut_obj_get(meta, "finalizers")) == 0)
                erase(api, o);
}

static struct sim_object *store_new(struct sim_api *api, const struct kube_kind *kind, yyjson_mut_doc *doc)
{
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
        struct sim_object *o = calloc(1, sizeof(*o));
        char uid[64];
        int n;

        assert(o);
        n = snprintf(uid, sizeof(uid), "00000000-0000-4000-8000-%012llx", (unsigned long long)++api->n_uids);
        put_str(doc, meta_of(root), "uid", str_n(uid, (size_t)n));
        put(doc, meta_of(root), "generation", yyjson_mut_int(doc, 1));
        put_time(api, doc, root, "creationTimestamp");
        if (api->admit)
                api->admit(kind, doc, root);
        api->version++;
        put_version(api, doc, root);
        o->kind = kind;
        take_doc(o, doc);
        list_add_tail(&api->objects, &o->link);
        api->n_created++;
        log_change(api, kind, yyjson_mut_write(doc, 0, NULL), NULL);
        return o;
}

/* --- the verbs --------------------------------------------------------------------------- */

/* An object with nothing but its identity. */
static yyjson_mut_doc *skeleton(const struct call *call)
{
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *root = yyjson_mut_obj(doc), *meta = yyjson_mut_obj(doc);
        char api_version[128];
        int n;

        n = snprintf(api_version, sizeof(api_version), "%.*s%s%.*s", STR_FMT(call->kind->group),
                     call->kind->group.len ? "/" : "", STR_FMT(call->kind->version));
        yyjson_mut_doc_set_root(doc, root);
        put_str(doc, root, "apiVersion", str_n(api_version, (size_t)n));
        put_str(doc, root, "kind", call->kind->kind);
        put(doc, root, "metadata", meta);
        put_str(doc, meta, "name", call->name);
        put_str(doc, meta, "namespace", call->namespace);
        return doc;
}

/* The answers of kube-apiserver to an apply that has preconditions in its
 * metadata; status 0: go on. */
static struct sim_reply check_preconditions(const struct sim_object *o, struct str uid, struct str version)
{
        if (!o && uid.data)
                return refuse(409, "Conflict",
                              "Precondition failed: UID in precondition is not that of the object");
        if (o && version.data &&
            !str_eq(version, get_str(meta_of(yyjson_mut_doc_get_root(o->doc)), "resourceVersion")))
                return refuse(
                        409, "Conflict",
                        "the object has been modified; please apply your changes to the latest version");
        if (o && uid.data && !str_eq(uid, o->uid))
                return refuse(422, "Invalid", "metadata.uid: Invalid value: field is immutable");
        return (struct sim_reply){ 0 };
}

static struct sim_reply apply(struct sim_api *api, const struct call *call, const struct sim_writer *w)
{
        struct sim_object *o = find(api, call->kind, call->namespace, call->name);
        yyjson_mut_doc *doc = o ? yyjson_mut_doc_mut_copy(o->doc, NULL) : skeleton(call);
        yyjson_mut_val *config = parse(doc, call->body), *meta = meta_of(config);
        struct sim_reply refused;

        if (!config || !str_eq(get_str(meta, "name"), call->name)) {
                yyjson_mut_doc_free(doc);
                return refuse(400, "BadRequest", "the body is not an object of that name");
        }
        if (!o && w->status) {
                yyjson_mut_doc_free(doc);
                return refuse(404, "NotFound", "not found");
        }
        refused = check_preconditions(o, get_str(meta, "uid"), get_str(meta, "resourceVersion"));
        if (refused.status) {
                yyjson_mut_doc_free(doc);
                return refused;
        }
        managed_strip(doc, config, w->status);
        managed_apply(doc, config, w);
        if (!o)
                return reply_with(201, store_new(api, call->kind, doc));
        store(api, o, doc);
        o = find(api, call->kind, call->namespace, call->name);
        return o ? reply_with(200, o) : (struct sim_reply){ 200, sim_status(200, "", "", 0) };
}

static struct sim_reply create(struct sim_api *api, const struct call *call, const struct sim_writer *w)
{
        yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *root = parse(doc, call->body);

        yyjson_mut_doc_set_root(doc, root);
        if (!root || str_empty(get_str(meta_of(root), "name"))) {
                yyjson_mut_doc_free(doc);
                return refuse(400, "BadRequest", "the body is not an object with a name");
        }
        if (find(api, call->kind, call->namespace, get_str(meta_of(root), "name"))) {
                yyjson_mut_doc_free(doc);
                return refuse(409, "AlreadyExists", "it exists already");
        }
        managed_create(doc, w);
        return reply_with(201, store_new(api, call->kind, doc));
}

static void begin_deletion(struct sim_api *api, struct sim_object *o)
{
        yyjson_mut_doc *doc = yyjson_mut_doc_mut_copy(o->doc, NULL);
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);

        if (!yyjson_mut_obj_get(meta_of(root), "deletionTimestamp"))
                put_time(api, doc, root, "deletionTimestamp");
        store(api, o, doc);
}

static struct sim_reply delete_object(struct sim_api *api, const struct call *call)
{
        struct sim_object *o = find(api, call->kind, call->namespace, call->name);
        yyjson_mut_val *meta;

        if (!o)
                return refuse(404, "NotFound", "not found");
        meta = meta_of(yyjson_mut_doc_get_root(o->doc));
        if (call->uid.data && !str_eq(call->uid, o->uid))
                return refuse(409, "Conflict", "Precondition failed: UID");
        if (call->version.data && !str_eq(call->version, get_str(meta, "resourceVersion")))
                return refuse(409, "Conflict", "Precondition failed: ResourceVersion");
        if (yyjson_mut_arr_size(yyjson_mut_obj_get(meta, "finalizers")) > 0) {
                begin_deletion(api, o);
                return reply_with(200, find(api, call->kind, call->namespace, call->name));
        }
        erase(api, o);
        return (struct sim_reply){ 200, sim_status(200, "", "", 0) };
}

void sim_api_serve(struct sim_api *api, const struct call *call, struct sim_reply *ret)
{
        static const struct sim_writer apply_writer = { FIELD_MANAGER, "Apply", false };
        static const struct sim_writer status_writer = { FIELD_MANAGER, "Apply", true };
        static const struct sim_writer create_writer = { FIELD_MANAGER, "Update", false };
        struct sim_object *o;

        switch (call->type) {
        case CALL_APPLY:
                *ret = apply(api, call, &apply_writer);
                return;
        case CALL_APPLY_STATUS:
                *ret = apply(api, call, &status_writer);
                return;
        case CALL_CREATE:
                *ret = create(api, call, &create_writer);
                return;
        case CALL_DELETE:
                *ret = delete_object(api, call);
                return;
        case CALL_GET:
                o = find(api, call->kind, call->namespace, call->name);
                *ret = o ? reply_with(200, o) : refuse(404, "NotFound", "not found");
                return;
        }
}

/* --- everybody else -------------------------------------------------------------------------- */

void sim_api_apply(struct sim_api *api, const struct kube_kind *kind, const char *json, const char *manager)
{
        yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
        yyjson_val *meta = yyjson_obj_get(yyjson_doc_get_root(doc), "metadata");
        struct sim_writer w = { manager, "Apply", false };
        struct call call = {
                .type = CALL_APPLY,
                .kind = kind,
                .namespace = str_c(yyjson_get_str(yyjson_obj_get(meta, "namespace"))),
                .name = str_c(yyjson_get_str(yyjson_obj_get(meta, "name"))),
                .body = str_c(json),
        };
        struct sim_reply reply;

        assert(doc && call.name.data && call.namespace.data);
        reply = apply(api, &call, &w);
        assert(reply.status < 300);
        free(reply.body);
        yyjson_doc_free(doc);
}

void sim_api_patch(struct sim_api *api, const struct kube_kind *kind, const char *namespace, const char *name,
                   const char *json, const char *manager)
{
        struct sim_object *o = find(api, kind, str_c(namespace), str_c(name));
        yyjson_mut_val *patch, *before, *after;
        struct sim_writer w = { manager, "Update", false };
        yyjson_mut_doc *doc;

        assert(o);
        doc = yyjson_mut_doc_mut_copy(o->doc, NULL);
        after = yyjson_mut_doc_get_root(doc);
        before = yyjson_mut_val_mut_copy(doc, after);
        patch = parse(doc, str_c(json));
        assert(patch);
        w.status = yyjson_mut_obj_get(patch, "status") != NULL;
        fields_merge(doc, after, patch, true);
        managed_update(doc, before, &w);
        store(api, o, doc);
}

void sim_api_delete(struct sim_api *api, const struct kube_kind *kind, const char *namespace,
                    const char *name)
{
        struct call call = {
                .type = CALL_DELETE, .kind = kind, .namespace = str_c(namespace), .name = str_c(name)
        };
        struct sim_reply reply = delete_object(api, &call);

        assert(reply.status == 200);
        free(reply.body);
}

yyjson_mut_val *sim_api_get(const struct sim_api *api, const struct kube_kind *kind, const char *namespace,
                            const char *name)
{
        struct sim_object *o = find(api, kind, str_c(namespace), str_c(name));

        return o ? yyjson_mut_doc_get_root(o->doc) : NULL;
}

struct str sim_api_str(const struct sim_api *api, const struct kube_kind *kind, const char *namespace,
                       const char *name, const char *pointer)
{
        yyjson_mut_val *value = yyjson_mut_ptr_get(sim_api_get(api, kind, namespace, name), pointer);

        return str_n(yyjson_mut_get_str(value), yyjson_mut_get_len(value));
}

int64_t sim_api_int(const struct sim_api *api, const struct kube_kind *kind, const char *namespace,
                    const char *name, const char *pointer)
{
        return yyjson_mut_get_sint(yyjson_mut_ptr_get(sim_api_get(api, kind, namespace, name), pointer));
}

size_t sim_api_count(const struct sim_api *api, const struct kube_kind *kind)
{
        size_t n = 0;

        list_for_each (link, &api->objects)
                n += sim_same_kind(container_of(link, struct sim_object, link)->kind, kind);
        return n;
}

static bool uid_lives(const struct sim_api *api, struct str uid)
{
        list_for_each (link, &api->objects)
                if (str_eq(container_of(link, struct sim_object, link)->uid, uid))
                        return true;
        return false;
}

static bool is_orphan(const struct sim_api *api, const struct sim_object *o)
{
        yyjson_mut_val *meta = meta_of(yyjson_mut_doc_get_root(o->doc));
        yyjson_mut_val *owner = yyjson_mut_arr_get_first(yyjson_mut_obj_get(meta, "ownerReferences"));

        return owner && !yyjson_mut_obj_get(meta, "deletionTimestamp") &&
               !uid_lives(api, get_str(owner, "uid"));
}

bool sim_api_has_orphans(const struct sim_api *api)
{
        list_for_each (link, &api->objects)
                if (is_orphan(api, container_of(link, struct sim_object, link)))
                        return true;
        return false;
}

size_t sim_api_collect(struct sim_api *api)
{
        size_t n = 0;

        list_for_each_safe (link, &api->objects) {
                struct sim_object *o = container_of(link, struct sim_object, link);

                if (!is_orphan(api, o))
                        continue;
                begin_deletion(api, o);
                n++;
        }
        return n;
}
