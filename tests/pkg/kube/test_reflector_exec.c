/* SPDX-License-Identifier: Apache-2.0
 *
 * A reflector whose client waits for an exec plugin.
 */
#include "listener.h"

/* The plugin's time is not the server's. */
START_TEST(test_slow_credentials)
{
        listener_user =
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, args: [-c, "
                "\"sleep 2; echo '{\\\"kind\\\":\\\"ExecCredential\\\",\\\"apiVersion\\\":"
                "\\\"client.authentication.k8s.io/v1\\\",\\\"status\\\":{\\\"token\\\":\\\"t\\\"}}'\"]}";
        open_listener(&(struct reflector_config){ .backoff = USEC_MSEC });
        will(200, LIST_END("10"), FAKE_HANG);
        start();
        while (!reflector.request)
                ck_assert_int_eq(loop_turn(loop, 100 * USEC_MSEC), 0);
        time_is_up();
        wait_for("end:10");
        ck_assert_str_eq(heard.data, "begin end:10 synced ");
        check_asked(ASKED_STREAM);
        ck_assert_str_eq(fake.authorization.data, "Bearer t\n");
        close_listener();
        listener_user = NULL;
}
END_TEST

START_TEST(test_failing_plugin)
{
        listener_user = "exec: {apiVersion: client.authentication.k8s.io/v1, command: keelson-none}";
        open_listener(&(struct reflector_config){ .backoff = USEC_MSEC });
        start();
        wait_for("failing(");
        ck_assert_str_eq(heard.data, "begin failing(exec plugin keelson-none: command not found) ");
        ck_assert_str_eq(fake.asked.data, "");
        close_listener();
        listener_user = NULL;
}
END_TEST

static const TTest *const tests[] = { test_slow_credentials, test_failing_plugin };

TEST_MAIN("kube/reflector_exec", tests)
