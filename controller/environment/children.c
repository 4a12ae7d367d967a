/* SPDX-License-Identifier: Apache-2.0
 *
 * What an Environment's children look like is in templates/; here stands what
 * goes into their blanks. A child that the spec no longer asks for is deleted.
 */
#include <errno.h>

#include "controller/environment/environment.h"
#include "controller/environment/profile.h"
#include "environment_templates.gen.h"
#include "json/write.h"
#include "kube/quantity.h"

/* 64 resources of a quota, or three times 16 of a limit range, with their
 * names: the API server lets those be 316 long. */
#define CHILD_BYTES_MAX ((size_t)256 * 1024)

static struct str labels_json(const struct view *view, struct arena *a)
{
        struct str name = view->self->name;

        /* An object's name needs no escaping: it is letters, digits, '-' and '.'. */
        return arena_printf(a,
                            "{\"app.kubernetes.io/name\":\"environment\","
                            "\"app.kubernetes.io/instance\":\"%.*s\","
                            "\"app.kubernetes.io/component\":\"environment\","
                            "\"app.kubernetes.io/part-of\":\"%.*s\","
                            "\"app.kubernetes.io/managed-by\":\"keelson\"}",
                            STR_FMT(name), STR_FMT(name));
}

static struct str owner_json(const struct view *view, struct arena *a)
{
        const struct object *self = view->self;

        return arena_printf(
                a,
                "[{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"Environment\",\"name\":\"%.*s\","
                "\"uid\":\"%.*s\",\"controller\":true,\"blockOwnerDeletion\":true}]",
                STR_FMT(self->name), STR_FMT(object_uid(self)));
}

/* In the API server's own spelling, so that what we apply is what we read back.
 * Absent if the map is empty. */
static struct str quantities_json(const struct schema_map *map, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        struct json_writer w;

        if (map->n == 0)
                return STR_NULL;
        json_writer_init(&w, &text);
        json_object(&w);
        for (size_t i = 0; i < map->n; i++) {
                json_key_str(&w, map->items[i].key);
                json_str(&w, quantity_stored(map->items[i].value, a));
        }
        json_end(&w);
        if (buf_error(&text) < 0) {
                arena_fail(a, buf_error(&text));
                return STR_NULL;
        }
        return arena_str(a, buf_str(&text));
}

static int render_quota(const struct view *view, const struct schema_map *hard, struct arena *a,
                        struct buf *out)
{
        struct environment_resourcequota_params params = {
                .name = view->self->name,
                .namespace = view->self->namespace,
                .labels = labels_json(view, a),
                .owner = owner_json(view, a),
                .hard = quantities_json(hard, a),
        };

        return environment_render_resourcequota(out, &params);
}

/* The API server fills in what is left out: limits from max, requests from
 * limits. The list is owned as a whole, so what it adds would look like
 * somebody's change; so the same is done here. */
static int render_limits(const struct view *view, const struct environment_spec_limit_range *spec,
                         struct arena *a, struct buf *out)
{
        struct environment_limitrange_params params = {
                .name = view->self->name,
                .namespace = view->self->namespace,
                .labels = labels_json(view, a),
                .owner = owner_json(view, a),
                .max = quantities_json(&spec->max, a),
        };
        struct schema_map limits, requests;

        if (profile_merge(&spec->max, &spec->default_, a, &limits) < 0 ||
            profile_merge(&limits, &spec->default_request, a, &requests) < 0)
                return -ENOMEM;
        params.limits = quantities_json(&limits, a);
        params.requests = quantities_json(&requests, a);
        return environment_render_limitrange(out, &params);
}

static void remove_child(const struct view *view, const struct cache_kind *kind, struct plan *plan)
{
        const struct object *child = view_child(view, kind, view->self->name);

        if (child)
                plan_delete(plan, child);
}

static int plan_quota(const struct view *view, const struct environment_spec *spec, struct plan *plan)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(CHILD_BYTES_MAX);
        int r;

        if (!spec->quota || spec->quota->hard.n == 0) {
                remove_child(view, &environment_quota_kind, plan);
                return plan->error;
        }
        r = render_quota(view, &spec->quota->hard, plan->arena, &json);
        if (r < 0)
                return r;
        if (buf_error(&json) < 0)
                return buf_error(&json);
        plan_apply(plan, &environment_quota_kind, view->self->name, buf_str(&json));
        return plan->error;
}

static bool limits_nothing(const struct environment_spec_limit_range *spec)
{
        return !spec || spec->default_.n + spec->default_request.n + spec->max.n == 0;
}

static int plan_limits(const struct view *view, const struct environment_spec *spec, struct plan *plan)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(CHILD_BYTES_MAX);
        int r;

        if (limits_nothing(spec->limit_range)) {
                remove_child(view, &environment_limits_kind, plan);
                return plan->error;
        }
        r = render_limits(view, spec->limit_range, plan->arena, &json);
        if (r < 0)
                return r;
        if (buf_error(&json) < 0)
                return buf_error(&json);
        plan_apply(plan, &environment_limits_kind, view->self->name, buf_str(&json));
        return plan->error;
}

int environment_plan_children(const struct view *view, const struct environment_spec *spec, struct plan *plan)
{
        int r = plan_quota(view, spec, plan);

        return r < 0 ? r : plan_limits(view, spec, plan);
}
