/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/lease.h"

#include "json/read.h"
#include "json/write.h"
#include "kube/kinds.h"

static void tell_trouble(struct lease_port *l, const struct error *why)
{
        l->troubled = why != NULL;
        l->handlers.trouble(why, l->handlers.arg);
}

static void set_put_back(struct lease_port *l, usec_t due);

/* --- what is there ------------------------------------------------------------------ */

/* But for blockOwnerDeletion, which takes a right to the owner that agents have not. */
static void write_owners(struct buf *out, yyjson_val *owners)
{
        static const char *const fields[] = { "apiVersion", "kind", "name", "uid" };
        struct json_writer w;
        yyjson_val *one;
        size_t i, n;

        json_writer_init(&w, out);
        json_array(&w);
        yyjson_arr_foreach (owners, i, n, one) {
                json_object(&w);
                for (size_t k = 0; k < ARRAY_SIZE(fields); k++)
                        json_put_str(&w, fields[k], json_get_str(one, fields[k]));
                json_put_bool(&w, "controller", json_get_bool(one, "controller", false));
                json_end(&w);
        }
        json_end(&w);
}

/* What is too large to keep is left out. */
static void keep_meta(struct lease_port *l, yyjson_val *metadata)
{
        yyjson_val *labels = yyjson_obj_get(metadata, "labels");
        yyjson_val *owners = yyjson_obj_get(metadata, "ownerReferences");
        struct json_writer w;

        buf_clear(&l->labels);
        buf_clear(&l->owners);
        if (labels) {
                json_writer_init(&w, &l->labels);
                json_val(&w, labels);
        }
        if (owners)
                write_owners(&l->owners, owners);
        if (buf_error(&l->labels) < 0)
                buf_clear(&l->labels);
        if (buf_error(&l->owners) < 0)
                buf_clear(&l->owners);
}

static void hand_over(struct lease_port *l, const struct failover_lease *lease, yyjson_val *object)
{
        struct failover_lease told = *lease;

        set_put_back(l, USEC_NEVER);
        if (memory_version(&l->memory, lease->version, told.version) == 0)
                l->handlers.record(&told, object, l->handlers.arg);
}

static void put_back(struct lease_port *l)
{
        struct failover_lease known;

        memory_put_back(&l->memory, &known);
        hand_over(l, &known, NULL);
}

static void on_put_back(struct loop_timer *timer _unused_, void *arg)
{
        put_back(arg);
}

static void set_put_back(struct lease_port *l, usec_t due)
{
        int r = loop_timer_set(l->loop, &l->put_back, due, on_put_back, l);

        (void)r; /* as set_poll */
}

static void look_back(struct lease_port *l, const struct failover_lease *lease, yyjson_val *object)
{
        struct str uid = json_get_str(yyjson_obj_get(object, "metadata"), "uid");
        bool before = l->memory.back;
        enum memory_verdict verdict = memory_saw(&l->memory, lease, uid, l->self, clock_now());

        if (verdict == MEMORY_TAKE) {
                hand_over(l, lease, object);
                return;
        }
        if (!before && l->handlers.went_back)
                l->handlers.went_back(&lease->record, &l->memory.newest.record, l->handlers.arg);
        if (verdict == MEMORY_PUT_BACK)
                put_back(l);
        else
                set_put_back(l, memory_due(&l->memory, l->timing.lease));
}

/* Somebody has edited the record into something that is none, and beside it this life and its epoch stand
 * as before: so nobody has taken the Lease. What is known holds, and is written again with the next renewal. */
static bool is_still_ours(const struct lease_port *l, yyjson_val *object, struct failover_lease *ret)
{
        struct str version = json_get_str(yyjson_obj_get(object, "metadata"), "resourceVersion");
        const struct memory *m = &l->memory;

        if (!m->known || m->back || m->doubted || !failover_same_life(&m->newest.record.holder, l->self) ||
            !failover_lease_names(object, &m->newest.record) || version.len >= FAILOVER_VERSION_MAX)
                return false;
        *ret = m->newest;
        snprintf(ret->version, sizeof(ret->version), "%.*s", STR_FMT(version));
        return true;
}

static void on_seen(yyjson_val *object, void *arg)
{
        struct lease_port *l = arg;
        struct error err = ERROR_INIT;
        struct failover_lease lease;

        l->unreadable = failover_lease_read(object, &lease, &err) < 0;
        if (l->unreadable) {
                tell_trouble(l, &err);
                if (!is_still_ours(l, object, &lease))
                        return;
        } else if (l->troubled) {
                tell_trouble(l, NULL);
        }
        keep_meta(l, yyjson_obj_get(object, "metadata"));
        look_back(l, &lease, object);
}

static void on_absent(void *arg)
{
        struct lease_port *l = arg;

        l->unreadable = false;
        memory_absent(&l->memory);
        set_put_back(l, USEC_NEVER);
        l->handlers.absent(l->handlers.arg);
}

static void on_set_back(void *arg)
{
        memory_set_back(&((struct lease_port *)arg)->memory);
}

static void set_poll(struct lease_port *l, usec_t due);

static void on_state(enum reflector_state state, const struct error *err, void *arg)
{
        struct lease_port *l = arg;

        if (state == REFLECTOR_SYNCED) {
                set_poll(l, USEC_NEVER);
                if (l->troubled && !l->unreadable)
                        tell_trouble(l, NULL);
                return;
        }
        tell_trouble(l, err);
        set_poll(l, loop_now(l->loop) + l->timing.renew);
}

static void look_whether_refused(struct lease_port *l, const struct kube_reply *reply)
{
        if (reply->reason == KUBE_UNAUTHORIZED)
                l->handlers.refused(l->handlers.arg);
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
                look_whether_refused(l, reply);
                return;
        }
        one_brought(&l->watch, yyjson_doc_get_root(doc));
}

void lease_read(struct lease_port *l)
{
        struct kube_call call = { .verb = KUBE_GET,
                                  .kind = &kube_lease_kind,
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
        char told[FAILOVER_VERSION_MAX] = "";
        bool ok = take_version(reply, version) && l->generation == l->memory.generation &&
                  memory_version(&l->memory, version, told) == 0;

        l->writing = NULL;
        l->last_took = clock_now() - l->sent;
        if (!ok && reply->reason != KUBE_CONFLICT && reply->error.code)
                tell_trouble(l, &reply->error);
        if (reply->status)
                one_hurry(&l->watch);
        if (ok)
                memory_wrote(&l->memory, &l->sent_record, version);
        answer(l, ok ? FAILOVER_WRITTEN : FAILOVER_UNKNOWN, told);
        look_whether_refused(l, reply);
}

static struct str kept(const struct buf *part)
{
        return part->len ? buf_str(part) : STR_NULL;
}

static int send(struct lease_port *l, const struct failover_record *record,
                const struct failover_report *report, const char *version)
{
        _cleanup_(buf_release) struct buf body = BUF_INIT(LEASE_BODY_MAX);
        struct error err = ERROR_INIT;
        struct kube_call call = { .verb = version[0] ? KUBE_MERGE_PATCH : KUBE_CREATE,
                                  .kind = &kube_lease_kind,
                                  .namespace = l->namespace,
                                  .name = version[0] ? l->name : STR_NULL,
                                  .field_manager = STR("keelson-agent"),
                                  .timeout = l->timing.write,
                                  .max_body = LEASE_BODY_MAX };
        struct failover_lease_meta meta = { .name = l->name,
                                            .labels = kept(&l->labels),
                                            .owners = kept(&l->owners) };
        int r = version[0]
                        ? failover_lease_patch(record, report, l->timing.lease, clock_wall(), version, &body)
                        : failover_lease_create(record, &meta, l->timing.lease, clock_wall(), &body);

        if (r < 0)
                return r;
        call.body = buf_str(&body);
        return kube_call(l->client, &call, on_written, l, &l->writing, &err);
}

void lease_write(struct lease_port *l, uint64_t id, const struct failover_record *record,
                 const struct failover_report *report, const char *version)
{
        char raw[FAILOVER_VERSION_MAX];

        l->id = id;
        l->n_writes++;
        l->sent = clock_now();
        l->sent_record = *record;
        l->generation = l->memory.generation;
        /* At a version from before it went back: the Lease may be at that number again. */
        if (memory_raw(&l->memory, version, raw) < 0 || send(l, record, report, raw) < 0)
                loop_defer_set(l->loop, &l->failed, on_failed, l);
}

/* --- life --------------------------------------------------------------------------- */

int lease_start(struct lease_port *l, const struct lease_config *config,
                const struct lease_handlers *handlers)
{
        struct one_config watched = { .client = config->client,
                                      .kind = &kube_lease_kind,
                                      .namespace = config->namespace,
                                      .name = config->name,
                                      .silence = MAX(LEASE_SILENCE * config->lease, LEASE_SILENCE_MIN),
                                      .seed = config->seed };
        struct one_handlers seen = {
                .seen = on_seen, .absent = on_absent, .set_back = on_set_back, .state = on_state, .arg = l
        };
        int r;

        *l = (struct lease_port){ .client = config->client,
                                  .loop = kube_client_loop(config->client),
                                  .namespace = config->namespace,
                                  .name = config->name,
                                  .timing = failover_timing_of(config->lease),
                                  .self = config->self,
                                  .handlers = *handlers };
        buf_init(&l->labels, LEASE_META_MAX);
        buf_init(&l->owners, LEASE_META_MAX);
        one_init(&l->watch, &watched, &seen);
        r = loop_timer_set(l->loop, &l->poll, USEC_NEVER, on_poll, l);
        if (r == 0)
                r = loop_timer_set(l->loop, &l->put_back, USEC_NEVER, on_put_back, l);
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
        loop_timer_stop(&l->put_back);
        one_release(&l->watch);
        buf_release(&l->labels);
        buf_release(&l->owners);
        l->loop = NULL;
}
