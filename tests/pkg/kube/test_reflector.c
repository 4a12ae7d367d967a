/* SPDX-License-Identifier: Apache-2.0
 *
 * The reflector with lists in pages; test_reflector_stream.c has those that are
 * streamed.
 */
#include <errno.h>

#include "listener.h"

static void open_all(usec_t silence)
{
        open_listener(&(struct reflector_config){ .paged = true, .silence = silence });
}

/* --- the everyday ----------------------------------------------------------------- */

START_TEST(test_list_and_watch)
{
        open_all(0);
        will(200, PAGE("10", "p2/+=", POD("a", "3") "," POD("b", "4")), FAKE_END);
        will(200, LIST("10", POD("c", "5")), FAKE_END);
        will(200,
             EVENT("ADDED", "d", "11") EVENT("MODIFIED", "a", "12") EVENT("DELETED", "b", "13")
                     BOOKMARK("20"),
             FAKE_END);
        will(200, EVENT("ADDED", "e", "100"), FAKE_HANG);
        ck_assert_ptr_null(reflector_version(&reflector).data);
        start();
        wait_for("ADDED:e");
        ck_assert_str_eq(heard.data,
                         "begin LISTED:a LISTED:b LISTED:c end:10 synced ADDED:d MODIFIED:a DELETED:b "
                         "ADDED:e ");
        ck_str_eq(reflector_version(&reflector), "100");
        check_asked(ASKED_LIST "GET /api/v1/pods?limit=500&continue=p2/+=\n" ASKED_WATCH("10")
                            ASKED_WATCH("20"));
        close_listener();
}
END_TEST

START_TEST(test_selectors)
{
        open_all(0);
        reflector.config.namespace = STR("shop");
        reflector.config.label_selector = STR("app=web,tier in (a)");
        reflector.config.field_selector = STR("spec.nodeName=n1");
        will(200, LIST("1", ""), FAKE_END);
        start();
        wait_for_requests(2);
        check_asked("GET /api/v1/namespaces/shop/pods?labelSelector=app=web,tier in "
                    "(a)&fieldSelector=spec.nodeName=n1"
                    "&limit=500\n"
                    "GET /api/v1/namespaces/shop/pods?labelSelector=app=web,tier in "
                    "(a)&fieldSelector=spec.nodeName=n1"
                    "&watch=true&allowWatchBookmarks=true&resourceVersion=1\n");
        close_listener();
}
END_TEST

/* Nothing is asked, and what is wrong is told. */
START_TEST(test_wrong_selectors)
{
        open_all(0);
        reflector.config.label_selector = STR("app=web,");
        start();
        wait_for("failing");
        ck_assert_str_eq(heard.data,
                         "begin failing(label selector: there is nothing before, behind or between two "
                         "commas) ");
        close_listener();
        open_all(0);
        reflector.config.field_selector = STR("metadata.name");
        start();
        wait_for("failing");
        ck_assert_str_eq(
                heard.data,
                "begin failing(field selector: \"metadata.name\": write FIELD=VALUE or FIELD!=VALUE) ");
        ck_assert_uint_eq(fake.asked.len, 0);
        close_listener();
}
END_TEST

#define AS(type) "application/json;as=" type ";g=meta.k8s.io;v=v1,application/json\n"

/* As a real server answers it. */
START_TEST(test_metadata_only)
{
        open_all(0);
        reflector.config.metadata_only = true;
        will(200,
             "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{"
             "\"resourceVersion\":\"10\"},\"items\":[{\"kind\":\"PartialObjectMetadata\",\"metadata\":{\"name\":"
             "\"a\",\"resourceVersion\":\"3\"}}]}",
             FAKE_END);
        will(200, EVENT("ADDED", "b", "11"), FAKE_HANG);
        start();
        wait_for("ADDED:b");
        ck_assert_str_eq(heard.data, "begin LISTED:a end:10 synced ADDED:b ");
        ck_assert_str_eq(fake.accept.data, AS("PartialObjectMetadataList") AS("PartialObjectMetadata"));
        close_listener();

        open_listener(&(struct reflector_config){ .metadata_only = true });
        will(200, EVENT("ADDED", "a", "3") LIST_END("10"), FAKE_HANG);
        start();
        wait_for("end:10");
        ck_assert_str_eq(fake.accept.data, AS("PartialObjectMetadata"));
        close_listener();

        open_all(0);
        will(200, LIST("1", ""), FAKE_END);
        start();
        wait_for_requests(2);
        ck_assert_str_eq(fake.accept.data, "application/json\napplication/json\n");
        close_listener();
}
END_TEST

/* An event that is older than what we have was told before, and the watch does
 * not go back for it. Versions are longer than any integer. */
START_TEST(test_versions)
{
        open_all(0);
        will(200, LIST("99999999999999999999", ""), FAKE_END);
        will(200, EVENT("ADDED", "a", "100000000000000000000") EVENT("MODIFIED", "b", "99999999999999999998"),
             FAKE_END);
        start();
        wait_for_requests(3);
        ck_assert_str_eq(heard.data, "begin end:99999999999999999999 synced ADDED:a ");
        check_asked(ASKED_LIST ASKED_WATCH("99999999999999999999") ASKED_WATCH("100000000000000000000"));
        close_listener();
}
END_TEST

/* --- 410 --------------------------------------------------------------------------- */

START_TEST(test_gone_event)
{
        open_all(0);
        will(200, LIST("10", POD("a", "3")), FAKE_END);
        will(200, EVENT("ADDED", "b", "11") "{\"type\":\"ERROR\",\"object\":" EXPIRED "}\n", FAKE_HANG);
        will(200, LIST("50", POD("b", "11")), FAKE_END);
        start();
        wait_for_requests(4);
        ck_assert_str_eq(heard.data, "begin LISTED:a end:10 synced ADDED:b begin LISTED:b end:50 ");
        check_asked(ASKED_LIST ASKED_WATCH("10") ASKED_LIST ASKED_WATCH("50"));
        close_listener();
}
END_TEST

START_TEST(test_gone_status)
{
        open_all(0);
        will(200, LIST("10", ""), FAKE_END);
        will(410, EXPIRED, FAKE_END);
        will(200, LIST("15", POD("a", "13")), FAKE_END);
        start();
        wait_for_requests(4);
        ck_assert_str_eq(heard.data, "begin end:10 synced begin LISTED:a end:15 ");
        check_asked(ASKED_LIST ASKED_WATCH("10") ASKED_LIST ASKED_WATCH("15"));
        close_listener();
}
END_TEST

/* Its API is not there, as for a moment when a server starts; or its CRD was
 * deleted and made again. The owner may have dropped what it had. */
START_TEST(test_gone_api)
{
        open_all(0);
        will(200, LIST("10", POD("a", "3")), FAKE_END);
        will(404, "404 page not found", FAKE_END);
        will(404, "404 page not found", FAKE_END);
        will(200, LIST("10", POD("a", "3")), FAKE_END);
        start();
        wait_for_requests(5);
        ck_assert_str_eq(heard.data,
                         "begin LISTED:a end:10 synced begin failing(cannot list pods in all namespaces: the "
                         "API server does not have Pod v1; is its CRD installed?) begin LISTED:a end:10 ");
        check_asked(ASKED_LIST ASKED_WATCH("10") ASKED_LIST ASKED_LIST ASKED_WATCH("10"));
        close_listener();
}
END_TEST

/* The token of the second page has expired: all at once, then. */
START_TEST(test_gone_page)
{
        open_all(0);
        will(200, PAGE("10", "p2", POD("a", "3")), FAKE_END);
        will(410, EXPIRED, FAKE_END);
        will(200, LIST("60", POD("a", "3") "," POD("b", "4")), FAKE_END);
        start();
        wait_for("end:60");
        ck_assert_str_eq(heard.data, "begin LISTED:a failing(cannot list pods in all namespaces: too old) "
                                     "begin LISTED:a LISTED:b end:60 synced ");
        wait_for_requests(4);
        check_asked(ASKED_LIST "GET /api/v1/pods?limit=500&continue=p2\n"
                               "GET /api/v1/pods\n" ASKED_WATCH("60"));
        close_listener();
}
END_TEST

START_TEST(test_other_error_event)
{
        open_all(0);
        will(200, LIST("10", ""), FAKE_END);
        will(200, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":500,\"message\":\"etcd\"}}\n",
             FAKE_END);
        will(200, LIST("11", ""), FAKE_END);
        will(200, BOOKMARK("12"), FAKE_HANG);
        start();
        wait_for(") begin end:11 synced");
        ck_assert_str_eq(heard.data, "begin end:10 synced failing(watch of pods: etcd) begin end:11 synced ");
        close_listener();
}
END_TEST

/* --- cuts and silence ----------------------------------------------------------------- */

static void check_cut(enum fake_end end)
{
        open_all(0);
        will(200, LIST("10", ""), FAKE_END);
        will(200, EVENT("ADDED", "a", "11") "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\"",
             end);
        will(200, EVENT("MODIFIED", "a", "12"), FAKE_HANG);
        start();
        wait_for("MODIFIED:a");
        ck_assert_str_eq(heard.data, "begin end:10 synced ADDED:a MODIFIED:a ");
        check_asked(ASKED_LIST ASKED_WATCH("10") ASKED_WATCH("11"));
        close_listener();
}

START_TEST(test_cut_event)
{
        check_cut(FAKE_CUT);
        check_cut(FAKE_END);
}
END_TEST

static void check_cut_list(enum fake_end end)
{
        open_all(0);
        will(200, "{\"kind\":\"PodList\",\"items\":[" POD("a", "3") ",{\"metadata\":", end);
        will(200, LIST("10", POD("b", "4")), FAKE_END);
        start();
        wait_for("synced");
        /* Nothing was concluded from the first. */
        ck_assert_ptr_nonnull(strstr(heard.data, "begin LISTED:a failing("));
        ck_assert_ptr_nonnull(strstr(heard.data, ") begin LISTED:b end:10 synced "));
        close_listener();
}

START_TEST(test_cut_list)
{
        check_cut_list(FAKE_CUT);
        check_cut_list(FAKE_END);
}
END_TEST

/* The second page is refused for now: it is asked for again, and the first is not. */
START_TEST(test_refused_page)
{
        open_all(0);
        will(200, PAGE("10", "p2", POD("a", "3")), FAKE_END);
        will(500, "", FAKE_END);
        will(200, LIST("10", POD("b", "4")), FAKE_END);
        start();
        wait_for("end:10");
        ck_assert_str_eq(heard.data,
                         "begin LISTED:a failing(cannot list pods in all namespaces: the API server answered "
                         "500) LISTED:b end:10 synced ");
        wait_for_requests(4);
        check_asked(ASKED_LIST "GET /api/v1/pods?limit=500&continue=p2\n"
                               "GET /api/v1/pods?limit=500&continue=p2\n" ASKED_WATCH("10"));
        close_listener();
}
END_TEST

/* The second page breaks off: some of it was taken, so the list begins anew. */
START_TEST(test_cut_page)
{
        open_all(0);
        will(200, PAGE("10", "p2", POD("a", "3")), FAKE_END);
        will(200, "{\"items\":[" POD("b", "4") ",", FAKE_CUT);
        will(200, PAGE("20", "q2", POD("a", "3")), FAKE_END);
        will(200, LIST("20", POD("b", "4")), FAKE_END);
        start();
        wait_for("end:20");
        ck_assert_ptr_eq(strstr(heard.data, "begin LISTED:a LISTED:b failing("), heard.data);
        ck_assert_ptr_nonnull(strstr(heard.data, ") begin LISTED:a LISTED:b end:20 synced "));
        close_listener();
}
END_TEST

START_TEST(test_silence)
{
        open_all(2 * USEC_SEC);
        will(200, LIST("10", ""), FAKE_END);
        will(200, EVENT("ADDED", "a", "11"), FAKE_HANG);
        will(200, EVENT("ADDED", "b", "12"), FAKE_HANG);
        start();
        wait_for("ADDED:b");
        ck_assert_str_eq(heard.data, "begin end:10 synced ADDED:a ADDED:b ");
        check_asked(ASKED_LIST ASKED_WATCH("10") ASKED_WATCH("11"));
        close_listener();
}
END_TEST

/* In pages, of which the second fails at first. */
START_TEST(test_set_back)
{
        open_all(0);
        will(200, LIST("10", POD("a", "9")), FAKE_END);
        will(200, "{\"type\":\"ERROR\",\"object\":" EXPIRED "}\n", FAKE_END);
        will(200, PAGE("5", "p2", POD("a", "3")), FAKE_END);
        will(410, EXPIRED, FAKE_END);
        will(200, LIST("5", POD("a", "3")), FAKE_END);
        will(200, LIST("5", POD("a", "3")), FAKE_END);
        will(200, EVENT("ADDED", "b", "6"), FAKE_HANG);
        start();
        wait_for("ADDED:b");
        ck_assert_ptr_nonnull(strstr(heard.data, "begin LISTED:a back begin LISTED:a end:5 "));
        close_listener();
}
END_TEST

/* Watches that end at once are failures, or they would come without a pause. */
START_TEST(test_empty_watches)
{
        open_all(0);
        will(200, LIST("10", ""), FAKE_END);
        for (int i = 0; i < 3; i++)
                will(200, "", FAKE_END);
        will(200, BOOKMARK("11"), FAKE_HANG);
        start();
        wait_for("failing(");
        ck_assert_str_eq(heard.data,
                         "begin end:10 synced failing(watch of pods: the server ended it at once) ");
        ck_assert_uint_ge(reflector.failures, 2);
        wait_for_requests(5);
        close_listener();
}
END_TEST

/* --- refusals ------------------------------------------------------------------------- */

START_TEST(test_retry_after)
{
        usec_t began;

        open_all(0);
        fake_api_will(&fake, (struct fake_step){ .status = 429, .body = "{}", .retry_after = "1" });
        will(200, LIST("10", ""), FAKE_END);
        began = clock_now();
        start();
        wait_for("synced");
        /* The backoff alone would be a fifth of that. */
        ck_assert_int_ge(clock_now() - began, USEC_SEC);
        ck_assert_str_eq(heard.data,
                         "begin failing(cannot list pods in all namespaces: the API server answered 429) "
                         "begin end:10 synced ");
        close_listener();
}
END_TEST

/* Some proxies ask for a day. */
START_TEST(test_retry_after_for_long)
{
        open_all(0);
        fake_api_will(&fake, (struct fake_step){ .status = 503, .body = "{}", .retry_after = "86400" });
        start();
        wait_for("failing");
        ck_assert_int_gt(reflector.timer.node.due, loop_now(loop) + REFLECTOR_PAUSE_MAX - USEC_MINUTE);
        ck_assert_int_le(reflector.timer.node.due, loop_now(loop) + REFLECTOR_PAUSE_MAX);
        close_listener();
}
END_TEST

START_TEST(test_forbidden)
{
        open_all(0);
        will(403, "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"u cannot list\"}", FAKE_END);
        will(403, "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"u cannot list\"}", FAKE_END);
        will(200, LIST("10", ""), FAKE_END);
        start();
        wait_for("synced");
        /* The same failure is told once. */
        ck_assert_str_eq(
                heard.data,
                "begin failing(may not list pods in all namespaces: grant this service account or user the "
                "verb \"list\" on it; the API server says: u cannot list) begin begin end:10 synced ");
        close_listener();
}
END_TEST

START_TEST(test_not_a_list)
{
        static const char *const bodies[] = {
                "", "{}", "[]", "5", LIST("", ""), "{\"items\":[5]}", LIST("1", "{\"a\":}")
        };

        for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
                open_all(0);
                will(200, bodies[i], FAKE_END);
                will(200, LIST("10", ""), FAKE_END);
                start();
                wait_for("synced");
                ck_assert_msg(strstr(heard.data, "begin failing(") == heard.data &&
                                      strstr(heard.data, ") begin end:10 synced"),
                              "%s: %s", bodies[i], heard.data);
                close_listener();
        }
}
END_TEST

START_TEST(test_not_an_event)
{
        static const char *const bodies[] = { "{}\n", "5\n",
                                              "{\"type\":\"NEW\",\"object\":" POD("a", "11") "}\n",
                                              "{\"type\":\"BOOKMARK\"}\n", "{\"type\":}\n" };

        for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
                open_all(0);
                will(200, LIST("10", ""), FAKE_END);
                will(200, bodies[i], FAKE_HANG);
                will(200, EVENT("ADDED", "b", "12"), FAKE_HANG);
                start();
                wait_for("ADDED:b");
                check_asked(ASKED_LIST ASKED_WATCH("10") ASKED_WATCH("10"));
                close_listener();
        }
}
END_TEST

/* --- the owner --------------------------------------------------------------------------- */

/* An object that the owner could not take comes again. */
START_TEST(test_owner_fails)
{
        open_all(0);
        will(200, LIST("10", POD("a", "3")), FAKE_END);
        will(200, LIST("10", POD("a", "3")), FAKE_END);
        fail_objects = 1;
        start();
        wait_for("synced");
        ck_assert_str_eq(heard.data,
                         "begin failed failing(list of pods: out of memory) begin LISTED:a end:10 synced ");
        wait_for_requests(3);
        will(200, EVENT("ADDED", "b", "11"), FAKE_END);
        close_listener();

        open_all(0);
        will(200, LIST("10", ""), FAKE_END);
        will(200, EVENT("ADDED", "b", "11") EVENT("ADDED", "c", "12"), FAKE_HANG);
        will(200, EVENT("ADDED", "b", "11") EVENT("ADDED", "c", "12"), FAKE_HANG);
        fail_objects = 1;
        start();
        wait_for("ADDED:c");
        ck_assert_str_eq(heard.data, "begin end:10 synced failed ADDED:b ADDED:c ");
        check_asked(ASKED_LIST ASKED_WATCH("10") ASKED_WATCH("10"));
        close_listener();

        /* Without memory for the next event twice in a row: a list gives the owner the
         * occasion to let go of what it has. */
        open_all(0);
        will(200, LIST("10", ""), FAKE_END);
        will(200, EVENT("DELETED", "b", "11"), FAKE_HANG);
        will(200, EVENT("DELETED", "b", "11"), FAKE_HANG);
        will(200, LIST("12", ""), FAKE_END);
        fail_objects = 2;
        start();
        wait_for("end:12");
        ck_assert_str_eq(
                heard.data,
                "begin end:10 synced failed failed failing(watch of pods: out of memory) begin end:12 ");
        close_listener();

        open_all(0);
        will(200, LIST("10", ""), FAKE_END);
        will(200, LIST("11", ""), FAKE_END);
        fail_list_ends = 1;
        start();
        wait_for("synced");
        ck_assert_str_eq(heard.data,
                         "begin failed-end failing(list of pods: Input/output error) begin end:11 synced ");
        close_listener();
}
END_TEST

START_TEST(test_stop_inside)
{
        open_all(0);
        will(200, LIST("10", POD("a", "3") "," POD("b", "4")), FAKE_END);
        stop_at = "a";
        start();
        wait_for("stop");
        ck_assert_int_eq(loop_turn(loop, 50 * USEC_MSEC), 0);
        ck_assert_str_eq(heard.data, "begin LISTED:a stop ");
        close_listener();

        open_all(0);
        will(200, LIST("10", ""), FAKE_END);
        will(200, EVENT("ADDED", "a", "11") EVENT("ADDED", "b", "12"), FAKE_HANG);
        will(200, LIST("12", POD("a", "11") "," POD("b", "12")), FAKE_END);
        stop_at = "a";
        start_again = true;
        start();
        wait_for("end:12");
        ck_assert_str_eq(heard.data,
                         "begin end:10 synced ADDED:a stop begin LISTED:a LISTED:b end:12 synced ");
        close_listener();
}
END_TEST

START_TEST(test_stop_and_start)
{
        open_all(0);
        will(200, LIST("10", ""), FAKE_END);
        will(200, BOOKMARK("11"), FAKE_HANG);
        will(200, LIST("12", ""), FAKE_END);
        start();
        wait_for_requests(2);
        reflector_stop(&reflector);
        reflector_stop(&reflector);
        start();
        start(); /* once is enough */
        wait_for("end:12");
        wait_for_requests(4);
        check_asked(ASKED_LIST ASKED_WATCH("10") ASKED_LIST ASKED_WATCH("12"));
        close_listener();
}
END_TEST

/* --- without memory --------------------------------------------------------------------- */

static struct fake_step respond(const char *asked)
{
        if (strstr(asked, "watch=true"))
                return (struct fake_step){ .body = EVENT("ADDED", "b", "11"), .end = FAKE_HANG };
        return (struct fake_step){ .body = LIST("10", POD("a", "3")) };
}

/* Whichever allocation fails, in the end it has it all. */
START_TEST(test_torture)
{
        for (uint64_t n = 1;; n++) {
                uint64_t before;
                int r;

                open_listener(&(struct reflector_config){ .paged = true, .backoff = USEC_MSEC });
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
        test_list_and_watch,
        test_selectors,
        test_wrong_selectors,
        test_metadata_only,
        test_versions,
        test_gone_event,
        test_gone_status,
        test_gone_api,
        test_gone_page,
        test_other_error_event,
        test_cut_event,
        test_cut_list,
        test_refused_page,
        test_cut_page,
        test_silence,
        test_set_back,
        test_empty_watches,
        test_retry_after,
        test_retry_after_for_long,
        test_forbidden,
        test_not_a_list,
        test_not_an_event,
        test_owner_fails,
        test_stop_inside,
        test_stop_and_start,
        test_torture,
};

TEST_MAIN("kube/reflector", tests)
