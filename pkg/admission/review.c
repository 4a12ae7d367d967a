/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/review.h"

#include <errno.h>

static const struct envelope envelope = { STR_INIT("admission.k8s.io/v1"), STR_INIT("AdmissionReview") };

enum operation { OPERATION_CREATE, OPERATION_UPDATE, OPERATION_DELETE, OPERATION_CONNECT };

static const struct str operations[] = { STR_INIT("CREATE"), STR_INIT("UPDATE"), STR_INIT("DELETE"),
                                         STR_INIT("CONNECT") };

struct request {
        struct str uid, name, subresource;
        struct str group, version, kind_name;
        const struct admission_kind *kind; /* NULL: we do not know it */
        enum operation operation;
        yyjson_val *object, *old_object;
};

struct verdict {
        bool allowed;
        unsigned code; /* of a refusal, and why */
        const char *reason;
        struct str message;
        struct problems problems; /* that are wrong with it, in detail */
        struct problems warnings;
};

void review_init(struct review *r, const struct admission_kind *const *kinds, size_t n_kinds)
{
        r->kinds = kinds;
        r->n_kinds = n_kinds;
        arena_init(&r->arena, REVIEW_MEMORY_MAX);
}

void review_release(struct review *r)
{
        arena_release(&r->arena);
}

/* --- the request -------------------------------------------------------------------- */

static int read_kind(const struct review *r, yyjson_val *json, struct request *req, struct error *err)
{
        static const char *const names[] = { "group", "version", "kind" };
        yyjson_val *found[ARRAY_SIZE(names)] = { NULL };

        if (json_pick(json, "request.kind", names, ARRAY_SIZE(names), found, err) < 0)
                return -EINVAL;
        req->group = json_val_str(found[0]);
        req->version = json_val_str(found[1]);
        req->kind_name = json_val_str(found[2]);
        for (size_t i = 0; i < r->n_kinds; i++) {
                const struct kube_kind *api = &r->kinds[i]->kind->api;

                if (str_eq(api->group, req->group) && str_eq(api->version, req->version) &&
                    str_eq(api->kind, req->kind_name))
                        req->kind = r->kinds[i];
        }
        return 0;
}

static int read_operation(struct str word, struct request *req, struct error *err)
{
        for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
                if (str_eq(operations[i], word)) {
                        req->operation = (enum operation)i;
                        return 0;
                }
        }
        return error_set(err, -EINVAL, "request.operation must be CREATE, UPDATE, DELETE or CONNECT");
}

static int need_object(yyjson_val *object, const char *name, enum operation operation, struct error *err)
{
        if (yyjson_is_obj(object))
                return 0;
        return error_set(err, -EINVAL, "request.%s must be an object for %.*s", name,
                         STR_FMT(operations[operation]));
}

/* What the operation brings with it. */
static int check_objects(const struct request *req, struct error *err)
{
        int r = 0;

        if (req->operation == OPERATION_CREATE || req->operation == OPERATION_UPDATE)
                r = need_object(req->object, "object", req->operation, err);
        if (r == 0 && req->operation == OPERATION_UPDATE)
                r = need_object(req->old_object, "oldObject", req->operation, err);
        return r;
}

static int read_request(const struct review *r, yyjson_val *json, struct request *req, struct error *err)
{
        static const char *const names[] = { "uid",       "kind",   "subResource", "name",
                                             "operation", "object", "oldObject" };
        yyjson_val *found[ARRAY_SIZE(names)] = { NULL };

        if (json_pick(json, "request", names, ARRAY_SIZE(names), found, err) < 0)
                return -EINVAL;
        req->uid = json_val_str(found[0]);
        req->subresource = json_val_str(found[2]);
        req->name = json_val_str(found[3]);
        req->object = found[5];
        req->old_object = found[6];
        if (envelope_check_uid(req->uid, err) < 0)
                return -EINVAL;
        if (found[2] && !yyjson_is_str(found[2]))
                return error_set(err, -EINVAL, "request.subResource must be a string");
        if (read_kind(r, found[1], req, err) < 0 || read_operation(json_val_str(found[4]), req, err) < 0)
                return -EINVAL;
        return check_objects(req, err);
}

static int read_body(struct review *r, struct buf *body, struct request *req, struct error *err)
{
        yyjson_val *json;
        int ret = envelope_open(&envelope, body, &r->arena, &json, err);

        return ret < 0 ? ret : read_request(r, json, req, err);
}

/* --- the verdict -------------------------------------------------------------------- */

static void deny(struct verdict *v, unsigned code, const char *reason, struct str message)
{
        v->allowed = false;
        v->code = code;
        v->reason = reason;
        v->message = message;
}

static void deny_kind(struct review *r, const struct request *req, struct verdict *v)
{
        struct str known = STR_NULL;

        for (size_t i = 0; i < r->n_kinds; i++) {
                const struct kube_kind *api = &r->kinds[i]->kind->api;

                known = arena_printf(&r->arena, "%.*s%s%.*s of %.*s/%.*s", STR_FMT(known), i ? ", " : "",
                                     STR_FMT(api->kind), STR_FMT(api->group), STR_FMT(api->version));
        }
        deny(v, 400, "BadRequest",
             arena_printf(&r->arena,
                          "this webhook does not know the kind %.*s of %.*s/%.*s, and judges %.*s; take it "
                          "out of the rules of the webhook configuration, or use a newer Keelson",
                          STR_SHOWN(req->kind_name), STR_SHOWN(req->group), STR_SHOWN(req->version),
                          STR_FMT(known)));
}

/* Are they the same, text for text? Values of a tree lie in one row, so a look along
 * it does, however deep they are. */
static bool same_value(yyjson_val *a, yyjson_val *b)
{
        yyjson_val *end;

        if (!a || !b)
                return a == b;
        end = unsafe_yyjson_get_next(a);
        if (end - a != unsafe_yyjson_get_next(b) - b)
                return false;
        for (; a < end; a++, b++) {
                if (a->tag != b->tag)
                        return false;
                if (yyjson_is_str(a) ? !str_eq(json_val_str(a), json_val_str(b))
                                     : !yyjson_is_ctn(a) && yyjson_is_num(a) && a->uni.u64 != b->uni.u64)
                        return false;
        }
        return true;
}

static bool keeps_spec(const struct request *req)
{
        return req->operation == OPERATION_UPDATE &&
               same_value(yyjson_obj_get(req->object, "spec"), yyjson_obj_get(req->old_object, "spec"));
}

static bool is_going(const struct request *req)
{
        return json_get_str(yyjson_obj_get(req->object, "metadata"), "deletionTimestamp").data != NULL;
}

/* 0, or -ENOMEM. */
static int judge_object(struct review *r, const struct request *req, struct verdict *v)
{
        yyjson_val *old_object = req->operation == OPERATION_UPDATE ? req->old_object : NULL;
        struct problems problems;
        int ret;

        problems_init(&problems, &r->arena);
        ret = admission_judge(req->kind, req->object, old_object, 0, &problems, &v->warnings);
        if (ret != -EINVAL)
                return ret;
        if (keeps_spec(req)) {
                problems_add_all(&v->warnings, &problems);
                return 0;
        }
        v->problems = problems;
        deny(v, 422, "Invalid", problems_text(&v->problems));
        return 0;
}

static int judge(struct review *r, enum review_call call, const struct request *req, struct verdict *v)
{
        v->allowed = true;
        if (!req->kind) {
                deny_kind(r, req, v);
        } else if (req->operation == OPERATION_CONNECT) {
                deny(v, 400, "BadRequest",
                     STR("there is nothing to connect to; take CONNECT out of the webhook's rules"));
        } else if (!str_empty(req->subresource) && !str_eq(req->subresource, STR("status"))) {
                deny(v, 400, "BadRequest",
                     arena_printf(&r->arena,
                                  "this webhook does not know the subresource %.*s; take it out of the rules "
                                  "of the webhook configuration",
                                  STR_SHOWN(req->subresource)));
        } else if (call == REVIEW_VALIDATE && req->operation != OPERATION_DELETE &&
                   str_empty(req->subresource) && !is_going(req)) {
                return judge_object(r, req, v);
        }
        return 0;
}

/* --- the reply ---------------------------------------------------------------------- */

/* It becomes a header of HTTP; control characters are none in a problem. */
static struct str warning_text(const struct problem *p, struct arena *a)
{
        return review_cut(
                arena_printf(a, "%.*s%s%.*s", STR_FMT(p->path), p->path.len ? ": " : "", STR_FMT(p->message)),
                REVIEW_WARNING_MAX, a);
}

static void write_warnings(const struct problems *warnings, struct json_writer *w)
{
        if (!warnings->n)
                return;
        json_key(w, "warnings");
        json_array(w);
        for (size_t i = 0; i < MIN(warnings->n, (size_t)REVIEW_WARNINGS_MAX); i++)
                json_str(w, warning_text(&warnings->all[i], warnings->arena));
        json_end(w);
}

static void write_causes(const struct problems *p, struct json_writer *w)
{
        json_key(w, "causes");
        json_array(w);
        for (size_t i = 0; i < p->n; i++) {
                json_object(w);
                json_put_cstr(w, "reason", "FieldValueInvalid");
                json_put_str(w, "message", review_cut(p->all[i].message, REVIEW_CAUSE_MAX, p->arena));
                if (p->all[i].path.len)
                        json_put_str(w, "field", review_cut(p->all[i].path, REVIEW_CAUSE_MAX, p->arena));
                json_end(w);
        }
        json_end(w);
}

static void write_details(const struct request *req, const struct verdict *v, struct json_writer *w)
{
        json_key(w, "details");
        json_object(w);
        if (!str_empty(req->name))
                json_put_str(w, "name", review_cut(req->name, REVIEW_NAME_MAX, v->problems.arena));
        json_put_str(w, "group", req->kind->kind->api.group);
        json_put_str(w, "kind", req->kind->kind->api.kind);
        write_causes(&v->problems, w);
        json_end(w);
}

static void write_reply(struct review *r, const struct request *req, const struct verdict *v,
                        struct buf *reply)
{
        struct json_writer w;

        envelope_begin(&envelope, req->uid, &w, reply);
        json_put_bool(&w, "allowed", v->allowed);
        if (!v->allowed) {
                json_key(&w, "status");
                envelope_status(&w, v->code, v->reason,
                                review_cut(v->message, REVIEW_MESSAGE_MAX, &r->arena));
                if (v->problems.n)
                        write_details(req, v, &w);
                json_end(&w);
        }
        write_warnings(&v->warnings, &w);
        json_end(&w);
        json_end(&w);
}

/* --- all of it ---------------------------------------------------------------------- */

static int answer(struct review *r, enum review_call call, struct buf *body, struct buf *reply,
                  struct review_outcome *ret, struct error *err)
{
        struct request req = { .operation = OPERATION_CREATE };
        struct verdict v = { .allowed = false };
        int code = read_body(r, body, &req, err);

        if (code < 0)
                return code;
        problems_init(&v.problems, &r->arena);
        problems_init(&v.warnings, &r->arena);
        code = judge(r, call, &req, &v);
        if (code == 0)
                write_reply(r, &req, &v, reply);
        if (code < 0 || r->arena.failed)
                return -ENOMEM;
        ret->operation = operations[req.operation];
        ret->kind = req.kind ? req.kind->kind->api.kind : STR("other");
        ret->verdict = v.allowed ? STR("allowed") : STR("denied");
        return 0;
}

unsigned review_answer(struct review *r, enum review_call call, struct buf *body, struct buf *reply,
                       struct review_outcome *ret)
{
        struct error err = ERROR_INIT;
        unsigned status = 200;
        int code;

        *ret = (struct review_outcome){ STR("other"), STR("other"), STR("error") };
        buf_clear(reply);
        code = answer(r, call, body, reply, ret, &err);
        if (code < 0)
                status = envelope_fail(&envelope, code, r->arena.full, &err, reply);
        arena_clear(&r->arena);
        return status;
}
