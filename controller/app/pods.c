/* SPDX-License-Identifier: Apache-2.0
 *
 * The Deployment: what its pods are made of comes from one revision, how many
 * there are and how they are replaced from the settings of now.
 */
#include "controller/app/children.h"

#include <errno.h>

#include "controller/common/quantities.h"

/* What a pod has beyond drain and timeout before it is killed. */
#define GRACE_MARGIN 5

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
        return arena_buf(a, &text);
}

static struct str ports_json(const struct app_spec *spec, struct arena *a)
{
        if (!spec->has_port)
                return STR_NULL;
        return arena_printf(a, "[{\"name\":\"http\",\"containerPort\":%lld,\"protocol\":\"TCP\"}]",
                            (long long)spec->port);
}

/* --- Secrets and ConfigMaps -------------------------------------------------------- */

struct str app_pods_name(const struct app_pods *pods, bool secret, struct str name)
{
        for (size_t i = 0; i < pods->n_configs; i++)
                if (pods->configs[i].secret == secret && str_eq(pods->configs[i].name, name) &&
                    pods->configs[i].copy.data)
                        return pods->configs[i].copy;
        return name;
}

static struct str env_from_json(const struct app_pods *pods, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        const struct app_spec *spec = pods->spec;
        struct json_writer w;

        if (spec->env_from.n == 0)
                return STR_NULL;
        json_writer_init(&w, &text);
        json_array(&w);
        for (size_t i = 0; i < spec->env_from.n; i++) {
                const struct app_spec_env_from *from = &spec->env_from.items[i];
                bool secret = from->secret_ref != NULL;

                json_object(&w);
                if (!str_empty(from->prefix))
                        json_put_str(&w, "prefix", from->prefix);
                json_key(&w, secret ? "secretRef" : "configMapRef");
                json_object(&w);
                json_put_str(&w, "name",
                             app_pods_name(pods, secret,
                                           secret ? from->secret_ref->name : from->config_map_ref->name));
                json_end(&w);
                json_end(&w);
        }
        json_end(&w);
        return arena_buf(a, &text);
}

static struct str mounts_json(const struct app_spec *spec, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        struct json_writer w;

        json_writer_init(&w, &text);
        json_array(&w);
        json_object(&w);
        json_put_cstr(&w, "name", "tmp");
        json_put_cstr(&w, "mountPath", "/tmp");
        json_end(&w);
        for (size_t i = 0; i < spec->config_files.n; i++) {
                json_object(&w);
                json_put_str(&w, "name", arena_printf(a, "config-%zu", i));
                json_put_str(&w, "mountPath", spec->config_files.items[i].mount_path);
                json_put_bool(&w, "readOnly", true);
                json_end(&w);
        }
        json_end(&w);
        return arena_buf(a, &text);
}

static void put_volume(struct json_writer *w, const struct app_pods *pods, size_t i, struct arena *a)
{
        const struct app_spec_config_files *files = &pods->spec->config_files.items[i];
        bool secret = files->secret_ref != NULL;
        struct str name = secret ? files->secret_ref->name : files->config_map_ref->name;

        json_object(w);
        json_put_str(w, "name", arena_printf(a, "config-%zu", i));
        json_key(w, secret ? "secret" : "configMap");
        json_object(w);
        json_put_str(w, secret ? "secretName" : "name", app_pods_name(pods, secret, name));
        if (files->items.n > 0) {
                json_key(w, "items");
                json_array(w);
                for (size_t j = 0; j < files->items.n; j++) {
                        json_object(w);
                        json_put_str(w, "key", files->items.items[j].key);
                        json_put_str(w, "path", files->items.items[j].path);
                        json_end(w);
                }
                json_end(w);
        }
        json_end(w);
        json_end(w);
}

static struct str volumes_json(const struct app_pods *pods, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        struct json_writer w;

        json_writer_init(&w, &text);
        json_array(&w);
        json_raw(&w, STR("{\"name\":\"tmp\",\"emptyDir\":{}}"));
        for (size_t i = 0; i < pods->spec->config_files.n; i++)
                put_volume(&w, pods, i, a);
        json_end(&w);
        return arena_buf(a, &text);
}

/* --- the whole ------------------------------------------------------------------------ */

int app_pod_spec(const struct child_meta *c, struct app_pods *pods, struct arena *a)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(CHILD_BYTES_MAX);
        const struct app_spec *spec = pods->spec;
        int64_t delay = spec->has_port ? app_seconds(spec->drain->delay) : 0;
        bool reloads = app_reload_wanted(pods);
        struct app_pod_params params = {
                .name = c->name,
                .grace_seconds = delay + app_seconds(spec->drain->timeout) + GRACE_MARGIN,
                .image = spec->image,
                .ports = ports_json(spec, a),
                .env = env_json(spec, a),
                .env_from = env_from_json(pods, a),
                .resources = spec->resources
                                     ? resources_json(&spec->resources->requests, &spec->resources->limits, a)
                                     : STR_NULL,
                .has_port = spec->has_port,
                /* A sleep of no seconds is refused by older API servers. */
                .has_drain = delay > 0,
                .drain_seconds = delay,
                .startup_seconds = app_seconds(spec->health_check->startup_timeout),
                .live_path = spec->health_check->live_path,
                .ready_path = spec->health_check->ready_path,
                .share_processes = reloads ? STR("true") : STR_NULL,
                .mounts = mounts_json(spec, a),
                .volumes = volumes_json(pods, a),
        };
        int r = 0;

        pods->helper = STR_NULL;
        if (reloads && pods->helper_image.data)
                r = app_reload_containers(pods, a, &pods->helper);
        params.helper = pods->helper;
        if (r == 0)
                r = app_render_pod(&json, &params);
        if (r < 0)
                return r;
        pods->pod_spec = arena_buf(a, &json);
        return pods->pod_spec.data ? 0 : -ENOMEM;
}

/* The labels of all children, and which revision the pod is of. */
static struct str pod_labels(const struct child_meta *c, struct str revision, struct arena *a)
{
        struct str labels = c->labels;

        if (!labels.data)
                return STR_NULL;
        labels.len--; /* without the brace */
        return arena_join(a, labels, STR(",\"keelson.dev/revision\":\""), revision, STR("\"}"));
}

int app_child_deployment(const struct child_meta *c, const struct app_settings *settings,
                         const struct app_pods *pods, int64_t replicas, struct arena *a, struct buf *out)
{
        struct app_deployment_params params = {
                CHILD_META(c),
                .pod_labels = pod_labels(c, pods->revision, a),
                .annotations = pods->annotations,
                .replicas = replicas,
                .history = settings->spec.revision_history_limit,
                .deadline_seconds = app_seconds(settings->spec.strategy->progress_deadline),
                .pod = pods->pod_spec,
        };

        return app_render_deployment(out, &params);
}
