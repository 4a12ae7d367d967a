/* SPDX-License-Identifier: Apache-2.0
 *
 * Which children a Redis has, but for its Secrets. What they look like is in
 * templates/; what goes into their blanks, where it is more than a word, is here and in
 * network.c.
 */
#include <errno.h>

#include "base/hash.h"
#include "controller/common/quantities.h"
#include "controller/redis/redis.h"
#include "failover/record.h"
#include "kube/quantity.h"
#include "redis_templates.gen.h"

/* --- the pod --------------------------------------------------------------------------------- */

/* The image's own C library may be another one, so the agent brings its own. */
static const char command[] = "[\"/keelson/ld.so\",\"--library-path\",\"/keelson\",\"/keelson/keelson\"]";

static struct str args_json(const struct view *view, struct arena *a)
{
        return arena_printf(a,
                            "[\"agent\",\"redis\",\"--cluster\",\"%.*s\",\"--data\",\"/data\",\"--run\","
                            "\"/run/keelson\",\"--tls\",\"/tls\"]",
                            STR_FMT(view->self->name));
}

static struct str selector_json(const struct schema_map *map, struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CHILD_BYTES_MAX);
        struct json_writer w;

        if (map->n == 0)
                return STR_NULL;
        json_writer_init(&w, &text);
        json_object(&w);
        for (size_t i = 0; i < map->n; i++) {
                json_key_str(&w, map->items[i].key);
                json_str(&w, map->items[i].value);
        }
        json_end(&w);
        return arena_buf(a, &text);
}

/* What else the members must be replaced for: settings that a running server does not take, and
 * times that an agent takes at its start. */
static uint64_t hash_settings(uint64_t h, const struct redis_settings *s)
{
        const struct schema_map *config = &s->spec->config;

        for (size_t i = 0; i < config->n; i++) {
                if (!redis_config_needs_restart(config->items[i].key))
                        continue;
                h = hash_str(h, config->items[i].key);
                h = hash_str(h, config->items[i].value);
        }
        return hash_add(h, (uint64_t)s->lease);
}

/* The agent's image is left out: an update of the operator replaces no member. */
static struct str revision_of(const struct redis_settings *s, struct redis_pod_params *params,
                              struct arena *a)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(REDIS_CHILD_BYTES_MAX);
        struct redis_pod_params bare = *params;
        uint64_t h;

        bare.agent_image = STR("");
        if (redis_render_pod(&json, &bare) < 0)
                return STR_NULL;
        h = hash_settings(hash_str(HASH_INIT, buf_str(&json)), s);
        return arena_printf(a, "%016llx", (unsigned long long)h);
}

int redis_pod_spec(const struct view *view, const struct redis_settings *s, struct arena *a,
                   struct str *ret_json, struct str *ret_revision)
{
        _cleanup_(buf_release) struct buf json = BUF_INIT(REDIS_CHILD_BYTES_MAX);
        struct redis_pod_params params = {
                .name = view->self->name,
                .node_selector = selector_json(&s->spec->scheduling->node_selector, a),
                .apart = str_eq(s->spec->scheduling->spread, STR("Required")),
                .agent_image = view->image,
                .image = s->image,
                .command = str_c(command),
                .args = args_json(view, a),
                .resources = resources_json(&s->requests, &s->limits, a),
                .ephemeral = !s->spec->persistence,
        };
        int r;

        if (!view->image.data)
                params.agent_image = STR("keelson");
        r = redis_render_pod(&json, &params);
        if (r < 0)
                return a->failed ? -ENOMEM : r;
        *ret_json = arena_buf(a, &json);
        *ret_revision = revision_of(s, &params, a);
        return ret_json->data && ret_revision->data ? 0 : -ENOMEM;
}

/* --- the plan ---------------------------------------------------------------------------------- */

struct planning {
        const struct view *view;
        const struct redis_settings *settings;
        const struct redis_situation *now;
        const struct redis_decision *decision;
        struct str pod, revision;
        struct plan *plan;
        struct child_meta common;
        struct buf json; /* of the child under way */
};

/* Puts the child whose rendering ended in R into the plan; its name ends in SUFFIX. */
static int apply(struct planning *p, const struct cache_kind *kind, const char *suffix, int r)
{
        if (r < 0)
                return r;
        plan_apply(p->plan, kind, arena_join(p->plan->arena, p->common.name, str_c(suffix)),
                   buf_str(&p->json));
        buf_clear(&p->json);
        return p->plan->error;
}

static int plan_identity(struct planning *p)
{
        struct redis_serviceaccount_params account = { CHILD_META(&p->common) };
        struct redis_role_params role = { CHILD_META(&p->common) };
        struct redis_rolebinding_params binding = { CHILD_META(&p->common) };
        int r = apply(p, &common_serviceaccount_kind, "-agent",
                      redis_render_serviceaccount(&p->json, &account));

        if (r == 0)
                r = apply(p, &redis_role_kind, "-agent", redis_render_role(&p->json, &role));
        if (r == 0)
                r = apply(p, &redis_rolebinding_kind, "-agent", redis_render_rolebinding(&p->json, &binding));
        return r;
}

static int plan_services(struct planning *p)
{
        struct redis_members_params members = { CHILD_META(&p->common) };
        struct redis_service_params primary = { CHILD_META(&p->common) };
        struct redis_reads_params reads = { CHILD_META(&p->common) };
        int r = apply(p, &common_service_kind, "-members", redis_render_members(&p->json, &members));

        if (r == 0)
                r = apply(p, &common_service_kind, "", redis_render_service(&p->json, &primary));
        if (r == 0)
                r = apply(p, &common_service_kind, REDIS_READS_SUFFIX, redis_render_reads(&p->json, &reads));
        return r;
}

/* How many changes of the lead there may have been that the status does not know of. An epoch that
 * was used already is stepped over by the members, one by one; this only spares them that. */
#define EPOCHS_UNSEEN 100

/* Nobody leads, and all members must answer before one does. One that was there before may have
 * had requests that were dealt with, so they are not carried out again. */
static struct failover_record record_of(const struct planning *p)
{
        const struct redis *self = p->view->self->state;
        const struct redis_intent *intent = &p->decision->intent;
        struct failover_record record = {
                .phase = FAILOVER_BOOTSTRAP,
                .holder = { .member = FAILOVER_NOBODY },
                .handover_to = FAILOVER_NOBODY,
                .in_sync = failover_first(p->settings->replicas),
                .from = FAILOVER_NOBODY,
        };

        if (!p->decision->remake_lease)
                return record;
        record.epoch = (uint64_t)(self->status ? MAX(self->status->epoch, 0) : 0) + EPOCHS_UNSEEN;
        record.in_sync = failover_first(intent->members);
        record.request = (uint64_t)intent->handover;
        record.consent = (uint64_t)intent->consent;
        return record;
}

/* Before anybody led, or where it is gone for good: else it is the agents'. */
static int plan_lease(struct planning *p)
{
        _cleanup_(buf_release) struct buf record = BUF_INIT(REDIS_CHILD_BYTES_MAX);
        struct redis_lease_params params = { CHILD_META(&p->common) };
        struct failover_record bare = record_of(p);
        int r;

        if (p->now->lease_there || (p->now->bootstrapped && !p->decision->remake_lease))
                return 0;
        r = failover_record_write(&bare, &record);
        if (r < 0)
                return r;
        params.transitions = (int64_t)MIN(bare.epoch, (uint64_t)INT32_MAX);
        params.record = arena_buf(p->plan->arena, &record);
        params.seconds = (p->settings->lease + USEC_SEC - 1) / USEC_SEC;
        return apply(p, &redis_lease_kind, "",
                     params.record.data ? redis_render_lease(&p->json, &params) : -ENOMEM);
}

static int plan_networkpolicy(struct planning *p)
{
        return apply(p, &common_networkpolicy_kind, "",
                     redis_child_networkpolicy(&p->common, p->settings, p->plan->arena, &p->json));
}

static int plan_budget(struct planning *p)
{
        struct redis_poddisruptionbudget_params params = { CHILD_META(&p->common) };

        return apply(p, &common_poddisruptionbudget_kind, "",
                     redis_render_poddisruptionbudget(&p->json, &params));
}

/* Of a StatefulSet that is there it cannot change: see grow.c. */
static struct str volume_size(const struct planning *p)
{
        struct str size = redis_claimed(p->now);

        return size.data ? size : quantity_stored(p->settings->spec->persistence->size, p->plan->arena);
}

static struct str claims_json(const struct planning *p)
{
        const struct redis_spec_persistence *persistence = p->settings->spec->persistence;
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CHILD_BYTES_MAX);
        struct json_writer w;

        if (!persistence)
                return STR_NULL;
        json_writer_init(&w, &text);
        json_array(&w);
        json_object(&w);
        json_put_raw(&w, "metadata", STR("{\"name\":\"data\"}"));
        json_key(&w, "spec");
        json_object(&w);
        json_put_raw(&w, "accessModes", STR("[\"ReadWriteOnce\"]"));
        json_key(&w, "resources");
        json_object(&w);
        json_key(&w, "requests");
        json_object(&w);
        json_put_str(&w, "storage", volume_size(p));
        json_end(&w);
        json_end(&w);
        if (persistence->class_name.data)
                json_put_str(&w, "storageClassName", persistence->class_name);
        json_put_cstr(&w, "volumeMode", "Filesystem");
        json_end(&w);
        json_end(&w);
        json_end(&w);
        return arena_buf(p->plan->arena, &text);
}

/* The labels of all children, and which revision the pod is of. */
static struct str pod_labels(const struct planning *p)
{
        struct str labels = p->common.labels;

        if (!labels.data)
                return STR_NULL;
        labels.len--; /* without the brace */
        return arena_join(p->plan->arena, labels, STR(",\"keelson.dev/revision\":\""), p->revision,
                          STR("\"}"));
}

static int plan_statefulset(struct planning *p)
{
        struct redis_statefulset_params params = {
                CHILD_META(&p->common), .replicas = p->decision->replicas, .pod_labels = pod_labels(p),
                .pod = p->pod,          .claims = claims_json(p),
        };

        if (p->decision->remake_set)
                return 0;
        return apply(p, &redis_statefulset_kind, "", redis_render_statefulset(&p->json, &params));
}

int redis_plan_children(const struct view *view, const struct redis_settings *settings,
                        const struct redis_situation *now, const struct redis_decision *decision,
                        struct str pod, struct str revision, struct plan *plan)
{
        /* Before the pods what they need: none of them runs without its policy or its rights. */
        static int (*const children[])(struct planning *) = {
                plan_identity, plan_networkpolicy, plan_services, plan_lease, plan_budget, plan_statefulset,
        };
        struct planning p = {
                .view = view,
                .settings = settings,
                .now = now,
                .decision = decision,
                .pod = pod,
                .revision = revision,
                .plan = plan,
                .common = child_meta_of(view, "redis", plan->arena),
                .json = BUF_INIT(REDIS_CHILD_BYTES_MAX),
        };
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(children) && r == 0; i++)
                r = children[i](&p);
        buf_release(&p.json);
        return r;
}
