/* SPDX-License-Identifier: Apache-2.0
 *
 * The credentials of a client as they are now. Tokens of service accounts are
 * replaced in their file about once an hour, certificates now and then; so
 * files are read again at most once a minute, and the token's after a 401.
 */
#pragma once

#include "base/clock.h"
#include "http/http.h"
#include "kube/config.h"

#define KUBE_RELOAD_INTERVAL USEC_MINUTE

struct kube_credentials {
        const struct kube_config *config;
        struct buf authorization; /* "Bearer …", or empty */
        struct buf ca, cert, key; /* PEM, where they come from files; else empty */
        usec_t read_at;
};

/* CONFIG stays with the caller and must outlive C. */
int kube_credentials_init(struct kube_credentials *c, const struct kube_config *config, usec_t now,
                          struct error *err) _must_check_;
void kube_credentials_release(struct kube_credentials *c);

/* Reads the files again if that is due. *ret_tls says whether a certificate has
 * changed. What cannot be read now stays as it was: the old token may still be
 * good, and if not the server will say so. */
void kube_credentials_refresh(struct kube_credentials *c, usec_t now, bool *ret_tls);

/* After a 401: reads the token again, at once. Whether it is another one now. */
bool kube_credentials_refused(struct kube_credentials *c);

/* What the HTTP client needs; borrows from C and its config. */
struct http_config kube_credentials_http(const struct kube_credentials *c);
