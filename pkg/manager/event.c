/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/event.h"

#include "base/log.h"
#include "base/mem.h"
#include "json/write.h"

#define NOTE_MAX ((size_t)1024) /* events.k8s.io/v1 takes no longer note */
#define EVENT_BYTES_MAX ((size_t)16 * 1024)

static const struct kube_kind event_kind = {
        .group = STR_INIT("events.k8s.io"),
        .version = STR_INIT("v1"),
        .plural = STR_INIT("events"),
        .kind = STR_INIT("Event"),
        .namespaced = true,
};

struct event {
        struct list link;
        struct manager *manager;
        void *handle;
};

static void forget(struct event *e)
{
        list_remove(&e->link);
        e->manager->n_events--;
        mem_free(e);
}

static void on_reply(const struct kube_reply *reply, void *arg)
{
        struct event *e = arg;

        if (reply->error.code)
                log_debug("an event was not taken", LOG_CSTR("error", reply->error.message));
        forget(e);
}

/* A cut must not fall into the middle of a UTF-8 sequence. */
static struct str cut(struct str s, size_t max)
{
        if (s.len <= max)
                return s;
        s.len = max;
        while (s.len && ((unsigned char)s.data[s.len] & 0xc0) == 0x80)
                s.len--;
        return s;
}

static void write_event(struct manager *m, const struct object *o, bool warning, struct str reason,
                        struct str message, struct buf *out)
{
        const struct kube_kind *kind = &o->kind->api;
        usec_t wall = m->transport->wall(m->transport);
        char stamp[CLOCK_RFC3339_MAX], name[300], api_version[128];
        struct json_writer w;
        int n;

        clock_format(wall, true, stamp);
        /* Unique enough: the name, the time, and a random word. */
        n = snprintf(name, sizeof(name), "%.*s.%llx%08x", (int)MIN(o->name.len, (size_t)200), o->name.data,
                     (unsigned long long)wall, (unsigned)rand_next(&m->rand));
        snprintf(api_version, sizeof(api_version), "%.*s%s%.*s", STR_FMT(kind->group),
                 kind->group.len ? "/" : "", STR_FMT(kind->version));

        json_writer_init(&w, out);
        json_object(&w);
        json_put_cstr(&w, "apiVersion", "events.k8s.io/v1");
        json_put_cstr(&w, "kind", "Event");
        json_key(&w, "metadata");
        json_object(&w);
        json_put_str(&w, "name", str_n(name, (size_t)n));
        json_put_str(&w, "namespace", o->namespace);
        json_end(&w);
        json_put_cstr(&w, "eventTime", stamp);
        json_put_cstr(&w, "type", warning ? "Warning" : "Normal");
        json_put_str(&w, "reason", reason);
        json_put_cstr(&w, "action", "Reconcile");
        json_put_str(&w, "note", cut(message, NOTE_MAX));
        json_put_cstr(&w, "reportingController", "keelson.dev/operator");
        json_put_str(&w, "reportingInstance", cut(m->instance, 128));
        json_key(&w, "regarding");
        json_object(&w);
        json_put_cstr(&w, "apiVersion", api_version);
        json_put_str(&w, "kind", kind->kind);
        json_put_str(&w, "namespace", o->namespace);
        json_put_str(&w, "name", o->name);
        json_put_str(&w, "uid", o->uid);
        json_put_str(&w, "resourceVersion", o->version);
        json_end(&w);
        json_end(&w);
}

void event_send(struct manager *m, const struct object *regarding, bool warning, struct str reason,
                struct str message)
{
        _cleanup_(buf_release) struct buf body = BUF_INIT(EVENT_BYTES_MAX);
        struct call call = { .type = CALL_CREATE, .kind = &event_kind, .namespace = regarding->namespace };
        struct event *e;

        if (m->n_events >= EVENTS_IN_FLIGHT_MAX)
                return;
        write_event(m, regarding, warning, reason, message, &body);
        e = mem_new(struct event);
        if (!e || buf_error(&body) < 0)
                goto fail;
        e->manager = m;
        call.body = buf_str(&body);
        if (m->transport->start(m->transport, &call, on_reply, e, &e->handle) < 0)
                goto fail;
        list_add_tail(&m->events, &e->link);
        m->n_events++;
        return;
fail:
        mem_free(e);
}

void events_cancel(struct manager *m)
{
        list_for_each_safe (link, &m->events) {
                struct event *e = container_of(link, struct event, link);

                m->transport->cancel(m->transport, e->handle);
                forget(e);
        }
}
