/* SPDX-License-Identifier: Apache-2.0 */
#include "app/planted.h"

#include <stdlib.h>
#include <string.h>

#include "controller/app/app.h"
#include "queue/queue.h"

enum planted_bug planted;

const char *planted_name(enum planted_bug bug)
{
        static const char *const names[PLANTED_COUNT] = {
                [PLANTED_NONE] = "none",
                [PLANTED_NO_UID] = "no-uid",
                [PLANTED_NO_CREATE_ONLY] = "no-create-only",
                [PLANTED_NO_DELETE] = "no-delete",
                [PLANTED_STATUS_ALWAYS] = "status-always",
                [PLANTED_READY_EARLY] = "ready-early",
                [PLANTED_BACK_IN_TIME] = "back-in-time",
                [PLANTED_NO_BACKOFF] = "no-backoff",
                [PLANTED_KEEPS_LEADING] = "keeps-leading",
        };

        return names[bug];
}

/* --- on the way to the network ----------------------------------------------------- */

/* Blanks out "KEY":"…", right at the head of the body's metadata, where the
 * manager puts its preconditions. */
static void blank(struct world *w, struct kube_call *call, const char *key)
{
        char *text = world_alloc(w, call->body.len + 1), mark[64], *at, *end;

        memcpy(text, call->body.data, call->body.len);
        snprintf(mark, sizeof(mark), "\"metadata\":{\"%s\":\"", key);
        at = strstr(text, mark);
        end = at ? strchr(at + strlen(mark), ',') : NULL;
        if (!end)
                return;
        at += strlen("\"metadata\":{");
        memset(at, ' ', (size_t)(end + 1 - at));
        call->body = str_n(text, call->body.len);
}

void planted_call(struct world *w, struct kube_call *call)
{
        if (planted == PLANTED_NO_UID && call->verb == KUBE_APPLY && !call->subresource.data)
                blank(w, call, "uid");
        if (planted == PLANTED_NO_UID)
                call->if_uid = call->if_version = STR_NULL;
        if (planted == PLANTED_NO_CREATE_ONLY && call->verb == KUBE_APPLY)
                blank(w, call, "resourceVersion");
}

/* --- in the controller ----------------------------------------------------------------- */

static struct controller buggy;

/* The status with ORIGINAL replaced by OTHER, which is as long. */
static void edit_status(struct plan *plan, struct effect *e, const char *original, const char *other)
{
        const char *at = memmem(e->json.data, e->json.len, original, strlen(original));
        struct str copy;

        if (!at)
                return;
        copy = arena_str(plan->arena, e->json);
        memcpy((char *)copy.data + (at - e->json.data), other, strlen(original));
        e->json = copy;
}

static void edit(struct plan *plan, struct effect *e)
{
        if (planted == PLANTED_NO_DELETE && e->type == EFFECT_DELETE)
                list_remove(&e->link);
        if (e->type != EFFECT_STATUS)
                return;
        if (planted == PLANTED_STATUS_ALWAYS)
                e->json = arena_printf(plan->arena, "%.*s ", STR_FMT(e->json));
        if (planted == PLANTED_READY_EARLY)
                edit_status(plan, e, "\"type\":\"Ready\",\"status\":\"False\"",
                            "\"type\":\"Ready\",\"status\":\"True\" ");
}

static int reconcile(const struct view *view, struct plan *plan)
{
        int r = app_controller.reconcile(view, plan);

        list_for_each_safe (link, &plan->effects)
                edit(plan, container_of(link, struct effect, link));
        return r;
}

const struct controller *const *planted_controllers(void)
{
        static const struct controller *const controllers[] = { &buggy };

        buggy = app_controller;
        if (planted != PLANTED_NONE)
                buggy.reconcile = reconcile;
        return controllers;
}

/* --- below the manager (--wrap in meson.build) ------------------------------------------- */

int __real_str_version_cmp(struct str a, struct str b);
int __wrap_str_version_cmp(struct str a, struct str b);
int __wrap_str_version_cmp(struct str a, struct str b)
{
        return planted == PLANTED_BACK_IN_TIME ? 1 : __real_str_version_cmp(a, b);
}

void __real_queue_done_failed(struct queue *q, struct queue_item *item, usec_t now, usec_t at_least);
void __wrap_queue_done_failed(struct queue *q, struct queue_item *item, usec_t now, usec_t at_least);
void __wrap_queue_done_failed(struct queue *q, struct queue_item *item, usec_t now, usec_t at_least)
{
        if (planted == PLANTED_NO_BACKOFF) {
                item->again = true;
                queue_done(q, item, now);
        } else {
                __real_queue_done_failed(q, item, now, at_least);
        }
}
