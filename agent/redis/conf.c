/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/conf.h"

#include <errno.h>

/* NAME VALUE, where VALUE is one word or several; none that a line cannot hold. */
static void put(struct buf *out, const char *name, struct str value)
{
        for (size_t i = 0; i < value.len; i++)
                if ((unsigned char)value.data[i] < ' ' || strchr("\"'\\", value.data[i])) {
                        out->error = out->error ? out->error : -EINVAL;
                        return;
                }
        buf_add_c(out, name);
        buf_add_char(out, ' ');
        if (value.len)
                buf_add_str(out, value);
        else
                buf_add_c(out, "\"\"");
        buf_add_char(out, '\n');
}

static void put_c(struct buf *out, const char *name, const char *value)
{
        put(out, name, str_c(value));
}

static void put_int(struct buf *out, const char *name, int64_t value)
{
        char text[STR_INT_MAX];

        put(out, name, str_int(value, text));
}

/* A path is one word, whatever stands in it. */
static void put_path(struct buf *out, const char *name, const char *dir, const char *file)
{
        if (strpbrk(dir, "\"'\\\r\n")) {
                out->error = out->error ? out->error : -EINVAL;
                return;
        }
        buf_printf(out, "%s \"%s%s%s\"\n", name, dir, file ? "/" : "", file ? file : "");
}

static void put_network(struct buf *out, const struct redis_conf *c)
{
        bool tls = c->settings->tls && c->tls;

        /* Who may log in is decided by the users, who may connect by the NetworkPolicy. */
        put_c(out, "bind", "* -::*");
        put_c(out, "protected-mode", "no");
        put_int(out, "port", tls ? 0 : c->settings->port);
        if (tls) {
                put_int(out, "tls-port", c->settings->port);
                put_path(out, "tls-ca-cert-file", c->tls, "ca.crt");
                put_path(out, "tls-cert-file", c->tls, "tls.crt");
                put_path(out, "tls-key-file", c->tls, "tls.key");
                put_c(out, "tls-auth-clients", "no");
                put_c(out, "tls-replication", "yes");
        }
        put_path(out, "unixsocket", c->run, REDIS_SOCKET_FILE);
        put_c(out, "unixsocketperm", "700");
}

static void put_replication(struct buf *out, const struct redis_conf *c)
{
        buf_printf(out, "replicaof %s %d\n", REDIS_NOBODY_HOST, REDIS_NOBODY_PORT);
        put_c(out, "replica-read-only", "yes");
        put_c(out, "replica-announce-ip", c->announce_host);
        put_int(out, "replica-announce-port", c->announce_port);
        put_c(out, "repl-diskless-sync", "yes");
        put_c(out, "repl-diskless-sync-delay", "0");
        put_c(out, "repl-diskless-load", "disabled");
        put_c(out, "repl-backlog-size", "16mb");
        /* Kept as long as the server lives: who comes back late continues where it was. */
        put_c(out, "repl-backlog-ttl", "0");
        put_c(out, "min-replicas-to-write", "0");
        put_c(out, "min-replicas-max-lag", "3");
}

static void put_persistence(struct buf *out, const struct redis_conf *c)
{
        put_path(out, "dir", c->data, NULL);
        put_c(out, "dbfilename", c->source == REDIS_NOTHING ? REDIS_UNKEPT_FILE : REDIS_RDB_FILE);
        put_c(out, "rdb-del-sync-files", c->source == REDIS_NOTHING ? "yes" : "no");
        put_c(out, "appendonly", c->source == REDIS_AOF ? "yes" : "no");
        put_c(out, "appendfsync", redis_fsync_name(c->settings->fsync));
        put(out, "save", c->source == REDIS_NOTHING ? STR("") : c->settings->save);
        /* With an AOF a save that failed is no reason to refuse writes. */
        put_c(out, "stop-writes-on-bgsave-error", c->settings->aof ? "no" : "yes");
}

static void put_user(struct buf *out, const struct redis_user *user)
{
        buf_printf(out, "user %.*s reset on", STR_FMT(user->name));
        if (user->no_password && !user->n_hashes)
                buf_add_c(out, " nopass");
        for (size_t i = 0; i < user->n_hashes; i++)
                buf_printf(out, " #%.*s", STR_FMT(user->hashes[i]));
        buf_printf(out, " %.*s\n", STR_FMT(user->rules));
}

/* From its first moment on: clients do not try again who are told that their password is wrong. */
static void put_users(struct buf *out, const struct redis_conf *c)
{
        bool has_default = false;

        buf_printf(out, "user %s reset on #%s ~* &* +@all\n", REDIS_ADMIN, c->admin_hash);
        for (size_t i = 0; c->users && i < c->users->n_users; i++) {
                put_user(out, &c->users->users[i]);
                has_default |= str_eq_c(c->users->users[i].name, REDIS_DEFAULT);
        }
        if (!has_default)
                buf_add_c(out, "user " REDIS_DEFAULT " reset off\n");
}

int redis_conf_write(const struct redis_conf *c, struct buf *out)
{
        buf_add_c(out, "# Written by keelson at each start of the server; changes are lost.\n");
        put_network(out, c);
        put_c(out, "daemonize", "no");
        /* The name of the RDB is changed over the socket when what is to be kept changes. */
        put_c(out, "enable-protected-configs", "local");
        put_replication(out, c);
        put_persistence(out, c);
        put_users(out, c);
        for (size_t i = 0; c->refused && i < c->settings->n_config; i++)
                if (!c->refused[i]) {
                        char name[REDIS_NAME_MAX + 1];

                        snprintf(name, sizeof(name), "%.*s", STR_FMT(c->settings->config[i].name));
                        put(out, name, c->settings->config[i].value);
                }
        return buf_error(out);
}
