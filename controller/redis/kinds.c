/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "controller/environment/environment.h"
#include "controller/redis/redis.h"
#include "failover/record.h"
#include "failover/report.h"

/* --- the resource -------------------------------------------------------------------- */

#define WISH(word, field)                                                                                    \
        {                                                                                                    \
                .name = STR_INIT("keelson.dev/" word), .type = SCHEMA_STRING,                                \
                .offset = offsetof(struct redis_wishes, field), .has_offset = SCHEMA_NO_OFFSET               \
        }

static const struct schema_field wish_fields[] = {
        WISH("fence", fence),     WISH("handover", handover),      WISH("pause", pause),
        WISH("promote", promote), WISH("rotate-password", rotate),
};

static const struct schema wishes_schema = {
        .name = "redis_wishes",
        .size = sizeof(struct redis_wishes),
        .fields = wish_fields,
        .n_fields = ARRAY_SIZE(wish_fields),
};

static const struct schema_field metadata_fields[] = {
        { .name = STR_INIT("annotations"),
          .type = SCHEMA_OBJECT,
          .offset = offsetof(struct redis_metadata, annotations),
          .has_offset = SCHEMA_NO_OFFSET,
          .object = &wishes_schema },
};

static const struct schema metadata_schema = {
        .name = "redis_metadata",
        .size = sizeof(struct redis_metadata),
        .fields = metadata_fields,
        .n_fields = ARRAY_SIZE(metadata_fields),
};

static const struct schema_field redis_fields[] = {
        { .name = STR_INIT("metadata"),
          .type = SCHEMA_OBJECT,
          .offset = offsetof(struct redis, metadata),
          .has_offset = SCHEMA_NO_OFFSET,
          .object = &metadata_schema },
        { .name = STR_INIT("spec"),
          .type = SCHEMA_OBJECT,
          .offset = offsetof(struct redis, spec),
          .has_offset = SCHEMA_NO_OFFSET,
          .required = true,
          .object = &redis_spec_schema },
        { .name = STR_INIT("status"),
          .type = SCHEMA_OBJECT,
          .offset = offsetof(struct redis, status),
          .has_offset = SCHEMA_NO_OFFSET,
          .object = &redis_status_schema },
};

static const struct schema redis_schema = {
        .name = "Redis",
        .size = sizeof(struct redis),
        .fields = redis_fields,
        .n_fields = ARRAY_SIZE(redis_fields),
};

const struct cache_kind redis_kind = {
        .api = { .group = STR_INIT("keelson.dev"),
                 .version = STR_INIT("v1alpha1"),
                 .plural = STR_INIT("redis"),
                 .kind = STR_INIT("Redis"),
                 .namespaced = true },
        .schema = &redis_schema,
};

/* --- its children -------------------------------------------------------------------- */

const struct cache_kind redis_statefulset_kind = {
        .api = { .group = STR_INIT("apps"),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("statefulsets"),
                 .kind = STR_INIT("StatefulSet"),
                 .namespaced = true },
        .schema = &statefulset_state_schema,
        .label_selector = COMMON_OURS,
};

const struct cache_kind redis_pod_kind = {
        .api = { .group = STR_INIT(""),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("pods"),
                 .kind = STR_INIT("Pod"),
                 .namespaced = true },
        .schema = &member_state_schema,
        .label_selector = STR_INIT("app.kubernetes.io/managed-by=keelson,app.kubernetes.io/name=redis"),
        .by_owner = true,
        .owner_label = STR_INIT("app.kubernetes.io/instance"),
        .owner_kind = STR_INIT("Redis"),
};

/* A record that cannot be read is no record, and told of. */
static int take_record(const struct failover_record *record, struct arena *a, struct lease_state *state)
{
        bool held = record->phase == FAILOVER_HELD;

        *state = (struct lease_state){
                .phase = str_c(failover_phase_name(record->phase)),
                .epoch = (int64_t)record->epoch,
                .has_epoch = true,
                .holder = held ? record->holder.member : FAILOVER_NOBODY,
                .has_holder = true,
                .holder_uid = held ? arena_str(a, str_c(record->holder.uid)) : STR_NULL,
                .in_sync = record->in_sync,
                .has_in_sync = true,
                .from = record->from,
                .has_from = true,
                .cause = str_c(failover_cause_name(record->cause)),
                .loss = (int64_t)record->loss,
                .has_loss = true,
                .lost = (int64_t)record->lost,
                .has_lost = true,
                .request = (int64_t)record->request,
                .has_request = true,
                .consent = (int64_t)record->consent,
                .has_consent = true,
                .lineage = arena_str(a, str_c(record->lineage)),
        };
        return a->failed ? -ENOMEM : 0;
}

static struct str text_or_none(const char *text, struct arena *a)
{
        return text[0] ? arena_str(a, str_c(text)) : STR_NULL;
}

/* What cannot be read says nothing: the members are looked at as if none had said anything. */
static int take_report(struct str text, struct arena *a, struct lease_state *state)
{
        struct failover_report report;
        struct error err = ERROR_INIT;
        int r = text.data ? failover_report_read(text, &report, &err) : -EINVAL;

        if (r < 0)
                return r == -ENOMEM ? r : 0;
        state->has_outage_millis = report.outage_millis != FAILOVER_UNTOLD;
        state->has_outage_epoch = state->has_outage_millis;
        if (state->has_outage_millis) {
                state->outage_epoch = (int64_t)report.epoch;
                state->outage_millis = report.outage_millis;
        }
        state->members.items = arena_new_n(a, struct lease_state_members, FAILOVER_MEMBERS_MAX);
        if (!state->members.items)
                return -ENOMEM;
        for (int m = 0; m < FAILOVER_MEMBERS_MAX; m++)
                if (report.known & failover_only(m))
                        state->members.items[state->members.n++] = (struct lease_state_members){
                                .member = m,
                                .has_member = true,
                                .pod = arena_str(a, str_c(report.applied[m].pod)),
                                .config = arena_str(a, str_c(report.applied[m].config)),
                                .needs_restart = report.applied[m].needs_restart,
                                .has_needs_restart = true,
                                .refused = text_or_none(report.applied[m].refused.setting, a),
                                .words = arena_str(a, str_c(report.applied[m].refused.words)),
                                .lost_epoch = (int64_t)report.applied[m].lost.epoch,
                                .has_lost_epoch = report.applied[m].lost.epoch != 0,
                                .lost = (int64_t)report.applied[m].lost.bytes,
                                .has_lost = report.applied[m].lost.epoch != 0,
                                .lost_exact = report.applied[m].lost.exact,
                                .has_lost_exact = report.applied[m].lost.epoch != 0,
                                .lag = MAX(report.lag[m], 0),
                                .has_lag = report.lag[m] != FAILOVER_UNTOLD,
                        };
        return a->failed ? -ENOMEM : 0;
}

static int derive_lease(yyjson_val *json, struct arena *a, void *ret)
{
        struct lease_state *state = ret;
        yyjson_val *annotations = json_get_path(json, "/metadata/annotations");
        struct error err = ERROR_INIT;
        struct failover_record record;
        int r = failover_record_read(json_get_str(annotations, FAILOVER_ANNOTATION), &record, &err);

        if (r == 0)
                r = take_record(&record, a, state);
        if (r == 0)
                return take_report(json_get_str(annotations, FAILOVER_REPORT_ANNOTATION), a, state);
        if (r == -ENOMEM)
                return r;
        state->problem = arena_str(a, str_c(err.message));
        return a->failed ? -ENOMEM : 0;
}

const struct cache_kind redis_lease_kind = {
        .api = { .group = STR_INIT("coordination.k8s.io"),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("leases"),
                 .kind = STR_INIT("Lease"),
                 .namespaced = true },
        .schema = &lease_state_schema,
        .derive = derive_lease,
        .label_selector = COMMON_OURS,
        .steady = true,
};

static int derive_secret(yyjson_val *json, struct arena *a, void *ret)
{
        struct secret_state *state = ret;
        struct error err = ERROR_INIT;
        void *object;
        int r = schema_decode(&secret_state_schema, json, STR(""), SCHEMA_BORROW, a, &object, &err);

        if (r == 0)
                *state = *(struct secret_state *)object;
        return r == -ENOMEM ? r : 0;
}

const struct cache_kind redis_secret_kind = {
        .api = { .group = STR_INIT(""),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("secrets"),
                 .kind = STR_INIT("Secret"),
                 .namespaced = true },
        .schema = &secret_state_schema,
        .derive = derive_secret,
        .label_selector = STR_INIT("app.kubernetes.io/managed-by=keelson,app.kubernetes.io/name=redis"),
        .on_demand = true,
        .announced = true,
        .by_owner = true,
};

const struct cache_kind redis_claim_kind = {
        .api = { .group = STR_INIT(""),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("persistentvolumeclaims"),
                 .kind = STR_INIT("PersistentVolumeClaim"),
                 .namespaced = true },
        .schema = &claim_state_schema,
        /* What a StatefulSet gives its claims: the labels by which it finds its pods. */
        .label_selector = STR_INIT("app.kubernetes.io/name=redis"),
        .on_demand = true,
        .announced = true,
};

const struct cache_kind redis_role_kind = {
        .api = { .group = STR_INIT("rbac.authorization.k8s.io"),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("roles"),
                 .kind = STR_INIT("Role"),
                 .namespaced = true },
        .schema = &plain_state_schema,
        .label_selector = COMMON_OURS,
};

const struct cache_kind redis_rolebinding_kind = {
        .api = { .group = STR_INIT("rbac.authorization.k8s.io"),
                 .version = STR_INIT("v1"),
                 .plural = STR_INIT("rolebindings"),
                 .kind = STR_INIT("RoleBinding"),
                 .namespaced = true },
        .schema = &plain_state_schema,
        .label_selector = COMMON_OURS,
};

static const struct cache_kind *const children[] = {
        &common_serviceaccount_kind,
        &redis_role_kind,
        &redis_rolebinding_kind,
        &redis_secret_kind,
        &redis_lease_kind,
        &common_networkpolicy_kind,
        &common_poddisruptionbudget_kind,
        &common_service_kind,
        &redis_statefulset_kind,
};

static const struct observed observed[] = {
        { &environment_kind, OBSERVED_BY_NAMESPACE },
        { &redis_pod_kind, OBSERVED_BY_OWNER },
        { &redis_claim_kind, OBSERVED_BY_REFERENCE },
};

/* The volumes of the members that there may be. */
static size_t references(const struct object *self, struct arena *a, struct reference list[REFERENCES_MAX])
{
        const struct redis *redis = self->state;
        size_t n = 0;

        for (int i = 0; redis->spec && redis->spec->persistence && i < REDIS_MEMBERS_MAX; i++)
                list[n++] = (struct reference){ &redis_claim_kind,
                                                arena_printf(a, "data-%.*s-%d", STR_FMT(self->name), i) };
        return n;
}

const struct controller redis_controller = {
        .name = "redis",
        .kind = &redis_kind,
        .children = children,
        .n_children = ARRAY_SIZE(children),
        .observed = observed,
        .n_observed = ARRAY_SIZE(observed),
        .references = references,
        .reconcile = redis_reconcile,
};
