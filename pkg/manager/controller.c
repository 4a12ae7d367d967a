/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/controller.h"

const struct object *view_child(const struct view *view, const struct cache_kind *kind, struct str name)
{
        const struct object *child = cache_get(view->cache, kind, view->self->namespace, name);

        return child && str_eq(child->owner.uid, view->self->uid) ? child : NULL;
}

const struct object *view_applied(const struct view *view, const struct plan *plan,
                                  const struct cache_kind *kind, struct str name)
{
        const struct object *child = view_child(view, kind, name);

        if (!child || child->deleting)
                return NULL;
        list_for_each (link, &plan->effects) {
                const struct effect *e = container_of(link, struct effect, link);

                if (e->type == EFFECT_APPLY && e->kind == kind && str_eq(e->name, name))
                        return cache_as_desired(child, e->desired) ? child : NULL;
        }
        return NULL;
}

const struct effect *view_pending(const struct view *view, const struct plan *plan)
{
        list_for_each (link, &plan->effects) {
                const struct effect *e = container_of(link, struct effect, link);

                if (e->type == EFFECT_APPLY && !view_applied(view, plan, e->kind, e->name))
                        return e;
                if (e->type == EFFECT_DELETE && view_child(view, e->kind, e->name))
                        return e;
        }
        return NULL;
}
