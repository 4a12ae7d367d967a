/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists and watches as the reflector gets them from the simulated API server:
 * bytes, in pieces, that may break off anywhere.
 *
 *      kube_stream --[latency]--> connect --+-- page of a list ------------> done
 *                                           +-- initial events, bookmark --+
 *                                           +-- watch ---------------------+--> events, each after
 *                                           +-- 410, 422, 503              |    a lag; bookmarks
 *                                                                          +--> cut, end, cancel
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/store.h"
#include "sim/world.h"

#define QUERY_MAX 256
#define BOOKMARK_EVERY USEC_MINUTE
#define PAST_MAX 60    /* how many versions behind a lagging server is */
#define REPEATED_MAX 8 /* versions that are told twice */

struct stream {
        struct kube_request base;
        struct http_handlers handlers;
        const struct kube_kind *kind;
        bool watch, initial;
        char selector[QUERY_MAX], token[QUERY_MAX], version[QUERY_MAX];
        int64_t limit;
        struct sim_watch events;
        usec_t idle_timeout, ends, last_byte;
        bool open;      /* it is a watch that was accepted */
        bool scheduled; /* an event is on its way */
        bool closed;    /* its owner hears no more of it */
        bool mute;      /* it stays open, and nothing comes */
        unsigned turns; /* that will come back to it */
};

static struct world *world_of(const struct stream *s)
{
        return s->base.replica->world;
}

static void note(const struct stream *s, const char *what)
{
        world_note(world_of(s), s->base.replica->name, "%s %.*s: %s", s->watch ? "watch" : "list",
                   STR_FMT(s->kind->plural), what);
}

/* --- its life ---------------------------------------------------------------------- */

static void stream_free(struct stream *s)
{
        list_remove(&s->base.link);
        free(s);
}

static void turn_later(struct stream *s, usec_t delay, void (*fn)(struct world *w, void *arg))
{
        s->turns++;
        world_after(world_of(s), delay, fn, s);
}

/* At the beginning of a turn: false if there is nothing to do any more. A
 * process that does not run gets its turn when it does. */
static bool turn_begins(struct stream *s, void (*fn)(struct world *w, void *arg))
{
        s->turns--;
        if (s->closed) {
                if (s->turns == 0)
                        stream_free(s);
                return false;
        }
        if (!replica_runs(s->base.replica)) {
                turn_later(s, s->base.replica->paused_until - world_of(s)->now, fn);
                return false;
        }
        s->turns++; /* it stays while the turn lasts */
        return true;
}

static void turn_ends(struct stream *s)
{
        if (--s->turns == 0 && s->closed)
                stream_free(s);
}

void stream_cancel(struct kube_request *q)
{
        struct stream *s = container_of(q, struct stream, base);

        s->closed = true;
        if (s->turns == 0)
                stream_free(s);
}

/* --- bytes ---------------------------------------------------------------------------- */

static void finish(struct stream *s, int status, int code)
{
        struct http_result result = { .status = status, .retry_after = -1 };

        if (s->closed)
                return;
        if (code)
                error_set(&result.error, code, "the connection broke");
        s->closed = true;
        s->handlers.done(NULL, &result, s->handlers.arg);
}

static void put_headers(struct stream *s, int status)
{
        struct http_result so_far = { .status = status, .retry_after = -1 };

        s->handlers.on_headers(NULL, &so_far, s->handlers.arg);
}

/* In pieces. False: the stream has ended, by a fault or its owner's wish. */
static bool send_bytes(struct stream *s, const char *text, size_t n)
{
        struct world *w = world_of(s);
        bool cut = world_chance(w, w->weather.cut);
        size_t at = 0;

        if (cut)
                n = (size_t)rand_below(&w->rand, n);
        s->last_byte = w->now;
        while (at < n) {
                size_t most = 1 + (size_t)rand_below(&w->rand, 2 * n), piece = MIN(n - at, most);
                int r = s->handlers.on_data(NULL, str_n(text + at, piece), s->handlers.arg);

                if (s->closed)
                        return false;
                if (r < 0) {
                        finish(s, 200, r);
                        return false;
                }
                at += piece;
        }
        if (cut) {
                note(s, "cut");
                finish(s, 200, world_chance(w, 500) ? -ECONNRESET : 0);
        }
        return !cut;
}

static void note_event(const struct stream *s, const char *type, const char *object)
{
        yyjson_doc *doc = yyjson_read(object, strlen(object), 0);
        yyjson_val *meta = yyjson_obj_get(yyjson_doc_get_root(doc), "metadata");
        const char *name = yyjson_get_str(yyjson_obj_get(meta, "name"));
        const char *version = yyjson_get_str(yyjson_obj_get(meta, "resourceVersion"));

        world_note(world_of(s), s->base.replica->name, "hears of %.*s: %s %s, version %s",
                   STR_FMT(s->kind->plural), type, name ? name : "", version ? version : "");
        yyjson_doc_free(doc);
}

static bool send_event(struct stream *s, const char *type, const char *object)
{
        char *text = NULL;
        bool sent;
        int n;

        if (world_of(s)->tamper_event && !world_of(s)->tamper_event(world_of(s), type))
                return true;
        n = asprintf(&text, "{\"type\":\"%s\",\"object\":%s}\n", type, object);
        assert(n > 0);
        if (world_of(s)->history && strcmp(type, "BOOKMARK") != 0 && strcmp(type, "ERROR") != 0)
                note_event(s, type, object);
        sent = send_bytes(s, text, (size_t)n);
        free(text);
        return sent;
}

static bool send_bookmark(struct stream *s, uint64_t version, bool ends_list)
{
        char text[SIM_VERSION_MAX], object[512];

        sim_version_write(&world_of(s)->api, version, text);
        snprintf(object, sizeof(object), "{\"kind\":\"%.*s\",\"metadata\":{\"resourceVersion\":\"%s\"%s}}",
                 STR_FMT(s->kind->kind), text,
                 ends_list ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
        return send_event(s, "BOOKMARK", object);
}

/* A Status: as the answer, or in place of an event. */
static void refuse(struct stream *s, int status, const char *reason, bool as_event)
{
        char *body = sim_status(status, reason, "the simulator will not", 0);

        note(s, reason);
        if (as_event) {
                put_headers(s, 200);
                if (!s->closed && send_event(s, "ERROR", body))
                        finish(s, 200, 0);
        } else {
                put_headers(s, status);
                if (!s->closed)
                        s->handlers.on_data(NULL, str_c(body), s->handlers.arg);
                finish(s, status, 0);
        }
        free(body);
}

/* --- what is asked for --------------------------------------------------------------------- */

static int digit(char c)
{
        return c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0';
}

/* The value of KEY in a path's query, decoded; "" if it is not there. */
static void query(const char *path, const char *key, char ret[QUERY_MAX])
{
        const char *at = strchr(path, '?');
        size_t len = strlen(key), n = 0;

        ret[0] = '\0';
        while (at && !(strncmp(at + 1, key, len) == 0 && at[1 + len] == '='))
                at = strchr(at + 1, '&');
        if (!at)
                return;
        for (at += len + 2; *at && *at != '&' && n + 1 < QUERY_MAX; at++) {
                bool escaped = *at == '%' && at[1] && at[2];

                ret[n++] = escaped ? (char)(digit(at[1]) * 16 + digit(at[2])) : *at;
                at += escaped ? 2 : 0;
        }
        ret[n] = '\0';
}

/* Is PATH that of all objects of the kind, in all namespaces? Without the
 * operator's buffers, which may be made to fail. */
/* In one namespace or in all: it is not told apart, so there is one only where that matters. */
static bool is_path_of(const char *path, const struct kube_kind *k)
{
        bool core = str_empty(k->group);
        char prefix[512], plural[128];
        int n = snprintf(prefix, sizeof(prefix), "/%s/%.*s%s%.*s/", core ? "api" : "apis", STR_FMT(k->group),
                         core ? "" : "/", STR_FMT(k->version));

        if (strncmp(path, prefix, (size_t)n) != 0)
                return false;
        path += n;
        if (strncmp(path, "namespaces/", 11) == 0 && strchr(path + 11, '/'))
                path = strchr(path + 11, '/') + 1;
        n = snprintf(plural, sizeof(plural), "%.*s", STR_FMT(k->plural));
        return strncmp(path, plural, (size_t)n) == 0 && (path[n] == '?' || !path[n]);
}

static const struct kube_kind *kind_of(const struct world *w, const char *path)
{
        for (size_t i = 0; i < w->n_kinds; i++)
                if (is_path_of(path, w->kinds[i]))
                        return w->kinds[i];
        return NULL;
}

/* Less than MOST, and not to before the first version. */
static uint64_t few_versions(struct world *w, uint64_t most, uint64_t version)
{
        uint64_t n = rand_below(&w->rand, most);

        return MIN(n, version - 1000);
}

/* The revision that the server answers from: now, or where it lags. */
static uint64_t revision(struct stream *s)
{
        struct world *w = world_of(s);
        uint64_t now = w->api.version, back;

        /* A list that names no version is of what etcd holds, whoever answers it. */
        if (!s->version[0] || !world_chance(w, w->weather.stale))
                return now;
        back = few_versions(w, PAST_MAX, now);
        if (now - back < w->api.compacted)
                return now;
        if (back)
                world_note(w, s->base.replica->name, "%.*s: from a server that is %llu versions behind",
                           STR_FMT(s->kind->plural), (unsigned long long)back);
        return now - back;
}

static void give_page(struct stream *s)
{
        struct world *w = world_of(s);
        int64_t limit =
                w->page_max && (!s->limit || w->page_max < s->limit) && s->limit ? w->page_max : s->limit;
        struct kube_call call = {
                .verb = KUBE_LIST,
                .kind = s->kind,
                .label_selector = s->selector[0] ? str_c(s->selector) : STR_NULL,
                .continue_token = s->token[0] ? str_c(s->token) : STR_NULL,
                .limit = limit,
        };
        struct sim_reply reply;

        if (s->token[0] && world_chance(w, w->weather.gone)) {
                refuse(s, 410, "Expired", false);
                return;
        }
        reply = sim_list_page(&w->api, &call, revision(s));
        put_headers(s, reply.status);
        if (!s->closed && send_bytes(s, reply.body, strlen(reply.body)))
                finish(s, reply.status, 0);
        free(reply.body);
}

static void give_initial(const char *object, bool matches, void *arg)
{
        struct stream *s = arg;

        if (matches && !s->closed)
                send_event(s, "ADDED", object);
}

static void open_watch(struct stream *s);

static void give_streamed_list(struct stream *s)
{
        struct world *w = world_of(s);
        uint64_t from = revision(s);

        if (w->no_stream_lists) {
                refuse(s, 422, "Invalid", false);
                return;
        }
        if (s->version[0] && sim_version_read(&w->api, str_c(s->version)) > from) {
                refuse(s, 504, "Timeout", true);
                return;
        }
        put_headers(s, 200);
        sim_list_at(&s->events, from, give_initial, s);
        if (s->closed || !send_bookmark(s, from, true))
                return;
        sim_watch_seek(&s->events, from);
        open_watch(s);
}

static void give_watch(struct stream *s)
{
        struct world *w = world_of(s);
        uint64_t from = sim_version_read(&w->api, str_c(s->version)), there = revision(s);

        if (from == 0) {
                refuse(s, 400, "BadRequest", false);
                return;
        }
        if (from < w->api.compacted || world_chance(w, w->weather.gone)) {
                refuse(s, 410, "Expired", world_chance(w, 500));
                return;
        }
        put_headers(s, 200);
        if (world_chance(w, w->weather.repeat))
                from -= few_versions(w, REPEATED_MAX, from);
        sim_watch_seek(&s->events, MIN(from, there));
        if (!s->closed)
                open_watch(s);
}

/* --- watching --------------------------------------------------------------------------------- */

static void deliver(struct world *w _unused_, void *arg)
{
        static const char *const types[] = {
                [SIM_ADDED] = "ADDED", [SIM_MODIFIED] = "MODIFIED", [SIM_DELETED] = "DELETED"
        };
        struct stream *s = arg;
        enum sim_change_type type;
        const char *object;

        if (!turn_begins(s, deliver))
                return;
        s->scheduled = false;
        if (!s->mute && sim_watch_next(&s->events, &type, &object))
                send_event(s, types[type], object);
        turn_ends(s);
}

void streams_step(struct world *w)
{
        list_for_each (link, &w->streams) {
                struct kube_request *q = container_of(link, struct kube_request, link);
                struct stream *s = container_of(q, struct stream, base);
                usec_t lag = s->kind == w->slow_kind ? w->slow_lag : w->watch_lag;

                if (!s->open || s->closed || s->scheduled || s->mute || w->list_only ||
                    !sim_watch_pending(&s->events))
                        continue;
                s->scheduled = true;
                turn_later(s, world_about(w, lag), deliver);
        }
}

/* To the next bookmark or end. */
static usec_t to_next_tick(const struct stream *s)
{
        usec_t now = world_of(s)->now, next = MIN(now + BOOKMARK_EVERY, s->ends);

        if (s->idle_timeout)
                next = MIN(next, s->last_byte + s->idle_timeout);
        return MAX(next - now, USEC_MSEC);
}

/* Bookmarks, and the ends that come with time. */
static void tick(struct world *w, void *arg)
{
        struct stream *s = arg;

        if (!turn_begins(s, tick))
                return;
        if (w->now >= s->ends)
                finish(s, 200, 0);
        else if (s->idle_timeout && w->now - s->last_byte >= s->idle_timeout)
                finish(s, 200, -ETIMEDOUT);
        else if (!s->mute && !sim_watch_pending(&s->events) && w->now - s->last_byte >= BOOKMARK_EVERY)
                send_bookmark(s, w->api.version, false);
        if (!s->closed)
                turn_later(s, to_next_tick(s), tick);
        turn_ends(s);
}

static void open_watch(struct stream *s)
{
        s->open = true;
        turn_later(s, to_next_tick(s), tick);
}

static void connect_stream(struct world *w, void *arg)
{
        struct stream *s = arg;

        if (!turn_begins(s, connect_stream))
                return;
        if (world_chance(w, w->weather.lose_request + w->weather.lose_reply))
                finish(s, 0, -ECONNRESET);
        else if (world_chance(w, w->weather.refuse))
                refuse(s, 503, "ServiceUnavailable", false);
        else if (!s->watch)
                give_page(s);
        else if (s->initial)
                give_streamed_list(s);
        else
                give_watch(s);
        turn_ends(s);
}

void streams_silence(struct world *w)
{
        list_for_each (link, &w->streams) {
                struct stream *s =
                        container_of(container_of(link, struct kube_request, link), struct stream, base);

                s->mute |= s->open;
        }
}

void streams_expire(struct world *w)
{
        list_for_each_safe (link, &w->streams) {
                struct kube_request *q = container_of(link, struct kube_request, link);
                struct stream *s = container_of(q, struct stream, base);
                char *status;

                if (s->closed || !replica_runs(q->replica))
                        continue;
                s->turns++;
                status = sim_status(410, "Expired", "too old resource version", 0);
                if (!s->open)
                        finish(s, 0, -ECONNRESET);
                else if (send_event(s, "ERROR", status))
                        finish(s, 200, 0);
                free(status);
                turn_ends(s);
        }
}

/* --- the client's side -------------------------------------------------------------------------- */

int __wrap_kube_stream(struct kube_client *c, const struct kube_stream_call *call,
                       const struct http_handlers *handlers, struct kube_request **ret, struct error *err);
int __wrap_kube_stream(struct kube_client *c, const struct kube_stream_call *call,
                       const struct http_handlers *handlers, struct kube_request **ret, struct error *err)
{
        struct world *w = c->replica->world;
        struct stream *s = calloc(1, sizeof(*s));
        char text[1024], value[QUERY_MAX];

        (void)err;
        assert(s && call->path.len < sizeof(text));
        snprintf(text, sizeof(text), "%.*s", STR_FMT(call->path));
        *s = (struct stream){
                .base = { .replica = c->replica, .is_stream = true },
                .handlers = *handlers,
                .kind = kind_of(w, text),
                .idle_timeout = call->idle_timeout,
                .ends = w->now + call->timeout,
                .last_byte = w->now,
        };
        assert(s->kind);
        query(text, "labelSelector", s->selector);
        query(text, "continue", s->token);
        query(text, "resourceVersion", s->version);
        query(text, "watch", value);
        s->watch = value[0] != '\0';
        query(text, "sendInitialEvents", value);
        s->initial = value[0] != '\0';
        query(text, "limit", value);
        s->limit = strtoll(value, NULL, 10);
        query(text, "timeoutSeconds", value);
        if (value[0])
                s->ends = w->now + strtoll(value, NULL, 10) * USEC_SEC;
        sim_watch_init(&s->events, &w->api, s->kind, s->selector[0] ? str_c(s->selector) : STR_NULL);
        list_add_tail(&w->streams, &s->base.link);
        turn_later(s, world_about(w, w->latency), connect_stream);
        *ret = &s->base;
        return 0;
}

void streams_release(struct world *w)
{
        list_for_each_safe (link, &w->streams)
                stream_free(container_of(container_of(link, struct kube_request, link), struct stream, base));
}
