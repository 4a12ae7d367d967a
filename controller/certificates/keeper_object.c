/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/certificates/keeper_object.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "json/read.h"

/* --- what there is ---------------------------------------------------------------------------- */

static void tell(struct keeper_object *o, enum keeper_news news)
{
        o->config.heard(o, news, o->config.arg);
}

static int put(struct keeper_object *o, yyjson_val *object)
{
        return o->config.service ? kept_put_trust(&o->kept, object, o->config.service)
                                 : kept_put_secret(&o->kept, object);
}

static void on_list_begin(struct reflector *r, void *arg)
{
        struct keeper_object *o = arg;

        (void)r;
        o->found = false;
}

static int on_object(struct reflector *r, enum reflector_event event, yyjson_val *object, void *arg)
{
        struct keeper_object *o = arg;
        yyjson_val *meta = yyjson_obj_get(object, "metadata");
        int result;

        (void)r;
        if (!str_eq(json_get_str(meta, "name"), o->config.name))
                return 0;
        o->found = event != REFLECTOR_DELETED;
        result = o->found ? put(o, object) : kept_gone(&o->kept, json_get_str(meta, "resourceVersion"));
        tell(o, KEEPER_SEEN);
        return result;
}

static int on_list_end(struct reflector *r, struct str version, void *arg)
{
        struct keeper_object *o = arg;
        int result = o->found ? 0 : kept_gone(&o->kept, version);

        (void)r;
        if (result < 0)
                return result;
        o->listed = true;
        tell(o, KEEPER_SEEN);
        return 0;
}

static void on_set_back(struct reflector *r, void *arg)
{
        struct keeper_object *o = arg;

        (void)r;
        kept_release(&o->kept);
        o->listed = false;
}

static void on_state(struct reflector *r, enum reflector_state state, const struct error *err, void *arg)
{
        struct keeper_object *o = arg;

        (void)r;
        o->failing = state == REFLECTOR_FAILING;
        if (o->failing)
                log_warn("a watch for the webhook's certificates fails; it is tried again",
                         LOG_STR("kind", o->config.kind->kind), LOG_STR("name", o->config.name),
                         LOG_CSTR("error", err->message));
        else
                log_debug("watching for the webhook's certificates", LOG_STR("kind", o->config.kind->kind),
                          LOG_STR("name", o->config.name));
        tell(o, KEEPER_SEEN);
}

/* --- writing ------------------------------------------------------------------------------------ */

static usec_t pause_after(struct keeper_object *o, unsigned failures, usec_t retry_after)
{
        usec_t most = KEEPER_BACKOFF_MIN;

        while (failures-- > 1 && most < KEEPER_BACKOFF_MAX)
                most *= 2;
        most = MIN(most, KEEPER_BACKOFF_MAX);
        most -= (usec_t)rand_below(&o->rand, (uint64_t)most / 2);
        return MAX(most, MIN(retry_after, KEEPER_PAUSE_MAX));
}

static void count(struct keeper_object *o, struct str result)
{
        metric_add(metric_with(o->config.writes, o->config.kind->plural, result), 1);
}

/* Once for each reason. */
static void tell_failure(struct keeper_object *o, const struct error *err)
{
        if (o->failure.code == err->code && strcmp(o->failure.message, err->message) == 0)
                return;
        o->failure = *err;
        log_warn("the webhook's certificates could not be written; it is tried again",
                 LOG_STR("kind", o->config.kind->kind), LOG_STR("name", o->config.name),
                 LOG_CSTR("reason", o->reason), LOG_CSTR("error", err->message));
}

static void write_failed(struct keeper_object *o, usec_t retry_after)
{
        o->retry_at = clock_now() + pause_after(o, ++o->failures, retry_after);
        count(o, STR("failed"));
        tell(o, KEEPER_FAILED);
}

static void write_succeeded(struct keeper_object *o, const struct kube_reply *reply)
{
        _cleanup_(json_docp_free) yyjson_doc *doc = NULL;

        o->failures = 0;
        o->failure = (struct error)ERROR_INIT;
        count(o, STR("ok"));
        log_info("the webhook's certificates were written", LOG_STR("kind", o->config.kind->kind),
                 LOG_STR("name", o->config.name), LOG_CSTR("reason", o->reason));
        /* Where it cannot be taken in, the watch brings it; until then writes are refused. */
        if (json_parse(reply->body, &doc, NULL) == 0 && put(o, yyjson_doc_get_root(doc)) < 0)
                log_debug("the reply was not taken in", LOG_STR("kind", o->config.kind->kind));
        tell(o, KEEPER_WRITTEN);
}

static void on_written(const struct kube_reply *reply, void *arg)
{
        struct keeper_object *o = arg;

        o->write = NULL;
        if (!reply->error.code) {
                write_succeeded(o, reply);
                return;
        }
        /* Somebody else was faster: that comes by the watch. */
        if (kube_reply_prospect(reply) != KUBE_CHANGED)
                tell_failure(o, &reply->error);
        write_failed(o, reply->retry_after);
}

bool keeper_object_may_write(const struct keeper_object *o)
{
        return !o->write && clock_now() >= o->retry_at;
}

void keeper_object_write(struct keeper_object *o, enum call_type type, const struct buf *body,
                         const char *reason, struct str event)
{
        const struct call call = {
                .type = type,
                .kind = o->config.kind,
                .namespace = o->config.namespace,
                .name = o->config.name,
                .body = buf_str(body),
        };
        struct transport *transport = o->config.transport;
        struct error err = ERROR_INIT;
        int r = buf_error(body);

        o->reason = reason;
        o->event = event;
        if (r == 0)
                r = transport->start(transport, &call, on_written, o, &o->write);
        if (r == 0)
                return;
        o->write = NULL;
        error_set(&err, r, "it cannot be sent: %s", strerror(-r));
        tell_failure(o, &err);
        write_failed(o, -1);
}

/* --- its life ------------------------------------------------------------------------------------- */

void keeper_object_init(struct keeper_object *o, const struct keeper_object_config *config)
{
        const struct reflector_handlers handlers = { on_list_begin, on_object, on_list_end,
                                                     on_set_back,   on_state,  o };
        struct reflector_config watch = {
                .kind = config->kind,
                .namespace = config->namespace,
                .seed = config->seed,
        };

        *o = (struct keeper_object){ .config = *config, .rand.state = config->seed };
        snprintf(o->selector, sizeof(o->selector), "metadata.name=%.*s", STR_FMT(config->name));
        watch.field_selector = str_c(o->selector);
        reflector_init(&o->reflector, config->client, &watch, &handlers);
}

void keeper_object_release(struct keeper_object *o)
{
        reflector_release(&o->reflector);
        kept_release(&o->kept);
}

int keeper_object_start(struct keeper_object *o)
{
        int r = o->started ? 0 : reflector_start(&o->reflector);

        o->started = r == 0;
        return r;
}

void keeper_object_stop(struct keeper_object *o)
{
        reflector_stop(&o->reflector);
        if (o->write)
                o->config.transport->cancel(o->config.transport, o->write);
        kept_release(&o->kept);
        o->started = o->listed = o->failing = false;
        o->write = NULL;
        o->failures = 0;
        o->retry_at = 0;
        o->failure = (struct error)ERROR_INIT;
}
