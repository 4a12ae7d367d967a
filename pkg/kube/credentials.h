/* SPDX-License-Identifier: Apache-2.0
 *
 * The credentials of a client as they are now. Tokens of service accounts are
 * replaced in their file about once an hour, certificates now and then; so
 * files are read again at most once a minute, and the token's after a 401.
 *
 * Those of an exec plugin hold until its expirationTimestamp, or for ever if it
 * does not say. The plugin runs when the first request asks, again a little
 * before the end, while the old ones still serve, and after a 401.
 *
 *      ask --> plugin runs ---> [ they hold ......... renew | still good ] expired
 *                   |            ^                        |                   |
 *                   |            '------ plugin runs <----'                   |
 *                   v                         ^                               |
 *                 failed -- KUBE_EXEC_PAUSE --+-------------------------------'
 *
 * Where the kubeconfig has a token as well, that one counts and the plugin never
 * runs, as in client-go.
 */
#pragma once

#include "base/clock.h"
#include "http/http.h"
#include "kube/config.h"
#include "kube/exec_plugin.h"

#define KUBE_RELOAD_INTERVAL USEC_MINUTE
/* So long before their end, or with the last quarter of a short life, the
 * plugin runs again. */
#define KUBE_EXEC_RENEW (30 * USEC_SEC)
/* Between the end of a run and the next, however it ended. */
#define KUBE_EXEC_PAUSE (5 * USEC_SEC)

struct kube_credentials {
        const struct kube_config *config;
        struct loop *loop;
        struct buf authorization; /* "Bearer …", or empty */
        struct buf ca, cert, key; /* PEM, where they come from files or the plugin; else empty */
        usec_t read_at;
        uint64_t generation; /* rises with each other token or certificate */

        struct exec_plugin plugin;
        bool from_plugin;     /* config has an exec, and it counts */
        bool new_cert;        /* which nobody was told yet */
        usec_t renew_at;      /* from then on the plugin is due */
        usec_t expires_at;    /* from then on what it gave does not hold */
        usec_t paused_until;  /* it does not run before */
        struct error failure; /* of its last run */
        void (*settled)(void *arg);
        void *arg;
};

/* CONFIG stays with the caller and must outlive C. SETTLED is called when the
 * plugin has ended, for good or ill; never from inside another function here. */
int kube_credentials_init(struct kube_credentials *c, struct loop *l, const struct kube_config *config,
                          void (*settled)(void *arg), void *arg, struct error *err);
void kube_credentials_release(struct kube_credentials *c);

/* Reads the files again if that is due. *ret_tls says whether a certificate has
 * changed. What cannot be read now stays as it was: the old token may still be
 * good, and if not the server will say so. */
void kube_credentials_refresh(struct kube_credentials *c, usec_t now, bool *ret_tls);

/* Before a request. 1: there are credentials; 0: the plugin runs, and settled
 * will be called; -ENOKEY with how it failed a moment ago. Runs it if it is due. */
int kube_credentials_ask(struct kube_credentials *c, usec_t now, struct error *err) _must_check_;

/* After a 401 to a request that was sent with those of GENERATION: whether there
 * are others by now, or may be after the next kube_credentials_ask. */
bool kube_credentials_refused(struct kube_credentials *c, usec_t now, uint64_t generation);

/* Whether the plugin gave another certificate since the last call. */
bool kube_credentials_new_certificate(struct kube_credentials *c);
/* What the plugin gave cannot be used, and why: as if it had failed. */
void kube_credentials_reject(struct kube_credentials *c, usec_t now, const struct error *err);

/* What the HTTP client needs; borrows from C and its config. */
struct http_config kube_credentials_http(const struct kube_credentials *c);
