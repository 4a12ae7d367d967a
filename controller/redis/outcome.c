/* SPDX-License-Identifier: Apache-2.0
 *
 * Who leads, and what the last change of the lead has cost: in time, and in what is missing. Some
 * of it is known only later, from the report beside the record.
 */
#include "controller/redis/redis.h"

static bool is_counted(const struct lease_state *lease)
{
        return lease->loss == FAILOVER_LOSS_AT_LEAST || lease->loss == FAILOVER_LOSS_EXACT;
}

/* Behind what else is said. */
static struct str loss_text(const struct lease_state *lease, struct arena *a)
{
        if (lease->loss == FAILOVER_LOSS_EVERYTHING)
                return STR("; it began empty, so all data from before is gone");
        if (lease->loss == FAILOVER_LOSS_UNKNOWN)
                return lease->from >= 0 ? STR("; what is missing, if anything, is not known") : STR("");
        if (lease->lost == 0)
                return STR("");
        return arena_printf(a, "; %s%lld bytes that the last primary had are missing",
                            lease->loss == FAILOVER_LOSS_EXACT ? "" : "at least ", (long long)lease->lost);
}

static void tell_failover(const struct redis_situation *now, struct plan *plan)
{
        const struct lease_state *lease = now->lease;

        plan_event(plan, lease->loss == FAILOVER_LOSS_EVERYTHING || (is_counted(lease) && lease->lost > 0),
                   STR("PrimaryChanged"),
                   arena_printf(plan->arena, "%.*s leads, in epoch %lld; cause: %.*s%.*s",
                                STR_FMT(now->members[now->leader].name), (long long)lease->epoch,
                                STR_FMT(lease->cause), STR_FMT(loss_text(lease, plan->arena))));
}

/* Absent, where nobody can tell how much is missing. */
static void fill_loss(const struct lease_state *lease, struct redis_status_last_failover *last)
{
        last->loss = str_c(failover_loss_name((enum failover_loss)lease->loss));
        last->has_lost_bytes = is_counted(lease);
        last->lost_bytes = last->has_lost_bytes ? lease->lost : 0;
}

/* What members had that the new leader did not, which they say when they are back: once known it
 * stays, for the next pod of that name says nothing. */
static void raise_loss(const struct lease_state *lease, struct redis_status_last_failover *last)
{
        static const struct str final[] = { STR_INIT("Exact"), STR_INIT("Everything") };

        for (size_t i = 0; i < lease->members.n; i++) {
                const struct lease_state_members *m = &lease->members.items[i];
                bool exact = m->lost_exact && m->member == lease->from;

                if (!m->has_lost_epoch || m->lost_epoch != lease->epoch ||
                    str_is_one_of(last->loss, final, ARRAY_SIZE(final)))
                        continue;
                last->lost_bytes = last->has_lost_bytes ? MAX(last->lost_bytes, m->lost) : m->lost;
                last->has_lost_bytes = true;
                last->loss = exact ? STR("Exact") : STR("AtLeast");
        }
}

/* What is known only later. */
static void fill_report(const struct lease_state *lease, struct redis_status *status, struct arena *a)
{
        struct redis_status_last_failover *last;

        if (!status->last_failover)
                return;
        last = arena_new(a, struct redis_status_last_failover);
        if (!last)
                return;
        *last = *status->last_failover;
        if (lease->has_outage_millis && lease->outage_epoch == lease->epoch) {
                last->duration_millis = lease->outage_millis;
                last->has_duration_millis = true;
        }
        raise_loss(lease, last);
        status->last_failover = last;
}

/* A new epoch that has a leader: the lead has changed, or was taken again. */
void redis_fill_failover(const struct view *view, const struct redis_situation *now,
                         const struct redis_status *before, struct redis_status *status, struct plan *plan)
{
        struct redis_status_last_failover *last;
        char stamp[CLOCK_RFC3339_MAX];

        status->last_failover = before ? before->last_failover : NULL;
        status->epoch = before && before->has_epoch ? before->epoch : 0;
        status->has_epoch = true;
        status->bootstrapped = now->bootstrapped;
        status->has_bootstrapped = true;
        /* The epoch of a leader is only told with it, lest a change be missed. */
        if (now->leader == FAILOVER_NOBODY)
                return;
        status->primary = now->members[now->leader].name;
        status->epoch = now->lease->epoch;
        if (before && before->has_epoch && before->epoch == now->lease->epoch) {
                fill_report(now->lease, status, plan->arena);
                return;
        }
        last = arena_new(plan->arena, struct redis_status_last_failover);
        if (!last)
                return;
        clock_format(view->wall, false, stamp);
        *last = (struct redis_status_last_failover){
                .from = now->lease->from >= 0 && (size_t)now->lease->from < now->n
                                ? now->members[now->lease->from].name
                                : STR_NULL,
                .to = status->primary,
                .cause = now->lease->cause,
                .time = arena_str(plan->arena, str_c(stamp)),
        };
        fill_loss(now->lease, last);
        status->last_failover = last;
        fill_report(now->lease, status, plan->arena);
        tell_failover(now, plan);
}
