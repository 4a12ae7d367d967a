/* SPDX-License-Identifier: Apache-2.0
 *
 * config.json, which the operator writes into the Secret NAME-agent (docs/failover.md):
 * what the member itself needs out of it, and the engine's part as it stands there.
 *
 *      {"version": "5f2c…", "members": 3, "fenced": [1], "durable": true, "leaseMillis": 4000,
 *       "handover": {"number": 7, "to": 2}, "consent": {"number": 1, "member": 0},
 *       "redis": {…, "port": 6379, …}}
 *
 * version tells one config.json from another: it is what the member reports when it has carried
 * this one out. version, fenced, handover and consent may be absent. Fields that are not known
 * are passed over.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "failover/report.h"

#define SETTINGS_BYTES_MAX ((size_t)512 * 1024)
#define SETTINGS_LEASE_MIN (500 * USEC_MSEC)
#define SETTINGS_LEASE_MAX (2 * USEC_MINUTE)

struct settings {
        char version[FAILOVER_CONFIG_MAX]; /* empty: it has none */
        struct failover_policy policy;
        usec_t lease;
        uint16_t port;     /* of the server, for clients */
        struct buf engine; /* JSON; it holds passwords */
};

void settings_init(struct settings *s);
void settings_release(struct settings *s);

/* ENGINE is the name of its part, "redis". 0; -EINVAL with the field and what it must be,
 * -ENOMEM, and then *ret is as it was. */
int settings_read(struct str json, const char *engine, struct settings *ret, struct error *err) _must_check_;
