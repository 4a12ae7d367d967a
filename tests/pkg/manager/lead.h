/* SPDX-License-Identifier: Apache-2.0
 *
 * A leader, a Lease, and what the two say to each other, step by step.
 */
#pragma once

#include "harness.h"

#include <errno.h>

#include "fake_lease.h"

#define WALL INT64_C(1136214245000000) /* 2006-01-02T15:04:05Z */
#define START (1000 * USEC_SEC)

static const struct leader_config config = {
        .namespace = STR_INIT("ops"),
        .name = STR_INIT("keelson"),
        .identity = STR_INIT("host-a_1"),
        .lease_duration = LEADER_LEASE_DURATION,
        .renew_deadline = LEADER_RENEW_DEADLINE,
        .retry_period = LEADER_RETRY_PERIOD,
};

/* One candidate and the API server, with a clock that only the test moves. */
struct bench {
        struct leader l;
        struct leader_actions a; /* of the last step */
        struct fake_lease api;
        struct buf reply;
        usec_t now;
};

static inline void bench_init(struct bench *b)
{
        *b = (struct bench){ .reply = BUF_INIT(LEADER_BODY_MAX), .now = START };
        ck_assert_int_eq(leader_init(&b->l, &config, 1, NULL), 0);
}

static inline void bench_release(struct bench *b)
{
        leader_release(&b->l);
        buf_release(&b->reply);
}

static inline void step(struct bench *b, enum leader_event_type type)
{
        struct leader_event event = { .type = type, .wall = WALL + b->now - START };

        leader_step(&b->l, &event, b->now, &b->a);
}

static inline void tick_at(struct bench *b, usec_t now)
{
        ck_assert_int_ge(now, b->now);
        b->now = now;
        step(b, LEADER_TICK);
}

static inline void reply(struct bench *b, uint64_t request, int status, const char *text)
{
        struct leader_event event = {
                .type = LEADER_REPLY,
                .wall = WALL + b->now - START,
                .request = request,
                .status = status,
        };
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        if (text && json_parse(str_c(text), &doc, NULL) == 0)
                event.body = yyjson_doc_get_root(doc);
        leader_step(&b->l, &event, b->now, &b->a);
}

/* The API server answers what the last step asked. */
static inline void serve(struct bench *b)
{
        uint64_t request = b->a.request;
        int status;

        ck_assert_int_ne(b->a.method, LEADER_NOTHING);
        status = fake_lease_serve(&b->api, b->a.method, b->a.body, &b->reply);
        reply(b, request, status, b->reply.data);
}

/* From the start to leading, on an empty cluster. */
static inline void lead(struct bench *b)
{
        step(b, LEADER_TICK);
        ck_assert_int_eq(b->a.method, LEADER_GET);
        serve(b);
        ck_assert_int_eq(b->a.method, LEADER_CREATE);
        serve(b);
        ck_assert_int_eq(b->a.change, LEADER_STARTED);
        ck_assert(leader_may_write(&b->l, b->now));
}

static inline void hold_by(struct bench *b, const char *holder, int seconds, int serial)
{
        b->api.there = true;
        b->api.version++;
        snprintf(b->api.spec, sizeof(b->api.spec),
                 "{\"holderIdentity\":\"%s\",\"leaseDurationSeconds\":%d,\"acquireTime\":"
                 "\"2001-01-01T00:00:00.000000Z\",\"renewTime\":\"2001-01-01T00:00:00.%06dZ\","
                 "\"leaseTransitions\":4}",
                 holder, seconds, serial);
}

/* A candidate that has just seen the lease, which another holds, and waits. */
static inline void follow(struct bench *b)
{
        hold_by(b, "host-b_2", 15, 1);
        step(b, LEADER_TICK);
        serve(b);
        ck_assert_int_eq(b->a.method, LEADER_NOTHING);
        ck_assert(!leader_may_write(&b->l, b->now));
}
