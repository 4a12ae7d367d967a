/* SPDX-License-Identifier: Apache-2.0
 *
 * What a server says of itself to INFO, as metrics: under the names that redis_exporter gave
 * them, so that its dashboards and alerts fit. Asked for every few seconds, and not with the
 * looks by which the server is judged (info.h), which are many.
 *
 *      # Memory                        # HELP redis_memory_used_bytes used_memory
 *      used_memory:941488      -->     # TYPE redis_memory_used_bytes gauge
 *                                      redis_memory_used_bytes 941488
 *
 * A field that the server does not have is left out. There are no labels but the number of
 * a database, of which STATS_DATABASES_MAX are told, and those of redis_instance_info.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

#define STATS_FIELDS 47
#define STATS_DATABASES_MAX 16
#define STATS_WORD_MAX 32

struct redis_stats_database {
        uint64_t number, keys, expiring;
};

struct redis_stats {
        bool known;
        bool has[STATS_FIELDS];
        double values[STATS_FIELDS];
        char role[STATS_WORD_MAX], version[STATS_WORD_MAX], server[STATS_WORD_MAX];
        struct redis_stats_database databases[STATS_DATABASES_MAX];
        size_t n_databases;
};

/* Any text is read; what is no number, or no plain word, is left out. */
void redis_stats_read(struct str text, struct redis_stats *ret);

/* What INFO calls FIELD; 0 where the server has not said it. */
double redis_stats_value(const struct redis_stats *stats, const char *field);

/* With redis_up, which is all that there is of a server that is not UP. */
void redis_stats_write(const struct redis_stats *stats, bool up, struct buf *out);
