/* SPDX-License-Identifier: Apache-2.0
 *
 * A Secret, the bundles of two webhooks, and the clocks; the step is called, and what
 * it says is written, or not.
 */
#pragma once

#include "harness.h"

#include "../../pkg/crypto/client.h"

#include "controller/certificates/certificates.h"

#define DAY CERTIFICATES_DAY
#define START (INT64_C(1800000000) * USEC_SEC) /* 2027-01-15T08:00:00Z */
#define NAME "keelson-webhook.keelson-system.svc"
#define BUNDLES 2

static const struct str world_names[] = { STR_INIT(NAME), STR_INIT(NAME ".cluster.local") };

struct world {
        struct secret items[CERTIFICATES_ITEMS];
        struct secret bundles[BUNDLES];
        size_t n_bundles;
        struct str names[ARRAY_SIZE(world_names)];
        struct certificates_memory memory;
        usec_t now, wall;
        struct certificates_result last;
        size_t secret_writes, bundle_writes;
};

static inline struct world world_init(void)
{
        struct world w = { .now = 5 * USEC_MINUTE, .wall = START, .n_bundles = BUNDLES };

        memcpy(w.names, world_names, sizeof(world_names));
        return w;
}

static inline void world_release(struct world *w)
{
        certificates_result_release(&w->last);
        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++)
                secret_release(&w->items[i]);
        for (size_t i = 0; i < BUNDLES; i++)
                secret_release(&w->bundles[i]);
}

static inline void world_set(struct secret *s, struct str value)
{
        ck_assert_int_eq(secret_set(s, value), 0);
}

static inline struct certificates_have world_have(const struct world *w, struct str bundles[BUNDLES])
{
        struct certificates_have have = { .bundles = bundles,
                                          .n_bundles = w->n_bundles,
                                          .names = w->names,
                                          .n_names = ARRAY_SIZE(w->names),
                                          .now = w->now,
                                          .wall = w->wall };

        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++)
                have.items[i] = secret_str(&w->items[i]);
        for (size_t i = 0; i < BUNDLES; i++)
                bundles[i] = secret_str(&w->bundles[i]);
        return have;
}

static inline void world_look(struct world *w)
{
        struct str bundles[BUNDLES];
        const struct certificates_have have = world_have(w, bundles);
        struct error err = ERROR_INIT;

        certificates_result_release(&w->last);
        ck_assert_msg(certificates_step(&have, &w->memory, &w->last, &err) == 0, "%s", err.message);
        ck_assert_int_gt(w->last.wake, w->now);
        ck_assert_int_le(w->last.wake, w->now + CERTIFICATES_LOOK);
}

static inline void world_write_secret(struct world *w)
{
        ck_assert_int_eq(w->last.secret_reason != NULL, !str_empty(w->last.secret_event));
        if (!w->last.secret_reason)
                return;
        for (size_t i = 0; i < CERTIFICATES_ITEMS; i++)
                world_set(&w->items[i], secret_str(&w->last.items[i]));
        w->secret_writes++;
}

static inline void world_write_bundles(struct world *w)
{
        if (!w->last.bundle_reason)
                return;
        for (size_t i = 0; i < w->n_bundles; i++)
                world_set(&w->bundles[i], buf_str(&w->last.bundle));
        w->bundle_writes++;
}

/* Was anything written? */
static inline bool world_step(struct world *w)
{
        world_look(w);
        world_write_secret(w);
        world_write_bundles(w);
        return w->last.secret_reason || w->last.bundle_reason;
}

static inline void world_pass(struct world *w, usec_t time)
{
        w->now += time;
        w->wall += time;
}

/* Steps at each wake and after each write, for so long. */
static inline void world_run(struct world *w, usec_t time)
{
        const usec_t end = w->now + time;

        for (;;) {
                if (world_step(w))
                        continue;
                if (w->last.wake >= end)
                        break;
                world_pass(w, w->last.wake - w->now);
        }
        world_pass(w, end - w->now);
}

/* The same, but a look a day is enough. */
static inline void world_days(struct world *w, usec_t time)
{
        const usec_t end = w->now + time;

        while (w->now < end) {
                while (world_step(w))
                        continue;
                world_pass(w, MIN(DAY, end - w->now));
        }
}

/* Everything is there and settled. */
static inline struct world world_made_at(usec_t wall)
{
        struct world w = world_init();

        w.wall = wall;
        world_step(&w);
        world_step(&w);
        world_step(&w);
        ck_assert_uint_eq(w.secret_writes, 1);
        ck_assert_uint_eq(w.bundle_writes, 1);
        w.secret_writes = w.bundle_writes = 0;
        world_pass(&w, 2 * CERTIFICATES_PAUSE); /* it may write again */
        return w;
}

static inline struct world world_made(void)
{
        return world_made_at(START);
}

static inline struct str world_item(const struct world *w, enum certificates_item item)
{
        return secret_str(&w->items[item]);
}

/* Do clients with the time WALL take what is served, whichever bundle they trust? */
static inline int world_verdict(const struct world *w, usec_t wall)
{
        int verdict = X509_V_OK;

        for (size_t i = 0; verdict == X509_V_OK && i < w->n_bundles; i++)
                verdict = client_verdict(secret_str(&w->bundles[i]), world_item(w, CERTIFICATES_TLS_CRT),
                                         NAME, wall);
        return verdict;
}

#define ck_accepted(w, wall)                                                                                 \
        do {                                                                                                 \
                const int verdict_ = world_verdict(w, wall);                                                 \
                ck_assert_msg(verdict_ == X509_V_OK, "%s", X509_verify_cert_error_string(verdict_));         \
        } while (0)

static inline struct certificate world_certificate(struct str pem)
{
        struct certificate c;

        ck_assert_int_eq(certificate_parse(pem, &c, NULL), 0);
        return c;
}

static inline bool world_bundle_has(const struct world *w, struct str pem)
{
        const struct str bundle = secret_str(&w->bundles[0]);

        return pem.data && bundle.data && memmem(bundle.data, bundle.len, pem.data, pem.len);
}

/* At two thirds of the CA's life, with a serving certificate that is as new. */
static inline struct world world_of_old_ca(void)
{
        struct world w = world_made();

        world_pass(&w, CERTIFICATES_CA_LIFE - CERTIFICATES_CA_LIFE / 3 - USEC_HOUR);
        world_run(&w, USEC_MINUTE);
        ck_assert_uint_eq(w.secret_writes, 1);
        ck_assert_ptr_null(w.items[CERTIFICATES_NEXT_CRT].data);
        w.secret_writes = 0;
        world_pass(&w, USEC_HOUR);
        return w;
}

/* What cannot be used. */
static const char *const garbage[] _unused_ = {
        NULL, "", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
};
