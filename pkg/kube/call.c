/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "json/write.h"
#include "kube/request.h"

#define DELETE_OPTIONS_MAX ((size_t)4096)

static bool sets_fields(enum kube_verb verb)
{
        return verb != KUBE_GET && verb != KUBE_LIST && verb != KUBE_DELETE;
}

/* A new object has its name in its body, not in the URL. */
static struct str name_in_url(const struct kube_call *call)
{
        return call->verb == KUBE_CREATE && !call->subresource.data ? STR_NULL : call->name;
}

static int build_url(struct kube_client *c, const struct kube_call *call, struct error *err)
{
        struct buf *url = &c->url;
        int r;

        buf_clear(url);
        buf_add_str(url, c->config.server);
        r = kube_path(url, call->kind, call->namespace, name_in_url(call), call->subresource);
        if (r == -EINVAL)
                return error_set(err, r, "cannot make a URL for %.*s \"%.*s\" in namespace \"%.*s\"",
                                 STR_FMT(call->kind->plural), STR_FMT(call->name), STR_FMT(call->namespace));
        if (sets_fields(call->verb))
                kube_query(url, "fieldManager", call->field_manager);
        if (call->verb == KUBE_APPLY && call->force)
                kube_query(url, "force", STR("true"));
        if (call->dry_run)
                kube_query(url, "dryRun", STR("All"));
        kube_query(url, "labelSelector", call->label_selector);
        kube_query(url, "fieldSelector", call->field_selector);
        kube_query(url, "resourceVersion", call->version);
        kube_query(url, "continue", call->continue_token);
        if (call->limit > 0)
                kube_query_int(url, "limit", call->limit);
        if (buf_error(url))
                return error_set(err, buf_error(url), "the URL for %.*s is too long",
                                 STR_FMT(call->kind->plural));
        return 0;
}

/* metav1.DeleteOptions */
static void write_delete_options(struct buf *out, const struct kube_call *call)
{
        struct json_writer w;

        json_writer_init(&w, out);
        json_object(&w);
        json_put_cstr(&w, "kind", "DeleteOptions");
        json_put_cstr(&w, "apiVersion", "v1");
        if (call->propagation.data)
                json_put_str(&w, "propagationPolicy", call->propagation);
        if (call->if_uid.data || call->if_version.data) {
                json_key(&w, "preconditions");
                json_object(&w);
                if (call->if_uid.data)
                        json_put_str(&w, "uid", call->if_uid);
                if (call->if_version.data)
                        json_put_str(&w, "resourceVersion", call->if_version);
                json_end(&w);
        }
        json_end(&w);
}

static int start(struct kube_client *c, const struct kube_call *call, struct str body, kube_done_fn *done,
                 void *arg, struct kube_request **ret, struct error *err)
{
        struct kube_request *request = kube_request_new(c, call, body, STR_NULL);
        int r;

        if (!request)
                return error_set(err, -ENOMEM, "out of memory");
        request->done = done;
        request->arg = arg;
        r = kube_request_start(request, err);
        if (r < 0) {
                kube_cancel(request);
                return r;
        }
        if (ret)
                *ret = request;
        return 0;
}

int kube_call(struct kube_client *c, const struct kube_call *call, kube_done_fn *done, void *arg,
              struct kube_request **ret, struct error *err)
{
        _cleanup_(buf_release) struct buf options = BUF_INIT(DELETE_OPTIONS_MAX);
        struct str body = call->body;
        int r;

        r = build_url(c, call, err);
        if (r < 0)
                return r;
        if (call->verb == KUBE_DELETE && !body.data) {
                write_delete_options(&options, call);
                if (buf_error(&options))
                        return error_set(err, buf_error(&options), "cannot write the options of the delete");
                body = buf_str(&options);
        }
        return start(c, call, body, done, arg, ret, err);
}
