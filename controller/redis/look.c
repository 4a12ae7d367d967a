/* SPDX-License-Identifier: Apache-2.0
 *
 * How it is: what the Lease says, and what there is of each member.
 */
#include "controller/redis/redis.h"

/* RET_SINCE: wall time; 0 where it is not told. */
static bool is_ready(const struct member_state *pod, usec_t *ret_since)
{
        *ret_since = 0;
        for (size_t i = 0; pod->status && i < pod->status->conditions.n; i++) {
                const struct member_state_status_conditions *c = &pod->status->conditions.items[i];

                if (!str_eq(c->type, STR("Ready")))
                        continue;
                if (c->last_transition_time.data && clock_parse(c->last_transition_time, ret_since) < 0)
                        *ret_since = 0;
                return str_eq(c->status, STR("True"));
        }
        return false;
}

static struct str joined(struct str reason, struct str message, struct arena *a)
{
        return message.data ? arena_join(a, reason, STR(": "), message) : reason;
}

/* What keeps it from starting, as the node or the scheduler says. */
static struct str trouble_of(const struct member_state *pod, struct arena *a)
{
        const struct member_state_status *s = pod->status;

        for (size_t i = 0; s && i < s->init_container_statuses.n; i++) {
                const struct member_state_status_init_container_statuses_state *state =
                        s->init_container_statuses.items[i].state;

                if (state && state->waiting && !str_eq(state->waiting->reason, STR("PodInitializing")))
                        return joined(state->waiting->reason, state->waiting->message, a);
        }
        for (size_t i = 0; s && i < s->container_statuses.n; i++) {
                const struct member_state_status_container_statuses_state *state =
                        s->container_statuses.items[i].state;

                if (state && state->waiting && !str_eq(state->waiting->reason, STR("PodInitializing")) &&
                    !str_eq(state->waiting->reason, STR("ContainerCreating")))
                        return joined(state->waiting->reason, state->waiting->message, a);
        }
        for (size_t i = 0; s && i < s->conditions.n; i++)
                if (str_eq(s->conditions.items[i].type, STR("PodScheduled")) &&
                    str_eq(s->conditions.items[i].status, STR("False")))
                        return s->conditions.items[i].message;
        return STR_NULL;
}

/* What the leader says of it in the Lease. */
static void take_word(const struct lease_state *lease, int i, struct str config, struct redis_member *m)
{
        for (size_t k = 0; lease && k < lease->members.n; k++) {
                const struct lease_state_members *word = &lease->members.items[k];

                if (word->member != i || !object_has_uid(m->pod, word->pod))
                        continue;
                m->applied = !str_empty(config) && str_eq(word->config, config);
                m->stale |= m->applied && word->needs_restart;
                if (m->applied) {
                        m->refused = word->refused;
                        m->words = word->words;
                }
                m->has_lag = word->has_lag;
                m->lag = word->lag;
        }
}

static void look_at(const struct view *view, int i, struct str revision, struct str config,
                    struct redis_situation *s, struct arena *a)
{
        struct redis_member *m = &s->members[i];
        const struct member_state *pod;

        m->name = arena_printf(a, "%.*s-%d", STR_FMT(view->self->name), i);
        m->pod = view_lookup(view, &redis_pod_kind, m->name);
        m->in_sync = s->in_sync & failover_only(i);
        if (!m->pod)
                return;
        pod = m->pod->state;
        m->ready = is_ready(pod, &m->ready_since);
        m->unready_since = m->ready ? 0 : m->ready_since;
        m->ready &= !m->pod->deleting;
        m->stale = !pod->metadata ||
                   !str_eq(schema_map_get(&pod->metadata->labels, STR("keelson.dev/revision")), revision);
        take_word(s->lease, i, config, m);
        if (!m->ready)
                m->trouble = trouble_of(pod, a);
}

/* The holder is one life of one pod: another pod of that name does not lead. */
static int leader_of(const struct redis_situation *s)
{
        const struct lease_state *lease = s->lease;
        const struct object *pod;

        if (!lease || lease->holder < 0 || (size_t)lease->holder >= s->n)
                return FAILOVER_NOBODY;
        pod = s->members[lease->holder].pod;
        return pod && object_has_uid(pod, lease->holder_uid) ? (int)lease->holder : FAILOVER_NOBODY;
}

/* A StatefulSet that was deleted without its pods had so many, or more that do not count any more. */
static int64_t pods_there(const struct view *view, struct arena *a)
{
        for (int i = REDIS_MEMBERS_MAX; i > 0; i--)
                if (view_lookup(view, &redis_pod_kind,
                                arena_printf(a, "%.*s-%d", STR_FMT(view->self->name), i - 1)))
                        return i;
        return 0;
}

void redis_observe(const struct view *view, const struct redis_settings *settings, struct str revision,
                   struct str config, struct arena *a, struct redis_situation *ret)
{
        const struct redis *self = view->self->state;
        const struct object *lease = view_child(view, &redis_lease_kind, view->self->name);
        const struct object *set = view_child(view, &redis_statefulset_kind, view->self->name);
        struct redis_situation s = { .lease_there = lease != NULL, .leader = FAILOVER_NOBODY };

        if (lease)
                s.lease_problem = ((const struct lease_state *)lease->state)->problem;
        if (lease && !s.lease_problem.data)
                s.lease = lease->state;
        if (set) {
                s.set = set->state;
                s.set_seen = s.set->status && s.set->status->observed_generation >= set->generation;
                s.replicas = s.set->spec ? s.set->spec->replicas : 0;
        } else {
                s.replicas = pods_there(view, a);
        }
        /* Before anybody led, the record names all that may. */
        s.in_sync = s.lease && !str_empty(s.lease->lineage) ? (failover_set)s.lease->in_sync : 0;
        s.bootstrapped =
                (s.lease && !str_empty(s.lease->lineage)) || (self->status && self->status->bootstrapped);
        s.n = (size_t)MIN(MAX(settings->replicas, s.replicas), FAILOVER_MEMBERS_MAX);
        for (size_t i = 0; i < s.n; i++)
                look_at(view, (int)i, revision, config, &s, a);
        s.leader = leader_of(&s);
        *ret = s;
}

void redis_observe_volumes(const struct view *view, const struct redis_settings *settings, struct plan *plan,
                           struct redis_situation *now)
{
        now->claims_known = true;
        for (size_t i = 0; settings->spec->persistence && i < now->n; i++) {
                struct redis_member *m = &now->members[i];
                struct str name = arena_join(plan->arena, STR("data-"), m->name);

                now->claims_known &= name.data &&
                                     view_read(view, plan, &redis_claim_kind, name, REDIS_CLAIM_AGE,
                                               &m->claim) != READING_UNKNOWN &&
                                     !(m->claim && cache_is_outdated(view->cache, m->claim));
                m->doomed = m->pod && m->claim && m->claim->deleting;
                /* Better now than when its node ends the pod: it copies the data anew, if another has them. */
                m->stale |= m->doomed && now->n > 1;
        }
}
