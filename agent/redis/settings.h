/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine's part of config.json (docs/failover.md), read and checked.
 *
 *      {"port":6379,"tls":true,"minReplicasToWrite":1,"stopGraceMillis":20000,
 *       "config":{"maxmemory":"1932735283","appendonly":"yes","save":""},
 *       "users":[{"name":"default","passwords":["…"],"rules":"~* &* +@all -@admin"},
 *                {"name":"replication","passwords":["…"],"rules":"+psync +replconf +ping"}]}
 *
 * Several passwords of a user are all valid. The first one of the user "replication"
 * is what this member itself logs in with. A user without passwords cannot log in,
 * unless it says "noPassword": true. Who is not named may not log in, default included.
 *
 * Passwords are kept as their SHA-256, which is what the server is given too; only
 * that of "replication" is kept as it is.
 */
#pragma once

#include "agent/redis/claims.h"
#include "base/arena.h"

#define REDIS_SETTINGS_BYTES_MAX ((size_t)512 * 1024)
#define REDIS_CONFIG_MAX 256
#define REDIS_USERS_MAX 64
#define REDIS_PASSWORDS_MAX 8 /* of one user */
#define REDIS_VALUE_MAX ((size_t)4096)
#define REDIS_NAME_MAX ((size_t)64)
#define REDIS_PASSWORD_MAX ((size_t)512)
#define REDIS_HASH_LEN 64

#define REDIS_ADMIN "keelson-agent" /* the agent's own user */
#define REDIS_REPLICATION "replication"
#define REDIS_DEFAULT "default" /* that of clients which name none */

struct redis_setting {
        struct str name, value;
};

struct redis_user {
        struct str name, rules;
        struct str hashes[REDIS_PASSWORDS_MAX]; /* of REDIS_HASH_LEN hexadecimal digits */
        size_t n_hashes;
        bool no_password;
};

struct redis_settings {
        struct arena arena; /* owns the texts */
        uint16_t port;
        bool tls;
        int min_replicas;
        usec_t stop_grace;
        struct redis_setting *config; /* but for those below */
        size_t n_config;
        struct redis_user *users;
        size_t n_users;
        bool users_wrong;                /* one of them has a mistake, and may be missing */
        struct str replication_password; /* absent: none */
        /* what is to be kept: appendonly, save, appendfsync */
        bool aof;
        struct str save; /* "" for none */
        enum redis_fsync fsync;
};

/* 0; -EINVAL with *complaint, whose path names the field: RET is set all the same, with
 * what was right, unless it is no JSON object at all; -ENOMEM. */
int redis_settings_parse(struct str json, struct redis_settings *ret, struct error *complaint) _must_check_;
void redis_settings_release(struct redis_settings *s);

/* S gets the users of FROM in place of its own. 0 or -ENOMEM, and then it is as it was. */
int redis_settings_take_users(struct redis_settings *s, const struct redis_settings *from) _must_check_;
/* The one of that name, or NULL. */
const struct redis_user *redis_settings_user(const struct redis_settings *s, struct str name);

/* What the settings want to be kept. */
enum redis_source redis_settings_source(const struct redis_settings *s);
const char *redis_fsync_name(enum redis_fsync fsync);
