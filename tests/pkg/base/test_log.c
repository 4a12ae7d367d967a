/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_CAP ((size_t)16 * 1024)

static char line[256 * 1024];
static int log_fd, real_stderr;

/* Each test runs in a process of its own; standard error goes to a file there. */
static void begin(enum log_level lowest, enum log_format format)
{
        FILE *f = tmpfile();

        ck_assert_ptr_nonnull(f);
        log_fd = fileno(f);
        real_stderr = dup(STDERR_FILENO);
        ck_assert_int_ge(dup2(log_fd, STDERR_FILENO), 0);
        log_setup(lowest, format);
}

/* What was logged since the last call. */
static const char *logged(void)
{
        off_t end = lseek(log_fd, 0, SEEK_END);
        ssize_t n = pread(log_fd, line, sizeof(line) - 1, 0);

        ck_assert_int_eq(n, end);
        line[n] = '\0';
        ck_assert_int_eq(ftruncate(log_fd, 0), 0);
        ck_assert_int_eq(lseek(log_fd, 0, SEEK_SET), 0);
        return line;
}

/* The same behind the time stamp, which is checked to be one, and near. */
static const char *logged_json(void)
{
        static const char head[] = "{\"time\":\"";
        const char *text = logged();
        usec_t wall = 0;

        ck_assert_mem_eq(text, head, sizeof(head) - 1);
        text += sizeof(head) - 1;
        ck_assert_int_eq(clock_parse(str_n(text, 27), &wall), 0);
        ck_assert_int_le(wall, clock_wall());
        ck_assert_int_gt(wall, clock_wall() - USEC_HOUR);
        ck_assert_mem_eq(text + 27, "\",", 2);
        return text + 29;
}

static const char *logged_text(void)
{
        const char *text = logged();
        usec_t wall = 0;

        ck_assert_int_eq(clock_parse(str_n(text, 27), &wall), 0);
        ck_assert_int_eq(text[27], ' ');
        return text + 28;
}

START_TEST(json_lines)
{
        begin(LOG_INFO, LOG_JSON);
        log_info("applied", LOG_STR("kind", STR("Service")), LOG_INT("status", 200));
        ck_assert_str_eq(logged_json(),
                         "\"level\":\"info\",\"msg\":\"applied\",\"kind\":\"Service\",\"status\":200}\n");
        log_error("gone");
        ck_assert_str_eq(logged_json(), "\"level\":\"error\",\"msg\":\"gone\"}\n");
        log_warn("n", LOG_INT("n", INT64_MIN), LOG_CSTR("c", "text"), LOG_CSTR("none", NULL));
        ck_assert_str_eq(logged_json(), "\"level\":\"warn\",\"msg\":\"n\",\"n\":-9223372036854775808,"
                                        "\"c\":\"text\",\"none\":\"\"}\n");
        ck_assert_str_eq(logged(), "");
}
END_TEST

START_TEST(text_lines)
{
        begin(LOG_INFO, LOG_TEXT);
        log_info("applied", LOG_STR("kind", STR("Service")), LOG_INT("status", 200));
        ck_assert_str_eq(logged_text(), "info  applied kind=\"Service\" status=200\n");
        log_error("two\nlines\x1b[31m");
        ck_assert_str_eq(logged_text(), "error two\\nlines\\u001b[31m\n");
}
END_TEST

START_TEST(levels)
{
        begin(LOG_WARN, LOG_JSON);
        log_debug("a");
        log_info("b");
        ck_assert_str_eq(logged(), "");
        log_warn("c");
        ck_assert_str_eq(logged_json(), "\"level\":\"warn\",\"msg\":\"c\"}\n");
        log_setup(LOG_DEBUG, LOG_JSON);
        log_debug("d");
        ck_assert_str_eq(logged_json(), "\"level\":\"debug\",\"msg\":\"d\"}\n");
}
END_TEST

START_TEST(nothing_can_forge_a_field_or_a_line)
{
        begin(LOG_INFO, LOG_JSON);
        log_info("a\"b", LOG_STR("v", STR("x\",\"level\":\"error\n{\\}\t\r\0\x7f\x1b[2J")));
        ck_assert_str_eq(logged_json(),
                         "\"level\":\"info\",\"msg\":\"a\\\"b\",\"v\":\"x\\\",\\\"level\\\":\\\"error\\n"
                         "{\\\\}\\u0009\\u000d\\u0000\\u007f\\u001b[2J\"}\n");
}
END_TEST

START_TEST(lines_are_utf8_whatever_comes_in)
{
        begin(LOG_INFO, LOG_JSON);
        log_info("m", LOG_STR("v", STR("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2")));
        ck_assert_str_eq(
                logged_json(),
                "\"level\":\"info\",\"msg\":\"m\",\"v\":\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9a\xa2\"}\n");
        log_info("m", LOG_STR("v", STR("a\xff\xc3(\xe2\x82")));
        ck_assert_str_eq(logged_json(),
                         "\"level\":\"info\",\"msg\":\"m\",\"v\":\"a\\ufffd\\ufffd(\\ufffd\\ufffd\"}\n");
        /* U+009B starts a control sequence on some terminals, as ESC [ does. */
        log_info("m", LOG_STR("v", STR("\xc2\x9b"
                                       "2J")));
        ck_assert_str_eq(logged_json(), "\"level\":\"info\",\"msg\":\"m\",\"v\":\"\\u009b2J\"}\n");
}
END_TEST

START_TEST(context_stands_in_each_line)
{
        begin(LOG_INFO, LOG_JSON);
        log_context("reconcile", STR("r-1"));
        log_info("a", LOG_INT("n", 1));
        ck_assert_str_eq(logged_json(), "\"level\":\"info\",\"msg\":\"a\",\"reconcile\":\"r-1\",\"n\":1}\n");
        log_context(NULL, STR_NULL);
        log_info("b");
        ck_assert_str_eq(logged_json(), "\"level\":\"info\",\"msg\":\"b\"}\n");
}
END_TEST

static struct str long_text(char fill)
{
        static char text[100 * 1024];

        memset(text, fill, sizeof(text));
        return str_n(text, sizeof(text));
}

/* A line is cut by whole fields, and still ends as it should. */
START_TEST(long_lines_are_cut_not_lost)
{
        const char *text;

        begin(LOG_INFO, LOG_JSON);
        log_info("m", LOG_STR("v", long_text('v')), LOG_INT("n", 1));
        text = logged_json();
        ck_assert_uint_gt(strlen(text), 4000);
        ck_assert_uint_lt(strlen(text), 5000);
        ck_assert(str_ends(str_c(text), STR("v...\",\"n\":1}\n")));

        log_info("m", LOG_STR("a", long_text('v')), LOG_STR("b", long_text('v')),
                 LOG_STR("c", long_text('v')), LOG_STR("d", long_text('v')), LOG_STR("e", long_text('v')),
                 LOG_INT("n", 1));
        text = logged_json();
        ck_assert_uint_le(strlen(text), LINE_CAP);
        ck_assert_ptr_nonnull(strstr(text, "\"c\":"));
        ck_assert_ptr_null(strstr(text, "\"e\":"));
        ck_assert(str_ends(str_c(text), STR("v...\",\"cut\":true}\n")));

        /* Six bytes out for each that comes in. */
        log_info("m", LOG_STR("a", long_text('\x01')), LOG_INT("n", 1));
        text = logged_json();
        ck_assert_uint_le(strlen(text), LINE_CAP);
        ck_assert(str_ends(str_c(text), STR("\"cut\":true}\n")));

        log_setup(LOG_INFO, LOG_TEXT);
        log_info("m", LOG_STR("a", long_text('\x01')), LOG_INT("n", 1));
        text = logged_text();
        ck_assert(str_ends(str_c(text), STR(" cut=true\n")));
}
END_TEST

START_TEST(long_messages_are_cut)
{
        static char message[100 * 1024];

        memset(message, 'm', sizeof(message) - 1);
        begin(LOG_INFO, LOG_JSON);
        log_info(message, LOG_INT("n", 1));
        ck_assert(str_ends(str_c(logged_json()), STR("m...\",\"n\":1}\n")));
        memset(message, '\x02', sizeof(message) - 1);
        log_info(message, LOG_INT("n", 1));
        ck_assert(str_ends(str_c(logged_json()), STR("}\n")));
        log_setup(LOG_INFO, LOG_TEXT);
        log_info(message, LOG_INT("n", 1));
        ck_assert(str_ends(str_c(logged_text()), STR("\n")));
}
END_TEST

START_TEST(works_without_memory_and_keeps_errno)
{
        begin(LOG_INFO, LOG_JSON);
        mem_fail_after(1);
        errno = ENOSPC;
        log_error("out of memory", LOG_INT("n", 1));
        ck_assert_int_eq(errno, ENOSPC);
        ck_assert_str_eq(logged_json(), "\"level\":\"error\",\"msg\":\"out of memory\",\"n\":1}\n");
        mem_fail_after(0);
        close(STDERR_FILENO);
        log_error("nobody is there");
        ck_assert_int_eq(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO);
        ck_assert_str_eq(logged(), "");
}
END_TEST

/* --- a log that nobody reads ----------------------------------------------------- */

static int reader;

/* Standard error is a pipe that holds 8 KiB. */
static void begin_pipe(void)
{
        int ends[2];

        ck_assert_int_eq(pipe(ends), 0);
        ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, 8192), 4096);
        ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
        ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
        close(ends[1]);
        reader = ends[0];
        log_setup(LOG_INFO, LOG_TEXT);
}

/* What is in the pipe, behind the FILLED bytes that line has already. */
static size_t read_pipe(size_t filled)
{
        for (;;) {
                ssize_t n = read(reader, line + filled, sizeof(line) - 1 - filled);

                if (n <= 0)
                        break;
                filled += (size_t)n;
        }
        line[filled] = '\0';
        return filled;
}

/* The lines of TEXT that say MESSAGE, each whole and numbered from 0 on. */
static long long count_lines(const char *text, const char *message)
{
        char expected[64];
        long long n = 0;

        for (;; n++) {
                (void)snprintf(expected, sizeof(expected), "info  %s n=%lld\n", message, n);
                text = strstr(text, expected);
                if (!text)
                        return n;
        }
}

START_TEST(nobody_reads)
{
        static const char mark[] = " lines=";
        const long long total = 20000;
        const char *lost;
        long long arrived;

        begin_pipe();
        for (long long i = 0; i < total; i++)
                log_info("m", LOG_INT("n", i)); /* would wait for ever */
        arrived = count_lines((read_pipe(0), line), "m");
        ck_assert_int_gt(arrived, 50);
        ck_assert_int_lt(arrived, total);
        ck_assert_ptr_null(strstr(line, mark));

        log_info("after", LOG_INT("n", 0));
        log_info("after", LOG_INT("n", 1));
        read_pipe(0);
        ck_assert_int_eq(count_lines(line, "after"), 2);
        lost = strstr(line, mark);
        ck_assert_ptr_nonnull(lost);
        ck_assert_int_eq(strtoll(lost + strlen(mark), NULL, 10), total - arrived);
        ck_assert_ptr_null(strstr(lost + 1, mark));
}
END_TEST

/* Of a line that does not fit as a whole the rest comes later, before all others. */
START_TEST(a_long_line_waits_in_two_pieces)
{
        size_t first;

        begin_pipe();
        log_info("long", LOG_STR("a", long_text('a')), LOG_STR("b", long_text('b')),
                 LOG_STR("c", long_text('c')), LOG_INT("n", 7));
        log_info("lost");
        first = read_pipe(0);
        ck_assert_ptr_null(strchr(line, '\n'));
        log_info("lost too, or not");
        read_pipe(first);
        ck_assert_ptr_nonnull(strstr(line, "c...\" n=7\n"));
        ck_assert_ptr_null(strstr(line, "info  lost\n"));
        first = read_pipe(0);
        log_info("m", LOG_INT("n", 0));
        read_pipe(first);
        ck_assert_int_eq(count_lines(line, "m"), 1);
}
END_TEST

START_TEST(last_words)
{
        begin(LOG_INFO, LOG_JSON);
        log_last_words("keelson operator", "no \"way\"\nout");
        ck_assert_str_eq(logged(), "keelson operator: no \"way\"\\nout\n");

        begin_pipe();
        for (int i = 0; i < 1000; i++)
                log_info("m", LOG_INT("n", i));
        log_last_words("keelson operator", "nobody hears it"); /* would wait for ever */
        read_pipe(0);
        log_last_words("keelson operator", "it is over");
        read_pipe(0);
        ck_assert_ptr_nonnull(strstr(line, "keelson operator: it is over\n"));
}
END_TEST

START_TEST(nobody_is_there)
{
        begin_pipe();
        close(reader);
        signal(SIGPIPE, SIG_IGN); /* as the event loop does */
        errno = 0;
        for (int i = 0; i < 1000; i++)
                log_info("m", LOG_INT("n", i));
        ck_assert_int_eq(errno, 0);
}
END_TEST

START_TEST(names)
{
        static const char *const level_names[] = { "debug", "info", "warn", "error" };
        enum log_level level = LOG_WARN;
        enum log_format format = LOG_TEXT;

        ck_assert_int_eq(log_level_parse(STR("loud"), &level), -EINVAL);
        ck_assert_int_eq(log_level_parse(STR("INFO"), &level), -EINVAL);
        ck_assert_int_eq(log_level_parse(STR_NULL, &level), -EINVAL);
        ck_assert_int_eq(level, LOG_WARN);
        for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
                ck_assert_int_eq(log_level_parse(str_c(level_names[i]), &level), 0);
                ck_assert_uint_eq(level, i);
        }
        ck_assert_int_eq(log_format_parse(STR("xml"), &format), -EINVAL);
        ck_assert_int_eq(format, LOG_TEXT);
        ck_assert_int_eq(log_format_parse(STR("json"), &format), 0);
        ck_assert_int_eq(format, LOG_JSON);
        ck_assert_int_eq(log_format_parse(STR("text"), &format), 0);
        ck_assert_int_eq(format, LOG_TEXT);
}
END_TEST

static const TTest *const tests[] = {
        json_lines,
        text_lines,
        levels,
        nothing_can_forge_a_field_or_a_line,
        lines_are_utf8_whatever_comes_in,
        context_stands_in_each_line,
        long_lines_are_cut_not_lost,
        long_messages_are_cut,
        works_without_memory_and_keeps_errno,
        nobody_reads,
        a_long_line_waits_in_two_pieces,
        last_words,
        nobody_is_there,
        names,
};
TEST_MAIN("base/log", tests)
