/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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
        names,
};
TEST_MAIN("base/log", tests)
