/* SPDX-License-Identifier: Apache-2.0
 *
 * How much of its data a server would have again after it was started anew. Pure.
 *
 *      memory   what the server has: whose data (lineage, timeline), how far
 *        |  AOF, fsync always: at once
 *        |  AOF, fsync every second: what it had at the last look but some, when
 *        |       no fsync was waiting since (CLAIMS_EVERY_SECOND)
 *        |  AOF, fsync never: what it had a minute ago (CLAIMS_NEVER), as far as
 *        |       the kernel keeps to its own times of writing back
 *        |  RDB: what it had before a save began, when that has succeeded
 *        v
 *      disk     what the state file says
 *
 * A full copy replaces memory at once and the AOF only when it is written anew
 * from it; until then the old one is what a start would load, and disk stays.
 */
#pragma once

#include "agent/redis/state.h"

/* An fsync begins up to 2 s after the write (the server counts whole seconds). */
#define CLAIMS_EVERY_SECOND (2500 * USEC_MSEC)
#define CLAIMS_NEVER (60 * USEC_SEC)

enum redis_fsync {
        REDIS_FSYNC_EVERY_SECOND,
        REDIS_FSYNC_ALWAYS,
        REDIS_FSYNC_NEVER,
};

struct redis_mark {
        bool set;
        usec_t at;
        struct redis_state what; /* its source is not looked at */
};

struct redis_claims {
        struct redis_state disk;
        struct redis_state memory; /* with the offset and replid of the last look */
        bool rewrite_due;          /* the AOF does not hold what memory has, until it was rewritten */
        bool linked;
        bool copied;            /* into an RDB, which is what a start would load */
        struct redis_mark mark; /* AOF: to be claimed when it is old enough */
        struct redis_mark save; /* RDB: before the save that is under way */
        bool looked, aof;
        int64_t saved;
};

/* Whoever wrote DISK, that is what there is. */
void redis_claims_init(struct redis_claims *c, const struct redis_state *disk);

/* The server is started anew: with what the disk had, or with nothing. */
void redis_claims_start(struct redis_claims *c, bool has_data);

/* Memory holds data of COPY's lineage and timeline from now on; or none of worth. */
void redis_claims_remember(struct redis_claims *c, const struct failover_copy *copy);

/* The server ended as it should: it has written all that it had. */
void redis_claims_ended(struct redis_claims *c, bool has_data, bool saves);

struct redis_claims_look {
        usec_t at;
        const struct redis_info *info;
        bool has_data;   /* no copy is on its way, and it did not come up empty */
        uint64_t offset; /* how far memory is */
        enum redis_fsync fsync;
        bool saves; /* there are save points */
};

void redis_claims_look(struct redis_claims *c, const struct redis_claims_look *look);
