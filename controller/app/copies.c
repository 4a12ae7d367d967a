/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of the copies of ConfigMaps and Secrets (see config.h). A revision
 * that is kept, that runs or that is to run needs its own; of the others
 *
 *      complete:      all go
 *      not complete:  [ oldest | ....... | newest ]
 *                                 go
 *
 * Before a rollout is complete it is not known which revisions the ready pods
 * are of, and a pod whose copy is gone cannot start its container again. Those
 * that serve are mostly of the first revision since the last complete one, and
 * those that come up are of the last few; without a bound the copies of an App
 * that is never well would pile up with each change of its config.
 */
#include <errno.h>
#include <stdlib.h>

#include "controller/app/revision.h"

#define OLDEST_KEPT APP_CONFIG_MAX /* all of one revision */
#define NEWEST_KEPT 16
#define DROPPED_AT_ONCE 16 /* of each kind; the rest follows when these are gone */

static bool uses(const struct app_config_ref *refs, size_t n, bool secret, struct str copy)
{
        for (size_t i = 0; i < n; i++)
                if (refs[i].secret == secret && str_eq(refs[i].copy, copy))
                        return true;
        return false;
}

static bool is_kept_with(const struct object *kept, bool secret, struct str copy)
{
        const struct revision_state *state = kept->state;

        for (size_t i = 0; i < state->copies.n; i++)
                if (state->copies.items[i].secret == secret && str_eq(state->copies.items[i].name, copy))
                        return true;
        return false;
}

static bool is_needed(const struct view *view, const struct app_revision *revision,
                      const struct app_config *config, bool secret, struct str copy)
{
        const struct object *o = NULL;

        if (uses(config->refs, config->n, secret, copy) ||
            uses(revision->pods.configs, revision->pods.n_configs, secret, copy))
                return true;
        while ((o = app_next_revision(view, o)))
                if (is_kept_with(o, secret, copy))
                        return true;
        return false;
}

/* Of N that nobody needs, oldest first: does the I-th go? */
static bool may_go(size_t i, size_t n, bool complete)
{
        return complete || (i >= OLDEST_KEPT && i + NEWEST_KEPT < n);
}

/* --- ConfigMaps: they can be listed ------------------------------------------------ */

/* A copy is never changed, so its version tells when it was made. */
static int compare_age(const void *a, const void *b)
{
        const struct object *const *left = a, *const *right = b;

        return str_version_cmp(object_version(*left), object_version(*right));
}

static int drop_configmaps(const struct view *view, const struct app_revision *revision,
                           const struct app_config *config, bool complete, struct plan *plan)
{
        const struct object **list, *o = NULL;
        size_t n = 0, dropped = 0;

        while ((o = view_next_child(view, &app_configmap_kind, o)))
                n++;
        list = arena_new_n(plan->arena, const struct object *, n + 1);
        if (!list)
                return -ENOMEM;
        n = 0;
        while ((o = view_next_child(view, &app_configmap_kind, o)))
                if (!is_needed(view, revision, config, false, o->name))
                        list[n++] = o;
        qsort((void *)list, n, sizeof(*list), compare_age);
        for (size_t i = 0; i < n && dropped < DROPPED_AT_ONCE; i++) {
                if (!may_go(i, n, complete))
                        continue;
                plan_delete(plan, list[i]);
                dropped++;
        }
        return plan->error;
}

/* --- Secrets: their names stand in the status, in the order in which they were made --- */

/* A Secret that was made for a revision which nobody keeps: is it still there? */
static bool is_gone(const struct view *view, struct str copy, struct plan *plan)
{
        const struct object *o = NULL;

        switch (view_read(view, plan, &app_secret_kind, copy, VIEW_READ_AGE, &o)) {
        case READING_ABSENT:
                return true;
        case READING_PRESENT:
                /* Somebody else's, made under that name before we could. */
                if (!object_has_uid(view->self, o->owner->uid))
                        return true;
                plan_delete(plan, o);
                return false;
        case READING_UNKNOWN:
                break;
        }
        return false;
}

static int drop_secrets(const struct view *view, const struct app_revision *revision,
                        const struct app_config *config, bool complete, struct plan *plan, struct str *list,
                        size_t *n)
{
        const struct app *app = view->self->state;
        size_t n_before = app->status ? app->status->copies.n : 0, n_idle = 0, seen = 0, asked = 0;
        bool *idle = arena_new_n(plan->arena, bool, n_before + 1);

        if (!idle)
                return -ENOMEM;
        for (size_t i = 0; i < n_before; i++) {
                idle[i] = !is_needed(view, revision, config, true, app->status->copies.items[i]);
                n_idle += idle[i];
        }
        for (size_t i = 0; i < n_before; i++) {
                struct str copy = app->status->copies.items[i];

                if (idle[i] && may_go(seen++, n_idle, complete) && asked < DROPPED_AT_ONCE) {
                        asked++;
                        if (is_gone(view, copy, plan))
                                continue;
                }
                list[(*n)++] = copy;
        }
        return plan->error;
}

int app_drop_copies(const struct view *view, const struct app_revision *revision,
                    const struct app_config *config, bool complete, struct plan *plan,
                    struct app_status *status)
{
        const struct app *app = view->self->state;
        size_t n_before = app->status ? app->status->copies.n : 0, n = 0;
        struct str *list = arena_new_n(plan->arena, struct str, n_before + config->n + 1);
        int r;

        if (!list)
                return -ENOMEM;
        r = drop_configmaps(view, revision, config, complete, plan);
        if (r < 0)
                return r;
        r = drop_secrets(view, revision, config, complete, plan, list, &n);
        if (r < 0)
                return r;
        /* A change of the status alone does not wake us. */
        if (config->crowded && n < n_before)
                plan_wake(plan, view->now);
        for (size_t i = 0; i < config->n && !config->crowded; i++) {
                const struct app_config_ref *ref = &config->refs[i];

                if (ref->secret && ref->copy.data && !str_is_one_of(ref->copy, list, n))
                        list[n++] = ref->copy;
        }
        status->copies.items = list;
        status->copies.n = n;
        return 0;
}
