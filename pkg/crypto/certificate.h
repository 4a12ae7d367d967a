/* SPDX-License-Identifier: Apache-2.0
 *
 * X.509 certificates (RFC 5280), as far as serving TLS inside a cluster needs them:
 * read from PEM, asked about, written again. issue.h makes them.
 *
 * Functions here know no clock: what "now" is says the caller, who compares it with
 * not_before and not_after.
 */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/key.h"

#define CERTIFICATE_TEXT_MAX ((size_t)256 * 1024) /* bytes of PEM that are looked at */
#define CERTIFICATE_NAMES_MAX 16                  /* that one certificate is made for */
#define CERTIFICATE_NAME_MAX 253                  /* bytes of a DNS name (RFC 1035, without the last dot) */

struct x509_st; /* OpenSSL's X509 */

struct certificate {
        struct x509_st *x509;
        usec_t not_before, not_after; /* wall time; it is valid at both, and between */
        size_t n_names;               /* DNS names that it is for */
        bool ca;                      /* it may sign others */
        bool serves;                  /* a client of TLS takes it from a server */
};

/* Reads the first certificate of *PEM, which then begins behind it; what stands
 * before, and PEM of other kinds, is passed over. 1; 0 if there is none; -ENOMEM; or
 * -EINVAL: it is broken, or the text is too long. */
int certificate_read(struct str *pem, struct certificate *ret, struct error *err) _must_check_;

/* Reads PEM as the one certificate that it holds: 0, -ENOMEM, or -EINVAL, also for
 * none and for more than one. */
int certificate_parse(struct str pem, struct certificate *ret, struct error *err) _must_check_;

/* Fine for the zero value. */
void certificate_release(struct certificate *c);

/* Appends it as PEM. 0, or what buf_error says, or -EIO. */
int certificate_write(const struct certificate *c, struct buf *out) _must_check_;

/* Questions: 1 for yes, 0 for no, or -ENOMEM. */

/* Would a client that asks for NAME, a DNS name, take it? By the alternative names
 * alone, as clients do nowadays (RFC 9525). */
int certificate_has_name(const struct certificate *c, struct str name) _must_check_;

/* Is it for the public half of KEY? */
int certificate_has_key(const struct certificate *c, const struct key *key) _must_check_;

/* Did CA sign it, and may it sign? A root is signed by itself. */
int certificate_signed_by(const struct certificate *c, const struct certificate *ca) _must_check_;

/* The same, byte by byte? It cannot fail. */
bool certificate_same(const struct certificate *a, const struct certificate *b);
