/* SPDX-License-Identifier: Apache-2.0
 *
 * Events and their series, against a transport that keeps what it was asked and
 * answers when the test says so.
 */
#include "harness.h"

#include <errno.h>

#include "base/log.h"
#include "json/read.h"
#include "manager/manager.h"

#define CALLS_MAX 1024

static const struct cache_kind kind = {
        .api = { .group = STR_INIT("keelson.dev"),
                 .version = STR_INIT("v1alpha1"),
                 .plural = STR_INIT("apps"),
                 .kind = STR_INIT("App"),
                 .namespaced = true },
};

/* A call that was started. */
struct asked {
        enum call_type type;
        char name[256];
        yyjson_doc *body;
        call_done_fn *done; /* NULL once it was answered or cancelled */
        void *arg;
};

static struct transport transport;
static struct manager m;
static struct asked calls[CALLS_MAX];
static size_t n_calls;
static usec_t now;
static int refuse_start; /* what start gives back; 0: it starts */

static int start(struct transport *t _unused_, const struct call *call, call_done_fn *done, void *arg,
                 void **ret_handle)
{
        struct asked *a = &calls[n_calls];

        if (refuse_start)
                return refuse_start;
        ck_assert_uint_lt(n_calls, CALLS_MAX);
        ck_str_eq(call->kind->plural, "events");
        ck_str_eq(call->namespace, "shop");
        *a = (struct asked){ .type = call->type, .done = done, .arg = arg };
        snprintf(a->name, sizeof(a->name), "%.*s", STR_FMT(call->name));
        /* Not json_parse, whose memory a test may take away. */
        a->body = yyjson_read(call->body.data, call->body.len, 0);
        ck_assert_ptr_nonnull(a->body);
        n_calls++;
        *ret_handle = a;
        return 0;
}

static void cancel(struct transport *t _unused_, void *handle)
{
        ((struct asked *)handle)->done = NULL;
}

static usec_t get_now(struct transport *t _unused_)
{
        return now;
}

static usec_t get_wall(struct transport *t _unused_)
{
        return 1700000000 * USEC_SEC + now;
}

static void open_all(void)
{
        log_setup(LOG_ERROR + 1, LOG_TEXT);
        transport = (struct transport){ .start = start, .cancel = cancel, .now = get_now, .wall = get_wall };
        now = USEC_HOUR;
        n_calls = 0;
        refuse_start = 0;
        manager_init(&m, &transport, STR("pod-0"), 1);
        manager_allow(&m, true);
}

static void close_all(void)
{
        manager_release(&m);
        for (size_t i = 0; i < n_calls; i++) {
                ck_assert_ptr_null(calls[i].done);
                yyjson_doc_free(calls[i].body);
        }
        ck_assert_uint_eq(mem_live(), 0);
}

static void send_about(const char *name, const char *uid, bool warning, const char *reason, const char *note)
{
        struct {
                struct object o;
                char uid_and_version[16];
        } about = { {
                .kind = &kind,
                .namespace = STR("shop"),
                .name = str_c(name),
                .uid_len = (uint8_t)strlen(uid),
                .version_len = 1,
        } };

        snprintf(about.uid_and_version, sizeof(about.uid_and_version), "%s7", uid);
        event_send(&m, &about.o, warning, str_c(reason), str_c(note));
}

static void send_event(const char *note)
{
        send_about("web", "u1", false, "Made", note);
}

/* The answer to a call: a success, or a refusal. */
static void answer(size_t i, enum kube_reason reason)
{
        struct kube_reply reply = { .reason = reason, .error.code = reason == KUBE_OK ? 0 : -EIO };
        call_done_fn *done = calls[i].done;

        ck_assert_ptr_nonnull(done);
        calls[i].done = NULL;
        done(&reply, calls[i].arg);
}

static yyjson_val *body(size_t i)
{
        return yyjson_doc_get_root(calls[i].body);
}

static struct str text_at(size_t i, const char *pointer)
{
        return json_val_str(json_get_path(body(i), pointer));
}

static int64_t count_at(size_t i)
{
        return json_get_int(json_get_path(body(i), "/series"), "count", 0);
}

/* --- one --------------------------------------------------------------------------- */

START_TEST(an_event_is_told_whole)
{
        open_all();
        send_about("web", "u1", true, "Broken", "it does not start");
        ck_assert_uint_eq(n_calls, 1);
        ck_assert_int_eq(calls[0].type, CALL_CREATE);
        ck_assert_str_eq(calls[0].name, "");
        ck_str_eq(text_at(0, "/apiVersion"), "events.k8s.io/v1");
        ck_assert(str_starts(text_at(0, "/metadata/name"), STR("web.")));
        ck_str_eq(text_at(0, "/metadata/namespace"), "shop");
        ck_str_eq(text_at(0, "/eventTime"), "2023-11-14T23:13:20.000000Z");
        ck_str_eq(text_at(0, "/type"), "Warning");
        ck_str_eq(text_at(0, "/reason"), "Broken");
        ck_str_eq(text_at(0, "/note"), "it does not start");
        ck_str_eq(text_at(0, "/reportingController"), "keelson.dev/operator");
        ck_str_eq(text_at(0, "/reportingInstance"), "pod-0");
        ck_str_eq(text_at(0, "/regarding/apiVersion"), "keelson.dev/v1alpha1");
        ck_str_eq(text_at(0, "/regarding/kind"), "App");
        ck_str_eq(text_at(0, "/regarding/name"), "web");
        ck_str_eq(text_at(0, "/regarding/uid"), "u1");
        ck_str_eq(text_at(0, "/regarding/resourceVersion"), "7");
        ck_assert_int_eq(count_at(0), 0);
        answer(0, KUBE_OK);
        ck_assert_uint_eq(n_calls, 1);
        close_all();
}
END_TEST

/* Which was to be made and could not be, say. */
START_TEST(what_is_not_there_can_be_told_of)
{
        static const struct kube_kind secret = { .version = STR_INIT("v1"), .kind = STR_INIT("Secret") };
        const struct event_about about = { .kind = &secret, .namespace = STR("shop"), .name = STR("tls") };

        open_all();
        event_send_about(&m, &about, false, STR("Made"), STR("a"));
        ck_assert_uint_eq(n_calls, 1);
        ck_str_eq(text_at(0, "/regarding/apiVersion"), "v1");
        ck_str_eq(text_at(0, "/regarding/name"), "tls");
        ck_assert_ptr_null(json_get_path(body(0), "/regarding/uid"));
        ck_assert_ptr_null(json_get_path(body(0), "/regarding/resourceVersion"));
        answer(0, KUBE_OK);
        close_all();
}
END_TEST

START_TEST(a_note_past_its_cap_is_cut_between_characters)
{
        char note[1100];

        open_all();
        memset(note, 'x', sizeof(note) - 1);
        note[sizeof(note) - 1] = '\0';
        memcpy(note + 1023, "\xc3\xa4", 2);
        send_event(note);
        ck_assert_uint_eq(text_at(0, "/note").len, 1023);
        close_all();
}
END_TEST

/* --- again ------------------------------------------------------------------------- */

START_TEST(what_happens_again_is_a_series)
{
        open_all();
        send_event("a");
        answer(0, KUBE_OK);
        now += USEC_SEC;
        send_event("a");
        ck_assert_uint_eq(n_calls, 2);
        ck_assert_int_eq(calls[1].type, CALL_PATCH);
        ck_str_eq(text_at(0, "/metadata/name"), calls[1].name);
        ck_assert_int_eq(count_at(1), 2);
        ck_str_eq(text_at(1, "/series/lastObservedTime"), "2023-11-14T23:13:21.000000Z");
        ck_assert_uint_eq(yyjson_obj_size(body(1)), 1);
        answer(1, KUBE_OK);
        send_event("a");
        ck_assert_int_eq(count_at(2), 3);
        close_all();
}
END_TEST

START_TEST(what_differs_in_anything_is_no_series)
{
        open_all();
        send_about("web", "u1", false, "Made", "a");
        send_about("web", "u2", false, "Made", "a");
        send_about("web", "u1", true, "Made", "a");
        send_about("web", "u1", false, "Lost", "a");
        send_about("web", "u1", false, "Made", "b");
        ck_assert_uint_eq(n_calls, 5);
        for (size_t i = 0; i < 5; i++) {
                ck_assert_int_eq(calls[i].type, CALL_CREATE);
                for (size_t j = 0; j < i; j++)
                        ck_assert(!str_eq(text_at(i, "/metadata/name"), text_at(j, "/metadata/name")));
        }
        close_all();
}
END_TEST

/* One request about it at a time, and none is left out. */
START_TEST(each_time_is_counted_while_a_request_is_on_its_way)
{
        open_all();
        for (int i = 0; i < 3; i++)
                send_event("a");
        ck_assert_uint_eq(n_calls, 1);
        answer(0, KUBE_OK);
        ck_assert_uint_eq(n_calls, 2);
        ck_assert_int_eq(count_at(1), 3);
        send_event("a");
        answer(1, KUBE_OK);
        ck_assert_int_eq(count_at(2), 4);
        answer(2, KUBE_OK);
        ck_assert_uint_eq(n_calls, 3);
        close_all();
}
END_TEST

START_TEST(a_patch_that_fails_is_made_up_for_by_the_next)
{
        open_all();
        send_event("a");
        answer(0, KUBE_OK);
        send_event("a");
        answer(1, KUBE_SERVICE_UNAVAILABLE);
        ck_assert_uint_eq(n_calls, 2);
        send_event("a");
        ck_assert_int_eq(calls[2].type, CALL_PATCH);
        ck_assert_int_eq(count_at(2), 3);
        close_all();
}
END_TEST

START_TEST(an_event_that_was_not_taken_is_forgotten)
{
        open_all();
        send_event("a");
        send_event("a");
        answer(0, KUBE_FORBIDDEN);
        ck_assert_uint_eq(n_calls, 1);
        ck_assert_uint_eq(m.events.n, 0);
        send_event("a");
        ck_assert_int_eq(calls[1].type, CALL_CREATE);
        close_all();
}
END_TEST

/* Its time on the server is over, or somebody deleted it. */
START_TEST(an_event_that_has_expired_is_made_anew)
{
        open_all();
        send_event("a");
        answer(0, KUBE_OK);
        send_event("a");
        answer(1, KUBE_NOT_FOUND);
        ck_assert_uint_eq(n_calls, 3);
        ck_assert_int_eq(calls[2].type, CALL_CREATE);
        ck_assert_int_eq(count_at(2), 0); /* it is the first of a new one */
        ck_str_eq(text_at(2, "/note"), "a");
        ck_str_eq(text_at(2, "/regarding/uid"), "u1");
        ck_assert(!str_eq(text_at(2, "/metadata/name"), text_at(0, "/metadata/name")));
        answer(2, KUBE_OK);
        /* With all that was not told. */
        send_event("a");
        send_event("a");
        send_event("a");
        ck_str_eq(text_at(2, "/metadata/name"), calls[3].name);
        answer(3, KUBE_NOT_FOUND);
        ck_assert_int_eq(calls[4].type, CALL_CREATE);
        ck_assert_int_eq(count_at(4), 3);
        /* Where nothing can be made either, that is the end. */
        answer(4, KUBE_NOT_FOUND);
        ck_assert_uint_eq(n_calls, 5);
        ck_assert_uint_eq(m.events.n, 0);
        close_all();
}
END_TEST

START_TEST(a_series_is_over_after_its_window)
{
        open_all();
        send_event("a");
        answer(0, KUBE_OK);
        now += EVENT_SERIES_WINDOW;
        send_event("a");
        ck_assert_int_eq(calls[1].type, CALL_PATCH);
        answer(1, KUBE_OK);
        now += EVENT_SERIES_WINDOW + 1;
        send_event("a");
        ck_assert_int_eq(calls[2].type, CALL_CREATE);
        ck_assert_uint_eq(m.events.n, 1);
        close_all();
}
END_TEST

/* --- bounds ---------------------------------------------------------------------------- */

static void send_numbered(int i)
{
        char note[32];

        snprintf(note, sizeof(note), "number %d", i);
        send_event(note);
}

START_TEST(the_oldest_is_forgotten_past_the_cap)
{
        open_all();
        for (int i = 0; i < EVENTS_REMEMBERED_MAX; i++) {
                send_numbered(i);
                answer(n_calls - 1, KUBE_OK);
        }
        send_numbered(0); /* it is the newest now */
        answer(n_calls - 1, KUBE_OK);
        send_numbered(EVENTS_REMEMBERED_MAX);
        answer(n_calls - 1, KUBE_OK);
        ck_assert_uint_eq(m.events.n, EVENTS_REMEMBERED_MAX);
        send_numbered(0);
        ck_assert_int_eq(calls[n_calls - 1].type, CALL_PATCH);
        ck_assert_int_eq(count_at(n_calls - 1), 3);
        send_numbered(1);
        ck_assert_int_eq(calls[n_calls - 1].type, CALL_CREATE);
        ck_assert_uint_eq(m.events.n, EVENTS_REMEMBERED_MAX);
        close_all();
}
END_TEST

START_TEST(too_many_at_once_are_dropped_but_those_that_are_known_are_counted)
{
        open_all();
        send_event("known");
        answer(0, KUBE_OK);
        for (int i = 0; i < 2 * EVENTS_IN_FLIGHT_MAX; i++)
                send_numbered(i);
        ck_assert_uint_eq(n_calls, 1 + EVENTS_IN_FLIGHT_MAX);
        send_event("known");
        ck_assert_uint_eq(n_calls, 1 + EVENTS_IN_FLIGHT_MAX);
        answer(1, KUBE_OK);
        send_event("known");
        ck_assert_int_eq(calls[n_calls - 1].type, CALL_PATCH);
        ck_assert_int_eq(count_at(n_calls - 1), 3);
        close_all(); /* and those on their way are forgotten */
}
END_TEST

START_TEST(nothing_is_told_without_leave)
{
        open_all();
        send_event("a");
        send_event("a");
        manager_allow(&m, false);
        answer(0, KUBE_OK);
        ck_assert_uint_eq(n_calls, 1);
        /* The transport refuses. */
        manager_allow(&m, true);
        refuse_start = -EPERM;
        send_event("b");
        send_event("a");
        refuse_start = 0;
        ck_assert_uint_eq(m.events.n, 1);
        send_event("a");
        ck_assert_int_eq(count_at(1), 4);
        close_all();
}
END_TEST

static int story(void *arg _unused_)
{
        size_t first = n_calls;

        open_all();
        n_calls = first;
        send_event("a");
        if (n_calls > first) {
                answer(n_calls - 1, KUBE_OK);
                send_event("a");
        }
        if (n_calls > first + 1)
                answer(n_calls - 1, KUBE_NOT_FOUND);
        for (size_t i = first; i < n_calls; i++)
                yyjson_doc_free(calls[i].body);
        n_calls = first;
        manager_release(&m);
        return 0;
}

START_TEST(it_survives_the_lack_of_memory)
{
        n_calls = 0;
        torture(story, NULL, 0);
}
END_TEST

static const TTest *const tests[] = {
        an_event_is_told_whole,
        what_is_not_there_can_be_told_of,
        a_note_past_its_cap_is_cut_between_characters,
        what_happens_again_is_a_series,
        what_differs_in_anything_is_no_series,
        each_time_is_counted_while_a_request_is_on_its_way,
        a_patch_that_fails_is_made_up_for_by_the_next,
        an_event_that_was_not_taken_is_forgotten,
        an_event_that_has_expired_is_made_anew,
        a_series_is_over_after_its_window,
        the_oldest_is_forgotten_past_the_cap,
        too_many_at_once_are_dropped_but_those_that_are_known_are_counted,
        nothing_is_told_without_leave,
        it_survives_the_lack_of_memory,
};

TEST_MAIN("manager/event", tests)
