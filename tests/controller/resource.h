/* SPDX-License-Identifier: Apache-2.0
 *
 * One resource, what is observed of its children, and one reconcile of it: a
 * pure function, so all that a test needs is a cache and a plan.
 *
 *      begin_resource(&f, &app_controller, "{…}");
 *      put(&f, &app_deployment_kind, "{…}");       what is observed
 *      reconcile(&f);
 *      child(&f, &common_service_kind), status(&f)    what is in the plan
 *      end(&f);
 */
#pragma once

#include "harness.h"

#include <errno.h>
#include <stdio.h>

#include "json/read.h"
#include "manager/controller.h"

#define WALL (INT64_C(1700000000) * USEC_SEC)
#define WALL_TEXT "2023-11-14T22:13:20Z" /* WALL */
#define EARLIER "2023-01-01T00:00:00Z"

/* From malloc. */
static inline char *print_(const char *format, ...) _printf_(1, 2);
static inline char *print_(const char *format, ...)
{
        va_list args;
        char *text = NULL;

        va_start(args, format);
        ck_assert_int_ge(vasprintf(&text, format, args), 0);
        va_end(args);
        return text;
}

struct fixture {
        const struct controller *controller;
        const char *self; /* whom reconcile is about, in the namespace "shop"; NULL: there is but one */
        struct cache cache;
        struct arena arena;
        struct plan plan;
        struct view view;
        yyjson_doc *docs[256]; /* what read_json parsed */
        size_t n_docs;
};

static inline void put(struct fixture *f, const struct cache_kind *kind, const char *json)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        ck_assert_msg(json_parse(str_c(json), &doc, NULL) == 0, "%s", json);
        ck_assert_int_eq(cache_put(&f->cache, kind, yyjson_doc_get_root(doc), CACHE_FROM_WATCH), 0);
}

/* As the reply to our apply; WHOLE as the effect has it. */
static inline void put_applied(struct fixture *f, const struct cache_kind *kind, const char *json,
                               uint64_t whole)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        ck_assert_msg(json_parse(str_c(json), &doc, NULL) == 0, "%s", json);
        ck_assert_int_eq(cache_put_applied(&f->cache, kind, yyjson_doc_get_root(doc), whole), 0);
}

/* JSON as it stands on the server after our apply; REST is put before its end. From malloc. */
static inline char *as_applied(struct str json, const char *uid, long long version, long long generation,
                               const char *rest)
{
        static const char mark[] = "\"metadata\":{";
        const char *at = memmem(json.data, json.len, mark, sizeof(mark) - 1);
        int head, tail;

        ck_assert_ptr_nonnull(at);
        head = (int)(at - json.data + (long)sizeof(mark) - 1);
        tail = (int)json.len - head - 1;
        return print_("%.*s\"uid\":\"%s\",\"resourceVersion\":\"%lld\",\"generation\":%lld,\"managedFields\":"
                      "[{\"manager\":\"keelson\",\"operation\":\"Apply\",\"fieldsV1\":{\"f:metadata\":{"
                      "\"f:ownerReferences\":{}}}}],%.*s%s}",
                      head, json.data, uid, version, generation, tail, json.data + head, rest);
}

/* What is watched is deleted. */
static inline void take_away(struct fixture *f, const struct cache_kind *kind, const char *name,
                             struct str uid, long long version)
{
        char *json = print_("{\"metadata\":{\"namespace\":\"shop\",\"name\":\"%s\",\"uid\":\"%.*s\","
                            "\"resourceVersion\":\"%lld\"}}",
                            name, STR_FMT(uid), version);
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        ck_assert_int_eq(json_parse(str_c(json), &doc, NULL), 0);
        ck_assert_int_eq(cache_delete(&f->cache, kind, yyjson_doc_get_root(doc)), 0);
        free(json);
}

/* JSON absent (NULL): the resource comes later. If there is more than one of its kind,
 * f->self says which. */
static inline void begin_resource(struct fixture *f, const struct controller *controller, const char *json)
{
        *f = (struct fixture){ .controller = controller, .view.wall = WALL };
        cache_init(&f->cache, STR("keelson"), NULL, NULL);
        arena_init(&f->arena, 16 * 1024 * 1024);
        if (json)
                put(f, controller->kind, json);
}

static inline int reconcile(struct fixture *f)
{
        int r;

        f->view.self = f->self ? cache_get(&f->cache, f->controller->kind, STR("shop"), str_c(f->self))
                               : cache_iterate(&f->cache, f->controller->kind, NULL);
        f->view.cache = &f->cache;
        plan_init(&f->plan, &f->arena);
        r = f->controller->reconcile(&f->view, &f->plan);
        ck_assert(!f->arena.failed && f->plan.error == 0);
        return r;
}

/* The last reconcile again, for torture(); ARG is the fixture. */
static inline int reconcile_once(void *arg)
{
        const struct fixture *f = arg;
        struct arena arena = ARENA_INIT(16 * 1024 * 1024);
        struct plan plan;
        int r;

        plan_init(&plan, &arena);
        r = f->controller->reconcile(&f->view, &plan);
        if (arena.failed)
                r = -ENOMEM; /* as the manager takes it */
        else if (r == 0)
                r = plan.error;
        arena_release(&arena);
        return r;
}

static inline void end(struct fixture *f)
{
        for (size_t i = 0; i < f->n_docs; i++)
                yyjson_doc_free(f->docs[i]);
        arena_release(&f->arena);
        cache_release(&f->cache);
}

/* --- what is in the plan ------------------------------------------------------------ */

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

/* Until end(). */
static inline yyjson_val *read_json(struct fixture *f, struct str json)
{
        yyjson_doc *doc;

        ck_assert_ptr_nonnull(json.data);
        ck_assert_msg(json_parse(json, &doc, NULL) == 0, "%.*s", STR_FMT(json));
        ck_assert_uint_lt(f->n_docs, ARRAY_SIZE(f->docs));
        f->docs[f->n_docs++] = doc;
        return yyjson_doc_get_root(doc);
}

static inline yyjson_val *get_json(struct fixture *f, enum effect_type type, const struct cache_kind *kind)
{
        const struct effect *e = find_effect(f, type, kind);

        ck_assert_ptr_nonnull(e);
        return read_json(f, e->json);
}

static inline yyjson_val *child(struct fixture *f, const struct cache_kind *kind)
{
        return get_json(f, EFFECT_APPLY, kind);
}

static inline yyjson_val *status(struct fixture *f)
{
        return get_json(f, EFFECT_STATUS, NULL);
}

static inline yyjson_val *condition_of(yyjson_val *root, const char *type)
{
        yyjson_val *list = yyjson_obj_get(root, "conditions"), *c;
        size_t i, n;

        yyjson_arr_foreach (list, i, n, c)
                if (str_eq_c(json_get_str(c, "type"), type))
                        return c;
        ck_abort_msg("there is no condition %s", type);
        return NULL;
}

static inline yyjson_val *condition(struct fixture *f, const char *type)
{
        return condition_of(status(f), type);
}

/* Where condition_at(C, TYPE, FIELD) says what the cluster of a test has been told. */
#define ck_condition(c, type, expected, why)                                                                 \
        do {                                                                                                 \
                ck_str_eq(condition_at((c), (type), "reason"), (why));                                       \
                ck_str_eq(condition_at((c), (type), "status"), (expected));                                  \
        } while (0)

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

/* All effects that have a JSON, readable. From malloc. */
static inline char *plan_text(const struct fixture *f)
{
        char *text = NULL;
        size_t bytes;
        FILE *out = open_memstream(&text, &bytes);

        ck_assert_ptr_nonnull(out);
        list_for_each (link, &f->plan.effects) {
                const struct effect *e = container_of(link, struct effect, link);
                yyjson_doc *doc = yyjson_read(e->json.data, e->json.len, 0);
                char *json = yyjson_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);

                if (e->type == EFFECT_APPLY || e->type == EFFECT_STATUS)
                        fprintf(out, "=== %s %.*s\n%s\n", e->type == EFFECT_APPLY ? "apply" : "status",
                                STR_FMT(e->name), json);
                free(json);
                yyjson_doc_free(doc);
        }
        fclose(out);
        return text;
}
