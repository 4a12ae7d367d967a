/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/errand.h"

#include <errno.h>

#include "base/mem.h"
#include "json/read.h"

void errand_free(struct errand *q)
{
        list_remove(&q->link);
        mem_free(q);
}

struct errand *errand_new(struct task *t, const struct effect *e)
{
        struct errand *q = mem_new(struct errand);

        if (!q) {
                task_fail_memory(t);
                return NULL;
        }
        q->task = t;
        q->effect = e;
        list_add_tail(&t->requests, &q->link);
        return q;
}

struct call errand_call(const struct errand *q, enum call_type type)
{
        return (struct call){
                .type = type,
                .kind = &q->effect->kind->api,
                .namespace = q->task->item->key.namespace,
                .name = q->effect->name,
        };
}

void errand_start(struct errand *q, enum errand_step step, const struct call *call)
{
        struct manager *m = q->task->manager;
        int r;

        q->step = step;
        r = m->allowed ? m->transport->start(m->transport, call, errand_on_reply, q, &q->handle) : -EPERM;
        if (r == 0)
                return;
        if (r == -EPERM)
                task_fail(q->task, q->effect, false, STR("NotLeading"),
                          STR("this replica of the operator does not lead, or is stopping"));
        else if (r == -ENOMEM)
                task_fail_memory(q->task);
        else
                task_fail(q->task, q->effect, false, STR("Retrying"),
                          arena_printf(&q->task->arena, "%.*s: the request could not be sent: %s",
                                       STR_FMT(errand_subject(q)), strerror(-r)));
        errand_free(q);
}

struct str errand_subject(const struct errand *q)
{
        return q->effect->type == EFFECT_STATUS ? STR("status") : q->effect->kind->api.kind;
}

void errand_fail_reply(struct errand *q, int r)
{
        if (r == -ENOMEM)
                task_fail_memory(q->task);
        else
                task_fail(q->task, q->effect, false, STR("Retrying"),
                          arena_printf(&q->task->arena,
                                       "%.*s: what the API server answered is no object; it is asked again",
                                       STR_FMT(errand_subject(q))));
}

bool errand_read(struct errand *q, const struct kube_reply *reply, yyjson_doc **ret_doc,
                 struct kube_meta *ret_meta)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        int r = json_parse(reply->body, &doc, NULL);

        if (r == 0)
                r = kube_meta_decode(yyjson_doc_get_root(doc), ret_meta);
        if (r < 0) {
                errand_fail_reply(q, r);
                return false;
        }
        *ret_doc = doc;
        doc = NULL;
        return true;
}

/* A child's JSON with more members at the head of its metadata: KEY, and maybe
 * a resourceVersion. Renderers write metadata as the first object inside the child.
 * Absent without memory, and without a VALUE: a precondition is never left out. */
static struct str with_metadata(struct task *t, struct str json, const char *key, struct str value,
                                struct str version)
{
        static const char mark[] = "\"metadata\":{";
        const char *at = memmem(json.data, json.len, mark, sizeof(mark) - 1);
        size_t head;

        if (!at || !value.data)
                return STR_NULL;
        head = (size_t)(at - json.data) + sizeof(mark) - 1;
        return arena_printf(&t->arena, "%.*s\"%s\":\"%.*s\",%s%.*s%s%.*s", (int)head, json.data, key,
                            STR_FMT(value), version.data ? "\"resourceVersion\":\"" : "", STR_FMT(version),
                            version.data ? "\"," : "", (int)(json.len - head), json.data + head);
}

static void apply(struct errand *q, enum errand_step step, struct str body)
{
        struct call call = errand_call(q, CALL_APPLY);

        call.body = body;
        if (body.data) {
                errand_start(q, step, &call);
                return;
        }
        task_fail_memory(q->task);
        errand_free(q);
}

/* An apply makes what is not there and merges into what is, whoever made it. Two
 * preconditions narrow it down to one of the two:
 * - a UID: only this very object is changed, and never made anew;
 * - a resourceVersion that no object has any more: whatever exists conflicts,
 *   and what does not exist is made. Ownership of its fields is clean, unlike
 *   after a POST. */
void errand_create(struct errand *q, struct str json)
{
        apply(q, ERRAND_CREATING, with_metadata(q->task, json, "resourceVersion", STR("1"), STR_NULL));
}

void errand_change(struct errand *q, struct str uid, struct str version)
{
        apply(q, ERRAND_CHANGING, with_metadata(q->task, q->effect->json, "uid", uid, version));
}
