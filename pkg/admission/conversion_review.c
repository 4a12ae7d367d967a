/* SPDX-License-Identifier: Apache-2.0 */
#include "admission/conversion_review.h"

#include <errno.h>

static const struct envelope envelope = { STR_INIT("apiextensions.k8s.io/v1"), STR_INIT("ConversionReview") };

#define REPLY_END_MAX ((size_t)256) /* what stands behind the objects */

struct request {
        struct str uid;
        struct str group, version; /* that are desired */
        yyjson_val *objects;
};

/* One of the objects. */
struct object {
        yyjson_val *json;
        struct str group, version, kind_name;
        struct str namespace, name;
        const struct conversion_kind *kind;
        const struct conversion_version *from, *to;
};

void conversion_review_init(struct conversion_review *r, const struct conversion_kind *const *kinds,
                            size_t n_kinds)
{
        r->kinds = kinds;
        r->n_kinds = n_kinds;
        arena_init(&r->arena, REVIEW_MEMORY_MAX);
        arena_init(&r->object, CONVERSION_OBJECT_MEMORY_MAX);
}

void conversion_review_release(struct conversion_review *r)
{
        arena_release(&r->arena);
        arena_release(&r->object);
}

/* --- the request ---------------------------------------------------------------------- */

static bool split_version(struct str api_version, struct str *ret_group, struct str *ret_version)
{
        return str_cut(api_version, '/', ret_group, ret_version) && !str_empty(*ret_group) &&
               !str_empty(*ret_version) && str_index(*ret_version, '/') < 0;
}

static int read_request(yyjson_val *json, struct request *req, struct error *err)
{
        static const char *const names[] = { "uid", "desiredAPIVersion", "objects" };
        yyjson_val *found[ARRAY_SIZE(names)] = { NULL };

        if (json_pick(json, "request", names, ARRAY_SIZE(names), found, err) < 0)
                return -EINVAL;
        req->uid = json_val_str(found[0]);
        req->objects = found[2];
        if (envelope_check_uid(req->uid, err) < 0)
                return -EINVAL;
        if (!split_version(json_val_str(found[1]), &req->group, &req->version))
                return error_set(err, -EINVAL,
                                 "request.desiredAPIVersion must be a group and a version, such as "
                                 "keelson.dev/v1alpha1");
        if (!yyjson_is_arr(req->objects))
                return error_set(err, -EINVAL, "request.objects must be a list");
        return 0;
}

/* --- one object ----------------------------------------------------------------------- */

/* "v1alpha1, v1alpha2". */
static struct str versions_of(const struct conversion_kind *kind, struct arena *a)
{
        struct str all = STR_NULL;

        for (size_t i = 0; i < kind->n_versions; i++)
                all = arena_printf(a, "%.*s%s%.*s", STR_FMT(all), i ? ", " : "",
                                   STR_FMT(kind->versions[i].name));
        return all;
}

static int refuse_kind(const struct conversion_review *r, const struct object *o, struct arena *a,
                       struct error *err)
{
        struct str known = STR_NULL;

        for (size_t i = 0; i < r->n_kinds; i++)
                known = arena_printf(a, "%.*s%s%.*s of %.*s (%.*s)", STR_FMT(known), i ? ", " : "",
                                     STR_FMT(r->kinds[i]->kind), STR_FMT(r->kinds[i]->group),
                                     STR_FMT(versions_of(r->kinds[i], a)));
        return error_set(
                err, -EINVAL,
                "this webhook does not know the kind %.*s of %.*s, and converts %.*s; take the conversion "
                "webhook out of its definition, or use a newer Keelson",
                STR_SHOWN(o->kind_name), STR_SHOWN(o->group), STR_FMT(known));
}

static int find_version(const struct object *o, struct str name, const char *where, struct arena *a,
                        const struct conversion_version **ret, struct error *err)
{
        *ret = conversion_version_find(o->kind, name);
        if (*ret)
                return 0;
        return error_set_at(
                err, -EINVAL, str_c(where),
                "this webhook does not know the version %.*s of %.*s, but %.*s; use a newer Keelson, or "
                "take the version out of the definition",
                STR_SHOWN(name), STR_FMT(o->kind->kind), STR_FMT(versions_of(o->kind, a)));
}

static int identify(const struct conversion_review *r, const struct request *req, struct object *o,
                    struct arena *a, struct error *err)
{
        int ret;

        for (size_t i = 0; i < r->n_kinds && !o->kind; i++)
                if (str_eq(r->kinds[i]->group, o->group) && str_eq(r->kinds[i]->kind, o->kind_name))
                        o->kind = r->kinds[i];
        if (!o->kind)
                return refuse_kind(r, o, a, err);
        if (!str_eq(o->group, req->group))
                return error_set_at(err, -EINVAL, STR("apiVersion"),
                                    "an object of %.*s cannot become one of %.*s", STR_FMT(o->group),
                                    STR_SHOWN(req->group));
        ret = find_version(o, o->version, "apiVersion", a, &o->from, err);
        return ret < 0 ? ret : find_version(o, req->version, "desiredAPIVersion", a, &o->to, err);
}

static int read_object(yyjson_val *json, struct object *o, struct error *err)
{
        static const char *const names[] = { "apiVersion", "kind", "metadata" };
        yyjson_val *found[ARRAY_SIZE(names)] = { NULL };

        o->json = json;
        if (json_pick(json, "it", names, ARRAY_SIZE(names), found, err) < 0)
                return -EINVAL;
        o->kind_name = json_val_str(found[1]);
        o->namespace = json_get_str(found[2], "namespace");
        o->name = json_get_str(found[2], "name");
        if (!split_version(json_val_str(found[0]), &o->group, &o->version))
                return error_set_at(err, -EINVAL, STR("apiVersion"), "must be a group and a version");
        return 0;
}

static int write_same(const struct object *o, struct arena *a, struct str *ret, struct error *err)
{
        const yyjson_alc alc = json_arena_alc(a);
        size_t len;
        char *text = yyjson_val_write_opts(o->json, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);

        if (!text)
                return a->full ? error_set(err, -EMSGSIZE, "takes more memory than a conversion may")
                               : -ENOMEM;
        *ret = str_n(text, len);
        return 0;
}

static int convert_object(const struct conversion_review *r, const struct request *req, struct object *o,
                          struct arena *a, struct str *ret, struct error *err)
{
        int code = identify(r, req, o, a, err);

        if (code < 0)
                return code;
        if (o->from == o->to)
                return write_same(o, a, ret, err);
        return conversion_convert(o->kind, o->from, o->to, o->json, a, ret, err);
}

/* --- all of them ---------------------------------------------------------------------- */

/* "App shop/web: spec.image: …", for whoever asked for the object and must now find it. */
static struct str describe(struct conversion_review *r, const struct object *o, size_t i,
                           const struct error *err)
{
        struct str text =
                arena_printf(&r->arena, "%s%s%s", err->path, err->path[0] ? ": " : "", err->message);
        struct str name = review_cut(o->name, REVIEW_NAME_MAX, &r->arena);

        if (!str_empty(name) && !str_empty(o->namespace))
                text = arena_printf(&r->arena, "%.*s %.*s/%.*s: %.*s", STR_SHOWN(o->kind_name),
                                    STR_SHOWN(o->namespace), STR_FMT(name), STR_FMT(text));
        else if (!str_empty(name))
                text = arena_printf(&r->arena, "%.*s %.*s: %.*s", STR_SHOWN(o->kind_name), STR_FMT(name),
                                    STR_FMT(text));
        else
                text = arena_printf(&r->arena, "objects[%zu]: %.*s", i, STR_FMT(text));
        return review_cut(text, REVIEW_MESSAGE_MAX, &r->arena);
}

static void write_failure(const struct request *req, struct str message, struct buf *reply)
{
        struct json_writer w;

        buf_clear(reply);
        envelope_begin(&envelope, req->uid, &w, reply);
        json_key(&w, "convertedObjects");
        json_array(&w);
        json_end(&w);
        json_key(&w, "result");
        json_object(&w);
        json_put_cstr(&w, "status", "Failed");
        json_put_str(&w, "message", message);
        json_end(&w);
        json_end(&w);
        json_end(&w);
}

static void tell(const struct conversion_review *r, const struct request *req, const struct object *o,
                 struct conversion_outcome *ret)
{
        ret->kind = o->kind ? o->kind->kind : STR("other");
        ret->from = o->from ? o->from->name : STR("other");
        ret->to = STR("other");
        for (size_t i = 0; i < r->n_kinds; i++) {
                const struct conversion_version *v = conversion_version_find(r->kinds[i], req->version);

                if (v && str_eq(req->group, r->kinds[i]->group))
                        ret->to = v->name;
        }
}

/* 0, 1 if one could not be converted and REPLY says so, or a negative errno. */
static int write_objects(struct conversion_review *r, const struct request *req, struct json_writer *w,
                         struct conversion_outcome *outcome)
{
        yyjson_val *json;
        size_t i, n;

        yyjson_arr_foreach (req->objects, i, n, json) {
                struct object o = { 0 };
                struct error err = ERROR_INIT;
                struct str text;
                int code = read_object(json, &o, &err);

                if (code == 0)
                        code = convert_object(r, req, &o, &r->object, &text, &err);
                if (i == 0)
                        tell(r, req, &o, outcome);
                if (code == 0 && w->out->cap - w->out->len < text.len + REPLY_END_MAX)
                        code = error_set(&err, -EMSGSIZE,
                                         "with it the reply has more than %zu bytes; ask for fewer "
                                         "objects at once",
                                         w->out->cap);
                if (code == 0)
                        json_raw(w, text);
                else if (code != -ENOMEM)
                        write_failure(req, describe(r, &o, i, &err), w->out);
                arena_clear(&r->object);
                if (code < 0)
                        return code == -ENOMEM ? code : 1;
        }
        return 0;
}

static int answer(struct conversion_review *r, const struct request *req, struct buf *reply,
                  struct conversion_outcome *outcome)
{
        struct json_writer w;
        int code;

        envelope_begin(&envelope, req->uid, &w, reply);
        json_key(&w, "convertedObjects");
        json_array(&w);
        code = write_objects(r, req, &w, outcome);
        if (code != 0)
                return code;
        json_end(&w);
        json_key(&w, "result");
        json_object(&w);
        json_put_cstr(&w, "status", "Success");
        json_end(&w);
        json_end(&w);
        json_end(&w);
        return 0;
}

static int take(struct conversion_review *r, struct buf *body, struct buf *reply,
                struct conversion_outcome *ret, struct error *err)
{
        struct conversion_outcome outcome = { STR("none"), STR("none"), STR("none"), STR("converted") };
        struct request req;
        yyjson_val *json;
        int code = envelope_open(&envelope, body, &r->arena, &json, err);

        if (code == 0)
                code = read_request(json, &req, err);
        if (code == 0)
                code = answer(r, &req, reply, &outcome);
        if (code < 0 || r->arena.failed)
                return code < 0 ? code : -ENOMEM;
        if (code > 0)
                outcome.result = STR("failed");
        *ret = outcome;
        return 0;
}

unsigned conversion_review_answer(struct conversion_review *r, struct buf *body, struct buf *reply,
                                  struct conversion_outcome *ret)
{
        struct error err = ERROR_INIT;
        unsigned status = 200;
        int code;

        *ret = (struct conversion_outcome){ STR("other"), STR("other"), STR("other"), STR("error") };
        buf_clear(reply);
        code = take(r, body, reply, ret, &err);
        if (code < 0)
                status = envelope_fail(&envelope, code, r->arena.full, &err, reply);
        arena_clear(&r->arena);
        return status;
}
