/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request to the sample app asks for, told from its method and path
 * alone. Pure; owns nothing.
 */
#pragma once

#include "base/str.h"

enum route {
        ROUTE_HELLO,   /* /                    hello, pod and version */
        ROUTE_LIVE,    /* /health/live         200 as long as it runs */
        ROUTE_READY,   /* /health/ready        200, 503 from the start of the shutdown on */
        ROUTE_ENV,     /* /env/APP_NAME        that variable's value */
        ROUTE_BURN,    /* /burn?ms=N           uses N ms of CPU time */
        ROUTE_SLOW,    /* /slow?ms=N           answers after N ms */
        ROUTE_METRICS, /* /metrics             Prometheus text */
        ROUTE_CONFIG,  /* /config              of each settings file: name, bytes, hash */
        ROUTE_SETTING, /* /config/NAME         what that file says */
        ROUTE_NONE,    /* anything else        404 */
        ROUTE_METHOD,  /* not GET, not HEAD    405 */
        ROUTE_N,
};

/* Of one request. A health check must never be able to cost more than this. */
#define BURN_MS_MAX 10000
#define SLOW_MS_MAX 60000

/* Which variables /env/ may show: settings of the app, and nothing that the
 * cluster or the image put there. */
#define ENV_PREFIX "APP_"
#define ENV_NAME_MAX 64

enum route route_of(struct str method, struct str path);
const char *route_name(enum route route);

/* The variable that /env/NAME asks for: the prefix, then capitals, digits and
 * underscores. False if it is none that may be shown; else OUT holds its name. */
bool env_name(struct str path, char out[ENV_NAME_MAX + 1]);

/* The file that /config/NAME asks for, or the empty string. Borrows from PATH. */
struct str setting_name(struct str path);

/* The value of ms=N, at most MAX; 0 or -EINVAL where it is no number from 0 on.
 * TEXT may be absent: then it is 0. */
int parse_ms(struct str text, int64_t max, int64_t *ret) _must_check_;
