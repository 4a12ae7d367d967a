/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/controller.h"

const struct object *view_child(const struct view *view, const struct cache_kind *kind, struct str name)
{
        const struct object *child = cache_get(view->cache, kind, view->self->namespace, name);

        return child && object_has_uid(view->self, child->owner->uid) ? child : NULL;
}

const struct object *view_next_child(const struct view *view, const struct cache_kind *kind,
                                     const struct object *after)
{
        const struct object *self = view->self, *o = after;

        do
                o = cache_owned(view->cache, kind, self->namespace, self->name, o);
        while (o && (o->deleting || !object_has_uid(self, o->owner->uid)));
        return o;
}

const struct object *view_applied(const struct view *view, const struct plan *plan,
                                  const struct cache_kind *kind, struct str name)
{
        const struct object *child = view_child(view, kind, name);

        if (!child || child->deleting)
                return NULL;
        list_for_each (link, &plan->effects) {
                struct effect *e = container_of(link, struct effect, link);

                if (e->kind != kind || !str_eq(e->name, name))
                        continue;
                if (e->type == EFFECT_COPY)
                        return child;
                if (e->type == EFFECT_APPLY)
                        return effect_holds(e, child) ? child : NULL;
        }
        return NULL;
}

const struct effect *view_pending(const struct view *view, const struct plan *plan)
{
        list_for_each (link, &plan->effects) {
                const struct effect *e = container_of(link, struct effect, link);

                if ((e->type == EFFECT_APPLY || e->type == EFFECT_COPY) &&
                    !view_applied(view, plan, e->kind, e->name))
                        return e;
                if (e->type == EFFECT_DELETE && view_child(view, e->kind, e->name))
                        return e;
        }
        return NULL;
}

const struct object *view_lookup(const struct view *view, const struct cache_kind *kind, struct str name)
{
        return cache_get(view->cache, kind, kind->api.namespaced ? view->self->namespace : STR_NULL, name);
}

const struct object *view_first_claimant(const struct view *view, struct str word)
{
        const struct object *first = NULL, *o = NULL;

        while ((o = cache_claiming(view->cache, view->self->kind, word, o)))
                if (!o->deleting && (!first || object_claims_before(o, first)))
                        first = o;
        return first;
}

const struct object *view_claimed_by_other(const struct view *view, const struct cache_kind *kind,
                                           struct str word)
{
        const struct object *o = NULL;

        do
                o = cache_claiming(view->cache, kind, word, o);
        while (o && object_has_uid(view->self, o->owner->uid));
        return o;
}

bool view_served(const struct view *view, const struct cache_kind *kind)
{
        const struct cache_total *total = cache_total(view->cache, kind);

        return total && total->version && !total->not_served;
}

enum reading_state view_read(const struct view *view, struct plan *plan, const struct cache_kind *kind,
                             struct str name, usec_t age, const struct object **ret)
{
        const struct object *o = view_lookup(view, kind, name);
        usec_t read_at = cache_read_at(view->cache, kind, view->self->namespace, name);

        bool old = read_at == 0 || (age != USEC_NEVER && read_at + age <= view->now) ||
                   (o && cache_is_outdated(view->cache, o));

        if (old)
                plan_read(plan, kind, name);
        /* Also if it is read now: should nothing have changed, that wakes nobody. */
        if (read_at != 0 && age != USEC_NEVER)
                plan_wake(plan, (old ? view->now : read_at) + age);
        if (o)
                *ret = o;
        else if (read_at == 0)
                return READING_UNKNOWN;
        return o ? READING_PRESENT : READING_ABSENT;
}
