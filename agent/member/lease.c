/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/lease.h"

#include "json/read.h"

const struct kube_kind lease_kind = {
        .group = STR_INIT("coordination.k8s.io"),
        .version = STR_INIT("v1"),
        .plural = STR_INIT("leases"),
        .kind = STR_INIT("Lease"),
        .namespaced = true,
};

static void tell_trouble(struct lease_port *l, const struct error *why)
{
        l->troubled = why != NULL;
        l->handlers.trouble(why, l->handlers.arg);
}

/* --- what is there ------------------------------------------------------------------ */

static void on_seen(yyjson_val *object, void *arg)
{
        struct lease_port *l = arg;
        struct error err = ERROR_INIT;
        struct failover_lease lease;

        if (failover_lease_read(object, &lease, &err) < 0) {
                tell_trouble(l, &err);
                return;
        }
        if (l->troubled)
                tell_trouble(l, NULL);
        l->handlers.record(&lease, object, l->handlers.arg);
}

static void on_absent(void *arg)
{
        struct lease_port *l = arg;

        l->handlers.absent(l->handlers.arg);
}

static void set_poll(struct lease_port *l, usec_t due);

static void on_state(enum reflector_state state, const struct error *err, void *arg)
{
        struct lease_port *l = arg;

        if (state == REFLECTOR_SYNCED) {
                set_poll(l, USEC_NEVER);
                if (l->troubled)
                        tell_trouble(l, NULL);
                return;
        }
        tell_trouble(l, err);
        set_poll(l, loop_now(l->loop) + l->timing.renew);
}

/* --- reads -------------------------------------------------------------------------- */

static void on_read(const struct kube_reply *reply, void *arg)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct lease_port *l = arg;

        l->reading = NULL;
        if (reply->status)
                one_hurry(&l->watch);
        if (reply->reason == KUBE_NOT_FOUND) {
                on_absent(l);
                return;
        }
        if (reply->error.code || json_parse(reply->body, &doc, NULL) < 0) {
                if (reply->error.code)
                        tell_trouble(l, &reply->error);
                return;
        }
        one_brought(&l->watch, yyjson_doc_get_root(doc));
}

void lease_read(struct lease_port *l)
{
        struct kube_call call = { .verb = KUBE_GET,
                                  .kind = &lease_kind,
                                  .namespace = l->namespace,
                                  .name = l->name,
                                  .timeout = l->timing.write,
                                  .max_body = LEASE_BODY_MAX };
        struct error err = ERROR_INIT;

        if (l->reading)
                return;
        l->n_reads++;
        if (kube_call(l->client, &call, on_read, l, &l->reading, &err) < 0)
                tell_trouble(l, &err);
}

static void on_poll(struct loop_timer *timer _unused_, void *arg)
{
        struct lease_port *l = arg;

        set_poll(l, loop_now(l->loop) + l->timing.renew);
        lease_read(l);
}

/* The timer keeps its place in the loop, so that setting it cannot fail. */
static void set_poll(struct lease_port *l, usec_t due)
{
        int r = loop_timer_set(l->loop, &l->poll, due, on_poll, l);

        (void)r;
}

/* --- writes ------------------------------------------------------------------------- */

static void answer(struct lease_port *l, enum failover_outcome outcome, const char *version)
{
        l->write_open = false;
        if (outcome != FAILOVER_WRITTEN)
                l->n_failed++;
        l->handlers.wrote(l->id, outcome, version, l->handlers.arg);
}

static void on_failed(struct loop_defer *defer _unused_, void *arg)
{
        answer(arg, FAILOVER_UNKNOWN, "");
}

static bool take_version(const struct kube_reply *reply, char out[FAILOVER_VERSION_MAX])
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;
        struct str version;

        if (reply->error.code || json_parse(reply->body, &doc, NULL) < 0)
                return false;
        version = json_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "metadata"), "resourceVersion");
        if (str_empty(version) || version.len >= FAILOVER_VERSION_MAX)
                return false;
        memset(out, 0, FAILOVER_VERSION_MAX);
        memcpy(out, version.data, version.len);
        return true;
}

static void on_written(const struct kube_reply *reply, void *arg)
{
        struct lease_port *l = arg;
        char version[FAILOVER_VERSION_MAX] = "";
        bool ok = take_version(reply, version);

        l->writing = NULL;
        l->last_took = clock_now() - l->sent;
        if (!ok && reply->reason != KUBE_CONFLICT && reply->error.code)
                tell_trouble(l, &reply->error);
        if (reply->status)
                one_hurry(&l->watch);
        answer(l, ok ? FAILOVER_WRITTEN : FAILOVER_UNKNOWN, version);
}

static int send(struct lease_port *l, const struct failover_record *record, const char *version)
{
        _cleanup_(buf_release) struct buf body = BUF_INIT(LEASE_BODY_MAX);
        struct error err = ERROR_INIT;
        struct kube_call call = { .verb = version[0] ? KUBE_MERGE_PATCH : KUBE_CREATE,
                                  .kind = &lease_kind,
                                  .namespace = l->namespace,
                                  .name = version[0] ? l->name : STR_NULL,
                                  .field_manager = STR("keelson-agent"),
                                  .timeout = l->timing.write,
                                  .max_body = LEASE_BODY_MAX };
        int r = version[0] ? failover_lease_patch(record, l->timing.lease, clock_wall(), version, &body)
                           : failover_lease_create(record, l->timing.lease, clock_wall(), l->name, &body);

        if (r < 0)
                return r;
        call.body = buf_str(&body);
        return kube_call(l->client, &call, on_written, l, &l->writing, &err);
}

void lease_write(struct lease_port *l, uint64_t id, const struct failover_record *record, const char *version)
{
        l->id = id;
        l->write_open = true;
        l->n_writes++;
        l->sent = clock_now();
        if (send(l, record, version) < 0)
                loop_defer_set(l->loop, &l->failed, on_failed, l);
}

/* --- life --------------------------------------------------------------------------- */

int lease_start(struct lease_port *l, const struct lease_config *config,
                const struct lease_handlers *handlers)
{
        struct one_config watched = { .client = config->client,
                                      .kind = &lease_kind,
                                      .namespace = config->namespace,
                                      .name = config->name,
                                      .silence = MAX(LEASE_SILENCE * config->lease, LEASE_SILENCE_MIN),
                                      .seed = config->seed };
        struct one_handlers seen = { .seen = on_seen, .absent = on_absent, .state = on_state, .arg = l };
        int r;

        *l = (struct lease_port){ .client = config->client,
                                  .loop = kube_client_loop(config->client),
                                  .namespace = config->namespace,
                                  .name = config->name,
                                  .timing = failover_timing_of(config->lease),
                                  .handlers = *handlers };
        one_init(&l->watch, &watched, &seen);
        r = loop_timer_set(l->loop, &l->poll, USEC_NEVER, on_poll, l);
        if (r == 0)
                r = one_start(&l->watch);
        if (r < 0)
                lease_stop(l);
        return r;
}

void lease_stop(struct lease_port *l)
{
        if (!l->loop)
                return;
        if (l->reading)
                kube_cancel(l->reading);
        if (l->writing)
                kube_cancel(l->writing);
        loop_defer_stop(&l->failed);
        loop_timer_stop(&l->poll);
        one_release(&l->watch);
        l->loop = NULL;
}
