/* SPDX-License-Identifier: Apache-2.0
 *
 * What to tell the agents, and which pod to replace now. All of it follows from what
 * is there (the Secrets, the Lease, the pods), so that a crash between any two writes
 * only means to come here again.
 *
 *      a password   adding: the new one is valid beside the old one, and nobody is told
 *                   dropping: applications are told the new one; the old one is still valid
 *      a Lease      that somebody deleted: a leader that is well makes it again. If none does,
 *                   we do, and then all members must answer before one may lead
 *      a size       up: at once. Down: the lead leaves the members that go, they leave the
 *                   set, and then the pods go
 *      a template   replicas first, one at a time, each when all others are in the set;
 *                   then the lead is handed over, and the former leader comes last
 */
#include <errno.h>

#include "controller/redis/redis.h"

#define ADDING_LOOK (USEC_MINUTE)   /* while not all members have said that they have it */
#define ADDING (10 * USEC_MINUTE)   /* then it goes on, for one that does not say may be an old agent */
#define DROPPING (10 * USEC_MINUTE) /* in which applications have been told */
#define LEASE_GONE (30 * USEC_SEC)  /* in which a leader would have made it again, or 4 L */
#define PASSWORD_MAX 512
#define ASK_AGAIN (30 * USEC_SEC)    /* for a hand-over that did not come about */
#define ROUTES_SETTLE (3 * USEC_SEC) /* after a member has become ready; its time is in whole seconds */

struct deciding {
        const struct view *view;
        const struct redis_settings *settings;
        const struct redis_situation *now;
        const struct redis_secrets *secrets;
        const struct redis_wishes *wishes;
        struct arena *a;
        struct redis_decision *ret;
};

static void wake_after(struct deciding *d, usec_t pause)
{
        d->ret->wake = MIN(d->ret->wake, d->view->now + MAX(pause, USEC_SEC));
}

/* The first that is on its way is told. */
static void say(struct deciding *d, struct str reason, struct str message)
{
        if (d->ret->reason.data)
                return;
        d->ret->reason = reason;
        d->ret->message = message;
}

static void say_event(struct deciding *d, bool warning, struct str reason, struct str message)
{
        struct redis_decision *r = d->ret;

        if (r->n_events < REDIS_EVENTS_MAX)
                r->events[r->n_events++] = (struct redis_event){ warning, reason, message };
}

/* --- what people ask for ---------------------------------------------------------------- */

/* "sessions-2" or "2"; -1 for what is no member. */
static int member_of(const struct deciding *d, struct str text)
{
        struct str name = d->view->self->name;
        int64_t n;

        if (text.len > name.len && str_starts(text, name) && text.data[name.len] == '-')
                text = str_n(text.data + name.len + 1, text.len - name.len - 1);
        if (str_to_int64(text, &n) < 0 || n < 0 || n >= (int64_t)d->now->n)
                return -1;
        return (int)n;
}

static void decide_fence(struct deciding *d)
{
        struct str one, rest = d->wishes->fence;
        failover_set set = 0;

        if (str_empty(rest)) {
                d->ret->intent.fenced = 0;
                return;
        }
        do {
                bool more = str_cut(rest, ',', &one, &rest);
                int member = member_of(d, str_trim(one));

                if (str_eq(str_trim(one), STR("*")))
                        set |= failover_first((int64_t)d->now->n);
                else if (member < 0 && !str_empty(str_trim(one)))
                        d->ret->unknown = str_trim(one);
                set |= failover_only(member);
                if (!more)
                        break;
        } while (true);
        d->ret->intent.fenced = set;
}

/* Is WISH another one than that which was dealt with? What is gone is forgotten, so that the
 * same may be asked for again. */
static bool is_new(struct str wish, struct str *done)
{
        if (str_empty(wish)) {
                *done = STR_NULL;
                return false;
        }
        if (str_eq(wish, *done))
                return false;
        *done = wish;
        return true;
}

static void ask_for_handover(struct deciding *d, int to)
{
        struct redis_intent *i = &d->ret->intent;

        i->handover = MAX(i->handover, d->now->lease ? d->now->lease->request : 0) + 1;
        i->handover_to = to;
        i->asked = d->view->wall;
        say_event(d, false, STR("HandoverRequested"),
                  to == FAILOVER_NOBODY ? STR("the lead is to be handed over to the best replica")
                                        : arena_printf(d->a, "the lead is to be handed over to %.*s%s",
                                                       STR_FMT(d->now->members[to].name),
                                                       to == d->now->leader ? ", which has it already" : ""));
}

static void refuse_wish(struct deciding *d, const char *annotation, struct str wish)
{
        say_event(d, true, STR("AnnotationRefused"),
                  arena_printf(
                          d->a,
                          "the annotation keelson.dev/%s is \"%.*s\", which is no member; name one, such as "
                          "%.*s-0",
                          annotation, (int)MIN(wish.len, 64), wish.data, STR_FMT(d->view->self->name)));
}

/* A leader that is well has used the word up before anybody else could act by it. */
static struct str consent_text(const struct deciding *d, int member)
{
        struct str name = d->now->members[member].name;

        if (d->now->leader == FAILOVER_NOBODY)
                return arena_printf(d->a, "%.*s may lead with the data that it has, whatever is missing",
                                    STR_FMT(name));
        if (d->now->leader == member)
                return arena_printf(d->a,
                                    "%.*s leads as it is: this does not count, and is not kept for later",
                                    STR_FMT(name));
        return arena_printf(
                d->a,
                "%.*s may lead with the data that it has, if %.*s has been lost; if that still leads, "
                "this does not count, and is not kept for later",
                STR_FMT(name), STR_FMT(d->now->members[d->now->leader].name));
}

static void decide_requests(struct deciding *d)
{
        struct redis_intent *i = &d->ret->intent;
        int member;

        if (is_new(d->wishes->handover, &i->handover_done)) {
                member = member_of(d, i->handover_done);
                if (member >= 0 || str_eq(i->handover_done, STR("*")))
                        ask_for_handover(d, member >= 0 ? member : FAILOVER_NOBODY);
                else
                        refuse_wish(d, "handover", i->handover_done);
        }
        if (is_new(d->wishes->promote, &i->promote_done)) {
                member = member_of(d, i->promote_done);
                if (member < 0) {
                        refuse_wish(d, "promote", i->promote_done);
                        return;
                }
                i->consent = MAX(i->consent, d->now->lease ? d->now->lease->consent : 0) + 1;
                i->consent_member = member;
                say_event(d, true, STR("ConsentGiven"), consent_text(d, member));
        }
}

/* --- the password ------------------------------------------------------------------------ */

static void set_passwords(struct redis_intent *i, struct str first, struct str second, struct str rotation,
                          usec_t since)
{
        i->passwords[0] = first;
        i->passwords[1] = second;
        i->n_passwords = second.data ? 2 : 1;
        i->rotation = rotation;
        i->since = since;
}

static bool all_ready(const struct redis_situation *now)
{
        for (size_t m = 0; m < now->n; m++)
                if (!now->members[m].ready)
                        return false;
        return now->n > 0;
}

/* A server that does not run takes the newest when it starts. */
static bool all_have_applied(const struct redis_situation *now)
{
        for (size_t m = 0; m < now->n; m++)
                if (now->members[m].pod && !now->members[m].applied)
                        return false;
        return now->leader != FAILOVER_NOBODY;
}

/* May applications be told the password that was added? LEFT: for how long those who cannot say
 * that they have it are still waited for. */
static bool is_added(const struct deciding *d, usec_t left)
{
        return all_have_applied(d->now) || (left <= 0 && all_ready(d->now));
}

/* A step of a change of the password that is on its way. */
static void go_on_rotating(struct deciding *d)
{
        struct redis_intent *i = &d->ret->intent;
        bool adding = str_eq(i->rotation, STR("adding"));
        usec_t left = i->since + (adding ? ADDING : DROPPING) - d->view->wall;

        /* Once applications are told, nothing is left to wait for but time. */
        if (adding)
                say(d, STR("RotatingPassword"), STR("the new password is being made known to the members"));
        if (adding && is_added(d, left)) {
                set_passwords(i, i->passwords[1], i->passwords[0], STR("dropping"), d->view->wall);
                say_event(d, false, STR("PasswordTold"),
                          STR("all members have the new password, and applications are told it"));
                wake_after(d, DROPPING);
        } else if (left > 0) {
                wake_after(d, adding ? ADDING_LOOK : MIN(left, DROPPING));
        } else if (!adding && str_eq(d->secrets->password, i->passwords[0])) {
                set_passwords(i, i->passwords[0], STR_NULL, STR_NULL, 0);
                say_event(d, false, STR("PasswordRotated"), STR("the old password is not valid any more"));
        } else {
                wake_after(d, ADDING_LOOK);
        }
}

static bool is_told(const struct redis_intent *i, struct str password)
{
        return str_is_one_of(password, i->passwords, i->n_passwords);
}

/* What is not text would be another password in config.json, and what clients type is text. */
static bool is_usable(struct str password)
{
        for (size_t i = 0; i < password.len; i++)
                if (password.data[i] < ' ' || password.data[i] > '~')
                        return false;
        return password.len <= PASSWORD_MAX;
}

/* Somebody wrote another password into NAME-app: it is the one, or is set back. */
static void adopt_password(struct deciding *d)
{
        struct redis_intent *i = &d->ret->intent;
        struct str old = i->n_passwords ? i->passwords[0] : STR_NULL;

        if (!is_usable(d->secrets->password)) {
                say_event(d, true, STR("PasswordRefused"),
                          arena_printf(
                                  d->a,
                                  "the password in Secret %.*s-app has been set back: one must be of at most "
                                  "%d printable ASCII characters, with no line break behind them",
                                  STR_FMT(d->view->self->name), PASSWORD_MAX));
                return;
        }
        set_passwords(i, d->secrets->password, old, old.data ? STR("dropping") : STR_NULL,
                      old.data ? d->view->wall : 0);
        wake_after(d, DROPPING);
}

static void decide_password(struct deciding *d)
{
        struct redis_intent *i = &d->ret->intent;

        if (!i->replication.data)
                i->replication = redis_new_password(d->view, "replication", d->a);
        if (!d->settings->auth) {
                i->n_passwords = 0;
                i->rotation = STR_NULL;
                i->since = 0;
                return;
        }
        if (d->secrets->password.len && !is_told(i, d->secrets->password))
                adopt_password(d);
        if (i->n_passwords == 0)
                set_passwords(i, redis_new_password(d->view, "default", d->a), STR_NULL, STR_NULL, 0);
        if (i->rotation.data && i->n_passwords == 2) {
                go_on_rotating(d);
        } else if (is_new(d->wishes->rotate, &i->rotate_done) && d->secrets->has_told) {
                set_passwords(i, i->passwords[0], redis_new_password(d->view, "default", d->a), STR("adding"),
                              d->view->wall);
                wake_after(d, ADDING_LOOK);
                say(d, STR("RotatingPassword"), STR("the new password is being made known to the members"));
                say_event(d, false, STR("PasswordAdded"), STR("a new password is valid beside the old one"));
        }
}

/* --- the Lease ----------------------------------------------------------------------------- */

/* Since when is remembered first, lest a moment without one, or a cache behind, be taken for it. */
static void decide_lease(struct deciding *d)
{
        struct redis_intent *i = &d->ret->intent;
        usec_t grace = MAX(LEASE_GONE, 4 * d->settings->lease), passed;

        if (d->now->lease_there || !d->now->bootstrapped) {
                i->lease_gone = 0;
                return;
        }
        if (!i->lease_gone)
                i->lease_gone = d->view->wall;
        passed = d->view->wall - i->lease_gone;
        if (passed < 0 || passed < grace) {
                wake_after(d, passed < 0 ? grace : grace - passed);
                return;
        }
        d->ret->remake_lease = true;
        if (!d->view->failure.reason.data)
                say_event(d, true, STR("LeaseMade"),
                          STR("the Lease was deleted; all members must answer before one leads"));
}

/* --- the size ------------------------------------------------------------------------------ */

static int lowest(failover_set set)
{
        return set ? __builtin_ctz(set) : FAILOVER_NOBODY;
}

/* Not while a request is not dealt with yet, nor a moment after one that did not come about. */
static bool may_ask(struct deciding *d)
{
        const struct redis_intent *i = &d->ret->intent;
        usec_t passed = d->view->wall - i->asked;

        if (d->now->lease && d->now->lease->request < i->handover && passed >= 0 && passed < 10 * ASK_AGAIN) {
                wake_after(d, ASK_AGAIN);
                return false;
        }
        if (d->now->leader != i->handover_to && passed >= 0 && passed < ASK_AGAIN) {
                wake_after(d, ASK_AGAIN - passed);
                return false;
        }
        return true;
}

static void decide_size(struct deciding *d)
{
        struct redis_decision *r = d->ret;
        int64_t wanted = d->settings->replicas, live = d->now->replicas;
        failover_set stay = failover_first(wanted);

        r->replicas = wanted;
        if (!d->secrets->has_told || wanted >= live || !d->now->bootstrapped) {
                r->intent.members = wanted;
                return;
        }
        r->replicas = live;
        say(d, STR("ScalingDown"),
            arena_printf(d->a,
                         "%lld members run, %lld are wanted; the last ones leave when the lead is not theirs",
                         (long long)live, (long long)wanted));
        if (d->now->leader >= wanted || d->now->leader == FAILOVER_NOBODY) {
                if (d->now->leader >= wanted && (d->now->in_sync & stay) && may_ask(d))
                        ask_for_handover(d, lowest(d->now->in_sync & stay));
                return;
        }
        r->intent.members = wanted;
        if (d->now->in_sync & ~stay)
                return;
        r->replicas = wanted;
        say_event(d, false, STR("ScaledDown"),
                  arena_printf(d->a, "the last of %lld members leave; their volumes stay", (long long)live));
}

/* --- the template ---------------------------------------------------------------------------- */

static struct str name_at(const struct deciding *d, int member)
{
        return d->now->members[member].name;
}

/* Why no pod may be replaced now: a member other than BUT that is not as it should be. */
static struct str unfit(const struct deciding *d, int but)
{
        for (size_t i = 0; i < d->now->n; i++) {
                const struct redis_member *m = &d->now->members[i];

                if ((int)i == but)
                        continue;
                if (!m->pod || m->pod->deleting || !m->ready)
                        return arena_printf(d->a, "waiting for %.*s to be ready%s%.*s", STR_FMT(m->name),
                                            m->trouble.data ? ": " : "", STR_FMT(m->trouble));
                if (!m->in_sync)
                        return arena_printf(d->a, "waiting for %.*s to be in sync", STR_FMT(m->name));
        }
        return STR_NULL;
}

static bool others_are_ready(const struct redis_situation *now, int but)
{
        for (size_t i = 0; i < now->n; i++)
                if ((int)i != but && !now->members[i].ready)
                        return false;
        return true;
}

/* A member that does not start with the old template may start with the new one. Without a volume
 * that stays, and without a leader, what it has may be all there is. One that is merely not ready is
 * waited for if it is not alone. */
static int broken(const struct deciding *d)
{
        bool safe =
                d->now->leader != FAILOVER_NOBODY || d->settings->spec->persistence || !d->now->bootstrapped;

        for (int i = (int)d->now->n - 1; safe && i >= 0; i--) {
                const struct redis_member *m = &d->now->members[i];

                if (m->doomed && d->now->leader == FAILOVER_NOBODY)
                        continue;
                if (m->pod && m->stale && !m->ready && !m->pod->deleting && i != d->now->leader &&
                    (m->trouble.data || others_are_ready(d->now, i)))
                        return i;
        }
        return FAILOVER_NOBODY;
}

static int stale_replica(const struct deciding *d)
{
        for (int i = (int)d->now->n - 1; i >= 0; i--)
                if (d->now->members[i].pod && d->now->members[i].stale && i != d->now->leader)
                        return i;
        return FAILOVER_NOBODY;
}

static bool leader_is_stale(const struct redis_situation *now)
{
        return now->leader != FAILOVER_NOBODY && now->members[now->leader].stale;
}

/* Clients may still come to the former primary, and what has gone does not even refuse them. That
 * another one leads is told in the status first, from which it is known since when. */
static bool has_moved_just_now(struct deciding *d)
{
        const struct redis *self = d->view->self->state;
        const struct redis_status_last_failover *last = self->status ? self->status->last_failover : NULL;
        usec_t then = 0, passed;

        if (self->status && d->now->lease && self->status->epoch != d->now->lease->epoch) {
                wake_after(d, ROUTES_SETTLE);
                return true;
        }
        if (!last || clock_parse(last->time, &then) < 0)
                return false;
        passed = d->view->wall - then;
        if (passed < 0 || passed >= ROUTES_SETTLE)
                return false;
        wake_after(d, ROUTES_SETTLE - passed);
        return true;
}

static void replace(struct deciding *d, int member)
{
        d->ret->evict = d->now->members[member].pod;
        d->ret->volume = d->now->members[member].doomed;
        say(d, STR("Rolling"), arena_printf(d->a, "%.*s is being replaced", STR_FMT(name_at(d, member))));
}

/* Of a member that has become ready each node's kube-proxy hears, and most take in no more than
 * one change of routes a second: the primary's would come that much later. The clock is the
 * node's, so this is no promise. */
static bool has_settled(struct deciding *d)
{
        for (size_t i = 0; i < d->now->n; i++) {
                usec_t passed = d->view->wall - d->now->members[i].ready_since;

                if (passed >= 0 && passed < ROUTES_SETTLE) {
                        wake_after(d, ROUTES_SETTLE - passed);
                        return false;
                }
        }
        return true;
}

static void replace_leader(struct deciding *d)
{
        if (d->now->n == 1) {
                replace(d, d->now->leader);
                return;
        }
        say(d, STR("Rolling"),
            arena_printf(d->a, "%.*s is the last to be replaced, and is to hand the lead over first",
                         STR_FMT(name_at(d, d->now->leader))));
        if (has_settled(d) && may_ask(d))
                ask_for_handover(d, FAILOVER_NOBODY);
}

static void decide_template(struct deciding *d)
{
        int bad = broken(d), replica = stale_replica(d);
        struct str waiting;

        d->ret->last_copy = d->now->n == 1 && d->now->members[0].doomed;
        if (d->ret->last_copy)
                return;
        if (replica == FAILOVER_NOBODY && !leader_is_stale(d->now))
                return;
        if (!d->now->set || !d->now->set_seen) {
                say(d, STR("Rolling"), STR("waiting for the StatefulSet controller to see the change"));
                return;
        }
        if (bad != FAILOVER_NOBODY) {
                replace(d, bad);
                return;
        }
        waiting = unfit(d, replica != FAILOVER_NOBODY ? replica : d->now->leader);
        if (waiting.data)
                say(d, STR("Rolling"), waiting);
        else if (d->now->leader == FAILOVER_NOBODY)
                say(d, STR("Rolling"), STR("waiting for a primary"));
        else if (replica == FAILOVER_NOBODY)
                replace_leader(d);
        else if (has_moved_just_now(d))
                say(d, STR("Rolling"), STR("waiting for clients to have followed the primary"));
        else
                replace(d, replica);
}

/* --- the whole ------------------------------------------------------------------------------ */

int redis_decide(const struct view *view, const struct redis_settings *settings,
                 const struct redis_situation *now, const struct redis_secrets *secrets, struct arena *a,
                 struct redis_decision *ret)
{
        static const struct redis_wishes none = { 0 };
        const struct redis *self = view->self->state;
        const struct redis_wishes *wishes = self->metadata ? self->metadata->annotations : NULL;
        struct deciding d = { .view = view,
                              .settings = settings,
                              .now = now,
                              .secrets = secrets,
                              .wishes = wishes ? wishes : &none,
                              .a = a,
                              .ret = ret };

        *ret = (struct redis_decision){ .intent = secrets->told, .wake = USEC_NEVER };
        ret->paused = !str_empty(d.wishes->pause) && !str_eq(d.wishes->pause, STR("false"));
        decide_password(&d);
        decide_fence(&d);
        decide_requests(&d);
        decide_lease(&d);
        decide_size(&d);
        if (!ret->intent.fenced)
                decide_template(&d);
        return a->failed ? -ENOMEM : 0;
}
