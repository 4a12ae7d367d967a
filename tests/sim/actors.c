/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/actors.h"

#include <stdio.h>

#define DELAY USEC_SEC

/* --- defaults ------------------------------------------------------------------------ */

static void put_missing(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, yyjson_mut_val *value)
{
        if (object && !yyjson_mut_obj_get(object, key))
                yyjson_mut_obj_add(object, yyjson_mut_str(doc, key), value);
}

/* A few of those that the real server sets, so that a live object is never
 * just what was applied. */
static void admit(const struct kube_kind *kind, yyjson_mut_doc *doc, yyjson_mut_val *object)
{
        yyjson_mut_val *spec = yyjson_mut_obj_get(object, "spec"), *pod;

        if (str_eq(kind->kind, STR("Service"))) {
                put_missing(doc, spec, "clusterIP", yyjson_mut_str(doc, "10.96.0.7"));
                put_missing(doc, spec, "sessionAffinity", yyjson_mut_str(doc, "None"));
        }
        if (str_eq(kind->kind, STR("Deployment"))) {
                pod = yyjson_mut_ptr_get(spec, "/template/spec");
                put_missing(doc, pod, "restartPolicy", yyjson_mut_str(doc, "Always"));
                put_missing(doc, pod, "dnsPolicy", yyjson_mut_str(doc, "ClusterFirst"));
                put_missing(doc, yyjson_mut_ptr_get(pod, "/containers/0"), "terminationMessagePath",
                            yyjson_mut_str(doc, "/dev/termination-log"));
        }
}

/* --- the Deployment controller ---------------------------------------------------------- */

static int64_t generation_of(yyjson_mut_val *object)
{
        return yyjson_mut_get_sint(yyjson_mut_ptr_get(object, "/metadata/generation"));
}

static bool wants_rollout(const struct sim_object *o)
{
        yyjson_mut_val *root = yyjson_mut_doc_get_root(o->doc);

        return str_eq(o->kind->kind, STR("Deployment")) &&
               !yyjson_mut_ptr_get(root, "/metadata/deletionTimestamp") &&
               yyjson_mut_get_sint(yyjson_mut_ptr_get(root, "/status/observedGeneration")) !=
                       generation_of(root);
}

static void roll_out(struct world *w, const struct sim_object *o)
{
        yyjson_mut_val *root = yyjson_mut_doc_get_root(o->doc);
        long long replicas = yyjson_mut_get_sint(yyjson_mut_ptr_get(root, "/spec/replicas"));
        char namespace[64], name[256], patch[1024];

        snprintf(namespace, sizeof(namespace), "%.*s", STR_FMT(o->namespace));
        snprintf(name, sizeof(name), "%.*s", STR_FMT(o->name));
        snprintf(patch, sizeof(patch),
                 "{\"status\":{\"observedGeneration\":%lld,\"replicas\":%lld,\"updatedReplicas\":%lld,"
                 "\"readyReplicas\":%lld,\"availableReplicas\":%lld,\"conditions\":["
                 "{\"type\":\"Available\",\"status\":\"True\",\"reason\":\"MinimumReplicasAvailable\","
                 "\"message\":\"Deployment has minimum availability.\"},"
                 "{\"type\":\"Progressing\",\"status\":\"True\",\"reason\":\"NewReplicaSetAvailable\","
                 "\"message\":\"ReplicaSet has successfully progressed.\"}]}}",
                 (long long)generation_of(root), replicas, replicas, replicas, replicas);
        sim_api_patch(&w->api, o->kind, namespace, name, patch, "kube-controller-manager");
}

/* --- their turns -------------------------------------------------------------------------- */

static const struct sim_object *next_rollout(const struct world *w)
{
        list_for_each (link, &w->api.objects) {
                const struct sim_object *o = container_of(link, struct sim_object, link);

                if (wants_rollout(o))
                        return o;
        }
        return NULL;
}

static void act(struct world *w, void *arg)
{
        const struct sim_object *o;

        (void)arg;
        w->actor_scheduled = false;
        sim_api_collect(&w->api);
        while ((o = next_rollout(w)))
                roll_out(w, o);
}

static void on_turn(struct world *w)
{
        if (w->actor_scheduled || (!next_rollout(w) && !sim_api_has_orphans(&w->api)))
                return;
        w->actor_scheduled = true;
        world_after(w, DELAY, act, NULL);
}

void actors_defaults(struct world *w)
{
        w->api.admit = admit;
}

void actors_enter(struct world *w)
{
        actors_defaults(w);
        w->actor = on_turn;
}
