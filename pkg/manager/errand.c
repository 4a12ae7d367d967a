/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/errand.h"

#include <errno.h>

#include "base/mem.h"
#include "json/read.h"

#define BODY_BYTES_MAX ((size_t)8 * 1024 * 1024)

void errand_free(struct errand *q)
{
        list_remove(&q->link);
        list_remove(&q->waiting);
        if (q->placed)
                q->task->manager->n_bulky--;
        q->task->manager->n_errands--;
        mem_free(q);
}

struct errand *errand_new(struct task *t, const struct effect *e)
{
        struct errand *q = mem_new(struct errand);

        if (!q) {
                task_fail_memory(t);
                return NULL;
        }
        t->manager->n_errands++;
        q->task = t;
        q->effect = e;
        list_init(&q->waiting);
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

static void start(struct errand *q, const struct call *call)
{
        struct manager *m = q->task->manager;
        int r;

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

/* May what it handles be of any size? */
static bool is_bulky(const struct errand *q)
{
        return q->effect->type == EFFECT_READ || q->effect->type == EFFECT_COPY;
}

static void take_place(struct errand *q)
{
        q->placed = true;
        q->task->manager->n_bulky++;
}

void errand_start(struct errand *q, enum errand_step step, const struct call *call)
{
        struct manager *m = q->task->manager;

        q->step = step;
        if (is_bulky(q) && !q->placed) {
                if (m->n_bulky == MANAGER_BULKY_MAX || !list_empty(&m->bulky)) {
                        q->call = *call;
                        list_add_tail(&m->bulky, &q->waiting);
                        return;
                }
                take_place(q);
        }
        start(q, call);
}

void errands_begin(struct manager *m)
{
        while (m->n_bulky < MANAGER_BULKY_MAX && !list_empty(&m->bulky)) {
                struct errand *q = container_of(list_first(&m->bulky), struct errand, waiting);
                struct task *t = q->task;

                list_remove(&q->waiting);
                take_place(q);
                start(q, &q->call);
                task_finish_if_done(t);
        }
}

static void add_member(struct buf *out, const char *key, struct str value)
{
        buf_add_char(out, '"');
        buf_add_c(out, key);
        buf_add_c(out, "\":\"");
        buf_add_str(out, value);
        buf_add_c(out, "\",");
}

/* A child's JSON with more members at the head of its metadata: KEY, and maybe
 * a resourceVersion. Renderers write metadata as the first object inside the child.
 * Refused without a VALUE: a precondition is never left out. */
static int add_metadata(struct buf *out, struct str json, const char *key, struct str value,
                        struct str version)
{
        static const char mark[] = "\"metadata\":{";
        const char *at = memmem(json.data, json.len, mark, sizeof(mark) - 1);
        size_t head;

        if (!at || !value.data)
                return -EINVAL;
        head = (size_t)(at - json.data) + sizeof(mark) - 1;
        buf_add(out, json.data, head);
        add_member(out, key, value);
        if (version.data)
                add_member(out, "resourceVersion", version);
        buf_add(out, json.data + head, json.len - head);
        return buf_error(out);
}

/* The body may be large, and is the transport's once the call is made: so it is not
 * the task's, which has many of them. */
static void apply(struct errand *q, enum errand_step step, struct str json, const char *key, struct str value,
                  struct str version)
{
        _cleanup_(buf_release) struct buf body = BUF_INIT(BODY_BYTES_MAX);
        struct call call = errand_call(q, CALL_APPLY);

        if (add_metadata(&body, json, key, value, version) == 0) {
                call.body = buf_str(&body);
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
        apply(q, ERRAND_CREATING, json, "resourceVersion", STR("1"), STR_NULL);
}

/* Up to Kubernetes 1.33 the API server refuses a POST of a kind whose definition is being
 * deleted, but lets an apply through. So it is asked what would become of a POST. */
void errand_try(struct errand *q)
{
        struct call call = errand_call(q, CALL_TRY);

        call.body = q->effect->json;
        errand_start(q, ERRAND_TRYING, &call);
}

/* JSON begins with its brace. */
void errand_patch(struct errand *q, struct str json, struct str uid)
{
        struct call call = errand_call(q, CALL_PATCH);

        call.body = arena_join(&q->task->arena, STR("{\"metadata\":{\"uid\":\""), uid, STR("\"},"),
                               str_n(json.data + 1, json.len - 1));
        if (call.body.data) {
                errand_start(q, ERRAND_CHANGING, &call);
                return;
        }
        task_fail_memory(q->task);
        errand_free(q);
}

void errand_change(struct errand *q, struct str uid, struct str version)
{
        apply(q, ERRAND_CHANGING, q->effect->json, "uid", uid, version);
}
