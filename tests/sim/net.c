/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls on their way to the simulated API server and back.
 *
 *      kube_call --> fate? --[latency]--> arrive: sim_api_serve --[latency]--> land: done
 *                     | -ENOMEM, lost, refused, late
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"
#include "sim/wrap.h"

#define TIMEOUT (2 * USEC_SEC) /* until a lost call is noticed */
#define DELAY (5 * USEC_SEC)
#define RESTART USEC_SEC

struct flight {
        struct kube_request base;
        struct kube_call call;
        char *strings;      /* that the call points to */
        kube_done_fn *done; /* NULL: nobody waits any more */
        void *arg;
        struct world_rule rule;
        struct sim_reply reply;
        bool is_lease;
        unsigned life; /* the process that sent it */
};

static struct world *world_of(const struct flight *f)
{
        return f->base.replica->world;
}

static void flight_free(struct flight *f)
{
        list_remove(&f->base.link);
        free(f->strings);
        free(f->reply.body);
        free(f);
}

void flight_cancel(struct kube_request *q)
{
        /* What was sent cannot be called back. */
        container_of(q, struct flight, base)->done = NULL;
}

/* --- what is told of it --------------------------------------------------------------- */

static const char *verb_name(const struct kube_call *c)
{
        static const char *const names[] = {
                [KUBE_GET] = "get",       [KUBE_LIST] = "list",         [KUBE_WATCH] = "watch",
                [KUBE_CREATE] = "create", [KUBE_UPDATE] = "update",     [KUBE_APPLY] = "apply",
                [KUBE_DELETE] = "delete", [KUBE_MERGE_PATCH] = "patch", [KUBE_JSON_PATCH] = "patch",
        };

        return str_eq(c->subresource, STR("status")) ? "apply status of" : names[c->verb];
}

static void note(const struct flight *f, const char *what)
{
        struct world *w = world_of(f);

        if (f->is_lease)
                return;
        world_note(w, f->base.replica->name, "%s %.*s %.*s/%.*s: %s", verb_name(&f->call),
                   STR_FMT(f->call.kind->kind), STR_FMT(f->call.namespace), STR_FMT(f->call.name), what);
}

static void note_reply(const struct flight *f)
{
        struct str message = STR_NULL;
        yyjson_doc *doc = NULL;
        char text[256];

        if (!world_of(f)->history)
                return;
        if (f->reply.status >= 300 && f->reply.body) {
                doc = yyjson_read(f->reply.body, strlen(f->reply.body), 0);
                message = str_c(yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "message")));
        }
        snprintf(text, sizeof(text), "%d %.*s%s", f->reply.status, STR_FMT(message),
                 f->rule.fate == WORLD_LOSE_REPLY ? " (the reply is lost)" : "");
        note(f, text);
        yyjson_doc_free(doc);
}

/* --- its fate ---------------------------------------------------------------------------- */

static bool is_lease(const struct kube_call *call)
{
        return str_eq(call->kind->plural, STR("leases"));
}

static enum call_type type_of(const struct kube_call *call)
{
        switch (call->verb) {
        case KUBE_APPLY:
                return str_eq(call->subresource, STR("status")) ? CALL_APPLY_STATUS : CALL_APPLY;
        case KUBE_CREATE:
                return call->dry_run ? CALL_TRY : CALL_CREATE;
        case KUBE_MERGE_PATCH:
                return CALL_PATCH;
        case KUBE_JSON_PATCH:
                return CALL_PATCH_AT;
        case KUBE_DELETE:
                return CALL_DELETE;
        default:
                return CALL_GET;
        }
}

static struct world_rule refusal(struct world *w)
{
        static const struct world_rule refusals[] = {
                { .status = 409, .reason = "Conflict", .message = "somebody else was faster" },
                { .status = 429, .reason = "TooManyRequests", .message = "slow down", .retry_after = 7 },
                { .status = 429, .reason = "TooManyRequests", .message = "slow down" },
                { .status = 500, .reason = "InternalError", .message = "etcd has no leader" },
                { .status = 503, .reason = "ServiceUnavailable", .message = "starting", .retry_after = 2 },
                { .status = 504, .reason = "Timeout", .message = "it took too long" },
        };
        struct world_rule rule = refusals[rand_below(&w->rand, ARRAY_SIZE(refusals))];

        rule.fate = WORLD_REFUSE;
        return rule;
}

static struct world_rule fate_by_weather(struct world *w)
{
        if (world_chance(w, w->weather.lose_request))
                return (struct world_rule){ .fate = WORLD_LOSE_REQUEST };
        if (world_chance(w, w->weather.lose_reply))
                return (struct world_rule){ .fate = WORLD_LOSE_REPLY };
        if (world_chance(w, w->weather.refuse))
                return refusal(w);
        return (struct world_rule){ .fate = WORLD_SERVE };
}

static bool count_down(uint64_t *n)
{
        return *n && --*n == 0;
}

bool world_rule_fits(const struct world_rule *rule, const struct replica *r, const struct kube_call *call)
{
        return rule->times != 0 && (rule->any_type || rule->type == type_of(call)) &&
               (!rule->kind || sim_same_kind(rule->kind, call->kind)) &&
               (!rule->name || str_eq_c(call->name, rule->name)) && (!rule->only || rule->only == r);
}

static struct world_rule fate_of(struct replica *r, const struct kube_call *call)
{
        struct world *w = r->world;

        if (!is_lease(call) && count_down(&w->nth_call))
                return w->nth_fate;
        for (size_t i = 0; i < w->n_rules; i++) {
                struct world_rule *rule = &w->rules[i];

                if (!world_rule_fits(rule, r, call))
                        continue;
                if (rule->times > 0)
                        rule->times--;
                return *rule;
        }
        return fate_by_weather(w);
}

/* --- on its way ----------------------------------------------------------------------------- */

static usec_t latency(struct world *w)
{
        if (world_chance(w, w->weather.delay))
                return world_about(w, DELAY);
        return world_about(w, w->latency);
}

static void back(struct world *w, void *arg)
{
        (void)arg;
        if (!w->op[0].up)
                world_start(w);
}

static void die(struct world *w)
{
        if (w->op[0].up)
                world_crash(w);
        world_after(w, RESTART, back, NULL);
}

/* What a kube_client makes of an answer. */
static void land(struct world *w, void *arg)
{
        struct flight *f = arg;
        struct http_result result = { .status = f->reply.status,
                                      .body = str_c(f->reply.body),
                                      .retry_after = -1 };
        struct kube_asked asked = {
                .verb = f->call.verb,
                .kind = f->call.kind,
                .namespace = f->call.namespace,
                .name = f->call.name,
                .subresource = f->call.subresource,
                .server = STR("https://sim"),
                .credentials = STR("the simulator"),
        };
        struct kube_reply reply;

        if (f->done && !replica_runs(f->base.replica)) {
                world_after(w, f->base.replica->paused_until - w->now, land, f);
                return;
        }
        if (f->done) {
                if (f->reply.status == 0)
                        error_set(&result.error, -ECONNRESET, "the connection broke");
                if (w->tamper_reply)
                        w->tamper_reply(&result);
                kube_reply_read(&result, &asked, &reply);
                f->done(&reply, f->arg);
                kube_reply_release(&reply);
                if (f->base.replica == &w->op[0] && !f->is_lease && count_down(&w->crash_replied))
                        die(w);
        }
        flight_free(f);
}

static void serve(struct world *w, struct flight *f)
{
        const char *before = w->api.writer;

        if (f->base.replica == &w->op[0] && !f->is_lease && count_down(&w->crash_before)) {
                die(w); /* and the request dies with its connection */
                note(f, "it died before that arrived");
                return;
        }
        w->api.wall = world_wall(w) - w->wall_offset; /* the server's clock is right */
        w->api.writer = f->life == f->base.replica->life ? f->base.replica->name : "a dead op";
        sim_api_serve(&w->api, &f->call, &f->reply);
        w->api.writer = before;
        note_reply(f);
        if (!f->is_lease)
                w->n_served++;
}

static void arrive(struct world *w, void *arg)
{
        struct flight *f = arg;

        if (f->rule.fate == WORLD_REFUSE) {
                f->reply.status = f->rule.status;
                f->reply.body =
                        sim_status(f->rule.status, f->rule.reason, f->rule.message, f->rule.retry_after);
                note_reply(f);
        } else {
                serve(w, f);
        }
        if (f->rule.fate == WORLD_LOSE_REPLY) {
                free(f->reply.body);
                f->reply = (struct sim_reply){ 0 };
        }
        world_after(w, f->reply.status ? latency(w) : TIMEOUT, land, f);
        if (f->base.replica == &w->op[0] && !f->is_lease && w->op[0].up && count_down(&w->crash_after))
                die(w);
}

/* --- the client's side -------------------------------------------------------------------------- */

static struct str copy(char **at, struct str s)
{
        char *to = *at;

        if (!s.data)
                return STR_NULL;
        if (s.len)
                memcpy(to, s.data, s.len);
        *at += s.len + 1;
        return str_n(to, s.len);
}

static struct flight *flight_new(struct replica *r, const struct kube_call *call)
{
        struct flight *f = calloc(1, sizeof(*f));
        size_t bytes = 16 + call->namespace.len + call->name.len + call->subresource.len + call->body.len +
                       call->field_manager.len + call->if_uid.len + call->if_version.len;
        char *at = calloc(1, bytes);

        assert(f && at);
        *f = (struct flight){ .base = { .replica = r }, .call = *call, .strings = at, .life = r->life };
        f->call.namespace = copy(&at, call->namespace);
        f->call.name = copy(&at, call->name);
        f->call.subresource = copy(&at, call->subresource);
        f->call.body = copy(&at, call->body);
        f->call.field_manager = copy(&at, call->field_manager);
        f->call.if_uid = copy(&at, call->if_uid);
        f->call.if_version = copy(&at, call->if_version);
        f->is_lease = is_lease(call);
        list_add_tail(&r->world->flights, &f->base.link);
        return f;
}

static void count(struct world *w, const struct flight *f)
{
        if (f->is_lease)
                return;
        w->n_calls[type_of(&f->call)]++;
        if (str_eq(f->call.kind->plural, STR("events")))
                w->n_event_calls[type_of(&f->call)]++;
        if (f->call.verb != KUBE_CREATE && f->call.verb != KUBE_MERGE_PATCH)
                w->last_call = w->now;
}

int __wrap_kube_call(struct kube_client *c, const struct kube_call *call, kube_done_fn *done, void *arg,
                     struct kube_request **ret, struct error *err);
int __wrap_kube_call(struct kube_client *c, const struct kube_call *call, kube_done_fn *done, void *arg,
                     struct kube_request **ret, struct error *err)
{
        struct world *w = c->replica->world;
        struct kube_call sent = *call;
        struct world_rule rule = fate_of(c->replica, call);
        struct flight *f;

        if (w->tamper)
                w->tamper(c->replica, &sent);
        if (rule.fate == WORLD_NO_MEMORY)
                return error_set(err, -ENOMEM, "out of memory");
        f = flight_new(c->replica, &sent);
        f->done = done;
        f->arg = arg;
        f->rule = rule;
        count(w, f);
        if (rule.fate == WORLD_LOSE_REQUEST) {
                note(f, "the request is lost");
                world_after(w, TIMEOUT, land, f);
        } else {
                world_after(w, latency(w), arrive, f);
        }
        if (ret)
                *ret = &f->base;
        return 0;
}

void net_release(struct world *w)
{
        list_for_each_safe (link, &w->flights)
                flight_free(container_of(container_of(link, struct kube_request, link), struct flight, base));
}
