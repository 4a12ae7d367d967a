/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies of ConfigMaps and Secrets: made once, never changed, so that a pod of
 * an older revision finds what it began with.
 *
 *      start --in the cache--> done
 *        |
 *        +--on demand--> look: ours? --yes--> into the cache, done
 *        |                  | nobody's
 *        +--watched---------+--> fetch the source --> create --409--> look
 */
#include "json/read.h"
#include "json/write.h"
#include "manager/errand.h"

/* What the API server lets a ConfigMap or Secret be, and its metadata. */
#define COPY_BYTES_MAX ((size_t)4 * 1024 * 1024)

/* A copy that is not watched and was seen long ago is looked at again. */
static bool is_fresh(const struct task *t, const struct effect *e)
{
        usec_t seen = cache_read_at(&t->manager->cache, e->kind, t->item->key.namespace, e->name);

        return !e->kind->on_demand || seen + VIEW_READ_AGE > t->started;
}

void copy_start(struct task *t, const struct effect *e)
{
        const struct object *child = cache_get(&t->manager->cache, e->kind, t->item->key.namespace, e->name);
        struct errand *q;
        struct call call;

        if (child && !str_eq(child->owner->uid, t->uid)) {
                effect_conflict(t, e, *child->owner, child->owned != 0);
                return;
        }
        if (child && is_fresh(t, e))
                return;
        q = errand_new(t, e);
        if (!q)
                return;
        if (!e->kind->on_demand) {
                copy_fetch(q);
                return;
        }
        call = errand_call(q, CALL_GET);
        errand_start(q, ERRAND_LOOKING, &call);
}

void copy_fetch(struct errand *q)
{
        const struct effect *e = q->effect;
        struct call call = errand_call(q, CALL_GET);

        call.kind = &e->source_kind->api;
        call.name = e->source;
        errand_start(q, ERRAND_FETCHING, &call);
}

/* The JSON of the effect, closed again behind what SOURCE holds. */
static int add_contents(struct buf *out, struct str json, yyjson_val *source)
{
        static const char *const members[] = { "type", "data", "binaryData" };
        struct json_writer w;

        buf_add(out, json.data, json.len - 1);
        json_writer_init(&w, out);
        w.comma = true;
        for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
                yyjson_val *value = yyjson_obj_get(source, members[i]);

                if (!value || yyjson_is_null(value))
                        continue;
                json_key(&w, members[i]);
                json_val(&w, value);
        }
        return buf_add_char(out, '}');
}

bool copy_on_source(struct errand *q, const struct kube_reply *reply)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        const struct effect *e = q->effect;
        struct task *t = q->task;
        _cleanup_(buf_release) struct buf json = BUF_INIT(COPY_BYTES_MAX);
        struct kube_meta meta;

        if (!errand_read(q, reply, &doc, &meta))
                return false;
        if (!str_eq(meta.version, e->version)) {
                /* The cache learns of it, and the next plan is about what it holds now. */
                if (cache_put(&t->manager->cache, e->source_kind, yyjson_doc_get_root(doc),
                              CACHE_FROM_REPLY) < 0)
                        task_fail_memory(t);
                task_fail(t, e, false, STR("Retrying"),
                          arena_printf(&t->arena, "%.*s \"%.*s\" changed while it was copied",
                                       STR_FMT(e->source_kind->api.kind), STR_FMT(e->source)));
                return false;
        }
        if (add_contents(&json, e->json, yyjson_doc_get_root(doc)) < 0) {
                task_fail_memory(t);
                return false;
        }
        errand_create(q, buf_str(&json));
        return true;
}

void copy_on_no_source(struct errand *q)
{
        const struct effect *e = q->effect;
        struct task *t = q->task;

        if (cache_note_read(&t->manager->cache, e->source_kind, t->item->key.namespace, e->source, false,
                            t->started) < 0)
                task_fail_memory(t);
        task_fail(t, e, false, STR("Retrying"),
                  arena_printf(&t->arena, "%.*s \"%.*s\" was deleted while it was copied",
                               STR_FMT(e->source_kind->api.kind), STR_FMT(e->source)));
}
