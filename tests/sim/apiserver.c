/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "sim/managed.h"

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
                free(api->log[i].key);
                free(api->log[i].labels);
                free(api->log[i].before);
                free(api->log[i].labels_before);
        }
        free(api->log);
}

struct sim_object *sim_api_find(const struct sim_api *api, const struct kube_kind *kind, struct str namespace,
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

struct str sim_get_str(yyjson_mut_val *object, const char *key)
{
        yyjson_mut_val *value = yyjson_mut_obj_get(object, key);

        return str_n(yyjson_mut_get_str(value), yyjson_mut_get_len(value));
}

void sim_put(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, yyjson_mut_val *value)
{
        yyjson_mut_obj_put(object, yyjson_mut_str(doc, key), value);
}

void sim_put_str(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct str value)
{
        sim_put(doc, object, key, yyjson_mut_strncpy(doc, value.data, value.len));
}

yyjson_mut_val *sim_meta(yyjson_mut_val *object)
{
        return yyjson_mut_obj_get(object, "metadata");
}

yyjson_mut_val *sim_parse(yyjson_mut_doc *doc, struct str json)
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

        sim_put_str(doc, sim_meta(object), "resourceVersion", str_n(text, (size_t)n));
}

static void put_time(struct sim_api *api, yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key)
{
        char text[CLOCK_RFC3339_MAX];

        sim_put_str(doc, sim_meta(object), key, str_n(text, clock_format(api->wall, false, text)));
}

/* --- storing ---------------------------------------------------------------------------- */

/* "\nkey=value\n…\n": what a selector is looked up in. */
static char *labels_text(yyjson_mut_val *object)
{
        yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(yyjson_mut_obj_get(sim_meta(object), "labels"));
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        yyjson_mut_val *key;

        assert(out);
        fputc('\n', out);
        while ((key = yyjson_mut_obj_iter_next(&it)))
                fprintf(out, "%s=%s\n", yyjson_mut_get_str(key),
                        yyjson_mut_get_str(yyjson_mut_obj_iter_get_val(key)));
        fclose(out);
        return text;
}

static uint64_t identity_of(const struct kube_kind *kind, yyjson_mut_val *meta)
{
        uint64_t h = hash_str(hash_str(HASH_INIT, kind->group), kind->plural);

        return hash_str(hash_str(h, sim_get_str(meta, "namespace")), sim_get_str(meta, "name"));
}

static char *key_of(yyjson_mut_val *meta)
{
        char *key = NULL;
        int n = asprintf(&key, "%.*s/%.*s", STR_FMT(sim_get_str(meta, "namespace")),
                         STR_FMT(sim_get_str(meta, "name")));

        assert(n > 0);
        (void)n;
        return key;
}

static struct sim_change *log_new(struct sim_api *api, const struct sim_object *o)
{
        yyjson_mut_val *meta = sim_meta(yyjson_mut_doc_get_root(o->doc));

        if (api->n_log == api->log_size) {
                size_t size = MAX(api->log_size * 2, (size_t)64);
                struct sim_change *log = realloc(api->log, size * sizeof(*log));

                assert(log);
                api->log = log;
                api->log_size = size;
        }
        api->n_changes++;
        api->log[api->n_log] = (struct sim_change){
                .kind = o->kind,
                .number = o->number,
                .key = key_of(meta),
                .identity = identity_of(o->kind, meta),
                .version = api->version,
                .by = api->writer,
        };
        return &api->log[api->n_log++];
}

static void log_now(struct sim_change *c, const struct sim_object *o)
{
        c->object = yyjson_mut_write(o->doc, 0, NULL);
        c->labels = labels_text(yyjson_mut_doc_get_root(o->doc));
}

/* The object as it was, under the version of the change that ended that. O is
 * about to lose its document. */
static void log_before(struct sim_api *api, struct sim_change *c, const struct sim_object *o)
{
        c->labels_before = labels_text(yyjson_mut_doc_get_root(o->doc));
        put_version(api, o->doc, yyjson_mut_doc_get_root(o->doc));
        c->before = yyjson_mut_write(o->doc, 0, NULL);
}

static void take_doc(struct sim_object *o, yyjson_mut_doc *doc)
{
        yyjson_mut_val *meta = sim_meta(yyjson_mut_doc_get_root(doc));

        yyjson_mut_doc_free(o->doc);
        o->doc = doc;
        o->namespace = sim_get_str(meta, "namespace");
        o->name = sim_get_str(meta, "name");
        o->uid = sim_get_str(meta, "uid");
}

void sim_erase(struct sim_api *api, struct sim_object *o)
{
        api->version++;
        log_before(api, log_new(api, o), o);
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

/* Kinds of the oldest groups have none. */
static bool has_generation(const struct kube_kind *kind)
{
        return !str_empty(kind->group) && !str_eq(kind->group, STR("coordination.k8s.io")) &&
               !str_eq(kind->group, STR("events.k8s.io"));
}

static bool starts_deletion(yyjson_mut_val *before, yyjson_mut_val *after)
{
        return !yyjson_mut_obj_get(sim_meta(before), "deletionTimestamp") &&
               yyjson_mut_obj_get(sim_meta(after), "deletionTimestamp");
}

bool sim_ends(yyjson_mut_doc *doc)
{
        yyjson_mut_val *meta = sim_meta(yyjson_mut_doc_get_root(doc));

        return yyjson_mut_obj_get(meta, "deletionTimestamp") &&
               yyjson_mut_arr_size(yyjson_mut_obj_get(meta, "finalizers")) == 0;
}

/* DOC (taken over) becomes the object's state, if that is a change. */
void sim_store(struct sim_api *api, struct sim_object *o, yyjson_mut_doc *doc)
{
        yyjson_mut_val *after = yyjson_mut_doc_get_root(doc), *before = yyjson_mut_doc_get_root(o->doc);
        yyjson_mut_val *meta = sim_meta(after);
        struct sim_change *c;

        if (api->admit)
                api->admit(o->kind, doc, after);
        if (yyjson_mut_equals(before, after)) {
                yyjson_mut_doc_free(doc);
                return;
        }
        if (has_generation(o->kind) && (starts_deletion(before, after) || !same_spec(before, after)))
                sim_put(doc, meta, "generation",
                        yyjson_mut_int(doc, yyjson_mut_get_sint(yyjson_mut_obj_get(meta, "generation")) + 1));
        if (sim_ends(doc)) {
                take_doc(o, doc);
                sim_erase(api, o);
                return;
        }
        api->version++;
        put_version(api, doc, after);
        c = log_new(api, o);
        log_before(api, c, o);
        take_doc(o, doc);
        log_now(c, o);
}

/* The same for the same object in each run, whatever else was made before it. */
static void put_uid(struct sim_api *api, yyjson_mut_doc *doc, uint64_t identity)
{
        uint64_t lives = 0;
        char uid[64];
        int n;

        for (size_t i = 0; i < api->n_log; i++)
                lives += !api->log[i].before && api->log[i].identity == identity;
        n = snprintf(uid, sizeof(uid), "00000000-0000-4000-8000-%012llx",
                     (unsigned long long)(hash_add(identity, lives) & UINT64_C(0xffffffffffff)));
        sim_put_str(doc, sim_meta(yyjson_mut_doc_get_root(doc)), "uid", str_n(uid, (size_t)n));
}

struct sim_object *sim_store_new(struct sim_api *api, const struct kube_kind *kind, yyjson_mut_doc *doc)
{
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
        struct sim_object *o = calloc(1, sizeof(*o));

        assert(o);
        put_uid(api, doc, identity_of(kind, sim_meta(root)));
        if (has_generation(kind))
                sim_put(doc, sim_meta(root), "generation", yyjson_mut_int(doc, 1));
        put_time(api, doc, root, "creationTimestamp");
        if (api->admit)
                api->admit(kind, doc, root);
        api->version++;
        put_version(api, doc, root);
        o->kind = kind;
        take_doc(o, doc);
        list_add_tail(&api->objects, &o->link);
        o->number = ++api->n_created;
        log_now(log_new(api, o), o);
        return o;
}

void sim_begin_deletion(struct sim_api *api, struct sim_object *o)
{
        yyjson_mut_doc *doc = yyjson_mut_doc_mut_copy(o->doc, NULL);
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);

        if (!yyjson_mut_obj_get(sim_meta(root), "deletionTimestamp")) {
                put_time(api, doc, root, "deletionTimestamp");
                sim_put(doc, sim_meta(root), "deletionGracePeriodSeconds", yyjson_mut_int(doc, 0));
        }
        sim_store(api, o, doc);
}

/* --- everybody else -------------------------------------------------------------------------- */

/* Who writes now, for the log; back to the one before. */
static const char *write_as(struct sim_api *api, const char *who)
{
        const char *before = api->writer;

        api->writer = who;
        return before;
}

static int serve_as(struct sim_api *api, const struct kube_call *call, const char *who)
{
        const char *before = write_as(api, who);
        struct sim_reply reply;

        sim_api_serve(api, call, &reply);
        api->writer = before;
        free(reply.body);
        return reply.status;
}

void sim_api_apply(struct sim_api *api, const struct kube_kind *kind, const char *json, const char *manager)
{
        yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
        yyjson_val *meta = yyjson_obj_get(yyjson_doc_get_root(doc), "metadata");
        struct kube_call call = {
                .verb = KUBE_APPLY,
                .kind = kind,
                .namespace = str_c(yyjson_get_str(yyjson_obj_get(meta, "namespace"))),
                .name = str_c(yyjson_get_str(yyjson_obj_get(meta, "name"))),
                .body = str_c(json),
                .field_manager = str_c(manager),
                .force = true,
        };
        int status;

        assert(doc && call.name.data && call.namespace.data);
        status = serve_as(api, &call, manager);
        assert(status < 300);
        (void)status;
        yyjson_doc_free(doc);
}

void sim_api_patch(struct sim_api *api, const struct kube_kind *kind, const char *namespace, const char *name,
                   const char *json, const char *manager)
{
        struct kube_call call = {
                .verb = KUBE_MERGE_PATCH,
                .kind = kind,
                .namespace = str_c(namespace),
                .name = str_c(name),
                .subresource = strstr(json, "\"status\":{") ? STR("status") : STR_NULL,
                .body = str_c(json),
                .field_manager = str_c(manager),
        };
        const char *before = write_as(api, manager);
        struct sim_reply reply = sim_patch_as_kubectl(api, &call);

        api->writer = before;
        assert(reply.status == 200);
        free(reply.body);
}

void sim_api_delete(struct sim_api *api, const struct kube_kind *kind, const char *namespace,
                    const char *name)
{
        struct kube_call call = {
                .verb = KUBE_DELETE, .kind = kind, .namespace = str_c(namespace), .name = str_c(name)
        };
        int status = serve_as(api, &call, "kubectl");

        assert(status == 200);
        (void)status;
}

yyjson_mut_val *sim_api_get(const struct sim_api *api, const struct kube_kind *kind, const char *namespace,
                            const char *name)
{
        struct sim_object *o = sim_api_find(api, kind, str_c(namespace), str_c(name));

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
        yyjson_mut_val *meta = sim_meta(yyjson_mut_doc_get_root(o->doc));
        yyjson_mut_val *owner = yyjson_mut_arr_get_first(yyjson_mut_obj_get(meta, "ownerReferences"));

        return owner && !yyjson_mut_obj_get(meta, "deletionTimestamp") &&
               !uid_lives(api, sim_get_str(owner, "uid"));
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
        const char *before = write_as(api, "garbage-collector");
        size_t n = 0;

        list_for_each_safe (link, &api->objects) {
                struct sim_object *o = container_of(link, struct sim_object, link);

                if (!is_orphan(api, o))
                        continue;
                sim_begin_deletion(api, o);
                n++;
        }
        api->writer = before;
        return n;
}
