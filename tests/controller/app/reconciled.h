/* SPDX-License-Identifier: Apache-2.0
 *
 * One App, what is observed of its children, and one reconcile of it: a pure
 * function, so all that a test needs is a cache and a plan.
 */
#pragma once

#include "harness.h"

#include <errno.h>
#include <stdio.h>

#include "controller/app/app.h"
#include "controller/environment/environment.h"
#include "json/read.h"

#define WALL (INT64_C(1700000000) * USEC_SEC)
#define WALL_TEXT "2023-11-14T22:13:20Z" /* WALL */
#define EARLIER "2023-01-01T00:00:00Z"

struct fixture {
        struct cache cache;
        struct arena arena;
        struct plan plan;
        struct view view;
        yyjson_doc *docs[256]; /* what get_json parsed */
        size_t n_docs;
};

static inline void put(struct fixture *f, const struct cache_kind *kind, const char *json)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        ck_assert_msg(json_parse(str_c(json), &doc, NULL) == 0, "%s", json);
        ck_assert_int_eq(cache_put(&f->cache, kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH), 0);
}

#define APP(name, generation, rest)                                                                          \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"" name                                             \
        "\",\"uid\":\"u-app\",\"resourceVersion\":\"7\","                                                    \
        "\"generation\":" generation "}," rest "}"

/* An Environment of that profile, and what it says of routing. */
#define PRODUCTION(routing)                                                                                  \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"default\",\"uid\":\"u-env\",\"resourceVersion\":"  \
        "\"3\"},\"spec\":{\"profile\":\"production\",\"routing\":{" routing "}}}"

static inline void begin(struct fixture *f, const char *app)
{
        *f = (struct fixture){ 0 };
        cache_init(&f->cache, STR("keelson"), NULL, NULL);
        arena_init(&f->arena, 16 * 1024 * 1024);
        put(f, &app_kind, app);
}

/* The cluster has the Gateway API. */
static inline void serve_httproutes(struct fixture *f)
{
        cache_list_begin(&f->cache, &app_httproute_kind, STR_NULL);
        ck_assert_int_eq(cache_list_end(&f->cache, &app_httproute_kind, STR_NULL, STR("1")), 0);
        ck_assert_int_eq(cache_set_served(&f->cache, &app_httproute_kind, true), 0);
}

static inline int reconcile(struct fixture *f)
{
        int r;

        f->view.self = cache_iterate(&f->cache, &app_kind, NULL);
        f->view.cache = &f->cache;
        f->view.wall = WALL;
        plan_init(&f->plan, &f->arena);
        r = app_reconcile(&f->view, &f->plan);
        ck_assert(!f->arena.failed && f->plan.error == 0);
        return r;
}

static inline void end(struct fixture *f)
{
        for (size_t i = 0; i < f->n_docs; i++)
                yyjson_doc_free(f->docs[i]);
        arena_release(&f->arena);
        cache_release(&f->cache);
}

static inline const struct effect *find_effect(const struct fixture *f, enum effect_type type,
                                               const struct cache_kind *kind)
{
        list_for_each (link, &f->plan.effects) {
                const struct effect *e = container_of(link, struct effect, link);

                if (e->type == type && e->kind == kind)
                        return e;
        }
        return NULL;
}

static inline size_t count_effects(const struct fixture *f, enum effect_type type)
{
        size_t n = 0;

        list_for_each (link, &f->plan.effects)
                n += container_of(link, struct effect, link)->type == type;
        return n;
}

static inline yyjson_val *get_json(struct fixture *f, enum effect_type type, const struct cache_kind *kind)
{
        const struct effect *e = find_effect(f, type, kind);
        yyjson_doc *doc;

        ck_assert_ptr_nonnull(e);
        ck_assert_msg(json_parse(e->json, &doc, NULL) == 0, "%.*s", STR_FMT(e->json));
        ck_assert_uint_lt(f->n_docs, ARRAY_SIZE(f->docs));
        f->docs[f->n_docs++] = doc;
        return yyjson_doc_get_root(doc);
}

static inline yyjson_val *child(struct fixture *f, const struct cache_kind *kind)
{
        return get_json(f, EFFECT_APPLY, kind);
}

static inline yyjson_val *status(struct fixture *f)
{
        return get_json(f, EFFECT_STATUS, NULL);
}

static inline struct str str_at(yyjson_val *value, const char *pointer)
{
        return json_val_str(json_get_path(value, pointer));
}

static inline int64_t int_at(yyjson_val *value, const char *pointer)
{
        yyjson_val *n = json_get_path(value, pointer);

        ck_assert_msg(yyjson_is_int(n), "there is no number at %s", pointer);
        return yyjson_get_sint(n);
}

static inline yyjson_val *container(struct fixture *f)
{
        return json_get_path(child(f, &app_deployment_kind), "/spec/template/spec/containers/0");
}

/* One that uses all that there is, and one that uses nothing. */
static const char full_app[] _unused_ = APP(
        "web", "3",
        "\"spec\":{\"image\":\"registry.example/shop/web:1.8.2\",\"port\":8080,\"replicas\":3,"
        "\"env\":[{\"name\":\"MODE\",\"value\":\"production\"},{\"name\":\"EMPTY\",\"value\":\"\"}],"
        "\"resources\":{\"requests\":{\"cpu\":\"500m\",\"memory\":\"256Mi\"},\"limits\":{\"memory\":\"1Gi\"}},"
        "\"healthCheck\":{\"livePath\":\"/live\",\"readyPath\":\"/ready\",\"startupTimeout\":\"1m30s\"}}");
static const char worker[] _unused_ = APP("worker", "1", "\"spec\":{\"image\":\"w:1\"}");
