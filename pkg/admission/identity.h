/* SPDX-License-Identifier: Apache-2.0
 *
 * Who the webhook is and whom it lets in: the serving certificate with its key, and
 * the CA of clients, from files that others replace while it serves. A mounted Secret
 * is replaced by turning a symlink, so the files are read again every few seconds, and
 * what counts is what is in them.
 *
 *      files --identity_source_check--> source.now --> identity <-- one connection
 *                     |                            \-> (an older one) <-- another
 *                     `-- cannot be used, twice in a row: told once, and the old one stays
 *
 * A connection keeps the one that it began with. An identity lives until the source
 * and all connections have given it back.
 */
#pragma once

#include <gnutls/abstract.h>

#include "base/clock.h"
#include "base/error.h"

#define IDENTITY_FILE_MAX ((size_t)256 * 1024)
/* Of a server that shows one: what GnuTLS may agree on. */
#define IDENTITY_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct identity {
        size_t refs;
        gnutls_certificate_credentials_t credentials;
        bool verifies_clients;
        usec_t expires;       /* clock_wall's time: the end of the serving certificate */
        const char *weakness; /* why API servers may not take it, or NULL */
};

/* SESSION shows ID instead of what its server was started with, and asks for a client's
 * certificate if ID knows whose it must be. 0 or GnuTLS's code. ID must outlive SESSION. */
int identity_show(const struct identity *id, gnutls_session_t session) _must_check_;

/* MHD wants a certificate when it starts (MHD_OPTION_HTTPS_CERT_CALLBACK2), be it that each
 * connection is shown another: this one has none. */
struct gnutls_cert_auth_context; /* a tag that GnuTLS uses and never names */
int identity_not_yet(gnutls_session_t session, const struct gnutls_cert_auth_context *info,
                     gnutls_pcert_st **certificate, unsigned *n, gnutls_ocsp_data_st **ocsp, unsigned *n_ocsp,
                     gnutls_privkey_t *key, unsigned *flags);

struct identity *identity_ref(struct identity *id);
void identity_unref(struct identity *id); /* NULL is fine */

struct identity_files {
        const char *certificate; /* PEM, with the chain below the root */
        const char *key;         /* PEM */
        const char *client_ca;   /* PEM, one or more; NULL: clients need no certificate */
        const char *option;      /* what users name the folder of all three with; NULL: each has
                                  * an option of its own, --tls-cert, --tls-key, --client-ca */
};

struct identity_source {
        struct identity_files files; /* borrowed */
        struct identity *now;        /* NULL until the first success */
        uint64_t seen;               /* a hash of what was in the files last */
        bool doubted;                /* they could not be used at the last look */
};

void identity_source_init(struct identity_source *s, const struct identity_files *files);
void identity_source_release(struct identity_source *s);

/* Reads the files. 1 if there is a new identity, 0 if nothing changed since the last
 * look, or a negative errno with *err once for each contents that cannot be used:
 * -ENOENT and the like, -EINVAL, -ENOMEM. While there is an identity, what cannot be
 * used must be so at two looks: one may fall into the middle of a turn, and find the
 * certificate of before with the key of after. */
int identity_source_check(struct identity_source *s, struct error *err) _must_check_;
