/* SPDX-License-Identifier: Apache-2.0
 *
 * A command's line: options, and nothing else. What is wrong with it is told on
 * stderr, in the same words for each command.
 *
 *      static const struct option options[] = {
 *              { "listen", required_argument, NULL, OPT_LISTEN },
 *              { "filename", required_argument, NULL, 'f' },
 *              CMD_LOG_OPTIONS,
 *              CMD_HELP_OPTION,
 *              { 0 },
 *      };
 *      static const struct cmd_line line = {
 *              .command = "webhook", .usage = usage, .options = options, .take = take_option
 *      };
 *      int code;
 *
 *      if (!cmd_parse(&line, argc, argv, &arguments, &code))
 *              return code;
 */
#pragma once

#include <getopt.h>

#include "base/clock.h"
#include "base/log.h"

/* Exit codes: 0, 1 (EXIT_FAILURE) for what went wrong, 2 for a wrong command line. */
#define EXIT_USAGE 2

#define CMD_OPTIONS_MAX 32 /* of one command */

struct cmd_line {
        const char *command;          /* as it is called: "operator" */
        const char *usage;            /* what --help prints */
        const struct option *options; /* an option whose id is a letter may be written so as well: -f */
        const char *for_words;        /* the option that a word without one was meant for: "-f"; or NULL */
        /* Takes one option in. VALUE is absent where an optional one was left out. A
         * negative errno refuses it: *RET_EXPECTED says what it should have been. */
        int (*take)(void *arg, int id, struct str value, const char **ret_expected);
};

/* Gives each option to take(ARG). False: there is nothing more to do, and the
 * program is to end with *RET_CODE, be it that --help was asked for. */
bool cmd_parse(const struct cmd_line *line, int argc, char **argv, void *arg, int *ret_code) _must_check_;

/* Tells what is wrong with the line as a whole: EXIT_USAGE, to be returned. */
int cmd_refuse(const struct cmd_line *line, const char *format, ...) _printf_(2, 3);

/* Each list of options has it. */
/* clang-format off */
#define CMD_HELP_OPTION { "help", no_argument, NULL, 'h' }
/* clang-format on */

/* --- values ------------------------------------------------------------------------- */

/* true, false, 1, 0. 0 or -EINVAL. */
int cmd_parse_bool(struct str s, bool *ret) _must_check_;

/* From MIN to MAX. 0 or -EINVAL. */
int cmd_parse_duration(struct str s, usec_t min, usec_t max, usec_t *ret) _must_check_;

/* --- the options of whatever logs ------------------------------------------------------ */

struct cmd_log {
        enum log_level level;
        enum log_format format;
};

enum {
        CMD_LOG_LEVEL = 1000,
        CMD_LOG_FORMAT,
};

/* clang-format off */
#define CMD_LOG_INIT { LOG_INFO, LOG_JSON }
#define CMD_LOG_OPTIONS                                           \
        { "log-level", required_argument, NULL, CMD_LOG_LEVEL },  \
        { "log-format", required_argument, NULL, CMD_LOG_FORMAT }
#define CMD_LOG_USAGE                                                         \
        "  --log-level LEVEL     debug, info, warn or error (default: info)\n" \
        "  --log-format FORMAT   json or text (default: json)\n"
/* clang-format on */

/* What take() has for them, and -EINVAL for any other id. */
int cmd_take_log(struct cmd_log *log, int id, struct str value, const char **ret_expected) _must_check_;
