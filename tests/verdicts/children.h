/* SPDX-License-Identifier: Apache-2.0
 *
 * What a resource that is fine becomes: the objects that its reconcile applies, in a
 * cluster that has all that it names.
 */
#pragma once

#include "controller/app/cluster.h"
#include "verdicts.h"

/* {"data": …} of a ConfigMap or Secret that has each key that SPEC takes of any. */
static inline void put_data(yyjson_val *spec, struct buf *to)
{
        yyjson_val *files, *file, *item;
        size_t i, j, n, n_items;

        buf_printf(to, "\"data\":{\"A\":\"QQ==\"");
        files = yyjson_obj_get(spec, "configFiles");
        yyjson_arr_foreach (files, i, n, file)
                yyjson_arr_foreach (yyjson_obj_get(file, "items"), j, n_items, item) {
                        struct str key = json_get_str(item, "key");

                        if (!str_eq_c(key, "A"))
                                buf_printf(to, ",\"%.*s\":\"QQ==\"", STR_FMT(key));
                }
        buf_printf(to, "}");
        ck_assert_int_eq(buf_error(to), 0);
}

static inline void put_referenced(struct cluster *c, yyjson_val *list, const char *data)
{
        static const char *const refs[][2] = { { "secretRef", "secrets" }, { "configMapRef", "configmaps" } };
        yyjson_val *one;
        size_t i, n;

        yyjson_arr_foreach (list, i, n, one) {
                for (size_t k = 0; k < ARRAY_SIZE(refs); k++) {
                        const char *name =
                                yyjson_get_str(yyjson_obj_get(yyjson_obj_get(one, refs[k][0]), "name"));

                        if (name)
                                set_object(c, refs[k][1], name, data);
                }
        }
}

static inline void put_redises(struct cluster *c, yyjson_val *spec)
{
        yyjson_val *to;
        size_t i, n;

        yyjson_arr_foreach (yyjson_obj_get(yyjson_obj_get(spec, "access"), "to"), i, n, to) {
                const char *name = yyjson_get_str(yyjson_obj_get(to, "redis"));

                if (name)
                        make_redis(c, name, "");
        }
}

/* Adds each child as a line of JSON. */
static inline void put_children(const struct plan *plan, struct buf *to)
{
        list_for_each (link, &plan->effects) {
                const struct effect *e = container_of(link, struct effect, link);

                if (e->type == EFFECT_APPLY)
                        buf_printf(to, "%.*s\n", STR_FMT(e->json));
        }
}

static inline void app_children(yyjson_val *spec, struct buf *to)
{
        static struct cluster c; /* it is large */
        struct buf data = BUF_INIT(65536);
        char *text = yyjson_val_write(spec, 0, NULL);

        put_data(spec, &data);
        ck_assert_int_eq(buf_add_char(&data, '\0'), 0);
        text[strlen(text) - 1] = '\0'; /* begin_cluster sets the braces */
        begin_cluster(&c, text + 1);
        c.f.view.image = STR("keelson.dev/keelson:1");
        put_referenced(&c, yyjson_obj_get(spec, "envFrom"), data.data);
        put_referenced(&c, yyjson_obj_get(spec, "configFiles"), data.data);
        put_redises(&c, spec);
        settle(&c);
        ck_assert_msg(!str_eq_c(condition_at(&c, "Stalled", "reason"), "InvalidSpec"), "%s: %.*s", text,
                      STR_FMT(condition_at(&c, "Stalled", "message")));
        /* There is no Deployment where a key is fine for a file and not for a variable. */
        ck_assert_msg(c.deployment || has_part(condition_at(&c, "Ready", "message"), "cannot be a variable"),
                      "%s: %.*s", text, STR_FMT(condition_at(&c, "Ready", "message")));
        put_children(&c.f.plan, to);
        buf_release(&data);
        arena_release(&c.texts);
        free(c.status);
        free(c.deployment);
        end(&c.f);
        free(text);
}

static inline void environment_children(yyjson_val *resource, struct buf *to)
{
        char *json = stored(resource);
        struct fixture f;

        begin_resource(&f, &environment_controller, json);
        ck_assert_int_eq(reconcile(&f), 0);
        put_children(&f.plan, to);
        end(&f);
        free(json);
}

/* The first reconcile asks whether its Secrets are there. */
static inline void redis_children(yyjson_val *resource, struct buf *to)
{
        char *json = stored(resource);
        struct fixture f;

        begin_resource(&f, &redis_controller, json);
        f.view.image = STR("keelson.dev/keelson:1");
        ck_assert_int_eq(reconcile(&f), 0);
        list_for_each (link, &f.plan.effects) {
                const struct effect *e = container_of(link, struct effect, link);

                if (e->type == EFFECT_READ)
                        ck_assert_int_eq(cache_note_read(&f.cache, e->kind, STR("shop"), e->name, false, 1),
                                         0);
        }
        ck_assert_int_eq(reconcile(&f), 0);
        put_children(&f.plan, to);
        end(&f);
        free(json);
}

/* Each as a line of JSON. RESOURCE must be fine; it is called "web" if it is an App. */
static inline void children_of(yyjson_val *resource, struct buf *to)
{
        if (verdict_kind(resource) == &app_admission)
                app_children(yyjson_obj_get(resource, "spec"), to);
        else if (verdict_kind(resource) == &redis_admission)
                redis_children(resource, to);
        else
                environment_children(resource, to);
        ck_assert_int_eq(buf_error(to), 0);
}
