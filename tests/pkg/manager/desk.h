/* SPDX-License-Identifier: Apache-2.0
 *
 * A manager whose requests are laid on a desk, for the test to answer one by
 * one; and a controller that does what the test says.
 *
 *      begin(&d);
 *      want(&d, script);            what a reconcile of the box "web" asks for
 *      turn(&d);
 *      ck_call(&d, 0, CALL_GET, "letters", "a");
 *      answer(&d, 0, 200, "{…}");   the reply; what follows from it lies on the desk as well
 *      end(&d);
 *
 * Two controllers: of boxes, whose children are parts and copies of letters,
 * and of crates, which have none and read classes, which belong to no namespace. Letters,
 * notices and copies are read on demand.
 */
#pragma once

#include "pkg/cache/box.h"

#include <errno.h>

#include "base/log.h"
#include "manager/manager.h"

#define CALLS_MAX 64

struct desk_call {
        struct call call; /* its strings are malloc's */
        call_done_fn *done;
        void *arg;
        bool open;
};

typedef void script_fn(const struct view *view, struct plan *plan);

struct desk {
        struct transport base;
        struct manager m;
        usec_t now;
        struct desk_call calls[CALLS_MAX];
        size_t n_calls;
        int refusal; /* of the transport: what start returns; 0: it takes them */
};

/* What the controllers do; one desk at a time. */
static struct {
        script_fn *script;
        struct reference references[4];
        size_t n_references;
        size_t n_boxes, n_crates; /* reconciles */
        struct failure failure;   /* in the last view of a box, its strings gone */
        char reason[64], message[512];
} desk_state _unused_;

static const struct cache_kind letter_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("letters"), STR_INIT("Letter"), true },
        .schema = &box_schema,
        .on_demand = true,
};
/* Likewise, but a watch tells of changes. */
static const struct cache_kind notice_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("notices"), STR_INIT("Notice"), true },
        .schema = &box_schema,
        .on_demand = true,
        .announced = true,
};
static const struct cache_kind copy_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("copies"), STR_INIT("Copy"), true },
        .schema = &box_schema,
        .on_demand = true,
        .by_owner = true,
        .quiet = true,
};
/* Of all namespaces, or of none. */
static const struct cache_kind class_kind _unused_ = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("classes"), STR_INIT("Class"), false },
        .schema = &box_schema,
};
static const struct cache_kind part_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("parts"), STR_INIT("Part"), true },
        .schema = &box_schema,
};

static inline size_t desk_references(const struct object *self _unused_, struct arena *a _unused_,
                                     struct reference list[REFERENCES_MAX])
{
        for (size_t i = 0; i < desk_state.n_references; i++)
                list[i] = desk_state.references[i];
        return desk_state.n_references;
}

static inline int reconcile_box(const struct view *view, struct plan *plan)
{
        desk_state.n_boxes++;
        desk_state.failure = view->failure;
        snprintf(desk_state.reason, sizeof(desk_state.reason), "%.*s", STR_FMT(view->failure.reason));
        snprintf(desk_state.message, sizeof(desk_state.message), "%.*s", STR_FMT(view->failure.message));
        if (desk_state.script)
                desk_state.script(view, plan);
        return 0;
}

static inline int reconcile_crate(const struct view *view, struct plan *plan)
{
        (void)view;
        (void)plan;
        desk_state.n_crates++;
        return 0;
}

static const struct cache_kind *const box_children[] = { &part_kind, &copy_kind };
static const struct observed box_observed[] = {
        { &letter_kind, OBSERVED_BY_REFERENCE },
        { &notice_kind, OBSERVED_BY_REFERENCE },
};

static const struct controller box_controller = {
        .name = "box",
        .kind = &box_kind,
        .children = box_children,
        .n_children = ARRAY_SIZE(box_children),
        .observed = box_observed,
        .n_observed = ARRAY_SIZE(box_observed),
        .references = desk_references,
        .reconcile = reconcile_box,
};
static const struct observed crate_observed[] = {
        { &class_kind, OBSERVED_BY_NAMESPACE, .dispensable = true },
};
static const struct controller crate_controller = {
        .name = "crate",
        .kind = &crate_kind,
        .observed = crate_observed,
        .n_observed = ARRAY_SIZE(crate_observed),
        .reconcile = reconcile_crate,
};

/* --- the transport -------------------------------------------------------------------------- */

/* From malloc: only the manager's own memory is made to fail. */
static inline struct str desk_dup(struct str s)
{
        return s.data ? str_n(strndup(s.data, s.len), s.len) : STR_NULL;
}

static inline int desk_start(struct transport *base, const struct call *call, call_done_fn *done, void *arg,
                             void **ret_handle)
{
        struct desk *d = container_of(base, struct desk, base);
        struct desk_call *c = &d->calls[d->n_calls];

        if (d->refusal)
                return d->refusal;
        ck_assert_uint_lt(d->n_calls, CALLS_MAX);
        d->n_calls++;
        *c = (struct desk_call){ .call = *call, .done = done, .arg = arg, .open = true };
        c->call.namespace = desk_dup(call->namespace);
        c->call.name = desk_dup(call->name);
        c->call.body = desk_dup(call->body);
        c->call.uid = desk_dup(call->uid);
        c->call.version = desk_dup(call->version);
        *ret_handle = c;
        return 0;
}

static inline void desk_cancel(struct transport *base, void *handle)
{
        (void)base;
        ((struct desk_call *)handle)->open = false;
}

static inline usec_t desk_now(struct transport *base)
{
        return container_of(base, struct desk, base)->now;
}

/* --- stories -------------------------------------------------------------------------------- */

static inline void turn(struct desk *d)
{
        (void)manager_pump(&d->m);
}

static inline void put_into(struct desk *d, const struct cache_kind *kind, const struct spec *s)
{
        yyjson_doc *doc = make(s);

        ck_assert_int_eq(cache_put(&d->m.cache, kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH), 0);
        yyjson_doc_free(doc);
}

/* The watch brings it. */
#define bring(d, kind, ...) put_into((d), (kind), &(struct spec){ __VA_ARGS__ })

static inline void begin_empty(struct desk *d)
{
        *d = (struct desk){ .base = { desk_start, desk_cancel, desk_now, desk_now }, .now = USEC_HOUR };
        desk_state = (typeof(desk_state)){ 0 };
        log_setup(LOG_ERROR + 1, LOG_TEXT);
        manager_init(&d->m, &d->base, STR("op0"), 1);
        ck_assert_int_eq(manager_add(&d->m, &box_controller), 0);
        ck_assert_int_eq(manager_add(&d->m, &crate_controller), 0);
        manager_allow(&d->m, true);
}

/* The box "web" is there. */
static inline void begin(struct desk *d)
{
        begin_empty(d);
        bring(d, &box_kind, .name = "web", .uid = "u-web", .color = "red");
}

static inline void want(struct desk *d, script_fn *script)
{
        (void)d;
        desk_state.script = script;
}

static inline void end(struct desk *d)
{
        manager_release(&d->m);
        for (size_t i = 0; i < d->n_calls; i++) {
                struct call *c = &d->calls[i].call;
                struct str all[] = { c->namespace, c->name, c->body, c->uid, c->version };

                ck_assert(!d->calls[i].open);
                for (size_t j = 0; j < ARRAY_SIZE(all); j++)
                        free((char *)(uintptr_t)all[j].data);
        }
        ck_assert_uint_eq(mem_live(), 0);
}

static inline void reply_with(struct desk *d, size_t i, const struct http_result *result)
{
        struct kube_asked asked = { .verb = KUBE_GET, .server = STR("https://test") };
        struct desk_call *c = &d->calls[i];
        struct kube_reply reply;

        ck_assert_uint_lt(i, d->n_calls);
        ck_assert_msg(c->open, "call %zu is answered already", i);
        c->open = false;
        asked.kind = c->call.kind;
        kube_reply_read(result, &asked, &reply);
        c->done(&reply, c->arg);
        kube_reply_release(&reply);
        turn(d);
}

/* The reply to the I-th call: an object, or a Status. And what follows from it. */
static inline void answer(struct desk *d, size_t i, int status, const char *body)
{
        struct http_result result = { .status = status, .body = str_c(body), .retry_after = -1 };

        reply_with(d, i, &result);
}

static inline void refuse(struct desk *d, size_t i, int status, const char *reason, const char *message)
{
        char body[1024];

        snprintf(
                body, sizeof(body),
                "{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":%d,\"reason\":\"%s\",\"message\":\"%s\"}",
                status, reason, message);
        answer(d, i, status, body);
}

/* No reply comes: the connection is cut. */
static inline void lose(struct desk *d, size_t i)
{
        struct http_result result = { .error = ERROR_INIT, .retry_after = -1 };

        error_set(&result.error, -ECONNRESET, "the connection was cut");
        reply_with(d, i, &result);
}

static inline void answer_not_found(struct desk *d, size_t i)
{
        refuse(d, i, 404, "NotFound", "it is not there");
}

/* Time goes by. */
static inline void pass(struct desk *d, usec_t by)
{
        d->now += by;
        turn(d);
}

static inline void ck_call(const struct desk *d, size_t i, enum call_type type, const char *plural,
                           const char *name)
{
        const struct call *c = &d->calls[i].call;

        ck_assert_msg(i < d->n_calls, "there are %zu calls", d->n_calls);
        ck_assert_msg(c->type == type && str_eq_c(c->kind->plural, plural) && str_eq_c(c->name, name),
                      "call %zu is of type %d to %.*s %.*s", i, (int)c->type, STR_FMT(c->kind->plural),
                      STR_FMT(c->name));
}

static inline bool has_text(struct str s, const char *part)
{
        return s.data && memmem(s.data, s.len, part, strlen(part));
}

#define ck_body(d, i, part)                                                                                  \
        ck_assert_msg(has_text((d)->calls[i].call.body, (part)), "\"%s\" is not in %.*s", (part),            \
                      STR_FMT((d)->calls[i].call.body))
