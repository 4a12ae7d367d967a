/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/event.h"

#include <assert.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "json/write.h"
#include "kube/kinds.h"
#include "manager/manager.h"

#define NOTE_MAX ((size_t)1024) /* events.k8s.io/v1 takes no longer note */
#define EVENT_BYTES_MAX ((size_t)16 * 1024)
#define EVENT_NAME_MAX 240 /* 200 of the resource's name, a dot, 24 digits */

static_assert(EVENTS_REMEMBERED_MAX > EVENTS_IN_FLIGHT_MAX, "one can always be forgotten");

/* One that is remembered; its strings stand behind it. */
struct event {
        struct map_node node;
        struct list link;
        struct manager *manager;
        void *handle; /* of the request under way */
        struct event_about about;
        struct str reason, note;
        bool warning;
        usec_t last; /* when it happened last */
        /* How often it happened, how often as far as the server knows (0: it does
         * not know it at all), and as the request under way says. */
        int64_t count, told, telling;
        usec_t stamp; /* with WORD what makes its name unique enough */
        uint32_t word;
};

/* --- what is remembered --------------------------------------------------------------- */

void events_init(struct events *e)
{
        *e = (struct events){ 0 };
        map_init(&e->by_key);
        list_init(&e->recent);
}

static void forget(struct event *e)
{
        struct events *all = &e->manager->events;

        map_remove(&all->by_key, &e->node);
        list_remove(&e->link);
        all->n--;
        mem_free(e);
}

void events_release(struct manager *m)
{
        list_for_each_safe (link, &m->events.recent) {
                struct event *e = container_of(link, struct event, link);

                if (e->handle)
                        m->transport->cancel(m->transport, e->handle);
                forget(e);
        }
        map_release(&m->events.by_key);
        events_init(&m->events);
}

static uint64_t hash_event(const struct event_about *about, bool warning, struct str reason, struct str note)
{
        uint64_t h = hash_str(hash_add(HASH_INIT, warning), about->uid);

        return hash_str(hash_str(h, reason), note);
}

static struct event *find(struct manager *m, uint64_t hash, const struct event_about *about, bool warning,
                          struct str reason, struct str note)
{
        for (struct map_node *n = map_first(&m->events.by_key, hash); n; n = map_next(n)) {
                struct event *e = container_of(n, struct event, node);

                if (e->about.kind == about->kind && e->warning == warning &&
                    str_eq(e->about.uid, about->uid) && str_eq(e->about.name, about->name) &&
                    str_eq(e->reason, reason) && str_eq(e->note, note))
                        return e;
        }
        return NULL;
}

static bool is_over(const struct event *e, usec_t now)
{
        return !e->handle && now - e->last > EVENT_SERIES_WINDOW;
}

/* Takes out those that are over, and the oldest one if there is no place for one more. */
static void make_room(struct manager *m, usec_t now)
{
        list_for_each_safe (link, &m->events.recent) {
                struct event *e = container_of(link, struct event, link);

                if (!is_over(e, now) && m->events.n < EVENTS_REMEMBERED_MAX)
                        return;
                if (!e->handle)
                        forget(e);
        }
}

static struct event *remember(struct manager *m, uint64_t hash, const struct event_about *about,
                              struct str reason, struct str note)
{
        struct event *e = mem_zalloc(sizeof(*e) + about->namespace.len + about->name.len + about->uid.len +
                                     about->version.len + reason.len + note.len);
        char *at;

        if (!e)
                return NULL;
        at = (char *)(e + 1);
        e->manager = m;
        e->about.kind = about->kind;
        e->about.namespace = str_store(&at, about->namespace);
        e->about.name = str_store(&at, about->name);
        e->about.uid = str_store(&at, about->uid);
        e->about.version = str_store(&at, about->version);
        e->reason = str_store(&at, reason);
        e->note = str_store(&at, note);
        if (map_insert(&m->events.by_key, &e->node, hash) < 0) {
                mem_free(e);
                return NULL;
        }
        list_add_tail(&m->events.recent, &e->link);
        m->events.n++;
        return e;
}

/* --- what is sent ----------------------------------------------------------------------- */

static struct str name_of(const struct event *e, char out[EVENT_NAME_MAX])
{
        int n = snprintf(out, EVENT_NAME_MAX, "%.*s.%llx%08x", (int)MIN(e->about.name.len, (size_t)200),
                         e->about.name.data, (unsigned long long)e->stamp, (unsigned)e->word);

        return str_n(out, (size_t)n);
}

static void write_series(struct json_writer *w, const struct event *e, const char *stamp)
{
        json_key(w, "series");
        json_object(w);
        json_put_int(w, "count", e->count);
        json_put_cstr(w, "lastObservedTime", stamp);
        json_end(w);
}

static void write_regarding(struct json_writer *w, const struct event *e)
{
        const struct kube_kind *kind = e->about.kind;
        char api_version[128];

        snprintf(api_version, sizeof(api_version), "%.*s%s%.*s", STR_FMT(kind->group),
                 kind->group.len ? "/" : "", STR_FMT(kind->version));
        json_key(w, "regarding");
        json_object(w);
        json_put_cstr(w, "apiVersion", api_version);
        json_put_str(w, "kind", kind->kind);
        json_put_str(w, "namespace", e->about.namespace);
        json_put_str(w, "name", e->about.name);
        if (e->about.uid.len)
                json_put_str(w, "uid", e->about.uid);
        if (e->about.version.len)
                json_put_str(w, "resourceVersion", e->about.version);
        json_end(w);
}

static void write_new(struct json_writer *w, const struct event *e, struct str name, const char *stamp)
{
        json_object(w);
        json_put_cstr(w, "apiVersion", "events.k8s.io/v1");
        json_put_cstr(w, "kind", "Event");
        json_key(w, "metadata");
        json_object(w);
        json_put_str(w, "name", name);
        json_put_str(w, "namespace", e->about.namespace);
        json_end(w);
        json_put_cstr(w, "eventTime", stamp);
        json_put_cstr(w, "type", e->warning ? "Warning" : "Normal");
        json_put_str(w, "reason", e->reason);
        json_put_cstr(w, "action", "Reconcile");
        json_put_str(w, "note", e->note);
        json_put_cstr(w, "reportingController", "keelson.dev/operator");
        json_put_str(w, "reportingInstance", str_head(e->manager->instance, 128));
        if (e->count > 1)
                write_series(w, e, stamp);
        write_regarding(w, e);
        json_end(w);
}

static void on_reply(const struct kube_reply *reply, void *arg);

/* Tells the server what it does not know yet. 0, or a negative errno. */
static int tell(struct event *e)
{
        _cleanup_(buf_release) struct buf body = BUF_INIT(EVENT_BYTES_MAX);
        struct manager *m = e->manager;
        usec_t wall = m->transport->wall(m->transport);
        struct call call = { .kind = &kube_event_kind, .namespace = e->about.namespace };
        char stamp[CLOCK_RFC3339_MAX], name[EVENT_NAME_MAX];
        struct json_writer w;
        int r;

        clock_format(wall, true, stamp);
        json_writer_init(&w, &body);
        if (e->told) {
                call.type = CALL_PATCH;
                call.name = name_of(e, name);
                json_object(&w);
                write_series(&w, e, stamp);
                json_end(&w);
        } else {
                call.type = CALL_CREATE;
                e->stamp = wall;
                e->word = (uint32_t)rand_next(&m->rand);
                write_new(&w, e, name_of(e, name), stamp);
        }
        if (buf_error(&body) < 0)
                return buf_error(&body);
        call.body = buf_str(&body);
        r = m->transport->start(m->transport, &call, on_reply, e, &e->handle);
        if (r < 0)
                return r;
        e->telling = e->count;
        m->events.n_in_flight++;
        return 0;
}

static void tell_or_forget(struct event *e)
{
        if (tell(e) < 0 && e->told == 0)
                forget(e);
}

static void on_reply(const struct kube_reply *reply, void *arg)
{
        struct event *e = arg;
        bool gone = e->told && reply->reason == KUBE_NOT_FOUND;

        e->handle = NULL;
        e->manager->events.n_in_flight--;
        if (gone) {
                /* It has expired on the server: what was not told is a new one. */
                e->count -= e->told;
                e->told = 0;
        } else if (reply->error.code) {
                log_debug("an event was not taken", LOG_CSTR("error", reply->error.message));
                if (e->told == 0)
                        forget(e);
                return;
        } else {
                e->told = e->telling;
        }
        if (e->count > e->told && e->manager->allowed)
                tell_or_forget(e);
        else if (e->told == 0)
                forget(e);
}

void event_send_about(struct manager *m, const struct event_about *about, bool warning, struct str reason,
                      struct str message)
{
        usec_t now = m->transport->now(m->transport);
        struct str note = str_head(message, NOTE_MAX);
        uint64_t hash = hash_event(about, warning, reason, note);
        struct event *e;

        e = find(m, hash, about, warning, reason, note);
        if (e && is_over(e, now)) {
                forget(e);
                e = NULL;
        }
        if (!e && m->events.n_in_flight < EVENTS_IN_FLIGHT_MAX) {
                make_room(m, now);
                e = remember(m, hash, about, reason, note);
        }
        if (!e)
                return;
        e->warning = warning;
        e->last = now;
        e->count++;
        list_remove(&e->link);
        list_add_tail(&m->events.recent, &e->link);
        if (!e->handle && m->events.n_in_flight < EVENTS_IN_FLIGHT_MAX)
                tell_or_forget(e);
}

void event_send(struct manager *m, const struct object *regarding, bool warning, struct str reason,
                struct str message)
{
        char uid[UUID_TEXT];
        const struct event_about about = {
                .kind = &regarding->kind->api,
                .namespace = regarding->namespace,
                .name = regarding->name,
                .uid = object_uid(regarding, uid),
                .version = object_version(regarding),
        };

        event_send_about(m, &about, warning, reason, message);
}
