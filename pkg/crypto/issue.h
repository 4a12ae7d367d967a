/* SPDX-License-Identifier: Apache-2.0
 *
 * Makes certificates:
 *
 *      CA, signed by itself         key usage: sign certificates; no CA below it
 *        |
 *        +-- serving certificate    for DNS names; extended key usage: server
 *
 * Serial numbers are random, of 128 bits. Keys are told apart by key identifiers, so
 * two CAs may have the same name.
 *
 * Clocks differ: give a not_before that lies back a while (CERTIFICATE_BACKDATE), or
 * a client whose clock is behind refuses what was just made.
 */
#pragma once

#include "crypto/certificate.h"

#define CERTIFICATE_BACKDATE USEC_HOUR
#define CERTIFICATE_COMMON_NAME_MAX 64 /* characters (RFC 5280, ub-common-name) */

struct certificate_wish {
        struct str common_name; /* for people; UTF-8 */
        const struct str
                *names; /* of a serving certificate, at least one: DNS names, the first label may be "*" */
        size_t n_names; /* of a CA: none */
        bool client;    /* a serving certificate whose holder shows it as a client of TLS as well */
        usec_t not_before, not_after; /* wall time, in whole seconds (what is below is cut off) */
};

/* A CA with the key KEY. 0; -ENOMEM; -EIO where OpenSSL fails; -EINVAL with the field
 * of the wish that cannot be. */
int certificate_make_ca(const struct certificate_wish *wish, const struct key *key, struct certificate *ret,
                        struct error *err) _must_check_;

/* A serving certificate for KEY, signed by CA, whose key CA_KEY is. The same results;
 * also -EINVAL if CA is none or CA_KEY another's. */
int certificate_issue(const struct certificate_wish *wish, const struct key *key,
                      const struct certificate *ca, const struct key *ca_key, struct certificate *ret,
                      struct error *err) _must_check_;
