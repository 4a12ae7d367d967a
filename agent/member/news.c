/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/member/news.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/log.h"
#include "json/read.h"
#include "json/write.h"
#include "kube/kinds.h"

#define EVENT_BYTES_MAX ((size_t)8 * 1024)
#define EVENT_NAME_MAX 253
#define NAMES_MAX 320
#define NAME_MAX_BYTES 80

void news_init(struct news *n, const struct news_config *config)
{
        *n = (struct news){ .config = *config };
}

static void copy(char out[NEWS_OWNER_MAX], struct str s)
{
        snprintf(out, NEWS_OWNER_MAX, "%.*s", STR_FMT(s));
}

void news_take_owner(struct news *n, yyjson_val *lease)
{
        yyjson_val *owner = json_get_path(lease, "/metadata/ownerReferences/0");

        if (!owner)
                return;
        copy(n->owner.api_version, json_get_str(owner, "apiVersion"));
        copy(n->owner.kind, json_get_str(owner, "kind"));
        copy(n->owner.name, json_get_str(owner, "name"));
        copy(n->owner.uid, json_get_str(owner, "uid"));
}

/* --- words -------------------------------------------------------------------------- */

/* "shop-0, shop-2", and what goes with one or with several of them. */
struct names {
        char list[NAMES_MAX];
        const char *are, *have, *promise;
};

static void name_all(const struct news *n, failover_set set, struct names *ret)
{
        bool several = set & (set - 1);
        size_t len = 0;

        *ret = several ? (struct names){ .are = "are", .have = "have", .promise = "promise" }
                       : (struct names){ .are = "is", .have = "has", .promise = "promises" };
        for (int m = 0; m < FAILOVER_MEMBERS_MAX && len < NAMES_MAX; m++)
                if (set & failover_only(m))
                        len += (size_t)snprintf(ret->list + len, NAMES_MAX - len, "%s%.*s-%d",
                                                len ? ", " : "", STR_FMT(n->config.cluster), m);
        if (!len)
                snprintf(ret->list, NAMES_MAX, "nobody");
}

/* Why a leader leads no longer. */
static const char *because(enum failover_cause cause)
{
        switch (cause) {
        case FAILOVER_CAUSE_NONE:
        case FAILOVER_CAUSE_BOOTSTRAP:
                return "nobody has led yet";
        case FAILOVER_CAUSE_CRASH:
                return "the server of the leader has ended by itself";
        case FAILOVER_CAUSE_HANG:
                return "the server of the leader did not answer";
        case FAILOVER_CAUSE_DISK:
                return "the volume of the leader took no writes";
        case FAILOVER_CAUSE_EXPIRED:
                return "the leader has not renewed the Lease";
        case FAILOVER_CAUSE_FENCED:
                return "the leader could not renew the Lease in time";
        case FAILOVER_CAUSE_RESTART:
                return "the agent of the leader was started again";
        case FAILOVER_CAUSE_PLANNED:
                return "a hand-over was asked for";
        case FAILOVER_CAUSE_SHUTDOWN:
                return "the leader is to end";
        }
        return failover_cause_name(cause);
}

/* Of which the engine knows more, and tells it. */
static bool is_crash(const struct failover_effect *e)
{
        return e->news.what == FAILOVER_FENCED && e->news.cause == FAILOVER_CAUSE_CRASH;
}

static const char *held_back_because(enum failover_cause cause)
{
        switch (cause) {
        case FAILOVER_CAUSE_EXPIRED:
                return "the Lease is not renewed, and the time for that is over in a moment";
        case FAILOVER_CAUSE_DISK:
                return "the volume takes no writes, and the time for that is over in a moment";
        default:
                return "a member is too far behind and the Lease cannot be written";
        }
}

static void say(char out[NEWS_NOTE_MAX], const char *format, ...) _printf_(2, 3);

static void say(char out[NEWS_NOTE_MAX], const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vsnprintf(out, NEWS_NOTE_MAX, format, args);
        va_end(args);
}

static void describe(const struct news *n, const struct failover_effect *e, char out[NEWS_NOTE_MAX])
{
        unsigned long long epoch = (unsigned long long)e->news.epoch,
                           bytes = (unsigned long long)e->news.bytes;
        const char *why = because(e->news.cause);
        char member[NAME_MAX_BYTES];
        struct names all;

        snprintf(member, sizeof(member), "%.*s-%d", (int)MIN(n->config.cluster.len, (size_t)60),
                 n->config.cluster.data, e->news.member);
        name_all(n, e->news.members, &all);
        switch (e->news.what) {
        case FAILOVER_STOOD:
                return say(out, "took epoch %llu: %s", epoch, why);
        case FAILOVER_CHOSEN:
                return say(out, "is to lead epoch %llu; in sync: %s", epoch, all.list);
        case FAILOVER_DEFERRED:
                return say(out, "leaves epoch %llu to %s, which is further on", epoch, member);
        case FAILOVER_WAITING:
                return say(out, "nobody can lead yet: %s must answer first, and may have newer data",
                           all.list);
        case FAILOVER_NO_DATA:
                return say(out,
                           "nobody of the set has the data: a person has to decide which member is to lead "
                           "with what it has");
        case FAILOVER_LED:
                return say(out, "%s leads epoch %llu; in sync: %s", member, epoch, all.list);
        case FAILOVER_NARROWED:
                return say(out, "%s %s behind and may not be promoted any more", all.list, all.are);
        case FAILOVER_WIDENED:
                return say(out, "%s %s caught up and may be promoted", all.list, all.have);
        case FAILOVER_HELD_BACK:
                return say(out, "writes are held back: %s", held_back_because(e->news.cause));
        case FAILOVER_RESUMED:
                return say(out, "writes go on");
        case FAILOVER_ON_PROMISES:
                return say(out, "the Lease cannot be renewed; %s %s not to stand, so %s goes on leading",
                           all.list, all.promise, member);
        case FAILOVER_FENCED:
                if (is_crash(e))
                        return say(out, "%s leads no longer: its server has ended by itself", member);
                return say(out, "the server of %s was killed: %s", member, why);
        case FAILOVER_SUPERSEDED:
                return say(out, "the server of %s was killed: another member holds a newer epoch", member);
        case FAILOVER_YIELDS:
                if (e->news.member == FAILOVER_NOBODY)
                        return say(out, "stops leading epoch %llu; there is nobody to take over", epoch);
                return say(out, "hands epoch %llu over to %s", epoch, member);
        case FAILOVER_YIELDED:
                return say(out, "leads no longer; epoch %llu is released", epoch);
        case FAILOVER_STAYED:
                if (e->news.member == FAILOVER_NOBODY)
                        return say(out, "goes on leading: there is nobody to take over");
                return say(out, "goes on leading: %s could not take over in time", member);
        case FAILOVER_LEASE_GONE:
                return say(out, "the Lease was deleted; who leads makes it again");
        case FAILOVER_WRITES_LOST:
                return say(out,
                           "%s%llu bytes of writes that this member had are lost: the leader of epoch %llu "
                           "does not have them",
                           e->news.exact ? "" : "at least ", bytes, epoch);
        }
}

bool news_note(const struct news *n, const struct failover_effect *e, char out[NEWS_NOTE_MAX])
{
        static const enum failover_news warnings[] = { FAILOVER_WAITING,     FAILOVER_NO_DATA,
                                                       FAILOVER_NARROWED,    FAILOVER_HELD_BACK,
                                                       FAILOVER_ON_PROMISES, FAILOVER_FENCED,
                                                       FAILOVER_SUPERSEDED,  FAILOVER_STAYED,
                                                       FAILOVER_LEASE_GONE,  FAILOVER_WRITES_LOST };

        describe(n, e, out);
        for (size_t i = 0; i < ARRAY_SIZE(warnings); i++)
                if (warnings[i] == e->news.what)
                        return true;
        return false;
}

/* --- Events ------------------------------------------------------------------------- */

struct regarding {
        const char *api_version, *kind;
        struct str name, uid;
};

static void write_event(struct buf *out, struct news *n, const struct regarding *about, bool warning,
                        const char *reason, const char *note)
{
        char stamp[CLOCK_RFC3339_MAX], name[EVENT_NAME_MAX];
        struct json_writer w;

        clock_format(clock_wall(), true, stamp);
        snprintf(name, sizeof(name), "%.*s.%llx%04x", (int)MIN(about->name.len, (size_t)200),
                 about->name.data, (unsigned long long)clock_wall(), (unsigned)(n->serial++ & 0xffff));
        json_writer_init(&w, out);
        json_object(&w);
        json_put_cstr(&w, "apiVersion", "events.k8s.io/v1");
        json_put_cstr(&w, "kind", "Event");
        json_key(&w, "metadata");
        json_object(&w);
        json_put_cstr(&w, "name", name);
        json_put_str(&w, "namespace", n->config.namespace);
        json_end(&w);
        json_put_cstr(&w, "eventTime", stamp);
        json_put_cstr(&w, "type", warning ? "Warning" : "Normal");
        json_put_cstr(&w, "reason", reason);
        json_put_cstr(&w, "action", "Failover");
        json_put_cstr(&w, "note", note);
        json_put_cstr(&w, "reportingController", "keelson.dev/agent");
        json_put_str(&w, "reportingInstance", n->config.pod);
        json_key(&w, "regarding");
        json_object(&w);
        json_put_cstr(&w, "apiVersion", about->api_version);
        json_put_cstr(&w, "kind", about->kind);
        json_put_str(&w, "namespace", n->config.namespace);
        json_put_str(&w, "name", about->name);
        json_put_str(&w, "uid", about->uid);
        json_end(&w);
        json_end(&w);
}

static void on_sent(const struct kube_reply *reply, void *arg)
{
        struct news *n = arg;

        n->n_in_flight--;
        if (!reply->error.code)
                return;
        n->n_dropped++;
        log_debug("an event was not taken", LOG_CSTR("error", reply->error.message));
}

static void send_event(struct news *n, const struct regarding *about, bool warning, const char *reason,
                       const char *note)
{
        _cleanup_(buf_release) struct buf body = BUF_INIT(EVENT_BYTES_MAX);
        struct kube_call call = { .verb = KUBE_CREATE,
                                  .kind = &kube_event_kind,
                                  .namespace = n->config.namespace,
                                  .timeout = n->config.timeout,
                                  .field_manager = STR("keelson-agent") };
        struct error err = ERROR_INIT;

        if (n->n_in_flight >= NEWS_IN_FLIGHT_MAX) {
                n->n_dropped++;
                return;
        }
        write_event(&body, n, about, warning, reason, note);
        call.body = buf_str(&body);
        if (buf_error(&body) < 0 || kube_call(n->config.client, &call, on_sent, n, NULL, &err) < 0) {
                n->n_dropped++;
                return;
        }
        n->n_in_flight++;
        n->n_told++;
}

static bool is_again(struct news *n, const char *reason, const char *note)
{
        uint64_t hash = hash_str(hash_str(HASH_INIT, str_c(reason)), str_c(note));
        usec_t now = clock_now();
        bool again = hash == n->last_hash && now - n->last_at < NEWS_AGAIN;

        n->last_hash = hash;
        if (!again)
                n->last_at = now;
        return again;
}

void news_note_of(struct str pod, const char *note, char out[NEWS_NOTE_MAX])
{
        bool begins = str_starts(str_c(note), pod) && strchr(" :", note[pod.len]);

        if (begins)
                say(out, "%s", note);
        else
                say(out, "%.*s: %s", STR_FMT(pod), note);
}

static void send(struct news *n, bool warning, const char *reason, const char *note)
{
        struct regarding pod = { "v1", "Pod", n->config.pod, n->config.uid };
        struct regarding owner = { n->owner.api_version, n->owner.kind, str_c(n->owner.name),
                                   str_c(n->owner.uid) };
        char whole[NEWS_NOTE_MAX];

        if (is_again(n, reason, note))
                return;
        send_event(n, &pod, warning, reason, note);
        if (!n->owner.uid[0])
                return;
        news_note_of(n->config.pod, note, whole);
        send_event(n, &owner, warning, reason, whole);
}

void news_say(struct news *n, bool warning, const char *reason, const char *note)
{
        log_at(warning ? LOG_WARN : LOG_INFO, note, LOG_CSTR("reason", reason));
        send(n, warning, reason, note);
}

void news_tell(struct news *n, const struct failover_effect *e)
{
        const char *reason = failover_news_name(e->news.what);
        char note[NEWS_NOTE_MAX];
        bool warning = news_note(n, e, note);

        log_at(warning ? LOG_WARN : LOG_INFO, note, LOG_CSTR("reason", reason),
               LOG_INT("epoch", e->news.epoch), LOG_CSTR("cause", failover_cause_name(e->news.cause)));
        if (!is_crash(e))
                send(n, warning, reason, note);
}
