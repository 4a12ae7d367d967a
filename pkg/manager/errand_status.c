/* SPDX-License-Identifier: Apache-2.0
 *
 * The status of a resource, to a cluster whose definition (CRD) of it may be older
 * than this program. The API server refuses an apply as a whole for one field that
 * the definition does not have, and names it:
 *
 *      status {conditions, replicas, revision} --500 ".status.revision: field not declared"--
 *          --> {conditions, replicas} --> taken; a log line and an event say what is missing
 *
 * So an operator that was updated without its definitions still tells all that
 * they have words for. Nothing is remembered: once the definition is there, the
 * next status is whole.
 */
#include <errno.h>

#include "base/log.h"
#include "json/read.h"
#include "manager/errand.h"

void errand_send_status(struct errand *q)
{
        struct task *t = q->task;
        const struct kube_kind *kind = &t->controller->kind->api;
        struct call call = {
                .type = CALL_APPLY_STATUS,
                .kind = kind,
                .namespace = t->item->key.namespace,
                .name = t->item->key.name,
        };

        call.body =
                arena_join(&t->arena, STR("{\"apiVersion\":\""), kind->group, STR("/"), kind->version,
                           STR("\",\"kind\":\""), kind->kind, STR("\",\"metadata\":{\"name\":\""), call.name,
                           STR("\",\"uid\":\""), t->uid, STR("\"},\"status\":"), q->status, STR("}"));
        if (!q->status.data || !call.body.data) {
                task_fail_memory(t);
                errand_free(q);
                return;
        }
        errand_start(q, ERRAND_CHANGING, &call);
}

/* "failed to create typed patch object (/shop; keelson.dev/v1alpha1, Kind=App):
 * .status.effective[0].from: field not declared in schema": "effective". */
static struct str undeclared_field(struct str message)
{
        static const char mark[] = ": .status.", end[] = "field not declared in schema";
        const char *at = message.data ? memmem(message.data, message.len, mark, sizeof(mark) - 1) : NULL;
        struct str rest;
        size_t n = 0;

        if (!at)
                return STR_NULL;
        at += sizeof(mark) - 1;
        rest = str_n(at, message.len - (size_t)(at - message.data));
        if (!memmem(rest.data, rest.len, end, sizeof(end) - 1))
                return STR_NULL;
        while (n < rest.len && rest.data[n] != '.' && rest.data[n] != '[' && rest.data[n] != ':')
                n++;
        return str_n(rest.data, n);
}

/* 1 with the status less FIELD, 0 if it has no such field, or -ENOMEM. */
static int without(struct str status, struct str field, struct arena *a, struct str *ret)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        yyjson_mut_doc *copy;
        char *text = NULL;
        size_t n;

        if (json_parse(status, &doc, NULL) < 0)
                return -ENOMEM; /* we wrote it, so it is JSON */
        if (!yyjson_obj_getn(yyjson_doc_get_root(doc), field.data, field.len))
                return 0;
        copy = yyjson_doc_mut_copy(doc, &json_alc);
        if (copy) {
                yyjson_mut_obj_remove_keyn(yyjson_mut_doc_get_root(copy), field.data, field.len);
                text = yyjson_mut_write_opts(copy, 0, &json_alc, &n, NULL);
        }
        yyjson_mut_doc_free(copy);
        if (!text)
                return -ENOMEM;
        *ret = arena_str(a, str_n(text, n));
        json_alc.free(NULL, text);
        return ret->data ? 1 : -ENOMEM;
}

static void tell(struct task *t, struct str field)
{
        const struct kube_kind *kind = &t->controller->kind->api;
        struct str message =
                arena_printf(&t->arena,
                             "the cluster's definition of %.*s is older than this operator and has no "
                             "status.%.*s, which is left out; apply the definitions of this version's "
                             "manifests/install.yaml",
                             STR_FMT(kind->kind), STR_FMT(field));

        log_at(LOG_WARN, "the definition is outdated", LOG_CSTR("reconcileID", t->id),
               LOG_STR("namespace", t->item->key.namespace), LOG_STR("name", t->item->key.name),
               LOG_STR("field", field), LOG_STR("error", message));
        task_tell(t, true, STR("DefinitionOutdated"), message);
}

bool errand_status_is_open(const struct errand *q, const struct kube_reply *reply)
{
        return q->effect->type == EFFECT_STATUS && reply->error.code &&
               reply->reason != KUBE_TOO_MANY_REQUESTS && kube_reply_prospect(reply) == KUBE_PASSES;
}

bool errand_status_refused(struct errand *q, const struct kube_reply *reply)
{
        struct task *t = q->task;
        struct str field = undeclared_field(reply->message);
        int r;

        if (!field.data)
                return false;
        r = without(q->status, field, &t->arena, &q->status);
        if (r < 0)
                q->status = STR_NULL; /* sending it says so */
        if (r == 0)
                return false;
        if (r > 0)
                tell(t, field);
        errand_send_status(q);
        return true;
}
