/* SPDX-License-Identifier: Apache-2.0
 *
 * What an App's children look like is in templates/; here stands what goes
 * into their blanks.
 */
#include <errno.h>

#include "app_templates.gen.h"
#include "controller/app/app.h"
#include "json/write.h"
#include "kube/quantity.h"

/* What the API server takes at the most. etcd lets an App be half as large, and
 * its environment may be most of it. */
#define CHILD_BYTES_MAX ((size_t)3 * 1024 * 1024)

/* What all children share. */
struct common {
        struct str name, namespace;
        struct str labels, owner; /* JSON */
};

static struct str common_labels(const struct view *view, struct arena *a)
{
        struct str name = view->self->name;

        /* An object's name needs no escaping: it is letters, digits, '-' and '.'. */
        return arena_printf(a,
                            "{\"app.kubernetes.io/name\":\"app\","
                            "\"app.kubernetes.io/instance\":\"%.*s\","
                            "\"app.kubernetes.io/component\":\"app\","
                            "\"app.kubernetes.io/part-of\":\"%.*s\","
                            "\"app.kubernetes.io/managed-by\":\"keelson\"}",
                            STR_FMT(name), STR_FMT(name));
}

static struct str owner_references(const struct view *view, struct arena *a)
{
        const struct object *self = view->self;

        return arena_printf(a,
                            "[{\"apiVersion\":\"keelson.dev/v1alpha1\",\"kind\":\"App\",\"name\":\"%.*s\","
                            "\"uid\":\"%.*s\",\"controller\":true,\"blockOwnerDeletion\":true}]",
                            STR_FMT(self->name), STR_FMT(self->uid));
}

static struct common common_of(const struct view *view, struct arena *a)
{
        return (struct common){
                .name = view->self->name,
                .namespace = view->self->namespace,
                .labels = common_labels(view, a),
                .owner = owner_references(view, a),
        };
}

/* --- the blanks of the Deployment -------------------------------------------- */

static struct str keep(struct arena *a, const struct buf *text)
{
        if (buf_error(text) < 0) {
                a->failed = true;
                return STR_NULL;
        }
        return arena_str(a, buf_str(text));
}

static struct str env_json(const struct app_spec *spec, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        struct json_writer w;

        if (spec->env.n == 0)
                return STR_NULL;
        json_writer_init(&w, &text);
        json_array(&w);
        for (size_t i = 0; i < spec->env.n; i++) {
                json_object(&w);
                json_put_str(&w, "name", spec->env.items[i].name);
                /* The API server leaves an empty value out, so we do as well. */
                if (!str_empty(spec->env.items[i].value))
                        json_put_str(&w, "value", spec->env.items[i].value);
                json_end(&w);
        }
        json_end(&w);
        return keep(a, &text);
}

/* In the API server's own spelling ("1000m" is "1"), so that what we apply is
 * what we read back. */
static void put_quantities(struct json_writer *w, const char *key, const struct schema_map *map,
                           struct arena *a)
{
        if (map->n == 0)
                return;
        json_key(w, key);
        json_object(w);
        for (size_t i = 0; i < map->n; i++) {
                json_key_str(w, map->items[i].key);
                json_str(w, quantity_stored(map->items[i].value, a));
        }
        json_end(w);
}

static struct str resources_json(const struct app_spec *spec, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        struct json_writer w;

        if (!spec->resources || (spec->resources->requests.n == 0 && spec->resources->limits.n == 0))
                return STR_NULL;
        json_writer_init(&w, &text);
        json_object(&w);
        put_quantities(&w, "requests", &spec->resources->requests, a);
        put_quantities(&w, "limits", &spec->resources->limits, a);
        json_end(&w);
        return keep(a, &text);
}

static struct str ports_json(const struct app_spec *spec, struct arena *a)
{
        if (!spec->has_port)
                return STR_NULL;
        return arena_printf(a, "[{\"name\":\"http\",\"containerPort\":%lld,\"protocol\":\"TCP\"}]",
                            (long long)spec->port);
}

/* How often the startup probe, one a second, may fail. */
static int64_t startup_seconds(const struct app_spec_health_check *check)
{
        usec_t timeout;

        if (!check || duration_parse(check->startup_timeout, &timeout) < 0 || timeout < USEC_SEC)
                return 30;
        return (timeout + USEC_SEC - 1) / USEC_SEC;
}

static int render_deployment(const struct common *c, const struct app_spec *spec, struct arena *a,
                             struct buf *out)
{
        const struct app_spec_health_check *check = spec->health_check;
        struct app_deployment_params params = {
                .name = c->name,
                .namespace = c->namespace,
                .labels = c->labels,
                .owner = c->owner,
                .replicas = spec->replicas,
                .image = spec->image,
                .ports = ports_json(spec, a),
                .env = env_json(spec, a),
                .resources = resources_json(spec, a),
                .has_port = spec->has_port,
                .startup_seconds = startup_seconds(check),
                .live_path = check ? check->live_path : STR("/health/live"),
                .ready_path = check ? check->ready_path : STR("/health/ready"),
        };

        return app_render_deployment(out, &params);
}

static int render_service(const struct common *c, const struct app_spec *spec, struct buf *out)
{
        struct app_service_params params = {
                .name = c->name,
                .namespace = c->namespace,
                .labels = c->labels,
                .owner = c->owner,
                .port = spec->port,
        };

        return app_render_service(out, &params);
}

static int render_serviceaccount(const struct common *c, struct buf *out)
{
        struct app_serviceaccount_params params = {
                .name = c->name,
                .namespace = c->namespace,
                .labels = c->labels,
                .owner = c->owner,
        };

        return app_render_serviceaccount(out, &params);
}

/* --- the plan ------------------------------------------------------------------ */

/* Puts a rendered child into the plan and empties the buffer for the next. */
static int take(struct plan *plan, const struct cache_kind *kind, struct str name, struct buf *json)
{
        if (buf_error(json) < 0)
                return buf_error(json);
        plan_apply(plan, kind, name, buf_str(json));
        buf_clear(json);
        return plan->error;
}

int app_plan_children(const struct view *view, const struct app_spec *spec, struct plan *plan)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(CHILD_BYTES_MAX);
        struct common common = common_of(view, plan->arena);
        const struct object *service = view_child(view, &app_service_kind, common.name);
        int r;

        r = render_serviceaccount(&common, &json);
        if (r < 0)
                return r;
        r = take(plan, &app_serviceaccount_kind, common.name, &json);
        if (r < 0)
                return r;

        r = render_deployment(&common, spec, plan->arena, &json);
        if (r < 0)
                return r;
        r = take(plan, &app_deployment_kind, common.name, &json);
        if (r < 0)
                return r;

        if (!spec->has_port) {
                if (service)
                        plan_delete(plan, service);
                return plan->error;
        }
        r = render_service(&common, spec, &json);
        if (r < 0)
                return r;
        return take(plan, &app_service_kind, common.name, &json);
}
