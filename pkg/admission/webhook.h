/* SPDX-License-Identifier: Apache-2.0
 *
 * The webhook as a process: the endpoint that the API server asks, its certificate,
 * health and metrics, bound together. It runs until SIGTERM or SIGINT.
 *
 *      --listen          HTTPS   /validate /mutate /convert
 *      --metrics-listen  HTTP    /livez /readyz /metrics
 *
 * All that it needs is in a request: it holds no token, writes no file, starts no
 * process and opens no connection.
 *
 * A SIGTERM: /readyz says no, and replies ask their peers to go elsewhere, for as long
 * as it takes until everybody has heard of it; then no new connection is taken, what
 * is under way is finished, and it ends. A second one ends it at once.
 */
#pragma once

#include "admission/identity.h"
#include "admission/judge.h"
#include "conversion/convert.h"

#define WEBHOOK_DRAIN_MAX (5 * USEC_MINUTE)

struct webhook_options {
        struct str listen;         /* ":8443" */
        struct str metrics_listen; /* ":8080"; absent: no such server */
        struct identity_files files;
        const struct admission_kind *const *kinds;
        size_t n_kinds;
        const struct conversion_kind *const *conversions; /* the kinds that have versions */
        size_t n_conversions;
        usec_t drain; /* from the signal until no new connection is taken */
        struct str version;
};

/* Can it run so, as far as the options themselves tell? 0, or -EINVAL with *err. */
int webhook_check(const struct webhook_options *options, struct error *err) _must_check_;

/* Returns 0 after a clean stop. A negative errno, with *err filled, where it could not
 * begin: a file that cannot be used, an address that cannot be listened on. */
int webhook_run(const struct webhook_options *options, struct error *err) _must_check_;
