/* SPDX-License-Identifier: Apache-2.0
 *
 * Which settings of redis.conf are Keelson's, and which a running server does not take.
 */
#include "controller/redis/redis.h"
#include "crypto/digest.h"
#include "failover/fields.h"

struct owned {
        struct str name; /* ends in "*": all that begin so */
        const char *instead;
};

#define AGENT "the agent sets it; leave it out"
#define TLS "spec.tls is what says it; leave it out"
#define AUTH "spec.auth is what says it; leave it out"
#define PERSISTENCE "spec.persistence is what says it; leave it out"
#define FAILOVER "spec.failover is what says it; leave it out"
#define UNSAFE "it lets a client out of the server's bounds; leave it out"

static const struct owned owned[] = {
        { STR_INIT("maxmemory"), "spec.memory is what says it; leave it out" },
        { STR_INIT("maxmemory-policy"), "spec.evictionPolicy is what says it; leave it out" },
        { STR_INIT("append*"), PERSISTENCE },
        { STR_INIT("save"), PERSISTENCE },
        { STR_INIT("dbfilename"), PERSISTENCE },
        { STR_INIT("rdb-del-sync-files"), PERSISTENCE },
        { STR_INIT("dir"), PERSISTENCE },
        { STR_INIT("min-replicas-*"), FAILOVER },
        { STR_INIT("min-slaves-*"), FAILOVER },
        { STR_INIT("tls-*"), TLS },
        { STR_INIT("requirepass"), AUTH },
        { STR_INIT("user"), AUTH },
        { STR_INIT("aclfile"), AUTH },
        { STR_INIT("masterauth"), AGENT },
        { STR_INIT("masteruser"), AGENT },
        { STR_INIT("primaryauth"), AGENT },
        { STR_INIT("primaryuser"), AGENT },
        { STR_INIT("replicaof"), AGENT },
        { STR_INIT("slaveof"), AGENT },
        { STR_INIT("replica-read-only"), AGENT },
        { STR_INIT("slave-read-only"), AGENT },
        { STR_INIT("replica-announce*"), AGENT },
        { STR_INIT("slave-announce*"), AGENT },
        { STR_INIT("repl-diskless-*"), AGENT },
        { STR_INIT("bind*"), AGENT },
        { STR_INIT("port"), AGENT },
        { STR_INIT("protected-mode"), AGENT },
        { STR_INIT("unixsocket*"), AGENT },
        { STR_INIT("daemonize"), AGENT },
        { STR_INIT("supervised"), AGENT },
        { STR_INIT("pidfile"), AGENT },
        { STR_INIT("logfile"), AGENT },
        { STR_INIT("syslog*"), AGENT },
        { STR_INIT("shutdown-*"), AGENT },
        { STR_INIT("cluster-*"), "Redis Cluster is another thing; leave it out" },
        { STR_INIT("sentinel*"), "the agents do what Sentinel does; leave it out" },
        { STR_INIT("include"), UNSAFE },
        { STR_INIT("loadmodule"), UNSAFE },
        { STR_INIT("rename-command"), UNSAFE },
        { STR_INIT("enable-*"), UNSAFE },
        { STR_INIT("oom-score-adj*"), UNSAFE },
};

const char *redis_config_owner(struct str name)
{
        for (size_t i = 0; i < ARRAY_SIZE(owned); i++) {
                struct str all = str_n(owned[i].name.data, owned[i].name.len - 1);

                if (str_eq(name, owned[i].name) ||
                    (str_ends(owned[i].name, STR("*")) && str_starts(name, all)))
                        return owned[i].instead;
        }
        return NULL;
}

/* IMMUTABLE_CONFIG in the servers' config.c, as far as it is not Keelson's. */
bool redis_config_needs_restart(struct str name)
{
        static const struct str fixed[] = {
                STR_INIT("always-show-logo"), STR_INIT("aof-rewrite-cpulist"), STR_INIT("bgsave-cpulist"),
                STR_INIT("bio-cpulist"),      STR_INIT("databases"),           STR_INIT("disable-thp"),
                STR_INIT("io-threads"),       STR_INIT("io-threads-do-reads"), STR_INIT("rdbchecksum"),
                STR_INIT("server-cpulist"),   STR_INIT("set-proc-title"),      STR_INIT("tcp-backlog"),
        };

        return str_is_one_of(name, fixed, ARRAY_SIZE(fixed));
}

/* Administration is the agents', but for what only looks: who takes writes, and what goes on. */
#define CLIENT_RULES "~* &* +@all -@admin +role +slowlog +latency +client|list"

/* --- config.json --------------------------------------------------------------------------- */

static void put_request(struct json_writer *w, const char *key, int64_t number, const char *whom, int member)
{
        if (number == 0)
                return;
        json_key(w, key);
        json_object(w);
        json_put_int(w, "number", number);
        if (member != FAILOVER_NOBODY)
                json_put_int(w, whom, member);
        json_end(w);
}

static void put_policy(struct json_writer *w, const struct redis_settings *s, const struct redis_intent *i)
{
        json_put_int(w, "members", i->members);
        if (i->fenced)
                fields_put_set(w, "fenced", i->fenced);
        json_put_bool(w, "durable", s->durable);
        json_put_int(w, "leaseMillis", s->lease / USEC_MSEC);
        put_request(w, "handover", i->handover, "to", i->handover_to);
        put_request(w, "consent", i->consent, "member", i->consent_member);
}

static void put_persistence(struct json_writer *w, const struct redis_spec_persistence *p)
{
        bool aof = p && !str_eq(p->aof, STR("No"));

        json_put_cstr(w, "appendonly", aof ? "yes" : "no");
        if (aof)
                json_put_cstr(w, "appendfsync", str_eq(p->aof, STR("Always")) ? "always" : "everysec");
        json_put_cstr(w, "save", p && p->rdb ? "3600 1 300 100 60 10000" : "");
}

static void put_unless_set(struct json_writer *w, const struct redis_settings *s, const char *name,
                           struct str value)
{
        if (!schema_map_get(&s->spec->config, str_c(name)).data)
                json_put_str(w, name, value);
}

static void put_config(struct json_writer *w, const struct redis_settings *s, struct arena *a)
{
        json_key(w, "config");
        json_object(w);
        json_put_str(w, "maxmemory", arena_printf(a, "%lld", (long long)s->max_memory));
        json_put_str(w, "maxmemory-policy", s->spec->eviction_policy);
        put_unless_set(w, s, "maxclients", arena_printf(a, "%lld", (long long)s->max_clients));
        put_unless_set(w, s, "maxmemory-clients", arena_printf(a, "%lld", (long long)s->max_memory_clients));
        put_unless_set(w, s, "client-output-buffer-limit",
                       arena_printf(a, "replica %lld 0 0", (long long)s->max_memory_replica));
        put_persistence(w, s->spec->persistence);
        for (size_t i = 0; i < s->spec->config.n; i++) {
                json_key_str(w, s->spec->config.items[i].key);
                json_str(w, s->spec->config.items[i].value);
        }
        json_end(w);
}

static void put_user(struct json_writer *w, const char *name, const struct str *passwords, size_t n,
                     const char *rules)
{
        json_object(w);
        json_put_cstr(w, "name", name);
        json_key(w, "passwords");
        json_array(w);
        for (size_t i = 0; i < n; i++)
                json_str(w, passwords[i]);
        json_end(w);
        if (n == 0)
                json_put_bool(w, "noPassword", true);
        json_put_cstr(w, "rules", rules);
        json_end(w);
}

#define VERSION_BYTES 8

/* Of the text without it, passwords and all: none of them can be guessed by it, since the members'
 * own one is random. */
static struct str with_version(struct str text, struct arena *a)
{
        struct str version = digest_hex(text, VERSION_BYTES, a);

        if (!version.data)
                return STR_NULL;
        return arena_join(a, STR("{\"version\":\""), version, STR("\","), str_n(text.data + 1, text.len - 1));
}

struct str redis_config_json(const struct redis_settings *s, const struct redis_intent *intent,
                             struct arena *a)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(REDIS_CHILD_BYTES_MAX);
        struct json_writer w;

        json_writer_init(&w, &text);
        json_object(&w);
        put_policy(&w, s, intent);
        json_key(&w, "redis");
        json_object(&w);
        put_config(&w, s, a);
        json_put_int(&w, "minReplicasToWrite", s->min_replicas_to_write);
        json_put_bool(&w, "tls", s->tls);
        json_put_int(&w, "port", REDIS_PORT);
        json_key(&w, "users");
        json_array(&w);
        put_user(&w, "default", intent->passwords, s->auth ? intent->n_passwords : 0, CLIENT_RULES);
        put_user(&w, "replication", &intent->replication, 1, "+psync +replconf +ping");
        json_end(&w);
        json_end(&w);
        json_end(&w);
        return with_version(arena_buf(a, &text), a);
}
