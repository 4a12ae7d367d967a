/* SPDX-License-Identifier: Apache-2.0
 *
 * The finalizer of a resource: nothing is made for the resource before it is
 * there, and the resource does not go before its controller has let it go.
 *
 *      made --hold--> reconciled as ever --deleted by somebody--> plan_release
 *                                                                      |
 *                       the list without ours, at that version <---- look
 *
 * It is added by an apply, which says nothing of the finalizers of others. It
 * is not taken away by one: an apply removes only what nobody else has applied,
 * and a user who applies what kubectl get printed has applied ours as well.
 */
#include "json/read.h"
#include "json/write.h"
#include "manager/errand.h"

/* The finalizers of one object; the API server keeps metadata far below that. */
#define FINALIZERS_BYTES_MAX ((size_t)256 * 1024)

static void send(struct errand *q, enum call_type type, struct str body)
{
        struct call call = errand_call(q, type);

        call.body = body;
        if (body.data) {
                errand_start(q, ERRAND_CHANGING, &call);
                return;
        }
        task_fail_memory(q->task);
        errand_free(q);
}

void finalizer_hold(struct task *t, const struct effect *e)
{
        struct errand *q = errand_new(t, e);
        const struct cache_kind *kind = e->kind;

        if (!q)
                return;
        /* With the UID it is this very object, and none is made. */
        send(q, CALL_APPLY,
             arena_printf(&t->arena,
                          "{\"apiVersion\":\"%.*s/%.*s\",\"kind\":\"%.*s\",\"metadata\":{\"name\":\"%.*s\","
                          "\"uid\":\"%.*s\",\"finalizers\":[\"%.*s\"]}}",
                          STR_FMT(kind->api.group), STR_FMT(kind->api.version), STR_FMT(kind->api.kind),
                          STR_FMT(e->name), STR_FMT(t->uid), STR_FMT(kind->finalizer)));
}

void finalizer_release(struct task *t, const struct effect *e)
{
        struct errand *q = errand_new(t, e);
        struct call call;

        if (!q)
                return;
        call = errand_call(q, CALL_GET);
        errand_start(q, ERRAND_LOOKING, &call);
}

/* A merge patch that leaves all finalizers but ours, if META is still so. */
static struct str without_ours(struct task *t, const struct kube_meta *meta)
{
        _cleanup_(buf_release) struct buf out = BUF_INIT(FINALIZERS_BYTES_MAX);
        yyjson_arr_iter it = yyjson_arr_iter_with(meta->finalizers);
        struct json_writer w;
        yyjson_val *one;

        json_writer_init(&w, &out);
        json_object(&w);
        json_key(&w, "metadata");
        json_object(&w);
        json_put_str(&w, "uid", meta->uid);
        json_put_str(&w, "resourceVersion", meta->version);
        json_key(&w, "finalizers");
        json_array(&w);
        while ((one = yyjson_arr_iter_next(&it)))
                if (!str_eq(json_val_str(one), t->controller->kind->finalizer))
                        json_str(&w, json_val_str(one));
        json_end(&w);
        json_end(&w);
        json_end(&w);
        return buf_error(&out) < 0 ? STR_NULL : arena_str(&t->arena, buf_str(&out));
}

bool finalizer_on_resource(struct errand *q, const struct kube_reply *reply)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct task *t = q->task;
        struct kube_meta meta;

        if (!errand_read(q, reply, &doc, &meta))
                return false;
        /* Made again meanwhile, or done already: the watch tells the rest. */
        if (!str_eq(meta.uid, t->uid) || !kube_meta_has_finalizer(&meta, t->controller->kind->finalizer))
                return false;
        send(q, CALL_PATCH, without_ours(t, &meta));
        return true;
}
