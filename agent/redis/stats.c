/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/redis/stats.h"

#include <stdlib.h>

enum unit {
        NUMBER,
        MICROSECONDS, /* told in seconds */
        STATUS,       /* ok: 1 */
        UP,           /* up: 1 */
};

static const struct {
        const char *field, *metric;
        enum unit unit;
        bool counter;
} fields[] = {
        { "uptime_in_seconds", "uptime_in_seconds", NUMBER, false },
        { "connected_clients", "connected_clients", NUMBER, false },
        { "blocked_clients", "blocked_clients", NUMBER, false },
        { "maxclients", "max_clients", NUMBER, false },
        { "used_memory", "memory_used_bytes", NUMBER, false },
        { "used_memory_rss", "memory_used_rss_bytes", NUMBER, false },
        { "used_memory_peak", "memory_used_peak_bytes", NUMBER, false },
        { "used_memory_dataset", "memory_used_dataset_bytes", NUMBER, false },
        { "used_memory_lua", "memory_used_lua_bytes", NUMBER, false },
        { "maxmemory", "memory_max_bytes", NUMBER, false },
        { "mem_fragmentation_ratio", "mem_fragmentation_ratio", NUMBER, false },
        { "mem_clients_normal", "mem_clients_normal", NUMBER, false },
        { "mem_clients_slaves", "mem_clients_slaves", NUMBER, false },
        { "loading", "loading_dump_file", NUMBER, false },
        { "rdb_changes_since_last_save", "rdb_changes_since_last_save", NUMBER, false },
        { "rdb_bgsave_in_progress", "rdb_bgsave_in_progress", NUMBER, false },
        { "rdb_last_save_time", "rdb_last_save_timestamp_seconds", NUMBER, false },
        { "rdb_last_bgsave_status", "rdb_last_bgsave_status", STATUS, false },
        { "rdb_last_bgsave_time_sec", "rdb_last_bgsave_duration_sec", NUMBER, false },
        { "aof_enabled", "aof_enabled", NUMBER, false },
        { "aof_rewrite_in_progress", "aof_rewrite_in_progress", NUMBER, false },
        { "aof_last_rewrite_time_sec", "aof_last_rewrite_duration_sec", NUMBER, false },
        { "aof_last_bgrewrite_status", "aof_last_bgrewrite_status", STATUS, false },
        { "aof_last_write_status", "aof_last_write_status", STATUS, false },
        { "aof_current_size", "aof_current_size_bytes", NUMBER, false },
        { "total_connections_received", "connections_received_total", NUMBER, true },
        { "rejected_connections", "rejected_connections_total", NUMBER, true },
        { "total_commands_processed", "commands_processed_total", NUMBER, true },
        { "total_error_replies", "total_error_replies", NUMBER, true },
        { "total_net_input_bytes", "net_input_bytes_total", NUMBER, true },
        { "total_net_output_bytes", "net_output_bytes_total", NUMBER, true },
        { "keyspace_hits", "keyspace_hits_total", NUMBER, true },
        { "keyspace_misses", "keyspace_misses_total", NUMBER, true },
        { "expired_keys", "expired_keys_total", NUMBER, true },
        { "evicted_keys", "evicted_keys_total", NUMBER, true },
        { "evicted_clients", "evicted_clients_total", NUMBER, true },
        { "sync_full", "replica_resyncs_full", NUMBER, true },
        { "sync_partial_ok", "replica_partial_resync_accepted", NUMBER, true },
        { "sync_partial_err", "replica_partial_resync_denied", NUMBER, true },
        { "pubsub_channels", "pubsub_channels", NUMBER, false },
        { "latest_fork_usec", "latest_fork_seconds", MICROSECONDS, false },
        { "connected_slaves", "connected_slaves", NUMBER, false },
        { "master_repl_offset", "master_repl_offset", NUMBER, false },
        { "slave_repl_offset", "slave_repl_offset", NUMBER, false },
        { "master_link_status", "master_link_up", UP, false },
        { "used_cpu_sys", "cpu_sys_seconds_total", NUMBER, true },
        { "used_cpu_user", "cpu_user_seconds_total", NUMBER, true },
};

static_assert(ARRAY_SIZE(fields) == STATS_FIELDS, "each field has its place");

/* --- reading ------------------------------------------------------------------------ */

/* Digits, a sign, a point: what a metric may be. */
static bool read_number(struct str text, double *ret)
{
        char copy[STATS_WORD_MAX], *end;
        double value;

        if (!text.len || text.len >= sizeof(copy))
                return false;
        for (size_t i = 0; i < text.len; i++)
                if (!strchr("0123456789.-", text.data[i]))
                        return false;
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        value = strtod(copy, &end);
        if (*end)
                return false;
        *ret = value;
        return true;
}

static bool read_value(enum unit unit, struct str text, double *ret)
{
        switch (unit) {
        case STATUS:
                *ret = str_eq(text, STR("ok"));
                return true;
        case UP:
                *ret = str_eq(text, STR("up"));
                return true;
        case NUMBER:
        case MICROSECONDS:
                break;
        }
        if (!read_number(text, ret))
                return false;
        if (unit == MICROSECONDS)
                *ret /= 1e6;
        return true;
}

/* What may stand between the quotes of a label. */
static void read_word(struct str text, char ret[STATS_WORD_MAX])
{
        if (text.len >= STATS_WORD_MAX)
                return;
        for (size_t i = 0; i < text.len; i++)
                if (text.data[i] < ' ' || text.data[i] > '~' || strchr("\"\\", text.data[i]))
                        return;
        memcpy(ret, text.data, text.len);
        ret[text.len] = '\0';
}

static uint64_t whole(struct str text)
{
        int64_t n;

        return str_to_int64(text, &n) == 0 && n > 0 ? (uint64_t)n : 0;
}

/* "db0:keys=1,expires=0,avg_ttl=0" */
static void read_database(struct str number, struct str text, struct redis_stats *s)
{
        struct redis_stats_database *db;
        struct str part, key, value;

        if (s->n_databases == STATS_DATABASES_MAX)
                return;
        db = &s->databases[s->n_databases++];
        *db = (struct redis_stats_database){ .number = whole(number) };
        while (text.data) {
                (void)str_cut(text, ',', &part, &text);
                if (!str_cut(part, '=', &key, &value))
                        continue;
                if (str_eq(key, STR("keys")))
                        db->keys = whole(value);
                else if (str_eq(key, STR("expires")))
                        db->expiring = whole(value);
        }
}

static bool is_database(struct str key)
{
        return str_starts(key, STR("db")) && key.len > 2 && key.data[2] >= '0' && key.data[2] <= '9';
}

static void read_line(struct str line, struct redis_stats *s)
{
        struct str key, value;

        if (!str_cut(line, ':', &key, &value))
                return;
        if (str_eq(key, STR("role")))
                read_word(value, s->role);
        else if (str_eq(key, STR("redis_version")) && !s->version[0])
                read_word(value, s->version);
        else if (str_eq(key, STR("valkey_version")))
                read_word(value, s->version);
        else if (str_eq(key, STR("server_name")))
                read_word(value, s->server);
        else if (is_database(key) && str_starts(value, STR("keys=")))
                read_database(str_n(key.data + 2, key.len - 2), value, s);
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
                if (str_eq_c(key, fields[i].field))
                        s->has[i] = read_value(fields[i].unit, value, &s->values[i]);
}

void redis_stats_read(struct str text, struct redis_stats *ret)
{
        struct str line, rest = text;

        *ret = (struct redis_stats){ .known = true, .server = "redis" };
        while (rest.data) {
                (void)str_cut(rest, '\n', &line, &rest);
                read_line(str_trim(line), ret);
        }
}

double redis_stats_value(const struct redis_stats *stats, const char *field)
{
        for (size_t i = 0; i < STATS_FIELDS; i++)
                if (stats->known && stats->has[i] && strcmp(fields[i].field, field) == 0)
                        return stats->values[i];
        return 0;
}

/* --- writing ------------------------------------------------------------------------ */

static void head(struct buf *out, const char *metric, const char *type, const char *help)
{
        buf_printf(out, "# HELP redis_%s %s\n# TYPE redis_%s %s\n", metric, help, metric, type);
}

static void write_databases(const struct redis_stats *s, struct buf *out)
{
        if (!s->n_databases)
                return;
        head(out, "db_keys", "gauge", "keys of the database");
        for (size_t i = 0; i < s->n_databases; i++)
                buf_printf(out, "redis_db_keys{db=\"db%llu\"} %llu\n",
                           (unsigned long long)s->databases[i].number,
                           (unsigned long long)s->databases[i].keys);
        head(out, "db_keys_expiring", "gauge", "those that expire");
        for (size_t i = 0; i < s->n_databases; i++)
                buf_printf(out, "redis_db_keys_expiring{db=\"db%llu\"} %llu\n",
                           (unsigned long long)s->databases[i].number,
                           (unsigned long long)s->databases[i].expiring);
}

void redis_stats_write(const struct redis_stats *s, bool up, struct buf *out)
{
        head(out, "up", "gauge", "1 while the server has loaded its data and answers");
        buf_printf(out, "redis_up %d\n", up);
        if (!up || !s->known)
                return;
        head(out, "instance_info", "gauge", "what it is");
        buf_printf(out, "redis_instance_info{role=\"%s\",redis_version=\"%s\",server_name=\"%s\"} 1\n",
                   s->role, s->version, s->server);
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
                if (!s->has[i])
                        continue;
                head(out, fields[i].metric, fields[i].counter ? "counter" : "gauge", fields[i].field);
                buf_printf(out, "redis_%s %.15g\n", fields[i].metric, s->values[i]);
        }
        write_databases(s, out);
}
