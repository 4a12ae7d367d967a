/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int cmd_refuse(const struct cmd_line *line, const char *format, ...)
{
        va_list args;

        fprintf(stderr, "keelson %s: ", line->command);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fprintf(stderr, "; keelson %s --help lists the options\n", line->command);
        return EXIT_USAGE;
}

static const struct option *find_option(const struct cmd_line *line, int id)
{
        for (const struct option *o = line->options; o->name; o++)
                if (o->val == id)
                        return o;
        return NULL;
}

/* What getopt_long did not understand. A word that it does not know is behind
 * it by now, and has no id. */
static int refuse_option(const struct cmd_line *line, int id, char **argv)
{
        const struct option *known = find_option(line, optopt);

        if (known)
                return cmd_refuse(line, "option --%s %s", known->name,
                                  id == ':' ? "needs a value" : "takes no value");
        if (optopt)
                return cmd_refuse(line, "unknown option \"-%c\"", optopt);
        return cmd_refuse(line, "unknown option \"%s\"", argv[optind - 1]);
}

static int refuse_value(const struct cmd_line *line, int id, const char *expected)
{
        fprintf(stderr, "keelson %s: --%s: expected %s, not \"%s\"\n", line->command,
                find_option(line, id)->name, expected, optarg ? optarg : "");
        return EXIT_USAGE;
}

/* ":hf:": the options that are letters; the first ':' has a missing value told
 * from an unknown option. */
static void list_letters(const struct cmd_line *line, char ret[2 * CMD_OPTIONS_MAX + 2])
{
        *ret++ = ':';
        for (const struct option *o = line->options; o->name && o < line->options + CMD_OPTIONS_MAX; o++) {
                if (o->val > 'z')
                        continue;
                *ret++ = (char)o->val;
                if (o->has_arg == required_argument)
                        *ret++ = ':';
        }
        *ret = '\0';
}

static int parse(const struct cmd_line *line, int argc, char **argv, void *arg, bool *ret_help)
{
        char letters[2 * CMD_OPTIONS_MAX + 2];
        int id;

        list_letters(line, letters);
        opterr = 0;
        while ((id = getopt_long(argc, argv, letters, line->options, NULL)) >= 0) {
                const char *expected = "another value";

                if (id == '?' || id == ':')
                        return refuse_option(line, id, argv);
                if (id == 'h')
                        *ret_help = true;
                else if (line->take(arg, id, str_c(optarg), &expected) < 0)
                        return refuse_value(line, id, expected);
        }
        if (optind < argc && line->for_words)
                return cmd_refuse(line, "unexpected argument \"%s\"; use %s %s", argv[optind],
                                  line->for_words, argv[optind]);
        if (optind < argc)
                return cmd_refuse(line, "unexpected argument \"%s\"", argv[optind]);
        return 0;
}

bool cmd_parse(const struct cmd_line *line, int argc, char **argv, void *arg, int *ret_code)
{
        bool help = false;

        *ret_code = parse(line, argc, argv, arg, &help);
        if (*ret_code)
                return false;
        if (help)
                fputs(line->usage, stdout);
        return !help;
}

/* --- values ------------------------------------------------------------------------- */

int cmd_parse_bool(struct str s, bool *ret)
{
        if (str_eq(s, STR("true")) || str_eq(s, STR("1")))
                *ret = true;
        else if (str_eq(s, STR("false")) || str_eq(s, STR("0")))
                *ret = false;
        else
                return -EINVAL;
        return 0;
}

int cmd_parse_duration(struct str s, usec_t min, usec_t max, usec_t *ret)
{
        usec_t d;

        if (duration_parse(s, &d) < 0 || d < min || d > max)
                return -EINVAL;
        *ret = d;
        return 0;
}

int cmd_take_log(struct cmd_log *log, int id, struct str value, const char **ret_expected)
{
        switch (id) {
        case CMD_LOG_LEVEL:
                *ret_expected = "debug, info, warn or error";
                return log_level_parse(value, &log->level);
        case CMD_LOG_FORMAT:
                *ret_expected = "json or text";
                return log_format_parse(value, &log->format);
        default:
                return -EINVAL;
        }
}
