/* SPDX-License-Identifier: Apache-2.0
 *
 * The state file, beside the data: what a start of the server from this volume is
 * certain to bring back.
 *
 *      {"version":1,"source":"aof","lineage":"…","timeline":3,"offset":5120,"replid":"…","time":"…"}
 *
 * It may say less than what is there, never more. Who restarts is judged by it.
 */
#pragma once

#include "agent/redis/info.h"
#include "base/error.h"
#include "failover/failover.h"

#define REDIS_STATE_FILE "keelson.json"
#define REDIS_STATE_BYTES_MAX ((size_t)1024)

/* Where a start is to take the data from. */
enum redis_source {
        REDIS_NOTHING, /* nothing is kept */
        REDIS_RDB,
        REDIS_AOF,
};

struct redis_state {
        enum redis_source source;
        char lineage[FAILOVER_LINEAGE_MAX]; /* empty: no data that is anybody's */
        struct failover_position position;
        /* The server's name for its history, which an RDB brings back with its exact offset. */
        char replid[REDIS_REPLID_MAX];
};

const char *redis_source_name(enum redis_source source);

/* 0 or -EINVAL with *err. */
int redis_state_parse(struct str text, struct redis_state *ret, struct error *err) _must_check_;

/* The text; NOW is for people. 0 or the buffer's error. */
int redis_state_write(const struct redis_state *state, usec_t now, struct buf *out) _must_check_;
