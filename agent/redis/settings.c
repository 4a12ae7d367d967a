/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/settings.h"

#include <ctype.h>
#include <errno.h>

#include "base/mem.h"
#include "crypto/digest.h"
#include "json/read.h"

#define PORT_DEFAULT 6379
#define STOP_GRACE_DEFAULT (20 * USEC_SEC)
#define STOP_GRACE_MAX (10 * USEC_MINUTE)
#define MIN_REPLICAS_MAX 8

/* What the agent decides: a value of a user's would break what it relies on. A name that
 * ends in '-' stands for all that begin so. */
static const struct str owned[] = {
        STR_INIT("aclfile"),
        STR_INIT("appenddirname"),
        STR_INIT("appendfilename"),
        STR_INIT("bind"),
        STR_INIT("cluster-"),
        STR_INIT("daemonize"),
        STR_INIT("dbfilename"),
        STR_INIT("dir"),
        STR_INIT("include"),
        STR_INIT("logfile"),
        STR_INIT("masterauth"),
        STR_INIT("masteruser"),
        STR_INIT("min-replicas-"),
        STR_INIT("min-slaves-"),
        STR_INIT("pidfile"),
        STR_INIT("port"),
        STR_INIT("primaryauth"),
        STR_INIT("primaryuser"),
        STR_INIT("protected-mode"),
        STR_INIT("rdb-del-sync-files"),
        STR_INIT("rename-command"),
        STR_INIT("repl-diskless-load"),
        STR_INIT("replica-announce-"),
        STR_INIT("replica-read-only"),
        STR_INIT("replicaof"),
        STR_INIT("requirepass"),
        STR_INIT("slave-announce-"),
        STR_INIT("slave-read-only"),
        STR_INIT("slaveof"),
        STR_INIT("supervised"),
        STR_INIT("tls-"),
        STR_INIT("unixsocket"),
        STR_INIT("unixsocketperm"),
        STR_INIT("user"),
};

static bool is_owned(struct str name)
{
        for (size_t i = 0; i < ARRAY_SIZE(owned); i++)
                if (str_eq(name, owned[i]) || (str_ends(owned[i], STR("-")) && str_starts(name, owned[i])))
                        return true;
        return false;
}

/* The first complaint is told; what it is about is left out, and the rest holds. */
struct reading {
        struct redis_settings *to;
        struct error *complaint;
        int error;
};

static void complain(struct reading *r, struct str path, const char *what)
{
        if (r->error)
                return;
        r->error = error_set_at(r->complaint, -EINVAL, path, "%s", what);
}

static struct str path_of(struct reading *r, const char *list, struct str name)
{
        char path[128];
        int n = snprintf(path, sizeof(path), "%s.%.*s", list, (int)MIN(name.len, REDIS_NAME_MAX),
                         name.data ? name.data : "");

        return arena_str(&r->to->arena, str_n(path, (size_t)n));
}

/* What may stand in a line of a configuration file and in a word of a command alike. */
static bool is_plain(struct str text)
{
        for (size_t i = 0; i < text.len; i++)
                if ((unsigned char)text.data[i] < ' ' || text.data[i] == '"' || text.data[i] == '\'' ||
                    text.data[i] == '\\' || text.data[i] == 0x7f)
                        return false;
        return true;
}

static bool is_name(struct str name, const char *more)
{
        if (!name.len || name.len > REDIS_NAME_MAX)
                return false;
        for (size_t i = 0; i < name.len; i++)
                if (!isalnum((unsigned char)name.data[i]) && !strchr(more, name.data[i]))
                        return false;
        return true;
}

/* --- config ----------------------------------------------------------------------- */

static struct str text_of(struct reading *r, yyjson_val *value)
{
        char number[STR_INT_MAX];

        if (yyjson_is_bool(value))
                return yyjson_get_bool(value) ? STR("yes") : STR("no");
        if (yyjson_is_int(value))
                return arena_str(&r->to->arena, str_int(yyjson_get_sint(value), number));
        return arena_str(&r->to->arena, json_val_str(value));
}

static void take_kept(struct reading *r, struct str name, struct str value)
{
        struct redis_settings *s = r->to;

        if (str_eq(name, STR("save"))) {
                s->save = value;
        } else if (str_eq(name, STR("appendonly"))) {
                if (!str_eq(value, STR("yes")) && !str_eq(value, STR("no")))
                        complain(r, STR("redis.config.appendonly"), "must be yes or no");
                s->aof = str_eq(value, STR("yes"));
        } else {
                for (int i = REDIS_FSYNC_EVERY_SECOND; i <= REDIS_FSYNC_NEVER; i++)
                        if (str_eq_c(value, redis_fsync_name((enum redis_fsync)i))) {
                                s->fsync = (enum redis_fsync)i;
                                return;
                        }
                complain(r, STR("redis.config.appendfsync"), "must be always, everysec or no");
        }
}

static void take_setting(struct reading *r, struct str name, yyjson_val *value)
{
        const struct str kept[] = { STR("save"), STR("appendonly"), STR("appendfsync") };
        struct str text = text_of(r, value);

        if (!is_name(name, "-_.")) {
                complain(r, path_of(r, "redis.config", name), "is no name of a setting");
        } else if (is_owned(name)) {
                complain(r, path_of(r, "redis.config", name),
                         "is set by Keelson; remove it, there is a field for what can be changed");
        } else if (!text.data || text.len > REDIS_VALUE_MAX) {
                complain(r, path_of(r, "redis.config", name), "must be a text of at most 4096 bytes");
        } else if (!is_plain(text)) {
                complain(r, path_of(r, "redis.config", name),
                         "must not hold quotes, backslashes or line breaks");
        } else if (str_is_one_of(name, kept, ARRAY_SIZE(kept))) {
                take_kept(r, name, text);
        } else {
                r->to->config[r->to->n_config++] =
                        (struct redis_setting){ arena_str(&r->to->arena, name), text };
        }
}

static void take_config(struct reading *r, yyjson_val *config)
{
        size_t i, n;
        yyjson_val *key, *value;

        if (!config)
                return;
        if (!yyjson_is_obj(config) || yyjson_obj_size(config) > REDIS_CONFIG_MAX) {
                complain(r, STR("redis.config"), "must be an object of at most 256 settings");
                return;
        }
        r->to->config = arena_new_n(&r->to->arena, struct redis_setting, yyjson_obj_size(config));
        if (!r->to->config)
                return;
        yyjson_obj_foreach (config, i, n, key, value)
                take_setting(r, json_val_str(key), value);
}

/* --- users ------------------------------------------------------------------------- */

static void complain_of_user(struct reading *r, struct str path, const char *what)
{
        if (r->to->users_wrong)
                return;
        /* Told before others: it is what keeps all users from being changed. */
        r->to->users_wrong = true;
        r->error = 0;
        complain(r, path, what);
}

static void take_password(struct reading *r, struct redis_user *user, struct str path, yyjson_val *value)
{
        struct str password = json_val_str(value);

        if (!password.len || password.len > REDIS_PASSWORD_MAX) {
                complain_of_user(r, path, "passwords must be texts of 1 to 512 bytes");
                return;
        }
        if (!user->n_hashes && str_eq_c(user->name, REDIS_REPLICATION))
                r->to->replication_password = arena_str(&r->to->arena, password);
        user->hashes[user->n_hashes++] = digest_hex(password, DIGEST_BYTES, &r->to->arena);
}

static void take_passwords(struct reading *r, struct redis_user *user, struct str path, yyjson_val *list)
{
        size_t i, n;
        yyjson_val *value;

        if (!list)
                return;
        if (!yyjson_is_arr(list) || yyjson_arr_size(list) > REDIS_PASSWORDS_MAX) {
                complain_of_user(r, path, "passwords must be a list of at most 8 texts");
                return;
        }
        yyjson_arr_foreach (list, i, n, value)
                take_password(r, user, path, value);
}

/* By its name, or by its place where it has none. */
static struct str path_of_user(struct reading *r, size_t i, struct str name)
{
        char path[64];
        int n;

        if (name.len)
                return path_of(r, "redis.users", name);
        n = snprintf(path, sizeof(path), "redis.users[%zu]", i);
        return arena_str(&r->to->arena, str_n(path, (size_t)n));
}

static void take_user(struct reading *r, size_t i, yyjson_val *value)
{
        struct redis_user *user = &r->to->users[r->to->n_users];
        struct str name = json_get_str(value, "name"), rules = json_get_str(value, "rules");
        struct str path = path_of_user(r, i, name);

        if (!is_name(name, "-_.:@")) {
                complain_of_user(r, path, "must have a name of 1 to 64 letters, digits and -_.:@");
        } else if (str_eq_c(name, REDIS_ADMIN)) {
                complain_of_user(r, path, "is the agent's own user; choose another name");
        } else if (rules.len > REDIS_VALUE_MAX || !is_plain(rules)) {
                complain_of_user(r, path, "rules must be at most 4096 bytes without quotes and line breaks");
        } else {
                *user = (struct redis_user){ .name = arena_str(&r->to->arena, name),
                                             .rules = arena_str(&r->to->arena, rules),
                                             .no_password = json_get_bool(value, "noPassword", false) };
                r->to->n_users++;
                take_passwords(r, user, path, yyjson_obj_get(value, "passwords"));
        }
}

static void take_users(struct reading *r, yyjson_val *users)
{
        size_t i, n;
        yyjson_val *value;

        if (!users)
                return;
        if (!yyjson_is_arr(users) || yyjson_arr_size(users) > REDIS_USERS_MAX) {
                complain_of_user(r, STR("redis.users"), "must be a list of at most 64 users");
                return;
        }
        r->to->users = arena_new_n(&r->to->arena, struct redis_user, yyjson_arr_size(users));
        if (!r->to->users)
                return;
        yyjson_arr_foreach (users, i, n, value)
                take_user(r, i, value);
}

/* --- all ------------------------------------------------------------------------------ */

static int64_t take_int(struct reading *r, yyjson_val *root, const char *key, int64_t fallback, int64_t least,
                        int64_t most)
{
        yyjson_val *value = yyjson_obj_get(root, key);

        if (!value)
                return fallback;
        if (!yyjson_is_int(value) || yyjson_get_sint(value) < least || yyjson_get_sint(value) > most) {
                complain(r, path_of(r, "redis", str_c(key)), "is no number, or out of its range");
                return fallback;
        }
        return yyjson_get_sint(value);
}

int redis_settings_parse(struct str json, struct redis_settings *ret, struct error *complaint)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct redis_settings s = { .arena = ARENA_INIT(4 * REDIS_SETTINGS_BYTES_MAX), .save = STR("") };
        struct reading r = { .to = &s, .complaint = complaint };
        yyjson_val *root;
        int n;

        if (json.len > REDIS_SETTINGS_BYTES_MAX)
                return error_set_at(complaint, -EINVAL, STR("redis"), "is longer than 512 KiB");
        n = json_parse(json, &doc, complaint);
        if (n < 0)
                return n;
        root = yyjson_doc_get_root(doc);
        if (!yyjson_is_obj(root))
                return error_set_at(complaint, -EINVAL, STR("redis"), "must be an object");
        s.port = (uint16_t)take_int(&r, root, "port", PORT_DEFAULT, 1, UINT16_MAX);
        s.min_replicas = (int)take_int(&r, root, "minReplicasToWrite", 0, 0, MIN_REPLICAS_MAX);
        s.stop_grace = take_int(&r, root, "stopGraceMillis", STOP_GRACE_DEFAULT / USEC_MSEC, 0,
                                STOP_GRACE_MAX / USEC_MSEC) *
                       USEC_MSEC;
        s.tls = json_get_bool(root, "tls", false);
        take_config(&r, yyjson_obj_get(root, "config"));
        take_users(&r, yyjson_obj_get(root, "users"));
        if (s.arena.failed) {
                redis_settings_release(&s);
                return -ENOMEM;
        }
        *ret = s;
        return r.error;
}

/* The one that is kept. */
static void forget_password(const struct redis_settings *s)
{
        if (s->replication_password.data)
                explicit_bzero((char *)(uintptr_t)s->replication_password.data, s->replication_password.len);
}

static struct redis_user copy_user(struct arena *arena, const struct redis_user *from)
{
        struct redis_user user = *from;

        user.name = arena_str(arena, from->name);
        user.rules = arena_str(arena, from->rules);
        for (size_t i = 0; i < from->n_hashes; i++)
                user.hashes[i] = arena_str(arena, from->hashes[i]);
        return user;
}

int redis_settings_take_users(struct redis_settings *s, const struct redis_settings *from)
{
        struct redis_user *users = arena_new_n(&s->arena, struct redis_user, MAX(from->n_users, (size_t)1));
        struct str password = STR_NULL;

        for (size_t i = 0; users && i < from->n_users; i++)
                users[i] = copy_user(&s->arena, &from->users[i]);
        if (from->replication_password.data)
                password = arena_str(&s->arena, from->replication_password);
        if (s->arena.failed)
                return -ENOMEM;
        forget_password(s);
        s->users = users;
        s->n_users = from->n_users;
        s->replication_password = password;
        return 0;
}

const struct redis_user *redis_settings_user(const struct redis_settings *s, struct str name)
{
        for (size_t i = 0; i < s->n_users; i++)
                if (str_eq(s->users[i].name, name))
                        return &s->users[i];
        return NULL;
}

void redis_settings_release(struct redis_settings *s)
{
        forget_password(s);
        arena_release(&s->arena);
        *s = (struct redis_settings){ 0 };
}

enum redis_source redis_settings_source(const struct redis_settings *s)
{
        return s->aof ? REDIS_AOF : s->save.len ? REDIS_RDB : REDIS_NOTHING;
}

const char *redis_fsync_name(enum redis_fsync fsync)
{
        static const char *const names[] = {
                [REDIS_FSYNC_EVERY_SECOND] = "everysec",
                [REDIS_FSYNC_ALWAYS] = "always",
                [REDIS_FSYNC_NEVER] = "no",
        };

        return names[fsync];
}
