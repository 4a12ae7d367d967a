/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/app/revision.h"

#include <errno.h>

#include "base/hash.h"
#include "controller/app/children.h"
#include "json/read.h"

/* --- ControllerRevisions, as the cache keeps them --------------------------------- */

static int derive(yyjson_val *json, struct arena *a, void *ret)
{
        yyjson_val *data = yyjson_obj_get(json, "data"), *config = yyjson_obj_get(data, "config"), *one;
        yyjson_arr_iter it = yyjson_arr_iter_with(config);
        struct revision_state *state = ret;
        size_t n = yyjson_arr_size(config);

        state->number = json_get_int(json, "revision", 0);
        state->has_number = true;
        state->hash = json_get_str(data, "hash");
        state->copies.items = n ? arena_new_n(a, struct revision_state_copies, n) : NULL;
        if (n && !state->copies.items)
                return -ENOMEM;
        while ((one = yyjson_arr_iter_next(&it)))
                state->copies.items[state->copies.n++] = (struct revision_state_copies){
                        .secret = json_get_bool(one, "secret", false),
                        .has_secret = true,
                        .name = json_get_str(one, "copy"),
                };
        return 0;
}

#define CONTROLLERREVISION                                                                                   \
        .api = { .group = STR_INIT("apps"),                                                                  \
                 .version = STR_INIT("v1"),                                                                  \
                 .plural = STR_INIT("controllerrevisions"),                                                  \
                 .kind = STR_INIT("ControllerRevision"),                                                     \
                 .namespaced = true }

const struct cache_kind app_revision_kind = {
        CONTROLLERREVISION, .schema = &revision_state_schema,
        .derive = derive,   .label_selector = STR_INIT("app.kubernetes.io/managed-by=keelson"),
        .by_owner = true,   .quiet = true,
};

const struct cache_kind app_revision_data_kind = {
        CONTROLLERREVISION, .schema = &revision_data_state_schema, .on_demand = true, .by_owner = true,
        .quiet = true,
};

static const struct revision_state *state_of(const struct object *o)
{
        return o->state;
}

const struct object *app_next_revision(const struct view *view, const struct object *after)
{
        return view_next_child(view, &app_revision_kind, after);
}

static const struct object *latest(const struct view *view)
{
        const struct object *best = NULL, *o = NULL;

        while ((o = app_next_revision(view, o)))
                if (!best || state_of(o)->number > state_of(best)->number)
                        best = o;
        return best;
}

/* --- choosing --------------------------------------------------------------------------- */

/* Where the helper stands in the pods' spec; what is before and behind it. */
static void cut_helper(const struct app_pods *pods, struct str *ret_before, struct str *ret_behind)
{
        struct str text = pods->pod_spec, helper = pods->helper;
        const char *at = helper.data ? memmem(text.data, text.len, helper.data, helper.len) : NULL;
        size_t before = at ? (size_t)(at - text.data) : text.len;

        *ret_before = str_n(text.data, before);
        *ret_behind = at ? str_n(at + helper.len, text.len - before - helper.len) : STR_NULL;
}

/* The helper is the operator's, not the App's: one of another version is no
 * other revision. */
static int name_revision(struct app_pods *pods, struct arena *a)
{
        struct str before, behind;
        uint64_t hash;

        cut_helper(pods, &before, &behind);
        hash = hash_str(HASH_INIT, before);
        if (behind.data)
                hash = hash_str(hash, behind);
        hash = hash_str(hash, pods->annotations);
        pods->revision = arena_printf(a, "%010llx", (unsigned long long)(hash >> 24));
        return pods->revision.data ? 0 : -ENOMEM;
}

/* Not the whole is rendered again: it may be large. */
static int change_helper(struct app_pods *pods, struct str image, struct arena *a)
{
        struct str before, behind;
        int r;

        cut_helper(pods, &before, &behind);
        pods->helper_image = image;
        r = app_reload_containers(pods, a, &pods->helper);
        if (r < 0)
                return r;
        pods->pod_spec =
                arena_printf(a, "%.*s%.*s%.*s", STR_FMT(before), STR_FMT(pods->helper), STR_FMT(behind));
        return pods->pod_spec.data ? 0 : -ENOMEM;
}

/* Renders them, and so knows what the revision is called. Pods that run already
 * keep the helper that they began with: a new operator is no reason for a rollout. */
static int hash_pods(const struct view *view, struct app_pods *pods, struct plan *plan, struct str *ret)
{
        const struct app *app = view->self->state;
        const struct app_status_reload *live = app->status ? app->status->reload : NULL;
        struct child_meta child = app_child_meta(view, plan->arena);
        int r;

        pods->helper_image = live ? live->image : view->image;
        r = app_pod_spec(&child, pods, plan->arena);
        if (r == 0)
                r = name_revision(pods, plan->arena);
        if (r == 0 && pods->helper.data && view->image.data && !str_eq(pods->helper_image, view->image) &&
            !str_eq(live->revision, pods->revision))
                r = change_helper(pods, view->image, plan->arena);
        *ret = pods->revision;
        return r;
}

/* What was kept of a revision, as settings and names of copies. */
static int restore(const struct revision_data_state *state, struct plan *plan, struct app_pods *ret)
{
        const struct revision_data_state_data *data = state->data;
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct error err = ERROR_INIT;
        struct app_config_ref *refs;
        void *spec;
        int r;

        if (!data || !data->spec.data)
                return -EBADMSG;
        r = json_parse(data->spec, &doc, NULL);
        if (r == 0)
                r = schema_decode(&app_spec_schema, yyjson_doc_get_root(doc), STR("spec"), 0, plan->arena,
                                  &spec, &err);
        if (r < 0)
                return r;
        refs = arena_new_n(plan->arena, struct app_config_ref, data->config.n + 1);
        if (!refs)
                return -ENOMEM;
        for (size_t i = 0; i < data->config.n; i++)
                refs[i] = (struct app_config_ref){
                        .secret = data->config.items[i].secret,
                        .name = data->config.items[i].name,
                        .copy = data->config.items[i].copy,
                        .hash = data->config.items[i].hash,
                };
        *ret = (struct app_pods){ .spec = spec, .configs = refs, .n_configs = data->config.n };
        return 0;
}

/* The last good one, to run again. Until its record has been read nothing is
 * changed; a record that cannot be read is passed over, and the wanted one stays. */
static int go_back(const struct view *view, struct plan *plan, struct app_revision *ret)
{
        const struct object *data = NULL;
        struct app_pods pods;
        int r;

        switch (view_read(view, plan, &app_revision_data_kind, ret->good->name, USEC_NEVER, &data)) {
        case READING_UNKNOWN:
                ret->hash = STR_NULL;
                return 0;
        case READING_ABSENT:
                return 0;
        case READING_PRESENT:
                break;
        }
        r = restore(data->state, plan, &pods);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return 0;
        ret->pods = pods;
        ret->rolled_back = true;
        return hash_pods(view, &ret->pods, plan, &ret->hash);
}

int app_revision_choose(const struct view *view, const struct app_settings *settings,
                        const struct app_config *config, struct plan *plan, struct app_revision *ret)
{
        const struct app *app = view->self->state;
        const struct object *good = latest(view);
        int r;

        *ret = (struct app_revision){ 0 };
        if (config->phase != APP_CONFIG_READY)
                return 0;
        ret->pods =
                (struct app_pods){ .spec = &settings->spec, .configs = config->refs, .n_configs = config->n };
        r = hash_pods(view, &ret->pods, plan, &ret->wanted);
        if (r < 0)
                return r;
        ret->hash = ret->wanted;
        if (good && !str_eq(state_of(good)->hash, ret->wanted))
                ret->good = good;
        if (app->status && app->status->failed_revision &&
            str_eq(app->status->failed_revision->name, ret->wanted))
                ret->failed = app->status->failed_revision;
        if (!ret->failed || !ret->good || !settings->spec.strategy->auto_rollback)
                return 0;
        return go_back(view, plan, ret);
}

/* --- keeping ---------------------------------------------------------------------------- */

static struct str config_json(const struct app_pods *pods, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        struct json_writer w;

        json_writer_init(&w, &text);
        json_array(&w);
        for (size_t i = 0; i < pods->n_configs; i++) {
                const struct app_config_ref *ref = &pods->configs[i];

                if (!ref->copy.data)
                        continue;
                json_object(&w);
                json_put_bool(&w, "secret", ref->secret);
                json_put_str(&w, "name", ref->name);
                json_put_str(&w, "copy", ref->copy);
                json_put_str(&w, "hash", ref->hash);
                json_end(&w);
        }
        json_end(&w);
        return arena_buf(a, &text);
}

/* What app_pods reads of a spec, and nothing else. */
static struct str spec_json(const struct app_spec *settled, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CHILD_BYTES_MAX);
        struct app_spec spec = *settled;
        struct json_writer w;

        spec.tier = STR_NULL;
        spec.has_replicas = false;
        spec.autoscaling = NULL;
        spec.strategy = NULL;
        spec.hosts.n = 0;
        spec.access = NULL;
        json_writer_init(&w, &text);
        schema_encode(&app_spec_schema, &spec, &w);
        return arena_buf(a, &text);
}

static int record(const struct view *view, const struct app_revision *revision, int64_t number,
                  struct plan *plan)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(CHILD_BYTES_MAX);
        struct child_meta child = app_child_meta(view, plan->arena);
        struct app_revision_params params = {
                .name = arena_printf(plan->arena, "%.*s-%lld", STR_FMT(child.name), (long long)number),
                .namespace = child.namespace,
                .labels = child.labels,
                .owner = child.owner,
                .number = number,
                .hash = revision->hash,
                .spec = spec_json(revision->pods.spec, plan->arena),
                .config = config_json(&revision->pods, plan->arena),
        };
        int r = plan->arena->failed ? -ENOMEM : app_render_revision(&json, &params);

        if (r < 0)
                return r;
        plan_apply(plan, &app_revision_kind, params.name, buf_str(&json));
        return plan->error;
}

static size_t count_newer(const struct view *view, const struct object *than)
{
        const struct object *o = NULL;
        size_t n = 0;

        while ((o = app_next_revision(view, o)))
                n += state_of(o)->number > state_of(than)->number;
        return n;
}

int app_revision_trim(const struct view *view, const struct app_settings *settings, struct plan *plan)
{
        size_t limit = (size_t)MAX(settings->spec.revision_history_limit, 1);
        const struct object *o = NULL;

        while ((o = app_next_revision(view, o)))
                if (count_newer(view, o) >= limit)
                        plan_delete(plan, o);
        return plan->error;
}

int app_revision_keep(const struct view *view, const struct app_settings *settings,
                      const struct app_revision *revision, struct plan *plan)
{
        const struct object *last = latest(view);
        int r;

        if (!last || !str_eq(state_of(last)->hash, revision->hash)) {
                r = record(view, revision, last ? state_of(last)->number + 1 : 1, plan);
                if (r < 0)
                        return r;
        }
        return app_revision_trim(view, settings, plan);
}
