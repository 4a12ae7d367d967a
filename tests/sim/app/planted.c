/* SPDX-License-Identifier: Apache-2.0 */
#include "app/planted.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "controller/app/app.h"
#include "queue/queue.h"

enum planted_bug planted;

const char *planted_name(enum planted_bug bug)
{
        static const char *const names[PLANTED_COUNT] = {
                [PLANTED_NONE] = "none",
                [PLANTED_NO_UID] = "no-uid",
                [PLANTED_NO_CREATE_ONLY] = "no-create-only",
                [PLANTED_NO_OWNER] = "no-owner",
                [PLANTED_NO_RETRY_AFTER] = "no-retry-after",
                [PLANTED_DEAF] = "deaf",
                [PLANTED_DEAF_ONCE] = "deaf-once",
                [PLANTED_NO_DELETE] = "no-delete",
                [PLANTED_NO_REPAIR] = "no-repair",
                [PLANTED_STATUS_ALWAYS] = "status-always",
                [PLANTED_NO_STATUS] = "no-status",
                [PLANTED_READY_EARLY] = "ready-early",
                [PLANTED_EVENT_ALWAYS] = "event-always",
                [PLANTED_NO_WAKE] = "no-wake",
                [PLANTED_RENAMES] = "renames",
                [PLANTED_DELETES_TO_MEND] = "deletes-to-mend",
                [PLANTED_FORGETS_REPLICAS] = "forgets-replicas",
                [PLANTED_LEAKS] = "leaks",
                [PLANTED_SHARES_HOSTS] = "shares-hosts",
                [PLANTED_SNATCHES_HOSTS] = "snatches-hosts",
                [PLANTED_BACK_IN_TIME] = "back-in-time",
                [PLANTED_NO_BACKOFF] = "no-backoff",
                [PLANTED_KEEPS_LEADING] = "keeps-leading",
        };

        return names[bug];
}

const char *planted_case(enum planted_bug bug)
{
        switch (bug) {
        case PLANTED_NO_UID:
                return "F14-unheard";
        case PLANTED_NO_RETRY_AFTER:
                return "F07";
        case PLANTED_NO_WAKE:
                return "F01-config";
        case PLANTED_SHARES_HOSTS:
        case PLANTED_SNATCHES_HOSTS:
                return "hosts";
        default:
                return NULL;
        }
}

/* --- on the way to the network, and back ---------------------------------------------- */

/* Blanks out the text from MARK's end up to STOP, which goes too. */
static void blank(struct world *w, struct kube_call *call, const char *mark, size_t kept, const char *stop)
{
        char *text = world_alloc(w, call->body.len + 1), *at, *end;

        memcpy(text, call->body.data, call->body.len);
        at = strstr(text, mark);
        end = at ? strstr(at + strlen(mark), stop) : NULL;
        if (!end)
                return;
        at += kept;
        memset(at, ' ', (size_t)(end + strlen(stop) - at));
        call->body = str_n(text, call->body.len);
}

/* A precondition at the head of the body's metadata, where the manager puts it. */
static void blank_precondition(struct world *w, struct kube_call *call, const char *key)
{
        char mark[64];

        snprintf(mark, sizeof(mark), "\"metadata\":{\"%s\":\"", key);
        blank(w, call, mark, strlen("\"metadata\":{"), ",");
}

void planted_call(struct replica *r, struct kube_call *call)
{
        bool child = call->verb == KUBE_APPLY && !call->subresource.data;
        struct world *w = r->world;

        if (planted == PLANTED_NO_UID && child)
                blank_precondition(w, call, "uid");
        if (planted == PLANTED_NO_UID)
                call->if_uid = call->if_version = STR_NULL;
        if (planted == PLANTED_NO_CREATE_ONLY && child)
                blank_precondition(w, call, "resourceVersion");
        if (planted == PLANTED_NO_OWNER && child)
                blank(w, call, "\"ownerReferences\":[", 0, "],");
}

void planted_reply(struct http_result *result)
{
        if (planted == PLANTED_NO_RETRY_AFTER && result->status == 429) {
                result->status = 500;
                result->body = STR("{\"kind\":\"Status\",\"reason\":\"InternalError\",\"message\":\"\"}");
        }
}

bool planted_event(struct world *w, const char *type)
{
        return !(planted == PLANTED_DEAF && strcmp(type, "DELETED") == 0) &&
               !(planted == PLANTED_DEAF_ONCE && strcmp(type, "BOOKMARK") != 0 && world_chance(w, 20));
}

/* --- in the controller ----------------------------------------------------------------- */

static struct controller buggy;

/* The text with ORIGINAL replaced by OTHER, which is as long. */
static void edit_text(struct plan *plan, struct effect *e, const char *original, const char *other)
{
        const char *at = memmem(e->json.data, e->json.len, original, strlen(original));
        struct str copy;

        if (!at)
                return;
        copy = arena_str(plan->arena, e->json);
        memcpy((char *)copy.data + (at - e->json.data), other, strlen(original));
        e->json = copy;
}

static void edit_status(const struct view *view, struct plan *plan, struct effect *e)
{
        if (planted == PLANTED_NO_STATUS)
                list_remove(&e->link);
        if (planted == PLANTED_STATUS_ALWAYS)
                e->json = arena_printf(plan->arena, "{\"url\":\"at %lld\",%.*s", (long long)view->now,
                                       STR_FMT(str_n(e->json.data + 1, e->json.len - 1)));
        if (planted == PLANTED_READY_EARLY)
                edit_text(plan, e, "\"type\":\"Ready\",\"status\":\"False\"",
                          "\"type\":\"Ready\",\"status\":\"True\" ");
}

static void edit_child(const struct view *view, struct plan *plan, struct effect *e)
{
        const struct object *child = view_child(view, e->kind, e->name);

        if (planted == PLANTED_NO_REPAIR && child)
                list_remove(&e->link);
        if (planted == PLANTED_DELETES_TO_MEND && child && e->kind == &app_deployment_kind &&
            !child->deleting)
                plan_delete(plan, child);
        if (planted == PLANTED_FORGETS_REPLICAS && e->kind == &app_deployment_kind) {
                e->options.versioned = false;
                e->options.changed = true;
        }
        if (planted == PLANTED_RENAMES && e->kind == &common_poddisruptionbudget_kind)
                edit_text(plan, e, "\"app.kubernetes.io/part-of\":\"",
                          view->now / USEC_MINUTE % 2 ? "\"app.kubernetes.io/part_of\":\""
                                                      : "\"app.kubernetes.io/part-of\":\"");
}

static void edit(const struct view *view, struct plan *plan, struct effect *e)
{
        if (planted == PLANTED_NO_DELETE && e->type == EFFECT_DELETE)
                list_remove(&e->link);
        if (e->type == EFFECT_STATUS)
                edit_status(view, plan, e);
        if (e->type == EFFECT_APPLY)
                edit_child(view, plan, e);
}

static int reconcile(const struct view *view, struct plan *plan)
{
        int r = app_controller.reconcile(view, plan);

        list_for_each_safe (link, &plan->effects)
                edit(view, plan, container_of(link, struct effect, link));
        if (planted == PLANTED_EVENT_ALWAYS)
                plan_event(plan, false, STR("Looked"), STR("It was looked at"));
        if (planted == PLANTED_NO_WAKE)
                plan->wake = USEC_NEVER;
        if (planted == PLANTED_LEAKS)
                (void)!mem_zalloc(16);
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

/* --- in what the controller calls (--wrap in meson.build) ------------------------------- */

int __real_app_settle_hosts(const struct view *view, struct arena *a, struct app_settings *settings);
int __wrap_app_settle_hosts(const struct view *view, struct arena *a, struct app_settings *settings);
int __wrap_app_settle_hosts(const struct view *view, struct arena *a, struct app_settings *settings)
{
        return planted == PLANTED_SHARES_HOSTS ? 0 : __real_app_settle_hosts(view, a, settings);
}

const struct object *__real_view_claimed_by_other(const struct view *view, const struct cache_kind *kind,
                                                  struct str word);
const struct object *__wrap_view_claimed_by_other(const struct view *view, const struct cache_kind *kind,
                                                  struct str word);
const struct object *__wrap_view_claimed_by_other(const struct view *view, const struct cache_kind *kind,
                                                  struct str word)
{
        return planted == PLANTED_SNATCHES_HOSTS ? NULL : __real_view_claimed_by_other(view, kind, word);
}

/* --- below the manager (likewise) ------------------------------------------------------- */

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
