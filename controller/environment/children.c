/* SPDX-License-Identifier: Apache-2.0
 *
 * What an Environment's children look like is in templates/; here stands what
 * goes into their blanks. A child that the spec no longer asks for is deleted.
 */
#include <errno.h>

#include "controller/common/quantities.h"
#include "controller/environment/environment.h"
#include "controller/environment/profile.h"
#include "environment_templates.gen.h"
#include "manager/child_meta.h"

/* 64 resources of a quota, or three times 16 of a limit range, with their
 * names: the API server lets those be 316 long. */
#define CHILD_BYTES_MAX ((size_t)256 * 1024)

static int render_quota(const struct view *view, const struct schema_map *hard, struct arena *a,
                        struct buf *out)
{
        struct child_meta meta = child_meta_of(view, "environment", a);
        struct environment_resourcequota_params params = {
                CHILD_META(&meta),
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
        struct child_meta meta = child_meta_of(view, "environment", a);
        struct environment_limitrange_params params = {
                CHILD_META(&meta),
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
        plan_apply(plan, &environment_limits_kind, view->self->name, buf_str(&json));
        return plan->error;
}

int environment_plan_children(const struct view *view, const struct environment_spec *spec, struct plan *plan)
{
        int r = plan_quota(view, spec, plan);

        return r < 0 ? r : plan_limits(view, spec, plan);
}
