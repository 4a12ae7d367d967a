/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflector_take.h"

#include <errno.h>

#include "json/read.h"

/* On the bookmark behind the last initial event (KEP-3157). */
#define INITIAL_EVENTS_END "k8s.io/initial-events-end"

static int set(struct buf *to, struct str s)
{
        buf_clear(to);
        return buf_add_str(to, s);
}

static int parse(struct str text, yyjson_doc **ret)
{
        int result = json_parse_split(text, ret, NULL);

        return result < 0 && result != -ENOMEM ? -EBADMSG : result;
}

static int hand_over(struct reflector *r, enum reflector_event event, yyjson_val *object)
{
        int result = r->handlers.on_object(r, event, object, r->handlers.arg);

        if (!r->request)
                return -ECANCELED;
        r->owner_error = result;
        return result;
}

static struct str version_of(yyjson_val *object)
{
        return json_get_str(yyjson_obj_get(object, "metadata"), "resourceVersion");
}

/* --- a page of the list --------------------------------------------------------- */

/* The rest of the page: where the list stands and whether there is more. */
static int take_envelope(struct reflector *r, yyjson_val *list)
{
        struct str next = json_get_str(yyjson_obj_get(list, "metadata"), "continue");

        if (str_empty(version_of(list)))
                return -EBADMSG;
        if (set(&r->version, version_of(list)) < 0 || set(&r->next_page, next) < 0)
                return -ENOMEM;
        r->page_ended = true;
        return 0;
}

int reflector_take_listed(struct str value, bool envelope, void *arg)
{
        struct reflector *r = arg;
        yyjson_doc *doc;
        int result = parse(value, &doc);

        if (result < 0)
                return result;
        if (envelope)
                result = take_envelope(r, yyjson_doc_get_root(doc));
        else
                result = hand_over(r, REFLECTOR_LISTED, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        return result;
}

/* --- an event of the stream ----------------------------------------------------- */

static int event_of(struct str type, enum reflector_event *ret)
{
        if (str_eq_c(type, "ADDED"))
                *ret = REFLECTOR_ADDED;
        else if (str_eq_c(type, "MODIFIED"))
                *ret = REFLECTOR_MODIFIED;
        else if (str_eq_c(type, "DELETED"))
                *ret = REFLECTOR_DELETED;
        else
                return -EBADMSG;
        return 0;
}

/* A Status in place of an event ends the stream. Whatever it is, a list is a
 * sure way to go on. */
static int take_error(struct reflector *r, yyjson_val *status)
{
        struct error err = ERROR_INIT;
        int64_t code = json_get_int(status, "code", 0);

        r->relist = true;
        if (code == 410 || (r->phase == REFLECTOR_LISTING && r->floor.len))
                return -ESTALE; /* or the server does not have the version that we asked for (yet) */
        if (r->phase == REFLECTOR_LISTING && (code == 400 || code == 422)) {
                r->paged = true;
                return -EOPNOTSUPP;
        }
        error_set(&err, -EREMOTEIO, "%s of %.*s: %.*s", r->phase == REFLECTOR_LISTING ? "list" : "watch",
                  STR_FMT(r->config.kind->plural), STR_FMT(json_get_str(status, "message")));
        r->failures++;
        r->watch_failing |= r->phase == REFLECTOR_WATCHING;
        reflector_report(r, REFLECTOR_FAILING, &err);
        return r->request ? -EREMOTEIO : -ECANCELED;
}

static bool ends_initial_events(yyjson_val *bookmark)
{
        yyjson_val *annotations = json_get_path(bookmark, "/metadata/annotations");

        return str_eq_c(json_get_str(annotations, INITIAL_EVENTS_END), "true");
}

/* Before the list is whole its events decide nothing, nor do their versions:
 * what changes meanwhile comes as an event too. */
static int take_initial(struct reflector *r, struct str type, yyjson_val *object)
{
        enum reflector_event kind;
        int result;

        if (!str_eq_c(type, "BOOKMARK")) {
                result = event_of(type, &kind);
                if (result < 0)
                        return result;
                return hand_over(r, kind == REFLECTOR_DELETED ? kind : REFLECTOR_LISTED, object);
        }
        if (!ends_initial_events(object))
                return 0;
        if (str_empty(version_of(object)))
                return -EBADMSG;
        result = set(&r->version, version_of(object));
        return result < 0 ? result : reflector_end_list(r);
}

/* Never back: only a list may do that, when etcd was restored from a backup. */
static int advance(struct reflector *r, yyjson_val *object)
{
        struct str version = version_of(object);

        if (str_empty(version))
                return -EBADMSG;
        if (str_version_cmp(version, buf_str(&r->version)) > 0 && set(&r->version, version) < 0)
                return -ENOMEM;
        r->n_events++;
        reflector_watch_works(r);
        return r->request ? 0 : -ECANCELED;
}

/* Told before: a server that lags begins further back than it was asked to. An
 * object that was deleted since would come to life again, and stay if the
 * stream breaks before its second end. */
static bool is_old(const struct reflector *r, yyjson_val *object)
{
        struct str version = version_of(object);

        return version.len && str_version_cmp(version, buf_str(&r->version)) <= 0;
}

static int take_event(struct reflector *r, yyjson_val *event)
{
        yyjson_val *object = yyjson_obj_get(event, "object");
        struct str type = json_get_str(event, "type");
        enum reflector_event kind;
        int result;

        if (str_eq_c(type, "ERROR"))
                return take_error(r, object);
        if (r->phase == REFLECTOR_LISTING)
                return take_initial(r, type, object);
        if (str_eq_c(type, "BOOKMARK"))
                return advance(r, object);
        result = event_of(type, &kind);
        if (result == 0 && !is_old(r, object))
                result = hand_over(r, kind, object);
        return result == 0 ? advance(r, object) : result;
}

int reflector_take_event(struct str value, bool envelope _unused_, void *arg)
{
        yyjson_doc *doc;
        int result = parse(value, &doc);

        if (result < 0)
                return result;
        result = take_event(arg, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        return result;
}
