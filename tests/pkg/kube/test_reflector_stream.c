/* SPDX-License-Identifier: Apache-2.0
 *
 * The reflector with lists that are streamed, and when it says that it works.
 */
#include <errno.h>

#include "listener.h"

#define BACKOFF (5 * USEC_MSEC)

static void open_all(void)
{
        open_listener(&(struct reflector_config){ .backoff = BACKOFF });
}

#define ERROR_EVENT(code, message)                                                                           \
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":" code ",\"message\":\"" message       \
        "\"}}\n"
#define GONE ERROR_EVENT("410", "too old")

/* --- the everyday --------------------------------------------------------------- */

START_TEST(test_one_stream)
{
        open_all();
        will(200,
             EVENT("ADDED", "a", "3") EVENT("ADDED", "b", "12") LIST_END("10") EVENT("MODIFIED", "a", "11")
                     BOOKMARK("15"),
             FAKE_END);
        will(200, EVENT("DELETED", "b", "16"), FAKE_HANG);
        start();
        wait_for("DELETED:b");
        ck_assert_str_eq(heard.data, "begin LISTED:a LISTED:b end:10 synced MODIFIED:a DELETED:b ");
        ck_str_eq(reflector_version(&reflector), "16");
        check_asked(ASKED_STREAM ASKED_WATCH("15"));
        close_listener();
}
END_TEST

START_TEST(test_selectors)
{
        open_all();
        reflector.config.namespace = STR("shop");
        reflector.config.label_selector = STR("app=web");
        will(200, LIST_END("10"), FAKE_HANG);
        start();
        wait_for("end:10");
        check_asked("GET /api/v1/namespaces/shop/pods?labelSelector=app=web&watch=true&"
                    "allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\n");
        close_listener();
}
END_TEST

/* What changes before the end belongs to the list. */
START_TEST(test_changes_meanwhile)
{
        open_all();
        will(200,
             EVENT("ADDED", "a", "3") EVENT("ADDED", "b", "4") BOOKMARK("9") EVENT("MODIFIED", "a", "9")
                     EVENT("DELETED", "b", "10"),
             FAKE_HANG);
        start();
        wait_for("DELETED:b");
        ck_assert_str_eq(heard.data, "begin LISTED:a LISTED:b LISTED:a DELETED:b ");
        ck_assert_ptr_null(reflector_version(&reflector).data);
        close_listener();
}
END_TEST

/* --- servers that cannot ---------------------------------------------------------- */

static void check_refused(int status, const char *body)
{
        open_all();
        will(status, body, FAKE_END);
        will(200, LIST("10", POD("a", "3")), FAKE_END);
        will(200, EVENT("ADDED", "b", "11") GONE, FAKE_END);
        will(200, LIST("20", POD("a", "3")), FAKE_END);
        will(200, "", FAKE_HANG);
        will(200, LIST("30", ""), FAKE_END);
        start();
        wait_for_requests(5);
        ck_assert_str_eq(heard.data, "begin begin LISTED:a end:10 synced ADDED:b begin LISTED:a end:20 ");
        /* It is remembered, for another start too. */
        reflector_stop(&reflector);
        start();
        wait_for_requests(7);
        check_asked(ASKED_STREAM ASKED_LIST ASKED_WATCH("10") ASKED_LIST ASKED_WATCH("20")
                            ASKED_LIST ASKED_WATCH("30"));
        close_listener();
}

START_TEST(test_refused)
{
        check_refused(400, "{\"kind\":\"Status\",\"reason\":\"BadRequest\",\"message\":\"no\"}");
        check_refused(422, "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"no\"}");
        check_refused(200, ERROR_EVENT("422", "no"));
}
END_TEST

/* A watch that a server refuses so is another matter. */
START_TEST(test_refused_watch)
{
        open_all();
        will(200, LIST_END("10"), FAKE_END);
        will(422, "{}", FAKE_END);
        will(200, GONE, FAKE_END);
        start();
        wait_for_requests(4);
        ck_assert(!reflector.paged);
        close_listener();
}
END_TEST

/* It takes the question for a watch as of old, and never says where the list ends. */
START_TEST(test_no_end)
{
        open_listener(&(struct reflector_config){ .stream_limit = USEC_SEC, .backoff = BACKOFF });
        will(200, EVENT("ADDED", "a", "3") BOOKMARK("9"), FAKE_HANG);
        will(200, LIST("10", POD("a", "3")), FAKE_END);
        will(200, GONE, FAKE_END);
        will(200, LIST("11", ""), FAKE_END);
        start();
        wait_for_requests(5);
        /* On a slow machine nothing of the stream has come when its time is up. */
        ck_assert_ptr_nonnull(strstr(heard.data, "begin LISTED:a end:10 synced begin end:11 "));
        check_asked(ASKED_STREAM ASKED_LIST ASKED_WATCH("10") ASKED_LIST ASKED_WATCH("11"));
        close_listener();
}
END_TEST

/* The limit is for the list alone. */
START_TEST(test_limit_is_over)
{
        open_all();
        will(200, LIST_END("10"), FAKE_HANG);
        start();
        wait_for("end:10");
        reflector.failures = 1;
        time_is_up();
        ck_assert_uint_eq(reflector.failures, 0); /* it has settled */
        ck_assert_str_eq(heard.data, "begin end:10 synced ");
        check_asked(ASKED_STREAM);
        close_listener();
}
END_TEST

/* --- cuts --------------------------------------------------------------------------- */

static void check_cut(const char *body, enum fake_end end)
{
        open_all();
        will(200, body, end);
        will(200, EVENT("ADDED", "b", "4") LIST_END("10"), FAKE_HANG);
        start();
        wait_for("synced");
        ck_assert_msg(strstr(heard.data, "begin LISTED:a failing(") == heard.data, "%s", heard.data);
        ck_assert_msg(strstr(heard.data, ") begin LISTED:b end:10 synced ") != NULL, "%s", heard.data);
        check_asked(ASKED_STREAM ASKED_STREAM);
        close_listener();
}

START_TEST(test_cut)
{
        static const char *const bodies[] = {
                EVENT("ADDED", "a", "3"),
                EVENT("ADDED", "a", "3") "{\"type\":\"ADDED\",\"object\":{\"meta",
                EVENT("ADDED", "a",
                      "3") "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{"
                           "\"resourceVersion\":\"10\",\"annotations\":{\"k8s.io/initial-events-"
                           "end\":\"true\"}}}",
        };

        for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
                check_cut(bodies[i], FAKE_CUT);
                check_cut(bodies[i], FAKE_END);
        }
}
END_TEST

START_TEST(test_not_an_event)
{
        static const char *const bodies[] = {
                "5\n",        "{}\n",          "{\"type\":\"NEW\",\"object\":" POD("a", "11") "}\n",
                LIST_END(""), "{\"type\":}\n", LIST("10", POD("a", "3")),
        };

        for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
                open_all();
                will(200, bodies[i], FAKE_HANG);
                will(200, LIST_END("10"), FAKE_HANG);
                start();
                wait_for("synced");
                ck_assert_msg(strstr(heard.data, "begin failing(") == heard.data &&
                                      strstr(heard.data, ") begin end:10 synced"),
                              "%s: %s", bodies[i], heard.data);
                check_asked(ASKED_STREAM ASKED_STREAM);
                close_listener();
        }
}
END_TEST

START_TEST(test_refused_for_now)
{
        open_all();
        will(500, "", FAKE_END);
        will(200, ERROR_EVENT("500", "etcd"), FAKE_END);
        will(410, EXPIRED, FAKE_END);
        will(200, LIST_END("10"), FAKE_HANG);
        start();
        wait_for("synced");
        ck_assert_str_eq(
                heard.data,
                "begin failing(cannot list pods in all namespaces: the API server answered 500) begin "
                "failing(list of pods: etcd) begin failing(cannot list pods in all namespaces: too "
                "old) begin end:10 synced ");
        check_asked(ASKED_STREAM ASKED_STREAM ASKED_STREAM ASKED_STREAM);
        close_listener();
}
END_TEST

/* The watch on the same stream is cut: the list is in, and stays. */
START_TEST(test_cut_behind_the_list)
{
        open_all();
        will(200, EVENT("ADDED", "a", "3") LIST_END("10") "{\"type\":\"DELETED\",\"object\":{", FAKE_CUT);
        will(200, EVENT("MODIFIED", "a", "11"), FAKE_HANG);
        start();
        wait_for("MODIFIED:a");
        ck_assert_str_eq(heard.data, "begin LISTED:a end:10 synced MODIFIED:a ");
        check_asked(ASKED_STREAM ASKED_WATCH("10"));
        close_listener();
}
END_TEST

/* --- relists -------------------------------------------------------------------------- */

START_TEST(test_never_back)
{
        open_all();
        will(200, LIST_END("10") EVENT("ADDED", "a", "11") GONE, FAKE_HANG);
        will(200, EVENT("ADDED", "a", "11") LIST_END("20") EVENT("MODIFIED", "a", "21"), FAKE_END);
        will(410, EXPIRED, FAKE_END);
        will(200, LIST_END("30"), FAKE_HANG);
        start();
        wait_for("end:30");
        ck_assert_str_eq(heard.data,
                         "begin end:10 synced ADDED:a begin LISTED:a end:20 MODIFIED:a begin end:30 ");
        check_asked(ASKED_STREAM ASKED_STREAM_FROM("11") ASKED_WATCH("21") ASKED_STREAM_FROM("21"));
        close_listener();
}
END_TEST

/* The server has lost what we have seen: what it holds now is what counts. */
START_TEST(test_version_of_the_future)
{
        open_all();
        will(200, LIST_END("10") GONE, FAKE_END);
        will(200, ERROR_EVENT("504", "Too large resource version: 10, current: 5"), FAKE_END);
        will(200, EVENT("ADDED", "a", "3") LIST_END("5"), FAKE_HANG);
        will(200, EVENT("ADDED", "a", "3") LIST_END("5") EVENT("MODIFIED", "a", "6"), FAKE_HANG);
        start();
        wait_for("MODIFIED:a");
        ck_assert_str_eq(heard.data, "begin end:10 synced begin begin LISTED:a back begin LISTED:a end:5 "
                                     "MODIFIED:a ");
        ck_str_eq(reflector_version(&reflector), "6");
        check_asked(ASKED_STREAM ASKED_STREAM_FROM("10") ASKED_STREAM ASKED_STREAM_FROM("5"));
        close_listener();

        open_all();
        will(200, LIST_END("10") GONE, FAKE_END);
        will(200, "", FAKE_HANG);
        will(200, LIST_END("5"), FAKE_HANG);
        will(200, LIST_END("5"), FAKE_HANG);
        start();
        wait_for_requests(2);
        time_is_up();
        wait_for("end:5");
        check_asked(ASKED_STREAM ASKED_STREAM_FROM("10") ASKED_STREAM ASKED_STREAM_FROM("5"));
        close_listener();
}
END_TEST

/* A lagging server answers with something older than was asked for. That is no
 * proof, and the owner passes over what is older than what it has. */
START_TEST(test_lag_is_no_set_back)
{
        open_all();
        will(200, LIST_END("10") GONE, FAKE_END);
        will(200, EVENT("ADDED", "a", "3") LIST_END("8") EVENT("ADDED", "b", "9"), FAKE_HANG);
        start();
        wait_for("ADDED:b");
        ck_assert_str_eq(heard.data, "begin end:10 synced begin LISTED:a end:8 ADDED:b ");
        close_listener();
}
END_TEST

/* A watch from a version of the future is accepted, and silent. */
START_TEST(test_silent_from_the_start)
{
        open_listener(&(struct reflector_config){ .backoff = BACKOFF, .silence = 2 * USEC_SEC });
        will(200, LIST_END("10"), FAKE_END);
        will(200, "", FAKE_HANG);
        will(200, ERROR_EVENT("504", "Too large resource version: 10, current: 5"), FAKE_END);
        will(200, LIST_END("5"), FAKE_END);
        will(200, LIST_END("5") EVENT("ADDED", "a", "6"), FAKE_HANG);
        start();
        wait_for("ADDED:a");
        ck_assert_ptr_nonnull(strstr(heard.data, "back begin end:5 "));
        check_asked(ASKED_STREAM ASKED_WATCH("10") ASKED_STREAM_FROM("10")
                            ASKED_STREAM ASKED_STREAM_FROM("5"));
        close_listener();
}
END_TEST

/* What an earlier start has reached counts too. */
START_TEST(test_stop_and_start)
{
        open_all();
        will(200, LIST_END("10"), FAKE_HANG);
        will(200, LIST_END("12"), FAKE_HANG);
        start();
        wait_for("end:10");
        reflector_stop(&reflector);
        start();
        wait_for("end:12");
        check_asked(ASKED_STREAM ASKED_STREAM_FROM("10"));
        close_listener();
}
END_TEST

/* --- the owner -------------------------------------------------------------------------- */

START_TEST(test_owner_fails)
{
        open_all();
        will(200, EVENT("ADDED", "a", "3") LIST_END("10"), FAKE_HANG);
        will(200, EVENT("ADDED", "a", "3") LIST_END("10"), FAKE_HANG);
        fail_objects = 1;
        start();
        wait_for("synced");
        ck_assert_str_eq(heard.data,
                         "begin failed failing(list of pods: out of memory) begin LISTED:a end:10 synced ");
        close_listener();

        open_all();
        will(200, LIST_END("10"), FAKE_HANG);
        will(200, LIST_END("10"), FAKE_HANG);
        fail_list_ends = 1;
        start();
        wait_for("synced");
        ck_assert_str_eq(heard.data,
                         "begin failed-end failing(list of pods: Input/output error) begin end:10 synced ");
        close_listener();
}
END_TEST

static void check_stop_at(const char *name, bool again, const char *expected)
{
        open_all();
        will(200, EVENT("ADDED", "a", "3") LIST_END("10") EVENT("ADDED", "b", "11"), FAKE_HANG);
        will(200, LIST_END("20"), FAKE_HANG);
        stop_at = name;
        start_again = again;
        start();
        wait_for(again ? "end:20" : "stop");
        ck_assert_int_eq(loop_turn(loop, 50 * USEC_MSEC), 0);
        ck_assert_str_eq(heard.data, expected);
        close_listener();
}

START_TEST(test_stop_inside)
{
        check_stop_at("a", false, "begin LISTED:a stop ");
        check_stop_at("end", false, "begin LISTED:a end:10 stop ");
        check_stop_at("b", false, "begin LISTED:a end:10 synced ADDED:b stop ");
        check_stop_at("a", true, "begin LISTED:a stop begin end:20 synced ");
        check_stop_at("end", true, "begin LISTED:a end:10 stop begin end:20 synced ");
        check_stop_at("b", true, "begin LISTED:a end:10 synced ADDED:b stop begin end:20 synced ");
}
END_TEST

/* --- does it work? ------------------------------------------------------------------------ */

#define DROPPED "failing(watch of pods: the server ended it at once) "

/* Watches that are accepted and dropped at once are no sign of life. */
START_TEST(test_no_flapping)
{
        open_all();
        will(200, LIST_END("10"), FAKE_END);
        for (int i = 0; i < 4; i++)
                will(200, "\n", FAKE_END);
        will(200, GONE, FAKE_END);
        will(200, LIST_END("20"), FAKE_END); /* nor is a list */
        will(200, "\n", FAKE_END);
        will(200, BOOKMARK("21"), FAKE_HANG);
        start();
        wait_for_requests(9);
        wait_for("synced failing(watch of pods: the server ended it at once) begin end:20 synced ");
        ck_assert_str_eq(heard.data, "begin end:10 synced " DROPPED "begin end:20 synced ");
        ck_str_eq(reflector_version(&reflector), "21");
        close_listener();
}
END_TEST

/* One that stays is. */
START_TEST(test_settles)
{
        open_all();
        reflector.config.settle = 60 * USEC_SEC;
        will(200, LIST_END("10"), FAKE_END);
        for (int i = 0; i < 2; i++)
                will(200, "\n", FAKE_END);
        will(200, "\n", FAKE_HANG);
        start();
        wait_for(DROPPED);
        reflector.config.settle = USEC_MSEC;
        wait_for(DROPPED "synced");
        ck_assert_str_eq(heard.data, "begin end:10 synced " DROPPED "synced ");
        ck_assert_uint_eq(reflector.failures, 0);
        close_listener();
}
END_TEST

/* --- without memory ------------------------------------------------------------------------ */

static struct fake_step respond(const char *asked)
{
        /* Without memory in the watch it may be listed once more. */
        if (strstr(asked, "NotOlderThan&resourceVersion=20"))
                return (struct fake_step){ .body = LIST_END("20") EVENT("ADDED", "b", "21"),
                                           .end = FAKE_HANG };
        if (strstr(asked, "resourceVersion=20"))
                return (struct fake_step){ .body = EVENT("ADDED", "b", "21"), .end = FAKE_HANG };
        if (strstr(asked, "NotOlderThan&resourceVersion=10"))
                return (struct fake_step){ .body = LIST_END("20") EVENT("ADDED", "b", "21"),
                                           .end = FAKE_HANG };
        if (strstr(asked, "resourceVersion=10"))
                return (struct fake_step){ .body = GONE };
        return (struct fake_step){ .body = EVENT("ADDED", "a", "3") LIST_END("10") GONE };
}

/* A list, a relist that must not be older, and the watch: whichever allocation
 * fails, in the end it has it all. */
START_TEST(test_torture)
{
        for (uint64_t n = 1;; n++) {
                uint64_t before;
                int r;

                open_listener(&(struct reflector_config){ .backoff = BACKOFF });
                fake.respond = respond;
                before = mem_count();
                mem_fail_after(n);
                r = reflector_start(&reflector);
                if (r == 0)
                        wait_for("ADDED:b");
                else
                        ck_assert_int_eq(r, -ENOMEM);
                mem_fail_after(0);
                before = mem_count() - before;
                close_listener();
                if (before < n)
                        return;
        }
}
END_TEST

static const TTest *const tests[] = {
        test_one_stream,
        test_selectors,
        test_changes_meanwhile,
        test_refused,
        test_refused_watch,
        test_no_end,
        test_limit_is_over,
        test_cut,
        test_not_an_event,
        test_refused_for_now,
        test_cut_behind_the_list,
        test_never_back,
        test_version_of_the_future,
        test_lag_is_no_set_back,
        test_silent_from_the_start,
        test_stop_and_start,
        test_owner_fails,
        test_stop_inside,
        test_no_flapping,
        test_settles,
        test_torture,
};

TEST_MAIN("kube/reflector_stream", tests)
