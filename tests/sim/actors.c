/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/actors.h"

#include <stdio.h>
#include <string.h>

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

#define SLOW (30 * USEC_SEC)

/* A rollout that takes its time. */
struct rollout {
        const struct kube_kind *kind;
        char namespace[64], name[256], uid[64];
        int64_t generation;
        bool fails;
};

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

static bool image_has(yyjson_mut_val *deployment, const char *mark)
{
        const char *image =
                yyjson_mut_get_str(yyjson_mut_ptr_get(deployment, "/spec/template/spec/containers/0/image"));

        return image && strstr(image, mark);
}

static void put_status(struct world *w, const struct rollout *r, long long replicas, long long updated,
                       long long available, const char *progress)
{
        char patch[1024];

        snprintf(patch, sizeof(patch),
                 "{\"status\":{\"observedGeneration\":%lld,\"replicas\":%lld,\"updatedReplicas\":%lld,"
                 "\"readyReplicas\":%lld,\"availableReplicas\":%lld,\"conditions\":["
                 "{\"type\":\"Available\",%s},{\"type\":\"Progressing\",%s}]}}",
                 (long long)r->generation, replicas, updated, available, available,
                 available > 0 ? "\"status\":\"True\",\"reason\":\"MinimumReplicasAvailable\","
                                 "\"message\":\"Deployment has minimum availability.\""
                               : "\"status\":\"False\",\"reason\":\"MinimumReplicasUnavailable\","
                                 "\"message\":\"Deployment does not have minimum availability.\"",
                 progress);
        sim_api_patch(&w->api, r->kind, r->namespace, r->name, patch, "kube-controller-manager");
}

static void rolled_out(struct world *w, const struct rollout *r, yyjson_mut_val *root)
{
        long long replicas = yyjson_mut_get_sint(yyjson_mut_ptr_get(root, "/spec/replicas"));

        put_status(w, r, replicas, replicas, replicas,
                   "\"status\":\"True\",\"reason\":\"NewReplicaSetAvailable\","
                   "\"message\":\"ReplicaSet has successfully progressed.\"");
}

/* One new pod more than there are, which is not ready. */
static void put_surge(struct world *w, const struct rollout *r, yyjson_mut_val *root, const char *progress)
{
        long long old = yyjson_mut_get_sint(yyjson_mut_ptr_get(root, "/status/availableReplicas"));

        put_status(w, r, old + 1, 1, old, progress);
}

static void later(struct world *w, void *arg)
{
        struct rollout *r = arg;
        yyjson_mut_val *root = sim_api_get(&w->api, r->kind, r->namespace, r->name);

        /* Unless another one has taken its place. */
        if (root && generation_of(root) == r->generation &&
            yyjson_mut_equals_str(yyjson_mut_ptr_get(root, "/metadata/uid"), r->uid)) {
                if (r->fails)
                        put_surge(w, r, root,
                                  "\"status\":\"False\",\"reason\":\"ProgressDeadlineExceeded\","
                                  "\"message\":\"ReplicaSet has timed out progressing.\"");
                else
                        rolled_out(w, r, root);
        }
}

static struct rollout *rollout_new(struct world *w, const struct sim_object *o)
{
        struct rollout *r = world_alloc(w, sizeof(*r));

        r->kind = o->kind;
        r->generation = generation_of(yyjson_mut_doc_get_root(o->doc));
        snprintf(r->namespace, sizeof(r->namespace), "%.*s", STR_FMT(o->namespace));
        snprintf(r->name, sizeof(r->name), "%.*s", STR_FMT(o->name));
        snprintf(r->uid, sizeof(r->uid), "%.*s", STR_FMT(o->uid));
        return r;
}

static void roll_out(struct world *w, const struct sim_object *o)
{
        yyjson_mut_val *root = yyjson_mut_doc_get_root(o->doc);
        int64_t deadline = yyjson_mut_get_sint(yyjson_mut_ptr_get(root, "/spec/progressDeadlineSeconds"));
        struct rollout *r = rollout_new(w, o);

        r->fails = image_has(root, ACTORS_BAD);
        if (!r->fails && !image_has(root, ACTORS_SLOW)) {
                rolled_out(w, r, root);
                return;
        }
        world_after(w, r->fails ? deadline * USEC_SEC : SLOW, later, r);
        put_surge(w, r, root,
                  "\"status\":\"True\",\"reason\":\"ReplicaSetUpdated\","
                  "\"message\":\"ReplicaSet is progressing.\"");
}

/* --- the autoscaler ---------------------------------------------------------------------- */

/* It finds that one more than the fewest is the right number. */
static const struct kube_kind deployments = { .group = STR_INIT("apps"), .plural = STR_INIT("deployments") };

static bool wants_scaling(const struct world *w, const struct sim_object *o, int64_t *ret)
{
        yyjson_mut_val *root = yyjson_mut_doc_get_root(o->doc), *deployment;
        int64_t least, most;
        char name[256], namespace[64];

        if (!str_eq(o->kind->kind, STR("HorizontalPodAutoscaler")) ||
            yyjson_mut_ptr_get(root, "/metadata/deletionTimestamp"))
                return false;
        snprintf(namespace, sizeof(namespace), "%.*s", STR_FMT(o->namespace));
        snprintf(name, sizeof(name), "%.*s", STR_FMT(o->name));
        deployment = sim_api_get(&w->api, &deployments, namespace, name);
        least = yyjson_mut_get_sint(yyjson_mut_ptr_get(root, "/spec/minReplicas"));
        most = yyjson_mut_get_sint(yyjson_mut_ptr_get(root, "/spec/maxReplicas"));
        *ret = MIN(least + 1, most);
        return deployment && most > 0 && !yyjson_mut_ptr_get(deployment, "/metadata/deletionTimestamp") &&
               yyjson_mut_get_sint(yyjson_mut_ptr_get(deployment, "/spec/replicas")) != *ret;
}

static void scale(struct world *w, const struct sim_object *o, int64_t replicas)
{
        const struct sim_object *deployment = sim_api_find(&w->api, &deployments, o->namespace, o->name);
        char name[256], namespace[64], patch[64];

        snprintf(namespace, sizeof(namespace), "%.*s", STR_FMT(o->namespace));
        snprintf(name, sizeof(name), "%.*s", STR_FMT(o->name));
        snprintf(patch, sizeof(patch), "{\"spec\":{\"replicas\":%lld}}", (long long)replicas);
        if (deployment)
                sim_api_patch(&w->api, deployment->kind, namespace, name, patch, "autoscaler");
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

static const struct sim_object *next_scaling(const struct world *w, int64_t *ret)
{
        list_for_each (link, &w->api.objects) {
                const struct sim_object *o = container_of(link, struct sim_object, link);

                if (wants_scaling(w, o, ret))
                        return o;
        }
        return NULL;
}

static void act(struct world *w, void *arg)
{
        const struct sim_object *o;
        int64_t replicas;

        (void)arg;
        w->actor_scheduled = false;
        sim_api_collect(&w->api);
        while ((o = next_scaling(w, &replicas)))
                scale(w, o, replicas);
        while ((o = next_rollout(w)))
                roll_out(w, o);
}

static void on_turn(struct world *w)
{
        int64_t replicas;

        if (w->acted_on == w->api.n_changes)
                return;
        if (w->actor_scheduled ||
            (!next_rollout(w) && !next_scaling(w, &replicas) && !sim_api_has_orphans(&w->api))) {
                w->acted_on = w->actor_scheduled ? w->acted_on : w->api.n_changes;
                return;
        }
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
