/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration file that a server is started with. It is always one of a
 * replica of an address where nobody is: read-only until it is told to lead. All that
 * users set can be left out of it, since a word that the server does not take would
 * keep it from starting; it is then set over the connection (apply.c).
 *
 * Two choices, and why:
 *
 *      repl-diskless-load disabled   a copy is received into a file first, so that one
 *                                    which breaks off leaves the old data as they were
 *      repl-diskless-sync-delay 0    a leader does not wait for more followers before a
 *                                    copy begins; 5 s, the default, would be the outage
 */
#pragma once

#include "agent/redis/settings.h"

#define REDIS_CONF_BYTES_MAX ((size_t)2 * 1024 * 1024)
#define REDIS_CONF_FILE "redis.conf"
#define REDIS_SOCKET_FILE "redis.sock"
#define REDIS_NOBODY_HOST "127.0.0.1" /* where it is that nobody is */
#define REDIS_NOBODY_PORT 1
#define REDIS_RDB_FILE "dump.rdb"
/* Of a server that is to keep nothing, but must receive copies: deleted before each start. */
#define REDIS_UNKEPT_FILE "unkept.rdb"
#define REDIS_AOF_MANIFEST "appendonlydir/appendonly.aof.manifest"
#define REDIS_AOF_OLD "appendonly.aof" /* of a server before 7 */

struct redis_conf {
        const char *data, *run, *tls; /* folders; tls may be NULL */
        const char *announce_host;
        uint16_t announce_port;
        const char *admin_hash;
        enum redis_source source; /* what to load */
        const struct redis_settings *settings;
        /* For each of settings.config: does the server not take it? NULL: leave all out. */
        const bool *refused;
        const struct redis_settings *users; /* whose users there are from the start; NULL: none */
};

/* 0; -EINVAL: one of the folders' names cannot stand in a file; -ENOMEM. */
int redis_conf_write(const struct redis_conf *conf, struct buf *out) _must_check_;
