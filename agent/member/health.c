/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "agent/member/member.h"
#include "json/write.h"

/* --- health ------------------------------------------------------------------------- */

static int check_ping(void *arg _unused_, struct error *why _unused_)
{
        return 0;
}

static int check_leader(const struct failover *f, struct error *why)
{
        if (!failover_holds(f, clock_now()))
                return error_set(why, -EAGAIN, "its time as the leader is over");
        if (f->server.state != FAILOVER_WRITABLE && f->server.state != FAILOVER_PAUSED)
                return error_set(why, -EAGAIN, "the server is not writable yet");
        return 0;
}

int health_ready(const struct member *m, struct error *why)
{
        const struct failover *f = &m->driver.f;

        if (m->volume.code && !m->opened)
                return error_set(why, -EAGAIN, "%s", m->volume.message);
        if (!m->started)
                return error_set(why, -EAGAIN, "it has no configuration yet: the Secret %s-agent",
                                 m->options->cluster);
        if (m->stopping)
                return error_set(why, -ESHUTDOWN, "it is being stopped");
        if (f->policy.fenced & failover_only(f->self.member))
                return error_set(why, -EPERM, "the member is fenced");
        if (driver_leads(&m->driver))
                return check_leader(f, why);
        if (f->server.state == FAILOVER_DOWN)
                return error_set(why, -EAGAIN, "the server does not run");
        if (f->server.state == FAILOVER_STARTING)
                return error_set(why, -EAGAIN, "the server is loading its data");
        if (f->server.state != FAILOVER_FOLLOWING)
                return error_set(why, -EAGAIN, "there is no leader to follow");
        if (!f->server.in_sync)
                return error_set(why, -EAGAIN, "it is copying the leader's data");
        return 0;
}

static int check_ready(void *arg, struct error *why)
{
        return health_ready(arg, why);
}

static const struct health_check live_checks[] = { { "ping", check_ping, NULL } };
static const struct health live = { "livez", live_checks, ARRAY_SIZE(live_checks) };

static void serve_ready(const struct server_request *request, struct server_reply *reply, void *arg)
{
        struct health_check check = { "member", check_ready, arg };
        struct health ready = { "readyz", &check, 1 };

        server_serve_health(request, reply, &ready);
}

/* --- metrics ------------------------------------------------------------------------ */

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct buf *out, const char *name, const char *help, double value)
{
        head(out, name, "gauge", help);
        buf_printf(out, "%s %.9g\n", name, value);
}

static void counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
        head(out, name, "counter", help);
        buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

static int count_set(failover_set set)
{
        return __builtin_popcount(set);
}

static double seconds(usec_t t)
{
        return (double)t / (double)USEC_SEC;
}

static void write_role(const struct member *m, struct buf *out)
{
        head(out, "keelson_failover_role", "gauge", "1 for the role of this member.");
        for (int role = FAILOVER_FOLLOWER; role <= FAILOVER_YIELDING; role++)
                buf_printf(out, "keelson_failover_role{role=\"%s\"} %d\n",
                           failover_role_name((enum failover_role)role),
                           m->driver.f.role == (enum failover_role)role);
}

static void write_fences(const struct member *m, struct buf *out)
{
        head(out, "keelson_failover_fences_total", "counter", "How often the server was killed, by cause.");
        for (int c = FAILOVER_CAUSE_NONE + 1; c < MEMBER_CAUSES; c++)
                if (m->fences[c])
                        buf_printf(out, "keelson_failover_fences_total{cause=\"%s\"} %llu\n",
                                   failover_cause_name((enum failover_cause)c),
                                   (unsigned long long)m->fences[c]);
}

/* Of the leader alone: nobody else knows how far the others are. */
static void write_members(const struct member *m, struct buf *out)
{
        const struct failover *f = &m->driver.f;
        const struct failover_server *v = &f->server;

        if (!driver_leads(&m->driver))
                return;
        head(out, "keelson_failover_member_lag_bytes", "gauge",
             "How far a member that is connected is behind.");
        for (int i = 0; i < FAILOVER_MEMBERS_MAX; i++)
                if (v->online & failover_only(i))
                        buf_printf(
                                out, "keelson_failover_member_lag_bytes{member=\"%d\"} %llu\n", i,
                                (unsigned long long)(v->offset > v->acked[i] ? v->offset - v->acked[i] : 0));
        head(out, "keelson_failover_member_in_sync", "gauge", "1 for a member that may be promoted.");
        for (int i = 0; i < FAILOVER_MEMBERS_MAX; i++)
                if (f->policy.members & failover_only(i))
                        buf_printf(out, "keelson_failover_member_in_sync{member=\"%d\"} %d\n", i,
                                   (f->record.in_sync & failover_only(i)) != 0);
}

static void write_protocol(const struct member *m, struct buf *out)
{
        const struct failover *f = &m->driver.f;
        usec_t since = driver_leads(&m->driver) ? f->renewed : f->seen;

        gauge(out, "keelson_failover_leader", "1 while this member leads.", driver_leads(&m->driver));
        write_role(m, out);
        gauge(out, "keelson_failover_epoch", "The epoch of the Lease as this member saw it last.",
              (double)f->record.epoch);
        gauge(out, "keelson_failover_lease_age_seconds",
              "Since the last renewal was sent (leader), or since the Lease was seen to change.",
              since ? seconds(clock_now() - since) : 0);
        gauge(out, "keelson_failover_in_sync_members", "How many members may be promoted.",
              count_set(f->record.in_sync));
        gauge(out, "keelson_failover_on_promises", "1 while the members' promises carry the lease.",
              f->on_promises);
        gauge(out, "keelson_failover_writes_held_back", "1 while writes are held back.", f->held_back);
        gauge(out, "keelson_failover_lost_bytes",
              "Bytes that the leader before is known to have had and this one has not.",
              (double)f->record.lost);
        write_fences(m, out);
        write_members(m, out);
}

static void write_ports(const struct member *m, struct buf *out)
{
        counter(out, "keelson_failover_lease_writes_total", "Writes of the Lease.", m->lease.n_writes);
        counter(out, "keelson_failover_lease_write_failures_total",
                "Those that failed, or of unknown outcome.", m->lease.n_failed);
        gauge(out, "keelson_failover_lease_write_seconds", "How long the last write of the Lease took.",
              seconds(m->lease.last_took));
        counter(out, "keelson_failover_messages_sent_total", "Messages to other agents.", m->peers.n_sent);
        counter(out, "keelson_failover_messages_lost_total", "Those that did not arrive.",
                m->peers.n_lost + m->peers.n_replaced);
        counter(out, "keelson_failover_messages_received_total", "Messages of other agents.",
                m->mailbox.n_taken);
        counter(out, "keelson_failover_promises_total", "How often the lease went over to promises.",
                m->promised);
        counter(out, "keelson_failover_lease_went_back_total",
                "How often the Lease said something older than this member knows.", m->went_back);
        counter(out, "keelson_failover_arm_failures_total",
                "How often the kernel's deadline could not be set.", m->driver.arm_failed);
        gauge(out, "keelson_failover_published_epoch",
              "The epoch whose leader this member has published itself as.", (double)m->publisher.published);
        gauge(out, "keelson_failover_volume_usable",
              "0 while another process has the volume, or it cannot be written.",
              m->opened && !m->volume.code);
        gauge(out, "keelson_failover_needs_restart",
              "1 while config.json has something that only another start of the member takes.",
              member_needs_restart(m));
        gauge(out, "keelson_failover_config_valid",
              "0 while config.json cannot be read, or a part of it is refused.",
              !m->config_bad && !m->refused.setting[0]);
}

void health_write_metrics(struct member *m, struct buf *out)
{
        int r;

        metrics_write(m->metrics, out);
        if (m->started)
                write_protocol(m, out);
        write_ports(m, out);
        r = m->engine->ops->metrics(m->engine, out);
        if (r < 0 && !out->error)
                out->error = r;
}

static void serve_metrics(const struct server_request *request _unused_, struct server_reply *reply,
                          void *arg)
{
        reply->content_type = METRICS_CONTENT_TYPE;
        health_write_metrics(arg, &reply->body);
}

/* --- /debug/state ------------------------------------------------------------------- */

static void write_state(struct json_writer *w, const struct member *m)
{
        const struct failover *f = &m->driver.f;
        usec_t now = clock_now();

        json_put_int(w, "member", f->self.member);
        json_put_cstr(w, "role", failover_role_name(f->role));
        json_put_int(w, "epoch", (int64_t)f->epoch);
        json_put_int(w, "validForMillis", f->valid_until > now ? (f->valid_until - now) / USEC_MSEC : 0);
        json_put_bool(w, "armed", m->driver.armed);
        json_put_bool(w, "doubt", f->doubt);
        json_put_cstr(w, "version", f->version);
        json_put_int(w, "promisedForMillis",
                     f->promised_until > now ? (f->promised_until - now) / USEC_MSEC : 0);
        json_put_int(w, "sealed", (int64_t)f->sealed);
        json_put_int(w, "order", (int64_t)f->orders);
        json_put_int(w, "orderSeen", (int64_t)f->server.order);
        json_put_int(w, "want", (int64_t)f->want);
        json_put_int(w, "serverState", (int64_t)f->server.state);
        json_put_bool(w, "hasData", f->server.has_data);
        json_put_bool(w, "inSync", f->server.in_sync);
        json_put_int(w, "offset", (int64_t)f->server.offset);
        json_put_int(w, "copyData", (int64_t)f->copy.data);
        json_put_cstr(w, "lineage", f->copy.lineage);
        json_put_int(w, "timeline", (int64_t)f->copy.position.timeline);
        json_put_int(w, "lookedMillisAgo", (now - f->alive) / USEC_MSEC);
        json_put_int(w, "canaryMillisAgo", (now - f->canary) / USEC_MSEC);
        json_put_int(w, "droppedEvents", (int64_t)m->driver.dropped);
}

static void serve_state(const struct server_request *request _unused_, struct server_reply *reply, void *arg)
{
        struct member *m = arg;
        _cleanup_(buf_release) struct buf part = BUF_INIT(SERVER_BODY_MAX);
        struct json_writer w;

        reply->content_type = "application/json";
        json_writer_init(&w, &reply->body);
        json_object(&w);
        if (m->started) {
                write_state(&w, m);
                json_key(&w, "record");
                if (failover_record_write(&m->driver.f.record, &part) == 0)
                        json_raw(&w, buf_str(&part));
                else
                        json_null(&w);
                buf_clear(&part);
        }
        json_key(&w, "engine");
        if (m->engine->ops->describe(m->engine, &part) == 0)
                json_raw(&w, buf_str(&part));
        else
                json_null(&w);
        json_end(&w);
        buf_add_char(&reply->body, '\n');
}

int health_start(struct member *m, struct error *err)
{
        const struct server_route routes[MEMBER_ROUTES] = {
                { "/livez", server_serve_health, (void *)(uintptr_t)&live, false },
                { "/readyz", serve_ready, m, false },
                { "/metrics", serve_metrics, m, false },
                { "/debug/state", serve_state, m, true },
        };
        int r = metrics_new(&m->metrics);

        if (r == 0)
                r = metrics_add_process(m->metrics, str_c(m->options->version));
        if (r < 0)
                return error_set(err, r, "out of memory");
        return server_new(m->loop, str_c(m->options->health), routes, ARRAY_SIZE(routes), &m->health, err);
}
