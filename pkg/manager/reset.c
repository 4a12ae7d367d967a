/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists that are ours alone, and what others have put into them. An apply merges
 * lists by the keys of their items: it can neither remove what others have added
 * nor always stand beside it. A Service whose port 80 "http" was given the number
 * 9999 has both 80 and 9999 when it is applied again, under one name, and that the
 * API server refuses.
 *
 *      apply --Invalid--> merge patch of all but metadata, at that UID and version
 *                                      |
 *                                    apply       (or the patched fields were not ours)
 *
 * A merge patch sets lists as a whole. It is tried once for each version of the
 * object, for what we ask for may be invalid by itself.
 */
#include "json/read.h"
#include "json/write.h"
#include "manager/errand.h"

/* What the API server takes at the most. */
#define RESET_BYTES_MAX ((size_t)3 * 1024 * 1024)

static bool is_identity(struct str key)
{
        return str_eq(key, STR("apiVersion")) || str_eq(key, STR("kind")) || str_eq(key, STR("metadata"));
}

/* All that is wanted of CHILD but its metadata, if it is still so. */
static struct str patch_of(struct task *t, struct str json, const struct object *child)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(RESET_BYTES_MAX);
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        yyjson_obj_iter it;
        struct json_writer w;
        yyjson_val *key;
        char uid[UUID_TEXT];

        if (json_parse(json, &doc, NULL) < 0)
                return STR_NULL;
        json_writer_init(&w, &out);
        json_object(&w);
        json_key(&w, "metadata");
        json_object(&w);
        json_put_str(&w, "uid", object_uid(child, uid));
        json_put_str(&w, "resourceVersion", object_version(child));
        json_end(&w);
        it = yyjson_obj_iter_with(yyjson_doc_get_root(doc));
        while ((key = yyjson_obj_iter_next(&it))) {
                if (is_identity(json_val_str(key)))
                        continue;
                json_key_str(&w, json_val_str(key));
                json_val(&w, yyjson_obj_iter_get_val(key));
        }
        json_end(&w);
        return buf_error(&out) < 0 ? STR_NULL : arena_str(&t->arena, buf_str(&out));
}

bool reset_start(struct errand *q, const struct kube_reply *refusal)
{
        const struct effect *e = q->effect;
        struct task *t = q->task;
        struct cache *cache = &t->manager->cache;
        const struct object *child;
        struct call call;

        if (refusal->reason != KUBE_INVALID || e->type != EFFECT_APPLY || !e->options.exclusive ||
            q->step != ERRAND_CHANGING || q->reset)
                return false;
        child = cache_get(cache, e->kind, t->item->key.namespace, e->name);
        if (!child || !str_eq(child->owner->uid, t->uid) || !cache_note_reset(cache, child))
                return false;
        q->reset = true;
        call = errand_call(q, CALL_PATCH);
        call.body = patch_of(t, e->json, child);
        if (!call.body.data) {
                task_fail_memory(t);
                return false;
        }
        errand_start(q, ERRAND_RESETTING, &call);
        return true;
}

bool reset_on_done(struct errand *q, const struct kube_reply *reply)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct task *t = q->task;
        struct kube_meta meta;

        if (!errand_read(q, reply, &doc, &meta))
                return false;
        if (cache_put(&t->manager->cache, q->effect->kind, yyjson_doc_get_root(doc), CACHE_FROM_REPLY) < 0) {
                task_fail_memory(t);
                return false;
        }
        errand_change(q, meta.uid, STR_NULL);
        return true;
}
