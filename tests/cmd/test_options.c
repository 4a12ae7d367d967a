/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "harness.h"

#define WORDS_MAX 8
#define SAID_MAX 512

enum {
        OPT_COUNT = 256,
        OPT_ONCE,
        OPT_LEADER,
};

static const struct option options[] = {
        { "count", required_argument, NULL, OPT_COUNT },
        { "once", no_argument, NULL, OPT_ONCE },
        { "leader", optional_argument, NULL, OPT_LEADER },
        { "filename", required_argument, NULL, 'f' },
        CMD_LOG_OPTIONS,
        CMD_HELP_OPTION,
        { 0 },
};

struct taken {
        bool count, once, leader, has_leader;
        struct str file;
        struct cmd_log log;
};

static int take(void *arg, int id, struct str value, const char **ret_expected)
{
        struct taken *t = arg;

        switch (id) {
        case OPT_COUNT:
                *ret_expected = "3";
                t->count = str_eq(value, STR("3"));
                return t->count ? 0 : -EINVAL;
        case OPT_ONCE:
                t->once = true;
                return 0;
        case OPT_LEADER:
                t->has_leader = value.data != NULL;
                return t->has_leader ? cmd_parse_bool(value, &t->leader) : 0;
        case 'f':
                t->file = value;
                return 0;
        default:
                return cmd_take_log(&t->log, id, value, ret_expected);
        }
}

/* What FD gets while it parses WORDS, which end with NULL, is in SAID. */
static bool parse(const char *const words[WORDS_MAX], int fd, struct taken *t, int *ret_code,
                  char said[SAID_MAX])
{
        static const struct cmd_line line = {
                .command = "test", .usage = "usage: test\n", .options = options, .take = take
        };
        char *argv[WORDS_MAX + 2] = { (char *)"test" };
        FILE *file = tmpfile();
        int argc = 1, kept = dup(fd);
        bool goes_on;

        while (argc <= WORDS_MAX && words[argc - 1]) {
                argv[argc] = (char *)words[argc - 1];
                argc++;
        }
        ck_assert_ptr_nonnull(file);
        fflush(NULL);
        ck_assert_int_eq(dup2(fileno(file), fd), fd);
        optind = 0; /* glibc's way to begin anew */
        *t = (struct taken){ .log = CMD_LOG_INIT };
        goes_on = cmd_parse(&line, argc, argv, t, ret_code);
        fflush(NULL);
        ck_assert_int_eq(dup2(kept, fd), fd);
        close(kept);
        rewind(file);
        said[fread(said, 1, SAID_MAX - 1, file)] = '\0';
        fclose(file);
        return goes_on;
}

START_TEST(options_are_taken_in_as_they_come)
{
        char said[SAID_MAX];
        struct taken t;
        int code;

        ck_assert(parse((const char *const[WORDS_MAX]){ "--count", "3", "-f", "a.yaml", "--leader" },
                        STDERR_FILENO, &t, &code, said));
        ck_assert(t.count && !t.once && !t.has_leader);
        ck_str_eq(t.file, "a.yaml");
        ck_assert(parse((const char *const[WORDS_MAX]){ "--leader=1", "--once", "--filename=", "--log-level",
                                                        "warn", "--log-format=text" },
                        STDERR_FILENO, &t, &code, said));
        ck_assert(!t.count && t.once && t.has_leader && t.leader);
        ck_assert(t.file.data && t.file.len == 0);
        ck_assert(t.log.level == LOG_WARN && t.log.format == LOG_TEXT);
        ck_assert(parse((const char *const[WORDS_MAX]){ 0 }, STDERR_FILENO, &t, &code, said));
        ck_str_eq(str_c(said), "");
}
END_TEST

START_TEST(what_is_wrong_is_told)
{
#define SEE "; keelson test --help lists the options\n"
        static const struct {
                const char *words[WORDS_MAX], *said;
        } cases[] = {
                { { "--nope" }, "keelson test: unknown option \"--nope\"" SEE },
                { { "here", "--nope=1" }, "keelson test: unknown option \"--nope=1\"" SEE },
                { { "--once", "-x" }, "keelson test: unknown option \"-x\"" SEE },
                { { "--once", "-xf" }, "keelson test: unknown option \"-x\"" SEE },
                { { "--count" }, "keelson test: option --count needs a value" SEE },
                { { "--once", "-f" }, "keelson test: option --filename needs a value" SEE },
                { { "--once=3" }, "keelson test: option --once takes no value" SEE },
                { { "--help=3" }, "keelson test: option --help takes no value" SEE },
                { { "here" }, "keelson test: unexpected argument \"here\"" SEE },
                { { "--", "--help" }, "keelson test: unexpected argument \"--help\"" SEE },
                { { "--help", "--count=4" }, "keelson test: --count: expected 3, not \"4\"\n" },
                { { "--leader=" }, "keelson test: --leader: expected another value, not \"\"\n" },
                { { "--log-level", "loud" },
                  "keelson test: --log-level: expected debug, info, warn or error, not \"loud\"\n" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char said[SAID_MAX];
                struct taken t;
                int code = 0;

                ck_assert(!parse(cases[i].words, STDERR_FILENO, &t, &code, said));
                ck_assert_int_eq(code, EXIT_USAGE);
                ck_str_eq(str_c(said), cases[i].said);
        }
}
END_TEST

START_TEST(help_is_printed_and_is_no_failure)
{
        static const char *const words[][WORDS_MAX] = { { "--help" },
                                                        { "-h", "--once" },
                                                        { "--once", "--h" } };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
                char said[SAID_MAX];
                struct taken t;
                int code = 1;

                ck_assert(!parse(words[i], STDOUT_FILENO, &t, &code, said));
                ck_assert_int_eq(code, EXIT_SUCCESS);
                ck_str_eq(str_c(said), "usage: test\n");
        }
}
END_TEST

START_TEST(a_boolean_is_one_of_four_words)
{
        bool b = false;

        ck_assert(cmd_parse_bool(STR("true"), &b) == 0 && b);
        ck_assert(cmd_parse_bool(STR("false"), &b) == 0 && !b);
        ck_assert(cmd_parse_bool(STR("1"), &b) == 0 && b);
        ck_assert(cmd_parse_bool(STR("0"), &b) == 0 && !b);
        ck_assert_int_eq(cmd_parse_bool(STR("True"), &b), -EINVAL);
        ck_assert_int_eq(cmd_parse_bool(STR(""), &b), -EINVAL);
        ck_assert_int_eq(cmd_parse_bool(STR_NULL, &b), -EINVAL);
}
END_TEST

START_TEST(a_duration_is_within_its_bounds)
{
        usec_t d = 0;

        ck_assert_int_eq(cmd_parse_duration(STR("10ms"), 10 * USEC_MSEC, USEC_MINUTE, &d), 0);
        ck_assert_int_eq(d, 10 * USEC_MSEC);
        ck_assert_int_eq(cmd_parse_duration(STR("1m"), 10 * USEC_MSEC, USEC_MINUTE, &d), 0);
        ck_assert_int_eq(d, USEC_MINUTE);
        ck_assert_int_eq(cmd_parse_duration(STR("9ms"), 10 * USEC_MSEC, USEC_MINUTE, &d), -EINVAL);
        ck_assert_int_eq(cmd_parse_duration(STR("61s"), 10 * USEC_MSEC, USEC_MINUTE, &d), -EINVAL);
        ck_assert_int_eq(cmd_parse_duration(STR("soon"), 0, USEC_NEVER, &d), -EINVAL);
        ck_assert_int_eq(d, USEC_MINUTE);
}
END_TEST

static const TTest *const tests[] = {
        options_are_taken_in_as_they_come, what_is_wrong_is_told,           help_is_printed_and_is_no_failure,
        a_boolean_is_one_of_four_words,    a_duration_is_within_its_bounds,
};
TEST_MAIN("cmd/options", tests)
