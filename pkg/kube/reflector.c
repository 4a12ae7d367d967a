/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/reflector.h"

#include <errno.h>

#include "kube/reflector_take.h"
#include "kube/selector.h"

#define FAILURE_BODY_MAX ((size_t)16 * 1024)
#define VERSION_MAX ((size_t)1024)
#define CONTINUE_MAX ((size_t)8 * 1024)
#define PATH_MAX_BYTES ((size_t)12 * 1024)
/* A watch is asked to end after so long, so that watches spread over servers
 * and a stuck one does not live for ever. */
#define WATCH_SECONDS_MIN 300
#define WATCH_SECONDS_SPREAD 300
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
        buf_init(&r->floor, VERSION_MAX);
        buf_init(&r->reached, VERSION_MAX);
        buf_init(&r->next_page, CONTINUE_MAX);
        buf_init(&r->path, PATH_MAX_BYTES);
}

void reflector_release(struct reflector *r)
{
        reflector_stop(r);
        json_split_release(&r->split);
        buf_release(&r->failure);
        buf_release(&r->version);
        buf_release(&r->floor);
        buf_release(&r->reached);
        buf_release(&r->next_page);
        buf_release(&r->path);
}

void reflector_stop(struct reflector *r)
{
        loop_timer_stop(&r->timer);
        if (r->request)
                kube_cancel(r->request);
        r->request = NULL;
        r->phase = REFLECTOR_STOPPED;
}

struct str reflector_version(const struct reflector *r)
{
        return r->version.len ? buf_str(&r->version) : STR_NULL;
}

static usec_t or_default(usec_t given, usec_t otherwise)
{
        return given ? given : otherwise;
}

/* --- what the owner hears --------------------------------------------------- */

void reflector_report(struct reflector *r, enum reflector_state state, const struct error *err)
{
        static const struct error none = ERROR_INIT;
        bool synced = state == REFLECTOR_SYNCED;
        bool same = r->reported && r->synced == synced &&
                    (synced || strcmp(r->last_error.message, err->message) == 0);

        if (same)
                return;
        r->reported = true;
        r->synced = synced;
        r->last_error = synced ? none : *err;
        if (r->handlers.on_state)
                r->handlers.on_state(r, state, &r->last_error, r->handlers.arg);
}

void reflector_watch_works(struct reflector *r)
{
        r->failures = 0;
        r->watch_failing = false;
        reflector_report(r, REFLECTOR_SYNCED, NULL);
}

/* --- when to go on ------------------------------------------------------------ */

static void on_timer(struct loop_timer *timer, void *arg);

/* The timer is set for as long as the reflector is not stopped, so moving it
 * needs no memory and cannot fail. */
static int arm(struct reflector *r, usec_t delay)
{
        struct loop *l = kube_client_loop(r->client);

        return loop_timer_set(l, &r->timer, delay == USEC_NEVER ? USEC_NEVER : loop_now(l) + delay, on_timer,
                              r);
}

static void arm_stream(struct reflector *r)
{
        (void)arm(r, or_default(r->config.stream_limit, REFLECTOR_STREAM_LIMIT));
}

/* The initial events have not ended, and may never. Where a version was asked
 * for, the server may not have it (an etcd restored from a backup); else it is
 * the server that cannot do it. */
static void give_up_stream(struct reflector *r)
{
        kube_cancel(r->request);
        r->request = NULL;
        r->paged = r->floor.len == 0;
        buf_clear(&r->floor);
        begin(r);
}

static void on_timer(struct loop_timer *timer _unused_, void *arg)
{
        struct reflector *r = arg;

        (void)arm(r, USEC_NEVER);
        if (r->phase == REFLECTOR_WAITING)
                begin(r);
        else if (r->phase == REFLECTOR_LISTING && kube_request_is_waiting(r->request))
                arm_stream(r); /* for our credentials: not the server's fault */
        else if (r->phase == REFLECTOR_LISTING)
                give_up_stream(r);
        else
                reflector_watch_works(r); /* it has stayed for long enough */
}

/* 0.2 s doubled with each failure up to 30 s; half of it is random. */
static usec_t backoff(struct reflector *r)
{
        usec_t full = or_default(r->config.backoff, REFLECTOR_BACKOFF_MIN)
                      << MIN(r->failures > 0 ? r->failures - 1 : 0, 16U);

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
        if (listing)
                buf_clear(&r->floor);
        else
                r->watch_failing = true;
        wait(r, MAX(backoff(r), MIN(retry_after, REFLECTOR_PAUSE_MAX)));
        if (listing || r->failures > 1)
                reflector_report(r, REFLECTOR_FAILING, err);
}

static void fail_with(struct reflector *r, int code, const char *what)
{
        struct error err = ERROR_INIT;

        error_set(&err, code, "%s %.*s: %s", r->phase == REFLECTOR_LISTING ? "list of" : "watch of",
                  STR_FMT(r->config.kind->plural), what);
        fail(r, &err, -1);
}

/* Without memory a server that is set back is noticed one list later. */
static void note_reached(struct reflector *r)
{
        if (str_version_cmp(buf_str(&r->version), buf_str(&r->reached)) <= 0)
                return;
        buf_clear(&r->reached);
        if (buf_add_str(&r->reached, buf_str(&r->version)) < 0)
                buf_clear(&r->reached);
}

/* The first attempt of a relist asks for at least what was reached. */
static void list_again(struct reflector *r)
{
        note_reached(r);
        if (r->version.len && !r->floor.len) {
                struct buf reached = r->version;

                r->version = r->floor;
                r->floor = reached;
        }
        buf_clear(&r->version);
        buf_clear(&r->next_page);
}

/* --- the end of a list ---------------------------------------------------------- */

static bool is_set_back(const struct reflector *r)
{
        return r->consistent && r->reached.len &&
               str_version_cmp(buf_str(&r->version), buf_str(&r->reached)) < 0;
}

/* What the list brought was not taken where something newer was held. */
static int set_back(struct reflector *r)
{
        buf_clear(&r->reached);
        if (r->handlers.on_set_back)
                r->handlers.on_set_back(r, r->handlers.arg);
        if (r->phase != REFLECTOR_LISTING)
                return -ECANCELED;
        r->relist = true;
        return -ESTALE;
}

int reflector_end_list(struct reflector *r)
{
        int result;

        r->whole_list = false;
        buf_clear(&r->floor);
        if (is_set_back(r))
                return set_back(r);
        result = r->handlers.on_list_end(r, buf_str(&r->version), r->handlers.arg);
        if (r->phase != REFLECTOR_LISTING)
                return -ECANCELED; /* stopped by its owner, and maybe started again */
        r->owner_error = result;
        if (result < 0)
                return result;
        if (r->streaming) {
                r->phase = REFLECTOR_WATCHING; /* the same stream goes on */
                (void)arm(r, or_default(r->config.settle, REFLECTOR_SETTLE));
        }
        if (!r->watch_failing)
                reflector_report(r, REFLECTOR_SYNCED, NULL);
        return r->phase == REFLECTOR_LISTING || r->phase == REFLECTOR_WATCHING ? 0 : -ECANCELED;
}

/* A page came whole; the last one ends the list. */
static void end_page(struct reflector *r)
{
        int result = 0;

        if (!r->next_page.len)
                result = reflector_end_list(r);
        if (result == 0) {
                begin(r);
        } else if (r->relist) {
                list_again(r);
                wait(r, backoff(r));
        } else if (result != -ECANCELED) {
                fail_with(r, result, strerror(-result));
                list_again(r);
        }
}

/* --- the answer to a request ---------------------------------------------------- */

static void on_headers(struct http_request *http _unused_, const struct http_result *so_far, void *arg)
{
        struct reflector *r = arg;

        r->status = so_far->status;
        if (r->phase == REFLECTOR_WATCHING && r->status == 200)
                (void)arm(r, or_default(r->config.settle, REFLECTOR_SETTLE));
}

static int on_data(struct http_request *http _unused_, struct str data, void *arg)
{
        struct reflector *r = arg;

        if (r->status == 200)
                return json_split_feed(
                        &r->split, data,
                        r->split.mode == JSON_SPLIT_LIST ? reflector_take_listed : reflector_take_event, r);
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
                                    .credentials = config->source,
                                    .streamed_list = r->phase == REFLECTOR_LISTING && r->streaming };
        struct kube_reply reply;

        whole.body = buf_str(&r->failure);
        kube_reply_read(&whole, &asked, &reply);
        if (reply.reason == KUBE_EXPIRED) {
                /* The token of the next page is too old: take them all at once. */
                r->whole_list = r->phase == REFLECTOR_LISTING && !r->streaming;
                list_again(r);
        } else if (reply.reason == KUBE_NOT_FOUND && r->phase == REFLECTOR_WATCHING) {
                list_again(r); /* the API is gone, and once it is back it may hold other objects */
        }
        fail(r, &reply.error, reply.retry_after);
        kube_reply_release(&reply);
}

/* WHAT: how the answer is wrong, if it is the answer that is. */
static void on_failure(struct reflector *r, const struct http_result *result, int code, const char *what)
{
        if (code == -ENOMEM)
                fail_with(r, code, "out of memory");
        else if (r->owner_error)
                fail_with(r, r->owner_error, strerror(-r->owner_error));
        else if (code == -EBADMSG || code == 0)
                fail_with(r, -EBADMSG, what);
        else
                on_refusal(r, result);
}

/* An ERROR event. */
static void on_told_to_list(struct reflector *r, int code)
{
        r->failures += r->n_events == 0 && code == -ESTALE;
        if (r->phase == REFLECTOR_LISTING)
                buf_clear(&r->floor);
        list_again(r);
        wait(r, r->failures ? backoff(r) : 0);
}

static void on_list_done(struct reflector *r, const struct http_result *result)
{
        int code = result->error.code ? result->error.code : json_split_finish(&r->split);

        if (code == 0 && r->page_ended) {
                end_page(r);
                return;
        }
        /* What came so far does not count; begin at the first page. */
        on_failure(r, result, code,
                   r->streaming ? "it was cut before its end" : "the answer is not a list, or was cut");
        list_again(r);
}

static void on_watch_done(struct reflector *r, const struct http_result *result)
{
        usec_t lasted = loop_now(kube_client_loop(r->client)) - r->began;
        int code = result->error.code ? result->error.code : json_split_finish(&r->split);

        if (code == 0 && (r->n_events || lasted >= or_default(r->config.settle, REFLECTOR_SETTLE)))
                begin(r);
        else
                on_failure(r, result, code,
                           code ? "an event was cut or is not JSON" : "the server ended it at once");
        if (code == -ETIMEDOUT && r->n_events == 0 && r->phase == REFLECTOR_WAITING)
                list_again(r); /* its version may be one that the server does not have any more */
        if (code == -ENOMEM && r->failures > 1 && r->phase == REFLECTOR_WAITING)
                list_again(r); /* the owner may let go of what it has, and then there is room */
}

/* A server that does not know how to stream a list says so with one of these. */
static bool cannot_stream(const struct reflector *r, const struct http_result *result)
{
        return r->streaming && r->phase == REFLECTOR_LISTING &&
               (result->status == 400 || result->status == 422);
}

static void on_done(struct http_request *http _unused_, const struct http_result *result, void *arg)
{
        struct reflector *r = arg;

        r->request = NULL;
        if (cannot_stream(r, result)) {
                r->paged = true;
                begin(r);
        } else if (result->status != 200 && !(result->status == 0 && r->status == 200)) {
                on_refusal(r, result);
        } else if (r->relist) {
                on_told_to_list(r, result->error.code);
        } else if (r->phase == REFLECTOR_LISTING) {
                on_list_done(r, result);
        } else {
                on_watch_done(r, result);
        }
}

/* --- requests --------------------------------------------------------------------- */

static void add_query(struct reflector *r)
{
        struct buf *path = &r->path;

        kube_query(path, "labelSelector", r->config.label_selector);
        kube_query(path, "fieldSelector", r->config.field_selector);
        if (r->streaming || r->phase == REFLECTOR_WATCHING) {
                kube_query(path, "watch", STR("true"));
                kube_query(path, "allowWatchBookmarks", STR("true"));
        }
        if (r->streaming) {
                kube_query(path, "sendInitialEvents", STR("true"));
                kube_query(path, "resourceVersionMatch", STR("NotOlderThan"));
                if (r->floor.len)
                        kube_query(path, "resourceVersion", buf_str(&r->floor));
        } else if (r->phase == REFLECTOR_WATCHING) {
                kube_query(path, "resourceVersion", buf_str(&r->version));
        } else if (!r->whole_list) {
                /* Without a resourceVersion a list is of what etcd holds now,
                 * never older than what we have seen. */
                kube_query_int(path, "limit", REFLECTOR_PAGE);
                if (r->next_page.len)
                        kube_query(path, "continue", buf_str(&r->next_page));
        }
}

/* Behind it what a server may send that does not know how to leave things out. */
static struct str media_type(const struct reflector *r, bool stays)
{
        if (!r->config.metadata_only)
                return STR_NULL;
        return stays ? STR("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json")
                     : STR("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json");
}

static int check_selectors(const struct reflector *r, struct error *err)
{
        int result = kube_selector_check(KUBE_BY_LABELS, r->config.label_selector, err);

        return result < 0 ? result : kube_selector_check(KUBE_BY_FIELDS, r->config.field_selector, err);
}

static int request(struct reflector *r, struct error *err)
{
        struct http_handlers handlers = {
                .on_headers = on_headers, .on_data = on_data, .done = on_done, .arg = r
        };
        bool stays = r->streaming || r->phase == REFLECTOR_WATCHING;
        int64_t seconds = WATCH_SECONDS_MIN + (int64_t)rand_below(&r->rand, WATCH_SECONDS_SPREAD + 1);
        int result;

        result = check_selectors(r, err);
        if (result < 0)
                return result;
        buf_clear(&r->path);
        result = kube_path(&r->path, r->config.kind, r->config.namespace, STR_NULL, STR_NULL);
        add_query(r);
        if (stays)
                kube_query_int(&r->path, "timeoutSeconds", seconds);
        if (result < 0 || buf_error(&r->path))
                return error_set(err, -EINVAL, "the URL is too long, or the namespace or kind cannot be one");
        return kube_stream(
                r->client,
                &(struct kube_stream_call){
                        .verb = stays ? KUBE_WATCH : KUBE_LIST,
                        .streamed_list = r->streaming,
                        .kind = r->config.kind,
                        .path = buf_str(&r->path),
                        .accept = media_type(r, stays),
                        .timeout = stays ? seconds * USEC_SEC + WATCH_GRACE : REFLECTOR_LIST_TIMEOUT,
                        .idle_timeout = or_default(r->config.silence, REFLECTOR_SILENCE) },
                &handlers, &r->request, err);
}

/* Forgets the request before. */
static void clear_answer(struct reflector *r, enum json_split_mode mode)
{
        json_split_clear(&r->split, mode);
        buf_clear(&r->failure);
        r->status = r->owner_error = 0;
        r->n_events = 0;
        r->relist = r->page_ended = false;
        r->began = loop_now(kube_client_loop(r->client));
}

/* The next request: the list, its next page, or the watch once the list is in. */
static void begin(struct reflector *r)
{
        struct error err = ERROR_INIT;
        bool watching = r->version.len && !r->next_page.len;
        bool listing = !watching && !r->next_page.len;

        (void)arm(r, USEC_NEVER);
        if (listing) {
                r->phase = REFLECTOR_LISTING;
                r->handlers.on_list_begin(r, r->handlers.arg);
                if (r->phase != REFLECTOR_LISTING)
                        return; /* stopped by its owner, and maybe started again */
        }
        r->phase = watching ? REFLECTOR_WATCHING : REFLECTOR_LISTING;
        r->streaming = listing && !r->paged && !r->config.paged && !r->whole_list;
        if (listing)
                r->consistent = !r->streaming || !r->floor.len;
        clear_answer(r, watching || r->streaming ? JSON_SPLIT_VALUES : JSON_SPLIT_LIST);
        if (request(r, &err) < 0)
                fail(r, &err, -1);
        else if (r->streaming)
                arm_stream(r);
}

int reflector_start(struct reflector *r)
{
        if (r->phase != REFLECTOR_STOPPED)
                return 0;
        r->failures = 0;
        r->reported = r->watch_failing = false;
        list_again(r);
        r->phase = REFLECTOR_WAITING;
        return arm(r, 0);
}
