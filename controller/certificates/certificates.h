/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates of the webhook: who signs them, when they are renewed, and whom
 * the API server is told to trust. One pure step, which looks at what there is and
 * says what is to be written:
 *
 *      Secret            ca.crt ca.key   tls.crt tls.key   next-ca.*   previous-ca.*
 *         |                  signs ------->  |                 |             |
 *         |                    |             v                 |             |
 *         |                    |      the webhook's pods       |             |
 *         v                    v                               v             v
 *      caBundle of the webhook configurations  =  ca  +  next CA  +  previous CA
 *
 * A serving certificate is renewed when a third of its life is left. So is the CA, in
 * four writes, after each of which everything may crash and go on:
 *
 *      1. Secret    a next CA is made beside the CA
 *      2. caBundle  both are trusted
 *         … until every bundle has held it for CERTIFICATES_GRACE
 *      3. Secret    the next CA is the CA, the CA the previous one; a new serving
 *                   certificate
 *         … until the last one that the previous CA signed has expired
 *      4. Secret, and CERTIFICATES_GRACE later caBundle: the previous CA is gone
 *
 * What is to be trusted is added to a bundle at once, and taken away only after it has
 * been too much for CERTIFICATES_GRACE: some still read an old bundle, or show an old
 * certificate. That also holds for what others have put there.
 *
 * Clocks. Graces and pauses are counted on the clock that only rises. The wall clock
 * says how old a certificate is, and it may be wrong, by years, in either direction,
 * while everybody else's is right. So
 *
 * - what follows a certificate is valid whenever that was, and besides from now on:
 *   it begins no later (a serving certificate: with its CA) and ends no earlier. Who
 *   took the old one takes the new one, whichever clock is right;
 * - a clock that was seen to jump counts after CERTIFICATES_STEADY;
 * - a time before this program was written, or centuries ahead, is none: nothing is
 *   made then (result.problem);
 * - what is not yet valid by less than CERTIFICATES_SKEW stays.
 *
 * The price: after a jump ahead a certificate may live longer than it should, by as
 * much as the clock was ahead. Who minds deletes the Secret; all is made anew.
 *
 * What the caller does (keeper.h):
 *
 * - It reads the Secret and each clientConfig.caBundle, both decoded from base64, and
 *   calls the step when one of them changes and at result.wake. It must have seen its
 *   own last writes before it calls again.
 * - It writes the Secret with the resourceVersion that it has read as a precondition
 *   (or creates it), and the bundle into every webhook of every configuration. Both
 *   may be written at once, in any order, and either may fail: the next step sees it.
 * - Only the leader does it.
 * - The pods of the webhook mount tls.crt and tls.key and nothing else of the Secret.
 * - Where cert-manager has been told to do it (its Certificate writes the Secret, its
 *   CA injector the bundle), nobody calls this.
 *
 * Randomness (keys, serial numbers) is OpenSSL's; no decision depends on it.
 */
#pragma once

#include "crypto/issue.h"

#define CERTIFICATES_DAY (24 * USEC_HOUR)
#define CERTIFICATES_CA_LIFE (3650 * CERTIFICATES_DAY)
#define CERTIFICATES_LIFE (90 * CERTIFICATES_DAY)              /* of a serving certificate */
#define CERTIFICATES_SKEW CERTIFICATES_DAY                     /* by which not_before may be ahead */
#define CERTIFICATES_GRACE (15 * USEC_MINUTE)                  /* that a cache may be behind */
#define CERTIFICATES_STEADY (10 * USEC_MINUTE)                 /* after which a new time is believed */
#define CERTIFICATES_JUMP USEC_MINUTE                          /* what is not mere drift between two steps */
#define CERTIFICATES_PAUSE USEC_MINUTE                         /* between two writes of the Secret */
#define CERTIFICATES_BUNDLE_PAUSE (5 * USEC_SEC)               /* between two writes of the bundles */
#define CERTIFICATES_LOOK USEC_HOUR                            /* between two steps, at the most */
#define CERTIFICATES_WALL_MIN (INT64_C(1577836800) * USEC_SEC) /* 2020-01-01 */
#define CERTIFICATES_WALL_MAX (INT64_C(7258118400) * USEC_SEC) /* 2200-01-01 */
#define CERTIFICATES_BUNDLES_MAX 64 /* webhooks in all configurations; more are an error */
#define CERTIFICATES_TRUSTED_MAX 8  /* certificates in one bundle; what others put there is left out first */

/* The data of the Secret. */
enum certificates_item {
        CERTIFICATES_CA_CRT,
        CERTIFICATES_CA_KEY,
        CERTIFICATES_TLS_CRT,
        CERTIFICATES_TLS_KEY,
        CERTIFICATES_NEXT_CRT,
        CERTIFICATES_NEXT_KEY,
        CERTIFICATES_PREVIOUS_CRT,
        CERTIFICATES_PREVIOUS_UNTIL, /* RFC 3339: when the last that it signed expires */
        CERTIFICATES_ITEMS,
};

/* Their keys: "ca.crt", "ca.key", "tls.crt", … */
extern const struct str certificates_keys[CERTIFICATES_ITEMS];

/* What there is; all of it borrowed. */
struct certificates_have {
        struct str items[CERTIFICATES_ITEMS]; /* absent: the Secret, or this key of it, is not there */
        const struct str *bundles;            /* of each webhook, empty where it has none */
        size_t n_bundles;
        const struct str *names; /* of the Service: what a serving certificate must be for */
        size_t n_names;
        usec_t now;  /* clock_now */
        usec_t wall; /* clock_wall */
};

/* What one process remembers from step to step; zero at its start. Nothing that is
 * lost here is missed but the time that a grace takes. */
struct certificates_memory {
        bool began;
        usec_t offset;                   /* wall less now */
        usec_t steady_from;              /* the wall clock counts */
        usec_t secret_from, bundle_from; /* the next write may be */
        uint64_t next;                   /* hash of the next CA that all bundles hold; 0: none */
        usec_t next_since;
        uint64_t surplus; /* hash of what is wanted where bundles hold more; 0: they do not */
        usec_t surplus_since;
};

struct certificates_result {
        const char *secret_reason;               /* NULL: the Secret is as it should be */
        struct str secret_event;                 /* the same as an Event's reason: "CertificateRenewed" */
        struct secret items[CERTIFICATES_ITEMS]; /* else all of its data */
        const char *bundle_reason;               /* NULL: the bundles are as they should be */
        struct buf bundle;                       /* else the text for each of them */
        const char *problem;                     /* why something that is due is not done; NULL */
        usec_t wake;                             /* step again at this time (clock_now's) at the latest */
};

/* 0; -EINVAL if a name is none, or there are too many bundles; -ENOMEM, or -EIO from
 * OpenSSL, which better is tried again after a minute. Then MEMORY is as before. */
int certificates_step(const struct certificates_have *have, struct certificates_memory *memory,
                      struct certificates_result *ret, struct error *err) _must_check_;

/* Overwrites the keys; fine for the zero value. */
void certificates_result_release(struct certificates_result *r);
