/* SPDX-License-Identifier: Apache-2.0
 *
 * Larger volumes. A StatefulSet cannot change what its claims look like, so:
 *
 *      spec.persistence.size is more than the StatefulSet says
 *        each claim that is there is asked to be as large     (the StorageClass's driver grows it)
 *        all are: the StatefulSet is deleted, and its pods stay
 *      there is no StatefulSet: it is made anew with the new size, and takes the pods in
 *
 * The size in the StatefulSet is what remembers how far it is: while it is the wanted one,
 * nothing is asked. No claim is ever deleted, and none is made by us.
 */
#include <errno.h>

#include "controller/redis/redis.h"
#include "json/write.h"
#include "kube/quantity.h"

#define PATCH_MAX ((size_t)512)

struct str redis_claimed(const struct redis_situation *now)
{
        const struct statefulset_state_spec *spec = now->set ? now->set->spec : NULL;

        if (!spec || spec->volume_claim_templates.n == 0 || !spec->volume_claim_templates.items[0].spec ||
            !spec->volume_claim_templates.items[0].spec->resources)
                return STR_NULL;
        return schema_map_get(&spec->volume_claim_templates.items[0].spec->resources->requests,
                              STR("storage"));
}

static struct str asked(const struct object *claim)
{
        const struct claim_state *state = claim->state;

        return state->spec && state->spec->resources
                       ? schema_map_get(&state->spec->resources->requests, STR("storage"))
                       : STR_NULL;
}

static int ask(const struct object *claim, struct str size, struct plan *plan)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(PATCH_MAX);
        struct json_writer w;

        json_writer_init(&w, &json);
        json_object(&w);
        json_key(&w, "spec");
        json_object(&w);
        json_key(&w, "resources");
        json_object(&w);
        json_key(&w, "requests");
        json_object(&w);
        json_put_str(&w, "storage", size);
        json_end(&w);
        json_end(&w);
        json_end(&w);
        json_end(&w);
        if (buf_error(&json) < 0)
                return buf_error(&json);
        plan_patch(plan, claim, buf_str(&json));
        return plan->error;
}

/* Of the members that there are. 1: all claims are asked to be so large. */
static int ask_all(const struct redis_situation *now, struct str size, struct plan *plan)
{
        bool all = now->claims_known;

        for (size_t i = 0; now->claims_known && i < now->n; i++) {
                const struct object *claim = now->members[i].claim;
                int r;

                if (!claim || claim->deleting || !quantity_exceeds(size, asked(claim)))
                        continue;
                all = false;
                r = ask(claim, size, plan);
                if (r < 0)
                        return r;
        }
        return all;
}

int redis_grow(const struct view *view, const struct redis_settings *settings,
               const struct redis_situation *now, struct redis_decision *decision, struct plan *plan)
{
        const struct redis_spec_persistence *persistence = settings->spec->persistence;
        const struct object *set = view_child(view, &redis_statefulset_kind, view->self->name);
        struct str claimed = redis_claimed(now), size;
        int r;

        if (!persistence || !set || set->deleting || !quantity_exceeds(persistence->size, claimed))
                return 0;
        size = quantity_stored(persistence->size, plan->arena);
        if (!decision->reason.data) {
                decision->reason = STR("GrowingVolumes");
                decision->message = arena_printf(plan->arena, "the volumes are being grown from %.*s to %.*s",
                                                 STR_FMT(claimed), STR_FMT(size));
        }
        r = ask_all(now, size, plan);
        /* What goes on meanwhile needs the StatefulSet as it is. */
        decision->remake_set = r > 0 && decision->replicas == now->replicas &&
                               settings->replicas == now->replicas && now->set_seen;
        if (!decision->remake_set)
                return MIN(r, 0);
        plan_event_at_once(
                plan, false, STR("VolumesGrown"),
                arena_printf(plan->arena,
                             "all volumes are asked to be %.*s; the StatefulSet is made anew with that size, "
                             "and its pods stay",
                             STR_FMT(size)));
        plan_delete_alone(plan, set);
        return plan->error;
}
