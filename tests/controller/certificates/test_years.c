/* SPDX-License-Identifier: Apache-2.0
 *
 * Decades pass: the operator's clock jumps and comes back, the program dies between
 * any two writes, and at each moment every client, whichever bundle and whichever
 * certificate of the last minutes it is about, accepts what is served. A seed is a
 * sequence of events; KEELSON_SEEDS=30 runs so many of each.
 */
#include "world.h"

#include <math.h>

#include "base/rand.h"

#define YEARS 15
#define YEAR (365 * DAY)
#define CACHED (10 * USEC_MINUTE) /* how old what somebody sees may be */
#define SEEN_MAX 16
#define WRONG_MAX (15 * DAY) /* how long a clock is wrong */
#define DOWN_MAX (3 * DAY)   /* how long nothing runs */
#define LEAP_MAX (8 * DAY)   /* between two looks when nothing is to be done, in place of an hour */

/* What somebody may still see of something that changes. */
struct sight {
        struct {
                struct secret text;
                usec_t until;
        } old[SEEN_MAX];
        size_t n;
        struct secret now;
};

struct history {
        struct world w;
        struct rand rand;
        struct sight cert, bundles[BUNDLES];
        usec_t skew, skew_until; /* of the operator's clock; 0: it is right */
        usec_t calm_until;
        usec_t jump_max;
        usec_t last_secret, last_bundle; /* writes of this process */
        size_t jumps, crashes;
};

/* --- what clients see ------------------------------------------------------------------ */

static void see(struct sight *s, struct str text, usec_t now)
{
        size_t kept = 0;

        for (size_t i = 0; i < s->n; i++) {
                if (s->old[i].until < now)
                        secret_release(&s->old[i].text);
                else
                        s->old[kept++] = s->old[i];
        }
        s->n = kept;
        if (str_eq(text, secret_str(&s->now)))
                return;
        if (s->now.data) {
                ck_assert_uint_lt(s->n, SEEN_MAX);
                s->old[s->n].text = s->now;
                s->old[s->n++].until = now + CACHED;
        }
        s->now = (struct secret){ 0 };
        world_set(&s->now, text);
}

static void sight_release(struct sight *s)
{
        for (size_t i = 0; i < s->n; i++)
                secret_release(&s->old[i].text);
        secret_release(&s->now);
}

static struct str nth(const struct sight *s, size_t i)
{
        return secret_str(i < s->n ? &s->old[i].text : &s->now);
}

static usec_t truth(const struct history *h)
{
        return h->w.wall - h->skew;
}

/* Clients whose clocks are right to half an hour. */
static void check_clients(struct history *h)
{
        see(&h->cert, world_item(&h->w, CERTIFICATES_TLS_CRT), h->w.now);
        for (size_t b = 0; b < BUNDLES; b++)
                see(&h->bundles[b], secret_str(&h->w.bundles[b]), h->w.now);
        for (size_t b = 0; b < BUNDLES; b++) {
                if (b && h->bundles[b].n == 0 && str_eq(nth(&h->bundles[b], 0), nth(&h->bundles[0], 0)))
                        continue;
                for (size_t i = 0; i <= h->bundles[b].n; i++) {
                        for (size_t c = 0; c <= h->cert.n; c++) {
                                const usec_t wall = truth(h) + (c + i) % 2 * USEC_HOUR - USEC_HOUR / 2;
                                const int verdict =
                                        client_verdict(nth(&h->bundles[b], i), nth(&h->cert, c), NAME, wall);

                                ck_assert_msg(verdict == X509_V_OK,
                                              "after %lld days, clock off by %lld s: %s",
                                              (long long)((truth(h) - START) / DAY),
                                              (long long)(h->skew / USEC_SEC),
                                              X509_verify_cert_error_string(verdict));
                        }
                }
        }
}

/* --- what happens ------------------------------------------------------------------------ */

/* From MIN to MAX, small ones as often as large ones. */
static usec_t some(struct history *h, usec_t min, usec_t max)
{
        const double from = log((double)min), to = log((double)max);
        const double at = (double)rand_below(&h->rand, 1000001) / 1000000.0;

        return (usec_t)exp(from + (to - from) * at);
}

static bool one_in(struct history *h, uint64_t n)
{
        return rand_below(&h->rand, n) == 0;
}

static void pass(struct history *h, usec_t time)
{
        world_pass(&h->w, time);
        check_clients(h);
}

static void crash(struct history *h)
{
        h->crashes++;
        h->w.memory = (struct certificates_memory){ 0 };
        h->last_secret = h->last_bundle = 0;
        pass(h, some(h, USEC_SEC, DOWN_MAX));
}

static void write_secret(struct history *h)
{
        if (!h->w.last.secret_reason)
                return;
        if (h->last_secret)
                ck_assert_int_ge(h->w.now - h->last_secret, CERTIFICATES_PAUSE);
        h->last_secret = h->w.now;
        world_write_secret(&h->w);
        check_clients(h);
}

/* One webhook after the other. True: it died before the last. */
static bool write_bundles(struct history *h)
{
        if (!h->w.last.bundle_reason)
                return false;
        if (h->last_bundle)
                ck_assert_int_ge(h->w.now - h->last_bundle, CERTIFICATES_BUNDLE_PAUSE);
        h->last_bundle = h->w.now;
        h->w.bundle_writes++;
        for (size_t i = 0; i < BUNDLES; i++) {
                world_set(&h->w.bundles[i], buf_str(&h->w.last.bundle));
                check_clients(h);
                if (one_in(h, 8))
                        return true;
        }
        return false;
}

/* Looks, and writes in either order; it may die before, between and after. */
static void act(struct history *h)
{
        const bool secret_first = one_in(h, 2);

        world_look(&h->w);
        if (!h->w.last.secret_reason && !h->w.last.bundle_reason)
                return;
        if (one_in(h, 8)) {
                crash(h);
                return;
        }
        if (secret_first)
                write_secret(h);
        if (one_in(h, 8) || write_bundles(h)) {
                crash(h);
                return;
        }
        if (!secret_first)
                write_secret(h);
        if (one_in(h, 8))
                crash(h);
}

static void move_clock(struct history *h, usec_t skew)
{
        h->w.wall += skew - h->skew;
        h->skew = skew;
}

/* A clock that was wrong is right for some days, and has been looked at, before it jumps
 * again: with one that is always wrong nobody can do anything. */
static void jump(struct history *h, bool quiet)
{
        if (h->skew && h->w.now >= h->skew_until) {
                move_clock(h, 0);
                h->calm_until = h->w.now + some(h, 2 * DAY, 2 * YEAR);
        } else if (!h->skew && quiet && h->w.now >= h->calm_until) {
                const usec_t by = some(h, USEC_MINUTE, h->jump_max);

                h->jumps++;
                h->skew_until = h->w.now + some(h, USEC_MINUTE, WRONG_MAX);
                move_clock(h, one_in(h, 2) ? by : -by);
        }
}

static usec_t next_moment(struct history *h, bool quiet)
{
        usec_t time = h->w.last.wake - h->w.now;

        if (!quiet)
                time = USEC_SEC;
        else if (time == CERTIFICATES_LOOK)
                time = (usec_t)rand_below(&h->rand, LEAP_MAX);
        else if (one_in(h, 2))
                time = some(h, USEC_SEC, time); /* something has changed that does not matter */
        if (h->skew)
                time = MIN(time, MAX(h->skew_until - h->w.now, USEC_SEC));
        return time;
}

static void live(struct history *h, usec_t until, bool jumps)
{
        bool quiet = false;

        while (truth(h) < until) {
                if (jumps || h->skew)
                        jump(h, quiet);
                act(h);
                quiet = !h->w.last.secret_reason && !h->w.last.bundle_reason;
                pass(h, next_moment(h, quiet));
        }
}

static void check_end(const struct history *h)
{
        struct certificate cert = world_certificate(world_item(&h->w, CERTIFICATES_TLS_CRT));
        struct certificate ca = world_certificate(world_item(&h->w, CERTIFICATES_CA_CRT));

        ck_assert_int_gt(cert.not_after - truth(h), 24 * DAY);
        ck_assert_int_gt(ca.not_after - truth(h), CERTIFICATES_CA_LIFE / 3 - 30 * DAY);
        ck_assert_ptr_null(h->w.items[CERTIFICATES_NEXT_CRT].data);
        certificate_release(&cert);
        certificate_release(&ca);
}

static void run(uint64_t seed, usec_t jump_max)
{
        struct history *h = mem_new(struct history);

        ck_assert_ptr_nonnull(h);
        h->w = world_made();
        h->rand = (struct rand){ seed };
        h->jump_max = jump_max;
        check_clients(h);
        live(h, START + YEARS * YEAR, true);
        live(h, START + (YEARS + 1) * YEAR, false);
        check_end(h);
        if (getenv("KEELSON_SEEDS"))
                printf("seed %llu, %lld days: %zu jumps, %zu crashes, %zu writes of the Secret, %zu of bundles\n",
                       (unsigned long long)seed, (long long)(jump_max / DAY), h->jumps, h->crashes,
                       h->w.secret_writes, h->w.bundle_writes);
        /* Six a year are renewals; no clock makes it write again and again. */
        ck_assert_uint_le(h->w.secret_writes, 9 * (YEARS + 1) + 5 * h->jumps);
        ck_assert_uint_le(h->w.bundle_writes, (YEARS + 1) + 5 * h->jumps + 3 * h->crashes);
        sight_release(&h->cert);
        for (size_t b = 0; b < BUNDLES; b++)
                sight_release(&h->bundles[b]);
        world_release(&h->w);
        mem_free(h);
}

static void run_seeds(usec_t jump_max)
{
        const char *text = getenv("KEELSON_SEEDS");
        int64_t n = 1;

        if (text)
                ck_assert_int_eq(str_to_int64(str_c(text), &n), 0);
        for (int64_t seed = 1; seed <= n; seed++)
                run((uint64_t)seed, jump_max);
}

/* After a jump by years all lives for years, and nothing happens; so there are three. */
START_TEST(with_jumps_by_weeks)
{
        run_seeds(60 * DAY);
}
END_TEST

START_TEST(with_jumps_by_years)
{
        run_seeds(2 * YEAR);
}
END_TEST

START_TEST(with_jumps_by_decades)
{
        run_seeds(15 * YEAR);
}
END_TEST

/* The same without any trouble: what it costs in a quarter of a century. */
START_TEST(without_trouble_it_writes_little)
{
        struct world w = world_made();

        for (usec_t end = w.wall + 25 * YEAR; w.wall < end;) {
                world_step(&w);
                world_pass(&w, w.last.wake - w.now < CERTIFICATES_LOOK ? w.last.wake - w.now : 5 * DAY);
        }
        /* 25 years of 60 days each; three CAs, with three more writes each; and the
         * days between two looks. */
        ck_assert_uint_le(w.secret_writes, 25 * 365 / 60 + 3 * 3);
        ck_assert_uint_ge(w.secret_writes, 25 * 365 / 66);
        ck_assert_uint_eq(w.bundle_writes, 3 * 2);
        ck_accepted(&w, w.wall);
        world_release(&w);
}
END_TEST

static const TTest *const tests[] = { with_jumps_by_weeks, with_jumps_by_years, with_jumps_by_decades,
                                      without_trouble_it_writes_little };
TEST_MAIN("certificates/years", tests)
