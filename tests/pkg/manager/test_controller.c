/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "controller/app/app.h"
#include "controller/app/config.h"
#include "json/read.h"

#define AGE USEC_MINUTE

struct fixture {
        struct cache cache;
        struct arena arena;
        struct plan plan;
        struct view view;
};

static void put(struct fixture *f, const struct cache_kind *kind, const char *name, bool reply)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        char json[256];

        snprintf(json, sizeof(json),
                 "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"%s\",\"uid\":\"u-%s\",\"resourceVersion\":"
                 "\"7\",\"generation\":1}}",
                 name, name);
        ck_assert_int_eq(json_parse(str_c(json), &doc, NULL), 0);
        ck_assert_int_eq(cache_put(&f->cache, kind, yyjson_doc_get_root(doc),
                                   reply ? CACHE_FROM_REPLY : CACHE_FROM_WATCH),
                         0);
}

static void begin(struct fixture *f)
{
        *f = (struct fixture){ 0 };
        cache_init(&f->cache, STR("keelson"), NULL, NULL);
        arena_init(&f->arena, 1024 * 1024);
        put(f, &app_kind, "web", false);
        f->view.cache = &f->cache;
        f->view.self = cache_iterate(&f->cache, &app_kind, NULL);
}

static void end(struct fixture *f)
{
        arena_release(&f->arena);
        cache_release(&f->cache);
}

/* At NOW: what is known of the ConfigMap "settings". */
static enum reading_state read_at(struct fixture *f, usec_t now)
{
        const struct object *o;

        f->view.now = now;
        plan_init(&f->plan, &f->arena);
        return view_read(&f->view, &f->plan, &app_configmap_source_kind, STR("settings"), AGE, &o);
}

static void note_read(struct fixture *f, usec_t now)
{
        put(f, &app_configmap_source_kind, "settings", true);
        ck_assert_int_eq(cache_note_read(&f->cache, &app_configmap_source_kind, STR("shop"), STR("settings"),
                                         true, now),
                         0);
}

/* A reading that brings nothing new wakes nobody: who asked has to come back by
 * itself, or it would be the last one. */
START_TEST(what_is_read_on_demand_is_read_again_and_again)
{
        struct fixture f;
        usec_t now = USEC_HOUR;

        begin(&f);
        ck_assert_int_eq(read_at(&f, now), READING_UNKNOWN);
        ck_assert_uint_eq(f.plan.n_effects, 1);
        note_read(&f, now);
        ck_assert_int_eq(read_at(&f, now), READING_PRESENT);
        ck_assert_uint_eq(f.plan.n_effects, 0);
        ck_assert_int_eq(f.plan.wake, now + AGE);
        for (int i = 0; i < 3; i++) {
                now = f.plan.wake;
                ck_assert_int_eq(read_at(&f, now), READING_PRESENT);
                ck_assert_uint_eq(f.plan.n_effects, 1);
                ck_assert_int_eq(f.plan.wake, now + AGE);
                note_read(&f, now);
        }
        end(&f);
}
END_TEST

static const TTest *const tests[] = {
        what_is_read_on_demand_is_read_again_and_again,
};
TEST_MAIN("manager/controller", tests)
