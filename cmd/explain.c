/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/explain.h"

#include <errno.h>
#include <stdio.h>

#include "controller/app/app.h"
#include "controller/environment/environment.h"
#include "json/read.h"

#define OBJECT_MAX ((size_t)32 * 1024 * 1024)

void explain_init(struct explain *e)
{
        e->version = 0;
        cache_init(&e->cache, STR("keelson"), NULL, NULL);
}

void explain_release(struct explain *e)
{
        cache_release(&e->cache);
}

struct str explain_namespace(yyjson_val *object)
{
        struct str namespace = json_get_str(yyjson_obj_get(object, "metadata"), "namespace");

        return namespace.data ? namespace : STR("default"); /* kubectl's, unless it is told another */
}

/* Puts OBJECT into the cache, with what the API server would have added. */
static int put(struct explain *e, const struct cache_kind *kind, yyjson_val *object, struct str name)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        _cleanup_(buf_release) struct buf text = BUF_INIT(OBJECT_MAX);
        struct json_writer w;
        char version[24];
        size_t len;
        char *spec = yyjson_val_write_opts(yyjson_obj_get(object, "spec"), 0, &json_alc, &len, NULL);

        if (!spec)
                return -ENOMEM;
        json_writer_init(&w, &text);
        json_object(&w);
        json_key(&w, "metadata");
        json_object(&w);
        json_put_str(&w, "namespace", explain_namespace(object));
        json_put_str(&w, "name", name);
        json_put_cstr(&w, "uid", "none");
        snprintf(version, sizeof(version), "%llu", (unsigned long long)++e->version);
        json_put_cstr(&w, "resourceVersion", version);
        json_end(&w);
        json_put_raw(&w, "spec", str_n(spec, len));
        json_end(&w);
        json_alc.free(NULL, spec);
        if (buf_error(&text) < 0 || json_parse(buf_str(&text), &doc, NULL) < 0)
                return -ENOMEM;
        return cache_put(&e->cache, kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH);
}

int explain_learn(struct explain *e, yyjson_val *object)
{
        struct arena a = ARENA_INIT(OBJECT_MAX);
        struct problems problems, warnings;
        int r;

        if (!str_eq(json_get_str(object, "kind"), environment_kind.api.kind))
                return 0;
        problems_init(&problems, &a);
        problems_init(&warnings, &a);
        r = admission_judge(&environment_admission, object, NULL, ADMISSION_OFFLINE, &problems, &warnings);
        arena_release(&a);
        if (r < 0)
                return r == -EINVAL ? 0 : r;
        return put(e, &environment_kind, object, ENVIRONMENT_NAME);
}

static int set_spec(struct origins *ret, const struct schema *s, const void *spec, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(OBJECT_MAX);
        struct json_writer w;
        yyjson_doc *doc;

        json_writer_init(&w, &text);
        schema_encode(s, spec, &w);
        if (buf_error(&text) < 0 || json_parse_arena(buf_str(&text), a, &doc, NULL) < 0)
                return -ENOMEM;
        ret->spec = yyjson_doc_get_root(doc);
        return 0;
}

static int with_defaults(const struct admission_kind *kind, struct arena *a, struct origins *ret)
{
        const struct schema_field *f = schema_find(kind->kind->schema, STR("spec"));
        void *spec;
        int r = schema_decode(f->object, yyjson_obj_get(ret->object, "spec"), f->name, SCHEMA_BORROW, a,
                              &spec, NULL);

        return r < 0 ? r : set_spec(ret, f->object, spec, a);
}

/* As in a cluster that has the App and the Environment, and nothing else. */
static int settle(struct explain *e, struct problems *warnings, struct origins *ret)
{
        struct arena *a = warnings->arena;
        struct app_settings *settings = arena_new(a, struct app_settings);
        struct view view = { .cache = &e->cache, .image = STR("keelson") };
        struct problems problems;
        int r = put(e, &app_kind, ret->object, STR("app"));

        if (r < 0 || !settings)
                return -ENOMEM;
        view.self = cache_get(&e->cache, &app_kind, explain_namespace(ret->object), STR("app"));
        r = view.self ? app_settle(&view, a, settings, &problems) : -ENOMEM;
        if (r == -EINVAL)
                problems_add_all(warnings, &problems);
        if (r < 0)
                return r;
        ret->figures = settings->effective;
        ret->n_figures = settings->n_effective;
        return set_spec(ret, &app_spec_schema, &settings->spec, a);
}

int explain_spec(struct explain *e, const struct admission_kind *kind, yyjson_val *object,
                 struct problems *warnings, struct origins *ret)
{
        int r = -EINVAL;

        *ret = (struct origins){ .object = object };
        if (kind == &app_admission &&
            cache_get(&e->cache, &environment_kind, explain_namespace(object), ENVIRONMENT_NAME))
                r = settle(e, warnings, ret);
        return r == -EINVAL ? with_defaults(kind, warnings->arena, ret) : r;
}
