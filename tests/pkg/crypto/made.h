/* SPDX-License-Identifier: Apache-2.0
 *
 * A CA, a serving certificate of it, and their keys, ready to be asked about.
 */
#pragma once

#include "harness.h"

#include "crypto/issue.h"

#define NOW (INT64_C(1700000000) * USEC_SEC)
#define DAY (24 * USEC_HOUR)
#define NAME "keelson-webhook.keelson-system.svc"

static const struct str made_names[] = { STR_INIT(NAME), STR_INIT(NAME ".cluster.local") };

struct made {
        struct key ca_key, key;
        struct certificate ca, cert;
};

static inline struct certificate_wish made_ca_wish(void)
{
        return (struct certificate_wish){ .common_name = STR("keelson webhook CA"),
                                          .not_before = NOW - CERTIFICATE_BACKDATE,
                                          .not_after = NOW + 3650 * DAY };
}

static inline struct certificate_wish made_wish(void)
{
        return (struct certificate_wish){ .common_name = STR("keelson webhook"),
                                          .names = made_names,
                                          .n_names = ARRAY_SIZE(made_names),
                                          .not_before = NOW - CERTIFICATE_BACKDATE,
                                          .not_after = NOW + 90 * DAY };
}

static inline void made_release(struct made *m)
{
        certificate_release(&m->cert);
        certificate_release(&m->ca);
        key_release(&m->key);
        key_release(&m->ca_key);
}

/* For torture(), too. */
static inline int made_try(struct made *ret)
{
        const struct certificate_wish ca = made_ca_wish(), wish = made_wish();
        struct made m = { 0 };
        int r = key_make(&m.ca_key, NULL);

        if (r == 0)
                r = key_make(&m.key, NULL);
        if (r == 0)
                r = certificate_make_ca(&ca, &m.ca_key, &m.ca, NULL);
        if (r == 0)
                r = certificate_issue(&wish, &m.key, &m.ca, &m.ca_key, &m.cert, NULL);
        if (r < 0)
                made_release(&m);
        else
                *ret = m;
        return r;
}

static inline struct made made_init(void)
{
        struct made m;

        ck_assert_int_eq(made_try(&m), 0);
        return m;
}
