/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/certificates/state.h"

#include <errno.h>

#include "base/hash.h"

/* One step under way. */
struct step {
        const struct certificates_have *have;
        const struct state *s;
        struct certificates_memory *m; /* a copy, which the caller gets if all goes well */
        struct certificates_result *ret;
        struct error *err;
        bool sane;    /* the wall clock can be right */
        bool trusted; /* everybody has known the next CA for a while */
};

/* --- time -------------------------------------------------------------------------------- */

static void wake_at(struct step *t, usec_t when)
{
        t->ret->wake = MIN(t->ret->wake, when);
}

/* Has the wall clock said the same for a while? A process that begins has to believe it. */
static bool steady(const struct step *t)
{
        return t->sane && t->have->now >= t->m->steady_from;
}

static void look_at_clock(struct step *t)
{
        struct certificates_memory *m = t->m;
        const usec_t offset = t->have->wall - t->have->now, moved = offset - m->offset;

        t->sane = t->have->wall >= CERTIFICATES_WALL_MIN && t->have->wall < CERTIFICATES_WALL_MAX;
        if (m->began && (moved > CERTIFICATES_JUMP || moved < -CERTIFICATES_JUMP))
                m->steady_from = t->have->now + CERTIFICATES_STEADY;
        m->offset = offset;
        m->began = true;
        if (m->steady_from > t->have->now)
                wake_at(t, m->steady_from);
}

/* Two thirds of its life are over. By what it has left, for its beginning says nothing. */
static bool near_end(const struct certificate *c, usec_t life, usec_t wall)
{
        return c->not_after - wall < life / 3;
}

static bool in_time(const struct certificate *c, usec_t wall)
{
        return wall <= c->not_after && c->not_before - wall < CERTIFICATES_SKEW;
}

/* Has *SINCE been so for a grace, it being the same as in the last step? */
static bool after_grace(struct step *t, uint64_t what, uint64_t *remembered, usec_t *since)
{
        if (*remembered != what) {
                *remembered = what;
                *since = t->have->now;
        }
        if (!what)
                return false;
        if (t->have->now - *since >= CERTIFICATES_GRACE)
                return true;
        wake_at(t, *since + CERTIFICATES_GRACE);
        return false;
}

/* --- what is due ----------------------------------------------------------------------------- */

static bool can_follow(const struct step *t)
{
        const struct authority *next = &t->s->next;

        return next->can_sign && (!steady(t) || in_time(&next->cert, t->have->wall));
}

static bool ca_is_due(const struct step *t)
{
        const struct authority *ca = &t->s->ca;

        if (!ca->can_sign)
                return true;
        return steady(t) && (near_end(&ca->cert, CERTIFICATES_CA_LIFE, t->have->wall) ||
                             !in_time(&ca->cert, t->have->wall));
}

/* And would a new one be any better? */
static bool serving_is_due(const struct step *t)
{
        const struct serving *serving = &t->s->serving;
        usec_t not_before, not_after;

        if (!serving->fits)
                return true;
        if (!steady(t))
                return false;
        serving_times(t->s, &t->s->ca, t->have->wall, &not_before, &not_after);
        if (near_end(&serving->cert, CERTIFICATES_LIFE, t->have->wall))
                return not_after - serving->cert.not_after >= USEC_HOUR;
        return serving->cert.not_before - t->have->wall >= CERTIFICATES_SKEW &&
               serving->cert.not_before > MAX(t->s->ca.cert.not_before, t->have->wall);
}

static bool previous_is_over(const struct step *t)
{
        return t->s->previous.there && steady(t) && t->have->wall > t->s->until;
}

/* --- the Secret --------------------------------------------------------------------------- */

/* The first of several counts. */
static void say(struct step *t, struct str event, const char *reason)
{
        if (t->ret->secret_reason)
                return;
        t->ret->secret_event = event;
        t->ret->secret_reason = reason;
}

static int keep(struct step *t, enum certificates_item from, enum certificates_item to)
{
        return secret_set(&t->ret->items[to], t->have->items[from]);
}

/* Nothing that is there can be used. */
static int begin_anew(struct step *t)
{
        struct authority ca;
        int r = authority_make(t->s->ca.there ? &t->s->ca : NULL, t->have->wall, &ca, t->err);

        if (r < 0)
                return r;
        say(t, STR("CertificatesMade"), "there is no CA that can sign a serving certificate");
        r = authority_write(&ca, t->ret->items, CERTIFICATES_CA_CRT, CERTIFICATES_CA_KEY);
        if (r == 0)
                r = serving_make(t->have, t->s, &ca, t->ret->items, t->err);
        authority_release(&ca);
        return r;
}

/* The next CA is the CA now, and the CA the previous one. */
static int move_on(struct step *t)
{
        const struct serving *serving = &t->s->serving;
        char until[CLOCK_RFC3339_MAX];
        const size_t n = clock_format(serving->known ? serving->cert.not_after : t->s->ca.cert.not_after,
                                      false, until);
        int r;

        say(t, STR("AuthorityRotated"), "the next CA is trusted everywhere");
        r = keep(t, CERTIFICATES_NEXT_CRT, CERTIFICATES_CA_CRT);
        if (r == 0)
                r = keep(t, CERTIFICATES_NEXT_KEY, CERTIFICATES_CA_KEY);
        if (r == 0)
                r = keep(t, CERTIFICATES_CA_CRT, CERTIFICATES_PREVIOUS_CRT);
        if (r == 0)
                r = secret_set(&t->ret->items[CERTIFICATES_PREVIOUS_UNTIL], str_n(until, n));
        if (r == 0)
                r = serving_make(t->have, t->s, &t->s->next, t->ret->items, t->err);
        return r;
}

static int make_next(struct step *t)
{
        struct authority next;
        int r = authority_make(&t->s->ca, t->have->wall, &next, t->err);

        if (r < 0)
                return r;
        say(t, STR("AuthorityAdded"),
            t->s->ca.can_sign ? "two thirds of the CA's life are over, or it is not valid yet"
                              : "the CA has no key");
        r = authority_write(&next, t->ret->items, CERTIFICATES_NEXT_CRT, CERTIFICATES_NEXT_KEY);
        authority_release(&next);
        return r;
}

static int renew_serving(struct step *t)
{
        say(t, STR("CertificateRenewed"),
            !t->s->serving.known  ? "there is no serving certificate that the CA has signed"
            : !t->s->serving.fits ? "the serving certificate does not fit the names or its key"
                                  : "two thirds of the serving certificate's life are over");
        return serving_make(t->have, t->s, &t->s->ca, t->ret->items, t->err);
}

static int keep_the_rest(struct step *t)
{
        const bool over = previous_is_over(t);
        int r = 0;

        for (enum certificates_item i = 0; r == 0 && i < CERTIFICATES_ITEMS; i++) {
                if (over && (i == CERTIFICATES_PREVIOUS_CRT || i == CERTIFICATES_PREVIOUS_UNTIL))
                        continue;
                if (!t->ret->items[i].data)
                        r = keep(t, i, i);
        }
        if (over)
                say(t, STR("AuthorityRetired"), "nothing that the previous CA has signed is valid any more");
        return r;
}

static int change_in_part(struct step *t, bool serving, bool next)
{
        int r = 0;

        if (serving)
                r = renew_serving(t);
        if (r == 0 && next)
                r = make_next(t);
        return r < 0 ? r : keep_the_rest(t);
}

static int plan_secret(struct step *t)
{
        const struct state *s = t->s;
        const bool serving = !s->ca.there || serving_is_due(t);
        const bool stuck = !s->serving.fits && !s->ca.can_sign; /* nothing to lose */
        const bool moves = s->ca.there && can_follow(t) && (t->trusted || stuck);
        const bool next = ca_is_due(t) && !can_follow(t);
        const bool renew = serving && s->ca.can_sign;

        if (!stuck && !moves && !next && !renew && !previous_is_over(t))
                return 0;
        if (!t->sane) {
                t->ret->problem = "the clock is wrong by years; no certificate is made before it is set";
                wake_at(t, t->have->now + CERTIFICATES_PAUSE);
                return 0;
        }
        if (t->have->now < t->m->secret_from) {
                wake_at(t, t->m->secret_from);
                return 0;
        }
        t->m->secret_from = t->have->now + CERTIFICATES_PAUSE;
        wake_at(t, t->m->secret_from); /* if the write fails */
        if (moves)
                return move_on(t);
        return stuck ? begin_anew(t) : change_in_part(t, renew, next);
}

/* --- the bundles --------------------------------------------------------------------------- */

static int plan_bundle(struct step *t, const struct bundles *b)
{
        struct certificates_memory *m = t->m;
        const bool over =
                after_grace(t, b->differ && !b->lack ? b->wanted | 1 : 0, &m->surplus, &m->surplus_since);

        if (!b->lack && !over)
                return 0;
        if (t->have->now < m->bundle_from) {
                wake_at(t, m->bundle_from);
                return 0;
        }
        m->bundle_from = t->have->now + CERTIFICATES_BUNDLE_PAUSE;
        wake_at(t, m->bundle_from);
        t->ret->bundle_reason = b->lack ? "it lacks a CA" : "it holds more than is needed";
        return buf_add_str(&t->ret->bundle, buf_str(b->lack ? &b->wide : &b->exact));
}

static int look_at_bundles(struct step *t)
{
        struct certificates_memory *m = t->m;
        struct bundles b;
        int r;

        if (!t->s->ca.there)
                return 0; /* the Secret comes first */
        r = bundles_read(t->have, t->s, &b);
        if (r < 0)
                return r;
        t->trusted = after_grace(
                t, b.hold_next ? hash_str(HASH_INIT, t->have->items[CERTIFICATES_NEXT_CRT]) | 1 : 0, &m->next,
                &m->next_since);
        r = plan_bundle(t, &b);
        bundles_release(&b);
        return r;
}

/* --- the whole ------------------------------------------------------------------------------ */

void certificates_result_release(struct certificates_result *r)
{
        for (size_t i = 0; i < ARRAY_SIZE(r->items); i++)
                secret_release(&r->items[i]);
        buf_release(&r->bundle);
        *r = (struct certificates_result){ 0 };
}

int certificates_step(const struct certificates_have *have, struct certificates_memory *memory,
                      struct certificates_result *ret, struct error *err)
{
        struct certificates_result result = { .wake = have->now + CERTIFICATES_LOOK,
                                              .bundle = BUF_INIT(CERTIFICATE_TEXT_MAX) };
        struct certificates_memory m = *memory;
        struct state s;
        struct step t = { .have = have, .s = &s, .m = &m, .ret = &result, .err = err };
        int r;

        if (have->n_bundles > CERTIFICATES_BUNDLES_MAX)
                return error_set(err, -EINVAL, "there are more than %d webhooks", CERTIFICATES_BUNDLES_MAX);
        r = state_read(have, &s);
        if (r < 0)
                return error_set(err, r, "no memory for the certificates");
        look_at_clock(&t);
        r = look_at_bundles(&t);
        if (r == 0)
                r = plan_secret(&t);
        state_release(&s);
        if (r < 0) {
                certificates_result_release(&result);
                if (!err || err->code)
                        return r;
                return error_set(err, r, "cannot make certificates: %s",
                                 r == -ENOMEM ? "no memory" : "OpenSSL failed");
        }
        *memory = m;
        *ret = result;
        return 0;
}
