/* SPDX-License-Identifier: Apache-2.0
 *
 * One Environment, what is observed of its children, and one reconcile of it: a
 * pure function, so all that a test needs is a cache and a plan.
 */
#pragma once

#include "harness.h"

#include <errno.h>
#include <stdio.h>

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
        yyjson_doc *docs[16]; /* what get_json parsed */
        size_t n_docs;
};

static inline void put(struct fixture *f, const struct cache_kind *kind, const char *json)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        ck_assert_msg(json_parse(str_c(json), &doc, NULL) == 0, "%s", json);
        ck_assert_int_eq(cache_put(&f->cache, kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH), 0);
}

#define ENVIRONMENT_AT(generation, rest)                                                                     \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"default\",\"uid\":\"u-env\","                      \
        "\"resourceVersion\":\"7\",\"generation\":" generation "}," rest "}"
#define ENVIRONMENT(spec) ENVIRONMENT_AT("3", "\"spec\":" spec)

#define OBJECT(name, owner, rest)                                                                            \
        "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"" name "\",\"uid\":\"u-" name                      \
        "\",\"resourceVersion\":\"12\",\"ownerReferences\":[{\"kind\":\"Environment\",\"name\":\"default\"," \
        "\"uid\":\"" owner "\",\"controller\":true}]}" rest "}"

static inline void begin(struct fixture *f, const char *environment)
{
        *f = (struct fixture){ 0 };
        cache_init(&f->cache, STR("keelson"), NULL, NULL);
        arena_init(&f->arena, 16 * 1024 * 1024);
        put(f, &environment_kind, environment);
}

static inline int reconcile(struct fixture *f)
{
        int r;

        f->view.self = cache_get(&f->cache, &environment_kind, STR("shop"), STR("default"));
        f->view.cache = &f->cache;
        f->view.wall = WALL;
        plan_init(&f->plan, &f->arena);
        r = environment_reconcile(&f->view, &f->plan);
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

static inline const struct effect *find_event(const struct fixture *f, const char *reason)
{
        list_for_each (link, &f->plan.effects) {
                const struct effect *e = container_of(link, struct effect, link);

                if (e->type == EFFECT_EVENT && str_eq_c(e->reason, reason))
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

static inline yyjson_val *condition(struct fixture *f, const char *type)
{
        yyjson_val *list = yyjson_obj_get(status(f), "conditions"), *c;
        size_t i, n;

        yyjson_arr_foreach (list, i, n, c) {
                if (str_eq_c(json_get_str(c, "type"), type))
                        return c;
        }
        ck_abort_msg("there is no condition %s", type);
        return NULL;
}

/* One that uses all that there is. */
static const char full[] _unused_ = ENVIRONMENT(
        "{\"profile\":\"production\","
        "\"quota\":{\"hard\":{\"requests.cpu\":\"8000m\",\"limits.memory\":\"32Gi\",\"pods\":40}},"
        "\"limitRange\":{\"default\":{\"cpu\":\"500m\"},\"defaultRequest\":{\"cpu\":\"50m\"},"
        "\"max\":{\"cpu\":\"2\",\"memory\":\"4096Mi\"}},"
        "\"overrides\":[{\"tier\":\"worker\",\"replicas\":1}],"
        "\"routing\":{\"gateway\":{\"name\":\"edge\",\"namespace\":\"infra\"}}}");
