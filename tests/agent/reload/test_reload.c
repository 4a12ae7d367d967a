/* SPDX-License-Identifier: Apache-2.0
 *
 * What changes while the sidecar watches: a signal, or the reason why there is none.
 */
#include "stand.h"

/* --- changes ---------------------------------------------------------------------------- */

START_TEST(a_change_is_one_signal)
{
        struct stand s;

        begin(&s, HANDLES);
        write_map(&s, "green");
        wait_signals(&s, 1);
        /* Had there been a second one, it would have come before that of another change. */
        write_secret(&s, "barley");
        wait_signals(&s, 2);
        end(&s);
}
END_TEST

START_TEST(changes_of_one_moment_are_one_signal)
{
        struct stand s;

        begin(&s, HANDLES);
        write_map(&s, "green");
        write_secret(&s, "barley");
        write_map(&s, "blue");
        wait_signals(&s, 1);
        write_map(&s, "white");
        wait_signals(&s, 2);
        end(&s);
}
END_TEST

/* One that never rests is not waited for without end. */
START_TEST(a_folder_that_changes_all_the_time_is_told_of)
{
        usec_t until = clock_now() + PATIENT;
        struct stand s;

        begin(&s, HANDLES);
        for (int i = 0; count_signals(&s.program) == 0; i++) {
                char color[16];

                ck_assert_msg(clock_now() < until, "no signal; it said:\n%s", log_end(&s));
                snprintf(color, sizeof(color), "%d", i);
                write_map(&s, color);
                turn(&s);
        }
        end(&s);
}
END_TEST

START_TEST(equal_files_are_no_change)
{
        struct stand s;

        begin(&s, HANDLES);
        write_map(&s, "red");
        write_secret(&s, "sesame");
        turn(&s);
        write_map(&s, "green");
        wait_signals(&s, 1);
        write_map(&s, "red");
        wait_signals(&s, 2);
        end(&s);
}
END_TEST

START_TEST(names_and_hashes_are_logged_and_of_secrets_only_names)
{
        const char *line;
        struct stand s;

        begin(&s, HANDLES);
        mounted_write(&s.map, (mounted_files){ "color", "green", "fresh", "1", NULL });
        write_secret(&s, "barley");
        wait_signals(&s, 1);
        wait_said(&s, "was sent SIGHUP");
        line = strstr(log_text(&s), "configMap=\"settings\" file=\"color\" change=\"changed\" from=\"");
        ck_assert_msg(line, "%s", log_end(&s));
        ck_assert(has_said(&s, "configMap=\"settings\" file=\"fresh\" change=\"added\" to=\""));
        ck_assert(has_said(&s, "configMap=\"settings\" file=\"size\" change=\"removed\" from=\""));
        line = strstr(log_text(&s), "secret=\"keys\" file=\"key\" change=\"changed\"");
        ck_assert_msg(line, "%s", log_end(&s));
        ck_assert_int_eq(line[strlen("secret=\"keys\" file=\"key\" change=\"changed\"")], '\n');
        ck_assert(!has_said(&s, "green") && !has_said(&s, "barley") && !has_said(&s, "sesame"));
        end(&s);
}
END_TEST

START_TEST(of_very_many_changes_some_are_named)
{
        static char names[200][16];
        const char *files[401] = { NULL };
        struct stand s;

        for (size_t i = 0; i < 200; i++) {
                snprintf(names[i], sizeof(names[i]), "file-%03zu", i);
                files[2 * i] = names[i];
                files[2 * i + 1] = "x";
        }
        begin(&s, HANDLES);
        mounted_write(&s.map, files);
        wait_signals(&s, 1);
        ck_assert(has_said(&s, "more files have changed"));
        ck_assert(has_said(&s, "files=138")); /* 200 added, 2 removed, 64 named */
        end(&s);
}
END_TEST

/* --- what holds it back --------------------------------------------------------------------- */

START_TEST(what_is_not_json_holds_the_signal_back)
{
        struct stand s;

        begin(&s, HANDLES);
        mounted_write(&s.map, (mounted_files){ "color.json", "{\"a\":", NULL });
        wait_said(&s, "a file is not JSON");
        ck_assert(has_said(&s, "configMap=\"settings\" file=\"color.json\" error="));
        ck_assert_int_eq(count_signals(&s.program), 0);
        mounted_write(&s.secret, (mounted_files){ "key.json", "barley", NULL });
        wait_said(&s, "secret=\"keys\" file=\"key.json\"");
        ck_assert(!has_said(&s, "barley"));
        ck_assert_int_eq(count_signals(&s.program), 0);
        mounted_write(&s.secret, (mounted_files){ "key.json", "\"barley\"", NULL });
        mounted_write(&s.map, (mounted_files){ "color.json", "{\"a\":1}", NULL });
        wait_signals(&s, 1);
        end(&s);
}
END_TEST

/* It was so when the program began, which lives with it. */
START_TEST(what_was_no_json_all_along_holds_nothing_back)
{
        struct stand s;

        prepare(&s, HANDLES);
        mounted_write(&s.map, (mounted_files){ "old.json", "#", "color", "red", NULL });
        write_secret(&s, "sesame");
        start(&s);
        wait_said(&s, "watching");
        mounted_write(&s.map, (mounted_files){ "old.json", "#", "color", "green", NULL });
        wait_signals(&s, 1);
        end(&s);
}
END_TEST

START_TEST(a_program_that_would_be_ended_is_left_alone_until_it_handles_the_signal)
{
        struct stand s;

        begin(&s, IS_ENDED);
        write_map(&s, "green");
        wait_said(&s, "file=\"color\" change=\"changed\"");
        turn(&s);
        ck_assert(is_alive(&s.program));
        ck_assert_int_eq(kill(s.program.pid, SIGUSR1), 0);
        wait_signals(&s, 1);
        end(&s);
}
END_TEST

START_TEST(one_that_never_does_is_told_of_and_lives)
{
        struct stand s;

        prepare(&s, IS_ENDED);
        write_map(&s, "red");
        write_secret(&s, "sesame");
        s.options.patience = 100 * USEC_MSEC;
        start(&s);
        wait_said(&s, "watching");
        write_map(&s, "green");
        wait_said(&s, "does not handle SIGHUP and would be ended by it");
        ck_assert(is_alive(&s.program));
        end(&s);
}
END_TEST

START_TEST(one_that_waits_for_signals_is_sent_it)
{
        struct stand s;

        begin(&s, WAITS);
        write_map(&s, "green");
        wait_signals(&s, 1);
        write_map(&s, "blue");
        wait_signals(&s, 2);
        end(&s);
}
END_TEST

START_TEST(one_that_ignores_it_is_sent_it)
{
        struct stand s;

        begin(&s, IGNORES);
        write_map(&s, "green");
        wait_said(&s, "was sent SIGHUP");
        ck_assert(is_alive(&s.program));
        end(&s);
}
END_TEST

START_TEST(one_that_does_not_run_reads_the_files_when_it_starts)
{
        struct stand s;

        begin(&s, HANDLES);
        kill(s.program.pid, SIGKILL); /* not waited for: a zombie, as under a slow kubelet */
        write_map(&s, "green");
        wait_said(&s, "the program does not run now");
        ck_assert(!has_said(&s, "was sent SIGHUP"));
        end(&s);
}
END_TEST

static const TTest *const tests[] = {
        a_change_is_one_signal,
        changes_of_one_moment_are_one_signal,
        a_folder_that_changes_all_the_time_is_told_of,
        equal_files_are_no_change,
        names_and_hashes_are_logged_and_of_secrets_only_names,
        of_very_many_changes_some_are_named,
        what_is_not_json_holds_the_signal_back,
        what_was_no_json_all_along_holds_nothing_back,
        a_program_that_would_be_ended_is_left_alone_until_it_handles_the_signal,
        one_that_never_does_is_told_of_and_lives,
        one_that_waits_for_signals_is_sent_it,
        one_that_ignores_it_is_sent_it,
        one_that_does_not_run_reads_the_files_when_it_starts,
};
TEST_MAIN("reload/reload", tests)
