/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of the cache share: boxes and crates, and a cache that counts
 * its changes.
 *
 *      setup(&f);
 *      put(&f, .name = "web", .version = "10", .color = "red");    the watch brings it
 *      gone(&f, .name = "web", .version = "11");
 */
#pragma once

#include "harness.h"

#include <errno.h>

#include "cache/cache.h"
#include "json/read.h"

/* --- a kind with two halves ------------------------------------------------------- */

struct box_spec {
        struct str color;
        int64_t size;
        bool has_size;
};

struct box_status {
        struct str phase;
};

struct box {
        struct box_spec *spec;
        struct box_status *status;
};

static const struct schema_field spec_fields[] = {
        { .name = STR_INIT("color"),
          .type = SCHEMA_STRING,
          .offset = offsetof(struct box_spec, color),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true },
        { .name = STR_INIT("size"),
          .type = SCHEMA_INT,
          .offset = offsetof(struct box_spec, size),
          .has_offset = offsetof(struct box_spec, has_size),
          .minimum = 0,
          .maximum = 100 },
};
static const struct schema spec_schema = { "spec", sizeof(struct box_spec), spec_fields, 2 };

static const struct schema_field status_fields[] = {
        { .name = STR_INIT("phase"),
          .type = SCHEMA_STRING,
          .offset = offsetof(struct box_status, phase),
          .has_offset = SCHEMA_NO_OFFSET },
};
static const struct schema status_schema = { "status", sizeof(struct box_status), status_fields, 1 };

static const struct schema_field box_fields[] = {
        { .name = STR_INIT("spec"),
          .type = SCHEMA_OBJECT,
          .offset = offsetof(struct box, spec),
          .has_offset = SCHEMA_NO_OFFSET,
          .object = &spec_schema },
        { .name = STR_INIT("status"),
          .type = SCHEMA_OBJECT,
          .offset = offsetof(struct box, status),
          .has_offset = SCHEMA_NO_OFFSET,
          .object = &status_schema },
};
static const struct schema box_schema = { "Box", sizeof(struct box), box_fields, 2 };

static const struct cache_kind box_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("boxes"), STR_INIT("Box"), true },
        .schema = &box_schema,
        .tallied = true,
};

/* A crate has its colour for itself. */
static size_t claim_color(const void *state, struct str list[CACHE_CLAIMS_MAX])
{
        const struct box *crate = state;

        if (!crate->spec)
                return 0;
        list[0] = crate->spec->color;
        return 1;
}

static const struct cache_kind crate_kind = {
        .api = { STR_INIT("test.example"), STR_INIT("v1"), STR_INIT("crates"), STR_INIT("Crate"), true },
        .schema = &box_schema,
        .claims = claim_color,
};

/* --- a cache that counts its changes ------------------------------------------------ */

struct fixture {
        struct cache cache;
        int n_added, n_updated, n_deleted;
        char last[64]; /* the name in the last change */
};

static inline void on_change(enum cache_change change, const struct object *old_object,
                             const struct object *new_object, void *arg)
{
        struct fixture *f = arg;
        const struct object *o = new_object ? new_object : old_object;

        ck_assert_int_eq(old_object == NULL, change == CACHE_ADDED);
        ck_assert_int_eq(new_object == NULL, change == CACHE_DELETED);
        f->n_added += change == CACHE_ADDED;
        f->n_updated += change == CACHE_UPDATED;
        f->n_deleted += change == CACHE_DELETED;
        snprintf(f->last, sizeof(f->last), "%.*s", STR_FMT(o->name));
}

static inline void setup(struct fixture *f)
{
        *f = (struct fixture){ 0 };
        cache_init(&f->cache, STR("keelson"), on_change, f);
}

static inline void check_changes(const struct fixture *f, int added, int updated, int deleted)
{
        ck_assert_int_eq(f->n_added, added);
        ck_assert_int_eq(f->n_updated, updated);
        ck_assert_int_eq(f->n_deleted, deleted);
}

/* What differs from one test object to the next; the rest has a default. */
struct spec {
        const char *namespace, *name, *uid, *version;
        const char *color;         /* NULL: no spec */
        const char *spec, *status; /* JSON; instead of color */
        const char *meta;          /* more members of metadata, with a comma in front */
        bool ours;                 /* spec.color is owned by our apply */
};

static inline yyjson_doc *make(const struct spec *s)
{
        static const char owned[] = ",\"managedFields\":[{\"manager\":\"keelson\",\"operation\":\"Apply\","
                                    "\"fieldsV1\":{\"f:spec\":{\"f:color\":{}}}}]";
        char json[4096];
        yyjson_doc *doc;
        int n;

        n = snprintf(
                json, sizeof(json),
                "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"uid\":\"%s\",\"resourceVersion\":\"%s\"%s%s}",
                s->namespace ? s->namespace : "shop", s->name ? s->name : "web", s->uid ? s->uid : "uid-1",
                s->version ? s->version : "10", s->meta ? s->meta : "", s->ours ? owned : "");
        if (s->spec)
                n += snprintf(json + n, sizeof(json) - (size_t)n, ",\"spec\":%s", s->spec);
        else if (s->color)
                n += snprintf(json + n, sizeof(json) - (size_t)n,
                              ",\"spec\":{\"color\":\"%s\",\"size\":3,\"other\":[1,2]}", s->color);
        if (s->status)
                n += snprintf(json + n, sizeof(json) - (size_t)n, ",\"status\":%s", s->status);
        n += snprintf(json + n, sizeof(json) - (size_t)n, "}");
        /* From malloc: only the cache's own memory is made to fail. */
        doc = yyjson_read(json, (size_t)n, 0);
        ck_assert_msg(doc, "%s", json);
        return doc;
}

static inline int put_kind(struct fixture *f, const struct cache_kind *kind, enum cache_source source,
                           const struct spec *s)
{
        yyjson_doc *doc = make(s);
        int r = cache_put(&f->cache, kind, yyjson_doc_get_root(doc), source);

        yyjson_doc_free(doc);
        return r;
}

#define put(f, ...)                                                                                          \
        ck_assert_int_eq(put_kind((f), &box_kind, CACHE_FROM_WATCH, &(struct spec){ __VA_ARGS__ }), 0)
#define put_reply(f, ...)                                                                                    \
        ck_assert_int_eq(put_kind((f), &box_kind, CACHE_FROM_REPLY, &(struct spec){ __VA_ARGS__ }), 0)
#define put_crate(f, ...)                                                                                    \
        ck_assert_int_eq(put_kind((f), &crate_kind, CACHE_FROM_WATCH, &(struct spec){ __VA_ARGS__ }), 0)
#define gone(f, ...) delete_object((f), &(struct spec){ __VA_ARGS__ })

static inline void delete_object(struct fixture *f, const struct spec *s)
{
        yyjson_doc *doc = make(s);

        ck_assert_int_eq(cache_delete(&f->cache, &box_kind, yyjson_doc_get_root(doc)), 0);
        yyjson_doc_free(doc);
}

static inline const struct object *get(const struct fixture *f, const char *name)
{
        return cache_get(&f->cache, &box_kind, STR("shop"), str_c(name));
}

static inline const struct box *box(const struct fixture *f, const char *name)
{
        const struct object *o = get(f, name);

        ck_assert_ptr_nonnull(o);
        return o->state;
}

static inline void list_end(struct fixture *f, struct str namespace, const char *version)
{
        ck_assert_int_eq(cache_list_end(&f->cache, &box_kind, namespace, str_c(version)), 0);
}
