/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflector.h"

#include <errno.h>

#include "json/read.h"

#define FAILURE_BODY_MAX ((size_t)16 * 1024)
#define VERSION_MAX ((size_t)1024)
#define CONTINUE_MAX ((size_t)8 * 1024)
#define PATH_MAX_BYTES ((size_t)12 * 1024)
/* A watch is asked to end after so long, so that watches spread over servers
 * and a stuck one does not live for ever. */
#define WATCH_SECONDS_MIN 300
#define WATCH_SECONDS_SPREAD 300
/* A watch that ends well sooner than this without an event is a failure. */
#define WATCH_WORTH (5 * USEC_SEC)
/* The server ends it first, so this is for one that forgets to. */
#define WATCH_GRACE (30 * USEC_SEC)

static void begin(struct reflector *r);

void reflector_init(struct reflector *r, struct kube_client *client, const struct reflector_config *config,
                    const struct reflector_handlers *handlers)
{
        *r = (struct reflector){ .client = client, .config = *config, .handlers = *handlers };
        r->rand.state = config->seed;
        json_split_init(&r->split, JSON_SPLIT_LIST, REFLECTOR_OBJECT_MAX);
        buf_init(&r->failure, FAILURE_BODY_MAX);
        buf_init(&r->version, VERSION_MAX);
        buf_init(&r->next_page, CONTINUE_MAX);
        buf_init(&r->path, PATH_MAX_BYTES);
}

void reflector_release(struct reflector *r)
{
        reflector_stop(r);
        json_split_release(&r->split);
        buf_release(&r->failure);
        buf_release(&r->version);
        buf_release(&r->next_page);
        buf_release(&r->path);
}

void reflector_stop(struct reflector *r)
{
        loop_timer_stop(&r->timer);
        if (r->request)
                http_cancel(r->request);
        r->request = NULL;
        r->phase = REFLECTOR_STOPPED;
}

struct str reflector_version(const struct reflector *r)
{
        return r->version.len ? buf_str(&r->version) : STR_NULL;
}

/* --- what the owner hears --------------------------------------------------- */

static void report(struct reflector *r, bool synced, const struct error *err)
{
        static const struct error none = ERROR_INIT;
        bool same = r->reported && r->synced == synced &&
                    (synced || strcmp(r->last_error.message, err->message) == 0);

        if (same)
                return;
        r->reported = true;
        r->synced = synced;
        r->last_error = synced ? none : *err;
        if (r->handlers.on_state)
                r->handlers.on_state(r, synced ? REFLECTOR_SYNCED : REFLECTOR_FAILING, &r->last_error,
                                     r->handlers.arg);
}

/* --- when to go on ------------------------------------------------------------ */

static void on_timer(struct loop_timer *timer _unused_, void *arg)
{
        begin(arg);
}

/* The timer is set for as long as the reflector is not stopped, so moving it
 * needs no memory and cannot fail. */
static int arm(struct reflector *r, usec_t delay)
{
        struct loop *l = kube_client_loop(r->client);

        return loop_timer_set(l, &r->timer, delay == USEC_NEVER ? USEC_NEVER : loop_now(l) + delay, on_timer,
                              r);
}

/* 0.2 s doubled with each failure up to 30 s; half of it is random. */
static usec_t backoff(struct reflector *r)
{
        usec_t full = REFLECTOR_BACKOFF_MIN << MIN(r->failures > 0 ? r->failures - 1 : 0, 16U);

        full = MIN(full, REFLECTOR_BACKOFF_MAX);
        return full / 2 + (usec_t)rand_below(&r->rand, (uint64_t)full / 2 + 1);
}

static void wait(struct reflector *r, usec_t delay)
{
        r->phase = REFLECTOR_WAITING;
        (void)arm(r, delay);
}

/* What failed, for good or for a while. A watch that breaks once is everyday
 * life; a list that fails, or a watch twice in a row, is news. */
static void fail(struct reflector *r, const struct error *err, usec_t retry_after)
{
        bool listing = r->phase == REFLECTOR_LISTING;

        r->failures++;
        wait(r, MAX(backoff(r), retry_after));
        if (listing || r->failures > 1)
                report(r, false, err);
}

static void fail_with(struct reflector *r, int code, const char *what)
{
        struct error err = ERROR_INIT;

        error_set(&err, code, "%s %.*s: %s", r->phase == REFLECTOR_LISTING ? "list of" : "watch of",
                  STR_FMT(r->config.kind->plural), what);
        fail(r, &err, -1);
}

static void list_again(struct reflector *r)
{
        buf_clear(&r->version);
        buf_clear(&r->next_page);
}

static int set(struct buf *to, struct str s)
{
        buf_clear(to);
        return buf_add_str(to, s);
}

/* --- a page of the list --------------------------------------------------------- */

static int take_listed(struct reflector *r, struct str text)
{
        yyjson_doc *doc;
        int result = json_parse(text, &doc, NULL);

        if (result < 0)
                return result == -ENOMEM ? result : -EBADMSG;
        result = r->handlers.on_object(r, REFLECTOR_LISTED, yyjson_doc_get_root(doc), r->handlers.arg);
        yyjson_doc_free(doc);
        return result;
}

/* The rest of the page: where the list stands and whether there is more. */
static int take_envelope(struct reflector *r, struct str text)
{
        yyjson_val *meta;
        yyjson_doc *doc;
        int result = json_parse(text, &doc, NULL);

        if (result < 0)
                return result == -ENOMEM ? result : -EBADMSG;
        meta = yyjson_obj_get(yyjson_doc_get_root(doc), "metadata");
        if (str_empty(json_get_str(meta, "resourceVersion")))
                result = -EBADMSG;
        if (result == 0)
                result = set(&r->version, json_get_str(meta, "resourceVersion"));
        if (result == 0)
                result = set(&r->next_page, json_get_str(meta, "continue"));
        r->page_ended = result == 0;
        yyjson_doc_free(doc);
        return result;
}

static int on_list_value(struct str value, bool envelope, void *arg)
{
        struct reflector *r = arg;
        int result = envelope ? take_envelope(r, value) : take_listed(r, value);

        return r->request ? result : -ECANCELED; /* stopped by its owner, and maybe started again */
}

/* A page came whole; the last one ends the list. */
static void end_page(struct reflector *r)
{
        int result;

        if (r->next_page.len) {
                begin(r);
                return;
        }
        r->whole_list = false;
        result = r->handlers.on_list_end(r, buf_str(&r->version), r->handlers.arg);
        if (r->phase != REFLECTOR_LISTING)
                return; /* stopped by its owner, and maybe started again */
        if (result < 0) {
                fail_with(r, result, strerror(-result));
                list_again(r);
                return;
        }
        report(r, true, NULL);
        if (r->phase == REFLECTOR_LISTING)
                begin(r);
}

/* --- an event of the watch ------------------------------------------------------ */

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

/* A Status in place of an event ends the watch. Whatever it is, a list is a
 * sure way to go on. */
static int take_error(struct reflector *r, yyjson_val *status)
{
        struct error err = ERROR_INIT;
        int64_t code = json_get_int(status, "code", 0);

        r->relist = true;
        if (code == 410)
                return -ESTALE;
        error_set(&err, -EREMOTEIO, "watch of %.*s: %.*s", STR_FMT(r->config.kind->plural),
                  STR_FMT(json_get_str(status, "message")));
        r->failures++;
        report(r, false, &err);
        return -EREMOTEIO;
}

/* Never back: only a list may do that, when etcd was restored from a backup. */
static int advance(struct reflector *r, yyjson_val *object)
{
        struct str version = json_get_str(yyjson_obj_get(object, "metadata"), "resourceVersion");

        if (str_empty(version))
                return -EBADMSG;
        if (str_version_cmp(version, buf_str(&r->version)) > 0 && set(&r->version, version) < 0)
                return -ENOMEM;
        r->n_events++;
        r->failures = 0;
        return 0;
}

static int take_event(struct reflector *r, yyjson_val *event)
{
        yyjson_val *object = yyjson_obj_get(event, "object");
        struct str type = json_get_str(event, "type");
        enum reflector_event kind;
        int result;

        if (str_eq_c(type, "BOOKMARK"))
                return advance(r, object);
        if (str_eq_c(type, "ERROR"))
                return take_error(r, object);
        result = event_of(type, &kind);
        if (result == 0)
                result = r->handlers.on_object(r, kind, object, r->handlers.arg);
        if (result == 0 && r->request)
                result = advance(r, object);
        return result;
}

static int on_watch_value(struct str value, bool envelope _unused_, void *arg)
{
        struct reflector *r = arg;
        yyjson_doc *doc;
        int result = json_parse(value, &doc, NULL);

        if (result < 0)
                return result == -ENOMEM ? result : -EBADMSG;
        result = take_event(r, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        return r->request ? result : -ECANCELED;
}

/* --- the answer to a request ---------------------------------------------------- */

static void on_headers(struct http_request *http _unused_, const struct http_result *so_far, void *arg)
{
        struct reflector *r = arg;

        r->status = so_far->status;
        if (r->phase == REFLECTOR_WATCHING && r->status == 200)
                report(r, true, NULL);
}

static int on_data(struct http_request *http _unused_, struct str data, void *arg)
{
        struct reflector *r = arg;

        if (r->status == 200)
                return json_split_feed(&r->split, data,
                                       r->phase == REFLECTOR_LISTING ? on_list_value : on_watch_value, r);
        buf_add(&r->failure, data.data, MIN(data.len, FAILURE_BODY_MAX - r->failure.len));
        return 0;
}

/* The server could not do it; the body may say why. */
static void on_refusal(struct reflector *r, const struct http_result *result)
{
        const struct kube_config *config = kube_client_config(r->client);
        struct http_result whole = *result;
        struct kube_asked asked = { .verb = r->phase == REFLECTOR_LISTING ? KUBE_LIST : KUBE_WATCH,
                                    .kind = r->config.kind,
                                    .namespace = r->config.namespace,
                                    .server = config->server,
                                    .credentials = config->source };
        struct kube_reply reply;

        whole.body = buf_str(&r->failure);
        kube_reply_read(&whole, &asked, &reply);
        if (reply.reason == KUBE_EXPIRED) {
                /* The token of the next page is too old: take them all at once. */
                r->whole_list = r->phase == REFLECTOR_LISTING;
                list_again(r);
        }
        if (reply.reason == KUBE_UNAUTHORIZED)
                (void)kube_client_refused(r->client);
        fail(r, &reply.error, reply.retry_after);
        kube_reply_release(&reply);
}

static void on_list_done(struct reflector *r, const struct http_result *result)
{
        int code = result->error.code ? result->error.code : json_split_finish(&r->split);

        if (code == 0 && r->page_ended) {
                end_page(r);
                return;
        }
        /* What came so far does not count; begin at the first page. */
        if (code == -EBADMSG || code == 0)
                fail_with(r, -EBADMSG, "the answer is not a list, or was cut");
        else if (code == -ENOMEM)
                fail_with(r, code, "out of memory");
        else
                on_refusal(r, result);
        list_again(r);
}

static void on_watch_done(struct reflector *r, const struct http_result *result)
{
        usec_t lasted = loop_now(kube_client_loop(r->client)) - r->began;
        int code = result->error.code ? result->error.code : json_split_finish(&r->split);

        if (r->relist) {
                list_again(r);
                r->failures += r->n_events == 0 && code == -ESTALE;
                wait(r, r->failures ? backoff(r) : 0);
        } else if (code == 0 && (r->n_events || lasted >= WATCH_WORTH)) {
                begin(r);
        } else if (code == -EBADMSG || code == 0) {
                fail_with(r, -EBADMSG,
                          code ? "an event was cut or is not JSON" : "the server ended it at once");
        } else if (code == -ENOMEM) {
                fail_with(r, code, "out of memory");
        } else {
                on_refusal(r, result);
        }
}

static void on_done(struct http_request *http _unused_, const struct http_result *result, void *arg)
{
        struct reflector *r = arg;

        r->request = NULL;
        if (result->status != 200 && !(result->status == 0 && r->status == 200))
                on_refusal(r, result);
        else if (r->phase == REFLECTOR_LISTING)
                on_list_done(r, result);
        else
                on_watch_done(r, result);
}

/* --- requests --------------------------------------------------------------------- */

static void add_query(struct reflector *r)
{
        struct buf *path = &r->path;

        kube_query(path, "labelSelector", r->config.label_selector);
        kube_query(path, "fieldSelector", r->config.field_selector);
        if (r->phase == REFLECTOR_WATCHING) {
                kube_query(path, "watch", STR("true"));
                kube_query(path, "allowWatchBookmarks", STR("true"));
                kube_query(path, "resourceVersion", buf_str(&r->version));
        } else if (!r->whole_list) {
                /* Without a resourceVersion a list is of what etcd holds now,
                 * never older than what we have seen. */
                kube_query_int(path, "limit", REFLECTOR_PAGE);
                if (r->next_page.len)
                        kube_query(path, "continue", buf_str(&r->next_page));
        }
}

static int request(struct reflector *r, struct error *err)
{
        struct http_handlers handlers = {
                .on_headers = on_headers, .on_data = on_data, .done = on_done, .arg = r
        };
        bool watching = r->phase == REFLECTOR_WATCHING;
        int64_t seconds = WATCH_SECONDS_MIN + (int64_t)rand_below(&r->rand, WATCH_SECONDS_SPREAD + 1);
        int result;

        buf_clear(&r->path);
        result = kube_path(&r->path, r->config.kind, r->config.namespace, STR_NULL, STR_NULL);
        add_query(r);
        if (watching)
                kube_query_int(&r->path, "timeoutSeconds", seconds);
        if (result < 0 || buf_error(&r->path))
                return error_set(err, -EINVAL, "the URL is too long, or the namespace or kind cannot be one");
        return kube_stream(r->client, buf_str(&r->path),
                           watching ? seconds * USEC_SEC + WATCH_GRACE : REFLECTOR_LIST_TIMEOUT,
                           r->config.silence ? r->config.silence : REFLECTOR_SILENCE, &handlers, &r->request,
                           err);
}

/* The next request: a page of the list, or the watch once the list is in. */
static void begin(struct reflector *r)
{
        struct error err = ERROR_INIT;
        bool watching = r->version.len && !r->next_page.len;

        (void)arm(r, USEC_NEVER);
        if (!watching && !r->next_page.len) {
                r->phase = REFLECTOR_LISTING;
                r->handlers.on_list_begin(r, r->handlers.arg);
                if (r->phase == REFLECTOR_STOPPED)
                        return;
        }
        r->phase = watching ? REFLECTOR_WATCHING : REFLECTOR_LISTING;
        json_split_clear(&r->split, watching ? JSON_SPLIT_VALUES : JSON_SPLIT_LIST);
        buf_clear(&r->failure);
        r->status = 0;
        r->n_events = 0;
        r->relist = r->page_ended = false;
        r->began = loop_now(kube_client_loop(r->client));
        if (request(r, &err) < 0)
                fail(r, &err, -1);
}

int reflector_start(struct reflector *r)
{
        if (r->phase != REFLECTOR_STOPPED)
                return 0;
        r->failures = 0;
        r->reported = false;
        list_again(r);
        r->phase = REFLECTOR_WAITING;
        return arm(r, 0);
}
