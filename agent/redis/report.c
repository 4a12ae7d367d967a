/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>

#include "agent/redis/internal.h"
#include "json/write.h"

static const char *const state_names[] = {
        [FAILOVER_DOWN] = "down",         [FAILOVER_STARTING] = "starting",
        [FAILOVER_STANDING] = "standing", [FAILOVER_FOLLOWING] = "following",
        [FAILOVER_PAUSED] = "paused",     [FAILOVER_WRITABLE] = "writable",
};

static void put(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
        buf_printf(out, "# HELP keelson_redis_%s %s\n# TYPE keelson_redis_%s %s\nkeelson_redis_%s %llu\n",
                   name, help, name, type, name, (unsigned long long)value);
}

static void put_volume(struct redis *e, struct buf *out)
{
        put(out, "disk_writes_failing", "gauge", "1 while AOF or RDB cannot be written.",
            e->info.aof_write_failed || e->info.rdb_failed);
        put(out, "volume_write_failures_total", "counter", "Writes of the agent to the volume that failed.",
            e->canary_failures);
        if (!e->volume_size)
                return;
        put(out, "volume_size_bytes", "gauge", "Of the file system of the volume.", e->volume_size);
        put(out, "volume_free_bytes", "gauge", "What is free there for who is not root.", e->volume_room);
}

int redis_metrics(struct engine *engine, struct buf *out)
{
        struct redis *e = redis_of(engine);

        put(out, "server_starts_total", "counter", "How often the server was started.", e->run);
        put(out, "server_ends_total", "counter", "How often it ended, for whatever reason.", e->ends);
        put(out, "writable", "gauge", "1 while the server takes writes.", e->view.state == FAILOVER_WRITABLE);
        put(out, "offset_bytes", "gauge", "How far its copy of the data is.", e->offset);
        put_volume(e, out);
        put(out, "needs_restart", "gauge", "1 while settings wait for a start of the server.",
            redis_needs_restart(engine));
        redis_stats_write(&e->stats, e->keeper && e->loaded, out);
        return buf_error(out);
}

void redis_put_crash(const struct redis *e, struct error *ret)
{
        const struct keeper_end *end = &e->last_end;
        const char *last = output_why(&e->output), *name = sigabbrev_np(end->signal);
        char how[128];

        if (end->error)
                snprintf(how, sizeof(how), "could not be executed: %s", strerror(end->error));
        else if (!end->known)
                snprintf(how, sizeof(how), "ended together with the process that keeps its deadline");
        else if (end->signal == SIGKILL)
                snprintf(how, sizeof(how),
                         "was killed (SIGKILL), and not by its agent: mostly that is the limit of memory");
        else if (end->signal)
                snprintf(how, sizeof(how), "crashed: signal %d (SIG%s)", end->signal, name ? name : "?");
        else
                snprintf(how, sizeof(how), "ended by itself: exit code %d", end->exit_code);
        error_set(ret, -ECHILD, "the server %s%s%s", how, last[0] ? "; it said last: " : "", last);
}

static void put_end(struct redis *e, struct json_writer *w)
{
        json_key(w, "lastEnd");
        if (!e->ends) {
                json_null(w);
                return;
        }
        json_object(w);
        json_put_bool(w, "known", e->last_end.known);
        json_put_int(w, "exitCode", e->last_end.exit_code);
        json_put_int(w, "signal", e->last_end.signal);
        json_put_bool(w, "atDeadline", e->last_end.expired);
        if (e->last_end.error)
                json_put_cstr(w, "error", strerror(e->last_end.error));
        json_end(w);
}

static void put_followers(struct redis *e, struct json_writer *w)
{
        json_key(w, "followers");
        json_array(w);
        for (size_t i = 0; i < e->info.n_followers; i++) {
                const struct redis_follower *f = &e->info.followers[i];

                json_object(w);
                json_put_cstr(w, "host", f->host);
                json_put_int(w, "port", f->port);
                json_put_bool(w, "online", f->online);
                json_put_int(w, "offset", (int64_t)f->offset);
                json_put_int(w, "lagSeconds", (int64_t)f->lag);
                json_end(w);
        }
        json_end(w);
}

int redis_describe(struct engine *engine, struct buf *out)
{
        struct redis *e = redis_of(engine);
        struct json_writer w;

        json_writer_init(&w, out);
        json_object(&w);
        json_put_cstr(&w, "state", e->keeper ? state_names[e->view.state] : "down");
        json_put_int(&w, "run", (int64_t)e->run);
        json_put_int(&w, "order", (int64_t)e->carried);
        json_put_bool(&w, "hasData", e->has_data);
        json_put_int(&w, "offset", (int64_t)e->offset);
        json_put_int(&w, "minReplicasToWrite", e->min_replicas);
        json_put_bool(&w, "lingers", e->linger_until && !e->halting);
        json_put_bool(&w, "needsRestart", redis_needs_restart(engine));
        json_put_bool(&w, "withoutUserSettings", e->bare);
        json_key(&w, "restartBringsBack");
        json_object(&w);
        json_put_cstr(&w, "source", redis_source_name(e->claims.disk.source));
        json_put_cstr(&w, "lineage", e->claims.disk.lineage);
        json_put_int(&w, "timeline", (int64_t)e->claims.disk.position.timeline);
        json_put_int(&w, "offset", (int64_t)e->claims.disk.position.offset);
        json_end(&w);
        put_end(e, &w);
        put_followers(e, &w);
        json_end(&w);
        return buf_error(out);
}
