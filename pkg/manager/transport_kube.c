/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/transport_kube.h"

#include <errno.h>

#include "base/mem.h"

#define FIELD_MANAGER STR(KEELSON_FIELD_MANAGER)

/* A call on its way. */
struct flight {
        struct kube_transport *transport;
        struct call call; /* type and kind only: the strings are gone by then */
        call_done_fn *done;
        void *arg;
        usec_t sent;
        struct kube_request *request;
};

static void flight_done(const struct kube_reply *reply, void *arg)
{
        struct flight *f = arg;
        struct kube_transport *t = f->transport;

        f->done(reply, f->arg);
        if (t->replied)
                t->replied(&f->call, reply, clock_now() - f->sent, t->arg);
        mem_free(f);
}

static struct kube_call kube_call_of(const struct call *call)
{
        static const enum kube_verb verbs[] = {
                [CALL_APPLY] = KUBE_APPLY,         [CALL_APPLY_STATUS] = KUBE_APPLY,
                [CALL_CREATE] = KUBE_CREATE,       [CALL_PATCH] = KUBE_MERGE_PATCH,
                [CALL_DELETE] = KUBE_DELETE,       [CALL_GET] = KUBE_GET,
                [CALL_PATCH_AT] = KUBE_JSON_PATCH, [CALL_TRY] = KUBE_CREATE,
        };
        bool apply = call->type == CALL_APPLY || call->type == CALL_APPLY_STATUS;

        return (struct kube_call){
                .verb = verbs[call->type],
                .kind = call->kind,
                .namespace = call->namespace,
                .name = call->name,
                .subresource = call->type == CALL_APPLY_STATUS ? STR("status") : STR_NULL,
                .body = call->body,
                .field_manager =
                        call->type == CALL_GET || call->type == CALL_DELETE ? STR_NULL : FIELD_MANAGER,
                .force = apply,
                .dry_run = call->type == CALL_TRY,
                .if_uid = call->uid,
                .if_version = call->version,
                .propagation = call->type != CALL_DELETE ? STR_NULL
                               : call->alone             ? STR("Orphan")
                                                         : STR("Background"),
        };
}

static int start(struct transport *base, const struct call *call, call_done_fn *done, void *arg,
                 void **ret_handle)
{
        struct kube_transport *t = container_of(base, struct kube_transport, base);
        struct kube_call kube = kube_call_of(call);
        struct error err = ERROR_INIT;
        struct flight *f;
        int r;

        if (call->type != CALL_GET && t->write_time) {
                usec_t left = t->write_time(t->arg);

                if (left <= 0)
                        return -EPERM;
                kube.timeout = MIN(left, KUBE_TIMEOUT_DEFAULT);
        }
        f = mem_new(struct flight);
        if (!f)
                return -ENOMEM;
        *f = (struct flight){
                .transport = t,
                .call = { .type = call->type, .kind = call->kind },
                .done = done,
                .arg = arg,
                .sent = clock_now(),
        };
        r = kube_call(t->client, &kube, flight_done, f, &f->request, &err);
        if (r < 0) {
                mem_free(f);
                return r;
        }
        *ret_handle = f;
        return 0;
}

static void cancel(struct transport *base, void *handle)
{
        struct flight *f = handle;

        (void)base;
        kube_cancel(f->request);
        mem_free(f);
}

static usec_t now(struct transport *base)
{
        (void)base;
        return clock_now();
}

static usec_t wall(struct transport *base)
{
        (void)base;
        return clock_wall();
}

void kube_transport_init(struct kube_transport *t, struct kube_client *client)
{
        *t = (struct kube_transport){
                .base = { .start = start, .cancel = cancel, .now = now, .wall = wall },
                .client = client,
        };
}
