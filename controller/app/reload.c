/* SPDX-License-Identifier: Apache-2.0
 *
 * configReload Signal: the pods have the original ConfigMaps and Secrets as
 * files, and beside the program a sidecar (agent/reload/reload.h) that tells it
 * when they change.
 */
#include "controller/app/children.h"

#include <errno.h>

/* Does volume I change under the running program? A copy does not: what is used
 * as variables as well is followed by a rollout. */
static bool is_watched(const struct app_pods *pods, size_t i)
{
        const struct app_spec_config_files *files = &pods->spec->config_files.items[i];
        bool secret = files->secret_ref != NULL;
        struct str name = secret ? files->secret_ref->name : files->config_map_ref->name;

        return str_eq(app_pods_name(pods, secret, name), name);
}

bool app_reload_wanted(const struct app_pods *pods)
{
        if (!str_eq(pods->spec->config_reload, STR("Signal")))
                return false;
        for (size_t i = 0; i < pods->spec->config_files.n; i++)
                if (is_watched(pods, i))
                        return true;
        return false;
}

/* --configmap NAME=/config/I for each. */
static struct str args_json(const struct app_pods *pods, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        struct json_writer w;

        json_writer_init(&w, &text);
        json_array(&w);
        json_cstr(&w, "reload");
        json_cstr(&w, "--pid-namespace");
        for (size_t i = 0; i < pods->spec->config_files.n; i++) {
                const struct app_spec_config_files *files = &pods->spec->config_files.items[i];
                bool secret = files->secret_ref != NULL;
                struct str name = secret ? files->secret_ref->name : files->config_map_ref->name;

                if (!is_watched(pods, i))
                        continue;
                json_cstr(&w, secret ? "--secret" : "--configmap");
                json_str(&w, arena_printf(a, "%.*s=/config/%zu", STR_FMT(name), i));
        }
        json_end(&w);
        return arena_buf(a, &text);
}

static struct str mounts_json(const struct app_pods *pods, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        struct json_writer w;

        json_writer_init(&w, &text);
        json_array(&w);
        for (size_t i = 0; i < pods->spec->config_files.n; i++) {
                if (!is_watched(pods, i))
                        continue;
                json_object(&w);
                json_put_str(&w, "name", arena_printf(a, "config-%zu", i));
                json_put_str(&w, "mountPath", arena_printf(a, "/config/%zu", i));
                json_put_bool(&w, "readOnly", true);
                json_end(&w);
        }
        json_end(&w);
        return arena_buf(a, &text);
}

int app_reload_containers(const struct app_pods *pods, struct arena *a, struct str *ret)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(CHILD_BYTES_MAX);
        struct app_reload_params params = {
                .image = pods->helper_image,
                .args = args_json(pods, a),
                .mounts = mounts_json(pods, a),
        };
        int r = a->failed ? -ENOMEM : app_render_reload(&json, &params);

        if (r < 0)
                return r;
        if (buf_error(&json) < 0)
                return buf_error(&json);
        *ret = arena_printf(a, "[%.*s]", STR_FMT(buf_str(&json)));
        return ret->data ? 0 : -ENOMEM;
}
