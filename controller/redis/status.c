/* SPDX-License-Identifier: Apache-2.0
 *
 * How a Redis fares, from what is observed and nothing else.
 *
 *      Stalled      something must be changed by a person before this goes on
 *      Reconciling  on the way, and it will go on by itself
 *      Ready        the spec is what runs, and all members are there and in sync
 *      Available    a primary takes writes
 *      Redundant    each member could take over
 */
#include <errno.h>

#include "controller/redis/redis.h"
#include "manager/condition.h"

/* With no primary for so long, the members may need a person's word. */
#define CONSENT_AFTER (2 * USEC_MINUTE)

enum phase { STALLED, RECONCILING, READY };

struct verdict {
        enum phase phase;
        struct str reason, message;
};

static struct verdict stalled(struct str reason, struct str message)
{
        return (struct verdict){ STALLED, reason, message };
}

static struct verdict reconciling(struct str reason, struct str message)
{
        return (struct verdict){ RECONCILING, reason, message };
}

/* Mostly for a moment. Where a quota or a policy refuses it, only the StatefulSet is told. */
static struct verdict missing(const struct view *view, struct str reason, const struct redis_member *m,
                              struct arena *a)
{
        return reconciling(
                reason,
                arena_printf(a,
                             "there is no pod %.*s yet; if it stays so, events tell why: kubectl -n "
                             "%.*s describe statefulset %.*s",
                             STR_FMT(m->name), STR_FMT(view->self->namespace), STR_FMT(view->self->name)));
}

/* --- the verdict ------------------------------------------------------------------------- */

/* Since when there is no primary, wall time; 0: there is, or it is not known. */
static usec_t unavailable_since(const struct redis_status *before)
{
        usec_t since;

        for (size_t i = 0; before && i < before->conditions.n; i++) {
                const struct schema_condition *c = &before->conditions.items[i];

                if (str_eq(c->type, STR("Available")) && str_eq(c->status, STR("False")) &&
                    clock_parse(c->last_transition_time, &since) == 0)
                        return since;
        }
        return 0;
}

/* The first leader of all, if there is one, was not seen yet: nothing can be missing. */
static bool has_ever_led(const struct view *view, const struct redis_situation *now)
{
        const struct redis *self = view->self->state;

        return now->bootstrapped && !(now->lease && str_eq(now->lease->cause, STR("Bootstrap")) &&
                                      !(self->status && self->status->last_failover));
}

static struct verdict judge_first_start(const struct view *view, const struct redis_situation *now,
                                        bool long_ago, struct plan *plan)
{
        if (!long_ago) {
                plan_wake(plan, view->now + CONSENT_AFTER);
                return reconciling(STR("NoPrimary"), STR("the members are starting"));
        }
        return reconciling(STR("NoPrimary"),
                           arena_printf(plan->arena,
                                        "the members have been starting for two minutes and more; the events "
                                        "and the log of their pods tell what they wait for: kubectl -n %.*s "
                                        "describe pod %.*s",
                                        STR_FMT(view->self->namespace), STR_FMT(now->members[0].name)));
}

/* Nobody leads. Mostly that is over in seconds; where it is not, it may be for a person to say
 * that what is there is all there is. */
static struct verdict judge_no_primary(const struct view *view, const struct redis_outlook *o,
                                       struct plan *plan)
{
        const struct redis_situation *now = o->now;
        const struct redis *self = view->self->state;
        usec_t since = unavailable_since(self->status);
        bool long_ago = since && view->wall - since >= CONSENT_AFTER, led = has_ever_led(view, now);

        for (size_t i = 0; i < now->n; i++)
                if (now->members[i].trouble.data)
                        return reconciling(STR("MemberNotStarting"),
                                           arena_printf(plan->arena, "%.*s does not start: %.*s",
                                                        STR_FMT(now->members[i].name),
                                                        STR_FMT(now->members[i].trouble)));
        if (o->decision->intent.lease_gone)
                return reconciling(
                        STR("LeaseGone"),
                        STR("somebody deleted the Lease, and no leader has made it again; the operator is "
                            "going to, and all members must be there then for one to lead"));
        for (size_t i = 0; i < now->n && !(led && long_ago); i++)
                if (now->set_seen && !now->members[i].pod)
                        return missing(view, STR("NoPrimary"), &now->members[i], plan->arena);
        if (!led)
                return judge_first_start(view, now, long_ago, plan);
        if (!long_ago) {
                plan_wake(plan, view->now + CONSENT_AFTER);
                return reconciling(STR("NoPrimary"), STR("the members are choosing a primary"));
        }
        return stalled(
                STR("NeedsConsent"),
                arena_printf(plan->arena,
                             "no member may lead, since those that could have the newest data are not all "
                             "there; bring them back, or, if that data is lost for good, choose one with "
                             "kubectl annotate redis %.*s keelson.dev/promote=%.*s-0",
                             STR_FMT(view->self->name), STR_FMT(view->self->name)));
}

/* A primary goes on without, as long as all others promise it not to lead; we cannot see that. */
static struct verdict judge_unreadable(const struct view *view, const struct redis_outlook *o,
                                       struct plan *plan)
{
        return stalled(
                STR("LeaseUnreadable"),
                arena_printf(plan->arena,
                             "somebody has edited the Lease of the members (%.*s), so none of them can "
                             "take over; delete it, and the primary makes it again as it was: kubectl "
                             "-n %.*s delete lease %.*s",
                             STR_FMT(o->now->lease_problem), STR_FMT(view->self->namespace),
                             STR_FMT(view->self->name)));
}

/* The Lease names one that was cut off or lost, and no other one may lead, or it would. */
static bool is_primary_lost(const struct view *view, const struct redis_situation *now)
{
        const struct redis_member *m;

        if (now->leader == FAILOVER_NOBODY)
                return false;
        m = &now->members[now->leader];
        return m->unready_since && view->wall - m->unready_since >= CONSENT_AFTER;
}

static struct verdict judge_lost_primary(const struct view *view, const struct redis_situation *now,
                                         struct arena *a)
{
        struct str name = now->members[now->leader].name;

        return stalled(
                STR("NeedsConsent"),
                arena_printf(a,
                             "%.*s, the primary, has not been ready for two minutes, and no other member has "
                             "all that it has; bring it back, with its node, or, if it is gone for good, "
                             "choose one with kubectl annotate redis %.*s keelson.dev/promote=%.*s-N",
                             STR_FMT(name), STR_FMT(view->self->name), STR_FMT(view->self->name)));
}

static struct verdict judge_last_copy(const struct view *view, const struct redis_situation *now,
                                      struct arena *a)
{
        return stalled(
                STR("VolumeDeleted"),
                arena_printf(a,
                             "somebody deleted the claim data-%.*s, which goes with its pod, and nobody "
                             "else has what is on it; have a second member before anything ends that "
                             "pod: kubectl -n %.*s scale redis %.*s --replicas=2",
                             STR_FMT(now->members[0].name), STR_FMT(view->self->namespace),
                             STR_FMT(view->self->name)));
}

/* What of the spec NAME is, as agents call it: a line of redis.conf, or "user NAME". */
static struct str field_of(const struct redis_settings *s, struct str name, struct arena *a)
{
        if (str_eq(name, STR("redis.config"))) /* none of it, and which one it is cannot be told */
                return STR("spec.config");
        if (schema_map_get(&s->spec->config, name).data)
                return arena_join(a, STR("spec.config."), name);
        return arena_join(a, name, STR(", which follows from the spec"));
}

/* The first that refuses something: mostly all do. */
static const struct redis_member *refusing(const struct redis_situation *now)
{
        for (size_t i = 0; i < now->n; i++)
                if (now->members[i].refused.data)
                        return &now->members[i];
        return NULL;
}

static struct verdict judge_refused(const struct redis_settings *s, const struct redis_member *m,
                                    struct arena *a)
{
        return stalled(STR("ConfigRefused"),
                       arena_printf(a,
                                    "the server of %.*s does not take %.*s: %.*s; change it, or leave it "
                                    "out; all else is in force",
                                    STR_FMT(m->name), STR_FMT(field_of(s, m->refused, a)),
                                    STR_FMT(m->words)));
}

/* All is as it should be, but for what is not there any more. */
static struct verdict judge_emptied(const struct redis_outlook *o, struct arena *a)
{
        const struct redis_situation *now = o->now;

        return (struct verdict){
                READY, STR("DataLost"),
                arena_printf(
                        a,
                        "%.*s leads, and all %zu members are in sync, but in epoch %lld all began empty: "
                        "none had outlived the others, and %s; all data from before is gone",
                        STR_FMT(now->members[now->leader].name), now->n, (long long)now->lease->epoch,
                        o->settings->durable
                                ? "nothing was on their volumes"
                                : "without spec.persistence data is in memory alone; to keep it over "
                                  "that, make a Redis with volumes, and with three members")
        };
}

static struct verdict judge_members(const struct view *view, const struct redis_outlook *o, struct arena *a)
{
        const struct redis_situation *now = o->now;

        for (size_t i = 0; i < now->n; i++) {
                const struct redis_member *m = &now->members[i];

                if (!m->pod)
                        return missing(view, STR("MemberNotReady"), m, a);
                if (!m->ready)
                        return m->trouble.data
                                       ? reconciling(STR("MemberNotStarting"),
                                                     arena_printf(a, "%.*s does not start: %.*s",
                                                                  STR_FMT(m->name), STR_FMT(m->trouble)))
                                       : reconciling(STR("MemberNotReady"),
                                                     arena_printf(
                                                             a,
                                                             "%.*s is not ready; its events and its log "
                                                             "tell why: kubectl -n %.*s describe pod %.*s",
                                                             STR_FMT(m->name), STR_FMT(view->self->namespace),
                                                             STR_FMT(m->name)));
                if (!m->in_sync)
                        return reconciling(STR("MemberNotInSync"),
                                           arena_printf(a, "%.*s is copying the data, or is too far behind",
                                                        STR_FMT(m->name)));
        }
        if (now->lease->loss == FAILOVER_LOSS_EVERYTHING)
                return judge_emptied(o, a);
        if (now->n == 1)
                return (struct verdict){ READY, STR("Ready"),
                                         arena_printf(a, "%.*s leads, the only member",
                                                      STR_FMT(now->members[now->leader].name)) };
        return (struct verdict){ READY, STR("Ready"),
                                 arena_printf(a, "%.*s leads, and all %zu members are in sync",
                                              STR_FMT(now->members[now->leader].name), now->n) };
}

static struct str fenced_names(const struct redis_outlook *o, struct arena *a)
{
        struct str names = STR("");

        for (size_t i = 0; i < o->now->n; i++)
                if (o->decision->intent.fenced & failover_only((int)i))
                        names = arena_join(a, names, names.len ? STR(", ") : STR(""),
                                           o->now->members[i].name);
        return names;
}

/* The API server takes no larger claims. All else goes on, and is told first. */
static bool volumes_refused(const struct failure *f)
{
        return f->permanent && str_starts(f->message, redis_claim_kind.api.kind);
}

static struct verdict judge_volumes(const struct failure *f, struct arena *a)
{
        return stalled(
                STR("VolumesCannotGrow"),
                arena_printf(a,
                             "spec.persistence.size: the volumes cannot grow, and are used as they are: "
                             "%.*s; let the StorageClass allow it (allowVolumeExpansion: true), else "
                             "move to another Redis with larger volumes",
                             STR_FMT(f->message)));
}

/* What a person has asked for goes before what follows from it. */
static struct verdict judge_cluster(const struct view *view, const struct redis_outlook *o, struct plan *plan)
{
        const struct redis_member *refuser;

        if (o->decision->unknown.data)
                return stalled(
                        STR("AnnotationRefused"),
                        arena_printf(plan->arena,
                                     "the annotation keelson.dev/fence has \"%.*s\", which is no member; "
                                     "name members, such as %.*s-0, or take it away",
                                     (int)MIN(o->decision->unknown.len, 64), o->decision->unknown.data,
                                     STR_FMT(view->self->name)));
        if (o->decision->intent.fenced)
                return stalled(
                        STR("Fenced"),
                        arena_printf(
                                plan->arena,
                                "%.*s: fenced by the annotation keelson.dev/fence; take it away when they are "
                                "to run again",
                                STR_FMT(fenced_names(o, plan->arena))));
        if (o->now->lease_problem.data)
                return judge_unreadable(view, o, plan);
        if (o->now->leader == FAILOVER_NOBODY)
                return judge_no_primary(view, o, plan);
        if (is_primary_lost(view, o->now))
                return judge_lost_primary(view, o->now, plan->arena);
        if (o->now->members[o->now->leader].unready_since)
                plan_wake(plan, view->now + CONSENT_AFTER);
        if (o->decision->last_copy)
                return judge_last_copy(view, o->now, plan->arena);
        refuser = refusing(o->now);
        if (refuser)
                return judge_refused(o->settings, refuser, plan->arena);
        if (volumes_refused(&view->failure))
                return judge_volumes(&view->failure, plan->arena);
        if (o->decision->reason.data)
                return reconciling(o->decision->reason, o->decision->message);
        return judge_members(view, o, plan->arena);
}

static struct verdict judge(const struct view *view, const struct redis_outlook *o, struct plan *plan)
{
        const struct redis *self = view->self->state;
        const struct failure *f = &view->failure;
        const struct effect *pending = view_pending(view, plan);
        struct verdict v;

        if (!self->spec)
                return stalled(STR("InvalidSpec"), str_c(object_invalid(view->self)));
        if (o->problems)
                return stalled(STR("InvalidSpec"), problems_text(o->problems));
        if (volumes_refused(f) && !o->now)
                return judge_volumes(f, plan->arena);
        if (f->reason.data && !volumes_refused(f))
                return f->permanent ? stalled(f->reason, f->message) : reconciling(f->reason, f->message);
        if (!view->image.data)
                return stalled(
                        STR("ImageUnknown"),
                        STR("the operator does not know its own image, from which the members' agent comes; "
                            "set KEELSON_IMAGE in its Deployment"));
        v = judge_cluster(view, o, plan);
        if (o->decision->paused) {
                v.reason = STR("Paused");
                v.message = STR("the annotation keelson.dev/pause keeps the operator from changing anything");
                return v.phase == READY ? v : stalled(v.reason, v.message);
        }
        if (pending)
                return reconciling(STR("Applying"),
                                   arena_printf(plan->arena, "the %.*s is being brought to the spec",
                                                STR_FMT(pending->kind->api.kind)));
        return v;
}

/* --- conditions ---------------------------------------------------------------------------- */

static void put_available(struct condition_set *set, const struct view *view,
                          const struct redis_situation *now, struct arena *a)
{
        const struct redis_member *m;

        if (now->lease_problem.data) {
                condition_put(set, STR("Available"), CONDITION_UNKNOWN, STR("LeaseUnreadable"),
                              STR("who takes writes cannot be told, for the Lease cannot be read"));
                return;
        }
        if (now->leader == FAILOVER_NOBODY) {
                condition_put(set, STR("Available"), CONDITION_FALSE, STR("NoPrimary"),
                              now->bootstrapped ? STR("no member takes writes")
                                                : STR("no member has ever led"));
                return;
        }
        m = &now->members[now->leader];
        if (is_primary_lost(view, now)) {
                condition_put(set, STR("Available"), CONDITION_FALSE, STR("PrimaryLost"),
                              arena_printf(a, "%.*s is the primary, and has not been ready for two minutes",
                                           STR_FMT(m->name)));
                return;
        }
        condition_put(set, STR("Available"), CONDITION_TRUE, STR("PrimaryElected"),
                      arena_printf(a, "%.*s takes writes", STR_FMT(m->name)));
}

static void put_redundant(struct condition_set *set, const struct redis_outlook *o, struct arena *a)
{
        const struct redis_situation *now = o->now;
        int in_sync = __builtin_popcount(now->in_sync);
        int64_t wanted = o->settings->replicas;

        if (wanted == 1)
                condition_put(set, STR("Redundant"), CONDITION_FALSE, STR("SingleMember"),
                              STR("spec.replicas is 1, so nobody takes over; have three"));
        else if (now->leader != FAILOVER_NOBODY && in_sync >= wanted)
                condition_put(set, STR("Redundant"), CONDITION_TRUE, STR("AllInSync"),
                              STR("each member could take over without losing what was acknowledged"));
        else
                condition_put(
                        set, STR("Redundant"), CONDITION_FALSE, STR("MembersOutOfSync"),
                        arena_printf(a, "%d of %lld members could take over", in_sync, (long long)wanted));
}

/* Where nothing can be said of the members, what was said stays. */
static void keep(struct condition_set *set, const struct redis_status *before, struct str type)
{
        for (size_t i = 0; before && i < before->conditions.n; i++) {
                const struct schema_condition *c = &before->conditions.items[i];

                if (str_eq(c->type, type)) {
                        condition_put(set, type,
                                      str_eq(c->status, STR("True")) ? CONDITION_TRUE : CONDITION_FALSE,
                                      c->reason, c->message);
                        return;
                }
        }
        condition_put(set, type, CONDITION_UNKNOWN, STR("NotLookedAt"),
                      STR("the members were not looked at yet"));
}

static void put_conditions(struct condition_set *set, const struct view *view, const struct verdict *v,
                           const struct redis_outlook *o, const struct redis_status *before, struct arena *a)
{
        condition_put(set, STR("Ready"), v->phase == READY ? CONDITION_TRUE : CONDITION_FALSE, v->reason,
                      v->message);
        if (o->now) {
                put_available(set, view, o->now, a);
                put_redundant(set, o, a);
        } else {
                keep(set, before, STR("Available"));
                keep(set, before, STR("Redundant"));
        }
        condition_put_if(set, STR("Reconciling"), v->phase == RECONCILING, v->reason, v->message,
                         CONDITION_NOT_RECONCILING);
        condition_put_if(set, STR("Stalled"), v->phase == STALLED, v->reason, v->message,
                         CONDITION_NOT_STALLED);
}

/* --- members ------------------------------------------------------------------------------- */

static struct str role_of(const struct redis_outlook *o, size_t i)
{
        if (o->decision && (o->decision->intent.fenced & failover_only((int)i)))
                return STR("Fenced");
        if (!o->now->members[i].pod)
                return STR("Absent");
        return (int)i == o->now->leader ? STR("Primary") : STR("Replica");
}

static int fill_members(const struct redis_outlook *o, struct redis_status *status, struct arena *a)
{
        const struct redis_situation *now = o->now;

        status->members.items = arena_new_n(a, struct redis_status_members, now->n);
        status->in_sync.items = arena_new_n(a, struct str, now->n);
        if (!status->members.items || !status->in_sync.items)
                return -ENOMEM;
        for (size_t i = 0; i < now->n; i++) {
                const struct redis_member *m = &now->members[i];

                status->members.items[i] = (struct redis_status_members){
                        .name = m->name,
                        .role = role_of(o, i),
                        .in_sync = m->in_sync,
                        .ready = m->ready,
                        .current = m->pod && !m->stale,
                        .has_current = true,
                        .lag = m->lag,
                        .has_lag = m->has_lag,
                };
                if (m->in_sync)
                        status->in_sync.items[status->in_sync.n++] = m->name;
                status->ready_replicas += m->ready;
                status->replicas += m->pod != NULL;
        }
        status->members.n = now->n;
        status->has_replicas = status->has_ready_replicas = true;
        return 0;
}

/* What all run: known when none is stale, and then until all are something else. */
static void fill_version(const struct redis_outlook *o, const struct redis_status *before,
                         struct redis_status *status)
{
        bool current = o->now->n > 0;

        for (size_t i = 0; i < o->now->n; i++)
                current &= o->now->members[i].ready && !o->now->members[i].stale;
        if (current) {
                status->version = o->settings->spec->version;
                status->image = o->settings->image;
        } else if (before) {
                status->version = before->version;
                status->image = before->image;
        }
}

/* --- the whole -------------------------------------------------------------------------------- */

static void keep_all(const struct redis_status *before, struct redis_status *status)
{
        struct redis_status kept;

        if (!before)
                return;
        kept = *before;
        kept.observed_generation = status->observed_generation;
        kept.has_observed_generation = true;
        kept.conditions = status->conditions;
        *status = kept;
}

static int fill(const struct view *view, const struct redis_outlook *o, const struct redis_status *before,
                struct redis_status *status, struct plan *plan)
{
        struct redis_settings *settings = (struct redis_settings *)(uintptr_t)o->settings;

        status->desired_replicas = settings->replicas;
        status->has_desired_replicas = true;
        status->secret = arena_join(plan->arena, view->self->name, STR(REDIS_APP_SUFFIX));
        status->profile = settings->profile;
        status->effective.items = settings->effective;
        status->effective.n = settings->n_effective;
        fill_version(o, before, status);
        redis_fill_failover(view, o->now, before, status, plan);
        return fill_members(o, status, plan->arena);
}

/* An event where the verdict turned, not while it stays. */
static void tell(const struct view *view, struct plan *plan, const struct redis_status *before,
                 const struct verdict *v)
{
        if (!condition_turned(before ? &before->conditions : NULL, STR("Ready"), v->reason))
                return;
        if (v->phase == STALLED)
                plan_event(plan, true, v->reason, v->message);
        else if (v->phase == READY || view->report_only)
                plan_event(plan, v->phase != READY || !str_eq(v->reason, STR("Ready")), v->reason,
                           v->message);
}

int redis_report(const struct view *view, const struct redis_outlook *o, struct plan *plan)
{
        const struct redis *self = view->self->state;
        const struct redis_status *before = self->status;
        struct verdict verdict = judge(view, o, plan);
        struct redis_status status = { .observed_generation = view->self->generation,
                                       .has_observed_generation = true };
        struct condition_set set;
        int r = 0;

        condition_begin(&set, plan->arena, before ? &before->conditions : NULL, view->self->generation,
                        view->wall);
        put_conditions(&set, view, &verdict, o, before, plan->arena);
        status.conditions.items = set.items;
        status.conditions.n = set.n;
        if (o->settings && o->now)
                r = fill(view, o, before, &status, plan);
        else
                keep_all(before, &status);
        if (r < 0)
                return r;
        plan_status_of(plan, &redis_status_schema, &status, before);
        tell(view, plan, before, &verdict);
        return plan->error;
}
